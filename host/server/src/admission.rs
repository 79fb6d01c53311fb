//! The webhook over HTTP (Kubernetes docs, "Dynamic Admission Control"): bodies, deadlines, overload, status codes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::json;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::body::{self, BodyError};
use crate::config::{WebhookConfig, WhenUnknown};
use crate::decider::Decider;
use crate::review::{Reviewed, Rules, refusal, review};

/// Octets of a review. 8 MiB: two objects of 3 MiB with room; the module takes no more.
const MAX_REVIEW_BYTES: usize = 8 * 1024 * 1024;
/// What is left to the API server of the time it gives, so that it gets an answer and not a timeout.
const SPARE: Duration = Duration::from_secs(2);

/// Bodies that are read at once. 512: an API server has at most as many requests in flight by default (400 and 200).
const MAX_BODIES: usize = 512;

struct Webhook {
    decider: Arc<Decider>,
    bodies: Semaphore,
    reviews: Semaphore,
    deadline: Duration,
    unknown: WhenUnknown,
    pin: bool,
    parallel_images: usize,
}

/// `POST /v1/admit` and `POST /v1/validate`; `GET /healthz`, which load balancers ask for on the port they send to.
pub(crate) fn router(decider: Arc<Decider>, config: &WebhookConfig) -> Router {
    let webhook = Webhook {
        decider,
        bodies: Semaphore::new(MAX_BODIES),
        reviews: Semaphore::new(config.reviews),
        deadline: Duration::from_millis(config.deadline_milliseconds),
        unknown: config.unknown,
        pin: config.pin,
        parallel_images: config.parallel_images,
    };
    Router::new()
        .route("/v1/admit", post(admit))
        .route("/v1/validate", post(validate))
        .route("/healthz", axum::routing::get(|| async { "ok\n" }))
        .with_state(Arc::new(webhook))
}

async fn admit(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    let pin = webhook.pin;
    webhook.answer(request, pin).await
}

/// A validating webhook must not patch: the API server takes that for an error.
async fn validate(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    webhook.answer(request, false).await
}

impl Webhook {
    async fn answer(&self, request: Request, pin: bool) -> Response {
        let (parts, body) = request.into_parts();
        let budget = budget(self.deadline, &parts.uri);
        let deadline = Instant::now().checked_add(budget).unwrap_or_else(Instant::now);
        if !is_json(&parts.headers) {
            return self.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid", "Content-Type is not application/json");
        }
        // The body before a place: whoever sends it slowly holds up nobody who has sent his.
        let Ok(reading) = self.bodies.try_acquire() else {
            warn!("too many bodies at once: one was turned away");
            let full = self.refuse(StatusCode::TOO_MANY_REQUESTS, "overload", "too many reviews at once");
            return ([(RETRY_AFTER, "1")], full).into_response();
        };
        let within = budget / 4;
        let body = match body::read(&parts.headers, body, MAX_REVIEW_BYTES, within).await {
            Ok(body) => body,
            Err(problem) => return self.unread(problem, within),
        };
        drop(reading);
        let Ok(Ok(_place)) = tokio::time::timeout(budget / 4, self.reviews.acquire()).await else {
            warn!("too many reviews at once: one was turned away");
            return self.reviewed(refusal(&body, "too many reviews at once"));
        };
        let rules = Rules { unknown: self.unknown, pin, parallel_images: self.parallel_images };
        self.reviewed(review(&self.decider, body, rules, deadline).await)
    }

    fn reviewed(&self, reviewed: Reviewed) -> Response {
        match reviewed {
            Reviewed::Response { bytes, allowed } => {
                self.decider.metrics().reviewed(if allowed { "allowed" } else { "denied" });
                ([(CONTENT_TYPE, "application/json")], bytes).into_response()
            }
            Reviewed::Invalid(reason) => self.refuse(StatusCode::BAD_REQUEST, "invalid", &reason),
        }
    }

    fn unread(&self, problem: BodyError, within: Duration) -> Response {
        let (status, reason) = match problem {
            BodyError::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("more than {MAX_REVIEW_BYTES} octets of review"))
            }
            BodyError::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {} ms", within.as_millis()))
            }
            BodyError::Broken => (StatusCode::BAD_REQUEST, "the body broke off".to_owned()),
        };
        self.refuse(status, "invalid", &reason)
    }

    /// Anything but 200 is an error to the API server, which then does what `failurePolicy` says.
    fn refuse(&self, status: StatusCode, result: &'static str, reason: &str) -> Response {
        self.decider.metrics().reviewed(result);
        let body = Body::from(json!({"error": reason}).to_string());
        (status, [(CONTENT_TYPE, "application/json")], body).into_response()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// The configured time, or less when the API server gives less: 2 s are left to it, or half when it gives under 4 s.
fn budget(configured: Duration, uri: &Uri) -> Duration {
    let pairs = uri.query().into_iter().flat_map(|query| query.split('&'));
    let given = pairs.filter_map(|pair| pair.strip_prefix("timeout=")).find_map(go_duration);
    given.map_or(configured, |given| configured.min(given.saturating_sub(SPARE).max(given / 2)))
}

/// A duration as Go writes it: `10s`, `1m30s`, `1.5s`, `500ms`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    (!total.is_zero()).then_some(total)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{budget, go_duration};

    #[test]
    fn durations_as_go_writes_them() {
        for (text, milliseconds) in
            [("10s", 10_000), ("1m30s", 90_000), ("1.5s", 1500), ("500ms", 500), ("2m", 120_000), ("1h0m0s", 3_600_000)]
        {
            assert_eq!(go_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in ["", "10", "s", "-1s", "1e9s", "0s", "1x", "99999999999999999999999h"] {
            assert_eq!(go_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_api_server_gets_an_answer_before_it_gives_up() {
        let eight = Duration::from_secs(8);
        for (query, want) in
            [("", 8000), ("?timeout=10s", 8000), ("?a=b&timeout=5s", 3000), ("?timeout=1s", 500), ("?timeout=x", 8000)]
        {
            let uri = format!("/v1/admit{query}").parse().expect("a path");
            assert_eq!(budget(eight, &uri), Duration::from_millis(want), "{query}");
        }
    }
}
