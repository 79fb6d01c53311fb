//! Whether somebody has signed as Notation does: envelopes that were found, held against what a policy pins, in the order of
//! the specification (signing-and-verification-workflow.md).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Reason;
use super::accepted::{Signed, Subject};
use super::asking::Asking;
use super::checks::Pass;
use super::conditions::{self, SPENT_STEPS, Said};
use super::gather::{Found, Gathered};
use super::identity::Identity;
use super::place::Place;
use super::verdict::CheckNote;
use crate::digest::Digest;
use crate::evidence::Need;
use crate::notation::payload::{self, Target};
use crate::notation::revocation;
use crate::notation::{Check, Conclusion, Envelope, Outcome, Report, Trust};
use crate::ordered::Ordered as _;
use crate::policy::Condition;

/// A signer of Notation, as a policy names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whom<'p> {
    /// Its name.
    pub(super) name: &'p str,
    /// Whose signatures count.
    pub(super) trust: &'p Trust,
    /// What must hold beyond that.
    pub(super) conditions: &'p [Condition],
}

/// Looks for a signature that counts. What certificates name is asked for on the way.
pub(super) fn by(
    signer: Whom<'_>,
    gathered: &Gathered<'_>,
    subject: Subject<'_>,
    (ask, pass): (&mut Asking<'_>, &mut Pass<'_>),
) -> Signed {
    let mut reasons = Vec::new();
    let found = &gathered.notation;
    let evidence = ask.evidence().revocation();
    for Found { place, digest, content } in &found.found {
        let outcome = match (content, digest, &found.artifact) {
            (Err(reason), _, _) => Err(reason.clone()),
            (Ok(_), _, Some(Err(reason))) => Err(reason.clone()),
            (Ok(envelope), Some(digest), Some(Ok(artifact))) => {
                judge((place, envelope, digest), artifact, signer, subject, &evidence, (ask, pass))
            }
            (Ok(_), _, _) => continue,
        };
        match outcome {
            Ok(signed) => return *signed,
            Err(reason) => {
                let is_spent = matches!(reason, Reason::Budget { what: "units of signature checks" | SPENT_STEPS, .. });
                reasons.push(reason);
                if is_spent {
                    break;
                }
            }
        }
    }
    if found.found.is_empty() {
        reasons.extend(found.gaps.iter().cloned());
    }
    if reasons.is_empty() {
        reasons.push(Reason::NothingFound { what: "Notation signature".to_owned() });
    }
    Signed::not(reasons)
}

fn judge(
    (place, envelope, digest): (&Place, &Envelope, &Digest),
    artifact: &Target,
    signer: Whom<'_>,
    subject: Subject<'_>,
    evidence: &revocation::Evidence<'_>,
    (ask, pass): (&mut Asking<'_>, &mut Pass<'_>),
) -> Result<Box<Signed>, Reason> {
    let report = pass.verify_envelope((envelope, digest), artifact, signer, subject.question.now, evidence)?;
    for wanted in &report.wanted {
        ask.get(&Need::revocation(&wanted.request));
    }
    match report.conclusion() {
        Conclusion::Counts => {}
        Conclusion::DoesNotCount => {
            let (check, what) = report
                .failure()
                .map_or(("integrity", String::new()), |(check, failure)| (check.name(), failure.to_string()));
            return Err(Reason::Notation { place: place.clone(), check, what });
        }
        Conclusion::Unknown => {
            let (check, mut why) = report.unknown().fold(("revocation", Vec::new()), |(_, all), (check, why)| {
                (check.name(), [all.as_slice(), why].concat())
            });
            why.extend(report.wanted.iter().map(|wanted| format!("no answer from {}", wanted.request.url)));
            return Err(Reason::NotationUnknown { place: place.clone(), check, what: why.join("; ") });
        }
    }
    let Some(by) = &report.signer else {
        return Err(Reason::Notation { place: place.clone(), check: "integrity", what: String::new() });
    };
    let annotations: BTreeMap<String, Value> =
        report.metadata.iter().map(|(name, value)| (name.clone(), json!(value))).into_map();
    // Under the level `audit` anybody's certificate passes: then it says nothing about who that is.
    let is_authentic = report.checks.iter().any(|it| it.check == Check::Authenticity && it.outcome == Outcome::Passed);
    let certificate =
        is_authentic.then(|| json!({"subject": by.name, "thumbprint": by.certificate, "anchor": by.anchor}));
    let said = Said {
        place,
        predicate: None,
        predicate_type: payload::MEDIA_TYPE,
        annotations: &annotations,
        signer: signer.name,
        key: is_authentic.then_some(by.key),
        certificate: certificate.as_ref(),
        signed: report.signing_time,
        timestamp: report.timestamp,
    };
    conditions::hold(signer.conditions, said, subject, &mut pass.steps)?;
    let mut signed = Signed::at(place.clone());
    if is_authentic {
        signed.key = Some(by.key);
        signed.who = [Identity::Key(by.key), Identity::Subject(by.encoded.clone())].into_iter().into_set();
    }
    signed.certificate = Some(by.subject.clone());
    signed.checks = notes(&report);
    Ok(Box::new(signed))
}

/// The checks of a report, for verdicts.
pub(super) fn notes(report: &Report) -> Vec<CheckNote> {
    let note = |checked: &crate::notation::Checked| {
        let (passed, what) = match &checked.outcome {
            Outcome::Passed => (Some(true), None),
            Outcome::Skipped => (None, Some("skipped".to_owned())),
            Outcome::Failed(failure) => (Some(false), Some(failure.to_string())),
            Outcome::Unknown(why) if why.is_empty() => (None, Some("not known".to_owned())),
            Outcome::Unknown(why) => (None, Some(why.join("; "))),
        };
        CheckNote { check: checked.check.name(), action: checked.action, passed, what }
    };
    report.checks.iter().map(note).collect()
}
