//! Signing in three steps: prepare gives the exact bytes, somebody signs them, assemble gives a push plan.
//!
//! Whoever holds the key stands between the first and the last step: the module itself, a token, a remote signer, a page.

mod bundle;
mod legacy;
pub mod notation;
mod notation_tests;
mod tests;
pub mod trust;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cosign::bundle::{BundleError, ReferrerError};
use crate::cosign::form::Form;
use crate::cosign::legacy::LegacyError;
use crate::cosign::payload::{PayloadError, SimpleSigning};
use crate::cosign::predicate::{self, PredicateError};
use crate::digest::{Digest, DigestMismatch};
use crate::dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae};
use crate::json::JsonError;
use crate::key::PublicKey;
use crate::limits::{MAX_ANNOTATIONS, MAX_SIGNATURE_MANIFEST_BYTES, MAX_SIGNATURES};
use crate::manifest::ManifestError;
use crate::reference::{Reference, Repository};
use crate::statement::{Statement, StatementError};
use crate::text::excerpt;
use crate::time::UnixTime;
use crate::verify::{Message, VerifyError};

/// What is to be said about an image that is named by digest.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// The image.
    pub image: &'r Reference,
    /// How it will be kept: the forms sign different bytes.
    pub form: Form,
    /// Signed together with the digest.
    pub annotations: &'r BTreeMap<String, String>,
    /// An attestation; without one it is a signature.
    pub attestation: Option<Attestation<'r>>,
}

/// Something that is said about an image beyond that it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Attestation<'r> {
    /// A URI, or one of cosign's short names.
    pub predicate_type: &'r str,
    /// What is said: a file, as `cosign attest --predicate` takes it.
    pub predicate: &'r [u8],
    /// When it is said; only the type `custom` wants to know.
    pub now: Option<UnixTime>,
}

/// Bytes that were prepared for a signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What is kept: a simple-signing payload or an in-toto statement.
    pub payload: Vec<u8>,
    /// Whether the DSSE encoding of the payload is signed, and not the payload itself.
    pub is_statement: bool,
}

impl Prepared {
    /// The exact bytes to be signed.
    pub fn message(&self) -> Cow<'_, [u8]> {
        if self.is_statement { pae(IN_TOTO_PAYLOAD_TYPE, &self.payload).into() } else { (&self.payload).into() }
    }
}

/// A signature over prepared bytes, and where it is to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'s> {
    /// The image.
    pub image: &'s Reference,
    /// What was prepared.
    pub payload: &'s [u8],
    /// The signature over its message.
    pub signature: &'s [u8],
    /// The key that made it.
    pub key: &'s PublicKey,
    /// The type of the attestation that it is; without one it is a signature.
    pub predicate_type: Option<&'s str>,
    /// Another repository than the image's to keep it in.
    pub repository: Option<&'s Repository>,
    /// The form, with what is known about what is there.
    pub place: Storage<'s>,
}

/// What has to be known to keep a signature in a form.
#[derive(Debug, Clone, Copy)]
pub enum Storage<'s> {
    /// Under a tag.
    Legacy {
        /// The manifest under the tag now, or nothing when there is none.
        existing: Option<&'s [u8]>,
        /// The manifest that this signer put there a moment ago, if somebody replaced it: what it had is put back.
        written: Option<&'s [u8]>,
    },
    /// As a referrer.
    Bundle {
        /// The image's own manifest: a referrer states its media type and size.
        manifest: &'s [u8],
        /// The media type that the manifest came with.
        media_type: Option<&'s str>,
    },
}

/// What is to be pushed, in this order: blobs first, then the manifest that names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushPlan {
    /// Where to.
    pub repository: Repository,
    /// Blobs, with their digests and media types.
    pub blobs: Vec<PlannedBlob>,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// The tag to push it under; without one it goes under its digest.
    pub tag: Option<String>,
    /// The digest that the manifest refers to. Where a registry does not list referrers, whoever pushes has to.
    pub subject: Option<Digest>,
    /// Whether this signature was there already, so that nothing has to be pushed. Of a bundle nobody knows here.
    pub already_there: bool,
}

impl PushPlan {
    /// What to push the manifest under: its tag, or its digest.
    pub fn reference(&self) -> String {
        self.tag.clone().unwrap_or_else(|| Digest::sha256(&self.manifest).to_string())
    }
}

/// One blob of a push plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Why a signature cannot be prepared or assembled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// A signature is over a digest: the tag has to be resolved first.
    #[error("{image} names no digest: resolve its tag first")]
    NoDigest {
        /// The image as it was given.
        image: String,
    },
    /// More annotations than [`MAX_ANNOTATIONS`].
    #[error("{got} annotations, at most {MAX_ANNOTATIONS} can be signed")]
    Annotations {
        /// How many were given.
        got: usize,
    },
    /// The payload cannot be written or is not one.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The statement cannot be written or is not one.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The type of an attestation is neither a URI nor a name that is known, or the predicate is not of that type.
    #[error(transparent)]
    Predicate(#[from] PredicateError),
    /// An attestation of the type that signatures have would count as a signature.
    #[error("{} is the type of a signature: sign the image instead of attesting it", predicate::SIGNATURE)]
    SignatureType,
    /// The statement is of another type than it is published as.
    #[error("the statement has the predicate type {signed:?}, and not {asked:?}")]
    OtherType {
        /// The type in the statement.
        signed: String,
        /// The type that it is published as.
        asked: String,
    },
    /// The signature is not by this key over this payload.
    #[error("the signature does not hold: {0}")]
    Signature(#[from] VerifyError),
    /// The payload is about another digest.
    #[error("the payload is about {signed}, not about {asked}")]
    OtherDigest {
        /// A digest in the payload, or what stands in its place.
        signed: String,
        /// The digest that is being signed.
        asked: Digest,
    },
    /// The manifest given is not the one that is signed.
    #[error("the manifest is not the image's: {0}")]
    OtherManifest(#[from] DigestMismatch),
    /// The image's manifest cannot be read.
    #[error("the image's {0}")]
    Manifest(#[from] ManifestError),
    /// The bundle cannot be written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The manifest that refers to the image cannot be written.
    #[error(transparent)]
    Referrer(#[from] ReferrerError),
    /// What lies under the signature tag cannot be read; writing over it would lose it.
    #[error("the existing signatures cannot be read, and writing would lose them: {0}")]
    Existing(#[from] LegacyError),
    /// The existing manifest is not JSON of the expected shape.
    #[error("the existing signatures cannot be read, and writing would lose them: {0}")]
    ExistingJson(#[from] JsonError),
    /// With this signature the manifest would be larger than verifiers read, and all signatures in it would be lost.
    #[error("the signature image would have {got} octets, and verifiers read {MAX_SIGNATURE_MANIFEST_BYTES}")]
    TooLarge {
        /// Octets it would have.
        got: usize,
    },
    /// The signature or attestation is larger than verifiers read.
    #[error("it would have {got} octets, and verifiers read {limit}")]
    EnvelopeTooLarge {
        /// Octets it would have.
        got: usize,
        /// Octets it may have.
        limit: u64,
    },
    /// There are as many signatures as a verifier looks at.
    #[error("{MAX_SIGNATURES} signatures are there already: verifiers would not look at another one")]
    Full,
}

/// Gives the bytes to be signed for an image that is named by digest.
///
/// # Errors
/// [`SigningError`]: no digest, too many annotations, or a predicate or its type that cannot be signed.
pub fn prepare(request: &Request<'_>) -> Result<Prepared, SigningError> {
    let digest = digest_of(request.image)?;
    if request.annotations.len() > MAX_ANNOTATIONS {
        return Err(SigningError::Annotations { got: request.annotations.len() });
    }
    let name = request.image.repository().cosign_name();
    let (predicate_type, predicate) = match (request.attestation, request.form) {
        (None, Form::Legacy) => {
            let payload = SimpleSigning::write(&name, digest, request.annotations)?;
            return Ok(Prepared { payload, is_statement: false });
        }
        (None, Form::Bundle) => (predicate::SIGNATURE.to_owned(), json!({})),
        (Some(attestation), _) => attested(&attestation)?,
    };
    // cosign ignores the name. Bulla's verifiers hold it against the image, as they do with a payload's identity.
    let payload = Statement::write(Some(&name), digest, request.annotations, &predicate_type, &predicate)?;
    Ok(Prepared { payload, is_statement: true })
}

/// Checks a signature over prepared bytes and plans what has to be pushed so that it is kept, and all others too.
///
/// # Errors
/// [`SigningError`]: a signature that does not hold is never pushed, and what is there is never lost.
pub fn assemble(signed: &Signed<'_>) -> Result<PushPlan, SigningError> {
    let digest = digest_of(signed.image)?;
    let repository = signed.repository.unwrap_or_else(|| signed.image.repository()).clone();
    match (signed.place, signed.predicate_type) {
        (Storage::Legacy { existing, written }, None) => {
            let payload = Digest::sha256(signed.payload);
            signed.check(Message::simple_signing(payload.check(signed.payload)?), digest, predicate::SIGNATURE)?;
            let there = |existing| legacy::has_signature(existing, signed.payload, signed.key);
            let already_there = existing.map_or(Ok(false), there)?;
            let layer = legacy::Layer::signature(signed.payload, signed.signature);
            legacy::plan(repository, digest.signature_tag(), legacy::There { existing, written }, layer, already_there)
        }
        (Storage::Legacy { existing, written }, Some(name)) => {
            let predicate_type = type_of(name)?;
            signed.check(signed.statement(), digest, &predicate_type)?;
            let layer = legacy::Layer::attestation(signed.payload, signed.signature, &predicate_type)?;
            let already_there = existing.map_or(Ok(false), |existing| legacy::has_layer(existing, &layer))?;
            legacy::plan(
                repository,
                digest.attestation_tag(),
                legacy::There { existing, written },
                layer,
                already_there,
            )
        }
        (Storage::Bundle { manifest, media_type }, name) => {
            let predicate_type = name.map_or_else(|| Ok(predicate::SIGNATURE.to_owned()), type_of)?;
            signed.check(signed.statement(), digest, &predicate_type)?;
            let subject = bundle::Subject { digest, content: digest.check(manifest)?, media_type };
            bundle::plan(repository, &subject, signed, &predicate_type)
        }
    }
}

impl Signed<'_> {
    /// The message of a payload that is a statement.
    fn statement(&self) -> Message<'static> {
        let (payload_type, payload) = (IN_TOTO_PAYLOAD_TYPE.to_owned(), self.payload.to_vec());
        Message::envelope(&Envelope { payload_type, payload, signatures: Vec::new() })
    }

    /// The signature must hold over the message, which must say this of the image that is asked about.
    fn check(&self, message: Message<'_>, digest: &Digest, predicate_type: &str) -> Result<(), SigningError> {
        let claim = message.verify(self.signature, self.key)?;
        let claim = claim.get();
        if claim.predicate_type() != predicate_type {
            let (signed, asked) = (excerpt(claim.predicate_type()), predicate_type.to_owned());
            return Err(SigningError::OtherType { signed, asked });
        }
        if claim.about(digest).is_empty() {
            let signed = claim.digest().map_or_else(|| "nothing that can be checked".to_owned(), ToString::to_string);
            return Err(SigningError::OtherDigest { signed, asked: digest.clone() });
        }
        Ok(())
    }
}

/// The type and the predicate of an attestation, as they stand in a statement.
fn attested(attestation: &Attestation<'_>) -> Result<(String, Value), SigningError> {
    let predicate_type = type_of(attestation.predicate_type)?;
    let now = attestation.now.and_then(UnixTime::rfc3339).unwrap_or_default();
    // The name as it was given: of two names for one type, cosign reads the file in different ways.
    Ok((predicate_type, predicate::wrap(attestation.predicate_type, attestation.predicate, &now)?))
}

/// The type of an attestation. An attestation of the type that signatures have would count as a signature.
fn type_of(name: &str) -> Result<String, SigningError> {
    let predicate_type = predicate::resolve(name)?;
    if predicate_type == predicate::SIGNATURE { Err(SigningError::SignatureType) } else { Ok(predicate_type) }
}

/// What is larger than verifiers read is refused before anybody publishes it.
fn within(bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>, SigningError> {
    match u64::try_from(bytes.len()) {
        Ok(got) if got <= limit => Ok(bytes),
        _ => Err(SigningError::EnvelopeTooLarge { got: bytes.len(), limit }),
    }
}

fn digest_of(image: &Reference) -> Result<&Digest, SigningError> {
    image.digest().ok_or_else(|| SigningError::NoDigest { image: image.to_string() })
}
