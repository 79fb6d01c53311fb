//! Policies: which images they match, which signers they require, and what follows when these are missing.

mod age;
mod attestation;
mod break_glass;
mod circumstances;
mod condition;
pub mod convert;
mod cosign;
mod document;
mod exemption;
mod mirror;
mod notation;
mod requirement;
mod set;
mod signer;
mod trust;
mod validity;

pub use age::{Age, NotYoung};
pub use attestation::Attestation;
pub use break_glass::{BreakGlass, User};
pub use circumstances::Circumstances;
pub use condition::Condition;
pub use cosign::{CosignSigner, IdentityRule};
pub use document::{Mode, MultiArch, Policy};
pub use exemption::Exemption;
pub use mirror::Mirror;
pub use notation::NotationSigner;
pub use requirement::{Leaf, Requirement};
pub use set::{Diagnostic, PolicySet};
pub use signer::{Signer, System};
pub use trust::{ContentTrust, ContentTrustDocument};
pub use validity::{Invalid, Validity};
