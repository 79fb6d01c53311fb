//! The needs of a decision: tags, manifests and blobs (distribution-spec 1.1, section "Pull").

use std::time::Duration;

use bulla_abi::{Need, NeedKind};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue};
use tokio::time::{Instant, timeout_at};

use crate::auth::Access;
use crate::body::Answer;
use crate::client::{Client, Repository, wrong_name};
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::names::is_reference;
use crate::stats::RequestKind;
use bulla_source::{Fetched, Source};

/// [`crate::MANIFEST_MEDIA_TYPES`] as one `Accept` value.
pub(crate) const ACCEPT_MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json",
);

/// How much later than the deadline an answer may come, should a part of a request not watch the deadline itself.
const GRACE: Duration = Duration::from_millis(50);

impl Source for Client {
    fn fetch<'a>(&'a self, need: &'a Need, deadline: Instant) -> BoxFuture<'a, Fetched> {
        async move {
            let started = Instant::now();
            // Every request watches the deadline; this one watches the rest: names, credential helpers, waiting for
            // each other.
            let latest = deadline.checked_add(GRACE).unwrap_or(deadline);
            match timeout_at(latest, self.fetch_need(need, deadline)).await {
                Ok(Ok(fetched)) => fetched,
                Ok(Err(error)) => Fetched::from(error),
                Err(_) => Fetched::from(RegistryError::Deadline {
                    registry: need.registry.clone(),
                    request: format!("{:?} {}", need.kind, need.reference),
                    after: started.elapsed(),
                }),
            }
        }
        .boxed()
    }
}

impl Client {
    async fn fetch_need(&self, need: &Need, deadline: Instant) -> Result<Fetched, RegistryError> {
        let repository = self.repository(&need.registry, &need.repository).await?;
        let digest =
            || Digest::parse(&need.reference).map_err(|_| wrong_name(&need.registry, "digest", &need.reference));
        let reference = || match is_reference(&need.reference) {
            true => Ok(need.reference.as_str()),
            false => Err(wrong_name(&need.registry, "tag or digest", &need.reference)),
        };
        match need.kind {
            NeedKind::Resolve => self.resolve(&repository, reference()?, need.limit, deadline).await,
            NeedKind::Manifest => {
                let what = format!("manifests/{}", reference()?);
                self.get(&repository, RequestKind::Manifest, &what, need.limit, deadline).await
            }
            NeedKind::Referrers => self.referrers(&repository, &digest()?, need.limit, deadline).await,
            NeedKind::Blob => {
                let what = format!("blobs/{}", digest()?);
                self.get(&repository, RequestKind::Blob, &what, need.limit, deadline).await
            }
            other => Err(RegistryError::Name {
                registry: need.registry.clone(),
                reason: format!("{other:?} is not known here"),
            }),
        }
    }

    /// A tag's digest from the headers; where they do not say it, the manifest itself, from which the module computes
    /// it.
    async fn resolve(
        &self,
        repository: &Repository<'_>,
        reference: &str,
        limit: u64,
        deadline: Instant,
    ) -> Result<Fetched, RegistryError> {
        let what = format!("manifests/{reference}");
        let answer = self.request(repository, RequestKind::Resolve, Method::HEAD, &what, deadline).await?;
        match answer.status() {
            200 => {
                let digest = answer.header("docker-content-digest").and_then(|text| Digest::parse(text).ok());
                if let Some(digest) = digest {
                    return Ok(Fetched::Digest(digest.to_string()));
                }
            }
            // A registry that does not know HEAD may know GET.
            405 | 501 => {}
            _ => return Err(answer.into_error(&self.transport.stats).await),
        }
        self.get(repository, RequestKind::Resolve, &what, limit, deadline).await
    }

    /// A body and its media type.
    pub(crate) async fn get(
        &self,
        repository: &Repository<'_>,
        kind: RequestKind,
        what: &str,
        limit: u64,
        deadline: Instant,
    ) -> Result<Fetched, RegistryError> {
        let answer = self.request(repository, kind, Method::GET, what, deadline).await?;
        if answer.status() != 200 {
            return Err(answer.into_error(&self.transport.stats).await);
        }
        let media_type = answer.content_type();
        Ok(Fetched::Bytes { bytes: answer.read(limit, &self.transport.stats).await?, media_type })
    }

    /// A request that reads, with `Accept` where manifests are asked for.
    pub(crate) async fn request(
        &self,
        repository: &Repository<'_>,
        kind: RequestKind,
        method: Method,
        what: &str,
        deadline: Instant,
    ) -> Result<Answer, RegistryError> {
        let mut call = repository.call(kind, Access::Pull, method, what, deadline);
        if what.starts_with("manifests/") {
            call.headers.insert(ACCEPT, ACCEPT_MANIFESTS);
        }
        self.transport.send(&call).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn accept_lists_every_manifest_type() {
        assert_eq!(super::ACCEPT_MANIFESTS, crate::MANIFEST_MEDIA_TYPES.join(", "));
    }
}
