//! Reading a store: finding records by id, listing them, reading what they name. It needs no lock, and disturbs nobody.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::files::Files;
use crate::folder::{CONTENTS, JOURNAL};
use crate::segment::{Line, Segment};

/// Hexadecimal digits of an id that are needed at least to find a record.
const MIN_PREFIX: usize = 4;

/// A place that what records name is read from. What comes is a claim until somebody has held it against its digest.
pub trait Contents {
    /// What lies under this digest, unchecked; `None` where nothing does.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn content(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>>;
}

/// Reads a folder of records.
#[derive(Debug, Clone)]
pub struct Reader {
    folder: PathBuf,
    files: Files,
}

/// What stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A record, whose octets have this digest.
    Record {
        /// Its id.
        id: Digest,
        /// Its octets.
        bytes: Vec<u8>,
    },
    /// A line that somebody changed.
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Octets before the line.
        offset: u64,
        /// The id that the line bears, if it can be read.
        claims: Option<Digest>,
        /// The id that what is in the line would have.
        found: Option<Digest>,
    },
}

/// Why a record is not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Not the beginning of an id.
    #[error("{0:?} is not a record's id: `sha256:` and at least {MIN_PREFIX} hexadecimal digits in lower case")]
    NotAnId(String),
    /// There is none.
    #[error("no record {0} in {path}", path = .1.display())]
    None(String, PathBuf),
    /// Several begin like this.
    #[error("{0} is the beginning of several records' ids: give more digits")]
    Ambiguous(String),
    /// The record was changed where it lies.
    #[error("the record was tampered with: {}, at octet {offset}: its octets have another digest than its id", file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Octets before the line.
        offset: u64,
    },
    /// The folder cannot be read.
    #[error("cannot read the records in {}: {source}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Reader {
    /// Opens a folder of records to read.
    ///
    /// # Errors
    /// [`FindError::Io`] when it is none.
    pub fn open(folder: &Path) -> Result<Self, FindError> {
        let reader = Self::new(folder);
        for inner in [JOURNAL, CONTENTS] {
            fs::read_dir(folder.join(inner)).map_err(|error| reader.failed(error))?;
        }
        Ok(reader)
    }

    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), files: Files::of(folder) }
    }

    /// Goes through the journal, oldest first, until told to stop.
    ///
    /// # Errors
    /// [`FindError::Io`].
    pub fn entries<B>(&self, mut each: impl FnMut(Entry) -> ControlFlow<B>) -> Result<Option<B>, FindError> {
        let segments = Segment::all(&self.folder.join(JOURNAL)).map_err(|error| self.failed(error))?;
        for segment in segments {
            let ended = segment.lines(|line| {
                each(match line {
                    Line::Record(id, bytes) => Entry::Record { id, bytes: bytes.to_vec() },
                    Line::Damaged { claims, found, offset } => {
                        Entry::Damaged { file: segment.path.clone(), offset, claims, found }
                    }
                })
            });
            if let ControlFlow::Break(end) = ended.map_err(|error| self.failed(error))? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Finds a record by its id, or by the beginning of it.
    ///
    /// # Errors
    /// [`FindError`].
    pub fn find(&self, id: &str) -> Result<(Digest, Vec<u8>), FindError> {
        let digits = id.strip_prefix("sha256:").unwrap_or(id);
        let is_digit = |octet: u8| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
        if !(MIN_PREFIX..=64).contains(&digits.len()) || !digits.bytes().all(is_digit) {
            return Err(FindError::NotAnId(id.chars().take(80).collect()));
        }
        let wanted = |id: &Digest| id.hex().starts_with(digits);
        let mut found: Option<(Digest, Vec<u8>)> = None;
        let mut damaged = None;
        let several = self.entries(|entry| {
            match entry {
                Entry::Record { id, bytes } if wanted(&id) => match &found {
                    Some((other, _)) if *other != id => return ControlFlow::Break(()),
                    _ => found = Some((id, bytes)),
                },
                Entry::Damaged { file, offset, claims, found } if claims.iter().chain(&found).any(wanted) => {
                    damaged = Some(FindError::Damaged { file, offset });
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        match (several, found, damaged) {
            (Some(()), ..) => Err(FindError::Ambiguous(id.to_owned())),
            (None, Some(found), _) => Ok(found),
            (None, None, Some(damaged)) => Err(damaged),
            (None, None, None) => Err(FindError::None(id.to_owned(), self.folder.clone())),
        }
    }

    fn failed(&self, source: io::Error) -> FindError {
        FindError::Io { folder: self.folder.clone(), source }
    }
}

impl Contents for Reader {
    fn content(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        self.files.read(digest)
    }
}
