//! Glass that is broken, and by whom; how old an attestation may be; conditions on signers and on who asks.

use serde_json::{Value, json};

use super::attestations::{ASKED, asks as attested, provenance};
use super::dsse::{PROVENANCE, Stored, bundle, changed};
use super::policies::{load, refused};
use super::reviews::{extract, pod, review};
use super::scene::{MATCH, NOW, Scene, layer, payload, policy, subject};
use super::toolbox::Key;
use super::{Book, accepted, add, rejected};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    broken(book);
    told(book);
    aged(book);
    of_signers(book);
    misused(book);
}

/// A policy that asks for the first key and lets some break its glass.
fn asks(name: &str, head: &str) -> String {
    policy(name, &format!("{head}{MATCH}"), &[("release", &Key::p256(1).public, "")], "release")
}

const ONCALL: &str = "  breakGlass: {users: [alice@example.com], groups: [oncall]}\n";

fn user(name: &str, groups: &[&str]) -> Value {
    json!({"name": name, "groups": groups})
}

fn broken(book: &mut Book) {
    let mut case = |name: &str, policies: &[String], asked: Value, comment: &str, expect: Expect| {
        let scene = Scene::new(String::new()).policies(policies).asked(asked).no_signatures();
        add(book, &format!("glass/{name}"), scene.vector("policy", comment, expect));
    };
    let lets = || asks("app", ONCALL);
    let by = |user: Value| json!({"user": user, "breakGlass": "outage 17", "namespace": "web"});
    let rule = |rule: &str| {
        let tree = json!({"rule": rule, "outcome": "accept", "broken": true, "exempted": "outage 17"});
        let warning = format!("policy app: {rule}: outage 17");
        accepted().answer(json!({"verdict": {"policies": [{"tree": tree}], "warnings": [warning]}}))
    };
    let alice = || by(user("alice@example.com", &[]));
    let by_alice = || rule("glass broken by alice@example.com");
    case("by-user", &[lets()], alice(), "A user whom the policy lets, of an image without signatures.", by_alice());
    let bob = by(user("bob", &["oncall", "staff"]));
    case("by-group", &[lets()], bob, "A user of a group that it lets.", rule("glass broken by bob"));
    let no = |text: &str| rejected("not-signed").answer(json!({"verdict": {"warnings": [text]}}));
    let carol = by(user("carol", &["staff", "oncall2"]));
    let comment = "Somebody else, in a group with a similar name.";
    case("by-another", &[lets()], carol, comment, no("carol may not break the glass of app"));
    let shouted = by(user("Alice@example.com", &["Oncall"]));
    let comment = "Names are compared exactly.";
    case("by-another-case", &[lets()], shouted, comment, no("Alice@example.com may not break the glass of app"));
    let comment = "A reason, and the API server does not say who asks.";
    let nobody = json!({"breakGlass": "outage 17"});
    case("by-nobody", &[lets()], nobody, comment, no("nobody that is known may not break the glass of app"));
    let comment = "Somebody who may, and does not want to.";
    let only = json!({"user": user("alice@example.com", &["oncall"])});
    case("not-wanted", &[lets()], only, comment, rejected("not-signed"));
    let comment = "A policy that lets nobody.";
    case("let-nobody", &[asks("app", "")], alice(), comment, no("alice@example.com may not break the glass of app"));
    let comment = "Two policies, one of which lets nobody: each has its own glass.";
    case("one-of-two", &[lets(), asks("other", "")], alice(), comment, rejected("not-signed"));
    let revoking = asks("app", &format!("{ONCALL}  revoked: [{}]\n", subject()));
    let comment = "What is revoked stays so.";
    case("revoked", &[revoking], alice(), comment, rejected("revoked-digest"));
    let there = |namespaces: &str| {
        asks("app", &format!("  breakGlass: {{users: [alice@example.com], namespaces: [{namespaces}]}}\n"))
    };
    case("namespace", &[there("web")], alice(), "In a namespace where it may be broken.", by_alice());
    let comment = "In another namespace.";
    case("other-namespace", &[there("shop")], alice(), comment, no("alice@example.com may not break the glass of app"));
    let nowhere = json!({"user": user("alice@example.com", &[]), "breakGlass": "outage 17"});
    let comment = "Where it may be broken in one namespace, a question without one gains nothing.";
    case("no-namespace", &[there("web")], nowhere, comment, no("alice@example.com may not break the glass of app"));
}

fn told(book: &mut Book) {
    let mut case = |name: &str, annotation: Value, info: Value, comment: &str, expect: Value| {
        let mut object = pod(&["registry.example/app:1"]);
        object["metadata"]["annotations"] = json!({"bulla.dev/break-glass": annotation});
        let mut review = review("", "Pod", "CREATE", object);
        review["request"]["userInfo"] = info;
        let vector = extract(Recipe::Json(review), comment, Expect::outcome("ok").answer(expect));
        add(book, &format!("extract/glass-{name}"), vector);
    };
    let alice = || json!({"username": "alice", "uid": "7", "groups": ["b", "a"], "extra": {"k": ["v"]}});
    let found = json!({"disposition": "decide", "breakGlass": "outage 17", "user": user("alice", &["a", "b"])});
    case("told", json!("outage 17"), alice(), "The reason, and who gives it.", found);
    let nobody = json!({"disposition": "decide", "breakGlass": "outage 17", "user": null});
    case("by-nobody", json!("outage 17"), json!({}), "The API server does not say who asks.", nobody);
    let denied = || json!({"disposition": "deny", "breakGlass": null});
    case("empty", json!(" "), alice(), "A reason that is none.", denied());
    case("number", json!(1), alice(), "No annotation: the API server would refuse it later.", denied());
    case("long", json!("x".repeat(257)), alice(), "A reason of 257 characters.", denied());
    let many: Vec<String> = (0..1001).map(|n| format!("g{n}")).collect();
    let many = json!({"username": "alice", "groups": many});
    let comment = "More groups than are looked at: one left out could be the one that a condition excludes.";
    case("groups", json!("outage 17"), many, comment, json!({"disposition": "deny", "user": null}));
    let long = json!({"username": "x".repeat(65_537)});
    case("name", json!("outage 17"), long, "A name that is too long.", json!({"disposition": "deny", "user": null}));

    // The annotation of an object that stands there already.
    for (name, before, now, told, comment) in [
        ("stood-there", "outage 17", "outage 17", Value::Null, "Who changes an image has not said so."),
        ("new-reason", "outage 17", "outage 18", json!("outage 18"), "Another reason is given now."),
    ] {
        let annotated = |image: &str, reason: &str| {
            let mut object = pod(&[image]);
            object["metadata"]["annotations"] = json!({"bulla.dev/break-glass": reason});
            object
        };
        let mut review = review("", "Pod", "UPDATE", annotated("registry.example/app:2", now));
        review["request"]["oldObject"] = annotated("registry.example/app:1", before);
        review["request"]["userInfo"] = alice();
        let expect = Expect::outcome("ok").answer(json!({"disposition": "decide", "breakGlass": told}));
        add(book, &format!("extract/glass-{name}"), extract(Recipe::Json(review), comment, expect));
    }
}

fn aged(book: &mut Book) {
    let key = Key::p256(1);
    let mut case = |name: &str, age: &str, time: Value, comment: &str, expect: Expect| {
        let statement =
            changed(provenance(), |it| it["predicate"]["runDetails"] = json!({"metadata": {"finishedOn": time}}));
        let policy = attested(PROVENANCE, &format!("{{}}, age: {age}"), ASKED);
        let scene = Scene::new(policy).stored(&[Stored::new(&bundle(&key, &statement)).typed(PROVENANCE)]);
        add(book, &format!("age/{name}"), scene.no_attestations().vector("policy", comment, expect));
    };
    // The question is asked at 2026-01-01T00:00:00Z.
    case(
        "young",
        "{max: 1d}",
        json!("2025-12-31T23:00:00Z"),
        "An hour old, and a day is allowed; the type has a place for its time.",
        accepted(),
    );
    case("just", "{max: 1d}", json!("2025-12-31T00:00:00Z"), "As old as allowed, to the second.", accepted());
    case(
        "old",
        "{max: 1d}",
        json!("2025-12-30T23:59:59Z"),
        "A second older.",
        rejected("age").text("it may be 1d old"),
    );
    case("ahead", "{max: 1d}", json!("2026-01-01T00:05:00Z"), "Five minutes ahead: clocks differ.", accepted());
    case(
        "future",
        "{max: 1d}",
        json!("2026-01-01T00:05:01Z"),
        "A second more: nobody can have seen that.",
        rejected("age"),
    );
    let comment = "With an offset and a fraction.";
    case("offset", "{max: 1h}", json!("2026-01-01T01:30:00.5+02:00"), comment, accepted());
    let absent = || rejected("no-time");
    case("number", "{max: 1d}", json!(NOW), "A number is no time.", absent().text("is 1767225600, expected a time"));
    case("text", "{max: 1d}", json!("yesterday"), "Nor is any text.", absent().text("is \"yesterday\""));
    case("null", "{max: 1d}", Value::Null, "Nor is null.", absent());
    let elsewhere = "{max: 1d, at: /runDetails/metadata/startedOn}";
    case(
        "elsewhere",
        elsewhere,
        json!("2026-01-01T00:00:00Z"),
        "Another place, at which nothing stands.",
        absent().text("is missing"),
    );
    let there = "{max: 1d, at: /runDetails/metadata/finishedOn}";
    case("there", there, json!("2026-01-01T00:00:00Z"), "The place in full.", accepted());
}

fn of_signers(book: &mut Book) {
    let mut case = |name: &str, condition: &str, asked: Value, comment: &str, expect: Expect| {
        let key = Key::p256(1);
        let asks = asks("app", "")
            .replace("    release:\n", &format!("    release:\n      conditions: [{{cel: '{condition}'}}]\n"));
        let text = payload();
        let scene = Scene::new(asks).layers(&[layer(&text, &key.sign(&text))]).asked(asked);
        add(book, &format!("condition/signer-{name}"), scene.vector("policy", comment, expect));
    };
    let none = || json!({});
    let no = |text: &str| rejected("condition").text(text);
    case("holds", r#"image.repository == "app" && signer == "release""#, none(), "It holds.", accepted());
    case("fails", r#"image.repository == "other""#, none(), "It does not.", no("is false"));
    case(
        "annotation",
        r#"annotations["env"] == "prod""#,
        none(),
        "An annotation that is not there.",
        no("cannot be said"),
    );
    let alice = json!({"user": user("alice", &["dev"])});
    case("user", r#""dev" in user.groups"#, alice.clone(), "Who asks.", accepted());
    case("other-user", r#"user.name == "bob""#, alice, "Somebody else asks.", no("is false"));
    case(
        "no-user",
        r#"user.name != "bob""#,
        none(),
        "Nobody knows who asks: an error, and not true.",
        no("cannot be said"),
    );
    let labelled = json!({"labels": {"tier": "test"}, "operation": "CREATE", "namespace": "web"});
    let all = r#"object.labels.tier == "test" && object.operation == "CREATE" && object.namespace == "web""#;
    case("object", all, labelled.clone(), "The object that names the image.", accepted());
    case("other-label", r#"object.labels.tier == "prod""#, labelled, "Another label.", no("is false"));
    case("no-object", r#"!has(object.labels)"#, none(), "No object, which can be asked for.", accepted());
    case("no-platform", r#"platform.os == "linux""#, none(), "What was asked for is no leaf.", no("cannot be said"));
    let comment = "Asked for by digest, there is no tag: an error, and not true.";
    case("no-tag", r#"image.tag != "dev""#, none(), comment, no("cannot be said"));
    case("predicate", "predicate == null", none(), "A signature has no predicate.", accepted());
}

fn misused(book: &mut Book) {
    let mut case = |name: &str, head: &str, text: &str| {
        let comment = "Whoever writes this means something else.";
        let vector = load(vec![Recipe::lines(&asks("app", head))], comment, refused(text));
        add(book, &format!("policy/glass-{name}"), vector);
    };
    let many: Vec<String> = (0..257).map(|n| format!("u{n}")).collect();
    case("empty", "  breakGlass: {}\n", "nobody may break it");
    case("list", "  breakGlass: [[a]]\n", "expected a mapping");
    case("only-namespaces", "  breakGlass: {namespaces: [web]}\n", "nobody may break it");
    for (name, who) in [
        ("authenticated", "groups: ['system:authenticated']"),
        ("service-accounts", "groups: ['system:serviceaccounts']"),
        ("controllers", "groups: ['system:serviceaccounts:kube-system']"),
        ("controller", "users: ['system:serviceaccount:kube-system:replicaset-controller']"),
    ] {
        case(name, &format!("  breakGlass: {{{who}}}\n"), "would let everybody in");
    }
    case("no-name", "  breakGlass: {users: ['']}\n", "a name is empty");
    case("unknown-field", "  breakGlass: {users: [a], reason: x}\n", "unknown field `reason`");
    case("too-many", &format!("  breakGlass: {{users: [{}]}}\n", many.join(", ")), "more than 256 users and groups");
    let mut case = |name: &str, age: &str, text: &str| {
        let document = attested("custom", &format!("{{}}, age: {age}"), ASKED);
        let vector = load(vec![Recipe::lines(&document)], "Not an age.", refused(text));
        add(book, &format!("policy/age-{name}"), vector);
    };
    case("no-place", "{max: 1d}", "at is missing");
    case("no-unit", "{max: '30', at: /t}", "is no age");
    case("two-units", "{max: 1h30m, at: /t}", "is no age");
    case("no-pointer", "{max: 1d, at: t}", "is not a JSON pointer");
    case("list", "[1d]", "expected a mapping");
    let condition = asks("app", "").replace("    release:\n", "    release:\n      conditions: [{cel: '1 + 1'}]\n");
    let vector =
        load(vec![Recipe::lines(&condition)], "A condition that gives a number.", refused("conditions[0].cel"));
    add(book, "policy/signer-condition-text", vector);
}
