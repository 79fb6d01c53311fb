//! Prepared, signed and assembled in every form.
#![cfg(test)]

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Attestation, Form, Prepared, PushPlan, Request, Signed, SigningError, Storage, assemble, prepare};
use crate::cosign::bundle::{Bundle, referrer};
use crate::cosign::legacy;
use crate::digest::Digest;
use crate::key::{Algorithm, Hash, PrivateKey};
use crate::manifest::OCI_MANIFEST;
use crate::reference::{Reference, Repository};
use crate::time::UnixTime;

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
const SBOM: Attestation<'_> =
    Attestation { predicate_type: "spdxjson", predicate: br#"{"spdxVersion":"SPDX-2.3"}"#, now: None };

fn image(content: &[u8]) -> Reference {
    Reference::parse(&format!("host.example/app@{}", Digest::sha256(content))).expect("valid")
}

fn prepared(image: &Reference, form: Form, attestation: Option<Attestation<'_>>) -> Result<Prepared, SigningError> {
    prepare(&Request { image, form, annotations: &BTreeMap::new(), attestation })
}

fn plan(
    image: &Reference,
    prepared: &Prepared,
    seed: u8,
    predicate_type: Option<&str>,
    place: Storage<'_>,
) -> Result<PushPlan, SigningError> {
    let algorithm = match seed {
        1 => Algorithm::EcdsaP256,
        2 => Algorithm::EcdsaP384,
        3 => Algorithm::EcdsaP521,
        _ => Algorithm::Ed25519,
    };
    let key = PrivateKey::generate(algorithm, &[seed; 264]).expect("entropy");
    let signature = key.sign(&prepared.message(), Hash::Sha256).expect("signs");
    let (payload, repository) = (prepared.payload.as_slice(), None);
    assemble(&Signed { image, payload, signature: &signature, key: key.public(), predicate_type, repository, place })
}

#[test]
fn under_a_tag_signatures_are_added_and_none_is_lost_or_doubled() {
    let image = image(b"image");
    for attestation in [None, Some(SBOM)] {
        let prepared = prepared(&image, Form::Legacy, attestation).expect("prepared");
        let name = attestation.map(|attestation| attestation.predicate_type);
        let mut existing: Option<Vec<u8>> = None;
        for seed in 1..=4 {
            let plan = |existing| {
                plan(&image, &prepared, seed, name, Storage::Legacy { existing, written: None }).expect("assembled")
            };
            let first = plan(existing.as_deref());
            assert!(!first.already_there);
            assert!(plan(Some(&first.manifest)).already_there);
            let suffix = if name.is_some() { ".att" } else { ".sig" };
            assert!(first.reference().ends_with(suffix) && first.subject.is_none());
            existing = Some(first.manifest);
        }
        assert_eq!(legacy::parse(&existing.expect("four"), None).expect("readable").len(), 4);
    }
}

#[test]
fn what_was_written_and_is_gone_is_put_back() {
    let image = image(b"image");
    let prepared = prepared(&image, Form::Legacy, None).expect("prepared");
    let put = |seed, existing: Option<&[u8]>, written: Option<&[u8]>| {
        plan(&image, &prepared, seed, None, Storage::Legacy { existing, written }).expect("assembled").manifest
    };
    let layers = |manifest: &[u8]| legacy::parse(manifest, None).expect("readable");
    let first = put(1, None, None);
    let ours = put(2, Some(&first), None);
    // Somebody who had read nothing wrote over both of them.
    let theirs = put(3, None, None);
    let merged = put(2, Some(&theirs), Some(&ours));
    assert_eq!(layers(&merged).len(), 3);
    assert_eq!(layers(&put(2, Some(&merged), Some(&ours))).len(), 3, "nothing is there twice");
}

#[test]
fn a_bundle_refers_to_the_image_and_is_the_same_each_time() {
    let image = image(MANIFEST);
    let place = Storage::Bundle { manifest: MANIFEST, media_type: Some(OCI_MANIFEST) };
    for attestation in [None, Some(SBOM)] {
        let prepared = prepared(&image, Form::Bundle, attestation).expect("prepared");
        assert_ne!(prepared.message().as_ref(), prepared.payload.as_slice());
        let name = attestation.map(|attestation| attestation.predicate_type);
        let first = plan(&image, &prepared, 1, name, place).expect("assembled");
        assert_eq!(plan(&image, &prepared, 1, name, place).expect("assembled"), first);
        let digest = Digest::sha256(MANIFEST);
        assert_eq!((first.tag.as_ref(), first.subject.as_ref()), (None, Some(&digest)));
        assert_eq!(first.reference(), Digest::sha256(&first.manifest).to_string());
        let read = referrer(&first.manifest, Some(OCI_MANIFEST), &digest).expect("a referrer");
        let [bundle, config] = first.blobs.as_slice() else { panic!("two blobs") };
        assert_eq!((&read.bundle.digest, config.bytes.as_slice()), (&bundle.digest, b"{}".as_slice()));
        assert_eq!(Bundle::parse(&bundle.bytes, 1 << 16).expect("a bundle").envelope.payload, prepared.payload);
        let statement: Value = serde_json::from_slice(&prepared.payload).expect("JSON");
        assert_eq!(statement["subject"][0]["name"], "host.example/app");
    }
}

#[test]
fn signatures_may_lie_elsewhere() {
    let image = image(b"image");
    let prepared = prepared(&image, Form::Legacy, None).expect("prepared");
    let elsewhere = Repository::parse("other.example/signatures").expect("valid");
    let key = PrivateKey::generate(Algorithm::Ed25519, &[1; 264]).expect("entropy");
    let signature = key.sign(&prepared.payload, Hash::Sha256).expect("signs");
    let signed = Signed {
        image: &image,
        payload: &prepared.payload,
        signature: &signature,
        key: key.public(),
        predicate_type: None,
        repository: Some(&elsewhere),
        place: Storage::Legacy { existing: None, written: None },
    };
    assert_eq!(assemble(&signed).expect("assembled").repository, elsewhere);
    assert!(String::from_utf8_lossy(&prepared.payload).contains("host.example/app"), "the identity is the image's");
}

#[test]
fn what_does_not_hold_is_never_planned() {
    let (one, other) = (image(b"one"), image(b"other"));
    let payload = prepared(&one, Form::Legacy, None).expect("prepared");
    let none = Storage::Legacy { existing: None, written: None };
    assert!(matches!(plan(&other, &payload, 1, None, none), Err(SigningError::OtherDigest { .. })));
    let unreadable = Storage::Legacy { existing: Some(b"{\"layers\":7}"), written: None };
    assert!(matches!(plan(&one, &payload, 1, None, unreadable), Err(SigningError::Existing(_))));
    let tagged = Reference::parse("host.example/app:1").expect("valid");
    assert!(matches!(prepared(&tagged, Form::Legacy, None), Err(SigningError::NoDigest { .. })));

    let statement = prepared(&one, Form::Bundle, None).expect("prepared");
    // A payload of one kind published as the other.
    assert!(matches!(plan(&one, &statement, 1, None, none), Err(SigningError::Signature(_))));
    assert!(matches!(plan(&one, &statement, 1, Some("spdx"), none), Err(SigningError::OtherType { .. })));
    let place = |manifest| Storage::Bundle { manifest, media_type: None };
    assert!(matches!(plan(&one, &statement, 1, None, place(b"{}")), Err(SigningError::OtherManifest(_))));
    assert!(matches!(plan(&one, &statement, 1, None, place(b"one")), Err(SigningError::Manifest(_))));
    let attest = |predicate_type, predicate: &[u8], now| {
        prepared(&one, Form::Bundle, Some(Attestation { predicate_type, predicate, now }))
    };
    assert!(matches!(attest("sbom", b"{}", None), Err(SigningError::Predicate(_))));
    assert!(matches!(attest("https://example.test/x", b"no", None), Err(SigningError::Predicate(_))));
    assert!(matches!(attest("custom", b"x", None), Err(SigningError::Predicate(_))));
    assert!(attest("custom", b"x", Some(UnixTime(0))).is_ok());
    let signature = "https://sigstore.dev/cosign/sign/v1";
    assert!(matches!(attest(signature, b"{}", None), Err(SigningError::SignatureType)));
}
