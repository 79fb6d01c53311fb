//! Project Wycheproof through the operation Check: natively all vectors, in wasmtime all of P-256 and Ed25519 and every
//! tenth of the others (all with `BULLA_SOAK=1`).
//!
//! Where we differ, `wycheproof-divergences.json` says so, one entry for each vector, with the reason. An entry that is not
//! needed any more fails as well. What is "acceptable" either way is not a divergence; the same file counts what we do.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on ends, and says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bulla_abi::{Message, Operation};
use bulla_tests::runner;
use bulla_wasm::Module;
use serde::Deserialize;
use serde_json::{Value, json};
use wycheproof::TestResult;
use wycheproof::ecdsa::{self, TestName as Ecdsa};
use wycheproof::eddsa::{self, TestName as Eddsa};
use wycheproof::rsa_pkcs1_verify::{self as rsa, TestName as Rsa};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Known {
    divergences: Vec<Divergence>,
    /// Of the vectors that may go either way, how many we accept and refuse, by set.
    acceptable: BTreeMap<String, Acceptable>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Divergence {
    set: String,
    tc_id: usize,
    expected: String,
    actual: String,
    reason: String,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Acceptable {
    accepted: usize,
    refused: usize,
    reason: String,
}

/// One vector, whatever its set.
struct Case {
    id: usize,
    expected: TestResult,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

fn ecdsa(name: Ecdsa) -> Vec<Case> {
    let set = ecdsa::TestSet::load(name).expect("the crate holds the set");
    let groups = set.test_groups.into_iter();
    groups
        .flat_map(|group| cases(&group.der, group.tests.into_iter().map(|t| (t.tc_id, t.result, t.msg, t.sig))))
        .collect()
}

fn eddsa(name: Eddsa) -> Vec<Case> {
    let set = eddsa::TestSet::load(name).expect("the crate holds the set");
    let groups = set.test_groups.into_iter();
    groups
        .flat_map(|group| cases(&group.der, group.tests.into_iter().map(|t| (t.tc_id, t.result, t.msg, t.sig))))
        .collect()
}

fn rsa(name: Rsa) -> Vec<Case> {
    let set = rsa::TestSet::load(name).expect("the crate holds the set");
    let groups = set.test_groups.into_iter();
    groups
        .flat_map(|group| cases(&group.der, group.tests.into_iter().map(|t| (t.tc_id, t.result, t.msg, t.sig))))
        .collect()
}

fn cases<B: AsRef<[u8]>>(key: &B, tests: impl Iterator<Item = (usize, TestResult, B, B)>) -> Vec<Case> {
    let case = |(id, expected, message, signature): (usize, TestResult, B, B)| Case {
        id,
        expected,
        key: key.as_ref().to_vec(),
        message: message.as_ref().to_vec(),
        signature: signature.as_ref().to_vec(),
    };
    tests.map(case).collect()
}

/// Each set by its name in Wycheproof, with the hash and how many of its vectors run in wasmtime: one of this many.
fn sets() -> Vec<(&'static str, &'static str, usize, Vec<Case>)> {
    vec![
        ("ecdsa_secp256r1_sha256", "sha256", 1, ecdsa(Ecdsa::EcdsaSecp256r1Sha256)),
        ("ecdsa_secp256r1_sha512", "sha512", 1, ecdsa(Ecdsa::EcdsaSecp256r1Sha512)),
        ("ecdsa_secp384r1_sha256", "sha256", 10, ecdsa(Ecdsa::EcdsaSecp384r1Sha256)),
        ("ecdsa_secp384r1_sha384", "sha384", 10, ecdsa(Ecdsa::EcdsaSecp384r1Sha384)),
        ("ecdsa_secp521r1_sha512", "sha512", 10, ecdsa(Ecdsa::EcdsaSecp521r1Sha512)),
        ("ed25519", "sha512", 1, eddsa(Eddsa::Ed25519)),
        ("rsa_signature_2048_sha256", "sha256", 10, rsa(Rsa::Rsa2048Sha256)),
        ("rsa_signature_2048_sha384", "sha384", 10, rsa(Rsa::Rsa2048Sha384)),
        ("rsa_signature_2048_sha512", "sha512", 10, rsa(Rsa::Rsa2048Sha512)),
        ("rsa_signature_3072_sha256", "sha256", 10, rsa(Rsa::Rsa3072Sha256)),
        ("rsa_signature_3072_sha384", "sha384", 10, rsa(Rsa::Rsa3072Sha384)),
        ("rsa_signature_3072_sha512", "sha512", 10, rsa(Rsa::Rsa3072Sha512)),
        ("rsa_signature_4096_sha256", "sha256", 10, rsa(Rsa::Rsa4096Sha256)),
        ("rsa_signature_4096_sha384", "sha384", 10, rsa(Rsa::Rsa4096Sha384)),
        ("rsa_signature_4096_sha512", "sha512", 10, rsa(Rsa::Rsa4096Sha512)),
    ]
}

fn message(case: &Case, hash: &str) -> Message {
    let header = json!({"key": 0, "message": 1, "signature": 2, "hash": hash}).to_string().into_bytes();
    Message { header, blobs: vec![case.key.clone(), case.message.clone(), case.signature.clone()] }
}

/// `valid`, `invalid`, or the code of the error, e.g. `key-invalid`.
fn outcome(reply: &Message) -> String {
    let header: Value = serde_json::from_slice(&reply.header).expect("a header is JSON");
    match header.pointer("/ok/valid").and_then(Value::as_bool) {
        Some(true) => "valid".to_owned(),
        Some(false) => "invalid".to_owned(),
        None => header.pointer("/error/code").and_then(Value::as_str).unwrap_or("neither").to_owned(),
    }
}

#[test]
fn natively_every_vector_gives_what_wycheproof_says() {
    let known: Known = serde_json::from_str(include_str!("../wycheproof-divergences.json")).expect("the list is JSON");
    let mut listed: BTreeSet<(String, usize, String, String)> =
        known.divergences.iter().map(|d| (d.set.clone(), d.tc_id, d.expected.clone(), d.actual.clone())).collect();
    assert!(known.divergences.iter().all(|divergence| !divergence.reason.is_empty()), "an entry without a reason");
    assert!(known.acceptable.values().all(|set| !set.reason.is_empty()), "an entry without a reason");
    let mut problems = Vec::new();
    let mut total = 0;
    let mut module = Module::default();
    for (set, hash, _, cases) in sets() {
        let (mut accepted, mut refused) = (0, 0);
        for case in &cases {
            let request = message(case, hash).encode().expect("small");
            let reply =
                Message::decode(&module.call(Operation::Check.number(), &request)).expect("a reply is a message");
            let actual = outcome(&reply);
            let expected = match case.expected {
                TestResult::Valid => "valid",
                TestResult::Invalid => "invalid",
                TestResult::Acceptable if actual == "valid" => {
                    accepted += 1;
                    continue;
                }
                TestResult::Acceptable => {
                    refused += 1;
                    continue;
                }
            };
            // A key that is refused checks no signature: for a vector that must fail that is the answer.
            let agrees = actual == expected || (expected == "invalid" && actual == "key-invalid");
            if !agrees && !listed.remove(&(set.to_owned(), case.id, expected.to_owned(), actual.clone())) {
                problems.push(json!({"set": set, "tcId": case.id, "expected": expected, "actual": actual}).to_string());
            }
        }
        total += cases.len();
        println!("{set}: {} vectors; acceptable: {accepted} accepted, {refused} refused", cases.len());
        let stated = known.acceptable.get(set).map_or((0, 0), |set| (set.accepted, set.refused));
        if stated != (accepted, refused) {
            problems.push(format!("{set}: acceptable: accepted {accepted}, refused {refused}, stated {stated:?}"));
        }
    }
    problems.extend(listed.iter().map(|entry| format!("listed, and not diverging: {entry:?}")));
    println!("{total} vectors, {} divergences listed", known.divergences.len());
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn in_wasmtime_the_replies_are_the_same() {
    let soak = std::env::var_os("BULLA_SOAK").is_some_and(|value| value == "1");
    let mut native = Module::default();
    let mut sandbox = runner::sandbox(Operation::Check);
    let mut total = 0;
    for (set, hash, one_of, cases) in sets() {
        for case in cases.iter().step_by(if soak { 1 } else { one_of }) {
            let request = message(case, hash);
            let reply = sandbox.call(Operation::Check, &request, Duration::from_secs(60));
            let reply =
                reply.unwrap_or_else(|error| panic!("{set} {}: {error}", case.id)).encode().expect("it was decoded");
            assert_eq!(
                reply,
                native.call(Operation::Check.number(), &request.encode().expect("small")),
                "{set} {}",
                case.id
            );
            total += 1;
        }
    }
    println!("{total} vectors in wasmtime");
}
