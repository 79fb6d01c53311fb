//! Legacy signatures: an image under the tag `sha256-<hex>.sig`, one layer a signature (cosign SIGNATURE_SPEC.md, "Storage").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_spec::image::Descriptor;

use super::payload::{PayloadError, SimpleSigning};
use crate::digest::Content;
use crate::key::{Algorithm, Hash, PublicKey, SignatureError};
use crate::limits::{MAX_PAYLOAD_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURES};
use crate::manifest::{Blob, Manifest, ManifestError};
use crate::text::excerpt;

/// Media type of a layer that is a simple-signing payload.
pub const PAYLOAD_MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
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
    /// Another media type than [`PAYLOAD_MEDIA_TYPE`].
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
}

/// A payload whose signature was made by one key. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// What was verified.
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// Why a signature by a key does not give a verified payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The signature is not by this key over these bytes.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is, but what was signed is not a payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

/// Parses a signature image into its layers.
///
/// # Errors
/// [`LegacyError`] when the manifest cannot be read; a single bad layer is a [`LayerDefect`] in its place.
pub fn parse(manifest: &[u8], content_type: Option<&str>) -> Result<Vec<Layer>, LegacyError> {
    let Manifest::Image(image) = Manifest::parse(manifest, content_type)? else {
        return Err(LegacyError::Index);
    };
    let layers = image.layers();
    if layers.len() > MAX_SIGNATURES {
        return Err(LegacyError::TooMany { got: layers.len() });
    }
    Ok(layers
        .iter()
        .enumerate()
        .map(|(index, descriptor)| Layer { number: index.saturating_add(1), content: read_layer(descriptor) })
        .collect())
}

fn read_layer(descriptor: &Descriptor) -> Result<Signature, LayerDefect> {
    let media_type = descriptor.media_type().to_string();
    if media_type != PAYLOAD_MEDIA_TYPE {
        return Err(LayerDefect::MediaType(excerpt(&media_type)));
    }
    let annotation = |name: &str| descriptor.annotations().as_ref().and_then(|all| all.get(name));
    let signature = annotation(SIGNATURE_ANNOTATION).ok_or(LayerDefect::NoSignature)?;
    let signature = STANDARD.decode(signature).map_err(|_| LayerDefect::Base64)?;
    if signature.len() > MAX_SIGNATURE_BYTES {
        return Err(LayerDefect::SignatureSize(signature.len()));
    }
    let payload = Blob::of(descriptor).map_err(|error| LayerDefect::Digest(error.to_string()))?;
    if payload.size > MAX_PAYLOAD_BYTES {
        return Err(LayerDefect::PayloadSize(payload.size));
    }
    Ok(Signature { payload, signature, has_certificate: annotation(CERTIFICATE_ANNOTATION).is_some() })
}

/// Checks a signature over payload bytes with one key, then reads the payload from the same bytes.
///
/// Cosign hashed with SHA-256 for every kind of key until 2026; since then the curve's own hash is possible too, so both
/// are tried. The key fixes which ones: nothing in the evidence does.
///
/// # Errors
/// [`VerifyError`]; the payload is not looked at before its signature holds.
pub fn verify(payload: Content<'_>, signature: &[u8], key: &PublicKey) -> Result<Verified<SimpleSigning>, VerifyError> {
    let mut outcome = Err(SignatureError::Mismatch);
    for hash in hashes(key.algorithm()) {
        outcome = key.verify(payload.bytes(), signature, *hash);
        if outcome != Err(SignatureError::Mismatch) {
            break;
        }
    }
    outcome?;
    Ok(Verified(SimpleSigning::parse(payload.bytes())?))
}

/// What checking one signature by this key can cost, in units of one P-256 verification.
pub fn verification_units(key: &PublicKey) -> u32 {
    let attempts = u32::try_from(hashes(key.algorithm()).len()).unwrap_or(u32::MAX);
    key.verification_units().saturating_mul(attempts)
}

const fn hashes(algorithm: Algorithm) -> &'static [Hash] {
    match algorithm {
        Algorithm::EcdsaP256 | Algorithm::Rsa | Algorithm::Ed25519 => &[Hash::Sha256],
        Algorithm::EcdsaP384 => &[Hash::Sha256, Hash::Sha384],
        Algorithm::EcdsaP521 => &[Hash::Sha256, Hash::Sha512],
    }
}
