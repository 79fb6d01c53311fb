//! Publishing a signature: to a layout, under a tag, or as a referrer; and making sure that it is there.

use anyhow::{Result, anyhow, bail};
use bulla_registry::{Added, Addition, Layout, PushPlan, UnderTag};
use bytes::Bytes;

use crate::plan::Beside;
use crate::signing::{Prepared, Signing};
use crate::sources;

/// Times that a layout may change between being read and being written. 100: each time somebody else has got on.
const LAYOUT_TRIES: u32 = 100;

impl Signing<'_> {
    /// Publishes one signature, sees to it that it stays, and reads it back as a verifier with this key would.
    ///
    /// # Errors
    /// When it cannot be published, or others replace it every time.
    pub(crate) async fn publish(&self, prepared: &Prepared) -> Result<()> {
        let plan = &prepared.plan;
        let layout = self.sources().layout(&plan.registry, &plan.repository).cloned();
        let added = match (layout, &plan.tag) {
            (Some(layout), Some(tag)) => self.add_to_layout(&layout, prepared, tag).await?,
            (Some(layout), None) => refer_in_layout(&layout, plan)?,
            (None, Some(tag)) => self.add_to_tag(prepared, tag).await?,
            (None, None) => {
                let (client, addition) = (self.sources().client(), plan.addition()?);
                client.refer(&plan.registry, &plan.repository, &plan.reference, &addition).await?
            }
        };
        tracing::debug!(image = %prepared.image, added.writes, added.conflicts, "published");
        self.read_back(prepared).await
    }

    /// Under a tag of a registry, where others may write at the same moment.
    async fn add_to_tag(&self, prepared: &Prepared, tag: &str) -> Result<Added> {
        let (client, plan) = (self.sources().client(), &prepared.plan);
        let merge = async |under: UnderTag<'_>| -> Result<Option<Addition>> {
            let plan = self.merged(prepared, under.now, under.written).await?;
            if plan.already_there {
                return Ok(None);
            }
            Ok(Some(plan.addition()?))
        };
        client.add_to_tag(&plan.registry, &plan.repository, tag, merge).await
    }

    /// Under a tag of a layout, which tells whether somebody was there first.
    async fn add_to_layout(&self, layout: &Layout, prepared: &Prepared, tag: &str) -> Result<Added> {
        for conflicts in 0..LAYOUT_TRIES {
            let was = layout.resolve(tag)?;
            let there = match &was {
                Some(digest) => layout.manifest(digest.as_str(), sources::MAX_MANIFEST_BYTES)?.map(|(bytes, _)| bytes),
                None => None,
            };
            let plan = self.merged(prepared, there.as_ref(), None).await?;
            if plan.already_there {
                return Ok(Added { writes: 0, conflicts });
            }
            for blob in &plan.blobs {
                layout.put_blob(&blob.bytes)?;
            }
            if layout.replace_manifest(&plan.manifest, &plan.media_type, tag, was.as_ref())? {
                return Ok(Added { writes: 1, conflicts });
            }
        }
        bail!("{}: others changed {tag} {LAYOUT_TRIES} times in a row; try again later", layout.path().display())
    }

    /// The plan that adds this signature to what lies under its tag.
    async fn merged(&self, prepared: &Prepared, now: Option<&Bytes>, written: Option<&Bytes>) -> Result<PushPlan> {
        let beside = Beside::Tag { existing: now.map(AsRef::as_ref), written: written.map(AsRef::as_ref) };
        self.assemble(&prepared.image, &prepared.payload, &prepared.signature, beside).await
    }
}

fn refer_in_layout(layout: &Layout, plan: &PushPlan) -> Result<Added> {
    let subject = plan.subject.as_ref().ok_or_else(|| anyhow!("the push plan names neither a tag nor a subject"))?;
    tracing::debug!(%subject, "listed by its subject");
    for blob in &plan.blobs {
        layout.put_blob(&blob.bytes)?;
    }
    layout.put_manifest(&plan.manifest, &plan.media_type, None)?;
    Ok(Added { writes: 1, conflicts: 0 })
}
