//! The module's state and its operations: describe, load, open, supply, decide.

use bulla_abi::{ErrorBody, Evidence, Message, Need, NeedKind, Operation, Outcome};
use bulla_core::decision::{Question, Session, Step};
use bulla_core::ordered::Ordered as _;
use bulla_core::policy::PolicySet;
use bulla_core::{evidence, limits};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::reply::{self, Answer, Reply, error};
use crate::{blob, images, inspect, keys, notation, policies, signing, trust};

/// One instance of the module: the policies that were loaded, and the question that is open.
#[derive(Debug, Default)]
pub struct Module {
    policies: Option<PolicySet>,
    session: Option<Session>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Load {
    documents: Vec<DocumentBlob>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentBlob {
    name: String,
    blob: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    question: Question,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Supply {
    evidence: Vec<Evidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decide {
    documents: Vec<DocumentBlob>,
    question: Question,
    evidence: Vec<Evidence>,
}

impl Module {
    /// Carries out an operation: the bytes of a message in, the bytes of a message out. Bad input is an error reply.
    pub fn call(&mut self, operation: i32, message: &[u8]) -> Vec<u8> {
        let reply = match (Operation::from_number(operation), Message::decode(message)) {
            (Some(operation), Ok(message)) => self.dispatch(operation, message),
            (None, _) => Err(error("operation-unknown", format!("there is no operation {operation}"))),
            (_, Err(problem)) => Err(error("message-invalid", problem)),
        };
        reply::encode(reply)
    }

    fn dispatch(&mut self, operation: Operation, mut message: Message) -> Reply {
        match operation {
            Operation::Describe => describe(),
            Operation::Load => self.load(&message),
            Operation::Open => self.open(&message),
            Operation::Supply => self.supply(message),
            Operation::Decide => decide(message),
            Operation::Extract => images::extract(&message),
            Operation::Respond => images::respond(&message),
            Operation::Contents => images::contents(&message),
            Operation::Prepare => signing::prepare(&message),
            Operation::Assemble => signing::assemble(&message),
            Operation::Check => keys::check(&message),
            Operation::Inspect => inspect::list(message),
            Operation::Convert => policies::convert(&message),
            Operation::Update => trust::update(message),
            Operation::Certify => trust::certify(&message),
            Operation::Publish => trust::publish(message),
            Operation::Blob => blob::decide(message),
            Operation::Chain => notation::check(message),
            Operation::Sign | Operation::Generate | Operation::Key => {
                let reply = match operation {
                    Operation::Sign => keys::sign(&message),
                    Operation::Generate => keys::generate(&message),
                    _ => keys::key(&message),
                };
                // Keys, passphrases and entropy do not outlive the call.
                message.blobs.zeroize();
                reply
            }
            other => Err(error("operation-unknown", format!("operation {} is not carried out", other.name()))),
        }
    }

    fn load(&mut self, message: &Message) -> Reply {
        let header: Load = reply::header(message)?;
        let policies = read_policies(&header.documents, message)?;
        let registries: std::collections::BTreeSet<&str> =
            policies.policies().iter().flat_map(|policy| policy.registries()).into_set();
        let names: Vec<_> = policies
            .policies()
            .iter()
            .map(|policy| {
                serde_json::json!({"policy": policy.name, "document": policy.document, "mode": policy.mode,
                    "signers": policy.signers.iter().map(|(name, signer)| policies::described(name, signer))
                        .collect::<Vec<_>>()})
            })
            .collect();
        let answer = Answer::new(&serde_json::json!({"policies": names, "registries": registries}));
        self.policies = Some(policies);
        self.session = None;
        answer
    }

    fn open(&mut self, message: &Message) -> Reply {
        let header: Open = reply::header(message)?;
        let policies =
            self.policies.as_ref().ok_or_else(|| error("not-loaded", "load policies before opening a question"))?;
        let (session, step) = Session::open(policies, header.question);
        // A settled question is closed: later evidence cannot change what was answered.
        self.session = matches!(step, Step::Needs(_)).then_some(session);
        answer(&step)
    }

    fn supply(&mut self, mut message: Message) -> Reply {
        let header: Supply = reply::header(&message)?;
        let (Some(policies), Some(session)) = (self.policies.as_ref(), self.session.as_mut()) else {
            return Err(error("not-open", "open a question before supplying evidence"));
        };
        let step = session.supply(policies, outcomes(header.evidence, &mut message)?);
        if matches!(step, Step::Settled(_)) {
            self.session = None;
        }
        answer(&step)
    }
}

fn describe() -> Reply {
    let operations: Vec<_> = Operation::ALL
        .into_iter()
        .map(|operation| serde_json::json!({"operation": operation.name(), "number": operation.number()}))
        .collect();
    Answer::new(&serde_json::json!({
        "name": "bulla",
        "version": env!("CARGO_PKG_VERSION"),
        "abi": bulla_abi::ABI_VERSION,
        "compiler": env!("BULLA_COMPILER"),
        "operations": operations,
        "limits": {
            "manifestBytes": limits::MAX_MANIFEST_BYTES,
            "payloadBytes": limits::MAX_PAYLOAD_BYTES,
            "signatures": limits::MAX_SIGNATURES,
            "verificationUnits": limits::MAX_VERIFICATION_UNITS,
            "evidenceBytes": limits::MAX_EVIDENCE_BYTES,
            "rounds": limits::MAX_ROUNDS,
            "policyBytes": limits::MAX_POLICY_BYTES,
            "policies": limits::MAX_POLICIES,
            "reviewBytes": limits::MAX_REVIEW_BYTES,
            "images": limits::MAX_IMAGES,
            "keyEntropyBytes": bulla_core::key::GENERATION_ENTROPY_BYTES,
            "encryptionEntropyBytes": bulla_core::key::ENCRYPTION_ENTROPY_BYTES,
            "notaryEntropyBytes": bulla_core::tuf::private_key::ENTROPY_BYTES,
            "serialBytes": bulla_core::signing::trust::SERIAL_BYTES,
        },
    }))
}

/// Everything at once: the same steps as load, open and supply, and so the same verdict.
fn decide(mut message: Message) -> Reply {
    let header: Decide = reply::header(&message)?;
    let policies = read_policies(&header.documents, &message)?;
    let (mut session, mut step) = Session::open(&policies, header.question);
    if matches!(step, Step::Needs(_)) {
        step = session.supply(&policies, outcomes(header.evidence, &mut message)?);
    }
    answer(&step)
}

fn read_policies(documents: &[DocumentBlob], message: &Message) -> Result<PolicySet, ErrorBody> {
    let documents = documents
        .iter()
        .map(|document| Ok((document.name.clone(), reply::blob(message, document.blob)?)))
        .collect::<Result<Vec<_>, ErrorBody>>()?;
    PolicySet::read(&documents).map_err(|diagnostics| ErrorBody {
        code: "policy-invalid".to_owned(),
        message: diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        details: diagnostics.iter().filter_map(|diagnostic| serde_json::to_value(diagnostic).ok()).collect(),
    })
}

/// All evidence of an operation that remembers none.
pub(crate) fn gathered(evidence: Vec<Evidence>, message: &mut Message) -> Result<evidence::Evidence, ErrorBody> {
    let mut all = evidence::Evidence::default();
    for (need, outcome) in outcomes(evidence, message)? {
        all.insert(need, outcome);
    }
    Ok(all)
}

/// What came of needs. Takes the blobs that evidence names out of the message; each belongs to one piece.
pub(crate) fn outcomes(
    evidence: Vec<Evidence>,
    message: &mut Message,
) -> Result<Vec<(String, evidence::Outcome)>, ErrorBody> {
    let mut taken = std::collections::BTreeSet::new();
    evidence
        .into_iter()
        .map(|evidence| {
            let outcome = match evidence.outcome {
                Outcome::Found { blob, media_type } => {
                    let there = message.blobs.len();
                    if !taken.insert(blob) {
                        return Err(error("message-invalid", format!("two pieces of evidence name blob {blob}")));
                    }
                    let bytes = message.blobs.get_mut(blob).map(core::mem::take).ok_or_else(|| {
                        error("message-invalid", format!("evidence names blob {blob}, and there are {there}"))
                    })?;
                    evidence::Outcome::Found { bytes, media_type }
                }
                Outcome::Digest { digest } => evidence::Outcome::Digest(digest),
                Outcome::Absent => evidence::Outcome::Absent,
                Outcome::TooLarge { got } => evidence::Outcome::TooLarge { got },
                Outcome::Failed { reason } => evidence::Outcome::Failed { reason },
            };
            Ok((evidence.need, outcome))
        })
        .collect()
}

fn answer(step: &Step) -> Reply {
    match step {
        Step::Needs(wanted) => needs(wanted),
        Step::Settled(verdict) => Answer::new(verdict),
    }
}

/// The answer that asks for these.
pub(crate) fn needs(wanted: &[evidence::Need]) -> Reply {
    #[derive(Serialize)]
    struct Needs {
        needs: Vec<Need>,
    }
    Answer::new(&Needs { needs: wanted.iter().map(wire).collect() })
}

fn wire(need: &evidence::Need) -> Need {
    Need {
        id: need.id(),
        kind: match need.kind {
            evidence::NeedKind::Resolve => NeedKind::Resolve,
            evidence::NeedKind::Manifest => NeedKind::Manifest,
            evidence::NeedKind::Referrers => NeedKind::Referrers,
            evidence::NeedKind::Blob => NeedKind::Blob,
            evidence::NeedKind::Crl => NeedKind::Crl,
            evidence::NeedKind::Ocsp => NeedKind::Ocsp,
            evidence::NeedKind::Role => NeedKind::Role,
            evidence::NeedKind::Remembered => NeedKind::Remembered,
        },
        registry: need.registry.clone(),
        repository: need.repository.clone(),
        reference: need.reference.clone(),
        limit: need.limit,
    }
}
