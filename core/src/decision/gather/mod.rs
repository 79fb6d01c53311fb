//! What lies in a registry for one digest: signatures and attestations of every form that a policy accepts, found,
//! fetched and read, and not verified yet.

mod envelopes;
mod referrers;
mod tags;
mod wanted;

use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) use envelopes::{Envelopes, Found};
pub(super) use wanted::Wanted;

use super::Reason;
use super::asking::Asking;
use super::place::Place;
use crate::cosign::form::Form;
use crate::digest::Digest;
use crate::dsse::Envelope;
use crate::reference::Repository;
use crate::verify::Message;

/// The two places where the forms lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shelf {
    /// What refers to the digest: bundles, and the legacy form where it is stored so.
    Referrers,
    /// The tags `sha256-<hex>.sig` and `.att`.
    Tags,
}

/// Everything that was found for one digest.
#[derive(Debug, Default)]
pub(super) struct Gathered<'e> {
    /// What may count.
    pub(super) candidates: Vec<Candidate<'e>>,
    /// Why a place gave nothing.
    pub(super) gaps: Vec<Gap>,
    /// What was found of Notation.
    pub(super) notation: Envelopes,
    /// What lies there and was not read, by its name.
    pub(super) beside: BTreeMap<String, usize>,
}

/// Why a place where signatures or attestations of a form would lie gave nothing.
#[derive(Debug)]
pub(super) struct Gap {
    /// The forms that would lie there.
    pub(super) forms: &'static [Form],
    /// What would lie there.
    pub(super) kind: Kind,
    /// Why nothing was found.
    pub(super) reason: Reason,
}

/// What a place holds, as far as the place says it: a bundle can be either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Signatures only.
    Signature,
    /// Attestations only.
    Attestation,
    /// Both.
    Either,
}

/// One signature or attestation that may count.
#[derive(Debug)]
pub(super) struct Candidate<'e> {
    /// Where it was found.
    pub(super) place: Place,
    /// Its form.
    pub(super) form: Form,
    /// What its place can hold.
    pub(super) kind: Kind,
    /// The predicate type that it is annotated with, unsigned: what is annotated as something else is not looked at.
    pub(super) hint: Option<String>,
    /// What is signed, and the signatures; or why it cannot count.
    pub(super) content: Result<Material<'e>, Reason>,
}

impl Candidate<'_> {
    /// Whether it came with a certificate.
    pub(super) fn has_certificate(&self) -> bool {
        self.content.as_ref().is_ok_and(|material| material.has_certificate)
    }
}

/// What a check needs. A copy shares the message.
#[derive(Debug, Clone)]
pub(super) struct Material<'e> {
    /// What is signed; one copy for all signatures over it.
    pub(super) message: Rc<Message<'e>>,
    /// The signatures, never none.
    pub(super) signatures: Vec<Vec<u8>>,
    /// Whether a certificate came with them, so that no pinned key can be expected to have made them.
    pub(super) has_certificate: bool,
}

impl Material<'_> {
    /// What an envelope says and who signed it.
    fn of_envelope(envelope: Envelope, has_certificate: bool) -> Self {
        let message = Rc::new(Message::envelope(&envelope));
        let signatures = envelope.signatures.into_iter().map(|signature| signature.signature).collect();
        Self { message, signatures, has_certificate }
    }
}

/// Which digest is looked for, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'t> {
    /// The repository of the image: signatures name it.
    pub(super) image: &'t Repository,
    /// The repository in which signatures lie.
    pub(super) place: &'t Repository,
    /// The digest.
    pub(super) digest: &'t Digest,
}

impl<'e> Gathered<'e> {
    /// Gathers what lies on these shelves for a digest. `None` while something is still to be fetched.
    pub(super) fn collect(
        target: Target<'_>,
        wanted: &Wanted,
        shelves: &[Shelf],
        ask: &mut Asking<'e>,
    ) -> Option<Self> {
        let mut gathered = Self::default();
        let mut is_whole = true;
        for shelf in shelves {
            is_whole &= match shelf {
                Shelf::Referrers => referrers::collect(target, wanted, &mut gathered, ask),
                Shelf::Tags => tags::collect(target, wanted, &mut gathered, ask),
            }
            .is_some();
        }
        is_whole.then_some(gathered)
    }

    fn beside(&mut self, name: String) {
        let count = self.beside.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    fn gap(&mut self, forms: &'static [Form], kind: Kind, reason: Reason) {
        self.gaps.push(Gap { forms, kind, reason });
    }
}

/// What lies there and was not read, by its name: forms that are not read, and signatures with certificates, which no pinned
/// key can be expected to have made.
pub(super) fn unread(gathered: &BTreeMap<Repository, Gathered<'_>>) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for found in gathered.values() {
        let with_certificate = found.candidates.iter().filter(|candidate| candidate.has_certificate());
        let named = with_certificate.map(|_| ("cosign signature with a certificate", 1));
        let beside = found.beside.iter().map(|(name, count)| (name.as_str(), *count));
        for (name, more) in named.chain(beside) {
            let count = counts.entry(name.to_owned()).or_default();
            *count = count.saturating_add(more);
        }
    }
    counts
}
