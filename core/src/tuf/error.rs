//! Why role files are not believed: one variant for each attack and each rule, with both values.

use super::canonical::CanonicalError;
use super::certificate::CertificateError;
use super::key::{KeyError, KeyId};
use super::role::{Gun, Role, RoleError};
use crate::digest::Digest;
use crate::json::JsonError;
use crate::limits::{
    MAX_DELEGATION_PATHS, MAX_DELEGATIONS, MAX_ROLE_KEYS, MAX_ROOT_CHAIN, MAX_TARGET_NAME_BYTES, MAX_TARGETS,
    MAX_TRUST_ROLES, MAX_TRUST_UNITS,
};
use crate::time::UnixTime;

/// Why bytes are not a role file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Not strict JSON, or not of the expected shape.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It has no canonical form, so that nobody can have signed it.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A member that has to be there is not, or is of another kind.
    #[error("{member}: expected {expected}")]
    Member {
        /// The member, e.g. `signed.version`.
        member: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// It says that it is another role's file. The first letter is a capital.
    #[error("_type is {got:?}, expected {want:?}")]
    Type {
        /// What it says.
        got: String,
        /// What it should say.
        want: &'static str,
    },
    /// No moment as RFC 3339 writes it.
    #[error("expires is {0:?}, which is no time as RFC 3339 writes it")]
    Expires(String),
    /// A hash that is not base64 of the octets that its algorithm gives.
    #[error("the {algorithm} of {of} is {got:?}, expected base64 of {want} octets")]
    Hash {
        /// The file or target.
        of: String,
        /// The algorithm.
        algorithm: &'static str,
        /// The value found.
        got: String,
        /// Octets it should have.
        want: usize,
    },
    /// No hash by which it could be checked.
    #[error("there is no {want} of {of}")]
    NoHash {
        /// The file or target.
        of: String,
        /// Which hashes would do.
        want: &'static str,
    },
    /// A signature that is not base64.
    #[error("a signature is not base64: {0}")]
    SignatureEncoding(String),
    /// More signatures than keys can have signed.
    #[error("{got} signatures, at most {MAX_ROLE_KEYS} are read")]
    Signatures {
        /// Signatures there are.
        got: usize,
    },
    /// The name of a role that is none.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// A key that refuses the file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A root file without one of the four roles.
    #[error("the root file does not say which keys {0} has")]
    NoRole(Role),
    /// No signature would be needed.
    #[error("the threshold of {0} is below 1: nobody would have to sign")]
    Threshold(Role),
    /// A role with a key that is not listed.
    #[error("{role} has the key {id}, which is not listed")]
    UnlistedKey {
        /// The role.
        role: Role,
        /// The key.
        id: KeyId,
    },
    /// More keys than a role may have.
    #[error("{role} has {got} keys, at most {MAX_ROLE_KEYS} are read")]
    RoleKeys {
        /// The role.
        role: Role,
        /// Keys it has.
        got: usize,
    },
    /// A delegation to a role that is not one level below: to itself, to a parent, to a stranger.
    #[error("{parent} delegates to {child}, which is not one level below it")]
    NotBelow {
        /// Whose file it is.
        parent: Role,
        /// To whom it delegates.
        child: Role,
    },
    /// One role delegated to twice: readers pick different ones.
    #[error("{0} is delegated to twice")]
    DelegatedTwice(Role),
    /// More delegations than a file may have.
    #[error("{got} delegations, at most {MAX_DELEGATIONS} are read")]
    Delegations {
        /// Delegations there are.
        got: usize,
    },
    /// More path prefixes than a delegation may have.
    #[error("{role} has {got} paths, at most {MAX_DELEGATION_PATHS} are read")]
    Paths {
        /// The delegation.
        role: Role,
        /// Paths it has.
        got: usize,
    },
    /// More targets than a file may have.
    #[error("{got} targets, at most {MAX_TARGETS} are read")]
    Targets {
        /// Targets there are.
        got: usize,
    },
    /// The name of a target that is empty or too long.
    #[error("a target's name has {got} octets, expected 1 to {MAX_TARGET_NAME_BYTES}")]
    TargetName {
        /// Octets it has.
        got: usize,
    },
}

/// Why the role files of a collection are not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A role file is none.
    #[error("{file}: {error}")]
    Format {
        /// The file.
        file: String,
        /// What is wrong.
        error: FormatError,
    },
    /// The server does not have it: there is no trust data, or a file that another one names.
    #[error("the server has no {file}: {}", .names.as_ref().map_or_else(|| "there is no trust data for this collection".to_owned(), |role| format!("{role} names it")))]
    NotFound {
        /// The file.
        file: String,
        /// The role whose file names it; nothing for the first ones.
        names: Option<Role>,
    },
    /// More octets than are read: an endless file, or none of Notary's.
    #[error("{file} has {got} octets or more, at most {limit} are read")]
    Endless {
        /// The file.
        file: String,
        /// Octets that came.
        got: u64,
        /// Octets allowed.
        limit: u64,
    },
    /// A file that another one names with another length.
    #[error("{role} has {got} octets, and {by} says {want}")]
    Length {
        /// The role.
        role: Role,
        /// The role whose file says so.
        by: Role,
        /// Octets that came.
        got: u64,
        /// Octets that were announced.
        want: u64,
    },
    /// A file that another one names with another hash.
    #[error("{role} has {got}, and {by} says {want}")]
    Hash {
        /// The role.
        role: Role,
        /// The role whose file says so.
        by: Role,
        /// The digest of what came.
        got: Digest,
        /// The digest that was announced.
        want: Digest,
    },
    /// Root and snapshot are of different times: files were mixed, or somebody is publishing right now.
    #[error("root.json has {got}, and the snapshot says {want}: files of different times")]
    MixAndMatch {
        /// The digest of the root file.
        got: Digest,
        /// The digest that the snapshot names.
        want: Digest,
    },
    /// Fewer distinct keys signed than the role needs. A key that signed twice counts once.
    #[error("{role} is signed by {got} of its keys, and needs {need}{}", list(.problems))]
    Threshold {
        /// The role.
        role: Role,
        /// Distinct keys that signed.
        got: usize,
        /// Keys needed.
        need: u64,
        /// Why signatures do not count.
        problems: Vec<String>,
    },
    /// The file has expired: nobody vouches any more that it is the newest.
    #[error("{role} expired at {expired}, and now is {now}: {} can renew it{}", .role.renewer(), held(.keys))]
    Expired {
        /// The role.
        role: Role,
        /// When it expired.
        expired: UnixTime,
        /// When it was asked about.
        now: UnixTime,
        /// The keys that can sign it again.
        keys: Vec<KeyId>,
    },
    /// An older version than one that was seen before.
    #[error("{role} has version {got}, and version {remembered} was seen before")]
    Rollback {
        /// The role.
        role: Role,
        /// The version that came.
        got: u64,
        /// The version that was seen.
        remembered: u64,
    },
    /// A version that was seen before with other content: somebody shows different files to different people.
    #[error("version {version} of {role} has {got}, and had {remembered} before")]
    OtherContent {
        /// The role.
        role: Role,
        /// The version.
        version: u64,
        /// The digest that came.
        got: Digest,
        /// The digest that was seen.
        remembered: Digest,
    },
    /// An older version than the policy allows.
    #[error("{role} has version {got}, and the policy asks for {minimum}")]
    BelowMinimum {
        /// The role.
        role: Role,
        /// The version that came.
        got: u64,
        /// The lowest version allowed.
        minimum: u64,
    },
    /// No pin is about this collection, and nothing is trusted on first use.
    #[error("no pin is about {0}, and nothing is trusted on first use")]
    NoPin(Gun),
    /// The root has no key that a pin names or leads to.
    #[error("no root key of {gun} is pinned{}; the root file has {}", list(.problems), ids(.got))]
    NotPinned {
        /// The collection.
        gun: Gun,
        /// The root keys that there are.
        got: Vec<KeyId>,
        /// Why each of them does not count.
        problems: Vec<String>,
    },
    /// No root key's certificate counts for the collection.
    #[error("no root key counts for {gun}{}", list(.problems))]
    NoRootKey {
        /// The collection.
        gun: Gun,
        /// Why each of them does not count.
        problems: Vec<String>,
    },
    /// A new root that the keys of the root before it did not sign.
    #[error("version {version} of root is signed by {got} of the keys of version {previous}, which needs {need}{}", list(.problems))]
    Rotation {
        /// Its version.
        version: u64,
        /// The version before it.
        previous: u64,
        /// Distinct keys of that version that signed.
        got: usize,
        /// Keys that it needs.
        need: u64,
        /// Why signatures do not count.
        problems: Vec<String>,
    },
    /// A root file of another version than its name says.
    #[error("{file} is of version {got}")]
    RootVersion {
        /// The file.
        file: String,
        /// The version in it.
        got: u64,
    },
    /// More root files between two versions than are followed.
    #[error("from version {from} to version {to} of root are more than {MAX_ROOT_CHAIN} files: pin a newer root key")]
    RootChain {
        /// The version that is trusted.
        from: u64,
        /// The newest one.
        to: u64,
    },
    /// A delegation that the snapshot does not name: it does not exist as far as anybody vouches.
    #[error("the snapshot does not name {0}: nothing was published in it")]
    NotInSnapshot(Role),
    /// A delegation that was in a snapshot before and still stands, and that the snapshot does not name any more: whoever
    /// signs the snapshot, the server as a rule, makes what was published in it disappear.
    #[error(
        "the snapshot does not name {role} any more, which had version {remembered} before and is still delegated to"
    )]
    Withdrawn {
        /// The role.
        role: Role,
        /// The version that was seen.
        remembered: u64,
    },
    /// A file of a role that does not count could not be fetched.
    #[error("{file}: {reason}")]
    Unfetched {
        /// Its name.
        file: String,
        /// Why.
        reason: String,
    },
    /// A role that the role above it does not delegate to.
    #[error("{parent} does not delegate to {role}")]
    NotDelegated {
        /// The role.
        role: Role,
        /// The role above it.
        parent: Role,
    },
    /// The role above is not believed, so nobody says which keys this one has.
    #[error("{role} cannot be checked, because {parent} is not believed")]
    ParentSkipped {
        /// The role.
        role: Role,
        /// The role above it.
        parent: Role,
    },
    /// More roles than are looked at.
    #[error("{got} roles are asked for, at most {MAX_TRUST_ROLES} are looked at")]
    Roles {
        /// Roles asked for, with those above them.
        got: usize,
    },
    /// More signatures than are checked in one look at a collection.
    #[error("checking its signatures takes more than {MAX_TRUST_UNITS} units of work")]
    Work,
    /// A certificate that is pinned is not one.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

fn list(problems: &[String]) -> String {
    if problems.is_empty() { String::new() } else { format!(" ({})", problems.join("; ")) }
}

fn ids(keys: &[KeyId]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn held(keys: &[KeyId]) -> String {
    if keys.is_empty() { String::new() } else { format!(" (key {})", ids(keys)) }
}

impl TrustError {
    /// Stable, for programs: which attack or which rule.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::NotInSnapshot(_) | Self::NotDelegated { .. } => "trust-absent",
            Self::Endless { .. } => "trust-endless",
            Self::Length { .. } | Self::Hash { .. } => "trust-hash",
            Self::MixAndMatch { .. } => "trust-mix-and-match",
            Self::Threshold { .. } => "trust-threshold",
            Self::Expired { .. } => "trust-expired",
            Self::Rollback { .. } | Self::OtherContent { .. } | Self::BelowMinimum { .. } => "trust-rollback",
            Self::NoPin(_) | Self::NotPinned { .. } | Self::NoRootKey { .. } => "trust-root",
            Self::Rotation { .. } | Self::RootVersion { .. } | Self::RootChain { .. } => "trust-rotation",
            _ => "trust-format",
        }
    }
}
