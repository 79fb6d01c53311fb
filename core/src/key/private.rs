//! Private keys: PKCS #8 (RFC 5958), SEC 1 (RFC 5915), PKCS #1 (RFC 8017), and cosign's encrypted PEM.
//!
//! ECDSA signs deterministically (RFC 6979), so no randomness is needed. RSA private keys are read to know their public
//! key and are never used here: whoever hosts the module signs with its own library between prepare and assemble.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use pkcs8::{EncodePrivateKey as _, PrivateKeyInfoRef};
use spki::EncodePublicKey as _;
use zeroize::Zeroizing;

use super::encrypted;
use super::pem;
use super::public::{PublicKey, PublicKeyError};
use super::{Algorithm, Hash};

/// Octets of entropy that [`PrivateKey::generate`] takes: four candidates of the largest curve's size.
pub const GENERATION_ENTROPY_BYTES: usize = 4 * 66;

/// A private key. Its bytes are wiped when it is dropped, and nothing prints them.
pub struct PrivateKey {
    inner: Inner,
    public: PublicKey,
}

enum Inner {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    /// PKCS #8, kept for the host; never computed with.
    Rsa(Zeroizing<Vec<u8>>),
}

/// Why a private key cannot be read or used. No variant carries key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// Not one PEM block.
    #[error("private key: {0}")]
    Pem(String),
    /// A public key where a private one is needed.
    #[error("this is a public key, and a private key is needed")]
    Public,
    /// A PEM block of another kind.
    #[error(
        "PEM block {0:?} is not a private key that Bulla reads: PRIVATE KEY, EC PRIVATE KEY, RSA PRIVATE KEY and \
         ENCRYPTED SIGSTORE PRIVATE KEY are"
    )]
    Label(String),
    /// The encoding inside the PEM block is damaged or of another type.
    #[error("private key: {0}")]
    Encoding(String),
    /// An algorithm or curve that Bulla does not use.
    #[error("private key algorithm {0} is not supported: ECDSA P-256, P-384, P-521, RSA 2048 to 4096 and Ed25519 are")]
    Algorithm(String),
    /// An encrypted key, and no passphrase was given.
    #[error("the private key is encrypted, and no passphrase was given")]
    PassphraseNeeded,
    /// The passphrase does not open the key, or its ciphertext was changed: authenticated encryption cannot tell which.
    #[error("the passphrase does not open the private key, or the key file was changed")]
    PassphraseWrong,
    /// Encrypted with parameters outside the accepted ones.
    #[error("encrypted private key: {0}")]
    Encryption(String),
    /// RSA signing happens in the host.
    #[error("the module does not sign with RSA private keys: sign the prepared bytes in the host and assemble")]
    RsaSigning,
    /// Not enough entropy, or none of it usable.
    #[error("generating a key takes {GENERATION_ENTROPY_BYTES} octets of entropy, got {got}")]
    Entropy {
        /// Octets given.
        got: usize,
    },
}

impl From<PublicKeyError> for PrivateKeyError {
    fn from(error: PublicKeyError) -> Self {
        match error {
            PublicKeyError::Algorithm(name) => Self::Algorithm(name),
            other => Self::Encoding(other.to_string()),
        }
    }
}

impl PrivateKey {
    /// Reads a private key file. `passphrase` opens cosign's encrypted form and is ignored by the others.
    ///
    /// # Errors
    /// [`PrivateKeyError`]; a wrong passphrase and a damaged ciphertext cannot be told apart.
    pub fn parse(file: &[u8], passphrase: Option<&[u8]>) -> Result<Self, PrivateKeyError> {
        let (label, content) = pem::single_block(file).map_err(|error| PrivateKeyError::Pem(error.to_string()))?;
        match label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(&content),
            "EC PRIVATE KEY" => Self::from_sec1(&content),
            "RSA PRIVATE KEY" => Self::from_pkcs1(&content),
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                let passphrase = passphrase.ok_or(PrivateKeyError::PassphraseNeeded)?;
                Self::from_pkcs8(&encrypted::decrypt(&content, passphrase)?)
            }
            "PUBLIC KEY" => Err(PrivateKeyError::Public),
            _ => Err(PrivateKeyError::Label(label)),
        }
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(encoding)?;
        let curve = info.algorithm.parameters_oid().ok();
        match (info.algorithm.oid.to_string().as_str(), curve) {
            ("1.2.840.10045.2.1", Some(super::public::SECP256R1)) => {
                Self::new(Inner::P256(pkcs8::DecodePrivateKey::from_pkcs8_der(der).map_err(encoding)?))
            }
            ("1.2.840.10045.2.1", Some(super::public::SECP384R1)) => {
                Self::new(Inner::P384(pkcs8::DecodePrivateKey::from_pkcs8_der(der).map_err(encoding)?))
            }
            ("1.2.840.10045.2.1", Some(super::public::SECP521R1)) => {
                Self::new(Inner::P521(pkcs8::DecodePrivateKey::from_pkcs8_der(der).map_err(encoding)?))
            }
            ("1.2.840.113549.1.1.1", _) => Self::rsa(info.private_key.as_bytes(), Zeroizing::new(der.to_vec())),
            ("1.3.101.112", _) => {
                Self::new(Inner::Ed25519(pkcs8::DecodePrivateKey::from_pkcs8_der(der).map_err(encoding)?))
            }
            (oid, curve) => Err(PrivateKeyError::Algorithm(match curve {
                Some(curve) => format!("{oid} with curve {curve}"),
                None => oid.to_owned(),
            })),
        }
    }

    pub(crate) fn from_sec1(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let key = sec1::EcPrivateKey::try_from(der).map_err(encoding)?;
        match key.parameters.and_then(|parameters| parameters.named_curve()) {
            Some(super::public::SECP256R1) => {
                Self::new(Inner::P256(p256::SecretKey::from_sec1_der(der).map_err(encoding)?.into()))
            }
            Some(super::public::SECP384R1) => {
                Self::new(Inner::P384(p384::SecretKey::from_sec1_der(der).map_err(encoding)?.into()))
            }
            Some(super::public::SECP521R1) => {
                Self::new(Inner::P521(p521::SecretKey::from_sec1_der(der).map_err(encoding)?.into()))
            }
            Some(curve) => Err(PrivateKeyError::Algorithm(format!("ECDSA on curve {curve}"))),
            None => Err(PrivateKeyError::Encoding("the EC private key names no curve".to_owned())),
        }
    }

    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let algorithm = rsa::pkcs1::ALGORITHM_ID;
        let private_key = der::asn1::OctetStringRef::new(der).map_err(encoding)?;
        let document =
            pkcs8::SecretDocument::try_from(PrivateKeyInfoRef::new(algorithm, private_key)).map_err(encoding)?;
        Self::rsa(der, Zeroizing::new(document.as_bytes().to_vec()))
    }

    /// Reads only the public numbers of an RSA key: its primes are not looked at.
    fn rsa(pkcs1: &[u8], pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, PrivateKeyError> {
        let key = rsa::pkcs1::RsaPrivateKey::try_from(pkcs1).map_err(encoding)?;
        let number = |part: der::asn1::UintRef<'_>| {
            let bits = u32::try_from(part.as_bytes().len()).unwrap_or(u32::MAX).saturating_mul(8);
            rsa::BoxedUint::from_be_slice(part.as_bytes(), bits).map_err(encoding)
        };
        let public = rsa::RsaPublicKey::new(number(key.modulus)?, number(key.public_exponent)?).map_err(encoding)?;
        let spki = public.to_public_key_der().map_err(encoding)?;
        Ok(Self { public: PublicKey::from_der(spki.as_bytes())?, inner: Inner::Rsa(pkcs8) })
    }

    fn new(inner: Inner) -> Result<Self, PrivateKeyError> {
        let public = match &inner {
            Inner::P256(key) => PublicKey::from_p256(*key.verifying_key())?,
            Inner::P384(key) => PublicKey::from_p384(*key.verifying_key())?,
            Inner::P521(key) => PublicKey::from_p521(*key.verifying_key())?,
            Inner::Ed25519(key) => PublicKey::from_ed25519(key.verifying_key())?,
            Inner::Rsa(_) => return Err(PrivateKeyError::RsaSigning),
        };
        Ok(Self { inner, public })
    }

    /// Makes a key from given entropy, by rejection sampling (FIPS 186-5, appendix A.2.2): the same entropy gives the same key.
    ///
    /// # Errors
    /// [`PrivateKeyError::Entropy`] when there is too little of it, [`PrivateKeyError::Algorithm`] for RSA, which is not made here.
    pub fn generate(algorithm: Algorithm, entropy: &[u8]) -> Result<Self, PrivateKeyError> {
        let too_little = PrivateKeyError::Entropy { got: entropy.len() };
        if entropy.len() < GENERATION_ENTROPY_BYTES {
            return Err(too_little);
        }
        let inner = match algorithm {
            Algorithm::EcdsaP256 => entropy
                .chunks_exact(32)
                .find_map(|part| p256::ecdsa::SigningKey::from_slice(part).ok())
                .map(Inner::P256),
            Algorithm::EcdsaP384 => entropy
                .chunks_exact(48)
                .find_map(|part| p384::ecdsa::SigningKey::from_slice(part).ok())
                .map(Inner::P384),
            Algorithm::EcdsaP521 => entropy
                .chunks_exact(66)
                .find_map(|part| {
                    // 521 bits in 66 octets: the first octet holds one of them.
                    let mut candidate = Zeroizing::new(part.to_vec());
                    if let Some(first) = candidate.first_mut() {
                        *first &= 1;
                    }
                    p521::ecdsa::SigningKey::from_slice(&candidate).ok()
                })
                .map(Inner::P521),
            Algorithm::Ed25519 => {
                entropy.first_chunk::<32>().map(|seed| Inner::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed)))
            }
            Algorithm::Rsa => {
                return Err(PrivateKeyError::Algorithm(
                    "rsa (made with openssl or in a token, then imported)".to_owned(),
                ));
            }
        };
        Self::new(inner.ok_or(too_little)?)
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message: ECDSA as ASN.1 DER, deterministic; Ed25519 over the message itself.
    ///
    /// # Errors
    /// [`PrivateKeyError::RsaSigning`] for RSA keys.
    pub fn sign(&self, message: &[u8], hash: Hash) -> Result<Vec<u8>, PrivateKeyError> {
        let digest = hash.digest(message);
        Ok(match &self.inner {
            Inner::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).map_err(encoding)?;
                signature.to_der().as_bytes().to_vec()
            }
            Inner::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(&digest).map_err(encoding)?;
                signature.to_der().as_bytes().to_vec()
            }
            Inner::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign_prehash(&digest).map_err(encoding)?;
                signature.to_der().as_bytes().to_vec()
            }
            Inner::Ed25519(key) => key.try_sign(message).map_err(encoding)?.to_bytes().to_vec(),
            Inner::Rsa(_) => return Err(PrivateKeyError::RsaSigning),
        })
    }

    /// The key as PKCS #8 DER.
    ///
    /// # Errors
    /// [`PrivateKeyError::Encoding`] when the encoder fails, which it does not for keys that were read or made here.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
        let document = match &self.inner {
            Inner::P256(key) => key.to_pkcs8_der(),
            Inner::P384(key) => key.to_pkcs8_der(),
            Inner::P521(key) => key.to_pkcs8_der(),
            // Version 1, without the public key: older readers refuse version 2.
            Inner::Ed25519(key) => {
                ed25519_dalek::pkcs8::KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_der()
            }
            Inner::Rsa(pkcs8) => return Ok(pkcs8.clone()),
        };
        Ok(Zeroizing::new(document.map_err(encoding)?.as_bytes().to_vec()))
    }

    /// The key as PKCS #8 PEM, not encrypted.
    ///
    /// # Errors
    /// Those of [`PrivateKey::to_pkcs8`].
    pub fn to_pem(&self) -> Result<Zeroizing<String>, PrivateKeyError> {
        pem::write("PRIVATE KEY", &self.to_pkcs8()?).map_err(encoding)
    }
}

impl core::fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "private key of {:?}", self.public)
    }
}

fn encoding(error: impl core::fmt::Display) -> PrivateKeyError {
    PrivateKeyError::Encoding(error.to_string())
}
