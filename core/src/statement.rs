//! In-toto statements: which artifacts a signed predicate is about (in-toto attestation spec, v1/statement.md and
//! v0.1.0/README.md, "Statement"; the limits of CVE-2024-45395).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::digest::{Digest, DigestError};
use crate::json::{self, JsonError};
use crate::limits::{MAX_ANNOTATIONS, MAX_SUBJECT_DIGESTS, MAX_SUBJECTS};
use crate::ordered::Ordered as _;
use crate::protojson::{Message, Names, shape};
use crate::text::excerpt;

/// `_type` of a statement as it is written today.
pub const TYPE: &str = "https://in-toto.io/Statement/v1";
/// `_type` that cosign's attestations have, in version 3 as well.
pub const TYPE_V01: &str = "https://in-toto.io/Statement/v0.1";

/// A statement: a predicate about subjects. It says nothing about who made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The artifacts that it is about, at least one (statement.md, `subject`).
    pub subjects: Vec<Subject>,
    /// The type of the predicate, never empty (statement.md, `predicateType`).
    pub predicate_type: String,
    /// The predicate; null when absent. An object by the specification; cosign also writes strings (`--type spdx`).
    pub predicate: Value,
}

/// One artifact (resource_descriptor.md), matched by digest and by nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// What the signer called it. Empty when absent.
    pub name: String,
    /// Its digests by those algorithms that Bulla computes. Empty when there are only others: then it matches nothing.
    pub digests: Vec<Digest>,
    /// Annotations by name; any JSON.
    pub annotations: BTreeMap<String, Value>,
}

/// Why a document is not a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Not strict JSON, or not of a statement's shape.
    #[error("statement: {0}")]
    Json(#[from] JsonError),
    /// Another `_type`.
    #[error("statement type is {0:?}, expected {TYPE:?} or {TYPE_V01:?}")]
    Type(String),
    /// No subject: it is about nothing.
    #[error("statement has no subject")]
    NoSubject,
    /// More subjects than [`MAX_SUBJECTS`].
    #[error("statement has {got} subjects, at most {MAX_SUBJECTS} are accepted")]
    Subjects {
        /// Subjects there are.
        got: usize,
    },
    /// A subject without a digest (statement.md, `subject`: each element MUST have one).
    #[error("statement: subject {number} has no digest")]
    NoDigest {
        /// The place of the subject, counted from 1.
        number: usize,
    },
    /// More digests of one subject than [`MAX_SUBJECT_DIGESTS`].
    #[error("statement: subject {number} has {got} digests, at most {MAX_SUBJECT_DIGESTS} are accepted")]
    Digests {
        /// The place of the subject, counted from 1.
        number: usize,
        /// Digests there are.
        got: usize,
    },
    /// A sha256 or sha512 value that is not lower-case hexadecimal of the right length (digest_set.md).
    #[error("statement: subject {number}: {error}")]
    Digest {
        /// The place of the subject, counted from 1.
        number: usize,
        /// What is wrong with it.
        error: DigestError,
    },
    /// More annotations of one subject than [`MAX_ANNOTATIONS`].
    #[error("statement: subject {number} has {got} annotations, at most {MAX_ANNOTATIONS} are accepted")]
    Annotations {
        /// The place of the subject, counted from 1.
        number: usize,
        /// Annotations there are.
        got: usize,
    },
    /// No `predicateType`, or an empty one.
    #[error("statement has no predicate type")]
    NoPredicateType,
}

impl Statement {
    /// Parses a statement of version 0.1 or 1.
    ///
    /// Members that are not known are refused, in the statement and in its subjects, as sigstore-go does
    /// (pkg/bundle/signature_content.go, `Statement`); the specification would have them ignored. The predicate is not
    /// looked at.
    ///
    /// # Errors
    /// [`StatementError`], one variant for each rule.
    pub fn parse(bytes: &[u8], limit: usize) -> Result<Self, StatementError> {
        let mut document = Message::document(json::parse(bytes, limit)?, Names::Camel)?;
        let kind = document.text("_type")?.unwrap_or_default();
        if kind != TYPE && kind != TYPE_V01 {
            return Err(StatementError::Type(excerpt(&kind)));
        }
        let subjects = document.messages("subject")?;
        if subjects.is_empty() {
            return Err(StatementError::NoSubject);
        }
        if subjects.len() > MAX_SUBJECTS {
            return Err(StatementError::Subjects { got: subjects.len() });
        }
        let subjects = subjects.into_iter().enumerate();
        let subjects = subjects.map(|(index, subject)| Subject::read(index.saturating_add(1), subject));
        let subjects = subjects.collect::<Result<_, _>>()?;
        let predicate_type = document.text("predicateType")?.unwrap_or_default();
        if predicate_type.is_empty() {
            return Err(StatementError::NoPredicateType);
        }
        let predicate = document.take("predicate")?.unwrap_or(Value::Null);
        document.finish()?;
        Ok(Self { subjects, predicate_type, predicate })
    }

    /// The subjects that have this digest. Another algorithm's digest of the same content is another digest.
    pub fn about(&self, digest: &Digest) -> impl Iterator<Item = &Subject> {
        self.subjects.iter().filter(move |subject| subject.digests.contains(digest))
    }

    /// The bytes of a statement of version 1 about one subject: members in the specification's order, no white space,
    /// a name and annotations only when there are any. What cosign signs for an image has neither name nor predicate
    /// members (cosign 3, `sign`).
    ///
    /// # Errors
    /// [`StatementError::NoPredicateType`] or [`StatementError::Annotations`].
    pub fn write(
        subject_name: Option<&str>,
        digest: &Digest,
        annotations: &BTreeMap<String, String>,
        predicate_type: &str,
        predicate: &Value,
    ) -> Result<Vec<u8>, StatementError> {
        if predicate_type.is_empty() {
            return Err(StatementError::NoPredicateType);
        }
        if annotations.len() > MAX_ANNOTATIONS {
            return Err(StatementError::Annotations { number: 1, got: annotations.len() });
        }
        let document = WrittenStatement {
            kind: TYPE,
            subject: [WrittenSubject {
                name: subject_name,
                digest: core::iter::once((digest.algorithm().name(), digest.encoded())).into_map(),
                annotations,
            }],
            predicate_type,
            predicate,
        };
        serde_json::to_vec(&document).map_err(|error| JsonError::Syntax(error.to_string()).into())
    }
}

impl Subject {
    fn read(number: usize, mut message: Message) -> Result<Self, StatementError> {
        let name = message.text("name")?.unwrap_or_default();
        let path = message.path_to("digest");
        let members = message.map("digest")?;
        if members.is_empty() {
            return Err(StatementError::NoDigest { number });
        }
        if members.len() > MAX_SUBJECT_DIGESTS {
            return Err(StatementError::Digests { number, got: members.len() });
        }
        let mut digests = Vec::new();
        for (algorithm, value) in &members {
            let Some(value) = value.as_str() else {
                return Err(shape(&format!("{path}.{algorithm}"), "expected a string").into());
            };
            // The two that Bulla computes. Others cannot be compared (digest_set.md: consumers MUST ignore them).
            if matches!(algorithm.as_str(), "sha256" | "sha512") {
                let digest = Digest::parse(&format!("{algorithm}:{value}"));
                digests.push(digest.map_err(|error| StatementError::Digest { number, error })?);
            }
        }
        let annotations: BTreeMap<_, _> = message.map("annotations")?.into_iter().into_map();
        if annotations.len() > MAX_ANNOTATIONS {
            return Err(StatementError::Annotations { number, got: annotations.len() });
        }
        // The rest of resource_descriptor.md: well formed, and of no consequence.
        for text in ["uri", "downloadLocation", "mediaType"] {
            message.text(text)?;
        }
        message.octets("content")?;
        message.finish()?;
        Ok(Self { name, digests, annotations })
    }
}

#[derive(Serialize)]
struct WrittenStatement<'s> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: [WrittenSubject<'s>; 1],
    #[serde(rename = "predicateType")]
    predicate_type: &'s str,
    predicate: &'s Value,
}

#[derive(Serialize)]
struct WrittenSubject<'s> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'s str>,
    digest: BTreeMap<&'static str, &'s str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'s BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{Statement, StatementError, TYPE, TYPE_V01};
    use crate::digest::{Algorithm, Digest};

    fn parse(text: &str) -> Result<Statement, StatementError> {
        Statement::parse(text.as_bytes(), 1 << 20)
    }

    fn good() -> String {
        let digest = Digest::sha256(b"x");
        let annotations = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
        let written =
            Statement::write(Some("host.example/app"), &digest, &annotations, "https://t.example/v1", &json!({}));
        String::from_utf8(written.expect("valid")).expect("JSON is UTF-8")
    }

    #[test]
    fn what_is_written_is_what_cosign_signs_and_is_read() {
        let digest = Digest::sha256(b"x");
        let hex = digest.encoded();
        let written =
            Statement::write(None, &digest, &BTreeMap::new(), "https://sigstore.dev/cosign/sign/v1", &json!({}));
        assert_eq!(
            String::from_utf8(written.expect("valid")).expect("UTF-8"),
            format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{hex}"}}}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{{}}}}"#
            )
        );
        let statement = parse(&good()).expect("valid");
        let subject = statement.about(&digest).next().expect("it is the subject");
        assert_eq!((subject.name.as_str(), subject.annotations["team"].as_str()), ("host.example/app", Some("blue")));
        assert_eq!((statement.predicate_type.as_str(), statement.predicate), ("https://t.example/v1", json!({})));
    }

    /// Signed by cosign 3.1.3 with `attest-blob --type https://example.com/p/v1`.
    #[test]
    fn cosigns_statement_is_read() {
        let text = r#"{"_type":"https://in-toto.io/Statement/v0.1", "subject":[{"name":"blob", "digest":{"sha256":"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"}}], "predicateType":"https://example.com/p/v1", "predicate":{"a":1}}"#;
        let statement = parse(text).expect("valid");
        assert!(statement.about(&Digest::sha256(b"hello\n")).next().is_some());
        assert!(statement.about(&Digest::sha256(b"hello")).next().is_none());
        for predicate in [json!("text"), json!([1]), json!(7)] {
            assert_eq!(parse(&text.replace("{\"a\":1}", &predicate.to_string())).map(|s| s.predicate), Ok(predicate));
        }
        for absent in ["", ", \"predicate\":null"] {
            assert_eq!(parse(&text.replace(", \"predicate\":{\"a\":1}", absent)).map(|s| s.predicate), Ok(Value::Null));
        }
    }

    #[test]
    fn only_the_same_algorithm_matches() {
        let (short, long) = (Digest::sha256(b"x"), Digest::of(Algorithm::Sha512, b"x"));
        let with = |digests: Value| {
            parse(&json!({"_type": TYPE, "subject": [{"digest": digests}], "predicateType": "t"}).to_string())
        };
        let only_long = with(json!({"sha512": long.encoded()})).expect("valid");
        assert!(only_long.about(&long).next().is_some() && only_long.about(&short).next().is_none());
        let both =
            with(json!({"sha512": long.encoded(), "sha256": short.encoded(), "sha1": "whatever"})).expect("valid");
        assert!(both.about(&long).next().is_some() && both.about(&short).next().is_some());
        let neither = with(json!({"gitCommit": short.encoded(), "SHA256": short.encoded()})).expect("valid");
        assert!(neither.about(&long).next().is_none() && neither.about(&short).next().is_none());
        assert!(with(json!({"sha512": short.encoded()})).is_err());
    }

    #[test]
    fn every_deviation_is_refused() {
        let good = good();
        let other = format!(r#""digest":{{"sha1":"a","sha256":"{}""#, "A".repeat(64));
        for (from, to) in [
            (TYPE, "https://in-toto.io/Statement/v1.1"),
            (TYPE, "https://in-toto.io/Statement/v0.2"),
            (TYPE, "HTTPS://in-toto.io/Statement/v1"),
            ("\"_type\"", "\"type\""),
            ("\"_type\"", "\"_type\":\"x\",\"_type\""),
            ("\"_type\"", "\"extra\":1,\"_type\""),
            ("\"_type\"", "\"predicate_type\":\"x\",\"_type\""),
            ("\"subject\":[", "\"subject\":[null,"),
            ("\"subject\":[", "\"subject\":[{\"name\":\"n\"},"),
            ("\"subject\":[", "\"subject\":[{\"digest\":{}},"),
            ("\"subject\":[", "\"subject\":[{\"digest\":{\"sha256\":\"\"}},"),
            ("\"subject\":[", "\"subjects\":["),
            ("\"name\"", "\"extra\":1,\"name\""),
            ("\"name\":\"host.example/app\"", "\"name\":1"),
            ("\"name\":\"host.example/app\"", "\"uri\":1"),
            ("\"name\":\"host.example/app\"", "\"content\":\"*\""),
            ("\"digest\":{", "\"digest\":{\"sha1\":1,"),
            ("\"digest\":{", "\"digest\":{\"sha1\":null,"),
            ("\"digest\":{", "\"digest\":{\"sha512\":\"00\","),
            ("\"digest\":{", "\"digest\":{\"sha256\":\"00\","),
            ("\"digest\":{\"sha256\":\"2", other.as_str()),
            ("{\"team\":\"blue\"}", "[]"),
            ("\"predicateType\":\"https://t.example/v1\"", "\"predicateType\":\"\""),
            ("\"predicateType\":\"https://t.example/v1\",", ""),
            ("\"predicateType\":\"https://t.example/v1\"", "\"predicateType\":{}"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert!(parse(&bad).is_err(), "{bad}");
        }
        let upper = good.replace(Digest::sha256(b"x").encoded(), &Digest::sha256(b"x").encoded().to_uppercase());
        assert!(matches!(parse(&upper), Err(StatementError::Digest { number: 1, .. })));
        assert!(parse(&good.replace(TYPE, TYPE_V01)).is_ok());
        assert!(parse("[]").is_err() && parse("{}").is_err());
        assert!(Statement::parse(good.as_bytes(), 20).is_err());
    }

    #[test]
    fn work_is_limited() {
        let hex = "a".repeat(64);
        let statement = |subjects: Vec<Value>| {
            parse(&json!({"_type": TYPE, "subject": subjects, "predicateType": "t"}).to_string())
        };
        let subject = json!({"digest": {"sha256": hex}});
        assert!(statement(vec![subject.clone(); 1024]).is_ok());
        assert_eq!(statement(vec![subject; 1025]), Err(StatementError::Subjects { got: 1025 }));
        assert_eq!(statement(vec![]), Err(StatementError::NoSubject));
        let digests = |count: usize| {
            let digests: BTreeMap<_, _> = (0..count).map(|n| (format!("x{n}"), hex.as_str())).collect();
            statement(vec![json!({"digest": digests})])
        };
        assert!(digests(32).is_ok());
        assert_eq!(digests(33), Err(StatementError::Digests { number: 1, got: 33 }));
        let annotations: BTreeMap<_, _> = (0..129).map(|n| (n.to_string(), String::new())).collect();
        let many = statement(vec![json!({"digest": {"sha256": hex}, "annotations": annotations})]);
        assert_eq!(many, Err(StatementError::Annotations { number: 1, got: 129 }));
        let digest = Digest::sha256(b"");
        assert!(Statement::write(None, &digest, &annotations, "t", &Value::Null).is_err());
        assert_eq!(
            Statement::write(None, &digest, &BTreeMap::new(), "", &Value::Null),
            Err(StatementError::NoPredicateType)
        );
    }
}
