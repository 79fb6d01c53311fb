//! Bundles, statements, envelopes and what refers to an image: read back as written, and never accepted when changed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bulla_abi::{Message, Operation};
use bulla_core::cosign::bundle::{Bundle, Material, referrer, write_referrer};
use bulla_core::cosign::legacy;
use bulla_core::digest::Digest;
use bulla_core::dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae};
use bulla_core::statement::Statement;
use bulla_tests::vectors::Vector;
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};
use sha2::Digest as _;

use super::{any_json, framed, mutate, outcome, reply, vector};

/// A bundle by the pinned key.
static GOOD: LazyLock<Stored> = LazyLock::new(|| Stored::of(&vector("accept/bundle-p256")));
/// A bundle by another key.
static OTHER: LazyLock<Stored> = LazyLock::new(|| Stored::of(&vector("misuse/other-key")));
/// An attestation with conditions on its predicate, which hold.
static ATTESTED: LazyLock<Stored> = LazyLock::new(|| Stored::of(&vector("condition/all")));

/// What lies in a registry: a list, a manifest, a bundle. The needs are answered again as these change, so that no digest
/// is wrong because of the change.
#[derive(Debug, Clone)]
struct Stored {
    header: Value,
    policy: Vec<u8>,
    list: Value,
    manifest: Value,
    bundle: Vec<u8>,
}

impl Stored {
    fn of(vector: &Vector) -> Self {
        let (header, blobs) = (vector.header.clone().expect("a header"), vector.parts().blobs);
        let blob = |kind: &str| {
            let answers = header["evidence"].as_array().expect("evidence");
            let named = |answer: &&Value| answer["need"].as_str().is_some_and(|need| need.starts_with(kind));
            let index = answers.iter().find(named).and_then(|answer| answer["blob"].as_u64()).expect("a blob");
            blobs[usize::try_from(index).expect("small")].clone()
        };
        let parsed = |kind: &str| serde_json::from_slice(&blob(kind)).expect("JSON");
        let policy = blobs.last().expect("a policy").clone();
        let (list, manifest, bundle) = (parsed("referrers"), parsed("manifest"), blob("blob"));
        Self { header, policy, list, manifest, bundle }
    }

    /// Another bundle, in a manifest and a list that bring it.
    fn with(&self, bundle: Vec<u8>) -> Self {
        let mut stored = Self { bundle, ..self.clone() };
        stored.manifest["layers"][0]["digest"] = json!(digest(&stored.bundle));
        stored.manifest["layers"][0]["size"] = json!(stored.bundle.len());
        let manifest = stored.manifest.to_string();
        stored.listed(manifest.as_bytes())
    }

    /// A list of this manifest.
    fn listed(mut self, manifest: &[u8]) -> Self {
        self.list["manifests"][0]["digest"] = json!(digest(manifest));
        self.list["manifests"][0]["size"] = json!(manifest.len());
        self
    }

    /// What is decided, given these bytes as list and as manifest.
    fn decide(&self, list: &[u8], manifest: &[u8]) -> Value {
        let image = self.header["question"]["image"].as_str().expect("an image");
        let (repository, subject) = image.split_once('@').expect("by digest");
        let tag = |suffix: &str| format!("manifest {repository}:{}.{suffix}", subject.replace(':', "-"));
        let evidence = json!([
            {"need": format!("referrers {image}"), "outcome": "found", "blob": 0},
            {"need": need("manifest", repository, manifest), "outcome": "found", "blob": 1},
            {"need": need("blob", repository, &self.bundle), "outcome": "found", "blob": 2},
            {"need": tag("sig"), "outcome": "absent"},
            {"need": tag("att"), "outcome": "absent"},
        ]);
        let documents = json!([{"name": "policy-0.yaml", "blob": 3}]);
        let header = json!({"documents": documents, "question": self.header["question"], "evidence": evidence});
        let blobs = vec![list.to_vec(), manifest.to_vec(), self.bundle.clone(), self.policy.clone()];
        reply(Operation::Decide.number(), &framed(&header, blobs))
    }

    /// Whether it is accepted as it lies there.
    fn is_accepted(&self) -> bool {
        let reply = self.decide(self.list.to_string().as_bytes(), self.manifest.to_string().as_bytes());
        assert!(reply.get("ok").is_some(), "{reply}");
        outcome(&reply) == Some("accept")
    }
}

/// The need for what is named by digest and size.
fn need(kind: &str, repository: &str, bytes: &[u8]) -> String {
    format!("{kind} {repository}@{} of {} octets", digest(bytes), bytes.len())
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// What a bundle says and who signed it; nothing when it is none.
fn said(bundle: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let envelope = Bundle::parse(bundle, 1 << 20).ok()?.envelope;
    Some((envelope.pae(), envelope.signatures.first()?.signature.clone()))
}

/// JSON that is written and read as the same: numbers with a point are not, to the last bit.
fn exact_json() -> impl Strategy<Value = Value> {
    fn exact(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(exact),
            Value::Object(members) => members.values_mut().for_each(exact),
            value if value.is_f64() => *value = Value::Null,
            _ => {}
        }
    }
    any_json().prop_map(|mut value| {
        exact(&mut value);
        value
    })
}

#[test]
fn the_bundles_that_are_changed_here_hold_as_they_are() {
    assert!(GOOD.is_accepted() && ATTESTED.is_accepted() && !OTHER.is_accepted());
    assert!(GOOD.with(GOOD.bundle.clone()).is_accepted());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_are_read_or_not(bytes in vec(any::<u8>(), 0..300)) {
        let image = Digest::sha256(b"");
        let _ = (Envelope::parse(&bytes, 1 << 20), Statement::parse(&bytes, 1 << 20), Bundle::parse(&bytes, 1 << 20));
        let _ = (referrer(&bytes, None, &image), legacy::parse_referrer(&bytes, None, &image));
        let _ = legacy::parse_attestations(&bytes, None);
    }

    #[test]
    fn changed_documents_are_read_or_not(at in 0usize..60, how in 0usize..3, with in any_json(), which in 0usize..4) {
        let bundle: Value = serde_json::from_slice(&GOOD.bundle).expect("JSON");
        let statement: Value = serde_json::from_slice(&Bundle::parse(&GOOD.bundle, 1 << 20).expect("valid").envelope.payload).expect("JSON");
        let mut document = [bundle.clone(), bundle["dsseEnvelope"].clone(), statement, GOOD.manifest.clone()][which].clone();
        let mut place = at;
        mutate(&mut document, &mut place, how, &with);
        let bytes = document.to_string().into_bytes();
        let image = Digest::sha256(b"the manifest that is signed\n");
        let _ = (Envelope::parse(&bytes, 1 << 20), Statement::parse(&bytes, 1 << 20), Bundle::parse(&bytes, 1 << 20));
        let _ = (referrer(&bytes, None, &image), legacy::parse_referrer(&bytes, None, &image));
        let _ = legacy::parse_attestations(&bytes, None);
    }

    #[test]
    fn a_statement_is_read_as_it_was_written(
        name in prop_oneof![Just(None), "\\PC{1,30}".prop_map(Some)],
        content in vec(any::<u8>(), 0..20),
        annotations in btree_map("\\PC{0,12}", "\\PC{0,12}", 0..5),
        predicate_type in "\\PC{1,40}",
        predicate in exact_json(),
    ) {
        let image = Digest::sha256(&content);
        let written = Statement::write(name.as_deref(), &image, &annotations, &predicate_type, &predicate).expect("it can be written");
        let read = Statement::parse(&written, 1 << 20).expect("it was written");
        prop_assert_eq!(&read.predicate_type, &predicate_type);
        prop_assert_eq!(&read.predicate, &predicate);
        let [subject] = read.subjects.as_slice() else { panic!("one subject was written") };
        prop_assert_eq!(&subject.name, &name.unwrap_or_default());
        prop_assert_eq!(&subject.digests, &vec![image]);
        let texts: BTreeMap<String, Value> = annotations.into_iter().map(|(name, text)| (name, Value::from(text))).collect();
        prop_assert_eq!(&subject.annotations, &texts);
    }

    #[test]
    fn a_bundle_is_read_as_it_was_written(
        hint in "\\PC{0,30}",
        payload in vec(any::<u8>(), 0..200),
        signature in vec(any::<u8>(), 1..200),
        predicate_type in "\\PC{1,40}",
    ) {
        let written = Bundle::write(&hint, IN_TOTO_PAYLOAD_TYPE, &payload, &signature).expect("it can be written");
        let read = Bundle::parse(&written, 1 << 20).expect("it was written");
        prop_assert_eq!(read.material, Material::PublicKey { hint });
        prop_assert_eq!(&read.envelope.payload, &payload);
        prop_assert_eq!(&read.envelope.signatures[0].signature, &signature);
        let image = Digest::sha256(&payload);
        let manifest = write_referrer(&written, &predicate_type, "a/b", &image, 7).expect("it can be written");
        let brought = referrer(&manifest, None, &image).expect("it was written");
        prop_assert_eq!(brought.bundle.digest, Digest::sha256(&written));
        prop_assert_eq!(brought.predicate_type, Some(predicate_type));
        prop_assert!(referrer(&manifest, None, &Digest::sha256(b"another")).is_err());
    }

    /// What is signed for one type and payload is not signed for another, however both are chosen.
    #[test]
    fn no_two_things_are_encoded_alike(one in ("[ 0-9a]{0,6}", "[ 0-9a]{0,8}"), two in ("[ 0-9a]{0,6}", "[ 0-9a]{0,8}")) {
        let encoded = |(kind, payload): &(String, String)| pae(kind, payload.as_bytes());
        prop_assert_eq!(encoded(&one) == encoded(&two), one == two);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// One octet of a bundle, in a manifest that brings exactly these octets: it is accepted only where the change says
    /// nothing, such as another letter of a hint.
    #[test]
    fn one_octet_of_a_bundle_takes_the_accept_away(at in any::<prop::sample::Index>(), with in any::<u8>(), attested in any::<bool>()) {
        let stored = if attested { &*ATTESTED } else { &*GOOD };
        let mut bundle = stored.bundle.clone();
        let at = at.index(bundle.len());
        bundle[at] = with;
        let same = said(&bundle) == said(&stored.bundle);
        prop_assert!(same || !stored.with(bundle).is_accepted());
    }

    /// The same where it matters most: inside what is signed, and inside the signature.
    #[test]
    fn one_octet_of_what_is_signed_takes_the_accept_away(at in any::<prop::sample::Index>(), bit in 0u8..8, of_payload in any::<bool>()) {
        let envelope = Bundle::parse(&GOOD.bundle, 1 << 20).expect("valid").envelope;
        let (mut payload, mut signature) = (envelope.payload.clone(), envelope.signatures[0].signature.clone());
        let changed = if of_payload { &mut payload } else { &mut signature };
        let at = at.index(changed.len());
        changed[at] ^= 1 << bit;
        let bundle = Bundle::write("", IN_TOTO_PAYLOAD_TYPE, &payload, &signature).expect("it can be written");
        prop_assert!(!GOOD.with(bundle).is_accepted());
    }

    /// Bundle, manifest and list are changed at random: what another key signed is never accepted.
    #[test]
    fn no_change_makes_an_accept_of_another_keys_bundle(at in 0usize..60, how in 0usize..3, with in any_json(), which in 0usize..3) {
        let mut stored = OTHER.clone();
        let mut place = at;
        match which {
            0 => {
                let mut bundle: Value = serde_json::from_slice(&stored.bundle).expect("JSON");
                mutate(&mut bundle, &mut place, how, &with);
                stored = stored.with(bundle.to_string().into_bytes());
            }
            1 => {
                mutate(&mut stored.manifest, &mut place, how, &with);
                let manifest = stored.manifest.to_string();
                stored = stored.listed(manifest.as_bytes());
            }
            _ => mutate(&mut stored.list, &mut place, how, &with),
        }
        prop_assert!(!stored.is_accepted());
    }

    /// Any octets in any of the three places.
    #[test]
    fn any_octets_as_referrers_are_no_accept(bytes in vec(any::<u8>(), 0..200), which in 0usize..3) {
        let (list, manifest) = (GOOD.list.to_string(), GOOD.manifest.to_string());
        let reply = match which {
            0 => GOOD.decide(&bytes, manifest.as_bytes()),
            1 => {
                let stored = GOOD.clone().listed(&bytes);
                stored.decide(stored.list.to_string().as_bytes(), &bytes)
            }
            _ => {
                let stored = GOOD.with(bytes);
                stored.decide(stored.list.to_string().as_bytes(), stored.manifest.to_string().as_bytes())
            }
        };
        prop_assert!(reply.get("ok").is_some() && outcome(&reply) != Some("accept"), "{} {}", list, reply);
    }
}

/// The last of 1,000 bundles counts, and the other 999 are well formed, by another key: real work, which no vector's file
/// could hold.
#[test]
fn the_last_of_1000_bundles_is_found() {
    let other: Value = serde_json::from_slice(&OTHER.bundle).expect("JSON");
    let image = GOOD.header["question"]["image"].as_str().expect("an image");
    let (repository, _) = image.split_once('@').expect("by digest");
    let mut blobs = vec![Vec::new()];
    let mut evidence = vec![json!({"need": format!("referrers {image}"), "outcome": "found", "blob": 0})];
    let mut descriptors = Vec::new();
    for n in 0..1000 {
        let mut bundle = other.clone();
        bundle["verificationMaterial"]["publicKey"]["hint"] = json!(format!("key {n}"));
        let bundle = if n == 999 { GOOD.bundle.clone() } else { bundle.to_string().into_bytes() };
        let stored = GOOD.with(bundle);
        let manifest = stored.manifest.to_string().into_bytes();
        descriptors.push(stored.list["manifests"][0].clone());
        for (kind, bytes) in [("manifest", manifest), ("blob", stored.bundle)] {
            let need = need(kind, repository, &bytes);
            evidence.push(json!({"need": need, "outcome": "found", "blob": blobs.len()}));
            blobs.push(bytes);
        }
    }
    let mut list = GOOD.list.clone();
    list["manifests"] = json!(descriptors);
    blobs[0] = list.to_string().into_bytes();
    let documents = json!([{"name": "policy-0.yaml", "blob": blobs.len()}]);
    blobs.push(GOOD.policy.clone());
    let header = json!({"documents": documents, "question": GOOD.header["question"], "evidence": evidence});
    let message = Message { header: header.to_string().into_bytes(), blobs };
    let natively = reply(Operation::Decide.number(), &message.encode().expect("small"));
    let number = natively.pointer("/ok/verdict/policies/0/tree/signature/number");
    assert_eq!((outcome(&natively), number), (Some("accept"), Some(&json!(1000))), "{natively}");

    let sandboxed = bulla_tests::runner::sandbox(Operation::Decide)
        .call(Operation::Decide, &message, std::time::Duration::from_secs(120))
        .expect("it fits the sandbox");
    assert_eq!(serde_json::from_slice::<Value>(&sandboxed.header).expect("JSON"), natively);
}
