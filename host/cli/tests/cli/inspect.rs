//! `bulla inspect`: everything that lies there is listed, and nothing of it is trusted for that.

use bulla_registry::{Digest, Layout};
use serde_json::{Value, json};

use crate::common::{IMAGE, Place, json_of};

const LAYOUT: &str = "registry.test/app=layout";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn inspect<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["inspect", IMAGE, "--layout", LAYOUT], more].concat()
}

/// An image signed by `ours` under a tag and by `theirs` with a bundle, with something beside that is not read.
fn signed() -> (Place, String) {
    let place = Place::new();
    let digest = place.layout();
    for (key, form) in [("ours", "legacy"), ("theirs", "bundle")] {
        place.done(&["key", "generate", "--no-passphrase", "--out", key]);
        let file = format!("{key}.key");
        let annotation = format!("stage={key}");
        let sign = ["sign", IMAGE, "--key", &file, "--form", form, "--annotation", &annotation, "--layout", LAYOUT];
        place.done(&sign);
    }
    let layout = Layout::open(&place.path("layout")).expect("a layout");
    let empty =
        json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::sha256(b"{}").as_str(), "size": 2});
    let notation = json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.report",
        "config": empty, "layers": [empty], "subject": {"mediaType": MANIFEST, "digest": digest, "size": 2}});
    layout.put_blob(b"{}").expect("written");
    layout.put_manifest(notation.to_string().as_bytes(), MANIFEST, None).expect("written");
    (place, digest)
}

#[test]
fn without_keys_everything_is_listed_and_nothing_verified() {
    let (place, digest) = signed();
    let text = place.done(&inspect(&[]));
    assert!(text.starts_with(&format!("inspect  {IMAGE}@{digest}  image\n  bundle 1  sha256:")), "{text}");
    for part in [
        "  signature  https://sigstore.dev/cosign/sign/v1\n",
        &format!("\n    claims   {digest} (this image)"),
        "annotations stage=theirs\n    made by  unknown: no keys given\n",
        &format!(
            "\n  signature 1\n    claims   {digest} (this image)  identity registry.test/app  annotations stage=ours\n"
        ),
        "\n  not read: 1 × artifact of type application/vnd.example.report\n",
        "\n\nListing is not trust: nothing was verified.",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!text.contains("would:"), "{text}");
}

#[test]
fn keys_name_what_they_have_made_and_give_a_verdict() {
    let (place, _) = signed();
    place.done(&["key", "generate", "--no-passphrase", "--out", "other"]);
    let text = place.done(&inspect(&["--key", "ours.pub", "--key", "other.pub"]));
    for part in
        ["made by  ours (sha256:", "made by  none of the 2 given keys", "\n  verify would: accept\n    ✓ policy"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let text = place.done(&inspect(&["--key", "other.pub"]));
    assert!(text.contains("made by  not the given key\n") && text.contains("  verify would: reject\n"), "{text}");
}

#[test]
fn programs_get_the_listing_with_the_verdict() {
    let (place, digest) = signed();
    let signer: Value = json!({"cosign": {"publicKey": place.read("theirs.pub")}});
    let policy = json!({
        "apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "app"},
        "spec": {"match": {"images": ["registry.test/**"]}, "signers": {"release": signer}, "require": "release"},
    });
    place.write("policy.json", &policy.to_string());
    let listed = json_of(&place.done(&inspect(&["--policy", "policy.json", "--output", "json"])));
    let listing = &listed[0];
    assert_eq!((&listing["digest"], &listing["complete"]), (&json!(digest), &json!(true)));
    assert_eq!(listing["contents"], json!({"kind": "image"}));
    assert_eq!(listing["verdict"]["outcome"], "accept");
    let forms: Vec<&Value> =
        listing["entries"].as_array().expect("a list").iter().map(|entry| &entry["form"]).collect();
    assert_eq!(forms, ["bundle", "legacy"]);
    assert_eq!(listing["entries"][0]["madeBy"][0]["name"], "app/release");
    assert_eq!(listing["entries"][1]["madeBy"], json!([]));
    let elsewhere =
        ["inspect", IMAGE, "--layout", LAYOUT, "--signature-repository", "registry.test/app", "--output", "json"];
    let listed = json_of(&place.done(&elsewhere));
    assert_eq!((&listed[0]["verdict"], &listed[0]["entries"][0]["madeBy"]), (&Value::Null, &Value::Null));
}

#[test]
fn what_is_empty_is_no_failure_and_what_is_unknown_is() {
    let place = Place::new();
    place.layout();
    let text = place.done(&inspect(&[]));
    assert!(text.contains("\n  no signature or attestation that this version reads\n"), "{text}");
    for (image, said) in [
        ("registry.test/app:absent", "not known: registry.test/app:absent does not exist"),
        ("127.0.0.1:1/app:1", "not known: resolve 127.0.0.1:1/app:1: "),
        ("UPPER/app", "not known: "),
    ] {
        let ended = place.run(&["inspect", IMAGE, image, "--layout", LAYOUT]);
        assert_eq!(ended.code, 2, "{image}");
        assert!(ended.out.contains("no signature or attestation") && ended.out.contains(said), "{}", ended.out);
    }
    let ended = place.run(&inspect(&["--signature-repository", "UPPER"]));
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("signatureRepository"), "{}", ended.err);
}
