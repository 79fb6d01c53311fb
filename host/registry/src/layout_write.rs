//! An OCI image layout as one repository: writing (image-spec 1.1, image-layout.md).

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::error::clean;
use crate::layout::{Layout, LayoutError, MAX_INDEX_BYTES, REF_NAME, digest_of, invalid, io, tag_of};
use crate::names::is_tag;

/// Distinguishes the temporary files of one process.
static SERIAL: AtomicU64 = AtomicU64::new(0);

impl Layout {
    /// Opens a layout, after making it where the folder is empty or not there.
    ///
    /// # Errors
    /// [`LayoutError::Invalid`] for a folder that holds other things: they are somebody's, and stay as they are.
    pub fn create(path: &Path) -> Result<Self, LayoutError> {
        fs::create_dir_all(path).map_err(|error| io(path, &error))?;
        let marker = path.join("oci-layout");
        if !marker.try_exists().map_err(|error| io(&marker, &error))? {
            if fs::read_dir(path).map_err(|error| io(path, &error))?.next().is_some() {
                return Err(invalid(path, "not empty and not an OCI image layout"));
            }
            let blobs = path.join("blobs/sha256");
            fs::create_dir_all(&blobs).map_err(|error| io(&blobs, &error))?;
            // The marker comes last but for the index, which may be missing: a layout half made is not a layout.
            replace(&marker, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        let layout = Self::open(path)?;
        let index = layout.root.join("index.json");
        if !index.try_exists().map_err(|error| io(&index, &error))? {
            layout.update_index(|_| true)?;
        }
        Ok(layout)
    }

    /// Stores a blob under its SHA-256 digest. One that is there stays as it is, unless its size shows that it was cut
    /// short.
    ///
    /// # Errors
    /// [`LayoutError::Io`] when it cannot be written.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, LayoutError> {
        let digest = Digest::sha256(bytes);
        let path = self.blob_path(&digest);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|error| io(folder, &error))?;
        let real = fs::canonicalize(folder).map_err(|error| io(folder, &error))?;
        if !real.starts_with(&self.root) {
            return Err(invalid(folder, "leads out of the layout by a symbolic link"));
        }
        if fs::symlink_metadata(&path).is_ok_and(|there| there.is_file() && there.len() == bytes.len() as u64) {
            return Ok(digest);
        }
        replace(&path, bytes)?;
        Ok(digest)
    }

    /// Stores a manifest and lists it in `index.json`, under a tag if one is given. An entry that had the tag before
    /// keeps its place in the list and loses the tag, as in a registry: what refers to a subject stays listed.
    ///
    /// # Errors
    /// [`LayoutError::Invalid`] for a tag that is none, [`LayoutError::Io`] when it cannot be written.
    pub fn put_manifest(&self, bytes: &[u8], media_type: &str, tag: Option<&str>) -> Result<Digest, LayoutError> {
        if let Some(bad) = tag.filter(|tag| !is_tag(tag)) {
            return Err(invalid(&self.root, &format!("{:?} is not a tag", clean(bad))));
        }
        let digest = self.put_blob(bytes)?;
        self.update_index(|entries| {
            list(entries, &digest, bytes.len(), media_type, tag);
            true
        })?;
        Ok(digest)
    }

    /// Stores a manifest under a tag, if the tag still names what the caller has read there: nobody who writes in this way
    /// loses what another one wrote meanwhile. False when it names something else.
    ///
    /// # Errors
    /// As [`put_manifest`](Self::put_manifest).
    pub fn replace_manifest(
        &self,
        bytes: &[u8],
        media_type: &str,
        tag: &str,
        was: Option<&Digest>,
    ) -> Result<bool, LayoutError> {
        if !is_tag(tag) {
            return Err(invalid(&self.root, &format!("{:?} is not a tag", clean(tag))));
        }
        let digest = self.put_blob(bytes)?;
        self.update_index(|entries| {
            let now = entries.iter().find(|entry| tag_of(entry) == Some(tag)).and_then(digest_of);
            let is_same = now.as_ref() == was;
            if is_same {
                list(entries, &digest, bytes.len(), media_type, Some(tag));
            }
            is_same
        })
    }

    /// Changes the entries of `index.json` under a lock that all writers here take, and replaces the file in one step:
    /// a reader sees the old list or the new one. Nothing is written, and false is given, when `change` says so.
    fn update_index(&self, change: impl FnOnce(&mut Vec<Value>) -> bool) -> Result<bool, LayoutError> {
        let marker = self.root.join("oci-layout");
        // `oci-layout` never changes, so it can carry the lock for the file that does. The lock goes with the handle.
        let lock = File::open(&marker).map_err(|error| io(&marker, &error))?;
        lock.lock().map_err(|error| io(&marker, &error))?;
        let mut index = self.index()?;
        let entries = index.get_mut("manifests").and_then(Value::as_array_mut);
        if !entries.is_some_and(change) {
            return Ok(false);
        }
        let path = self.root.join("index.json");
        let text = index.to_string();
        if text.len() as u64 > MAX_INDEX_BYTES {
            return Err(LayoutError::TooLarge { path, got: text.len() as u64, limit: MAX_INDEX_BYTES });
        }
        replace(&path, text.as_bytes())?;
        Ok(true)
    }
}

/// Lists a manifest, under a tag if one is given.
fn list(entries: &mut Vec<Value>, digest: &Digest, size: usize, media_type: &str, tag: Option<&str>) {
    let is_this = |entry: &Value| digest_of(entry).as_ref() == Some(digest);
    if let Some(tag) = tag {
        for entry in entries.iter_mut().filter(|entry| tag_of(entry) == Some(tag)) {
            untag(entry);
        }
    }
    if tag.is_none() && entries.iter().any(is_this) {
        return;
    }
    // An entry of this digest without a tag says nothing that the new one does not say.
    entries.retain(|entry| !is_this(entry) || tag_of(entry).is_some());
    let mut entry = json!({"mediaType": media_type, "digest": digest.as_str(), "size": size});
    if let (Some(tag), Some(fields)) = (tag, entry.as_object_mut()) {
        fields.insert("annotations".into(), json!({ REF_NAME: tag }));
    }
    entries.push(entry);
}

/// Takes the tag off an entry, and the annotations with it when nothing else is in them.
fn untag(entry: &mut Value) {
    let Some(fields) = entry.as_object_mut() else { return };
    if let Some(annotations) = fields.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(REF_NAME);
        if annotations.is_empty() {
            fields.remove("annotations");
        }
    }
}

/// Writes a file beside its place, makes sure of it on disk, and renames it there. What a symbolic link at this place
/// points to stays.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), LayoutError> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("tmp-{}-{serial}", std::process::id()));
    let write = || {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The rename itself is on disk when the folder is. Elsewhere than on Unix a folder cannot be opened.
        path.parent().filter(|_| cfg!(unix)).map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|error| {
        // Nothing more can be done when this fails too.
        let _ = fs::remove_file(&temporary);
        io(path, &error)
    })
}
