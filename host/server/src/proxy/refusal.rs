//! Every answer that is an error, in the form that registry clients show (distribution-spec 1.1, section "Error Codes").

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Response as HttpResponse, StatusCode};
use axum::response::Response;
use bulla_registry::{Digest, RegistryError};
use serde_json::{Value, json};

/// Why something is not served.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// The verdict is not an accept.
    Denied { message: String, verdict: Value },
    /// Nothing accepted names this content.
    NoPermit { repository: String, digest: Digest },
    /// The client means another registry.
    Namespace { asked: String, upstream: String },
    /// There is no verdict, or the upstream gives nothing usable.
    Unavailable { message: String, verdict: Value },
    /// The upstream has no such manifest.
    ManifestAbsent { message: String },
    /// The upstream has no such blob.
    BlobAbsent { message: String },
    /// What was accepted is not what the upstream gives, or no manifest.
    Manifest { message: String },
    /// A name that breaks the grammar.
    Name { name: String },
    /// The name is short for another one.
    OtherName { asked: String, full: String },
    /// A digest that is none.
    Digest { reason: String },
    /// A range outside of the blob.
    Range { size: u64 },
    /// Too many pulls at once.
    TooMany,
    /// Pushes, lists, referrers: not what this proxy is for.
    Unsupported,
    /// Not a path of a registry at all.
    NotFound,
}

impl Refusal {
    /// A blob that the upstream did not give.
    pub(super) fn blob(error: &RegistryError, size: u64) -> Self {
        let message = error.to_string();
        match error {
            RegistryError::Absent { .. } => Self::BlobAbsent { message },
            RegistryError::Status { status: 416, .. } => Self::Range { size },
            _ => Self::unavailable(message),
        }
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), verdict: Value::Null }
    }

    /// The code of the specification; `UNAVAILABLE` is ours, in its form, because it has none for an outage.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Denied { .. } | Self::NoPermit { .. } | Self::Namespace { .. } => "DENIED",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::ManifestAbsent { .. } => "MANIFEST_UNKNOWN",
            Self::BlobAbsent { .. } => "BLOB_UNKNOWN",
            Self::Manifest { .. } => "MANIFEST_INVALID",
            Self::Name { .. } => "NAME_INVALID",
            Self::OtherName { .. } => "NAME_UNKNOWN",
            Self::Digest { .. } => "DIGEST_INVALID",
            Self::Range { .. } => "SIZE_INVALID",
            Self::TooMany => "TOOMANYREQUESTS",
            Self::Unsupported | Self::NotFound => "UNSUPPORTED",
        }
    }

    /// The label in metrics.
    pub(super) const fn result(&self) -> &'static str {
        match self {
            Self::Denied { .. } | Self::NoPermit { .. } | Self::Namespace { .. } => "denied",
            Self::Unavailable { .. } | Self::Manifest { .. } => "unavailable",
            Self::ManifestAbsent { .. } | Self::BlobAbsent { .. } | Self::OtherName { .. } => "absent",
            Self::TooMany => "overload",
            _ => "invalid",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Denied { .. } | Self::NoPermit { .. } | Self::Namespace { .. } => StatusCode::FORBIDDEN,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::ManifestAbsent { .. } | Self::BlobAbsent { .. } | Self::OtherName { .. } | Self::NotFound => {
                StatusCode::NOT_FOUND
            }
            Self::Manifest { .. } => StatusCode::BAD_GATEWAY,
            Self::Name { .. } | Self::Digest { .. } => StatusCode::BAD_REQUEST,
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Denied { message, .. }
            | Self::Unavailable { message, .. }
            | Self::ManifestAbsent { message }
            | Self::BlobAbsent { message }
            | Self::Manifest { message } => message.clone(),
            Self::NoPermit { repository, digest } => {
                format!("{repository}: no accepted manifest names {digest}; ask for the manifest first")
            }
            Self::Namespace { asked, upstream } => {
                format!("this proxy serves {upstream} only, and {asked:?} was asked for")
            }
            Self::Name { name } => format!("{name:?} is not a repository name or a tag"),
            Self::OtherName { asked, full } => format!("{asked} is short for {full}: ask for that"),
            Self::Digest { reason } => reason.clone(),
            Self::Range { size } => format!("the range lies outside of the blob's {size} octets"),
            Self::TooMany => "too many pulls at once: try again".to_owned(),
            Self::Unsupported => {
                "this proxy serves manifests and blobs, with GET and HEAD; it takes no pushes".to_owned()
            }
            Self::NotFound => "not a path of a registry: paths begin with /v2/".to_owned(),
        }
    }

    /// The answer. A HEAD gets the same headers and no body.
    pub(super) fn into_response(self, head: bool) -> Response {
        let (status, code, message) = (self.status(), self.code(), self.message());
        let mut error = json!({"code": code, "message": message});
        if let Self::Denied { verdict, .. } | Self::Unavailable { verdict, .. } = &self
            && let (false, Some(fields)) = (verdict.is_null(), error.as_object_mut())
        {
            fields.insert("detail".to_owned(), json!({"verdict": verdict}));
        }
        let body = json!({"errors": [error]}).to_string();
        let length = HeaderValue::from(body.len());
        let mut response = HttpResponse::new(if head { Body::empty() } else { Body::from(body) });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, length);
        match self {
            Self::Unsupported => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Self::TooMany | Self::Unavailable { .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
            }
            Self::Range { size } => {
                if let Ok(range) = HeaderValue::from_str(&format!("bytes */{size}")) {
                    headers.insert(CONTENT_RANGE, range);
                }
            }
            _ => {}
        }
        response
    }
}
