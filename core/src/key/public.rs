//! Public keys as SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7; RFC 5480; RFC 8410), and one signature checked by one key.

use core::fmt;

use der::asn1::ObjectIdentifier;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::traits::PublicKeyParts as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use spki::{DecodePublicKey as _, EncodePublicKey as _, SubjectPublicKeyInfoRef};

use super::pem::{self, PemError};
use super::{Algorithm, Hash};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
pub(super) const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(super) const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(super) const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Bits of an RSA modulus. 2048: NIST SP 800-131A; 4096: what cosign, Notation and hardware tokens make at most.
const RSA_BITS: core::ops::RangeInclusive<u32> = 2048..=4096;

/// A public key that was parsed and found usable, with its canonical encoding.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) inner: Inner,
    spki: Vec<u8>,
    fingerprint: Fingerprint,
}

#[derive(Clone)]
pub(super) enum Inner {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Rsa(rsa::RsaPublicKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// SHA-256 of a key's canonical SubjectPublicKeyInfo: the name by which keys are pinned, compared and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// Why bytes are not a public key that Bulla uses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Not one PEM block.
    #[error("public key: {0}")]
    Pem(String),
    /// A PEM block, but a private key.
    #[error("this is a private key ({0}), and a public key is needed: `bulla key show` prints it")]
    Private(String),
    /// A PEM block of another kind, e.g. a certificate.
    #[error("PEM block {0:?} is not a public key: expected \"PUBLIC KEY\"")]
    Label(String),
    /// Not a SubjectPublicKeyInfo.
    #[error("public key: not a SubjectPublicKeyInfo: {0}")]
    Encoding(String),
    /// An algorithm or curve that Bulla does not use.
    #[error("public key algorithm {0} is not supported: ECDSA P-256, P-384, P-521, RSA 2048 to 4096 and Ed25519 are")]
    Algorithm(String),
    /// An RSA modulus outside the limits.
    #[error("RSA key of {got} bits: 2048 to 4096 are accepted")]
    RsaBits {
        /// Bits of the modulus.
        got: u32,
    },
    /// An Ed25519 key of small order, for which signatures verify over any message.
    #[error("Ed25519 key of small order: it accepts signatures that nobody made")]
    Weak,
}

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Not an encoding of a signature by this kind of key.
    #[error("not a {} signature: {what}", .algorithm.name())]
    Malformed {
        /// The key's algorithm.
        algorithm: Algorithm,
        /// What does not fit.
        what: &'static str,
    },
    /// Well formed, and not made by this key over this message.
    #[error("signature does not verify")]
    Mismatch,
}

impl PublicKey {
    /// Reads a public key from PEM (`PUBLIC KEY`) or DER.
    ///
    /// # Errors
    /// [`PublicKeyError`], which names what was found.
    pub fn parse(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        // DER starts with the SEQUENCE tag; nothing in PEM does.
        if bytes.first() == Some(&0x30) {
            return Self::from_der(bytes);
        }
        let (label, der) =
            pem::single_block(bytes).map_err(|error: PemError| PublicKeyError::Pem(error.to_string()))?;
        match label.as_str() {
            "PUBLIC KEY" => Self::from_der(&der),
            private if private.ends_with("PRIVATE KEY") => Err(PublicKeyError::Private(label)),
            _ => Err(PublicKeyError::Label(label)),
        }
    }

    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`PublicKeyError`], which names what was found.
    pub fn from_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let encoding = |error: &dyn fmt::Display| PublicKeyError::Encoding(error.to_string());
        let spki = SubjectPublicKeyInfoRef::try_from(der).map_err(|error| encoding(&error))?;
        let inner = match spki.algorithm.oid {
            EC_PUBLIC_KEY => match spki.algorithm.parameters_oid().map_err(|error| encoding(&error))? {
                SECP256R1 => {
                    Inner::P256(p256::ecdsa::VerifyingKey::from_public_key_der(der).map_err(|e| encoding(&e))?)
                }
                SECP384R1 => {
                    Inner::P384(p384::ecdsa::VerifyingKey::from_public_key_der(der).map_err(|e| encoding(&e))?)
                }
                SECP521R1 => {
                    Inner::P521(p521::ecdsa::VerifyingKey::from_public_key_der(der).map_err(|e| encoding(&e))?)
                }
                curve => return Err(PublicKeyError::Algorithm(format!("ECDSA on curve {curve}"))),
            },
            RSA_ENCRYPTION => Inner::Rsa(rsa_key(der)?),
            ED25519 => {
                let key = ed25519_dalek::VerifyingKey::from_public_key_der(der).map_err(|error| encoding(&error))?;
                if key.is_weak() {
                    return Err(PublicKeyError::Weak);
                }
                Inner::Ed25519(key)
            }
            oid => return Err(PublicKeyError::Algorithm(oid.to_string())),
        };
        Self::new(inner)
    }

    /// The canonical encoding makes one key one fingerprint, however it was written (compressed point, odd parameters).
    fn new(inner: Inner) -> Result<Self, PublicKeyError> {
        let document = match &inner {
            Inner::P256(key) => key.to_public_key_der(),
            Inner::P384(key) => key.to_public_key_der(),
            Inner::P521(key) => key.to_public_key_der(),
            Inner::Rsa(key) => key.to_public_key_der(),
            Inner::Ed25519(key) => key.to_public_key_der(),
        }
        .map_err(|error| PublicKeyError::Encoding(error.to_string()))?;
        let spki = document.as_bytes().to_vec();
        let fingerprint = Fingerprint(Sha256::digest(&spki).into());
        Ok(Self { inner, spki, fingerprint })
    }

    pub(super) fn from_p256(key: p256::ecdsa::VerifyingKey) -> Result<Self, PublicKeyError> {
        Self::new(Inner::P256(key))
    }

    pub(super) fn from_p384(key: p384::ecdsa::VerifyingKey) -> Result<Self, PublicKeyError> {
        Self::new(Inner::P384(key))
    }

    pub(super) fn from_p521(key: p521::ecdsa::VerifyingKey) -> Result<Self, PublicKeyError> {
        Self::new(Inner::P521(key))
    }

    pub(super) fn from_ed25519(key: ed25519_dalek::VerifyingKey) -> Result<Self, PublicKeyError> {
        Self::new(Inner::Ed25519(key))
    }

    /// The kind of key.
    pub fn algorithm(&self) -> Algorithm {
        match &self.inner {
            Inner::P256(_) => Algorithm::EcdsaP256,
            Inner::P384(_) => Algorithm::EcdsaP384,
            Inner::P521(_) => Algorithm::EcdsaP521,
            Inner::Rsa(_) => Algorithm::Rsa,
            Inner::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// What one verification costs, in units of one P-256 verification (measured in wasmtime, rounded up).
    pub fn verification_units(&self) -> u32 {
        match &self.inner {
            Inner::P256(_) | Inner::Ed25519(_) => 1,
            Inner::P384(_) => 5,
            Inner::P521(_) => 6,
            Inner::Rsa(key) => match key.n().bits() {
                0..=2048 => 1,
                2049..=3072 => 2,
                _ => 3,
            },
        }
    }

    /// SHA-256 of the canonical SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The canonical SubjectPublicKeyInfo, DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The canonical SubjectPublicKeyInfo as PEM.
    pub fn to_pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.spki).map(|text| (*text).clone()).unwrap_or_default()
    }

    /// Checks one signature: ECDSA as ASN.1 DER, RSA as PKCS #1 v1.5, Ed25519 pure and strict (`hash` is not used there).
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] when the bytes cannot be a signature by this kind of key, [`SignatureError::Mismatch`]
    /// when they are one but not by this key over this message.
    pub fn verify(&self, message: &[u8], signature: &[u8], hash: Hash) -> Result<(), SignatureError> {
        let algorithm = self.algorithm();
        let malformed = |what| SignatureError::Malformed { algorithm, what };
        match &self.inner {
            Inner::P256(key) => {
                let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| malformed("not strict DER"))?;
                key.verify_prehash(&hash.digest(message), &signature)
            }
            Inner::P384(key) => {
                let signature = p384::ecdsa::Signature::from_der(signature).map_err(|_| malformed("not strict DER"))?;
                key.verify_prehash(&hash.digest(message), &signature)
            }
            Inner::P521(key) => {
                let signature = p521::ecdsa::Signature::from_der(signature).map_err(|_| malformed("not strict DER"))?;
                key.verify_prehash(&hash.digest(message), &signature)
            }
            Inner::Rsa(key) => {
                if signature.len() != key.size() {
                    return Err(malformed("its length is not that of the modulus"));
                }
                let signature = rsa::pkcs1v15::Signature::try_from(signature)
                    .map_err(|_| malformed("not a number below the modulus"))?;
                match hash {
                    Hash::Sha256 => rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key.clone()).verify(message, &signature),
                    Hash::Sha384 => rsa::pkcs1v15::VerifyingKey::<Sha384>::new(key.clone()).verify(message, &signature),
                    Hash::Sha512 => rsa::pkcs1v15::VerifyingKey::<Sha512>::new(key.clone()).verify(message, &signature),
                }
            }
            Inner::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_slice(signature)
                    .map_err(|_| malformed("it does not have 64 octets"))?;
                key.verify_strict(message, &signature)
            }
        }
        .map_err(|_| SignatureError::Mismatch)
    }
}

fn rsa_key(der: &[u8]) -> Result<rsa::RsaPublicKey, PublicKeyError> {
    let key =
        rsa::RsaPublicKey::from_public_key_der(der).map_err(|error| PublicKeyError::Encoding(error.to_string()))?;
    let bits = key.n().bits();
    if RSA_BITS.contains(&bits) { Ok(key) } else { Err(PublicKeyError::RsaBits { got: bits }) }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.algorithm().name(), self.fingerprint)
    }
}

/// One key is one key, however it was written.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for PublicKey {}

impl Fingerprint {
    /// Reads `sha256:<64 lower-case hex digits>`.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix("sha256:").filter(|digits| !digits.bytes().any(|b| b.is_ascii_uppercase()));
        match digits.map(|digits| hex::decode_to_slice(digits, &mut bytes)) {
            Some(Ok(())) => Ok(Self(bytes)),
            _ => Err(format!("{:?} is not a fingerprint: expected sha256:<64 hex digits>", crate::text::excerpt(text))),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", hex::encode(self.0))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
