//! Reading bodies: at most so many octets, at least so many per second, and never past the deadline.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::error::{RegistryError, clean, innermost};
use crate::stats::Stats;

/// Octets read of the body of an error: enough for its first message.
const MAX_ERROR_BYTES: u64 = 4096;

/// The answer to a request: its headers are here, its body is still to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) registry: String,
    /// `GET manifests/latest`.
    pub(crate) request: String,
    pub(crate) response: reqwest::Response,
    pub(crate) progress: Progress,
    /// Counts against the registry's requests at the same time until the answer is dropped.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header's text, where it is visible ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    pub(crate) fn content_type(&self) -> Option<String> {
        self.header("content-type").map(clean)
    }

    /// Octets announced by `Content-Length`. The header, not the body's size: a HEAD has none of the latter.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// The whole body, when it has at most `limit` octets. What is announced counts at once, before it is read.
    pub(crate) async fn read(mut self, limit: u64, stats: &Stats) -> Result<Bytes, RegistryError> {
        let too_large = |got| RegistryError::TooLarge {
            registry: self.registry.clone(),
            request: self.request.clone(),
            got,
            limit,
        };
        if let Some(announced) = self.announced().filter(|announced| *announced > limit) {
            return Err(too_large(announced));
        }
        let mut body = BytesMut::new();
        while let Some(part) =
            self.progress.next(&mut self.response).await.map_err(|stop| stop.error(&self.registry, &self.request))?
        {
            stats.received(part.len());
            body.extend_from_slice(&part);
            if body.len() as u64 > limit {
                return Err(too_large(body.len() as u64));
            }
        }
        Ok(body.freeze())
    }

    /// What to say about a status that the protocol has no use for here.
    pub(crate) async fn into_error(mut self, stats: &Stats) -> RegistryError {
        let status = self.status();
        if status == 404 {
            return RegistryError::Absent { registry: self.registry, request: self.request };
        }
        let mut body = Vec::new();
        // A body that breaks off or trickles says nothing more; the status is what matters.
        while let Ok(Some(part)) = self.progress.next(&mut self.response).await {
            stats.received(part.len());
            body.extend_from_slice(&part);
            if body.len() as u64 >= MAX_ERROR_BYTES {
                break;
            }
        }
        RegistryError::Status { registry: self.registry, request: self.request, status, detail: detail(&body) }
    }
}

/// The first message of a registry's error document, or the text itself where it is not one.
fn detail(body: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name| document.pointer(&format!("/errors/0/{name}")).and_then(serde_json::Value::as_str);
    match (text("code"), text("message")) {
        (Some(code), Some(message)) if !message.is_empty() => clean(&format!("{code}: {message}")),
        (Some(only), _) | (None, Some(only)) => clean(only),
        (None, None) => clean(&String::from_utf8_lossy(body)),
    }
}

/// Measures what a body gives, in windows of time spent waiting for it. A trickle that would keep a reader busy for
/// ever ends with its window; a reader that is slow itself costs the registry nothing.
#[derive(Debug)]
pub(crate) struct Progress {
    window: Duration,
    expected: u64,
    started: Instant,
    deadline: Option<Instant>,
    waited: Duration,
    got: u64,
}

/// Why a body ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    Deadline { after: Duration },
    Slow { rate: u64, window: Duration, expected: u64 },
    Broken { reason: String },
}

impl Stop {
    pub(crate) fn error(self, registry: &str, request: &str) -> RegistryError {
        let (registry, request) = (registry.to_owned(), request.to_owned());
        match self {
            Self::Deadline { after } => RegistryError::Deadline { registry, request, after },
            Self::Slow { rate, window, expected } => RegistryError::Slow { registry, rate, window, expected },
            Self::Broken { reason } => RegistryError::Broken { registry, request, reason },
        }
    }
}

impl Progress {
    pub(crate) fn new(limits: &Limits, started: Instant, deadline: Option<Instant>) -> Self {
        Self {
            window: limits.progress_window(),
            expected: limits.progress_bytes_per_second,
            started,
            deadline,
            waited: Duration::ZERO,
            got: 0,
        }
    }

    /// Forgets the deadline: what follows is a stream, which may last as long as it moves.
    pub(crate) fn without_deadline(mut self) -> Self {
        self.deadline = None;
        self
    }

    /// The next part of the body; None at its end.
    pub(crate) async fn next(&mut self, response: &mut reqwest::Response) -> Result<Option<Bytes>, Stop> {
        loop {
            let from = Instant::now();
            let window_ends = from.checked_add(self.window.saturating_sub(self.waited)).unwrap_or(from);
            let until = self.deadline.map_or(window_ends, |deadline| deadline.min(window_ends));
            let part = timeout_at(until, response.chunk()).await;
            self.waited = self.waited.saturating_add(from.elapsed());
            match part {
                Ok(Ok(Some(part))) => {
                    self.got = self.got.saturating_add(part.len() as u64);
                    self.check()?;
                    return Ok(Some(part));
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => {
                    return Err(Stop::Broken { reason: innermost(&error.without_url()) });
                }
                Err(_) if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    return Err(Stop::Deadline { after: self.started.elapsed() });
                }
                Err(_) => self.check()?,
            }
        }
    }

    /// At the end of a window: enough came, or this is a trickle.
    fn check(&mut self) -> Result<(), Stop> {
        if self.waited < self.window {
            return Ok(());
        }
        let milliseconds = u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX).max(1);
        // Rounded: a byte each second is 1 byte/s, whatever a timer adds.
        let rate = self.got.saturating_mul(1000).saturating_add(milliseconds.div_euclid(2)).div_euclid(milliseconds);
        if rate < self.expected {
            return Err(Stop::Slow { rate, window: self.window, expected: self.expected });
        }
        self.waited = Duration::ZERO;
        self.got = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::detail;

    #[test]
    fn the_first_message_of_an_error_document_is_repeated() {
        for (body, expected) in [
            (r#"{"errors":[{"code":"DENIED","message":"not yours"},{"code":"X"}]}"#, "DENIED: not yours"),
            (r#"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#, "TOOMANYREQUESTS"),
            ("<html>\n<b>Bad\u{7} Gateway</b>", "<html> <b>Bad Gateway</b>"),
            ("", ""),
        ] {
            assert_eq!(detail(body.as_bytes()), expected);
        }
    }
}
