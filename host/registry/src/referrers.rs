//! Referrers of a digest: the API with its pages, or the fallback tag (distribution-spec 1.1, section "Listing
//! Referrers").

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use crate::auth::Access;
use crate::body::Answer;
use crate::client::{Client, Repository};
use crate::digest::Digest;
use crate::error::{RegistryError, clean};
use crate::host::authority;
use crate::names::{EMPTY_INDEX, INDEX_MEDIA_TYPE, essence, fallback_tag};
use crate::stats::RequestKind;
use bulla_source::Fetched;

impl Client {
    /// All referrers of a digest as one index. A registry that has none gives an empty index; one that cannot say gives
    /// an error, which is not the same.
    pub(crate) async fn referrers(
        &self,
        repository: &Repository<'_>,
        digest: &Digest,
        limit: u64,
        deadline: Instant,
    ) -> Result<Fetched, RegistryError> {
        if !repository.host.lacks_referrers()
            && let Some(bytes) = self.referrers_by_api(repository, digest, limit, deadline).await?
        {
            return Ok(index(bytes));
        }
        let what = format!("manifests/{}", fallback_tag(digest));
        match self.get(repository, RequestKind::Referrers, &what, limit, deadline).await {
            Err(RegistryError::Absent { .. }) => Ok(index(Bytes::from_static(EMPTY_INDEX.as_bytes()))),
            result => result,
        }
    }

    /// The pages of the API, merged. None where the registry has no such API.
    async fn referrers_by_api(
        &self,
        repository: &Repository<'_>,
        digest: &Digest,
        limit: u64,
        deadline: Instant,
    ) -> Result<Option<Bytes>, RegistryError> {
        let mut call = repository.call(
            RequestKind::Referrers,
            Access::Pull,
            Method::GET,
            &format!("referrers/{digest}"),
            deadline,
        );
        call.headers.insert(ACCEPT, HeaderValue::from_static(INDEX_MEDIA_TYPE));
        let unusable = |reason: String| RegistryError::Protocol {
            registry: repository.host.name.clone(),
            request: format!("GET referrers/{digest}"),
            reason,
        };
        let (mut pages, mut read): (usize, u64) = (0, 0);
        let mut entries: Vec<Value> = Vec::new();
        loop {
            let answer = self.transport.send(&call).await?;
            let is_index = answer.content_type().is_some_and(|text| essence(&text) == INDEX_MEDIA_TYPE);
            match answer.status() {
                200 if is_index => repository.host.remember_referrers(),
                // Only the first page can say that there is no API: after it, a page is missing, and what is missing is
                // not none.
                200 | 404 | 405 | 501 if pages == 0 => {
                    if !names_the_repository(answer, &self.transport.stats).await {
                        repository.host.remember_no_referrers();
                    }
                    return Ok(None);
                }
                200 => {
                    return Err(unusable(format!("page {} is not an image index", pages.saturating_add(1))));
                }
                404 => return Err(unusable(format!("HTTP 404 for page {}", pages.saturating_add(1)))),
                _ => return Err(answer.into_error(&self.transport.stats).await),
            }
            pages = pages.saturating_add(1);
            let next = answer.header("link").and_then(next_link).map(ToOwned::to_owned);
            let from = call.url.clone();
            let bytes =
                answer.read(limit.saturating_sub(read), &self.transport.stats).await.map_err(|error| match error {
                    RegistryError::TooLarge { registry, request, got, .. } => {
                        RegistryError::TooLarge { registry, request, got: got.saturating_add(read), limit }
                    }
                    other => other,
                })?;
            read = read.saturating_add(bytes.len() as u64);
            let page: Value = serde_json::from_slice(&bytes)
                .map_err(|error| unusable(format!("not JSON: {}", clean(&error.to_string()))))?;
            let Some(manifests) = page.get("manifests").and_then(Value::as_array) else {
                return Err(unusable("an image index without manifests".into()));
            };
            let total = entries.len().saturating_add(manifests.len());
            let most = self.transport.limits().referrers_entries;
            if total > most {
                return Err(unusable(format!("{total} entries or more, at most {most} are read")));
            }
            // The usual case: what came goes on as it came.
            if next.is_none() && pages == 1 {
                return Ok(Some(bytes));
            }
            entries.extend_from_slice(manifests);
            let Some(next) = next else { break };
            let most = self.transport.limits().referrers_pages;
            if pages >= most {
                return Err(unusable(format!("more than {most} pages")));
            }
            call.url = follow(repository, &from, &next).map_err(unusable)?;
        }
        let merged = json!({"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": entries}).to_string();
        if merged.len() as u64 > limit {
            let request = format!("GET referrers/{digest}");
            return Err(RegistryError::TooLarge {
                registry: repository.host.name.clone(),
                request,
                got: merged.len() as u64,
                limit,
            });
        }
        Ok(Some(Bytes::from(merged)))
    }
}

fn index(bytes: Bytes) -> Fetched {
    Fetched::Bytes { bytes, media_type: Some(INDEX_MEDIA_TYPE.to_owned()) }
}

/// Whether a "no" is about this repository rather than the API: then other repositories are asked as before.
async fn names_the_repository(answer: Answer, stats: &crate::stats::Stats) -> bool {
    if answer.status() != 404 {
        return false;
    }
    let body = answer.read(4096, stats).await.unwrap_or_default();
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    matches!(document.pointer("/errors/0/code").and_then(Value::as_str), Some("NAME_UNKNOWN" | "NAME_INVALID"))
}

/// Where a `Link` leads: on the registry itself, since a list has no reason to go on elsewhere.
fn follow(repository: &Repository<'_>, from: &Url, next: &str) -> Result<Url, String> {
    let url = from.join(next).map_err(|_| "a Link that is not a URL".to_owned())?;
    if repository.host.owns(&url) && url.scheme() == from.scheme() {
        Ok(url)
    } else {
        Err(format!("the next page is on another host, {}", clean(&authority(&url))))
    }
}

/// The target of `rel="next"` in a `Link` value (RFC 8288, section 3).
fn next_link(value: &str) -> Option<&str> {
    let mut rest = value;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let parameters = after.split('<').next().unwrap_or(after);
        let is_next = parameters.split([';', ',']).any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, relation)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && relation
                        .trim()
                        .trim_matches('"')
                        .split_whitespace()
                        .any(|word| word.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::next_link;

    #[test]
    fn the_next_link_is_found() {
        for (value, expected) in [
            (r#"</v2/a/referrers/x?n=2>; rel="next""#, Some("/v2/a/referrers/x?n=2")),
            ("<b>; rel=next", Some("b")),
            (r#"<a>; rel="prev", <c>;title="x"; rel="next last""#, Some("c")),
            (r#"<a>; rel="prev""#, None),
            ("nonsense", None),
            ("<never closed", None),
        ] {
            assert_eq!(next_link(value), expected, "{value}");
        }
    }
}
