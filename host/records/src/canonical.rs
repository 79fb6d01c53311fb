//! Canonical JSON (RFC 8785) for the values that occur in records: no fractions, no numbers beyond 2^53 - 1.

use serde::Serialize;
use serde_json::Value;

/// The largest whole number that every reader of JSON understands alike (RFC 8785, section 3.2.2.3; RFC 7493).
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Why a value has no canonical form here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCanonical {
    /// A fraction, or a number that readers of JSON round.
    #[error("{0} is not a whole number up to 2^53 - 1")]
    Number(String),
    /// The value cannot be serialised.
    #[error("not JSON: {0}")]
    Json(String),
}

/// The canonical octets: members sorted, no white space, the shortest escapes.
///
/// # Errors
/// [`NotCanonical`].
///
/// ```
/// let value = serde_json::json!({"b": [1, null], "a": "\n\u{e9}"});
/// assert_eq!(bulla_records::canonical(&value)?, "{\"a\":\"\\n\u{e9}\",\"b\":[1,null]}".as_bytes());
/// # Ok::<(), bulla_records::NotCanonical>(())
/// ```
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, NotCanonical> {
    let value = serde_json::to_value(value).map_err(|error| NotCanonical::Json(error.to_string()))?;
    let mut out = Vec::with_capacity(1024);
    write(&value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let whole = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if whole.is_none_or(|whole| whole > MAX_NUMBER) {
                return Err(NotCanonical::Number(number.to_string()));
            }
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::String(text) => string(text, out)?,
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // RFC 8785, section 3.2.3: by UTF-16 code units, which is not the order of UTF-8 above U+FFFF.
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                string(name, out)?;
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// `serde_json` escapes exactly what RFC 8785, section 3.2.2.2, asks for, in the forms that it asks for; a test holds that.
fn string(text: &str, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    serde_json::to_writer(out, text).map_err(|error| NotCanonical::Json(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{NotCanonical, canonical};

    fn text(value: serde_json::Value) -> String {
        String::from_utf8(canonical(&value).expect("canonical")).expect("JSON is UTF-8")
    }

    #[test]
    fn members_are_sorted_as_the_rfc_sorts_them() {
        // RFC 8785, section 3.2.3.
        let value = json!({"\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis"});
        let text = text(value);
        let places: Vec<_> = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
            .map(|word| text.find(word).expect("it is there"))
            .into();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn escapes_are_the_shortest() {
        let all: String = (0u8..0x20).map(char::from).chain("\"\\/\u{7f}\u{2028}€😀".chars()).collect();
        let want = "\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\
                    \\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\
                    \\u001e\\u001f\\\"\\\\/\u{7f}\u{2028}€😀\"";
        assert_eq!(text(json!(all)), want);
    }

    #[test]
    fn numbers_are_whole_and_exact() {
        assert_eq!(text(json!([0, -1, 9_007_199_254_740_991_u64])), "[0,-1,9007199254740991]");
        for bad in [json!(0.5), json!(1e3), json!(9_007_199_254_740_992_u64), json!(i64::MIN)] {
            assert!(matches!(canonical(&bad), Err(NotCanonical::Number(_))), "{bad}");
        }
    }
}
