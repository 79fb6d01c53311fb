//! Decisions: a question and evidence give needs, or a verdict. There is no other way to a verdict.
//!
//! [`decide`] is a pure function. [`Session`] calls it again each time evidence comes; what it gives in the end is what
//! [`decide`] gives with all of the evidence at once.

mod accepted;
mod reason;
mod session;
mod signatures;
mod tree;
mod verdict;

pub use reason::Reason;
pub use session::Session;
pub use signatures::Checks;
pub use verdict::{Findings, Form, Node, Outcome, Permit, PolicyResult, Verdict};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::evidence::{self, Evidence, Need};
use crate::limits::MAX_EVIDENCE_BYTES;
use crate::policy::{Mode, PolicySet};
use crate::reference::Reference;
use crate::time::UnixTime;

/// What is asked: may this image run, now, here? A projection: never the object that it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The image, as it was asked for. A text that is not a reference is rejected, not an error.
    pub image: String,
    /// When.
    pub now: UnixTime,
    /// The Kubernetes namespace, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// How far a decision has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// These are to be fetched, all at once.
    Needs(Vec<Need>),
    /// It is settled.
    Settled(Box<Verdict>),
}

/// Decides, as far as the evidence goes. `checks` remembers signature checks between calls; it never changes the outcome.
pub fn decide(policies: &PolicySet, question: &Question, evidence: &Evidence, checks: &mut Checks) -> Step {
    let image = match Reference::parse(&question.image) {
        Ok(image) => image,
        Err(error) => {
            let shown = crate::text::excerpt(&question.image);
            return Findings::new(&shown, None).reject(Reason::Reference { what: error.to_string() });
        }
    };
    let repository = image.repository();
    let mut findings = Findings::new(&image.to_string(), Some(repository));
    let matching = policies.matching(repository, question.namespace.as_deref());
    let all_namespaced = question.namespace.is_none() && matching.iter().all(|policy| policy.is_namespaced());
    if matching.is_empty() || all_namespaced {
        // Nothing is fetched for an image that no policy speaks about: its registry is named by nobody we trust.
        return findings.reject(Reason::NoPolicy {
            repository: repository.to_string(),
            namespaced: all_namespaced && !matching.is_empty(),
        });
    }
    findings.enforced = matching.iter().any(|policy| decides(policy.mode));
    if evidence.is_over_budget() {
        let reason = Reason::Budget { what: "octets of evidence", limit: MAX_EVIDENCE_BYTES, got: evidence.bytes() };
        return findings.unknown(reason);
    }
    let mut ask = Asking { evidence, needs: Vec::new() };

    let digest = match subject(&image, &mut ask) {
        Subject::Known(digest) => digest,
        Subject::Asked => return Step::Needs(ask.needs),
        Subject::Absent(reason) => return findings.reject(reason),
        Subject::Unknown(reason) => return findings.unknown(reason),
    };
    findings.subject(&image, &digest);

    let Some(signatures) = signatures::collect(repository, &digest, &mut ask) else {
        return Step::Needs(ask.needs);
    };

    let mut pass = checks.pass();
    let results: Vec<PolicyResult> = matching
        .iter()
        .map(|policy| {
            let subject = accepted::Subject { image: &image, digest: &digest };
            let tree = tree::evaluate(policy, &signatures, subject, &mut pass);
            PolicyResult { policy: policy.name.clone(), document: policy.document.clone(), mode: policy.mode, tree }
        })
        .collect();

    // Signatures of forms that this version does not read are named, so that nobody takes "rejected" for "unsigned".
    if results.iter().any(|result| result.tree.outcome == Outcome::Reject) {
        let need = Need::referrers(repository, &digest);
        match ask.get(&need) {
            None => return Step::Needs(ask.needs),
            Some(outcome) => findings.other_forms(signatures::other_forms(&signatures, outcome)),
        }
    }
    findings.settle(results, repository, &digest)
}

/// Looks evidence up, and notes what is not there yet.
struct Asking<'e> {
    evidence: &'e Evidence,
    needs: Vec<Need>,
}

impl<'e> Asking<'e> {
    fn get(&mut self, need: &Need) -> Option<&'e evidence::Outcome> {
        let found = self.evidence.get(need);
        if found.is_none() && !self.needs.contains(need) {
            self.needs.push(need.clone());
        }
        found
    }
}

enum Subject {
    Known(Digest),
    Asked,
    Absent(Reason),
    Unknown(Reason),
}

/// The digest that the decision is about. It is settled once; everything after it is by digest.
fn subject(image: &Reference, ask: &mut Asking<'_>) -> Subject {
    if let Some(digest) = image.digest() {
        return Subject::Known(digest.clone());
    }
    let need = Need::resolve(image.repository(), image.tag().unwrap_or("latest"));
    let claimed = match ask.get(&need) {
        None => return Subject::Asked,
        Some(evidence::Outcome::Digest(claimed)) => Digest::parse(claimed),
        Some(evidence::Outcome::Found { bytes, .. }) => Ok(Digest::sha256(bytes)),
        Some(evidence::Outcome::Absent) => return Subject::Absent(Reason::ImageAbsent { image: image.to_string() }),
        Some(other) => return Subject::Unknown(Reason::unfetched(&need, other)),
    };
    match claimed {
        Ok(digest) => Subject::Known(digest),
        Err(error) => {
            Subject::Unknown(Reason::Unfetched { need: need.id(), reason: format!("the registry answered: {error}") })
        }
    }
}

/// Whether an outcome under this mode decides about the image; the other modes only speak.
const fn decides(mode: Mode) -> bool {
    matches!(mode, Mode::Enforce)
}
