//! A registry in memory, and what is listed of it.
#![cfg(test)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Contents, EntryKind, InspectStep, Inspection, Listing, inspect};
use crate::cosign::form::Form;
use crate::cosign::payload::SimpleSigning;
use crate::cosign::{legacy, predicate};
use crate::decision::{Checks, Holder};
use crate::digest::Digest;
use crate::evidence::{Evidence, Outcome};
use crate::key::{Algorithm, Hash, PrivateKey};
use crate::manifest::{OCI_INDEX, OCI_MANIFEST};
use crate::reference::{Reference, Repository};
use crate::signing::{Attestation, PushPlan, Request, Signed, Storage, assemble, prepare};

const APP: &str = "host.example/app";

/// What the registry answers, by need; everything else is not there.
type Answers = BTreeMap<String, Outcome>;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::generate(Algorithm::EcdsaP256, &[seed; 264]).expect("entropy")
}

fn found(bytes: &[u8], media_type: Option<&str>) -> Outcome {
    Outcome::Found { bytes: bytes.to_vec(), media_type: media_type.map(str::to_owned) }
}

/// An index of two manifests, under the tag `1`.
fn index() -> Vec<u8> {
    let leaf = |architecture: &str| {
        json!({"mediaType": OCI_MANIFEST, "size": 2, "digest": Digest::sha256(architecture.as_bytes()).to_string(),
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let leaves = [leaf("amd64"), leaf("arm64")];
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": leaves}).to_string().into_bytes()
}

fn registry() -> (Answers, Digest) {
    let index = index();
    let digest = Digest::sha256(&index);
    let answers = [
        (format!("resolve {APP}:1"), Outcome::Digest(digest.to_string())),
        (format!("manifest {APP}@{digest}"), found(&index, Some(OCI_INDEX))),
    ];
    (answers.into(), digest)
}

fn signed(digest: &Digest, seed: u8, attestation: Option<Attestation<'_>>, place: Storage<'_>) -> PushPlan {
    let image = Reference::parse(&format!("{APP}@{digest}")).expect("valid");
    let form = if matches!(place, Storage::Legacy { .. }) { Form::Legacy } else { Form::Bundle };
    let annotations = [("stage".to_owned(), "tested".to_owned())].into();
    let request = Request { image: &image, form, annotations: &annotations, attestation };
    let prepared = prepare(&request).expect("prepared");
    let key = key(seed);
    let signature = key.sign(&prepared.message(), Hash::Sha256).expect("signs");
    assemble(&Signed {
        image: &image,
        payload: &prepared.payload,
        signature: &signature,
        key: key.public(),
        predicate_type: attestation.map(|attestation| attestation.predicate_type),
        repository: None,
        place,
    })
    .expect("assembled")
}

fn push(answers: &mut Answers, plan: &PushPlan) {
    for blob in &plan.blobs {
        answers.insert(format!("blob {APP}@{}", blob.digest), found(&blob.bytes, None));
    }
    let reference = plan.reference();
    let separator = if reference.contains(':') { '@' } else { ':' };
    answers.insert(format!("manifest {APP}{separator}{reference}"), found(&plan.manifest, Some(&plan.media_type)));
}

fn referrers(answers: &mut Answers, digest: &Digest, manifests: &[Value]) {
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).to_string();
    answers.insert(format!("referrers {APP}@{digest}"), found(list.as_bytes(), Some(OCI_INDEX)));
}

fn descriptor(manifest: &[u8], artifact_type: &str) -> Value {
    json!({"mediaType": OCI_MANIFEST, "digest": Digest::sha256(manifest).to_string(), "size": manifest.len(),
        "artifactType": artifact_type})
}

/// Asks until it is listed; gives the rounds that this took as well.
fn list_with(answers: &Answers, image: &str, keys: &[(&str, u8)], beside: Option<&str>) -> (Listing, usize) {
    let keys = keys.iter().map(|(name, seed)| ((*name).to_owned(), key(*seed).public().clone())).collect();
    let signature_repository = beside.map(|text| Repository::parse(text).expect("valid"));
    let inspection = Inspection { image: image.to_owned(), signature_repository, keys };
    let mut evidence = Evidence::default();
    for round in 0..8 {
        match inspect(&inspection, &evidence, &mut Checks::default()) {
            InspectStep::Listed(listing) => return (*listing, round),
            InspectStep::Needs(needs) => {
                assert!(!needs.is_empty());
                for need in needs {
                    let id = need.id();
                    // A registry answers whatever size somebody announces.
                    let name = id.split_once(" of ").map_or(id.as_str(), |(name, _)| name);
                    let answer = answers.get(name).cloned().unwrap_or(Outcome::Absent);
                    evidence.insert(id, answer);
                }
            }
        }
    }
    panic!("no end");
}

fn list(answers: &Answers, keys: &[(&str, u8)]) -> Listing {
    list_with(answers, &format!("{APP}:1"), keys, None).0
}

fn codes(listing: &Listing) -> Vec<&'static str> {
    listing.gaps.iter().map(super::Reason::code).collect()
}

#[test]
fn every_form_is_listed_with_what_it_claims_and_who_made_it() {
    let (mut answers, digest) = registry();
    let first = signed(&digest, 1, None, Storage::Legacy { existing: None, written: None });
    let both = signed(&digest, 2, None, Storage::Legacy { existing: Some(&first.manifest), written: None });
    push(&mut answers, &both);
    push(&mut answers, &first);
    answers.insert(format!("manifest {APP}:{}", digest.signature_tag()), found(&both.manifest, Some(OCI_MANIFEST)));
    let sbom = Attestation { predicate_type: "spdxjson", predicate: br#"{"spdxVersion":"SPDX-2.3"}"#, now: None };
    push(&mut answers, &signed(&digest, 2, Some(sbom), Storage::Legacy { existing: None, written: None }));
    let index = index();
    let place = Storage::Bundle { manifest: &index, media_type: Some(OCI_INDEX) };
    let bundle = signed(&digest, 1, None, place);
    push(&mut answers, &bundle);
    let types = ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.example.report"];
    referrers(&mut answers, &digest, &[descriptor(&bundle.manifest, types[0]), descriptor(b"notation", types[1])]);

    let (listing, rounds) = list_with(&answers, &format!("{APP}:1"), &[("release", 1), ("other", 3)], None);
    assert!(rounds <= 4, "{rounds}");
    assert_eq!(listing.digest, Some(digest.clone()));
    assert_eq!(listing.pinned, Some(format!("{APP}:1@{digest}")));
    let Some(Contents::Index { leaves }) = &listing.contents else { panic!("{:?}", listing.contents) };
    assert_eq!(leaves.iter().map(|leaf| leaf.platform.as_str()).collect::<Vec<_>>(), ["linux/amd64", "linux/arm64"]);
    assert_eq!((codes(&listing), listing.complete), (vec![], true));
    let unread: Vec<_> = listing.unread.iter().map(|form| (form.form.as_str(), form.count)).collect();
    assert_eq!(unread, [("artifact of type application/vnd.example.report", 1)]);

    let shown: Vec<_> = listing
        .entries
        .iter()
        .map(|entry| {
            let makers: Vec<&str> = entry.made_by.iter().flatten().map(|maker| maker.name.as_str()).collect();
            (entry.place.holder, entry.kind, makers.join(","))
        })
        .collect();
    let (signature, attestation) = (Some(EntryKind::Signature), Some(EntryKind::Attestation));
    let release = || "release".to_owned();
    assert_eq!(
        shown,
        [
            (Holder::Bundle, signature, release()),
            (Holder::Signature, signature, release()),
            (Holder::Signature, signature, String::new()),
            (Holder::Attestation, attestation, String::new()),
        ]
    );
    for entry in &listing.entries {
        let claim = entry.claim.as_ref().expect("readable");
        assert!(claim.about_image && claim.digests == [digest.clone()] && claim.digest_count == 1, "{claim:?}");
        assert_eq!(claim.annotations.get("stage").map(String::as_str), Some("tested"));
        assert_eq!((entry.unchecked_keys, &entry.defect, entry.certificate), (0, &None, false));
    }
    let claims: Vec<_> = listing.entries.iter().filter_map(|entry| entry.claim.as_ref()).collect();
    assert_eq!(claims[1].identity.as_deref(), Some(APP));
    assert_eq!(claims[0].predicate_type, predicate::SIGNATURE);
    assert_eq!(claims[3].predicate_type, "https://spdx.dev/Document");

    let without = list(&answers, &[]);
    assert!(without.entries.iter().all(|entry| entry.made_by.is_none()));
    assert_eq!(without.entries.len(), 4);
    let json = serde_json::to_value(&without).expect("JSON");
    assert_eq!(json.pointer("/entries/0/madeBy"), Some(&Value::Null));
    assert_eq!(json.pointer("/contents/kind"), Some(&json!("index")));
}

#[test]
fn what_is_empty_is_complete_and_what_is_unknown_is_not() {
    let (mut answers, digest) = registry();
    let empty = list(&answers, &[]);
    assert_eq!((codes(&empty), empty.complete), (vec!["not-signed", "not-attested"], true));
    assert!(empty.entries.is_empty());

    let refused = || Outcome::Failed { reason: "host.example: 403 Forbidden".to_owned() };
    let places = [
        format!("referrers {APP}@{digest}"),
        format!("manifest {APP}:{}", digest.attestation_tag()),
        format!("manifest {APP}@{digest}"),
    ];
    for place in places {
        let mut answers = answers.clone();
        answers.insert(place.clone(), refused());
        let listing = list(&answers, &[]);
        assert!(codes(&listing).contains(&"unfetched") && !listing.complete, "{place}: {:?}", listing.gaps);
        assert_eq!(listing.contents.is_none(), place.contains("manifest") && place.contains('@'), "{place}");
    }
    answers.insert(format!("referrers {APP}@{digest}"), found(b"<html>", None));
    let unreadable = list(&answers, &[]);
    assert!(!unreadable.complete && unreadable.gaps[0].to_string().contains("cannot be read"), "{unreadable:?}");
}

#[test]
fn without_a_digest_nothing_is_looked_for() {
    let (mut answers, _) = registry();
    let by = |answers: &Answers, image: &str| list_with(answers, image, &[], None).0;
    let absent = by(&answers, &format!("{APP}:2"));
    assert_eq!((absent.digest.clone(), codes(&absent), absent.complete), (None, vec!["image-absent"], false));
    answers.insert(format!("resolve {APP}:1"), Outcome::Failed { reason: "refused".to_owned() });
    assert_eq!(codes(&by(&answers, &format!("{APP}:1"))), ["unfetched"]);
    let bad = by(&answers, "UPPER/app\u{1b}");
    assert_eq!((bad.image.as_str(), codes(&bad)), ("UPPER/app\u{fffd}", vec!["reference"]));
}

#[test]
fn defects_are_entries_and_other_images_are_said() {
    let (mut answers, digest) = registry();
    let elsewhere = Digest::sha256(b"elsewhere");
    let plan = signed(&elsewhere, 1, None, Storage::Legacy { existing: None, written: None });
    push(&mut answers, &plan);
    let mut manifest: Value = serde_json::from_slice(&plan.manifest).expect("JSON");
    let layers = manifest.get_mut("layers").and_then(Value::as_array_mut).expect("layers");
    layers.push(json!({"mediaType": "text/plain", "digest": elsewhere.to_string(), "size": 1}));
    let tag = format!("manifest {APP}:{}", digest.signature_tag());
    answers.insert(tag, found(manifest.to_string().as_bytes(), Some(OCI_MANIFEST)));
    let listing = list(&answers, &[("release", 1)]);
    assert!(listing.complete, "unreadable is not unknown");
    let [other, defect] = listing.entries.as_slice() else { panic!("{:?}", listing.entries) };
    let claim = other.claim.as_ref().expect("readable");
    assert!(!claim.about_image && claim.digests == [elsewhere]);
    assert_eq!(other.made_by.as_ref().map(Vec::len), Some(1), "made by the key, whatever it is about");
    assert_eq!(defect.defect.as_ref().map(super::Reason::code), Some("signature-defect"));
    assert_eq!((&defect.claim, &defect.made_by), (&None, &None));
}

#[test]
fn another_repository_is_looked_in_and_the_image_stays_where_it_is() {
    let (mut answers, digest) = registry();
    let plan = signed(&digest, 1, None, Storage::Legacy { existing: None, written: None });
    for blob in &plan.blobs {
        answers.insert(format!("blob host.example/signatures@{}", blob.digest), found(&blob.bytes, None));
    }
    let tag = format!("manifest host.example/signatures:{}", plan.reference());
    answers.insert(tag, found(&plan.manifest, Some(OCI_MANIFEST)));
    let (listing, _) = list_with(&answers, &format!("{APP}@{digest}"), &[], Some("host.example/signatures"));
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(listing.signature_repository.as_deref(), Some("host.example/signatures"));
    assert!(matches!(listing.contents, Some(Contents::Index { .. })));
}

#[test]
fn work_and_text_have_limits() {
    use base64::Engine as _;

    let (mut answers, digest) = registry();
    let annotations = (0..100).map(|number| (format!("name-{number}"), "x".repeat(100))).collect();
    let payload = SimpleSigning::write(APP, &digest, &annotations).expect("JSON");
    let blob = Digest::sha256(&payload);
    answers.insert(format!("blob {APP}@{blob}"), found(&payload, None));
    // Each layer has a signature of its own, and so a check of its own for each of the keys.
    let by = key(1);
    let layers: Vec<Value> = (0..1000u32)
        .map(|number| {
            let signature = by.sign(&number.to_le_bytes(), Hash::Sha256).expect("signs");
            let signature = base64::engine::general_purpose::STANDARD.encode(signature);
            json!({"mediaType": legacy::PAYLOAD_MEDIA_TYPE, "digest": blob.to_string(), "size": payload.len(),
                "annotations": {legacy::SIGNATURE_ANNOTATION: signature}})
        })
        .collect();
    let config = json!({"mediaType": "a/b", "digest": blob.to_string(), "size": 2});
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
    let tag = format!("manifest {APP}:{}", digest.signature_tag());
    answers.insert(tag, found(manifest.to_string().as_bytes(), Some(OCI_MANIFEST)));
    let keys = [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)];
    let listing = list(&answers, &keys);
    assert_eq!(listing.entries.len(), 1000);
    assert!(!listing.complete && codes(&listing).contains(&"budget"), "{:?}", listing.gaps);
    let unchecked: usize = listing.entries.iter().map(|entry| entry.unchecked_keys).sum();
    assert_eq!(unchecked, 1000, "4,000 of 5,000 checks were made");
    assert_eq!(listing.entries.last().map(|entry| entry.made_by.is_none()), Some(true));
    let claims: Vec<_> = listing.entries.iter().filter_map(|entry| entry.claim.as_ref()).collect();
    assert!(claims.iter().all(|claim| claim.annotation_count == 100));
    assert_eq!((claims[0].annotations.len(), claims[999].annotations.len()), (100, 0), "one payload, a thousand times");
    assert!(serde_json::to_vec(&listing).expect("JSON").len() < 2 << 20);
}
