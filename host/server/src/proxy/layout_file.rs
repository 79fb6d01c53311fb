//! A blob of an OCI image layout as a stream, whole or in part: layers are too large to be read into memory.

use std::io::SeekFrom;

use bulla_registry::{BlobRange, Digest, Layout, RegistryError};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Octets read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// An open blob, with the octets that the file has.
pub(super) struct LayoutFile {
    file: File,
    pub(super) size: u64,
    name: String,
}

impl LayoutFile {
    /// Opens a blob; None when it is not there. A checked digest has no slash and no dot, and a symbolic link that leads
    /// out of the layout is refused.
    ///
    /// # Errors
    /// [`RegistryError::Broken`] with what the file system said.
    pub(super) async fn open(layout: &Layout, digest: &Digest) -> Result<Option<Self>, RegistryError> {
        let name = layout.path().display().to_string();
        let failed = |error: std::io::Error| broken(&name, &error.to_string());
        let path = layout.path().join("blobs").join(digest.algorithm()).join(digest.encoded());
        let real = match fs::canonicalize(&path).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed)?,
        };
        if !real.starts_with(layout.path()) {
            return Err(broken(&name, "the blob leads out of the layout by a symbolic link"));
        }
        // Before it is opened: opening a pipe would wait for its writer.
        let metadata = fs::metadata(&real).await.map_err(failed)?;
        if !metadata.is_file() {
            return Err(broken(&name, "the blob is not a file"));
        }
        let file = File::open(&real).await.map_err(failed)?;
        Ok(Some(Self { file, size: metadata.len(), name }))
    }

    /// The octets of a range within the file, or all.
    pub(super) fn read(self, range: Option<BlobRange>) -> BoxStream<'static, Result<Bytes, RegistryError>> {
        let first = range.map_or(0, |range| range.first);
        let last = range.and_then(|range| range.last).unwrap_or(u64::MAX);
        let left = last.saturating_sub(first).saturating_add(1);
        let name = self.name;
        let opened = async move {
            let mut file = self.file;
            file.seek(SeekFrom::Start(first)).await?;
            let parts = stream::try_unfold((file, left), |(mut file, left)| async move {
                let room = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
                let mut chunk = vec![0; room];
                let read = if room == 0 { 0 } else { file.read(&mut chunk).await? };
                chunk.truncate(read);
                let left = left.saturating_sub(read as u64);
                Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), (file, left))))
            });
            Ok::<_, std::io::Error>(parts)
        };
        stream::once(opened).try_flatten().map_err(move |error| broken(&name, &error.to_string())).boxed()
    }
}

fn broken(layout: &str, reason: &str) -> RegistryError {
    RegistryError::Broken { registry: layout.to_owned(), request: "GET blob".to_owned(), reason: reason.to_owned() }
}
