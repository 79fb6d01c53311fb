//! Policies: which images they match, which signers they require, and what follows when these are missing.

mod attestation;
mod circumstances;
pub mod convert;
mod document;
mod exemption;
mod mirror;
mod requirement;
mod set;
mod signer;
mod validity;

pub use attestation::{Attestation, Condition};
pub use circumstances::Circumstances;
pub use document::{Mode, MultiArch, Policy};
pub use exemption::Exemption;
pub use mirror::Mirror;
pub use requirement::{Leaf, Requirement};
pub use set::{Diagnostic, PolicySet};
pub use signer::{IdentityRule, Signer};
pub use validity::{Invalid, Validity};
