//! What `load` leaves in a sandbox's memory, put into fresh sandboxes instead of loading again.
//!
//! All state of the module that this program carries lies in its memory (a test reads its code for that), so that a fresh
//! sandbox with the same octets is one that has loaded. What differs from a fresh memory is kept once for each set of
//! documents, and copied: for a thousand policies that is some forty times faster than reading them. Decisions are the same
//! to the octet: a test holds every vector against that. Documents hold public keys and rules, never a secret.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use bulla_abi::Message;

/// Octets that are compared and copied together: a page of the system, which is what writing into a fresh memory costs.
const PIECE: usize = 4096;

const NEVER: u8 = 0;
const ONCE: u8 = 1;
const KEEPING: u8 = 2;

/// What one set of documents leaves behind, once somebody wanted it a second time.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// How far it is: not loaded, loaded once, about to be kept.
    stage: AtomicU8,
    kept: OnceLock<Prepared>,
}

/// A memory after `load`, and what the module answered.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Octets of the whole memory.
    pub(crate) size: usize,
    /// Where it differs from a fresh one.
    pub(crate) pieces: Vec<(usize, Box<[u8]>)>,
    /// The answer to `load`.
    pub(crate) reply: Message,
}

impl Slot {
    /// What was kept, if anything.
    pub(crate) fn get(&self) -> Option<&Prepared> {
        self.kept.get()
    }

    /// Whether whoever asks is to keep what comes of loading: the second one, because only then it will pay, and nobody
    /// else at the same time. It has to call [`keep`](Self::keep) in the end.
    pub(crate) fn is_mine_to_keep(&self) -> bool {
        let goes = |from, to| self.stage.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        !goes(NEVER, ONCE) && goes(ONCE, KEEPING)
    }

    /// Keeps this; where loading came to nothing, the next one may try.
    pub(crate) fn keep(&self, prepared: Option<Prepared>) {
        match prepared {
            Some(prepared) => _ = self.kept.set(prepared),
            None => self.stage.store(ONCE, Ordering::Relaxed),
        }
    }
}

impl Prepared {
    /// What one memory has beyond the other, which it grew from.
    pub(crate) fn between(fresh: &[u8], loaded: &[u8], reply: Message) -> Self {
        let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
        for (index, piece) in loaded.chunks(PIECE).enumerate() {
            let at = index.saturating_mul(PIECE);
            let end = at.saturating_add(piece.len());
            let is_same = match fresh.get(at..end) {
                Some(before) => before == piece,
                // Memory that a fresh one does not have yet is zero when it gets it.
                None => piece.iter().all(|octet| *octet == 0),
            };
            match pieces.last_mut() {
                _ if is_same => {}
                Some((start, run)) if start.saturating_add(run.len()) == at => run.extend_from_slice(piece),
                _ => pieces.push((at, piece.to_vec())),
            }
        }
        let pieces = pieces.into_iter().map(|(at, run)| (at, run.into_boxed_slice())).collect();
        Self { size: loaded.len(), pieces, reply }
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, Prepared};
    use bulla_abi::Message;

    #[test]
    fn only_what_differs_is_kept_and_neighbours_are_one_piece() {
        let fresh = vec![7; 4 * PIECE];
        let mut loaded = fresh.clone();
        loaded.resize(8 * PIECE, 0);
        loaded[PIECE] = 1;
        loaded[2 * PIECE + 9] = 2;
        loaded[6 * PIECE] = 3;
        let prepared = Prepared::between(&fresh, &loaded, Message::default());
        let places: Vec<_> = prepared.pieces.iter().map(|(at, run)| (at / PIECE, run.len() / PIECE)).collect();
        assert_eq!(places, [(1, 2), (6, 1)]);
        assert_eq!(prepared.size, 8 * PIECE);
        let mut again = fresh;
        again.resize(prepared.size, 0);
        for (at, run) in &prepared.pieces {
            again[*at..*at + run.len()].copy_from_slice(run);
        }
        assert_eq!(again, loaded);
    }
}
