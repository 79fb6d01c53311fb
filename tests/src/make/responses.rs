//! What an API server is told: responses to reviews, with verdicts and without.

use serde_json::{Value, json};

use super::reviews::{extract, pod, review};
use super::scene::{APP, subject};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    let image = format!("{APP}:1");
    let pinned = format!("{image}@{}", subject());
    let verdict = |outcome: &str| json!({"image": image, "outcome": outcome, "digest": subject(), "pinned": pinned, "summary": format!("{outcome}: because"), "warnings": ["look here"]});
    let mut add = |name: &str,
                   review: Value,
                   verdicts: Vec<Value>,
                   settings: Value,
                   comment: &str,
                   allowed: bool,
                   response: Value| {
        let mut vector =
            extract(Recipe::Json(review), comment, Expect::outcome("ok").answer(json!({"allowed": allowed})));
        vector.operation = "respond".to_owned();
        vector.header = Some(json!({"review": 0, "verdicts": verdicts, "settings": settings}));
        vector.expect.document =
            Some(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}));
        add(book, &format!("respond/{name}"), vector);
    };
    let pin = || json!({"pin": true});
    let create = || review("", "Pod", "CREATE", pod(&[&image]));
    let patch = |patch: Value| super::toolbox::base64(crate::recipe::sorted(&patch).to_string().as_bytes());
    let replaced = patch(
        json!([{"op": "test", "path": "/spec/containers/0/image", "value": image}, {"op": "replace", "path": "/spec/containers/0/image", "value": pinned}]),
    );
    add(
        "pinned",
        create(),
        vec![verdict("accept")],
        pin(),
        "An accepted Pod is pinned.",
        true,
        json!({"patchType": "JSONPatch", "patch": replaced, "warnings": [format!("{image}: look here")]}),
    );
    add(
        "not-pinned",
        create(),
        vec![verdict("accept")],
        json!({"pin": false}),
        "A host may leave it.",
        true,
        json!({"allowed": true, "uid": "705ab4f5-6393-11e8-b7cc-42010a800002"}),
    );
    add(
        "rejected",
        create(),
        vec![verdict("reject")],
        pin(),
        "A rejected image denies, with its summary.",
        false,
        json!({"status": {"code": 403, "message": format!("{image}: reject: because")}}),
    );
    add(
        "unknown",
        create(),
        vec![verdict("unknown")],
        pin(),
        "Unknown denies by default.",
        false,
        json!({"status": {"code": 403}}),
    );
    add(
        "unknown-warns",
        create(),
        vec![verdict("unknown")],
        json!({"pin": true, "unknown": "warnUnsafe"}),
        "Only the configuration of a host turns unknown into a warning.",
        true,
        json!({"warnings": [format!("{image}: look here"), format!("{image}: admitted although unknown: because")]}),
    );
    add(
        "outcome-in-capitals",
        create(),
        vec![verdict("ACCEPT")],
        pin(),
        "An outcome is compared octet by octet.",
        false,
        json!({"allowed": false}),
    );
    add(
        "no-verdict",
        create(),
        vec![],
        pin(),
        "Silence is not consent.",
        false,
        json!({"status": {"message": format!("{image}: no verdict was reached")}}),
    );
    let mut other = verdict("accept");
    other["image"] = json!("registry.example/other:1");
    add(
        "verdict-about-another",
        create(),
        vec![other],
        pin(),
        "A verdict about another image is none about this.",
        false,
        json!({"allowed": false}),
    );
    add(
        "kind-unknown",
        review("example.org", "Workflow", "CREATE", json!({})),
        vec![],
        pin(),
        "What cannot be judged is denied.",
        false,
        json!({"status": {"code": 403}}),
    );
    add(
        "delete",
        review("", "Pod", "DELETE", json!(null)),
        vec![],
        pin(),
        "What starts nothing is admitted, and the audit log says why.",
        true,
        json!({"auditAnnotations": {"allowed": "a deletion starts no image"}}),
    );
    let record = format!("sha256:{}", "5a".repeat(32));
    let mut recorded = verdict("reject");
    recorded["record"] = json!(record);
    let audited = json!([{"digest": subject(), "image": image, "outcome": "reject", "record": record}]);
    add(
        "recorded",
        create(),
        vec![recorded.clone()],
        pin(),
        "The cluster's audit log names the record of a decision, also where it denies.",
        false,
        json!({"auditAnnotations": {"images": crate::recipe::sorted(&audited).to_string()}}),
    );
    let template = json!({"spec": {"template": {"metadata": {"annotations": {"a": "b"}}, "spec": {"containers": [{"image": image}]}}}});
    let value = format!("{{\"{image}\":\"{}\"}}", subject());
    let added =
        patch(json!([{"op": "add", "path": "/spec/template/metadata/annotations/bulla.dev~1digests", "value": value}]));
    add(
        "template-annotated",
        review("apps", "Deployment", "CREATE", template),
        vec![verdict("accept")],
        pin(),
        "A template is annotated: what users wrote stays what they see.",
        true,
        json!({"patch": added}),
    );
    recorded["record"] = json!("sha256:5A");
    let mut bad = extract(
        Recipe::Json(create()),
        "What stands in an audit log as a record's id is a digest, and nothing that a host happened to hand over.",
        Expect::error("message-invalid"),
    );
    bad.operation = "respond".to_owned();
    bad.header = Some(json!({"review": 0, "verdicts": [recorded], "settings": pin()}));
    super::add(book, "respond/record-not-a-digest", bad);
}
