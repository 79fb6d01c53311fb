//! What the predicate of an attestation must say, and when that is looked at: last.

use serde_json::json;

use super::attestations::{ASKED, asks, provenance};
use super::dsse::{PROVENANCE, Stored, bundle, changed};
use super::scene::Scene;
use super::toolbox::Key;
use super::{Book, accepted, add, rejected};
use crate::expect::Expect;

pub(super) fn write(book: &mut Book) {
    let key = Key::p256(1);
    let mut case = |name: &str, conditions: &str, comment: &str, expect: Expect| {
        let scene = Scene::new(asks(PROVENANCE, conditions, ASKED));
        let scene = scene.stored(&[Stored::new(&bundle(&key, &provenance())).typed(PROVENANCE)]).no_attestations();
        add(book, &format!("condition/{name}"), scene.vector("policy", comment, expect));
    };
    for (name, conditions, comment) in [
        ("text", "{/buildType: 'https://ci.example/v1'}", "A text at a pointer (RFC 6901)."),
        ("nested", "{/builder/id: ci}", "Deeper."),
        ("list", "{/steps/1/n: 2}", "A place in a list, counted from 0."),
        ("escaped", "{/a~1b/~0: true}", "Slash and tilde in names are escaped."),
        ("null", "{/none: null}", "A null that stands there."),
        ("number", "{/count: 7}", "A number."),
        ("object", "{/builder: {id: ci}}", "A whole object."),
        ("all", "{/builder/id: ci, /count: 7, /buildType: 'https://ci.example/v1'}", "Every condition holds."),
    ] {
        case(name, conditions, comment, accepted());
    }
    for (name, conditions, comment, text) in [
        ("different", "{/builder/id: other}", "Another value.", "/builder/id is \"ci\", expected \"other\""),
        ("missing", "{/builder/version: '1'}", "Nothing at the pointer.", "/builder/version is missing"),
        ("missing-is-not-null", "{/builder/version: null}", "Missing is not null.", "/builder/version is missing"),
        ("one-of-two", "{/builder/id: ci, /count: 8}", "One holds, one does not.", "/count is 7, expected 8"),
        ("number-as-text", "{/count: '7'}", "A number is not its text.", "/count is 7, expected \"7\""),
        ("number-with-point", "{/count: 7.0}", "7.0 is another text than 7, and readers differ.", "/count is 7"),
        ("case", "{/builder/id: CI}", "Compared octet by octet.", "expected \"CI\""),
        ("list-padded", "{/steps/01/n: 2}", "A place with a leading zero is none (RFC 6901, section 4).", "is missing"),
        ("list-end", "{/steps/-: 2}", "The place behind the last is nothing.", "is missing"),
        ("part-of-object", "{/builder: {}}", "An object is compared whole.", "/builder is"),
        ("of-statement", "{/predicate/builder/id: ci}", "Pointers begin at the predicate.", "is missing"),
    ] {
        case(name, conditions, comment, rejected("predicate").text(text));
    }
    let (other, want) = (Key::p256(2), "{/builder/id: ci}");
    let mut case = |name: &str, stored: Stored, comment: &str, code: &str| {
        let scene = Scene::new(asks(PROVENANCE, want, ASKED)).stored(&[stored.typed(PROVENANCE)]).no_attestations();
        let reasons = json!({"verdict": {"policies": [{"tree": {"reasons": [{ "code": code }]}}]}});
        add(book, &format!("condition/{name}"), scene.vector("signature", comment, rejected(code).answer(reasons)));
    };
    case(
        "met-by-other-key",
        Stored::new(&bundle(&other, &provenance())),
        "A predicate that says what is asked for, by another key: what it says is not even looked at.",
        "other-key",
    );
    let elsewhere = changed(provenance(), |it| it["subject"][0]["digest"]["sha256"] = json!("a".repeat(64)));
    case(
        "met-for-other-image",
        Stored::new(&bundle(&key, &elsewhere)),
        "The same about another image.",
        "wrong-digest",
    );
    let typed = changed(provenance(), |it| it["predicateType"] = json!("https://slsa.dev/provenance/v0.2"));
    case("met-by-other-type", Stored::new(&bundle(&key, &typed)), "The same of another type.", "wrong-predicate-type");
}
