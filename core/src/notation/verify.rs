//! The procedure of a verification (signing-and-verification-workflow.md; trust-store-trust-policy.md, "Signature Evaluation"):
//! integrity first, then what was signed, then the signer, the times, and revocation.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attributes::Scheme;
use super::envelope::{Envelope, EnvelopeError, Signed};
use super::level::{Action, Kind};
use super::payload::{PayloadError, Target};
use super::revocation::{self, Evidence, Request, Status};
use super::timestamp::{self, Timestamp, TimestampError};
use super::trust_store::{StoreKind, Trust, VerifyTimestamp};
use crate::key::Fingerprint;
use crate::time::UnixTime;
use crate::x509::name::NameError;
use crate::x509::{Chain, Thumbprint};

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
    /// The subject of the signing certificate.
    pub subject: String,
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

    /// Notes a check; whether the verification goes on.
    fn note(&mut self, check: Check, action: Action, outcome: Outcome) -> bool {
        let goes_on = action != Action::Enforce || !matches!(outcome, Outcome::Failed(_));
        self.checks.push(Checked { check, action, outcome });
        goes_on
    }

    fn want(&mut self, requests: Vec<Request>, action: Action) {
        for request in requests {
            match self.wanted.iter_mut().find(|there| there.request == request) {
                Some(there) => there.action = there.action.min(action),
                None => self.wanted.push(Wanted { request, action }),
            }
        }
    }
}

/// Verifies the bytes of an envelope.
///
/// `target` is the artifact that is asked about, `now` the time of the question, `evidence` what was fetched so far.
pub fn verify(
    envelope: &[u8],
    media_type: &str,
    target: &Target,
    trust: &Trust,
    now: UnixTime,
    evidence: &Evidence<'_>,
) -> Report {
    match Envelope::parse(envelope, media_type) {
        Ok(envelope) => verify_envelope(&envelope, target, trust, now, evidence),
        Err(error) => {
            let mut report = Report::default();
            report.note(Check::Integrity, Action::Enforce, Outcome::Failed(error.into()));
            report
        }
    }
}

/// Verifies an envelope that was parsed, so that what it costs is known before.
pub fn verify_envelope(
    envelope: &Envelope,
    target: &Target,
    trust: &Trust,
    now: UnixTime,
    evidence: &Evidence<'_>,
) -> Report {
    verify_signed(envelope, &envelope.verify(), target, trust, now, evidence)
}

/// Goes on where the signature was checked before: `signed` is what [`Envelope::verify`] gave for this envelope.
pub fn verify_signed(
    envelope: &Envelope,
    signed: &Result<Signed, EnvelopeError>,
    target: &Target,
    trust: &Trust,
    now: UnixTime,
    evidence: &Evidence<'_>,
) -> Report {
    let mut report = Report::default();
    match signed {
        Ok(signed) => Verification { envelope, signed, trust, now, evidence }.run(target, &mut report),
        Err(error) => {
            report.note(Check::Integrity, Action::Enforce, Outcome::Failed(error.clone().into()));
        }
    }
    report
}

struct Verification<'v, 'e> {
    envelope: &'v Envelope,
    signed: &'v Signed,
    trust: &'v Trust,
    now: UnixTime,
    evidence: &'v Evidence<'e>,
}

impl Verification<'_, '_> {
    fn run(&self, target: &Target, report: &mut Report) {
        let (payload, attributes) = (self.signed.payload(), self.signed.attributes());
        report.signing_time = Some(attributes.signing_time);
        report.expiry = attributes.expiry;
        report.metadata = payload.metadata.clone();
        report.note(Check::Integrity, Action::Enforce, Outcome::Passed);
        self.steps(target, report);
    }

    /// One check after the other, until an enforced one fails.
    fn steps(&self, target: &Target, report: &mut Report) -> Option<()> {
        let on = |goes_on: bool| goes_on.then_some(());
        let action = |kind| self.trust.level.action(kind);
        let payload = self.signed.payload();
        let outcome = outcome(payload.is_about(target).map_err(Failure::from));
        on(report.note(Check::Target, Action::Enforce, outcome))?;
        let outcome = self::outcome(payload.has_metadata(&self.trust.metadata).map_err(Failure::from));
        on(report.note(Check::Metadata, Action::Enforce, outcome))?;
        let anchor = self.anchor();
        report.signer = self.signer(anchor.as_ref().ok().copied());
        let is_pinned = anchor.is_ok();
        let authenticity = self::outcome(anchor.and_then(|_| self.identity()));
        on(report.note(Check::Authenticity, action(Kind::Authenticity), authenticity))?;
        on(report.note(Check::Expiry, action(Kind::Expiry), self::outcome(self.expiry())))?;
        let timestamp = self.authentic_timestamp(report);
        on(report.note(Check::AuthenticTimestamp, action(Kind::AuthenticTimestamp), timestamp))?;
        let revocation = match action(Kind::Revocation) {
            Action::Skip => Outcome::Skipped,
            _ if !is_pinned => Outcome::Failed(Failure::NotAsked),
            action => {
                let scheme = self.signed.attributes();
                let authority = scheme.scheme == Scheme::SigningAuthority;
                let signing_time = authority.then_some(scheme.signing_time);
                self.revocation(self.signed.chain(), signing_time, action, report)
            }
        };
        on(report.note(Check::Revocation, action(Kind::Revocation), revocation))
    }

    /// The pinned certificate that the chain reaches. (Any one of them may be pinned, not only the root.)
    fn anchor(&self) -> Result<Thumbprint, Failure> {
        let scheme = self.signed.attributes().scheme;
        let pinned = self.trust.stores.of(scheme);
        if pinned.is_empty() {
            return Err(Failure::NoStore(scheme));
        }
        let certificates = self.signed.chain().certificates();
        match certificates.iter().find(|certificate| pinned.contains(certificate)) {
            Some(anchor) => Ok(anchor.thumbprint()),
            None => {
                let subject = certificates.first().map(|leaf| leaf.subject_text()).unwrap_or_default();
                let last = certificates.last().map(|last| last.thumbprint());
                Err(last.map_or(Failure::NoStore(scheme), |thumbprint| Failure::NotPinned { subject, thumbprint }))
            }
        }
    }

    fn signer(&self, anchor: Option<Thumbprint>) -> Option<Signer> {
        let leaf = self.signed.chain().leaf()?;
        let (key, certificate) = (leaf.key().fingerprint(), leaf.thumbprint());
        Some(Signer { subject: leaf.subject_text(), key, certificate, anchor })
    }

    fn identity(&self) -> Result<(), Failure> {
        match self.signed.chain().leaf() {
            Some(leaf) if self.trust.identities.contain(leaf)? => Ok(()),
            leaf => Err(Failure::Identity(leaf.map(|leaf| leaf.subject_text()).unwrap_or_default())),
        }
    }

    fn expiry(&self) -> Result<(), Failure> {
        match self.signed.attributes().expiry {
            Some(expiry) if self.now >= expiry => Err(Failure::Expired { expiry, now: self.now }),
            _ => Ok(()),
        }
    }

    fn authentic_timestamp(&self, report: &mut Report) -> Outcome {
        let attributes = self.signed.attributes();
        let chain = self.signed.chain();
        if attributes.scheme == Scheme::SigningAuthority {
            return outcome(valid_at(chain, attributes.signing_time));
        }
        let expired = chain.certificates().iter().any(|certificate| self.now > certificate.not_after());
        let has_store = !self.trust.stores.get(StoreKind::Tsa).is_empty();
        let is_due = self.trust.verify_timestamp == VerifyTimestamp::Always || expired;
        if !has_store || !is_due {
            return outcome(valid_at(chain, self.now));
        }
        match self.timestamp() {
            Err(failure) => Outcome::Failed(failure),
            Ok(timestamp) => {
                report.timestamp = Some(timestamp.stated());
                // `skip` of the check of revocation is about the signer's certificates.
                let action = self.trust.level.action(Kind::AuthenticTimestamp);
                self.revocation(timestamp.chain(), None, action, report)
            }
        }
    }

    fn timestamp(&self) -> Result<Timestamp, Failure> {
        let token = self.envelope.timestamp().ok_or(Failure::NoTimestamp)?;
        let roots = self.trust.stores.get(StoreKind::Tsa);
        let timestamp = timestamp::verify(token, self.envelope.signature(), roots)?;
        timestamp.is_within(self.signed.chain())?;
        Ok(timestamp)
    }

    fn revocation(
        &self,
        chain: &Chain,
        signing_time: Option<UnixTime>,
        action: Action,
        report: &mut Report,
    ) -> Outcome {
        let (mut unknown, mut why) = (false, Vec::new());
        for (certificate, issuer) in chain.issued() {
            let pair = (certificate, issuer);
            match revocation::check(pair, signing_time, self.now, &self.trust.crls, self.evidence) {
                Status::Good | Status::NotRevocable => {}
                Status::Revoked(revoked) => {
                    let subject = certificate.subject_text();
                    return Outcome::Failed(Failure::Revoked { subject, at: revoked.at, reason: revoked.reason });
                }
                Status::Unknown { reasons, wanted } => {
                    unknown = true;
                    why.extend(reasons);
                    report.want(wanted, action);
                }
            }
        }
        if unknown { Outcome::Unknown(why) } else { Outcome::Passed }
    }
}

fn valid_at(chain: &Chain, at: UnixTime) -> Result<(), Failure> {
    match chain.certificates().iter().find(|certificate| !certificate.is_valid_at(at)) {
        None => Ok(()),
        Some(certificate) => Err(Failure::NotValid {
            subject: certificate.subject_text(),
            at,
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        }),
    }
}

fn outcome(result: Result<(), Failure>) -> Outcome {
    result.map_or_else(Outcome::Failed, |()| Outcome::Passed)
}
