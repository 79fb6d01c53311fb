//! What a policy says whatever is signed: digests that it revokes, images that it exempts for a while.

use serde_json::{Value, json};

use super::policies::{load, refused};
use super::scene::{APP, MATCH, Scene, image, layer, payload, policy, subject};
use super::toolbox::Key;
use super::{Book, accepted, add, rejected};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    revoked(book);
    revoked_misused(book);
    exempted(book);
    expired(book);
    exempt_misused(book);
}

/// A policy that asks for the first key, with a head of its own.
fn asks(name: &str, head: &str) -> String {
    policy(name, head, &[("release", &Key::p256(1).public, "")], "release")
}

/// An image signed by a key.
fn signed_by(seed: u8, text: String) -> Scene {
    Scene::new(text).layers(&[layer(&payload(), &Key::p256(seed).sign(&payload()))])
}

fn revoked(book: &mut Book) {
    let head = |mode: &str, digest: &str| format!("  mode: {mode}\n  revoked: [{digest}]\n{MATCH}");
    let this = asks("app", &head("enforce", &subject()));
    let mut add = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("revoked/{name}"), scene.vector("policy", comment, expect));
    };
    let no = || rejected("revoked-digest").text(&format!("{} is revoked by this policy", subject()));
    add("signed", signed_by(1, this.clone()), "Signed by the key that is asked for, and revoked.", no());
    let nothing = json!({"verdict": {"policies": [{"policy": "app", "tree": {"rule": "revoked"}}], "otherForms": []}});
    add("by-digest", Scene::new(this.clone()), "Nothing at all is fetched.", no().answer(nothing));
    let tagged = Scene::new(this.clone())
        .image(&format!("{APP}:1.4"))
        .answered(&format!("resolve {APP}:1.4"), json!({"outcome": "digest", "digest": subject()}));
    add("by-tag", tagged, "Only the tag is resolved.", no());
    add(
        "tag-asked-for",
        Scene::new(this.clone()).image(&format!("{APP}:1.4")),
        "A tag has to be resolved first.",
        Expect::outcome("needs").answer(json!({"needs": [{"kind": "resolve", "reference": "1.4"}]})),
    );
    let other = asks("app", &head("enforce", &format!("'sha256:{}'", "0".repeat(64))));
    add("another-digest", signed_by(1, other), "Another digest is revoked.", accepted());
    let two = [asks("app", MATCH), asks("list", &head("enforce", &subject()))];
    add(
        "beside-another-policy",
        signed_by(1, String::new()).policies(&two),
        "One policy accepts it, the other revokes it.",
        no(),
    );
    let two = [asks("app", MATCH), asks("list", &head("warn", &subject()))];
    let warned = json!({"verdict": {"warnings": [format!("policy list: rejected: revoked: {} is revoked by this policy", subject())]}});
    add(
        "in-mode-warn",
        signed_by(1, String::new()).policies(&two),
        "A policy that only warns has revoked it: the other one decides.",
        accepted().answer(warned),
    );
    let both = format!("{}  exempt:\n{}", head("enforce", &subject()), exemption(APP, "2027-01-01T00:00:00Z", ""));
    add("and-exempt", Scene::new(asks("app", &both)), "What is revoked is so whatever is exempt.", no());
}

fn revoked_misused(book: &mut Book) {
    let many = format!("[{}]", vec!["a"; 10_001].join(","));
    for (name, list, text) in [
        ("tag", "['1.4']".to_owned(), "is not a digest"),
        ("reference", format!("['{}']", image()), "not supported"),
        ("upper-case", format!("['sha256:{}']", "A".repeat(64)), "lower-case hexadecimal"),
        ("short", "['sha256:abc']".to_owned(), "spec.revoked[0]"),
        ("other-algorithm", "['md5:d41d8cd98f00b204e9800998ecf8427e']".to_owned(), "not supported"),
        ("a-text", subject(), "expected a sequence"),
        ("too-many", many, "more than 10000 digests"),
    ] {
        let document = Recipe::lines(&asks("app", &format!("  revoked: {list}\n{MATCH}")));
        let comment = "What is revoked is listed by digest: anything else would revoke nothing.";
        add(book, &format!("policy/revoked-{name}"), load(vec![document], comment, refused(text)));
    }
}

fn exemption(images: &str, until: &str, more: &str) -> String {
    format!("    - {{images: [{images}], until: '{until}', reason: 'not built by us yet'{more}}}\n")
}

fn exempts(mode: &str, exemptions: &[String]) -> String {
    asks("app", &format!("  mode: {mode}\n{MATCH}  exempt:\n{}", exemptions.concat()))
}

/// A second before [`super::scene::NOW`], now, and a second after it.
const BEFORE: &str = "2025-12-31T23:59:59Z";
const NOW: &str = "2026-01-01T00:00:00Z";
const AFTER: &str = "2026-01-01T00:00:01Z";

fn exempted(book: &mut Book) {
    let mut add = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("exempt/{name}"), scene.vector("policy", comment, expect));
    };
    let summary = "accepted: policy app: exempt until 2026-01-01T00:00:01Z: not built by us yet";
    let tree =
        json!({"rule": "exempt until 2026-01-01T00:00:01Z", "outcome": "accept", "exempted": "not built by us yet"});
    let said =
        || accepted().answer(json!({"verdict": {"summary": summary, "policies": [{"tree": tree}], "warnings": []}}));
    let now = exempts("enforce", &[exemption(APP, AFTER, "")]);
    let comment = "Nothing is signed: until then the policy leaves it alone, and says why.";
    add("unsigned", Scene::new(now.clone()), comment, said());
    add("by-pattern", Scene::new(exempts("enforce", &[exemption("registry.example/**", AFTER, "")])), comment, said());
    let tagged = Scene::new(now)
        .image(&format!("{APP}:1.4"))
        .answered(&format!("resolve {APP}:1.4"), json!({"outcome": "digest", "digest": subject()}));
    let pinned = json!({"verdict": {"pinned": format!("{APP}:1.4@{}", subject())}});
    add("by-tag", tagged, "A tag is resolved and pinned all the same.", accepted().answer(pinned));
    add(
        "another-image",
        signed_by(2, exempts("enforce", &[exemption("registry.example/other", AFTER, "")])),
        "Another repository is exempt.",
        rejected("other-key"),
    );
    let strict = policy("strict", MATCH, &[("other", &Key::p256(2).public, "")], "other");
    let two = [exempts("enforce", &[exemption(APP, AFTER, "")]), strict];
    let by = |seed| signed_by(seed, String::new()).policies(&two);
    add("beside-another-policy", by(2), "One policy leaves it alone, the other is satisfied.", accepted());
    add(
        "beside-another-policy-by-other",
        by(1),
        "One policy leaves it alone, the other still has to be satisfied.",
        rejected("other-key"),
    );
    let mut placed = Scene::new(exempts("enforce", &[exemption(APP, AFTER, ", namespaces: [legacy]")]));
    placed.namespace = Some("legacy");
    add("in-namespace", placed.clone(), "Exempt in this namespace.", said());
    let signed = |namespace| {
        let mut scene = signed_by(2, placed.policies.concat());
        scene.namespace = namespace;
        scene
    };
    add("in-another-namespace", signed(Some("web")), "Exempt in another namespace.", rejected("other-key"));
    let comment = "A question without a namespace: whoever leaves it out gains nothing.";
    add("without-namespace", signed(None), comment, rejected("other-key"));
}

fn expired(book: &mut Book) {
    let mut add = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("exempt/{name}"), scene.vector("policy", comment, expect));
    };
    let warning = |until: &str| format!("policy app: the exemption until {until} has expired: not built by us yet");
    let warned = |until: &str| json!({"verdict": {"warnings": [warning(until)]}});
    let over = |mode: &str| exempts(mode, &[exemption(APP, NOW, "")]);
    add(
        "expired-now",
        signed_by(2, over("enforce")),
        "`until` is the first second that is not exempt; the verdict names what has expired.",
        rejected("other-key").answer(warned(NOW)),
    );
    let comment = "What is signed is accepted, and the exemption can go.";
    add("expired-and-signed", signed_by(1, over("enforce")), comment, accepted().answer(warned(NOW)));
    let silent: Value = json!({"verdict": {"warnings": []}});
    add(
        "expired-in-mode-audit",
        signed_by(1, over("audit")),
        "A policy that only audits warns nobody.",
        accepted().answer(silent.clone()),
    );
    let two = exempts("enforce", &[exemption(APP, "2025-06-01T00:00:00Z", ""), exemption(APP, BEFORE, "")]);
    add(
        "expired-twice",
        signed_by(2, two),
        "Two have expired: the last one is named.",
        rejected("other-key").answer(warned(BEFORE)),
    );
    let renewed = exempts("enforce", &[exemption(APP, BEFORE, ""), exemption(APP, AFTER, "")]);
    add("renewed", Scene::new(renewed), "One has expired, one has not.", accepted().answer(silent));
}

fn exempt_misused(book: &mut Book) {
    let good = exemption(APP, AFTER, "");
    let mut case = |name: &str, exempt: &str, comment: &str, text: &str| {
        let document = Recipe::lines(&asks("app", &format!("{MATCH}  exempt:{exempt}\n")));
        add(book, &format!("policy/exempt-{name}"), load(vec![document], comment, refused(text)));
    };
    let mut changed = |name: &str, from: &str, to: &str, comment: &str, text: &str| {
        assert!(good.contains(from), "{name} changes nothing");
        case(name, &format!("\n{}", good.replace(from, to)), comment, text);
    };
    let until = format!(", until: '{AFTER}'");
    let reason = ", reason: 'not built by us yet'";
    changed("no-until", &until, "", "Forever is no exemption: change `match`.", "missing field `until`");
    changed("no-reason", reason, "", "Nobody would know why.", "missing field `reason`");
    changed("no-images", &format!("images: [{APP}], "), "", "Everything would be exempt.", "missing field `images`");
    changed("images-empty", APP, "", "It exempts nothing.", "exempts no image");
    changed("reason-empty", reason, ", reason: ' '", "A reason has letters.", "1 to 256 characters");
    let long = format!(", reason: {}", "x".repeat(257));
    changed("reason-long", reason, &long, "Reasons have a limit.", "1 to 256 characters");
    changed("until-a-date", AFTER, "2026-01-02", "In which time zone?", "is no moment in UTC");
    changed("unanchored", APP, "'**'", "A pattern that names no registry.", "names no registry");
    changed("unknown-field", reason, ", reason: x, digest: y", "A field that nobody reads.", "unknown field `digest`");
    let namespaces = format!("{reason}, namespaces: ['legacy-*']");
    changed("namespace-pattern", reason, &namespaces, "Namespaces are names.", "not the name of a namespace");
    let none = format!("{reason}, namespaces: []");
    changed("namespaces-empty", reason, &none, "No namespace: it would exempt nothing.", "matches nothing");
    case("positional", " [[a, b, c, d]]", "A list would be read by position.", "expected a mapping");
    case("an-object", " {images: []}", "An object for a list.", "expected a sequence");
    let many = format!("\n{}", good.repeat(257));
    case("too-many", &many, "Exemptions have a limit.", "more than 256 exemptions");
}
