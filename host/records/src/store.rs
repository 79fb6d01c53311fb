//! The store: records in a journal, and what they name in files by digest. One process writes, with as many threads as it
//! likes.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::canonical::NotCanonical;
use crate::compose::{Composed, Draft};
use crate::digest::Digest;
use crate::files::{Files, Put};
use crate::folder::Folder;
use crate::journal::Journal;
use crate::keeper::{Keeper, Signals};
use crate::limits::{
    DEFAULT_AGE, DEFAULT_STORE_BYTES, MAX_KNOWN, MAX_SEGMENT_AGE, MAX_SEGMENT_BYTES, MIN_STORE_BYTES, SEGMENTS,
};
use crate::lists::Policies;
use crate::reader::Reader;
use crate::segment;

/// How a store keeps what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// When a record is on disk.
    pub durability: Durability,
    /// Octets of everything together; the oldest records go first. At least [`MIN_STORE_BYTES`].
    pub bytes: u64,
    /// Age at which records go.
    pub age: Duration,
}

impl Options {
    /// Nothing goes because of its age or because it is too much: for whoever adds to a store that somebody else limits.
    pub const fn unlimited() -> Self {
        Self { durability: Durability::Batched, bytes: u64::MAX, age: Duration::MAX }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { durability: Durability::Batched, bytes: DEFAULT_STORE_BYTES, age: DEFAULT_AGE }
    }
}

/// When a record is on disk. Either way it is with the system when [`Store::write`] returns, and outlives the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Durability {
    /// Within a second: a machine that loses its power loses the last second.
    #[default]
    Batched,
    /// Before the answer.
    Synchronous,
}

/// A record that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its id.
    pub id: Digest,
    /// Octets of the record.
    pub octets: u64,
    /// Octets of what it brought that was not there yet.
    pub brought: u64,
}

/// What a store did since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Records written.
    pub records: u64,
    /// Octets written, records and what they brought.
    pub octets: u64,
    /// Records that were not written, flushes and collections that failed.
    pub failures: u64,
    /// Octets of unfinished lines that were cut off when it was opened.
    pub cut: u64,
    /// Octets in use after the last collection.
    pub size: u64,
}

/// Why a store does not do what it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder cannot be one for records.
    #[error("{}: {why}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Another process writes there.
    #[error("{}: another process writes records there{}", path.display(), if holder.is_empty() { String::new() } else { format!(" (process {holder})") })]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Its process id, as far as it is known.
        holder: String,
    },
    /// An option is outside its range.
    #[error("{got} octets of records: at least {MIN_STORE_BYTES} are needed")]
    TooSmall {
        /// What was asked for.
        got: u64,
    },
    /// The system refused: a full disk, a folder that cannot be written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The decision has no canonical form.
    #[error("this decision cannot be recorded: {0}")]
    NotCanonical(#[from] NotCanonical),
}

impl StoreError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}

/// Keeps records. Dropping it flushes, and ends its threads.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    _keeper: Keeper,
}

/// What the store and its threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) options: Options,
    pub(crate) files: Files,
    pub(crate) journal: Journal,
    pub(crate) signals: Signals,
    /// Held by writers together, and by the collector alone.
    pub(crate) gate: RwLock<()>,
    /// What is kept for certain. A list of policies is in here only when all of its documents are kept as well.
    pub(crate) known: Mutex<HashSet<Digest>>,
    /// What was named since the collection that runs now began.
    pub(crate) fresh: Mutex<Option<HashSet<Digest>>>,
    /// What is never collected while this store is open.
    pub(crate) pins: Mutex<HashSet<Digest>>,
    /// What is written and not yet flushed.
    unflushed: Mutex<Vec<Digest>>,
    /// One collection at a time.
    pub(crate) collecting: Mutex<()>,
    records: AtomicU64,
    octets: AtomicU64,
    failures: AtomicU64,
    cut: u64,
    pub(crate) size: AtomicU64,
}

impl Store {
    /// Opens a folder of records, or makes it: its owner's alone, and one process's at a time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path, options: Options) -> Result<Self, StoreError> {
        if options.bytes < MIN_STORE_BYTES {
            return Err(StoreError::TooSmall { got: options.bytes });
        }
        let folder = Folder::open(folder)?;
        let segment_bytes = (options.bytes / u64::from(SEGMENTS)).min(MAX_SEGMENT_BYTES);
        let journal = Journal::open(&folder.path, segment_bytes, (options.age / SEGMENTS).min(MAX_SEGMENT_AGE));
        let (journal, cut) = journal.map_err(|error| StoreError::io("open the journal in", &folder.path, error))?;
        if cut > 0 {
            tracing::warn!(folder = %folder.path.display(), octets = cut, "an unfinished record was cut off");
        }
        let files = Files::of(&folder.path);
        let shared = Arc::new(Shared {
            folder,
            options,
            files,
            journal,
            signals: Signals::default(),
            gate: RwLock::default(),
            known: Mutex::default(),
            fresh: Mutex::default(),
            pins: Mutex::default(),
            unflushed: Mutex::default(),
            collecting: Mutex::default(),
            records: AtomicU64::new(0),
            octets: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            cut,
            size: AtomicU64::new(0),
        });
        let keeper = Keeper::start(&shared).map_err(|error| StoreError::io("keep", &shared.folder.path, error))?;
        Ok(Self { shared, _keeper: keeper })
    }

    /// Writes the record of a decision, and what it rests on. It blocks on the file system; when it returns, the record
    /// outlives this process, and with [`Durability::Synchronous`] the machine.
    ///
    /// # Errors
    /// [`StoreError`]: the record is not kept. Parts of it may be, and are collected later.
    pub fn write(&self, draft: &Draft<'_>) -> Result<Written, StoreError> {
        let written = draft.compose().map_err(StoreError::from).and_then(|it| self.shared.write(draft.policies, &it));
        if written.is_err() {
            self.shared.failed();
        }
        written
    }

    /// Keeps octets that records will name, as long as this store is open: the module, once at the start.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        lock(&self.shared.pins).insert(digest);
        let kept = self.shared.keep(&[(digest, bytes)]);
        kept.map_err(|error| StoreError::io("write records in", &self.shared.folder.path, error))?;
        Ok(digest)
    }

    /// Writes a record that came from elsewhere, with all of its parts, which somebody has checked.
    pub(crate) fn adopt(&self, composed: &Composed, policies: &Policies) -> Result<Written, StoreError> {
        self.shared.write(policies, composed)
    }

    /// Reads what is kept here.
    pub fn reader(&self) -> Reader {
        Reader::new(&self.shared.folder.path)
    }

    /// What it did since it was opened.
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let shared = &self.shared;
        Stats {
            records: read(&shared.records),
            octets: read(&shared.octets),
            failures: read(&shared.failures),
            cut: shared.cut,
            size: read(&shared.size),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    fn write(&self, policies: &Policies, composed: &Composed) -> Result<Written, StoreError> {
        let failed = |error| StoreError::io("write records in", &self.folder.path, error);
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let brought = self.keep_policies(policies).map_err(failed)?;
        let parts: Vec<(Digest, &[u8])> = composed.parts.iter().map(|(digest, bytes)| (*digest, &**bytes)).collect();
        let brought = brought.saturating_add(self.keep(&parts).map_err(failed)?);
        let line = segment::line(&composed.id, &composed.bytes);
        let appended = self.journal.append(&line, brought).map_err(failed)?;
        // The collector may go on: it sees the record now.
        drop(gate);
        match self.options.durability {
            Durability::Synchronous => self.journal.flush(appended.count).map_err(failed)?,
            Durability::Batched => self.signals.unflushed(),
        }
        if appended.rotated {
            self.signals.rotated();
        }
        let octets = composed.bytes.len() as u64;
        self.records.fetch_add(1, Ordering::Relaxed);
        self.octets.fetch_add(octets.saturating_add(brought), Ordering::Relaxed);
        Ok(Written { id: composed.id, octets, brought })
    }

    /// Keeps the documents first and their list last, so that a list that is known vouches for them.
    fn keep_policies(&self, policies: &Policies) -> io::Result<u64> {
        let list = policies.listed().digest;
        if lock(&self.fresh).is_none() && lock(&self.known).contains(&list) {
            return Ok(0);
        }
        let documents: Vec<(Digest, &[u8])> =
            policies.documents().iter().map(|(digest, bytes)| (*digest, &**bytes)).collect();
        let brought = self.keep(&documents)?;
        Ok(brought.saturating_add(self.keep(&[(list, &**policies.list())])?))
    }

    /// Keeps octets under their digests. What is known to be there costs nothing. Gives the octets that were written.
    fn keep(&self, parts: &[(Digest, &[u8])]) -> io::Result<u64> {
        if let Some(fresh) = lock(&self.fresh).as_mut() {
            fresh.extend(parts.iter().map(|(digest, _)| *digest));
        }
        let new: Vec<_> = {
            let known = lock(&self.known);
            parts.iter().filter(|(digest, _)| !known.contains(digest)).collect()
        };
        if new.is_empty() {
            return Ok(0);
        }
        let mut brought = 0u64;
        for (digest, bytes) in &new {
            if self.files.put(digest, bytes)? == Put::Written {
                brought = brought.saturating_add(bytes.len() as u64);
            }
        }
        let digests: Vec<Digest> = new.iter().map(|(digest, _)| *digest).collect();
        match self.options.durability {
            // Also what another thread is just writing: it is named now, and has to be there.
            Durability::Synchronous => self.files.flush(&digests)?,
            Durability::Batched => lock(&self.unflushed).extend(&digests),
        }
        let mut known = lock(&self.known);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.extend(digests);
        Ok(brought)
    }

    /// Flushes everything that was written so far.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let digests = std::mem::take(&mut *lock(&self.unflushed));
        if let Err(error) = self.files.flush(&digests) {
            lock(&self.unflushed).extend(digests);
            return Err(error);
        }
        self.journal.flush_all()
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
