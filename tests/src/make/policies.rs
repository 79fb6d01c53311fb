//! Policy documents: what loads, and what is refused because it says less than it seems to.

use serde_json::json;

use super::constants::{CERTIFICATE, RSA_1024, SECP256K1};
use super::scene::{MATCH, policy};
use super::toolbox::{self, Key};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;
use crate::vectors::Vector;

pub(super) fn write(book: &mut Book) {
    good(book);
    shapes(book);
    patterns(book);
    requirements(book);
    keys(book);
}

pub(super) fn load(documents: Vec<Recipe>, comment: &str, expect: Expect) -> Vector {
    let names: Vec<_> = (0..documents.len()).map(|n| json!({"name": format!("policy-{n}.yaml"), "blob": n})).collect();
    Vector {
        comment: comment.to_owned(),
        layer: "policy".to_owned(),
        operation: "load".to_owned(),
        header: Some(json!({"documents": names})),
        header_bytes: None,
        message: None,
        blobs: documents,
        expect,
    }
}

pub(super) fn refused(text: &str) -> Expect {
    Expect::error("policy-invalid").text(text)
}

fn app(head: &str, require: &str) -> String {
    policy("app", head, &[("release", &Key::p256(1).public, "")], require)
}

fn good(book: &mut Book) {
    let key = Key::p256(1);
    let text = app(MATCH, "release");
    let mut add = |name: &str, documents: Vec<Recipe>, comment: &str, answer| {
        add(book, &format!("policy/{name}"), load(documents, comment, Expect::outcome("ok").answer(answer)));
    };
    let signer = json!({"signer": "release", "algorithm": "ecdsa-p256", "key": key.fingerprint});
    add(
        "good",
        vec![Recipe::lines(&text)],
        "What was loaded is said, with the fingerprint of every key.",
        json!({"policies": [{"policy": "app", "mode": "enforce", "signers": [signer]}], "registries": ["registry.example"]}),
    );
    add("none", vec![], "No policies: everything is rejected, and that is no error.", json!({"policies": []}));
    add(
        "empty-document",
        vec![Recipe::Text(String::new())],
        "An empty document holds no policy.",
        json!({"policies": []}),
    );
    let two = format!("{text}---\n{}", text.replace("name: app", "name: two"));
    add(
        "two-in-one",
        vec![Recipe::lines(&two)],
        "Documents are separated by ---.",
        json!({"policies": [{"policy": "app"}, {"policy": "two"}]}),
    );
    let every = app("  mode: audit\n  match: {everyImage: true}\n", "release");
    add(
        "every-image",
        vec![Recipe::lines(&every)],
        "Every image, said in so many words, names no registry.",
        json!({"policies": [{"mode": "audit"}], "registries": []}),
    );
    let pinned = policy(
        "app",
        MATCH,
        &[("release", &key.public, &format!("        fingerprint: {}\n", key.fingerprint))],
        "release",
    );
    add(
        "fingerprint",
        vec![Recipe::lines(&pinned)],
        "A key pinned by its fingerprint as well.",
        json!({"policies": [{"policy": "app"}]}),
    );
    let json = crate::recipe::sorted(
        &json!({"apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "app", "labels": {"a": "b"}},
        "spec": {"match": {"images": ["docker.io/nginx"]}, "signers": {"release": {"cosign": {"publicKey": key.public}}}, "require": "release"}}),
    );
    add("as-json", vec![Recipe::Json(json)], "JSON is YAML.", json!({"registries": ["docker.io"]}));
    let crlf = text.replace('\n', "\r\n");
    add("crlf", vec![Recipe::Text(crlf)], "Line ends of another system.", json!({"policies": [{"policy": "app"}]}));
}

fn shapes(book: &mut Book) {
    let text = app(MATCH, "release");
    let mut add_all = |name: &str, documents: Vec<Recipe>, comment: &str, expect| {
        add(book, &format!("policy/{name}"), load(documents, comment, expect));
    };
    let mut one =
        |name: &str, text: String, comment: &str, expect| add_all(name, vec![Recipe::lines(&text)], comment, expect);
    one(
        "unknown-field",
        text.replace("  match:", "  enforced: true\n  match:"),
        "A field that nobody reads loosens silently.",
        refused("unknown field `enforced`"),
    );
    one(
        "unknown-field-in-match",
        text.replace("    images:", "    image: []\n    images:"),
        "The same below.",
        refused("unknown field `image`"),
    );
    one(
        "unknown-field-in-signer",
        text.replace("        publicKey:", "        digest: x\n        publicKey:"),
        "The same at the key.",
        refused("unknown field `digest`"),
    );
    one(
        "other-kind",
        text.replace("ImagePolicy", "ClusterImagePolicy"),
        "Documents of other systems are not read as if they were ours.",
        refused("expected \"ImagePolicy\""),
    );
    one(
        "other-version",
        text.replace("v1alpha1", "v1"),
        "Versions do not stand for each other.",
        refused("expected \"bulla.dev/v1alpha1\""),
    );
    one("no-kind", "a: 1\n".to_owned(), "Any other YAML.", refused("apiVersion is missing"));
    one(
        "no-name",
        text.replace("  name: app", "  labels: {}"),
        "A policy has a name.",
        refused("missing field `name`"),
    );
    one("name-empty", text.replace("name: app", "name: ''"), "A name has characters.", refused("1 to 253"));
    one(
        "mode-unknown",
        text.replace("  match:", "  mode: dryrun\n  match:"),
        "Modes are enforce, warn and audit.",
        refused("unknown variant `dryrun`"),
    );
    one(
        "duplicate-key",
        text.replace("  match:", "  mode: enforce\n  mode: audit\n  match:"),
        "Duplicate keys: which one holds?",
        refused("duplicate key \"mode\""),
    );
    one(
        "anchor",
        text.replace("name: app", "name: &n app"),
        "Anchors make small documents large.",
        refused("anchors are not allowed"),
    );
    one("alias", text.replace("kind: ImagePolicy", "kind: *k"), "Aliases.", Expect::error("policy-invalid"));
    one(
        "tag",
        text.replace("name: app", "name: !!str app"),
        "Tags change what a value is.",
        refused("tags are not allowed"),
    );
    one("positional", text.replace("  name: app", "  [app]"), "A list would be read by position.", refused("metadata"));
    one(
        "merge-key",
        text.replace("  match:", "  <<: {mode: audit}\n  match:"),
        "YAML 1.1 merge keys are not read.",
        refused("unknown field `<<`"),
    );
    one(
        "yes-is-text",
        text.replace("    images: [registry.example/**]", "    everyImage: yes"),
        "`yes` is text in YAML 1.2.",
        refused("expected a boolean"),
    );
    one(
        "true-in-capitals",
        text.replace("    images: [registry.example/**]", "    everyImage: True"),
        "Readers differ about True.",
        refused("read in different ways"),
    );
    one("not-yaml", "a: [\n".to_owned(), "Not YAML.", refused("not YAML"));
    one("tab-indented", "a:\n\tb: 1\n".to_owned(), "Tabs do not indent.", refused("not YAML"));
    let twice = vec![Recipe::lines(&text), Recipe::lines(&text)];
    add_all(
        "twice-the-same-name",
        twice,
        "Two policies of one name: records could not tell them apart.",
        refused("defined twice"),
    );
    add_all("deep", vec![Recipe::repeat("- ", 100_000)], "Nesting has a limit.", refused("nested deeper"));
    add_all(
        "deep-flow",
        vec![Recipe::repeat("[", 100)],
        "Nesting has a limit in either style.",
        refused("nested deeper"),
    );
    let large = Recipe::Concat(vec![Recipe::lines(&text), Recipe::repeat("# comment\n", 30_000)]);
    add_all("oversize", vec![large], "More than 256 KiB.", refused("at most"));
    add_all("not-utf-8", vec![Recipe::Base64("YTogIv8i".to_owned())], "Not UTF-8.", refused("not UTF-8"));
    add_all(
        "one-bad-of-two",
        vec![Recipe::lines(&text), Recipe::Text("a: 1".to_owned())],
        "One document that is wrong, and none is in force.",
        refused("policy-1.yaml"),
    );
}

fn patterns(book: &mut Book) {
    for (name, pattern, text) in [
        ("unanchored", "'**'", "names no registry"),
        ("unanchored-host", "'*/app'", "not anchored"),
        ("unanchored-domain", "'*.example/app'", "not anchored"),
        ("double-star-inside", "registry.example/team**", "would match more than it seems to"),
        ("short", "nginx", "names no registry"),
        ("no-host", "team/app", "not a registry host"),
        ("with-tag", "registry.example/app:1.4", "leave tag and digest out"),
        ("with-digest", "registry.example/app@sha256:aa", "leave tag and digest out"),
        ("upper-case", "registry.example/App", "lower case"),
        ("trailing-slash", "registry.example/app/", "not a name"),
        ("with-scheme", "https://registry.example/app", "host"),
    ] {
        let text_of = app(&format!("  match:\n    images: [{pattern}]\n"), "release");
        let vector = load(
            vec![Recipe::lines(&text_of)],
            "A pattern that would match more, or less, than it seems to.",
            refused(text),
        );
        add(book, &format!("policy/pattern-{name}"), vector);
    }
    for (name, head, text) in [
        ("none", "  match: {}\n", "matches no image"),
        ("every-and-some", "  match: {everyImage: true, images: [registry.example/app]}\n", "stands alone"),
        ("every-but", "  match: {everyImage: true, except: [registry.example/app]}\n", "stands alone"),
        ("except-only", "  match: {except: [registry.example/app]}\n", "matches no image"),
    ] {
        let vector =
            load(vec![Recipe::lines(&app(head, "release"))], "What a policy matches must be plain.", refused(text));
        add(book, &format!("policy/match-{name}"), vector);
    }
}

fn requirements(book: &mut Book) {
    let key = Key::p256(1);
    for (name, require, text) in [
        ("empty-any-of", "{anyOf: []}", "requires nothing"),
        ("empty-all-of", "{allOf: []}", "requires nothing"),
        ("empty-nested", "{allOf: [release, {anyOf: []}]}", "requires nothing"),
        ("threshold-zero", "{atLeast: 0, of: [release]}", "requires nothing"),
        ("threshold-too-large", "{atLeast: 2, of: [release]}", "1 different keys"),
        ("threshold-one-key-twice", "{atLeast: 2, of: [release, again]}", "1 different keys"),
        ("threshold-without-of", "{atLeast: 1}", "needs `of`"),
        ("threshold-negative", "{atLeast: -1, of: [release]}", "whole number"),
        ("threshold-of-trees", "{atLeast: 1, of: [{anyOf: [release]}]}", "names of signers"),
        ("unknown-signer", "nobody", "\"nobody\" is not defined"),
        ("unknown-signer-nested", "{anyOf: [release, nobody]}", "\"nobody\" is not defined"),
        ("unknown-operator", "{oneOf: [release]}", "found oneOf"),
        ("two-operators", "{anyOf: [release], allOf: [release]}", "expected one of"),
        ("number", "7", "expected the name of a signer"),
        ("null", "~", "expected the name of a signer"),
    ] {
        let signers =
            [("release", key.public.as_str(), ""), ("again", key.public.as_str(), "        identity: anyUnsafe\n")];
        let text_of = policy("app", MATCH, &signers, require);
        let vector = load(
            vec![Recipe::lines(&text_of)],
            "A requirement that can never fail, or never hold, or is not one.",
            refused(text),
        );
        add(book, &format!("policy/require-{name}"), vector);
    }
    let same = [("release", key.public.as_str(), ""), ("again", key.public.as_str(), "")];
    let document = vec![Recipe::lines(&policy("app", MATCH, &same, "release"))];
    let comment = "One key under two names with the same conditions: whoever wrote it thinks of two people.";
    add(book, "policy/signer-twice", load(document, comment, refused("are the same")));
    let parts = vec!["release"; 300].join(", ");
    let vector = load(
        vec![Recipe::lines(&app(MATCH, &format!("{{anyOf: [{parts}]}}")))],
        "More than 256 parts.",
        refused("more than 256 parts"),
    );
    add(book, "policy/require-too-many-parts", vector);
}

fn keys(book: &mut Book) {
    let key = Key::p256(1);
    let der = toolbox::pem_content(&key.public);
    let ed25519 = |point: [u8; 32]| {
        let prefix = hex::decode("302a300506032b6570032100").expect("hex");
        toolbox::public_pem(&[prefix.as_slice(), &point].concat())
    };
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut flipped = der.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for (name, pem, comment, text) in [
        (
            "private",
            key.private.clone(),
            "A private key in a policy: it would be in Git the next day.",
            "is a private key",
        ),
        (
            "private-encrypted",
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ne30=\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
                .to_owned(),
            "The same, encrypted.",
            "is a private key",
        ),
        (
            "certificate",
            CERTIFICATE.to_owned(),
            "A certificate is no key: its validity would be passed over.",
            "\"CERTIFICATE\" is not a public key",
        ),
        (
            "two-blocks",
            format!("{}{}", key.public, Key::p256(2).public),
            "A second PEM block: readers differ in which one they take.",
            "exactly one",
        ),
        ("trailing-text", format!("{}and more\n", key.public), "Text behind the block.", "exactly one"),
        ("leading-text", format!("# my key\n{}", key.public), "Text before the block.", "not PEM"),
        ("not-pem", "AAAA\n".to_owned(), "Not PEM.", "not PEM"),
        ("flipped", toolbox::public_pem(&flipped), "One bit of a point: not on the curve any more.", "publicKey"),
        ("cut", toolbox::public_pem(&der[..der.len() - 1]), "DER that was cut short.", "SubjectPublicKeyInfo"),
        (
            "trailing-octet",
            toolbox::public_pem(&[der.as_slice(), &[0]].concat()),
            "An octet behind the DER.",
            "SubjectPublicKeyInfo",
        ),
        (
            "point-at-infinity",
            toolbox::public_pem(&hex::decode("3019301306072a8648ce3d020106082a8648ce3d03010703020000").expect("hex")),
            "The point at infinity is no key.",
            "publicKey",
        ),
        ("rsa-1024", RSA_1024.to_owned(), "Too short since 2013 (NIST SP 800-131A).", "1024 bits"),
        ("secp256k1", SECP256K1.to_owned(), "A curve that no image is signed with.", "not supported"),
        ("ed25519-identity", ed25519(identity), "Small order: signatures verify over any message.", "small order"),
        ("ed25519-zero", ed25519([0; 32]), "Small order (4).", "small order"),
    ] {
        let text_of = policy("app", MATCH, &[("release", &pem, "")], "release");
        let mut vector = load(vec![Recipe::lines(&text_of)], comment, Expect::error("policy-invalid"));
        vector.layer = "key".to_owned();
        // Where the path stands in the details, not in a text, the code alone tells.
        vector.expect.text = Some(text.to_owned());
        add(book, &format!("policy/key-{name}"), vector);
    }
    let other = policy(
        "app",
        MATCH,
        &[("release", &key.public, &format!("        fingerprint: sha256:{}\n", "0".repeat(64)))],
        "release",
    );
    add(
        book,
        "policy/key-other-fingerprint",
        load(vec![Recipe::lines(&other)], "The key is not the one that is pinned beside it.", refused("is pinned")),
    );
    let bad = policy("app", MATCH, &[("release", &key.public, "        fingerprint: SHA256:abc\n")], "release");
    add(
        book,
        "policy/key-fingerprint-shape",
        load(vec![Recipe::lines(&bad)], "Not a fingerprint.", refused("not a fingerprint")),
    );
}
