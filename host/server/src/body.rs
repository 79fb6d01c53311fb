//! Reading a request's body within octets and time.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use futures_util::StreamExt as _;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    TooSlow,
    Broken,
}

/// What is read and thrown away of a body that is too large, as a multiple of the limit. A client that is still writing
/// when the connection closes sees a broken connection instead of the answer.
const DRAIN: usize = 4;

/// Reads a body of at most `limit` octets within a time. Nothing of a larger one is kept.
///
/// # Errors
/// [`BodyError`].
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize, within: Duration) -> Result<Bytes, BodyError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|value| value.parse::<usize>().ok()).unwrap_or_default();
    let drain = limit.saturating_mul(DRAIN);
    if announced > drain {
        return Err(BodyError::TooLarge);
    }
    let whole = async {
        let mut bytes = Vec::with_capacity(announced.min(1 << 20));
        let mut got = 0usize;
        let mut parts = body.into_data_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| BodyError::Broken)?;
            got = got.saturating_add(part.len());
            if got > drain {
                return Err(BodyError::TooLarge);
            }
            if got > limit {
                bytes = Vec::new();
            } else {
                bytes.extend_from_slice(&part);
            }
        }
        if got > limit { Err(BodyError::TooLarge) } else { Ok(Bytes::from(bytes)) }
    };
    tokio::time::timeout(within, whole).await.unwrap_or(Err(BodyError::TooSlow))
}
