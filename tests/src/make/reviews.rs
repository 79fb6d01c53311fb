//! AdmissionReviews: every kind, every subresource, and what cannot be judged.

use serde_json::{Value, json};

use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::{Recipe, Repeat};
use crate::vectors::Vector;

pub(super) fn write(book: &mut Book) {
    kinds(book);
    dispositions(book);
    documents(book);
}

pub(super) fn extract(review: Recipe, comment: &str, expect: Expect) -> Vector {
    Vector {
        comment: comment.to_owned(),
        layer: "admission".to_owned(),
        operation: "extract".to_owned(),
        header: Some(json!({"review": 0})),
        header_bytes: None,
        message: None,
        blobs: vec![review],
        expect,
    }
}

pub(super) fn review(group: &str, kind: &str, operation: &str, object: Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": {"group": group, "version": "v1", "kind": kind},
        "name": "web", "namespace": "shop", "operation": operation, "object": object, "oldObject": null, "dryRun": false}})
}

pub(super) fn pod(images: &[&str]) -> Value {
    let containers: Vec<Value> = images.iter().map(|image| json!({"name": "c", "image": image})).collect();
    json!({"metadata": {"name": "web"}, "spec": {"containers": containers}})
}

fn decide(images: Value) -> Expect {
    Expect::outcome("ok").answer(json!({"disposition": "decide", "images": images}))
}

fn allow(reason: &str) -> Expect {
    Expect::outcome("ok").answer(json!({"disposition": "allow", "images": []})).text(reason)
}

fn deny(reason: &str) -> Expect {
    Expect::outcome("ok").answer(json!({"disposition": "deny", "images": []})).text(reason)
}

fn kinds(book: &mut Book) {
    let spec = pod(&["registry.example/app:1"])["spec"].clone();
    let template = json!({"spec": {"template": {"spec": spec}}});
    for (group, kind, object) in [
        ("", "Pod", json!({"spec": spec})),
        ("", "ReplicationController", template.clone()),
        ("", "PodTemplate", json!({"template": {"spec": spec}})),
        ("apps", "Deployment", template.clone()),
        ("apps", "StatefulSet", template.clone()),
        ("apps", "DaemonSet", template.clone()),
        ("apps", "ReplicaSet", template.clone()),
        ("batch", "Job", template),
        ("batch", "CronJob", json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}})),
    ] {
        let expect = decide(json!([{"image": "registry.example/app:1", "uses": 1}]));
        let vector = extract(
            Recipe::Json(review(group, kind, "CREATE", object)),
            "Every kind that holds a pod specification.",
            expect,
        );
        add(book, &format!("extract/{}", kind.to_lowercase()), vector);
    }
    let lists = json!({"spec": {
        "initContainers": [{"image": "a.example/i"}], "containers": [{"image": "a.example/c"}],
        "ephemeralContainers": [{"image": "a.example/e"}],
        "volumes": [{"name": "v", "image": {"reference": "a.example/v"}}, {"name": "w", "emptyDir": {}}]}});
    let images: Vec<Value> =
        ["c", "e", "i", "v"].iter().map(|name| json!({"image": format!("a.example/{name}:latest")})).collect();
    add(
        book,
        "extract/every-list",
        extract(
            Recipe::Json(review("", "Pod", "CREATE", lists)),
            "Containers of all kinds, and image volumes (KEP-4639).",
            decide(json!(images)),
        ),
    );
    let spelled = pod(&["nginx", "docker.io/library/nginx:latest", "index.docker.io/nginx"]);
    add(
        book,
        "extract/one-image-three-spellings",
        extract(
            Recipe::Json(review("", "Pod", "CREATE", spelled)),
            "One image, whatever it is called.",
            decide(json!([{"image": "docker.io/library/nginx:latest", "uses": 3}])),
        ),
    );
}

fn dispositions(book: &mut Book) {
    let mut add = |name: &str, review: Value, comment: &str, expect| {
        add(book, &format!("extract/{name}"), extract(Recipe::Json(review), comment, expect));
    };
    let (one, two) = (pod(&["a.example/b:1"]), pod(&["a.example/b:2"]));
    let with = |mut review: Value, name: &str, value: Value| {
        review["request"][name] = value;
        review
    };
    let create = |object: &Value| review("", "Pod", "CREATE", object.clone());
    let update =
        |object: &Value, old: &Value| with(review("", "Pod", "UPDATE", object.clone()), "oldObject", old.clone());
    add(
        "delete",
        with(review("", "Pod", "DELETE", json!(null)), "oldObject", one.clone()),
        "A deletion starts nothing.",
        allow("deletion"),
    );
    add("connect", review("", "Pod", "CONNECT", json!(null)), "kubectl exec starts no image.", allow("connection"));
    add(
        "operation-unknown",
        review("", "Pod", "PATCH", one.clone()),
        "An operation of a later version.",
        deny("operation \"PATCH\""),
    );
    add(
        "kind-unknown",
        review("example.org", "Workflow", "CREATE", json!({})),
        "A kind that nobody here reads is denied, not passed over.",
        deny("kind \"Workflow\""),
    );
    add(
        "kind-of-another-group",
        review("apps", "Pod", "CREATE", one.clone()),
        "A Pod of another group is another kind.",
        deny("kind \"Pod\""),
    );
    add(
        "object-null",
        review("", "Pod", "CREATE", json!(null)),
        "A creation without an object.",
        deny("without an object"),
    );
    add(
        "image-changed",
        update(&two, &one),
        "An update that changes an image.",
        decide(json!([{"image": "a.example/b:2"}])),
    );
    add(
        "image-unchanged",
        update(&one, &one),
        "A label must be editable although a key was revoked since.",
        allow("no image changed"),
    );
    let mut going = one.clone();
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    add(
        "being-deleted",
        update(&two, &going),
        "Going away is no leave to change the image: what starts is decided about.",
        decide(json!([{"image": "a.example/b:2"}])),
    );
    add(
        "being-deleted-says-the-user",
        update(&going, &two),
        "Only the object that the API server has may say so.",
        decide(json!([{"image": "a.example/b:1"}])),
    );
    let ephemeral = json!({"spec": {"containers": [{"image": "a.example/b:1"}], "ephemeralContainers": [{"image": "a.example/debug"}]}});
    add(
        "ephemeral-containers",
        with(update(&ephemeral, &one), "subResource", json!("ephemeralcontainers")),
        "kubectl debug adds a container to a running Pod.",
        decide(json!([{"image": "a.example/b:1"}, {"image": "a.example/debug:latest"}])),
    );
    add(
        "status",
        with(update(&two, &one), "subResource", json!("status")),
        "A status starts nothing.",
        allow("status"),
    );
    add(
        "scale",
        with(review("apps", "Deployment", "UPDATE", json!({})), "subResource", json!("scale")),
        "A scale names no image.",
        allow("names no image"),
    );
    add(
        "subresource-unknown",
        with(update(&two, &one), "subResource", json!("hotplug")),
        "A subresource of a later version.",
        deny("subresource \"hotplug\""),
    );
    add("image-empty", create(&pod(&[""])), "A Pod with an empty image.", deny("is empty"));
    add(
        "image-number",
        create(&json!({"spec": {"containers": [{"image": 7}]}})),
        "An image that is no text.",
        deny("is not text"),
    );
    add(
        "containers-text",
        create(&json!({"spec": {"containers": "none"}})),
        "Containers that are no list.",
        deny("is not a list"),
    );
    add(
        "template-open",
        review(
            "apps",
            "Deployment",
            "CREATE",
            json!({"spec": {"template": {"spec": {"containers": [{"image": ""}]}}}}),
        ),
        "A template may leave the image open; the Pod made from it may not.",
        allow("names no image"),
    );
    add(
        "template-null",
        review("", "ReplicationController", "CREATE", json!({"spec": {"template": null}})),
        "A ReplicationController without a template.",
        allow("names no image"),
    );
    add(
        "image-not-a-reference",
        create(&pod(&["Not A Reference"])),
        "A text that is no reference is decided about, and rejected there.",
        decide(json!([{"image": "Not A Reference"}])),
    );
    add(
        "dry-run",
        with(create(&one), "dryRun", json!(true)),
        "Dry runs are told apart: they write nothing.",
        Expect::outcome("ok").answer(json!({"dryRun": true, "disposition": "decide"})),
    );
    add(
        "unknown-members",
        with(create(&one), "newInKubernetes", json!({"a": 1})),
        "Later versions add members.",
        decide(json!([{"image": "a.example/b:1"}])),
    );
    let many = |count| {
        let head = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},"operation":"CREATE","object":{"spec":{"containers":["#;
        let container =
            Repeat { text: r#"{"name":"c{n}","image":"a.example/b:1"}"#.to_owned(), count, separator: ",".to_owned() };
        Recipe::Concat(vec![Recipe::Text(head.to_owned()), Recipe::Repeat(container), Recipe::Text("]}}}}".to_owned())])
    };
    super::add(
        book,
        "extract/100-containers",
        extract(
            many(100),
            "One image in 100 places is decided about once.",
            decide(json!([{"image": "a.example/b:1", "uses": 100}])),
        ),
    );
    super::add(
        book,
        "extract/1025-containers",
        extract(many(1025), "More references than one object may have.", deny("at most 1024")),
    );
}

fn documents(book: &mut Book) {
    let mut add = |name: &str, review: Recipe, comment: &str, expect| {
        add(book, &format!("review/{name}"), extract(review, comment, expect));
    };
    let invalid = || Expect::error("review-invalid");
    let good = crate::recipe::sorted(&review("", "Pod", "CREATE", pod(&["a.example/b:1"]))).to_string();
    add("garbage", Recipe::Text("\u{0}\u{1}garbage".to_owned()), "Not JSON.", invalid());
    add("empty", Recipe::Text(String::new()), "No octet at all.", invalid());
    add("cut", Recipe::Text(good[..good.len() - 2].to_owned()), "Cut short.", invalid());
    add(
        "duplicate-key",
        Recipe::Text(good.replacen("\"object\":", "\"object\":null,\"object\":", 1)),
        "Duplicate keys: two readers would see two Pods.",
        invalid().text("duplicate key"),
    );
    add(
        "duplicate-image",
        Recipe::Text(good.replacen("\"image\":", "\"image\":\"good.example/a\",\"image\":", 1)),
        "The same at the image.",
        invalid().text("duplicate key"),
    );
    add(
        "version-unknown",
        Recipe::Text(good.replace("admission.k8s.io/v1", "admission.k8s.io/v2")),
        "Another version of the API.",
        invalid().text("v2"),
    );
    add(
        "version-beta",
        Recipe::Text(good.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1")),
        "Gone since Kubernetes 1.22.",
        invalid(),
    );
    add("kind-other", Recipe::Text(good.replace("AdmissionReview", "ConversionReview")), "Another review.", invalid());
    add(
        "no-request",
        Recipe::Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"})),
        "Nothing to answer.",
        invalid().text("no request"),
    );
    add(
        "no-uid",
        Recipe::Text(good.replace("\"uid\":", "\"id\":")),
        "An answer carries the uid of its request.",
        invalid().text("uid"),
    );
    add(
        "deep",
        Recipe::Concat(vec![Recipe::Text(r#"{"request":"#.to_owned()), Recipe::repeat("{\"a\":", 50_000)]),
        "Nesting has a limit.",
        invalid(),
    );
    add(
        "oversize",
        Recipe::Concat(vec![Recipe::Text(good), Recipe::repeat(" ", 8 << 20)]),
        "More than 8 MiB.",
        invalid().text("at most"),
    );
    let zeros = Recipe::Concat(vec![
        Recipe::Text(r#"{"request":[0"#.to_owned()),
        Recipe::repeat(",0", (8 << 20) / 2 - 20),
        Recipe::Text("]}".to_owned()),
    ]);
    let comment = "Two octets a value: what a reader allocates for each is an attacker's lever.";
    let vector = extract(zeros, comment, invalid());
    super::add(book, "review/8-mib-of-zeros", vector);
}
