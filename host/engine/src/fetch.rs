//! Fetching what the module needs, and answering every need, whatever became of it.

use std::time::Instant;

use bulla_abi::{Evidence, Need, Outcome};
use bulla_source::{Fetched, Source};
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

/// Needs of one decision that are fetched at once. 16: more than one registry answers in parallel over one connection
/// without queueing, and few enough that one decision cannot take all of a host's sockets.
pub const MAX_FETCHES_AT_ONCE: usize = 16;

/// Evidence and the bytes it came with. The blob index in it is that of the message in which it was supplied.
pub type Answered = (Evidence, Option<Bytes>);

/// Fetches all needs of one round and answers each, in their order and at the latest shortly after `deadline`. Blob indices
/// count from zero.
pub async fn answer_all(needs: &[Need], fetch: &dyn Source, deadline: Instant) -> Vec<Answered> {
    let slots = Semaphore::new(MAX_FETCHES_AT_ONCE);
    let fetches = needs.iter().map(|need| fetch_one(need, fetch, deadline, &slots));
    let mut blobs = 0;
    let fetched = join_all(fetches).await;
    needs.iter().zip(fetched).map(|(need, fetched)| answer(need, fetched, &mut blobs)).collect()
}

async fn fetch_one(need: &Need, fetch: &dyn Source, deadline: Instant, slots: &Semaphore) -> Fetched {
    let begun = Instant::now();
    if begun >= deadline {
        return Fetched::Failed { reason: format!("{}: not asked, no time was left", need.registry) };
    }
    // Waiting for a slot uses up the need's time as well: the deadline is the decision's, not the request's.
    let work = async {
        let _slot = slots.acquire().await;
        fetch.fetch(need, deadline.into()).await
    };
    tokio::time::timeout_at(deadline.into(), work).await.unwrap_or_else(|_| Fetched::Failed {
        reason: format!("{}: timed out after {:.1} s", need.registry, begun.elapsed().as_secs_f64()),
    })
}

fn answer(need: &Need, fetched: Fetched, blobs: &mut usize) -> Answered {
    let (outcome, bytes) = match fetched {
        // A client that did not stop at the limit is held to it here: the module counts on it.
        Fetched::Bytes { bytes, .. } if bytes.len() as u64 > need.limit => {
            (Outcome::TooLarge { got: bytes.len() as u64 }, None)
        }
        Fetched::Bytes { bytes, media_type } => {
            let blob = *blobs;
            *blobs = blobs.saturating_add(1);
            (Outcome::Found { blob, media_type }, Some(bytes))
        }
        Fetched::Digest(digest) => (Outcome::Digest { digest }, None),
        Fetched::Absent => (Outcome::Absent, None),
        Fetched::TooLarge { got } => (Outcome::TooLarge { got }, None),
        Fetched::Failed { reason } => (Outcome::Failed { reason }, None),
    };
    (Evidence { need: need.id.clone(), outcome }, bytes)
}
