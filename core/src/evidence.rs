//! Needs and evidence: what a decision asks for, and what came of it.
//!
//! Evidence is believed only as far as it carries its own proof: bytes that have the digest they were asked by, and
//! signatures by pinned keys. Everything else (a tag's digest, an absence, a list) can only withhold an accept.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::digest::Digest;
use crate::limits::{
    MAX_CRL_BYTES, MAX_EVIDENCE_BYTES, MAX_MANIFEST_BYTES, MAX_OCSP_BYTES, MAX_REFERRERS_BYTES, MAX_REMEMBERED_BYTES,
    MAX_SIGNATURE_MANIFEST_BYTES,
};
use crate::notation::revocation::{self, Answer, Kind, Request};
use crate::ordered::Ordered as _;
use crate::reference::Repository;
use crate::tuf::role::Gun;

/// Something to fetch: one request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// What kind of thing.
    pub kind: NeedKind,
    /// The host that is asked.
    pub registry: String,
    /// The repository there.
    pub repository: String,
    /// A tag, a digest or a name.
    pub reference: String,
    /// Octets after which the host stops reading.
    pub limit: u64,
    /// Whether the limit is the size that a descriptor announces. Then it is part of the id: whoever announces another size
    /// for the same digest asks for something else, and gets an answer of his own.
    pub sized: bool,
}

/// The kinds of need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeedKind {
    /// The digest that a tag points to.
    Resolve,
    /// A manifest or index by tag or digest.
    Manifest,
    /// The referrers of a digest.
    Referrers,
    /// A blob by digest.
    Blob,
    /// A certificate revocation list by its address.
    Crl,
    /// An OCSP response by the address that asks for it.
    Ocsp,
    /// A role file of Docker Content Trust.
    Role,
    /// What the host remembers of a collection of such files.
    Remembered,
}

impl Need {
    /// The digest behind a tag, as a registry claims it.
    pub fn resolve(repository: &Repository, tag: &str) -> Self {
        Self { kind: NeedKind::Resolve, ..Self::manifest(repository, tag) }
    }

    /// A manifest by tag or digest.
    pub fn manifest(repository: &Repository, reference: &str) -> Self {
        Self {
            kind: NeedKind::Manifest,
            registry: repository.registry().to_owned(),
            repository: repository.path().to_owned(),
            reference: reference.to_owned(),
            limit: MAX_MANIFEST_BYTES,
            sized: false,
        }
    }

    /// The manifest of one referrer, by digest, of the size that the list announces.
    pub fn referrer(repository: &Repository, digest: &Digest, size: u64) -> Self {
        Self { limit: size, sized: true, ..Self::manifest(repository, &digest.to_string()) }
    }

    /// The image of signatures or attestations under a tag.
    pub fn tagged_image(repository: &Repository, tag: &str) -> Self {
        Self { limit: MAX_SIGNATURE_MANIFEST_BYTES, ..Self::manifest(repository, tag) }
    }

    /// What refers to this digest.
    pub fn referrers(repository: &Repository, digest: &Digest) -> Self {
        Self {
            kind: NeedKind::Referrers,
            limit: MAX_REFERRERS_BYTES,
            ..Self::manifest(repository, &digest.to_string())
        }
    }

    /// A blob of the size that its descriptor announces.
    pub fn blob(repository: &Repository, digest: &Digest, size: u64) -> Self {
        Self { kind: NeedKind::Blob, limit: size, sized: true, ..Self::manifest(repository, &digest.to_string()) }
    }

    /// What a certificate under a pinned one names, by its address in full.
    pub fn revocation(request: &Request) -> Self {
        let (kind, limit) = match request.kind {
            Kind::Crl => (NeedKind::Crl, MAX_CRL_BYTES),
            Kind::Ocsp => (NeedKind::Ocsp, MAX_OCSP_BYTES),
        };
        let after_scheme = request.url.split_once("://").map_or("", |(_, rest)| rest);
        let registry = after_scheme.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Self { kind, registry, repository: String::new(), reference: request.url.clone(), limit, sized: false }
    }

    /// A role file of a collection, from a notary server (`host:port`).
    pub fn role(server: &str, gun: &Gun, file: &str, limit: u64) -> Self {
        let (registry, repository) = (server.to_owned(), gun.name().to_owned());
        Self { kind: NeedKind::Role, registry, repository, reference: file.to_owned(), limit, sized: false }
    }

    /// What the host remembers of a collection as seen with pins of this digest ([`Pins::digest`](crate::tuf::pinning::Pins::digest)).
    pub fn remembered(server: &str, gun: &Gun, pins: &str) -> Self {
        Self { kind: NeedKind::Remembered, limit: MAX_REMEMBERED_BYTES, ..Self::role(server, gun, pins, 0) }
    }

    /// The name by which evidence answers this need: readable, and unique within a decision.
    pub fn id(&self) -> String {
        if matches!(self.kind, NeedKind::Crl | NeedKind::Ocsp) {
            return format!("{} {}", self.kind.name(), self.reference);
        }
        let separator = if self.reference.contains(':') { '@' } else { ':' };
        let size = if self.sized { format!(" of {} octets", self.limit) } else { String::new() };
        let (kind, registry, repository) = (self.kind.name(), &self.registry, &self.repository);
        format!("{kind} {registry}/{repository}{separator}{}{size}", self.reference)
    }
}

impl NeedKind {
    /// The word in a need's id.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Manifest => "manifest",
            Self::Referrers => "referrers",
            Self::Blob => "blob",
            Self::Crl => "crl",
            Self::Ocsp => "ocsp",
            Self::Role => "role",
            Self::Remembered => "remembered",
        }
    }
}

/// What came of a need. What could not be fetched is evidence too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Bytes, unchecked.
    Found {
        /// The bytes as they came.
        bytes: Vec<u8>,
        /// The `Content-Type` that came with them, if any.
        media_type: Option<String>,
    },
    /// A digest, as the registry claims it.
    Digest(String),
    /// The registry said that there is no such thing.
    Absent,
    /// More octets than the need allows.
    TooLarge {
        /// Octets announced or read.
        got: u64,
    },
    /// Nothing usable came.
    Failed {
        /// For people: which registry, what happened.
        reason: String,
    },
}

/// Everything that was fetched for one decision, by the id of the need.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    outcomes: BTreeMap<String, Outcome>,
    bytes: u64,
}

impl Evidence {
    /// Adds what came of a need. The first answer to a need stands: a second one cannot change a decision half way.
    pub fn insert(&mut self, need: String, outcome: Outcome) {
        if let std::collections::btree_map::Entry::Vacant(place) = self.outcomes.entry(need) {
            if let Outcome::Found { bytes, .. } = &outcome {
                self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            }
            place.insert(outcome);
        }
    }

    /// What came of this need, if anybody has tried.
    pub fn get(&self, need: &Need) -> Option<&Outcome> {
        self.outcomes.get(&need.id())
    }

    /// What came of needs whose ids begin so, by the rest of their ids.
    pub fn starting_with(&self, prefix: &str) -> Vec<(&str, &Outcome)> {
        let from = self.outcomes.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map_while(|(id, outcome)| id.strip_prefix(prefix).map(|rest| (rest, outcome))).collect()
    }

    /// What came for addresses that certificates name, by kind and address.
    pub fn revocation(&self) -> revocation::Evidence<'_> {
        let answers = self.outcomes.iter().filter_map(|(id, outcome)| {
            let kinds = [("crl ", Kind::Crl), ("ocsp ", Kind::Ocsp)];
            let asked = kinds.into_iter().find_map(|(word, kind)| Some((kind, id.strip_prefix(word)?)))?;
            let answer = match outcome {
                Outcome::Found { bytes, .. } => Answer::Content(bytes),
                Outcome::Failed { reason } => Answer::Failed(reason),
                Outcome::Absent => Answer::Failed("nothing is there (404)"),
                Outcome::TooLarge { .. } => Answer::Failed("it is too large"),
                Outcome::Digest(_) => Answer::Failed("evidence of another kind than was asked for"),
            };
            Some((asked, answer))
        });
        revocation::Evidence { answers: answers.into_map() }
    }

    /// How many needs were answered.
    pub fn answered(&self) -> usize {
        self.outcomes.len()
    }

    /// Octets of all bytes here.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the evidence is more than one decision may have ([`MAX_EVIDENCE_BYTES`]).
    pub fn is_over_budget(&self) -> bool {
        self.bytes > MAX_EVIDENCE_BYTES
    }
}
