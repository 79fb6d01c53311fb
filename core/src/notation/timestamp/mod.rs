//! A timestamp over a signature (RFC 3161; trust-store-trust-policy.md, "Authentic Timestamp"): verified up to a pinned root of a
//! timestamp authority, at the moment that it states.

mod error;
mod path;
mod request;
mod tests;
mod token;

use std::collections::BTreeMap;

pub use self::error::TimestampError;
pub use self::request::{RequestError, request, token};
use self::token::{Moment, Token};
use super::certificates;
use crate::digest::Digest;
use crate::limits::MAX_TOKEN_BYTES;
use crate::time::UnixTime;
use crate::x509::{Certificate, Chain, Thumbprint};

/// A timestamp that was verified. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    moment: Moment,
    chain: Chain,
}

/// Tokens that were verified: no second signer and no later round repeats the work, the same token over the same signature for
/// the same roots.
#[derive(Debug, Default)]
pub struct Timestamps {
    done: BTreeMap<(Digest, Digest, Vec<Thumbprint>), Result<Timestamp, TimestampError>>,
}

impl Timestamps {
    /// What [`verify`] gives.
    ///
    /// # Errors
    /// [`TimestampError`], as [`verify`].
    pub fn verify(
        &mut self,
        token: &[u8],
        signature: &[u8],
        roots: &[Certificate],
    ) -> Result<Timestamp, TimestampError> {
        let pinned = roots.iter().map(Certificate::thumbprint).collect();
        let asked = (Digest::sha256(token), Digest::sha256(signature), pinned);
        self.done.entry(asked).or_insert_with(|| verify(token, signature, roots)).clone()
    }
}

/// Checks a token over the octets of a signature, with the pinned roots of timestamp authorities.
///
/// # Errors
/// [`TimestampError`], one variant for each rule.
pub fn verify(token: &[u8], signature: &[u8], roots: &[Certificate]) -> Result<Timestamp, TimestampError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TimestampError::TooLarge { got: token.len() });
    }
    let token = Token::parse(token)?;
    let moment = token.info()?.moment_for(signature)?;
    let signer = token.verify_signature()?;
    let certificates = path::build(signer, &token.certificates, roots, moment.stated)?;
    let chain = certificates::timestamping(certificates)?;
    if let Some(claimed) = token.signing_time
        && let Some(late) = chain.certificates().iter().find(|certificate| !certificate.is_valid_at(claimed))
    {
        return Err(TimestampError::SigningTime { claimed, subject: late.subject_text() });
    }
    Ok(Timestamp { moment, chain })
}

impl Timestamp {
    /// The moment that it states, in whole seconds, rounded down.
    pub fn stated(&self) -> UnixTime {
        self.moment.stated
    }

    /// The chain of the timestamp authority. Whether it is revoked is not said by the timestamp.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Whether the whole interval that it states, accuracy included, lies inside the validity of every certificate of a chain.
    ///
    /// # Errors
    /// [`TimestampError::Outside`].
    pub fn is_within(&self, chain: &Chain) -> Result<(), TimestampError> {
        let outside = chain
            .certificates()
            .iter()
            .find(|certificate| !self.moment.is_within(certificate.not_before(), certificate.not_after()));
        match outside {
            None => Ok(()),
            Some(certificate) => Err(TimestampError::Outside {
                stated: self.moment.stated,
                subject: certificate.subject_text(),
                not_before: certificate.not_before(),
                not_after: certificate.not_after(),
            }),
        }
    }
}
