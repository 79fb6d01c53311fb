//! Evidence that is given: from records, from files, from layouts. Nothing here can reach a network.

use std::collections::{BTreeMap, HashMap};

use bulla_engine::abi::{Evidence, Need, Outcome};
use bulla_engine::{Answered, BoxFuture, Fetched, Source};
use bulla_records::{Came, EvidenceEntry};
use bulla_registry::Layout;
use bytes::Bytes;
use tokio::time::Instant;

/// Answers from what is given. What is not given is an error that names the need, or absent where all there is was given.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// By the need's id.
    answers: HashMap<String, Fetched>,
    /// By `registry/repository`.
    layouts: BTreeMap<String, Layout>,
    is_everything: bool,
}

impl Given {
    /// These answers, by the id of the need; whatever else is asked for is unknown.
    pub(super) fn answers(answers: impl IntoIterator<Item = (String, Fetched)>) -> Self {
        Self { answers: answers.into_iter().collect(), ..Self::default() }
    }

    /// One layout that stands for a repository; nothing is known of others.
    pub(super) fn layout(repository: &str, layout: Layout) -> Self {
        Self { layouts: BTreeMap::from([(repository.to_owned(), layout)]), ..Self::default() }
    }

    /// These repositories, and no others: whatever is not there does not exist.
    pub(super) fn world(layouts: BTreeMap<String, Layout>) -> Self {
        Self { layouts, is_everything: true, ..Self::default() }
    }
}

impl Source for Given {
    fn fetch<'a>(&'a self, need: &'a Need, deadline: Instant) -> BoxFuture<'a, Fetched> {
        if let Some(layout) = self.layouts.get(&format!("{}/{}", need.registry, need.repository)) {
            return layout.fetch(need, deadline);
        }
        let fetched = match self.answers.get(&need.id) {
            Some(fetched) => within(fetched, need.limit),
            None if self.is_everything => Fetched::Absent,
            None => Fetched::Failed { reason: "no evidence for this is given, and no registry is asked".to_owned() },
        };
        Box::pin(std::future::ready(fetched))
    }
}

/// As a registry client answers, which stops reading at the limit.
fn within(fetched: &Fetched, limit: u64) -> Fetched {
    match fetched {
        Fetched::Bytes { bytes, .. } if bytes.len() as u64 > limit => Fetched::TooLarge { got: bytes.len() as u64 },
        other => other.clone(),
    }
}

/// What a record says came of a need.
pub(super) fn fetched(entry: &EvidenceEntry, bytes: Option<&Bytes>) -> Fetched {
    match &entry.came {
        Came::Found { media_type, .. } => {
            Fetched::Bytes { bytes: bytes.cloned().unwrap_or_default(), media_type: media_type.clone() }
        }
        Came::Digest { digest } => Fetched::Digest(digest.clone()),
        Came::Absent => Fetched::Absent,
        Came::TooLarge { got } => Fetched::TooLarge { got: *got },
        Came::Failed { reason } => Fetched::Failed { reason: reason.clone() },
    }
}

/// The same as the engine takes it in one piece. The index of a blob is for whoever frames it to give.
pub(super) fn answered(entry: &EvidenceEntry, bytes: Option<&Bytes>) -> Answered {
    let outcome = match &entry.came {
        Came::Found { media_type, .. } => Outcome::Found { blob: 0, media_type: media_type.clone() },
        Came::Digest { digest } => Outcome::Digest { digest: digest.clone() },
        Came::Absent => Outcome::Absent,
        Came::TooLarge { got } => Outcome::TooLarge { got: *got },
        Came::Failed { reason } => Outcome::Failed { reason: reason.clone() },
    };
    (Evidence { need: entry.need.clone(), outcome }, bytes.cloned())
}
