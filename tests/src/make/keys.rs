//! Keys: read, made, written anew, encrypted as cosign does.

use serde_json::{Value, json};

use super::constants::{CERTIFICATE, RSA_1024, RSA_2048};
use super::notation::{LEAF, ROOT};
use super::toolbox::{self, Key};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;
use crate::vectors::Vector;

pub(super) fn write(book: &mut Book) {
    described(book);
    certificates(book);
    encrypted(book);
    made(book);
}

pub(super) fn vector(operation: &str, header: Value, blobs: Vec<Recipe>, comment: &str, expect: Expect) -> Vector {
    Vector {
        comment: comment.to_owned(),
        layer: "key".to_owned(),
        operation: operation.to_owned(),
        header: Some(header),
        header_bytes: None,
        message: None,
        blobs,
        expect,
    }
}

pub(super) fn ok(answer: Value) -> Expect {
    Expect::outcome("ok").answer(answer)
}

fn described(book: &mut Book) {
    let key = Key::p256(1);
    let mut add = |name: &str, file: Recipe, comment: &str, expect| {
        add(book, &format!("key/{name}"), vector("key", json!({"key": 0}), vec![file], comment, expect));
    };
    let public =
        json!({"kind": "public", "algorithm": "ecdsa-p256", "fingerprint": key.fingerprint, "privateKey": null});
    let private =
        json!({"kind": "private", "algorithm": "ecdsa-p256", "fingerprint": key.fingerprint, "privateKey": null});
    let der = toolbox::pem_content(&key.public);
    add("public", Recipe::lines(&key.public), "A public key.", ok(public.clone()));
    add("public-der", Recipe::Base64(toolbox::base64(&der)), "The same as DER.", ok(public.clone()));
    // The curve of the point is 02 or 03 and x; which one, the last octet of y says.
    let parity = 2 + (der[der.len() - 1] & 1);
    let head = hex::decode("3039301306072a8648ce3d020106082a8648ce3d030107032200").expect("hex");
    let compressed = [head.as_slice(), &[parity], &der[27..59]].concat();
    add(
        "public-compressed",
        Recipe::Base64(toolbox::base64(&compressed)),
        "A compressed point is the same key, with the same fingerprint.",
        ok(public.clone()),
    );
    add("public-crlf", Recipe::Text(key.public.replace('\n', "\r\n")), "Line ends of another system.", ok(public));
    add("private", Recipe::lines(&key.private), "Of a private key only the public half is shown.", ok(private));
    add("rsa-public", Recipe::lines(RSA_2048), "An RSA key.", ok(json!({"algorithm": "rsa"})));
    add("rsa-1024", Recipe::lines(RSA_1024), "Too short.", Expect::error("key-invalid"));
    add("empty", Recipe::Text(String::new()), "An empty file.", Expect::error("key-invalid"));
    add("oversize", Recipe::repeat("A", 70_000), "More than 64 KiB.", Expect::error("key-invalid").text("at most"));
    add(
        "pkcs8-flipped",
        Recipe::lines(&toolbox::pem("PRIVATE KEY", &toolbox::flipped(&toolbox::pem_content(&key.private), 1))),
        "A damaged length.",
        Expect::error("key-invalid"),
    );
    let blobs = vec![Recipe::lines(&key.public)];
    super::add(
        book,
        "key/public-written",
        vector(
            "key",
            json!({"key": 0, "write": {"form": "pkcs8"}}),
            blobs,
            "A public key where a private one is needed.",
            Expect::error("key-invalid").text("private key is needed"),
        ),
    );
    let blobs = vec![Recipe::lines(&key.private)];
    super::add(
        book,
        "key/private-written",
        vector(
            "key",
            json!({"key": 0, "write": {"form": "pkcs8Der"}}),
            blobs.clone(),
            "PKCS #8 for a host that signs with its own library.",
            ok(json!({"privateKey": 1})),
        ),
    );
    super::add(
        book,
        "key/unknown-form",
        vector(
            "key",
            json!({"key": 0, "write": {"form": "jwk"}}),
            blobs,
            "A form that nobody writes.",
            Expect::error("message-invalid"),
        ),
    );
}

/// A key that comes in a certificate: what is there to be compared and pinned.
fn certificates(book: &mut Book) {
    let mut add = |name: &str, header: Value, file: Recipe, comment: &str, expect| {
        add(book, &format!("key/certificate{name}"), vector("key", header, vec![file], comment, expect));
    };
    let plain = || json!({"key": 0});
    // What OpenSSL says of it.
    let described = ok(json!({"kind": "certificate", "algorithm": "ecdsa-p256", "publicKey": 0, "privateKey": null,
        "fingerprint": "sha256:c31766e2a78472db02a8d70af30c3e5eb90976c7bc307e4b36abef3514ecf5f1",
        "certificates": [{"pem": 1, "subject": "CN=bulla vector", "isCa": true, "isSelfIssued": true,
            "notBefore": 1_795_290_241_i64, "notAfter": 4_948_890_241_i64,
            "thumbprint": "d9fab3542ad59402063269abc4d5b48626246b89497db8d525eb117e1a018cd4"}]}));
    let der = toolbox::pem_content(CERTIFICATE);
    add("", plain(), Recipe::lines(CERTIFICATE), "The key in a certificate, and the certificate.", described.clone());
    add("-der", plain(), Recipe::Base64(toolbox::base64(&der)), "The same as DER.", described.clone());
    let commented = format!("Certificate:\n    Data:\n{CERTIFICATE}");
    add("-commented", plain(), Recipe::lines(&commented), "With text before it, as OpenSSL prints it.", described);
    add(
        "-chain",
        plain(),
        Recipe::lines(&format!("{LEAF}{ROOT}")),
        "Several: the key is that of the first.",
        ok(json!({"fingerprint": "sha256:d48cd343cb8979a29ab54f44316f1afb01af6538a2be996314fb4b19db9c0f24",
        "certificates": [
            {"pem": 1, "isCa": false, "isSelfIssued": false,
                "thumbprint": "9ddc18620c78b908661078e5273c45dbffd83e8244e37462b11e4d7ad7e1df5d"},
            {"pem": 2, "isCa": true, "isSelfIssued": true,
                "thumbprint": "9bd53ea7acefdf8e3dc44a63c1a2f67c9d4ca69adfcae817588845c0aaa435a3"},
        ]})),
    );
    let invalid = || Expect::error("key-invalid");
    let damaged = toolbox::pem("CERTIFICATE", &toolbox::flipped(&der, 5));
    add("-flipped", plain(), Recipe::lines(&damaged), "A damaged length.", invalid().text("certificate"));
    let flipped = Recipe::Base64(toolbox::base64(&toolbox::flipped(&der, 5)));
    add("-der-flipped", plain(), flipped, "The same as DER, where it could be a key.", invalid().text("public key"));
    add(
        "-beside-key",
        plain(),
        Recipe::lines(&format!("{CERTIFICATE}{}", Key::p256(1).public)),
        "Which of the two is meant, nobody can say.",
        invalid().text("blocks that are no certificates"),
    );
    add(
        "-written",
        json!({"key": 0, "write": {"form": "pkcs8"}}),
        Recipe::lines(CERTIFICATE),
        "A certificate where a private key is needed.",
        invalid().text("CERTIFICATE"),
    );
}

fn encrypted(book: &mut Book) {
    let file = Key::encrypted("ecdsa-p256", 1, "correct horse");
    let key = Key::p256(1);
    let content = String::from_utf8(toolbox::pem_content(&file)).expect("JSON");
    let block = |content: &str| Recipe::lines(&toolbox::pem("ENCRYPTED SIGSTORE PRIVATE KEY", content.as_bytes()));
    let mut add = |name: &str, file: Recipe, passphrase: Option<&str>, comment: &str, expect| {
        let mut header = json!({"key": 0});
        let mut blobs = vec![file];
        if let Some(passphrase) = passphrase {
            header["passphrase"] = json!(1);
            blobs.push(Recipe::Text(passphrase.to_owned()));
        }
        add(book, &format!("key/encrypted-{name}"), vector("key", header, blobs, comment, expect));
    };
    let right = Some("correct horse");
    let opens = || ok(json!({"kind": "private", "fingerprint": key.fingerprint}));
    let invalid = || Expect::error("key-invalid");
    add("opens", Recipe::lines(&file), right, "Cosign's encrypted PEM: scrypt, secretbox, PKCS #8.", opens());
    add("old-label", Recipe::lines(&file.replace("SIGSTORE", "COSIGN")), right, "The label of cosign 1.", opens());
    add(
        "no-passphrase",
        Recipe::lines(&file),
        None,
        "Hosts ask for the passphrase on this code.",
        Expect::error("key-passphrase-needed"),
    );
    add(
        "wrong-passphrase",
        Recipe::lines(&file),
        Some("Correct horse"),
        "A wrong passphrase.",
        Expect::error("key-passphrase-wrong"),
    );
    add(
        "empty-passphrase",
        Recipe::lines(&file),
        Some(""),
        "An empty passphrase is one, and not this one.",
        Expect::error("key-passphrase-wrong"),
    );
    let at = content.find("ciphertext\":\"").expect("a ciphertext") + 40;
    let other = if &content[at..=at] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &content[..at], &content[at + 1..]);
    add(
        "changed",
        block(&changed),
        right,
        "Authenticated: a change and a wrong passphrase cannot be told apart.",
        Expect::error("key-passphrase-wrong"),
    );
    add("cut", block(&content[..content.len() - 10]), right, "JSON that was cut short.", invalid());
    for (name, n) in [("n-too-large", "1073741824"), ("n-too-small", "1024"), ("n-no-power", "65537")] {
        add(
            name,
            block(&content.replace("65536", n)),
            right,
            "Parameters that cosign never wrote are refused before any memory is taken.",
            invalid().text(&format!("N={n}")),
        );
    }
    add(
        "r-too-large",
        block(&content.replace("\"r\":8", "\"r\":4096")),
        right,
        "The same for r.",
        invalid().text("r=4096"),
    );
    add(
        "other-kdf",
        block(&content.replace("scrypt", "argon2id")),
        right,
        "Another derivation.",
        invalid().text("argon2id"),
    );
    add(
        "other-cipher",
        block(&content.replace("nacl/secretbox", "aes-gcm")),
        right,
        "Another cipher.",
        invalid().text("aes-gcm"),
    );
    add("extra-member", block(&content.replacen('{', "{\"x\":1,", 1)), right, "Exact key sets.", invalid());
    let start = content.find("ciphertext\":\"").expect("a ciphertext") + 13;
    add(
        "ciphertext-short",
        block(&format!("{}AAAA\"}}", &content[..start])),
        right,
        "A ciphertext shorter than its tag.",
        invalid().text("shorter than its tag"),
    );
}

fn made(book: &mut Book) {
    let mut add = |name: &str, header: Value, blobs: Vec<Recipe>, comment: &str, expect| {
        add(book, &format!("generate/{name}"), vector("generate", header, blobs, comment, expect));
    };
    for algorithm in ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519"] {
        let key = Key::new(algorithm, 9);
        let entropy = vec![Recipe::Base64(toolbox::base64(&[9; 264]))];
        add(
            algorithm,
            json!({"algorithm": algorithm, "entropy": 0}),
            entropy,
            "The same entropy gives the same key in every host.",
            ok(json!({"fingerprint": key.fingerprint})),
        );
    }
    let zeros = vec![Recipe::Base64(toolbox::base64(&[0; 264]))];
    let short = vec![Recipe::Base64(toolbox::base64(&[7; 263]))];
    add(
        "entropy-zero",
        json!({"algorithm": "ecdsa-p256", "entropy": 0}),
        zeros,
        "Zero is no scalar: rejection sampling finds none.",
        Expect::error("key-invalid"),
    );
    add(
        "entropy-short",
        json!({"algorithm": "ecdsa-p256", "entropy": 0}),
        short.clone(),
        "Too little entropy.",
        Expect::error("key-invalid").text("263"),
    );
    add(
        "rsa",
        json!({"algorithm": "rsa", "entropy": 0}),
        short,
        "RSA keys are not made here.",
        Expect::error("key-invalid"),
    );
    let no_salt = vec![Recipe::Base64(toolbox::base64(&[7; 264])), Recipe::Text("x".to_owned())];
    add(
        "no-entropy-for-file",
        json!({"algorithm": "ed25519", "entropy": 0, "passphrase": 1}),
        no_salt,
        "Encrypting takes 56 octets more.",
        Expect::error("key-invalid").text("56 octets"),
    );
}
