//! Permits: leave to serve one digest from one repository. Serving takes one by value, and only what is here makes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bulla_registry::Digest;
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use super::gate::Accepted;

/// What a permit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A manifest or an index.
    Manifest,
    /// A config or a layer.
    Blob,
}

/// Leave to serve. No constructor: it comes from an accept, or from a manifest that was served with one.
#[derive(Debug)]
pub(super) struct Permit {
    repository: Arc<str>,
    digest: Digest,
    leave: Leave,
}

/// What is remembered of a permit.
#[derive(Debug, Clone)]
struct Leave {
    /// Octets of the content, where the manifest that named it says so.
    size: Option<u64>,
    /// The policies that it rests on.
    generation: Arc<str>,
    until: Instant,
}

/// Time of a permit that rests on an unknown verdict. A minute: for the pull that asked, and for no later one.
const UNKNOWN_LASTS: Duration = Duration::from_secs(60);

/// The permits that were given. A permit ends with its time, with the policies that it rests on, or when room is needed.
pub(super) struct Permits {
    given: Cache<(Kind, Arc<str>, Digest), Leave>,
    lasts: Duration,
}

/// Content that an accepted manifest names.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl Permit {
    /// The repository, without its registry.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    pub(super) const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Octets of the content, where the manifest that named it says so.
    pub(super) const fn size(&self) -> Option<u64> {
        self.leave.size
    }
}

impl Permits {
    /// At most so many entries, each for at most so long.
    pub(super) fn new(entries: u64, lasts: Duration) -> Self {
        // Least recently used, not least frequently: a new layer must not lose its place to old ones while it is pulled.
        let given = Cache::builder().max_capacity(entries).time_to_live(lasts).eviction_policy(EvictionPolicy::lru());
        Self { given: given.build(), lasts }
    }

    /// A permit for a manifest that was accepted.
    pub(super) async fn accept(&self, repository: &str, accepted: &Accepted) -> Permit {
        let lasts = if accepted.is_known() { self.lasts } else { self.lasts.min(UNKNOWN_LASTS) };
        let until = Instant::now().checked_add(lasts).unwrap_or_else(Instant::now);
        let leave = Leave { size: None, generation: accepted.generation().clone(), until };
        let repository: Arc<str> = repository.into();
        self.given.insert((Kind::Manifest, repository.clone(), accepted.digest().clone()), leave.clone()).await;
        Permit { repository, digest: accepted.digest().clone(), leave }
    }

    /// A permit that was given before and still holds under these policies.
    pub(super) async fn find(&self, kind: Kind, repository: &str, digest: &Digest, generation: &str) -> Option<Permit> {
        let repository: Arc<str> = repository.into();
        let leave = self.given.get(&(kind, repository.clone(), digest.clone())).await?;
        let holds = *leave.generation == *generation && Instant::now() < leave.until;
        holds.then(|| Permit { repository, digest: digest.clone(), leave })
    }

    /// Gives permits for what a manifest names. They last no longer than the manifest's own, however deep they stand.
    pub(super) async fn extend(&self, manifest: &Permit, kind: Kind, named: Vec<Named>) {
        for Named { digest, size } in named {
            let leave = Leave { size: Some(size), ..manifest.leave.clone() };
            self.given.insert((kind, manifest.repository.clone(), digest), leave).await;
        }
    }
}
