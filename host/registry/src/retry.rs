//! When a request is tried again, and after how long (RFC 9110, section 10.2.3, for `Retry-After`).

use core::time::Duration;
use std::hash::{BuildHasher as _, RandomState};
use std::time::SystemTime;

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::config::Limits;
use crate::error::RegistryError;

/// Times in a row that a registry may fail while something is published. 4: with the pauses between them, some seconds.
pub(crate) const MOST_FAILURES: u32 = 4;
/// The longest pause between two tries to publish.
pub(crate) const LONGEST: Duration = Duration::from_secs(10);

/// Whether a status says "later" rather than "no".
pub(crate) fn is_temporary(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// How long to wait before retry number `retry`, counted from 0: the backoff, four times as long each time, and up to
/// half as much again at random, so that many clients do not come back at the same moment.
pub(crate) fn backoff(limits: &Limits, retry: u32) -> Duration {
    let base = limits.backoff_milliseconds.saturating_mul(4u64.saturating_pow(retry.min(8)));
    // The standard library's only source of randomness; it need not be a good one.
    let random = RandomState::new().hash_one(retry) % base.div_euclid(2).max(1);
    Duration::from_millis(base.saturating_add(random))
}

/// A time below this one, at random.
pub(crate) fn up_to(most: Duration) -> Duration {
    let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(RandomState::new().hash_one(most) % most.max(1))
}

/// Whether publishing the same again may go well a moment later. Beside what is temporary: docker-registry (distribution
/// 2.8) answers with HTTP 500 when a tag is read while another request writes it, and says that a digest is invalid or a
/// blob unknown when somebody else pushes the same blob at the same moment. All digests are computed here, and blobs were
/// pushed before what names them.
pub(crate) fn is_passing(error: &RegistryError) -> bool {
    match error {
        RegistryError::Status { status: 400, detail, .. } => {
            ["DIGEST_INVALID", "BLOB_UNKNOWN"].iter().any(|code| detail.contains(code))
        }
        RegistryError::Status { status, .. } => *status == 500 || is_temporary(*status),
        RegistryError::Connect { .. } | RegistryError::Broken { .. } | RegistryError::NoHeaders { .. } => true,
        _ => false,
    }
}

/// What `Retry-After` says, as seconds or as a date, seen from `now`.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The time of day, which only a `Retry-After` that is a date is held against.
pub(crate) fn wall_clock() -> SystemTime {
    #[allow(clippy::disallowed_methods, reason = "no decision sees it: it only lengthens or shortens a wait")]
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::time::SystemTime;

    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    use super::{backoff, retry_after};
    use crate::config::Limits;

    #[test]
    fn backoff_grows_and_varies_within_half() {
        let limits = Limits::default();
        for (retry, low, high) in [(0, 100, 150), (1, 400, 600)] {
            for _ in 0..20 {
                let wait = backoff(&limits, retry).as_millis();
                assert!((low..high).contains(&wait), "{retry}: {wait}");
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (value, expected) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("99999999999999999999", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
    }
}
