//! Notation's plugin protocol: requests that are answered, and errors in its words. The notation CLI itself is in `tests/`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{PASSPHRASE, Place, command, json_of};

const RAW: &str = "SIGNATURE_GENERATOR.RAW";
const ENVELOPE: &str = "SIGNATURE_GENERATOR.ENVELOPE";
/// What notation has signed of an image.
const PAYLOAD: &str = r#"{"targetArtifact":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","size":3,"annotations":{"a":"b"}}}"#;

/// Runs one command of the protocol: its answer, or the error's code and message.
pub(crate) fn ask(place: &Place, name: &str, request: &str, passphrase: &str) -> Result<Value, (String, String)> {
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
    let verifiers = ["SIGNATURE_VERIFIER.TRUSTED_IDENTITY", "SIGNATURE_VERIFIER.REVOCATION_CHECK"];
    for (config, generators) in [
        (json!(null), vec![RAW, ENVELOPE]),
        (json!({"certificate-chain": "a.crt"}), vec![RAW, ENVELOPE]),
        (json!({"generator": "raw"}), vec![RAW]),
        (json!({"generator": "envelope"}), vec![ENVELOPE]),
    ] {
        let asked = json!({"pluginConfig": config}).to_string();
        let metadata = ask(&Place::new(), "get-plugin-metadata", &asked, "").expect("an answer");
        let expected: Vec<&str> = generators.into_iter().chain(verifiers).collect();
        assert_eq!(metadata["capabilities"], json!(expected), "{config}");
    }
    let other = ask(&Place::new(), "get-plugin-metadata", r#"{"pluginConfig": {"generator": "both"}}"#, "");
    assert_eq!(other.expect_err("no generator").0, "VALIDATION_ERROR");
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
        (
            "generate-signature",
            sign(json!({"pluginConfig": {"timestamp-url": "http://tsa.example"}})),
            "VALIDATION_ERROR",
            "say generator=envelope",
        ),
        ("verify-signature", "{}".to_owned(), "VALIDATION_ERROR", "missing field `contractVersion`"),
        ("sign-anything", "{}".to_owned(), "VALIDATION_ERROR", "\"sign-anything\" is no command"),
    ] {
        let (got, said) = ask(&place, command, &asked, PASSPHRASE).expect_err(&asked);
        assert_eq!(got, code, "{asked}: {said}");
        assert!(said.contains(message), "{asked}: {said}");
    }
    let (code, said) = ask(&place, "generate-signature", &sign(json!({})), "wrong").expect_err("another passphrase");
    assert_eq!(code, "ACCESS_DENIED", "{said}");
    assert!(!said.contains("wrong"), "{said}");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn octets(value: &Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(value.as_str().expect("base64")).expect("base64")
}

/// A request for an envelope, with what differs.
fn envelope(place: &Place, more: Value) -> String {
    let mut asked = json!({
        "payload": base64(PAYLOAD.as_bytes()),
        "payloadType": "application/vnd.cncf.notary.payload.v1+json",
        "signatureEnvelopeType": "application/jose+json",
        "expiryDurationInSeconds": 0,
    });
    for (name, value) in more.as_object().expect("an object") {
        asked[name] = value.clone();
    }
    request(place, asked)
}

#[test]
fn envelopes_hold_the_payload_as_it_came() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let place = with_certificate("ecdsa-p384");
    let asked = json!({"expiryDurationInSeconds": 3600, "pluginConfig": {"verification-plugin": "bulla"}});
    let made = ask(&place, "generate-envelope", &envelope(&place, asked), PASSPHRASE).expect("an answer");
    assert_eq!((&made["signatureEnvelopeType"], &made["annotations"]), (&json!("application/jose+json"), &json!({})));
    let written: Value = serde_json::from_slice(&octets(&made["signatureEnvelope"])).expect("JSON");
    let part = |name: &str| URL_SAFE_NO_PAD.decode(written[name].as_str().expect("text")).expect("base64");
    assert_eq!(part("payload"), PAYLOAD.as_bytes());
    let header: Value = serde_json::from_slice(&part("protected")).expect("JSON");
    let name = |name: &str| json!(format!("io.cncf.notary.{name}"));
    assert_eq!(header["crit"], json!([name("signingScheme"), name("expiry"), name("verificationPlugin")]));
    assert_eq!((&header["alg"], &header["io.cncf.notary.verificationPlugin"]), (&json!("ES384"), &json!("bulla")));
    let cose = envelope(&place, json!({"signatureEnvelopeType": "application/cose"}));
    let made = ask(&place, "generate-envelope", &cose, PASSPHRASE).expect("an answer");
    // The tag of COSE_Sign1.
    assert_eq!(octets(&made["signatureEnvelope"])[0], 0xd2);
}

#[test]
fn envelopes_that_cannot_be_made_are_refused() {
    let place = with_certificate("ecdsa-p256");
    for (more, code, message) in [
        (json!({"payloadType": "text/plain"}), "VALIDATION_ERROR", "payloadType is"),
        (json!({"signatureEnvelopeType": "application/json"}), "VALIDATION_ERROR", "signatureEnvelopeType is"),
        (json!({"payload": base64(b"{}")}), "ERROR", "targetArtifact"),
        (json!({"expiryDurationInSeconds": -1}), "VALIDATION_ERROR", "the request: "),
        (json!({"pluginConfig": {"verification-plugin": "other"}}), "VALIDATION_ERROR", "only `bulla`"),
        (json!({"pluginConfig": {"timestamp-url": "http://tsa.example"}}), "VALIDATION_ERROR", "belong together"),
        (json!({"contractVersion": "1.1"}), "UNSUPPORTED_CONTRACT_VERSION", "\"1.1\""),
    ] {
        let asked = envelope(&place, more);
        let (got, said) = ask(&place, "generate-envelope", &asked, PASSPHRASE).expect_err(&asked);
        assert_eq!(got, code, "{asked}: {said}");
        assert!(said.contains(message), "{asked}: {said}");
    }
}

/// A request to verify what the certificate of the place signed.
fn verification(place: &Place, identities: &[&str], checks: &[&str]) -> Value {
    let pem = place.read("a.crt");
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    json!({
        "contractVersion": "1.0",
        "signature": {
            "criticalAttributes": {
                "contentType": "application/vnd.cncf.notary.payload.v1+json", "signingScheme": "notary.x509",
                "expiry": "0001-01-01T00:00:00Z", "extendedAttributes": {"other": "1"},
            },
            "unprocessedAttributes": ["other"],
            "certificateChain": [body],
        },
        "trustPolicy": {"trustedIdentities": identities, "signatureVerification": checks},
        "pluginConfig": null,
    })
}

#[test]
fn identities_and_revocation_are_verified() {
    const IDENTITY: &str = "SIGNATURE_VERIFIER.TRUSTED_IDENTITY";
    const REVOCATION: &str = "SIGNATURE_VERIFIER.REVOCATION_CHECK";
    let place = with_certificate("ecdsa-p256");
    let verify = |asked: Value| ask(&place, "verify-signature", &asked.to_string(), "");
    let own = "x509.subject: C=US, ST=WA, O=acme";
    let answer = verify(verification(&place, &[own], &[IDENTITY, REVOCATION])).expect("an answer");
    let success = json!({"success": true});
    assert_eq!(answer["verificationResults"], json!({IDENTITY: success, REVOCATION: success}));
    // What notation does not know is not known here either: notation refuses the signature then.
    assert_eq!(answer["processedAttributes"], json!([]));
    let answer = verify(verification(&place, &["x509.subject: C=US, ST=WA, O=other"], &[IDENTITY])).expect("an answer");
    let result = &answer["verificationResults"][IDENTITY];
    assert_eq!(result["success"], false);
    assert!(result["reason"].as_str().expect("a reason").contains("trusted identities"), "{answer}");
    let with = |pointer: &str, value: Value| {
        let mut asked = verification(&place, &[own], &[IDENTITY]);
        *asked.pointer_mut(pointer).expect("a place") = value;
        asked
    };
    for (asked, message) in [
        (with("/trustPolicy/signatureVerification", json!([])), "names no checks"),
        (with("/trustPolicy/signatureVerification", json!([RAW])), "names no checks"),
        (with("/trustPolicy/signatureVerification", json!(["OTHER"])), "the request: "),
        (with("/trustPolicy/trustedIdentities", json!([])), "no trusted identity"),
        (with("/trustPolicy/trustedIdentities", json!(["spiffe://acme"])), "is no identity"),
        (with("/signature/certificateChain", json!([])), "the certificate chain is empty"),
        (with("/signature/certificateChain", json!(["AAAA"])), "certificate 0 of the chain"),
        (with("/signature/criticalAttributes/signingScheme", json!("other")), "scheme"),
        (with("/signature/criticalAttributes/signingScheme", json!("notary.x509.signingAuthority")), "signingTime"),
    ] {
        let (code, said) = verify(asked).expect_err(message);
        assert_eq!(code, "VALIDATION_ERROR", "{message}: {said}");
        assert!(said.contains(message), "{message}: {said}");
    }
}
