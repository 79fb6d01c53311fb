//! The folder of a store: its owner's alone, and written by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// Files by digest.
pub(crate) const CONTENTS: &str = "sha256";
/// Segments of the journal.
pub(crate) const JOURNAL: &str = "journal";
/// Files that are being written.
pub(crate) const DRAFTS: &str = "drafts";
const LOCK: &str = "lock";

/// A folder that is ours and that nobody else writes to while this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens the folder, makes what is missing, and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |error: io::Error| StoreError::io("open", path, error);
        make(path).map_err(failed)?;
        let found = fs::metadata(path).map_err(failed)?;
        let refused = |why: String| Err(StoreError::Folder { path: path.to_owned(), why });
        if !found.is_dir() {
            return refused("not a folder".to_owned());
        }
        let us = rustix::process::geteuid().as_raw();
        if found.uid() != us {
            return refused(format!("owned by user {}, not by user {us}", found.uid()));
        }
        if found.mode() & 0o077 != 0 {
            let mode = found.mode() & 0o7777;
            return refused(format!("open to others (mode {mode:04o}): give it mode 0700, or name another folder"));
        }
        let lock = lock(path)?;
        for inner in [CONTENTS, JOURNAL, DRAFTS] {
            make(&path.join(inner)).map_err(failed)?;
        }
        // Nobody else writes here, so what lies there was left by a process that died.
        for entry in fs::read_dir(path.join(DRAFTS)).map_err(failed)? {
            fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let failed = |error: io::Error| StoreError::io("lock", &path, error);
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the sentence.
            let _ = io::Read::by_ref(&mut file).take(32).read_to_string(&mut holder);
            return Err(StoreError::Locked { path: folder.to_owned(), holder: holder.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    // A full disk must not keep a store from being read, nor its collector from making room.
    if let Err(error) = write(&mut file) {
        tracing::warn!(path = %path.display(), %error, "the lock file does not say who holds it");
    }
    Ok(file)
}

/// Makes sure that the entries of a folder are on disk.
pub(crate) fn flush(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
