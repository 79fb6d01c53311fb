//! What fetching evidence means, for every place that it can come from (docs/abi.md, section "Needs and evidence").

use bulla_abi::Need;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::error::RegistryError;

/// A place that evidence comes from. It believes nothing and decides nothing.
pub trait Source: Send + Sync {
    /// Fetches what the need names, and nothing else. Always answers, at the latest shortly after `deadline`: what
    /// could not be fetched is evidence too.
    fn fetch<'a>(&'a self, need: &'a Need, deadline: Instant) -> BoxFuture<'a, Fetched>;
}

/// What came of a need: the outcomes of [`bulla_abi::Outcome`], with the bytes themselves in place of their index.
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
        /// One sentence for people: the registry, the request, what happened.
        reason: String,
    },
}

impl From<RegistryError> for Fetched {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Absent { .. } => Self::Absent,
            RegistryError::TooLarge { got, .. } => Self::TooLarge { got },
            other => Self::Failed { reason: other.to_string() },
        }
    }
}
