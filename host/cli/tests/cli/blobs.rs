//! `bulla verify-blob`: a file, Notation's signature of it, and Notation's trust policy for blobs. No notation CLI knows blobs yet: the
//! signature is one that the plugin makes.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_registry::Digest;
use serde_json::{Value, json};

use crate::common::{PASSPHRASE, Place, json_of};
use crate::notation_plugin::ask;

const BLOB: &str = "the content of a blob\n";

/// A place with a blob, its signature by `a.key`, and a trust policy that pins `a.crt` in a store.
fn signed(format: &str) -> Place {
    let place = Place::new();
    let subject = "C=US, ST=WA, O=acme, CN=release";
    place.done(&["key", "certificate", "--subject", subject, "--out", "a"]);
    place.write("app", BLOB);
    let digest = Digest::sha256(BLOB.as_bytes());
    let payload = json!({"targetArtifact": {"mediaType": "text/plain", "digest": digest.as_str(), "size": BLOB.len(),
        "annotations": {"stage": "tested"}}});
    let media_type = if format == "jws" { "application/jose+json" } else { "application/cose" };
    let asked = json!({"contractVersion": "1.0", "keyId": place.path("a.key"), "payload": STANDARD.encode(payload.to_string()),
        "payloadType": "application/vnd.cncf.notary.payload.v1+json", "signatureEnvelopeType": media_type});
    let made = ask(&place, "generate-envelope", &asked.to_string(), PASSPHRASE).expect("an envelope");
    let envelope = STANDARD.decode(made["signatureEnvelope"].as_str().expect("base64")).expect("base64");
    fs::write(place.path(&format!("app.{format}.sig")), envelope).expect("a file");
    let store = place.path("truststore/x509/ca/acme");
    fs::create_dir_all(&store).expect("a folder");
    fs::copy(place.path("a.crt"), store.join("a.crt")).expect("a copy");
    let statement = |name: &str, identity: &str| {
        json!({"name": name, "signatureVerification": {"level": "strict"}, "trustStores": ["ca:acme"],
            "trustedIdentities": [identity]})
    };
    let mut global = statement("rest", "*");
    global["globalPolicy"] = json!(true);
    let others = statement("others", "x509.subject: C=US, ST=WA, O=other");
    place.write("trustpolicy.blob.json", &json!({"version": "1.0", "trustPolicies": [global, others]}).to_string());
    place
}

/// The exit code and the verdict.
fn verify(place: &Place, format: &str, more: &[&str]) -> (i32, Value) {
    let signature = format!("app.{format}.sig");
    let words = ["--output", "json", "verify-blob", "app", "--signature", &signature];
    let ended = place.run(&[&words, &["--trust-policy", "trustpolicy.blob.json"][..], more].concat());
    (ended.code, json_of(&ended.out))
}

#[test]
fn a_blob_is_accepted_with_its_signature_and_no_other_is() {
    for format in ["jws", "cose"] {
        let place = signed(format);
        let (code, verdict) =
            verify(&place, format, &["--media-type", "text/plain", "--user-metadata", "stage=tested"]);
        assert_eq!(
            (code, &verdict["outcome"], &verdict["statement"]),
            (0, &json!("accept"), &json!("rest")),
            "{verdict}"
        );
        for (more, reason) in [
            (["--media-type", "text/html"], "notation-target"),
            (["--user-metadata", "stage=other"], "notation-metadata"),
            (["--statement", "others"], "notation-authenticity"),
            (["--statement", "absent"], "no-policy"),
        ] {
            let (code, verdict) = verify(&place, format, &more);
            assert_eq!((code, &verdict["reasons"][0]["code"]), (1, &json!(reason)), "{verdict}");
        }
        place.write("app", &BLOB.to_uppercase());
        let (code, verdict) = verify(&place, format, &[]);
        assert_eq!((code, &verdict["reasons"][0]["code"]), (1, &json!("notation-target")), "{verdict}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let place = signed("jws");
    let text = |more: &[&str]| {
        let words = ["verify-blob", "app", "--signature", "app.jws.sig", "--trust-policy", "trustpolicy.blob.json"];
        let ended = place.run(&[&words, more].concat());
        (ended.code, ended.out + &ended.err)
    };
    let (code, said) = text(&[]);
    assert!(code == 0 && said.contains("app: accepted") && said.contains("CN=release"), "{said}");
    let (code, said) = text(&["--trust-store", "elsewhere"]);
    assert!(code == 1 && said.contains("truststore/x509/ca/acme"), "{said}");
    fs::rename(place.path("app.jws.sig"), place.path("app.sig")).expect("a file");
    let ended = place.run(&["verify-blob", "app", "--signature", "app.sig", "--trust-policy", "trustpolicy.blob.json"]);
    assert!(ended.code == 2 && ended.err.contains("say --envelope"), "{}", ended.err);
    let given = ["verify-blob", "app", "--signature", "app.sig", "--envelope", "jws", "--trust-policy"];
    assert_eq!(place.run(&[&given[..], &["trustpolicy.blob.json"]].concat()).code, 0);
    place.write("wrong.json", r#"{"version": "1.0", "trustPolicies": []}"#);
    let ended = place.run(&[&given[..], &["wrong.json"]].concat());
    assert!(ended.code == 2 && ended.err.contains("trustPolicies: it is needed"), "{}", ended.err);
}
