//! Serving a manifest: the octets of the permitted digest, checked inside the module, which also says what they name.

use std::time::Instant;

use axum::body::Body;
use axum::http::Response as HttpResponse;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue};
use axum::response::Response;
use bulla_engine::SandboxError;
use bulla_engine::abi::Operation;
use bulla_registry::{Digest, Fetched, Need, NeedKind, Source as _};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::permit::{Kind, Named, Permit};
use super::refusal::Refusal;
use super::{CONTENT_DIGEST, Proxy};

/// Octets of a manifest. 4 MiB: what registries take, and what the module reads.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// What the module says about a manifest whose digest it checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contents {
    media_type: String,
    manifests: Vec<Descriptor>,
    blobs: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
}

impl Proxy {
    /// Serves the manifest that the permit is for, and gives permits for what it names.
    ///
    /// # Errors
    /// [`Refusal`] when the upstream does not give it, or gives something else.
    pub(super) async fn forward_manifest(&self, permit: Permit, head: bool) -> Result<Response, Refusal> {
        let begun = Instant::now();
        let deadline = begun.checked_add(self.deadline).unwrap_or(begun);
        let name = format!("{}/{}@{}", self.upstream, permit.repository(), permit.digest());
        let need = Need {
            id: format!("manifest {name}"),
            kind: NeedKind::Manifest,
            registry: self.upstream.clone(),
            repository: permit.repository().to_owned(),
            reference: permit.digest().to_string(),
            limit: MAX_MANIFEST_BYTES,
        };
        let (bytes, media_type) = match self.decider.sources().fetch(&need, deadline.into()).await {
            Fetched::Bytes { bytes, media_type } => (bytes, media_type),
            Fetched::Absent => {
                return Err(Refusal::ManifestAbsent { message: format!("{name} does not exist, says its registry") });
            }
            Fetched::TooLarge { got } => {
                let message = format!("{name}: {got} octets, at most {MAX_MANIFEST_BYTES} are served");
                return Err(Refusal::Manifest { message });
            }
            Fetched::Failed { reason } => return Err(Refusal::unavailable(format!("{name}: {reason}"))),
            Fetched::Digest(_) => return Err(Refusal::unavailable(format!("{name}: no manifest came"))),
        };
        let contents = self.contents(&permit, &name, &bytes, media_type.as_deref(), deadline).await?;
        self.permits.extend(&permit, Kind::Manifest, named(&name, contents.manifests)?).await;
        self.permits.extend(&permit, Kind::Blob, named(&name, contents.blobs)?).await;
        Ok(respond(&permit, bytes, &contents.media_type, head))
    }

    async fn contents(
        &self,
        permit: &Permit,
        name: &str,
        bytes: &Bytes,
        media_type: Option<&str>,
        deadline: Instant,
    ) -> Result<Contents, Refusal> {
        let header = json!({"digest": permit.digest().as_str(), "manifest": 0, "mediaType": media_type});
        let budget = deadline.saturating_duration_since(Instant::now());
        let asked = self.decider.engine().ask(Operation::Contents, &header, vec![bytes.to_vec()], budget).await;
        match asked {
            Ok((contents, _)) => Ok(contents),
            Err(SandboxError::Module { message, .. }) => {
                Err(Refusal::Manifest { message: format!("{name}: {message}") })
            }
            Err(problem) => Err(Refusal::unavailable(format!("{name}: {problem}"))),
        }
    }
}

fn named(name: &str, descriptors: Vec<Descriptor>) -> Result<Vec<Named>, Refusal> {
    let named = descriptors.into_iter().map(|descriptor| {
        let digest = Digest::parse(&descriptor.digest);
        let digest = digest.map_err(|error| Refusal::Manifest { message: format!("{name}: {error}") })?;
        Ok(Named { digest, size: descriptor.size })
    });
    named.collect()
}

fn respond(permit: &Permit, bytes: Bytes, media_type: &str, head: bool) -> Response {
    let length = HeaderValue::from(bytes.len());
    let mut response = HttpResponse::new(if head { Body::empty() } else { Body::from(bytes) });
    let headers = response.headers_mut();
    if let Ok(media_type) = HeaderValue::from_str(media_type) {
        headers.insert(CONTENT_TYPE, media_type);
    }
    headers.insert(CONTENT_LENGTH, length);
    // A checked digest is hexadecimal digits and a colon.
    if let Ok(digest) = HeaderValue::from_str(permit.digest().as_str()) {
        headers.insert(CONTENT_DIGEST, digest);
    }
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", permit.digest())) {
        headers.insert(ETAG, tag);
    }
    response
}
