//! Content digests (OCI image-spec, descriptor.md, section "Digests"): sha256 and sha512, lower-case hex only.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};

/// A digest that is well formed and of an algorithm that Bulla computes. It says nothing about any bytes yet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    encoded: String,
}

/// The registered algorithms that Bulla computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 64 hexadecimal digits.
    Sha256,
    /// SHA-512, 128 hexadecimal digits.
    Sha512,
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// No `:` between algorithm and value.
    #[error("{0:?} is not a digest: expected sha256:<64 hex digits>")]
    NoAlgorithm(String),
    /// An algorithm that is not sha256 or sha512; its content could not be checked.
    #[error("digest algorithm {0:?} is not supported: sha256 and sha512 are")]
    Algorithm(String),
    /// Not the right number of lower-case hexadecimal digits.
    #[error("digest value {got:?} is not {want} lower-case hexadecimal digits")]
    Encoded {
        /// The value found.
        got: String,
        /// Digits wanted.
        want: usize,
    },
}

/// Bytes whose digest is not the one they were asked for by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("content has digest {got}, expected {want}")]
pub struct DigestMismatch {
    /// The digest of the bytes.
    pub got: Digest,
    /// The digest asked for.
    pub want: Digest,
}

/// Bytes that were held against their digest. Only [`Digest::check`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'b> {
    bytes: &'b [u8],
}

impl<'b> Content<'b> {
    /// The bytes, exactly as they were hashed.
    pub fn bytes(self) -> &'b [u8] {
        self.bytes
    }
}

impl Digest {
    /// Reads `sha256:<hex>` or `sha512:<hex>`. Upper-case hex is another string and is refused.
    ///
    /// # Errors
    /// [`DigestError`], with the value that was found.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (algorithm, encoded) =
            text.split_once(':').ok_or_else(|| DigestError::NoAlgorithm(crate::text::excerpt(text)))?;
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => return Err(DigestError::Algorithm(crate::text::excerpt(other))),
        };
        let want = algorithm.hex_digits();
        let is_hex = encoded.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if encoded.len() != want || !is_hex {
            return Err(DigestError::Encoded { got: crate::text::excerpt(encoded), want });
        }
        Ok(Self { algorithm, encoded: encoded.to_owned() })
    }

    /// The SHA-256 digest of these bytes.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// The digest of these bytes by this algorithm.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let encoded = match algorithm {
            Algorithm::Sha256 => hex::encode(Sha256::digest(bytes)),
            Algorithm::Sha512 => hex::encode(Sha512::digest(bytes)),
        };
        Self { algorithm, encoded }
    }

    /// Holds bytes against this digest.
    ///
    /// # Errors
    /// [`DigestMismatch`] with both digests.
    pub fn check<'b>(&self, bytes: &'b [u8]) -> Result<Content<'b>, DigestMismatch> {
        let got = Self::of(self.algorithm, bytes);
        if got == *self { Ok(Content { bytes }) } else { Err(DigestMismatch { got, want: self.clone() }) }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal value without the algorithm.
    pub fn encoded(&self) -> &str {
        &self.encoded
    }

    /// The tag under which cosign keeps legacy signatures: `sha256-<hex>.sig` (cosign SIGNATURE_SPEC.md, "Discovery").
    pub fn signature_tag(&self) -> String {
        format!("{}-{}.sig", self.algorithm.name(), self.encoded)
    }

    /// The tag under which cosign keeps legacy attestations: `sha256-<hex>.att` (cosign ATTESTATION_SPEC.md).
    pub fn attestation_tag(&self) -> String {
        format!("{}-{}.att", self.algorithm.name(), self.encoded)
    }
}

impl Algorithm {
    /// The name in front of the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.algorithm.name(), self.encoded)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Digest, DigestError};

    #[test]
    fn only_lower_case_hex_of_the_right_length_is_a_digest() {
        let hex = "a".repeat(64);
        assert!(Digest::parse(&format!("sha256:{hex}")).is_ok());
        assert!(Digest::parse(&format!("sha512:{hex}{hex}")).is_ok());
        for bad in [
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:{hex}a"),
            format!("sha512:{hex}"),
            format!("sha256:{}/../x", "a".repeat(59)),
            "sha256:".to_owned(),
        ] {
            assert!(matches!(Digest::parse(&bad), Err(DigestError::Encoded { .. })), "{bad}");
        }
        assert!(matches!(Digest::parse(&format!("md5:{hex}")), Err(DigestError::Algorithm(_))));
        assert!(matches!(Digest::parse(&hex), Err(DigestError::NoAlgorithm(_))));
    }

    #[test]
    fn content_is_only_had_through_its_digest() {
        let digest = Digest::of(Algorithm::Sha512, b"abc");
        assert_eq!(digest.check(b"abc").expect("same bytes").bytes(), b"abc");
        assert_eq!(digest.check(b"abd").expect_err("other bytes").want, digest);
        assert_eq!(
            Digest::sha256(b"").to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
