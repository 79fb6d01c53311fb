//! For how long an answer says that it may be kept (RFC 9111, sections 4.2.1 and 5.2.2; RFC 5019, section 6.2).

use core::time::Duration;
use std::time::SystemTime;

use reqwest::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderMap, HeaderName};

/// What is left of the time that the headers give it, seen from `now`; zero where it may not be kept. None when they say
/// nothing about it.
pub(super) fn of(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let mut max_age = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or("no-store").split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => return Some(Duration::ZERO),
                // What is no number gives no time. Of two, the shorter one counts.
                "max-age" => {
                    let seconds = argument.trim().trim_matches('"').parse().unwrap_or(0);
                    max_age = Some(max_age.map_or(seconds, |other: u64| other.min(seconds)));
                }
                _ => {}
            }
        }
    }
    let fresh = match max_age {
        Some(seconds) => Duration::from_secs(seconds),
        None => {
            let expires = date(headers, EXPIRES)?;
            let answered = date(headers, DATE).flatten().unwrap_or(now);
            // `Expires: 0` and other words that are no date: it has expired.
            expires.and_then(|expires| expires.duration_since(answered).ok()).unwrap_or_default()
        }
    };
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
    Some(fresh.saturating_sub(Duration::from_secs(age)))
}

/// A header that is there, as a date if it is one.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<Option<SystemTime>> {
    let text = headers.get(name)?.to_str().ok();
    Some(text.and_then(|text| httpdate::parse_http_date(text.trim()).ok()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::of;

    type Headers = &'static [(&'static str, &'static str)];

    #[test]
    fn headers_say_how_long() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let cases: [(Headers, Option<u64>); 13] = [
            (&[], None),
            (&[("cache-control", "public, max-age=60")], Some(60)),
            (&[("cache-control", "Max-Age=\"60\""), ("age", "50")], Some(10)),
            (&[("cache-control", "max-age=60"), ("age", "90")], Some(0)),
            (&[("cache-control", "max-age=60, max-age=30")], Some(30)),
            (&[("cache-control", "max-age=soon")], Some(0)),
            (&[("cache-control", "max-age=60"), ("cache-control", "no-store")], Some(0)),
            (&[("cache-control", "no-cache")], Some(0)),
            (&[("cache-control", "max-age=60"), ("expires", "Sun, 06 Nov 1994 08:49:38 GMT")], Some(60)),
            (&[("expires", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(60)),
            (&[("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30)),
            (&[("expires", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0)),
            (&[("expires", "0")], Some(0)),
        ];
        for (headers, seconds) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(of(&map, now), seconds.map(Duration::from_secs), "{headers:?}");
        }
    }
}
