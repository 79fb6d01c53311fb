//! Policies: which images they match, which signers they require, and what follows when these are missing.

mod document;
mod requirement;
mod set;

pub use document::{IdentityRule, Mode, Policy, Signer};
pub use requirement::Requirement;
pub use set::{Diagnostic, PolicySet};
