//! Role files of Docker Content Trust: fetched from a Notary server, and published to one (theupdateframework/notary 0.7.0).
//!
//! Nothing is believed and nothing decided here: which files are needed, and whether they count, core says.

mod client;
mod error;
mod names;
mod update;

pub use client::{Notary, RoleFile, ServerRole};
pub use error::NotaryError;
