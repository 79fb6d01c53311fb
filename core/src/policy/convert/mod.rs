//! Policies of others, said as Bulla's own (docs/policy-convert.md).
//!
//! A conversion means the same or fails: whatever ours cannot say is refused by the path of its field, all of them at once.
//! The one exception are differences that every conversion of a kind has; each is a note and stands in docs/policy-convert.md.

mod cluster_image_policy;
mod containers_policy;
mod fields;
mod glob;
mod identity;
mod notation;
mod scope;
mod write;

use core::fmt;

use serde::Serialize;
use serde_json::Value;

use self::fields::Log;
use self::write::Draft;
use super::set::PolicySet;
use crate::json;
use crate::limits::MAX_POLICY_BYTES;
use crate::reference::Repository;
use crate::text::excerpt;
use crate::yaml::Document;

/// What a conversion gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// The policies, in the order of their source. None when the source rejects every image, as no policy at all does.
    pub policies: Vec<Converted>,
    /// What is to be known about all of them together.
    pub notes: Vec<String>,
}

/// One policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// `metadata.name`: lower-case letters, digits, dots and hyphens.
    pub name: String,
    /// The document as YAML, its notes in front as comments.
    pub text: String,
    /// What whoever puts it in force has to know.
    pub notes: Vec<String>,
}

/// Why nothing was converted: every field that ours cannot say, and never only the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.refused))]
pub struct ConvertError {
    /// The fields.
    pub refused: Vec<Refused>,
}

/// A field that cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Where, e.g. `spec.authorities[1].keyless`; empty for the source as a whole.
    pub path: String,
    /// Why, and what can be done.
    pub message: String,
    /// The file that the field names, when it only has to be given as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => formatter.write_str(&self.message),
            path => write!(formatter, "{path}: {}", self.message),
        }
    }
}

/// A file that a source names and does not hold, under the name by which it is named there.
pub type File<'f> = (String, &'f [u8]);

/// Converts one source: documents of kind ClusterImagePolicy, a containers-policy.json, or a trust policy of Notation. Which
/// one is said by its content. `name` is the source's and becomes part of names where the source has none.
///
/// ```
/// # use bulla_core::policy::convert::convert;
/// let error = convert("policy.json", br#"{"default": [{"type": "insecureAcceptAnything"}]}"#, &[]).unwrap_err();
/// assert_eq!(error.refused[0].path, "default[0].type");
/// ```
///
/// # Errors
/// [`ConvertError`] with every field that cannot be said.
pub fn convert(name: &str, bytes: &[u8], files: &[File<'_>]) -> Result<Conversion, ConvertError> {
    let mut log = Log::default();
    let drafts = read(name, bytes, files, &mut log);
    finish(&drafts, log)
}

/// Converts what a trust policy of Notation says about these repositories, and nothing else of it: the statement that names a
/// repository, else the one for the rest. The policies match exactly these repositories.
///
/// # Errors
/// [`ConvertError`] with every field that cannot be said, and for a document of another kind.
pub fn convert_for(images: &[Repository], bytes: &[u8], files: &[File<'_>]) -> Result<Conversion, ConvertError> {
    let mut log = Log::default();
    let drafts = match json::parse(bytes, MAX_POLICY_BYTES) {
        Ok(value) => notation::read(&value, files, Some(images), &mut log),
        Err(problem) => {
            log.refuse("", problem.to_string());
            Vec::new()
        }
    };
    finish(&drafts, log)
}

fn finish(drafts: &[Draft], log: Log) -> Result<Conversion, ConvertError> {
    let (mut refused, notes) = log.into_parts();
    if refused.is_empty() {
        let policies: Vec<Converted> = drafts.iter().map(Draft::write).collect();
        let documents: Vec<File<'_>> =
            policies.iter().map(|policy| (policy.name.clone(), policy.text.as_bytes())).collect();
        // What is given out loads: limits and rules of policies hold for converted ones as well.
        match PolicySet::read(&documents) {
            Ok(_) => return Ok(Conversion { policies, notes }),
            Err(problems) => refused.extend(problems.into_iter().map(|problem| {
                let message =
                    format!("policy {:?}: {}: {}", problem.document, problem.error.path, problem.error.message);
                Refused { path: String::new(), message, file: None }
            })),
        }
    }
    Err(ConvertError { refused })
}

fn read(name: &str, bytes: &[u8], files: &[File<'_>], log: &mut Log) -> Vec<Draft> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or_default();
    if bytes.get(start) == Some(&b'{') {
        return match json::parse(bytes, MAX_POLICY_BYTES) {
            Ok(value) if value.get("trustPolicies").is_some() => notation::read(&value, files, None, log),
            Ok(value) if value.get("default").is_some() => containers_policy::read(name, &value, files, log),
            Ok(value) => cluster_image_policies([&value], log),
            Err(problem) => {
                log.refuse("", problem.to_string());
                Vec::new()
            }
        };
    }
    let text = core::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 at octet {}", error.valid_up_to()));
    match text.and_then(|text| Document::read_all(text).map_err(|problem| problem.to_string())) {
        Ok(documents) => cluster_image_policies(documents.iter().map(Document::value), log),
        Err(problem) => {
            log.refuse("", problem);
            Vec::new()
        }
    }
}

fn cluster_image_policies<'v>(values: impl IntoIterator<Item = &'v Value>, log: &mut Log) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut documents = 0usize;
    for value in values {
        documents = documents.saturating_add(1);
        let kind = value.get("kind").and_then(Value::as_str);
        if kind == Some(cluster_image_policy::KIND) {
            drafts.extend(cluster_image_policy::read(value, log));
        } else {
            let found = kind.map_or("no kind".to_owned(), |kind| format!("kind {:?}", excerpt(kind)));
            let message =
                format!("expected a ClusterImagePolicy, a containers-policy.json or a trust policy; found {found}");
            log.refuse("kind", message);
        }
    }
    if documents == 0 {
        log.refuse("", "there is no document in it");
    }
    drafts
}

fn lines(refused: &[Refused]) -> String {
    refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
