//! Asking a timestamp authority (RFC 3161, sections 2.4.1 and 2.4.2), and what it answers.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, Uint};
use der::{Encode as _, Sequence, Tag, Tagged as _};
use spki::AlgorithmIdentifierRef;

use super::TimestampError;
use super::token::Token;
use crate::key::Hash;
use crate::limits::MAX_TOKEN_BYTES;
use crate::x509::algorithm::{SHA256, SHA384, SHA512};
use crate::x509::asn1::{octets, sequence};

/// Why an answer brings no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not an answer, or a question that cannot be written.
    #[error("timestamp: not a response in DER: {0}")]
    Encoding(String),
    /// The authority has not granted it.
    #[error("timestamp: the authority answers with the status {0}, expected 0 or 1")]
    Refused(u8),
    /// It is granted, and there is no token.
    #[error("timestamp: the authority answers without a token")]
    NoToken,
    /// The token cannot be read.
    #[error(transparent)]
    Token(#[from] TimestampError),
    /// The token answers another question.
    #[error("timestamp: the nonce is not that of the question: it is an answer to another one")]
    Nonce,
}

impl From<der::Error> for RequestError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

#[derive(Sequence)]
struct TimeStampRequest<'r> {
    version: u8,
    imprint: Imprint<'r>,
    nonce: Uint,
    with_certificates: bool,
}

#[derive(Sequence)]
struct Imprint<'r> {
    hash: AlgorithmIdentifierRef<'r>,
    hashed: &'r OctetStringRef,
}

/// The question for a timestamp over the octets of a signature, DER, to be sent as `application/timestamp-query`. The nonce is
/// entropy from the caller.
///
/// # Errors
/// [`RequestError::Encoding`] for an empty nonce.
pub fn request(signature: &[u8], hash: Hash, nonce: &[u8]) -> Result<Vec<u8>, RequestError> {
    let oid: ObjectIdentifier = match hash {
        Hash::Sha256 => SHA256,
        Hash::Sha384 => SHA384,
        Hash::Sha512 => SHA512,
    };
    let hashed = hash.digest(signature);
    let imprint = Imprint {
        hash: AlgorithmIdentifierRef { oid, parameters: Some(AnyRef::NULL) },
        hashed: OctetStringRef::new(&hashed)?,
    };
    Ok(TimeStampRequest { version: 1, imprint, nonce: Uint::new(nonce)?, with_certificates: true }.to_der()?)
}

/// The token in an answer to a question with this nonce. Whether it holds is not checked.
///
/// # Errors
/// [`RequestError`].
pub fn token(response: &[u8], nonce: &[u8]) -> Result<Vec<u8>, RequestError> {
    if response.len() > MAX_TOKEN_BYTES {
        return Err(TimestampError::TooLarge { got: response.len() }.into());
    }
    let parts = sequence(response, 2)?;
    let [status, rest @ ..] = parts.as_slice() else { return Err(RequestError::NoToken) };
    let status = crate::x509::asn1::elements(status.value(), 3)?;
    match status.first().filter(|status| status.tag() == Tag::Integer).map(|status| status.decode_as::<u8>()) {
        Some(Ok(0 | 1)) => {}
        Some(Ok(code)) => return Err(RequestError::Refused(code)),
        _ => return Err(RequestError::Encoding("no status".to_owned())),
    }
    let token = octets(*rest.first().ok_or(RequestError::NoToken)?)?;
    let strip = |octets: &[u8]| octets.iter().copied().skip_while(|octet| *octet == 0).collect::<Vec<u8>>();
    let answered = Token::parse(&token)?.info()?.nonce.map(strip);
    if answered == Some(strip(nonce)) { Ok(token) } else { Err(RequestError::Nonce) }
}
