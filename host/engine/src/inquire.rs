//! Operations that answer with needs and remember nothing between rounds (docs/abi.md: `inspect`, `update`, `publish`, `blob`, `chain`): each
//! round brings the whole request again, with all evidence so far. The loop is that of a decision.

use std::sync::Arc;
use std::time::Instant;

use bulla_abi::{Message, Operation};
use bulla_source::Source;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::decision::{DecideError, add_evidence, left};
use crate::engine::Engine;
use crate::error::SandboxError;
use crate::fetch::{Answered, answer_all};
use crate::rounds::{Act, Calls, Ledger, Step, fetch_until, turn};

/// Lists what lies there for one image, in a fresh sandbox. `inspection` is the request without its evidence, `blobs` are
/// those that it names. What could not be fetched by a little before `deadline` is named in the list.
///
/// # Errors
/// [`DecideError`]: no list by `deadline`, or none at all.
pub async fn inspect(
    engine: &Engine,
    inspection: &Value,
    blobs: Vec<Vec<u8>>,
    fetch: &dyn Source,
    deadline: Instant,
) -> Result<Value, DecideError> {
    Ok(inquire(engine, Operation::Inspect, inspection, blobs, fetch, deadline).await?.0)
}

/// Carries out one of these operations in a fresh sandbox, as [`inspect`] does; gives what it answers in the end, and the blobs
/// of that answer.
///
/// # Errors
/// [`DecideError`]: no answer by `deadline`, or an error of the module.
pub async fn inquire(
    engine: &Engine,
    operation: Operation,
    request: &Value,
    blobs: Vec<Vec<u8>>,
    fetch: &dyn Source,
    deadline: Instant,
) -> Result<(Value, Vec<Vec<u8>>), DecideError> {
    let sandbox = engine.sandbox_within(left(deadline)).await?;
    run(sandbox, engine.turns(), (operation, request, &blobs), fetch, deadline).await
}

async fn run<C: Calls>(
    mut calls: C,
    turns: &Arc<Semaphore>,
    (operation, inquiry, blobs): (Operation, &Value, &[Vec<u8>]),
    fetch: &dyn Source,
    deadline: Instant,
) -> Result<(Value, Vec<Vec<u8>>), DecideError> {
    let fetch_until = fetch_until(deadline);
    let mut ledger = Ledger::default();
    loop {
        let request = Arc::new(request(inquiry, blobs, &ledger.answered)?);
        let reply;
        (calls, reply) = turn(calls, turns, deadline, vec![Act::Call(operation, request)]).await?;
        let needs = match Step::read(operation, &reply)? {
            Step::End(end) => return Ok((end, reply.blobs)),
            Step::Needs(needs) => needs,
        };
        ledger.ask(&needs)?;
        ledger.answered.extend(answer_all(&needs, fetch, fetch_until).await);
    }
}

/// The request with all evidence so far, its blobs behind those that are there.
fn request(inquiry: &Value, blobs: &[Vec<u8>], answered: &[Answered]) -> Result<Message, DecideError> {
    let mut message = Message { header: Vec::new(), blobs: blobs.to_vec() };
    let evidence = serde_json::to_value(add_evidence(&mut message, answered)?).map_err(SandboxError::Header)?;
    let mut header = inquiry.clone();
    if let Some(fields) = header.as_object_mut() {
        fields.insert("evidence".to_owned(), evidence);
    }
    message.header = serde_json::to_vec(&header).map_err(SandboxError::Header)?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::time::Duration;

    use bulla_abi::Need;
    use bulla_source::{BoxFuture, Fetched};
    use serde_json::json;

    use super::*;

    type Seen = Arc<Mutex<Vec<Message>>>;

    struct Script(VecDeque<Value>, Seen);

    impl Calls for Script {
        fn call(
            &mut self,
            operation: Operation,
            message: &Message,
            _budget: Duration,
        ) -> Result<Message, SandboxError> {
            assert_eq!(operation, Operation::Inspect);
            self.1.lock().expect("no panic").push(message.clone());
            Ok(Message::new(&self.0.pop_front().expect("an answer"))?)
        }
    }

    /// Gives the name of what is asked for; "absent" is not there.
    struct Named;

    impl Source for Named {
        fn fetch<'a>(&'a self, need: &'a Need, _deadline: tokio::time::Instant) -> BoxFuture<'a, Fetched> {
            Box::pin(async move {
                match need.id.as_str() {
                    "absent" => Fetched::Absent,
                    id => Fetched::Bytes { bytes: id.to_owned().into(), media_type: None },
                }
            })
        }
    }

    fn needs(ids: &[&str]) -> Value {
        let need = |id: &&str| {
            json!({"id": id, "kind": "blob", "registry": "registry.example", "repository": "app", "reference": id,
                "limit": 8})
        };
        json!({"ok": {"needs": ids.iter().map(need).collect::<Vec<_>>()}})
    }

    async fn listed(answers: impl IntoIterator<Item = Value>) -> (Result<Value, DecideError>, Vec<Message>) {
        let seen = Seen::default();
        let script = Script(answers.into_iter().collect(), seen.clone());
        let (turns, inspection) =
            (Arc::new(Semaphore::new(1)), json!({"image": "x", "keys": [{"name": "k", "key": 0}]}));
        let deadline = Instant::now() + Duration::from_secs(10);
        let asked = (Operation::Inspect, &inspection, &[b"key".to_vec()][..]);
        let listing = run(script, &turns, asked, &Named, deadline).await.map(|(listing, _)| listing);
        let seen = seen.lock().expect("no panic").clone();
        (listing, seen)
    }

    #[tokio::test]
    async fn each_round_brings_everything_again() {
        let end = json!({"ok": {"listing": {"entries": []}}});
        let (listing, seen) = listed([needs(&["a", "absent"]), needs(&["b"]), end]).await;
        assert_eq!(listing.expect("a listing"), json!({"entries": []}));
        let blobs: Vec<_> = seen.iter().map(|message| message.blobs.concat()).collect();
        assert_eq!(blobs, [&b"key"[..], b"keya", b"keyab"]);
        let last: Value = serde_json::from_slice(&seen[2].header).expect("JSON");
        let found = |need: &str, blob: u32| json!({"need": need, "outcome": "found", "blob": blob});
        let evidence = json!([found("a", 1), {"need": "absent", "outcome": "absent"}, found("b", 2)]);
        assert_eq!(last, json!({"image": "x", "keys": [{"name": "k", "key": 0}], "evidence": evidence}));
    }

    #[tokio::test]
    async fn what_cannot_end_is_an_error() {
        let (listing, _) = listed([needs(&["a"]), needs(&["a"])]).await;
        assert!(matches!(listing, Err(DecideError::AskedAgain { .. })), "{listing:?}");
        let ids: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let (listing, seen) = listed(ids.iter().map(|id| needs(&[id]))).await;
        assert!(matches!(listing, Err(DecideError::TooManyRounds)), "{listing:?}");
        assert_eq!(seen.len(), 13);
        let (listing, _) = listed([json!({"ok": {"verdict": {}}})]).await;
        let error = listing.expect_err("no listing").to_string();
        assert_eq!(error, "the module answered inspect with neither needs nor a listing");
    }
}
