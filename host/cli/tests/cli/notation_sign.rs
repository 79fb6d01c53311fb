//! `bulla sign --form notation` on a layout: what it makes counts under a policy, and what cannot is refused before anything is
//! published. The notation CLI itself is in `tests/`.

use serde_json::json;

use crate::common::{IMAGE, PASSPHRASE, Place, json_of};

const LAYOUT: &str = "registry.test/app=layout";
const SUBJECT: &str = "C=US, ST=WA, O=acme, CN=release";

/// A layout with one image, a key `a` with a certificate that signs itself.
fn place(algorithm: &str) -> Place {
    let place = Place::new();
    place.layout();
    place.done(&["key", "certificate", "--subject", SUBJECT, "--out", "a", "--algorithm", algorithm]);
    place
}

fn sign<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sign", IMAGE, "--key", "a.key", "--form", "notation", "--layout", LAYOUT], more].concat()
}

/// What a policy says that pins this certificate and asks for `stage: tested`.
fn verified(place: &Place, certificate: &str) -> i32 {
    let policy = json!({
        "apiVersion": "bulla.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": "notation"},
        "spec": {
            "match": {"everyImage": true},
            "signers": {"release": {"notation": {
                "trustStores": {"ca": [place.read(certificate)]},
                "trustedIdentities": [format!("x509.subject: {SUBJECT}")],
                "level": "strict",
                "metadata": {"stage": "tested"},
            }}},
            "require": "release",
        },
    });
    place.write("policy.yaml", &policy.to_string());
    place.run(&["verify", IMAGE, "--policy", "policy.yaml", "--layout", LAYOUT]).code
}

#[test]
fn what_is_signed_counts_where_its_certificate_is_pinned() {
    for (algorithm, envelope, media_type) in
        [("ecdsa-p384", "jws", "application/jose+json"), ("rsa-2048", "cose", "application/cose")]
    {
        let place = place(algorithm);
        place.done(&["key", "certificate", "--subject", SUBJECT, "--out", "other"]);
        let arguments = sign(&["--envelope", envelope, "--annotation", "stage=tested", "--expiry", "30d"]);
        let planned = json_of(&place.done(&[&arguments[..], &["--dry-run", "--output", "json"]].concat()));
        assert_eq!(planned["images"][0]["plan"]["blobs"][0]["mediaType"], media_type);
        assert_eq!(verified(&place, "a.crt"), 1, "a dry run publishes nothing");
        let done = json_of(&place.done(&[&arguments[..], &["--output", "json"]].concat()));
        assert_eq!((&done["form"], &done["images"][0]["published"]), (&json!("notation"), &json!(true)));
        assert_eq!((verified(&place, "a.crt"), verified(&place, "other.crt")), (0, 1));
    }
}

#[test]
fn what_nobody_would_accept_is_not_published() {
    let place = place("ecdsa-p256");
    place.done(&["key", "generate", "--out", "bare"]);
    place.done(&["key", "certificate", "--subject", SUBJECT, "--out", "other"]);
    place.done(&["key", "certificate", "--ca", "--subject", SUBJECT, "--out", "ca"]);
    let form = |more: &[&'static str]| [&["sign", IMAGE, "--layout", LAYOUT], more].concat();
    for (arguments, message) in [
        (form(&["--key", "bare.key", "--form", "notation"]), "neither bare.chain.crt nor bare.crt is there"),
        (sign(&["--certificate-chain", "other.crt"]), "that of another key"),
        (sign(&["--annotation", "io.cncf.notary.x=y"]), "are reserved"),
        (sign(&["--signature-repository", "registry.test/other"]), "lie beside their image"),
        (sign(&["--expiry", "30"]), "expected a whole number and m, h or d"),
        (sign(&["--timestamp-url", "http://127.0.0.1:9"]), "--timestamp-root-cert"),
        (sign(&["--timestamp-url", "http://127.0.0.1:9", "--timestamp-root-cert", "a.crt"]), "--timestamp-root-cert: "),
        (
            sign(&["--timestamp-url", "http://127.0.0.1:9", "--timestamp-root-cert", "ca.crt"]),
            "--timestamp-url http://127.0.0.1:9",
        ),
        (form(&["--key", "a.key", "--expiry", "30d"]), "--expiry belongs to --form notation"),
    ] {
        let ended = place.run(&arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(message), "{arguments:?}: {}", ended.err);
        assert!(!ended.err.contains(PASSPHRASE));
    }
    let listed = json_of(&place.run(&["inspect", IMAGE, "--layout", LAYOUT, "--output", "json"]).out);
    assert_eq!(listed[0]["notation"].as_array().map_or(0, Vec::len), 0, "{listed}");
}
