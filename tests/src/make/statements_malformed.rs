//! Envelopes, manifests and statements of bundles that are not what their specifications say, by the right key throughout.

use serde_json::{Value, json};

use super::Book;
use super::bundles_malformed::{good, refused};
use super::dsse::{BUNDLE, Stored, bundle, bundle_around, changed, envelope, statement, text};
use super::scene::INDEX_TYPE;
use super::toolbox::{self, Key};

pub(super) fn write(book: &mut Book) {
    envelopes(book);
    manifests(book);
    statements(book);
    amounts(book);
}

fn envelopes(book: &mut Book) {
    let key = Key::p256(1);
    let payload = text(&statement());
    let mut change = |name: &str, change: &dyn Fn(&mut Value), comment: &str, text: &str| {
        let bundle = bundle_around(&key.public, &changed(envelope(&key, &payload), change));
        refused(book, name, "envelope", Stored::new(&bundle), comment, text);
    };
    let cut = |value: &Value, add: &str| {
        let text = value.as_str().expect("base64");
        json!(format!("{}{add}", &text[..text.len() - add.len()]))
    };
    change(
        "two-signatures",
        &|it| it["signatures"] = json!([it["signatures"][0], it["signatures"][0]]),
        "A bundle's envelope has exactly one signature (sigstore_bundle.proto).",
        "2 signatures",
    );
    change("no-signature", &|it| it["signatures"] = json!([]), "None at all.", "no signature");
    change("empty-signature", &|it| it["signatures"] = json!([{"sig": ""}]), "One of no octets.", "empty signature");
    let long = "AAAA".repeat(342);
    change("long-signature", &|it| it["signatures"][0]["sig"] = json!(long), "One of 1,026 octets.", "1026 octets");
    change(
        "payload-type",
        &|it| it["payloadType"] = json!("text/plain"),
        "What is signed is no statement.",
        "payload type is \"text/plain\"",
    );
    change(
        "payload-type-in-capitals",
        &|it| it["payloadType"] = json!("Application/vnd.in-toto+json"),
        "Types are compared octet by octet: they are signed so.",
        "payload type is",
    );
    change("no-payload-type", &|it| it["payloadType"] = json!(""), "No type.", "no payload type");
    change("no-payload", &|it| it["payload"] = Value::Null, "No payload.", "no payload");
    change("payload-not-base64", &|it| it["payload"] = json!("%%%%"), "Not base64.", "not base64");
    change("payload-two-alphabets", &|it| it["payload"] = json!("+_8="), "Two alphabets in one text.", "not base64");
    change(
        "payload-line-feed",
        &|it| it["payload"] = json!(format!("{}\n", it["payload"].as_str().expect("base64"))),
        "A line feed in base64, which Go's decoder passes over.",
        "not base64",
    );
    change(
        "sig-trailing-bits",
        &|it| it["signatures"][0]["sig"] = json!("MEV="),
        "Bits that encode nothing are set: another text for the same octets.",
        "not base64",
    );
    change(
        "sig-cut",
        &|it| it["signatures"][0]["sig"] = cut(&it["signatures"][0]["sig"], "*"),
        "Not base64.",
        "not base64",
    );
    change(
        "keyid-mismatch",
        &|it| it["signatures"][0]["keyid"] = json!("another"),
        "The envelope names another key than the material (sigstore_bundle.proto: they must agree).",
        "names key \"another\"",
    );
}

fn manifests(book: &mut Book) {
    let good = || Stored::new(&good());
    let mut change = |name: &str, stored: Stored, comment: &str, text: &str| {
        refused(book, name, "referrer", stored, comment, text);
    };
    let layers = |layers: &dyn Fn(&Value) -> Value| {
        good().manifest(|it| {
            let changed = layers(&it["layers"][0]);
            it["layers"] = changed;
        })
    };
    change("two-layers", layers(&|it| json!([it, it])), "cosign takes manifests with exactly one layer.", "2 layers");
    change("no-layer", layers(&|_| json!([])), "Nothing in it.", "0 layers");
    let typed = |media_type: &'static str| {
        layers(&move |it| json!([changed(it.clone(), |it| it["mediaType"] = json!(media_type))]))
    };
    change("layer-type", typed("text/plain"), "The layer is no bundle.", "\"text/plain\" is not a bundle's");
    change(
        "layer-v04",
        typed("application/vnd.dev.sigstore.bundle.v0.4+json"),
        "A later version is named, not passed over.",
        "0.1, 0.2 and 0.3 are",
    );
    change(
        "layer-digest-md5",
        layers(&|it| json!([changed(it.clone(), |it| it["digest"] = json!(format!("md5:{}", "a".repeat(32))))])),
        "A digest that nobody can check.",
        "md5",
    );
    change(
        "layer-size",
        layers(&|it| json!([changed(it.clone(), |it| it["size"] = json!(4000))])),
        "The size of content has to be the announced one as well (image-spec, descriptor.md).",
        "octets, not 4000",
    );
    change(
        "layer-size-over-64-kib",
        layers(&|it| json!([changed(it.clone(), |it| it["size"] = json!(65_537))])),
        "A signature's bundle of more than 64 KiB is not fetched.",
        "larger than 65536",
    );
    change(
        "subject-missing",
        good().without("subject"),
        "It refers to nothing: the list that names it is wrong.",
        "no subject",
    );
    change(
        "subject-other",
        good().manifest(|it| it["subject"]["digest"] = json!(toolbox::digest("another"))),
        "It refers to another image: the list that names it is wrong, though the statement is about this one.",
        "refers to sha256:",
    );
    change(
        "layers-and-manifests",
        good().manifest(|it| it["manifests"] = json!([])),
        "CVE-2021-41190: two readers would see two documents.",
        "both layers and manifests",
    );
    change(
        "over-4-kib",
        good().listed_with("size", json!(4097)),
        "A manifest of more than 4 KiB is not fetched.",
        "larger than 4096",
    );
    let index = good().manifest(|it| *it = json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": []}));
    let listed = index.listed_with("artifactType", json!(BUNDLE));
    change("an-index", listed, "An index where a manifest is expected.", "referrer: ");
}

fn statements(book: &mut Book) {
    let key = Key::p256(1);
    let mut texts = |name: &str, payload: &str, comment: &str, text: &str| {
        let bundle = bundle_around(&key.public, &envelope(&key, payload));
        refused(book, name, "statement", Stored::new(&bundle), comment, text);
    };
    let plain = text(&statement());
    let twice = plain.replacen('{', r#"{"predicateType":"https://spdx.dev/Document","#, 1);
    texts("duplicate-key", &twice, "Duplicate keys: which type was signed?", "duplicate");
    texts("not-json", "hello", "Signed as a statement, and not even JSON.", "statement: ");
    texts("trailing-text", &format!("{plain}{{}}"), "Two documents.", "statement: ");
    let mut change = |name: &str, change: &dyn Fn(&mut Value), comment: &str, hint: &str| {
        texts(name, &text(&changed(statement(), change)), comment, hint);
    };
    change(
        "other-type",
        &|it| it["_type"] = json!("https://in-toto.io/Statement/v2"),
        "A later version.",
        "statement type is",
    );
    change(
        "link",
        &|it| it["_type"] = json!("link"),
        "An in-toto link of version 0.9 is no statement.",
        "statement type is",
    );
    change(
        "unknown-member",
        &|it| it["extra"] = json!(1),
        "sigstore-go refuses what it does not know.",
        "unknown member",
    );
    change(
        "unknown-member-in-subject",
        &|it| it["subject"][0]["sha256"] = json!("aa"),
        "The same in a subject.",
        "unknown member",
    );
    change("no-subject", &|it| it["subject"] = json!([]), "About nothing.", "no subject");
    change(
        "subject-an-object",
        &|it| it["subject"] = it["subject"][0].clone(),
        "An object for a list.",
        "expected a list",
    );
    change("no-digest", &|it| it["subject"][0]["digest"] = json!({}), "A subject of no digest.", "has no digest");
    change(
        "digest-upper-case",
        &|it| {
            it["subject"][0]["digest"]["sha256"] =
                json!(it["subject"][0]["digest"]["sha256"].as_str().expect("hex").to_uppercase())
        },
        "Upper-case hex is another string: two readers would compare differently.",
        "subject 1",
    );
    change(
        "digest-short",
        &|it| it["subject"][0]["digest"]["sha256"] = json!("64b3662a"),
        "A prefix is no digest.",
        "subject 1",
    );
    change("digest-number", &|it| it["subject"][0]["digest"]["sha256"] = json!(64), "A number.", "expected a string");
    change("no-predicate-type", &|it| it["predicateType"] = json!(""), "No predicate type.", "no predicate type");
    change("predicate-type-number", &|it| it["predicateType"] = json!(1), "A number for a type.", "expected a string");
    change(
        "129-annotations",
        &|it| {
            let all = (0..129).map(|n| (format!("a{n}"), json!("x"))).collect();
            it["subject"][0]["annotations"] = Value::Object(all);
        },
        "More annotations than are looked at.",
        "129 annotations",
    );
    change(
        "33-digests",
        &|it| {
            let digests = it["subject"][0]["digest"].as_object_mut().expect("an object");
            digests.extend((0..32).map(|n| (format!("algorithm{n}"), json!("aa"))));
        },
        "CVE-2024-45395: 33 digests of one subject.",
        "33 digests",
    );
}

fn amounts(book: &mut Book) {
    let key = Key::p256(1);
    // 1,025 short subjects: the real one is the last.
    let mut subjects: Vec<Value> = (0..1024).map(|_| json!({"digest": {"x": ""}})).collect();
    subjects.push(statement()["subject"][0].clone());
    let many = changed(statement(), |it| it["subject"] = json!(subjects));
    let comment = "CVE-2024-45395: more than 1,024 subjects, the last of which would match.";
    refused(book, "1025-subjects", "statement", Stored::new(&bundle(&key, &many)), comment, "1025 subjects");
}
