//! From a question to a verdict, with evidence fetched on the way, or with all of it at hand.

use std::sync::Arc;
use std::time::Instant;

use bulla_abi::{Evidence, Message, Need, Operation, Outcome};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::error::SandboxError;
use bulla_source::Source;

use crate::fetch::Answered;
use crate::prepared::Slot;
use crate::rounds::{self, Act, MAX_ROUNDS, Step};

/// What a decision rests on: policies, pins and trust material, by name. Made once when they change; a clone is cheap.
#[derive(Debug, Clone)]
pub struct Documents {
    names: Arc<[String]>,
    load: Arc<Message>,
    slot: Arc<Slot>,
}

impl Documents {
    /// Documents by name, in the order in which the module is to read them. Nothing is parsed here.
    ///
    /// # Errors
    /// [`SandboxError::Header`], which names that serialise cannot cause.
    pub fn new(documents: impl IntoIterator<Item = (String, Bytes)>) -> Result<Self, SandboxError> {
        let (names, blobs): (Vec<String>, Vec<Vec<u8>>) =
            documents.into_iter().map(|(name, bytes)| (name, bytes.to_vec())).unzip();
        let mut load = Message::new(&json!({"documents": listed(&names)}))?;
        load.blobs = blobs;
        Ok(Self { names: names.into(), load: Arc::new(load), slot: Arc::default() })
    }

    /// The names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Names and contents, in order.
    pub fn contents(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.names.iter().zip(&self.load.blobs).map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// The message that loads them.
    pub(crate) fn message(&self) -> &Arc<Message> {
        &self.load
    }

    /// Where what loading them leaves behind is kept.
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }
}

fn listed(names: &[String]) -> Vec<Value> {
    names.iter().enumerate().map(|(blob, name)| json!({"name": name, "blob": blob})).collect()
}

/// A verdict, and all that it was reached with.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The verdict, as JSON.
    pub verdict: Value,
    /// The header of the reply that held it, octet by octet as the module wrote it.
    pub verdict_bytes: Vec<u8>,
    /// The evidence in the order in which it was supplied, with its bytes, for the record. Blob indices in it are those of
    /// the round it was supplied in; [`decide_once`] gives them anew.
    pub evidence: Vec<Answered>,
    /// How often evidence was supplied.
    pub rounds: u32,
    /// Needs that were answered.
    pub needs: u32,
}

/// Why there is no verdict. Hosts answer *unknown* and say this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// The sandbox failed, or the module answered with an error.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The deadline passed while other decisions were being calculated.
    #[error("no processor came free for {} before the deadline: too many decisions at once", operation.name())]
    Overloaded {
        /// What was to be done next.
        operation: Operation,
    },
    /// The module still had needs after the last round.
    #[error("no verdict after {MAX_ROUNDS} rounds of evidence")]
    TooManyRounds,
    /// The module asked for more than fits into one message.
    #[error("the module has {got} needs in one round, at most {limit} can be answered")]
    TooManyNeeds {
        /// Needs of the round.
        got: usize,
        /// Needs a round can have.
        limit: usize,
    },
    /// The module asked twice for one thing, which would go on forever.
    #[error("the module asked again for `{id}`, which was answered already")]
    AskedAgain {
        /// The id of the need.
        id: String,
    },
    /// A reply with neither needs nor a verdict, or with both.
    #[error("the module answered {} with {what}", operation.name())]
    Reply {
        /// What was asked.
        operation: Operation,
        /// What came.
        what: &'static str,
    },
    /// The evidence at hand is not enough for a verdict ([`decide_once`]).
    #[error("{} needs have no evidence, the first is `{}`", needs.len(), needs.first().map_or("", |need| need.id.as_str()))]
    Incomplete {
        /// What is missing.
        needs: Vec<Need>,
    },
    /// Evidence says that bytes were found, and has none ([`decide_once`]).
    #[error("the evidence for `{need}` has lost its bytes")]
    BytesMissing {
        /// The id of the need.
        need: String,
    },
}

/// Decides one question in a fresh sandbox. Fetching ends a little before `deadline`, so that the module still has time to
/// say what was missing: that verdict is worth more than an error.
///
/// Dropping the future ends the fetches at once, and the sandbox when its present call is over.
///
/// # Errors
/// [`DecideError`]: no verdict by `deadline`, or none at all.
pub async fn decide(
    engine: &Engine,
    documents: &Documents,
    question: &Value,
    fetch: &dyn Source,
    deadline: Instant,
) -> Result<Decision, DecideError> {
    let sandbox = engine.sandbox_within(left(deadline)).await?;
    rounds::settle(sandbox, engine.turns(), documents, question, fetch, deadline).await
}

/// Decides one question from evidence at hand, in one call: what replay does. The verdict has the same octets as the one
/// of [`decide`] with this evidence.
///
/// # Errors
/// [`DecideError`]; [`DecideError::Incomplete`] when evidence is missing.
pub async fn decide_once(
    engine: &Engine,
    documents: &Documents,
    question: &Value,
    evidence: &[Answered],
    deadline: Instant,
) -> Result<Decision, DecideError> {
    let message = whole(documents, question, evidence)?;
    let sandbox = engine.sandbox_within(left(deadline)).await?;
    let (_, reply) =
        rounds::turn(sandbox, engine.turns(), deadline, vec![Act::Call(Operation::Decide, Arc::new(message))]).await?;
    let needs = u32::try_from(evidence.len()).unwrap_or(u32::MAX);
    match Step::read(Operation::Decide, &reply)? {
        Step::Needs(needs) => Err(DecideError::Incomplete { needs }),
        Step::End(verdict) => {
            Ok(Decision { verdict, verdict_bytes: reply.header, evidence: evidence.to_vec(), rounds: 1, needs })
        }
    }
}

/// Documents, question and evidence in one message, the documents' blobs first.
fn whole(documents: &Documents, question: &Value, evidence: &[Answered]) -> Result<Message, DecideError> {
    let mut message = Message { header: Vec::new(), blobs: documents.load.blobs.clone() };
    let evidence = add_evidence(&mut message, evidence)?;
    let header = json!({"documents": listed(&documents.names), "question": question, "evidence": evidence});
    message.header = serde_json::to_vec(&header).map_err(SandboxError::Header)?;
    Ok(message)
}

/// Adds the bytes of evidence to a message, and gives the evidence with blob indices of this message.
pub(crate) fn add_evidence(message: &mut Message, evidence: &[Answered]) -> Result<Vec<Evidence>, DecideError> {
    let renumber = |(evidence, bytes): &Answered| {
        let mut evidence = evidence.clone();
        if let Outcome::Found { blob, .. } = &mut evidence.outcome {
            let missing = || DecideError::BytesMissing { need: evidence.need.clone() };
            *blob = message.push(bytes.as_ref().ok_or_else(missing)?.to_vec());
        }
        Ok(evidence)
    };
    evidence.iter().map(renumber).collect()
}

pub(crate) fn left(deadline: Instant) -> std::time::Duration {
    deadline.saturating_duration_since(Instant::now())
}
