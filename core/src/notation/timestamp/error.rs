//! Why a timestamp does not count (RFC 3161, section 2.4.2; RFC 5652, section 5; RFC 5035, section 3).

use crate::key::SignatureError;
use crate::limits::{MAX_TOKEN_BYTES, MAX_TOKEN_UNITS};
use crate::notation::certificates::CertificatesError;
use crate::time::UnixTime;
use crate::x509::AlgorithmError;

/// Why a timestamp does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// More octets than [`MAX_TOKEN_BYTES`].
    #[error("timestamp: {got} octets, at most {MAX_TOKEN_BYTES} are read")]
    TooLarge {
        /// Octets there are.
        got: usize,
    },
    /// Not the DER of a token.
    #[error("timestamp: not a token in DER: {0}")]
    Encoding(String),
    /// Not signed data of version 3 around a TSTInfo.
    #[error("timestamp: {0}")]
    Content(&'static str),
    /// Not exactly one signature.
    #[error("timestamp: {got} signatures, expected one")]
    Signers {
        /// Signatures there are.
        got: usize,
    },
    /// A version that is not read.
    #[error("timestamp: TSTInfo of version {0}, expected 1")]
    Version(u8),
    /// A critical extension.
    #[error("timestamp: critical extension {0} is not understood")]
    Critical(String),
    /// A moment or an accuracy that is none.
    #[error("timestamp: {0:?} is no moment or accuracy")]
    Moment(String),
    /// An algorithm that is not used.
    #[error("timestamp: {0}")]
    Algorithm(#[from] AlgorithmError),
    /// It is over other octets.
    #[error("timestamp: it was made for another signature")]
    OtherMessage,
    /// A signed attribute that is needed.
    #[error("timestamp: there is no signed attribute {0}")]
    Missing(&'static str),
    /// A signed attribute that is there twice.
    #[error("timestamp: signed attribute {0} is there twice")]
    Duplicate(String),
    /// The signed attributes are about other content.
    #[error("timestamp: the signed attributes are about other content")]
    OtherContent,
    /// The signing certificate is not among those of the token.
    #[error("timestamp: the certificate of its signer is not in it")]
    NoCertificate,
    /// The signed attributes name another certificate.
    #[error("timestamp: the signed attributes name another certificate than the signer's")]
    OtherCertificate,
    /// The signature does not hold.
    #[error("timestamp: {0}")]
    Signature(#[from] SignatureError),
    /// No chain to a pinned root.
    #[error("timestamp: no chain leads from {subject:?} to a pinned root at {at}")]
    NotPinned {
        /// The subject of the signing certificate.
        subject: String,
        /// The moment that is stated.
        at: UnixTime,
    },
    /// More work than [`MAX_TOKEN_UNITS`].
    #[error("timestamp: its chain takes more than {MAX_TOKEN_UNITS} units of work")]
    Work,
    /// The certificates are not those of a timestamp authority.
    #[error("timestamp: {0}")]
    Certificates(#[from] CertificatesError),
    /// The signing time in it is outside of the validity of its own chain.
    #[error("timestamp: its own signing time {claimed} is outside of the validity of {subject:?}")]
    SigningTime {
        /// The signing time.
        claimed: UnixTime,
        /// The certificate.
        subject: String,
    },
    /// The interval is not inside the validity of a certificate of the signer.
    #[error(
        "timestamp: {stated} with its accuracy is not inside the validity of {subject:?}, {not_before} to {not_after}"
    )]
    Outside {
        /// The moment that is stated.
        stated: UnixTime,
        /// The certificate.
        subject: String,
        /// Its first second.
        not_before: UnixTime,
        /// Its last second.
        not_after: UnixTime,
    },
}

impl From<der::Error> for TimestampError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}
