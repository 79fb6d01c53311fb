//! Whether one signer has signed: the claims of a verified payload held against the image asked about.

use serde_json::Value;

use super::Reason;
use super::signatures::{Candidate, Pass, Signatures};
use super::verdict::Outcome;
use crate::cosign::legacy::{Verified, VerifyError};
use crate::cosign::payload::SimpleSigning;
use crate::digest::Digest;
use crate::limits::MAX_REASONS;
use crate::policy::{IdentityRule, Signer};
use crate::reference::Reference;

/// What the decision is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'q> {
    /// The image as it was asked for.
    pub(super) image: &'q Reference,
    /// Its digest.
    pub(super) digest: &'q Digest,
}

/// What is known about one signer.
#[derive(Debug)]
pub(super) struct Signed {
    /// Whether the signer has signed.
    pub(super) outcome: Outcome,
    /// The place of the signature that counts.
    pub(super) number: Option<usize>,
    /// Why none counts.
    pub(super) reasons: Vec<Reason>,
}

/// Looks for a signature that counts. The first one found is enough; the others cost nothing then.
pub(super) fn by(signer: &Signer, signatures: &Signatures<'_>, subject: Subject<'_>, pass: &mut Pass<'_>) -> Signed {
    let candidates = match signatures {
        Signatures::None(reason) => return Signed::not(vec![reason.clone()]),
        Signatures::Some(candidates) => candidates,
    };
    let mut reasons = Vec::new();
    let mut by_others = 0usize;
    for candidate in candidates {
        match judge(candidate, signer, subject, pass) {
            Ok(()) => {
                return Signed { outcome: Outcome::Accept, number: Some(candidate.number), reasons: Vec::new() };
            }
            Err(None) => by_others = by_others.saturating_add(1),
            Err(Some(reason @ Reason::Budget { what: "units of signature checks", .. })) => {
                reasons.push(reason);
                break;
            }
            Err(Some(reason)) => reasons.push(reason),
        }
    }
    if by_others > 0 {
        let (total, key) = (candidates.len(), signer.key.fingerprint());
        reasons.push(Reason::OtherKey { count: by_others, total, key });
    }
    Signed::not(reasons)
}

impl Signed {
    fn not(mut reasons: Vec<Reason>) -> Self {
        let outcome = if reasons.iter().any(Reason::is_unknown) { Outcome::Unknown } else { Outcome::Reject };
        // What is unknown stands first, so that it is never among those that are only counted.
        reasons.sort_by_key(|reason| !reason.is_unknown());
        if let Some(more) = reasons.len().checked_sub(MAX_REASONS).filter(|more| *more > 0) {
            reasons.truncate(MAX_REASONS);
            reasons.push(Reason::More { count: more });
        }
        Self { outcome, number: None, reasons }
    }
}

/// `Err(None)`: not by this key, which is no defect of the signature.
fn judge(
    candidate: &Candidate<'_>,
    signer: &Signer,
    subject: Subject<'_>,
    pass: &mut Pass<'_>,
) -> Result<(), Option<Reason>> {
    let number = candidate.number;
    let material = candidate.content.as_ref().map_err(|reason| Some(reason.clone()))?;
    match pass.check(material, &signer.key).map_err(Some)? {
        Ok(payload) => claims_hold(number, &payload, signer, subject).map_err(Some),
        Err(VerifyError::Signature(_)) => Err(None),
        Err(VerifyError::Payload(error)) => Err(Some(Reason::Payload { number, what: error.to_string() })),
    }
}

fn claims_hold(
    number: usize,
    payload: &Verified<SimpleSigning>,
    signer: &Signer,
    subject: Subject<'_>,
) -> Result<(), Reason> {
    let payload = payload.get();
    if payload.digest != *subject.digest {
        let (signed, asked) = (payload.digest.clone(), subject.digest.clone());
        return Err(Reason::WrongDigest { number, signed, asked });
    }
    identity_holds(number, payload, signer.identity, subject.image)?;
    for (name, want) in &signer.annotations {
        let got = payload.annotations.get(name);
        if got.and_then(Value::as_str) != Some(want) {
            let (name, want) = (name.clone(), want.clone());
            let got = got.map(|value| crate::text::excerpt(&value.to_string()));
            return Err(Reason::Annotation { number, name, want, got });
        }
    }
    Ok(())
}

fn identity_holds(number: usize, payload: &SimpleSigning, rule: IdentityRule, image: &Reference) -> Result<(), Reason> {
    let same_repository = payload.identity.repository() == image.repository();
    let (holds, rule) = match rule {
        IdentityRule::AnyUnsafe => return Ok(()),
        IdentityRule::Repository => (same_repository, "repository"),
        // Asked for by tag, the tag must have been signed; asked for by digest alone, there is none to compare.
        IdentityRule::Exact => {
            (same_repository && (image.tag().is_none() || image.tag() == payload.identity.tag()), "exact")
        }
    };
    if holds {
        return Ok(());
    }
    let signed = crate::text::excerpt(payload.identity.text());
    Err(Reason::WrongIdentity { number, signed, asked: image.to_string(), rule })
}
