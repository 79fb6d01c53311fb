//! Signing for Notation from prepare to assemble, and every misuse of it. Timestamps are in `notation_stamped`.

use bulla_abi::Operation;
use serde_json::{Value, json};

use super::keys::{ok, vector};
use super::notation::{INTERMEDIATE, LEAF, NOW, ROOT, digest, image_manifest, sign};
use super::notation_chains::chain_of;
use super::scene::{APP, MANIFEST_TYPE};
use super::toolbox::{self, Key, call};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;

/// The signer's certificates, PEM.
pub(super) fn chain() -> String {
    [LEAF, INTERMEDIATE, ROOT].concat()
}

/// What notation signs of a blob of three octets.
const PAYLOAD: &str = r#"{"targetArtifact":{"annotations":{"stage":"tested"},"digest":"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","mediaType":"application/octet-stream","size":3}}"#;

pub(super) fn write(book: &mut Book) {
    prepared(book);
    not_prepared(book);
    assembled(book);
    not_assembled(book);
}

/// The image by its digest.
fn image() -> String {
    format!("{APP}@{}", digest())
}

fn refused(text: &str) -> Expect {
    Expect::error("signing").text(text)
}

/// A request to prepare: the image's manifest is blob 0, the chain blob 1.
fn request(change: impl FnOnce(&mut Value)) -> Value {
    let mut header = json!({"image": image(), "form": "notation", "manifest": 0,
        "notation": {"envelope": "jws", "chain": 1, "now": NOW}});
    change(&mut header);
    header
}

/// A request to prepare a payload, blob 0, as it is.
fn of_payload(change: impl FnOnce(&mut Value)) -> Value {
    let mut header = json!({"form": "notation", "payload": 0, "notation": {"envelope": "jws", "chain": 1, "now": NOW}});
    change(&mut header);
    header
}

fn prepared(book: &mut Book) {
    let mut add = |name: &str, header: Value, first: &str, comment: &str, expect: Expect| {
        let blobs = vec![Recipe::Text(first.to_owned()), Recipe::lines(&chain())];
        add(book, &format!("prepare/notation-{name}"), vector("prepare", header, blobs, comment, expect));
    };
    let manifest = image_manifest();
    let said = json!({"payload": 0, "protected": 1, "message": 2, "algorithm": "ES256", "hash": "sha256",
        "identity": "x509.subject: CN=p256,O=Bulla Test,L=Seattle,ST=WA,C=US"});
    let target = |metadata: Value| {
        let mut target = json!({"mediaType": MANIFEST_TYPE, "digest": digest(), "size": manifest.len()});
        if !metadata.is_null() {
            target["annotations"] = metadata;
        }
        json!({ "targetArtifact": target })
    };
    let comment = "What is signed is the image's descriptor; the key's certificate says how.";
    let expect = ok(said.clone()).document(target(Value::Null));
    add("jws", request(|_| {}), &manifest, comment, expect);
    let whole = request(|it| {
        it["annotations"] = json!({"stage": "tested"});
        it["notation"]["envelope"] = json!("cose");
        it["notation"]["expiry"] = json!(NOW + 60);
    });
    let expect = ok(said.clone()).document(target(json!({"stage": "tested"})));
    add("cose", whole, &manifest, "User metadata is signed with it, and so is an expiry.", expect);
    let document: Value = serde_json::from_str(PAYLOAD).expect("JSON");
    let comment = "A payload that somebody else wrote is signed as it is.";
    let expect = ok(said).document(document);
    add("payload", of_payload(|it| it["notation"]["plugin"] = json!(true)), PAYLOAD, comment, expect);
}

fn not_prepared(book: &mut Book) {
    let manifest = image_manifest();
    let mut add = |name: &str, header: Value, first: &str, chain: &str, comment: &str, expect: Expect| {
        let blobs = vec![Recipe::Text(first.to_owned()), Recipe::Text(chain.to_owned())];
        add(book, &format!("prepare/notation-{name}"), vector("prepare", header, blobs, comment, expect));
    };
    let mut wrong = |name: &str, change: &dyn Fn(&mut Value), comment: &str, expect: Expect| {
        add(name, request(change), &manifest, &chain(), comment, expect);
    };
    let tag = "A signature is over a digest: the tag is resolved first.";
    wrong("by-tag", &|it| it["image"] = json!(format!("{APP}:1.4")), tag, refused("names no digest"));
    let comment = "The manifest of another image.";
    let other = format!("{APP}@{}", toolbox::digest("another"));
    wrong("other-manifest", &|it| it["image"] = json!(other), comment, refused("not the image's"));
    let index = "application/vnd.oci.image.index.v1+json";
    wrong("other-media-type", &|it| it["mediaType"] = json!(index), "It came as something else.", refused("manifest"));
    let comment = "Names that the specification keeps for itself.";
    let reserved = |it: &mut Value| it["annotations"] = json!({"io.cncf.notary.stage": "tested"});
    wrong("reserved", &reserved, comment, refused("are reserved"));
    let many: serde_json::Map<String, Value> = (0..129).map(|n| (format!("a{n:03}"), json!(""))).collect();
    let many = |it: &mut Value| it["annotations"] = Value::Object(many.clone());
    wrong("metadata-many", &many, "More metadata than verifiers take.", refused("129"));
    for (name, expiry, comment) in [
        ("expiry-now", NOW, "It would expire as it is made."),
        ("expiry-past", NOW - 1, "It would have expired before it is made."),
        ("expiry-far", 253_402_300_800, "A moment that RFC 3339 cannot write."),
    ] {
        wrong(name, &|it| it["notation"]["expiry"] = json!(expiry), comment, refused("has to be after"));
    }
    let early = |it: &mut Value| it["notation"]["now"] = json!(1_700_000_000);
    wrong("before-validity", &early, "The certificate was not valid yet.", refused("is not valid at"));
    let late = |it: &mut Value| it["notation"]["now"] = json!(2_400_000_000_i64);
    wrong("after-validity", &late, "The certificate is not valid any more.", refused("is not valid at"));
    let invalid = |text: &str| Expect::error("message-invalid").text(text);
    let pkcs7 = |it: &mut Value| it["notation"]["envelope"] = json!("pkcs7");
    wrong("unknown-envelope", &pkcs7, "A format that nobody writes.", invalid("pkcs7"));
    let unknown = |it: &mut Value| it["notation"]["key"] = json!(1);
    wrong("unknown-field", &unknown, "No field is ignored.", invalid("key"));
    wrong("image-and-payload", &|it| it["payload"] = json!(0), "Which of the two?", invalid("either `image`"));
    let without = |it: &mut Value| drop(it.as_object_mut().expect("an object").remove("manifest"));
    wrong("no-manifest", &without, "Its media type and size are signed.", invalid("with its `manifest`"));
    let comment = "What is signed with a payload is in it.";
    let annotated = of_payload(|it| it["annotations"] = json!({"stage": "tested"}));
    add("payload-and-metadata", annotated, PAYLOAD, &chain(), comment, invalid("annotations"));
    let comment = "Something that no verifier takes for a payload.";
    add("payload-other", of_payload(|_| {}), "{}", &chain(), comment, refused("targetArtifact"));
    let reserved = PAYLOAD.replace("stage", "io.cncf.notary.stage");
    let comment = "A payload with a name that the specification keeps for itself.";
    add("payload-reserved", of_payload(|_| {}), &reserved, &chain(), comment, refused("are reserved"));
    let mut chains = |name: &str, chain: &str, comment: &str, text: &str| {
        add(name, request(|_| {}), &manifest, chain, comment, refused(text));
    };
    chains("chain-short", &[LEAF, INTERMEDIATE].concat(), "Verifiers want the root as well.", "its root is missing");
    chains("chain-reversed", &[ROOT, INTERMEDIATE, LEAF].concat(), "The root comes last.", "was issued by");
    chains("chain-left-out", &[LEAF, ROOT].concat(), "One in the middle is missing.", "was issued by");
    chains("chain-no-pem", "no certificate", "No certificates.", "notation.chain");
    chains("leaf-is-ca", &chain_of("leaf-is-ca"), "The key of an authority signs no images.", "is a CA");
    let comment = "A size of key that no algorithm goes with.";
    chains("leaf-key", &chain_of("leaf-rsa-2056"), comment, "2056 bits");
}

/// What the module prepares for a request.
pub(super) struct Prepared {
    pub(super) payload: Vec<u8>,
    pub(super) protected: Vec<u8>,
    message: Vec<u8>,
}

impl Prepared {
    /// Of the image, in this format.
    pub(super) fn image(format: &str) -> Self {
        Self::of(&request(|it| it["notation"]["envelope"] = json!(format)), &image_manifest())
    }

    fn of(header: &Value, first: &str) -> Self {
        let blobs = vec![first.as_bytes().to_vec(), chain().into_bytes()];
        let (_, mut blobs) = call(Operation::Prepare, header, blobs);
        let message = blobs.pop().expect("a message");
        let protected = blobs.pop().expect("a header");
        Self { payload: blobs.pop().expect("a payload"), protected, message }
    }

    /// The signature over it.
    pub(super) fn signature(&self) -> Vec<u8> {
        sign(&self.message)
    }

    /// A request to assemble, its blobs: payload, signature, protected header, chain, and the image's manifest.
    pub(super) fn assembly(&self, signature: &[u8]) -> (Value, Vec<Recipe>) {
        let header = json!({"image": image(), "form": "notation", "payload": 0, "signature": 1, "manifest": 4,
            "notation": {"envelope": "jws", "protected": 2, "chain": 3}});
        let blobs = vec![
            Recipe::of(&self.payload),
            Recipe::Base64(toolbox::base64(signature)),
            Recipe::of(&self.protected),
            Recipe::lines(&chain()),
            Recipe::Text(image_manifest()),
        ];
        (header, blobs)
    }
}

fn assembled(book: &mut Book) {
    let mut add = |name: &str, (header, blobs): (Value, Vec<Recipe>), comment: &str, expect: Expect| {
        add(book, &format!("assemble/notation-{name}"), vector("assemble", header, blobs, comment, expect));
    };
    for (format, media_type) in [("jws", "application/jose+json"), ("cose", "application/cose")] {
        let prepared = Prepared::image(format);
        let (mut header, blobs) = prepared.assembly(&prepared.signature());
        header["notation"]["envelope"] = json!(format);
        header["notation"]["agent"] = json!("vectors");
        let place = json!({"registry": "registry.example", "repository": "app", "tag": null, "subject": digest(),
            "mediaType": MANIFEST_TYPE, "alreadyThere": false, "blobs": [{"mediaType": media_type},
            {"mediaType": "application/vnd.cncf.notary.signature"}]});
        let refers = json!({"config": {"mediaType": "application/vnd.cncf.notary.signature"},
            "layers": [{"mediaType": media_type}],
            "subject": {"mediaType": MANIFEST_TYPE, "digest": digest(), "size": image_manifest().len()}});
        add(format, (header, blobs), "A referrer, pushed by its digest.", ok(place).document(refers));
    }
    let prepared = Prepared::of(&of_payload(|it| it["notation"]["envelope"] = json!("cose")), PAYLOAD);
    let (mut header, mut blobs) = prepared.assembly(&prepared.signature());
    blobs.pop();
    let members = header.as_object_mut().expect("an object");
    members.retain(|name, _| name != "image" && name != "manifest");
    header["notation"]["envelope"] = json!("cose");
    let expect = ok(json!({"envelope": 0, "mediaType": "application/cose"}));
    add("payload", (header, blobs), "Of a payload, an envelope is all there is.", expect);
}

fn not_assembled(book: &mut Book) {
    let this = Prepared::image("jws");
    let signature = this.signature();
    let mut add = |name: &str, (header, blobs): (Value, Vec<Recipe>), comment: &str, expect: Expect| {
        add(book, &format!("assemble/notation-{name}"), vector("assemble", header, blobs, comment, expect));
    };
    let with = |index: usize, blob: Recipe| {
        let (header, mut blobs) = this.assembly(&signature);
        blobs[index] = blob;
        (header, blobs)
    };
    let holds_not = || refused("does not hold");
    let by_another = Key::p256(1);
    let der = by_another.sign(core::str::from_utf8(&this.message).expect("text"));
    let (r, s) = toolbox::der_numbers(&der);
    let raw: Vec<u8> = [r, s].into_iter().flat_map(|number| [vec![0; 32 - number.len()], number].concat()).collect();
    let comment = "The key is not the one of the certificate.";
    add("other-key", this.assembly(&raw), comment, holds_not());
    let comment = "As ASN.1 writes it: envelopes have both numbers side by side.";
    add("signature-der", this.assembly(&der_of(&signature)), comment, holds_not());
    add("no-signature", this.assembly(&[]), "Nobody has signed.", refused("a signature of 0 octets"));
    let comment = "Signed for the other format: other octets.";
    add("signature-of-cose", this.assembly(&Prepared::image("cose").signature()), comment, holds_not());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let payload = text(&this.payload).replacen("\"size\":", "\"size\":1", 1);
    let comment = "The payload was changed after it was signed.";
    add("payload-changed", with(0, Recipe::Text(payload)), comment, holds_not());
    let header = text(&this.protected).replace("ES256", "ES384");
    let comment = "The header says another algorithm than the key has.";
    add("other-algorithm", with(2, Recipe::Text(header)), comment, refused("the header says ES384"));
    let header = text(&this.protected).replace("\"crit\":[\"io.cncf.notary.signingScheme\"],", "");
    let comment = "A header that no verifier takes.";
    add("no-critical", with(2, Recipe::Text(header)), comment, refused("no critical attributes"));
    let comment = "The certificate of another key.";
    add("other-chain", with(3, Recipe::Text(chain_of("no-eku"))), comment, refused("does not hold"));
    let short = Recipe::Text([LEAF, INTERMEDIATE].concat());
    add("chain-short", with(3, short), "Verifiers want the root as well.", refused("its root is missing"));
    let manifest = Recipe::Text(image_manifest().replace("a", "b"));
    add("other-manifest", with(4, manifest), "The manifest of another image.", refused("not the image's"));
    let about_another = Prepared::of(&of_payload(|_| {}), PAYLOAD);
    let comment = "A signature that holds, of something else, never is published as one of this image.";
    let expect = refused("was signed, not");
    add("other-image", about_another.assembly(&about_another.signature()), comment, expect);
    let (mut unknown, more) = this.assembly(&signature);
    unknown["publicKey"] = json!(3);
    let expect = Expect::error("message-invalid").text("publicKey");
    add("unknown-field", (unknown, more), "The key is in the certificate.", expect);
    let (mut header, blobs) = this.assembly(&signature);
    header.as_object_mut().expect("an object").remove("image");
    let expect = Expect::error("message-invalid").text("either `image`");
    add("manifest-alone", (header, blobs), "A manifest of no image.", expect);
}

/// The ASN.1 form of a signature that has both numbers side by side.
fn der_of(raw: &[u8]) -> Vec<u8> {
    let number = |number: &[u8]| {
        let number: Vec<u8> = number.iter().copied().skip_while(|octet| *octet == 0).collect();
        let number = if number[0] > 0x7f { [vec![0], number].concat() } else { number };
        [vec![2, u8::try_from(number.len()).expect("short")], number].concat()
    };
    let both = [number(&raw[..32]), number(&raw[32..])].concat();
    [vec![0x30, u8::try_from(both.len()).expect("short")], both].concat()
}
