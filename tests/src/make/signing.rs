//! Signing from prepare to assemble: every form, and every misuse of it.

use bulla_abi::Operation;
use serde_json::{Value, json};

use super::keys::{ok, vector};
use super::scene::{APP, MANIFEST_TYPE, image, payload, payload_for, subject};
use super::toolbox::{self, Key, call};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;

/// The type of an attestation that nobody knows.
const REVIEW: &str = "https://example.test/review/v1";

pub(super) fn write(book: &mut Book) {
    sign(book);
    prepare(book);
    assemble(book);
    assemble_statements(book);
}

fn sign(book: &mut Book) {
    let key = Key::p256(1);
    let blobs = |key: &str| vec![Recipe::lines(key), Recipe::Text(payload())];
    let header = json!({"key": 0, "message": 1, "hash": "sha256"});
    add(
        book,
        "sign/p256",
        vector(
            "sign",
            header.clone(),
            blobs(&key.private),
            "RFC 6979: the same signature in every host.",
            ok(json!({"signature": 0, "fingerprint": key.fingerprint})),
        ),
    );
    let no_key = Expect::error("key-invalid").text("private key is needed");
    add(book, "sign/public-key", vector("sign", header, blobs(&key.public), "A public key signs nothing.", no_key));
}

fn prepare(book: &mut Book) {
    let mut add = |name: &str, header: Value, blobs: Vec<Recipe>, comment: &str, expect| {
        add(book, &format!("prepare/{name}"), vector("prepare", header, blobs, comment, expect));
    };
    let refused = |text: &str| Expect::error("signing").text(text);
    add(
        "by-digest",
        json!({"image": image()}),
        vec![],
        "The exact bytes that cosign signs: payload and message are one blob.",
        ok(json!({"payload": 0, "message": 0, "hash": "sha256", "digest": toolbox::digest(payload())})),
    );
    add(
        "by-tag",
        json!({"image": format!("{APP}:1.4")}),
        vec![],
        "A signature is over a digest: the tag is resolved first.",
        refused("names no digest"),
    );
    let invalid = || Expect::error("message-invalid");
    add("not-a-reference", json!({"image": "App"}), vec![], "Not a reference.", invalid());
    add("unknown-form", json!({"image": image(), "form": "simple"}), vec![], "A form that nobody writes.", invalid());
    add("unknown-field", json!({"image": image(), "key": 0}), vec![], "No field is ignored.", invalid());
    let annotations: serde_json::Map<String, Value> =
        (0..129).map(|number| (format!("a{number:03}"), json!(""))).collect();
    for form in ["legacy", "bundle"] {
        add(
            &format!("annotations-{form}"),
            json!({"image": image(), "form": form, "annotations": annotations}),
            vec![],
            "More annotations than verifiers take.",
            refused("129 annotations"),
        );
    }
    let bundle = statement("https://sigstore.dev/cosign/sign/v1", "{}", &json!({"stage": "tested"}));
    add(
        "bundle",
        json!({"image": image(), "form": "bundle", "annotations": {"stage": "tested"}}),
        vec![],
        "What cosign 3 signs, with the repository as the subject's name, which cosign ignores and Bulla compares.",
        ok(json!({"payload": 0, "message": 1, "digest": toolbox::digest(pae(&bundle))})).document(document(&bundle)),
    );
    attestations(&mut add);
}

fn attestations(add: &mut impl FnMut(&str, Value, Vec<Recipe>, &str, Expect)) {
    let refused = |text: &str| Expect::error("signing").text(text);
    let attest = |form: &str, predicate_type: &str| {
        json!({"image": image(), "form": form,
            "attestation": {"predicateType": predicate_type, "predicate": 0}})
    };
    let file = |text: &str| vec![Recipe::Text(text.to_owned())];
    let review = statement(REVIEW, r#"{"approved":true}"#, &json!({}));
    for form in ["legacy", "bundle"] {
        add(
            &format!("attestation-{form}"),
            attest(form, REVIEW),
            file(r#"{"approved":true}"#),
            "The statement is the same in both forms.",
            ok(json!({"payload": 0, "message": 1, "digest": toolbox::digest(pae(&review))}))
                .document(document(&review)),
        );
    }
    add(
        "attestation-by-name",
        attest("bundle", "cyclonedx"),
        file("{}"),
        "Cosign's names stand for URIs.",
        Expect::outcome("ok").document(json!({"predicateType": "https://cyclonedx.org/bom", "predicate": {}})),
    );
    let mut custom = attest("bundle", "custom");
    custom["attestation"]["now"] = json!(1_767_225_600);
    let wrapped = json!({"Data": "no JSON", "Timestamp": "2026-01-01T00:00:00Z"});
    add(
        "attestation-custom",
        custom,
        file("no JSON"),
        "Cosign wraps any text, and says when.",
        Expect::outcome("ok").document(json!({"predicate": wrapped})),
    );
    let text = "no JSON";
    add("custom-without-time", attest("bundle", "custom"), file(text), "The clock is the host's.", refused("time"));
    add("predicate-not-json", attest("bundle", REVIEW), file(text), "Other types are JSON.", refused("predicate"));
    add("predicate-type", attest("bundle", "sbom"), file("{}"), "Neither a URI nor a name.", refused("predicate type"));
    add(
        "predicate-type-of-a-signature",
        attest("bundle", "https://sigstore.dev/cosign/sign/v1"),
        file("{}"),
        "It would count as a signature.",
        refused("sign the image instead"),
    );
    let mut listed = attest("bundle", REVIEW);
    listed["attestation"] = json!([REVIEW, 0]);
    let invalid = Expect::error("message-invalid");
    add("attestation-as-list", listed, file("{}"), "A list is no structure.", invalid.clone());
    add("no-such-blob", attest("bundle", REVIEW), vec![], "A blob that is not there.", invalid);
}

fn assemble(book: &mut Book) {
    let key = Key::p256(1);
    let signature = key.sign(&payload());
    let mut add = |name: &str, mut header: Value, payload: &str, more: Vec<(&str, Vec<u8>)>, comment: &str, expect| {
        let mut blobs = vec![
            Recipe::Text(payload.to_owned()),
            Recipe::Base64(toolbox::base64(&signature)),
            Recipe::lines(&key.public),
        ];
        for (field, bytes) in more {
            header[field] = json!(blobs.len());
            blobs.push(Recipe::of(&bytes));
        }
        let vector = vector("assemble", with_blobs(header), blobs, comment, expect);
        add(book, &format!("assemble/{name}"), vector);
    };
    let this = || json!({"image": image()});
    let refused = |text: &str| Expect::error("signing").text(text);
    let invalid = |text: &str| Expect::error("message-invalid").text(text);
    let tag = format!("{}.sig", subject().replace(':', "-"));
    let place = json!({"registry": "registry.example", "repository": "app", "tag": tag, "reference": tag,
        "subject": null, "alreadyThere": false});
    add("first", this(), &payload(), vec![], "The first signature of an image.", ok(place));
    let mut elsewhere = this();
    elsewhere["signatureRepository"] = json!("other.example/signatures");
    let place = json!({"registry": "other.example", "repository": "signatures", "tag": tag});
    add("elsewhere", elsewhere.clone(), &payload(), vec![], "Kept in a repository of its own.", ok(place));
    elsewhere["signatureRepository"] = json!("Signatures");
    add("elsewhere-not-a-name", elsewhere, &payload(), vec![], "No repository.", invalid("signatureRepository"));
    let blobs = vec![payload().into_bytes(), signature.clone(), key.public.clone().into_bytes()];
    let (_, plan) = call(Operation::Assemble, &with_blobs(this()), blobs);
    add(
        "already-there",
        this(),
        &payload(),
        vec![("existing", plan[0].clone())],
        "Signing twice changes nothing.",
        ok(json!({"alreadyThere": true})),
    );
    add(
        "existing-unreadable",
        this(),
        &payload(),
        vec![("existing", b"{}".to_vec())],
        "What lies there cannot be read; writing would lose it.",
        refused("would lose them"),
    );
    let other = Key::p256(2).sign(&payload());
    let blobs = vec![payload().into_bytes(), other, Key::p256(2).public.into_bytes()];
    let (_, others) = call(Operation::Assemble, &with_blobs(this()), blobs);
    let layers: Value = serde_json::from_slice(&others[0]).expect("a manifest is JSON");
    let lost = json!({"layers": [layers["layers"][0], {"digest": toolbox::digest(payload())}]});
    add(
        "dropped-comes-back",
        this(),
        &payload(),
        vec![("written", others[0].clone())],
        "What this signer had put there, and another one dropped, is put back.",
        ok(json!({"alreadyThere": false})).document(lost),
    );
    let another = json!({"image": format!("{APP}@{}", toolbox::digest("another"))});
    add("other-image", another, &payload(), vec![], "A payload about another image.", refused("is about"));
    let optional = payload_for(APP, &subject(), "{}");
    add(
        "other-payload",
        this(),
        &optional,
        vec![],
        "A signature over another payload is never pushed.",
        refused("does not hold"),
    );
    let manifest = vec![("manifest", b"{}".to_vec())];
    add("legacy-with-manifest", this(), &payload(), manifest, "A field of the other form.", invalid("bundle"));
    let mut unknown = this();
    unknown["form"] = json!("simple");
    add("unknown-form", unknown, &payload(), vec![], "A form that nobody writes.", invalid("simple"));
    let mut unknown = this();
    unknown["tag"] = json!("latest");
    add("unknown-field", unknown, &payload(), vec![], "No field is ignored.", invalid("tag"));
}

fn assemble_statements(book: &mut Book) {
    let key = Key::p256(1);
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST_TYPE}","config":{{"mediaType":"a/b","digest":"{}","size":2}},"layers":[]}}"#,
        toolbox::digest("{}")
    );
    let digest = toolbox::digest(&manifest);
    let this = format!("{APP}@{digest}");
    let about = |predicate_type: &str| {
        let (name, hex) = (APP, digest.replace("sha256:", ""));
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"{name}","digest":{{"sha256":"{hex}"}}}}],"predicateType":"{predicate_type}","predicate":{{}}}}"#
        )
    };
    let mut add = |name: &str, header: Value, payload: &str, more: Vec<(&str, &str)>, comment: &str, expect| {
        let mut header = with_blobs(header);
        let signature = key.sign(&pae(payload));
        let mut blobs = vec![
            Recipe::Text(payload.to_owned()),
            Recipe::Base64(toolbox::base64(&signature)),
            Recipe::lines(&key.public),
        ];
        for (field, text) in more {
            header[field] = json!(blobs.len());
            blobs.push(Recipe::Text(text.to_owned()));
        }
        add(book, &format!("assemble/{name}"), vector("assemble", header, blobs, comment, expect));
    };
    let refused = |text: &str| Expect::error("signing").text(text);
    let invalid = |text: &str| Expect::error("message-invalid").text(text);
    let signed = about("https://sigstore.dev/cosign/sign/v1");
    let bundle = || json!({"image": this, "form": "bundle"});
    let attestation = |form: &str, predicate_type: &str| json!({"image": this, "form": form, "attestation": {"predicateType": predicate_type}});
    let image = || vec![("manifest", manifest.as_str())];
    let refers = json!({
        "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "subject": {"mediaType": MANIFEST_TYPE, "digest": digest, "size": manifest.len()},
    });
    let place = json!({"tag": null, "subject": digest, "mediaType": MANIFEST_TYPE, "alreadyThere": false});
    add("bundle", bundle(), &signed, image(), "A referrer, pushed by its digest.", ok(place).document(refers));
    let review = about(REVIEW);
    add(
        "bundle-attestation",
        attestation("bundle", REVIEW),
        &review,
        image(),
        "The same for an attestation.",
        ok(json!({"tag": null, "subject": digest})),
    );
    let tag = format!("{}.att", digest.replace(':', "-"));
    let layers = json!([{"mediaType": "application/vnd.dsse.envelope.v1+json",
        "annotations": {"dev.cosignproject.cosign/signature": "", "predicateType": REVIEW}}]);
    add(
        "legacy-attestation",
        attestation("legacy", REVIEW),
        &review,
        vec![],
        "An envelope under cosign's tag.",
        ok(json!({"tag": tag, "reference": tag, "subject": null})).document(json!({ "layers": layers })),
    );
    add("bundle-without-manifest", bundle(), &signed, vec![], "Its size is stated.", invalid("manifest"));
    add(
        "bundle-other-manifest",
        bundle(),
        &signed,
        vec![("manifest", "{}")],
        "A manifest of another digest.",
        refused("not the image's"),
    );
    let existing = vec![("manifest", manifest.as_str()), ("existing", "{}")];
    add("bundle-with-existing", bundle(), &signed, existing, "A field of the other form.", invalid("legacy"));
    let mut contradicting = bundle();
    contradicting["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    add("bundle-media-type", contradicting, &signed, image(), "It came as something else.", refused("manifest"));
    add(
        "other-predicate-type",
        attestation("bundle", "spdxjson"),
        &review,
        image(),
        "Signed as one type, published as another (CVE-2022-35929).",
        refused("predicate type"),
    );
    add(
        "attestation-as-signature",
        bundle(),
        &review,
        image(),
        "An attestation never is published as a signature.",
        refused("predicate type"),
    );
    add(
        "signature-as-attestation",
        attestation("legacy", "https://sigstore.dev/cosign/sign/v1"),
        &signed,
        vec![],
        "Nor a signature as an attestation.",
        refused("sign the image instead"),
    );
    add(
        "statement-as-payload",
        json!({ "image": this }),
        &signed,
        vec![],
        "The encoding is signed, and not the statement.",
        refused("does not hold"),
    );
    let other = signed.replace(&digest.replace("sha256:", ""), &"0".repeat(64));
    add("bundle-other-image", bundle(), &other, image(), "A statement about another image.", refused("is about"));
}

/// The header with the blobs that every assembly has.
fn with_blobs(mut header: Value) -> Value {
    for (index, field) in ["payload", "signature", "publicKey"].into_iter().enumerate() {
        header[field] = json!(index);
    }
    header
}

/// A statement about the image of the vectors, as it is written.
fn statement(predicate_type: &str, predicate: &str, annotations: &Value) -> String {
    let annotations = match annotations.as_object().is_some_and(|members| members.is_empty()) {
        true => String::new(),
        false => format!(r#","annotations":{annotations}"#),
    };
    let hex = subject().replace("sha256:", "");
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"{APP}","digest":{{"sha256":"{hex}"}}{annotations}}}],"predicateType":"{predicate_type}","predicate":{predicate}}}"#
    )
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("a statement is JSON")
}

/// What is signed of a statement (DSSE, protocol.md).
fn pae(payload: &str) -> String {
    format!("DSSEv1 28 application/vnd.in-toto+json {} {payload}", payload.len())
}
