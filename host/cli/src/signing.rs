//! Signing images: resolve, prepare, sign, assemble; then publish and read back. Nothing is published before everything is
//! prepared and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::Engine;
use bulla_registry::Sources;
use bulla_server::{Decided, Decider, Outcome};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::json;

use crate::ask::{self, PushPlan};
use crate::signer::Signer;
use crate::{policies, sources};

/// Wall time for one decision about an image that is being signed.
const DECISION: Duration = Duration::from_secs(30);
/// Times that a lost signature is merged again. 5: with jitter, six writers at one tag all get through.
const MERGES: u32 = 5;

/// Images that are prepared at once: what one registry takes from one client without queueing.
const AT_ONCE: usize = 8;

/// What signing needs: the module, the key, the places, the annotations to sign.
pub(crate) struct Signing<'s> {
    engine: &'s Engine,
    signer: &'s Signer,
    annotations: &'s BTreeMap<String, String>,
    /// Decides by a policy of exactly this key and these annotations.
    decider: Decider,
}

/// An image whose signature is made and checked, and not published yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The reference, pinned to its digest.
    pub(crate) image: String,
    pub(crate) digest: String,
    pub(crate) plan: PushPlan,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'s> Signing<'s> {
    /// Everything that signing with this key needs. The sources must be [uncached](sources::uncached).
    ///
    /// # Errors
    /// When the module does not take the key.
    pub(crate) async fn new(
        engine: &'s Engine,
        sources: Sources,
        signer: &'s Signer,
        annotations: &'s BTreeMap<String, String>,
    ) -> Result<Self> {
        let policy = policies::for_key(&signer.public, annotations).validate(engine).await?;
        Ok(Self { engine, signer, annotations, decider: Decider::new(engine.clone(), sources, policy) })
    }

    /// Resolves and prepares images, in their order; one that is named twice is signed once.
    ///
    /// # Errors
    /// For the first image that cannot be signed.
    pub(crate) async fn prepare_all(&self, images: &[String]) -> Result<Vec<Prepared>> {
        let mut prepared: Vec<Prepared> = futures_util::stream::iter(images)
            .map(|image| async move { self.prepare(image).await.with_context(|| image.clone()) })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut seen = BTreeSet::new();
        let place = |one: &Prepared| (one.plan.registry.clone(), one.plan.repository.clone(), one.digest.clone());
        prepared.retain(|one| seen.insert(place(one)));
        Ok(prepared)
    }

    async fn prepare(&self, image: &str) -> Result<Prepared> {
        // A decision resolves the tag and normalises the reference in the same words that a verifier will use.
        let decided = self.decide(image).await;
        let (Some(pinned), Some(digest)) = (decided.pinned(), decided.digest()) else {
            bail!("{}", unprefixed(decided.summary()));
        };
        let (image, digest) = (pinned.to_owned(), digest.to_owned());
        let payload = ask::prepare(self.engine, &image, &json!(self.annotations)).await?;
        let signature = self.signer.sign(self.engine, &payload).await?;
        // The first plan says where signatures of this image lie; the second one contains those that are there.
        let place = self.assemble(&image, &payload, &signature, None).await?;
        self.check_image(&place, &digest).await?;
        let existing = self.existing(&place).await?;
        let plan = self.assemble(&image, &payload, &signature, existing.as_deref()).await?;
        Ok(Prepared { image, digest, plan, payload, signature })
    }

    /// Publishes one signature and reads it back. Another signer may publish at the same moment, and the later of two
    /// writers of one tag wins: then the signatures are merged and published again.
    ///
    /// # Errors
    /// When it cannot be published, or is lost again each time.
    pub(crate) async fn publish(&self, prepared: &Prepared) -> Result<()> {
        for again in 0..=MERGES {
            if again > 0 {
                tokio::time::sleep(jitter(again)?).await;
            }
            // Read anew right before writing: since the image was prepared, somebody was asked or others were published.
            let plan = self.merged(prepared).await?;
            if plan.already_there {
                return self.read_back(prepared).await;
            }
            if again > 0 {
                tracing::info!(image = %prepared.image, again, "the signature is not there any more; merging again");
            }
            sources::push(self.decider.sources(), &plan).await?;
        }
        if self.merged(prepared).await?.already_there {
            return self.read_back(prepared).await;
        }
        bail!(
            "{}: published {} times, and another writer of {} replaced the signature each time; try again later",
            prepared.image,
            MERGES.saturating_add(1),
            prepared.plan.tag
        )
    }

    /// The plan that adds this signature to those that are there now.
    async fn merged(&self, prepared: &Prepared) -> Result<PushPlan> {
        let there = self.existing(&prepared.plan).await?;
        self.assemble(&prepared.image, &prepared.payload, &prepared.signature, there.as_deref()).await
    }

    /// What a verifier with this key says about the image now.
    async fn read_back(&self, prepared: &Prepared) -> Result<()> {
        let decided = self.decide(&prepared.image).await;
        match decided.outcome() {
            Outcome::Accept => Ok(()),
            _ => bail!("{}: published, but reading back says {}", prepared.image, decided.summary()),
        }
    }

    async fn decide(&self, image: &str) -> Decided {
        self.decider.decide(image, None, Instant::now() + DECISION).await
    }

    /// The image itself must be there, and its manifest must have the digest that is signed.
    async fn check_image(&self, place: &PushPlan, digest: &str) -> Result<()> {
        let found = sources::manifest(self.decider.sources(), &place.registry, &place.repository, digest).await?;
        let (manifest, media_type) = found.ok_or_else(|| {
            anyhow!("{}/{} has no image {digest}; push the image before signing it", place.registry, place.repository)
        })?;
        ask::contents(self.engine, digest, &manifest, media_type.as_deref()).await?;
        Ok(())
    }

    async fn existing(&self, place: &PushPlan) -> Result<Option<Vec<u8>>> {
        let found = sources::manifest(self.decider.sources(), &place.registry, &place.repository, &place.tag).await?;
        Ok(found.map(|(bytes, _)| bytes.to_vec()))
    }

    async fn assemble(
        &self,
        image: &str,
        payload: &[u8],
        signature: &[u8],
        existing: Option<&[u8]>,
    ) -> Result<PushPlan> {
        ask::assemble(self.engine, image, payload, signature, &self.signer.public, existing).await
    }
}

/// Between 50 ms and 50 ms + `again` × 200 ms, at random: writers that collided once do not collide in step.
fn jitter(again: u32) -> Result<Duration> {
    let mut random = [0; 2];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow!("the system gives no random numbers"))?;
    let most = u64::from(again).saturating_mul(200);
    let part = u64::from(u16::from_be_bytes(random)).saturating_mul(most) / u64::from(u16::MAX);
    Ok(Duration::from_millis(part.saturating_add(50)))
}

/// A summary without the outcome's word, which does not fit: nobody asked for a verdict.
fn unprefixed(summary: &str) -> &str {
    summary.strip_prefix("rejected: ").or_else(|| summary.strip_prefix("unknown: ")).unwrap_or(summary)
}
