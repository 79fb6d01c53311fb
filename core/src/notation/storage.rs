//! The manifest that ties a signature envelope to an artifact (Notary Project signature specification, "Storage").

use oci_spec::image::{Descriptor, ImageManifest};
use serde::Deserialize;

use super::Format;
use crate::digest::{Digest, DigestError};
use crate::json::{self, JsonError};
use crate::limits::MAX_NOTATION_MANIFEST_BYTES;
use crate::manifest::{Blob, Manifest, ManifestError};
use crate::subject::{SubjectError, check_subject};
use crate::text::excerpt;

/// The `artifactType` of a signature, and the media type of the config in manifests that are older than that field.
pub const ARTIFACT_TYPE: &str = "application/vnd.cncf.notary.signature";
/// Annotation with the SHA-256 of each certificate of the chain, in hexadecimal digits, as a JSON list: a hint.
pub const THUMBPRINTS_ANNOTATION: &str = "io.cncf.notary.x509chain.thumbprint#S256";
/// The media type of a manifest of artifacts, which was in release candidates of the OCI image specification 1.1 only.
const ARTIFACT_MANIFEST: &str = "application/vnd.oci.artifact.manifest.v1+json";

/// Why a manifest does not bring a signature for an artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Not a manifest.
    #[error("signature manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// Not JSON of its shape.
    #[error("signature manifest: {0}")]
    Json(#[from] JsonError),
    /// An index where an image is expected.
    #[error("signature manifest: an index, where an image manifest is expected")]
    Index,
    /// It is said to be something else than a signature.
    #[error("signature manifest: it is of type {0:?}, not a signature's")]
    ArtifactType(String),
    /// It refers to something else: the list that named it is wrong.
    #[error("signature manifest: {0}")]
    Subject(#[from] SubjectError),
    /// Not exactly one layer.
    #[error("signature manifest: {got} layers, expected one")]
    Layers {
        /// Layers there are.
        got: usize,
    },
    /// The layer is not an envelope of a known format.
    #[error("signature manifest: media type {0:?} is not a signature envelope's")]
    MediaType(String),
    /// The layer's digest cannot be checked.
    #[error("signature manifest: {0}")]
    Digest(#[from] DigestError),
}

/// What is left of the manifest of an artifact.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactManifest {
    media_type: String,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    blobs: Vec<Descriptor>,
    #[serde(default)]
    subject: Option<Descriptor>,
}

/// Parses a signature manifest and holds it against the artifact that it is said to refer to. Gives the envelope's digest,
/// size and media type.
///
/// # Errors
/// [`StorageError`], one variant for each rule.
pub fn envelope(manifest: &[u8], content_type: Option<&str>, subject: &Digest) -> Result<Blob, StorageError> {
    let (said, layers, refers_to) = match artifact_manifest(manifest, content_type)? {
        Some(artifact) => (artifact.artifact_type, artifact.blobs, artifact.subject),
        None => {
            let Manifest::Image(image) = Manifest::parse(manifest, content_type)? else {
                return Err(StorageError::Index);
            };
            (Some(artifact_type(&image)), image.layers().clone(), image.subject().clone())
        }
    };
    if said.as_deref() != Some(ARTIFACT_TYPE) {
        return Err(StorageError::ArtifactType(excerpt(&said.unwrap_or_default())));
    }
    check_subject(refers_to.as_ref(), subject)?;
    let [layer] = layers.as_slice() else {
        return Err(StorageError::Layers { got: layers.len() });
    };
    let blob = Blob::of(layer)?;
    match Format::from_media_type(&blob.media_type) {
        Some(_) => Ok(blob),
        None => Err(StorageError::MediaType(excerpt(&blob.media_type))),
    }
}

/// What the manifest says it is: by its `artifactType`, else by its config (image-spec, manifest.md, "Guidelines for Artifact
/// Usage").
fn artifact_type(image: &ImageManifest) -> String {
    match image.artifact_type() {
        Some(artifact_type) => artifact_type.to_string(),
        None => image.config().media_type().to_string(),
    }
}

/// The document, if it is a manifest of an artifact.
fn artifact_manifest(manifest: &[u8], content_type: Option<&str>) -> Result<Option<ArtifactManifest>, StorageError> {
    let document = json::parse(manifest, MAX_NOTATION_MANIFEST_BYTES)?;
    if document.get("mediaType").and_then(serde_json::Value::as_str) != Some(ARTIFACT_MANIFEST) {
        return Ok(None);
    }
    json::check_objects(&document, &["", "/subject"])?;
    let artifact: ArtifactManifest = json::shape(document)?;
    let outside = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    match outside.filter(|outside| *outside != artifact.media_type && !outside.is_empty()) {
        Some(outside) if outside.starts_with("application/vnd.") => {
            let (inside, outside) = (artifact.media_type, excerpt(outside));
            Err(ManifestError::ContentType { inside, outside }.into())
        }
        _ => Ok(Some(artifact)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ARTIFACT_TYPE, StorageError, envelope};
    use crate::digest::Digest;
    use crate::manifest::OCI_MANIFEST;

    const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn written() -> Value {
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": ARTIFACT_TYPE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY, "size": 2},
            "layers": [{"mediaType": "application/jose+json", "digest": EMPTY, "size": 2090}],
            "subject": {"mediaType": OCI_MANIFEST, "digest": Digest::sha256(b"image"), "size": 7}})
    }

    fn read(manifest: &Value) -> Result<u64, StorageError> {
        envelope(manifest.to_string().as_bytes(), None, &Digest::sha256(b"image")).map(|blob| blob.size)
    }

    #[test]
    fn manifests_of_all_ages_are_read() {
        assert_eq!(read(&written()), Ok(2090));
        let mut older = written();
        older["config"]["mediaType"] = json!(ARTIFACT_TYPE);
        older.as_object_mut().expect("an object").remove("artifactType");
        assert_eq!(read(&older), Ok(2090));
        let oldest = json!({"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "artifactType": ARTIFACT_TYPE,
            "blobs": written()["layers"], "subject": written()["subject"]});
        assert_eq!(read(&oldest), Ok(2090));
        let (bytes, digest) = (oldest.to_string(), Digest::sha256(b"image"));
        let served = envelope(bytes.as_bytes(), Some(OCI_MANIFEST), &digest);
        assert!(matches!(served, Err(StorageError::Manifest(_))), "{served:?}");
    }

    #[test]
    fn what_does_not_bring_one_envelope_for_the_artifact_is_refused() {
        let layer = written()["layers"][0].clone();
        for (pointer, value, message) in [
            ("/artifactType", json!("application/vnd.example"), "is of type"),
            ("/subject/digest", json!(Digest::sha256(b"other")), "refers to sha256:"),
            ("/layers", json!([]), "0 layers"),
            ("/layers", json!([layer, layer]), "2 layers"),
            ("/layers/0/mediaType", json!("text/plain"), "\"text/plain\" is not a signature envelope's"),
            ("/layers/0/digest", json!(format!("md5:{}", "a".repeat(32))), "md5"),
            ("/manifests", json!([]), "both layers and manifests"),
        ] {
            let mut manifest = written();
            match manifest.pointer_mut(pointer) {
                Some(place) => *place = value,
                None => manifest[&pointer[1..]] = value,
            }
            let error = read(&manifest).expect_err(pointer).to_string();
            assert!(error.contains(message), "{pointer}: {error}");
        }
        let mut alone = written();
        alone.as_object_mut().expect("an object").remove("subject");
        assert!(read(&alone).expect_err("no subject").to_string().contains("no subject"));
    }
}
