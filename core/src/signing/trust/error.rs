//! Why role files are not prepared or assembled.

use crate::limits::{MAX_TARGET_NAME_BYTES, MAX_TARGETS};
use crate::time::UnixTime;
use crate::tuf::key::KeyId;
use crate::tuf::role::{Gun, Role};
use crate::tuf::{FormatError, SignatureProblem, TrustError};

/// Why role files cannot be prepared or assembled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustSigningError {
    /// Nothing would change.
    #[error("nothing is to be changed")]
    Nothing,
    /// The role's file is not believed, so that nobody knows what would be signed again.
    #[error("{role} cannot be signed again: {reason}")]
    NotBelieved {
        /// The role.
        role: Role,
        /// Why.
        reason: Box<TrustError>,
    },
    /// The change is not one of this role.
    #[error("{role} {problem}")]
    Role {
        /// The role.
        role: Role,
        /// What is wrong.
        problem: &'static str,
    },
    /// The role may not name the target.
    #[error("{role} may not name {name:?}: what it names begins with one of {paths:?}")]
    OutsidePaths {
        /// The role.
        role: Role,
        /// The target.
        name: String,
        /// What its targets may begin with.
        paths: Vec<String>,
    },
    /// The name of a target that verifiers do not read.
    #[error("the target {0:?} has a name that is empty or longer than {MAX_TARGET_NAME_BYTES} octets")]
    TargetName(String),
    /// The digest of a target is not a SHA-256.
    #[error("a target is named by its sha256, and {0} is none")]
    NoSha256(String),
    /// A target that is not there cannot be removed.
    #[error("{role} has no target {name:?}")]
    NoTarget {
        /// The role.
        role: Role,
        /// The target.
        name: String,
    },
    /// With these there would be more targets than verifiers read.
    #[error("{role} would have {got} targets, and verifiers read {MAX_TARGETS}")]
    Targets {
        /// The role.
        role: Role,
        /// Targets it would have.
        got: usize,
    },
    /// A key that is not there cannot be removed.
    #[error("{role} has no key {id}")]
    NoKey {
        /// The role.
        role: Role,
        /// The key.
        id: KeyId,
    },
    /// Fewer keys than have to sign: nobody could ever publish again.
    #[error("{role} would have {got} keys, and {need} have to sign")]
    TooFewKeys {
        /// The role.
        role: Role,
        /// Keys it would have.
        got: usize,
        /// Keys that have to sign.
        need: u64,
    },
    /// A root key without a certificate, or with one for another collection.
    #[error("root key {id} does not count for {gun}: {reason}")]
    RootKey {
        /// The key.
        id: KeyId,
        /// The collection.
        gun: Gun,
        /// Why.
        reason: String,
    },
    /// The file would have expired already, or at a moment that cannot be written.
    #[error("{role} would expire at {expires}, and now is {now}")]
    Expires {
        /// The role.
        role: Role,
        /// When it would expire.
        expires: UnixTime,
        /// When it is prepared.
        now: UnixTime,
    },
    /// The version cannot be raised any more.
    #[error("{0} has the highest version that there is")]
    Version(Role),
    /// A signature for a role that was not prepared, or by a key that does not sign it.
    #[error("key {id} does not sign {role} here")]
    NoSigner {
        /// The role.
        role: Role,
        /// The key.
        id: KeyId,
    },
    /// A signature that does not hold.
    #[error("the signature of {role} by key {id} does not hold: {problem}")]
    Signature {
        /// The role.
        role: Role,
        /// The key.
        id: KeyId,
        /// Why.
        problem: SignatureProblem,
    },
    /// Too few keys signed.
    #[error("{role} is signed by {got} of the {keys} keys, and needs {need}")]
    Shortfall {
        /// The role.
        role: Role,
        /// Which keys.
        keys: &'static str,
        /// Distinct keys that signed.
        got: usize,
        /// Keys needed.
        need: u64,
    },
    /// What would be written is not what verifiers read.
    #[error("{role} would not be read: {error}")]
    Format {
        /// The role.
        role: Role,
        /// Why.
        error: FormatError,
    },
    /// A member of the file is of another kind than can be changed.
    #[error("the member {0:?} of the file is of another kind than can be changed")]
    Shape(String),
    /// The certificate of a root key cannot be made.
    #[error("root certificate: {0}")]
    Certificate(String),
}
