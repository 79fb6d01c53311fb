//! Notary Project signatures (notaryproject/specifications, specs/): envelopes, trust policies, and their verification.
//!
//! Nothing here does I/O: certificates, lists and answers about revocation come in as arguments, with the time.

pub mod algorithm;
mod attributes;
pub mod certificates;
mod cose;
mod envelope;
mod envelope_tests;
pub(crate) mod fixtures;
mod jws;
pub mod level;
pub mod payload;
pub mod plugin;
mod properties;
pub mod referrer;
mod report;
pub mod revocation;
pub mod timestamp;

pub mod trust_policy;
mod trust_store;
mod verify;
mod verify_tests;

pub use attributes::{Attributes, AttributesError, OWN_PLUGIN, Scheme};
pub use envelope::{Claims, Envelope, EnvelopeError, Format, Signed, Written};
pub use report::{Check, Checked, Conclusion, Failure, Outcome, Report, Signer, Wanted};
pub use trust_store::{Identities, IdentitiesError, StoreError, StoreKind, Trust, TrustStores, VerifyTimestamp};
pub use verify::{Before, needs_standing, verify, verify_envelope, verify_signed};
