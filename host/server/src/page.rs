//! The page's files (docs/gateway.md): what a browser may do with them, compressed where it takes that, asked about each time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bulla_engine::EMBEDDED;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::config::PageConfig;

/// Name, media type, SHA-256, octets, and the octets in brotli and gzip; empty where that saves nothing.
#[allow(clippy::type_complexity, reason = "it is written by build.rs and read once")]
static FILES: &[(&str, &str, &str, &[u8], &[u8], &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

const MODULE: &str = "/bulla.wasm";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// What the page's own meta element says about connections, which is one more policy: both have to allow an origin.
const CONNECT_SELF: &str = "connect-src 'self'";

/// The files, as this configuration serves them.
#[derive(Debug)]
pub(crate) struct Page {
    policy: HeaderValue,
    files: BTreeMap<&'static str, File>,
}

#[derive(Debug, Clone)]
struct File {
    media_type: &'static str,
    /// SHA-256 of the octets as they are before any coding.
    digest: String,
    plain: Cow<'static, [u8]>,
    /// By the name of the coding, the best first.
    coded: [(&'static str, &'static [u8]); 2],
}

impl Page {
    /// Makes the page know the registries that it may ask directly.
    pub(crate) fn new(config: &PageConfig) -> Self {
        let origins: String = config.connect.values().map(|origin| format!(" {origin}")).collect();
        let connect = format!("{CONNECT_SELF}{origins}");
        let policy = format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; {connect}; \
             img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let mut files: BTreeMap<_, _> = FILES.iter().map(|file| (file.0, File::built(file))).collect();
        // A build of another module than the engine's leaves it uncompressed.
        let digest = hex::encode(Sha256::digest(EMBEDDED));
        let coded = files.get(MODULE).filter(|built| built.digest == digest).map(|built| built.coded);
        let coded = coded.unwrap_or([("br", &[]), ("gzip", &[])]);
        let module = File { media_type: "application/wasm", digest, plain: Cow::Borrowed(EMBEDDED), coded };
        files.insert("/module", module.clone());
        files.insert(MODULE, module);
        if !config.connect.is_empty() {
            let registries = format!("export const registries = {};\n", json!(config.connect));
            files.insert("/config.js", File::made("text/javascript; charset=utf-8", registries.into_bytes()));
            if let Some(index) = files.get_mut("/index.html") {
                let text = String::from_utf8_lossy(&index.plain).replace(CONNECT_SELF, &connect);
                *index = File::made(index.media_type, text.into_bytes());
            }
        }
        // Names of origins are checked with the configuration; without them the policy is a constant.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { policy, files }
    }

    /// Answers a request for a file.
    pub(crate) fn answer(&self, request: &Request<Body>) -> Response {
        let path = match request.uri().path() {
            "/" => "/index.html",
            path => path,
        };
        let mut response = match (self.files.get(path), request.method()) {
            (None, _) => (StatusCode::NOT_FOUND, "there is nothing here\n").into_response(),
            (Some(file), &Method::GET) => file.response(request.headers(), false),
            (Some(file), &Method::HEAD) => file.response(request.headers(), true),
            (Some(_), _) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
        response
    }
}

impl File {
    fn built(file: &(&'static str, &'static str, &'static str, &'static [u8], &'static [u8], &'static [u8])) -> Self {
        let (_, media_type, digest, plain, brotli, gzip) = *file;
        let coded = [("br", brotli), ("gzip", gzip)];
        Self { media_type, digest: digest.to_owned(), plain: Cow::Borrowed(plain), coded }
    }

    fn made(media_type: &'static str, plain: Vec<u8>) -> Self {
        let digest = hex::encode(Sha256::digest(&plain));
        Self { media_type, digest, plain: Cow::Owned(plain), coded: [("br", &[]), ("gzip", &[])] }
    }

    fn response(&self, asked: &HeaderMap, head: bool) -> Response {
        let coding = self.coded.into_iter().find(|(coding, bytes)| !bytes.is_empty() && takes(asked, coding));
        // Other octets, so another tag (RFC 9110, section 8.8.3.3); the digest in it is that of the file.
        let tag = coding.map_or(format!("\"{}\"", self.digest), |(coding, _)| format!("\"{}-{coding}\"", self.digest));
        let (body, length) = match coding {
            Some((_, bytes)) => (Body::from(bytes), bytes.len()),
            None => match &self.plain {
                Cow::Borrowed(bytes) => (Body::from(*bytes), bytes.len()),
                Cow::Owned(bytes) => (Body::from(bytes.clone()), bytes.len()),
            },
        };
        let unchanged = has(asked, &tag);
        let mut response = Response::new(if head || unchanged { Body::empty() } else { body });
        if unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        // Kept by browsers, asked about each time: a page of one build must not run with the module of another.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if !unchanged {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            if let Some((coding, _)) = coding {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
        }
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

/// Whether the reader has these octets already: weak comparison (RFC 9110, section 13.1.2), as a proxy may have weakened it.
fn has(asked: &HeaderMap, tag: &str) -> bool {
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|known| known.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag)
}

/// Whether the reader takes a coding (RFC 9110, section 12.5.3): it names it, and not with a weight of nothing.
fn takes(asked: &HeaderMap, coding: &str) -> bool {
    let listed = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|list| list.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f32>();
        name.trim().eq_ignore_ascii_case(coding) && weight.is_ok_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use axum::http::header::{ACCEPT_ENCODING, HeaderValue};

    use super::takes;

    #[test]
    fn codings_are_taken_as_they_are_listed() {
        for (list, brotli, gzip) in [
            ("", false, false),
            ("gzip, deflate, br", true, true),
            ("gzip;q=0.5", false, true),
            ("br;q=0, GZIP ; q=1", false, true),
            ("brotli, xbr", false, false),
            ("br;q=x", false, false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(list))]);
            assert_eq!((takes(&headers, "br"), takes(&headers, "gzip")), (brotli, gzip), "{list}");
        }
    }
}
