//! What holds for every input, tried on many.
#![allow(clippy::expect_used, reason = "a test that cannot go on ends, and says where")]

mod bundles;

use std::sync::LazyLock;

use bulla_abi::{Message, Operation};
use bulla_core::glob::Pattern;
use bulla_core::reference::{Reference, Repository};
use bulla_tests::vectors::{self, Vector};
use bulla_wasm::Module;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, prop_assume, proptest};
use serde_json::{Map, Value, json};

/// Accepted, its payload implied.
static SIGNED: LazyLock<Vector> = LazyLock::new(|| vector("accept/p256"));
/// Accepted, its payload fetched.
static FETCHED: LazyLock<Vector> = LazyLock::new(|| vector("accept/payload-with-white-space"));
/// Rejected: signed by a key that nobody pinned.
static OTHER_KEY: LazyLock<Vector> = LazyLock::new(|| vector("signature/by-other-key"));

/// The reply's header; every reply is a message with `ok` or `error` and nothing else.
fn reply(operation: i32, message: &[u8]) -> Value {
    let reply = Message::decode(&Module::default().call(operation, message)).expect("a reply is a message");
    let header: Value = serde_json::from_slice(&reply.header).expect("a header is JSON");
    let members = header.as_object().expect("a header is an object");
    assert!(members.len() == 1 && (members.contains_key("ok") || members.contains_key("error")), "{header}");
    if let Some(error) = members.get("error") {
        assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
    }
    header
}

fn outcome(header: &Value) -> Option<&str> {
    header.pointer("/ok/verdict/outcome").and_then(Value::as_str)
}

/// A message with this header and these blobs.
fn framed(header: &Value, blobs: Vec<Vec<u8>>) -> Vec<u8> {
    Message { header: header.to_string().into_bytes(), blobs }.encode().expect("small")
}

fn vector(name: &str) -> Vector {
    vectors::all().remove(name).expect("the vector is there")
}

/// Any JSON, with the names and texts that reviews and headers are made of among others.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("spec"),
        Just("containers"),
        Just("image"),
        Just("template"),
        Just("metadata"),
        Just("object"),
        Just("Pod"),
        Just("apps"),
        Just("CREATE"),
        Just("UPDATE"),
        Just("volumes"),
        Just("annotations"),
        Just("nginx"),
        Just(""),
    ];
    let text = prop_oneof![word.clone().prop_map(str::to_owned), "\\PC{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Changes the node that comes `at` this place in a walk over the value; what is done to it, `how` says.
fn mutate(value: &mut Value, at: &mut usize, how: usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => {
            if *at < items.len() && how == 1 {
                items.remove(*at);
            } else if *at < items.len() && how == 2 {
                let copy = items[*at].clone();
                items.push(copy);
            }
            items.iter_mut().for_each(|item| mutate(item, at, how, with));
        }
        Value::Object(members) => {
            if *at < members.len() && how == 1 {
                let name = members.keys().nth(*at).expect("in range").clone();
                members.remove(&name);
            }
            members.iter_mut().for_each(|(_, member)| mutate(member, at, how, with));
        }
        _ => {}
    }
}

/// `*` in a segment and `**` for segments, as one would first write it.
fn naive(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            naive(rest, path) || path.split_first().is_some_and(|(_, path)| naive(pattern, path))
        }
        (Some((segment, rest)), Some((name, path))) => {
            naive_segment(segment.as_bytes(), name.as_bytes()) && naive(rest, path)
        }
        _ => false,
    }
}

fn naive_segment(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            naive_segment(rest, name) || name.split_first().is_some_and(|(_, name)| naive_segment(pattern, name))
        }
        (Some((a, rest)), Some((b, name))) => a == b && naive_segment(rest, name),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_into_any_operation_give_a_reply(operation in -2i32..16, message in vec(any::<u8>(), 0..300)) {
        reply(operation, &message);
    }

    #[test]
    fn any_header_into_any_operation_gives_a_reply(operation in 0i32..14, header in any_json(), blob in vec(any::<u8>(), 0..80)) {
        reply(operation, &framed(&header, vec![blob]));
    }

    #[test]
    fn extraction_from_any_object_gives_a_disposition(object in any_json(), old in any_json(), update in any::<bool>(), kind in 0usize..4) {
        let (group, kind) = [("", "Pod"), ("apps", "Deployment"), ("batch", "CronJob"), ("", "PodTemplate")][kind];
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "kind": {"group": group, "version": "v1", "kind": kind}, "namespace": "n",
            "operation": if update { "UPDATE" } else { "CREATE" }, "object": object, "oldObject": old}});
        let blobs = vec![review.to_string().into_bytes()];
        let extracted = reply(Operation::Extract.number(), &framed(&json!({"review": 0}), blobs.clone()));
        prop_assert!(extracted.pointer("/ok/disposition").is_some(), "{extracted}");
        let header = json!({"review": 0, "verdicts": [], "settings": {"pin": true}});
        let responded = reply(Operation::Respond.number(), &framed(&header, blobs));
        // Without verdicts, what has images or cannot be judged is never let in.
        let allowed = extracted.pointer("/ok/disposition") == Some(&json!("allow"));
        prop_assert_eq!(responded.pointer("/ok/allowed"), Some(&json!(allowed)));
    }

    #[test]
    fn a_reference_is_read_back_as_itself(text in "([a-z0-9.-]{1,12}(:[0-9]{1,4})?/)?[a-z0-9._/-]{1,20}(:[A-Za-z0-9._-]{1,9})?(@sha256:[0-9a-f]{64})?") {
        if let Ok(reference) = Reference::parse(&text) {
            prop_assert_eq!(Reference::parse(&reference.to_string()), Ok(reference));
        }
    }

    #[test]
    fn any_text_is_a_reference_or_not(text in "\\PC{0,60}") {
        if let Ok(reference) = Reference::parse(&text) {
            prop_assert_eq!(Reference::parse(&reference.to_string()), Ok(reference));
        }
    }

    #[test]
    fn patterns_match_what_a_naive_matcher_matches(
        pattern in vec(prop_oneof![Just("**".to_owned()), Just("*".to_owned()), "[ab*]{1,4}".prop_filter("one star", |s| !s.contains("**")), "[ab]{1,2}"], 1..5),
        path in vec("[ab]{1,3}", 1..6),
    ) {
        let read = Pattern::parse(&format!("host.example/{}", pattern.join("/")));
        prop_assume!(read.is_ok());
        let repository = Repository::parse(&format!("host.example/{}", path.join("/"))).expect("a name");
        let segments: Vec<&str> = pattern.iter().map(String::as_str).collect();
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        prop_assert_eq!(read.expect("read").matches(&repository), naive(&segments, &names), "{:?} on {:?}", pattern, path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// One bit of the payload: the only signature is over other octets then.
    #[test]
    fn one_bit_of_a_payload_takes_the_accept_away(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let vector = &*FETCHED;
        let mut message = vector.parts();
        // Blob 1 is the payload that had to be fetched.
        let at = at.index(message.blobs[1].len());
        message.blobs[1][at] ^= 1 << bit;
        prop_assert!(outcome(&reply(Operation::Decide.number(), &message.encode().expect("small"))) != Some("accept"));
    }

    /// One bit of the signature image: only texts that say nothing about the signature may change without harm.
    #[test]
    fn one_bit_of_a_signature_takes_the_accept_away(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let vector = &*SIGNED;
        let mut message = vector.parts();
        let text = String::from_utf8(message.blobs[0].clone()).expect("JSON is text");
        let name = "cosign/signature\":\"";
        let start = text.find(name).expect("a signature") + name.len();
        let end = start + text[start..].find('"').expect("its end");
        let at = start + at.index(end - start);
        message.blobs[0][at] ^= 1 << bit;
        prop_assert!(outcome(&reply(Operation::Decide.number(), &message.encode().expect("small"))) != Some("accept"));
    }

    /// Evidence and question are changed at random: what was rejected is never accepted, because the only signature that
    /// lies there is not by the key that the policy pins.
    #[test]
    fn no_mutation_makes_an_accept_of_a_reject(at in 0usize..60, how in 0usize..3, with in any_json(), blob in any::<bool>()) {
        let vector = &*OTHER_KEY;
        let mut message = vector.parts();
        let mut place = at;
        if blob {
            let mut manifest: Value = serde_json::from_slice(&message.blobs[0]).expect("JSON");
            mutate(&mut manifest, &mut place, how, &with);
            message.blobs[0] = manifest.to_string().into_bytes();
        } else {
            let mut header = vector.header.clone().expect("a header");
            let documents = header["documents"].clone();
            mutate(&mut header, &mut place, how, &with);
            // The policies are the user's: they are not what an attacker changes.
            if let Some(members) = header.as_object_mut() {
                members.insert("documents".to_owned(), documents);
            }
            message.header = header.to_string().into_bytes();
        }
        prop_assert!(outcome(&reply(Operation::Decide.number(), &message.encode().expect("small"))) != Some("accept"));
    }

    /// Whatever evidence is taken away, what was rejected for want of a signature is not accepted, and what was accepted is
    /// not rejected as if it were known to be bad when it is only missing.
    #[test]
    fn less_evidence_never_loosens(keep in vec(any::<bool>(), 8)) {
        for vector in [&*OTHER_KEY, &*FETCHED] {
            let mut header = vector.header.clone().expect("a header");
            if let Some(evidence) = header["evidence"].as_array_mut() {
                let mut keep = keep.iter();
                evidence.retain(|_| keep.next().copied().unwrap_or(true));
            }
            let message = Message { header: header.to_string().into_bytes(), ..vector.parts() };
            let less = reply(Operation::Decide.number(), &message.encode().expect("small"));
            let allowed = [Some(vector.expect.outcome.as_str()), None];
            prop_assert!(allowed.contains(&outcome(&less)), "{less}");
        }
    }
}
