//! Whether a blob was signed (Notary Project, trust-store-trust-policy.md, "Blob Trust Policy"; signing-and-verification-workflow.md,
//! "Verify blob"): one envelope, held against the statement of a trust policy for blobs.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::notarized::notes;
use super::reason::notation_code;
use super::verdict::{CheckNote, Outcome};
use crate::evidence::{Evidence, Need};
use crate::key::Hash;
use crate::limits::{MAX_BLOB_BYTES, MAX_EVIDENCE_BYTES, MAX_VERIFICATION_UNITS};
use crate::notation::level::Name;
use crate::notation::payload::Target;
use crate::notation::timestamp::Timestamps;
use crate::notation::trust_policy::{Document, Statement, StoreFilesError};
use crate::notation::{self, Before, Conclusion, Envelope, Format, Report, Signer};
use crate::time::UnixTime;

/// A blob, its signature, and what is trusted.
#[derive(Debug, Clone)]
pub struct BlobQuestion<'q> {
    /// The blob.
    pub content: &'q [u8],
    /// What it has to be signed as; nothing takes whatever was signed.
    pub media_type: Option<&'q str>,
    /// The envelope.
    pub envelope: &'q [u8],
    /// How that is written.
    pub format: Format,
    /// The trust policy for blobs.
    pub policy: &'q Document,
    /// The statement that is asked for; without one, the global one.
    pub statement: Option<&'q str>,
    /// Files of trust stores by their paths, which end with `x509/KIND/STORE/FILE`.
    pub files: &'q [(String, &'q [u8])],
    /// User metadata that must have been signed with exactly these values.
    pub metadata: &'q BTreeMap<String, String>,
    /// The time of the question.
    pub now: UnixTime,
}

/// How far a question about a blob has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobStep {
    /// These are to be fetched, all at once.
    Needs(Vec<Need>),
    /// The answer.
    Settled(Box<BlobVerdict>),
}

/// The answer about a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobVerdict {
    /// What follows.
    pub outcome: Outcome,
    /// The statement that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// Its level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Name>,
    /// Who signed. Only as good as the check of authenticity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// When it was signed: the signer's own word, or that of a signing authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_time: Option<UnixTime>,
    /// What a verified timestamp states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixTime>,
    /// User metadata that was signed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Each check that was made, with what follows from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckNote>,
    /// Why it is not accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<BlobReason>,
}

/// Why a blob is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobReason {
    /// No statement has the name, or none is the global one.
    #[error("the trust policy has no statement {}", .0.as_deref().map_or_else(|| "with globalPolicy".to_owned(), |name| format!("{name:?}")))]
    NoStatement(Option<String>),
    /// The statement takes what nobody signed.
    #[error("the statement skips verification, and what nobody has verified is not accepted here")]
    Skip,
    /// A trust store that the statement names cannot be had.
    #[error("trustStores[{index}]: {what}")]
    Store {
        /// Its place in the list.
        index: usize,
        /// What is wrong.
        what: StoreFilesError,
    },
    /// More than one question may have.
    #[error("{got} {what}, at most {limit} are taken")]
    Budget {
        /// Of what.
        what: &'static str,
        /// How much may be.
        limit: u64,
        /// How much there is.
        got: u64,
    },
    /// A check of the signature failed.
    #[error("{check}: {what}")]
    Check {
        /// Which one.
        check: &'static str,
        /// Why it fails.
        what: String,
    },
    /// A check of the signature cannot be made.
    #[error("{check} is not known: {what}")]
    Unknown {
        /// Which one.
        check: &'static str,
        /// What is missing.
        what: String,
    },
}

impl BlobReason {
    /// For programs; those of images where they mean the same.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoStatement(_) => "no-policy",
            Self::Skip => "notation-skip",
            Self::Store { .. } => "notation-store",
            Self::Budget { .. } => "budget",
            Self::Check { check, .. } => notation_code(check),
            Self::Unknown { .. } => "notation-unknown",
        }
    }
}

impl Serialize for BlobReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reason = serde_json::json!({"code": self.code(), "message": self.to_string()});
        // A store that was not given: whoever asked can look for it.
        if let Self::Store { what: StoreFilesError::Empty(folder), .. } = self
            && let Some(members) = reason.as_object_mut()
        {
            members.insert("folder".to_owned(), folder.as_str().into());
        }
        reason.serialize(serializer)
    }
}

/// Answers a question about a blob, as far as the evidence goes.
pub fn about_blob(question: &BlobQuestion<'_>, evidence: &Evidence) -> BlobStep {
    let statement = question.policy.for_blobs(question.statement);
    let level = statement.and_then(|it| it.requirement.as_ref()).map(|it| it.name);
    let mut verdict = BlobVerdict {
        outcome: Outcome::Reject,
        statement: statement.map(|it| it.name.clone()),
        level,
        signer: None,
        signing_time: None,
        timestamp: None,
        metadata: BTreeMap::new(),
        checks: Vec::new(),
        reasons: Vec::new(),
    };
    match verify(question, statement, evidence) {
        Err(reasons) => {
            let is_unknown = reasons.iter().any(|it| matches!(it, BlobReason::Budget { .. }));
            verdict.outcome = if is_unknown { Outcome::Unknown } else { Outcome::Reject };
            verdict.reasons = reasons;
        }
        Ok(report) => {
            let conclusion = report.conclusion();
            if conclusion != Conclusion::DoesNotCount && !report.wanted.is_empty() {
                return BlobStep::Needs(report.wanted.iter().map(|it| Need::revocation(&it.request)).collect());
            }
            verdict.outcome = match conclusion {
                Conclusion::Counts => Outcome::Accept,
                Conclusion::DoesNotCount => Outcome::Reject,
                Conclusion::Unknown => Outcome::Unknown,
            };
            verdict.reasons = reasons(&report);
            verdict.checks = notes(&report);
            (verdict.signing_time, verdict.timestamp) = (report.signing_time, report.timestamp);
            (verdict.signer, verdict.metadata) = (report.signer, report.metadata);
        }
    }
    BlobStep::Settled(Box::new(verdict))
}

fn verify(
    question: &BlobQuestion<'_>,
    statement: Option<&Statement>,
    evidence: &Evidence,
) -> Result<Report, Vec<BlobReason>> {
    let no = || vec![BlobReason::NoStatement(question.statement.map(crate::text::excerpt))];
    let requirement = statement.ok_or_else(no)?.requirement.as_ref().ok_or_else(|| vec![BlobReason::Skip])?;
    within("octets of a blob", MAX_BLOB_BYTES, question.content.len())?;
    if evidence.is_over_budget() {
        let (limit, got) = (MAX_EVIDENCE_BYTES, evidence.bytes());
        return Err(vec![BlobReason::Budget { what: "octets of evidence", limit, got }]);
    }
    let (stores, errors) = requirement.read_stores(question.files);
    if !errors.is_empty() {
        return Err(errors.into_iter().map(|(index, what)| BlobReason::Store { index, what }).collect());
    }
    let trust = notation::Trust { metadata: question.metadata.clone(), ..requirement.trust(stores) };
    judge(question, &trust, evidence)
}

fn judge(question: &BlobQuestion<'_>, trust: &notation::Trust, evidence: &Evidence) -> Result<Report, Vec<BlobReason>> {
    let revocation = evidence.revocation();
    let media_type = question.format.media_type();
    let envelope = match Envelope::parse(question.envelope, media_type) {
        Ok(envelope) => envelope,
        // The report about an envelope that cannot be read says so.
        Err(_) => {
            let nothing = Target { media_type: String::new(), digest: String::new(), size: 0 };
            return Ok(notation::verify(question.envelope, media_type, &nothing, trust, question.now, &revocation));
        }
    };
    let certificates = envelope.certificates().len();
    let units = envelope.verification_units().saturating_add(revocation.verification_units(certificates, &[]));
    within("units of signature checks", u64::from(MAX_VERIFICATION_UNITS), units.try_into().unwrap_or(usize::MAX))?;
    let signed = envelope.verify();
    // The payload names the digest by the hash that goes with the signer's key.
    let hash = envelope.algorithm().hash();
    let name = match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    };
    let as_signed = signed.as_ref().map(|signed| signed.payload().target.media_type.as_str()).unwrap_or_default();
    let target = Target {
        media_type: question.media_type.unwrap_or(as_signed).to_owned(),
        digest: format!("{name}:{}", hex::encode(hash.digest(question.content))),
        size: u64::try_from(question.content.len()).unwrap_or(u64::MAX),
    };
    let before = Before { signed: &signed, timestamps: &mut Timestamps::default() };
    Ok(notation::verify_signed(&envelope, before, &target, trust, question.now, &revocation))
}

fn within(what: &'static str, limit: u64, got: usize) -> Result<(), Vec<BlobReason>> {
    match u64::try_from(got).unwrap_or(u64::MAX) {
        got if got > limit => Err(vec![BlobReason::Budget { what, limit, got }]),
        _ => Ok(()),
    }
}

fn reasons(report: &Report) -> Vec<BlobReason> {
    if let Some((check, failure)) = report.failure() {
        return vec![BlobReason::Check { check: check.name(), what: failure.to_string() }];
    }
    let unknown = report.unknown();
    unknown.map(|(check, why)| BlobReason::Unknown { check: check.name(), what: why.join("; ") }).collect()
}
