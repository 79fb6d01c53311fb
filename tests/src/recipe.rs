//! Bytes described compactly: text, base64, or a small instruction for what would be large.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How the bytes of a blob are made. Anybody can follow this in a few lines of any language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Recipe {
    /// The text, as UTF-8.
    Text(String),
    /// These lines, each ended by one line feed.
    Lines(Vec<String>),
    /// The value as JSON without white space. Only where no digest is over it: the order of members is not said.
    Json(Value),
    /// The bytes, in base64 with padding.
    Base64(String),
    /// A text several times over; `{n}` in it is the number of the round in four decimal digits, from 0000.
    Repeat(Repeat),
    /// Parts, one after the other.
    Concat(Vec<Recipe>),
}

/// A text several times over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The text.
    pub text: String,
    /// How often.
    pub count: usize,
    /// What stands between two rounds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub separator: String,
}

impl Recipe {
    /// Bytes in the most readable form that can hold them.
    pub fn of(bytes: &[u8]) -> Self {
        match core::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    /// A text with line feeds, line by line.
    pub fn lines(text: &str) -> Self {
        assert!(text.ends_with('\n') && !text.contains('\r'), "only a text of whole lines can be written as lines");
        Self::Lines(text.lines().map(str::to_owned).collect())
    }

    /// A text several times over.
    pub fn repeat(text: &str, count: usize) -> Self {
        Self::Repeat(Repeat { text: text.to_owned(), count, separator: String::new() })
    }

    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Lines(lines) => lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect(),
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Base64(text) => STANDARD.decode(text).expect("vectors hold valid base64"),
            Self::Repeat(Repeat { text, count, separator }) if !text.contains("{n}") && separator.is_empty() => {
                text.repeat(*count).into_bytes()
            }
            Self::Repeat(Repeat { text, count, separator }) => {
                let rounds: Vec<String> = (0..*count).map(|n| text.replace("{n}", &format!("{n:04}"))).collect();
                rounds.join(separator).into_bytes()
            }
            Self::Concat(parts) => parts.iter().flat_map(Self::bytes).collect(),
        }
    }
}

/// The same value with the members of every object in order, so that what is written does not depend on the build.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(members) => {
            let ordered: std::collections::BTreeMap<&String, &Value> = members.iter().collect();
            Value::Object(ordered.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect())
        }
        other => other.clone(),
    }
}
