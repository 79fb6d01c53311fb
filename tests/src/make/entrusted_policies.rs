//! What a policy says about a signer of Docker Content Trust, and what is refused because it says less than it seems to.

use serde_json::{Value, json};

use super::dsse::{PROVENANCE, changed};
use super::entrusted::{MATCH, ROOT_KEY, asks, signer};
use super::notation::policy_of;
use super::policies::{load, refused};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;

macro_rules! chain {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/tuf/chain/", $name))
    };
}

pub(super) fn write(book: &mut Book) {
    let (leaf, ca) = (chain!("leaf-chain.pem"), chain!("ca.pem"));
    let whole = json!({
        "server": "https://Notary.example:4443/",
        "gun": "registry.example/base",
        "pins": {"rootKeys": [ROOT_KEY], "rootCertificates": [leaf], "ca": ca},
        "required": ["targets/alice", "targets/bob"],
        "minimumVersions": {"root": 3, "targets/alice": 7}
    });
    let expect = Expect::outcome("ok").answer(json!({"policies": [{"policy": "app"}]}));
    let comment = "Every field of a signer of Docker Content Trust but `roles`.";
    add(book, "policy/trust", load(vec![Recipe::lines(&asks(whole))], comment, expect));
    fields(book);
    pins(book, leaf, ca);
    beside_others(book);
}

fn case(book: &mut Book, name: &str, signer: Value, comment: &str, text: &str) {
    let document = Recipe::lines(&asks(signer));
    add(book, &format!("policy/trust-{name}"), load(vec![document], comment, refused(text)));
}

fn fields(book: &mut Book) {
    for (name, member, value, comment, text) in [
        ("server-http", "server", json!("http://notary"), "Without TLS.", "does not begin with https://"),
        ("server-path", "server", json!("https://notary/v2"), "Clients begin at the root.", "is not https://host"),
        ("server-empty", "server", json!("https://"), "No host.", "is not https://host"),
        ("gun", "gun", json!("a//b"), "A name without a middle.", "is not the name of a collection"),
        ("roles-empty", "roles", json!([]), "Nobody would be asked.", "no role would be asked"),
        ("roles-snapshot", "roles", json!(["targets", "snapshot"]), "It has no tags.", "does not say what tags are"),
        ("roles-twice", "roles", json!(["targets", "targets"]), "One of them is another, mistyped.", "listed twice"),
        ("required-dots", "required", json!(["targets/../x"]), "A role that would leave its folder.", "required[0]"),
        ("minimum-role", "minimumVersions", json!({"mirrors": 1}), "No role.", "minimumVersions.mirrors"),
        ("unknown-field", "tofu", json!(true), "Nothing is trusted on first use.", "unknown field `tofu`"),
        ("minimum-zero", "minimumVersions", json!({"root": 0}), "Versions begin at 1.", "begin at 1"),
    ] {
        case(book, name, changed(signer(), |it| it[member] = value), comment, text);
    }
    let both = changed(signer(), |it| {
        it["roles"] = json!(["targets"]);
        it["required"] = json!(["targets"]);
    });
    let comment = "Roles of which one is enough, and roles that are all required.";
    case(book, "roles-and-required", both, comment, "leave one of the two out");
    let many: Vec<String> = (0..33).map(|n| format!("targets/r{n}")).collect();
    let many = changed(signer(), |it| it["roles"] = json!(many));
    case(book, "roles-many", many, "Roles have a limit.", "more than 32 roles");
}

fn pins(book: &mut Book, leaf: &str, ca: &str) {
    for (name, pins, comment, text) in [
        ("none", json!({}), "Nothing is trusted on first use.", "nothing is pinned"),
        ("key-twice", json!({"rootKeys": [ROOT_KEY, ROOT_KEY]}), "One of them is another.", "pinned twice"),
        ("key-short", json!({"rootKeys": ["67a8f8b6"]}), "The beginning of an id.", "is not the id of a key"),
        ("leaf-as-ca", json!({ "ca": leaf }), "A leaf is no authority.", "is no authority"),
        ("ca-as-leaf", json!({"rootCertificates": [ca]}), "An authority is no root key.", "rootCertificates[0]"),
        ("no-certificate", json!({"rootCertificates": ["x"]}), "No certificate.", "rootCertificates[0]"),
        ("many", json!({"rootKeys": vec!["x"; 65]}), "Pins have a limit.", "more than 64 pins"),
    ] {
        case(book, &format!("pins-{name}"), changed(signer(), |it| it["pins"] = pins), comment, text);
    }
    let without = json!({"server": "https://notary.example"});
    case(book, "pins-missing", without, "Nothing is said about whom to trust.", "missing field `pins`");
}

fn beside_others(book: &mut Book) {
    let mut case = |name: &str, head: &str, signers: &[(&str, Value)], require: &str, comment: &str, text: &str| {
        let document = Recipe::lines(&policy_of(&format!("{MATCH}{head}"), signers, require));
        add(book, &format!("policy/trust-{name}"), load(vec![document], comment, refused(text)));
    };
    let trust = || json!({"contentTrust": signer()});
    let twice = [("a", trust()), ("b", trust())];
    case("twice", "", &twice, "a", "One signer under two names: they would be one.", "are the same");
    let both = changed(trust(), |it| it["notation"] = super::notation::signer());
    let comment = "A signer of two systems: which one has to hold?";
    case("and-notation", "", &[("a", both)], "a", comment, "several signature systems");
    let head = format!("  attestations:\n    built: {{predicateType: {PROVENANCE}, signer: a}}\n");
    let comment = "Docker Content Trust has no attestations.";
    case("attestation", &head, &[("a", trust())], "{attestation: built}", comment, "made with cosign");
}
