//! Why octets are not a certificate that Bulla uses (RFC 5280, section 4).

use super::AlgorithmError;
use crate::key::PublicKeyError;
use crate::limits::{MAX_CERTIFICATE_BYTES, MAX_EXTENSIONS, MAX_REVOCATION_ADDRESSES};

/// Why octets are not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// More octets than [`MAX_CERTIFICATE_BYTES`].
    #[error("{got} octets, a certificate has at most {MAX_CERTIFICATE_BYTES}")]
    TooLarge {
        /// Octets there are.
        got: usize,
    },
    /// Not the DER of a certificate.
    #[error("not a certificate in DER: {0}")]
    Encoding(String),
    /// A PEM file that is not made of certificates.
    #[error("not a PEM file of certificates: {0}")]
    Pem(String),
    /// Not version 3 (section 4.1.2.1): it cannot say what it is for.
    #[error("certificate of version {0}, expected 3")]
    Version(u8),
    /// The algorithm inside is not the one outside (section 4.1.1.2).
    #[error("the signature algorithm inside is not the one outside")]
    OtherAlgorithm,
    /// A signature algorithm that is not used.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// A key that is not used.
    #[error(transparent)]
    Key(#[from] PublicKeyError),
    /// The validity ends before it begins.
    #[error("valid from {not_before} until {not_after}, which is never")]
    Validity {
        /// `notBefore`.
        not_before: crate::time::UnixTime,
        /// `notAfter`.
        not_after: crate::time::UnixTime,
    },
    /// More extensions than [`MAX_EXTENSIONS`].
    #[error("{got} extensions, at most {MAX_EXTENSIONS} are read")]
    Extensions {
        /// Extensions there are.
        got: usize,
    },
    /// An extension that is there twice (section 4.2).
    #[error("extension {0} is there twice")]
    Duplicate(String),
    /// An extension that cannot be read.
    #[error("extension {0} cannot be read")]
    Extension(String),
    /// A critical extension that Bulla does not interpret (section 4.2).
    #[error("critical extension {0} is not understood")]
    Critical(String),
    /// More addresses for revocation than [`MAX_REVOCATION_ADDRESSES`] of one kind.
    #[error("more than {MAX_REVOCATION_ADDRESSES} addresses for revocation of one kind")]
    Addresses,
}
