//! Whether one signer has signed or attested: the claims of what was verified, held against the image asked about.

use std::collections::BTreeSet;

use serde_json::Value;

use super::checks::Pass;
use super::conditions::{self, SPENT_STEPS, Said, Surroundings};
use super::gather::{Candidate, Gathered, Kind};
use super::identity::Identity;
use super::place::Place;
use super::verdict::{CheckNote, Outcome};
use super::{Question, Reason};
use crate::cel;
use crate::claim::{About, Claim, Stated};
use crate::cosign::predicate;
use crate::digest::Digest;
use crate::key::Fingerprint;
use crate::limits::MAX_REASONS;
use crate::policy::{Attestation, Condition, CosignSigner, IdentityRule, NotYoung};
use crate::reference::Reference;
use crate::text::excerpt;
use crate::time::UnixTime;
use crate::verify::{Verified, VerifyError};

/// What the decision is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'q> {
    /// The image as it was asked for.
    pub(super) image: &'q Reference,
    /// Its digest, or that of one of its leaves.
    pub(super) digest: &'q Digest,
    /// What conditions can ask about it.
    pub(super) surroundings: &'q Surroundings,
    /// The whole question.
    pub(super) question: &'q Question,
}

/// A signer by a pinned key, as a policy names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whom<'p> {
    /// Its name.
    pub(super) name: &'p str,
    /// Its key, and what must hold.
    pub(super) cosign: &'p CosignSigner,
    /// What must hold beyond that.
    pub(super) conditions: &'p [Condition],
}

/// What is asked of a signer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'p> {
    /// A signature.
    Signature,
    /// An attestation.
    Attestation(&'p Attestation),
}

impl Asked<'_> {
    fn predicate_type(&self) -> &str {
        match self {
            Self::Signature => predicate::SIGNATURE,
            Self::Attestation(attestation) => &attestation.predicate_type,
        }
    }

    const fn plural(&self) -> &'static str {
        match self {
            Self::Signature => "signatures",
            Self::Attestation(_) => "attestations",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Signature => Kind::Signature,
            Self::Attestation(_) => Kind::Attestation,
        }
    }
}

/// What is known about one signer.
#[derive(Debug)]
pub(super) struct Signed {
    /// Whether the signer has signed.
    pub(super) outcome: Outcome,
    /// The place of the signature that counts.
    pub(super) place: Option<Place>,
    /// Why none counts.
    pub(super) reasons: Vec<Reason>,
    /// The key that has signed, where the policy does not pin it.
    pub(super) key: Option<Fingerprint>,
    /// Who that is, likewise.
    pub(super) who: BTreeSet<Identity>,
    /// The subject of the certificate that has signed.
    pub(super) certificate: Option<String>,
    /// What was checked about it, where the signature system has a list of that.
    pub(super) checks: Vec<CheckNote>,
}

/// Looks for a signature or attestation that counts. The first one found is enough; the others cost nothing then.
pub(super) fn by(
    signer: Whom<'_>,
    asked: Asked<'_>,
    gathered: &Gathered<'_>,
    subject: Subject<'_>,
    pass: &mut Pass<'_>,
) -> Signed {
    // Whatever lies there: no check is made for a signer that does not count, and nothing about it is unknown.
    if let Err(invalid) = signer.cosign.validity.holds(subject.question.now) {
        return Signed::not(vec![Reason::invalid(invalid, subject.question.now)]);
    }
    let fits = |kind: Kind| kind == Kind::Either || kind == asked.kind();
    let may_count = |candidate: &&Candidate<'_>| {
        signer.cosign.forms.contains(&candidate.form)
            && fits(candidate.kind)
            && candidate.hint.as_deref().is_none_or(|hint| hint == asked.predicate_type())
    };
    let mut reasons = Vec::new();
    let (mut by_others, mut total) = (0usize, 0usize);
    for candidate in gathered.candidates.iter().filter(may_count) {
        total = total.saturating_add(1);
        match judge(candidate, signer, asked, subject, pass) {
            Ok(()) => {
                return Signed::at(candidate.place.clone());
            }
            Err(None) => by_others = by_others.saturating_add(1),
            Err(Some(reason @ Reason::Budget { what: "units of signature checks" | SPENT_STEPS, .. })) => {
                reasons.push(reason);
                break;
            }
            Err(Some(reason)) => reasons.push(reason),
        }
    }
    let gaps = gathered.gaps.iter().filter(|gap| fits(gap.kind) || gap.kind == Kind::Either);
    for gap in gaps.filter(|gap| gap.forms.iter().any(|form| signer.cosign.forms.contains(form))) {
        // That one place is empty says nothing where another one holds something.
        let is_empty = matches!(gap.reason, Reason::NotSigned { .. } | Reason::NotAttested { .. });
        if total == 0 || !is_empty {
            reasons.push(gap.reason.clone());
        }
    }
    if by_others > 0 {
        let (what, key) = (asked.plural(), signer.cosign.key.fingerprint());
        reasons.push(Reason::OtherKey { what, count: by_others, total, key });
    }
    if reasons.is_empty() {
        let what = match asked {
            Asked::Signature => "signature".to_owned(),
            Asked::Attestation(attestation) => format!("attestation of type {}", excerpt(&attestation.predicate_type)),
        };
        reasons.push(Reason::NothingFound { what });
    }
    Signed::not(reasons)
}

impl Signed {
    /// The signature or attestation there counts.
    pub(super) fn at(place: Place) -> Self {
        Self { outcome: Outcome::Accept, place: Some(place), ..Self::not(Vec::new()) }
    }

    pub(super) fn not(reasons: Vec<Reason>) -> Self {
        let outcome = if reasons.iter().any(Reason::is_unknown) { Outcome::Unknown } else { Outcome::Reject };
        // What is unknown stands first, so that it is never among those that are only counted.
        let (mut reasons, others): (Vec<Reason>, Vec<Reason>) = reasons.into_iter().partition(Reason::is_unknown);
        reasons.extend(others);
        if let Some(more) = reasons.len().checked_sub(MAX_REASONS).filter(|more| *more > 0) {
            reasons.truncate(MAX_REASONS);
            reasons.push(Reason::More { count: more });
        }
        Self { outcome, place: None, reasons, key: None, who: BTreeSet::new(), certificate: None, checks: Vec::new() }
    }
}

/// `Err(None)`: not by this key, which is no defect of the signature.
fn judge(
    candidate: &Candidate<'_>,
    signer: Whom<'_>,
    asked: Asked<'_>,
    subject: Subject<'_>,
    pass: &mut Pass<'_>,
) -> Result<(), Option<Reason>> {
    let place = &candidate.place;
    let material = candidate.content.as_ref().map_err(|reason| Some(reason.clone()))?;
    match pass.check(material, &signer.cosign.key).map_err(Some)? {
        Ok(claim) => claims_hold(place, &claim, signer, asked, subject, &mut pass.steps).map_err(Some),
        Err(VerifyError::Signature(_)) => Err(None),
        Err(error) => Err(Some(Reason::Payload { place: place.clone(), what: error.to_string() })),
    }
}

/// The order matters: what a predicate says is looked at last, when the type, the subject and the identity hold.
fn claims_hold(
    place: &Place,
    claim: &Verified<Claim>,
    signer: Whom<'_>,
    asked: Asked<'_>,
    subject: Subject<'_>,
    steps: &mut cel::Budget,
) -> Result<(), Reason> {
    let claim = claim.get();
    if claim.predicate_type() != asked.predicate_type() {
        let (want, got) = (asked.predicate_type().to_owned(), excerpt(claim.predicate_type()));
        return Err(Reason::WrongPredicateType { place: place.clone(), want, got });
    }
    // One subject has to satisfy everything; a statement may name the same digest under several names.
    let mut outcome = Err(None);
    for about in claim.about(subject.digest) {
        let mut holds = identity_holds(place, &about.identity, signer.cosign, subject.image)
            .and_then(|()| annotations_hold(place, &about, signer.cosign));
        let key = signer.cosign.key.fingerprint();
        let said = Said {
            place,
            predicate: claim.predicate(),
            predicate_type: claim.predicate_type(),
            annotations: about.annotations,
            signer: signer.name,
            key: Some(key),
            certificate: None,
            signed: None,
            timestamp: None,
        };
        if let Asked::Attestation(attestation) = asked {
            holds = holds
                .and_then(|()| predicate_holds(place, claim, attestation))
                .and_then(|()| age_holds(place, claim, attestation, subject.question.now))
                .and_then(|()| conditions::hold(&attestation.conditions, said, subject, steps));
        }
        holds = holds.and_then(|()| conditions::hold(signer.conditions, said, subject, steps));
        match holds {
            Ok(()) => {
                outcome = Ok(());
                break;
            }
            Err(reason) => outcome = outcome.map_err(|first: Option<Reason>| first.or(Some(reason))),
        }
    }
    outcome.map_err(|first| {
        let (signed, asked) = (claim.digest().cloned(), subject.digest.clone());
        first.unwrap_or(Reason::WrongDigest { place: place.clone(), signed, asked })
    })
}

fn predicate_holds(place: &Place, claim: &Claim, attestation: &Attestation) -> Result<(), Reason> {
    for (pointer, want) in &attestation.predicate {
        let got = claim.predicate().and_then(|predicate| predicate.pointer(pointer));
        if got != Some(want) {
            return Err(Reason::Predicate {
                place: place.clone(),
                pointer: excerpt(pointer),
                want: excerpt(&want.to_string()),
                got: got.map(|value| excerpt(&value.to_string())),
            });
        }
    }
    Ok(())
}

fn age_holds(place: &Place, claim: &Claim, attestation: &Attestation, now: UnixTime) -> Result<(), Reason> {
    let Some(age) = &attestation.age else { return Ok(()) };
    age.holds(claim.predicate(), now).map_err(|problem| {
        let (place, at, max) = (place.clone(), excerpt(&age.at), age.text.clone());
        match problem {
            NotYoung::NoTime(got) => Reason::NoTime { place, at, got },
            NotYoung::Outside(time) => Reason::Age { place, time, max, now },
        }
    })
}

fn annotations_hold(place: &Place, about: &About<'_>, signer: &CosignSigner) -> Result<(), Reason> {
    for (name, want) in &signer.annotations {
        let got = about.annotations.get(name);
        if got.and_then(Value::as_str) != Some(want) {
            let (name, want) = (name.clone(), want.clone());
            let got = got.map(|value| excerpt(&value.to_string()));
            return Err(Reason::Annotation { place: place.clone(), name, want, got });
        }
    }
    Ok(())
}

fn identity_holds(place: &Place, stated: &Stated, signer: &CosignSigner, image: &Reference) -> Result<(), Reason> {
    let same_repository =
        stated.named().is_some_and(|identity| signer.may_bear(image.repository(), identity.repository()));
    let (holds, rule) = match signer.identity {
        IdentityRule::AnyUnsafe => return Ok(()),
        IdentityRule::Repository => (same_repository || *stated == Stated::Nothing, "repository"),
        // Asked for by tag, the tag must have been signed; asked for by digest alone, there is none to compare.
        IdentityRule::Exact => {
            let signed = stated.named().and_then(|identity| identity.tag());
            (same_repository && (image.tag().is_none() || image.tag() == signed), "exact")
        }
    };
    if holds {
        return Ok(());
    }
    Err(Reason::WrongIdentity { place: place.clone(), signed: stated.text(), asked: image.to_string(), rule })
}
