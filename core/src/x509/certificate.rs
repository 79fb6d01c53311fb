//! One certificate (RFC 5280, section 4.1).

use core::fmt;

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode as _, Sequence};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

use super::asn1::octets;
use super::{CertificateError, Extensions, SignatureAlgorithm, extensions, name};
use crate::key::{PublicKey, SignatureError};
use crate::limits::MAX_CERTIFICATE_BYTES;
use crate::text::excerpt;
use crate::time::UnixTime;

/// SHA-256 of a certificate's DER: the name by which it is pinned and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

/// A certificate that was parsed: its fields are its own claims, until a chain to a pinned one holds.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
    serial: Vec<u8>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    not_before: UnixTime,
    not_after: UnixTime,
    key: PublicKey,
    key_octets: Vec<u8>,
    extensions: Extensions,
}

#[derive(Sequence)]
struct Outer<'a> {
    tbs: AnyRef<'a>,
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
}

#[derive(Sequence)]
struct Tbs<'a> {
    #[asn1(context_specific = "0", default = "version_1")]
    version: u8,
    serial: AnyRef<'a>,
    signature: AlgorithmIdentifierRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    key: AnyRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", optional = "true")]
    extensions: Option<AnyRef<'a>>,
}

fn version_1() -> u8 {
    0
}

impl Certificate {
    /// Reads one certificate, DER.
    ///
    /// # Errors
    /// [`CertificateError`], one variant for each rule.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { got: der.len() });
        }
        let encoding = |error: der::Error| CertificateError::Encoding(error.to_string());
        let outer = Outer::from_der(der).map_err(encoding)?;
        let tbs: Tbs<'_> = outer.tbs.decode_as().map_err(encoding)?;
        if tbs.version != 2 {
            return Err(CertificateError::Version(tbs.version.saturating_add(1)));
        }
        if tbs.signature != outer.algorithm {
            return Err(CertificateError::OtherAlgorithm);
        }
        // Read for its rules; what is compared are its octets.
        let _: SerialNumber = tbs.serial.decode_as().map_err(encoding)?;
        let algorithm = SignatureAlgorithm::read(&outer.algorithm)?;
        let signature = whole_octets(outer.signature)?;
        let key_der = octets(tbs.key).map_err(encoding)?;
        let key = PublicKey::from_der(&key_der)?;
        let key_octets = SubjectPublicKeyInfoRef::from_der(&key_der).map_err(encoding)?;
        let key_octets = whole_octets(key_octets.subject_public_key)?;
        let (not_before, not_after) = (moment(tbs.validity.not_before), moment(tbs.validity.not_after));
        if not_after < not_before {
            return Err(CertificateError::Validity { not_before, not_after });
        }
        let extensions = match tbs.extensions {
            None => Extensions::default(),
            Some(list) => extensions::read(list)?,
        };
        Ok(Self {
            der: der.to_vec(),
            tbs: octets(outer.tbs).map_err(encoding)?,
            algorithm,
            signature,
            serial: tbs.serial.value().to_vec(),
            issuer: octets(tbs.issuer).map_err(encoding)?,
            subject: octets(tbs.subject).map_err(encoding)?,
            not_before,
            not_after,
            key,
            key_octets,
            extensions,
        })
    }

    /// The exact octets.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The exact octets as PEM (RFC 7468, section 5).
    pub fn to_pem(&self) -> String {
        let ending = pem_rfc7468::LineEnding::LF;
        pem_rfc7468::encode_string("CERTIFICATE", ending, &self.der).unwrap_or_default()
    }

    /// SHA-256 of the exact octets.
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint(Sha256::digest(&self.der).into())
    }

    /// The serial number's octets, big endian, as DER writes an INTEGER.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The issuer's name, DER.
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// The subject's name, DER.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The subject as [`name::render`] writes it, to be shown: cut, and without characters that hide others. One that cannot be
    /// rendered is shown as its octets.
    pub fn subject_text(&self) -> String {
        excerpt(&name::render(&self.subject).unwrap_or_else(|_| format!("#{}", hex::encode(&self.subject))))
    }

    /// The first second in which it is valid.
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second in which it is valid.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whether it is valid at a moment, both bounds included (section 4.1.2.5).
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// The subject's key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The octets of the subject's key, without its algorithm: what identifiers of keys are made from.
    pub(crate) fn key_octets(&self) -> &[u8] {
        &self.key_octets
    }

    /// Its extensions.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Whether its issuer's name is its own.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Checks its signature with the issuer's key. Whether that one may sign certificates is the caller's question.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, issuer: &Self) -> Result<(), SignatureError> {
        self.algorithm.verify(&issuer.key, &self.tbs, &self.signature)
    }
}

/// Two certificates are one when their octets are.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// A moment in whole seconds. Those before 1970 cannot be read at all.
pub(crate) fn moment(time: Time) -> UnixTime {
    UnixTime(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
}

/// The octets of a bit string that has no part of one.
pub(crate) fn whole_octets(bits: BitStringRef<'_>) -> Result<Vec<u8>, CertificateError> {
    let octets = bits.as_bytes().ok_or_else(|| CertificateError::Encoding("a bit string of odd length".to_owned()))?;
    Ok(octets.to_vec())
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
