//! The evidence cache, and one request for concurrent equal needs (DESIGN, section 8).

use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant as StdInstant;

use bulla_abi::{Need, NeedKind};
use moka::Expiry;
use moka::future::Cache;
use tokio::time::{Instant, timeout_at};

use crate::config::CacheConfig;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::stats::Stats;
use bulla_source::{Fetched, Source};

/// Octets that an entry weighs beside its content: key, headers, bookkeeping.
const ENTRY_OVERHEAD: u64 = 512;

/// How much later than the deadline an answer may come.
const GRACE: Duration = Duration::from_millis(100);

/// Evidence that was fetched. One cache belongs to one credential scope: what one credential may read is not another's
/// to see.
pub struct EvidenceCache {
    entries: Cache<Key, Entry>,
    config: CacheConfig,
}

/// What identifies an answer. Not the limit: that is minded when the answer is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    registry: String,
    repository: String,
    kind: NeedKind,
    reference: String,
}

#[derive(Clone)]
struct Entry {
    fetched: Fetched,
    /// None: content-addressed, true for ever.
    lives: Option<Duration>,
}

/// An answer that is not kept, on its way to those who waited for it.
struct Unkept {
    fetched: Fetched,
    /// What it was fetched under. Who has more time or allows more octets asks again.
    limit: u64,
    deadline: Instant,
}

struct Lives;

impl Expiry<Key, Entry> for Lives {
    fn expire_after_create(&self, _: &Key, entry: &Entry, _: StdInstant) -> Option<Duration> {
        entry.lives
    }
}

impl EvidenceCache {
    /// An empty one.
    pub fn new(config: &CacheConfig) -> Self {
        let entries = Cache::builder()
            .max_capacity(config.bytes)
            .weigher(|key: &Key, entry: &Entry| u32::try_from(weight(key, entry)).unwrap_or(u32::MAX))
            .expire_after(Lives)
            .build();
        Self { entries, config: config.clone() }
    }

    /// The answer to a need: a kept one, that of an equal need which is being fetched, or a new one.
    pub async fn fetch(&self, source: &dyn Source, need: &Need, deadline: Instant, stats: &Stats) -> Fetched {
        // A root or a timestamp may have changed since somebody else began to fetch it, and whoever asks now knows that already.
        if need.kind == NeedKind::Role && role_digest(&need.reference).is_none() {
            return source.fetch(need, deadline).await;
        }
        let started = Instant::now();
        // A source minds the deadline itself, and says more about it; this is for those who wait for another's fetch.
        let latest = deadline.checked_add(GRACE).unwrap_or(deadline);
        let key = Key {
            registry: need.registry.clone(),
            repository: need.repository.clone(),
            kind: need.kind,
            reference: need.reference.clone(),
        };
        loop {
            let asked = AtomicBool::new(false);
            let fetch = async {
                asked.store(true, Ordering::Relaxed);
                let fetched = source.fetch(need, deadline).await;
                self.keep(need, fetched).map_err(|fetched| Unkept { fetched, limit: need.limit, deadline })
            };
            let result = timeout_at(latest, self.entries.try_get_with_by_ref(&key, fetch)).await;
            let Ok(result) = result else {
                return Fetched::from(RegistryError::Deadline {
                    registry: need.registry.clone(),
                    request: format!("{:?} {}", need.kind, need.reference),
                    after: started.elapsed(),
                });
            };
            let own = asked.load(Ordering::Relaxed);
            let fetched = match result {
                Ok(entry) => entry.fetched,
                Err(unkept) if !own && unkept.is_worth_asking_again(need, deadline) => continue,
                Err(unkept) => unkept.fetched.clone(),
            };
            if !own {
                stats.cache_hit();
            }
            return within(fetched, need.limit);
        }
    }

    /// What may be kept, and for how long; the answer itself where it may not.
    fn keep(&self, need: &Need, fetched: Fetched) -> Result<Entry, Fetched> {
        let digest = match need.kind {
            NeedKind::Manifest | NeedKind::Blob => Digest::parse(&need.reference).ok(),
            NeedKind::Role => role_digest(&need.reference),
            _ => None,
        };
        let claimed = Some(Duration::from_secs(self.config.tag_seconds)).filter(|lives| !lives.is_zero());
        let lives = match (&fetched, digest) {
            (Fetched::Failed { .. } | Fetched::TooLarge { .. }, _) => return Err(fetched),
            (Fetched::Bytes { bytes, .. }, Some(digest)) => {
                // Wrong content is passed on as it came, for the module to refuse; it must not be what others get.
                if digest.recompute(bytes) != digest {
                    return Err(fetched);
                }
                None
            }
            // A server that is behind another one may not have it yet.
            (Fetched::Absent, _) if need.kind == NeedKind::Role => return Err(fetched),
            _ => match claimed {
                Some(lives) => Some(lives),
                None => return Err(fetched),
            },
        };
        let octets = if let Fetched::Bytes { bytes, .. } = &fetched { bytes.len() as u64 } else { 0 };
        if octets > self.config.entry_bytes || self.config.bytes == 0 {
            Err(fetched)
        } else {
            Ok(Entry { fetched, lives })
        }
    }
}

impl fmt::Debug for EvidenceCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvidenceCache").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Unkept {
    /// Whether another's failure is due to what it was fetched under.
    fn is_worth_asking_again(self: &Arc<Self>, need: &Need, deadline: Instant) -> bool {
        match self.fetched {
            Fetched::TooLarge { .. } => self.limit < need.limit,
            Fetched::Failed { .. } => self.deadline < deadline && self.deadline <= Instant::now(),
            _ => false,
        }
    }
}

/// The digest in the name of a role file: `targets/releases.<sha256>.json`.
fn role_digest(file: &str) -> Option<Digest> {
    let (_, sha256) = file.strip_suffix(".json")?.rsplit_once('.')?;
    Digest::parse(&format!("sha256:{sha256}")).ok()
}

/// The limit holds for kept answers too.
fn within(fetched: Fetched, limit: u64) -> Fetched {
    match fetched {
        Fetched::Bytes { bytes, .. } if bytes.len() as u64 > limit => Fetched::TooLarge { got: bytes.len() as u64 },
        other => other,
    }
}

fn weight(key: &Key, entry: &Entry) -> u64 {
    let content = match &entry.fetched {
        Fetched::Bytes { bytes, .. } => bytes.len(),
        _ => 0,
    };
    let names = key.registry.len().saturating_add(key.repository.len()).saturating_add(key.reference.len());
    (content as u64).saturating_add(names as u64).saturating_add(ENTRY_OVERHEAD)
}
