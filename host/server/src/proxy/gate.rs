//! The gate: a reference becomes a permit through a decision, or it does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bulla_records::Action;
use bulla_registry::Digest;
use moka::future::Cache;
use tracing::warn;

use super::Proxy;
use super::permit::Permit;
use super::refusal::Refusal;
use super::route::Reference;
use crate::config::WhenUnknown;
use crate::decider::{Asked, Circumstances, Decided, Outcome};
use crate::metrics::Surface;

/// Seconds that a tag's digest stays the same for clients: a client asks with HEAD and then with GET, and must not get
/// two images. As long as evidence about tags is reused.
const TAG_SECONDS: u64 = 10;
/// Tags that are remembered.
const MAX_TAGS: u64 = 10_000;

/// What an accept leaves. Only [`accepted`] makes one, from a verdict.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    digest: Digest,
    generation: Arc<str>,
    known: bool,
}

impl Accepted {
    pub(super) const fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(super) const fn generation(&self) -> &Arc<str> {
        &self.generation
    }

    /// False where only the configuration let an unknown verdict pass: such leave is for one pull.
    pub(super) const fn is_known(&self) -> bool {
        self.known
    }
}

/// Accepts of the last seconds, by policy generation and image. Those who ask for one image at once wait for one decision.
pub(super) struct Tags(Cache<(Arc<str>, String), Accepted>);

impl Tags {
    pub(super) fn new() -> Self {
        let seconds = Duration::from_secs(TAG_SECONDS);
        Self(Cache::builder().max_capacity(MAX_TAGS).time_to_live(seconds).build())
    }
}

impl Proxy {
    /// A permit for the manifest behind a reference.
    ///
    /// # Errors
    /// [`Refusal`] when the verdict is not an accept.
    pub(super) async fn gate(&self, repository: &str, reference: &Reference) -> Result<Permit, Refusal> {
        let name = format!("{}/{repository}", self.upstream);
        let image = match reference {
            Reference::Tag(tag) => format!("{name}:{tag}"),
            Reference::Digest(digest) => format!("{name}@{digest}"),
        };
        let key = (self.decider.loaded().generation().clone(), image.clone());
        let work = self.decide(&name, &image);
        let accepted = self.tags.0.try_get_with(key, work).await.map_err(|refusal| (*refusal).clone())?;
        if let Reference::Digest(asked) = reference
            && asked != accepted.digest()
        {
            return Err(Refusal::Manifest { message: format!("{image}: the verdict is about {}", accepted.digest()) });
        }
        Ok(self.permits.accept(repository, &accepted).await)
    }

    async fn decide(&self, name: &str, image: &str) -> Result<Accepted, Refusal> {
        let begun = Instant::now();
        let deadline = begun.checked_add(self.deadline).unwrap_or(begun);
        // A share of the sandboxes: however many pulls wait for a slow registry, the webhook has the rest.
        let Ok(Ok(_share)) = tokio::time::timeout_at(deadline.into(), self.deciding.acquire()).await else {
            return Err(Refusal::unavailable(format!("{image}: too many decisions at once")));
        };
        let decided = self.decider.decide(image, None, deadline).await;
        let decided = self.decider.remember(decided, deadline).await;
        let circumstances = &Circumstances::default();
        let asked = Asked { surface: Surface::Proxy, image, namespace: "", object: "", circumstances, dry_run: false };
        let action = match accepted(name, image, &decided, self.unknown) {
            Ok(accepted) if accepted.is_known() => Action::Allowed,
            Ok(_) => Action::Warned,
            Err(_) => Action::Denied,
        };
        let decided = self.decider.conclude(&asked, decided, action, deadline).await;
        let accepted = accepted(name, image, &decided, self.unknown)?;
        if !accepted.is_known() {
            warn!(image, summary = decided.summary(), "served although unknown");
        }
        Ok(accepted)
    }
}

/// The one way from a verdict to leave.
fn accepted(name: &str, image: &str, decided: &Decided, unknown: WhenUnknown) -> Result<Accepted, Refusal> {
    let message = format!("{image}: {}", decided.summary());
    match (decided.outcome(), unknown) {
        (Outcome::Accept, _) => {}
        (Outcome::Unknown, WhenUnknown::WarnUnsafe) if decided.digest().is_some() => {}
        (Outcome::Unknown, _) => return Err(Refusal::Unavailable { message, verdict: decided.verdict.clone() }),
        (Outcome::Reject, _) if decided.has_reason("image-absent") => return Err(Refusal::ManifestAbsent { message }),
        (Outcome::Reject, _) => return Err(Refusal::Denied { message, verdict: decided.verdict.clone() }),
    }
    // The verdict must be about the repository that is served: `docker.io/nginx` is short for another one.
    match decided.repository() {
        Some(repository) if repository == name => {}
        other => {
            let full = other.unwrap_or("a repository without a name").to_owned();
            return Err(Refusal::OtherName { asked: name.to_owned(), full });
        }
    }
    let digest = Digest::parse(decided.digest().unwrap_or_default());
    let digest = digest.map_err(|error| Refusal::unavailable(format!("{image}: {error}")))?;
    let known = decided.outcome() == Outcome::Accept;
    Ok(Accepted { digest, generation: decided.generation.clone(), known })
}
