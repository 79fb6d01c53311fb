//! `bulla key certificate`: what openssl says about the certificates, and what is refused.

use std::process::Command;

use crate::common::{Place, json_of};

const SUBJECT: &str = "C=US, ST=WA, O=acme, CN=release";

/// What openssl prints, and whether it succeeds. None where there is no openssl.
fn openssl(place: &Place, arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("openssl").current_dir(place.path("")).args(arguments).output();
    let Ok(output) = output else {
        eprintln!("no openssl here: what it would say is not tested");
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

fn accepts(place: &Place, arguments: &[&str]) {
    if let Some((accepted, said)) = openssl(place, arguments) {
        assert!(accepted, "{arguments:?}: {said}");
    }
}

/// Lines of `openssl x509 -text`, trimmed.
fn says(place: &Place, file: &str, expected: &[&str], absent: &[&str]) {
    let Some((_, text)) = openssl(place, &["x509", "-noout", "-text", "-in", file]) else { return };
    let joined = text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    for line in expected {
        assert!(joined.contains(line), "{file} should say {line}: {text}");
    }
    for line in absent {
        assert!(!joined.contains(line), "{file} should not say {line}: {text}");
    }
}

const LEAF: [&str; 3] = [
    "X509v3 Basic Constraints: critical\nCA:FALSE",
    "X509v3 Key Usage: critical\nDigital Signature\n",
    "X509v3 Extended Key Usage:\nCode Signing\n",
];

#[test]
fn a_leaf_signs_itself_with_every_algorithm() {
    for algorithm in ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "rsa-3072", "rsa-4096"] {
        let place = Place::new();
        let made = place.done(&[
            "key",
            "certificate",
            "--subject",
            SUBJECT,
            "--out",
            "a",
            "--algorithm",
            algorithm,
            "--output",
            "json",
        ]);
        let made = json_of(&made);
        assert_eq!(made["subject"], "CN=release,O=acme,ST=WA,C=US");
        assert_eq!(made["subject"], made["issuer"]);
        assert_eq!(place.read("a.crt"), place.read("a.chain.crt"));
        assert!(place.read("a.key").starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
        accepts(&place, &["verify", "-check_ss_sig", "-x509_strict", "-CAfile", "a.crt", "-partial_chain", "a.crt"]);
        says(&place, "a.crt", &LEAF, &["Authority Key Identifier", "sha1"]);
        let shown = json_of(&place.done(&["key", "show", "a.key", "--output", "json"]));
        assert_eq!(shown["fingerprint"], made["key"]["fingerprint"], "{algorithm}");
        if let Some((_, public)) = openssl(&place, &["x509", "-noout", "-pubkey", "-in", "a.crt"]) {
            assert_eq!(public, place.read("a.pub"), "{algorithm}");
        }
    }
}

#[test]
fn without_days_no_certificate_ends_later_than_its_issuer() {
    let place = Place::new();
    let make = |arguments: &[&str]| place.done(&[&["key", "certificate"][..], arguments].concat());
    make(&["--ca", "--subject", "C=US, ST=WA, O=acme, CN=root", "--out", "root", "--days", "30"]);
    make(&["--issuer", "root.crt", "--issuer-key", "root.key", "--subject", SUBJECT, "--out", "leaf"]);
    accepts(&place, &["verify", "-x509_strict", "-CAfile", "root.crt", "leaf.crt"]);
    let end = |file: &str| openssl(&place, &["x509", "-noout", "-enddate", "-in", file]).map(|(_, text)| text);
    assert_eq!(end("leaf.crt"), end("root.crt"));
}

#[test]
fn an_authority_issues_leaves_and_another_authority() {
    let place = Place::new();
    let make = |arguments: &[&str]| place.done(&[&["key", "certificate"][..], arguments].concat());
    make(&["--ca", "--subject", "C=US, ST=WA, O=acme, CN=root", "--out", "root", "--days", "800"]);
    says(
        &place,
        "root.crt",
        &["X509v3 Basic Constraints: critical\nCA:TRUE\n", "X509v3 Key Usage: critical\nCertificate Sign, CRL Sign\n"],
        &["Extended Key Usage", "pathlen"],
    );
    let by_root = ["--issuer", "root.crt", "--issuer-key", "root.key"];
    make(
        &[&by_root[..], &["--ca", "--subject", "C=US, ST=WA, O=acme, CN=middle", "--out", "middle", "--days", "700"]]
            .concat(),
    );
    says(&place, "middle.crt", &["X509v3 Basic Constraints: critical\nCA:TRUE, pathlen:0\n"], &[]);

    let by_middle = ["--issuer", "middle.chain.crt", "--issuer-key", "middle.key"];
    let addresses = ["--crl-url", "http://crl.example/a.crl", "--ocsp-url", "http://ocsp.example/"];
    place.done(&["key", "generate", "--out", "mine", "--algorithm", "ecdsa-p384"]);
    let with_key = ["--key", "mine.pub", "--subject", SUBJECT, "--out", "leaf"];
    make(&[&by_middle[..], &with_key, &addresses].concat());
    assert!(!place.path("leaf.key").exists(), "a key was given");
    assert_eq!(place.read("leaf.chain.crt").matches("BEGIN CERTIFICATE").count(), 3);
    says(&place, "leaf.crt", &LEAF, &[]);
    says(&place, "leaf.crt", &["URI:http://crl.example/a.crl", "OCSP - URI:http://ocsp.example/"], &[]);
    accepts(&place, &["verify", "-x509_strict", "-CAfile", "root.crt", "-untrusted", "middle.crt", "leaf.crt"]);

    make(&[&by_root[..], &["--timestamping", "--subject", "C=US, ST=WA, O=acme, CN=tsa", "--out", "tsa"]].concat());
    says(
        &place,
        "tsa.crt",
        &["X509v3 Extended Key Usage: critical\nTime Stamping\n", "X509v3 Key Usage: critical\nDigital Signature\n"],
        &["Code Signing"],
    );
    accepts(&place, &["verify", "-x509_strict", "-purpose", "timestampsign", "-CAfile", "root.crt", "tsa.crt"]);

    // What would not be accepted is not made.
    for (arguments, reason) in [
        (
            vec!["--issuer", "middle.crt", "--issuer-key", "middle.key"],
            "verifiers want all certificates up to the root",
        ),
        (vec!["--issuer", "root.crt", "--issuer-key", "middle.key"], "is not the one of this certificate"),
        (vec!["--issuer", "leaf.chain.crt", "--issuer-key", "mine.key"], "is no authority"),
        ([&by_middle[..], &["--ca"]].concat(), "allows 0 authorities below it (pathLenConstraint), here would be 1"),
        ([&by_root[..], &["--days", "801"]].concat(), "give fewer --days"),
        (vec!["--timestamping"], "needs --issuer"),
    ] {
        let refused =
            place.run(&[&["key", "certificate", "--subject", SUBJECT, "--out", "x"], &arguments[..]].concat());
        assert_eq!(refused.code, 2, "{arguments:?}");
        assert!(refused.err.contains(reason), "{arguments:?}: {}", refused.err);
        assert!(!place.path("x.crt").exists() && !place.path("x.key").exists(), "{arguments:?}");
    }
}

#[test]
fn what_policies_could_not_name_is_refused() {
    let place = Place::new();
    for (subject, reason) in [
        ("CN=release", "error: --subject: C is missing: policies name certificates by at least C, ST and O"),
        ("C=US, ST=WA, O=acme, OU=a, OU=b", "OU is there twice"),
    ] {
        let refused = place.run(&["key", "certificate", "--subject", subject, "--out", "a"]);
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains(reason), "{}", refused.err);
    }
    let refused = place.run(&["key", "certificate", "--subject", SUBJECT, "--out", "a", "--crl-url", "ldap://a"]);
    assert!(refused.err.contains("expected an http or https URL"), "{}", refused.err);
}

#[test]
fn keys_that_notation_does_not_use_are_refused() {
    let place = Place::new();
    place.done(&["key", "generate", "--out", "ed", "--algorithm", "ed25519"]);
    let refused = place.run(&["key", "certificate", "--subject", SUBJECT, "--out", "a", "--key", "ed.key"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("only ECDSA and RSA keys sign for Notation"), "{}", refused.err);
    if openssl(&place, &["genrsa", "-out", "odd.pem", "2056"]).is_some() {
        let refused = place.run(&["key", "certificate", "--subject", SUBJECT, "--out", "a", "--key", "odd.pem"]);
        assert!(refused.err.contains("RSA keys of 2056 bits do not sign for Notation"), "{}", refused.err);
    }
}

#[test]
fn certificates_are_never_overwritten() {
    let place = Place::new();
    place.write("a.chain.crt", "precious");
    let refused = place.run(&["key", "certificate", "--subject", SUBJECT, "--out", "a"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("a.chain.crt is there already"), "{}", refused.err);
    assert_eq!(place.read("a.chain.crt"), "precious");
    assert!(!place.path("a.key").exists() && !place.path("a.crt").exists());
}
