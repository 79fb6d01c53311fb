//! The listener for people: the page and its gateway, health, metrics. Nothing here shows a policy.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bulla_engine::abi::Operation;
use serde_json::{Value, json};

use crate::config::PageConfig;
use crate::decider::Decider;
use crate::gateway;
use crate::page::Page;

/// Time for the module to describe itself, when readiness is asked for.
const READY_BUDGET: Duration = Duration::from_secs(2);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page at `/`, `/module` and `/bulla.wasm`, `/healthz`, `/readyz`, `/metrics`, and `/gateway/` where it is configured.
pub(crate) fn router(decider: Arc<Decider>, config: &PageConfig) -> Router {
    let page = Arc::new(Page::new(config));
    let app = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(async move |request: axum::extract::Request| page.answer(&request))
        .with_state(decider.clone());
    match &config.gateway {
        None => app,
        Some(gateway) => app.nest("/gateway/v1", gateway::router(decider, gateway, &config.names)),
    }
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
