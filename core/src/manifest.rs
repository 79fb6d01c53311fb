//! Manifests and indexes (OCI image-spec, manifest.md and image-index.md; Docker image manifest v2, schema 2).
//!
//! A document is read once, strictly, from the exact bytes that were hashed. One that could be read as two things (layers
//! and manifests, or a media type that says otherwise) is refused: CVE-2021-41190.

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde_json::Value;

use crate::digest::{Digest, DigestError};
use crate::json::{self, JsonError};
use crate::limits::MAX_MANIFEST_BYTES;
use crate::text::excerpt;

/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a Docker manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of a Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest or an index that was parsed and inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// One image: a config and layers.
    Image(Box<ImageManifest>),
    /// Several: a list of manifests.
    Index(Box<ImageIndex>),
}

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not strict JSON, too large, or not of a manifest's shape.
    #[error("manifest: {0}")]
    Json(#[from] JsonError),
    /// `layers` or `config` beside `manifests`: two readers would see two images (CVE-2021-41190).
    #[error("manifest has both layers and manifests")]
    Ambiguous,
    /// A member whose name differs from a known one by its case only: what runs images reads it as that one (Go,
    /// encoding/json), what checks them would not.
    #[error("manifest has a member {0:?}, which some readers take for another one")]
    Spelling(String),
    /// Neither `layers` nor `manifests`.
    #[error("manifest has neither layers nor manifests")]
    Neither,
    /// Not schema version 2.
    #[error("manifest schema version {0} is not supported: 2 is")]
    SchemaVersion(u64),
    /// The `mediaType` inside names another kind of document, or none that Bulla reads.
    #[error("manifest media type {0:?} does not fit its content")]
    MediaType(String),
    /// The `Content-Type` it came with contradicts the `mediaType` inside.
    #[error("manifest says it is {inside:?} and came as {outside:?}")]
    ContentType {
        /// The `mediaType` in the document.
        inside: String,
        /// The `Content-Type` it came with.
        outside: String,
    },
    /// A descriptor's digest is not one.
    #[error("manifest: {0}")]
    Digest(#[from] DigestError),
}

/// A descriptor's three checked facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content in octets.
    pub size: u64,
    /// Media type of the content, as the descriptor claims it.
    pub media_type: String,
}

impl Blob {
    /// Reads a descriptor: its digest must be one that can be checked.
    ///
    /// # Errors
    /// [`DigestError`] with the value that was found.
    pub fn of(descriptor: &Descriptor) -> Result<Self, DigestError> {
        Ok(Self {
            digest: Digest::parse(descriptor.digest().as_ref())?,
            size: descriptor.size(),
            media_type: descriptor.media_type().to_string(),
        })
    }
}

impl Manifest {
    /// Parses and inspects a manifest or index. `content_type` is what it came with, if that is known.
    ///
    /// # Errors
    /// [`ManifestError`], one variant for each rule.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        let limit = usize::try_from(MAX_MANIFEST_BYTES).unwrap_or(usize::MAX);
        let document = json::parse(bytes, limit)?;
        json::check_objects(&document, &["", "/config", "/subject"])?;
        let lists = ["layers", "manifests"].into_iter().filter_map(|name| document.get(name)?.as_array());
        for descriptor in lists.flatten() {
            json::check_objects(descriptor, &[""])?;
        }
        if let Some(name) = misspelt(&document) {
            return Err(ManifestError::Spelling(excerpt(name)));
        }
        let has = |name: &str| document.get(name).is_some();
        if has("manifests") && (has("layers") || has("config")) {
            return Err(ManifestError::Ambiguous);
        }
        match document.get("schemaVersion").and_then(Value::as_u64) {
            Some(2) => {}
            other => return Err(ManifestError::SchemaVersion(other.unwrap_or(0))),
        }
        let is_index = has("manifests");
        if !is_index && !has("layers") {
            return Err(ManifestError::Neither);
        }
        let inside = document.get("mediaType").and_then(Value::as_str).map(str::to_owned);
        check_media_type(inside.as_deref(), content_type, is_index)?;
        if is_index {
            Ok(Self::Index(Box::new(json::shape(document)?)))
        } else {
            Ok(Self::Image(Box::new(json::shape(document)?)))
        }
    }

    /// The media type to serve this document as: its own, else the one it came with, else OCI's for its kind. Always one
    /// of the four that are read here.
    pub fn media_type(&self, content_type: Option<&str>) -> &'static str {
        let (own, default) = match self {
            Self::Image(image) => (image.media_type(), OCI_MANIFEST),
            Self::Index(index) => (index.media_type(), OCI_INDEX),
        };
        let known =
            |text: &str| [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].into_iter().find(|it| *it == text);
        let own = own.as_ref().map(ToString::to_string);
        own.as_deref().and_then(known).or_else(|| content_type.and_then(known)).unwrap_or(default)
    }

    /// Manifests that this document names: the children of an index.
    ///
    /// # Errors
    /// [`DigestError`] for a child whose digest could not be checked.
    pub fn children(&self) -> Result<Vec<Blob>, DigestError> {
        match self {
            Self::Image(_) => Ok(Vec::new()),
            Self::Index(index) => index.manifests().iter().map(Blob::of).collect(),
        }
    }

    /// Blobs that this document names: the config and the layers of an image.
    ///
    /// # Errors
    /// [`DigestError`] for a blob whose digest could not be checked.
    pub fn blobs(&self) -> Result<Vec<Blob>, DigestError> {
        match self {
            Self::Image(image) => core::iter::once(image.config()).chain(image.layers()).map(Blob::of).collect(),
            Self::Index(_) => Ok(Vec::new()),
        }
    }
}

/// Members that readers of manifests, indexes and descriptors know (image-spec, manifest.md, image-index.md, descriptor.md;
/// and Docker's older schemas).
const MEMBERS: [&str; 23] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "digest",
    "size",
    "urls",
    "data",
    "platform",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "features",
    "fsLayers",
    "history",
    "signatures",
    "name",
];

/// The first member, at any depth but among annotations, that is a known one but for its case.
fn misspelt(value: &Value) -> Option<&str> {
    match value {
        Value::Array(items) => items.iter().find_map(misspelt),
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            let is_known = MEMBERS.contains(&name.as_str());
            if !is_known && MEMBERS.iter().any(|known| fold(known) == fold(name)) {
                return Some(name.as_str());
            }
            if name == "annotations" { None } else { misspelt(value) }
        }),
        _ => None,
    }
}

/// Letters as Go's reader compares them: two of Unicode fold to ASCII (bytes.EqualFold).
fn fold(name: &str) -> String {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
}

fn check_media_type(inside: Option<&str>, outside: Option<&str>, is_index: bool) -> Result<(), ManifestError> {
    let fits = |media_type: &str| match media_type {
        OCI_INDEX | DOCKER_LIST => is_index,
        OCI_MANIFEST | DOCKER_MANIFEST => !is_index,
        _ => false,
    };
    if let Some(inside) = inside
        && !fits(inside)
    {
        return Err(ManifestError::MediaType(excerpt(inside)));
    }
    // A Content-Type may carry parameters; a generic one says nothing and contradicts nothing.
    let outside = outside.and_then(|value| value.split(';').next()).map(str::trim);
    match outside {
        None | Some("" | "application/json" | "application/octet-stream") => Ok(()),
        Some(outside) if inside.is_some_and(|inside| inside != outside) => {
            Err(ManifestError::ContentType { inside: excerpt(inside.unwrap_or_default()), outside: excerpt(outside) })
        }
        Some(outside) if !fits(outside) => Err(ManifestError::MediaType(excerpt(outside))),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{DOCKER_MANIFEST, Manifest, ManifestError, OCI_INDEX, OCI_MANIFEST};

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn image(media_type: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{{"mediaType":"a/b","digest":"{DIGEST}","size":2}},"layers":[]}}"#
        )
    }

    #[test]
    fn a_manifest_is_read_as_what_it_says_it_is() {
        let parse = |text: &str, content_type| Manifest::parse(text.as_bytes(), content_type);
        assert!(matches!(parse(&image(OCI_MANIFEST), Some(OCI_MANIFEST)), Ok(Manifest::Image(_))));
        assert!(matches!(parse(&image(DOCKER_MANIFEST), None), Ok(Manifest::Image(_))));
        let docker = parse(&image(DOCKER_MANIFEST), None).expect("a manifest");
        assert_eq!(docker.media_type(Some(OCI_MANIFEST)), DOCKER_MANIFEST);
        assert!(matches!(parse(&image(OCI_INDEX), None), Err(ManifestError::MediaType(_))));
        assert!(matches!(parse(&image(OCI_MANIFEST), Some(DOCKER_MANIFEST)), Err(ManifestError::ContentType { .. })));
        let index = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[]}}"#);
        assert!(matches!(parse(&index, None), Ok(Manifest::Index(_))));
    }

    #[test]
    fn a_document_that_could_be_two_things_is_refused() {
        let both = format!(r#"{{"schemaVersion":2,"manifests":[],{}"#, &image(OCI_MANIFEST)[19..]);
        assert_eq!(Manifest::parse(both.as_bytes(), None), Err(ManifestError::Ambiguous));
        assert_eq!(Manifest::parse(br#"{"schemaVersion":2}"#, None), Err(ManifestError::Neither));
        assert_eq!(Manifest::parse(br#"{"schemaVersion":1,"layers":[]}"#, None), Err(ManifestError::SchemaVersion(1)));
    }

    #[test]
    fn a_member_that_another_reader_would_take_for_a_known_one_is_refused() {
        for (from, to) in [
            ("\"layers\"", "\"Layers\""),
            ("\"layers\":[]", "\"layers\":[],\"manife\u{17f}ts\":[]"),
            ("\"size\":2", "\"size\":2,\"Digest\":\"x\""),
        ] {
            let text = image(OCI_MANIFEST).replace(from, to);
            assert!(matches!(Manifest::parse(text.as_bytes(), None), Err(ManifestError::Spelling(_))), "{text}");
        }
        let text = image(OCI_MANIFEST).replace("\"layers\":[]", "\"layers\":[],\"annotations\":{\"Layers\":\"x\"}");
        assert!(Manifest::parse(text.as_bytes(), None).is_ok());
    }

    #[test]
    fn a_digest_that_cannot_be_checked_is_refused() {
        let text = image(OCI_MANIFEST).replace(DIGEST, &DIGEST.to_uppercase().replace("SHA", "sha"));
        let manifest = Manifest::parse(text.as_bytes(), None);
        assert!(manifest.is_err() || manifest.is_ok_and(|m| m.blobs().is_err()));
    }
}
