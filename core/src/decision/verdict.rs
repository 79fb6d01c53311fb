//! Verdicts: accept, reject or unknown, each with everything that led to it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::identity::Identity;
use super::place::Place;
use super::{Reason, Step, decides};
use crate::digest::Digest;
use crate::key::Fingerprint;
use crate::limits::{MAX_FORMS, MAX_SUMMARY};
use crate::notation::level::Action;
use crate::policy::{Mode, Policy};
use crate::reference::{Reference, Repository};
use crate::text::cut;
use crate::tuf::Remembered;

/// What is known about a requirement, a policy or an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It holds.
    Accept,
    /// It does not hold.
    Reject,
    /// It cannot be known, because something is missing.
    Unknown,
}

impl Outcome {
    /// "All" is as bad as its worst part, "any" as good as its best: what is unknown stands between.
    pub(super) const fn severity(self) -> u8 {
        match self {
            Self::Accept => 0,
            Self::Unknown => 1,
            Self::Reject => 2,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Reject => "rejected",
            Self::Unknown => "unknown",
        }
    }
}

/// The end of a decision. An accept carries a permit, and only a decision makes one.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The image may run, as this digest.
    Accept(Permit, Findings),
    /// It may not.
    Reject(Findings),
    /// It cannot be known whether it may. Only the configuration of a host turns this into anything else than a denial.
    Unknown(Findings),
}

/// Leave for one repository and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    repository: Repository,
    digest: Digest,
}

impl Permit {
    /// The repository that the leave is for.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The digest that the leave is for.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// Everything that led to a verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The image, normalised; as it came when it is not a reference.
    pub image: String,
    /// Its repository.
    pub repository: Option<String>,
    /// Its digest, once it was settled.
    pub digest: Option<Digest>,
    /// The reference to run instead: the same, pinned to its digest.
    pub pinned: Option<String>,
    /// One line for people.
    pub summary: String,
    /// Whether a matching policy enforces. Where none does, nothing but an accept is still only a warning.
    pub enforced: bool,
    /// What each matching policy says.
    pub policies: Vec<PolicyResult>,
    /// Reasons that do not belong to one policy.
    pub reasons: Vec<Reason>,
    /// What policies in mode `warn` have to say, and exemptions that have expired.
    pub warnings: Vec<String>,
    /// What the host is to remember of collections of Docker Content Trust from now on, by server and name. It only grows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub remember: BTreeMap<String, Remembered>,
    /// Signatures and attestations that lie there and were not read: of forms that this version does not read, or that no
    /// policy asks about. Named before a reject only.
    pub other_forms: Vec<Form>,
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyResult {
    /// Its name.
    pub policy: String,
    /// The document it came from.
    pub document: String,
    /// Its mode.
    pub mode: Mode,
    /// Its requirement, evaluated.
    pub tree: Node,
}

impl PolicyResult {
    /// A policy about which nothing is known yet.
    pub(super) fn open(policy: &Policy) -> Self {
        let tree = Node::composite("open".to_owned(), Outcome::Unknown, Vec::new());
        Self { policy: policy.name.clone(), document: policy.document.clone(), mode: policy.mode, tree }
    }

    /// Whether its requirement holds.
    pub(super) fn accepts(&self) -> bool {
        self.tree.outcome == Outcome::Accept
    }
}

/// One part of a requirement, evaluated.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// `signer NAME`, `attestation NAME by SIGNER`, `allOf`, `anyOf`, `atLeast N`, `index`, `every leaf`, `leaf PLATFORM`,
    /// `revoked`, `glass broken by USER`, or `exempt until MOMENT`.
    pub rule: String,
    /// Whether it holds.
    pub outcome: Outcome,
    /// By what the signer can be told from others, as far as it is known.
    #[serde(skip)]
    pub who: BTreeSet<Identity>,
    /// The key, for a signer: the pinned one, or the one that has signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// The place of the signature or attestation that counts, for a signer that has signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Place>,
    /// The subject of the certificate that has signed, for a signer that is not pinned by its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// What was checked about the signature that counts, where its signature system has a list of that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckNote>,
    /// The digest of a leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Why the policy leaves the image alone for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempted: Option<String>,
    /// Whether that is because somebody has broken its glass.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub broken: bool,
    /// Why it does not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<Node>,
}

impl Node {
    pub(super) fn composite(rule: String, outcome: Outcome, of: Vec<Node>) -> Self {
        Self {
            rule,
            outcome,
            who: BTreeSet::new(),
            key: None,
            signature: None,
            certificate: None,
            checks: Vec::new(),
            digest: None,
            exempted: None,
            broken: false,
            reasons: Vec::new(),
            of,
        }
    }

    /// Checks that failed, or could not be made, about signatures that count all the same.
    fn logged(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|note| note.action == Action::Log && note.passed != Some(true));
        let line = |note: &CheckNote| {
            let what = note.what.as_deref().unwrap_or_default();
            format!("{}: {} is only logged: {what}", self.rule, note.check)
        };
        failed.map(line).chain(self.of.iter().flat_map(Self::logged)).collect()
    }

    /// The leaves that have this outcome, from left to right.
    fn leaves(&self, outcome: Outcome) -> Vec<&Node> {
        if self.of.is_empty() {
            return if self.outcome == outcome { vec![self] } else { Vec::new() };
        }
        self.of.iter().flat_map(|part| part.leaves(outcome)).collect()
    }

    /// The leaves that explain the outcome, in words.
    fn explain(&self) -> String {
        let leaves = match self.outcome {
            Outcome::Reject => [self.leaves(Outcome::Reject), self.leaves(Outcome::Unknown)].concat(),
            outcome => self.leaves(outcome),
        };
        let mut words: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        words.extend(leaves.iter().filter(|leaf| !core::ptr::eq(**leaf, self)).map(|leaf| leaf.line()));
        if self.of.is_empty() {
            words = vec![self.line()];
        }
        words.join("; ")
    }

    fn line(&self) -> String {
        if let Some(reason) = &self.exempted {
            return format!("{}: {reason}", self.rule);
        }
        match (&self.key, self.outcome) {
            (Some(key), Outcome::Accept) => format!("{} ({key})", self.rule),
            _ => {
                let reasons: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
                format!("{}: {}", self.rule, reasons.join(", "))
            }
        }
    }
}

/// One check of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckNote {
    /// Its name.
    pub check: &'static str,
    /// What follows when it fails.
    pub action: Action,
    /// Whether it passed; nothing where it was not made.
    pub passed: Option<bool>,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

/// Signatures of one form that lie there unread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Form {
    /// What it is.
    pub form: String,
    /// How many.
    pub count: usize,
}

impl Findings {
    pub(super) fn new(image: &str, repository: Option<&Repository>) -> Self {
        Self {
            image: image.to_owned(),
            repository: repository.map(ToString::to_string),
            digest: None,
            pinned: None,
            summary: String::new(),
            enforced: true,
            policies: Vec::new(),
            reasons: Vec::new(),
            warnings: Vec::new(),
            remember: BTreeMap::new(),
            other_forms: Vec::new(),
        }
    }

    pub(super) fn subject(&mut self, image: &Reference, digest: &Digest) {
        self.digest = Some(digest.clone());
        self.pinned = Some(image.pinned(digest).to_string());
    }

    pub(super) fn other_forms(&mut self, counts: BTreeMap<String, usize>) {
        let more = counts.values().skip(MAX_FORMS).fold(0, |sum: usize, count| sum.saturating_add(*count));
        self.other_forms = counts.into_iter().take(MAX_FORMS).map(|(form, count)| Form { form, count }).collect();
        if more > 0 {
            self.other_forms.push(Form { form: "artifact of further types".to_owned(), count: more });
        }
    }

    pub(super) fn reject(mut self, reason: Reason) -> Step {
        self.summary = format!("rejected: {reason}");
        self.reasons.push(reason);
        Step::Settled(Box::new(Verdict::Reject(self)))
    }

    pub(super) fn unknown(mut self, reason: Reason) -> Step {
        self.summary = format!("unknown: {reason}");
        self.reasons.push(reason);
        Step::Settled(Box::new(Verdict::Unknown(self)))
    }

    /// Every enforcing policy that matches must accept; the others only speak.
    pub(super) fn settle(mut self, results: Vec<PolicyResult>, repository: &Repository, digest: &Digest) -> Step {
        let outcome = results
            .iter()
            .filter(|result| decides(result.mode))
            .map(|result| result.tree.outcome)
            .max_by_key(|outcome| outcome.severity())
            .unwrap_or(Outcome::Accept);
        let warning =
            results.iter().filter(|result| result.mode == Mode::Warn && result.tree.outcome != Outcome::Accept);
        self.warnings.extend(warning.map(|result| {
            let (policy, outcome) = (&result.policy, result.tree.outcome.word());
            cut(&format!("policy {policy}: {outcome}: {}", result.tree.explain()), MAX_SUMMARY)
        }));
        let logged = results.iter().filter(|result| result.mode != Mode::Audit).flat_map(|result| {
            let lines = result.tree.logged().into_iter();
            lines.map(|line| cut(&format!("policy {}: {line}", result.policy), MAX_SUMMARY))
        });
        self.warnings.extend(logged);
        let telling: Vec<String> = results
            .iter()
            .filter(|result| decides(result.mode) && result.tree.outcome == outcome)
            .map(|result| format!("policy {}: {}", result.policy, result.tree.explain()))
            .collect();
        self.summary = if telling.is_empty() {
            "accepted: no matching policy enforces".to_owned()
        } else {
            format!("{}: {}", outcome.word(), telling.join("; "))
        };
        if !self.other_forms.is_empty() && outcome == Outcome::Reject {
            let forms: Vec<String> =
                self.other_forms.iter().map(|form| format!("{} × {}", form.count, form.form)).collect();
            self.summary = format!("{} (found, not read: {})", self.summary, forms.join(", "));
        }
        self.summary = cut(&self.summary, MAX_SUMMARY);
        self.policies = results;
        let verdict = match outcome {
            Outcome::Accept => {
                let permit = Permit { repository: repository.clone(), digest: digest.clone() };
                Verdict::Accept(permit, self)
            }
            Outcome::Reject => Verdict::Reject(self),
            Outcome::Unknown => Verdict::Unknown(self),
        };
        Step::Settled(Box::new(verdict))
    }
}

impl Verdict {
    /// Its outcome.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Accept(..) => Outcome::Accept,
            Self::Reject(_) => Outcome::Reject,
            Self::Unknown(_) => Outcome::Unknown,
        }
    }

    /// Everything that led to it.
    pub const fn findings(&self) -> &Findings {
        match self {
            Self::Accept(_, findings) | Self::Reject(findings) | Self::Unknown(findings) => findings,
        }
    }

    /// An unknown verdict that no evidence can change, e.g. because a host never answers.
    pub(super) fn unsettled(image: &str, reason: Reason) -> Step {
        Findings::new(image, None).unknown(reason)
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'v> {
            outcome: Outcome,
            #[serde(flatten)]
            findings: &'v Findings,
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("verdict", &Flat { outcome: self.outcome(), findings: self.findings() })?;
        map.end()
    }
}
