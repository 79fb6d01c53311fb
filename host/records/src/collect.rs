//! Collection: whole segments of records go when they are too old or too much, then what no kept record names.
//!
//! It runs beside writers. Marking begins with a moment in which nobody writes; whatever is named after that moment is
//! remembered as fresh and stays. Files are removed a few at a time, each time with the writers held for a moment, so that
//! nobody names a file between the look and its removal.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use crate::digest::Digest;
use crate::limits::REMOVE_AT_ONCE;
use crate::lists::{Document, EvidenceEntry};
use crate::record::Record;
use crate::segment::{Line, Segment};
use crate::store::{Shared, Store, StoreError, lock};

/// What a collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Segments of the journal that went.
    pub segments: u64,
    /// Files by digest that went.
    pub contents: u64,
    /// Octets that went.
    pub freed: u64,
    /// Octets that are left.
    pub left: u64,
}

impl Collected {
    pub(crate) const fn is_nothing(&self) -> bool {
        self.segments == 0 && self.contents == 0
    }
}

impl Store {
    /// Drops what is older than the configured age or beyond the configured size, as the store does by itself every hour
    /// and whenever a segment is full.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn collect(&self, now: SystemTime) -> Result<Collected, StoreError> {
        let shared = self.shared();
        shared.collect(now).map_err(|error| StoreError::io("collect records in", &shared.folder.path, error))
    }
}

impl Shared {
    pub(crate) fn collect(&self, now: SystemTime) -> io::Result<Collected> {
        let _alone = lock(&self.collecting);
        let mut done = Collected::default();
        let mut segments = self.journal.segments()?;
        if segments.last().is_some_and(|last| self.is_old(last, now)) {
            self.journal.turn_over()?;
            segments = self.journal.segments()?;
        }
        // The last one is being written.
        segments.pop();
        let old = segments.iter().take_while(|segment| self.is_old(segment, now)).count();
        for segment in segments.drain(..old) {
            drop_segment(&segment, &mut done)?;
        }
        let mut left = self.sweep(&mut done)?;
        let mut segments = segments.into_iter();
        while left > self.options.bytes {
            let Some(oldest) = segments.next() else { break };
            drop_segment(&oldest, &mut done)?;
            left = self.sweep(&mut done)?;
        }
        done.left = left;
        self.size.store(left, Ordering::Relaxed);
        Ok(done)
    }

    /// Whether even the newest record of a segment is too old: it was written last when its newest record was.
    fn is_old(&self, segment: &Segment, now: SystemTime) -> bool {
        let written = fs::metadata(&segment.path).and_then(|found| found.modified());
        written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > self.options.age))
    }

    /// Removes what no kept record names. Gives the octets that are left.
    fn sweep(&self, done: &mut Collected) -> io::Result<u64> {
        self.moment(|| *lock(&self.fresh) = Some(HashSet::new()));
        let swept = self.mark().and_then(|kept| self.remove_others(&kept, done));
        *lock(&self.fresh) = None;
        let journal: u64 = self.journal.segments()?.iter().map(|segment| octets(segment).unwrap_or(0)).sum();
        Ok(swept?.saturating_add(journal))
    }

    /// Everything that a kept record names.
    fn mark(&self) -> io::Result<HashSet<Digest>> {
        let mut kept = lock(&self.pins).clone();
        let mut lists = HashSet::new();
        for segment in self.journal.segments()? {
            self.go_on()?;
            let _: ControlFlow<()> = segment.lines(|line| {
                if let Line::Record(_, bytes) = line
                    && let Ok(record) = Record::parse(bytes)
                {
                    lists.extend([(record.policies.digest, true), (record.evidence.digest, false)]);
                    kept.insert(record.module);
                    kept.extend(record.verdict.digest);
                    kept.extend(record.large_question.map(|large| large.digest));
                }
                ControlFlow::Continue(())
            })?;
        }
        for (list, of_policies) in lists {
            self.go_on()?;
            kept.insert(list);
            let bytes = self.files.read(&list)?.unwrap_or_default();
            // A list that cannot be read names nothing any more: its records fail replay, whatever stays.
            if of_policies {
                let documents: Vec<Document> = serde_json::from_slice(&bytes).unwrap_or_default();
                kept.extend(documents.iter().map(|document| document.digest));
            } else {
                let entries: Vec<EvidenceEntry> = serde_json::from_slice(&bytes).unwrap_or_default();
                kept.extend(entries.iter().filter_map(EvidenceEntry::content));
            }
        }
        Ok(kept)
    }

    fn remove_others(&self, kept: &HashSet<Digest>, done: &mut Collected) -> io::Result<u64> {
        let (mut left, mut others) = (0u64, Vec::new());
        for (digest, octets) in self.files.all()? {
            if kept.contains(&digest) {
                left = left.saturating_add(octets);
            } else {
                others.push((digest, octets));
            }
        }
        // All of them at once, so that no list vouches for documents that are being removed.
        self.moment(|| {
            let fresh = lock(&self.fresh);
            let mut known = lock(&self.known);
            for (digest, _) in others.iter().filter(|(digest, _)| !is_fresh(fresh.as_ref(), digest)) {
                known.remove(digest);
            }
        });
        for some in others.chunks(REMOVE_AT_ONCE) {
            self.go_on()?;
            self.moment(|| {
                let fresh = lock(&self.fresh);
                let pins = lock(&self.pins);
                for (digest, octets) in some {
                    if is_fresh(fresh.as_ref(), digest) || pins.contains(digest) {
                        left = left.saturating_add(*octets);
                        continue;
                    }
                    self.files.remove(digest)?;
                    done.contents = done.contents.saturating_add(1);
                    done.freed = done.freed.saturating_add(*octets);
                }
                Ok::<_, io::Error>(())
            })?;
        }
        Ok(left)
    }

    /// Nobody waits for a collection when the store is closed: the next one begins anew.
    fn go_on(&self) -> io::Result<()> {
        if self.signals.is_ended() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }

    /// Runs with all writers held.
    fn moment<T>(&self, work: impl FnOnce() -> T) -> T {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        work()
    }
}

fn is_fresh(fresh: Option<&HashSet<Digest>>, digest: &Digest) -> bool {
    fresh.is_some_and(|fresh| fresh.contains(digest))
}

fn octets(segment: &Segment) -> io::Result<u64> {
    Ok(fs::metadata(&segment.path)?.len())
}

fn drop_segment(segment: &Segment, done: &mut Collected) -> io::Result<()> {
    let octets = octets(segment)?;
    fs::remove_file(&segment.path)?;
    done.segments = done.segments.saturating_add(1);
    done.freed = done.freed.saturating_add(octets);
    Ok(())
}
