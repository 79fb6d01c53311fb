//! The schema that ships says what the module reads: the same fields, required where the module requires them, the same words.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on ends, and says where")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bulla_abi::{Message, Operation};
use bulla_tests::schema;
use bulla_wasm::Module;
use serde_json::{Value, json};

/// What the module says about a document; nothing when it loads.
fn refusal(document: &Value) -> Option<String> {
    let message = Message {
        blobs: vec![document.to_string().into_bytes()],
        ..Message::new(&json!({"documents": [{"name": "p", "blob": 0}]})).expect("a header")
    };
    let reply = Module::default().call(Operation::Load.number(), &message.encode().expect("a message"));
    let header: Value = serde_json::from_slice(&Message::decode(&reply).expect("a reply").header).expect("JSON");
    header.get("error").map(|error| error["message"].as_str().expect("a message").to_owned())
}

fn key() -> String {
    let message = Message {
        blobs: vec![vec![1; 264]],
        ..Message::new(&json!({"algorithm": "ecdsa-p256", "entropy": 0})).expect("a header")
    };
    let reply = Module::default().call(Operation::Generate.number(), &message.encode().expect("a message"));
    String::from_utf8(Message::decode(&reply).expect("a reply").blobs[1].clone()).expect("PEM")
}

/// A document with every field but `everyImage`, which stands alone.
fn full() -> Value {
    let (digest, moment) = (format!("sha256:{}", "a".repeat(64)), "2026-01-31T12:00:00Z");
    json!({"apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy",
        "metadata": {"name": "full", "labels": {"a": "b"}, "annotations": {"a": "b"}},
        "spec": {"mode": "warn",
            "match": {"images": ["a.example/**"], "except": ["a.example/x"], "namespaces": ["web"], "operations": ["CREATE"],
                "labels": {"a": "b"}},
            "revoked": [digest],
            "exempt": [{"images": ["a.example/y"], "namespaces": ["web"], "until": moment, "reason": "r"}],
            "signers": {"s": {"cosign": {"publicKey": key(), "identity": "exact", "annotations": {"a": "b"},
                "forms": ["bundle"], "signatureRepository": "a.example/s", "mirrors": [{"from": "a.example", "signedAs": "b.example"}],
                "notBefore": moment, "notAfter": "2027-01-31T12:00:00Z", "revokedSince": moment}}},
            "attestations": {"t": {"predicateType": "custom", "signer": "s", "predicate": {"/a": 1},
                "conditions": [{"cel": "true", "message": "m"}]}},
            "multiArch": "indexOrEveryLeaf",
            "require": {"allOf": ["s", {"anyOf": ["s", {"attestation": "t"}]}, {"atLeast": 1, "of": ["s"]}]}}})
}

/// Words between backquotes after "expected": what serde would have read.
fn expected(refusal: &str) -> BTreeSet<String> {
    let (_, list) = refusal.split_once("expected").unwrap_or_else(|| panic!("no list in {refusal}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every place of the document together with its schema.
fn places(schema: &Value, at: &str, document: &Value, found: &mut Vec<(String, Value)>) {
    found.push((at.to_owned(), schema.clone()));
    match document.pointer(at).expect("a place") {
        Value::Object(fields) => {
            for name in fields.keys() {
                let below = [&schema["properties"][name], &schema["additionalProperties"]];
                if let Some(below) = below.into_iter().find(|below| below.is_object()) {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    places(below, &format!("{at}/{escaped}"), document, found);
                }
            }
        }
        Value::Array(_) if schema["items"].is_object() => places(&schema["items"], &format!("{at}/0"), document, found),
        _ => {}
    }
}

#[test]
fn the_files_are_what_the_generator_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/schema");
    for (name, want) in schema::files() {
        let got = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(got == want, "{name}: run `cargo run -p bulla-tests --bin schema`");
    }
}

#[test]
fn the_module_and_the_schema_know_the_same_fields_and_words() {
    let full = full();
    assert_eq!(refusal(&full), None);
    let mut found = Vec::new();
    places(&schema::policy(), "", &full, &mut found);
    let (mut objects, mut words) = (0, 0);
    for (at, schema) in found {
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut document = full.clone();
            change(document.pointer_mut(&at).expect("a place"));
            refusal(&document).unwrap_or_else(|| panic!("{at}: a change was not refused"))
        };
        if let Some(properties) = schema["properties"].as_object() {
            objects += 1;
            assert_eq!(schema["additionalProperties"], json!(false), "{at}");
            let known = expected(&changed(&|place| place["zzz"] = json!(1)));
            assert_eq!(known, properties.keys().cloned().collect(), "{at}");
            for name in schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().expect("a name")) {
                let refusal = changed(&|place| drop(place.as_object_mut().expect("an object").remove(name)));
                assert!(refusal.contains("missing"), "{at}/{name}: {refusal}");
            }
        }
        if let Some(variants) = schema["enum"].as_array() {
            words += 1;
            let known = expected(&changed(&|place| *place = json!("zzz")));
            let variants: BTreeSet<String> =
                variants.iter().map(|word| word.as_str().expect("text").to_owned()).collect();
            assert_eq!(known, variants, "{at}");
        }
    }
    assert_eq!((objects, words), (10, 5));
}

#[test]
fn what_the_schema_does_not_require_may_be_left_out() {
    let mut least = full();
    let spec = least["spec"].as_object_mut().expect("an object");
    spec.retain(|name, _| ["match", "signers", "require"].contains(&name.as_str()));
    spec["match"] = json!({"everyImage": true});
    spec["signers"]["s"]["cosign"] = json!({"publicKey": key()});
    spec["require"] = json!("s");
    least["metadata"] = json!({"name": "least"});
    assert_eq!(refusal(&least), None);
}

/// Both sides read a requirement by hand.
#[test]
fn requirements_have_the_members_that_the_schema_names() {
    let schema = schema::policy();
    let branches = schema["$defs"]["requirement"]["oneOf"].as_array().expect("branches").clone();
    let named: BTreeSet<String> = branches
        .iter()
        .filter_map(|branch| branch["properties"].as_object())
        .flat_map(|it| it.keys().cloned())
        .collect();
    let mut document = full();
    document["spec"]["require"] = json!({"zzz": 1});
    let refusal = refusal(&document).expect("a refusal");
    assert_eq!(named, ["allOf", "anyOf", "attestation", "atLeast", "of"].map(str::to_owned).into());
    assert!(named.iter().all(|name| refusal.contains(name)), "{refusal}");
}

/// Kubernetes docs, "Specifying a structural schema": what the API server would refuse.
#[test]
fn the_definition_for_clusters_is_structural() {
    fn check(schema: &Value, at: &str) {
        match schema {
            Value::Object(fields) => {
                assert!(!fields.contains_key("$ref") && !fields.contains_key("const"), "{at}");
                let both = fields.contains_key("properties") && fields.contains_key("additionalProperties");
                assert!(!both && fields.get("additionalProperties") != Some(&json!(false)), "{at}");
                fields.iter().for_each(|(name, value)| check(value, &format!("{at}/{name}")));
            }
            Value::Array(items) => items.iter().for_each(|item| check(item, at)),
            _ => {}
        }
    }
    check(&schema::crd()["spec"]["versions"], "");
}
