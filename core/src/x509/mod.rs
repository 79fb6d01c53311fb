//! X.509 certificates (RFC 5280) for every signature system that carries them: strictly parsed, with their exact octets.
//!
//! What a certificate may be used for is decided by whoever uses it: a parsed one is a claim.

pub(crate) mod algorithm;
pub(crate) mod asn1;
mod certificate;
mod chain;
mod error;
mod extensions;
pub mod name;
mod pem;
mod tests;

pub use algorithm::{AlgorithmError, SignatureAlgorithm};
pub use certificate::{Certificate, Thumbprint};
pub(crate) use certificate::{moment, whole_octets};
pub use chain::{Chain, ChainError, KeyUsageRule};
pub use error::CertificateError;
pub use extensions::{BasicConstraints, ExtendedKeyUsage, Extensions, KeyUsage};
pub(crate) use extensions::{Extension, distribution_points, list as extension_list, uris};
pub use pem::read_all;
