//! The loop against scripted answers: what is asked, what is answered, and how it ends.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bulla_abi::{NeedKind, Outcome};
use bytes::Bytes;

use super::*;
use crate::fetch::MAX_FETCHES_AT_ONCE;
use bulla_source::{BoxFuture, Fetched};

type Seen = Arc<Mutex<Vec<(Operation, Message)>>>;

/// A module that gives the answers of a list, and `again` when the list is at its end.
struct Script {
    answers: std::vec::IntoIter<Value>,
    seen: Seen,
}

impl Calls for Script {
    fn call(&mut self, operation: Operation, message: &Message, budget: Duration) -> Result<Message, SandboxError> {
        self.seen.lock().expect("no panic").push((operation, message.clone()));
        assert!(budget > Duration::ZERO, "a call without time");
        match self.answers.next() {
            Some(answer) => Ok(Message::new(&answer)?),
            None => Err(SandboxError::Trap { operation, what: "the script is at its end".into() }),
        }
    }
}

fn need(id: &str) -> Need {
    let (registry, repository) = ("registry.example".into(), "app".into());
    Need { id: id.into(), kind: NeedKind::Blob, registry, repository, reference: id.into(), limit: 8 }
}

fn needs(ids: &[&str]) -> Value {
    json!({"ok": {"needs": ids.iter().map(|id| need(id)).collect::<Vec<_>>()}})
}

fn loaded() -> Value {
    json!({"ok": {}})
}

fn verdict() -> Value {
    json!({"ok": {"verdict": {"decision": "accept"}}})
}

/// Answers by the name of the need, and counts how many it does at once.
#[derive(Default)]
struct Map {
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Source for Map {
    fn fetch<'a>(&'a self, need: &'a Need, _deadline: tokio::time::Instant) -> BoxFuture<'a, Fetched> {
        Box::pin(async move {
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            let pause = match need.id.as_str() {
                "hangs" => 60_000,
                "late" => 30,
                _ => 1,
            };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            match need.id.as_str() {
                "absent" => Fetched::Absent,
                "digest" => Fetched::Digest("sha256:00".into()),
                "announced" => Fetched::TooLarge { got: 99 },
                "large" => Fetched::Bytes { bytes: Bytes::from_static(b"123456789"), media_type: None },
                "broken" => Fetched::Failed { reason: "registry.example: connection refused".into() },
                id => Fetched::Bytes { bytes: Bytes::from(id.to_owned()), media_type: Some("text/plain".into()) },
            }
        })
    }
}

async fn run(
    answers: Vec<Value>,
    fetch: &Map,
    time: Duration,
) -> (Result<Decision, DecideError>, Vec<(Operation, Message)>) {
    let seen = Seen::default();
    let script = Script { answers: answers.into_iter(), seen: seen.clone() };
    let documents = Documents::new([("policy".into(), Bytes::from_static(b"yaml"))]).expect("serialisable");
    let turns = Arc::new(Semaphore::new(1));
    let deadline = Instant::now() + time;
    let result = settle(script, &turns, &documents, &json!({"image": "x"}), fetch, deadline).await;
    let seen = seen.lock().expect("no panic").clone();
    (result, seen)
}

const TIME: Duration = Duration::from_secs(10);

fn header(message: &Message) -> Value {
    serde_json::from_slice(&message.header).expect("JSON")
}

#[tokio::test]
async fn load_open_supply_in_this_order() {
    let script = vec![loaded(), needs(&["a", "absent", "b"]), needs(&["c"]), verdict()];
    let (result, seen) = run(script, &Map::default(), TIME).await;
    let decision = result.expect("a verdict");
    assert_eq!(decision.verdict, json!({"decision": "accept"}));
    assert_eq!(decision.verdict_bytes, serde_json::to_vec(&verdict()).expect("JSON"));
    assert_eq!((decision.rounds, decision.needs), (2, 4));
    let operations: Vec<_> = seen.iter().map(|(operation, _)| *operation).collect();
    assert_eq!(operations, [Operation::Load, Operation::Open, Operation::Supply, Operation::Supply]);
    assert_eq!(header(&seen[0].1), json!({"documents": [{"name": "policy", "blob": 0}]}));
    assert_eq!(seen[0].1.blobs, [b"yaml"]);
    assert_eq!(header(&seen[1].1), json!({"question": {"image": "x"}}));
    let found =
        |need: &str, blob: u32| json!({"need": need, "outcome": "found", "blob": blob, "mediaType": "text/plain"});
    assert_eq!(
        header(&seen[2].1),
        json!({"evidence": [found("a", 0), {"need": "absent", "outcome": "absent"}, found("b", 1)]})
    );
    assert_eq!(seen[2].1.blobs, [b"a", b"b"]);
    assert_eq!(header(&seen[3].1), json!({"evidence": [found("c", 0)]}));
    let kept: Vec<_> = decision.evidence.iter().map(|(e, bytes)| (e.need.as_str(), bytes.as_deref())).collect();
    assert_eq!(kept, [("a", Some(&b"a"[..])), ("absent", None), ("b", Some(b"b")), ("c", Some(b"c"))]);
}

#[tokio::test]
async fn a_verdict_can_come_at_once() {
    let (result, _) = run(vec![loaded(), verdict()], &Map::default(), TIME).await;
    let decision = result.expect("a verdict");
    assert_eq!((decision.rounds, decision.needs, decision.evidence.len()), (0, 0, 0));
}

#[tokio::test]
async fn every_outcome_is_evidence() {
    let ids = ["digest", "announced", "large", "broken", "fits"];
    let (result, _) = run(vec![loaded(), needs(&ids), verdict()], &Map::default(), TIME).await;
    let outcomes: Vec<_> = result.expect("a verdict").evidence.into_iter().map(|(e, _)| e.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Digest { digest: "sha256:00".into() },
            Outcome::TooLarge { got: 99 },
            Outcome::TooLarge { got: 9 },
            Outcome::Failed { reason: "registry.example: connection refused".into() },
            Outcome::Found { blob: 0, media_type: Some("text/plain".into()) },
        ]
    );
}

#[tokio::test]
async fn what_hangs_is_answered_in_time() {
    let begun = Instant::now();
    let time = Duration::from_millis(400);
    let script = vec![loaded(), needs(&["hangs", "a"]), needs(&["b"]), verdict()];
    let (result, _) = run(script, &Map::default(), time).await;
    let decision = result.expect("time was kept for the verdict");
    assert!(begun.elapsed() < time, "{:?}", begun.elapsed());
    let outcomes: Vec<_> = decision.evidence.iter().map(|(e, _)| &e.outcome).collect();
    assert_eq!(outcomes[0], &Outcome::Failed { reason: "registry.example: timed out after 0.3 s".into() });
    assert!(matches!(outcomes[1], Outcome::Found { blob: 0, .. }));
    assert_eq!(outcomes[2], &Outcome::Failed { reason: "registry.example: not asked, no time was left".into() });
}

#[tokio::test]
async fn sixteen_at_once_and_in_order() {
    let ids: Vec<String> = (0..40).map(|index| format!("n{index}")).collect();
    let ids: Vec<&str> = std::iter::once("late").chain(ids.iter().map(String::as_str)).collect();
    let fetch = Map::default();
    let (result, _) = run(vec![loaded(), needs(&ids), verdict()], &fetch, TIME).await;
    let answered: Vec<_> = result.expect("a verdict").evidence.into_iter().map(|(e, _)| e.need).collect();
    assert_eq!(answered, ids);
    assert_eq!(fetch.most.load(Ordering::SeqCst), MAX_FETCHES_AT_ONCE);
}

#[tokio::test]
async fn twelve_rounds_and_no_more() {
    let ids: Vec<String> = (0..20).map(|index| format!("n{index}")).collect();
    let rounds = |count: usize| std::iter::once(loaded()).chain(ids.iter().take(count).map(|id| needs(&[id])));
    let (result, _) = run(rounds(12).chain([verdict()]).collect(), &Map::default(), TIME).await;
    assert_eq!(result.expect("a verdict").rounds, 12);
    let (result, seen) = run(rounds(20).collect(), &Map::default(), TIME).await;
    assert!(matches!(result, Err(DecideError::TooManyRounds)), "{result:?}");
    assert_eq!(seen.len(), 2 + 12);
}

#[tokio::test]
async fn answers_that_cannot_be_are_errors() {
    let ends = |script| async { run(script, &Map::default(), TIME).await.0.expect_err("no verdict").to_string() };
    assert_eq!(
        ends(vec![loaded(), json!({"ok": {}})]).await,
        "the module answered open with neither needs nor a verdict"
    );
    assert_eq!(ends(vec![loaded(), needs(&[])]).await, "the module answered open with an empty list of needs");
    let both = json!({"ok": {"needs": [need("a")], "verdict": {}}});
    assert_eq!(ends(vec![loaded(), both]).await, "the module answered open with both needs and a verdict");
    let again = "the module asked again for `a`, which was answered already";
    assert_eq!(ends(vec![loaded(), needs(&["a", "a"])]).await, again);
    assert_eq!(ends(vec![loaded(), needs(&["a"]), needs(&["b", "a"])]).await, again);
    let error = json!({"error": {"code": "policy-invalid", "message": "line 3"}});
    assert_eq!(ends(vec![error.clone(), verdict()]).await, "line 3 (policy-invalid)");
    assert_eq!(ends(vec![loaded(), error]).await, "line 3 (policy-invalid)");
    assert_eq!(ends(vec![loaded()]).await, "the module trapped during open: the script is at its end");
    let many: Vec<String> = (0..=MAX_BLOBS).map(|index| index.to_string()).collect();
    let many = needs(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        ends(vec![loaded(), many]).await,
        "the module has 4097 needs in one round, at most 4096 can be answered"
    );
}

#[tokio::test]
async fn too_many_at_once_is_said() {
    let turns = Arc::new(Semaphore::new(0));
    let script = Script { answers: Vec::new().into_iter(), seen: Seen::default() };
    let documents = Documents::new([]).expect("serialisable");
    let deadline = Instant::now() + Duration::from_millis(20);
    let result = settle(script, &turns, &documents, &json!({}), &Map::default(), deadline).await;
    assert!(matches!(result, Err(DecideError::Overloaded { operation: Operation::Load })), "{result:?}");
}

#[test]
fn a_decision_can_move_between_threads() {
    fn moves<T: Send>(_: T) {}
    let (engine, documents): (Option<crate::Engine>, _) = (None, Documents::new([]).expect("serialisable"));
    if let Some(engine) = &engine {
        moves(crate::decide(engine, &documents, &Value::Null, &Map::default(), Instant::now()));
        moves(crate::decide_once(engine, &documents, &Value::Null, &[], Instant::now()));
    }
}
