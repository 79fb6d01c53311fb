//! What a policy says about a signer of Notation's, and what is refused because it says less than it seems to.

use serde_json::{Value, json};

use super::dsse::{PROVENANCE, changed};
use super::notation::{LEAF, ROOT, TSA_ROOT, asks, material, policy_of, signer, signer_with};
use super::policies::{load, refused};
use super::scene::MATCH;
use super::toolbox::{base64, pem};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    good(book);
    misused(book);
    beside_others(book);
}

fn good(book: &mut Book) {
    let crl = material!("revocation/empty.crl");
    let whole = json!({
        "trustStores": {"ca": [ROOT], "signingAuthority": [ROOT], "tsa": [TSA_ROOT]},
        "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Bulla Test"],
        "level": "permissive",
        "override": {"revocation": "skip", "expiry": "enforce"},
        "verifyTimestamp": "afterCertExpiry",
        "metadata": {"team": "builders"},
        "crls": [base64(crl), pem("X509 CRL", crl)]
    });
    let expect = Expect::outcome("ok").answer(json!({"policies": [{"policy": "app"}]}));
    let comment = "Every field of a signer of Notation's.";
    add(book, "policy/notation", load(vec![Recipe::lines(&asks(whole))], comment, expect));
}

fn misused(book: &mut Book) {
    let mut case = |name: &str, signer: Value, comment: &str, text: &str| {
        let document = Recipe::lines(&asks(signer));
        add(book, &format!("policy/notation-{name}"), load(vec![document], comment, refused(text)));
    };
    let without = |member: &str| {
        changed(signer(), |it| {
            it.as_object_mut().expect("an object").remove(member);
        })
    };
    case("no-stores", without("trustStores"), "Nobody would be trusted.", "missing field `trustStores`");
    case("no-identities", without("trustedIdentities"), "It is not said who.", "missing field `trustedIdentities`");
    case("no-level", without("level"), "It is not said how strictly.", "missing field `level`");
    case("unknown-field", signer_with("registryScopes", json!(["*"])), "A field that nobody reads.", "registryScopes");
    for (name, stores, comment, text) in [
        ("stores-empty", json!({}), "Nobody is pinned.", "nobody is pinned"),
        ("stores-only-tsa", json!({"tsa": [TSA_ROOT]}), "Timestamps alone are no signers.", "nobody is pinned"),
        ("stores-ca-leaf", json!({"ca": [LEAF]}), "A leaf that somebody else issued.", "neither a CA nor self-signed"),
        ("stores-tsa-leaf", json!({"ca": [ROOT], "tsa": [LEAF]}), "Only roots are pinned.", "not a self-signed CA"),
        ("stores-no-pem", json!({"ca": [ROOT, "x"]}), "A text that is no certificate.", "trustStores.ca[1]"),
    ] {
        case(name, signer_with("trustStores", stores), comment, text);
    }
    let name = |text: &str| json!([format!("x509.subject: {text}")]);
    for (which, identities, comment, text) in [
        ("identities-empty", json!([]), "Nobody.", "no trusted identity"),
        ("identities-star", json!(["*", "x509.subject: C=US, ST=WA, O=x"]), "Everybody, and one.", "stand alone"),
        ("identities-kind", json!(["did:web:example.com"]), "Another kind of identity.", "is no identity"),
        ("identities-short", name("C=US, O=Bulla Test"), "The specification asks for state and country.", "no ST"),
        (
            "identities-overlap",
            json!(["x509.subject: C=US, ST=WA, O=x", "x509.subject: C=US, ST=WA, O=x, CN=y"]),
            "Who matches the second one matches the first one.",
            "overlaps",
        ),
    ] {
        case(which, signer_with("trustedIdentities", identities), comment, text);
    }
    let comment = "The level that verifies nothing is none.";
    case("level-skip", signer_with("level", json!("skip")), comment, "unknown variant `skip`");
    for (which, overrides, comment, text) in [
        ("override-integrity", json!({"integrity": "log"}), "Integrity is always enforced.", "always enforced"),
        ("override-skip", json!({"expiry": "skip"}), "Only revocation can be skipped.", "cannot be skipped"),
    ] {
        case(which, signer_with("override", overrides), comment, text);
    }
    let sometimes = signer_with("verifyTimestamp", json!("sometimes"));
    case("verify-timestamp", sometimes, "A time that there is not.", "unknown variant `sometimes`");
    let many: serde_json::Map<String, Value> = (0..129).map(|n| (format!("n{n:03}"), json!("x"))).collect();
    case("metadata-many", signer_with("metadata", Value::Object(many)), "Metadata has a limit.", "more than 128");
    for (which, crl, comment, text) in [
        ("crl-no-base64", "x y", "Neither PEM nor base64.", "neither PEM nor base64"),
        ("crl-certificate", ROOT, "A certificate.", "is no CRL"),
    ] {
        case(which, signer_with("crls", json!([crl])), comment, text);
    }
}

fn beside_others(book: &mut Book) {
    let mut case = |name: &str, head: &str, signers: &[(&str, Value)], require: &str, comment: &str, text: &str| {
        let document = Recipe::lines(&policy_of(&format!("{MATCH}{head}"), signers, require));
        add(book, &format!("policy/notation-{name}"), load(vec![document], comment, refused(text)));
    };
    let notation = || json!({"notation": signer()});
    let twice = [("a", notation()), ("b", notation())];
    case("twice", "", &twice, "a", "One signer under two names: they would be one.", "are the same");
    let mut both = notation();
    both["cosign"] = json!({"publicKey": super::notation::key().public});
    let comment = "A signer of two systems: which one has to hold?";
    case("and-cosign", "", &[("a", both)], "a", comment, "several signature systems");
    let head = format!("  attestations:\n    built: {{predicateType: {PROVENANCE}, signer: a}}\n");
    let comment = "Notation signs no attestations.";
    case("attestation", &head, &[("a", notation())], "{attestation: built}", comment, "made with cosign");
}
