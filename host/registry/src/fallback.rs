//! The list of referrers under a fallback tag, for registries that keep no such lists (distribution-spec 1.1, section
//! "Pushing Manifests with Subject").

use bytes::Bytes;
use serde_json::{Value, json};

use crate::client::Client;
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::names::{INDEX_MEDIA_TYPE, fallback_tag};
use crate::push::{Addition, referrer_descriptor};
use crate::tag::{Added, UnderTag};

impl Client {
    /// Adds a manifest to the list of referrers under its subject's fallback tag, for registries that do not keep such
    /// lists ([`SubjectReport::NotListed`](crate::SubjectReport::NotListed)). What others have listed stays, as
    /// [`add_to_tag`](Client::add_to_tag) promises.
    ///
    /// # Errors
    /// [`RegistryError::Protocol`] when the manifest is not JSON or what lies under the tag is not an index; and those of
    /// [`add_to_tag`](Client::add_to_tag).
    pub async fn list_referrer(
        &self,
        registry: &str,
        repository: &str,
        subject: &Digest,
        media_type: &str,
        manifest: &[u8],
    ) -> Result<Added, RegistryError> {
        let tag = fallback_tag(subject);
        let unusable = |reason: &str| RegistryError::Protocol {
            registry: registry.to_owned(),
            request: format!("GET manifests/{tag}"),
            reason: reason.into(),
        };
        let manifest_json: Value =
            serde_json::from_slice(manifest).map_err(|_| unusable("the manifest to list is not JSON"))?;
        let entry = referrer_descriptor(media_type, manifest, &manifest_json);
        self.add_to_tag(registry, repository, &tag, async |under: UnderTag<'_>| {
            let mut index = read(under.now).map_err(unusable)?;
            let lost = under.written.map(|written| read(Some(written)).map_err(unusable)).transpose()?;
            let lost = lost.as_ref().and_then(|lost| lost.get("manifests")?.as_array().cloned()).unwrap_or_default();
            let Some(entries) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
                return Err(unusable("what lies under the fallback tag is not an index"));
            };
            let same = |one: &Value, other: &Value| one.get("digest") == other.get("digest");
            if entries.iter().any(|there| same(there, &entry)) {
                return Ok(None);
            }
            for entry in lost.into_iter().chain([entry.clone()]) {
                if !entries.iter().any(|there| same(there, &entry)) {
                    entries.push(entry);
                }
            }
            let manifest = Bytes::from(index.to_string());
            Ok(Some(Addition { manifest, media_type: INDEX_MEDIA_TYPE.to_owned(), blobs: Vec::new() }))
        })
        .await
    }
}

/// The index under the tag, or an empty one.
fn read(manifest: Option<&Bytes>) -> Result<Value, &'static str> {
    match manifest {
        None => Ok(json!({"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": []})),
        Some(bytes) => serde_json::from_slice(bytes).map_err(|_| "what lies under the fallback tag is not JSON"),
    }
}
