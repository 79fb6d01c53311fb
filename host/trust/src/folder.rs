//! A folder for what is remembered, with a file for each collection: for the processes of one machine, which may share it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::state::State;
use crate::store::{Kept, MAX_STATE_BYTES, StoreError, merge};

/// Octets of one file: a state with the name of its collection.
const MAX_FILE_BYTES: u64 = MAX_STATE_BYTES + 4096;
/// Wall time to wait for other processes that write. Writing takes milliseconds.
const LOCK_BUDGET: Duration = Duration::from_secs(2);
/// Pause before the lock is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(5);
const LOCK: &str = "lock";

/// A folder with files of what is remembered.
#[derive(Debug, Clone)]
pub struct Folder {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// Server, name and pins.
    collection: String,
    remembered: State,
}

impl Folder {
    /// In this folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// As [`Store::read`](crate::Store::read).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(&self, collection: &str) -> Result<Option<State>, StoreError> {
        let path = self.file(collection);
        let failed = |error| StoreError::Io { what: "read", path: path.clone(), error };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A folder that others may write to could have lost the file.
                return self.check_folder().map(|_| None);
            }
            Err(error) => return Err(failed(error)),
        };
        self.check_folder()?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        let damaged = |why: String| Err(StoreError::Damaged { place: path.display().to_string(), why });
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return damaged(format!("more than {MAX_FILE_BYTES} octets"));
        }
        match serde_json::from_slice::<Content>(&bytes) {
            Ok(content) if content.collection == collection => Ok(Some(content.remembered)),
            Ok(content) => damaged(format!("it is about {:?}, not about {collection:?}", content.collection)),
            Err(error) => damaged(error.to_string()),
        }
    }

    /// As [`Store::remember`](crate::Store::remember).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remember(&self, collection: &str, state: &State) -> Result<Kept, StoreError> {
        // Mostly nothing is new, and then nobody waits for anybody.
        if let (None, kept) = self.merged(collection, state)? {
            return Ok(kept);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(|error| StoreError::Io {
            what: "make",
            path: self.folder.clone(),
            error,
        })?;
        self.check_folder()?;
        let _lock = self.lock()?;
        // Once more: somebody may have written before the lock was ours.
        let (merged, kept) = self.merged(collection, state)?;
        if let Some(remembered) = merged {
            self.write(&Content { collection: collection.to_owned(), remembered })?;
        }
        Ok(kept)
    }

    /// What is to be written, if anything is new.
    fn merged(&self, collection: &str, state: &State) -> Result<(Option<State>, Kept), StoreError> {
        merge(collection, self.read(collection)?.as_ref(), state)
    }

    fn write(&self, content: &Content) -> Result<(), StoreError> {
        let path = self.file(&content.collection);
        let draft = path.with_extension("draft");
        let failed = |error| StoreError::Io { what: "write", path: path.clone(), error };
        let bytes = serde_json::to_vec(content).map_err(|error| failed(error.into()))?;
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(failed)
    }

    fn lock(&self) -> Result<File, StoreError> {
        let path = self.folder.join(LOCK);
        let failed = |error| StoreError::Io { what: "lock", path: path.clone(), error };
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_BUDGET => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Busy {
                        place: path.display().to_string(),
                        tried: format!("for {} ms", LOCK_BUDGET.as_millis()),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// The folder is not there, or ours alone.
    fn check_folder(&self) -> Result<(), StoreError> {
        let found = match fs::metadata(&self.folder) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::Io { what: "open", path: self.folder.clone(), error }),
        };
        let refused = |why: String| Err(StoreError::Exposed { path: self.folder.clone(), why });
        let us = rustix::process::geteuid().as_raw();
        if !found.is_dir() {
            refused("not a folder".to_owned())
        } else if found.uid() != us {
            refused(format!("owned by user {}, not by user {us}", found.uid()))
        } else if found.mode() & 0o077 != 0 {
            let mode = found.mode() & 0o7777;
            refused(format!("open to others (mode {mode:04o}): give it mode 0700, or name another folder"))
        } else {
            Ok(())
        }
    }

    fn file(&self, collection: &str) -> PathBuf {
        // Names have slashes and colons, and may be longer than a file's.
        self.folder.join(format!("{}.json", hex::encode(Sha256::digest(collection))))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
