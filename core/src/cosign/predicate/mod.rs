//! Predicates as `cosign attest` makes them: its names for their types, and what it puts around a file (cosign 3.1,
//! cmd/cosign/cli/options/predicate.go and pkg/cosign/attestation/attestation.go; the names are the same in 2.6).

mod shape;

use serde_json::{Map, Value, json};

use self::shape::{LINK, Member, Others, PROVENANCE_1, PROVENANCE_02, VULN, check, fill, is_time};

use crate::json::{self, JsonError};
use crate::limits::MAX_ENVELOPE_BYTES;
use crate::protojson;
use crate::text::excerpt;

/// Predicate type of a signature on an image (cosign 3, `sign`): there is nothing to say but the statement itself.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// Predicate type of whatever has no type of its own (COSIGN_PREDICATE_SPEC.md).
pub const CUSTOM: &str = "https://cosign.sigstore.dev/attestation/v1";

/// Cosign's names, in the order of its help, and what they stand for.
pub const ALIASES: [(&str, &str); 10] = [
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("link", "https://in-toto.io/Link/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("custom", CUSTOM),
];

/// Why a text is not a predicate type, or a file not a predicate of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PredicateError {
    /// A type that is neither one of cosign's names nor a URI.
    #[error("{0:?} is no predicate type: expected a URI, or one of {names}", names = names())]
    Type(String),
    /// Not strict JSON, too large, or not of the shape that the type has.
    #[error("predicate: {0}")]
    Json(#[from] JsonError),
    /// The type takes any text, and the file is not UTF-8.
    #[error("predicate: the file is not UTF-8 text")]
    NotText,
    /// The time that goes into a custom predicate is not one (RFC 3339, section 5.6).
    #[error("predicate: {0:?} is not a time such as 2026-01-31T12:00:00Z")]
    Time(String),
}

/// The type that a name of cosign's stands for. Any URI stands for itself (RFC 3986, section 3); cosign also lets a path
/// such as `/x` pass, which is none.
///
/// # Errors
/// [`PredicateError::Type`] with the names there are.
pub fn resolve(alias_or_uri: &str) -> Result<String, PredicateError> {
    if let Some((_, predicate_type)) = ALIASES.iter().find(|(alias, _)| *alias == alias_or_uri) {
        return Ok((*predicate_type).to_owned());
    }
    let is_uri = alias_or_uri.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
    });
    if is_uri { Ok(alias_or_uri.to_owned()) } else { Err(PredicateError::Type(excerpt(alias_or_uri))) }
}

/// The predicate that `cosign attest --type` makes of a file.
///
/// | type | predicate |
/// | --- | --- |
/// | `custom`, or its URI | `{"Data": the file as a string, "Timestamp": now}` |
/// | `spdx` | the file as a string: SPDX in its tag-value form |
/// | `spdxjson`, `cyclonedx`, `openvex`, any other URI | the file, which is a JSON object |
/// | `vuln` | the file, which is a scan record; members that are absent are written as empty |
/// | `slsaprovenance`, `slsaprovenance02` | the file, of the shape of provenance 0.2 |
/// | `slsaprovenance1` | the file, of the shape of provenance 1; `metadata.invocationID` becomes `invocationId` |
/// | `link` | the file, of the shape of a link |
///
/// Where cosign drops members that it does not know, Bulla keeps them if the type's specification allows them (provenance)
/// and refuses them if not (`vuln`, `link`): nothing is signed that the file does not say. Numbers stay exact, where
/// cosign 3 makes all of them floating point.
///
/// # Errors
/// [`PredicateError`], one variant for each rule.
pub fn wrap(alias_or_uri: &str, file: &[u8], timestamp_rfc3339: &str) -> Result<Value, PredicateError> {
    let predicate_type = resolve(alias_or_uri)?;
    match alias_or_uri {
        "spdx" => Ok(Value::String(text(file)?)),
        "vuln" => {
            let mut document = object(file)?;
            check("", &document, VULN, Others::Refuse)?;
            fill(&mut document, VULN);
            Ok(Value::Object(document))
        }
        "slsaprovenance" | "slsaprovenance02" => shaped(file, PROVENANCE_02, Others::Keep),
        "slsaprovenance1" => {
            let mut document = object(file)?;
            rename_invocation(&mut document)?;
            check("", &document, PROVENANCE_1, Others::Keep)?;
            Ok(Value::Object(document))
        }
        "link" => shaped(file, LINK, Others::Refuse),
        _ if predicate_type == CUSTOM => {
            if !is_time(timestamp_rfc3339) {
                return Err(PredicateError::Time(excerpt(timestamp_rfc3339)));
            }
            Ok(json!({"Data": text(file)?, "Timestamp": timestamp_rfc3339}))
        }
        _ => Ok(Value::Object(object(file)?)),
    }
}

fn names() -> String {
    ALIASES.map(|(alias, _)| alias).join(", ")
}

fn limit() -> usize {
    usize::try_from(MAX_ENVELOPE_BYTES).unwrap_or(usize::MAX)
}

fn text(file: &[u8]) -> Result<String, PredicateError> {
    if file.len() > limit() {
        return Err(JsonError::TooLarge { got: file.len(), limit: limit() }.into());
    }
    String::from_utf8(file.to_vec()).map_err(|_| PredicateError::NotText)
}

fn object(file: &[u8]) -> Result<Map<String, Value>, PredicateError> {
    match json::parse(file, limit())? {
        Value::Object(members) => Ok(members),
        _ => Err(protojson::shape("", "expected an object").into()),
    }
}

fn shaped(file: &[u8], members: &[Member], others: Others) -> Result<Value, PredicateError> {
    let document = object(file)?;
    check("", &document, members, others)?;
    Ok(Value::Object(document))
}

/// The name that cosign 2 gave this member, and that its users' files have, is not the specification's.
fn rename_invocation(document: &mut Map<String, Value>) -> Result<(), PredicateError> {
    let metadata = document.get_mut("runDetails").and_then(|details| details.get_mut("metadata"));
    let Some(metadata) = metadata.and_then(Value::as_object_mut) else {
        return Ok(());
    };
    if let Some(id) = metadata.remove("invocationID")
        && metadata.insert("invocationId".to_owned(), id).is_some()
    {
        return Err(protojson::shape("runDetails.metadata.invocationId", "also given as \"invocationID\"").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ALIASES, PredicateError, resolve, wrap};

    const NOW: &str = "2026-11-21T22:11:25Z";

    fn wrapped(kind: &str, file: &str) -> Result<Value, PredicateError> {
        wrap(kind, file.as_bytes(), NOW)
    }

    #[test]
    fn names_and_uris_are_types_and_nothing_else_is() {
        for (alias, predicate_type) in ALIASES {
            assert_eq!(resolve(alias).as_deref(), Ok(predicate_type));
            assert_eq!(resolve(predicate_type).as_deref(), Ok(predicate_type), "a URI passes through");
        }
        assert_eq!(resolve("urn:example:1").as_deref(), Ok("urn:example:1"));
        for bad in [
            "",
            "SPDX",
            "slsa",
            "/path",
            "example.com/type",
            ":x",
            "1a:x",
            "https:",
            "https://a b",
            "https://ä",
            "a:\n",
        ] {
            let error = resolve(bad).expect_err(bad).to_string();
            assert!(
                error.ends_with("slsaprovenance1, link, spdx, spdxjson, cyclonedx, vuln, openvex, custom"),
                "{error}"
            );
        }
    }

    /// Held against `cosign attest-blob`, versions 2.6.5 and 3.1.3.
    #[test]
    fn files_are_wrapped_as_cosign_wraps_them() {
        let custom = json!({"Data": "any text", "Timestamp": NOW});
        assert_eq!(wrapped("custom", "any text"), Ok(custom.clone()));
        assert_eq!(wrapped("https://cosign.sigstore.dev/attestation/v1", "any text"), Ok(custom));
        let tags = "SPDXVersion: SPDX-2.2\nx <y>&\n";
        assert_eq!(wrapped("spdx", tags), Ok(json!(tags)));
        for kind in ["spdxjson", "cyclonedx", "openvex", "https://example.com/p/v1", "https://spdx.dev/Document"] {
            assert_eq!(
                wrapped(kind, r#"{"a":12345678901234567890}"#),
                Ok(json!({"a": 12_345_678_901_234_567_890_u64}))
            );
            for bad in ["any text", "[]", "\"text\"", "null", r#"{"a":1,"a":2}"#] {
                assert!(wrapped(kind, bad).is_err(), "{kind} {bad}");
            }
        }
        let provenance = r#"{"builder":{"id":"b"},"buildType":"t","metadata":{"buildInvocationId":"j","buildStartedOn":"2021-08-06T17:45:50Z"},"materials":[{"uri":"u","digest":{"sha1":"aa"}}],"ext":2}"#;
        for kind in ["slsaprovenance", "slsaprovenance02"] {
            assert_eq!(wrapped(kind, provenance).map(|it| it.to_string().len()), Ok(provenance.len()));
        }
        let provenance = r#"{"buildDefinition":{"buildType":"t","externalParameters":{"a":1}},"runDetails":{"builder":{"id":"b"},"metadata":{"invocationID":"i"}}}"#;
        let one = wrapped("slsaprovenance1", provenance).expect("valid");
        assert_eq!(one.pointer("/runDetails/metadata"), Some(&json!({"invocationId": "i"})));
        let link = json!({"_type": "link", "name": "n", "materials": {"a": {"sha256": "aa"}}, "products": {}, "byproducts": {}, "command": ["make"], "environment": {}});
        assert_eq!(wrapped("link", &link.to_string()), Ok(link));
    }

    #[test]
    fn a_scan_record_is_filled_as_cosign_fills_it() {
        let file = r#"{"scanner":{"uri":"pkg:x","result":{"n":1}},"metadata":{"scanStartedOn":"2021-08-06T17:45:50.52Z","scanFinishedOn":"2021-08-06T17:50:50.52+02:00"}}"#;
        let expected = r#"{"invocation":{"builder.id":"","event_id":"","parameters":null,"uri":""},"metadata":{"scanFinishedOn":"2021-08-06T17:50:50.52+02:00","scanStartedOn":"2021-08-06T17:45:50.52Z"},"scanner":{"db":{"uri":"","version":""},"result":{"n":1},"uri":"pkg:x","version":""}}"#;
        assert_eq!(wrapped("vuln", file).map(|it| it.to_string()).as_deref(), Ok(expected));
        for (from, to) in [
            ("pkg:x\"", "pkg:x\",\"extra\":1"),
            ("\"pkg:x\"", "1"),
            ("scanner", "Scanner"),
            (",\"scanFinishedOn\":\"2021-08-06T17:50:50.52+02:00\"", ""),
            ("2021-08-06T17:45:50.52Z", "yesterday"),
            ("{\"n\":1}", "{\"n\":1},\"db\":[]"),
        ] {
            let bad = file.replacen(from, to, 1);
            assert_ne!(bad, file);
            assert!(matches!(wrapped("vuln", &bad), Err(PredicateError::Json(_))), "{bad}");
        }
    }

    #[test]
    fn files_of_another_shape_are_refused() {
        for (kind, file) in [
            ("slsaprovenance", r#"{"builder":"b"}"#),
            ("slsaprovenance", r#"{"metadata":{"reproducible":"no"}}"#),
            ("slsaprovenance02", r#"{"metadata":{"buildStartedOn":1}}"#),
            ("slsaprovenance02", r#"{"materials":[{"digest":{"sha1":1}}]}"#),
            ("slsaprovenance02", r#"{"materials":[7]}"#),
            ("slsaprovenance02", r#"{"materials":{}}"#),
            ("slsaprovenance1", r#"{"buildDefinition":{"externalParameters":[]}}"#),
            ("slsaprovenance1", r#"{"runDetails":{"metadata":{"invocationID":"a","invocationId":"b"}}}"#),
            ("slsaprovenance1", r#"{"runDetails":{"metadata":{"invocationID":1}}}"#),
            ("link", r#"{"_type":"link"}"#),
        ] {
            assert!(matches!(wrapped(kind, file), Err(PredicateError::Json(_))), "{kind} {file}");
        }
        let link = r#"{"_type":"link","name":"n","materials":{"a":{"sha256":"aa"}},"products":{},"byproducts":{},"command":[],"environment":{}}"#;
        assert!(wrapped("link", link).is_ok());
        for (from, to) in
            [("{\"sha256\":\"aa\"}", "\"aa\""), ("[]", "[1]"), ("}}", "},\"x\":1}"), ("\"name\"", "\"Name\"")]
        {
            let bad = link.replacen(from, to, 1);
            assert!(wrapped("link", &bad).is_err() && bad != link, "{bad}");
        }
        for kind in ["custom", "spdx"] {
            assert_eq!(wrap(kind, b"\xff", NOW), Err(PredicateError::NotText));
            assert!(matches!(wrap(kind, &vec![b' '; 5 << 20], NOW), Err(PredicateError::Json(_))));
        }
        assert!(matches!(wrapped("nothing", "{}"), Err(PredicateError::Type(_))));
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        let custom = |time: &str| wrap("custom", b"", time);
        for good in [
            NOW,
            "2024-02-29T00:00:00Z",
            "2000-02-29T23:59:59.999999999+23:59",
            "0001-01-01T00:00:00-00:00",
            "2026-11-21T22:11:25.5Z",
        ] {
            assert!(custom(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21 22:11:25Z",
            "2026-11-21t22:11:25z",
            "2026-11-21T22:11:25",
            "2026-11-21T22:11:60Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T22:60:25Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-1-01T00:00:00Z",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.x1Z",
            "2026-01-01T00:00:00.1234567890Z",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+0200",
            "2026-01-01T00:00:00Z ",
            "2026-01-01T00:00Z",
        ] {
            assert!(matches!(custom(bad), Err(PredicateError::Time(_))), "{bad}");
        }
    }
}
