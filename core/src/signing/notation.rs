//! Signing for Notation: prepare gives the exact bytes, somebody signs them, assemble gives the envelope and a push plan
//! (signing-and-verification-workflow.md, "Signing Steps").
//!
//! A payload that somebody else wrote, of an image or of a blob, is signed as it is: then an envelope is all that comes out.
//! RSA keys sign with RSASSA-PSS, and ECDSA keys give r and s with fixed length; no private key comes here.

use std::collections::BTreeMap;

use super::{PlannedBlob, PushPlan};
use crate::cosign::bundle::EMPTY_CONFIG;
use crate::digest::{Digest, DigestMismatch};
use crate::limits::MAX_NOTATION_ENVELOPE_BYTES;
use crate::manifest::{Manifest, ManifestError, OCI_MANIFEST};
use crate::notation::algorithm::{Algorithm, UnsupportedKey};
use crate::notation::certificates::{self, CertificatesError};
use crate::notation::payload::{Payload, PayloadError, RESERVED_PREFIX, Target};
use crate::notation::referrer::{ARTIFACT_TYPE, ReferrerError, write_referrer};
use crate::notation::timestamp::{self, TimestampError};
use crate::notation::{self, Attributes, Envelope, EnvelopeError, Format, Scheme, Written};
use crate::reference::{Reference, Repository};
use crate::text::excerpt;
use crate::time::UnixTime;
use crate::x509::{Certificate, ChainError};

/// The image that is signed: named by digest, with its manifest.
#[derive(Debug, Clone, Copy)]
pub struct Image<'i> {
    /// The image.
    pub reference: &'i Reference,
    /// Its manifest: the payload states its media type and size.
    pub manifest: &'i [u8],
    /// The media type that the manifest came with.
    pub media_type: Option<&'i str>,
}

/// What is to be signed, and how.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// The image.
    pub image: Image<'r>,
    /// User metadata, signed together with the image.
    pub metadata: &'r BTreeMap<String, String>,
    /// How.
    pub manner: Manner<'r>,
}

/// How something is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'m> {
    /// The format of the envelope.
    pub format: Format,
    /// The signer's certificates, the leaf first and the root last.
    pub chain: &'m [Certificate],
    /// The time of the signing.
    pub signing_time: UnixTime,
    /// When the signature expires, if it does.
    pub expiry: Option<UnixTime>,
    /// Whether verifiers have to call the plugin [`OWN_PLUGIN`](crate::notation::OWN_PLUGIN).
    pub plugin: bool,
}

/// Bytes that were prepared for a signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The format of the envelope.
    pub format: Format,
    /// The protected header.
    pub protected: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// How the key has to sign: it follows from the leaf.
    pub algorithm: Algorithm,
}

impl Prepared {
    /// The exact bytes to be signed.
    pub fn message(&self) -> Vec<u8> {
        self.format.to_be_signed(&self.protected, &self.payload)
    }
}

/// A signature of an image.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'s> {
    /// The image.
    pub image: Image<'s>,
    /// The signature.
    pub made: Made<'s>,
    /// Another repository than the image's to keep it in.
    pub repository: Option<&'s Repository>,
}

/// A signature over prepared bytes, and what goes into the envelope beside it.
#[derive(Debug, Clone, Copy)]
pub struct Made<'s> {
    /// What was prepared.
    pub prepared: &'s Prepared,
    /// The signature over its message.
    pub signature: &'s [u8],
    /// The signer's certificates, the leaf first and the root last.
    pub chain: &'s [Certificate],
    /// A timestamp token over the signature, and the roots of the authorities that are trusted for it.
    pub timestamp: Option<(&'s [u8], &'s [Certificate])>,
    /// What makes the signature: shown, never trusted.
    pub agent: Option<&'s str>,
}

/// Why a signature cannot be prepared or assembled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotationError {
    /// A signature is over a digest: the tag has to be resolved first.
    #[error("{image} names no digest: resolve its tag first")]
    NoDigest {
        /// The image as it was given.
        image: String,
    },
    /// The manifest given is not the one that is signed.
    #[error("the manifest is not the image's: {0}")]
    OtherManifest(#[from] DigestMismatch),
    /// The image's manifest cannot be read.
    #[error("the image's {0}")]
    Manifest(#[from] ManifestError),
    /// The certificates are not those of a signer.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// The key makes no signatures here.
    #[error(transparent)]
    Key(#[from] UnsupportedKey),
    /// A certificate is not valid at the signing time: nobody would accept the signature.
    #[error("{subject:?} is not valid at {at}")]
    NotValid {
        /// Its subject.
        subject: String,
        /// The signing time.
        at: UnixTime,
    },
    /// A moment that cannot be written, or an expiry that is not after the signing time.
    #[error(
        "expiry {expiry:?} has to be after the signing time {signing_time}, and both have to be in the years 1970 to 9999"
    )]
    Times {
        /// The signing time.
        signing_time: UnixTime,
        /// The expiry.
        expiry: Option<UnixTime>,
    },
    /// Metadata under a name that is reserved.
    #[error("metadata {0:?}: names that begin with {RESERVED_PREFIX:?} are reserved")]
    Reserved(String),
    /// The payload cannot be written, or is about something else.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The signature does not hold, or the envelope breaks a rule.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The timestamp does not count.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
    /// The signature is larger than verifiers read.
    #[error("the envelope would have {got} octets, and verifiers read {MAX_NOTATION_ENVELOPE_BYTES}")]
    TooLarge {
        /// Octets it would have.
        got: usize,
    },
    /// The manifest that refers to the image cannot be written.
    #[error(transparent)]
    Referrer(#[from] ReferrerError),
}

/// Gives the bytes to be signed for an image.
///
/// # Errors
/// [`NotationError`]: whatever a verifier would refuse is refused before anybody signs it.
pub fn prepare(request: &Request<'_>) -> Result<Prepared, NotationError> {
    let (target, _) = target_of(&request.image)?;
    let payload = Payload { target, metadata: request.metadata.clone() };
    let written = payload.write()?;
    prepare_read(&payload, written, &request.manner)
}

/// Gives the bytes to be signed for a payload that somebody else wrote: it is signed as it is.
///
/// # Errors
/// [`NotationError`], as [`prepare`].
pub fn prepare_payload(payload: &[u8], manner: &Manner<'_>) -> Result<Prepared, NotationError> {
    prepare_read(&Payload::parse(payload)?, payload.to_vec(), manner)
}

fn prepare_read(payload: &Payload, written: Vec<u8>, manner: &Manner<'_>) -> Result<Prepared, NotationError> {
    let chain = certificates::code_signing(manner.chain.to_vec())?;
    let leaf = chain.leaf().ok_or(CertificatesError::Chain(ChainError::Empty))?;
    let algorithm = Algorithm::of(leaf.key())?;
    let Manner { format, signing_time, expiry, plugin, .. } = *manner;
    if let Some(late) = chain.certificates().iter().find(|certificate| !certificate.is_valid_at(signing_time)) {
        return Err(NotationError::NotValid { subject: late.subject_text(), at: signing_time });
    }
    if let Some(name) = payload.metadata.keys().find(|name| name.starts_with(RESERVED_PREFIX)) {
        return Err(NotationError::Reserved(excerpt(name)));
    }
    let times = NotationError::Times { signing_time, expiry };
    if expiry.is_some_and(|expiry| expiry <= signing_time || expiry.rfc3339().is_none()) {
        return Err(times);
    }
    let attributes = Attributes { scheme: Scheme::X509, signing_time, expiry, plugin };
    let protected = format.protected(algorithm, attributes).ok_or(times)?;
    Ok(Prepared { format, protected, payload: written, algorithm })
}

/// Checks a signature over prepared bytes with the leaf's key, and plans what has to be pushed: the envelope, the empty config,
/// and the manifest that refers to the image.
///
/// # Errors
/// [`NotationError`]: a signature that does not hold is never pushed.
pub fn assemble(signed: &Signed<'_>) -> Result<PushPlan, NotationError> {
    let (target, digest) = target_of(&signed.image)?;
    let made = &signed.made;
    let (bytes, verified) = checked(made)?;
    verified.payload().is_about(&target)?;
    let subject = (target.media_type.as_str(), digest, target.size);
    let signing_time = verified.attributes().signing_time;
    let manifest = write_referrer(&bytes, made.prepared.format, made.chain, signing_time, subject)?;
    let blob = |media_type, bytes: Vec<u8>| PlannedBlob { digest: Digest::sha256(&bytes), media_type, bytes };
    Ok(PushPlan {
        repository: signed.repository.unwrap_or_else(|| signed.image.reference.repository()).clone(),
        blobs: vec![blob(made.prepared.format.media_type(), bytes), blob(ARTIFACT_TYPE, EMPTY_CONFIG.to_vec())],
        manifest,
        media_type: OCI_MANIFEST.to_owned(),
        tag: None,
        subject: Some(digest.clone()),
        already_there: false,
    })
}

/// The envelope around a signature over a payload that was prepared, checked in the same way.
///
/// # Errors
/// [`NotationError`]: nobody gets an envelope that does not hold.
pub fn envelope(made: &Made<'_>) -> Result<Vec<u8>, NotationError> {
    Ok(checked(made)?.0)
}

/// The envelope, of which every part was checked as a verifier will, and what it says.
fn checked(made: &Made<'_>) -> Result<(Vec<u8>, notation::Signed), NotationError> {
    let format = made.prepared.format;
    let parts = Written {
        protected: &made.prepared.protected,
        payload: &made.prepared.payload,
        signature: made.signature,
        chain: made.chain,
        timestamp: None,
        agent: made.agent,
    };
    let bytes = within(format.write(&parts)?)?;
    let verified = Envelope::parse(&bytes, format.media_type())?.verify()?;
    let Some((token, roots)) = made.timestamp else { return Ok((bytes, verified)) };
    timestamp::verify(token, made.signature, roots)?.is_within(verified.chain())?;
    Ok((within(format.write(&Written { timestamp: Some(token), ..parts })?)?, verified))
}

fn within(bytes: Vec<u8>) -> Result<Vec<u8>, NotationError> {
    match bytes.len() {
        got if got > MAX_NOTATION_ENVELOPE_BYTES => Err(NotationError::TooLarge { got }),
        _ => Ok(bytes),
    }
}

/// What a signature of this image is about.
fn target_of<'i>(image: &Image<'i>) -> Result<(Target, &'i Digest), NotationError> {
    let digest = image.reference.digest();
    let digest = digest.ok_or_else(|| NotationError::NoDigest { image: image.reference.to_string() })?;
    let content = digest.check(image.manifest)?.bytes();
    let media_type = Manifest::parse(content, image.media_type)?.media_type(image.media_type).to_owned();
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    Ok((Target { media_type, digest: digest.to_string(), size }, digest))
}
