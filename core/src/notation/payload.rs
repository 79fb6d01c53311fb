//! What is signed: the descriptor of an artifact (Notary Project signature specification, "Payload").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::{self, JsonError};
use crate::limits::{MAX_ANNOTATIONS, MAX_NOTATION_ENVELOPE_BYTES};
use crate::text::excerpt;

/// Media type of the payload.
pub const MEDIA_TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";
/// What names of user metadata must not begin with.
pub const RESERVED_PREFIX: &str = "io.cncf.notary";

/// The artifact that is asked about, or that a payload says was signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its media type.
    pub media_type: String,
    /// Its digest. Compared, never computed: for blobs, sha384 occurs as well.
    pub digest: String,
    /// Its size in octets.
    pub size: u64,
}

/// A payload that was read. It says nothing about who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The artifact.
    pub target: Target,
    /// User metadata: the annotations of the descriptor.
    pub metadata: BTreeMap<String, String>,
}

/// Why a document is not a payload, or not the one asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Not strict JSON, or not of a payload's shape.
    #[error("payload: {0}")]
    Json(#[from] JsonError),
    /// A digest that is not one.
    #[error("payload: {0:?} is no digest: expected sha256, sha384 or sha512 and lower-case hexadecimal digits")]
    Digest(String),
    /// More annotations than [`MAX_ANNOTATIONS`].
    #[error("payload: {got} annotations, at most {MAX_ANNOTATIONS} are accepted")]
    Annotations {
        /// Annotations there are.
        got: usize,
    },
    /// Another digest.
    #[error("{signed} was signed, not {asked}")]
    OtherDigest {
        /// What was signed.
        signed: String,
        /// What is asked about.
        asked: String,
    },
    /// Another media type.
    #[error("it was signed as {signed:?}, and is {asked:?}")]
    OtherMediaType {
        /// What was signed.
        signed: String,
        /// What is asked about.
        asked: String,
    },
    /// Another size.
    #[error("{signed} octets were signed, and there are {asked}")]
    OtherSize {
        /// What was signed.
        signed: u64,
        /// What is asked about.
        asked: u64,
    },
    /// Metadata that is asked for and was not signed.
    #[error("metadata {name:?} was not signed, {want:?} is asked for")]
    NoMetadata {
        /// Its name.
        name: String,
        /// The value asked for.
        want: String,
    },
    /// Metadata with another value.
    #[error("metadata {name:?} was signed as {signed:?}, {want:?} is asked for")]
    OtherMetadata {
        /// Its name.
        name: String,
        /// What was signed.
        signed: String,
        /// The value asked for.
        want: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    target_artifact: Descriptor,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    // Signers leave these out, and nothing is decided by them.
    #[serde(default)]
    #[allow(dead_code)]
    artifact_type: Option<String>,
    #[serde(default)]
    #[allow(dead_code)]
    urls: serde_json::Value,
    #[serde(default)]
    #[allow(dead_code)]
    data: serde_json::Value,
    #[serde(default)]
    #[allow(dead_code)]
    platform: serde_json::Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'p> {
    target_artifact: WrittenDescriptor<'p>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDescriptor<'p> {
    media_type: &'p str,
    digest: &'p str,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'p BTreeMap<String, String>,
}

impl Payload {
    /// Reads a payload. Members that are not a descriptor's are refused.
    ///
    /// # Errors
    /// [`PayloadError::Json`], [`PayloadError::Digest`], [`PayloadError::Annotations`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        let document = json::parse(bytes, MAX_NOTATION_ENVELOPE_BYTES)?;
        json::check_objects(&document, &["", "/targetArtifact", "/targetArtifact/annotations"])?;
        let descriptor = json::shape::<Document>(document)?.target_artifact;
        check_digest(&descriptor.digest)?;
        if descriptor.annotations.len() > MAX_ANNOTATIONS {
            return Err(PayloadError::Annotations { got: descriptor.annotations.len() });
        }
        let target = Target { media_type: descriptor.media_type, digest: descriptor.digest, size: descriptor.size };
        Ok(Self { target, metadata: descriptor.annotations })
    }

    /// The bytes of a payload, without white space.
    ///
    /// # Errors
    /// [`PayloadError::Digest`], [`PayloadError::Annotations`].
    pub fn write(&self) -> Result<Vec<u8>, PayloadError> {
        check_digest(&self.target.digest)?;
        if self.metadata.len() > MAX_ANNOTATIONS {
            return Err(PayloadError::Annotations { got: self.metadata.len() });
        }
        let Target { media_type, digest, size } = &self.target;
        let descriptor = WrittenDescriptor { media_type, digest, size: *size, annotations: &self.metadata };
        serde_json::to_vec(&Written { target_artifact: descriptor })
            .map_err(|error| JsonError::Syntax(error.to_string()).into())
    }

    /// Holds the payload against the artifact that is asked about: digest, media type and size.
    ///
    /// # Errors
    /// [`PayloadError::OtherDigest`], [`PayloadError::OtherMediaType`], [`PayloadError::OtherSize`].
    pub fn is_about(&self, asked: &Target) -> Result<(), PayloadError> {
        let signed = &self.target;
        if signed.digest != asked.digest {
            return Err(PayloadError::OtherDigest { signed: excerpt(&signed.digest), asked: asked.digest.clone() });
        }
        if signed.media_type != asked.media_type {
            let (signed, asked) = (excerpt(&signed.media_type), excerpt(&asked.media_type));
            return Err(PayloadError::OtherMediaType { signed, asked });
        }
        if signed.size != asked.size {
            return Err(PayloadError::OtherSize { signed: signed.size, asked: asked.size });
        }
        Ok(())
    }

    /// Holds the payload against metadata: each must have been signed with exactly this value.
    ///
    /// # Errors
    /// [`PayloadError::NoMetadata`], [`PayloadError::OtherMetadata`].
    pub fn has_metadata(&self, wanted: &BTreeMap<String, String>) -> Result<(), PayloadError> {
        for (name, want) in wanted {
            let (shown, want_shown) = (excerpt(name), excerpt(want));
            match self.metadata.get(name) {
                None => return Err(PayloadError::NoMetadata { name: shown, want: want_shown }),
                Some(signed) if signed != want => {
                    let signed = excerpt(signed);
                    return Err(PayloadError::OtherMetadata { name: shown, signed, want: want_shown });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

fn check_digest(text: &str) -> Result<(), PayloadError> {
    let digits = [("sha256:", 64), ("sha384:", 96), ("sha512:", 128)];
    let fits = digits.into_iter().any(|(name, digits)| {
        text.strip_prefix(name)
            .is_some_and(|hex| hex.len() == digits && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    });
    if fits { Ok(()) } else { Err(PayloadError::Digest(excerpt(text))) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Payload, PayloadError, Target};

    const DIGEST: &str = "sha256:c0669ef34cdc14332c0f1ab0c2c01acb91d96014b172f1a76f3a39e63d1f0bda";

    fn text() -> String {
        format!(
            r#"{{"targetArtifact":{{"mediaType":"a/b","digest":"{DIGEST}","size":528,"annotations":{{"team":"x"}}}}}}"#
        )
    }

    #[test]
    fn what_is_read_is_written_again() {
        let payload = Payload::parse(text().as_bytes()).expect("valid");
        assert_eq!(String::from_utf8(payload.write().expect("valid")).expect("text"), text());
        let whole =
            text().replace("\"size\"", "\"artifactType\":\"c/d\",\"urls\":[],\"data\":\"\",\"platform\":{},\"size\"");
        assert_eq!(Payload::parse(whole.as_bytes()), Ok(payload));
    }

    #[test]
    fn anything_else_is_refused() {
        for (from, to) in [
            ("\"size\":528", "\"size\":-1"),
            ("\"size\":528,", ""),
            ("\"size\":528", "\"size\":528,\"size\":528"),
            ("\"size\":528", "\"size\":528,\"Digest\":\"x\""),
            ("{\"targetArtifact\"", "{\"other\":1,\"targetArtifact\""),
            ("\"team\":\"x\"", "\"team\":1"),
            ("{\"team\":\"x\"}", "[]"),
        ] {
            let text = text().replace(from, to);
            assert!(matches!(Payload::parse(text.as_bytes()), Err(PayloadError::Json(_))), "{text}");
        }
        for digest in
            ["sha256:00", "md5:0", &DIGEST.to_uppercase().replace("SHA", "sha"), &DIGEST.replace("256", "384")]
        {
            let text = text().replace(DIGEST, digest);
            assert!(matches!(Payload::parse(text.as_bytes()), Err(PayloadError::Digest(_))), "{text}");
        }
        let many: BTreeMap<String, String> = (0..129).map(|n| (n.to_string(), String::new())).collect();
        let target = Target { media_type: "a/b".to_owned(), digest: DIGEST.to_owned(), size: 1 };
        assert_eq!(Payload { target, metadata: many }.write(), Err(PayloadError::Annotations { got: 129 }));
    }

    #[test]
    fn all_three_facts_of_the_artifact_are_compared() {
        let payload = Payload::parse(text().as_bytes()).expect("valid");
        let asked = payload.target.clone();
        assert_eq!(payload.is_about(&asked), Ok(()));
        let other = Target { digest: DIGEST.replace('c', "d"), ..asked.clone() };
        assert!(matches!(payload.is_about(&other), Err(PayloadError::OtherDigest { .. })));
        let other = Target { media_type: "a/c".to_owned(), ..asked.clone() };
        assert!(matches!(payload.is_about(&other), Err(PayloadError::OtherMediaType { .. })));
        let other = Target { size: 529, ..asked };
        assert_eq!(payload.is_about(&other), Err(PayloadError::OtherSize { signed: 528, asked: 529 }));
    }

    #[test]
    fn metadata_is_a_subset_with_equal_values() {
        let payload = Payload::parse(text().as_bytes()).expect("valid");
        let wanted = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert_eq!(payload.has_metadata(&BTreeMap::new()), Ok(()));
        assert_eq!(payload.has_metadata(&wanted("team", "x")), Ok(()));
        assert!(matches!(payload.has_metadata(&wanted("team", "X")), Err(PayloadError::OtherMetadata { .. })));
        assert!(matches!(payload.has_metadata(&wanted("Team", "x")), Err(PayloadError::NoMetadata { .. })));
    }
}
