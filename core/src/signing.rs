//! Signing in three steps: prepare gives the exact bytes, somebody signs them, assemble gives a push plan.
//!
//! Whoever holds the key stands between the first and the last step: the module itself, a token, a remote signer, a page.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cosign::legacy::{self, LegacyError, PAYLOAD_MEDIA_TYPE, SIGNATURE_ANNOTATION, VerifyError};
use crate::cosign::payload::{PayloadError, SimpleSigning};
use crate::digest::{Content, Digest};
use crate::json::{self, JsonError};
use crate::key::PublicKey;
use crate::limits::{MAX_ANNOTATIONS, MAX_SIGNATURE_MANIFEST_BYTES, MAX_SIGNATURES};
use crate::manifest::OCI_MANIFEST;
use crate::reference::{Reference, Repository};

/// Media type of the config of a signature image, as cosign writes it.
const CONFIG_MEDIA_TYPE: &str = "application/vnd.oci.image.config.v1+json";

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
    /// The tag to push it under.
    pub tag: String,
    /// Whether this signature was there already, so that nothing has to be pushed.
    pub already_there: bool,
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
    /// The signature is not by this key over this payload.
    #[error("the signature does not hold: {0}")]
    Signature(#[from] VerifyError),
    /// The payload is about another digest.
    #[error("the payload is about {signed}, not about {asked}")]
    OtherDigest {
        /// The digest in the payload.
        signed: Digest,
        /// The digest that is being signed.
        asked: Digest,
    },
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
    /// There are as many signatures as a verifier looks at.
    #[error("{MAX_SIGNATURES} signatures are there already: verifiers would not look at another one")]
    Full,
}

/// Gives the payload to be signed for an image that is named by digest.
///
/// # Errors
/// [`SigningError::NoDigest`], [`SigningError::Annotations`] or [`SigningError::Payload`].
pub fn prepare(image: &Reference, annotations: &BTreeMap<String, String>) -> Result<Vec<u8>, SigningError> {
    let digest = digest_of(image)?;
    if annotations.len() > MAX_ANNOTATIONS {
        return Err(SigningError::Annotations { got: annotations.len() });
    }
    Ok(SimpleSigning::write(&image.repository().cosign_name(), digest, annotations)?)
}

/// Checks a signature over a prepared payload and adds it to the ones that are there.
///
/// `existing` is the manifest under the signature tag now, or nothing when there is none.
///
/// # Errors
/// [`SigningError`]: a signature that does not hold is never pushed, and what is there is never lost.
pub fn assemble(
    image: &Reference,
    payload: &[u8],
    signature: &[u8],
    key: &PublicKey,
    existing: Option<&[u8]>,
) -> Result<PushPlan, SigningError> {
    let digest = digest_of(image)?;
    let payload_digest = Digest::sha256(payload);
    let verified = legacy::verify(checked(&payload_digest, payload)?, signature, key)?;
    if verified.get().digest != *digest {
        let (signed, asked) = (verified.get().digest.clone(), digest.clone());
        return Err(SigningError::OtherDigest { signed, asked });
    }
    let mut manifest = match existing {
        None => json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST}),
        Some(manifest) => existing_manifest(manifest)?,
    };
    let mut layers = match manifest.get_mut("layers").map(Value::take) {
        Some(Value::Array(layers)) => layers,
        _ => Vec::new(),
    };
    let already_there = match existing {
        None => false,
        Some(manifest) => {
            legacy::parse(manifest, None)?.iter().filter_map(|layer| layer.content.as_ref().ok()).any(|there| {
                there.payload.digest == payload_digest
                    && checked(&payload_digest, payload)
                        .is_ok_and(|payload| legacy::verify(payload, &there.signature, key).is_ok())
            })
        }
    };
    if layers.len() >= MAX_SIGNATURES {
        return Err(SigningError::Full);
    }
    layers.push(json!({
        "mediaType": PAYLOAD_MEDIA_TYPE,
        "digest": payload_digest,
        "size": payload.len(),
        "annotations": {SIGNATURE_ANNOTATION: STANDARD.encode(signature)},
    }));
    let config = config(&layers).to_string().into_bytes();
    let config_digest = Digest::sha256(&config);
    if let Some(members) = manifest.as_object_mut() {
        let descriptor = json!({"mediaType": CONFIG_MEDIA_TYPE, "digest": config_digest, "size": config.len()});
        members.insert("config".to_owned(), descriptor);
        members.insert("layers".to_owned(), Value::Array(layers));
    }
    let media_type = manifest.get("mediaType").and_then(Value::as_str).unwrap_or(OCI_MANIFEST).to_owned();
    let manifest = manifest.to_string().into_bytes();
    if u64::try_from(manifest.len()).unwrap_or(u64::MAX) > MAX_SIGNATURE_MANIFEST_BYTES {
        return Err(SigningError::TooLarge { got: manifest.len() });
    }
    Ok(PushPlan {
        repository: image.repository().clone(),
        blobs: vec![
            PlannedBlob { digest: payload_digest, media_type: PAYLOAD_MEDIA_TYPE, bytes: payload.to_vec() },
            PlannedBlob { digest: config_digest, media_type: CONFIG_MEDIA_TYPE, bytes: config },
        ],
        manifest,
        media_type,
        tag: digest.signature_tag(),
        already_there,
    })
}

fn digest_of(image: &Reference) -> Result<&Digest, SigningError> {
    image.digest().ok_or_else(|| SigningError::NoDigest { image: image.to_string() })
}

fn checked<'b>(digest: &Digest, bytes: &'b [u8]) -> Result<Content<'b>, SigningError> {
    digest.check(bytes).map_err(|error| PayloadError::Json(JsonError::Syntax(error.to_string())).into())
}

/// The manifest as it stands, unknown members included: what other signers wrote is not ours to change.
fn existing_manifest(manifest: &[u8]) -> Result<Value, SigningError> {
    legacy::parse(manifest, None)?;
    let limit = usize::try_from(MAX_SIGNATURE_MANIFEST_BYTES).unwrap_or(usize::MAX);
    Ok(json::parse(manifest, limit)?)
}

/// The config of a signature image: nobody reads it, and registries and image tools want its diff IDs to fit the layers.
fn config(layers: &[Value]) -> Value {
    let diff_ids: Vec<&Value> = layers.iter().filter_map(|layer| layer.get("digest")).collect();
    json!({
        "architecture": "",
        "os": "",
        "config": {},
        "created": "0001-01-01T00:00:00Z",
        "history": layers.iter().map(|_| json!({"created": "0001-01-01T00:00:00Z"})).collect::<Vec<_>>(),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{SigningError, assemble, prepare};
    use crate::cosign::legacy;
    use crate::digest::Digest;
    use crate::key::{Algorithm, Hash, PrivateKey};
    use crate::reference::Reference;

    fn image(content: &[u8]) -> Reference {
        Reference::parse(&format!("host.example/app@{}", Digest::sha256(content))).expect("valid")
    }

    #[test]
    fn signatures_are_added_and_none_is_lost_or_doubled() {
        let image = image(b"image");
        let payload = prepare(&image, &BTreeMap::new()).expect("prepared");
        let mut existing = None;
        for (seed, algorithm) in
            [(1, Algorithm::EcdsaP256), (2, Algorithm::EcdsaP384), (3, Algorithm::EcdsaP521), (4, Algorithm::Ed25519)]
        {
            let key = PrivateKey::generate(algorithm, &[seed; 264]).expect("entropy");
            let signature = key.sign(&payload, Hash::Sha256).expect("signs");
            let plan = assemble(&image, &payload, &signature, key.public(), existing.as_deref()).expect("assembled");
            assert!(!plan.already_there);
            let again = assemble(&image, &payload, &signature, key.public(), Some(&plan.manifest)).expect("assembled");
            assert!(again.already_there);
            existing = Some(plan.manifest);
        }
        assert_eq!(legacy::parse(&existing.expect("four"), None).expect("readable").len(), 4);
    }

    #[test]
    fn a_signature_that_does_not_hold_is_never_planned() {
        let key = PrivateKey::generate(Algorithm::EcdsaP256, &[1; 264]).expect("entropy");
        let (one, other) = (image(b"one"), image(b"other"));
        let payload = prepare(&one, &BTreeMap::new()).expect("prepared");
        let signature = key.sign(&payload, Hash::Sha256).expect("signs");
        assert!(matches!(
            assemble(&other, &payload, &signature, key.public(), None),
            Err(SigningError::OtherDigest { .. })
        ));
        let mut flipped = payload.clone();
        flipped[10] ^= 1;
        assert!(matches!(assemble(&one, &flipped, &signature, key.public(), None), Err(SigningError::Signature(_))));
        assert!(matches!(
            assemble(&one, &payload, &signature, key.public(), Some(b"{\"layers\":7}")),
            Err(SigningError::Existing(_))
        ));
        let tagged = Reference::parse("host.example/app:1").expect("valid");
        assert!(matches!(prepare(&tagged, &BTreeMap::new()), Err(SigningError::NoDigest { .. })));
    }
}
