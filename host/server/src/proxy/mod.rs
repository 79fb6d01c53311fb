//! The enforcing proxy: a registry that serves only what the module accepted (distribution-spec 1.1, section "Pull").
//!
//! | file | subject |
//! | --- | --- |
//! | `route.rs` | what is asked for: names by their grammar |
//! | `gate.rs` | from a reference to a permit, through a decision |
//! | `permit.rs` | leave for one digest in one repository; nothing is served without |
//! | `manifest.rs`, `blob.rs`, `layout_file.rs`, `pump.rs` | serving, permit in hand |
//! | `refusal.rs` | every answer that is an error |

mod blob;
mod gate;
mod layout_file;
mod manifest;
mod permit;
mod pump;
mod refusal;
mod route;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use crate::config::{ProxyConfig, WhenUnknown};
use crate::decider::Decider;
use gate::Tags;
use permit::{Kind, Permits};
use refusal::Refusal;
use route::{Reference, Route};

/// Says which protocol this is, on every answer.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// Says which namespace was served, where a client named one with `?ns=`.
const NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
/// The digest of what is served.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// One upstream, and what of it may be served.
struct Proxy {
    decider: Arc<Decider>,
    upstream: String,
    unknown: WhenUnknown,
    deadline: Duration,
    permits: Permits,
    tags: Tags,
    pulls: Arc<Semaphore>,
    /// Decisions at once: half of the sandboxes.
    deciding: Semaphore,
}

/// Everything under `/v2/`, for one upstream.
pub(crate) fn router(decider: Arc<Decider>, config: &ProxyConfig) -> Router {
    let (sandboxes, _) = decider.engine().places();
    let proxy = Proxy {
        deciding: Semaphore::new((sandboxes / 2).max(1)),
        decider,
        upstream: config.upstream.clone(),
        unknown: config.unknown,
        deadline: Duration::from_millis(config.deadline_milliseconds),
        permits: Permits::new(config.permits, Duration::from_secs(config.permit_seconds)),
        tags: Tags::new(),
        pulls: Arc::new(Semaphore::new(config.pulls)),
    };
    Router::new()
        .route("/healthz", axum::routing::get(|| async { "ok\n" }))
        .fallback(answer)
        .with_state(Arc::new(proxy))
}

async fn answer(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let route = Route::of(request.method(), request.uri(), &proxy.upstream);
    let head = request.method() == Method::HEAD;
    let what = match &route {
        Ok(Route::Manifest { .. }) => "manifest",
        Ok(Route::Blob { .. }) => "blob",
        _ => "other",
    };
    let named = request.uri().query().is_some_and(|query| query.contains("ns="));
    let served = match route {
        Ok(Route::Version) => Ok(version()),
        Ok(route) => proxy.serve(route, head, request.headers()).await,
        Err(refusal) => Err(refusal),
    };
    let result = served.as_ref().map_or_else(|refusal| refusal.result(), |_| "served");
    proxy.decider.metrics().pulled(what, result);
    let mut response = served.unwrap_or_else(|refusal| refusal.into_response(head));
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    if let (true, Ok(upstream)) = (named, HeaderValue::from_str(&proxy.upstream)) {
        response.headers_mut().insert(NAMESPACE, upstream);
    }
    response
}

impl Proxy {
    async fn serve(&self, route: Route, head: bool, headers: &axum::http::HeaderMap) -> Result<Response, Refusal> {
        let slot = self.pulls.clone().try_acquire_owned().map_err(|_| Refusal::TooMany)?;
        match route {
            Route::Version => Ok(version()),
            Route::Manifest { repository, reference } => {
                let permit = match &reference {
                    Reference::Digest(digest) => self.permit(Kind::Manifest, &repository, digest).await,
                    Reference::Tag(_) => None,
                };
                let permit = match permit {
                    Some(permit) => permit,
                    None => self.gate(&repository, &reference).await?,
                };
                self.forward_manifest(permit, head).await
            }
            Route::Blob { repository, digest } => {
                let permit = self.permit(Kind::Blob, &repository, &digest).await.ok_or_else(|| Refusal::NoPermit {
                    repository: format!("{}/{repository}", self.upstream),
                    digest,
                })?;
                self.forward_blob(permit, head, headers, slot).await
            }
        }
    }

    /// A permit that was given before, under the policies in force now.
    async fn permit(&self, kind: Kind, repository: &str, digest: &bulla_registry::Digest) -> Option<permit::Permit> {
        self.permits.find(kind, repository, digest, self.decider.loaded().generation()).await
    }
}

fn version() -> Response {
    (StatusCode::OK, [(CONTENT_TYPE, "application/json")], Body::from("{}")).into_response()
}
