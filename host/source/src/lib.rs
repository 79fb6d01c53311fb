//! What fetching evidence means, for the loop that asks and for every place that answers (docs/abi.md, "Needs and evidence").

use bulla_abi::Need;
use bytes::Bytes;
use tokio::time::Instant;

/// A boxed future that can move between threads.
pub use futures_util::future::BoxFuture;

/// A place that evidence comes from: a registry client, a folder, a map in memory, a record that is replayed. It believes
/// nothing and decides nothing.
pub trait Source: Send + Sync {
    /// Fetches what the need names, and nothing else. Always answers, at the latest shortly after `deadline`: what
    /// could not be fetched is evidence too. Whoever asks may drop the future at `deadline`; a source that ends earlier by
    /// itself can say more precisely what it waited for.
    fn fetch<'a>(&'a self, need: &'a Need, deadline: Instant) -> BoxFuture<'a, Fetched>;
}

/// What came of a need: the outcomes of [`bulla_abi::Outcome`], with the bytes themselves in place of their index. All of
/// it is a claim until the module has checked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Bytes came, unchecked.
    Bytes {
        /// What came, at most as many octets as the need's limit.
        bytes: Bytes,
        /// The `Content-Type` that came with them, if any.
        media_type: Option<String>,
    },
    /// A tag's digest as the registry claims it.
    Digest(String),
    /// The registry said 404.
    Absent,
    /// More octets than the need's limit.
    TooLarge {
        /// Octets announced, or read when reading stopped.
        got: u64,
    },
    /// Nothing usable came.
    Failed {
        /// One sentence for people: the registry, the request, what happened and what was waited for.
        reason: String,
    },
}
