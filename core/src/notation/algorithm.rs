//! Signature algorithms (Notary Project signature specification, "Signature Algorithm Requirements"): the leaf's key fixes which
//! one, and the header has to say the same.

use serde::Serialize;

use crate::key::{self, Hash, PublicKey, SignatureError};

/// One of the six.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256, for keys of 2048 bits.
    Ps256,
    /// RSASSA-PSS with SHA-384, for keys of 3072 bits.
    Ps384,
    /// RSASSA-PSS with SHA-512, for keys of 4096 bits.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

/// A key for which there is no algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} keys of {bits} bits sign nothing here: RSA with 2048, 3072 or 4096 bits and ECDSA do", .kind.name())]
pub struct UnsupportedKey {
    /// The kind of key.
    pub kind: key::Algorithm,
    /// Its size.
    pub bits: u32,
}

const ALL: [(Algorithm, &str, i64); 6] = [
    (Algorithm::Ps256, "PS256", -37),
    (Algorithm::Ps384, "PS384", -38),
    (Algorithm::Ps512, "PS512", -39),
    (Algorithm::Es256, "ES256", -7),
    (Algorithm::Es384, "ES384", -35),
    (Algorithm::Es512, "ES512", -36),
];

impl Algorithm {
    /// The algorithm of a key.
    ///
    /// # Errors
    /// [`UnsupportedKey`].
    pub fn of(key: &PublicKey) -> Result<Self, UnsupportedKey> {
        match (key.algorithm(), key.bits()) {
            (key::Algorithm::Rsa, 2048) => Ok(Self::Ps256),
            (key::Algorithm::Rsa, 3072) => Ok(Self::Ps384),
            (key::Algorithm::Rsa, 4096) => Ok(Self::Ps512),
            (key::Algorithm::EcdsaP256, _) => Ok(Self::Es256),
            (key::Algorithm::EcdsaP384, _) => Ok(Self::Es384),
            (key::Algorithm::EcdsaP521, _) => Ok(Self::Es512),
            (kind, bits) => Err(UnsupportedKey { kind, bits }),
        }
    }

    /// By the name that `alg` has in JWS (RFC 7518, section 3.1).
    pub fn from_jws(name: &str) -> Option<Self> {
        ALL.into_iter().find(|(_, jws, _)| *jws == name).map(|(algorithm, ..)| algorithm)
    }

    /// By the number that `alg` has in COSE (RFC 9053, section 2; RFC 8230, section 2).
    pub fn from_cose(number: i64) -> Option<Self> {
        ALL.into_iter().find(|(.., cose)| *cose == number).map(|(algorithm, ..)| algorithm)
    }

    /// The name in JWS.
    pub fn jws(self) -> &'static str {
        ALL.into_iter().find(|(algorithm, ..)| *algorithm == self).map_or("", |(_, jws, _)| jws)
    }

    /// The number in COSE.
    pub fn cose(self) -> i64 {
        ALL.into_iter().find(|(algorithm, ..)| *algorithm == self).map_or(0, |(.., cose)| cose)
    }

    /// Its hash.
    pub const fn hash(self) -> Hash {
        match self {
            Self::Ps256 | Self::Es256 => Hash::Sha256,
            Self::Ps384 | Self::Es384 => Hash::Sha384,
            Self::Ps512 | Self::Es512 => Hash::Sha512,
        }
    }

    /// Checks a signature as both envelopes carry it.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self {
            Self::Ps256 | Self::Ps384 | Self::Ps512 => key.verify_pss(message, signature, self.hash()),
            Self::Es256 | Self::Es384 | Self::Es512 => key.verify_raw(message, signature, self.hash()),
        }
    }
}

impl core::fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(self.jws())
    }
}
