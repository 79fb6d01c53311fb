//! Files by digest: `sha256/ab/abcdef…`, each written under another name and renamed, so that none is ever half there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::Digest;
use crate::folder::{CONTENTS, DRAFTS, flush};
use crate::limits::MAX_CONTENT_BYTES;

/// The files of one store.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    contents: PathBuf,
    drafts: PathBuf,
}

/// What putting a file took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It was there, whole.
    There,
    /// It was written.
    Written,
}

impl Files {
    pub(crate) fn of(folder: &Path) -> Self {
        Self { contents: folder.join(CONTENTS), drafts: folder.join(DRAFTS) }
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.contents.join(hex.get(..2).unwrap_or_default()).join(hex)
    }

    /// What lies under this digest, unchecked; `None` where nothing does.
    pub(crate) fn read(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_CONTENT_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_CONTENT_BYTES {
            return Err(io::Error::other(format!("more than {MAX_CONTENT_BYTES} octets")));
        }
        Ok(Some(bytes))
    }

    /// Puts these octets under their digest, unless they lie there whole. Damaged ones are replaced.
    pub(crate) fn put(&self, digest: &Digest, bytes: &[u8]) -> io::Result<Put> {
        if bytes.len() as u64 > MAX_CONTENT_BYTES {
            return Err(io::Error::other(format!("{} octets, at most {MAX_CONTENT_BYTES} are kept", bytes.len())));
        }
        let path = self.path(digest);
        match fs::read(&path) {
            Ok(found) if found == bytes => return Ok(Put::There),
            Ok(_) => tracing::warn!(path = %path.display(), "a damaged file of the records is replaced"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let draft = self.drafts.join(NUMBER.fetch_add(1, Ordering::Relaxed).to_string());
        let written = write_new(&draft, bytes).and_then(|()| self.place(&draft, &path));
        if written.is_err() {
            // Best effort: what counts is the error that is returned.
            let _ = fs::remove_file(&draft);
        }
        written.map(|()| Put::Written)
    }

    fn place(&self, draft: &Path, path: &Path) -> io::Result<()> {
        match fs::rename(draft, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let shard = path.parent().unwrap_or(&self.contents);
                DirBuilder::new().recursive(true).mode(0o700).create(shard)?;
                fs::rename(draft, path)
            }
            renamed => renamed,
        }
    }

    /// Makes sure that these files are on disk, with the folders that they are in.
    pub(crate) fn flush(&self, digests: &[Digest]) -> io::Result<()> {
        let mut shards: Vec<PathBuf> = Vec::new();
        for path in digests.iter().map(|digest| self.path(digest)) {
            match File::open(&path) {
                // Collected meanwhile: no record names it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?.sync_all()?,
            }
            shards.extend(path.parent().map(Path::to_owned));
        }
        shards.sort();
        shards.dedup();
        let made = !shards.is_empty();
        shards.iter().try_for_each(|shard| flush(shard))?;
        if made { flush(&self.contents) } else { Ok(()) }
    }

    /// Every file with its size. What is no file of ours is passed over.
    pub(crate) fn all(&self) -> io::Result<Vec<(Digest, u64)>> {
        let mut found = Vec::new();
        for shard in fs::read_dir(&self.contents)? {
            let shard = shard?.path();
            if !shard.is_dir() {
                continue;
            }
            for entry in fs::read_dir(shard)? {
                let entry = entry?;
                if let Some(digest) = entry.file_name().to_str().and_then(|name| Digest::parse(name).ok()) {
                    found.push((digest, entry.metadata().map_or(0, |found| found.len())));
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn remove(&self, digest: &Digest) -> io::Result<()> {
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}
