//! The user's own registry credentials: they come with one request, go to the registry that it is about, and end with it.

use axum::http::{HeaderMap, HeaderName};
use bulla_registry::{Client, Credential, Credentials};

use super::refusal::Refusal;

/// `Basic`, and what stands after it (RFC 7617).
const HEADER: HeaderName = HeaderName::from_static("bulla-registry-authorization");
/// What messages call where credentials come from.
const ORIGIN: &str = "this request";

/// Takes the credentials out of the headers. What is decoded is wiped when it is dropped; the buffer that the request was read
/// into is the HTTP library's, which does not wipe it before it uses it again.
pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Credential>, Refusal> {
    let Some(value) = headers.remove(HEADER) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Refusal::Login { reason: "not ASCII" })?;
    let basic = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"));
    let (_, basic) = basic.ok_or(Refusal::Login { reason: "not of the scheme Basic" })?;
    Credential::from_basic(basic).map(Some).map_err(|reason| Refusal::Login { reason })
}

/// A client that shows these credentials to this registry, and none at all to any other.
pub(super) fn client(host: &Client, registry: &str, credential: Option<Credential>) -> Client {
    host.with_credentials(match credential {
        Some(credential) => Credentials::one(ORIGIN, registry, credential),
        None => Credentials::none(),
    })
}
