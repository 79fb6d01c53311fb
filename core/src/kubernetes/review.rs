//! AdmissionReview v1, the request (k8s.io/api/admission/v1; Kubernetes docs, "Dynamic Admission Control").

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::images::{self, Images, PodSpecs};
use crate::json::{self, JsonError};
use crate::limits::{MAX_EXEMPTION_REASON, MAX_GROUPS, MAX_IMAGES, MAX_LABELS, MAX_REVIEW_BYTES, MAX_USER_BYTES};
use crate::ordered::Ordered as _;
use crate::policy::User;
use crate::text::excerpt;

/// A request for admission, with the images it is about.
#[derive(Debug, Clone)]
pub struct Review {
    /// `request.uid`: the response must carry the same.
    pub uid: String,
    /// `request.namespace`; empty for objects that have none.
    pub namespace: String,
    /// `request.operation`.
    pub operation: String,
    /// `request.dryRun`: nothing outside may be changed by this review.
    pub dry_run: bool,
    /// `metadata.labels` of the object; empty for one that is not decided about.
    pub labels: BTreeMap<String, String>,
    /// `request.userInfo`: who asks; `None` where the API server does not say.
    pub user: Option<User>,
    /// The annotation [`BREAK_GLASS`] of the object: why it is to run whatever is signed.
    pub break_glass: Option<String>,
    /// `kind/name` for logs, e.g. `Pod web-0`.
    pub target: String,
    /// What is to be done with it.
    pub disposition: Disposition,
    pub(super) object: Value,
    /// The images of the object as the API server has it, for an update.
    pub(super) previous: Option<Images>,
}

/// The annotation by which somebody breaks the glass of the policies that let them. Its value is the reason.
pub const BREAK_GLASS: &str = "bulla.dev/break-glass";

/// What a review calls for.
#[derive(Debug, Clone)]
pub enum Disposition {
    /// Nothing in it can start an image; admitted, for this reason.
    Allow(&'static str),
    /// It cannot be judged; refused, for this reason.
    Deny(String),
    /// These images are to be decided about.
    Decide(Images),
}

/// Why bytes are not an AdmissionReview.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// Not strict JSON, too large, or not of the shape.
    #[error("AdmissionReview: {0}")]
    Json(#[from] JsonError),
    /// Another API version or kind.
    #[error("expected an AdmissionReview of admission.k8s.io/v1, got {0}")]
    Version(String),
    /// No request in it.
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

// Unknown fields are accepted: later versions of Kubernetes add some.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    kind: GroupVersionKind,
    #[serde(default)]
    sub_resource: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    operation: String,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    user_info: UserInfo,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    old_object: Value,
}

#[derive(Default, Deserialize)]
struct UserInfo {
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Option<BTreeSet<String>>,
}

#[derive(Deserialize)]
struct GroupVersionKind {
    #[serde(default)]
    group: String,
    kind: String,
}

impl Review {
    /// Reads an AdmissionReview and finds its images.
    ///
    /// # Errors
    /// [`ReviewError`] when there is no request to answer. A request that cannot be judged is a [`Disposition::Deny`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReviewError> {
        let wire: Wire = json::parse_as(bytes, MAX_REVIEW_BYTES)?;
        if wire.api_version != "admission.k8s.io/v1" || wire.kind != "AdmissionReview" {
            return Err(ReviewError::Version(excerpt(&format!("{} of {}", wire.kind, wire.api_version))));
        }
        let request = wire.request.ok_or(ReviewError::NoRequest)?;
        let (disposition, previous) = dispose(&request);
        let (disposition, labels) = match (disposition, labels(&request.object)) {
            (Disposition::Decide(_), Err(problem)) => (Disposition::Deny(problem), BTreeMap::new()),
            (disposition, labels) => (disposition, labels.unwrap_or_default()),
        };
        let (disposition, break_glass) = match (disposition, break_glass(&request)) {
            (Disposition::Decide(_), Err(problem)) => (Disposition::Deny(problem), None),
            (disposition, reason) => (disposition, reason.unwrap_or_default()),
        };
        let (disposition, user) = match (disposition, user(request.user_info)) {
            (Disposition::Decide(_), Err(problem)) => (Disposition::Deny(problem), None),
            (disposition, user) => (disposition, user.unwrap_or_default()),
        };
        Ok(Self {
            user,
            break_glass,
            previous,
            labels,
            target: excerpt(format!("{} {}", request.kind.kind, request.name).trim_end()),
            uid: request.uid,
            namespace: request.namespace,
            operation: request.operation,
            dry_run: request.dry_run,
            disposition,
            object: request.object,
        })
    }
}

/// The labels of an object. What could not be a label is refused, as the API server does later: one that is left out
/// could be the one that a policy is for.
fn labels(object: &Value) -> Result<BTreeMap<String, String>, String> {
    let labels = match object.pointer("/metadata/labels") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(labels)) => labels,
        Some(_) => return Err("/metadata/labels is not an object".to_owned()),
    };
    if labels.len() > MAX_LABELS {
        return Err(format!("{} labels, at most {MAX_LABELS} are looked at", labels.len()));
    }
    let label = |(key, value): (&String, &Value)| match value.as_str().filter(|value| is_label(key, value)) {
        Some(value) => Ok((key.clone(), value.to_owned())),
        None => Err(format!("{:?} is not a label", excerpt(key))),
    };
    labels.iter().map(label).try_into_map()
}

/// Who asks. What is too large to be looked at whole is refused: a group that is left out could be the one that a
/// condition excludes.
fn user(info: UserInfo) -> Result<Option<User>, String> {
    let groups = info.groups.unwrap_or_default();
    let octets = groups.iter().fold(info.username.len(), |sum, group| sum.saturating_add(group.len()));
    if groups.len() > MAX_GROUPS || octets > MAX_USER_BYTES {
        let count = groups.len();
        return Err(format!(
            "a user with {count} groups and {octets} octets of names: at most {MAX_GROUPS} and {MAX_USER_BYTES} are looked at"
        ));
    }
    Ok((!info.username.is_empty()).then_some(User { name: info.username, groups }))
}

/// Why the glass is to be broken, where the object says so and this very request made it say so: what stood there before
/// is somebody else's word, or was for another image.
fn break_glass(request: &Request) -> Result<Option<String>, String> {
    let annotated = |object: &Value| object.pointer("/metadata/annotations")?.get(BREAK_GLASS).cloned();
    let Some(reason) = annotated(&request.object) else { return Ok(None) };
    if annotated(&request.old_object).as_ref() == Some(&reason) {
        return Ok(None);
    }
    let fits = |reason: &&str| !reason.trim().is_empty() && reason.chars().count() <= MAX_EXEMPTION_REASON;
    match reason.as_str().filter(fits) {
        Some(reason) => Ok(Some(reason.to_owned())),
        None => {
            Err(format!("the annotation {BREAK_GLASS} is the reason for it: 1 to {MAX_EXEMPTION_REASON} characters"))
        }
    }
}

/// Whether an object can have such a label (Kubernetes docs, "Labels and Selectors", section "Syntax and character set"), as
/// far as its size goes: a prefix of 253 characters, a slash, a name of 63; a value of 63.
pub(crate) fn is_label(key: &str, value: &str) -> bool {
    (1..=317).contains(&key.len()) && value.len() <= 63
}

/// What the review calls for, and the images of the object before an update.
fn dispose(request: &Request) -> (Disposition, Option<Images>) {
    match judge(request) {
        Ok((images, previous)) => (Disposition::Decide(images), previous),
        Err(settled) => (settled, None),
    }
}

fn judge(request: &Request) -> Result<(Images, Option<Images>), Disposition> {
    match request.operation.as_str() {
        "CREATE" | "UPDATE" => {}
        "DELETE" => return Err(Disposition::Allow("a deletion starts no image")),
        "CONNECT" => return Err(Disposition::Allow("a connection starts no image")),
        other => return Err(Disposition::Deny(format!("operation {:?} is not known", excerpt(other)))),
    }
    let unknown =
        |what: String| Err(Disposition::Deny(format!("{what} is not known: take it out of the webhook's rules")));
    match request.sub_resource.as_str() {
        "" | "ephemeralcontainers" | "resize" => {}
        "status" => return Err(Disposition::Allow("a status starts no image")),
        "scale" | "binding" | "eviction" => return Err(Disposition::Allow("this subresource names no image")),
        other => return unknown(format!("subresource {:?}", excerpt(other))),
    }
    let Some(specs) = PodSpecs::of(&request.kind.group, &request.kind.kind) else {
        return unknown(format!("kind {:?} of group {:?}", excerpt(&request.kind.kind), excerpt(&request.kind.group)));
    };
    if request.object.is_null() {
        return Err(Disposition::Deny(format!("{} without an object", excerpt(&request.operation))));
    }
    let images = images::find(&request.object, specs).map_err(Disposition::Deny)?;
    let previous = match request.operation.as_str() {
        "UPDATE" => images::find(&request.old_object, specs).ok(),
        _ => None,
    };
    // A label must be editable although a key was revoked since, and a finalizer removable: what already runs in the same
    // place runs on. A text in a new place is another pull, which may bring another digest.
    if previous.as_ref().is_some_and(|previous| images.all_stood_in(previous)) {
        return Err(Disposition::Allow("no image changed"));
    }
    if images.count() > MAX_IMAGES {
        let message = format!("{} image references, at most {MAX_IMAGES} are decided about", images.count());
        return Err(Disposition::Deny(message));
    }
    if images.is_empty() {
        return Err(Disposition::Allow("the object names no image"));
    }
    Ok((images, previous))
}
