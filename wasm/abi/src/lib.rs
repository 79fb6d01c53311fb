//! The contract between the module and its hosts (docs/abi.md): operation numbers, message framing, needs and evidence.
//!
//! Nothing here decides anything. A host written in another language implements the same page of rules from docs/abi.md.

mod exchange;
mod message;
mod operation;

pub use exchange::{ErrorBody, Evidence, Need, NeedKind, Outcome};
pub use message::{FrameError, MAX_BLOBS, MAX_HEADER_BYTES, Message};
pub use operation::Operation;

/// Version of the contract, as `bulla_abi()` returns it. A host refuses a module with another number.
pub const ABI_VERSION: i32 = 1;

/// The functions that every module exports, and that every host may rely on, beside its `memory`.
pub const EXPORTS: [&str; 4] = ["bulla_abi", "bulla_alloc", "bulla_free", "bulla_call"];
