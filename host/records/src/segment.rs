//! One file of the journal: a line for each record, which begins with the record's id.
//!
//! ```text
//! line = 64HEXDIG SP record LF    ; SHA-256 of the record; canonical JSON has no line feed of its own
//! ```
//! A process that dies while it writes leaves a line without its end: that is cut. A whole line whose record has another
//! digest was changed by somebody: that is said, and never cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::limits::MAX_RECORD_BYTES;

/// Octets of the longest line.
pub(crate) const MAX_LINE: usize = 64 + 1 + MAX_RECORD_BYTES + 1;

/// A segment by its number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
}

/// One line of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'l> {
    /// A record with its id, which is its digest.
    Record(Digest, &'l [u8]),
    /// A line that was changed, with its place.
    Damaged {
        /// What the line calls itself, if that can be read.
        claims: Option<Digest>,
        /// The digest of the record in it, if there is one.
        found: Option<Digest>,
        /// Octets before it.
        offset: u64,
    },
}

impl Segment {
    pub(crate) fn in_folder(journal: &Path, number: u64) -> Self {
        Self { number, path: journal.join(format!("{number:010}.log")) }
    }

    /// The segments of a journal, oldest first.
    pub(crate) fn all(journal: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(journal)? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if path.extension().is_some_and(|extension| extension == "log")
                && let Ok(number) = stem.parse()
            {
                found.push(Self { number, path });
            }
        }
        found.sort();
        Ok(found)
    }

    /// Opens it to write at its end, and cuts a line that has no end. Gives its length and the octets that were cut.
    pub(crate) fn append(&self) -> io::Result<(File, u64, u64)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        let length = file.metadata()?.len();
        let whole = whole(&mut file, length)?;
        if whole < length {
            file.set_len(whole)?;
            file.sync_all()?;
        }
        Ok((file, whole, length.saturating_sub(whole)))
    }

    /// Goes through its lines until told to stop. What follows the last line feed is being written, or was when its writer
    /// died: it was never acknowledged.
    pub(crate) fn lines<B>(&self, mut each: impl FnMut(Line<'_>) -> ControlFlow<B>) -> io::Result<ControlFlow<B>> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            // Collected while somebody reads.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => {
                let file = opened?;
                let length = file.metadata()?.len();
                file.take(length).read_to_end(&mut bytes)?;
            }
        }
        let mut offset = 0u64;
        for line in bytes.split_inclusive(|octet| *octet == b'\n') {
            let Some(content) = line.strip_suffix(b"\n") else { break };
            if let ControlFlow::Break(end) = each(read(content, offset)) {
                return Ok(ControlFlow::Break(end));
            }
            offset = offset.saturating_add(line.len() as u64);
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The line of a record.
pub(crate) fn line(id: &Digest, record: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(record.len().saturating_add(66));
    line.extend_from_slice(id.hex().as_bytes());
    line.push(b' ');
    line.extend_from_slice(record);
    line.push(b'\n');
    line
}

fn read(content: &[u8], offset: u64) -> Line<'_> {
    let claims = content.get(..64).and_then(|id| std::str::from_utf8(id).ok()).and_then(|id| Digest::parse(id).ok());
    let record = content.get(64..).and_then(|rest| rest.strip_prefix(b" "));
    let found = content.get(65..).map(Digest::of);
    match (claims, record) {
        (Some(id), Some(record)) if found == Some(id) => Line::Record(id, record),
        _ => Line::Damaged { claims, found, offset },
    }
}

/// Octets up to and with the last line feed. It reads from the end, and no more than it has to.
fn whole(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut buffer = vec![0; MAX_LINE];
    while end > 0 {
        let start = end.saturating_sub(MAX_LINE as u64);
        let part = buffer.get_mut(..usize::try_from(end.saturating_sub(start)).unwrap_or(0)).unwrap_or_default();
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|octet| *octet == b'\n') {
            return Ok(start.saturating_add(at as u64).saturating_add(1));
        }
        end = start;
    }
    Ok(0)
}
