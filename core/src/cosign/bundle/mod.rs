//! Sigstore bundles, versions 0.1 to 0.3 (protobuf-specs, sigstore_bundle.proto; sigstore-go, pkg/bundle, `validate`).
//!
//! Only the form that cosign writes for images is accepted: a DSSE envelope around an in-toto statement. Log entries,
//! timestamps and certificates are held against the schema and counted; nothing here believes them.

mod error;
mod material;
mod referrer;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use self::error::BundleError;
pub use self::material::Material;
pub use self::referrer::{
    CONTENT_ANNOTATION, EMPTY_CONFIG, EMPTY_MEDIA_TYPE, PREDICATE_TYPE_ANNOTATION, Referrer, ReferrerError, referrer,
    write_referrer,
};
use crate::dsse::{Envelope, EnvelopeError, IN_TOTO_PAYLOAD_TYPE};
use crate::json::{self, JsonError};
use crate::limits::MAX_SIGNATURE_BYTES;
use crate::protojson::{Message, Names};
use crate::text::excerpt;

/// Media type of a bundle of version 0.3, the one that is written.
pub const MEDIA_TYPE_V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What the media types of all versions begin with.
const MEDIA_TYPE_BASE: &str = "application/vnd.dev.sigstore.bundle";

/// The versions of the format that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 0.1: log entries come with a promise of inclusion.
    V01,
    /// 0.2: log entries come with a proof of inclusion.
    V02,
    /// 0.3: as 0.2, with a single certificate instead of a chain.
    V03,
}

/// A bundle that was parsed and inspected, unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The version that its `mediaType` says.
    pub version: Version,
    /// What it says about the key.
    pub material: Material,
    /// What was signed: the type of its payload is [`IN_TOTO_PAYLOAD_TYPE`], and there is exactly one signature.
    pub envelope: Envelope,
    /// Transparency log entries that came with it.
    pub log_entries: usize,
    /// Signed timestamps that came with it.
    pub timestamps: usize,
}

/// Reads the media type of a bundle. Both spellings are in use: `….bundle.v0.3+json`, and `….bundle+json;version=0.1`.
/// Nothing when it is not a bundle's at all.
///
/// # Errors
/// [`BundleError::UnsupportedVersion`] for a version that is not read, or cannot be.
pub fn version(media_type: &str) -> Result<Option<Version>, BundleError> {
    let Some(rest) = media_type.strip_prefix(MEDIA_TYPE_BASE) else {
        return Ok(None);
    };
    if !rest.is_empty() && !rest.starts_with(['.', '+', ';']) {
        return Ok(None);
    }
    let new_spelling = rest.strip_prefix(".v").and_then(|rest| rest.strip_suffix("+json"));
    match new_spelling.or_else(|| rest.strip_prefix("+json;version=")) {
        Some("0.1") => Ok(Some(Version::V01)),
        Some("0.2") => Ok(Some(Version::V02)),
        Some("0.3") => Ok(Some(Version::V03)),
        _ => Err(BundleError::UnsupportedVersion(excerpt(media_type))),
    }
}

/// The hint at a key that cosign writes: SHA-256 of its SubjectPublicKeyInfo in DER, base64 (cosign,
/// internal/key/svkeypair.go). It helps to find a key and proves nothing.
pub fn key_hint(spki_der: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(spki_der))
}

impl Bundle {
    /// Parses and inspects a bundle. Its JSON is that of protobuf: both spellings of a name are read, null is absent, and
    /// members that are not known are refused everywhere.
    ///
    /// # Errors
    /// [`BundleError`], one variant for each rule.
    pub fn parse(bytes: &[u8], limit: usize) -> Result<Self, BundleError> {
        let mut document = Message::document(json::parse(bytes, limit)?, Names::Both)?;
        let media_type = document.text("mediaType")?.unwrap_or_default();
        let version = version(&media_type)?.ok_or_else(|| BundleError::MediaType(excerpt(&media_type)))?;
        let material = document.message("verificationMaterial")?.ok_or(BundleError::NoMaterial)?;
        let (material, log_entries, timestamps) = material::read(material, version)?;
        let content = (document.message("dsseEnvelope")?, document.message("messageSignature")?);
        document.finish()?;
        let envelope = match content {
            (Some(envelope), None) => Envelope::from_message(envelope)?,
            (None, Some(_)) => return Err(BundleError::MessageSignature),
            (None, None) => return Err(BundleError::NoContent),
            (Some(_), Some(_)) => return Err(BundleError::TwoContents),
        };
        let [signature] = envelope.signatures.as_slice() else {
            return Err(BundleError::Signatures { got: envelope.signatures.len() });
        };
        if envelope.payload_type != IN_TOTO_PAYLOAD_TYPE {
            return Err(BundleError::PayloadType(excerpt(&envelope.payload_type)));
        }
        // Cosign fills only the hint, so an absent one on either side contradicts nothing.
        if let Material::PublicKey { hint } = &material
            && ![hint.as_str(), ""].contains(&signature.keyid.as_str())
            && !hint.is_empty()
        {
            return Err(BundleError::KeyHint { keyid: excerpt(&signature.keyid), hint: excerpt(hint) });
        }
        Ok(Self { version, material, envelope, log_entries, timestamps })
    }

    /// The bytes of a bundle of version 0.3 for a signature that was made with a long-lived key, without log entries and
    /// timestamps: what cosign 2.6 (`--new-bundle-format`) and 3 write without a log, and verify. No white space.
    ///
    /// # Errors
    /// [`BundleError::PayloadType`] for anything but a statement, [`BundleError::Envelope`] for a signature that is none.
    pub fn write(hint: &str, payload_type: &str, payload: &[u8], signature: &[u8]) -> Result<Vec<u8>, BundleError> {
        if payload_type != IN_TOTO_PAYLOAD_TYPE {
            return Err(BundleError::PayloadType(excerpt(payload_type)));
        }
        match signature.len() {
            0 => return Err(EnvelopeError::EmptySignature.into()),
            got if got > MAX_SIGNATURE_BYTES => return Err(EnvelopeError::SignatureSize { got }.into()),
            _ => {}
        }
        let document = Written {
            media_type: MEDIA_TYPE_V03,
            verification_material: WrittenMaterial { public_key: WrittenPublicKey { hint } },
            dsse_envelope: WrittenEnvelope {
                payload: STANDARD.encode(payload),
                payload_type,
                signatures: [WrittenSignature { sig: STANDARD.encode(signature) }],
            },
        };
        serde_json::to_vec(&document).map_err(|error| JsonError::Syntax(error.to_string()).into())
    }
}

impl Version {
    /// The number.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V01 => "0.1",
            Self::V02 => "0.2",
            Self::V03 => "0.3",
        }
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(self.name())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'b> {
    media_type: &'static str,
    verification_material: WrittenMaterial<'b>,
    dsse_envelope: WrittenEnvelope<'b>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMaterial<'b> {
    public_key: WrittenPublicKey<'b>,
}

#[derive(Serialize)]
struct WrittenPublicKey<'b> {
    hint: &'b str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEnvelope<'b> {
    payload: String,
    payload_type: &'b str,
    signatures: [WrittenSignature; 1],
}

#[derive(Serialize)]
struct WrittenSignature {
    sig: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Bundle, BundleError, Material, Version, key_hint, version};
    use crate::digest::Digest;
    use crate::dsse::EnvelopeError;
    use crate::key::{Hash, PublicKey};
    use crate::statement::Statement;

    /// Written by cosign 3.1.3: `attest-blob --key … --use-signing-config=false --tlog-upload=false --type https://example.com/p/v1`.
    pub(super) const COSIGN: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial":{"publicKey":{"hint":"NOQ4PMDAKx9hpKCWnWpCv3FQimPtJZ0k9E/OEwh2wtc="}}, "dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjAuMSIsICJzdWJqZWN0IjpbeyJuYW1lIjoiYmxvYiIsICJkaWdlc3QiOnsic2hhMjU2IjoiNTg5MWI1YjUyMmQ1ZGYwODZkMGZmMGIxMTBmYmQ5ZDIxYmI0ZmM3MTYzYWYzNGQwODI4NmEyZTg0NmY2YmUwMyJ9fV0sICJwcmVkaWNhdGVUeXBlIjoiaHR0cHM6Ly9leGFtcGxlLmNvbS9wL3YxIiwgInByZWRpY2F0ZSI6eyJhIjoxfX0=", "payloadType":"application/vnd.in-toto+json", "signatures":[{"sig":"MEQCIC6ZHXxElCkgLhrEchG9tjreZYCAHVa6AgLvoYk+hiZ8AiB358fEWjk9m57J2+Cv9RizDwZJBtscLthZw44VeiJc5Q=="}]}}"#;
    /// The same by `sign-blob`: a signature over the file's octets.
    pub(super) const COSIGN_MESSAGE: &str = r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial":{"publicKey":{"hint":"NOQ4PMDAKx9hpKCWnWpCv3FQimPtJZ0k9E/OEwh2wtc="}}, "messageSignature":{"messageDigest":{"algorithm":"SHA2_256", "digest":"WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM="}, "signature":"MEYCIQDJ71/wNaYTvqY32LFTD0ELP7jXRUgVE9Exm3LxGMHqYwIhANQ7iU5koyYXDFySOXyOC7LWBD0/b7HGdUbL/v+ZuLuG"}}"#;
    const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAER5iZ0bmjESLST/aZKc82Myy+xk/t
Z1Yip8t90EGfkVzhI2tKfMHLcNxsrFovqiOeNww9NYg5OnXN5Wsu926n+Q==
-----END PUBLIC KEY-----
";

    pub(super) fn parse(bundle: &Value) -> Result<Bundle, BundleError> {
        Bundle::parse(bundle.to_string().as_bytes(), 1 << 20)
    }

    pub(super) fn media_type(version: Version) -> &'static str {
        match version {
            Version::V01 => "application/vnd.dev.sigstore.bundle+json;version=0.1",
            Version::V02 => "application/vnd.dev.sigstore.bundle+json;version=0.2",
            Version::V03 => super::MEDIA_TYPE_V03,
        }
    }

    /// A bundle of each version with a certificate, a log entry and a timestamp, as keyless signers write them.
    pub(super) fn full(version: Version) -> Value {
        let mut bundle = json!({
            "mediaType": media_type(version),
            "verificationMaterial": {
                "tlogEntries": [{
                    "logIndex": "25579",
                    "logId": {"keyId": "wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0="},
                    "kindVersion": {"kind": "dsse", "version": "0.0.1"},
                    "integratedTime": "1700000000",
                    "inclusionPromise": {"signedEntryTimestamp": "MEUC"},
                    "inclusionProof": {
                        "logIndex": "25",
                        "rootHash": "wNI9",
                        "treeSize": "26",
                        "hashes": ["wNI9", "wNI-"],
                        "checkpoint": {"envelope": "log.example - 1\n26\nwNI9\n"}
                    },
                    "canonicalizedBody": "e30="
                }],
                "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": "MIIC"}]}
            },
            "dsseEnvelope": {
                "payload": "e30=",
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{"sig": "MEUC", "keyid": ""}]
            }
        });
        let material = bundle.pointer_mut("/verificationMaterial").and_then(Value::as_object_mut).expect("an object");
        match version {
            Version::V03 => material.insert("certificate".to_owned(), json!({"rawBytes": "MIIC"})),
            _ => material.insert("x509CertificateChain".to_owned(), json!({"certificates": [{"rawBytes": "MIIC"}]})),
        };
        bundle
    }

    /// The document with this member set, or taken away by null.
    pub(super) fn with(mut document: Value, pointer: &str, value: Value) -> Value {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = document.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        if value.is_null() {
            parent.remove(name)
        } else {
            parent.insert(name.to_owned(), value)
        };
        document
    }

    #[test]
    fn cosigns_bundle_is_read_verified_and_written() {
        let bundle = Bundle::parse(COSIGN.as_bytes(), 1 << 16).expect("valid");
        let key = PublicKey::parse(KEY.as_bytes()).expect("a key");
        let hint = key_hint(key.spki());
        assert_eq!(bundle.material, Material::PublicKey { hint: hint.clone() });
        assert_eq!((bundle.version, bundle.log_entries, bundle.timestamps), (Version::V03, 0, 0));
        let signature = &bundle.envelope.signatures[0].signature;
        key.verify(&bundle.envelope.pae(), signature, Hash::Sha256).expect("it was signed with this key");
        let statement = Statement::parse(&bundle.envelope.payload, 1 << 16).expect("a statement");
        assert!(statement.about(&Digest::sha256(b"hello\n")).next().is_some());
        let envelope = &bundle.envelope;
        let written = Bundle::write(&hint, &envelope.payload_type, &envelope.payload, signature).expect("valid");
        assert_eq!(String::from_utf8(written).expect("JSON is UTF-8"), COSIGN.replace(", ", ","));
    }

    #[test]
    fn only_what_can_be_read_is_written() {
        let write = |payload_type, signature: &[u8]| Bundle::write("h", payload_type, b"{}", signature);
        let statement = "application/vnd.in-toto+json";
        assert!(write(statement, b"s").is_ok());
        assert_eq!(write("text/plain", b"s"), Err(BundleError::PayloadType("text/plain".to_owned())));
        assert_eq!(write(statement, b""), Err(EnvelopeError::EmptySignature.into()));
        assert_eq!(write(statement, &[0; 1025]), Err(EnvelopeError::SignatureSize { got: 1025 }.into()));
    }

    #[test]
    fn versions_are_read_from_either_spelling() {
        for (text, expected) in [
            ("application/vnd.dev.sigstore.bundle+json;version=0.1", Some(Version::V01)),
            ("application/vnd.dev.sigstore.bundle+json;version=0.2", Some(Version::V02)),
            ("application/vnd.dev.sigstore.bundle+json;version=0.3", Some(Version::V03)),
            ("application/vnd.dev.sigstore.bundle.v0.3+json", Some(Version::V03)),
            ("application/vnd.dev.sigstore.bundle.v0.1+json", Some(Version::V01)),
            ("application/vnd.dev.sigstore.bundles.v0.3+json", None),
            ("application/vnd.dev.cosign.simplesigning.v1+json", None),
            ("", None),
        ] {
            assert_eq!(version(text), Ok(expected), "{text}");
        }
        for rest in [
            "",
            "+json",
            ".v0.4+json",
            ".v1.0+json",
            ".v0.3",
            ".v0.3.1+json",
            ".v0.30+json",
            "+json;version=0.4",
            ".v+json",
        ] {
            let text = format!("application/vnd.dev.sigstore.bundle{rest}");
            assert_eq!(version(&text), Err(BundleError::UnsupportedVersion(text.clone())));
            assert_eq!(
                parse(&with(full(Version::V03), "/mediaType", json!(text))),
                Err(BundleError::UnsupportedVersion(text))
            );
        }
        let other = parse(&with(full(Version::V03), "/mediaType", json!("text/plain")));
        assert_eq!(other, Err(BundleError::MediaType("text/plain".to_owned())));
        assert!(matches!(parse(&with(full(Version::V03), "/mediaType", Value::Null)), Err(BundleError::MediaType(_))));
    }

    #[test]
    fn keyless_bundles_are_read_and_what_came_is_counted() {
        for version in [Version::V01, Version::V02, Version::V03] {
            let bundle = parse(&full(version)).expect("valid");
            assert_eq!((bundle.version, bundle.log_entries, bundle.timestamps), (version, 1, 1));
            let is_chain = bundle.material == Material::CertificateChain { length: 1 };
            assert_eq!(is_chain, version != Version::V03);
        }
        // A log of version 2: no promise, no time, the first entry.
        let mut tiles = full(Version::V03);
        for name in ["inclusionPromise", "integratedTime", "logIndex"] {
            tiles = with(tiles, &format!("/verificationMaterial/tlogEntries/0/{name}"), Value::Null);
        }
        assert!(parse(&tiles).is_ok());
    }

    /// ProtoJSON: the schema's names, numbers, and null.
    #[test]
    fn the_liberties_of_protobufs_json_are_taken() {
        let good = full(Version::V03).to_string();
        let snake = [
            ("mediaType", "media_type"),
            ("verificationMaterial", "verification_material"),
            ("tlogEntries", "tlog_entries"),
            ("canonicalizedBody", "canonicalized_body"),
            ("rfc3161Timestamps", "rfc3161_timestamps"),
            ("dsseEnvelope", "dsse_envelope"),
            ("payloadType", "payload_type"),
            ("rawBytes", "raw_bytes"),
        ];
        let all = snake.iter().fold(good.clone(), |text, (camel, snake)| text.replace(camel, snake));
        assert_eq!(Bundle::parse(all.as_bytes(), 1 << 16), Bundle::parse(good.as_bytes(), 1 << 16));
        for (camel, snake) in snake {
            let twice = good.replacen(&format!("\"{camel}\""), &format!("\"{snake}\":null,\"{camel}\""), 1);
            let error = Bundle::parse(twice.as_bytes(), 1 << 16).expect_err(camel).to_string();
            assert!(error.ends_with(&format!("{camel}: also given as {snake:?}")), "{error}");
        }
        let numbers = with(full(Version::V03), "/verificationMaterial/tlogEntries/0/logIndex", json!(25579));
        assert!(parse(&numbers).is_ok());
        let null = good.replacen("\"certificate\"", "\"publicKey\":null,\"certificate\"", 1);
        assert!(Bundle::parse(null.as_bytes(), 1 << 16).is_ok());
    }

    #[test]
    fn an_envelope_has_one_signature_over_a_statement_by_the_key_that_is_named() {
        let at = "/dsseEnvelope/signatures";
        let signature = json!({"sig": "MEUC"});
        let two = with(full(Version::V03), at, json!([signature, signature]));
        assert_eq!(parse(&two), Err(BundleError::Signatures { got: 2 }));
        assert_eq!(parse(&with(full(Version::V03), at, json!([]))), Err(EnvelopeError::NoSignature.into()));
        let other = with(full(Version::V03), "/dsseEnvelope/payloadType", json!("application/json"));
        assert_eq!(parse(&other), Err(BundleError::PayloadType("application/json".to_owned())));

        let named = |hint: &str, keyid: &str| {
            let text = COSIGN.replace("NOQ4PMDAKx9hpKCWnWpCv3FQimPtJZ0k9E/OEwh2wtc=", hint);
            Bundle::parse(text.replace("{\"sig\"", &format!("{{\"keyid\":{keyid:?},\"sig\"")).as_bytes(), 1 << 16)
        };
        for (hint, keyid) in [("SHA256:x", "SHA256:x"), ("x", ""), ("", "x"), ("", "")] {
            assert!(named(hint, keyid).is_ok(), "{hint} {keyid}");
        }
        let (keyid, hint) = ("x".to_owned(), "y".to_owned());
        assert_eq!(named("y", "x"), Err(BundleError::KeyHint { keyid, hint }));
        // A certificate stands in nobody's list of keys.
        assert!(parse(&with(full(Version::V03), at, json!([{"sig": "MEUC", "keyid": "x"}]))).is_ok());
    }
}
