//! Every answer that is an error: `{"error": {"code", "message"}}`, as the module answers (docs/abi.md, section "Messages").

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::Response;
use bulla_abi::ErrorBody;
use serde_json::json;

/// Characters of a message. 500: any of the sentences below with a name as long as it may be.
const MAX_MESSAGE_CHARS: usize = 500;

/// Why something is not done. Codes are stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "nobody is signed in: send a token with `Authorization: Bearer`, or come through the proxy that signs users in"
    )]
    NotSignedIn,
    #[error("this token is nobody's: its SHA-256 does not stand in page.gateway.tokens")]
    WrongToken,
    #[error("{header} comes from {peer}, which is none of page.gateway.trustedHeader.proxies")]
    NotTheProxy { header: String, peer: String },
    #[error("{header} comes without the secret that the proxy adds as {secret_header}")]
    NoSecret { header: String, secret_header: String },
    #[error("{header} does not hold exactly one name of 1 to 256 visible ASCII characters")]
    UnreadableUser { header: String },
    #[error("{user} is signed in, and none of page.gateway.users")]
    NotAUser { user: String },
    #[error("the request comes from another site: Sec-Fetch-Site is {got:?}, same-origin is expected")]
    CrossSite { got: String },
    #[error("the request does not come from the page: it lacks the header Bulla-Page: 1")]
    NotThePage,
    #[error("{got:?} is none of page.names")]
    OtherHost { got: String },
    #[error("Content-Type is {got:?}, {expected} is expected")]
    OtherType { got: String, expected: &'static str },
    #[error("more than {limit} octets")]
    TooLarge { limit: usize },
    #[error("the body did not come within {} ms", .within.as_millis())]
    TooSlow { within: Duration },
    #[error("the body broke off")]
    Broken,
    #[error("the body cannot be read: {reason}")]
    Unreadable { reason: String },
    #[error("{got} needs in one request, at most {limit} are answered")]
    TooManyNeeds { got: usize, limit: usize },
    #[error("two needs have the id {id:?}")]
    Twice { id: String },
    #[error("{place} does not stand in page.gateway.registries")]
    OtherPlace { place: String },
    #[error("Bulla-Registry-Authorization is {reason}")]
    Login { reason: &'static str },
    #[error("credentials go to one registry: ask {first} and {second} in a request each")]
    TwoRegistries { first: String, second: String },
    #[error("more than {limit} requests in a minute; try again later")]
    TooOften { limit: u32 },
    #[error("more than {limit} requests at the same time; try again later")]
    Busy { limit: usize },
    #[error("{place} is a folder of this host: sign there with `bulla sign`")]
    Layout { place: String },
    #[error("the push plan does not hold: {reason}")]
    Plan { reason: String },
    #[error("{tag:?} is not a tag that signatures are kept under: only signatures are pushed")]
    ImageTag { tag: String },
    #[error("under {tag} lies something else than signatures, and nothing is written over it")]
    Occupied { tag: String },
    #[error("under {tag} lies {there} now, which the push plan does not keep: fetch it and assemble the plan anew")]
    Changed { tag: String, there: String },
    #[error("{reason}")]
    Replaced { reason: String },
    #[error("the registry refuses: {reason}")]
    Denied { reason: String },
    #[error("{reason}")]
    Registry { reason: String },
    #[error("not done within {} ms; what was pushed until then may be there", .within.as_millis())]
    Late { within: Duration },
    #[error("it stopped: {reason}")]
    Stopped { reason: String },
}

impl Refusal {
    /// For programs.
    pub(super) const fn code(&self) -> &'static str {
        self.kind().0
    }

    /// The label in metrics.
    pub(super) const fn result(&self) -> &'static str {
        self.kind().2
    }

    /// For people, and one line of the log: what the request says in it is cut, and holds no control characters.
    pub(super) fn message(&self) -> String {
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        self.to_string().chars().map(visible).take(MAX_MESSAGE_CHARS).collect()
    }

    const fn kind(&self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NotSignedIn => ("not-signed-in", StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::WrongToken => ("wrong-token", StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::NotTheProxy { .. } | Self::NoSecret { .. } => {
                ("not-the-proxy", StatusCode::UNAUTHORIZED, "unauthenticated")
            }
            Self::UnreadableUser { .. } => ("unreadable-user", StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::NotAUser { .. } => ("not-a-user", StatusCode::FORBIDDEN, "denied"),
            Self::CrossSite { .. } => ("cross-site", StatusCode::FORBIDDEN, "foreign"),
            Self::NotThePage => ("not-the-page", StatusCode::FORBIDDEN, "foreign"),
            Self::OtherHost { .. } => ("other-host", StatusCode::MISDIRECTED_REQUEST, "foreign"),
            Self::OtherType { .. } => ("other-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "foreign"),
            Self::TooLarge { .. } => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "limited"),
            Self::TooSlow { .. } => ("too-slow", StatusCode::REQUEST_TIMEOUT, "limited"),
            Self::Broken => ("broken", StatusCode::BAD_REQUEST, "invalid"),
            Self::Unreadable { .. } => ("unreadable", StatusCode::BAD_REQUEST, "invalid"),
            Self::TooManyNeeds { .. } => ("too-many-needs", StatusCode::PAYLOAD_TOO_LARGE, "limited"),
            Self::Twice { .. } => ("need-twice", StatusCode::BAD_REQUEST, "invalid"),
            Self::OtherPlace { .. } => ("other-place", StatusCode::FORBIDDEN, "denied"),
            Self::Login { .. } => ("registry-login", StatusCode::BAD_REQUEST, "invalid"),
            Self::TwoRegistries { .. } => ("two-registries", StatusCode::BAD_REQUEST, "invalid"),
            Self::TooOften { .. } => ("too-often", StatusCode::TOO_MANY_REQUESTS, "limited"),
            Self::Busy { .. } => ("busy", StatusCode::TOO_MANY_REQUESTS, "limited"),
            Self::Layout { .. } => ("layout", StatusCode::FORBIDDEN, "denied"),
            Self::Plan { .. } => ("plan", StatusCode::BAD_REQUEST, "invalid"),
            Self::ImageTag { .. } => ("image-tag", StatusCode::FORBIDDEN, "denied"),
            Self::Occupied { .. } => ("occupied", StatusCode::CONFLICT, "conflict"),
            Self::Changed { .. } => ("changed", StatusCode::CONFLICT, "conflict"),
            Self::Replaced { .. } => ("replaced", StatusCode::CONFLICT, "conflict"),
            Self::Denied { .. } => ("registry-denied", StatusCode::FORBIDDEN, "denied"),
            Self::Registry { .. } => ("registry-failed", StatusCode::BAD_GATEWAY, "failed"),
            Self::Late { .. } => ("late", StatusCode::GATEWAY_TIMEOUT, "failed"),
            Self::Stopped { .. } => ("stopped", StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        }
    }

    pub(super) fn into_response(self) -> Response {
        let (code, status, _) = self.kind();
        let error = ErrorBody { code: code.to_owned(), message: self.message(), details: Vec::new() };
        let mut response = Response::new(Body::from(json!({"error": error}).to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"bulla\""));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_MESSAGE_CHARS, Refusal};

    #[test]
    fn what_a_request_says_stays_one_short_line() {
        let forged = Refusal::OtherPlace { place: format!("a\nINFO pushed user=\"bob\"{}", "x".repeat(10_000)) };
        let message = forged.message();
        assert!(message.starts_with("a INFO pushed") && message.chars().count() == MAX_MESSAGE_CHARS, "{message}");
    }
}
