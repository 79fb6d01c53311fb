//! A complete, ordered chain: leaf, intermediates, self-signed root (RFC 5280, section 6; Notary Project signature
//! specification, "Certificate Requirements").

use super::{Certificate, CertificateError};
use crate::key::SignatureError;
use crate::limits::MAX_CHAIN_CERTIFICATES;
use crate::text::excerpt;

/// A chain in which each certificate is signed by the next one and the last by itself. Only [`Chain::verify`] makes one.
/// Whether anybody trusts it, at what time and for what, is not said by that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    certificates: Vec<Certificate>,
}

/// How strict `keyUsage` of CA certificates is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUsageRule {
    /// It has to be critical.
    Critical,
    /// It has to be there.
    Present,
}

/// Why certificates are not a chain. Positions count from 0, the leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No certificate at all.
    #[error("the certificate chain is empty")]
    Empty,
    /// More certificates than [`MAX_CHAIN_CERTIFICATES`].
    #[error("{got} certificates in the chain, at most {MAX_CHAIN_CERTIFICATES} are accepted")]
    TooLong {
        /// Certificates there are.
        got: usize,
    },
    /// One of them is no certificate.
    #[error("certificate {position} of the chain: {error}")]
    Certificate {
        /// Its place.
        position: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// It was issued by somebody else than the next one.
    #[error("certificate {position} of the chain was issued by {issuer:?}, and {next:?} follows")]
    Issuer {
        /// Its place.
        position: usize,
        /// Its issuer.
        issuer: String,
        /// The subject of the next one.
        next: String,
    },
    /// Its signature is not by the next one.
    #[error("certificate {position} of the chain ({subject:?}) is not signed by the next one: {error}")]
    Signature {
        /// Its place.
        position: usize,
        /// Its subject.
        subject: String,
        /// What the check gave.
        error: SignatureError,
    },
    /// The last one is not self-signed: the chain is not complete.
    #[error("the chain ends with {subject:?}, which is not self-signed: its root is missing")]
    NoRoot {
        /// The subject of the last one.
        subject: String,
    },
    /// One before the last is self-signed.
    #[error("certificate {position} of the chain ({subject:?}) is self-signed, and others follow")]
    SelfSigned {
        /// Its place.
        position: usize,
        /// Its subject.
        subject: String,
    },
    /// It issued another one and is no CA.
    #[error("certificate {position} of the chain ({subject:?}) is not a CA: basicConstraints does not say so")]
    NotCa {
        /// Its place.
        position: usize,
        /// Its subject.
        subject: String,
    },
    /// More CA certificates below it than it allows.
    #[error("certificate {position} of the chain allows {allowed} CA certificates below it, and there are {got}")]
    PathLength {
        /// Its place.
        position: usize,
        /// Its `pathLenConstraint`.
        allowed: u8,
        /// CA certificates below it.
        got: usize,
    },
    /// A CA without `keyUsage`.
    #[error("certificate {position} of the chain ({subject:?}) has no keyUsage")]
    NoKeyUsage {
        /// Its place.
        position: usize,
        /// Its subject.
        subject: String,
    },
    /// A CA whose `keyUsage` is not critical.
    #[error("certificate {position} of the chain ({subject:?}) has a keyUsage that is not critical")]
    KeyUsageNotCritical {
        /// Its place.
        position: usize,
        /// Its subject.
        subject: String,
    },
    /// A CA that may not sign certificates.
    #[error("certificate {position} of the chain ({subject:?}) may not sign certificates: keyUsage is {usages}")]
    NoCertSign {
        /// Its place.
        position: usize,
        /// Its subject.
        subject: String,
        /// What it may be used for.
        usages: String,
    },
}

impl Chain {
    /// Parses the certificates of a chain, the leaf first. Nothing is checked between them.
    ///
    /// # Errors
    /// [`ChainError::Empty`], [`ChainError::TooLong`], [`ChainError::Certificate`].
    pub fn parse<'d>(ders: impl ExactSizeIterator<Item = &'d [u8]>) -> Result<Vec<Certificate>, ChainError> {
        match ders.len() {
            0 => return Err(ChainError::Empty),
            got if got > MAX_CHAIN_CERTIFICATES => return Err(ChainError::TooLong { got }),
            _ => {}
        }
        let read =
            |(position, der)| Certificate::from_der(der).map_err(|error| ChainError::Certificate { position, error });
        ders.enumerate().map(read).collect()
    }

    /// Checks a chain, without regard to time, names or trust. A chain of one is a self-signed leaf.
    ///
    /// # Errors
    /// [`ChainError`], one variant for each rule; what costs nothing is checked before any signature.
    pub fn verify(certificates: Vec<Certificate>, rule: KeyUsageRule) -> Result<Self, ChainError> {
        match certificates.len() {
            0 => return Err(ChainError::Empty),
            got if got > MAX_CHAIN_CERTIFICATES => return Err(ChainError::TooLong { got }),
            _ => {}
        }
        for (position, certificate) in certificates.iter().enumerate() {
            let issuer = certificates.get(position.saturating_add(1));
            match issuer {
                Some(issuer) if issuer.subject() != certificate.issuer() => {
                    let next = issuer.subject_text();
                    let issuer = excerpt(&super::name::render(certificate.issuer()).unwrap_or_default());
                    return Err(ChainError::Issuer { position, issuer, next });
                }
                None if !certificate.is_self_issued() => {
                    return Err(ChainError::NoRoot { subject: certificate.subject_text() });
                }
                _ => {}
            }
            if position > 0 {
                check_ca(certificate, position, rule)?;
            }
        }
        for (position, certificate) in certificates.iter().enumerate() {
            let subject = || certificate.subject_text();
            match certificates.get(position.saturating_add(1)) {
                Some(issuer) => {
                    if certificate.is_self_issued() && certificate.verify(certificate).is_ok() {
                        return Err(ChainError::SelfSigned { position, subject: subject() });
                    }
                    certificate.verify(issuer).map_err(|error| ChainError::Signature {
                        position,
                        subject: subject(),
                        error,
                    })?;
                }
                None => certificate.verify(certificate).map_err(|_| ChainError::NoRoot { subject: subject() })?,
            }
        }
        Ok(Self { certificates })
    }

    /// The leaf first, the root last.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The first certificate. (There always is one.)
    pub fn leaf(&self) -> Option<&Certificate> {
        self.certificates.first()
    }

    /// Each certificate but the root, with the one that issued it.
    pub fn issued(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.certificates.iter().zip(self.certificates.iter().skip(1))
    }

    /// What [`Chain::verify`] of these certificates costs at most, in units of one P-256 verification.
    pub fn verification_units(certificates: &[Certificate]) -> u32 {
        // A self-issued one is checked with its own key as well.
        certificates.iter().fold(0, |sum: u32, certificate| {
            sum.saturating_add(certificate.key().verification_units().saturating_mul(2))
        })
    }
}

fn check_ca(certificate: &Certificate, position: usize, rule: KeyUsageRule) -> Result<(), ChainError> {
    let subject = || certificate.subject_text();
    let extensions = certificate.extensions();
    let constraints = extensions.basic_constraints.filter(|constraints| constraints.is_ca);
    let Some(constraints) = constraints else {
        return Err(ChainError::NotCa { position, subject: subject() });
    };
    let below = position.saturating_sub(1);
    if let Some(allowed) = constraints.path_length
        && usize::from(allowed) < below
    {
        return Err(ChainError::PathLength { position, allowed, got: below });
    }
    let Some(usage) = extensions.key_usage else {
        return Err(ChainError::NoKeyUsage { position, subject: subject() });
    };
    if rule == KeyUsageRule::Critical && !usage.is_critical {
        return Err(ChainError::KeyUsageNotCritical { position, subject: subject() });
    }
    if !usage.allows("keyCertSign") {
        let usages = usage.names().collect::<Vec<_>>().join(", ");
        return Err(ChainError::NoCertSign { position, subject: subject(), usages });
    }
    Ok(())
}
