//! The loop: load, open, then evidence until there is a verdict (docs/abi.md, section "A decision").
//!
//! It runs over [`Calls`] instead of a sandbox, so that its bookkeeping is tested against scripted answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bulla_abi::{MAX_BLOBS, Message, Need, Operation};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::decision::{DecideError, Decision, Documents, left};
use crate::error::SandboxError;
use bulla_source::Source;

use crate::fetch::{Answered, answer_all};
use crate::reply;
use crate::sandbox::Sandbox;

/// Rounds of evidence in one decision. 12 settle any image, whatever the number of keys and policies; three or four are usual.
pub const MAX_ROUNDS: u32 = 12;

/// The part of the time that is kept for the module to read late evidence and say what was missing: a quarter, at most this.
const RESERVE: Duration = Duration::from_millis(250);

/// What the loop needs of a sandbox.
pub(crate) trait Calls: Send + 'static {
    fn call(&mut self, operation: Operation, message: &Message, budget: Duration) -> Result<Message, SandboxError>;

    fn load(&mut self, documents: &Documents, budget: Duration) -> Result<Message, SandboxError> {
        self.call(Operation::Load, documents.message(), budget)
    }
}

impl Calls for Sandbox {
    fn call(&mut self, operation: Operation, message: &Message, budget: Duration) -> Result<Message, SandboxError> {
        Sandbox::call(self, operation, message, budget)
    }

    fn load(&mut self, documents: &Documents, budget: Duration) -> Result<Message, SandboxError> {
        Sandbox::load(self, documents, budget)
    }
}

/// One thing that a turn does.
pub(crate) enum Act {
    /// Loads documents.
    Load(Documents),
    /// Carries out an operation.
    Call(Operation, Arc<Message>),
}

impl Act {
    const fn operation(&self) -> Operation {
        match self {
            Self::Load(_) => Operation::Load,
            Self::Call(operation, _) => *operation,
        }
    }
}

/// What the module says when it was asked or given evidence.
#[derive(Debug)]
pub(crate) enum Step {
    Needs(Vec<Need>),
    /// A verdict, or what another operation answers in the end.
    End(Value),
}

impl Step {
    pub(crate) fn read(operation: Operation, message: &Message) -> Result<Self, DecideError> {
        // Fields instead of an enum, so that a later module may add to its answers.
        #[derive(Deserialize)]
        struct Body {
            needs: Option<Vec<Need>>,
            verdict: Option<Value>,
            listing: Option<Value>,
            collection: Option<Value>,
            publication: Option<Value>,
            checks: Option<Value>,
        }
        let Body { needs, verdict, listing, collection, publication, checks } = reply::body(message)?;
        let (end, neither, both) = match operation {
            Operation::Inspect => (listing, "neither needs nor a listing", "both needs and a listing"),
            Operation::Update => (collection, "neither needs nor a collection", "both needs and a collection"),
            Operation::Publish => (publication, "neither needs nor a publication", "both needs and a publication"),
            Operation::Chain => (checks, "neither needs nor checks", "both needs and checks"),
            _ => (verdict, "neither needs nor a verdict", "both needs and a verdict"),
        };
        let wrong = |what| Err(DecideError::Reply { operation, what });
        match (needs, end) {
            (Some(needs), None) if needs.is_empty() => wrong("an empty list of needs"),
            (Some(needs), None) => Ok(Self::Needs(needs)),
            (None, Some(end)) => Ok(Self::End(end)),
            (None, None) => wrong(neither),
            (Some(_), Some(_)) => wrong(both),
        }
    }
}

/// Runs one decision to its end.
pub(crate) async fn settle<C: Calls>(
    calls: C,
    turns: &Arc<Semaphore>,
    documents: &Documents,
    question: &Value,
    fetch: &dyn Source,
    deadline: Instant,
) -> Result<Decision, DecideError> {
    let fetch_until = fetch_until(deadline);
    let mut ledger = Ledger::default();
    let open = Message::new(&json!({"question": question})).map_err(SandboxError::Header)?;
    let first = vec![Act::Load(documents.clone()), Act::Call(Operation::Open, Arc::new(open))];
    let (mut calls, mut reply) = turn(calls, turns, deadline, first).await?;
    let mut asked = Operation::Open;
    loop {
        let needs = match Step::read(asked, &reply)? {
            Step::End(verdict) => return Ok(ledger.close(verdict, reply.header)),
            Step::Needs(needs) => needs,
        };
        ledger.ask(&needs)?;
        let answers = answer_all(&needs, fetch, fetch_until).await;
        let supply = Arc::new(supply(&answers)?);
        ledger.answered.extend(answers);
        asked = Operation::Supply;
        (calls, reply) = turn(calls, turns, deadline, vec![Act::Call(asked, supply)]).await?;
    }
}

/// When fetching ends, so that the module still has time to say what was missing.
pub(crate) fn fetch_until(deadline: Instant) -> Instant {
    deadline.checked_sub((left(deadline) / 4).min(RESERVE)).unwrap_or(deadline)
}

/// Calls the module, one message after the other, and gives the last reply; an error among the earlier ones ends it.
///
/// The calls run on a blocking thread. `block_in_place` would save a handover, measured at 10 to 60 µs beside calls of 1
/// to 5 ms, but it panics on a single-threaded runtime, and it would run the images of one Pod one after the other where a
/// caller joins their decisions in one task. At 200 decisions a second with four handovers each that is below 5 % of one
/// processor; `load` and `open` go together to save one more. A turn is awaited first: with many more running calls than
/// processors every one would be slow at once, and miss its deadline together with all others.
pub(crate) async fn turn<C: Calls>(
    mut calls: C,
    turns: &Arc<Semaphore>,
    deadline: Instant,
    acts: Vec<Act>,
) -> Result<(C, Message), DecideError> {
    let operation = acts.first().map_or(Operation::Decide, Act::operation);
    let turn = tokio::time::timeout_at(deadline.into(), turns.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(DecideError::Overloaded { operation });
    };
    let work = move || {
        // Kept until the calls are over, also when nobody waits for them any more.
        let _turn = turn;
        let mut last = Message::default();
        let count = acts.len();
        for (index, act) in acts.into_iter().enumerate() {
            last = match act {
                Act::Load(documents) => calls.load(&documents, left(deadline))?,
                Act::Call(operation, message) => calls.call(operation, &message, left(deadline))?,
            };
            if index.saturating_add(1) < count {
                reply::body::<serde::de::IgnoredAny>(&last)?;
            }
        }
        Ok((calls, last))
    };
    let ran = tokio::task::spawn_blocking(work).await;
    ran.map_err(|error| SandboxError::Stopped { what: error.to_string() })?
}

fn supply(answers: &[Answered]) -> Result<Message, SandboxError> {
    let evidence: Vec<_> = answers.iter().map(|(evidence, _)| evidence).collect();
    let mut message = Message::new(&json!({"evidence": evidence}))?;
    message.blobs = answers.iter().filter_map(|(_, bytes)| bytes.as_ref().map(|bytes| bytes.to_vec())).collect();
    Ok(message)
}

/// What was asked and answered in this decision.
#[derive(Default)]
pub(crate) struct Ledger {
    rounds: u32,
    asked: HashSet<String>,
    pub(crate) answered: Vec<Answered>,
}

impl Ledger {
    pub(crate) fn ask(&mut self, needs: &[Need]) -> Result<(), DecideError> {
        if self.rounds >= MAX_ROUNDS {
            return Err(DecideError::TooManyRounds);
        }
        if needs.len() > MAX_BLOBS {
            return Err(DecideError::TooManyNeeds { got: needs.len(), limit: MAX_BLOBS });
        }
        if let Some(need) = needs.iter().find(|need| !self.asked.insert(need.id.clone())) {
            return Err(DecideError::AskedAgain { id: need.id.clone() });
        }
        self.rounds = self.rounds.saturating_add(1);
        Ok(())
    }

    fn close(self, verdict: Value, verdict_bytes: Vec<u8>) -> Decision {
        let needs = u32::try_from(self.answered.len()).unwrap_or(u32::MAX);
        Decision { verdict, verdict_bytes, evidence: self.answered, rounds: self.rounds, needs }
    }
}

#[cfg(test)]
#[path = "rounds_tests.rs"]
mod tests;
