//! Root files: which keys the four roles have (notary, tuf/data/root.go).

use super::error::FormatError;
use super::format::{Header, object, role_keys};
use super::key::{self, Keys};
use super::role::Role;
use super::signature::{Envelope, RoleKeys};
use crate::time::UnixTime;

/// What a root file says. Other roles than the four are ignored: older files list earlier root keys as `root.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    header: Header,
    keys: Keys,
    root: RoleKeys,
    targets: RoleKeys,
    snapshot: RoleKeys,
    timestamp: RoleKeys,
}

impl Root {
    pub(super) fn read(envelope: &Envelope) -> Result<Self, FormatError> {
        let signed = envelope.signed();
        let header = Header::read(signed, "Root")?;
        let keys = key::read_all(object(signed.get("keys"), "signed.keys")?)?;
        let roles = object(signed.get("roles"), "signed.roles")?;
        let role = |role: Role| match roles.get(role.name()) {
            Some(value) => role_keys(role, value, &keys),
            None => Err(FormatError::NoRole(role)),
        };
        Ok(Self {
            header,
            root: role(Role::root())?,
            targets: role(Role::targets())?,
            snapshot: role(Role::snapshot())?,
            timestamp: role(Role::timestamp())?,
            keys,
        })
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.header.version
    }

    /// When it expires.
    pub fn expires(&self) -> UnixTime {
        self.header.expires
    }

    /// The keys that it lists, for whichever role.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The keys of the root role.
    pub fn root(&self) -> &RoleKeys {
        &self.root
    }

    /// The keys of `targets`.
    pub fn targets(&self) -> &RoleKeys {
        &self.targets
    }

    /// The keys of `snapshot`.
    pub fn snapshot(&self) -> &RoleKeys {
        &self.snapshot
    }

    /// The keys of `timestamp`.
    pub fn timestamp(&self) -> &RoleKeys {
        &self.timestamp
    }
}
