//! The manifest that ties a bundle to an image (cosign BUNDLE_SPEC.md, "Publishing"; OCI image-spec 1.1, manifest.md,
//! "Guidelines for Artifact Usage").

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Bundle, BundleError, MEDIA_TYPE_V03, Version, version};

use crate::digest::{Content, Digest, DigestError};
use crate::json::JsonError;
use crate::manifest::{Blob, Manifest, ManifestError, OCI_MANIFEST};
use crate::ordered::Ordered as _;
use crate::subject::{SubjectError, check_subject};
use crate::text::excerpt;

/// Annotation with the type of the predicate that was signed: a hint, by which a client picks (BUNDLE_SPEC.md, "Annotations").
pub const PREDICATE_TYPE_ANNOTATION: &str = "dev.sigstore.bundle.predicateType";
/// Annotation with the bundle's kind of content: `dsse-envelope` or `message-signature`.
pub const CONTENT_ANNOTATION: &str = "dev.sigstore.bundle.content";
/// Media type of the config of an artifact that needs none (image-spec, manifest.md, "Guidance for an Empty Descriptor").
pub const EMPTY_MEDIA_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// The content of that config.
pub const EMPTY_CONFIG: &[u8] = b"{}";

/// A manifest that brings one bundle for one image. A claim, like the list that named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The bundle's digest and size.
    pub bundle: Blob,
    /// The bundle's version, by its media type.
    pub version: Version,
    /// What the predicate's type is said to be.
    pub predicate_type: Option<String>,
    /// What the bundle's kind of content is said to be.
    pub content: Option<String>,
}

/// Why a manifest does not bring a bundle for an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferrerError {
    /// Not a manifest.
    #[error("referrer: {0}")]
    Manifest(#[from] ManifestError),
    /// An index where an image is expected.
    #[error("referrer: an index, where an image manifest is expected")]
    Index,
    /// It refers to something else: the list that named it is wrong.
    #[error("referrer: {0}")]
    Subject(#[from] SubjectError),
    /// Not exactly one layer (cosign, pkg/cosign/verify_bundle.go, `GetBundles`).
    #[error("referrer: {got} layers, expected one")]
    Layers {
        /// Layers there are.
        got: usize,
    },
    /// The layer is not a bundle.
    #[error("referrer: media type {0:?} is not a bundle's")]
    MediaType(String),
    /// The layer is a bundle of a version that is not read.
    #[error("referrer: {0}")]
    Version(BundleError),
    /// The layer's digest cannot be checked.
    #[error("referrer: {0}")]
    Digest(#[from] DigestError),
    /// It cannot be written.
    #[error("referrer: {0}")]
    Json(#[from] JsonError),
}

/// Parses a manifest and holds it against the image that it is said to refer to.
///
/// # Errors
/// [`ReferrerError`], one variant for each rule.
pub fn referrer(manifest: &[u8], content_type: Option<&str>, subject: &Digest) -> Result<Referrer, ReferrerError> {
    let Manifest::Image(image) = Manifest::parse(manifest, content_type)? else {
        return Err(ReferrerError::Index);
    };
    check_subject(image.subject().as_ref(), subject)?;
    let [layer] = image.layers().as_slice() else {
        return Err(ReferrerError::Layers { got: image.layers().len() });
    };
    let bundle = Blob::of(layer)?;
    let version = version(&bundle.media_type)
        .map_err(ReferrerError::Version)?
        .ok_or_else(|| ReferrerError::MediaType(excerpt(&bundle.media_type)))?;
    let annotation = |name: &str| image.annotations().as_ref().and_then(|all| all.get(name)).cloned();
    let (predicate_type, content) = (annotation(PREDICATE_TYPE_ANNOTATION), annotation(CONTENT_ANNOTATION));
    Ok(Referrer { bundle, version, predicate_type, content })
}

impl Referrer {
    /// Parses the bundle that this manifest brings, from bytes that were held against its digest.
    ///
    /// Its media type is there twice. Upstream reads only the one inside; here both must say the same version, in whatever
    /// spelling.
    ///
    /// # Errors
    /// [`BundleError`], [`BundleError::OtherVersion`] among them.
    pub fn open(&self, bundle: Content<'_>, limit: usize) -> Result<Bundle, BundleError> {
        let bundle = Bundle::parse(bundle.bytes(), limit)?;
        if bundle.version != self.version {
            return Err(BundleError::OtherVersion { inside: bundle.version, outside: self.version });
        }
        Ok(bundle)
    }
}

/// The manifest of a bundle of version 0.3 that holds an envelope, as cosign 3 writes it (pkg/oci/remote/write.go,
/// `WriteReferrer`), without the time of its creation and without the `artifactType` that cosign repeats in the config.
/// Its config is [`EMPTY_CONFIG`].
///
/// # Errors
/// [`ReferrerError::Json`] when it cannot be serialised.
pub fn write_referrer(
    bundle: &[u8],
    predicate_type: &str,
    subject_media_type: &str,
    subject: &Digest,
    subject_size: u64,
) -> Result<Vec<u8>, ReferrerError> {
    let blob = |media_type, bytes: &[u8]| Descriptor {
        media_type,
        digest: Digest::sha256(bytes),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
    };
    let document = Written {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        artifact_type: MEDIA_TYPE_V03,
        config: blob(EMPTY_MEDIA_TYPE, EMPTY_CONFIG),
        layers: [blob(MEDIA_TYPE_V03, bundle)],
        subject: Descriptor { media_type: subject_media_type, digest: subject.clone(), size: subject_size },
        annotations: [(CONTENT_ANNOTATION, "dsse-envelope"), (PREDICATE_TYPE_ANNOTATION, predicate_type)]
            .into_iter()
            .into_map(),
    };
    serde_json::to_vec(&document).map_err(|error| JsonError::Syntax(error.to_string()).into())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'m> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor<'m>,
    layers: [Descriptor<'m>; 1],
    subject: Descriptor<'m>,
    annotations: BTreeMap<&'static str, &'m str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'m> {
    media_type: &'m str,
    digest: Digest,
    size: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{COSIGN, with};
    use super::{BundleError, Version, referrer, write_referrer};
    use crate::digest::Digest;

    #[test]
    fn a_referrer_is_written_read_and_opened() {
        let (image, predicate_type) = (Digest::sha256(b"image"), "https://example.com/p/v1");
        let oci = "application/vnd.oci.image.manifest.v1+json";
        let manifest = write_referrer(COSIGN.as_bytes(), predicate_type, oci, &image, 7).expect("valid");
        let read = referrer(&manifest, Some(oci), &image).expect("valid");
        assert_eq!(read.bundle.digest, Digest::sha256(COSIGN.as_bytes()));
        assert_eq!(read.bundle.size, u64::try_from(COSIGN.len()).expect("small"));
        assert_eq!(
            (read.predicate_type.as_deref(), read.content.as_deref()),
            (Some(predicate_type), Some("dsse-envelope"))
        );
        let content = read.bundle.digest.check(COSIGN.as_bytes()).expect("its digest");
        assert!(read.open(content, 1 << 16).is_ok());

        let text = String::from_utf8(manifest).expect("JSON is UTF-8");
        // Cosign's own has more: a time, and the type of the artifact in its config once again.
        let cosigns = text
            .replace("\"size\":2", "\"size\":2,\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"")
            .replace(
                "\"annotations\":{",
                "\"annotations\":{\"org.opencontainers.image.created\":\"2026-11-21T22:11:25Z\",",
            );
        assert_eq!(referrer(cosigns.as_bytes(), None, &image), Ok(read.clone()));
        let layers = text.find("\"layers\":[{").expect("layers");
        let older = text[layers..].replacen("bundle.v0.3+json", "bundle+json;version=0.2", 1);
        let older = referrer(format!("{}{older}", &text[..layers]).as_bytes(), None, &image).expect("valid");
        let opened = older.open(content, 1 << 16);
        assert_eq!(opened, Err(BundleError::OtherVersion { inside: Version::V03, outside: Version::V02 }));
        let spelled = text[layers..].replacen("bundle.v0.3+json", "bundle+json;version=0.3", 1);
        let spelled = referrer(format!("{}{spelled}", &text[..layers]).as_bytes(), None, &image).expect("valid");
        assert!(spelled.open(content, 1 << 16).is_ok());
    }

    #[test]
    fn what_does_not_bring_one_bundle_for_the_image_is_refused() {
        let image = Digest::sha256(b"image");
        let manifest = write_referrer(b"{}", "t", "a/b", &image, 7).expect("valid");
        let good: Value = serde_json::from_slice(&manifest).expect("JSON");
        let layer = good.pointer("/layers/0").expect("a layer").clone();
        let refused = |pointer: &str, value: Value| {
            let error = referrer(with(good.clone(), pointer, value).to_string().as_bytes(), None, &image);
            error.expect_err(pointer).to_string()
        };
        let other = Digest::sha256(b"other");
        for (pointer, value, message) in [
            ("/subject", Value::Null, "no subject"),
            ("/subject/digest", json!(other), "refers to sha256:"),
            ("/layers", json!([]), "0 layers"),
            ("/layers", json!([layer, layer]), "2 layers"),
            (
                "/layers",
                json!([with(layer.clone(), "/mediaType", json!("text/plain"))]),
                "\"text/plain\" is not a bundle's",
            ),
            (
                "/layers",
                json!([with(layer.clone(), "/mediaType", json!("application/vnd.dev.sigstore.bundle.v0.4+json"))]),
                "is not supported: 0.1, 0.2 and 0.3 are",
            ),
            ("/layers", json!([with(layer, "/digest", json!(format!("md5:{}", "a".repeat(32))))]), "md5"),
            ("/mediaType", json!("application/vnd.oci.image.index.v1+json"), "media type"),
            ("/manifests", json!([]), "both layers and manifests"),
        ] {
            let error = refused(pointer, value);
            assert!(error.contains(message), "{pointer}: {error}");
        }
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        assert!(referrer(index.as_bytes(), None, &image).expect_err("an index").to_string().contains("an index"));
    }
}
