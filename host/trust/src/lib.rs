//! Docker Content Trust for decisions: needs for role files go to Notary servers, and what verdicts say is to be remembered of
//! collections is kept over a restart (docs/content-trust.md).
//!
//! Nothing is believed and nothing decided here: whether a role file counts, and what is to be remembered, the module says.

mod config;
mod database;
mod folder;
mod source;
mod state;
mod store;

pub use config::{DatabaseConfig, TrustConfig};
pub use database::Database;
pub use folder::Folder;
pub use source::{Trust, TrustSource};
pub use state::{Conflict, Seen, State};
pub use store::{Kept, Store, StoreError};
