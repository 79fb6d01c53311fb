//! `bulla sign` and `bulla attest` in every form, on a layout: bundles, attestations, indexes, other repositories.

use bulla_registry::{Digest, Layout};
use serde_json::{Value, json};

use crate::common::{IMAGE, Place, image, json_of};

const LAYOUT: &str = "registry.test/app=layout";
const FORMS: [&str; 2] = ["legacy", "bundle"];

/// A layout with one image, and a key.
fn place() -> Place {
    let place = Place::new();
    place.layout();
    place.done(&["key", "generate", "--no-passphrase"]);
    place
}

fn sign<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sign", IMAGE, "--key", "bulla.key", "--layout", LAYOUT], more].concat()
}

fn attest<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["attest", IMAGE, "--key", "bulla.key", "--layout", LAYOUT], more].concat()
}

fn verify<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["verify", IMAGE, "--key", "bulla.pub", "--layout", LAYOUT], more].concat()
}

#[test]
fn each_form_counts_where_it_is_asked_for() {
    for (form, other) in [("legacy", "bundle"), ("bundle", "legacy")] {
        let place = place();
        let planned = json_of(&place.done(&sign(&["--form", form, "--dry-run", "--output", "json"])));
        assert_eq!(planned["images"][0]["published"], false);
        assert_eq!(planned["images"][0]["plan"]["blobs"].as_array().map(Vec::len), Some(2));
        assert_eq!(place.run(&verify(&[])).code, 1, "a dry run publishes nothing");
        for already_there in [false, true] {
            let done = json_of(&place.done(&sign(&["--form", form, "--output", "json"])));
            assert_eq!(done["images"][0]["alreadyThere"], already_there, "{form}");
            assert_eq!(done["form"], form);
        }
        place.done(&verify(&[]));
        place.done(&verify(&["--form", form]));
        assert_eq!(place.run(&verify(&["--form", other])).code, 1);
    }
}

#[test]
fn a_plan_says_where_everything_goes() {
    let place = place();
    let digest = place.layout();
    let legacy = place.done(&sign(&["--dry-run"]));
    assert!(legacy.contains(&format!("  tag       registry.test/app:{}.sig", digest.replace(':', "-"))), "{legacy}");
    let bundle = place.done(&sign(&["--dry-run", "--form", "bundle"]));
    assert!(bundle.contains(&format!("  refers to {digest}\n  in        registry.test/app\n")), "{bundle}");
}

#[test]
fn attestations_are_added_and_none_counts_as_a_signature() {
    for form in FORMS {
        let place = place();
        place.write("review.json", r#"{"approved": true}"#);
        let review = "https://example.test/review/v1";
        let arguments = attest(&["--form", form, "--type", review, "--predicate", "review.json"]);
        let text = place.done(&arguments);
        assert!(text.starts_with(&format!("attested  {IMAGE}@sha256:")), "{text}");
        place.done(&verify(&["--attestation", review]));
        place.done(&verify(&["--attestation", review, "--predicate", "/approved=true", "--form", form]));
        assert_eq!(place.run(&verify(&["--attestation", review, "--predicate", "/approved=false"])).code, 1);
        assert_eq!(place.run(&verify(&["--attestation", "spdxjson"])).code, 1);
        assert_eq!(place.run(&verify(&[])).code, 1, "an attestation is not a signature");
        let again = json_of(&place.done(&[&arguments[..], &["--output", "json"]].concat()));
        assert_eq!((&again["images"][0]["alreadyThere"], &again["type"]), (&json!(true), &json!(review)));
        place.write("text", "any text");
        place.done(&attest(&["--form", form, "--type", "custom", "--predicate", "text"]));
        place.done(&verify(&["--attestation", "custom", "--predicate", "/Data=any text"]));
        place.done(&verify(&["--attestation", review]));
    }
}

#[test]
fn what_cannot_be_attested_is_said() {
    let place = place();
    place.write("text", "no JSON");
    for (predicate_type, file, said) in [
        ("sbom", "text", "\"sbom\" is no predicate type"),
        ("spdxjson", "text", "predicate: not strict JSON"),
        ("https://sigstore.dev/cosign/sign/v1", "text", "sign the image instead"),
        ("custom", "absent", "--predicate absent: No such file"),
    ] {
        let ended = place.run(&attest(&["--type", predicate_type, "--predicate", file]));
        assert_eq!(ended.code, 2);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}

#[test]
fn a_key_elsewhere_that_cannot_be_had_is_said() {
    let place = place();
    for (key, said) in [
        ("nobody://key", "nobody://key: sigstore-kms-nobody is in no folder of PATH"),
        ("pkcs11:object=a?module-path=/nowhere.so&pin-value=1234", "pin-value=***: "),
        ("", "no key is named"),
    ] {
        let ended = place.run(&["sign", IMAGE, "--key", key, "--layout", LAYOUT]);
        assert_eq!(ended.code, 2);
        assert!(ended.err.contains(said) && !ended.err.contains("1234"), "{}", ended.err);
    }
}

/// A layout with an index of an index of two images, and its digests from the leaves up.
fn nested(place: &Place) -> Vec<String> {
    let layout = Layout::create(&place.path("layout")).expect("a layout");
    let media_type = |kind: &str| format!("application/vnd.oci.image.{kind}.v1+json");
    let mut digests = Vec::new();
    let mut entries: Vec<Value> = Vec::new();
    for text in ["one", "two"] {
        let (manifest, blobs) = image(text);
        for blob in blobs {
            layout.put_blob(&blob).expect("written");
        }
        let digest = layout.put_manifest(&manifest, &media_type("manifest"), None).expect("written");
        entries.push(json!({"mediaType": media_type("manifest"), "digest": digest.as_str(), "size": manifest.len()}));
        digests.push(digest.to_string());
    }
    for tag in [None, Some("1")] {
        let index = json!({"schemaVersion": 2, "mediaType": media_type("index"), "manifests": entries}).to_string();
        let digest = layout.put_manifest(index.as_bytes(), &media_type("index"), tag).expect("written");
        entries = vec![json!({"mediaType": media_type("index"), "digest": digest.as_str(), "size": index.len()})];
        digests.push(digest.to_string());
    }
    digests
}

#[test]
fn an_index_is_signed_with_everything_in_it_when_that_is_asked_for() {
    for form in FORMS {
        let place = Place::new();
        let digests = nested(&place);
        place.done(&["key", "generate", "--no-passphrase"]);
        let all: Vec<String> = digests.iter().map(|digest| format!("registry.test/app@{digest}")).collect();
        let signed = |name: &str| place.run(&["verify", name, "--key", "bulla.pub", "--layout", LAYOUT]).code == 0;
        place.done(&sign(&["--form", form]));
        assert_eq!(all.iter().map(|name| signed(name)).collect::<Vec<_>>(), [false, false, false, true]);
        let report = json_of(&place.done(&sign(&["--form", form, "--recursive", "--output", "json"])));
        assert_eq!(report["images"].as_array().map(Vec::len), Some(4));
        assert!(report["images"][3]["digest"] == *digests.last().expect("an index"), "the index comes last");
        assert!(all.iter().all(|name| signed(name)));
    }
}

#[test]
fn an_image_that_an_index_names_and_nobody_has_is_said_before_anything_is_published() {
    let place = Place::new();
    place.done(&["key", "generate", "--no-passphrase"]);
    let layout = Layout::create(&place.path("layout")).expect("a layout");
    let media_type = "application/vnd.oci.image.index.v1+json";
    let missing = Digest::sha256(b"nowhere");
    let entry = json!({"mediaType": media_type, "digest": missing.as_str(), "size": 7});
    let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [entry]}).to_string();
    layout.put_manifest(index.as_bytes(), media_type, Some("1")).expect("written");
    let ended = place.run(&sign(&["--recursive"]));
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains(&format!("has no image {missing}")), "{}", ended.err);
    assert_eq!(place.run(&verify(&[])).code, 1);
    place.done(&sign(&[]));
}

#[test]
fn signatures_may_lie_in_a_repository_of_their_own() {
    for form in FORMS {
        let place = place();
        Layout::create(&place.path("signatures")).expect("a layout");
        let elsewhere =
            ["--signature-repository", "registry.test/signatures", "--layout", "registry.test/signatures=signatures"];
        let text = place.done(&sign(&[&["--form", form], &elsewhere[..]].concat()));
        assert!(text.contains("signature    registry.test/signatures"), "{text}");
        assert_eq!(place.run(&verify(&[])).code, 1);
        place.done(&verify(&elsewhere));
    }
}

#[test]
fn writers_of_one_layout_lose_nothing() {
    let place = place();
    let names: Vec<String> = (0..8).map(|number| format!("writer{number}")).collect();
    for name in &names {
        place.done(&["key", "generate", "--no-passphrase", "--out", name]);
    }
    for form in FORMS {
        std::thread::scope(|scope| {
            for name in &names {
                let (place, key) = (&place, format!("{name}.key"));
                scope.spawn(move || {
                    place.done(&["sign", IMAGE, "--key", &key, "--layout", LAYOUT, "--form", form]);
                });
            }
        });
        for name in &names {
            let public = format!("{name}.pub");
            place.done(&["verify", IMAGE, "--key", &public, "--layout", LAYOUT, "--form", form]);
        }
    }
}
