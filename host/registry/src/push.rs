//! Pushing what a push plan names: blobs and manifests (distribution-spec 1.1, section "Push").

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::auth::Access;
use crate::body::Answer;
use crate::client::{Client, Repository, wrong_name};
use crate::digest::Digest;
use crate::error::{RegistryError, clean};
use crate::host::authority;
use crate::names::is_reference;
use crate::retry::{LONGEST, MOST_FAILURES, is_passing, up_to};
use crate::stats::RequestKind;
use crate::transport::Tries;

/// A manifest, and the blobs that it needs.
#[derive(Debug, Clone)]
pub struct Addition {
    /// The manifest.
    pub manifest: Bytes,
    /// Its media type.
    pub media_type: String,
    /// Blobs to be there before it.
    pub blobs: Vec<(Digest, Bytes)>,
}

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushedBlob {
    /// It was there; nothing was sent.
    AlreadyThere,
    /// It was sent.
    Uploaded,
}

/// What became of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedManifest {
    /// Its digest, computed here from what was sent.
    pub digest: Digest,
    /// What the registry made of its `subject`.
    pub subject: SubjectReport,
}

/// Whether a registry lists a manifest among the referrers of its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectReport {
    /// The manifest has no subject.
    None,
    /// The registry reported the subject back (`OCI-Subject`): it keeps the list.
    Listed(Digest),
    /// The registry reported nothing: the client has to keep the list under the fallback tag, see
    /// [`Client::list_referrer`].
    NotListed(Digest),
}

impl Client {
    /// Pushes a blob, unless it is there: `POST` and one `PUT`.
    ///
    /// # Errors
    /// [`RegistryError::DigestMismatch`] when the bytes are not what the digest names (nothing is sent then), or when
    /// the registry reports another digest; [`RegistryError::Redirect`] when it wants the upload at a host that is not
    /// allowed; and everything that a request can meet.
    pub async fn push_blob(
        &self,
        registry: &str,
        repository: &str,
        digest: &Digest,
        bytes: Bytes,
    ) -> Result<PushedBlob, RegistryError> {
        let repository = self.repository(registry, repository).await?;
        same_digest(&repository, "PUT blobs/uploads", digest, digest.recompute(&bytes).as_str())?;
        let deadline = self.transport.operation_deadline(bytes.len());
        let what = format!("blobs/{digest}");
        let call = repository.call(RequestKind::Push, Access::Push, Method::HEAD, &what, deadline);
        let answer = self.transport.send(&call).await?;
        match answer.status() {
            200 => return Ok(PushedBlob::AlreadyThere),
            404 => {}
            _ => return Err(answer.into_error(&self.transport.stats).await),
        }
        drop(answer);

        let mut call = repository.call(RequestKind::Push, Access::Push, Method::POST, "blobs/uploads/", deadline);
        if digest.algorithm() != "sha256" {
            call.url.query_pairs_mut().append_pair("digest-algorithm", digest.algorithm());
        }
        call.body = Some(Bytes::new());
        let answer = self.transport.send(&call).await?;
        if answer.status() != 202 {
            return Err(answer.into_error(&self.transport.stats).await);
        }
        let from = call.url;
        let target = upload_location(&repository, &from, &answer)?;
        drop(answer);

        let mut call = repository.call(RequestKind::Push, Access::Push, Method::PUT, "blobs/uploads", deadline);
        call.url = target;
        // A Location may have a query of its own, which stays as it is: the digest comes after it.
        let query =
            call.url.query().filter(|query| !query.is_empty()).map(|query| format!("{query}&")).unwrap_or_default();
        call.url.set_query(Some(&format!("{query}digest={}", digest.as_str().replace(':', "%3A"))));
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call.body = Some(bytes);
        let answer = self.transport.send(&call).await?;
        if !matches!(answer.status(), 201 | 204) {
            return Err(answer.into_error(&self.transport.stats).await);
        }
        if let Some(reported) = answer.header("docker-content-digest") {
            same_digest(&repository, "PUT blobs/uploads", digest, reported)?;
        }
        Ok(PushedBlob::Uploaded)
    }

    /// Pushes a manifest under a tag or its digest, and reports what the registry made of its `subject`.
    ///
    /// # Errors
    /// [`RegistryError::DigestMismatch`] when the reference is another digest than that of the bytes (nothing is sent
    /// then), or when the registry reports another digest; and everything that a request can meet.
    pub async fn push_manifest(
        &self,
        registry: &str,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<PushedManifest, RegistryError> {
        let repository = self.repository(registry, repository).await?;
        self.put_manifest(&repository, reference, media_type, bytes, None, Tries::Several).await
    }

    /// Pushes blobs, then the manifest that names them, under a tag or its digest. Where the registry stumbles over others
    /// who push at the same moment, all of it again.
    ///
    /// # Errors
    /// Those of [`push_blob`](Self::push_blob) and [`push_manifest`](Self::push_manifest).
    pub async fn push(
        &self,
        registry: &str,
        repository: &str,
        reference: &str,
        addition: &Addition,
    ) -> Result<PushedManifest, RegistryError> {
        let mut failures = 0u32;
        loop {
            match self.push_all(registry, repository, reference, addition).await {
                Err(error) if failures < MOST_FAILURES && is_passing(&error) => {
                    failures = failures.saturating_add(1);
                    tracing::info!(registry, reference, %error, "trying again");
                    let most = self.transport.limits().settle().saturating_mul(failures);
                    sleep(up_to(most.min(LONGEST))).await;
                }
                result => return result,
            }
        }
    }

    async fn push_all(
        &self,
        registry: &str,
        repository: &str,
        reference: &str,
        addition: &Addition,
    ) -> Result<PushedManifest, RegistryError> {
        for (digest, bytes) in &addition.blobs {
            self.push_blob(registry, repository, digest, bytes.clone()).await?;
        }
        let (media_type, manifest) = (&addition.media_type, addition.manifest.clone());
        self.push_manifest(registry, repository, reference, media_type, manifest).await
    }

    /// Pushes a manifest with a condition, without trying again.
    pub(crate) async fn put_once(
        &self,
        repository: &Repository<'_>,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
        condition: Option<(HeaderName, HeaderValue)>,
    ) -> Result<PushedManifest, RegistryError> {
        self.put_manifest(repository, reference, media_type, bytes, condition, Tries::One).await
    }

    async fn put_manifest(
        &self,
        repository: &Repository<'_>,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
        condition: Option<(HeaderName, HeaderValue)>,
        tries: Tries,
    ) -> Result<PushedManifest, RegistryError> {
        if !is_reference(reference) {
            return Err(wrong_name(&repository.host.name, "tag or digest", reference));
        }
        let what = format!("manifests/{reference}");
        let label = format!("PUT {what}");
        let by_digest = Digest::parse(reference).ok();
        let digest = by_digest.as_ref().map_or_else(|| Digest::sha256(&bytes), |digest| digest.recompute(&bytes));
        if let Some(asked) = &by_digest {
            same_digest(repository, &label, asked, digest.as_str())?;
        }
        let subject = subject_of(&bytes);
        let deadline: Instant = self.transport.operation_deadline(bytes.len());
        let mut call = repository.call(RequestKind::Push, Access::Push, Method::PUT, &what, deadline);
        let content_type = HeaderValue::from_str(media_type)
            .map_err(|_| wrong_name(&repository.host.name, "media type", media_type))?;
        call.headers.insert(CONTENT_TYPE, content_type);
        call.headers.extend(condition);
        call.tries = tries;
        call.body = Some(bytes);
        let answer = self.transport.send(&call).await?;
        if !matches!(answer.status(), 200..=202 | 204) {
            return Err(answer.into_error(&self.transport.stats).await);
        }
        // A registry may report by an algorithm of its own choice; only the same one can be compared.
        if let Some(reported) = answer.header("docker-content-digest")
            && (reported.starts_with(digest.algorithm()) || Digest::parse(reported).is_err())
        {
            same_digest(repository, &label, &digest, reported)?;
        }
        let subject = match (subject, answer.header("oci-subject")) {
            (None, _) => SubjectReport::None,
            (Some(subject), None) => SubjectReport::NotListed(subject),
            (Some(subject), Some(reported)) => {
                same_digest(repository, &label, &subject, reported)?;
                SubjectReport::Listed(subject)
            }
        };
        Ok(PushedManifest { digest, subject })
    }
}

/// A descriptor as registries list it: `artifactType` is the manifest's, or else its config's media type; annotations
/// are copied.
pub(crate) fn referrer_descriptor(media_type: &str, manifest: &[u8], manifest_json: &Value) -> Value {
    let mut entry =
        json!({"mediaType": media_type, "digest": Digest::sha256(manifest).as_str(), "size": manifest.len()});
    let text =
        |value: Option<&Value>| value.filter(|value| value.as_str().is_some_and(|text| !text.is_empty())).cloned();
    let artifact_type =
        text(manifest_json.get("artifactType")).or_else(|| text(manifest_json.pointer("/config/mediaType")));
    if let (Some(entry), Some(value)) = (entry.as_object_mut(), artifact_type) {
        entry.insert("artifactType".into(), value);
    }
    if let (Some(entry), Some(value)) =
        (entry.as_object_mut(), manifest_json.get("annotations").filter(|value| value.is_object()))
    {
        entry.insert("annotations".into(), value.clone());
    }
    entry
}

/// The digest of a manifest's subject, if it names one that we can read.
pub(crate) fn subject_of(manifest: &[u8]) -> Option<Digest> {
    let document: Value = serde_json::from_slice(manifest).ok()?;
    Digest::parse(document.pointer("/subject/digest")?.as_str()?).ok()
}

/// Where to upload to: absolute or relative, on a host that is allowed.
fn upload_location(repository: &Repository<'_>, from: &Url, answer: &Answer) -> Result<Url, RegistryError> {
    let registry = &repository.host.name;
    let request = || "POST blobs/uploads/".to_owned();
    let location = answer.header(LOCATION.as_str()).unwrap_or_default();
    let target = from.join(location).ok().filter(|_| !location.is_empty()).ok_or_else(|| RegistryError::Protocol {
        registry: registry.clone(),
        request: request(),
        reason: "no usable Location for the upload".into(),
    })?;
    repository.host.allow_redirect(from, &target).map_err(|reason| RegistryError::Redirect {
        registry: registry.clone(),
        request: request(),
        target: clean(&format!("{}://{}", target.scheme(), authority(&target))),
        reason,
    })?;
    Ok(target)
}

fn same_digest(repository: &Repository<'_>, request: &str, expected: &Digest, got: &str) -> Result<(), RegistryError> {
    if expected.as_str() == got {
        return Ok(());
    }
    Err(RegistryError::DigestMismatch {
        registry: repository.host.name.clone(),
        request: request.into(),
        expected: expected.to_string(),
        got: clean(got),
    })
}
