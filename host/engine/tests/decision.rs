//! A decision through a real sandbox: the loop, the one-shot call, and what they leave behind.

mod common;

use std::time::{Duration, Instant};

use bulla_engine::abi::{Evidence, Need, Operation, Outcome};
use bulla_engine::{BoxFuture, DecideError, Documents, Engine, Fetched, Source, decide, decide_once};
use serde_json::json;

const NEEDS: &str = r#"{"ok":{"needs":[{"id":"tag","kind":"resolve","registry":"registry.example","repository":"app",
    "reference":"1","limit":10},{"id":"blob","kind":"blob","registry":"registry.example","repository":"app",
    "reference":"sha256:00","limit":10}]}}"#;
const VERDICT: &str = r#"{"ok":{"verdict":{"decision":"unknown"}}}"#;

struct Registry;

impl Source for Registry {
    fn fetch<'a>(&'a self, need: &'a Need, _deadline: tokio::time::Instant) -> BoxFuture<'a, Fetched> {
        Box::pin(async move {
            match need.id.as_str() {
                "tag" => Fetched::Digest("sha256:00".into()),
                _ => Fetched::Bytes { bytes: "blob".into(), media_type: None },
            }
        })
    }
}

fn engine(open: &str, once: &str) -> Engine {
    let answers = [(Operation::Load, r#"{"ok":{}}"#), (Operation::Open, open), (Operation::Supply, VERDICT)];
    let answers: Vec<_> = answers.into_iter().chain([(Operation::Decide, once)]).collect();
    Engine::start(common::options(common::answering(&answers))).expect("its types are right")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn documents() -> Documents {
    Documents::new([("policy.yaml".into(), "rules".into())]).expect("serialisable")
}

#[tokio::test]
async fn a_question_becomes_a_verdict() {
    let engine = engine(NEEDS, VERDICT);
    let (documents, question) = (documents(), json!({"image": "registry.example/app:1"}));
    let decision = decide(&engine, &documents, &question, &Registry, soon()).await.expect("a verdict");
    assert_eq!(decision.verdict, json!({"decision": "unknown"}));
    assert_eq!((decision.rounds, decision.needs), (1, 2));
    assert_eq!(engine.places(), (4, 4), "the sandbox is gone");

    let again = decide_once(&engine, &documents, &question, &decision.evidence, soon()).await.expect("a verdict");
    assert_eq!(again.verdict_bytes, decision.verdict_bytes);
    assert_eq!((again.rounds, again.needs), (1, 2));

    let mut lost = decision.evidence;
    lost[1].1 = None;
    let error = decide_once(&engine, &documents, &question, &lost, soon()).await.expect_err("bytes are gone");
    assert_eq!(error.to_string(), "the evidence for `blob` has lost its bytes");
}

#[tokio::test]
async fn evidence_that_is_not_enough_is_an_error() {
    let engine = engine(NEEDS, NEEDS);
    let evidence = [(Evidence { need: "other".into(), outcome: Outcome::Absent }, None)];
    let error = decide_once(&engine, &documents(), &json!({}), &evidence, soon()).await.expect_err("needs are left");
    assert!(matches!(&error, DecideError::Incomplete { needs } if needs.len() == 2), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_decisions_share_the_places() {
    let engine = engine(NEEDS, VERDICT);
    let all = (0..200).map(|_| {
        let engine = engine.clone();
        tokio::spawn(async move { decide(&engine, &documents(), &json!({}), &Registry, soon()).await })
    });
    for decision in futures_util::future::join_all(all).await {
        decision.expect("no panic").expect("a verdict");
    }
    assert_eq!(engine.places(), (4, 4));
}

#[tokio::test]
async fn a_decision_that_nobody_waits_for_gives_its_place_back() {
    struct Never;
    impl Source for Never {
        fn fetch<'a>(&'a self, _need: &'a Need, _deadline: tokio::time::Instant) -> BoxFuture<'a, Fetched> {
            Box::pin(std::future::pending())
        }
    }
    let engine = engine(NEEDS, VERDICT);
    let (documents, question) = (documents(), json!({}));
    let waiting = decide(&engine, &documents, &question, &Never, soon());
    tokio::time::timeout(Duration::from_millis(50), waiting).await.expect_err("it waits for evidence");
    assert_eq!(engine.places(), (4, 4));
}
