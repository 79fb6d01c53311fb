//! The legacy form: an image under the tag `sha256-<hex>.sig`, one layer a signature (cosign SIGNATURE_SPEC.md, "Storage"), or
//! under `sha256-<hex>.att`, one layer an attestation (ATTESTATION_SPEC.md). The same image of signatures as an OCI 1.1
//! referrer was an experiment of cosign 2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_spec::image::{Descriptor, ImageManifest};

use crate::digest::Digest;
use crate::limits::{MAX_ENVELOPE_BYTES, MAX_PAYLOAD_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURES};
use crate::manifest::{Blob, Manifest, ManifestError};
use crate::subject::{SubjectError, check_subject};
use crate::text::excerpt;

/// Media type of a layer that is a simple-signing payload.
pub const PAYLOAD_MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of a layer that is a DSSE envelope.
pub const ENVELOPE_MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
/// Artifact type of an image of signatures that is stored as a referrer.
pub const SIGNATURE_ARTIFACT_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// Annotation with the predicate type of an attestation; it is not signed.
pub const PREDICATE_TYPE_ANNOTATION: &str = "predicateType";
/// Annotation with the signature over the layer, base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// Annotation with the certificate of a signature that was not made with a long-lived key.
pub const CERTIFICATE_ANNOTATION: &str = "dev.sigstore.cosign/certificate";

/// One layer of a signature image: a claim that somebody signed a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The place in the manifest, counted from 1.
    pub number: usize,
    /// What the layer holds, or why it cannot be used.
    pub content: Result<Signature, LayerDefect>,
}

/// One layer of an image of attestations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationLayer {
    /// The place in the manifest, counted from 1.
    pub number: usize,
    /// The envelope's digest and size, or why the layer cannot be used.
    pub content: Result<Blob, LayerDefect>,
    /// The predicate type that the layer is annotated with: a hint, and no more.
    pub predicate_type: Option<String>,
}

/// A signature as it lies there, unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The payload's digest and size.
    pub payload: Blob,
    /// The decoded signature.
    pub signature: Vec<u8>,
    /// Whether a certificate came with it: made without a long-lived key.
    pub has_certificate: bool,
}

/// Why a layer cannot be a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerDefect {
    /// Another media type than [`PAYLOAD_MEDIA_TYPE`], or [`ENVELOPE_MEDIA_TYPE`] for an attestation.
    #[error("media type {0:?} is not a signature's")]
    MediaType(String),
    /// No signature annotation.
    #[error("it has no {SIGNATURE_ANNOTATION} annotation")]
    NoSignature,
    /// The signature annotation is not base64.
    #[error("its signature is not base64")]
    Base64,
    /// The signature is larger than [`MAX_SIGNATURE_BYTES`].
    #[error("its signature of {0} octets is larger than {MAX_SIGNATURE_BYTES}")]
    SignatureSize(usize),
    /// The payload's digest cannot be checked.
    #[error("{0}")]
    Digest(String),
    /// The payload is larger than [`MAX_PAYLOAD_BYTES`].
    #[error("its payload of {0} octets is larger than {MAX_PAYLOAD_BYTES}")]
    PayloadSize(u64),
    /// The envelope is larger than [`MAX_ENVELOPE_BYTES`].
    #[error("its envelope of {0} octets is larger than {MAX_ENVELOPE_BYTES}")]
    EnvelopeSize(u64),
}

/// Why a signature image cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegacyError {
    /// Not a manifest.
    #[error("signature image: {0}")]
    Manifest(#[from] ManifestError),
    /// An index where an image is expected.
    #[error("signature image: an index, where an image manifest is expected")]
    Index,
    /// More layers than [`MAX_SIGNATURES`] (CVE-2023-46737): the budget is reached, which is not the same as unsigned.
    #[error("signature image: {got} layers, at most {MAX_SIGNATURES} are looked at")]
    TooMany {
        /// Layers there are.
        got: usize,
    },
    /// A referrer that refers to something else.
    #[error("signature image: {0}")]
    Subject(#[from] SubjectError),
}

/// Parses a signature image into its layers.
///
/// # Errors
/// [`LegacyError`] when the manifest cannot be read; a single bad layer is a [`LayerDefect`] in its place.
pub fn parse(manifest: &[u8], content_type: Option<&str>) -> Result<Vec<Layer>, LegacyError> {
    Ok(numbered(&image(manifest, content_type)?)
        .map(|(number, descriptor)| Layer { number, content: read_layer(descriptor) })
        .collect())
}

/// Parses a signature image that is stored as a referrer of this digest.
///
/// # Errors
/// [`LegacyError`], when it refers to something else as well.
pub fn parse_referrer(
    manifest: &[u8],
    content_type: Option<&str>,
    subject: &Digest,
) -> Result<Vec<Layer>, LegacyError> {
    let image = image(manifest, content_type)?;
    check_subject(image.subject().as_ref(), subject)?;
    Ok(numbered(&image).map(|(number, descriptor)| Layer { number, content: read_layer(descriptor) }).collect())
}

/// Parses an image of attestations into its layers.
///
/// # Errors
/// [`LegacyError`] when the manifest cannot be read; a single bad layer is a [`LayerDefect`] in its place.
pub fn parse_attestations(manifest: &[u8], content_type: Option<&str>) -> Result<Vec<AttestationLayer>, LegacyError> {
    Ok(numbered(&image(manifest, content_type)?)
        .map(|(number, descriptor)| AttestationLayer {
            number,
            content: read_attestation(descriptor),
            predicate_type: annotation(descriptor, PREDICATE_TYPE_ANNOTATION).cloned(),
        })
        .collect())
}

fn image(manifest: &[u8], content_type: Option<&str>) -> Result<ImageManifest, LegacyError> {
    let Manifest::Image(image) = Manifest::parse(manifest, content_type)? else {
        return Err(LegacyError::Index);
    };
    let layers = image.layers().len();
    if layers > MAX_SIGNATURES { Err(LegacyError::TooMany { got: layers }) } else { Ok(*image) }
}

fn numbered(image: &ImageManifest) -> impl Iterator<Item = (usize, &Descriptor)> {
    image.layers().iter().enumerate().map(|(index, descriptor)| (index.saturating_add(1), descriptor))
}

fn annotation<'d>(descriptor: &'d Descriptor, name: &str) -> Option<&'d String> {
    descriptor.annotations().as_ref().and_then(|all| all.get(name))
}

fn read_attestation(descriptor: &Descriptor) -> Result<Blob, LayerDefect> {
    let media_type = descriptor.media_type().to_string();
    if media_type != ENVELOPE_MEDIA_TYPE {
        return Err(LayerDefect::MediaType(excerpt(&media_type)));
    }
    let envelope = Blob::of(descriptor).map_err(|error| LayerDefect::Digest(error.to_string()))?;
    if envelope.size > MAX_ENVELOPE_BYTES {
        return Err(LayerDefect::EnvelopeSize(envelope.size));
    }
    Ok(envelope)
}

fn read_layer(descriptor: &Descriptor) -> Result<Signature, LayerDefect> {
    let media_type = descriptor.media_type().to_string();
    if media_type != PAYLOAD_MEDIA_TYPE {
        return Err(LayerDefect::MediaType(excerpt(&media_type)));
    }
    let signature = annotation(descriptor, SIGNATURE_ANNOTATION).ok_or(LayerDefect::NoSignature)?;
    let signature = STANDARD.decode(signature).map_err(|_| LayerDefect::Base64)?;
    if signature.len() > MAX_SIGNATURE_BYTES {
        return Err(LayerDefect::SignatureSize(signature.len()));
    }
    let payload = Blob::of(descriptor).map_err(|error| LayerDefect::Digest(error.to_string()))?;
    if payload.size > MAX_PAYLOAD_BYTES {
        return Err(LayerDefect::PayloadSize(payload.size));
    }
    Ok(Signature { payload, signature, has_certificate: annotation(descriptor, CERTIFICATE_ANNOTATION).is_some() })
}
