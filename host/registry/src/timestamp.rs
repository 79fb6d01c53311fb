//! Asking a timestamping authority (RFC 3161, section 3.4): bytes there, bytes back. What they say is the module's to know.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::timeout;
use url::Url;

use crate::body::{Answer, Progress};
use crate::client::Client;
use crate::error::{RegistryError, clean, innermost};
use crate::host::authority;
use crate::stats::RequestKind;
use tokio::time::Instant;

/// Octets of one response. 64 KiB: with three certificates it has 6 KiB.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;
/// What a request is sent as.
const QUERY: HeaderValue = HeaderValue::from_static("application/timestamp-query");
/// What a response must be.
const REPLY: &str = "application/timestamp-reply";

impl Client {
    /// Sends a `TimeStampReq` in DER to an authority, and gives the `TimeStampResp` that comes back, unread. The address is
    /// the user's own words: it may be on this machine. No credentials are sent, no redirect is followed, and it is asked
    /// once, within `limits.operationMilliseconds`. A `caFile` under `hosts` counts for it as for a registry.
    ///
    /// # Errors
    /// When the address is none, or nothing comes back that can be a response.
    pub async fn timestamp(&self, authority_url: &str, request: Bytes) -> Result<Bytes, RegistryError> {
        let wrong = |reason: &str| RegistryError::Name {
            registry: "timestamping authority".into(),
            reason: format!("{:?} {reason}", clean(authority_url)),
        };
        let url = Url::parse(authority_url).map_err(|_| wrong("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // The address itself would show them.
            let registry = "timestamping authority".into();
            return Err(RegistryError::Name { registry, reason: "credentials in the URL are not supported".into() });
        }
        let within = self.transport.limits().operation();
        let registry = authority(&url);
        match timeout(within, self.exchange_timestamp(&registry, url, request)).await {
            Ok(result) => result,
            Err(_) => Err(RegistryError::NoHeaders { registry, request: "a timestamp request".into(), after: within }),
        }
    }

    async fn exchange_timestamp(&self, name: &str, url: Url, body: Bytes) -> Result<Bytes, RegistryError> {
        let (registry, request) = (|| name.to_owned(), || "a timestamp request".to_owned());
        let progress = Progress::new(self.transport.limits(), Instant::now(), None);
        let http = self.transport.http_for(name);
        let mut post = reqwest::Request::new(Method::POST, url);
        post.headers_mut().insert(CONTENT_TYPE, QUERY);
        *post.body_mut() = Some(body.into());
        let stats = &self.transport.stats;
        stats.request(RequestKind::Timestamp);
        let response = http.execute(post).await.map_err(|error| {
            let (registry, request, connecting) = (registry(), request(), error.is_connect());
            let reason = innermost(&error.without_url());
            match connecting {
                true => RegistryError::Connect { registry, request, reason },
                false => RegistryError::Broken { registry, request, reason },
            }
        })?;
        let answer = Answer { registry: registry(), request: request(), response, progress, permit: None };
        match answer.status() {
            200 => {}
            // A 404 is no evidence here: the address is wrong.
            404 => {
                let (registry, request) = (registry(), request());
                return Err(RegistryError::Status { registry, request, status: 404, detail: String::new() });
            }
            _ => return Err(answer.into_error(stats).await),
        }
        let media_type = answer.content_type().unwrap_or_default();
        let bare = media_type.split(';').next().unwrap_or_default().trim();
        if !bare.eq_ignore_ascii_case(REPLY) {
            let reason = format!("{media_type:?}, expected {REPLY}");
            return Err(RegistryError::Protocol { registry: registry(), request: request(), reason });
        }
        answer.read(MAX_RESPONSE_BYTES, stats).await
    }
}
