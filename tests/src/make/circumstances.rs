//! Policies for certain operations and labels, and questions that tell of them or do not.

use serde_json::{Map, Value, json};

use super::policies::{load, refused};
use super::reviews::{extract, pod, review};
use super::scene::{MATCH, Scene, layer, payload, policy};
use super::toolbox::Key;
use super::{Book, accepted, add, rejected};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    matched(book);
    restricted(book);
    found(book);
    misused(book);
}

/// A policy for these circumstances, which asks for a key.
fn asks(name: &str, circumstances: &str, seed: u8) -> String {
    policy(name, &format!("{MATCH}{circumstances}"), &[("release", &Key::p256(seed).public, "")], "release")
}

/// An image signed by the first key.
fn signed(policies: &[String]) -> Scene {
    Scene::new(String::new()).policies(policies).layers(&[layer(&payload(), &Key::p256(1).sign(&payload()))])
}

const CREATE: &str = "    operations: [CREATE]\n";
const PRODUCTION: &str = "    labels: {tier: production, team: web}\n";

fn labels(tier: &str) -> Option<Value> {
    Some(json!({"tier": tier, "team": "web", "other": "x"}))
}

fn matched(book: &mut Book) {
    let mut case = |name: &str, circumstances: &str, operation, labels, comment: &str, expect: Expect| {
        let mut scene = signed(&[asks("app", circumstances, 1)]);
        (scene.operation, scene.labels) = (operation, labels);
        add(book, &format!("match/{name}"), scene.vector("policy", comment, expect));
    };
    let none = || rejected("no-policy");
    let both = "    operations: [CREATE, UPDATE]\n";
    case("operation", CREATE, Some("CREATE"), None, "The operation that the policy is for.", accepted());
    case("one-of-two-operations", both, Some("UPDATE"), None, "One of two operations.", accepted());
    case("another-operation", CREATE, Some("UPDATE"), None, "Another operation: no policy matches.", none());
    case("operation-in-lower-case", CREATE, Some("create"), None, "Operations are compared exactly.", none());
    case("labels", PRODUCTION, None, labels("production"), "All labels of the policy, and more.", accepted());
    case("another-value", PRODUCTION, None, labels("test"), "One label has another value.", none());
    case("value-in-capitals", PRODUCTION, None, labels("Production"), "Labels are compared exactly.", none());
    let one = Some(json!({"tier": "production"}));
    case("one-of-two-labels", PRODUCTION, None, one, "One label is missing.", none());
    case("no-labels", PRODUCTION, None, Some(json!({})), "An object without labels.", none());
    let all = format!("{CREATE}{PRODUCTION}    namespaces: [web]\n");
    let comment = "An operation and labels, and the namespace is not told.";
    let text = "without a namespace (those that match it are for certain namespaces)";
    case("and-no-namespace", &all, Some("CREATE"), labels("production"), comment, none().text(text));
    let comment = "A question that tells of no operation: such a policy never grants.";
    case("operation-not-told", CREATE, None, labels("test"), comment, none().text("without an operation"));
    let comment = "A question that tells of no labels: such a policy never grants.";
    case("labels-not-told", PRODUCTION, Some("CREATE"), None, comment, none().text("without labels"));
}

fn restricted(book: &mut Book) {
    let mut case = |name: &str, circumstances: &str, operation, labels, comment: &str, expect: Expect| {
        let mut scene = signed(&[asks("all", "", 1), asks("strict", circumstances, 2)]);
        (scene.operation, scene.labels) = (operation, labels);
        add(book, &format!("match/{name}"), scene.vector("policy", comment, expect));
    };
    let comment = "A second policy is for other objects.";
    case("strict-for-others", PRODUCTION, Some("CREATE"), labels("test"), comment, accepted());
    case("strict-for-creation", CREATE, Some("UPDATE"), labels("test"), comment, accepted());
    let comment = "A question that does not tell: whoever leaves it out gains nothing.";
    case("strict-labels-not-told", PRODUCTION, Some("CREATE"), None, comment, rejected("other-key"));
    case("strict-operation-not-told", CREATE, None, labels("test"), comment, rejected("other-key"));
    let mut scene = signed(&[asks("one", CREATE, 1), asks("two", PRODUCTION, 1)]);
    scene.operation = Some("CREATE");
    let comment =
        "The first is for this operation and so may grant; the second, which is not known to match, is satisfied.";
    add(book, "match/one-of-two-told", scene.clone().vector("policy", comment, accepted()));
    scene.operation = None;
    let comment = "Neither is known to match.";
    add(book, "match/none-of-two-told", scene.vector("policy", comment, rejected("no-policy")));
}

fn found(book: &mut Book) {
    let mut case = |name: &str, labels: Value, comment: &str, expect: Value| {
        let mut object = pod(&["registry.example/app:1"]);
        object["metadata"]["labels"] = labels;
        let vector =
            extract(Recipe::Json(review("", "Pod", "UPDATE", object)), comment, Expect::outcome("ok").answer(expect));
        add(book, &format!("extract/labels-{name}"), vector);
    };
    let some = json!({"app.example/tier": "production", "empty": ""});
    let told = json!({"disposition": "decide", "operation": "UPDATE", "labels": some});
    case("told", some, "The labels of the object, for policies that ask for them.", told);
    case("null", Value::Null, "No labels.", json!({"disposition": "decide", "labels": {}}));
    let denied = || json!({"disposition": "deny", "images": [], "labels": {}});
    case("number", json!({"a": 1}), "No label: the API server would refuse it later.", denied());
    case("long", json!({"a": "x".repeat(64)}), "A value of 64 characters is none.", denied());
    case("list", json!(["a"]), "A list.", denied());
    let many: Map<String, Value> = (0..257).map(|n| (format!("l{n}"), json!("x"))).collect();
    case("many", Value::Object(many), "More labels than are looked at: one left out could be asked for.", denied());
}

fn misused(book: &mut Book) {
    let many: Vec<String> = (0..33).map(|n| format!("l{n}: x")).collect();
    for (name, field, text) in [
        ("operations-empty", "operations: []".to_owned(), "matches nothing"),
        ("operation-delete", "operations: [DELETE]".to_owned(), "unknown variant `DELETE`"),
        ("operation-lower-case", "operations: [create]".to_owned(), "unknown variant `create`"),
        ("operation-star", "operations: ['*']".to_owned(), "unknown variant `*`"),
        ("labels-empty", "labels: {}".to_owned(), "no label is asked for"),
        ("labels-list", "labels: [a]".to_owned(), "expected a map"),
        ("label-number", "labels: {a: 1}".to_owned(), "expected a string"),
        ("label-long", format!("labels: {{a: {}}}", "x".repeat(64)), "no object has such a label"),
        ("label-empty", "labels: {'': x}".to_owned(), "no object has such a label"),
        ("labels-too-many", format!("labels: {{{}}}", many.join(", ")), "more than 32 labels"),
    ] {
        let document = Recipe::lines(&asks("app", &format!("    {field}\n"), 1));
        let comment = "What can never match would make the policy mean nothing.";
        add(book, &format!("policy/match-{name}"), load(vec![document], comment, refused(text)));
    }
}
