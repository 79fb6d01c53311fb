//! What notation leaves to the verification plugin that a signature names (Notary Project, plugin-extensibility.md,
//! "Verification workflow using plugin"): whether a chain, which notation has held against its trust stores, is that of a
//! trusted identity, and whether nobody has revoked it.

use super::level::Action;
use super::report::{Check, Failure, Outcome, Report};
use super::revocation::Evidence;
use super::trust_store::Identities;
use super::verify::Lookup;
use crate::time::UnixTime;
use crate::x509::Chain;

/// What a plugin is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The chain in the envelope.
    pub chain: &'a Chain,
    /// Whose signatures count, where that is asked.
    pub identities: Option<&'a Identities>,
    /// Whether revocation is asked.
    pub revocation: bool,
    /// The time of the signing, under the scheme of signing authorities alone: only there it is trusted.
    pub signing_time: Option<UnixTime>,
    /// The time of the verification.
    pub now: UnixTime,
}

/// Makes the checks that are asked for, whatever the others give: the policy of whoever asks says what follows.
pub fn check(asked: &Asked<'_>, evidence: &Evidence<'_>) -> Report {
    let mut report = Report::default();
    if let Some(identities) = asked.identities {
        report.note(Check::Authenticity, Action::Enforce, identity(asked.chain, identities));
    }
    if asked.revocation {
        let lookup = Lookup { signing_time: asked.signing_time, now: asked.now, crls: &[], evidence };
        let outcome = lookup.standing(asked.chain, usize::MAX, Action::Enforce, &mut report);
        report.note(Check::Revocation, Action::Enforce, outcome);
    }
    report
}

fn identity(chain: &Chain, identities: &Identities) -> Outcome {
    let subject = || chain.leaf().map(|leaf| leaf.subject_text()).unwrap_or_default();
    match chain.leaf().map(|leaf| identities.contain(leaf)) {
        Some(Ok(true)) => Outcome::Passed,
        Some(Err(error)) => Outcome::Failed(error.into()),
        _ => Outcome::Failed(Failure::Identity(subject())),
    }
}
