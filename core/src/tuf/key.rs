//! Public keys in role files, and their ids (notary, tuf/data/keys.go).
//!
//! The id is the SHA-256 of the canonical form of the key with `"private":null` in it. A key whose certificate is listed has
//! an id of its own, and a canonical one: that of the bare key inside.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use spki::EncodePublicKey as _;

use super::canonical;
use super::certificate::{Certificate, CertificateError};
use crate::key::{Algorithm, PublicKey, PublicKeyError};
use crate::limits::MAX_ROLE_FILE_KEYS;
use crate::text::excerpt;

/// The id of a key: 64 hexadecimal digits in small letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 32]);

/// The kinds of key that role files name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyType {
    /// ECDSA, as SubjectPublicKeyInfo.
    Ecdsa,
    /// RSA, as SubjectPublicKeyInfo.
    Rsa,
    /// Ed25519, as its 32 octets.
    Ed25519,
    /// ECDSA in certificates, as PEM.
    EcdsaX509,
    /// RSA in certificates, as PEM.
    RsaX509,
}

/// A key of a role file whose id was held against it. The keys of private parts never come here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    id: KeyId,
    canonical: KeyId,
    kind: KeyType,
    encoded: String,
    public: PublicKey,
    certificates: Vec<Certificate>,
}

/// The keys that a role file lists. Some cannot be used (another kind, too short): they count for nothing, and are kept so
/// that it can be said why.
pub type Keys = BTreeMap<KeyId, Result<Key, KeyError>>;

/// Why a listed key is refused, or counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the id of a key.
    #[error("{0:?} is not the id of a key: expected 64 hexadecimal digits in small letters")]
    Id(String),
    /// Listed under another id than its own.
    #[error("a key is listed as {listed}, and its id is {got}")]
    OtherId {
        /// The id that it is listed under.
        listed: KeyId,
        /// Its id.
        got: KeyId,
    },
    /// Not an object with `keytype` and `keyval`.
    #[error("key {0}: expected keytype, and keyval with public")]
    Shape(String),
    /// A private key where everybody reads it.
    #[error("key {0} comes with its private part: it has to be replaced")]
    Private(KeyId),
    /// A kind of key that Bulla does not use.
    #[error("key type {0:?} is not supported: ecdsa, rsa, ed25519, ecdsa-x509 and rsa-x509 are")]
    Type(String),
    /// A key of one kind listed as another.
    #[error("the key is {}, and listed as {:?}", .got.name(), .listed.name())]
    OtherType {
        /// What it is listed as.
        listed: KeyType,
        /// What it is.
        got: Algorithm,
    },
    /// Not base64.
    #[error("the public key is not base64: {0}")]
    Base64(String),
    /// Not a key, or none that Bulla uses.
    #[error(transparent)]
    Public(#[from] PublicKeyError),
    /// Not a certificate, or none that Bulla reads.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// More keys than a role file may have.
    #[error("{got} keys, at most {MAX_ROLE_FILE_KEYS} are read")]
    TooMany {
        /// Keys there are.
        got: usize,
    },
}

impl KeyId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`KeyError::Id`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        let is_small = !text.bytes().any(|b| b.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if is_small => Ok(Self(bytes)),
            _ => Err(KeyError::Id(excerpt(text))),
        }
    }

    /// The id of a key of this kind with this encoding in base64.
    fn of(kind: &str, encoded: &str) -> Self {
        let key = json!({"keytype": kind, "keyval": {"private": null, "public": encoded}});
        // Text and null always have a canonical form.
        Self(Sha256::digest(canonical::write(&key).unwrap_or_default()).into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl KeyType {
    /// The name in a role file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
            Self::EcdsaX509 => "ecdsa-x509",
            Self::RsaX509 => "rsa-x509",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Ecdsa, Self::Rsa, Self::Ed25519, Self::EcdsaX509, Self::RsaX509].into_iter().find(|it| it.name() == name)
    }

    /// The kind of the bare key inside.
    const fn bare(self) -> Self {
        match self {
            Self::EcdsaX509 => Self::Ecdsa,
            Self::RsaX509 => Self::Rsa,
            bare => bare,
        }
    }

    const fn fits(self, algorithm: Algorithm) -> bool {
        match self.bare() {
            Self::Ecdsa => {
                matches!(algorithm, Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521)
            }
            Self::Rsa => matches!(algorithm, Algorithm::Rsa),
            _ => matches!(algorithm, Algorithm::Ed25519),
        }
    }
}

impl Key {
    /// Lists a bare key.
    pub fn bare(public: PublicKey) -> Self {
        let (kind, bytes) = match public.algorithm() {
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521 => {
                (KeyType::Ecdsa, public.spki().to_vec())
            }
            Algorithm::Rsa => (KeyType::Rsa, public.spki().to_vec()),
            // The last 32 octets of an Ed25519 SubjectPublicKeyInfo are the key (RFC 8410, section 4).
            Algorithm::Ed25519 => {
                (KeyType::Ed25519, public.spki().last_chunk::<32>().map(|it| it.to_vec()).unwrap_or_default())
            }
        };
        let encoded = STANDARD.encode(bytes);
        let id = KeyId::of(kind.name(), &encoded);
        Self { id, canonical: id, kind, encoded, public, certificates: Vec::new() }
    }

    /// Lists a key by its certificate, with the authorities that lead to a pinned one behind it: PEM.
    ///
    /// # Errors
    /// [`KeyError::Certificate`], and [`KeyError::OtherType`] for a certificate of an Ed25519 key, which no role file can list.
    pub fn certified(pem: &str) -> Result<Self, KeyError> {
        let algorithm = first(&Certificate::parse_chain(pem.as_bytes())?)?.public().algorithm();
        let kind = if algorithm == Algorithm::Rsa { KeyType::RsaX509 } else { KeyType::EcdsaX509 };
        Self::new(kind, STANDARD.encode(pem))
    }

    fn new(kind: KeyType, encoded: String) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(&encoded).map_err(|error| KeyError::Base64(error.to_string()))?;
        let mut certificates = Vec::new();
        let public = match kind {
            // Old repositories have PEM in here, for the signatures of PyCrypto.
            KeyType::Ecdsa | KeyType::Rsa => PublicKey::parse(&bytes)?,
            KeyType::Ed25519 => ed25519(&bytes)?,
            KeyType::EcdsaX509 | KeyType::RsaX509 => {
                certificates = Certificate::parse_chain(&bytes)?;
                first(&certificates)?.public().clone()
            }
        };
        if !kind.fits(public.algorithm()) {
            return Err(KeyError::OtherType { listed: kind, got: public.algorithm() });
        }
        let id = KeyId::of(kind.name(), &encoded);
        let canonical = match kind {
            KeyType::EcdsaX509 | KeyType::RsaX509 => KeyId::of(kind.bare().name(), &STANDARD.encode(public.spki())),
            _ => id,
        };
        Ok(Self { id, canonical, kind, encoded, public, certificates })
    }

    /// Reads a key as the server hands out those that it holds (`timestamp.key`, `snapshot.key`).
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_value(value: &Value) -> Result<Self, KeyError> {
        let (kind, encoded, is_private) = parts(value).ok_or_else(|| KeyError::Shape("of the server".to_owned()))?;
        if is_private {
            return Err(KeyError::Private(KeyId::of(kind, encoded)));
        }
        Self::new(KeyType::parse(kind).ok_or_else(|| KeyError::Type(excerpt(kind)))?, encoded.to_owned())
    }

    /// The key as it stands in a role file.
    pub fn to_value(&self) -> Value {
        json!({"keytype": self.kind.name(), "keyval": {"private": null, "public": self.encoded}})
    }

    /// The id that it is listed under.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The id of the bare key: the one that names the private key's file.
    pub fn canonical_id(&self) -> KeyId {
        self.canonical
    }

    /// The kind.
    pub fn kind(&self) -> KeyType {
        self.kind
    }

    /// The key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The text that it is listed by, where these are certificates: to the letter, as its id is of this text.
    pub fn certificate_pem(&self) -> Option<String> {
        let bytes = STANDARD.decode(&self.encoded).ok().filter(|_| !self.certificates.is_empty())?;
        String::from_utf8(bytes).ok()
    }

    /// The certificates that it is listed by, the key's own first. Nothing for a bare key.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}

/// Reads the keys of a role file. An id that is not the key's own refuses the file; a key that cannot be used does not.
///
/// # Errors
/// [`KeyError::Id`], [`KeyError::OtherId`], [`KeyError::Shape`], [`KeyError::Private`], [`KeyError::TooMany`].
pub(crate) fn read_all(listed: &serde_json::Map<String, Value>) -> Result<Keys, KeyError> {
    if listed.len() > MAX_ROLE_FILE_KEYS {
        return Err(KeyError::TooMany { got: listed.len() });
    }
    let mut keys = Keys::new();
    for (name, value) in listed {
        let id = KeyId::parse(name)?;
        let (kind, encoded, is_private) = parts(value).ok_or_else(|| KeyError::Shape(id.to_string()))?;
        let got = KeyId::of(kind, encoded);
        if got != id {
            return Err(KeyError::OtherId { listed: id, got });
        }
        if is_private {
            return Err(KeyError::Private(id));
        }
        let key = match KeyType::parse(kind) {
            Some(kind) => Key::new(kind, encoded.to_owned()),
            None => Err(KeyError::Type(excerpt(kind))),
        };
        keys.insert(id, key);
    }
    Ok(keys)
}

/// The type and the encoding of a listed key, and whether its private part came with it.
fn parts(value: &Value) -> Option<(&str, &str, bool)> {
    let values = value.get("keyval")?.as_object()?;
    let kind = value.get("keytype")?.as_str()?;
    Some((kind, values.get("public")?.as_str()?, values.get("private").is_some_and(|it| !it.is_null())))
}

fn first(chain: &[Certificate]) -> Result<&Certificate, CertificateError> {
    chain.first().ok_or_else(|| CertificateError::Encoding("no PEM block".to_owned()))
}

fn ed25519(bytes: &[u8]) -> Result<PublicKey, PublicKeyError> {
    let bad = |what: &dyn fmt::Display| PublicKeyError::Encoding(what.to_string());
    let bytes: &[u8; 32] = bytes.try_into().map_err(|_| bad(&"an Ed25519 key has 32 octets"))?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|error| bad(&error))?;
    PublicKey::from_der(key.to_public_key_der().map_err(|error| bad(&error))?.as_bytes())
}
