//! Runs the module: wasmtime, linked once, one fresh sandbox for each decision; and the loop from question to verdict.
//!
//! - [`Engine`] is made once at start ([`Engine::start`]) and shared: cloning it is cheap.
//! - [`Sandbox`] is one instance of the module with its own memory, a memory limit and a deadline for every call.
//! - [`decide`] asks a question, fetches what the module needs through a [`Source`], and ends with a verdict.
//! - [`inspect`] does the same and ends with a list of what is there; [`inquire`] serves other operations that ask.
//!
//! Nothing in here decides anything, and nothing the module returns is believed before it is checked: a trap, a limit or a
//! bad pointer is an error of that one request. Times are wall-clock budgets of the host; limits that could change a verdict
//! are counted inside the module.
//!
//! | file | subject |
//! | --- | --- |
//! | `options.rs` | what can be chosen at start |
//! | `engine.rs` | the two wasmtime engines, linking, places for sandboxes |
//! | `contract.rs` | is this file our module? (docs/abi.md) |
//! | `ticker.rs` | the clock behind deadlines |
//! | `sandbox.rs`, `allowance.rs`, `reply.rs` | one instance, its memory limit, and reading what it answers |
//! | `code.rs`, `cache.rs`, `compile.rs`, `native.rs` | machine code: where it is kept, how it is made, when it may run |
//! | `prepared.rs` | documents loaded once, and copied into later sandboxes |
//! | `decision.rs`, `rounds.rs`, `fetch.rs` | from question to verdict |
//! | `inquire.rs` | operations that remember nothing between rounds: to a list, to a collection, to files to post |

mod allowance;
mod cache;
mod code;
mod compile;
mod contract;
mod decision;
mod engine;
mod error;
mod fetch;
mod inquire;
#[allow(
    unsafe_code,
    reason = "precompiled code is machine code: wasmtime asks its caller to vouch for where it came from"
)]
mod native;
mod options;
mod prepared;
mod reply;
mod rounds;
mod sandbox;
mod ticker;

pub use bulla_abi as abi;
pub use bulla_source::{BoxFuture, Fetched, Source};
pub use code::CodeFrom;
pub use compile::compile_to;
pub use decision::{DecideError, Decision, Documents, decide, decide_once};
pub use engine::{Engine, Started};
pub use error::{EngineError, SandboxError};
pub use fetch::{Answered, MAX_FETCHES_AT_ONCE, answer_all};
pub use inquire::{inquire, inspect};
pub use options::{Compiler, ModuleBytes, Options, default_cache_dir};
pub use rounds::MAX_ROUNDS;
pub use sandbox::{MAX_REPLY_BYTES, Sandbox};

/// The module that this build carries.
pub const EMBEDDED: &[u8] = include_bytes!(env!("BULLA_WASM_FILE"));

/// Octets of memory that one decision may use. 64 MiB: room for several manifests of 4 MiB in all their forms, while a full
/// pool of 64 sandboxes stays within 4 GiB.
pub const DECISION_MEMORY_BYTES: usize = 64 << 20;

/// Octets of memory that one key operation may use. 320 MiB: cosign's scrypt parameters take 64 MiB (N = 65536, r = 8), and
/// 128 MiB must be possible, beside a second copy while the module's allocator grows.
pub const KEY_MEMORY_BYTES: usize = 320 << 20;
