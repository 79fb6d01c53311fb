//! Serving a blob: streamed, digest and size checked on the way, whole or in part (RFC 9110, section 14).

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, Response as HttpResponse, StatusCode};
use axum::response::Response;
use bulla_registry::{BlobRange, RegistryError, verified};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::sync::OwnedSemaphorePermit;

use super::layout_file::LayoutFile;
use super::permit::Permit;
use super::pump::pump;
use super::refusal::Refusal;
use super::{CONTENT_DIGEST, Proxy};

/// A blob on its way, with the part that it is: first, last.
struct Opened {
    stream: BoxStream<'static, Result<Bytes, RegistryError>>,
    part: Option<(u64, u64)>,
}

impl Proxy {
    /// Serves the blob that the permit is for. `slot` is held until the last octet is on its way.
    ///
    /// # Errors
    /// [`Refusal`] when the upstream does not give it. What turns out to be wrong on the way breaks the connection off.
    pub(super) async fn forward_blob(
        &self,
        permit: Permit,
        head: bool,
        headers: &HeaderMap,
        slot: OwnedSemaphorePermit,
    ) -> Result<Response, Refusal> {
        let Some(size) = permit.size() else {
            return Err(Refusal::unavailable(format!("{}: its size is not known", permit.digest())));
        };
        if head {
            self.look_at_blob(&permit, size).await?;
            return Ok(respond(&permit, size, None, Body::empty()));
        }
        let range = match asked_range(headers, &permit, size) {
            Asked::Whole => None,
            // The whole by another name is checked like the whole.
            Asked::Part(0, last) if last.saturating_add(1) >= size => None,
            Asked::Part(first, last) => Some(BlobRange { first, last: Some(last) }),
            Asked::Outside => return Err(Refusal::Range { size }),
        };
        let opened = self.open_blob(&permit, size, range).await?;
        let name = format!("{}/{}@{}", self.upstream, permit.repository(), permit.digest());
        let stream = pump(name, opened.stream, slot);
        Ok(respond(&permit, size, opened.part, Body::from_stream(stream)))
    }

    async fn open_blob(&self, permit: &Permit, size: u64, range: Option<BlobRange>) -> Result<Opened, Refusal> {
        let (repository, digest) = (permit.repository(), permit.digest());
        let failed = |error: RegistryError| Refusal::blob(&error, size);
        if let Some(layout) = self.decider.sources().layout(&self.upstream, repository) {
            let absent = || Refusal::BlobAbsent { message: format!("{}: no {digest} in it", layout.path().display()) };
            let file = LayoutFile::open(layout, digest).await.map_err(failed)?.ok_or_else(absent)?;
            same_size(permit, size, Some(file.size))?;
            let part = range.and_then(|range| Some((range.first, range.last?)));
            let stream = file.read(range);
            let origin = layout.path().display().to_string();
            let stream = match part {
                Some(_) => stream,
                None => verified(stream, &origin, digest.clone(), Some(size)).boxed(),
            };
            return Ok(Opened { stream, part });
        }
        let blob =
            self.decider.sources().client().open_blob(&self.upstream, repository, digest, Some(size), range).await;
        let blob = blob.map_err(failed)?;
        match blob.part {
            None => {
                same_size(permit, size, blob.size)?;
                Ok(Opened { part: None, stream: blob.boxed() })
            }
            Some((first, last, whole)) => {
                same_size(permit, size, whole)?;
                Ok(Opened { part: Some((first, last)), stream: blob.boxed() })
            }
        }
    }

    /// Whether the upstream has the blob, in the size that the manifest says.
    async fn look_at_blob(&self, permit: &Permit, size: u64) -> Result<(), Refusal> {
        let (repository, digest) = (permit.repository(), permit.digest());
        let failed = |error: RegistryError| Refusal::blob(&error, size);
        let there = match self.decider.sources().layout(&self.upstream, repository) {
            Some(layout) => LayoutFile::open(layout, digest).await.map_err(failed)?.map(|file| Some(file.size)),
            None => {
                let client = self.decider.sources().client();
                let info = client.head_blob(&self.upstream, repository, digest).await.map_err(failed)?;
                info.map(|info| info.size)
            }
        };
        let absent = || Refusal::BlobAbsent { message: format!("{}/{repository}: no {digest}", self.upstream) };
        same_size(permit, size, there.ok_or_else(absent)?)
    }
}

/// A blob of another size than its manifest says cannot be it.
fn same_size(permit: &Permit, size: u64, got: Option<u64>) -> Result<(), Refusal> {
    match got.filter(|got| *got != size) {
        Some(got) => Err(Refusal::unavailable(format!(
            "{}: the registry has {got} octets, the accepted manifest says {size}",
            permit.digest()
        ))),
        None => Ok(()),
    }
}

fn respond(permit: &Permit, size: u64, part: Option<(u64, u64)>, body: Body) -> Response {
    let mut response = HttpResponse::new(body);
    let mut length = size;
    if let Some((first, last)) = part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        length = last.saturating_sub(first).saturating_add(1);
        if let Ok(range) = HeaderValue::from_str(&format!("bytes {first}-{last}/{size}")) {
            response.headers_mut().insert(CONTENT_RANGE, range);
        }
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(digest) = HeaderValue::from_str(permit.digest().as_str()) {
        headers.insert(CONTENT_DIGEST, digest);
    }
    if let Ok(tag) = HeaderValue::from_str(&entity_tag(permit)) {
        headers.insert(ETAG, tag);
    }
    response
}

fn entity_tag(permit: &Permit) -> String {
    format!("\"{}\"", permit.digest())
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    /// First and last octet.
    Part(u64, u64),
    Outside,
}

/// One range of octets; several, other units, and what is not understood count as none (RFC 9110, section 14.2).
fn asked_range(headers: &HeaderMap, permit: &Permit, size: u64) -> Asked {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text(&IF_RANGE).is_some_and(|tag| tag != entity_tag(permit)) {
        return Asked::Whole;
    }
    text(&RANGE).map_or(Asked::Whole, |range| parse_range(range, size))
}

fn parse_range(range: &str, size: u64) -> Asked {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return Asked::Whole;
    };
    let end = size.saturating_sub(1);
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.min(end)),
        (Ok(first), Err(_)) if last.is_empty() => (first, end),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 => (size.saturating_sub(count), end),
        (Err(_), Ok(0)) if first.is_empty() => return Asked::Outside,
        _ => return Asked::Whole,
    };
    if first >= size { Asked::Outside } else { Asked::Part(first, last) }
}

#[cfg(test)]
mod tests {
    use super::{Asked, parse_range};

    #[test]
    fn ranges() {
        for (range, want) in [
            ("bytes=0-9", Asked::Part(0, 9)),
            ("bytes=10-", Asked::Part(10, 99)),
            ("bytes=-10", Asked::Part(90, 99)),
            ("bytes=-1000", Asked::Part(0, 99)),
            ("bytes=90-1000", Asked::Part(90, 99)),
            ("bytes=100-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=9-1", Asked::Whole),
            ("bytes=0-1,4-5", Asked::Whole),
            ("lines=0-9", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
        ] {
            assert_eq!(parse_range(range, 100), want, "{range}");
        }
        assert_eq!(parse_range("bytes=0-0", 0), Asked::Outside);
    }
}
