//! The manifest that ties a signature to an artifact (Notary Project signature specification, "Storage"; OCI image-spec 1.1,
//! manifest.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::envelope::Format;
use crate::cosign::bundle::EMPTY_CONFIG;
use crate::digest::{Digest, DigestError};
use crate::json::{self, JsonError};
use crate::limits::{MAX_MANIFEST_BYTES, MAX_NOTATION_ENVELOPE_BYTES};
use crate::manifest::{Blob, Manifest, ManifestError, OCI_MANIFEST};
use crate::ordered::Ordered as _;
use crate::subject::{SubjectError, check_subject};
use crate::text::excerpt;
use crate::time::UnixTime;
use crate::x509::Certificate;

/// `artifactType` of a signature, or the media type of its config: notation-go writes the latter, and lists show either.
pub const ARTIFACT_TYPE: &str = "application/vnd.cncf.notary.signature";
/// The media type of a manifest that is older than `artifactType` in image manifests.
const ARTIFACT_MANIFEST: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// Annotation with the certificates' thumbprints: a hint, which nobody signs.
pub const THUMBPRINT_ANNOTATION: &str = "io.cncf.notary.x509chain.thumbprint#S256";
/// Annotation with the signing time.
pub const CREATED_ANNOTATION: &str = "org.opencontainers.image.created";

/// A manifest that brings one signature for an artifact. A claim, like the list that named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The envelope's digest and size.
    pub envelope: Blob,
    /// The envelope's format.
    pub format: Format,
    /// What the thumbprints are said to be, the leaf's first, in lower case. Empty where nothing readable is said.
    pub thumbprints: Vec<String>,
}

/// Why a manifest does not bring a signature for an artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferrerError {
    /// Not a manifest.
    #[error("signature manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// An index where an image is expected.
    #[error("signature manifest: an index, where an image manifest is expected")]
    Index,
    /// Of another type.
    #[error("signature manifest: artifact type {0:?}, expected {ARTIFACT_TYPE:?}")]
    ArtifactType(String),
    /// It refers to something else.
    #[error("signature manifest: {0}")]
    Subject(#[from] SubjectError),
    /// Not exactly one layer.
    #[error("signature manifest: {got} layers, expected one")]
    Layers {
        /// Layers there are.
        got: usize,
    },
    /// The layer is no envelope.
    #[error("signature manifest: media type {0:?} is no signature envelope's")]
    MediaType(String),
    /// The envelope is larger than any that is read.
    #[error("signature manifest: an envelope of {got} octets, at most {MAX_NOTATION_ENVELOPE_BYTES} are read")]
    Size {
        /// Octets that are announced.
        got: u64,
    },
    /// The layer's digest cannot be checked.
    #[error("signature manifest: {0}")]
    Digest(#[from] DigestError),
    /// It cannot be written.
    #[error("signature manifest: {0}")]
    Json(#[from] JsonError),
}

/// The manifest of an artifact, as release candidates of the OCI image specification 1.1 had it; some registries keep it still.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactManifest {
    #[serde(default)]
    artifact_type: String,
    #[serde(default)]
    blobs: Vec<oci_spec::image::Descriptor>,
    #[serde(default)]
    subject: Option<oci_spec::image::Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// The document, if it is of that kind, by its own media type and by none that contradicts it.
fn artifact(manifest: &[u8], content_type: Option<&str>) -> Result<Option<ArtifactManifest>, ReferrerError> {
    let limit = usize::try_from(MAX_MANIFEST_BYTES).unwrap_or(usize::MAX);
    let document = json::parse(manifest, limit)?;
    if document.get("mediaType").and_then(serde_json::Value::as_str) != Some(ARTIFACT_MANIFEST) {
        return Ok(None);
    }
    let outside = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if let Some(outside) = outside.filter(|outside| ![ARTIFACT_MANIFEST, "", "application/json"].contains(outside)) {
        let (inside, outside) = (ARTIFACT_MANIFEST.to_owned(), excerpt(outside));
        return Err(ManifestError::ContentType { inside, outside }.into());
    }
    json::check_objects(&document, &["", "/subject"])?;
    Ok(Some(json::shape(document)?))
}

/// Parses a manifest and holds it against the artifact that it is said to refer to.
///
/// # Errors
/// [`ReferrerError`], one variant for each rule.
pub fn referrer(manifest: &[u8], content_type: Option<&str>, subject: &Digest) -> Result<Referrer, ReferrerError> {
    let ArtifactManifest { artifact_type, blobs, subject: refers_to, annotations } =
        match artifact(manifest, content_type)? {
            Some(artifact) => artifact,
            None => {
                let Manifest::Image(image) = Manifest::parse(manifest, content_type)? else {
                    return Err(ReferrerError::Index);
                };
                ArtifactManifest {
                    artifact_type: image
                        .artifact_type()
                        .as_ref()
                        .unwrap_or_else(|| image.config().media_type())
                        .to_string(),
                    blobs: image.layers().clone(),
                    subject: image.subject().clone(),
                    annotations: image.annotations().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).into_map(),
                }
            }
        };
    if artifact_type != ARTIFACT_TYPE {
        return Err(ReferrerError::ArtifactType(excerpt(&artifact_type)));
    }
    check_subject(refers_to.as_ref(), subject)?;
    let [layer] = blobs.as_slice() else {
        return Err(ReferrerError::Layers { got: blobs.len() });
    };
    let envelope = Blob::of(layer)?;
    let format = Format::from_media_type(&envelope.media_type)
        .ok_or_else(|| ReferrerError::MediaType(excerpt(&envelope.media_type)))?;
    if usize::try_from(envelope.size).map_or(true, |size| size > MAX_NOTATION_ENVELOPE_BYTES) {
        return Err(ReferrerError::Size { got: envelope.size });
    }
    let annotation = annotations.get(THUMBPRINT_ANNOTATION);
    let thumbprints = annotation.and_then(|text| serde_json::from_str::<Vec<String>>(text).ok()).unwrap_or_default();
    let thumbprints = thumbprints.into_iter().map(|thumbprint| thumbprint.to_ascii_lowercase()).collect();
    Ok(Referrer { envelope, format, thumbprints })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'w> {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor<'w>,
    layers: [Descriptor<'w>; 1],
    subject: Descriptor<'w>,
    annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'w> {
    media_type: &'w str,
    digest: Digest,
    size: u64,
}

/// The manifest of a signature as notation-go 1.3 writes it (registry/repository.go, `uploadSignatureManifest`): without
/// `artifactType`, the type of a signature stands in the config, which is [`EMPTY_CONFIG`].
///
/// # Errors
/// [`ReferrerError::Json`] when it cannot be serialised.
pub fn write_referrer(
    envelope: &[u8],
    format: Format,
    chain: &[Certificate],
    signing_time: UnixTime,
    (subject_media_type, subject, subject_size): (&str, &Digest, u64),
) -> Result<Vec<u8>, ReferrerError> {
    let blob = |media_type, bytes: &[u8]| Descriptor {
        media_type,
        digest: Digest::sha256(bytes),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
    };
    let thumbprints: Vec<String> = chain.iter().map(|certificate| certificate.thumbprint().to_string()).collect();
    let syntax = |error: serde_json::Error| JsonError::Syntax(error.to_string());
    let document = Written {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        config: blob(ARTIFACT_TYPE, EMPTY_CONFIG),
        layers: [blob(format.media_type(), envelope)],
        subject: Descriptor { media_type: subject_media_type, digest: subject.clone(), size: subject_size },
        annotations: [
            (THUMBPRINT_ANNOTATION, serde_json::to_string(&thumbprints).map_err(syntax)?),
            (CREATED_ANNOTATION, signing_time.to_string()),
        ]
        .into_iter()
        .into_map(),
    };
    Ok(serde_json::to_vec(&document).map_err(syntax)?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ReferrerError, referrer, write_referrer};
    use crate::digest::Digest;
    use crate::notation::Format;
    use crate::notation::fixtures::{NOW, chain};

    fn subject() -> Digest {
        Digest::sha256(b"image")
    }

    fn manifest() -> Value {
        let subject = ("application/vnd.oci.image.manifest.v1+json", &subject(), 5);
        let bytes = write_referrer(b"{}", Format::Jws, &chain(), NOW, subject).expect("written");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn read(manifest: &Value) -> Result<super::Referrer, ReferrerError> {
        referrer(manifest.to_string().as_bytes(), None, &subject())
    }

    #[test]
    fn what_is_written_is_what_notation_writes_and_is_read() {
        let manifest = manifest();
        let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let config = json!({"mediaType": "application/vnd.cncf.notary.signature", "digest": empty, "size": 2});
        assert_eq!(manifest["config"], config);
        assert_eq!(manifest.get("artifactType"), None);
        assert_eq!(manifest["annotations"]["org.opencontainers.image.created"], json!("2026-12-01T00:00:00Z"));
        let read = read(&manifest).expect("valid");
        let thumbprints: Vec<String> = chain().iter().map(|it| it.thumbprint().to_string()).collect();
        assert_eq!((read.format, read.thumbprints.clone(), read.envelope.size), (Format::Jws, thumbprints, 2));
        // The newer form, and thumbprints in capitals as the specification shows them.
        let mut newer = manifest.clone();
        newer["artifactType"] = json!("application/vnd.cncf.notary.signature");
        newer["config"]["mediaType"] = json!("application/vnd.oci.empty.v1+json");
        let annotation = &mut newer["annotations"]["io.cncf.notary.x509chain.thumbprint#S256"];
        *annotation = json!(annotation.as_str().expect("text").to_uppercase());
        assert_eq!(super::tests::read(&newer), Ok(read.clone()));
        // The oldest form, a manifest of an artifact.
        let oldest = json!({"mediaType": "application/vnd.oci.artifact.manifest.v1+json",
            "artifactType": newer["artifactType"], "blobs": newer["layers"], "subject": newer["subject"],
            "annotations": newer["annotations"]});
        assert_eq!(super::tests::read(&oldest), Ok(read));
        let served =
            referrer(oldest.to_string().as_bytes(), Some("application/vnd.oci.image.manifest.v1+json"), &subject());
        assert!(matches!(served, Err(ReferrerError::Manifest(_))), "{served:?}");
    }

    #[test]
    fn each_manifest_fails_by_its_own_rule() {
        let with = |change: &dyn Fn(&mut Value)| {
            let mut manifest = manifest();
            change(&mut manifest);
            read(&manifest).expect_err("it breaks a rule")
        };
        let layer = manifest()["layers"][0].clone();
        assert_eq!(with(&|it| it["layers"] = json!([layer, layer])), ReferrerError::Layers { got: 2 });
        assert_eq!(with(&|it| it["layers"] = json!([])), ReferrerError::Layers { got: 0 });
        assert_eq!(
            with(&|it| it["layers"][0]["mediaType"] = json!("text/plain")),
            ReferrerError::MediaType("text/plain".to_owned())
        );
        assert_eq!(with(&|it| it["layers"][0]["size"] = json!(200_000)), ReferrerError::Size { got: 200_000 });
        assert_eq!(with(&|it| it["artifactType"] = json!("a/b")), ReferrerError::ArtifactType("a/b".to_owned()));
        let other = json!(Digest::sha256(b"another"));
        assert!(matches!(with(&|it| it["subject"]["digest"] = other.clone()), ReferrerError::Subject(_)));
        assert!(matches!(
            with(&|it| {
                it.as_object_mut().expect("object").remove("subject");
            }),
            ReferrerError::Subject(_)
        ));
        assert!(matches!(with(&|it| it["schemaVersion"] = json!(1)), ReferrerError::Manifest(_)));
    }
}
