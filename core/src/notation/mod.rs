//! Notary Project signatures (notaryproject/specifications, specs/): envelopes, trust policies, and their verification.
//!
//! Nothing here does I/O: certificates, lists and answers about revocation come in as arguments, with the time.

pub mod algorithm;
mod attributes;
pub mod certificates;
mod cose;
mod envelope;
mod jws;
pub mod payload;

pub use attributes::{Attributes, AttributesError, Scheme};
pub use envelope::{Claims, Envelope, EnvelopeError, Format, Signed};
