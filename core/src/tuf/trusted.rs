//! What is left when everything was checked: the only way to what role files say.

use std::collections::{BTreeMap, BTreeSet};

use super::error::TrustError;
use super::key::KeyId;
use super::memory::Remembered;
use super::role::{Gun, Role};
use super::root::Root;
use super::signature::RoleKeys;
use super::snapshot::Snapshot;
use super::targets::Targets;
use super::timestamp::Timestamp;
use crate::digest::Digest;
use crate::key::Fingerprint;
use crate::ordered::Ordered as _;
use crate::time::UnixTime;

/// What a role file says, after its signatures, hashes, version and expiry were checked. Only [`super::update()`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Trusted<'b, T> {
    pub(super) content: T,
    pub(super) bytes: &'b [u8],
    pub(super) sha256: Digest,
    pub(super) signers: BTreeSet<KeyId>,
    pub(super) keys: RoleKeys,
}

/// A targets file with what its role may name.
#[derive(Debug, Clone, PartialEq)]
pub struct TrustedTargets<'b> {
    pub(super) file: Trusted<'b, Targets>,
    pub(super) paths: Vec<String>,
}

/// The role files of one collection that belong together. It resolves any number of tags without another file.
#[derive(Debug, Clone, PartialEq)]
pub struct Repository<'b> {
    pub(super) gun: Gun,
    pub(super) root: Trusted<'b, Root>,
    pub(super) timestamp: Trusted<'b, Timestamp>,
    pub(super) snapshot: Trusted<'b, Snapshot>,
    pub(super) targets: BTreeMap<Role, TrustedTargets<'b>>,
    pub(super) skipped: BTreeMap<Role, TrustError>,
    pub(super) remember: Remembered,
}

/// As a [`Repository`], but role files may have expired: enough to sign them again, and no way to decide by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Base<'b> {
    pub(super) repository: Repository<'b>,
    pub(super) unwitnessed: BTreeMap<Role, &'b [u8]>,
}

/// Whether files that have expired are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// They are.
    Enforced,
    /// They are read, because they are to be signed again.
    ToBeRenewed,
}

impl<T> Trusted<'_, T> {
    /// What the file says.
    pub fn get(&self) -> &T {
        &self.content
    }

    /// The file, as it was fetched.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// SHA-256 of what was signed, in its canonical form.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// The keys that signed it, of those that the role has.
    pub fn signers(&self) -> &BTreeSet<KeyId> {
        &self.signers
    }

    /// The same, however they are listed.
    pub(super) fn signing_keys(&self) -> BTreeSet<Fingerprint> {
        let listed = self.signers.iter().filter_map(|id| self.keys.keys.get(id)?.as_ref().ok());
        listed.map(|key| key.public().fingerprint()).into_set()
    }

    /// The keys that the role has, and how many of them have to sign.
    pub fn keys(&self) -> &RoleKeys {
        &self.keys
    }
}

impl<'b> TrustedTargets<'b> {
    /// The file.
    pub fn file(&self) -> &Trusted<'b, Targets> {
        &self.file
    }

    /// What the names of its targets may begin with, all roles above considered.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Whether the role may say what this target is.
    pub fn may_name(&self, target: &str) -> bool {
        self.paths.iter().any(|path| target.starts_with(path.as_str()))
    }
}

impl<'b> Repository<'b> {
    /// The collection.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The root.
    pub fn root(&self) -> &Trusted<'b, Root> {
        &self.root
    }

    /// The timestamp.
    pub fn timestamp(&self) -> &Trusted<'b, Timestamp> {
        &self.timestamp
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Trusted<'b, Snapshot> {
        &self.snapshot
    }

    /// The roles that say what tags are: `targets`, and the delegations that were asked for and are believed.
    pub fn targets(&self) -> &BTreeMap<Role, TrustedTargets<'b>> {
        &self.targets
    }

    /// Delegations that were asked for and count for nothing, with the reason.
    pub fn skipped(&self) -> &BTreeMap<Role, TrustError> {
        &self.skipped
    }

    /// What to remember from now on.
    pub fn remember(&self) -> &Remembered {
        &self.remember
    }

    /// The moment from which on not all of this counts any more, and whose file is the first to expire.
    pub fn expires(&self) -> (Role, UnixTime) {
        let delegated = self.targets.iter().map(|(role, targets)| (role.clone(), targets.file.content.expires()));
        let base = [(Role::root(), self.root.content.expires()), (Role::snapshot(), self.snapshot.content.expires())];
        let timestamp = (Role::timestamp(), self.timestamp.content.expires());
        base.into_iter().chain(delegated).fold(timestamp, |first, next| if next.1 < first.1 { next } else { first })
    }
}

impl<'b> Base<'b> {
    /// The collection.
    pub fn gun(&self) -> &Gun {
        &self.repository.gun
    }

    /// The root.
    pub fn root(&self) -> &Trusted<'b, Root> {
        &self.repository.root
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Trusted<'b, Snapshot> {
        &self.repository.snapshot
    }

    /// `targets`, and the delegations that were asked for and that enough of their keys signed.
    pub fn targets(&self) -> &BTreeMap<Role, TrustedTargets<'b>> {
        &self.repository.targets
    }

    /// Delegations that were asked for and count for nothing, with the reason.
    pub fn skipped(&self) -> &BTreeMap<Role, TrustError> {
        &self.repository.skipped
    }

    /// Files of delegations that the snapshot names and too few keys signed that count now. They are what somebody signed
    /// once, or never: whoever signs them as they are, says everything that they say.
    pub fn unwitnessed(&self) -> &BTreeMap<Role, &'b [u8]> {
        &self.unwitnessed
    }

    /// What to remember from now on.
    pub fn remember(&self) -> &Remembered {
        &self.repository.remember
    }
}
