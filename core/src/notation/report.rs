//! What a verification gives (trust-store-trust-policy.md, "Signature Verification Levels"): each check with its action and
//! outcome, who signed, and what is still wanted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attributes::Scheme;
use super::envelope::EnvelopeError;
use super::level::Action;
use super::payload::PayloadError;
use super::revocation::Request;
use super::timestamp::TimestampError;
use crate::digest::Digest;
use crate::key::Fingerprint;
use crate::time::UnixTime;
use crate::x509::Thumbprint;
use crate::x509::name::NameError;

/// A check, in the order in which they are made. The artifact comes right after integrity: nothing is asked of anybody for a
/// signature that is about something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// The signature holds, and the envelope follows its specification.
    Integrity,
    /// It is about the artifact that is asked about.
    Target,
    /// The metadata that is asked for was signed.
    Metadata,
    /// The signer is trusted.
    Authenticity,
    /// It has not expired.
    Expiry,
    /// It was made while the certificates were valid.
    AuthenticTimestamp,
    /// No certificate is revoked.
    Revocation,
}

impl Check {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::Target => "target",
            Self::Metadata => "metadata",
            Self::Authenticity => "authenticity",
            Self::Expiry => "expiry",
            Self::AuthenticTimestamp => "authenticTimestamp",
            Self::Revocation => "revocation",
        }
    }
}

/// What a check gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed(Failure),
    /// It is not known: what is wanted is in the report, and here is why answers that came could not be used.
    Unknown(Vec<String>),
    /// The policy skips it.
    Skipped,
}

/// One check of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Which one.
    pub check: Check,
    /// What follows when it fails.
    pub action: Action,
    /// What it gave.
    pub outcome: Outcome,
}

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The envelope or its signature.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The artifact or the metadata.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// No certificate is pinned for the scheme.
    #[error("no certificate is pinned for the signing scheme {}", .0.name())]
    NoStore(Scheme),
    /// The chain reaches no pinned certificate.
    #[error("the chain of {subject:?} ({thumbprint}) reaches no pinned certificate")]
    NotPinned {
        /// The subject of the signing certificate.
        subject: String,
        /// SHA-256 of the last certificate of the chain.
        thumbprint: Thumbprint,
    },
    /// The subject of the signing certificate cannot be compared.
    #[error("the subject of the signing certificate cannot be compared: {0}")]
    Subject(#[from] NameError),
    /// The signer is not one of the trusted identities.
    #[error("{0:?} is not one of the trusted identities")]
    Identity(String),
    /// It has expired.
    #[error("the signature expired at {expiry}, and now is {now}")]
    Expired {
        /// When it expired.
        expiry: UnixTime,
        /// Now.
        now: UnixTime,
    },
    /// A certificate is not valid at the moment that counts.
    #[error("{subject:?} is valid from {not_before} to {not_after}, and not at {at}")]
    NotValid {
        /// Its subject.
        subject: String,
        /// The moment that counts: now, or the signing time of a signing authority.
        at: UnixTime,
        /// Its first second.
        not_before: UnixTime,
        /// Its last second.
        not_after: UnixTime,
    },
    /// There is no timestamp, and there has to be one.
    #[error("there is no timestamp, and the policy wants one")]
    NoTimestamp,
    /// The timestamp does not count.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
    /// A certificate is revoked.
    #[error("{subject:?} is revoked since {at}{}", .reason.map_or_else(String::new, |reason| format!(", reason {reason}")))]
    Revoked {
        /// Its subject.
        subject: String,
        /// Since when.
        at: UnixTime,
        /// The reason by its number (RFC 5280, section 5.3.1).
        reason: Option<u8>,
    },
    /// Nobody is asked about certificates that nobody trusts.
    #[error("revocation is not looked up: the chain reaches no pinned certificate")]
    NotAsked,
}

/// Who signed. Only as good as the check of authenticity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// The subject of the signing certificate, as far as it can be shown.
    pub subject: String,
    /// The same in full; empty where it has no rendering.
    #[serde(skip)]
    pub name: String,
    /// SHA-256 of the subject as it is encoded.
    #[serde(skip)]
    pub encoded: Digest,
    /// The fingerprint of its key: what counts once toward a threshold.
    pub key: Fingerprint,
    /// SHA-256 of it.
    pub certificate: Thumbprint,
    /// SHA-256 of the pinned certificate that its chain reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Thumbprint>,
}

/// Something to be fetched, and what follows from the check that wants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Wanted {
    /// What to fetch.
    pub request: Request,
    /// The action of the check: what is only logged need not be waited for.
    pub action: Action,
}

/// What a verification gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The checks in their order, up to the first enforced one that failed.
    pub checks: Vec<Checked>,
    /// Who signed, once integrity holds.
    pub signer: Option<Signer>,
    /// When it was signed: the signer's own word, or that of a signing authority.
    pub signing_time: Option<UnixTime>,
    /// What a verified timestamp states.
    pub timestamp: Option<UnixTime>,
    /// When it expires.
    pub expiry: Option<UnixTime>,
    /// User metadata that was signed.
    pub metadata: BTreeMap<String, String>,
    /// What has to be fetched so that more is known, each once.
    pub wanted: Vec<Wanted>,
}

/// What follows from a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// Every enforced check passed.
    Counts,
    /// An enforced check failed.
    DoesNotCount,
    /// An enforced check is not known, and none failed.
    Unknown,
}

impl Report {
    /// What follows: an enforced check that is not known never passes.
    pub fn conclusion(&self) -> Conclusion {
        let enforced = || self.checks.iter().filter(|checked| checked.action == Action::Enforce);
        if self.checks.is_empty() || enforced().any(|checked| matches!(checked.outcome, Outcome::Failed(_))) {
            return Conclusion::DoesNotCount;
        }
        let unknown = enforced().any(|checked| matches!(checked.outcome, Outcome::Unknown(_)));
        if unknown { Conclusion::Unknown } else { Conclusion::Counts }
    }

    /// The enforced check that failed, if one did.
    pub fn failure(&self) -> Option<(Check, &Failure)> {
        self.checks.iter().find_map(|checked| match &checked.outcome {
            Outcome::Failed(failure) if checked.action == Action::Enforce => Some((checked.check, failure)),
            _ => None,
        })
    }

    /// The enforced checks that are not known, and why.
    pub fn unknown(&self) -> impl Iterator<Item = (Check, &[String])> {
        self.checks.iter().filter_map(|checked| match &checked.outcome {
            Outcome::Unknown(why) if checked.action == Action::Enforce => Some((checked.check, why.as_slice())),
            _ => None,
        })
    }

    /// Notes a check; whether the verification goes on.
    pub(super) fn note(&mut self, check: Check, action: Action, outcome: Outcome) -> bool {
        let goes_on = action != Action::Enforce || !matches!(outcome, Outcome::Failed(_));
        self.checks.push(Checked { check, action, outcome });
        goes_on
    }

    pub(super) fn want(&mut self, requests: Vec<Request>, action: Action) {
        for request in requests {
            match self.wanted.iter_mut().find(|there| there.request == request) {
                Some(there) => there.action = there.action.min(action),
                None => self.wanted.push(Wanted { request, action }),
            }
        }
    }
}
