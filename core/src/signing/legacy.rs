//! Adding to an image under one of cosign's tags, one layer a signature or attestation (cosign SIGNATURE_SPEC.md, "Storage";
//! ATTESTATION_SPEC.md).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{PlannedBlob, PushPlan, SigningError, within};
use crate::cosign::legacy::{self, PAYLOAD_MEDIA_TYPE, SIGNATURE_ANNOTATION};
use crate::digest::Digest;
use crate::dsse::IN_TOTO_PAYLOAD_TYPE;
use crate::json;
use crate::key::PublicKey;
use crate::limits::{MAX_ENVELOPE_BYTES, MAX_SIGNATURE_MANIFEST_BYTES, MAX_SIGNATURES};
use crate::manifest::OCI_MANIFEST;
use crate::reference::Repository;
use crate::verify;

/// Media type of a layer that is a DSSE envelope.
const ENVELOPE_MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
/// Annotation with an attestation's type. Nobody signs it: it saves readers a look at layers that they do not want.
const PREDICATE_TYPE_ANNOTATION: &str = "predicateType";
/// Media type of the config of such an image, as cosign writes it.
const CONFIG_MEDIA_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// One layer to be added: its content and its descriptor.
pub(super) struct Layer {
    digest: Digest,
    media_type: &'static str,
    descriptor: Value,
    bytes: Vec<u8>,
}

impl Layer {
    /// A signature over a simple-signing payload.
    pub(super) fn signature(payload: &[u8], signature: &[u8]) -> Self {
        Self::new(PAYLOAD_MEDIA_TYPE, payload.to_vec(), json!({SIGNATURE_ANNOTATION: STANDARD.encode(signature)}))
    }

    /// An attestation: the signature lies in the envelope, and its annotation stays empty, as cosign writes it.
    pub(super) fn attestation(payload: &[u8], signature: &[u8], predicate_type: &str) -> Result<Self, SigningError> {
        let signature = json!({"keyid": "", "sig": STANDARD.encode(signature)});
        let envelope = json!({
            "payloadType": IN_TOTO_PAYLOAD_TYPE,
            "payload": STANDARD.encode(payload),
            "signatures": [signature],
        });
        let envelope = within(envelope.to_string().into_bytes(), MAX_ENVELOPE_BYTES)?;
        let annotations = json!({SIGNATURE_ANNOTATION: "", PREDICATE_TYPE_ANNOTATION: predicate_type});
        Ok(Self::new(ENVELOPE_MEDIA_TYPE, envelope, annotations))
    }

    fn new(media_type: &'static str, bytes: Vec<u8>, annotations: Value) -> Self {
        let digest = Digest::sha256(&bytes);
        let descriptor =
            json!({"mediaType": media_type, "digest": digest, "size": bytes.len(), "annotations": annotations});
        Self { digest, media_type, descriptor, bytes }
    }
}

/// Whether a signature by this key over this payload is there: any one is as good as another.
pub(super) fn has_signature(existing: &[u8], payload: &[u8], key: &PublicKey) -> Result<bool, SigningError> {
    let digest = Digest::sha256(payload);
    let layers = legacy::parse(existing, None)?;
    let mut same = layers
        .iter()
        .filter_map(|layer| layer.content.as_ref().ok())
        .filter(|there| there.payload.digest == digest && there.payload.media_type == PAYLOAD_MEDIA_TYPE);
    Ok(same.any(|there| verify::signed(payload, &there.signature, key).is_ok()))
}

/// Whether this very layer is there.
pub(super) fn has_layer(existing: &[u8], layer: &Layer) -> Result<bool, SigningError> {
    let manifest = read(existing)?;
    let layers = manifest.get("layers").and_then(Value::as_array);
    let same = |there: &Value| {
        ["digest", "mediaType"].iter().all(|member| there.get(*member) == layer.descriptor.get(*member))
    };
    Ok(layers.is_some_and(|layers| layers.iter().any(same)))
}

/// What is known about a tag.
#[derive(Clone, Copy)]
pub(super) struct There<'s> {
    pub(super) existing: Option<&'s [u8]>,
    pub(super) written: Option<&'s [u8]>,
}

/// Adds a layer to what is there. Unknown members and every other layer stay: what others wrote is not ours to change.
pub(super) fn plan(
    repository: Repository,
    tag: String,
    there: There<'_>,
    layer: Layer,
    already_there: bool,
) -> Result<PushPlan, SigningError> {
    let mut manifest = match there.existing {
        None => json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST}),
        Some(manifest) => read(manifest)?,
    };
    let mut layers = layers_of(&mut manifest);
    // What another writer dropped since we wrote it: that writer had not seen it, and nobody meant to take it away.
    let dropped = there.written.map(read).transpose()?.map(|mut written| layers_of(&mut written));
    for descriptor in dropped.into_iter().flatten().chain([layer.descriptor]) {
        if !layers.contains(&descriptor) {
            layers.push(descriptor);
        }
    }
    if layers.len() > MAX_SIGNATURES {
        return Err(SigningError::Full);
    }
    let config = config(&layers).to_string().into_bytes();
    let config = PlannedBlob { digest: Digest::sha256(&config), media_type: CONFIG_MEDIA_TYPE, bytes: config };
    if let Some(members) = manifest.as_object_mut() {
        let descriptor = json!({"mediaType": CONFIG_MEDIA_TYPE, "digest": config.digest, "size": config.bytes.len()});
        members.insert("config".to_owned(), descriptor);
        members.insert("layers".to_owned(), Value::Array(layers));
    }
    let media_type = manifest.get("mediaType").and_then(Value::as_str).unwrap_or(OCI_MANIFEST).to_owned();
    let manifest = manifest.to_string().into_bytes();
    if u64::try_from(manifest.len()).unwrap_or(u64::MAX) > MAX_SIGNATURE_MANIFEST_BYTES {
        return Err(SigningError::TooLarge { got: manifest.len() });
    }
    let blob = PlannedBlob { digest: layer.digest, media_type: layer.media_type, bytes: layer.bytes };
    let blobs = vec![blob, config];
    Ok(PushPlan { repository, blobs, manifest, media_type, tag: Some(tag), subject: None, already_there })
}

fn layers_of(manifest: &mut Value) -> Vec<Value> {
    match manifest.get_mut("layers").map(Value::take) {
        Some(Value::Array(layers)) => layers,
        _ => Vec::new(),
    }
}

/// The manifest as it stands. One that verifiers could not read is not added to: it would stay unreadable.
fn read(manifest: &[u8]) -> Result<Value, SigningError> {
    legacy::parse(manifest, None)?;
    let limit = usize::try_from(MAX_SIGNATURE_MANIFEST_BYTES).unwrap_or(usize::MAX);
    Ok(json::parse(manifest, limit)?)
}

/// The config of such an image: nobody reads it, and registries and image tools want its diff IDs to fit the layers.
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
