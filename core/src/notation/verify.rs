//! The procedure of a verification (signing-and-verification-workflow.md; trust-store-trust-policy.md, "Signature Evaluation"):
//! integrity first, then what was signed, then the signer, the times, and revocation.

use super::attributes::Scheme;
use super::envelope::{Envelope, EnvelopeError, Signed};
use super::level::{Action, Kind};
use super::payload::Target;
use super::report::{Check, Failure, Outcome, Report, Signer};
use super::revocation::{self, Crl, Evidence, Status};
use super::timestamp::{Timestamp, Timestamps};
use super::trust_store::{StoreKind, Trust, VerifyTimestamp};
use crate::digest::Digest;
use crate::time::UnixTime;
use crate::x509::{Chain, Thumbprint, name};

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

/// Whether evidence about revocation bears on a signature: the chain of a signature that is about the artifact reaches a pinned
/// certificate. What that costs is known before it is done.
pub fn needs_standing(signed: &Signed, target: &Target, trust: &Trust) -> bool {
    let pinned = trust.stores.of(signed.attributes().scheme);
    let payload = signed.payload();
    let is_asked = payload.is_about(target).is_ok() && payload.has_metadata(&trust.metadata).is_ok();
    is_asked && signed.chain().certificates().iter().any(|certificate| pinned.contains(certificate))
}

/// Verifies an envelope that was parsed, so that what it costs is known before.
pub fn verify_envelope(
    envelope: &Envelope,
    target: &Target,
    trust: &Trust,
    now: UnixTime,
    evidence: &Evidence<'_>,
) -> Report {
    let before = Before { signed: &envelope.verify(), timestamps: &mut Timestamps::default() };
    verify_signed(envelope, before, target, trust, now, evidence)
}

/// Work that was done before.
#[derive(Debug)]
pub struct Before<'b> {
    /// What [`Envelope::verify`] gave for the envelope.
    pub signed: &'b Result<Signed, EnvelopeError>,
    /// Timestamps.
    pub timestamps: &'b mut Timestamps,
}

/// Goes on where the signature was checked before.
pub fn verify_signed(
    envelope: &Envelope,
    before: Before<'_>,
    target: &Target,
    trust: &Trust,
    now: UnixTime,
    evidence: &Evidence<'_>,
) -> Report {
    let mut report = Report::default();
    match before.signed {
        Ok(signed) => {
            Verification { envelope, signed, trust, now, evidence }.run(target, before.timestamps, &mut report);
        }
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
    fn run(&self, target: &Target, timestamps: &mut Timestamps, report: &mut Report) {
        let (payload, attributes) = (self.signed.payload(), self.signed.attributes());
        report.signing_time = Some(attributes.signing_time);
        report.expiry = attributes.expiry;
        report.metadata = payload.metadata.clone();
        report.note(Check::Integrity, Action::Enforce, Outcome::Passed);
        self.steps(target, timestamps, report);
    }

    /// One check after the other, until an enforced one fails.
    fn steps(&self, target: &Target, timestamps: &mut Timestamps, report: &mut Report) -> Option<()> {
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
        let timestamp = self.authentic_timestamp(timestamps, report);
        on(report.note(Check::AuthenticTimestamp, action(Kind::AuthenticTimestamp), timestamp))?;
        let revocation = match action(Kind::Revocation) {
            Action::Skip => Outcome::Skipped,
            _ if !is_pinned => Outcome::Failed(Failure::NotAsked),
            action => {
                let scheme = self.signed.attributes();
                let authority = scheme.scheme == Scheme::SigningAuthority;
                let signing_time = authority.then_some(scheme.signing_time);
                // What stands above the pinned certificate is nobody's word: only its own address and those below are asked.
                let pinned = self.trust.stores.of(scheme.scheme);
                let certificates = self.signed.chain().certificates();
                let anchor = certificates.iter().position(|certificate| pinned.contains(certificate));
                let count = anchor.map_or(0, |anchor| anchor.saturating_add(1));
                self.lookup(signing_time).standing(self.signed.chain(), count, action, report)
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
        let name = name::render(leaf.subject()).unwrap_or_default();
        let encoded = Digest::sha256(leaf.subject());
        Some(Signer { subject: leaf.subject_text(), name, encoded, key, certificate, anchor })
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

    fn authentic_timestamp(&self, timestamps: &mut Timestamps, report: &mut Report) -> Outcome {
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
        match self.timestamp(timestamps) {
            Err(failure) => Outcome::Failed(failure),
            Ok(timestamp) => {
                // `skip` of the check of revocation is about the signer's certificates.
                let action = self.trust.level.action(Kind::AuthenticTimestamp);
                let outcome = self.lookup(None).standing(timestamp.chain(), usize::MAX, action, report);
                if outcome == Outcome::Passed {
                    report.timestamp = Some(timestamp.stated());
                }
                outcome
            }
        }
    }

    fn timestamp(&self, timestamps: &mut Timestamps) -> Result<Timestamp, Failure> {
        let token = self.envelope.timestamp().ok_or(Failure::NoTimestamp)?;
        let roots = self.trust.stores.get(StoreKind::Tsa);
        let timestamp = timestamps.verify(token, self.envelope.signature(), roots)?;
        timestamp.is_within(self.signed.chain())?;
        Ok(timestamp)
    }

    fn lookup(&self, signing_time: Option<UnixTime>) -> Lookup<'_, '_> {
        Lookup { signing_time, now: self.now, crls: &self.trust.crls, evidence: self.evidence }
    }
}

/// What the revocation of certificates is looked up with.
pub(super) struct Lookup<'l, 'e> {
    /// The time of the signing, only where it is trusted.
    pub(super) signing_time: Option<UnixTime>,
    pub(super) now: UnixTime,
    /// Lists that need not be fetched.
    pub(super) crls: &'l [Crl],
    pub(super) evidence: &'l Evidence<'e>,
}

impl Lookup<'_, '_> {
    /// What is known about the first `count` certificates of a chain, its root left out. What is missing, the report wants.
    pub(super) fn standing(&self, chain: &Chain, count: usize, action: Action, report: &mut Report) -> Outcome {
        let (mut unknown, mut why) = (false, Vec::new());
        for (certificate, issuer) in chain.issued().take(count) {
            let pair = (certificate, issuer);
            match revocation::check(pair, self.signing_time, self.now, self.crls, self.evidence) {
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
