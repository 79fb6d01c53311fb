//! Looking evidence up and noting what is missing, within what one decision may fetch; and reading each thing once.

use std::collections::{BTreeMap, BTreeSet};

use super::Reason;
use super::gather::Material;
use super::place::Place;
use crate::digest::{Content, Digest};
use crate::evidence::{Evidence, Need, Outcome};
use crate::limits::{MAX_ENVELOPES_BYTES, MAX_EVIDENCE_BYTES, MAX_PAYLOADS_BYTES, MAX_REQUESTS};
use crate::manifest::Blob;
use crate::ordered::sorted;
use crate::reference::Repository;
use crate::tuf::Remembered;

/// What one decision asks for.
pub(super) struct Asking<'e> {
    evidence: &'e Evidence,
    needs: Vec<Need>,
    asked: BTreeSet<String>,
    /// What may be fetched out of a purse, by the need's id: one thing that many places name is paid once.
    reserved: BTreeSet<String>,
    spent: BTreeMap<Purse, u64>,
    /// What came and was held against its size and digest, or why it cannot be used, by the need's id.
    checked: BTreeMap<String, Result<Fetched<'e>, Unusable>>,
    /// What is to be remembered of collections, by server, name and pins.
    remember: BTreeMap<String, Remembered>,
    /// The image's manifest, where it was fetched by its tag.
    by_tag: Option<(Digest, &'e [u8], Option<&'e str>)>,
    /// Envelopes that were read, by the digest of what holds them and how that was read.
    read: BTreeMap<(Digest, &'static str), Result<Material<'e>, String>>,
}

/// What is paid for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purse {
    /// Bundles and attestations.
    Envelopes,
    /// Simple-signing payloads.
    Payloads,
}

impl Purse {
    const fn limit(self) -> u64 {
        match self {
            Self::Envelopes => MAX_ENVELOPES_BYTES,
            Self::Payloads => MAX_PAYLOADS_BYTES,
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Envelopes => "octets of bundles and attestations",
            Self::Payloads => "octets of payloads",
        }
    }
}

/// Content that has the digest it was asked by, and the media type it came with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetched<'e> {
    /// The content.
    pub(super) content: Content<'e>,
    /// Its `Content-Type`.
    pub(super) media_type: Option<&'e str>,
}

/// Why content cannot be used, whichever place names it.
#[derive(Debug, Clone)]
enum Unusable {
    Digest { want: Digest, got: Digest },
    Size(String),
    Other(Reason),
}

impl Unusable {
    fn at(&self, place: &Place) -> Reason {
        let place = place.clone();
        match self {
            Self::Digest { want, got } => Reason::PayloadDigest { place, want: want.clone(), got: got.clone() },
            Self::Size(what) => Reason::Defect { place, what: what.clone() },
            Self::Other(reason) => reason.clone(),
        }
    }
}

impl<'e> Asking<'e> {
    pub(super) fn new(evidence: &'e Evidence) -> Self {
        Self {
            evidence,
            needs: Vec::new(),
            asked: BTreeSet::new(),
            reserved: BTreeSet::new(),
            spent: BTreeMap::new(),
            checked: BTreeMap::new(),
            remember: BTreeMap::new(),
            by_tag: None,
            read: BTreeMap::new(),
        }
    }

    /// Everything that came.
    pub(super) fn evidence(&self) -> &'e Evidence {
        self.evidence
    }

    /// Notes what is to be remembered of a collection, in place of what was noted before.
    pub(super) fn remember(&mut self, collection: String, state: Remembered) {
        self.remember.insert(collection, state);
    }

    /// What is to be remembered.
    pub(super) fn to_remember(&self) -> &BTreeMap<String, Remembered> {
        &self.remember
    }

    /// Whether something is still to be fetched.
    pub(super) fn is_waiting(&self) -> bool {
        !self.needs.is_empty()
    }

    /// Notes the manifest that came for the image's tag.
    pub(super) fn came_by_tag(&mut self, digest: Digest, bytes: &'e [u8], media_type: Option<&'e str>) {
        self.by_tag = Some((digest, bytes, media_type));
    }

    /// The manifest of this digest, if it came for the image's tag.
    pub(super) fn manifest_by_tag(&self, digest: &Digest) -> Option<(&'e [u8], Option<&'e str>)> {
        self.by_tag.as_ref().filter(|(of, _, _)| of == digest).map(|(_, bytes, media_type)| (*bytes, *media_type))
    }

    /// What came of a need, if anybody has tried; else it is noted.
    pub(super) fn get(&mut self, need: &Need) -> Option<&'e Outcome> {
        let found = self.evidence.get(need);
        if found.is_none() && self.asked.insert(need.id()) {
            self.needs.push(need.clone());
        }
        found
    }

    /// The manifest of a referrer. How many there can be and how large each is bounds them. `None` while it is still to
    /// be fetched.
    pub(super) fn manifest(
        &mut self,
        repository: &Repository,
        blob: &Blob,
        place: &Place,
    ) -> Option<Result<Fetched<'e>, Reason>> {
        self.checked(&Need::referrer(repository, &blob.digest, blob.size), &blob.digest, place)
    }

    /// Reserves blobs before they are fetched, the smallest first: a signature is small, and what is large cannot crowd it
    /// out. What does not fit is not fetched.
    pub(super) fn reserve<'b>(&mut self, purse: Purse, repository: &Repository, blobs: impl Iterator<Item = &'b Blob>) {
        for blob in smallest_first(blobs.collect()) {
            let id = Need::blob(repository, &blob.digest, blob.size).id();
            let spent = self.spent.entry(purse).or_default();
            let then = spent.saturating_add(blob.size);
            if then <= purse.limit() && self.reserved.insert(id) {
                *spent = then;
            }
        }
    }

    /// A blob that was [reserved](Self::reserve). `None` while it is still to be fetched.
    pub(super) fn blob(
        &mut self,
        purse: Purse,
        repository: &Repository,
        blob: &Blob,
        place: &Place,
    ) -> Option<Result<Fetched<'e>, Reason>> {
        let need = Need::blob(repository, &blob.digest, blob.size);
        if !self.reserved.contains(&need.id()) {
            let spent = self.spent.get(&purse).copied().unwrap_or_default();
            let (limit, got) = (purse.limit(), spent.saturating_add(blob.size));
            return Some(Err(Reason::Budget { what: purse.what(), limit, got }));
        }
        self.checked(&need, &blob.digest, place)
    }

    /// What is named by digest and size, held against both once (image-spec, descriptor.md).
    fn checked(&mut self, need: &Need, digest: &Digest, place: &Place) -> Option<Result<Fetched<'e>, Reason>> {
        let id = need.id();
        if let Some(known) = self.checked.get(&id) {
            return Some(known.clone().map_err(|unusable| unusable.at(place)));
        }
        let checked = match self.get(need)? {
            Outcome::Found { bytes, media_type } => {
                check(bytes, need.limit, digest).map(|content| Fetched { content, media_type: media_type.as_deref() })
            }
            Outcome::TooLarge { .. } => {
                Err(Unusable::Size(format!("its content has more than the {} octets that are announced", need.limit)))
            }
            other => Err(Unusable::Other(Reason::unfetched(need, other))),
        };
        self.checked.insert(id, checked.clone());
        Some(checked.map_err(|unusable| unusable.at(place)))
    }

    /// What an envelope says, read once however many places bring it: `how` tells apart the ways in which the same content
    /// can be read.
    pub(super) fn read(
        &mut self,
        digest: &Digest,
        how: &'static str,
        place: &Place,
        read: impl FnOnce() -> Result<Material<'e>, String>,
    ) -> Result<Material<'e>, Reason> {
        let known = self.read.entry((digest.clone(), how)).or_insert_with(read);
        known.clone().map_err(|what| Reason::Defect { place: place.clone(), what })
    }

    /// What is missing, perhaps nothing.
    ///
    /// # Errors
    /// [`Reason::Budget`] when that is more than one decision may fetch, or more came than one decision may have.
    pub(super) fn end(self) -> Result<Vec<Need>, Reason> {
        if self.evidence.is_over_budget() {
            let got = self.evidence.bytes();
            return Err(Reason::Budget { what: "octets of evidence", limit: MAX_EVIDENCE_BYTES, got });
        }
        let requests = self.evidence.answered().saturating_add(self.needs.len());
        if requests > MAX_REQUESTS {
            let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            let (limit, got) = (count(MAX_REQUESTS), count(requests));
            return Err(Reason::Budget { what: "things to fetch", limit, got });
        }
        Ok(self.needs)
    }
}

fn check<'e>(bytes: &'e [u8], announced: u64, digest: &Digest) -> Result<Content<'e>, Unusable> {
    if u64::try_from(bytes.len()) != Ok(announced) {
        return Err(Unusable::Size(format!("its content has {} octets, not {announced}", bytes.len())));
    }
    digest.check(bytes).map_err(|mismatch| Unusable::Digest { want: mismatch.want, got: mismatch.got })
}

/// For all kinds of lists at once: each kind would take its room.
fn smallest_first(blobs: Vec<&Blob>) -> Vec<&Blob> {
    sorted(blobs, |one, other| (one.size, &one.digest) < (other.size, &other.digest))
}
