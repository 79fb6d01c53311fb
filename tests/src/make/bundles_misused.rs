//! Bundles that are well formed and do not say what they are offered for: other signers, other images, other types, and
//! signatures over something else than the encoding of type and payload.

use serde_json::{Value, json};

use super::constants::CERTIFICATE;
use super::dsse::{
    IN_TOTO, PROVENANCE, SIGNATURE, Stored, bundle, bundle_around, changed, envelope, envelope_around, pae, statement,
    statement_about, text,
};
use super::scene::{APP, MATCH, Scene, layer, payload, policy, policy_of, subject};
use super::toolbox::{self, Key};
use super::{Book, add, rejected};
use crate::expect::Expect;

pub(super) fn write(book: &mut Book) {
    signers(book);
    encodings(book);
    bindings(book);
    types(book);
    identities(book);
}

/// A scene with one bundle, nothing under the tag, and what must come of it.
fn one(book: &mut Book, name: &str, layer: &str, stored: Stored, comment: &str, expect: Expect) {
    let scene = Scene::bundled(policy_of(&Key::p256(1)), &[stored]).no_tag();
    add(book, &format!("misuse/{name}"), scene.vector(layer, comment, expect));
}

fn signers(book: &mut Book) {
    let (key, other) = (Key::p256(1), Key::p256(2));
    let mut add = |name: &str, bundle: &Value, comment: &str| {
        one(book, name, "signature", Stored::new(bundle), comment, rejected("other-key").text("1 of 1 signatures"));
    };
    add("other-key", &bundle(&other, &statement()), "By a key that nobody pinned.");
    let named = bundle_around(&key.public, &envelope(&other, &text(&statement())));
    add("other-key-with-the-hint", &named, "By another key, with the pinned one's hint: a hint proves nothing.");
    let certified = changed(bundle(&other, &statement()), |it| {
        it["verificationMaterial"] =
            json!({"certificate": {"rawBytes": toolbox::base64(&toolbox::pem_content(CERTIFICATE))}});
    });
    let payload = text(&statement());
    let good = key.sign(&pae(IN_TOTO, &payload));
    let signed = |signature: &[u8]| bundle_around(&key.public, &envelope_around(&payload, signature));
    add("signature-flipped", &signed(&toolbox::flipped(&good, 40)), "One bit of the signature.");
    add("signature-trailing-octet", &signed(&[good.as_slice(), &[0]].concat()), "One octet after the DER.");
    let pae = pae(IN_TOTO, &payload);
    add("ed25519-on-ecdsa-key", &signed(&Key::new("ed25519", 3).sign(&pae)), "The key fixes the algorithm.");
    add("p384-on-p256-key", &signed(&Key::new("ecdsa-p384", 1).sign(&pae)), "The same entropy on another curve.");
    add("sha384-on-p256-key", &signed(&key.sign_with(&pae, "sha384")), "The key fixes the hash as well.");
    add("signature-zero", &signed(&toolbox::der_pair(&[0], &[0], false)), "CVE-2022-21449 (psychic signatures).");
    let moved = changed(statement(), |it| it["subject"][0]["name"] = json!("a"));
    let moved = bundle_around(&key.public, &envelope_around(&text(&moved), &good));
    add("payload-changed", &moved, "The signature of one payload beside another (CVE-2022-23649).");
    let comment = "A certificate, and not by the pinned key: named, so that nobody takes rejected for unsigned.";
    let expect = rejected("other-key").text("cosign signature with a certificate");
    one(book, "certificate", "signature", Stored::new(&certified), comment, expect);
}

fn encodings(book: &mut Book) {
    let key = Key::p256(1);
    let said = text(&statement());
    let mut add_one = |name: &str, payload: &str, signed: &str, comment: &str, expect: Expect| {
        let bundle = bundle_around(&key.public, &envelope_around(payload, &key.sign(signed)));
        one(book, name, "signature", Stored::new(&bundle), comment, expect);
    };
    let by_other = || rejected("other-key");
    add_one(
        "signed-payload-only",
        &said,
        &said,
        "Over the payload and not over its encoding: the type was not signed.",
        by_other(),
    );
    let base64 = toolbox::base64(said.as_bytes());
    add_one("signed-base64", &said, &base64, "Over the base64 text.", by_other());
    add_one(
        "signed-encoded-base64",
        &said,
        &pae(IN_TOTO, &base64),
        "Over the encoding of the base64 text.",
        by_other(),
    );
    add_one(
        "signed-other-type",
        &said,
        &pae("text/plain", &said),
        "Signed as text, offered as a statement.",
        by_other(),
    );
    let v2 = pae(IN_TOTO, &said).replacen("DSSEv1", "DSSEv2", 1);
    add_one("signed-other-version", &said, &v2, "Another version of the encoding.", by_other());
    let padded = pae(IN_TOTO, &said).replacen(" 28 ", " 028 ", 1);
    add_one("signed-padded-length", &said, &padded, "A length with a leading zero.", by_other());
    // A legacy signature is over the payload itself.
    add_one(
        "legacy-payload",
        &payload(),
        &payload(),
        "A legacy signature, its payload put into an envelope: it is not over the encoding.",
        by_other(),
    );
    add_one(
        "legacy-payload-encoded",
        &payload(),
        &pae(IN_TOTO, &payload()),
        "A simple-signing payload, signed as a statement: it is none.",
        rejected("payload").text("signed by this key, but statement"),
    );
    let in_tag = |name: &str, payload: &str, signed: &str, comment: &str, expect: Expect, book: &mut Book| {
        let scene = Scene::new(policy_of(&key)).layers(&[layer(payload, &key.sign(signed))]).fetched(payload);
        add(book, &format!("misuse/{name}"), scene.vector("signature", comment, expect));
    };
    let encoded = pae(IN_TOTO, &said);
    in_tag(
        "statement-in-legacy",
        &said,
        &encoded,
        "A statement as the payload of a legacy layer, with the bundle's signature: that is not over these bytes.",
        by_other(),
        book,
    );
    in_tag(
        "encoding-in-legacy",
        &encoded,
        &encoded,
        "The encoding itself as the payload of a legacy layer: the signature holds, and it is no payload.",
        rejected("payload").text("signed by this key, but payload"),
        book,
    );
    in_tag(
        "signed-statement-in-legacy",
        &said,
        &said,
        "A statement signed as a legacy payload: the signature holds, and it is none.",
        rejected("payload"),
        book,
    );
}

fn bindings(book: &mut Book) {
    let key = Key::p256(1);
    let mut says = |name: &str, statement: &Value, comment: &str, text: &str| {
        let stored = Stored::new(&bundle(&key, statement));
        one(book, name, "statement", stored, comment, rejected("wrong-digest").text(text));
    };
    let other = toolbox::digest("another");
    says(
        "other-image",
        &statement_about(SIGNATURE, &other, &json!({})),
        "A good signature of another image, listed and stored as one of this image.",
        &format!("made for {other}"),
    );
    let sha512 = hex::encode(<sha2::Sha512 as sha2::Digest>::digest("the manifest that is signed\n"));
    says(
        "sha512-subject",
        &statement_about(SIGNATURE, &format!("sha512:{sha512}"), &json!({})),
        "Signed by the SHA-512 digest, asked for by the SHA-256 one: two names, and the same content cannot be known.",
        "made for sha512:",
    );
    let hex = subject().split_off("sha256:".len());
    says(
        "digest-under-other-algorithm",
        &changed(statement(), |it| it["subject"][0]["digest"] = json!({"sha3-256": hex})),
        "The right hex under the name of another algorithm.",
        "no digest that can be compared",
    );
    says(
        "digest-as-name",
        &changed(statement_about(SIGNATURE, &other, &json!({})), |it| it["subject"][0]["name"] = json!(subject())),
        "The digest as a subject's name: names are free, and match nothing.",
        "made for",
    );
    says(
        "digest-in-predicate",
        &statement_about(SIGNATURE, &other, &json!({"digest": {"sha256": hex}})),
        "The digest in the predicate: only subjects are signed for.",
        "made for",
    );
}

fn types(book: &mut Book) {
    let key = Key::p256(1);
    let said =
        |predicate_type: &str| Stored::new(&bundle(&key, &statement_about(predicate_type, &subject(), &json!({}))));
    for (name, predicate_type) in [
        ("provenance", PROVENANCE),
        ("sbom", "https://spdx.dev/Document"),
        ("custom", "https://cosign.sigstore.dev/attestation/v1"),
        ("longer-type", "https://sigstore.dev/cosign/sign/v1/"),
        ("type-in-capitals", "https://sigstore.dev/cosign/Sign/v1"),
    ] {
        let comment = "CVE-2022-35929, GHSA-w6c6-c85g-mmv6: signed by the right key about the right image, and not a signature. The \
                       annotation that calls it one is not signed.";
        let expect = rejected("wrong-predicate-type").text(predicate_type);
        one(book, &format!("{name}-as-signature"), "statement", said(predicate_type), comment, expect);
    }
    let comment = "The same without an annotation.";
    let expect = || rejected("wrong-predicate-type");
    one(book, "provenance-unannotated", "statement", said(PROVENANCE).untyped(), comment, expect());
    let comment = "An attestation that says so: named, not fetched.";
    let named = rejected("not-signed").text("attestation of type https://slsa.dev/provenance/v1");
    let scene = Scene::new(policy_of(&key)).listed(&[said(PROVENANCE).typed(PROVENANCE)]).no_tag();
    add(book, "misuse/provenance-only", scene.vector("evidence", comment, named));
    let lying = Stored::new(&bundle(&key, &statement())).typed(PROVENANCE);
    let comment = "A signature annotated as something else is not looked at: an annotation can only withhold.";
    let named = rejected("not-signed").text("attestation of type");
    let scene = Scene::new(policy_of(&key)).listed(&[lying]).no_tag();
    add(book, "misuse/signature-annotated-as-provenance", scene.vector("evidence", comment, named));
}

fn identities(book: &mut Book) {
    let key = Key::p256(1);
    let mut asks = |name: &str, signer: &str, image: &str, statement: &Value, comment: &str, expect: Expect| {
        let policy = policy("app", MATCH, &[("release", &key.public, signer)], "release");
        let scene = Scene::bundled(policy, &[Stored::new(&bundle(&key, statement))]).image(image).no_tag();
        add(book, &format!("misuse/{name}"), scene.vector("statement", comment, expect));
    };
    let by_digest = super::scene::image();
    let by_tag = format!("{APP}:1.4@{}", subject());
    let named = |name: &str| changed(statement(), |it| it["subject"][0]["name"] = json!(name));
    let exact = "        identity: exact\n";
    asks(
        "exact-without-identity",
        exact,
        &by_digest,
        &statement(),
        "`exact`, and what cosign 3 signs names no image: it cannot hold.",
        rejected("wrong-identity").text("does not say for which image"),
    );
    asks(
        "exact-with-file-name",
        exact,
        &by_digest,
        &named("app.tar"),
        "`exact`: a name without a registry names no image.",
        rejected("wrong-identity").text("does not say for which image"),
    );
    let other = "registry.example/other";
    asks(
        "other-repository",
        "",
        &by_digest,
        &named(other),
        "A statement that names another repository: the digest is the same, the image is not.",
        rejected("wrong-identity").text("made for \"registry.example/other\""),
    );
    asks(
        "exact-other-repository",
        exact,
        &by_digest,
        &named(other),
        "The same under `exact`.",
        rejected("wrong-identity"),
    );
    asks(
        "exact-other-tag",
        exact,
        &by_tag,
        &named(&format!("{APP}:1.3")),
        "`exact`: signed as 1.3, asked for as 1.4.",
        rejected("wrong-identity").text("1.3"),
    );
    asks(
        "exact-no-tag",
        exact,
        &by_tag,
        &named(APP),
        "`exact`: signed without a tag, asked for as 1.4.",
        rejected("wrong-identity"),
    );
    let wants = "        annotations: {stage: production}\n";
    let annotated = |value: Value| changed(statement(), |it| it["subject"][0]["annotations"] = json!({"stage": value}));
    for (name, statement, comment) in [
        ("annotation-missing", statement(), "An annotation that the policy asks for was not signed."),
        ("annotation-different", annotated(json!("test")), "Another value."),
        ("annotation-a-list", annotated(json!(["production"])), "A list with the text is not the text."),
    ] {
        asks(name, wants, &by_digest, &statement, comment, rejected("annotation").text("stage"));
    }
    let elsewhere = changed(annotated(json!("production")), |it| {
        it["subject"][0]["digest"]["sha256"] = json!("a".repeat(64));
        let plain = statement()["subject"][0].clone();
        it["subject"].as_array_mut().expect("a list").push(plain);
    });
    asks(
        "annotation-of-another-subject",
        wants,
        &by_digest,
        &elsewhere,
        "The annotation is on another subject of the same statement: it is said of that one.",
        rejected("annotation"),
    );
    let halves = changed(statement(), |it| {
        let digest = it["subject"][0]["digest"].clone();
        it["subject"] = json!([{"name": APP, "digest": digest},
            {"name": "registry.example/other", "digest": digest, "annotations": {"stage": "production"}}]);
    });
    asks(
        "two-halves",
        wants,
        &by_digest,
        &halves,
        "The digest under two names: one is this image's, the other one has the annotation. One has to have both.",
        rejected("annotation"),
    );
    for (name, text) in
        [("capitals", "registry.example/App"), ("space", "registry.example/app "), ("empty", "registry.example/")]
    {
        asks(
            &format!("name-unreadable-{name}"),
            "",
            &by_digest,
            &named(text),
            "A name that means an image and is not this one's: not read as if nothing were said.",
            rejected("wrong-identity"),
        );
    }
    let in_predicate = changed(statement(), |it| {
        it["predicate"] = json!({"stage": "production", "annotations": {"stage": "production"}})
    });
    asks(
        "annotation-in-predicate",
        wants,
        &by_digest,
        &in_predicate,
        "In the predicate it is no annotation.",
        rejected("annotation"),
    );
}
