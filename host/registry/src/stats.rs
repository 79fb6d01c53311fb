//! What fetching costs, counted: the server's `/metrics` and the tests read it.

use core::sync::atomic::{AtomicU64, Ordering};

/// What a request to a registry was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// A tag's digest.
    Resolve,
    /// A manifest or index.
    Manifest,
    /// Referrers, through the API or the fallback tag.
    Referrers,
    /// A blob or its headers.
    Blob,
    /// A token, from a token realm.
    Token,
    /// A part of a push.
    Push,
    /// A revocation list or an OCSP response, from wherever a certificate says.
    Revocation,
    /// A timestamp, from the authority that a signer names.
    Timestamp,
    /// A role file or a key of a Notary server.
    Trust,
}

impl RequestKind {
    /// Every kind, in the order of [`StatsSnapshot::requests`].
    pub const ALL: [Self; 9] = [
        Self::Resolve,
        Self::Manifest,
        Self::Referrers,
        Self::Blob,
        Self::Token,
        Self::Push,
        Self::Revocation,
        Self::Timestamp,
        Self::Trust,
    ];

    /// The name used as a label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Manifest => "manifest",
            Self::Referrers => "referrers",
            Self::Blob => "blob",
            Self::Token => "token",
            Self::Push => "push",
            Self::Revocation => "revocation",
            Self::Timestamp => "timestamp",
            Self::Trust => "trust",
        }
    }
}

/// Counters since the process started. They only grow.
#[derive(Debug, Default)]
pub struct Stats {
    requests: [AtomicU64; 9],
    bytes_received: AtomicU64,
    cache_hits: AtomicU64,
    retries: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatsSnapshot {
    /// HTTP requests sent, by kind in the order of [`RequestKind::ALL`]; each try and each redirect counts.
    pub requests: [u64; 9],
    /// Octets of bodies received.
    pub bytes_received: u64,
    /// Needs answered without a request: from the cache, or from another need's request.
    pub cache_hits: u64,
    /// Requests that were repeated.
    pub retries: u64,
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            requests: self.requests.each_ref().map(|counter| counter.load(Ordering::Relaxed)),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            cache_hits: self.cache_hits.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn request(&self, kind: RequestKind) {
        if let Some(counter) = self.requests.get(kind as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn received(&self, octets: usize) {
        self.bytes_received.fetch_add(octets as u64, Ordering::Relaxed);
    }

    pub(crate) fn cache_hit(&self) {
        self.cache_hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }
}

impl StatsSnapshot {
    /// Requests of one kind.
    pub fn of(&self, kind: RequestKind) -> u64 {
        self.requests.get(kind as usize).copied().unwrap_or_default()
    }

    /// Requests of all kinds.
    pub fn total(&self) -> u64 {
        self.requests.iter().sum()
    }
}
