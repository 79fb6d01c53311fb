//! From a root that is trusted to the newest one (notary, trustpinning/certs.go, `ValidateRoot`; client/tufclient.go).
//!
//! Every new root is signed by the keys of the one before it and by its own. The newest one may be signed directly by the
//! keys of the one that is trusted; else the files between them are needed, one by one.

use super::error::TrustError;
use super::pinning::{self, Anchor};
use super::role::{Gun, Role};
use super::root::Root;
use super::signature::{Budget, Envelope};
use crate::time::UnixTime;

/// A root file that was read. Whether it is believed follows from here.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) envelope: Envelope,
    pub(super) root: Root,
}

impl Candidate {
    /// Its own keys signed it, as far as they count for the collection. `now` is left out for roots that were succeeded.
    pub(super) fn check_own(&self, gun: &Gun, now: Option<UnixTime>, budget: &mut Budget) -> Result<(), TrustError> {
        let keys = pinning::usable(&self.root, gun, now)?;
        budget.check(&self.envelope, &keys)?.map(|_| ()).map_err(|short| TrustError::Threshold {
            role: Role::root(),
            got: short.got,
            need: short.need,
            problems: short.problems,
        })
    }

    /// Those of its keys that are pinned signed it.
    pub(super) fn check_pinned(
        &self,
        anchors: &[&Anchor],
        gun: &Gun,
        now: UnixTime,
        is_newest: bool,
        budget: &mut Budget,
    ) -> Result<(), TrustError> {
        let keys = pinning::usable(&self.root, gun, is_newest.then_some(now))?;
        let keys = pinning::pinned(&keys, anchors, gun, now, budget)?;
        budget.check(&self.envelope, &keys)?.map(|_| ()).map_err(|short| TrustError::Threshold {
            role: Role::root(),
            got: short.got,
            need: short.need,
            problems: short.problems,
        })
    }

    /// The keys of an older root signed it. Their certificates may have expired since.
    pub(super) fn check_successor_of(&self, previous: &Root, gun: &Gun, budget: &mut Budget) -> Result<(), TrustError> {
        let keys = pinning::usable(previous, gun, None)?;
        budget.check(&self.envelope, &keys)?.map(|_| ()).map_err(|short| TrustError::Rotation {
            version: self.root.version(),
            previous: previous.version(),
            got: short.got,
            need: short.need,
            problems: short.problems,
        })
    }
}

/// Holds a chain against its beginning, which is trusted: each root is signed by the keys of the one before it and by its own.
///
/// # Errors
/// [`TrustError::Rotation`], [`TrustError::Threshold`], [`TrustError::NoRootKey`].
pub(super) fn check_chain(
    start: &Root,
    between: &[Candidate],
    newest: &Candidate,
    gun: &Gun,
    budget: &mut Budget,
) -> Result<(), TrustError> {
    let mut previous = start;
    for candidate in between {
        candidate.check_successor_of(previous, gun, budget)?;
        candidate.check_own(gun, None, budget)?;
        previous = &candidate.root;
    }
    newest.check_successor_of(previous, gun, budget)
}
