//! The one place where a signature turns bytes into a claim that somebody made: [`Verified`] has no other origin.
//!
//! The bytes that were verified are the bytes that are read. Nothing in the evidence chooses an algorithm: the key does.

use crate::claim::Claim;
use crate::cosign::payload::{PayloadError, SimpleSigning};
use crate::digest::{Content, Digest};
use crate::dsse::{Envelope, IN_TOTO_PAYLOAD_TYPE, pae};
use crate::key::{Algorithm, Hash, PublicKey, SignatureError};
use crate::limits::{MAX_ENVELOPE_BYTES, OCTETS_PER_UNIT};
use crate::statement::{Statement, StatementError};
use crate::text::excerpt;

/// What one key has signed. Only the functions of this module make one.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// What was verified.
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// Why a signature by a key does not give a verified claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The signature is not by this key over these bytes.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is, but what was signed is not a simple-signing payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It is, but what was signed is not an in-toto statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It is, and what was signed says that it is something else than an in-toto statement (DSSE `payloadType`).
    #[error("payload type {0:?} is not {IN_TOTO_PAYLOAD_TYPE:?}")]
    PayloadType(String),
}

/// What is signed: the exact bytes, and how they are read once a signature over them holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'b> {
    body: Body<'b>,
    digest: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body<'b> {
    SimpleSigning(Content<'b>),
    Implied(Vec<u8>),
    Envelope { payload_type: String, encoded: Vec<u8>, payload: usize },
}

/// How a message is read. One signature can hold over the same bytes as two kinds, and it counts for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A simple-signing payload: its own bytes are signed (cosign SIGNATURE_SPEC.md, "Signatures").
    SimpleSigning,
    /// A DSSE envelope: the encoding of payload type and payload is signed (DSSE protocol.md, "Signature Definition").
    Envelope,
}

/// That a signature over a message of one kind holds. Only [`Message::check`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    kind: Kind,
    digest: Digest,
}

impl<'b> Message<'b> {
    /// A simple-signing payload that was fetched.
    pub fn simple_signing(payload: Content<'b>) -> Self {
        Self { digest: Digest::sha256(payload.bytes()), body: Body::SimpleSigning(payload) }
    }

    /// A simple-signing payload that follows from repository and digest, so that nobody had to fetch it.
    pub fn implied(payload: Vec<u8>) -> Self {
        Self { digest: Digest::sha256(&payload), body: Body::Implied(payload) }
    }

    /// The message of an envelope. Its signatures are not part of it.
    pub fn envelope(envelope: &Envelope) -> Self {
        let encoded = pae(&envelope.payload_type, &envelope.payload);
        let (payload_type, payload) = (envelope.payload_type.clone(), envelope.payload.len());
        Self { digest: Digest::sha256(&encoded), body: Body::Envelope { payload_type, encoded, payload } }
    }

    /// The bytes that are signed.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::SimpleSigning(content) => content.bytes(),
            Body::Implied(bytes) => bytes,
            Body::Envelope { encoded, .. } => encoded,
        }
    }

    /// SHA-256 of the bytes that are signed.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// How the message is read.
    pub fn kind(&self) -> Kind {
        match self.body {
            Body::SimpleSigning(_) | Body::Implied(_) => Kind::SimpleSigning,
            Body::Envelope { .. } => Kind::Envelope,
        }
    }

    /// Checks a signature over the message with one key.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn check(&self, signature: &[u8], key: &PublicKey) -> Result<Proof, SignatureError> {
        signed(self.bytes(), signature, key)?;
        Ok(Proof { kind: self.kind(), digest: self.digest.clone() })
    }

    /// Reads the claim from the bytes whose signature holds.
    ///
    /// # Errors
    /// [`VerifyError`]; [`VerifyError::Signature`] for the proof of another message.
    pub fn read(&self, proof: &Proof) -> Result<Verified<Claim>, VerifyError> {
        if proof.kind != self.kind() || proof.digest != self.digest {
            return Err(VerifyError::Signature(SignatureError::Mismatch));
        }
        self.claim().map(Verified)
    }

    /// Checks a signature, then reads the claim from the same bytes.
    ///
    /// # Errors
    /// [`VerifyError`]; what was signed is not looked at before its signature holds.
    pub fn verify(&self, signature: &[u8], key: &PublicKey) -> Result<Verified<Claim>, VerifyError> {
        self.read(&self.check(signature, key)?)
    }

    /// What the message says, whoever may have signed it: for lists only, never for a decision.
    ///
    /// # Errors
    /// [`VerifyError`], of every kind but [`VerifyError::Signature`].
    pub fn claim(&self) -> Result<Claim, VerifyError> {
        match &self.body {
            Body::SimpleSigning(_) | Body::Implied(_) => Ok(Claim::SimpleSigning(SimpleSigning::parse(self.bytes())?)),
            Body::Envelope { payload_type, .. } if payload_type != IN_TOTO_PAYLOAD_TYPE => {
                Err(VerifyError::PayloadType(excerpt(payload_type)))
            }
            Body::Envelope { encoded, payload, .. } => {
                let start = encoded.len().saturating_sub(*payload);
                let payload = encoded.get(start..).unwrap_or_default();
                let limit = usize::try_from(MAX_ENVELOPE_BYTES).unwrap_or(usize::MAX);
                Ok(Claim::Statement(Statement::parse(payload, limit)?))
            }
        }
    }

    /// What checking one signature over this message by this key can cost, in units of one P-256 verification: its
    /// attempts, and the hashing of a long message.
    pub fn verification_units(&self, key: &PublicKey) -> u32 {
        let attempts = u32::try_from(hashes(key.algorithm()).len()).unwrap_or(u32::MAX);
        key.verification_units().saturating_add(self.reading_units()).saturating_mul(attempts)
    }

    /// What going through the message once costs, in the same units: nothing for a short one.
    pub fn reading_units(&self) -> u32 {
        let octets = u64::try_from(self.bytes().len()).unwrap_or(u64::MAX);
        u32::try_from(octets / OCTETS_PER_UNIT).unwrap_or(u32::MAX)
    }
}

/// Checks a signature over bytes with one key.
///
/// Cosign hashed with SHA-256 for every kind of key until 2026; since then the curve's own hash is possible too, so both
/// are tried. The key fixes which ones: nothing in the evidence does.
///
/// # Errors
/// [`SignatureError`].
pub fn signed(message: &[u8], signature: &[u8], key: &PublicKey) -> Result<(), SignatureError> {
    let mut outcome = Err(SignatureError::Mismatch);
    for hash in hashes(key.algorithm()) {
        outcome = key.verify(message, signature, *hash);
        if outcome != Err(SignatureError::Mismatch) {
            break;
        }
    }
    outcome
}

const fn hashes(algorithm: Algorithm) -> &'static [Hash] {
    match algorithm {
        Algorithm::EcdsaP256 | Algorithm::Rsa | Algorithm::Ed25519 => &[Hash::Sha256],
        Algorithm::EcdsaP384 => &[Hash::Sha256, Hash::Sha384],
        Algorithm::EcdsaP521 => &[Hash::Sha256, Hash::Sha512],
    }
}
