//! AdmissionReview v1, the response, and the JSON patch in it (RFC 6902).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::images::Images;
use super::review::{Disposition, Review};
use crate::digest::Digest;
use crate::ordered::Ordered as _;

/// The annotation on a pod template: a JSON object from image to the digest that it had when the template was admitted.
pub const TEMPLATE_ANNOTATION: &str = "bulla.dev/digests";

/// Characters of one warning. 256: the API server may cut what is longer.
const MAX_WARNING: usize = 256;
/// Characters of all warnings together. The API server cuts at about 4,096.
const MAX_WARNINGS: usize = 4000;
/// Characters of a denial. 4,096: what `kubectl` and events still show whole.
const MAX_MESSAGE: usize = 4096;

/// What the configuration of the host says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// What becomes of an unknown verdict.
    #[serde(default)]
    pub unknown: WhenUnknown,
    /// Whether accepted Pods are pinned to digests and templates annotated with them.
    pub pin: bool,
}

/// What becomes of an unknown verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WhenUnknown {
    /// It denies.
    #[default]
    Deny,
    /// It warns. Whoever can make a registry slow can then run anything.
    WarnUnsafe,
}

/// The verdict about one of the images, as a decision gave it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageVerdict {
    /// `accept`, `reject` or `unknown`.
    pub outcome: String,
    /// The image, as [`Images::iter`] names it.
    pub image: String,
    /// The digest, where it was settled.
    #[serde(default)]
    pub digest: Option<String>,
    /// The reference to run instead.
    #[serde(default)]
    pub pinned: Option<String>,
    /// One line for people.
    pub summary: String,
    /// Whether a matching policy enforces; if none does, this verdict only warns.
    #[serde(default = "yes")]
    pub enforced: bool,
    /// What policies in mode `warn` have to say.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The id of the record that the host keeps of this decision.
    #[serde(default)]
    pub record: Option<Digest>,
}

/// A verdict that does not say so enforces.
const fn yes() -> bool {
    true
}

/// Makes the response. An image without a verdict denies: silence is not consent.
pub fn respond(review: &Review, verdicts: &[ImageVerdict], settings: Settings) -> Value {
    let (denials, mut response) = match &review.disposition {
        Disposition::Allow(reason) => (Vec::new(), json!({"auditAnnotations": {"allowed": reason}})),
        Disposition::Deny(reason) => (vec![reason.clone()], json!({})),
        Disposition::Decide(images) => judge(review, images, verdicts, settings),
    };
    if let Some(response) = response.as_object_mut() {
        response.insert("uid".to_owned(), json!(review.uid));
        response.insert("allowed".to_owned(), json!(denials.is_empty()));
        if !denials.is_empty() {
            let message = cut(&denials.join("\n"), MAX_MESSAGE);
            response.insert("status".to_owned(), json!({"code": 403, "reason": "Forbidden", "message": message}));
            response.remove("patch");
            response.remove("patchType");
        }
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

fn judge(review: &Review, images: &Images, verdicts: &[ImageVerdict], settings: Settings) -> (Vec<String>, Value) {
    let mut denials = Vec::new();
    let mut warnings = Vec::new();
    let mut audit = Vec::new();
    let mut pins = BTreeMap::new();
    for (image, uses) in images.iter() {
        let Some(verdict) = verdicts.iter().find(|verdict| verdict.image == image) else {
            denials.push(format!("{image}: no verdict was reached"));
            continue;
        };
        warnings.extend(verdict.warnings.iter().map(|warning| format!("{image}: {warning}")));
        audit.push(audited(image, verdict));
        match (verdict.outcome.as_str(), settings.unknown) {
            ("accept", _) => {
                if let (Some(digest), Some(pinned)) = (&verdict.digest, &verdict.pinned) {
                    pins.insert(image, (uses, digest, pinned));
                }
            }
            ("reject" | "unknown", _) if !verdict.enforced => {
                warnings.push(format!("{image}: admitted although {}", verdict.summary));
            }
            ("unknown", WhenUnknown::WarnUnsafe) => {
                warnings.push(format!("{image}: admitted although {}", verdict.summary));
            }
            _ => denials.push(format!("{image}: {}", verdict.summary)),
        }
    }
    let mut response = json!({"auditAnnotations": {"images": Value::Array(audit).to_string()}});
    let patch = if settings.pin { patch(review, images, &pins) } else { Vec::new() };
    if let Some(fields) = response.as_object_mut() {
        let warnings = tame(&warnings);
        if !warnings.is_empty() {
            fields.insert("warnings".to_owned(), json!(warnings));
        }
        if !patch.is_empty() {
            fields.insert("patchType".to_owned(), json!("JSONPatch"));
            fields.insert("patch".to_owned(), json!(STANDARD.encode(Value::Array(patch).to_string())));
        }
    }
    (denials, response)
}

/// What the cluster's audit log keeps of a verdict: enough to find the record, and to see that one is missing.
fn audited(image: &str, verdict: &ImageVerdict) -> Value {
    let mut entry = json!({"image": image, "outcome": verdict.outcome, "digest": verdict.digest});
    if let (Some(fields), Some(record)) = (entry.as_object_mut(), &verdict.record) {
        fields.insert("record".to_owned(), json!(record));
    }
    entry
}

type Pins<'r> = BTreeMap<&'r str, (&'r [super::images::Use], &'r String, &'r String)>;

/// A Pod is pinned, place by place; a template is annotated, so that what users wrote stays what they see. On an update
/// only places that changed are touched: volumes are immutable, and a new text restarts a container.
fn patch(review: &Review, images: &Images, pins: &Pins<'_>) -> Vec<Value> {
    let Some(template) = images.template else {
        return pins
            .values()
            .flat_map(|(uses, _, pinned)| uses.iter().map(move |place| (place, *pinned)))
            .filter(|(place, pinned)| place.text != **pinned)
            .filter(|(place, _)| !review.previous.as_ref().is_some_and(|previous| previous.holds(place)))
            .flat_map(|(place, pinned)| {
                [
                    json!({"op": "test", "path": place.pointer, "value": place.text}),
                    json!({"op": "replace", "path": place.pointer, "value": pinned}),
                ]
            })
            .collect();
    };
    let digests: BTreeMap<&str, &String> = pins.iter().map(|(image, (_, digest, _))| (*image, *digest)).into_map();
    let Ok(value) = serde_json::to_string(&digests) else { return Vec::new() };
    let metadata = review.object.pointer(template).filter(|metadata| metadata.is_object());
    let annotations = metadata.and_then(|metadata| metadata.get("annotations")).filter(|value| value.is_object());
    let path = format!("{template}/annotations/{}", TEMPLATE_ANNOTATION.replace('/', "~1"));
    if digests.is_empty() {
        // An annotation that somebody else wrote says nothing about what was decided here.
        let is_there = annotations.is_some_and(|known| known.get(TEMPLATE_ANNOTATION).is_some());
        return if is_there { vec![json!({"op": "remove", "path": path})] } else { Vec::new() };
    }
    match (metadata, annotations) {
        (None, _) => {
            vec![json!({"op": "add", "path": template, "value": {"annotations": {TEMPLATE_ANNOTATION: value}}})]
        }
        (Some(_), None) => {
            let path = format!("{template}/annotations");
            vec![json!({"op": "add", "path": path, "value": {TEMPLATE_ANNOTATION: value}})]
        }
        (Some(_), Some(known)) if known.get(TEMPLATE_ANNOTATION).and_then(Value::as_str) == Some(&value) => Vec::new(),
        (Some(_), Some(_)) => {
            vec![json!({"op": "add", "path": path, "value": value})]
        }
    }
}

fn tame(warnings: &[String]) -> Vec<String> {
    let mut room = MAX_WARNINGS;
    warnings
        .iter()
        .map(|warning| cut(&excerpt_long(warning), MAX_WARNING))
        .take_while(|warning| {
            let fits = warning.len() <= room;
            room = room.saturating_sub(warning.len());
            fits
        })
        .collect()
}

fn excerpt_long(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::{Value, json};

    use super::{ImageVerdict, Settings, WhenUnknown, respond};
    use crate::kubernetes::{Disposition, Review};

    const HEX: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const SETTINGS: Settings = Settings { unknown: WhenUnknown::Deny, pin: true };

    fn review(group: &str, kind: &str, operation: &str, object: Value, old: Value) -> Review {
        let wire = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u-1", "kind": {"group": group, "version": "v1", "kind": kind}, "operation": operation,
            "namespace": "default", "object": object, "oldObject": old, "newField": 1}});
        Review::parse(wire.to_string().as_bytes()).expect("a review")
    }

    fn verdict(image: &str, outcome: &str) -> ImageVerdict {
        ImageVerdict {
            outcome: outcome.to_owned(),
            image: image.to_owned(),
            digest: Some(HEX.to_owned()),
            pinned: Some(format!("{image}@{HEX}")),
            summary: format!("{outcome}: because"),
            enforced: true,
            warnings: Vec::new(),
            record: None,
        }
    }

    fn patch(response: &Value) -> Value {
        let text = response["response"]["patch"].as_str().expect("a patch");
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn images(review: &Review) -> Vec<String> {
        match &review.disposition {
            Disposition::Decide(images) => images.iter().map(|(image, _)| image.to_owned()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pod_is_pinned_in_every_place_that_uses_the_image() {
        let pod = json!({"spec": {
            "initContainers": [{"name": "i", "image": "nginx"}],
            "containers": [{"name": "a", "image": "docker.io/library/nginx:latest"}, {"name": "b", "image": "host.example/b"}],
            "ephemeralContainers": [{"name": "e", "image": "index.docker.io/nginx"}],
            "volumes": [{"name": "v", "image": {"reference": "host.example/b"}}, {"name": "w", "emptyDir": {}}]}});
        let review = review("", "Pod", "CREATE", pod, Value::Null);
        assert_eq!(images(&review), ["docker.io/library/nginx:latest", "host.example/b:latest"]);
        let verdicts =
            [verdict("docker.io/library/nginx:latest", "accept"), verdict("host.example/b:latest", "accept")];
        let response = respond(&review, &verdicts, SETTINGS);
        assert_eq!(response["response"]["allowed"], json!(true));
        assert_eq!(response["response"]["uid"], json!("u-1"));
        let patch = patch(&response);
        assert_eq!(patch.as_array().expect("a list").len(), 10);
        assert_eq!(patch[0], json!({"op": "test", "path": "/spec/initContainers/0/image", "value": "nginx"}));
        let pinned = format!("docker.io/library/nginx:latest@{HEX}");
        assert_eq!(patch[1], json!({"op": "replace", "path": "/spec/initContainers/0/image", "value": pinned}));
    }

    #[test]
    fn a_template_is_annotated_whatever_metadata_it_has() {
        let annotation = json!(format!("{{\"host.example/a:1\":\"{HEX}\"}}"));
        for (metadata, want) in [
            (
                Value::Null,
                json!([{"op": "add", "path": "/spec/template/metadata", "value": {"annotations": {"bulla.dev/digests": annotation}}}]),
            ),
            (
                json!({"labels": {}}),
                json!([{"op": "add", "path": "/spec/template/metadata/annotations", "value": {"bulla.dev/digests": annotation}}]),
            ),
            (
                json!({"annotations": {"x": "y"}}),
                json!([{"op": "add", "path": "/spec/template/metadata/annotations/bulla.dev~1digests", "value": annotation}]),
            ),
        ] {
            let object = json!({"spec": {"template": {"metadata": metadata, "spec": {"containers": [{"image": "host.example/a:1"}, {"image": ""}]}}}});
            let review = review("apps", "Deployment", "CREATE", object, Value::Null);
            assert_eq!(patch(&respond(&review, &[verdict("host.example/a:1", "accept")], SETTINGS)), want);
        }
    }

    #[test]
    fn an_update_touches_only_what_it_changes() {
        let pod = |image: &str| {
            json!({"spec": {"containers": [{"image": image}, {"image": "host.example/side:1"}],
                "volumes": [{"image": {"reference": "host.example/v:1"}}]}})
        };
        let review = review("", "Pod", "UPDATE", pod("host.example/a:2"), pod("host.example/a:1"));
        let verdicts: Vec<_> = images(&review).iter().map(|image| verdict(image, "accept")).collect();
        let patch = patch(&respond(&review, &verdicts, SETTINGS));
        assert_eq!(patch.as_array().map(Vec::len), Some(2));
        assert_eq!(patch[1]["path"], json!("/spec/containers/0/image"));
    }

    #[test]
    fn anything_but_an_accept_denies() {
        let pod = json!({"spec": {"containers": [{"image": "host.example/a:1"}, {"image": "host.example/b:1"}]}});
        let review = review("", "Pod", "CREATE", pod, Value::Null);
        let a = verdict("host.example/a:1", "accept");
        for (verdicts, hint) in [
            (vec![a.clone(), verdict("host.example/b:1", "reject")], "host.example/b:1: reject: because"),
            (vec![a.clone(), verdict("host.example/b:1", "unknown")], "host.example/b:1: unknown: because"),
            (vec![a.clone(), verdict("host.example/b:1", "ACCEPT")], "host.example/b:1"),
            (vec![a.clone()], "no verdict was reached"),
        ] {
            let response = respond(&review, &verdicts, SETTINGS);
            assert_eq!(response["response"]["allowed"], json!(false));
            assert!(response["response"].get("patch").is_none());
            let message = response["response"]["status"]["message"].as_str().expect("a message");
            assert!(message.contains(hint), "{message}");
        }
        let lenient = Settings { unknown: WhenUnknown::WarnUnsafe, ..SETTINGS };
        let response = respond(&review, &[a, verdict("host.example/b:1", "unknown")], lenient);
        assert_eq!(response["response"]["allowed"], json!(true));
        assert!(response["response"]["warnings"][0].as_str().expect("a warning").contains("although unknown"));
    }

    #[test]
    fn the_audit_log_names_the_record_of_every_verdict_that_has_one() {
        let pod = json!({"spec": {"containers": [{"image": "host.example/a:1"}, {"image": "host.example/b:1"}]}});
        let review = review("", "Pod", "CREATE", pod, Value::Null);
        let record = format!("sha256:{}", "b".repeat(64));
        let recorded = json!({"image": "host.example/b:1", "outcome": "reject", "summary": "x", "record": record});
        let recorded: ImageVerdict = serde_json::from_value(recorded).expect("a verdict");
        let response = respond(&review, &[verdict("host.example/a:1", "accept"), recorded], SETTINGS);
        let images = response["response"]["auditAnnotations"]["images"].as_str().expect("a text");
        let images: Value = serde_json::from_str(images).expect("JSON");
        assert_eq!((images[0].get("record"), &images[1]["record"]), (None, &json!(record)));
        for id in ["", "b", "sha256:B", &record.to_uppercase(), "sha1:b"] {
            let bad = json!({"image": "a", "outcome": "reject", "summary": "x", "record": id});
            assert!(serde_json::from_value::<ImageVerdict>(bad).is_err(), "{id}");
        }
    }

    #[test]
    fn where_no_policy_enforces_nothing_is_refused_and_everything_is_said() {
        let pod = json!({"spec": {"containers": [{"image": "host.example/a:1"}]}});
        let review = review("", "Pod", "CREATE", pod, Value::Null);
        let unknown = ImageVerdict { enforced: false, ..verdict("host.example/a:1", "unknown") };
        let response = respond(&review, &[unknown], SETTINGS);
        assert_eq!(response["response"]["allowed"], json!(true));
        assert!(response["response"]["warnings"][0].as_str().expect("a warning").contains("although unknown"));
        assert!(response["response"].get("patch").is_none());
    }

    #[test]
    fn what_starts_no_image_is_let_through_and_what_is_not_known_is_not() {
        let pod = |image: &str| json!({"spec": {"containers": [{"image": image}]}});
        let allowed = |review: &Review| matches!(review.disposition, Disposition::Allow(_));
        let denied = |review: &Review| matches!(review.disposition, Disposition::Deny(_));
        assert!(allowed(&review("", "Pod", "DELETE", Value::Null, pod("a"))));
        assert!(allowed(&review("", "Pod", "UPDATE", pod("a"), pod("a"))));
        assert!(!allowed(&review("", "Pod", "UPDATE", pod("a"), pod("b"))));
        let debug = json!({"spec": {"containers": [{"image": "a"}], "ephemeralContainers": [{"image": "a"}]}});
        assert!(!allowed(&review("", "Pod", "UPDATE", debug.clone(), pod("a"))), "a new place is a new pull");
        assert!(allowed(&review("", "Pod", "UPDATE", pod("a"), debug)), "fewer places are none");
        assert!(allowed(&review(
            "",
            "ReplicationController",
            "CREATE",
            json!({"spec": {"template": null}}),
            Value::Null
        )));
        assert!(denied(&review("example.org", "Workflow", "CREATE", json!({}), Value::Null)));
        assert!(denied(&review("apps", "Pod", "CREATE", pod("a"), Value::Null)));
        assert!(denied(&review("", "Pod", "CREATE", Value::Null, Value::Null)));
        assert!(denied(&review("", "Pod", "CREATE", pod(""), Value::Null)));
        assert!(denied(&review("", "Pod", "CREATE", json!({}), Value::Null)));
        assert!(denied(&review("", "Pod", "CREATE", json!({"spec": "x"}), Value::Null)));
        assert!(denied(&review("", "Pod", "CREATE", json!({"spec": {"containers": ["a"]}}), Value::Null)));
        assert!(denied(&review("", "Pod", "CREATE", json!({"spec": {"containers": 7}}), Value::Null)));
        assert!(denied(&review("", "Pod", "PATCH", pod("a"), Value::Null)));
    }

    #[test]
    fn every_kind_with_a_pod_template_is_known() {
        let spec = json!({"containers": [{"image": "host.example/a:1"}]});
        let template = json!({"spec": {"template": {"spec": spec}}});
        for (group, kind, object) in [
            ("apps", "Deployment", template.clone()),
            ("apps", "StatefulSet", template.clone()),
            ("apps", "DaemonSet", template.clone()),
            ("apps", "ReplicaSet", template.clone()),
            ("batch", "Job", template.clone()),
            ("", "ReplicationController", template),
            ("batch", "CronJob", json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}})),
            ("", "PodTemplate", json!({"template": {"spec": spec}})),
        ] {
            assert_eq!(images(&review(group, kind, "CREATE", object, Value::Null)), ["host.example/a:1"], "{kind}");
        }
    }
}
