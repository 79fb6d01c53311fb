//! What is remembered of a collection: of its root the newest version, and of every other role, for each of its keys, the newest
//! version that the key was seen to have signed.
//!
//! By key, because keys are taken away from roles and given back. A key that was stolen may have signed the highest version there
//! is, which nobody could ever follow; once the role does not have it any more, what it signed says nothing (TUF 1.0, section
//! 5.3.11, recovery from fast-forward attacks). It is kept all the same: where the role gets the key back, so does its word.
//! Nothing in a memory ever goes down, so any two of one collection merge into the newest of both, in whichever order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::role::Role;
use super::signature::RoleKeys;
use crate::digest::Digest;
use crate::key::Fingerprint;
use crate::ordered::Ordered as _;

/// A version of a role file that was seen, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The version.
    pub version: u64,
    /// SHA-256 of what was signed, in its canonical form. Not of the file: whoever serves it can lay it out anew, or add
    /// signatures that count for nothing, and would make the same file another one.
    pub sha256: Digest,
}

/// The newest versions that were seen of a collection. Whoever keeps it, keeps it by server, collection and pins: what other
/// pins let in says nothing about these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// Of the root. Its successors are those that it leads to, whoever signed it.
    pub root: Option<Seen>,
    /// Of the other roles, by the key: another certificate, or another encoding of it, makes no other key.
    #[serde(default)]
    pub roles: BTreeMap<Role, BTreeMap<Fingerprint, Seen>>,
}

impl Remembered {
    /// The newest version that was ever seen of a role, whoever signed it.
    pub fn version(&self, role: &Role) -> Option<u64> {
        if *role == Role::root() {
            return self.root.as_ref().map(|seen| seen.version);
        }
        self.roles.get(role)?.values().map(|seen| seen.version).max()
    }

    /// Whether this is the newest that some key was seen to have signed in a role.
    pub(super) fn has(&self, role: &Role, sha256: &Digest) -> bool {
        self.roles.get(role).is_some_and(|by_key| by_key.values().any(|seen| seen.sha256 == *sha256))
    }

    /// What holds for a file of a role with these keys: what was seen signed by any one of them.
    pub(super) fn holding(&self, keys: &RoleKeys) -> Vec<&Seen> {
        let root = self.root.as_ref().filter(|_| keys.role == Role::root());
        let listed: BTreeSet<Fingerprint> = keys.fingerprints();
        let by_key = self.roles.get(&keys.role).into_iter().flatten();
        root.into_iter().chain(by_key.filter(|(key, _)| listed.contains(*key)).map(|(_, seen)| seen)).collect()
    }

    /// Notes that these keys signed a version.
    pub(super) fn see(&mut self, role: &Role, keys: BTreeSet<Fingerprint>, seen: &Seen) {
        let is_newer = |known: Option<&Seen>| known.is_none_or(|known| known.version < seen.version);
        if *role == Role::root() {
            if is_newer(self.root.as_ref()) {
                self.root = Some(seen.clone());
            }
            return;
        }
        let by_key = self.roles.entry(role.clone()).or_default();
        for key in keys {
            if is_newer(by_key.get(&key)) {
                by_key.insert(key, seen.clone());
            }
        }
    }
}

impl RoleKeys {
    /// Its keys, those that can be used.
    pub(super) fn fingerprints(&self) -> BTreeSet<Fingerprint> {
        self.keys.values().filter_map(|key| key.as_ref().ok()).map(|key| key.public().fingerprint()).into_set()
    }
}
