//! Policies: which images they match, which signers they require, and what follows when these are missing.

mod attestation;
mod document;
mod requirement;
mod set;
mod signer;

pub use attestation::{Attestation, Condition};
pub use document::{Mode, MultiArch, Policy};
pub use requirement::{Leaf, Requirement};
pub use set::{Diagnostic, PolicySet};
pub use signer::{IdentityRule, Signer};
