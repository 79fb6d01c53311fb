//! The plain listener: the page and the module, health, metrics. Nothing here changes anything or shows a policy.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, Response as HttpResponse, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bulla_engine::EMBEDDED;
use bulla_engine::abi::Operation;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::decider::Decider;

/// Name, media type and octets of every file of the page.
static PAGE: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What the page may do: run its own scripts and the module, ask its own origin, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Time for the module to describe itself, when readiness is asked for.
const READY_BUDGET: Duration = Duration::from_secs(2);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page at `/`, `/module` and `/bulla.wasm`, `/healthz`, `/readyz`, `/metrics`.
pub(crate) fn router(decider: Arc<Decider>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(page)
        .with_state(decider)
}

/// Ready when policies are in force (without, nothing would be listening) and the module answers.
async fn ready(State(decider): State<Arc<Decider>>) -> Response {
    let asked = decider.engine().ask::<Value>(Operation::Describe, &json!({}), Vec::new(), READY_BUDGET).await;
    match asked {
        Ok(_) => "ok\n".into_response(),
        Err(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")).into_response(),
    }
}

async fn metrics(State(decider): State<Arc<Decider>>) -> Response {
    match decider.metrics().encode(&decider) {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem.to_string()).into_response(),
    }
}

async fn page(request: Request) -> Response {
    let (path, head) = (request.uri().path(), request.method() == Method::HEAD);
    let mut response = if !head && request.method() != Method::GET {
        StatusCode::METHOD_NOT_ALLOWED.into_response()
    } else {
        match find(path) {
            Some((media_type, bytes, tag)) => file(request.headers(), head, media_type, bytes, tag),
            None => (StatusCode::NOT_FOUND, "there is nothing here\n").into_response(),
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Media type, octets and SHA-256 of what lies at a path.
fn find(path: &str) -> Option<(&'static str, &'static [u8], &'static str)> {
    static TAGS: OnceLock<Vec<String>> = OnceLock::new();
    static MODULE: OnceLock<String> = OnceLock::new();
    if matches!(path, "/module" | "/bulla.wasm") {
        let tag = MODULE.get_or_init(|| hex::encode(Sha256::digest(EMBEDDED)));
        return Some(("application/wasm", EMBEDDED, tag));
    }
    let path = if path == "/" { "/index.html" } else { path };
    let index = PAGE.iter().position(|(name, ..)| *name == path)?;
    let tags = TAGS.get_or_init(|| PAGE.iter().map(|(.., bytes)| hex::encode(Sha256::digest(bytes))).collect());
    let ((_, media_type, bytes), tag) = (PAGE.get(index)?, tags.get(index)?);
    Some((media_type, bytes, tag))
}

fn file(asked: &HeaderMap, head: bool, media_type: &'static str, bytes: &'static [u8], digest: &str) -> Response {
    let tag = format!("\"{digest}\"");
    let known = asked.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag));
    let mut response = HttpResponse::new(if head || unchanged { Body::empty() } else { Body::from(bytes) });
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Kept by browsers, asked about each time: a page of one build must not run with the module of another.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if !unchanged {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}
