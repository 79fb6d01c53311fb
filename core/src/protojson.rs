//! Reading messages from JSON as protobuf writes them (protobuf.dev, "ProtoJSON Format"), member by member.
//!
//! Every member that is known is taken by name; [`Message::finish`] refuses what is left. Two spellings of one member are
//! one member, so a document that has both is refused like a duplicate key. What `null` says is that a member is not there.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::json::JsonError;
use crate::text::excerpt;

/// Which spellings of a member's name are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// `lowerCamelCase` only: JSON that is not defined by a protobuf schema.
    Camel,
    /// `lowerCamelCase`, and the name in the schema, `snake_case`.
    Both,
}

/// An object, of which members are taken until nothing is left.
#[derive(Debug)]
pub(crate) struct Message {
    path: String,
    members: Map<String, Value>,
    names: Names,
}

impl Message {
    /// Reads a whole document.
    pub(crate) fn document(value: Value, names: Names) -> Result<Self, JsonError> {
        Self::at(String::new(), value, names)
    }

    fn at(path: String, value: Value, names: Names) -> Result<Self, JsonError> {
        match value {
            Value::Object(members) => Ok(Self { path, members, names }),
            _ => Err(shape(&path, "expected an object")),
        }
    }

    /// Where a member of this message is.
    pub(crate) fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a member by its `lowerCamelCase` name. Null is the same as absent.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<Value>, JsonError> {
        let camel = self.members.remove(name);
        let snake = match self.names {
            Names::Camel => None,
            Names::Both => Some(snake(name)).filter(|snake| snake != name),
        };
        let other = snake.as_ref().and_then(|snake| self.members.remove(snake));
        match (camel, other) {
            (Some(_), Some(_)) => {
                Err(shape(&self.path_to(name), &format!("also given as {:?}", snake.unwrap_or_default())))
            }
            (value, other) => Ok(value.or(other).filter(|value| !value.is_null())),
        }
    }

    /// Takes a message.
    pub(crate) fn message(&mut self, name: &str) -> Result<Option<Self>, JsonError> {
        let (path, names) = (self.path_to(name), self.names);
        self.take(name)?.map(|value| Self::at(path, value, names)).transpose()
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, JsonError> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(shape(&self.path_to(name), "expected a string")),
        }
    }

    /// Takes octets, base64.
    pub(crate) fn octets(&mut self, name: &str) -> Result<Option<Vec<u8>>, JsonError> {
        let path = self.path_to(name);
        self.take(name)?.map(|value| octets(&path, &value)).transpose()
    }

    /// Takes a 64-bit integer: a number, or decimal digits in a string. Absent is zero.
    pub(crate) fn integer(&mut self, name: &str) -> Result<i64, JsonError> {
        let value = match self.take(name)? {
            None => Some(0),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => {
                let digits = text.strip_prefix('-').unwrap_or(&text);
                let canonical = digits.bytes().all(|byte| byte.is_ascii_digit())
                    && (digits == "0" || !digits.starts_with('0'))
                    && text != "-0";
                if canonical { text.parse().ok() } else { None }
            }
            Some(_) => None,
        };
        value.ok_or_else(|| shape(&self.path_to(name), "expected a 64-bit integer"))
    }

    /// Takes a list. Absent is empty.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>, JsonError> {
        match self.take(name)? {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(shape(&self.path_to(name), "expected a list")),
        }
    }

    /// Takes a list of messages. Absent is empty.
    pub(crate) fn messages(&mut self, name: &str) -> Result<Vec<Self>, JsonError> {
        let (path, names) = (self.path_to(name), self.names);
        let items = self.list(name)?.into_iter().enumerate();
        items.map(|(index, item)| Self::at(format!("{path}[{index}]"), item, names)).collect()
    }

    /// Takes an object with any names. Absent is empty.
    pub(crate) fn map(&mut self, name: &str) -> Result<Map<String, Value>, JsonError> {
        match self.take(name)? {
            None => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members),
            Some(_) => Err(shape(&self.path_to(name), "expected an object")),
        }
    }

    /// Refuses what was not taken.
    pub(crate) fn finish(self) -> Result<(), JsonError> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(shape(&self.path_to(name), "unknown member")),
        }
    }
}

/// An error at this place of a document.
pub(crate) fn shape(path: &str, message: &str) -> JsonError {
    let path = if path.is_empty() { ".".to_owned() } else { excerpt(path) };
    JsonError::Shape { path, message: excerpt(message) }
}

/// Octets of a value that is base64.
pub(crate) fn octets(path: &str, value: &Value) -> Result<Vec<u8>, JsonError> {
    let text = value.as_str().ok_or_else(|| shape(path, "expected a string of base64"))?;
    decode(text).ok_or_else(|| shape(path, "not base64"))
}

/// Decodes base64 of either alphabet, padded or not (DSSE envelope.md; ProtoJSON, `bytes`). One text is of one alphabet,
/// padding is whole or absent, and bits that encode nothing are zero: what else Go's decoder tolerates, nobody writes.
fn decode(text: &str) -> Option<Vec<u8>> {
    let url_safe = text.contains(['-', '_']);
    let engine = match (url_safe, text.ends_with('=')) {
        (false, true) => STANDARD,
        (false, false) => STANDARD_NO_PAD,
        (true, true) => URL_SAFE,
        (true, false) => URL_SAFE_NO_PAD,
    };
    engine.decode(text).ok()
}

/// The schema's name of a member. A digit follows its word without an underscore, as in `rfc3161_timestamps`.
fn snake(camel: &str) -> String {
    let mut name = String::with_capacity(camel.len().saturating_add(4));
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Message, Names, decode, snake};

    #[test]
    fn base64_of_either_alphabet_is_read_and_must_be_canonical() {
        for good in ["+/8=", "-_8=", "+/8", "-_8"] {
            assert_eq!(decode(good), Some(vec![0xfb, 0xff]), "{good}");
        }
        assert_eq!(decode(""), Some(Vec::new()));
        for bad in ["+_8=", "+/9=", "+/8==", "+/8=\n", " +/8=", "+", "+/8*", "YQ=", "===="] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn both_names_are_one_member() {
        assert_eq!(snake("x509CertificateChain"), "x509_certificate_chain");
        assert_eq!(snake("rfc3161Timestamps"), "rfc3161_timestamps");
        let document = |value| Message::document(value, Names::Both).expect("an object");
        assert_eq!(document(json!({"log_index": "7"})).integer("logIndex"), Ok(7));
        assert!(document(json!({"log_index": "7", "logIndex": 7})).integer("logIndex").is_err());
        assert!(document(json!({"log_index": null, "logIndex": 7})).integer("logIndex").is_err());
        assert!(document(json!({"other": null})).finish().is_err());
        let mut plain = Message::document(json!({"log_index": "7"}), Names::Camel).expect("an object");
        assert_eq!(plain.integer("logIndex"), Ok(0));
        assert!(plain.finish().is_err());
    }

    #[test]
    fn integers_are_numbers_or_digits() {
        let read = |value| Message::document(json!({"n": value}), Names::Both).expect("an object").integer("n");
        assert_eq!(read(json!(-1)), Ok(-1));
        assert_eq!(read(json!("-1")), Ok(-1));
        assert_eq!(read(json!(null)), Ok(0));
        assert_eq!(read(json!("9223372036854775807")), Ok(i64::MAX));
        for bad in [json!("9223372036854775808"), json!(u64::MAX), json!(1.0), json!(true), json!([])] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        for bad in ["", "-", "+1", " 1", "01", "-0", "1e2", "1.0", "0x1", "--1"] {
            assert!(read(json!(bad)).is_err(), "{bad:?}");
        }
    }
}
