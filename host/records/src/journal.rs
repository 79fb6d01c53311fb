//! The journal: records one after the other, in segments; what was written together is flushed together.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::clock;
use crate::folder::{JOURNAL, flush};
use crate::segment::Segment;

/// Appends records. Threads share it.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    segment_bytes: u64,
    segment_age: Duration,
    end: Mutex<End>,
    flushed: Mutex<Flushed>,
}

/// Where the next record goes.
#[derive(Debug)]
struct End {
    segment: Segment,
    file: Arc<File>,
    /// Octets of whole lines in it.
    length: u64,
    /// These, and the octets of what its records brought.
    weight: u64,
    began: SystemTime,
    /// Records appended since the start.
    count: u64,
    /// Why no more goes into this file: what is in it is in doubt.
    broken: bool,
}

/// What is on disk, counted in records since the start.
#[derive(Debug, Default)]
struct Flushed {
    upto: u64,
    /// Records after the first and up to the second: flushing them failed, and asking the system again would only seem to
    /// help, because it forgets what it could not write.
    lost: (u64, u64),
}

/// A record that was appended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appended {
    pub(crate) count: u64,
    /// Whether a new segment was begun for it.
    pub(crate) rotated: bool,
}

impl Journal {
    /// Opens the newest segment, and cuts off what its writer did not finish. Gives the octets that were cut.
    pub(crate) fn open(store: &Path, segment_bytes: u64, segment_age: Duration) -> io::Result<(Self, u64)> {
        let folder = store.join(JOURNAL);
        let newest = Segment::all(&folder)?.pop().unwrap_or_else(|| Segment::in_folder(&folder, 1));
        let (file, length, cut) = newest.append()?;
        let metadata = file.metadata()?;
        // Where the system does not say when a file was made, the first write in this process stands for it.
        let began = metadata.created().unwrap_or_else(|_| clock::now());
        flush(&folder)?;
        let file = Arc::new(file);
        let end = End { segment: newest, file, length, weight: length, began, count: 0, broken: false };
        let flushed = Mutex::default();
        Ok((Self { folder, segment_bytes, segment_age, end: Mutex::new(end), flushed }, cut))
    }

    /// Appends a line. When it returns, the line is with the system: it outlives this process, though not yet the machine.
    pub(crate) fn append(&self, line: &[u8], brought: u64) -> io::Result<Appended> {
        let mut end = self.end();
        let old = clock::now().duration_since(end.began).unwrap_or_default() > self.segment_age;
        let full = end.weight >= self.segment_bytes;
        let rotated = end.broken || (end.length > 0 && (full || old));
        if rotated {
            self.rotate(&mut end)?;
        }
        if let Err(error) = (&*end.file).write_all(line) {
            // A part of the line may be there; the next one must not be glued to it.
            end.broken = end.file.set_len(end.length).is_err();
            return Err(error);
        }
        let octets = line.len() as u64;
        end.length = end.length.saturating_add(octets);
        end.weight = end.weight.saturating_add(octets).saturating_add(brought);
        end.count = end.count.saturating_add(1);
        Ok(Appended { count: end.count, rotated })
    }

    /// Waits until this many records are on disk. Those who wait together are served by one flush.
    pub(crate) fn flush(&self, count: u64) -> io::Result<()> {
        let mut flushed = self.flushed.lock().unwrap_or_else(PoisonError::into_inner);
        if count > flushed.lost.0 && count <= flushed.lost.1 {
            return Err(io::Error::other("the system could not write it to disk"));
        }
        if count <= flushed.upto {
            return Ok(());
        }
        let (file, upto) = {
            let end = self.end();
            (end.file.clone(), end.count)
        };
        match file.sync_data() {
            Ok(()) => flushed.upto = upto,
            Err(error) => {
                flushed.lost = (flushed.upto, upto);
                self.end().broken = true;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Flushes whatever was appended so far.
    pub(crate) fn flush_all(&self) -> io::Result<()> {
        let count = self.end().count;
        self.flush(count)
    }

    /// Begins a new segment, so that the present one can be dropped. Nothing happens while it is empty.
    pub(crate) fn turn_over(&self) -> io::Result<()> {
        let mut end = self.end();
        if end.length > 0 { self.rotate(&mut end) } else { Ok(()) }
    }

    /// The segments, oldest first; the last one is being written.
    pub(crate) fn segments(&self) -> io::Result<Vec<Segment>> {
        Segment::all(&self.folder)
    }

    fn rotate(&self, end: &mut MutexGuard<'_, End>) -> io::Result<()> {
        if !end.broken {
            let flushed = end.file.sync_data();
            end.broken = flushed.is_err();
            flushed?;
        }
        let next = Segment::in_folder(&self.folder, end.segment.number.saturating_add(1));
        let (file, length, _) = next.append()?;
        flush(&self.folder)?;
        end.segment = next;
        end.file = Arc::new(file);
        (end.length, end.weight, end.began, end.broken) = (length, length, clock::now(), false);
        Ok(())
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
