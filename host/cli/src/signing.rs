//! Signing images: resolve, prepare, sign, assemble. Publishing is in `publish`. Nothing is published before everything is
//! prepared and checked.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::Engine;
use bulla_registry::{PushPlan, Sources};
use bulla_server::{Decided, Decider, Outcome};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::notation::{Notation, Subject};
use crate::plan::{self, Beside, Claim, Kept, Signed};
use crate::policies::{self, Form};
use crate::signer::Signer;
use crate::{ask, sources};

/// Wall time for one decision about an image that is being signed.
const DECISION: Duration = Duration::from_secs(30);
/// Images that are worked on at once: what one registry takes from one client without queueing.
pub(crate) const AT_ONCE: usize = 8;
/// Manifests below one image that are signed with it. 64: as many as a policy looks at.
const MAX_BELOW: usize = 64;
/// Indexes in indexes. 3: nobody has been seen to nest more than two.
const MAX_DEPTH: u32 = 3;

/// What signing needs: the module, the key, the places, and what is to be said.
pub(crate) struct Signing<'s> {
    engine: &'s Engine,
    signer: &'s Signer,
    claim: &'s Claim,
    /// Decides by a policy that wants exactly what is about to be said.
    decider: Decider,
}

/// An image whose signature is made and checked, and not published yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The reference, pinned to its digest.
    pub(crate) image: String,
    pub(crate) digest: String,
    pub(crate) plan: PushPlan,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// An image that was found.
#[derive(Debug, Clone)]
struct Image {
    /// The reference, pinned to its digest.
    name: String,
    registry: String,
    repository: String,
    digest: String,
    manifest: Bytes,
    media_type: Option<String>,
}

impl<'s> Signing<'s> {
    /// Everything that signing with this key needs. The sources must be [uncached](sources::uncached).
    ///
    /// # Errors
    /// When the module does not take the key, or what is to be said.
    pub(crate) async fn new(
        engine: &'s Engine,
        sources: Sources,
        signer: &'s Signer,
        claim: &'s Claim,
    ) -> Result<Self> {
        // What cannot be said of any image is refused before a registry is asked about one, and in words about what was given.
        let policy = match &claim.kept {
            Kept::Cosign(form) => {
                plan::prepare(engine, &format!("registry.invalid/any@sha256:{}", "0".repeat(64)), claim).await?;
                policies::for_key(&signer.public, &claim.conditions(*form)).validate(engine).await?
            }
            Kept::Notation(notation) => {
                let policy = notation.policy(engine, signer, &claim.annotations).await?;
                // The certificates of the signer were taken already.
                let named = if notation.timestamps.is_some() { "--timestamp-root-cert" } else { "--annotation" };
                policy.validate(engine).await.context(named)?
            }
        };
        Ok(Self { engine, signer, claim, decider: Decider::new(engine.clone(), sources, policy) })
    }

    /// Resolves and prepares images, in their order; one that is named twice is signed once. `recursive`: of an index, the
    /// manifests in it as well, before the index itself.
    ///
    /// # Errors
    /// For the first image that cannot be signed.
    pub(crate) async fn prepare_all(&self, images: &[String], recursive: bool) -> Result<Vec<Prepared>> {
        let found: Vec<Vec<Image>> = futures_util::stream::iter(images)
            .map(|image| async move { self.find(image, recursive).await.with_context(|| image.clone()) })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut seen = BTreeSet::new();
        let place = |one: &Image| (one.registry.clone(), one.repository.clone(), one.digest.clone());
        let once: Vec<Image> = found.into_iter().flatten().filter(|one| seen.insert(place(one))).collect();
        futures_util::stream::iter(&once)
            .map(|image| async move { self.prepare(image).await.with_context(|| image.name.clone()) })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    pub(crate) fn sources(&self) -> &Sources {
        self.decider.sources()
    }

    /// The image, and before it what is in it.
    async fn find(&self, name: &str, recursive: bool) -> Result<Vec<Image>> {
        // A decision resolves the tag and normalises the reference in the same words that a verifier will use.
        let decided = self.decide(name).await;
        let (Some(pinned), Some(repository), Some(digest)) = (decided.pinned(), decided.repository(), decided.digest())
        else {
            bail!("{}", unprefixed(decided.summary()));
        };
        let (registry, path) = repository.split_once('/').unwrap_or((repository, ""));
        let top = self.image(pinned.to_owned(), registry, path, digest).await?;
        if !recursive {
            return Ok(vec![top.0]);
        }
        let mut found: Vec<Image> = Vec::new();
        let mut level = vec![top];
        for depth in 0..=MAX_DEPTH {
            let mut next = Vec::new();
            for (image, children) in level {
                for digest in &children {
                    if found.len().saturating_add(next.len()) > MAX_BELOW {
                        bail!("more than {MAX_BELOW} manifests below it: sign them one by one");
                    }
                    let name = format!("{registry}/{path}@{digest}");
                    let child = self.image(name, registry, path, digest).await;
                    next.push(child.with_context(|| format!("in {}", image.digest))?);
                }
                found.push(image);
            }
            if next.is_empty() {
                break;
            }
            if depth == MAX_DEPTH {
                bail!("indexes nested more than {MAX_DEPTH} deep: sign them one by one");
            }
            level = next;
        }
        found.reverse();
        Ok(found)
    }

    /// An image that must be there, its manifest held against the digest that is signed; and the manifests in it.
    async fn image(
        &self,
        name: String,
        registry: &str,
        repository: &str,
        digest: &str,
    ) -> Result<(Image, Vec<String>)> {
        let found = sources::manifest(self.sources(), registry, repository, digest).await?;
        let (manifest, media_type) = found.ok_or_else(|| {
            anyhow!("{registry}/{repository} has no image {digest}; push the image before signing it")
        })?;
        let contents = ask::contents(self.engine, digest, &manifest, media_type.as_deref()).await?;
        let children = contents.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let children = children.iter().filter_map(|child| child.get("digest")?.as_str().map(str::to_owned)).collect();
        let (registry, repository, digest) = (registry.to_owned(), repository.to_owned(), digest.to_owned());
        Ok((Image { name, registry, repository, digest, manifest, media_type }, children))
    }

    async fn prepare(&self, image: &Image) -> Result<Prepared> {
        let form = match &self.claim.kept {
            Kept::Cosign(form) => *form,
            Kept::Notation(notation) => return self.prepare_notation(image, notation).await,
        };
        let prepared = plan::prepare(self.engine, &image.name, self.claim).await?;
        let signature = self.signer.sign(self.engine, &prepared.message).await?;
        let payload = prepared.payload;
        let plan = match form {
            Form::Bundle => {
                let beside = Beside::Image { manifest: &image.manifest, media_type: image.media_type.as_deref() };
                let plan = self.assemble(&image.name, &payload, &signature, beside).await?;
                let there = sources::referrers(self.sources(), &plan.registry, &plan.repository, &image.digest).await?;
                PushPlan { already_there: there.contains(&plan.reference), ..plan }
            }
            Form::Legacy => {
                // The first plan says where signatures of this image lie; the second one contains those that are there.
                let nothing = Beside::Tag { existing: None, written: None };
                let place = self.assemble(&image.name, &payload, &signature, nothing).await?;
                let existing =
                    sources::manifest(self.sources(), &place.registry, &place.repository, &place.reference).await?;
                match &existing {
                    None => place,
                    Some((existing, _)) => {
                        let beside = Beside::Tag { existing: Some(existing), written: None };
                        self.assemble(&image.name, &payload, &signature, beside).await?
                    }
                }
            }
        };
        Ok(Prepared { image: image.name.clone(), digest: image.digest.clone(), plan, payload, signature })
    }

    async fn prepare_notation(&self, image: &Image, notation: &Notation) -> Result<Prepared> {
        let subject =
            Subject::Image { image: &image.name, manifest: &image.manifest, media_type: image.media_type.as_deref() };
        let prepared = notation.prepare(self.engine, subject, &self.claim.annotations).await?;
        let signature = notation.sign(self.engine, self.signer, &prepared).await?;
        let plan = notation.assemble(self.engine, self.sources().client(), subject, &prepared, &signature).await?;
        let (name, digest) = (image.name.clone(), image.digest.clone());
        Ok(Prepared { image: name, digest, plan, payload: prepared.payload, signature })
    }

    /// What a verifier with this key says about the image now. A list of referrers may be a moment behind, and what others
    /// write at this moment may be unreadable.
    pub(crate) async fn read_back(&self, prepared: &Prepared) -> Result<()> {
        let mut decided = self.decide(&prepared.image).await;
        for pause in sources::PAUSES {
            if decided.outcome() == Outcome::Accept {
                break;
            }
            tokio::time::sleep(pause).await;
            decided = self.decide(&prepared.image).await;
        }
        match decided.outcome() {
            Outcome::Accept => Ok(()),
            _ => bail!("published, but reading back says {}", decided.summary()),
        }
    }

    async fn decide(&self, image: &str) -> Decided {
        self.decider.decide(image, None, Instant::now() + DECISION).await
    }

    pub(crate) async fn assemble(
        &self,
        image: &str,
        payload: &[u8],
        signature: &[u8],
        beside: Beside<'_>,
    ) -> Result<PushPlan> {
        let signed = Signed { image, payload, signature, public_key: &self.signer.public };
        plan::assemble(self.engine, self.claim, signed, beside).await
    }
}

/// A summary without the outcome's word, which does not fit: nobody asked for a verdict.
fn unprefixed(summary: &str) -> &str {
    summary.strip_prefix("rejected: ").or_else(|| summary.strip_prefix("unknown: ")).unwrap_or(summary)
}
