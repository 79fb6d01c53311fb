//! Adding to what lies under a tag, so that of several writers none loses what another one added.
//!
//! A registry has no way to write a tag only if nobody else has (distribution-spec 1.1, section "Pushing Manifests"): of two
//! writers that read, merge and write at the same moment, the later one wins. So nobody believes his own write here:
//!
//! 1. Blobs are pushed first. Then the tag is read once more, and only if it is still what was merged with, the manifest is
//!    put, at once: between the read and the start of the write passes at most a quarter of the settle time.
//! 2. The settle time passes, and the tag is read again. Only who finds his entry there has added it: a writer that had read
//!    the tag before that entry was there has written by now.
//! 3. Who does not find it waits, longer each time and at random, and begins again. What he had written is merged as well:
//!    entries of others that the other writer had not seen come back, for as long as this one call goes on.
//!
//! What remains: a write that a registry takes in, but makes visible only when more than three quarters of the settle time
//! have passed, and writers that do not look again, as cosign. Where a registry gives an `ETag`, `If-Match` is sent with the
//! write; one that minds it closes the window altogether.

use core::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ETAG, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep};

use crate::client::{Client, Repository};
use crate::error::{RegistryError, span};
use crate::push::Addition;
use crate::retry::{LONGEST, MOST_FAILURES, is_passing, up_to};
use crate::stats::RequestKind;

/// Octets of a manifest that is read back to be changed. 4 MiB: registries should take manifests of this size.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// Times that an addition is made again after another writer replaced it.
const MOST_AGAIN: u32 = 12;
/// Times that the tag may be another one than a moment ago before a writer steps back: then many write at once.
const MOST_LAPS: u32 = 16;
/// Answers of the registry by which its speed is judged: those of the last two or three rounds.
const RECENT: usize = 8;
/// What to do about a write that others may not have seen in time.
const LOOK: &str = "if others signed meanwhile, see whether their signatures are there";
/// What is known about a tag when something is to be added.
#[derive(Debug, Clone, Copy)]
pub struct UnderTag<'t> {
    /// The manifest that is there now.
    pub now: Option<&'t Bytes>,
    /// The manifest that was written here before, in the same call. What it had and `now` has not was lost to a writer
    /// that had not seen it.
    pub written: Option<&'t Bytes>,
}

/// What became of an addition: it is there, and was there for the whole settle time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Manifests that were written; none when the entry was there before.
    pub writes: u32,
    /// Times that another writer came between.
    pub conflicts: u32,
}

impl Client {
    /// Adds something to the manifest under a tag and makes sure that it stays there.
    ///
    /// `merge` gets what is under the tag and gives the manifest with the addition, or nothing when the addition is there
    /// already. It is asked again whenever the tag has changed.
    ///
    /// # Errors
    /// [`RegistryError::Replaced`] when others replaced it every time; whatever `merge` says; and everything that a
    /// request can meet.
    pub async fn add_to_tag<E: From<RegistryError>>(
        &self,
        registry: &str,
        repository: &str,
        tag: &str,
        mut merge: impl AsyncFnMut(UnderTag<'_>) -> Result<Option<Addition>, E>,
    ) -> Result<Added, E> {
        let repository = self.repository(registry, repository).await?;
        let pace = Pace::new(self.transport.limits().settle());
        let mut writer = Writer { client: self, repository: &repository, tag, pace, written: None, writes: 0 };
        let mut conflicts = 0u32;
        let mut failures = 0u32;
        loop {
            match writer.round(&mut merge).await {
                Ok(true) => return Ok(Added { writes: writer.writes, conflicts }),
                Ok(false) => {
                    failures = 0;
                    tracing::info!(registry, tag, "another writer came between; merging again");
                }
                Err(Problem::Merge(error)) => return Err(error),
                Err(Problem::Registry(error)) if failures >= MOST_FAILURES || !is_passing(&error) => {
                    return Err(error.into());
                }
                Err(Problem::Registry(error)) => {
                    failures = failures.saturating_add(1);
                    tracing::info!(registry, tag, %error, "trying again");
                }
            }
            if conflicts >= MOST_AGAIN {
                let (registry, tag) = (repository.host.name.clone(), tag.to_owned());
                return Err(RegistryError::Replaced { registry, tag, times: conflicts.saturating_add(1) }.into());
            }
            conflicts = conflicts.saturating_add(1);
            sleep(writer.pace.pause(conflicts)).await;
        }
    }
}

/// Who adds something to one tag.
struct Writer<'w> {
    client: &'w Client,
    repository: &'w Repository<'w>,
    tag: &'w str,
    pace: Pace,
    /// What was put last.
    written: Option<Bytes>,
    writes: u32,
}

/// Why a round came to nothing.
enum Problem<E> {
    Registry(RegistryError),
    Merge(E),
}

impl<E> From<RegistryError> for Problem<E> {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl Writer<'_> {
    /// Writes, waits, and looks. Whether the entry is there and has settled.
    async fn round<E>(
        &mut self,
        merge: &mut impl AsyncFnMut(UnderTag<'_>) -> Result<Option<Addition>, E>,
    ) -> Result<bool, Problem<E>> {
        if !self.write(merge).await? {
            return Ok(false);
        }
        sleep(self.pace.settle()).await;
        let (now, _) = self.read().await?;
        let under = UnderTag { now: now.as_ref(), written: self.written.as_ref() };
        Ok(merge(under).await.map_err(Problem::Merge)?.is_none())
    }

    /// Reads, merges and writes, as soon as the tag is the same twice. False when somebody else is always faster.
    async fn write<E>(
        &mut self,
        merge: &mut impl AsyncFnMut(UnderTag<'_>) -> Result<Option<Addition>, E>,
    ) -> Result<bool, Problem<E>> {
        let mut merged: Option<(Option<Bytes>, Addition)> = None;
        for _ in 0..MOST_LAPS {
            let started = Instant::now();
            let (now, etag) = self.read().await?;
            let (took, window) = (started.elapsed(), self.pace.window());
            self.pace.observe(took);
            if let Some((base, addition)) = merged.take_if(|(base, _)| *base == now) {
                // By what was usual before: a read that took unusually long, or a process that was stopped meanwhile, may
                // have seen what others believe to be over.
                if took > window {
                    merged = Some((base, addition));
                    continue;
                }
                return Ok(self.put(addition, etag).await?);
            }
            let under = UnderTag { now: now.as_ref(), written: self.written.as_ref() };
            let Some(addition) = merge(under).await.map_err(Problem::Merge)? else {
                return Ok(true);
            };
            for (digest, bytes) in &addition.blobs {
                let (registry, repository) = (&self.repository.host.name, self.repository.name);
                self.client.push_blob(registry, repository, digest, bytes.clone()).await?;
            }
            merged = Some((now, addition));
        }
        Ok(false)
    }

    /// Puts the manifest once: a second try might come when others believe that the tag has settled. False when the
    /// registry says that somebody was there first.
    async fn put(&mut self, addition: Addition, etag: Option<HeaderValue>) -> Result<bool, RegistryError> {
        let condition = etag.map(|etag| (HeaderName::from_static("if-match"), etag));
        self.written = Some(addition.manifest.clone());
        self.writes = self.writes.saturating_add(1);
        let started = Instant::now();
        let put =
            self.client.put_once(self.repository, self.tag, &addition.media_type, addition.manifest, condition).await;
        let took = started.elapsed();
        if took > self.pace.least.saturating_mul(3) / 4 {
            let (registry, tag, took) = (&self.repository.host.name, self.tag, span(&took));
            tracing::warn!(registry, tag, took, "the registry took long to write the tag; {LOOK}");
        }
        self.pace.observe(took);
        match put {
            // The condition failed (RFC 9110, section 15.5.13).
            Err(RegistryError::Status { status: 412, .. }) => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// What lies under the tag now, and its `ETag`.
    async fn read(&self) -> Result<(Option<Bytes>, Option<HeaderValue>), RegistryError> {
        let transport = &self.client.transport;
        let deadline = transport.operation_deadline(0);
        let what = format!("manifests/{}", self.tag);
        let answer = self.client.request(self.repository, RequestKind::Push, Method::GET, &what, deadline).await?;
        match answer.status() {
            200 => {
                let etag = answer.response.headers().get(ETAG).cloned();
                Ok((Some(answer.read(MAX_MANIFEST_BYTES, &transport.stats).await?), etag))
            }
            404 => Ok((None, None)),
            _ => Err(answer.into_error(&transport.stats).await),
        }
    }
}

/// How fast the registry is, and so how long everything waits.
struct Pace {
    /// The settle time that is configured.
    least: Duration,
    settle: Duration,
    /// What the last answers took, the oldest replaced by the next one.
    recent: [Duration; RECENT],
    next: usize,
}

impl Pace {
    fn new(settle: Duration) -> Self {
        Self { least: settle, settle, recent: [Duration::ZERO; RECENT], next: 0 }
    }

    /// A registry that takes long gets more time: four times what the slowest of its last answers took.
    fn observe(&mut self, took: Duration) {
        if let Some(slot) = self.recent.get_mut(self.next) {
            *slot = took;
        }
        self.next = self.next.saturating_add(1) % RECENT;
        let slowest = self.recent.iter().max().copied().unwrap_or_default();
        self.settle = self.least.max(slowest.saturating_mul(4).min(LONGEST));
    }

    /// From the read of a tag to the start of its write.
    fn window(&self) -> Duration {
        self.settle / 4
    }

    /// The settle time and up to half as much at random: writers that collided do not look in step.
    fn settle(&self) -> Duration {
        self.settle.saturating_add(up_to(self.settle / 2))
    }

    /// Before the next try: up to half the settle time, twice as much each time, at most four times the settle time.
    fn pause(&self, conflicts: u32) -> Duration {
        let most = self.settle.saturating_mul(2u32.saturating_pow(conflicts.saturating_sub(1).min(3))) / 2;
        up_to(most.min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Pace, RECENT};
    use crate::retry::LONGEST;

    #[test]
    fn a_slow_registry_gets_more_time_and_no_wait_is_endless() {
        let mut pace = Pace::new(Duration::from_secs(1));
        pace.observe(Duration::from_millis(10));
        assert_eq!((pace.settle, pace.window()), (Duration::from_secs(1), Duration::from_millis(250)));
        pace.observe(Duration::from_secs(1));
        assert_eq!((pace.settle, pace.window()), (Duration::from_secs(4), Duration::from_secs(1)));
        pace.observe(Duration::from_secs(100));
        assert_eq!(pace.settle, LONGEST);
        (0..RECENT).for_each(|_| pace.observe(Duration::from_millis(300)));
        assert_eq!(pace.settle, Duration::from_millis(1200), "what is long ago does not count");
        for conflicts in 0..20 {
            assert!(pace.pause(conflicts) < LONGEST && pace.settle() < LONGEST * 3 / 2);
        }
    }
}
