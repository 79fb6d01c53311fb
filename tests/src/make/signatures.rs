//! Signatures that do not hold, in decisions and in the operation Check.

use serde_json::json;

use super::constants::{RSA_2048, RSA_2048_SIGNATURE};
use super::scene::{self, APP, MATCH, Scene, layer, manifest_around, payload, payload_for, policy, policy_of, subject};
use super::toolbox::{self, Key};
use super::{Book, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::{Recipe, Repeat, sorted};
use crate::vectors::Vector;

pub(super) fn write(book: &mut Book) {
    decided(book);
    units(book);
    checked(book);
}

fn decided(book: &mut Book) {
    let key = Key::p256(1);
    let good = key.sign(&payload());
    let mut add = |name: &str, layers: &[serde_json::Value], comment: &str| {
        let scene = Scene::new(policy_of(&key)).layers(layers).no_referrers();
        add(book, &format!("signature/{name}"), scene.vector("signature", comment, rejected("other-key")));
    };
    let mut one = |name: &str, signature: &[u8], comment: &str| add(name, &[layer(&payload(), signature)], comment);
    one("flipped", &toolbox::flipped(&good, 40), "One bit of the signature.");
    one("by-other-key", &Key::p256(2).sign(&payload()), "By a key that nobody pinned.");
    one(
        "trailing-octet",
        &[good.as_slice(), &[0]].concat(),
        "One octet after the DER: another text for the same signature.",
    );
    one("cut", &good[..good.len() - 1], "One octet short.");
    let (r, s) = toolbox::der_numbers(&good);
    one("ber-long-length", &toolbox::der_pair(&r, &s, true), "BER: a length in more octets than it needs.");
    one(
        "ber-padded-number",
        &toolbox::der_pair(&[&[0; 4], r.as_slice()].concat(), &s, false),
        "BER: a number with more zeros than it needs.",
    );
    let mut fixed = vec![0; 64];
    fixed[32 - r.len()..32].copy_from_slice(&r);
    fixed[64 - s.len()..].copy_from_slice(&s);
    one("p1363", &fixed, "The fixed-length form (IEEE P1363), which WebCrypto makes, is not what cosign stores.");
    one("zero", &toolbox::der_pair(&[0], &[0], false), "CVE-2022-21449 (psychic signatures): r = s = 0.");
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").expect("hex");
    one("order", &toolbox::der_pair(&order, &order, false), "r = s = n: zero, modulo the order.");
    one(
        "negative-number",
        &{
            let mut bytes = toolbox::der_pair(&[1], &[1], false);
            bytes[4] = 0x81;
            bytes
        },
        "A negative number.",
    );
    one(
        "ed25519-on-ecdsa-key",
        &Key::new("ed25519", 3).sign(&payload()),
        "Algorithm confusion: the key fixes the algorithm.",
    );
    one(
        "p384-on-p256-key",
        &Key::new("ecdsa-p384", 1).sign(&payload()),
        "The same entropy on another curve is another key.",
    );
    let rsa = json!({"mediaType": scene::PAYLOAD_TYPE, "digest": toolbox::digest(payload()), "size": payload().len(),
        "annotations": {scene::SIGNATURE: RSA_2048_SIGNATURE}});
    add("rsa-on-ecdsa-key", &[rsa], "Algorithm confusion: an RSA signature against an EC key.");
    add(
        "sha384-on-p256-key",
        &[layer(&payload(), &key.sign_with(&payload(), "sha384"))],
        "The key fixes the hash as well: P-256 goes with SHA-256.",
    );

    let other = payload_for("registry.example/other", &subject(), "null");
    let scene = Scene::new(policy_of(&key)).layers(&[layer(&payload(), &key.sign(&other))]).no_referrers();
    super::add(
        book,
        "signature/not-over-this-payload",
        scene.vector(
            "signature",
            "CVE-2022-23649: a signature must be over the payload beside it.",
            rejected("other-key"),
        ),
    );

    let text = policy("app", MATCH, &[("release", RSA_2048, "")], "release");
    let against = |name: &str, signature: &[u8], comment: &str, book: &mut Book| {
        let scene = Scene::new(text.clone()).layers(&[layer(&payload(), signature)]).no_referrers();
        super::add(book, &format!("signature/{name}"), scene.vector("signature", comment, rejected("other-key")));
    };
    against("ecdsa-on-rsa-key", &good, "Algorithm confusion: an ECDSA signature against an RSA key.", book);
    against("rsa-short", &[1; 255], "One octet shorter than the modulus.", book);
    against("rsa-all-ones", &[0xff; 256], "A number above the modulus.", book);
}

/// 1,000 signatures of a key's shape, all different, none by it.
fn junk(length: usize, at: usize) -> Recipe {
    let mut number = vec![1];
    number.resize(length, 0);
    let shaped = toolbox::base64(&toolbox::der_pair(&number, &number, false));
    let mut shape = layer(&payload(), b"");
    shape["annotations"][scene::SIGNATURE] = json!(format!("{}{{n}}{}", &shaped[..at], &shaped[at + 4..]));
    let text = sorted(&shape).to_string();
    manifest_around(Recipe::Repeat(Repeat { text, count: 1000, separator: ",".to_owned() }))
}

fn units(book: &mut Book) {
    for (name, algorithm, length, at) in
        [("1000-junk-p384", "ecdsa-p384", 48, 88), ("1000-junk-p521", "ecdsa-p521", 66, 100)]
    {
        let key = Key::new(algorithm, 1);
        let scene = Scene::new(policy_of(&key)).signature_image(junk(length, at), Some(scene::MANIFEST_TYPE));
        let comment = "CVE-2024-45395: more work than one decision does. The budget is counted in core, so every host stops at the same signature.";
        add(
            book,
            &format!("budget/{name}"),
            scene.vector("budget", comment, unknown("budget").text("units of signature checks")),
        );
    }
    let key = Key::p256(1);
    let scene = Scene::new(policy_of(&key)).signature_image(junk(32, 60), Some(scene::MANIFEST_TYPE)).no_referrers();
    add(
        book,
        "budget/1000-junk-p256",
        scene.vector(
            "budget",
            "1,000 P-256 checks are within the budget, so that the answer is known.",
            rejected("other-key").text("1000 of 1000"),
        ),
    );
    let key = Key::new("ecdsa-p521", 1);
    let many = Recipe::Repeat(Repeat {
        text: sorted(&layer(&payload(), b"junk")).to_string(),
        count: 999,
        separator: ",".to_owned(),
    });
    let good = Recipe::Text(format!(",{}", sorted(&layer(&payload(), &key.sign(&payload())))));
    let image = manifest_around(Recipe::Concat(vec![many, good]));
    let scene = Scene::new(policy_of(&key)).signature_image(image, Some(scene::MANIFEST_TYPE));
    add(
        book,
        "budget/malformed-is-free",
        scene.vector(
            "budget",
            "What is not of a signature's shape is told apart without arithmetic, and costs nothing.",
            Expect::outcome("accept"),
        ),
    );
    let many: Vec<_> = (0..256).map(|n| format!("k{n}")).collect();
    let conditions: Vec<_> = many.iter().map(|name| format!("        annotations: {{for: {name}}}\n")).collect();
    let signers: Vec<_> =
        many.iter().zip(&conditions).map(|(name, more)| (name.as_str(), key.public.as_str(), more.as_str())).collect();
    let text = policy("many", MATCH, &signers[..64], &format!("{{anyOf: [{}]}}", many[..64].join(", ")));
    let layers: Vec<_> = (2..7).map(|seed| layer(&payload(), &Key::new("ecdsa-p521", seed).sign(&payload()))).collect();
    let scene = Scene::new(text).layers(&layers).no_referrers();
    add(
        book,
        "budget/one-key-many-names",
        scene.vector("budget", "One key under 64 names is checked once for each signature.", rejected("other-key")),
    );
    let text = payload_for(APP, &subject(), "null");
    let copies = vec![layer(&text, &Key::new("ecdsa-p521", 2).sign(&text)); 400];
    let image = manifest_around(Recipe::Repeat(Repeat {
        text: sorted(&copies[0]).to_string(),
        count: copies.len(),
        separator: ",".to_owned(),
    }));
    let scene = Scene::new(policy_of(&key)).signature_image(image, Some(scene::MANIFEST_TYPE)).no_referrers();
    add(
        book,
        "budget/one-signature-400-times",
        scene.vector("budget", "One signature 400 times is checked once.", rejected("other-key").text("400 of 400")),
    );
}

fn checked(book: &mut Book) {
    let key = Key::p256(1);
    let mut add = |name: &str, public: &str, signature: Vec<u8>, hash: &str, comment: &str, expect| {
        let vector = Vector {
            comment: comment.to_owned(),
            layer: "signature".to_owned(),
            operation: "check".to_owned(),
            header: Some(json!({"key": 0, "message": 1, "signature": 2, "hash": hash})),
            header_bytes: None,
            message: None,
            blobs: vec![Recipe::lines(public), Recipe::Text(payload()), Recipe::Base64(toolbox::base64(&signature))],
            expect,
        };
        add(book, &format!("check/{name}"), vector);
    };
    let valid = || Expect::outcome("ok").answer(json!({"valid": true}));
    let invalid = || Expect::outcome("ok").answer(json!({"valid": false}));
    let good = key.sign(&payload());
    add("p256", &key.public, good.clone(), "sha256", "One raw signature by one key.", valid());
    add(
        "p256-flipped",
        &key.public,
        toolbox::flipped(&good, 60),
        "sha256",
        "One bit.",
        invalid().text("does not verify"),
    );
    add(
        "p256-not-der",
        &key.public,
        vec![0x30, 0],
        "sha256",
        "Not a signature by its shape.",
        invalid().text("not a ecdsa-p256 signature"),
    );
    add("p256-other-hash", &key.public, good, "sha512", "Another hash.", invalid());
    let key = Key::new("ed25519", 3);
    let good = key.sign(&payload());
    add("ed25519-hash-not-used", &key.public, good.clone(), "sha512", "Ed25519 has its own hash.", valid());
    add("ed25519-65-octets", &key.public, [good.as_slice(), &[0]].concat(), "sha256", "One octet too many.", invalid());
    let mut large = good;
    // S + L, the malleable twin that RFC 8032, section 5.1.7, refuses: every octet of L added with carry.
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").expect("hex");
    let mut carry = 0u16;
    for (octet, add) in large[32..].iter_mut().zip(order) {
        let sum = u16::from(*octet) + u16::from(add) + carry;
        *octet = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    add(
        "ed25519-large-s",
        &key.public,
        large,
        "sha256",
        "S at or above the order of the group (RFC 8032, section 5.1.7).",
        invalid(),
    );
    let rsa = toolbox::pem_content(RSA_2048_SIGNATURE);
    add("rsa", RSA_2048, rsa.clone(), "sha256", "RSASSA-PKCS1-v1_5.", valid());
    add("rsa-other-hash", RSA_2048, rsa, "sha384", "The hash is named inside the padding.", invalid());
}
