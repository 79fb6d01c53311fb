//! AdmissionReview v1, the request (k8s.io/api/admission/v1; Kubernetes docs, "Dynamic Admission Control").

use serde::Deserialize;
use serde_json::Value;

use super::images::{self, Images, PodSpecs};
use crate::json::{self, JsonError};
use crate::limits::{MAX_IMAGES, MAX_REVIEW_BYTES};
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
    /// `kind/name` for logs, e.g. `Pod web-0`.
    pub target: String,
    /// What is to be done with it.
    pub disposition: Disposition,
    pub(super) object: Value,
}

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
    object: Value,
    #[serde(default)]
    old_object: Value,
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
        let disposition = dispose(&request);
        Ok(Self {
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

fn dispose(request: &Request) -> Disposition {
    match request.operation.as_str() {
        "CREATE" | "UPDATE" => {}
        "DELETE" => return Disposition::Allow("a deletion starts no image"),
        "CONNECT" => return Disposition::Allow("a connection starts no image"),
        other => return Disposition::Deny(format!("operation {:?} is not known", excerpt(other))),
    }
    match request.sub_resource.as_str() {
        "" | "ephemeralcontainers" | "resize" => {}
        "status" => return Disposition::Allow("a status starts no image"),
        "scale" | "binding" | "eviction" => return Disposition::Allow("this subresource names no image"),
        other => {
            return Disposition::Deny(format!(
                "subresource {:?} is not known: take it out of the webhook's rules",
                excerpt(other)
            ));
        }
    }
    let Some(specs) = PodSpecs::of(&request.kind.group, &request.kind.kind) else {
        return Disposition::Deny(format!(
            "kind {:?} of group {:?} is not known: take it out of the webhook's rules",
            excerpt(&request.kind.kind),
            excerpt(&request.kind.group)
        ));
    };
    if request.object.is_null() {
        return Disposition::Deny(format!("{} without an object", excerpt(&request.operation)));
    }
    let images = match images::find(&request.object, specs) {
        Ok(images) => images,
        Err(problem) => return Disposition::Deny(problem),
    };
    if request.operation == "UPDATE" {
        // An object that is going away must be able to lose its finalizers, and a label must be editable although a key
        // was revoked since. What decides is the object that the API server has, not the one the user sends.
        if request.old_object.pointer("/metadata/deletionTimestamp").is_some_and(|stamp| !stamp.is_null()) {
            return Disposition::Allow("the object is being deleted");
        }
        if images::find(&request.old_object, specs).is_ok_and(|old| old.same_uses(&images)) {
            return Disposition::Allow("no image changed");
        }
    }
    if images.count() > MAX_IMAGES {
        return Disposition::Deny(format!(
            "{} image references, at most {MAX_IMAGES} are decided about",
            images.count()
        ));
    }
    if images.is_empty() {
        return Disposition::Allow("the object names no image");
    }
    Disposition::Decide(images)
}
