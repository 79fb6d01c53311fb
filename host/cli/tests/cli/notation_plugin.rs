//! Notation's plugin protocol: requests that are answered, and errors in its words. The notation CLI itself is in `tests/`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{PASSPHRASE, Place, command, json_of};

/// Runs one command of the protocol: its answer, or the error's code and message.
fn ask(place: &Place, name: &str, request: &str, passphrase: &str) -> Result<Value, (String, String)> {
    let mut program = command(&place.path(""));
    program.args(["notation-plugin", name]).env("BULLA_PASSPHRASE", passphrase);
    let mut child =
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // A command that is refused reads no request.
    let _ = child.stdin.take().expect("a pipe").write_all(request.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        assert_eq!(err, "");
        return Ok(json_of(&out));
    }
    assert_eq!(out, "");
    let error = json_of(&err);
    let text = |name: &str| error[name].as_str().expect("text").to_owned();
    Err((text("errorCode"), text("errorMessage")))
}

fn request(place: &Place, more: Value) -> String {
    let mut request = json!({"contractVersion": "1.0", "keyId": place.path("a.key"), "unknown": {}});
    for (name, value) in more.as_object().expect("an object") {
        request[name] = value.clone();
    }
    request.to_string()
}

fn with_certificate(algorithm: &str) -> Place {
    let place = Place::new();
    let subject = "C=US, ST=WA, O=acme, CN=release";
    place.done(&["key", "certificate", "--subject", subject, "--out", "a", "--algorithm", algorithm]);
    place
}

#[test]
fn it_says_what_it_is() {
    let metadata = ask(&Place::new(), "get-plugin-metadata", "{}", "").expect("an answer");
    assert_eq!(metadata["name"], "bulla");
    assert_eq!(metadata["supportedContractVersions"], json!(["1.0"]));
    assert_eq!(metadata["capabilities"], json!(["SIGNATURE_GENERATOR.RAW"]));
    for name in ["description", "version", "url"] {
        assert!(metadata[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
}

#[test]
fn keys_are_described_and_sign() {
    for (algorithm, spec, hash, signing, octets) in [
        ("ecdsa-p256", "EC-256", "SHA-256", "ECDSA-SHA-256", 64),
        ("ecdsa-p384", "EC-384", "SHA-384", "ECDSA-SHA-384", 96),
        ("ecdsa-p521", "EC-521", "SHA-512", "ECDSA-SHA-512", 132),
        ("rsa-2048", "RSA-2048", "SHA-256", "RSASSA-PSS-SHA-256", 256),
        ("rsa-3072", "RSA-3072", "SHA-384", "RSASSA-PSS-SHA-384", 384),
    ] {
        let place = with_certificate(algorithm);
        // The certificate says it: nothing is decrypted.
        let described = ask(&place, "describe-key", &request(&place, json!({})), "wrong").expect("an answer");
        assert_eq!(described, json!({"keyId": place.path("a.key"), "keySpec": spec}));
        let asked = json!({"keySpec": spec, "hashAlgorithm": hash, "payload": "aGVsbG8="});
        let signed = ask(&place, "generate-signature", &request(&place, asked), PASSPHRASE).expect("an answer");
        assert_eq!(
            (signed["keyId"].as_str(), signed["signingAlgorithm"].as_str()),
            (place.path("a.key").to_str(), Some(signing))
        );
        assert_eq!(signed["certificateChain"].as_array().map(Vec::len), Some(1));
        let signature = signed["signature"].as_str().expect("base64");
        assert_eq!(signature.trim_end_matches('=').len() * 3 / 4, octets, "{algorithm}");
    }
}

#[test]
fn what_cannot_be_answered_is_said_in_the_words_of_the_protocol() {
    let place = with_certificate("ecdsa-p256");
    place.done(&["key", "generate", "--out", "other"]);
    place.done(&["key", "certificate", "--subject", "C=US, ST=WA, O=b", "--key", "other.key", "--out", "other"]);
    let sign = |more: Value| {
        let mut asked = json!({"keySpec": "EC-256", "hashAlgorithm": "SHA-256", "payload": "aGVsbG8="});
        for (name, value) in more.as_object().expect("an object") {
            asked[name] = value.clone();
        }
        request(&place, asked)
    };
    let chain = |file: &str| json!({"pluginConfig": {"certificate-chain": place.path(file)}});
    for (command, asked, code, message) in [
        ("describe-key", "no JSON".to_owned(), "VALIDATION_ERROR", "the request: "),
        ("describe-key", "{}".to_owned(), "VALIDATION_ERROR", "missing field `contractVersion`"),
        ("describe-key", request(&place, json!({"contractVersion": "2.0"})), "UNSUPPORTED_CONTRACT_VERSION", "\"2.0\""),
        (
            "describe-key",
            request(&place, json!({"keyId": "absent.key"})),
            "ERROR",
            "neither absent.chain.crt nor absent.crt",
        ),
        ("describe-key", request(&place, json!({"keyId": "pkcs11:token=a"})), "ERROR", "which certificates?"),
        ("describe-key", request(&place, chain("absent.crt")), "ERROR", "absent.crt: No such file"),
        ("describe-key", request(&place, chain("a.key")), "ERROR", "a.key: "),
        ("generate-signature", sign(json!({"keySpec": "RSA-2048"})), "VALIDATION_ERROR", "keySpec is \"RSA-2048\""),
        ("generate-signature", sign(json!({"hashAlgorithm": "SHA-512"})), "VALIDATION_ERROR", "hashAlgorithm is"),
        ("generate-signature", sign(json!({"payload": "*"})), "VALIDATION_ERROR", "the request: "),
        ("generate-signature", sign(chain("other.crt")), "ERROR", "its first certificate is that of another key"),
        ("verify-signature", "{}".to_owned(), "VALIDATION_ERROR", "\"verify-signature\" is no command"),
    ] {
        let (got, said) = ask(&place, command, &asked, PASSPHRASE).expect_err(&asked);
        assert_eq!(got, code, "{asked}: {said}");
        assert!(said.contains(message), "{asked}: {said}");
    }
    let (code, said) = ask(&place, "generate-signature", &sign(json!({})), "wrong").expect_err("another passphrase");
    assert_eq!(code, "ACCESS_DENIED", "{said}");
    assert!(!said.contains("wrong"), "{said}");
}
