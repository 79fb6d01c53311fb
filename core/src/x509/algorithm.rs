//! Algorithms of signatures over certificates, CRLs, OCSP responses and timestamps (RFC 4055, RFC 5758).

use der::asn1::{Any, AnyRef, ObjectIdentifier};
use rsa::pkcs1::RsaPssParams;
use spki::AlgorithmIdentifierRef;

use crate::key::{Hash, PublicKey, SignatureError};

pub(crate) const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
pub(crate) const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
pub(crate) const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
pub(crate) const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const SHA256_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const SHA384_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
/// Those that somebody else can forge: MD2, MD5 and SHA-1 with RSA, SHA-1 with DSA and ECDSA.
const BROKEN: [ObjectIdentifier; 5] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.2"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
    ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
];

/// How a signature was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureAlgorithm {
    padding: Padding,
    hash: Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Padding {
    Pkcs1,
    Pss,
    Ecdsa,
}

/// Why an algorithm is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlgorithmError {
    /// Over MD2, MD5 or SHA-1.
    #[error("signature algorithm {0} rests on a broken hash")]
    Broken(String),
    /// Any other that is not read.
    #[error("signature algorithm {0} is not supported: RSA and ECDSA with SHA-256, SHA-384 and SHA-512 are")]
    Unsupported(String),
    /// Parameters that the algorithm does not have, or that are not accepted.
    #[error("parameters of signature algorithm {0} are not accepted")]
    Parameters(String),
    /// A hash that is not read.
    #[error("hash algorithm {0} is not supported: SHA-256, SHA-384 and SHA-512 are")]
    Hash(String),
}

impl SignatureAlgorithm {
    /// Reads an AlgorithmIdentifier.
    ///
    /// # Errors
    /// [`AlgorithmError`].
    pub(crate) fn read(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Self, AlgorithmError> {
        let oid = algorithm.oid;
        let (padding, hash) = match oid {
            SHA256_RSA => (Padding::Pkcs1, Hash::Sha256),
            SHA384_RSA => (Padding::Pkcs1, Hash::Sha384),
            SHA512_RSA => (Padding::Pkcs1, Hash::Sha512),
            ECDSA_SHA256 => (Padding::Ecdsa, Hash::Sha256),
            ECDSA_SHA384 => (Padding::Ecdsa, Hash::Sha384),
            ECDSA_SHA512 => (Padding::Ecdsa, Hash::Sha512),
            RSA_PSS => return Ok(Self { padding: Padding::Pss, hash: pss_hash(algorithm)? }),
            oid if BROKEN.contains(&oid) => return Err(AlgorithmError::Broken(oid.to_string())),
            oid => return Err(AlgorithmError::Unsupported(oid.to_string())),
        };
        // RFC 4055, section 5: NULL for RSA; RFC 5758, section 3.2: none for ECDSA.
        let fits = match padding {
            Padding::Ecdsa => algorithm.parameters.is_none(),
            _ => algorithm.parameters.is_none_or(AnyRef::is_null),
        };
        if fits { Ok(Self { padding, hash }) } else { Err(AlgorithmError::Parameters(oid.to_string())) }
    }

    /// Reads the algorithm of a CMS signature, which may leave the hash to `digestAlgorithm` (RFC 8933; RFC 3370, section 3.2).
    ///
    /// # Errors
    /// [`AlgorithmError`].
    pub(crate) fn read_cms(algorithm: &AlgorithmIdentifierRef<'_>, hash: Hash) -> Result<Self, AlgorithmError> {
        if algorithm.oid == RSA_ENCRYPTION && algorithm.parameters.is_none_or(AnyRef::is_null) {
            return Ok(Self { padding: Padding::Pkcs1, hash });
        }
        let read = Self::read(algorithm)?;
        if read.hash == hash { Ok(read) } else { Err(AlgorithmError::Parameters(algorithm.oid.to_string())) }
    }

    /// Checks a signature by this algorithm.
    ///
    /// # Errors
    /// [`SignatureError`]: `Malformed` for a key of another kind.
    pub(crate) fn verify(self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let is_rsa = key.algorithm() == crate::key::Algorithm::Rsa;
        let is_ecdsa = !is_rsa && key.algorithm() != crate::key::Algorithm::Ed25519;
        let other = SignatureError::Malformed { algorithm: key.algorithm(), what: "its algorithm is another key's" };
        match self.padding {
            Padding::Pkcs1 if is_rsa => key.verify(message, signature, self.hash),
            Padding::Pss if is_rsa => key.verify_pss(message, signature, self.hash),
            Padding::Ecdsa if is_ecdsa => key.verify(message, signature, self.hash),
            _ => Err(other),
        }
    }
}

/// Reads the AlgorithmIdentifier of a hash.
///
/// # Errors
/// [`AlgorithmError::Hash`], [`AlgorithmError::Parameters`].
pub(crate) fn hash(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Hash, AlgorithmError> {
    if !algorithm.parameters.is_none_or(AnyRef::is_null) {
        return Err(AlgorithmError::Parameters(algorithm.oid.to_string()));
    }
    match algorithm.oid {
        SHA256 => Ok(Hash::Sha256),
        SHA384 => Ok(Hash::Sha384),
        SHA512 => Ok(Hash::Sha512),
        oid => Err(AlgorithmError::Hash(oid.to_string())),
    }
}

/// The hash of RSASSA-PSS, whose mask has to use the same one, with a salt of its length (RFC 4055, section 3.1).
fn pss_hash(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Hash, AlgorithmError> {
    let refused = || AlgorithmError::Parameters(algorithm.oid.to_string());
    let parameters = algorithm.parameters.as_ref().map(|any| Any::from(*any)).ok_or_else(refused)?;
    let parameters: RsaPssParams<Any> = parameters.decode_as().map_err(|_| refused())?;
    let (outer, mask) = (&parameters.hash, &parameters.mask_gen);
    let hash =
        hash(&AlgorithmIdentifierRef { oid: outer.oid, parameters: outer.parameters.as_ref().map(Any::to_ref) })?;
    let same = mask.oid == MGF1 && mask.parameters.as_ref().is_some_and(|inner| inner.oid == outer.oid);
    let octets = match hash {
        Hash::Sha256 => 32,
        Hash::Sha384 => 48,
        Hash::Sha512 => 64,
    };
    if same && parameters.salt_len == octets { Ok(hash) } else { Err(refused()) }
}
