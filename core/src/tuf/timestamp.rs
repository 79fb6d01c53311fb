//! Timestamp files: which snapshot is the newest (notary, tuf/data/timestamp.go).

use super::error::FormatError;
use super::format::{self, Hashes, Header};
use super::role::Role;
use super::signature::Envelope;
use crate::time::UnixTime;

/// What a timestamp file says. It names the snapshot with its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    header: Header,
    snapshot: Hashes,
    sha256: [u8; 32],
}

impl Timestamp {
    pub(super) fn read(envelope: &Envelope) -> Result<Self, FormatError> {
        let header = Header::read(envelope.signed(), "Timestamp")?;
        let none = || FormatError::NoHash { of: Role::snapshot().to_string(), want: "sha256" };
        let snapshot = format::files(envelope.signed())?.remove(&Role::snapshot()).ok_or_else(none)?;
        let sha256 = snapshot.sha256.ok_or_else(none)?;
        Ok(Self { header, snapshot, sha256 })
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.header.version
    }

    /// When it expires.
    pub fn expires(&self) -> UnixTime {
        self.header.expires
    }

    /// Length and hashes of the newest snapshot.
    pub fn snapshot(&self) -> &Hashes {
        &self.snapshot
    }

    /// SHA-256 of the newest snapshot: the name that it is fetched by.
    pub fn snapshot_sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}
