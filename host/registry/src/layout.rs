//! An OCI image layout as one repository: reading (image-spec 1.1, image-layout.md).

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulla_abi::{Need, NeedKind};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::digest::Digest;
use crate::error::{clean, span};
use crate::names::{INDEX_MEDIA_TYPE, MANIFEST_MEDIA_TYPES};
use crate::push::{referrer_descriptor, subject_of};
use bulla_source::{Fetched, Source};

/// Octets of `oci-layout`, which holds one short field.
pub(crate) const MAX_MARKER_BYTES: u64 = 4096;
/// Octets of `index.json`: as for a manifest, 4 MiB.
pub(crate) const MAX_INDEX_BYTES: u64 = 4 * 1024 * 1024;
/// Octets of one manifest that is looked at for its subject: 4 MiB, what registries take.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// Octets of all manifests that are looked at for one list of referrers.
const MAX_SCANNED_BYTES: u64 = 64 * 1024 * 1024;
/// Entries of `index.json` that are read. As many as entries of a list of referrers from a registry.
const MAX_ENTRIES: usize = 2000;

/// The annotation that holds a tag.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A folder in OCI image layout. Cheap to clone. Its methods block on the file system; as a [`Source`] it does so on a
/// thread for blocking work.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Canonical, so that what lies outside can be told.
    pub(crate) root: Arc<Path>,
}

/// Why a layout cannot be read or written. `Display` names the folder first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The file system said no.
    #[error("{}: {reason}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The folder is not what it should be.
    #[error("{}: {reason}", .path.display())]
    Invalid {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that is larger than what is read.
    #[error("{}: {got} octets, at most {limit} are read", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Octets of the file.
        got: u64,
        /// Octets allowed.
        limit: u64,
    },
}

impl Layout {
    /// Opens a layout that is there.
    ///
    /// # Errors
    /// [`LayoutError`] when the folder, its `oci-layout` or its version is not there or not as it should be.
    pub fn open(path: &Path) -> Result<Self, LayoutError> {
        let root = fs::canonicalize(path).map_err(|error| io(path, &error))?;
        let layout = Self { root: root.into() };
        let marker = layout.root.join("oci-layout");
        let text = layout
            .read_file(&marker, MAX_MARKER_BYTES)?
            .ok_or_else(|| invalid(&layout.root, "no oci-layout in it: not an OCI image layout"))?;
        let version: Value = serde_json::from_slice(&text).map_err(|_| invalid(&marker, "not JSON"))?;
        match version.get("imageLayoutVersion").and_then(Value::as_str) {
            Some("1.0.0") => Ok(layout),
            Some(other) => {
                Err(invalid(&marker, &format!("image layout version {:?}, only 1.0.0 is known", clean(other))))
            }
            None => Err(invalid(&marker, "no imageLayoutVersion")),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Tags and their digests, in the order of `index.json`.
    ///
    /// # Errors
    /// [`LayoutError`] when `index.json` cannot be read.
    pub fn tags(&self) -> Result<Vec<(String, Digest)>, LayoutError> {
        let entries = self.entries()?;
        Ok(entries.iter().filter_map(|entry| Some((tag_of(entry)?.to_owned(), digest_of(entry)?))).collect())
    }

    /// The digest that a tag points to; None when no entry has the tag.
    ///
    /// # Errors
    /// [`LayoutError::Invalid`] when several entries with different digests have the tag: which one is meant, nobody
    /// can say.
    pub fn resolve(&self, tag: &str) -> Result<Option<Digest>, LayoutError> {
        Ok(self.find(tag)?.and_then(|entry| digest_of(&entry)))
    }

    /// A manifest by tag or digest, with its media type: `index.json`'s where it lists the digest, else the manifest's
    /// own.
    ///
    /// # Errors
    /// [`LayoutError`], among them [`LayoutError::TooLarge`] for more than `limit` octets.
    pub fn manifest(&self, reference: &str, limit: u64) -> Result<Option<(Bytes, Option<String>)>, LayoutError> {
        let (digest, listed) = match Digest::parse(reference) {
            Ok(digest) => {
                let listed = self.entries()?.into_iter().find(|entry| digest_of(entry).as_ref() == Some(&digest));
                (digest, listed)
            }
            Err(_) => match self.find(reference)? {
                Some(entry) => match digest_of(&entry) {
                    Some(digest) => (digest, Some(entry)),
                    None => {
                        return Err(invalid(
                            &self.root.join("index.json"),
                            &format!("no usable digest for {:?}", clean(reference)),
                        ));
                    }
                },
                None => return Ok(None),
            },
        };
        let Some(bytes) = self.blob(&digest, limit)? else {
            return Ok(None);
        };
        let text = |value: &Value| value.get("mediaType").and_then(Value::as_str).map(clean);
        let own = || serde_json::from_slice::<Value>(&bytes).ok().as_ref().and_then(text);
        let media_type = listed.as_ref().and_then(text).or_else(own);
        Ok(Some((bytes, media_type)))
    }

    /// A blob by digest; None when it is not there. Its content is not checked.
    ///
    /// # Errors
    /// [`LayoutError`], among them [`LayoutError::TooLarge`] for more than `limit` octets.
    pub fn blob(&self, digest: &Digest, limit: u64) -> Result<Option<Bytes>, LayoutError> {
        Ok(self.read_file(&self.blob_path(digest), limit)?.map(Bytes::from))
    }

    /// The manifests in `index.json` whose subject is this digest, as an image index.
    ///
    /// # Errors
    /// [`LayoutError`] when there are more than 2000 entries, or more than 64 MiB of manifests to look at.
    pub fn referrers(&self, subject: &Digest) -> Result<Bytes, LayoutError> {
        let mut found: Vec<Value> = Vec::new();
        let mut scanned: u64 = 0;
        for entry in self.entries()? {
            let (Some(digest), Some(media_type)) = (digest_of(&entry), entry.get("mediaType").and_then(Value::as_str))
            else {
                continue;
            };
            if !MANIFEST_MEDIA_TYPES.contains(&media_type) {
                continue;
            }
            let bytes = match self.blob(&digest, MAX_MANIFEST_BYTES) {
                Ok(Some(bytes)) => bytes,
                // Too large for a manifest, or not there: no registry would list it.
                Ok(None) | Err(LayoutError::TooLarge { .. }) => continue,
                Err(error) => return Err(error),
            };
            scanned = scanned.saturating_add(bytes.len() as u64);
            if scanned > MAX_SCANNED_BYTES {
                return Err(invalid(
                    &self.root,
                    &format!("more than {MAX_SCANNED_BYTES} octets of manifests to look for referrers in"),
                ));
            }
            if subject_of(&bytes).as_ref() != Some(subject) {
                continue;
            }
            let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let mut descriptor = referrer_descriptor(media_type, &bytes, &document);
            if let Some(descriptor) = descriptor.as_object_mut() {
                descriptor.insert("digest".into(), digest.as_str().into());
            }
            if !found.iter().any(|there| there.get("digest") == descriptor.get("digest")) {
                found.push(descriptor);
            }
        }
        Ok(Bytes::from(json!({"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": found}).to_string()))
    }

    /// The entry with a tag.
    fn find(&self, tag: &str) -> Result<Option<Value>, LayoutError> {
        let mut tagged = self.entries()?.into_iter().filter(|entry| tag_of(entry) == Some(tag));
        let first = tagged.next();
        if let (Some(first), Some(other)) =
            (&first, tagged.find(|entry| first.as_ref().and_then(digest_of) != digest_of(entry)))
        {
            let name = |entry| digest_of(entry).map_or_else(|| "no digest".to_owned(), |digest| digest.to_string());
            let reason = format!("the tag {:?} is there twice, for {} and {}", clean(tag), name(first), name(&other));
            return Err(invalid(&self.root.join("index.json"), &reason));
        }
        Ok(first)
    }

    /// The entries of `index.json`; none when there is no such file.
    fn entries(&self) -> Result<Vec<Value>, LayoutError> {
        let path = self.root.join("index.json");
        let mut index = self.index()?;
        let entries = index.get_mut("manifests").and_then(Value::as_array_mut).map(core::mem::take).unwrap_or_default();
        if entries.len() > MAX_ENTRIES {
            return Err(invalid(&path, &format!("{} entries, at most {MAX_ENTRIES} are read", entries.len())));
        }
        Ok(entries)
    }

    /// `index.json`, or an empty index.
    pub(crate) fn index(&self) -> Result<Value, LayoutError> {
        let path = self.root.join("index.json");
        let Some(text) = self.read_file(&path, MAX_INDEX_BYTES)? else {
            return Ok(json!({"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": []}));
        };
        let index: Value =
            serde_json::from_slice(&text).map_err(|error| invalid(&path, &format!("not JSON: {error}")))?;
        if index.get("manifests").is_some_and(Value::is_array) {
            Ok(index)
        } else {
            Err(invalid(&path, "no manifests in it: not an image index"))
        }
    }

    /// Where a blob lies. A checked digest has no slash and no dot, so this is always in the folder.
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm()).join(digest.encoded())
    }

    /// A file of at most `limit` octets, in the folder also after symbolic links are followed; None when it is not
    /// there.
    pub(crate) fn read_file(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, LayoutError> {
        let real = match fs::canonicalize(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| io(path, &error))?,
        };
        if !real.starts_with(&self.root) {
            return Err(invalid(path, "leads out of the layout by a symbolic link"));
        }
        // Before it is opened: opening a pipe would wait for its writer.
        let metadata = fs::metadata(&real).map_err(|error| io(path, &error))?;
        if !metadata.is_file() {
            return Err(invalid(path, "not a file"));
        }
        let too_large = |got| LayoutError::TooLarge { path: path.to_owned(), got, limit };
        if metadata.len() > limit {
            return Err(too_large(metadata.len()));
        }
        let mut bytes = Vec::new();
        let file = File::open(&real).map_err(|error| io(path, &error))?;
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| io(path, &error))?;
        if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(Some(bytes)) }
    }

    fn answer(&self, need: &Need) -> Result<Fetched, LayoutError> {
        let bytes = |found: Option<Bytes>, media_type| {
            found.map_or(Fetched::Absent, |bytes| Fetched::Bytes { bytes, media_type })
        };
        let digest = || Digest::parse(&need.reference).map_err(|error| invalid(&self.root, &error.to_string()));
        Ok(match need.kind {
            NeedKind::Resolve => {
                self.resolve(&need.reference)?.map_or(Fetched::Absent, |digest| Fetched::Digest(digest.to_string()))
            }
            NeedKind::Manifest => match self.manifest(&need.reference, need.limit)? {
                Some((found, media_type)) => bytes(Some(found), media_type),
                None => Fetched::Absent,
            },
            NeedKind::Blob => bytes(self.blob(&digest()?, need.limit)?, None),
            NeedKind::Referrers => {
                let index = self.referrers(&digest()?)?;
                let got = index.len() as u64;
                if got > need.limit {
                    Fetched::TooLarge { got }
                } else {
                    bytes(Some(index), Some(INDEX_MEDIA_TYPE.to_owned()))
                }
            }
            other => Fetched::Failed { reason: format!("{}: {other:?} is not known here", self.root.display()) },
        })
    }
}

impl Source for Layout {
    fn fetch<'a>(&'a self, need: &'a Need, deadline: Instant) -> BoxFuture<'a, Fetched> {
        let (layout, asked, started) = (self.clone(), need.clone(), Instant::now());
        async move {
            let work = tokio::task::spawn_blocking(move || layout.answer(&asked));
            match timeout_at(deadline, work).await {
                Ok(Ok(Ok(fetched))) => fetched,
                Ok(Ok(Err(LayoutError::TooLarge { got, .. }))) => Fetched::TooLarge { got },
                Ok(Ok(Err(error))) => Fetched::Failed { reason: error.to_string() },
                Ok(Err(error)) => Fetched::Failed { reason: format!("{}: {error}", self.root.display()) },
                Err(_) => Fetched::Failed {
                    reason: format!(
                        "{}: not read when the deadline came, after {}",
                        self.root.display(),
                        span(&started.elapsed())
                    ),
                },
            }
        }
        .boxed()
    }
}

pub(crate) fn tag_of(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(REF_NAME)?.as_str()
}

pub(crate) fn digest_of(entry: &Value) -> Option<Digest> {
    Digest::parse(entry.get("digest")?.as_str()?).ok()
}

pub(crate) fn io(path: &Path, error: &std::io::Error) -> LayoutError {
    LayoutError::Io { path: path.to_owned(), reason: error.to_string() }
}

pub(crate) fn invalid(path: &Path, reason: &str) -> LayoutError {
    LayoutError::Invalid { path: path.to_owned(), reason: reason.to_owned() }
}
