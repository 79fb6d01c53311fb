//! What a set of policies wants to know about one digest in one repository, so that nothing else is fetched.

use std::collections::{BTreeMap, BTreeSet};

use super::Shelf;
use crate::cosign::form::Form;
use crate::cosign::predicate;
use crate::policy::{Leaf, Policy, Signer, System};
use crate::reference::Repository;

/// What to look for.
#[derive(Debug, Clone, Default)]
pub(in crate::decision) struct Wanted {
    /// The forms that count, in the order in which they are looked for.
    pub(super) forms: Vec<Form>,
    /// Whether Notation's envelopes are wanted.
    pub(super) notation: bool,
    /// Whether signatures are wanted.
    pub(super) signatures: bool,
    /// Predicate types of the attestations that are wanted.
    pub(super) predicates: BTreeSet<String>,
    /// Whether everything is wanted, for a list of what is there.
    pub(super) everything: bool,
}

impl Wanted {
    /// What these policies want, by the repository in which it lies: beside the image, or where a signer says.
    pub(in crate::decision) fn by(policies: &[&Policy], image: &Repository) -> BTreeMap<Repository, Self> {
        let mut wanted: BTreeMap<Repository, Self> = BTreeMap::new();
        let mut add = |signer: &Signer, predicate: Option<&String>| {
            let place = signer.signature_repository().unwrap_or(image);
            let entry = wanted.entry(place.clone()).or_default();
            let cosign = match &signer.system {
                System::Notation(_) => {
                    entry.notation = true;
                    return;
                }
                // Its role files lie elsewhere.
                System::ContentTrust(_) => return,
                System::Cosign(cosign) => cosign,
            };
            match predicate {
                None => entry.signatures = true,
                Some(predicate) => {
                    entry.predicates.insert(predicate.clone());
                }
            }
            for form in &cosign.forms {
                if !entry.forms.contains(form) {
                    entry.forms.push(*form);
                }
            }
        };
        for policy in policies {
            for leaf in policy.require.leaves() {
                let (signer, predicate) = match leaf {
                    Leaf::Signer(name) => (Some(name), None),
                    Leaf::Attestation(name) => {
                        let attestation = policy.attestations.get(name);
                        let signer = attestation.map(|attestation| attestation.signer.as_str());
                        (signer, attestation.map(|attestation| &attestation.predicate_type))
                    }
                };
                if let Some(signer) = signer.and_then(|name| policy.signers.get(name)) {
                    add(signer, predicate);
                }
            }
        }
        wanted
    }

    /// Everything of every form.
    pub(in crate::decision) fn everything() -> Self {
        Self {
            forms: vec![Form::Bundle, Form::Legacy],
            notation: true,
            signatures: true,
            predicates: BTreeSet::new(),
            everything: true,
        }
    }

    /// The shelves to look at, the likeliest first. Both are looked at before any reject, whatever the forms: so that what
    /// lies there in another form is named.
    pub(in crate::decision) fn shelves(&self) -> Vec<Shelf> {
        match self.forms.as_slice() {
            [Form::Legacy, ..] if !self.notation => vec![Shelf::Tags, Shelf::Referrers],
            _ => vec![Shelf::Referrers, Shelf::Tags],
        }
    }

    /// Whether everything that counts lies elsewhere than on these shelves: in role files.
    pub(in crate::decision) fn is_elsewhere(&self) -> bool {
        self.forms.is_empty() && !self.notation
    }

    /// Whether a form counts for anybody.
    pub(super) fn takes(&self, form: Form) -> bool {
        self.forms.contains(&form)
    }

    /// Whether attestations are wanted at all.
    pub(super) fn attestations(&self) -> bool {
        self.everything || !self.predicates.is_empty()
    }

    /// Whether what is annotated with this predicate type may be wanted. Without an annotation it may be.
    pub(super) fn may_want(&self, hint: Option<&str>) -> bool {
        match hint {
            None => true,
            Some(predicate::SIGNATURE) => self.signatures,
            Some(other) => self.everything || self.predicates.contains(other),
        }
    }
}
