//! Notation's trust policies for images, said as policies of ours: what is read as it stands, and each rule broken once
//! (trust-store-trust-policy.md, "Trust Policy Properties").

use serde_json::{Value, json};

use super::dsse::{changed, text};
use super::keys::{ok, vector};
use super::notation::{LEAF, ROOT, TSA_ROOT};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;

const MONITOR: &str = "registry.acme-rockets.io/software/net-monitor";

pub(super) fn write(book: &mut Book) {
    read(book);
    documents(book);
    statements(book);
    verification(book);
    trust(book);
}

/// A statement as the specification's examples have them.
fn statement(name: &str, scopes: Value) -> Value {
    json!({"name": name, "registryScopes": scopes,
        "signatureVerification": {"level": "strict", "override": {"revocation": "skip"}, "verifyTimestamp": "always"},
        "trustStores": ["ca:acme-rockets", "tsa:digicert"],
        "trustedIdentities": ["x509.subject: C=US, ST=WA, L=Seattle, O=acme-rockets.io, OU=Finance, CN=SecureBuilder"]})
}

fn policy() -> Value {
    json!({"version": "1.0", "trustPolicies": [statement("wabbit-networks-images", json!([MONITOR]))]})
}

fn files() -> Vec<(&'static str, &'static str)> {
    vec![("truststore/x509/ca/acme-rockets/root.crt", ROOT), ("truststore/x509/tsa/digicert/root.crt", TSA_ROOT)]
}

fn case(
    book: &mut Book,
    name: &str,
    policy: &Value,
    files: &[(&str, &str)],
    images: Option<&[&str]>,
    (comment, expect): (&str, Expect),
) {
    let mut blobs = vec![Recipe::Text(text(policy))];
    let mut named = Vec::new();
    for (path, content) in files {
        named.push(json!({"path": path, "blob": blobs.len()}));
        blobs.push(Recipe::Text((*content).to_owned()));
    }
    let mut header = json!({"name": "trustpolicy.json", "blob": 0, "files": named});
    if let Some(images) = images {
        header["images"] = json!(images);
    }
    let made = vector("convert", header, blobs, comment, expect);
    add(book, &format!("trustpolicy/{name}"), crate::vectors::Vector { layer: "policy".to_owned(), ..made });
}

fn read(book: &mut Book) {
    let named = |name: &str| ok(json!({"policies": [{"name": name}]}));
    let mut one = |name: &str, policy: &Value, images: Option<&[&str]>, comment: &str, expect: Expect| {
        case(book, name, policy, &files(), images, (comment, expect));
    };
    let comment = "As the specification's example has it.";
    one("example", &policy(), None, comment, named("wabbit-networks-images"));
    let both = json!({"version": "1.0", "trustPolicies": [
        statement("one", json!([MONITOR])), statement("rest", json!(["*"]))]});
    one("exact", &both, Some(&[&format!("{MONITOR}:1")]), "The exact scope goes before the star.", named("one"));
    let below = format!("{MONITOR}/below:1");
    one("below", &both, Some(&[&below]), "A repository below a scope is another one: the star has it.", named("rest"));
    let nobody = ok(json!({"policies": []}));
    one("nobody", &policy(), Some(&["other.example/app:1"]), "No statement is about it.", nobody);
}

fn refuse(book: &mut Book, name: &str, policy: &Value, comment: &str, text: &str) {
    let expect = Expect::error("convert-refused").text(text);
    case(book, name, policy, &files(), None, (comment, expect));
}

fn documents(book: &mut Book) {
    let mut one = |name: &str, change: &dyn Fn(&mut Value), comment: &str, text: &str| {
        refuse(book, name, &changed(policy(), change), comment, text);
    };
    one("version", &|it| it["version"] = json!("2.0"), "A version that there is not.", "version \"2.0\"");
    one("no-statement", &|it| it["trustPolicies"] = json!([]), "No statement.", "it is needed");
    one("unknown-member", &|it| it["other"] = json!(1), "A member that nobody reads.", "unknown field");
    let twice = |it: &mut Value| {
        it["trustPolicies"] = json!([statement("a", json!([MONITOR])), statement("a", json!(["b.example/c"]))]);
    };
    one("name-twice", &twice, "One name twice.", "\"a\" is there twice");
    let scopes = |it: &mut Value| {
        it["trustPolicies"] = json!([statement("a", json!([MONITOR])), statement("b", json!([MONITOR]))]);
    };
    one("scope-twice", &scopes, "One scope in two statements.", "belongs to another statement");
    let stars = |it: &mut Value| {
        it["trustPolicies"] = json!([statement("a", json!(["*"])), statement("b", json!(["*"]))]);
    };
    one("two-stars", &stars, "Two statements about the rest.", "belongs to another statement");
    let blob = |it: &mut Value| it["trustPolicies"][0]["globalPolicy"] = json!(true);
    one("blob", &blob, "A trust policy for blobs.", "about blobs");
}

fn statements(book: &mut Book) {
    let mut one = |name: &str, change: &dyn Fn(&mut Value), comment: &str, text: &str| {
        let policy = changed(policy(), |it| change(&mut it["trustPolicies"][0]));
        refuse(book, name, &policy, comment, text);
    };
    one("no-name", &|it| it["name"] = json!(""), "No name.", "it is needed");
    one("unknown-field", &|it| it["extra"] = json!(1), "A field that nobody reads.", "unknown field");
    for (name, scopes, comment, text) in [
        ("no-scopes", json!([]), "About nothing.", "it is needed"),
        ("star-and-other", json!(["*", MONITOR]), "Everything, and one.", "has to stand alone"),
        ("scope-in-itself", json!([MONITOR, MONITOR]), "One scope twice.", "is there twice"),
        ("scope-tag", json!(["a.example/b:1"]), "A tag.", "is no repository in full"),
        (
            "scope-digest",
            json!([format!("a.example/b@sha256:{}", "0".repeat(64))]),
            "A digest.",
            "no repository in full",
        ),
        ("scope-pattern", json!(["a.example/*"]), "A star in a name.", "is no repository in full"),
        ("scope-short", json!(["alpine"]), "A name that is short for another one.", "is no repository in full"),
        ("scope-scheme", json!(["https://a.example/b"]), "An address.", "is no repository in full"),
        ("scope-registry", json!(["a.example"]), "A registry alone.", "is no repository in full"),
    ] {
        one(name, &|it| it["registryScopes"] = scopes.clone(), comment, text);
    }
}

fn verification(book: &mut Book) {
    let mut one = |name: &str, value: Value, comment: &str, text: &str| {
        let policy = changed(policy(), |it| it["trustPolicies"][0]["signatureVerification"] = value.clone());
        refuse(book, name, &policy, comment, text);
    };
    one("no-level", json!({}), "No level.", "it is needed");
    one("level", json!({"level": "Strict"}), "A level that there is not.", "\"Strict\" is no level");
    let with = |overrides: Value| json!({"level": "strict", "override": overrides});
    one("override-integrity", with(json!({"integrity": "log"})), "Integrity is always enforced.", "always enforced");
    one("override-skip", with(json!({"expiry": "skip"})), "Only revocation can be skipped.", "cannot be skipped");
    one("override-check", with(json!({"other": "log"})), "A check that there is not.", "\"other\" is no check");
    one("override-action", with(json!({"expiry": "warn"})), "An action that there is not.", "\"warn\" is no action");
    let never = json!({"level": "strict", "verifyTimestamp": "never"});
    one("verify-timestamp", never, "A time that there is not.", "neither always nor afterCertExpiry");
    one("skip-with-stores", json!({"level": "skip"}), "Stores that nobody would look at.", "skips verification");
    let override_ = json!({"level": "skip", "override": {"expiry": "log"}});
    one("skip-with-override", override_, "Nothing to override.", "has no override");
    let skip = |scopes: Value| {
        json!({"version": "1.0", "trustPolicies": [
            {"name": "a", "registryScopes": scopes, "signatureVerification": {"level": "skip"}}]})
    };
    let comment = "Everything would be taken unsigned.";
    refuse(book, "skip-everything", &skip(json!(["*"])), comment, "skip is not allowed for everything");
    let comment = "Ours never admit unsigned images.";
    refuse(book, "skip", &skip(json!([MONITOR])), comment, "skip admits unsigned images");
}

fn trust(book: &mut Book) {
    let mut one = |name: &str, change: &dyn Fn(&mut Value), comment: &str, text: &str| {
        let policy = changed(policy(), |it| change(&mut it["trustPolicies"][0]));
        refuse(book, name, &policy, comment, text);
    };
    for (name, stores, comment, text) in [
        ("no-stores", json!([]), "Nobody would be trusted.", "it is needed"),
        ("store-twice", json!(["ca:acme-rockets", "ca:acme-rockets"]), "One store twice.", "is there twice"),
        ("store-kind", json!(["root:acme-rockets"]), "A type that there is not.", "is no trust store"),
        ("store-name", json!(["ca:../acme"]), "A name that leads elsewhere.", "is no trust store"),
        ("store-no-type", json!(["acme-rockets"]), "No type.", "is no trust store"),
    ] {
        one(name, &|it| it["trustStores"] = stores.clone(), comment, text);
    }
    let identity = |text: &str| json!([format!("x509.subject: {text}")]);
    for (name, identities, comment, text) in [
        ("no-identities", json!([]), "It is not said who.", "no trusted identity"),
        ("identity-star", json!(["*", "x509.subject: C=US, ST=WA, O=x"]), "Everybody, and one.", "stand alone"),
        ("identity-kind", json!(["did:web:example.com"]), "Another kind of identity.", "is no identity"),
        ("identity-short", identity("C=US, O=acme"), "The specification asks for a state.", "no ST"),
        (
            "identity-overlap",
            json!(["x509.subject: C=US, ST=WA, O=x", "x509.subject: C=US, ST=WA, O=x, CN=y"]),
            "Who matches the second one matches the first one.",
            "overlaps",
        ),
    ] {
        one(name, &|it| it["trustedIdentities"] = identities.clone(), comment, text);
    }
    let mut stores = |name: &str, files: &[(&str, &str)], comment: &str, text: &str| {
        let expect = Expect::error("convert-refused").text(text);
        case(book, name, &policy(), files, None, (comment, expect));
    };
    let [ca, tsa] = [files()[0], files()[1]];
    stores("store-absent", &[ca], "The store has no file.", "truststore/x509/tsa/digicert");
    stores("store-no-pem", &[(ca.0, "no certificate"), tsa], "A file without a certificate.", "root.crt");
    let comment = "A leaf that somebody else issued.";
    stores("store-leaf", &[(ca.0, LEAF), tsa], comment, "neither a CA nor self-signed");
    stores("store-tsa-leaf", &[ca, (tsa.0, LEAF)], "Only roots are pinned there.", "not a self-signed CA");
}
