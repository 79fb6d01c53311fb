//! Replay agrees with what the engine decided, differs where something else was recorded, and says where.

use bulla_engine::{Fetched, Source, decide};
use bulla_records::{Outcome, Replayed, Whole, replay};
use serde_json::json;

use crate::common::{Case, all_vectors, deadline, engine, engines, open, run, vector};

fn whole(case: &Case, store: &bulla_records::Store) -> Whole {
    let id = case.write(store).id;
    let reader = store.reader();
    let (id, bytes) = reader.find(&id.hex()).expect("it is there");
    Whole::gather(id, bytes, &reader).unwrap_or_else(|damage| panic!("{}: {damage}", case.name))
}

#[test]
fn the_decisions_of_all_vectors_replay_to_the_same_octets() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("records"));
    run(async {
        let engines = engines();
        let mut outcomes = [0usize; 3];
        for name in all_vectors() {
            // Those are about what much takes, and take it.
            if name.starts_with("budget/") {
                continue;
            }
            let Some(case) = vector(&name).await else { continue };
            let whole = whole(&case, &store);
            assert!(whole.by_this_module());
            let exported = whole.export(false).expect("small enough");
            let again = bulla_records::Bundle::read(exported).expect("a file").whole().expect("whole");
            assert_eq!(again, whole, "{name}");
            match replay(&again, &engines, deadline()).await.unwrap_or_else(|error| panic!("{name}: {error}")) {
                Replayed::Agrees { outcome } => outcomes[outcome as usize] += 1,
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(outcomes.iter().all(|count| *count >= 10), "accepts, rejects, unknown: {outcomes:?}");
        assert!(outcomes.iter().sum::<usize>() >= 150, "{outcomes:?}");
    });
}

/// Answers from a vector's evidence, and 404 for everything else.
struct Memory(Case);

impl Source for Memory {
    fn fetch<'a>(
        &'a self,
        need: &'a bulla_engine::abi::Need,
        _deadline: tokio::time::Instant,
    ) -> bulla_engine::BoxFuture<'a, Fetched> {
        let found = self.0.evidence.iter().find(|(evidence, _)| evidence.need == need.id);
        let fetched = match found {
            Some((evidence, bytes)) => match (&evidence.outcome, bytes) {
                (bulla_engine::abi::Outcome::Found { media_type, .. }, Some(bytes)) => {
                    Fetched::Bytes { bytes: bytes.clone(), media_type: media_type.clone() }
                }
                (bulla_engine::abi::Outcome::Digest { digest }, _) => Fetched::Digest(digest.clone()),
                _ => Fetched::Absent,
            },
            None => Fetched::Failed { reason: "registry.example: connection refused".into() },
        };
        Box::pin(async move { fetched })
    }
}

#[test]
fn a_decision_of_several_rounds_replays_in_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("records"));
    run(async {
        for (name, namespace) in [("accept/tag-by-header", None), ("accept/p256", Some("team-a"))] {
            let mut case = vector(name).await.expect("a decision");
            if let Some(namespace) = namespace {
                case.question["namespace"] = json!(namespace);
            }
            let loaded = bulla_engine::Documents::new(case.documents.clone()).expect("serialisable");
            let source = Memory(case.clone());
            let made = decide(engine(), &loaded, &case.question, &source, deadline()).await.expect("a verdict");
            case.evidence = made.evidence;
            case.verdict = made.verdict;
            case.verdict_bytes = made.verdict_bytes;
            let whole = whole(&case, &store);
            let replayed = replay(&whole, &engines(), deadline()).await.expect("it runs");
            assert_eq!(replayed, Replayed::Agrees { outcome: Outcome::Accept }, "{name}");
        }
    });
}

#[test]
fn what_was_not_decided_like_this_differs_and_has_a_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("records"));
    run(async {
        let good = vector("accept/p256").await.expect("a decision");
        let mut case = good.clone();
        let bytes = String::from_utf8(case.verdict_bytes).expect("JSON").replace("accepted", "welcomed");
        case.verdict = serde_json::from_str::<serde_json::Value>(&bytes).expect("JSON")["ok"]["verdict"].clone();
        case.verdict_bytes = bytes.into_bytes();
        let engines = engines();
        match replay(&whole(&case, &store), &engines, deadline()).await.expect("it runs") {
            Replayed::Differs { pointer, recorded, replayed } => {
                assert!(pointer.starts_with("/ok/verdict/"), "{pointer}");
                assert_eq!(recorded.replace("welcomed", "accepted"), replayed);
            }
            other => panic!("{other:?}"),
        }

        // The same verdict, written otherwise.
        let mut case = good.clone();
        case.verdict_bytes.push(b' ');
        let replayed = replay(&whole(&case, &store), &engines, deadline()).await.expect("it runs");
        assert!(matches!(replayed, Replayed::Differs { pointer, .. } if pointer.is_empty()));

        // Evidence that was left out.
        let mut case = good.clone();
        case.evidence.clear();
        let error = replay(&whole(&case, &store), &engines, deadline()).await.expect_err("nothing to decide with");
        assert!(error.to_string().contains("have no evidence"), "{error}");

        // No answer from the module at all.
        let mut case = good.clone();
        case.verdict_bytes.clear();
        case.verdict = json!({"outcome": "unknown", "summary": "unknown: all sandboxes are in use"});
        let replayed = replay(&whole(&case, &store), &engines, deadline()).await.expect("it runs");
        assert!(matches!(replayed, Replayed::NoVerdict { summary } if summary.contains("sandboxes")));
    });
}

#[test]
fn another_module_is_taken_from_the_store_and_has_to_be_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("records"));
    run(async {
        let mut case = vector("accept/p256").await.expect("a decision");
        // The same code under another digest: an older build, as far as a record can tell.
        let older = [bulla_engine::EMBEDDED, &[0, 2, 1, b'x']].concat();
        case.module = bulla_records::Digest::of(&older);
        let without = whole(&case, &store);
        assert!(without.module.is_none() && !without.by_this_module());
        let error = replay(&without, &engines(), deadline()).await.expect_err("nobody has it");
        assert_eq!(error.to_string(), "the module is missing");
        store.keep(&older).expect("written");
        let with = whole(&case, &store);
        let replayed = replay(&with, &engines(), deadline()).await.expect("it runs");
        assert!(matches!(replayed, Replayed::Agrees { .. }), "{replayed:?}");

        case.module = store.keep(b"\0asm\x01\0\0\0").expect("written");
        let error = replay(&whole(&case, &store), &engines(), deadline()).await.expect_err("not ours");
        assert!(error.to_string().contains("not a Bulla module"), "{error}");
    });
}
