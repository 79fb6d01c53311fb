//! Why something is not a bundle.

use super::{MEDIA_TYPE_V03, Version};
use crate::dsse::{EnvelopeError, IN_TOTO_PAYLOAD_TYPE};
use crate::json::JsonError;
use crate::limits::{MAX_CHAIN_CERTIFICATES, MAX_LOG_ENTRIES, MAX_PROOF_HASHES, MAX_TIMESTAMPS};

/// Why a document is not a bundle that can be a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not strict JSON, or not of a bundle's shape.
    #[error("bundle: {0}")]
    Json(#[from] JsonError),
    /// `mediaType` is absent or another document's.
    #[error("bundle media type is {0:?}, expected {MEDIA_TYPE_V03:?}")]
    MediaType(String),
    /// A bundle's media type, but of a later version or of none that could be understood.
    #[error("bundle version in {0:?} is not supported: 0.1, 0.2 and 0.3 are")]
    UnsupportedVersion(String),
    /// The descriptor that led here says another version than the bundle itself.
    #[error("bundle is of version {inside}, and its descriptor says {outside}")]
    OtherVersion {
        /// The version in the bundle.
        inside: Version,
        /// The version in the descriptor.
        outside: Version,
    },
    /// No `verificationMaterial`, or none in it.
    #[error("bundle has no verification material")]
    NoMaterial,
    /// Two of `publicKey`, `certificate` and `x509CertificateChain`, which are alternatives.
    #[error("bundle has both {0} and {1}, where one is allowed")]
    TwoMaterials(&'static str, &'static str),
    /// A chain in version 0.3, which has room for the leaf only.
    #[error("bundle of version 0.3 has a certificate chain, where one certificate is allowed")]
    Chain,
    /// A chain without certificates, or a certificate without octets.
    #[error("bundle: {0}: empty")]
    EmptyCertificate(String),
    /// More certificates than [`MAX_CHAIN_CERTIFICATES`].
    #[error("bundle has a chain of {got} certificates, at most {MAX_CHAIN_CERTIFICATES} are accepted")]
    Certificates {
        /// Certificates there are.
        got: usize,
    },
    /// More log entries than [`MAX_LOG_ENTRIES`] (CVE-2024-45395).
    #[error("bundle has {got} log entries, at most {MAX_LOG_ENTRIES} are accepted")]
    LogEntries {
        /// Entries there are.
        got: usize,
    },
    /// A log entry lacks what every entry has, or has a number below zero.
    #[error("bundle: log entry {number}: {defect}")]
    LogEntry {
        /// The place of the entry, counted from 1.
        number: usize,
        /// What is wrong with it.
        defect: &'static str,
    },
    /// Version 0.1, and a log entry without `inclusionPromise`.
    #[error("bundle of version 0.1: log entry {number} has no inclusion promise")]
    NoPromise {
        /// The place of the entry, counted from 1.
        number: usize,
    },
    /// Version 0.2 or later, and a log entry without `inclusionProof`, or a proof without a checkpoint.
    #[error("bundle of version {version}: log entry {number} has no inclusion proof with a checkpoint")]
    NoProof {
        /// The version of the bundle.
        version: Version,
        /// The place of the entry, counted from 1.
        number: usize,
    },
    /// More hashes in a proof than [`MAX_PROOF_HASHES`].
    #[error("bundle: log entry {number} has a proof of {got} hashes, at most {MAX_PROOF_HASHES} are accepted")]
    ProofHashes {
        /// The place of the entry, counted from 1.
        number: usize,
        /// Hashes there are.
        got: usize,
    },
    /// The same place in the same log twice: the second would count toward a threshold of logs.
    #[error("bundle: log entry {number} repeats an earlier one")]
    RepeatedLogEntry {
        /// The place of the later entry, counted from 1.
        number: usize,
    },
    /// More timestamps than [`MAX_TIMESTAMPS`] (CVE-2024-45395).
    #[error("bundle has {got} timestamps, at most {MAX_TIMESTAMPS} are accepted")]
    Timestamps {
        /// Timestamps there are.
        got: usize,
    },
    /// A timestamp without octets.
    #[error("bundle: timestamp {number} is empty")]
    EmptyTimestamp {
        /// The place of the timestamp, counted from 1.
        number: usize,
    },
    /// Neither `dsseEnvelope` nor `messageSignature`.
    #[error("bundle has no content")]
    NoContent,
    /// Both of them, which are alternatives.
    #[error("bundle has both an envelope and a message signature, where one is allowed")]
    TwoContents,
    /// A signature over the bytes of the image's manifest, or of anything else. Cosign does not accept it for an image.
    #[error("bundle has a signature over bytes, where one over an in-toto statement is expected")]
    MessageSignature,
    /// The envelope cannot be read.
    #[error("bundle: {0}")]
    Envelope(#[from] EnvelopeError),
    /// The envelope of a bundle has exactly one signature (sigstore_bundle.proto, `dsse_envelope`).
    #[error("bundle has an envelope with {got} signatures, expected one")]
    Signatures {
        /// Signatures there are.
        got: usize,
    },
    /// The envelope holds something else than a statement.
    #[error("bundle payload type is {0:?}, expected {IN_TOTO_PAYLOAD_TYPE:?}")]
    PayloadType(String),
    /// Envelope and material name two keys (sigstore_bundle.proto, `verification_material`).
    #[error("bundle names key {keyid:?} in its envelope and {hint:?} in its material")]
    KeyHint {
        /// The signature's `keyid`.
        keyid: String,
        /// The material's `hint`.
        hint: String,
    },
}
