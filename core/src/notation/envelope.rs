//! A signature envelope of either format, and the one check that turns its payload into something that was signed (Notary Project
//! signature specification, "Signature Envelope").

use serde::{Deserialize, Serialize};

use super::algorithm::{Algorithm, UnsupportedKey};
use super::attributes::{Attributes, AttributesError, Headers, Scheme};
use super::certificates::{self, CertificatesError};
use super::payload::{Payload, PayloadError, Target};
use super::{cose, jws};
use crate::json::JsonError;
use crate::key::{Fingerprint, SignatureError};
use crate::limits::{
    MAX_CBOR_DEPTH, MAX_HEADER_MEMBERS, MAX_NOTATION_ENVELOPE_BYTES, MAX_SIGNATURE_BYTES, MAX_TOKEN_UNITS,
};
use crate::text::excerpt;
use crate::time::UnixTime;
use crate::x509::{Certificate, Chain, ChainError, Thumbprint};

/// The two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JWS as flattened JSON (signature-envelope-jws.md).
    Jws,
    /// COSE_Sign1 (signature-envelope-cose.md).
    Cose,
}

impl Format {
    /// The format with this media type.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        [Self::Jws, Self::Cose].into_iter().find(|format| format.media_type() == media_type)
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jws => "application/jose+json",
            Self::Cose => "application/cose",
        }
    }

    /// The protected header of a new envelope. Nothing for a moment that cannot be written.
    pub fn protected(self, algorithm: Algorithm, attributes: Attributes) -> Option<Vec<u8>> {
        match self {
            Self::Jws => jws::prepare(algorithm, attributes),
            Self::Cose => cose::prepare(algorithm, attributes).ok(),
        }
    }

    /// The bytes that are signed for a protected header and a payload.
    pub fn to_be_signed(self, protected: &[u8], payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Jws => jws::to_be_signed(protected, payload),
            Self::Cose => cose::to_be_signed(protected, payload).unwrap_or_default(),
        }
    }

    /// A new envelope. It is not checked: [`Envelope::verify`] does.
    ///
    /// # Errors
    /// [`EnvelopeError::Cbor`] when it cannot be written.
    pub fn write(self, parts: &Written<'_>) -> Result<Vec<u8>, EnvelopeError> {
        match self {
            Self::Jws => Ok(jws::assemble(parts)),
            Self::Cose => cose::assemble(parts),
        }
    }
}

/// An envelope that was parsed and inspected: its payload is not to be had without [`Envelope::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    format: Format,
    algorithm: Algorithm,
    attributes: Attributes,
    payload: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
    certificates: Vec<Certificate>,
    timestamp: Option<Vec<u8>>,
    agent: Option<String>,
}

/// What a signature holds for. Only [`Envelope::verify`] makes one. Whether anybody trusts the signer is not said by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    payload: Payload,
    attributes: Attributes,
    chain: Chain,
}

/// What an envelope claims, for lists only, never for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// Its format.
    pub format: Format,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Its signing scheme.
    pub scheme: Scheme,
    /// When it says that it was signed.
    pub signing_time: UnixTime,
    /// When it says that it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<UnixTime>,
    /// What it is about.
    pub target: Target,
    /// User metadata.
    pub metadata: std::collections::BTreeMap<String, String>,
    /// The certificates, the leaf first.
    pub certificates: Vec<ClaimedCertificate>,
    /// Whether a timestamp came with it.
    pub has_timestamp: bool,
    /// What made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// A certificate of an envelope, for lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedCertificate {
    /// SHA-256 of it.
    pub thumbprint: Thumbprint,
    /// Fingerprint of its key.
    pub key: Fingerprint,
    /// Its subject.
    pub subject: String,
    /// The first second in which it is valid.
    pub not_before: UnixTime,
    /// The last one.
    pub not_after: UnixTime,
}

/// What either format gives.
pub(super) struct Parts {
    pub(super) algorithm: Algorithm,
    pub(super) headers: Headers,
    pub(super) payload: Vec<u8>,
    /// The bytes that the signature is over.
    pub(super) signed: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) timestamp: Option<Vec<u8>>,
    pub(super) agent: Option<String>,
}

/// What a new envelope is made of.
#[derive(Debug, Clone, Copy)]
pub struct Written<'w> {
    /// The protected header: JSON, or CBOR.
    pub protected: &'w [u8],
    /// The payload.
    pub payload: &'w [u8],
    /// The signature over both, as [`Format::to_be_signed`] joins them.
    pub signature: &'w [u8],
    /// The chain, the leaf first and the root last.
    pub chain: &'w [Certificate],
    /// A timestamp token over the signature.
    pub timestamp: Option<&'w [u8]>,
    /// What made it.
    pub agent: Option<&'w str>,
}

/// Why an envelope is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// More octets than [`MAX_NOTATION_ENVELOPE_BYTES`].
    #[error("{got} octets, an envelope has at most {MAX_NOTATION_ENVELOPE_BYTES}")]
    TooLarge {
        /// Octets there are.
        got: usize,
    },
    /// Neither of the two formats.
    #[error("media type {0:?} is no signature envelope: application/jose+json and application/cose are")]
    MediaType(String),
    /// Not strict JSON, or not of a JWS' shape.
    #[error("JWS: {0}")]
    Json(#[from] JsonError),
    /// Not base64 as this member has it.
    #[error("JWS: {0} is not base64 in the alphabet and padding that it has")]
    Base64(&'static str),
    /// Not CBOR of a few levels.
    #[error("COSE: not CBOR, or nested deeper than {MAX_CBOR_DEPTH} levels")]
    Cbor,
    /// CBOR that could have been shorter, or goes on after its end: another reader could read something else.
    #[error("COSE: not in the preferred serialization of CBOR, or followed by something")]
    Serialization,
    /// Not COSE_Sign1 with its tag.
    #[error("COSE: not a COSE_Sign1 message with tag 18 and its payload inside")]
    NotSign1,
    /// More members in a header than [`MAX_HEADER_MEMBERS`].
    #[error("{got} members in a header, at most {MAX_HEADER_MEMBERS} are read")]
    Members {
        /// Members there are.
        got: usize,
    },
    /// One label twice.
    #[error("COSE: label {0} is there twice")]
    Duplicate(String),
    /// A member that unprotected headers do not have.
    #[error("the unprotected header has a member {0:?} that is not known")]
    Unprotected(String),
    /// A member that is needed.
    #[error("there is no {0}")]
    Missing(&'static str),
    /// A member of another type.
    #[error("{name} is not {expected}")]
    Type {
        /// Its name.
        name: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// An algorithm that is not one of the six.
    #[error("signature algorithm {0:?} is not supported: PS256, PS384, PS512, ES256, ES384 and ES512 are")]
    Algorithm(String),
    /// A signature without octets, or with more than [`MAX_SIGNATURE_BYTES`].
    #[error("a signature of {got} octets: 1 to {MAX_SIGNATURE_BYTES} are accepted")]
    SignatureSize {
        /// Octets there are.
        got: usize,
    },
    /// The signed attributes.
    #[error(transparent)]
    Attributes(#[from] AttributesError),
    /// The certificates cannot be read.
    #[error(transparent)]
    Certificates(#[from] ChainError),
    /// The leaf's key has no algorithm.
    #[error(transparent)]
    Key(#[from] UnsupportedKey),
    /// The header says another algorithm than the leaf's key has.
    #[error("the header says {header}, and the key of the signing certificate makes {key}")]
    OtherAlgorithm {
        /// What the header says.
        header: Algorithm,
        /// What fits the key.
        key: Algorithm,
    },
    /// The signature is not by the leaf's key over these bytes.
    #[error("the signature does not hold: {0}")]
    Signature(#[from] SignatureError),
    /// The certificates are not the chain of a signer.
    #[error(transparent)]
    Chain(#[from] CertificatesError),
    /// What was signed is not a payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

impl Envelope {
    /// Parses and inspects an envelope: everything but what needs a key.
    ///
    /// # Errors
    /// [`EnvelopeError`], one variant for each rule.
    pub fn parse(bytes: &[u8], media_type: &str) -> Result<Self, EnvelopeError> {
        let format =
            Format::from_media_type(media_type).ok_or_else(|| EnvelopeError::MediaType(excerpt(media_type)))?;
        if bytes.len() > MAX_NOTATION_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge { got: bytes.len() });
        }
        let parts = match format {
            Format::Jws => jws::parse(bytes)?,
            Format::Cose => cose::parse(bytes)?,
        };
        let attributes = parts.headers.inspect()?;
        if parts.signature.is_empty() || parts.signature.len() > MAX_SIGNATURE_BYTES {
            return Err(EnvelopeError::SignatureSize { got: parts.signature.len() });
        }
        let certificates = Chain::parse(parts.chain.iter().map(Vec::as_slice))?;
        let leaf = certificates.first().ok_or(ChainError::Empty)?;
        let key = Algorithm::of(leaf.key())?;
        if key != parts.algorithm {
            return Err(EnvelopeError::OtherAlgorithm { header: parts.algorithm, key });
        }
        Ok(Self {
            format,
            algorithm: parts.algorithm,
            attributes,
            payload: parts.payload,
            signed: parts.signed,
            signature: parts.signature,
            certificates,
            timestamp: parts.timestamp,
            agent: parts.agent.map(|agent| excerpt(&agent)),
        })
    }

    /// Checks the signature with the leaf's key, then the chain, then reads the payload (specs/trust-store-trust-policy.md,
    /// "Integrity").
    ///
    /// # Errors
    /// [`EnvelopeError`]; the payload is not looked at before its signature holds.
    pub fn verify(&self) -> Result<Signed, EnvelopeError> {
        let leaf = self.certificates.first().ok_or(ChainError::Empty)?;
        self.algorithm.verify(leaf.key(), &self.signed, &self.signature)?;
        let chain = certificates::code_signing(self.certificates.clone())?;
        Ok(Signed { payload: Payload::parse(&self.payload)?, attributes: self.attributes, chain })
    }

    /// What it claims, whoever made it: for lists only.
    ///
    /// # Errors
    /// [`EnvelopeError::Payload`].
    pub fn claims(&self) -> Result<Claims, EnvelopeError> {
        let payload = Payload::parse(&self.payload)?;
        let claimed = |certificate: &Certificate| ClaimedCertificate {
            thumbprint: certificate.thumbprint(),
            key: certificate.key().fingerprint(),
            subject: certificate.subject_text(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        };
        Ok(Claims {
            format: self.format,
            algorithm: self.algorithm,
            scheme: self.attributes.scheme,
            signing_time: self.attributes.signing_time,
            expiry: self.attributes.expiry,
            target: payload.target,
            metadata: payload.metadata,
            certificates: self.certificates.iter().map(claimed).collect(),
            has_timestamp: self.timestamp.is_some(),
            agent: self.agent.clone(),
        })
    }

    /// How its key signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The certificates that it carries, the leaf first. Nothing is checked between them.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The raw octets of the signature: what a timestamp is over.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The timestamp token that came with it, DER.
    pub fn timestamp(&self) -> Option<&[u8]> {
        self.timestamp.as_deref()
    }

    /// What verifying it can cost, in units of one P-256 verification: the signature, the chain, and its timestamp. Evidence
    /// about revocation costs beside that.
    pub fn verification_units(&self) -> u32 {
        let leaf = self.certificates.first().map_or(0, |leaf| leaf.key().verification_units());
        let timestamp = if self.timestamp.is_some() { MAX_TOKEN_UNITS } else { 0 };
        leaf.saturating_add(Chain::verification_units(&self.certificates)).saturating_add(timestamp)
    }
}

impl Signed {
    /// What was signed.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The signed attributes.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The signer's chain: complete, and trusted by nobody yet.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }
}
