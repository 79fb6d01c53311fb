//! Push plans, as the module's `assemble` gives them (docs/abi.md, section "Signing"), and carrying out those without a tag.

use bytes::Bytes;
use serde::Deserialize;

use crate::client::Client;
use crate::digest::{Digest, DigestError};
use crate::error::RegistryError;
use crate::push::{Addition, SubjectReport};
use crate::tag::Added;

/// What is to be pushed.
#[derive(Debug, Clone)]
pub struct PushPlan {
    /// The registry, by its name in image references.
    pub registry: String,
    /// The repository there.
    pub repository: String,
    /// The tag, where there is one.
    pub tag: Option<String>,
    /// The tag or the digest to push the manifest under.
    pub reference: String,
    /// The digest that the manifest refers to.
    pub subject: Option<String>,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest.
    pub manifest: Bytes,
    /// Blobs to be there before it.
    pub blobs: Vec<PlannedBlob>,
    /// Whether this very signature is there already.
    pub already_there: bool,
}

/// One blob of a push plan.
#[derive(Debug, Clone)]
pub struct PlannedBlob {
    /// Its digest. What the bytes are is checked when they are pushed.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// The blob.
    pub bytes: Bytes,
}

/// A push plan as it stands in a header, which names blobs by their index.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanHeader {
    registry: String,
    repository: String,
    tag: Option<String>,
    reference: String,
    subject: Option<String>,
    media_type: String,
    manifest: usize,
    blobs: Vec<BlobHeader>,
    /// Who sends a plan to be carried out need not say it.
    #[serde(default)]
    already_there: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobHeader {
    digest: String,
    media_type: String,
    blob: usize,
}

/// A plan names a blob that did not come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the push plan names blob {index}, and {count} came with it")]
pub struct BlobMissing {
    /// The index named.
    pub index: usize,
    /// Blobs in the message.
    pub count: usize,
}

impl PlanHeader {
    /// The plan, with the blobs of its message in the places that name them.
    ///
    /// # Errors
    /// [`BlobMissing`].
    pub fn with(self, blobs: Vec<Vec<u8>>) -> Result<PushPlan, BlobMissing> {
        let blobs: Vec<Bytes> = blobs.into_iter().map(Bytes::from).collect();
        let blob = |index: usize| blobs.get(index).cloned().ok_or(BlobMissing { index, count: blobs.len() });
        let planned = self.blobs.into_iter().map(|BlobHeader { digest, media_type, blob: index }| {
            Ok(PlannedBlob { digest, media_type, bytes: blob(index)? })
        });
        Ok(PushPlan {
            blobs: planned.collect::<Result<_, _>>()?,
            manifest: blob(self.manifest)?,
            registry: self.registry,
            repository: self.repository,
            tag: self.tag,
            reference: self.reference,
            subject: self.subject,
            media_type: self.media_type,
            already_there: self.already_there,
        })
    }
}

impl PushPlan {
    /// What a client pushes.
    ///
    /// # Errors
    /// [`DigestError`] for a blob under something that is not a digest.
    pub fn addition(&self) -> Result<Addition, DigestError> {
        let blobs = self.blobs.iter().map(|blob| Ok((Digest::parse(&blob.digest)?, blob.bytes.clone())));
        let blobs = blobs.collect::<Result<_, _>>()?;
        Ok(Addition { manifest: self.manifest.clone(), media_type: self.media_type.clone(), blobs })
    }
}

impl Client {
    /// Pushes a manifest that refers to another one. Where the registry does not keep lists of referrers, it is listed under
    /// the fallback tag. Nothing of others is touched where the registry keeps the list.
    ///
    /// # Errors
    /// [`RegistryError::NotListed`] when it is pushed and verifiers will not find it; and those of [`push`](Self::push).
    pub async fn refer(
        &self,
        registry: &str,
        repository: &str,
        reference: &str,
        addition: &Addition,
    ) -> Result<Added, RegistryError> {
        match self.push(registry, repository, reference, addition).await?.subject {
            SubjectReport::NotListed(subject) => self
                .list_referrer(registry, repository, &subject, &addition.media_type, &addition.manifest)
                .await
                .map_err(|error| RegistryError::NotListed { error: Box::new(error) }),
            _ => Ok(Added { writes: 1, conflicts: 0 }),
        }
    }
}
