//! One review: its images from the module, a decision about each, the response from the module.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bulla_engine::SandboxError;
use bulla_engine::abi::Operation;
use bulla_records::Action;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::error;

use crate::config::WhenUnknown;
use crate::decider::{Asked, Circumstances, Decided, Decider, Outcome};
use crate::metrics::Surface;

/// Wall time kept for making the response, at most; an eighth of what there is when that is less.
const RESERVE: Duration = Duration::from_millis(500);
/// How much later than its deadline a decision may come before nobody waits for it.
const GRACE: Duration = Duration::from_millis(100);

/// What a review became.
#[derive(Debug)]
pub(crate) enum Reviewed {
    /// The octets of the AdmissionReview to answer with, as the module made them.
    Response { bytes: Vec<u8>, allowed: bool },
    /// The body is no AdmissionReview, for this reason.
    Invalid(String),
}

/// How reviews are judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) unknown: WhenUnknown,
    pub(crate) pin: bool,
    pub(crate) parallel_images: usize,
}

/// What the module finds in a review.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extracted {
    uid: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    user: Option<Value>,
    #[serde(default)]
    break_glass: Option<String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    target: String,
    #[serde(default)]
    images: Vec<Image>,
}

#[derive(Debug, Deserialize)]
struct Image {
    image: String,
}

/// Judges one review. Ends by `deadline`: what has no verdict by then is unknown.
pub(crate) async fn review(decider: &Arc<Decider>, body: Bytes, rules: Rules, deadline: Instant) -> Reviewed {
    let engine = decider.engine();
    let asked = engine.ask(Operation::Extract, &json!({"review": 0}), vec![body.to_vec()], left(deadline)).await;
    let found: Extracted = match asked {
        Ok((found, _)) => found,
        Err(SandboxError::Module { message, .. }) => return refusal(&body, &message),
        Err(problem) => {
            error!(%problem, "a review could not be read");
            return refusal(&body, &problem.to_string());
        }
    };
    let remaining = left(deadline);
    let reserve = RESERVE.min(remaining / 8);
    let settle_by = deadline.checked_sub(reserve).unwrap_or(deadline);
    let circumstances = Circumstances {
        namespace: Some(found.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        operation: found.operation.clone(),
        labels: found.labels.clone(),
        user: found.user.clone(),
        break_glass: found.break_glass.clone(),
    };
    let place = (&found, &circumstances);
    let decisions: Vec<_> =
        found.images.iter().map(|image| decide(decider, place, &image.image, rules, settle_by)).collect();
    let decisions = futures_util::stream::iter(decisions).buffer_unordered(rules.parallel_images.max(1));
    let verdicts: Vec<Value> = decisions.collect().await;

    let settings = json!({"unknown": rules.unknown, "pin": rules.pin});
    let header = json!({"review": 0, "verdicts": verdicts, "settings": settings});
    let asked = engine.ask(Operation::Respond, &header, vec![body.to_vec()], left(deadline).max(reserve)).await;
    match asked {
        Ok((Value::Object(answer), mut blobs)) if !blobs.is_empty() => {
            let allowed = answer.get("allowed").and_then(Value::as_bool).unwrap_or(false);
            Reviewed::Response { bytes: blobs.swap_remove(0), allowed }
        }
        Ok(_) => denial(&found.uid, "the module gave no response"),
        Err(problem) => {
            error!(uid = %found.uid, %problem, "no response from the module: denied");
            denial(&found.uid, &problem.to_string())
        }
    }
}

async fn decide(
    decider: &Decider,
    (review, circumstances): (&Extracted, &Circumstances),
    image: &str,
    rules: Rules,
    deadline: Instant,
) -> Value {
    let begun = Instant::now();
    let latest = deadline.checked_add(GRACE).unwrap_or(deadline);
    let work = decider.decide_in(image, circumstances, deadline);
    let mut decided = tokio::time::timeout_at(latest.into(), work).await.unwrap_or_else(|_| {
        let registry = image.split('/').next().unwrap_or_default();
        let reason = format!("no verdict about an image of {registry} within {} ms", begun.elapsed().as_millis());
        Decided::unknown(image, &reason, begun.elapsed(), decider.loaded().generation().clone())
    });
    if !review.dry_run {
        decided = decider.remember(decided, deadline).await;
    }
    let asked = Asked {
        surface: Surface::Webhook,
        image,
        namespace: &review.namespace,
        object: &review.target,
        circumstances,
        dry_run: review.dry_run,
    };
    let action = action(&decided, rules.unknown);
    projection(image, &decider.conclude(&asked, decided, action, deadline).await)
}

/// What the module makes of a verdict in its response, for the record.
fn action(decided: &Decided, unknown: WhenUnknown) -> Action {
    match (decided.outcome(), unknown) {
        (Outcome::Accept, _) => Action::Allowed,
        (Outcome::Reject | Outcome::Unknown, _) if !is_enforced(decided) => Action::Warned,
        (Outcome::Unknown, WhenUnknown::WarnUnsafe) => Action::Warned,
        (Outcome::Reject | Outcome::Unknown, _) => Action::Denied,
    }
}

/// Where no policy enforces, the module says so; silence enforces.
fn is_enforced(decided: &Decided) -> bool {
    decided.verdict.get("enforced").and_then(Value::as_bool).unwrap_or(true)
}

/// What a response is made from. The image is the name that the module itself gave it, so that the two find each other.
fn projection(image: &str, decided: &Decided) -> Value {
    json!({
        "image": image,
        "outcome": decided.outcome().name(),
        "digest": decided.digest(),
        "pinned": decided.pinned(),
        "summary": decided.summary(),
        "enforced": is_enforced(decided),
        "warnings": decided.warnings(),
        "record": decided.record,
    })
}

/// A denial of a review that the module did not read. Only an answer with its `uid` counts for the API server; without
/// one it is no review at all.
pub(crate) fn refusal(body: &[u8], reason: &str) -> Reviewed {
    #[derive(Deserialize)]
    struct Wire {
        request: Request,
    }
    #[derive(Deserialize)]
    struct Request {
        uid: String,
    }
    match serde_json::from_slice::<Wire>(body) {
        Ok(wire) => denial(&wire.request.uid, reason),
        Err(_) => Reviewed::Invalid(reason.to_owned()),
    }
}

/// A denial without the module. The host may always withhold; an error status instead would let a webhook with
/// `failurePolicy: Ignore` admit.
fn denial(uid: &str, reason: &str) -> Reviewed {
    let status = json!({"code": 403, "reason": "Forbidden", "message": format!("unknown: {reason}")});
    let response = json!({"uid": uid, "allowed": false, "status": status});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Reviewed::Response { bytes: review.to_string().into_bytes(), allowed: false }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
