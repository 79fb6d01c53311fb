//! Docker Content Trust: Notary v1's dialect of TUF 0.9 (theupdateframework/notary 0.7.0), read, verified and resolved.
//!
//! It is no TUF 1.0: hashes, key ids, file names and the rotation of roots differ. Role files are fetched as [`update()`] asks
//! for them; what they say is reached only through a [`Repository`], which nothing else makes.

pub mod canonical;
pub mod certificate;
mod error;
mod format;
pub mod key;
mod memory;
pub mod pinning;
pub mod private_key;
pub mod resolve;
pub mod role;
mod root;
mod rotation;
mod signature;
mod snapshot;
mod targets;
#[cfg(test)]
pub(crate) mod tests;
mod timestamp;
mod trusted;
mod update;

use crate::limits::{MAX_ROLE_FILE_BYTES, MAX_ROOT_FILE_BYTES};

pub use error::{FormatError, TrustError};
pub use format::Hashes;
pub use memory::{Remembered, Seen};
pub(crate) use pinning::check_key as check_root_keys;
pub use root::Root;
pub(crate) use signature::write_file;
pub use signature::{Budget, Envelope, Known, Method, RoleKeys, SignatureProblem};
pub use snapshot::Snapshot;
pub use targets::{Delegation, Target, Targets};
pub use timestamp::Timestamp;
pub use trusted::{Base, Expiry, Repository, Trusted, TrustedTargets};
pub use update::{Fetched, Files, Missing, Need, Request, Step, update, update_for_signing};

/// Reads a role file as verifiers do, without checking who signed it: whether it is one, and nothing more.
///
/// # Errors
/// [`FormatError`].
pub fn inspect(role: &role::Role, file: &[u8]) -> Result<(), FormatError> {
    let limit = if *role == role::Role::root() { MAX_ROOT_FILE_BYTES } else { MAX_ROLE_FILE_BYTES };
    let envelope = Envelope::parse(file, limit)?;
    match role.name() {
        "root" => Root::read(&envelope).map(|_| ()),
        "snapshot" => Snapshot::read(&envelope).map(|_| ()),
        "timestamp" => Timestamp::read(&envelope).map(|_| ()),
        _ => Targets::read(role, &envelope).map(|_| ()),
    }
}

/// The keys that the file of one role gives to another one, without checking who signed it.
pub(crate) fn keys_of(
    file: &role::Role,
    role: &role::Role,
    envelope: &Envelope,
) -> Result<Option<RoleKeys>, FormatError> {
    if file.has_targets() {
        let targets = Targets::read(file, envelope)?;
        return Ok(targets.delegations().get(role).map(|delegation| delegation.keys.clone()));
    }
    let root = Root::read(envelope)?;
    Ok(match role.name() {
        "root" => Some(root.root().clone()),
        "targets" => Some(root.targets().clone()),
        "snapshot" => Some(root.snapshot().clone()),
        "timestamp" => Some(root.timestamp().clone()),
        _ => None,
    })
}
