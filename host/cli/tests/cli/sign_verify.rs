//! `bulla sign` and `bulla verify` on a layout, for every algorithm.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use serde_json::Value;

use crate::common::{IMAGE, Place, json_of};

const LAYOUT: &str = "registry.test/app=layout";

fn sign<'a>(key: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["sign", IMAGE, "--key", key, "--layout", LAYOUT], more].concat()
}

fn verify<'a>(key: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["verify", IMAGE, "--key", key, "--layout", LAYOUT], more].concat()
}

#[test]
fn every_algorithm_signs_and_verifies_and_no_signature_is_lost() {
    let place = Place::new();
    let digest = place.layout();
    let rsa = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).expect("encoded");
    let pem = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    place.write("rsa.pem", &format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", wrapped(&pem)));
    place.done(&["key", "import", "rsa.pem", "--out", "rsa"]);
    let algorithms = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519"];
    for algorithm in algorithms {
        place.done(&["key", "generate", "--algorithm", algorithm, "--out", algorithm]);
    }
    let all = [&algorithms[..], &["rsa"]].concat();
    for name in &all {
        let (private, public) = (format!("{name}.key"), format!("{name}.pub"));
        assert_eq!(place.run(&verify(&public, &[])).code, 1, "{name} has not signed yet");
        let text = place.done(&sign(&private, &[]));
        assert!(text.contains(&format!("signed  {IMAGE}@{digest}")), "{text}");
    }
    for name in &all {
        let text = place.done(&verify(&format!("{name}.pub"), &[]));
        assert!(text.starts_with(&format!("accept  {IMAGE}@{digest}\n")), "{text}");
        assert!(text.contains(&format!("✓ signer {name}")), "{text}");
    }
}

#[test]
fn signing_twice_publishes_once_and_a_dry_run_nothing() {
    let place = Place::new();
    place.layout();
    place.done(&["key", "generate", "--no-passphrase"]);
    let planned = json_of(&place.done(&sign("bulla.key", &["--dry-run", "--output", "json"])));
    assert_eq!(planned["images"][0]["published"], false);
    assert_eq!(planned["images"][0]["plan"]["blobs"].as_array().map(Vec::len), Some(2));
    assert_eq!(place.run(&verify("bulla.pub", &[])).code, 1);
    for already_there in [false, true] {
        let done = json_of(&place.done(&sign("bulla.key", &["--output", "json"])));
        assert_eq!(done["images"][0]["alreadyThere"], already_there);
    }
    let digest = planned["images"][0]["digest"].as_str().expect("a digest").to_owned();
    let by_digest = format!("registry.test/app@{digest}");
    let twice = ["sign", IMAGE, &by_digest, "--key", "bulla.key", "--layout", LAYOUT, "--output", "json"];
    let both = json_of(&place.done(&twice));
    assert_eq!(both["images"].as_array().map(Vec::len), Some(1), "one image under two names is signed once");
}

#[test]
fn annotations_must_have_been_signed() {
    let place = Place::new();
    place.layout();
    place.done(&["key", "generate", "--no-passphrase"]);
    place.done(&sign("bulla.key", &["--annotation", "stage=tested"]));
    place.done(&verify("bulla.pub", &["--annotation", "stage=tested"]));
    let other = place.run(&verify("bulla.pub", &["--annotation", "stage=released"]));
    assert_eq!(other.code, 1);
    assert!(other.out.contains("annotation \"stage\" is \"tested\", expected \"released\""), "{}", other.out);
}

#[test]
fn verdicts_stand_in_the_order_of_the_images_and_give_the_exit_code() {
    let place = Place::new();
    place.layout();
    place.done(&["key", "generate", "--no-passphrase"]);
    place.done(&sign("bulla.key", &[]));
    let down = "127.0.0.1:1/app:1";
    let run = |images: &[&str]| {
        let arguments = [&["verify"], images, &["--key", "bulla.pub", "--layout", LAYOUT, "--output", "json"]].concat();
        let ended = place.run(&arguments);
        let verdicts = json_of(&ended.out);
        let outcomes: Vec<String> = verdicts
            .as_array()
            .expect("an array")
            .iter()
            .map(|verdict| verdict["outcome"].as_str().expect("a word").to_owned())
            .collect();
        (ended.code, outcomes.join(" "))
    };
    let absent = "registry.test/app:absent";
    assert_eq!(run(&[IMAGE]), (0, "accept".into()));
    assert_eq!(run(&[down]), (2, "unknown".into()));
    assert_eq!(run(&[down, IMAGE]), (2, "unknown accept".into()));
    assert_eq!(run(&[down, IMAGE, absent]), (1, "unknown accept reject".into()));
}

#[test]
fn nothing_is_published_when_one_image_cannot_be_signed() {
    let place = Place::new();
    place.layout();
    place.done(&["key", "generate", "--no-passphrase"]);
    let arguments = ["sign", IMAGE, "registry.test/app:absent", "--key", "bulla.key", "--layout", LAYOUT];
    let ended = place.run(&arguments);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("registry.test/app:absent does not exist"), "{}", ended.err);
    assert_eq!(place.run(&verify("bulla.pub", &[])).code, 1);
}

#[test]
fn a_private_key_verifies_nothing() {
    let place = Place::new();
    place.layout();
    place.done(&["key", "generate"]);
    let ended = place.run(&verify("bulla.key", &[]));
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("--key bulla.key: an encrypted private key"), "{}", ended.err);
}

#[test]
fn a_policy_decides_as_well_as_a_key() {
    let place = Place::new();
    place.layout();
    place.done(&["key", "generate", "--no-passphrase"]);
    let signer: Value = serde_json::json!({"cosign": {"publicKey": place.read("bulla.pub")}});
    let policy = serde_json::json!({
        "apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "app"},
        "spec": {"match": {"images": ["registry.test/**"]}, "signers": {"release": signer}, "require": "release"},
    });
    std::fs::create_dir(place.path("policies")).expect("made");
    place.write("policies/app.json", &policy.to_string());
    let arguments = ["verify", IMAGE, "--policy", "policies", "--layout", LAYOUT];
    let before = place.run(&arguments);
    assert_eq!(before.code, 1);
    assert!(before.out.contains("✗ policy app") && before.out.contains("not signed: there is no"), "{}", before.out);
    place.done(&sign("bulla.key", &[]));
    assert!(place.done(&arguments).contains("✓ policy app"));
    let elsewhere = place.run(&["verify", "elsewhere.test/app:1", "--policy", "policies"]);
    assert_eq!(elsewhere.code, 1);
    assert!(elsewhere.out.contains("no policy matches elsewhere.test/app"), "{}", elsewhere.out);
}

fn wrapped(base64: &str) -> String {
    base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join("\n")
}
