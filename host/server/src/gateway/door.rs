//! Requests of this very page (Fetch Metadata; Fetch standard, "CORS protocol"): no other site can make a browser send them.

use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderName};

use super::refusal::Refusal;

/// What the page sends with each request. A form of another site cannot, and a script there is asked for permission first,
/// which nobody here gives.
const PAGE: HeaderName = HeaderName::from_static("bulla-page");
/// Where the request comes from, as the browser says it.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

pub(super) struct Door {
    /// Empty for every name.
    names: Vec<String>,
}

impl Door {
    pub(super) fn new(names: &[String]) -> Self {
        Self { names: names.to_vec() }
    }

    /// Whether the request is one of this page.
    pub(super) fn check(&self, headers: &HeaderMap, expected: &'static str) -> Result<(), Refusal> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let host = without_port(text(&HOST)).to_ascii_lowercase();
        if !self.names.is_empty() && !self.names.contains(&host) {
            return Err(Refusal::OtherHost { got: host });
        }
        if headers.contains_key(SITE) && text(&SITE) != "same-origin" {
            return Err(Refusal::CrossSite { got: text(&SITE).to_owned() });
        }
        if text(&PAGE) != "1" {
            return Err(Refusal::NotThePage);
        }
        let got = text(&CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
        if !got.eq_ignore_ascii_case(expected) {
            return Err(Refusal::OtherType { got: got.to_owned(), expected });
        }
        Ok(())
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use axum::http::header::HeaderValue;

    use super::Door;

    #[test]
    fn a_page_of_this_origin_comes_in_and_nobody_else() {
        let door = Door::new(&["bulla.example".to_owned()]);
        let page =
            [("host", "Bulla.Example:8080"), ("bulla-page", "1"), ("content-type", "application/json; charset=utf-8")];
        for (changed, value, want) in [
            ("sec-fetch-site", "same-origin", "ok"),
            ("sec-fetch-site", "same-site", "cross-site"),
            ("sec-fetch-site", "none", "cross-site"),
            ("host", "evil.example", "other-host"),
            ("host", "bulla.example.evil.example", "other-host"),
            ("bulla-page", "0", "not-the-page"),
            ("content-type", "text/plain", "other-type"),
        ] {
            let mut headers: HeaderMap = HeaderMap::new();
            for (name, value) in page.into_iter().chain([(changed, value)]) {
                headers.insert(name, HeaderValue::from_static(value));
            }
            let got = door.check(&headers, "application/json").map_or_else(|refusal| refusal.code(), |()| "ok");
            assert_eq!(got, want, "{changed}: {value}");
        }
    }
}
