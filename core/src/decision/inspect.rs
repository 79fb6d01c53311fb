//! What lies in a registry for an image: found, fetched, read and listed, for people. Being listed is not being trusted.
//!
//! Nothing here can end in an accept: a [`Listing`] carries no permit, and what it says of a claim was read without regard
//! to who signed it. Which of the given keys have signed is said beside it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::asking::Asking;
use super::checks::Pass;
use super::gather::{Candidate, Found, Gathered, Kind, Material, Target, Wanted};
use super::leaves::{self, Leaf};
use super::place::Place;
use super::verdict::Form as Counted;
use super::{Checks, Reason, Subject, subject};
use crate::claim::Claim;
use crate::cosign::form::Form;
use crate::cosign::predicate;
use crate::digest::Digest;
use crate::evidence::{Evidence, Need};
use crate::key::{Fingerprint, PublicKey};
use crate::limits::{MAX_ANNOTATIONS, MAX_SIGNATURES};
use crate::notation::{Claims, EnvelopeError};
use crate::reference::{Reference, Repository};
use crate::text::excerpt;
use crate::verify::VerifyError;

/// What is to be listed, and by whom it may have been made.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The image, as it was asked for. A text that is not a reference gives a listing that says so.
    pub image: String,
    /// Where its signatures lie when they do not lie beside it.
    pub signature_repository: Option<Repository>,
    /// Keys, by the names that they are shown with.
    pub keys: Vec<(String, PublicKey)>,
}

/// How far an inspection has come.
#[derive(Debug, Clone, PartialEq)]
pub enum InspectStep {
    /// These are to be fetched, all at once.
    Needs(Vec<Need>),
    /// Everything that could be had is listed.
    Listed(Box<Listing>),
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// The image, normalised; as it came when it is not a reference.
    pub image: String,
    /// Its digest, once it was settled. Without one nothing was looked for, and the gaps say why.
    pub digest: Option<Digest>,
    /// The image, pinned to its digest.
    pub pinned: Option<String>,
    /// The repository that was looked in.
    pub signature_repository: Option<String>,
    /// What the image is, by its own bytes.
    pub contents: Option<Contents>,
    /// Signatures and attestations.
    pub entries: Vec<Entry>,
    /// Notation's signatures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notation: Vec<NotationEntry>,
    /// What lies there and is not read by this version.
    pub unread: Vec<Counted>,
    /// What could not be fetched or read, and what is empty.
    pub gaps: Vec<Reason>,
    /// Whether everything could be fetched and looked at: places that are empty take nothing from that.
    pub complete: bool,
}

/// What the bytes of an image are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Contents {
    /// One image.
    Image,
    /// Several.
    Index {
        /// Each of them.
        leaves: Vec<ListedLeaf>,
    },
}

/// One manifest of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedLeaf {
    /// `linux/arm64/v8`, or that it is not said.
    pub platform: String,
    /// Its digest.
    pub digest: Option<Digest>,
    /// Why it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defect: Option<String>,
}

/// One signature or attestation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Where it lies.
    pub place: Place,
    /// In which form.
    pub form: Form,
    /// What it is, as far as that is said.
    pub kind: Option<EntryKind>,
    /// The predicate type that it is annotated with. Nobody signed that.
    pub annotated_as: Option<String>,
    /// What it says. Not verified.
    pub claim: Option<Claimed>,
    /// Those of the given keys that have signed it; null where no key could be checked.
    pub made_by: Option<Vec<Maker>>,
    /// Given keys that were not checked, because that would have been too much work.
    #[serde(skip_serializing_if = "is_zero")]
    pub unchecked_keys: usize,
    /// Whether it came with a certificate: then no long-lived key can be expected to have made it.
    pub certificate: bool,
    /// Why it cannot be read.
    pub defect: Option<Reason>,
}

/// One of Notation's signatures.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotationEntry {
    /// Where it lies.
    pub place: Place,
    /// What it says. Not verified.
    pub claim: Option<Claims>,
    /// Whether that is about the digest that was inspected.
    pub about_image: bool,
    /// Why it cannot be read.
    pub defect: Option<Reason>,
}

/// The two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EntryKind {
    /// A signature.
    Signature,
    /// An attestation.
    Attestation,
}

/// What somebody claims. It counts for nothing by itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claimed {
    /// The type of what is said.
    pub predicate_type: String,
    /// Digests that it is about, the first eight.
    pub digests: Vec<Digest>,
    /// How many there are.
    pub digest_count: usize,
    /// Whether the digest that was inspected is one of them.
    pub about_image: bool,
    /// What the image is called in it.
    pub identity: Option<String>,
    /// Annotations by name, shortened.
    pub annotations: BTreeMap<String, String>,
    /// How many there are.
    pub annotation_count: usize,
}

/// A key that has signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Maker {
    /// The name that it was given with.
    pub name: String,
    /// Its fingerprint.
    pub key: Fingerprint,
}

/// Lists what there is, as far as the evidence goes. `checks` remembers signature checks between calls.
pub fn inspect(inspection: &Inspection, evidence: &Evidence, checks: &mut Checks) -> InspectStep {
    let image = match Reference::parse(&inspection.image) {
        Ok(image) => image,
        Err(error) => {
            let listing = Listing::new(excerpt(&inspection.image));
            return listing.end(Some(Reason::Reference { what: error.to_string() }));
        }
    };
    let mut listing = Listing::new(image.to_string());
    let mut ask = Asking::new(evidence);
    let digest = match subject(&image, false, &mut ask) {
        Subject::Known(digest) => digest,
        Subject::Asked => return ask.end().map_or_else(|reason| listing.end(Some(reason)), InspectStep::Needs),
        Subject::Absent(reason) | Subject::Unknown(reason) => return listing.end(Some(reason)),
    };
    let repository = inspection.signature_repository.as_ref().unwrap_or(image.repository());
    listing.pinned = Some(image.pinned(&digest).to_string());
    listing.signature_repository = Some(repository.to_string());
    listing.digest = Some(digest.clone());

    let wanted = Wanted::everything();
    let target = Target { image: image.repository(), place: repository, digest: &digest };
    let gathered = Gathered::collect(target, &wanted, &wanted.shelves(), &mut ask);
    let leaves = leaves::read(image.repository(), &digest, &mut ask);
    let (Some(gathered), Some(leaves)) = (gathered, leaves) else {
        return match ask.end() {
            Ok(needs) => InspectStep::Needs(needs),
            Err(reason) => listing.end(Some(reason)),
        };
    };
    match leaves {
        Ok(None) => listing.contents = Some(Contents::Image),
        Ok(Some(leaves)) => {
            listing.contents = Some(Contents::Index { leaves: leaves.into_iter().map(ListedLeaf::of).collect() });
        }
        Err(reason) => listing.gaps.push(reason),
    }
    listing.fill(gathered, &digest, &inspection.keys, checks.pass());
    listing.end(None)
}

impl Listing {
    fn new(image: String) -> Self {
        Self {
            image,
            digest: None,
            pinned: None,
            signature_repository: None,
            contents: None,
            entries: Vec::new(),
            notation: Vec::new(),
            unread: Vec::new(),
            gaps: Vec::new(),
            complete: true,
        }
    }

    fn fill(&mut self, gathered: Gathered<'_>, digest: &Digest, keys: &[(String, PublicKey)], pass: Pass<'_>) {
        let mut writer = Writer { digest, keys, pass, budget: None, octets: 0 };
        self.entries = gathered.candidates.iter().take(MAX_SIGNATURES).map(|found| writer.entry(found)).collect();
        self.notation = gathered.notation.found.iter().map(|found| NotationEntry::of(found, digest)).collect();
        // What is not known about the list of referrers stands among the gaps already.
        let only_here = |reason: &Reason| matches!(reason, Reason::Budget { what: "Notation signatures", .. });
        self.gaps.extend(gathered.notation.gaps.into_iter().filter(only_here));
        self.gaps.extend(gathered.gaps.into_iter().map(|gap| gap.reason));
        self.gaps.extend(writer.budget);
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        if gathered.candidates.len() > MAX_SIGNATURES {
            let (limit, got) = (count(MAX_SIGNATURES), count(gathered.candidates.len()));
            self.gaps.push(Reason::Budget { what: "signatures", limit, got });
        }
        self.unread = gathered.beside.into_iter().map(|(form, count)| Counted { form, count }).collect();
    }

    fn end(mut self, reason: Option<Reason>) -> InspectStep {
        self.gaps.extend(reason);
        let is_empty = |reason: &Reason| {
            matches!(reason, Reason::NotSigned { .. } | Reason::NotAttested { .. } | Reason::NoSignatures { .. })
        };
        let is_had = |entry: &Entry| !entry.defect.as_ref().is_some_and(Reason::is_unknown);
        let is_read = |entry: &NotationEntry| !entry.defect.as_ref().is_some_and(Reason::is_unknown);
        self.complete =
            self.gaps.iter().all(is_empty) && self.entries.iter().all(is_had) && self.notation.iter().all(is_read);
        InspectStep::Listed(Box::new(self))
    }
}

impl NotationEntry {
    fn of(found: &Found, digest: &Digest) -> Self {
        let place = found.place.clone();
        let claim = found.content.as_ref().map_err(Clone::clone).and_then(|envelope| {
            let unreadable = |error: EnvelopeError| Reason::Defect { place: place.clone(), what: error.to_string() };
            envelope.claims().map_err(unreadable)
        });
        let about_image = claim.as_ref().is_ok_and(|claims| claims.target.digest == digest.to_string());
        let (claim, defect) = match claim {
            Ok(claim) => (Some(claim), None),
            Err(defect) => (None, Some(defect)),
        };
        Self { place, claim, about_image, defect }
    }
}

impl ListedLeaf {
    fn of(leaf: Leaf) -> Self {
        let Leaf { platform, digest, .. } = leaf;
        let (digest, defect) = match digest {
            Ok(digest) => (Some(digest), None),
            Err(defect) => (None, Some(defect)),
        };
        Self { platform, digest, defect }
    }
}

/// Writes entries, within a budget of work and one of octets.
struct Writer<'w> {
    digest: &'w Digest,
    keys: &'w [(String, PublicKey)],
    pass: Pass<'w>,
    /// Why no more signatures are checked.
    budget: Option<Reason>,
    /// Octets of annotations that are listed already.
    octets: usize,
}

impl Writer<'_> {
    fn entry(&mut self, candidate: &Candidate<'_>) -> Entry {
        let material = candidate.content.as_ref();
        let (claim, defect) = match material {
            Err(reason) => (None, Some(reason.clone())),
            Ok(material) => match material.message.claim() {
                Ok(claim) => (Some(claim), None),
                Err(error) => {
                    let what = error.to_string();
                    (None, Some(Reason::Defect { place: candidate.place.clone(), what }))
                }
            },
        };
        let hint = candidate.hint.as_deref();
        let kind = match (candidate.kind, claim.as_ref().map(Claim::predicate_type).or(hint)) {
            (Kind::Signature, _) | (Kind::Either, Some(predicate::SIGNATURE)) => Some(EntryKind::Signature),
            (Kind::Attestation, _) | (Kind::Either, Some(_)) => Some(EntryKind::Attestation),
            (Kind::Either, None) => None,
        };
        let (made_by, unchecked_keys) = match material {
            Ok(material) if !self.keys.is_empty() => self.makers(material),
            _ => (None, 0),
        };
        Entry {
            place: candidate.place.clone(),
            form: candidate.form,
            kind,
            annotated_as: hint.map(excerpt),
            claim: claim.map(|claim| self.claimed(&claim)),
            made_by,
            unchecked_keys,
            certificate: candidate.has_certificate(),
            defect,
        }
    }

    /// The keys that have signed, and how many were not checked. Whoever has signed something unreadable has signed it.
    fn makers(&mut self, material: &Material<'_>) -> (Option<Vec<Maker>>, usize) {
        let mut makers = Vec::new();
        for (index, (name, key)) in self.keys.iter().enumerate() {
            if self.budget.is_none() {
                match self.pass.check(material, key) {
                    Ok(Err(VerifyError::Signature(_))) => {}
                    Ok(_) => makers.push(Maker { name: excerpt(name), key: key.fingerprint() }),
                    Err(reason) => self.budget = Some(reason),
                }
            }
            if self.budget.is_some() {
                let checked = (index > 0).then_some(makers);
                return (checked, self.keys.len().saturating_sub(index));
            }
        }
        (Some(makers), 0)
    }

    fn claimed(&mut self, claim: &Claim) -> Claimed {
        let digests: Vec<&Digest> = match claim {
            Claim::SimpleSigning(payload) => vec![&payload.digest],
            Claim::Statement(statement) => statement.subjects.iter().flat_map(|subject| &subject.digests).collect(),
        };
        let here = claim.about(self.digest);
        let about_image = !here.is_empty();
        let elsewhere = || claim.digest().map(|digest| claim.about(digest)).unwrap_or_default();
        let about = here.into_iter().next().or_else(|| elsewhere().into_iter().next());
        let (identity, annotations) = match about {
            Some(about) => (about.identity.text(), Some(about.annotations)),
            None => (None, None),
        };
        let mut shown = BTreeMap::new();
        for (name, value) in annotations.into_iter().flatten().take(MAX_ANNOTATIONS) {
            let name = excerpt(name);
            let value = value.as_str().map_or_else(|| excerpt(&value.to_string()), excerpt);
            self.octets = self.octets.saturating_add(name.len()).saturating_add(value.len());
            if self.octets > ANNOTATION_OCTETS {
                break;
            }
            shown.insert(name, value);
        }
        Claimed {
            predicate_type: excerpt(claim.predicate_type()),
            digests: digests.iter().take(SHOWN_DIGESTS).copied().cloned().collect(),
            digest_count: digests.len(),
            about_image,
            identity,
            annotations: shown,
            annotation_count: annotations.map_or(0, BTreeMap::len),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Digests of one claim that are shown. 8: an image has one, a release of several platforms some more.
const SHOWN_DIGESTS: usize = 8;

/// Octets of annotations in one listing. 1 MiB: 1,000 signatures with ten annotations each take half of it, and a payload
/// that 1,000 layers name is repeated no further.
const ANNOTATION_OCTETS: usize = 1024 * 1024;

#[path = "inspect_tests.rs"]
mod tests;
