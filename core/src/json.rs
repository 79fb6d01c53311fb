//! Strict JSON (RFC 8259, I-JSON RFC 7493): one reader for every document that comes from outside.
//!
//! Duplicate keys are refused, because two readers that pick different ones disagree about what was signed. Depth and
//! size are limited before anything is allocated for them.

use core::cell::Cell;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits::{MAX_DEPTH, MAX_JSON_VALUES};
use crate::text::excerpt;

/// Why bytes are not the JSON document they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// More octets than the document may have.
    #[error("{got} octets, at most {limit} are allowed")]
    TooLarge {
        /// Octets there are.
        got: usize,
        /// Octets allowed.
        limit: usize,
    },
    /// Not JSON, a duplicate key, nested too deeply, or bytes after the end.
    #[error("not strict JSON: {0}")]
    Syntax(String),
    /// JSON, but not of the expected shape.
    #[error("{path}: {message}")]
    Shape {
        /// Where, e.g. `critical.image`; `.` for the document itself.
        path: String,
        /// What was expected.
        message: String,
    },
}

/// Reads one JSON document.
///
/// # Errors
/// [`JsonError::TooLarge`] over `limit` octets, [`JsonError::Syntax`] for anything that is not strict JSON.
pub fn parse(bytes: &[u8], limit: usize) -> Result<Value, JsonError> {
    if bytes.len() > limit {
        return Err(JsonError::TooLarge { got: bytes.len(), limit });
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let syntax = |error: serde_json::Error| JsonError::Syntax(excerpt(&error.to_string()));
    let values = Cell::new(0);
    let value = Strict { depth: 0, values: &values }.deserialize(&mut reader).map_err(syntax)?;
    reader.end().map_err(syntax)?;
    Ok(value)
}

/// Reads one JSON document into a type. The type decides about unknown fields.
///
/// # Errors
/// Those of [`parse`], and [`JsonError::Shape`] with the path to the value that does not fit.
pub fn parse_as<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, JsonError> {
    shape(parse(bytes, limit)?)
}

/// Turns a document that was read strictly into a type.
///
/// # Errors
/// [`JsonError::Shape`] with the path to the value that does not fit.
pub fn shape<T: DeserializeOwned>(value: Value) -> Result<T, JsonError> {
    crate::shape::shape(value).map_err(|misfit| JsonError::Shape {
        path: if misfit.path.is_empty() { ".".to_owned() } else { excerpt(&misfit.path) },
        message: excerpt(&misfit.message),
    })
}

/// Refuses a document in which something else than an object stands at one of these JSON pointers. Derived readers take
/// a list for a structure, member by member; no other reader of these formats does.
///
/// # Errors
/// [`JsonError::Shape`] at the first of them that is there and no object.
pub fn check_objects(document: &Value, pointers: &[&str]) -> Result<(), JsonError> {
    match pointers.iter().find(|pointer| document.pointer(pointer).is_some_and(|value| !value.is_object())) {
        None => Ok(()),
        Some(pointer) => {
            let path = if pointer.is_empty() { ".".to_owned() } else { excerpt(pointer) };
            Err(JsonError::Shape { path, message: "expected an object".to_owned() })
        }
    }
}

#[derive(Clone, Copy)]
struct Strict<'c> {
    depth: usize,
    values: &'c Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        let depth = self.depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.count(1)?;
        Ok(Self { depth, values: self.values })
    }

    fn count<E: serde::de::Error>(&self, more: usize) -> Result<(), E> {
        let values = self.values.get().saturating_add(more);
        self.values.set(values);
        if values > MAX_JSON_VALUES {
            return Err(E::custom(format_args!("more than {MAX_JSON_VALUES} values")));
        }
        Ok(())
    }
}

/// What an object counts beside its own value: the tree that holds its members takes 400 octets before the first one.
const OBJECT: usize = 4;

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.deeper()?)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.count(OBJECT)?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.deeper()?)?;
            if members.insert(name.clone(), value).is_some() {
                return Err(A::Error::custom(format_args!("duplicate key {:?}", excerpt(&name))));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::{JsonError, parse};

    fn syntax(text: &str) -> String {
        match parse(text.as_bytes(), 1 << 20) {
            Err(JsonError::Syntax(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn duplicate_keys_are_refused_at_any_depth_and_after_unescaping() {
        assert!(syntax(r#"{"a":1,"a":2}"#).contains("duplicate key \"a\""));
        assert!(syntax(r#"[{"b":{"a":1,"\u0061":2}}]"#).contains("duplicate key \"a\""));
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(nested(64).as_bytes(), 1 << 20).is_ok());
        assert!(syntax(&nested(66)).contains("nested deeper"));
        assert!(!syntax(&nested(100_000)).is_empty());
    }

    #[test]
    fn values_have_a_limit_and_hostile_names_are_tamed() {
        let wide = format!("[{}0]", "0,".repeat(200_000));
        assert!(syntax(&wide).contains("more than 200000 values"));
        let text = r#"{"\u001b[2J":1,"\u001b[2J":2}"#;
        assert!(!syntax(text).contains('\u{1b}'));
        let long = format!("{{\"{0}\":1,\"{0}\":2}}", "x".repeat(100_000));
        assert!(syntax(&long).len() < 300);
    }

    #[test]
    fn nothing_may_follow_and_nothing_may_be_cut() {
        for text in ["", "{", "{}{}", "{} x", "nul", "\u{feff}{}", "{\"a\":1,}", "01", "NaN"] {
            assert!(!syntax(text).is_empty(), "{text:?}");
        }
        assert!(matches!(parse(b"\xff\xfe", 10), Err(JsonError::Syntax(_))));
        assert_eq!(parse(b"[]", 1), Err(JsonError::TooLarge { got: 2, limit: 1 }));
    }
}
