//! Blobs as streams, for the proxy and the command line (distribution-spec 1.1, section "Pulling blobs").

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use reqwest::Method;
use reqwest::header::{HeaderValue, RANGE};

use crate::auth::Access;
use crate::client::Client;
use crate::digest::{Digest, Hasher};
use crate::error::RegistryError;
use crate::stats::RequestKind;

/// A range of octets, as a client asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobRange {
    /// Offset of the first octet.
    pub first: u64,
    /// Offset of the last octet, inclusive; None for "to the end".
    pub last: Option<u64>,
}

/// What the headers say about a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// Octets of the whole blob, where the registry says it.
    pub size: Option<u64>,
    /// `Content-Type`, where the registry gives one.
    pub content_type: Option<String>,
}

/// A blob on its way. A whole blob is checked against its digest while it passes: its last part comes only after the
/// check, so a reader never gets all of something that is not the blob.
pub struct BlobStream {
    /// Octets of this stream, where the registry says it.
    pub size: Option<u64>,
    /// `Content-Type`, where the registry gives one.
    pub content_type: Option<String>,
    /// The part that this is, with the octets of the whole: `(first, last, whole)`. None for the whole blob, which is
    /// also the answer of a registry that ignores ranges. A part cannot be checked against the digest.
    pub part: Option<(u64, u64, Option<u64>)>,
    stream: BoxStream<'static, Result<Bytes, RegistryError>>,
}

impl Stream for BlobStream {
    type Item = Result<Bytes, RegistryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(cx)
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStream").field("size", &self.size).field("part", &self.part).finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a blob. Headers have to come within `limits.operationMilliseconds`; after that it may last as long as it
    /// moves (`limits.progressBytesPerSecond`), counting only the time spent waiting for the registry. It does not hold
    /// one of the registry's request slots while it streams: slow pullers must not starve decisions.
    ///
    /// `expected` is the size that a manifest gives the blob, where one is known: a stream of a whole blob never gives
    /// that many octets before their digest is checked, whatever the registry announces.
    ///
    /// # Errors
    /// [`RegistryError::Absent`] for a 404, [`RegistryError::Status`] for others (416 for a range outside the blob),
    /// and everything that a request can meet. The stream itself gives [`RegistryError::DigestMismatch`],
    /// [`RegistryError::Slow`] or [`RegistryError::Broken`] and then ends.
    pub async fn open_blob(
        &self,
        registry: &str,
        repository: &str,
        digest: &Digest,
        expected: Option<u64>,
        range: Option<BlobRange>,
    ) -> Result<BlobStream, RegistryError> {
        let repository = self.repository(registry, repository).await?;
        let deadline = self.transport.operation_deadline(0);
        let mut call =
            repository.call(RequestKind::Blob, Access::Pull, Method::GET, &format!("blobs/{digest}"), deadline);
        if let Some(value) = range.and_then(|range| range_header(&range)) {
            call.headers.insert(RANGE, value);
        }
        let mut answer = self.transport.send(&call).await?;
        let part = match (answer.status(), range) {
            (200, _) => None,
            (206, Some(asked)) => {
                Some(content_range(answer.header("content-range"), &asked).ok_or_else(|| RegistryError::Protocol {
                    registry: repository.host.name.clone(),
                    request: call.label(),
                    reason: "HTTP 206 with another range than the one asked for".into(),
                })?)
            }
            _ => return Err(answer.into_error(&self.transport.stats).await),
        };
        let (size, content_type) = (answer.announced(), answer.content_type());
        answer.permit = None;
        answer.progress = answer.progress.without_deadline();
        let stats = self.stats().clone();
        let parts = stream::try_unfold(answer, move |mut answer| {
            let stats = stats.clone();
            async move {
                let part = answer.progress.next(&mut answer.response).await;
                let part = part.map_err(|stop| stop.error(&answer.registry, &answer.request))?;
                Ok(part.map(|part| {
                    stats.received(part.len());
                    (part, answer)
                }))
            }
        });
        let stream = if part.is_some() {
            parts.boxed()
        } else {
            verified(parts, &repository.host.name, digest.clone(), expected.or(size)).boxed()
        };
        Ok(BlobStream { size, content_type, part, stream })
    }

    /// What the headers say about a blob; None when it is not there.
    ///
    /// # Errors
    /// Everything that a request can meet, except a 404.
    pub async fn head_blob(
        &self,
        registry: &str,
        repository: &str,
        digest: &Digest,
    ) -> Result<Option<BlobInfo>, RegistryError> {
        let repository = self.repository(registry, repository).await?;
        let deadline = self.transport.operation_deadline(0);
        let answer =
            self.request(&repository, RequestKind::Blob, Method::HEAD, &format!("blobs/{digest}"), deadline).await?;
        match answer.status() {
            200 => Ok(Some(BlobInfo { size: answer.announced(), content_type: answer.content_type() })),
            404 => Ok(None),
            _ => Err(answer.into_error(&self.transport.stats).await),
        }
    }
}

/// Checks a stream against a digest, and a size where one is known, while it passes. It keeps back the last part until
/// the check is done, and gives an error in its place when digest or size differ. `origin` names where the stream comes
/// from in the errors.
pub fn verified<S>(
    stream: S,
    origin: &str,
    digest: Digest,
    size: Option<u64>,
) -> impl Stream<Item = Result<Bytes, RegistryError>> + Send + 'static
where
    S: Stream<Item = Result<Bytes, RegistryError>> + Send + 'static,
{
    struct State<S> {
        stream: Pin<Box<S>>,
        /// None after the end.
        hasher: Option<Hasher>,
        held: Option<Bytes>,
        read: u64,
    }
    let origin = origin.to_owned();
    let state = State { stream: Box::pin(stream), hasher: Some(Hasher::like(&digest)), held: None, read: 0 };
    stream::try_unfold(state, move |mut state| {
        let (registry, expected) = (origin.clone(), digest.clone());
        async move {
            let request = format!("GET blobs/{expected}");
            let size_error = |registry, expected, got| RegistryError::SizeMismatch {
                registry,
                request: request.clone(),
                expected,
                got,
            };
            loop {
                let Some(hasher) = state.hasher.as_mut() else {
                    return Ok(None);
                };
                if let Some(part) = state.stream.next().await.transpose()? {
                    hasher.update(&part);
                    state.read = state.read.saturating_add(part.len() as u64);
                    if let Some(size) = size.filter(|size| state.read > *size) {
                        return Err(size_error(registry, size, state.read));
                    }
                    if let Some(before) = state.held.replace(part) {
                        return Ok(Some((before, state)));
                    }
                    continue;
                }
                if let Some(size) = size.filter(|size| state.read != *size) {
                    return Err(size_error(registry, size, state.read));
                }
                let got = state.hasher.take().map(Hasher::finish);
                if let Some(got) = got.filter(|got| *got != expected) {
                    let (expected, got) = (expected.to_string(), got.to_string());
                    return Err(RegistryError::DigestMismatch { registry, request, expected, got });
                }
                return Ok(state.held.take().map(|last| (last, state)));
            }
        }
    })
}

fn range_header(range: &BlobRange) -> Option<HeaderValue> {
    let last = range.last.map(|last| last.to_string()).unwrap_or_default();
    HeaderValue::from_str(&format!("bytes={}-{last}", range.first)).ok()
}

/// `bytes 0-99/1234`, where it is within what was asked for.
fn content_range(value: Option<&str>, asked: &BlobRange) -> Option<(u64, u64, Option<u64>)> {
    let (range, whole) = value?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    let whole = if whole == "*" { None } else { Some(whole.parse().ok()?) };
    let within = first == asked.first && last >= first && asked.last.is_none_or(|most| last <= most);
    within.then_some((first, last, whole))
}
