//! Snapshot files: which role files belong together (notary, tuf/data/snapshot.go).

use std::collections::BTreeMap;

use super::error::FormatError;
use super::format::{self, Hashes, Header};
use super::role::Role;
use super::signature::Envelope;
use crate::time::UnixTime;

/// What a snapshot file says. It names root and targets with their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    header: Header,
    files: BTreeMap<Role, Hashes>,
}

impl Snapshot {
    pub(super) fn read(envelope: &Envelope) -> Result<Self, FormatError> {
        let header = Header::read(envelope.signed(), "Snapshot")?;
        let files = format::files(envelope.signed())?;
        for role in [Role::root(), Role::targets()] {
            if files.get(&role).is_none_or(|file| file.sha256.is_none()) {
                return Err(FormatError::NoHash { of: role.to_string(), want: "sha256" });
            }
        }
        Ok(Self { header, files })
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.header.version
    }

    /// When it expires.
    pub fn expires(&self) -> UnixTime {
        self.header.expires
    }

    /// The role files that belong together.
    pub fn files(&self) -> &BTreeMap<Role, Hashes> {
        &self.files
    }
}
