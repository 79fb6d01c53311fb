//! Requirement trees and modes: several signers and several policies over one image.

use serde_json::json;

use super::scene::{APP, MATCH, Scene, layer, payload, payload_for, policy, subject};
use super::toolbox::Key;
use super::{Book, accepted, add, rejected, unknown};

pub(super) fn write(book: &mut Book) {
    trees(book);
    modes(book);
}

fn trees(book: &mut Book) {
    let (a, b, c) = (Key::p256(1), Key::p256(2), Key::new("ed25519", 3));
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("trees/{name}"), scene.vector("requirement", comment, expect));
    };
    let with = |require: &str| {
        Scene::new(policy(
            "tree",
            MATCH,
            &[
                ("a", &a.public, ""),
                ("a2", &a.public, "        identity: anyUnsafe\n"),
                ("b", &b.public, ""),
                ("c", &c.public, ""),
            ],
            require,
        ))
    };
    let by = |key: &Key| layer(&payload(), &key.sign(&payload()));
    // b's signature is over a payload that could not be fetched: what it says is not known.
    let text = payload_for(APP, &subject(), r#"{"n":"1"}"#);
    let lost = layer(&text, &b.sign(&text));
    let failing = |require: &str, layers: &[serde_json::Value]| {
        let layers = [layers, std::slice::from_ref(&lost)].concat();
        let failed = json!({"outcome": "failed", "reason": "registry.example: timed out"});
        with(require).layers(&layers).answered(&Scene::blob_need(&text), failed).no_referrers()
    };
    let known = |require: &str, layers: &[serde_json::Value]| with(require).layers(layers).no_referrers();
    let two = "{atLeast: 2, of: [a, a2, b]}";
    add(
        "at-least-same-key-twice",
        known(two, &[by(&a), by(&a)]),
        "One key under two names counts once (compare duplicate-sigs in tough).",
        rejected("threshold").text("1 of 2"),
    );
    add("at-least-met", known(two, &[by(&a), by(&b)]), "Two different keys.", accepted());
    add(
        "at-least-unknown",
        failing("{atLeast: 2, of: [a, b]}", &[by(&a)]),
        "One has signed, the other may have.",
        unknown("unfetched"),
    );
    add(
        "at-least-met-despite-unknown",
        failing("{atLeast: 2, of: [a, b, c]}", &[by(&a), by(&c)]),
        "What is unknown is not needed.",
        accepted(),
    );
    add("all-of-met", known("{allOf: [a, b]}", &[by(&b), by(&a)]), "Both, in another order.", accepted());
    add("all-of-one-missing", known("{allOf: [a, b]}", &[by(&a)]), "One of two.", rejected("other-key"));
    add("all-of-unknown", failing("{allOf: [a, b]}", &[by(&a)]), "One accepts, one is unknown.", unknown("unfetched"));
    add("any-of-met", known("{anyOf: [b, c, a]}", &[by(&a)]), "One of three.", accepted());
    add("any-of-none", known("{anyOf: [b, c]}", &[by(&a)]), "None.", rejected("other-key"));
    add(
        "any-of-met-despite-unknown",
        failing("{anyOf: [a, b]}", &[by(&a)]),
        "One accepts, so that the other does not matter.",
        accepted(),
    );
    add("any-of-unknown", failing("{anyOf: [b, c]}", &[by(&a)]), "None accepts, and one may.", unknown("unfetched"));
    add(
        "nested",
        known("{allOf: [{anyOf: [b, c]}, {atLeast: 1, of: [a, a2]}]}", &[by(&a), by(&c)]),
        "Trees nest.",
        accepted(),
    );
    add(
        "nested-reject",
        known("{allOf: [{anyOf: [b, c]}, {atLeast: 1, of: [a, a2]}]}", &[by(&a)]),
        "One branch fails.",
        rejected("other-key"),
    );
}

fn modes(book: &mut Book) {
    let (a, b) = (Key::p256(1), Key::p256(2));
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("modes/{name}"), scene.vector("policy", comment, expect));
    };
    let head = |mode: &str| format!("  mode: {mode}\n{MATCH}");
    let asks =
        |name: &str, mode: &str, key: &Key| policy(name, &head(mode), &[("release", &key.public, "")], "release");
    let by_a = || Scene::signed(&a).no_referrers();
    add(
        "warn",
        by_a().policies(&[asks("w", "warn", &b)]),
        "Mode warn admits, and says what would have been rejected.",
        accepted().text("policy w: rejected"),
    );
    add(
        "audit",
        by_a().policies(&[asks("x", "audit", &b)]),
        "Mode audit admits, and the record says so.",
        accepted().reason("other-key").text("no matching policy enforces"),
    );
    add(
        "stricter-wins",
        by_a().policies(&[asks("one", "enforce", &a), asks("two", "enforce", &b)]),
        "Every enforcing policy that matches must accept.",
        rejected("other-key").text("policy two"),
    );
    add(
        "warn-beside-enforce",
        by_a().policies(&[asks("one", "warn", &a), asks("two", "enforce", &b)]),
        "A policy that only warns loosens nothing.",
        rejected("other-key"),
    );
    add(
        "enforce-accepts-warn-warns",
        by_a().policies(&[asks("one", "enforce", &a), asks("two", "warn", &b)]),
        "Accepted by the one that decides, with a warning of the other.",
        accepted().text("policy two: rejected"),
    );
    let namespaced = format!("{}    namespaces: [prod]\n", head("enforce"));
    let in_prod = policy("prod", &namespaced, &[("release", &b.public, "")], "release");
    let mut other = by_a().policies(&[asks("all", "enforce", &a), in_prod]);
    add(
        "no-namespace",
        other.clone(),
        "A question without a namespace is matched by every policy: leaving it out loosens nothing.",
        rejected("other-key"),
    );
    other.namespace = Some("dev");
    add("another-namespace", other.clone(), "In another namespace that policy has no say.", accepted());
    other.namespace = Some("prod");
    add("the-namespace", other, "In its namespace it has.", rejected("other-key"));
}
