//! Canonical JSON as Notary v1 writes and signs it (docker/go, canonical/json, `MarshalCanonical`).
//!
//! Members are sorted by their octets, nothing is escaped but the quotation mark and the backslash, and numbers are integers.
//! This is neither RFC 8785 nor the canonical JSON of TUF 1.0.

use serde_json::Value;

use crate::text::excerpt;

/// Why a document has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// A number with a fraction or an exponent, or one that no 64 bits hold: writers differ in how they spell it.
    #[error("the number {0} is not an integer of 64 bits: canonical JSON has no other ones")]
    Number(String),
}

/// The canonical form of a value that was read strictly, so that it is nested no deeper than that reader allows.
///
/// # Errors
/// [`CanonicalError::Number`] for the first number that is no integer.
pub fn write(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    put(value, &mut out)?;
    Ok(out)
}

fn put(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::Number(number) => return Err(CanonicalError::Number(excerpt(&number.to_string()))),
        Value::String(text) => put_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                put(item, out)?;
            }
            out.push(b']');
        }
        // The map is sorted by octets: it is a tree, not a list in the order of the document.
        Value::Object(members) => {
            out.push(b'{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                put_text(name, out);
                out.push(b':');
                put(member, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{CanonicalError, write};
    use crate::json;

    fn written(text: &str) -> Result<String, CanonicalError> {
        let value = json::parse(text.as_bytes(), 1 << 16).expect("JSON");
        write(&value).map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn members_are_sorted_and_only_two_characters_escaped() {
        assert_eq!(
            written(" {\"b\": [1, -2, null, true,false], \"a\" : {\"é\":1,\"z\":2,\"Z\":{}}} "),
            Ok("{\"a\":{\"Z\":{},\"z\":2,\"é\":1},\"b\":[1,-2,null,true,false]}".to_owned())
        );
        assert_eq!(written(r#""a\"b\\c\n\u0001<>&\u2028\/""#), Ok("\"a\\\"b\\\\c\n\u{1}<>&\u{2028}/\"".to_owned()));
        assert_eq!(written("[9223372036854775807]"), Ok("[9223372036854775807]".to_owned()));
    }

    #[test]
    fn what_is_no_integer_has_no_canonical_form() {
        for text in ["1.0", "1e3", "-0", "[{\"a\":0.5}]", "18446744073709551616"] {
            assert!(matches!(written(text), Err(CanonicalError::Number(_))), "{text}");
        }
    }

    proptest! {
        /// Where nothing but quotation marks and backslashes would be escaped, every JSON reader gets the same value back.
        #[test]
        fn what_was_written_is_read_back(names in proptest::collection::vec("[ -~é]{0,12}", 0..6), number in any::<i64>()) {
            let members = names.iter().map(|name| (name.clone(), json!([name, number, null]))).collect();
            let value = serde_json::Value::Object(members);
            let bytes = write(&value).expect("integers only");
            prop_assert_eq!(json::parse(&bytes, 1 << 16).expect("JSON"), value);
        }
    }
}
