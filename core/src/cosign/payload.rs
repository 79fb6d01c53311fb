//! Simple-signing payload (cosign SIGNATURE_SPEC.md, "Payloads"; containers/image, docs/containers-signature.5.md).
//!
//! Read strictly: exact key sets, the exact type, no duplicate keys. The bytes that were verified are the bytes that are
//! read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::json::{self, JsonError};
use crate::limits::{MAX_ANNOTATIONS, MAX_PAYLOAD_BYTES};
use crate::ordered::Ordered as _;
use crate::reference::{Reference, ReferenceError, Repository};

/// `critical.type` of a cosign signature. GPG simple signing says `atomic container signature`, and one never stands for the other.
pub const TYPE: &str = "cosign container image signature";

/// What a signer said: this digest is this image.
#[derive(Debug, Clone, PartialEq)]
pub struct SimpleSigning {
    /// The identity that was signed: a repository, perhaps with a tag.
    pub identity: Identity,
    /// The digest of the manifest or index that was signed.
    pub digest: Digest,
    /// `optional`: annotations by name. Values are strings when cosign wrote them, any JSON otherwise.
    pub annotations: BTreeMap<String, Value>,
}

/// `critical.identity.docker-reference`: what the signer called the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    text: String,
    repository: Repository,
    tag: Option<String>,
}

/// Why a payload is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Not strict JSON, or not of the payload's shape.
    #[error("payload: {0}")]
    Json(#[from] JsonError),
    /// Another `critical.type`.
    #[error("payload type is {0:?}, expected {TYPE:?}")]
    Type(String),
    /// `docker-reference` is not an image reference.
    #[error("payload identity: {0}")]
    Identity(#[from] ReferenceError),
    /// More annotations than [`MAX_ANNOTATIONS`].
    #[error("payload has {0} annotations, at most {MAX_ANNOTATIONS} are accepted")]
    Annotations(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    critical: Critical,
    // Present always; null or an object. `Option` alone would also accept its absence.
    #[serde(deserialize_with = "Option::deserialize")]
    optional: Option<BTreeMap<String, Value>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: CriticalIdentity,
    image: CriticalImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CriticalIdentity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CriticalImage {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: Digest,
}

impl SimpleSigning {
    /// Parses a payload. It says nothing about who signed it.
    ///
    /// # Errors
    /// [`PayloadError`], one variant for each rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        let limit = usize::try_from(MAX_PAYLOAD_BYTES).unwrap_or(usize::MAX);
        let document = json::parse(bytes, limit)?;
        json::check_objects(&document, &["", "/critical", "/critical/identity", "/critical/image"])?;
        let document: Document = json::shape(document)?;
        if document.critical.kind != TYPE {
            return Err(PayloadError::Type(crate::text::excerpt(&document.critical.kind)));
        }
        let annotations = document.optional.unwrap_or_default();
        if annotations.len() > MAX_ANNOTATIONS {
            return Err(PayloadError::Annotations(annotations.len()));
        }
        Ok(Self {
            identity: Identity::parse(&document.critical.identity.docker_reference)?,
            digest: document.critical.image.docker_manifest_digest,
            annotations,
        })
    }

    /// The bytes that cosign would sign for this image: members in this order, no white space, `optional` always there.
    ///
    /// # Errors
    /// [`PayloadError::Json`] when the annotations cannot be serialised.
    pub fn write(
        identity: &str,
        digest: &Digest,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, PayloadError> {
        let optional: BTreeMap<_, _> =
            annotations.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).into_map();
        let document = Document {
            critical: Critical {
                identity: CriticalIdentity { docker_reference: identity.to_owned() },
                image: CriticalImage { docker_manifest_digest: digest.clone() },
                kind: TYPE.to_owned(),
            },
            optional: if optional.is_empty() { None } else { Some(optional) },
        };
        serde_json::to_vec(&document).map_err(|error| JsonError::Syntax(error.to_string()).into())
    }

    /// The payload that follows from repository and digest alone: nobody needs to fetch it.
    pub fn implied(repository: &Repository, digest: &Digest) -> Vec<u8> {
        Self::write(&repository.cosign_name(), digest, &BTreeMap::new()).unwrap_or_default()
    }
}

impl Identity {
    /// Reads what a signer called an image.
    ///
    /// # Errors
    /// [`ReferenceError`] when it is neither a repository nor a reference.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        // A repository alone is not `:latest`: the signer said nothing about a tag.
        if let Ok(repository) = Repository::parse(text) {
            return Ok(Self { text: text.to_owned(), repository, tag: None });
        }
        let reference = Reference::parse(text)?;
        Ok(Self {
            text: text.to_owned(),
            repository: reference.repository().clone(),
            tag: reference.tag().map(str::to_owned),
        })
    }

    /// As the signer wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The repository it names, normalised.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag it names, if any.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::{PayloadError, SimpleSigning};
    use crate::digest::Digest;
    use crate::reference::Repository;

    fn payload(repository: &str) -> String {
        let repository = Repository::parse(repository).expect("valid");
        String::from_utf8(SimpleSigning::implied(&repository, &Digest::sha256(b"x"))).expect("JSON is UTF-8")
    }

    /// Written by cosign 2.6.1 for `cosign sign --key`, digest replaced.
    #[test]
    fn the_implied_payload_has_cosigns_bytes() {
        let digest = Digest::sha256(b"x");
        assert_eq!(
            payload("nginx"),
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"index.docker.io/library/nginx"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
            )
        );
        let read = SimpleSigning::parse(payload("nginx").as_bytes()).expect("valid");
        assert_eq!(read.identity.repository().to_string(), "docker.io/library/nginx");
        assert_eq!(read.identity.tag(), None);
        assert_eq!(read.digest, digest);
    }

    #[test]
    fn every_deviation_is_refused() {
        let good = payload("host.example/app");
        for (from, to) in [
            ("cosign container image signature", "atomic container signature"),
            (r#","optional":null"#, ""),
            (r#""optional":null"#, r#""optional":null,"extra":1"#),
            (r#""optional":null"#, r#""optional":[]"#),
            (r#""optional":null"#, r#""optional":null,"optional":null"#),
            ("docker-manifest-digest", "Docker-Manifest-Digest"),
            (r#""type":"#, r#""type":"x","type":"#),
            ("host.example/app", "host.example/App"),
            ("sha256:", "sha256:A"),
            (r#"{"docker-reference":"host.example/app"}"#, r#"["host.example/app"]"#),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert!(SimpleSigning::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(matches!(SimpleSigning::parse(&[b' '; 20_000]), Err(PayloadError::Json(_))));
    }
}
