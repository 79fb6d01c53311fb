//! Keys: public ones with their fingerprint, private ones for signing, and cosign's encrypted form of these.

mod encrypted;
pub(crate) mod pem;
mod private;
mod public;
mod scheme;

pub use encrypted::{ENTROPY_BYTES as ENCRYPTION_ENTROPY_BYTES, EncryptError, encrypt};
pub use private::{GENERATION_ENTROPY_BYTES, PrivateKey, PrivateKeyError};
pub use public::{Fingerprint, PublicKey, PublicKeyError, SignatureError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The kinds of key that Bulla knows. The kind fixes the signature algorithm; no envelope can change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// ECDSA over NIST P-256 (FIPS 186-5).
    EcdsaP256,
    /// ECDSA over NIST P-384.
    EcdsaP384,
    /// ECDSA over NIST P-521.
    EcdsaP521,
    /// RSASSA-PKCS1-v1_5 (RFC 8017), 2048 to 4096 bits.
    Rsa,
    /// Ed25519 (RFC 8032), over the message itself.
    Ed25519,
}

impl Algorithm {
    /// The name in documents and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// The hash that goes in front of ECDSA and RSA. Ed25519 has its own and ignores this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// SHA-256: what cosign uses for every key given with `--key`.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The digest of a message.
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}
