//! What can go wrong at start, and with one sandbox.

use std::path::PathBuf;
use std::time::Duration;

use bulla_abi::{ABI_VERSION, ErrorBody, FrameError, Operation};

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// wasmtime refused its configuration: an address space limit (`ulimit -v`), mostly.
    #[error("cannot set up the sandboxes: {what}")]
    Setup {
        /// What wasmtime said.
        what: String,
    },
    /// An option is outside its range.
    #[error("{name} is {got}, allowed are {from} to {to}")]
    Option {
        /// The field of [`Options`](crate::Options).
        name: &'static str,
        /// The value given.
        got: usize,
        /// Smallest value allowed.
        from: usize,
        /// Largest value allowed.
        to: usize,
    },
    /// The bytes are not a WebAssembly module, or one that cannot be compiled here.
    #[error("the module cannot be compiled: {what}")]
    Compile {
        /// What the compiler said.
        what: String,
    },
    /// The compiling child did not end in time.
    #[error("compiling the module with {} took longer than {} s", program.display(), limit.as_secs())]
    CompileTimeout {
        /// The child's program.
        program: PathBuf,
        /// Time it had.
        limit: Duration,
    },
    /// The module asks for something from its host. Ours imports nothing.
    #[error("not a Bulla module: it imports `{module}.{name}`, and a Bulla module imports nothing")]
    Import {
        /// Name of the import's module.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// An export of the contract is missing or has another type (docs/abi.md).
    #[error("not a Bulla module: it does not export `{name}` as {wanted}{}", found_text(found))]
    Export {
        /// The export.
        name: &'static str,
        /// Its type in the contract.
        wanted: &'static str,
        /// What the module exports by that name, if anything.
        found: Option<String>,
    },
    /// The module speaks another version of the contract.
    #[error("the module speaks version {got} of the contract (bulla_abi), this host speaks {ABI_VERSION}")]
    Abi {
        /// What `bulla_abi()` returned.
        got: i32,
    },
    /// The module does not come up in a sandbox.
    #[error("the module does not start: {0}")]
    Start(#[source] SandboxError),
    /// The thread behind the deadlines could not be started.
    #[error("cannot start the deadline thread: {0}")]
    Ticker(#[source] std::io::Error),
}

fn found_text(found: &Option<String>) -> String {
    found.as_ref().map_or_else(String::new, |found| format!(", but as {found}"))
}

/// What went wrong with one sandbox. None of it concerns any other sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The module stopped itself: a panic in it, mostly.
    #[error("the module trapped during {}: {what}", operation.name())]
    Trap {
        /// The operation.
        operation: Operation,
        /// The trap, as wasmtime names it.
        what: String,
    },
    /// A call used up its time.
    #[error("{} did not end within {} ms", operation.name(), budget.as_millis())]
    Deadline {
        /// The operation.
        operation: Operation,
        /// The wall time it had.
        budget: Duration,
    },
    /// The module needs more memory than a sandbox has.
    #[error("the module needs more than {} MiB of memory", limit >> 20)]
    Memory {
        /// The limit in octets.
        limit: usize,
    },
    /// The module gave a pointer or a length that cannot be.
    #[error("the module's {what} is out of range: {length} octets at {pointer}, memory has {memory}")]
    Range {
        /// What was pointed to.
        what: &'static str,
        /// The pointer, as an offset into the sandbox's memory.
        pointer: u32,
        /// Octets.
        length: u32,
        /// Octets of memory in the sandbox, or the limit on a reply where that is what was broken.
        memory: usize,
    },
    /// The reply is not a message, or the request does not fit into one.
    #[error("bad message: {0}")]
    Frame(#[from] FrameError),
    /// A header is not the JSON that the contract asks for.
    #[error("bad header: {0}")]
    Header(#[from] serde_json::Error),
    /// The module answered with an error: what it was given is at fault.
    #[error("{message} ({code})")]
    Module {
        /// Stable, for programs.
        code: String,
        /// For people.
        message: String,
        /// Places in the documents, for errors that have them.
        details: Vec<serde_json::Value>,
    },
    /// An earlier call on this sandbox failed in a way that leaves its memory in doubt.
    #[error("the sandbox failed before and takes no more calls (asked for {})", operation.name())]
    Poisoned {
        /// The operation that was not carried out.
        operation: Operation,
    },
    /// Every place is taken.
    #[error("all {instances} sandboxes are in use")]
    Full {
        /// Places there are.
        instances: usize,
    },
    /// A fresh sandbox could not be made.
    #[error("cannot make a sandbox: {what}")]
    Create {
        /// What wasmtime said.
        what: String,
    },
    /// The runtime is shutting down, or the thread that ran the call died.
    #[error("the call did not run to its end: {what}")]
    Stopped {
        /// What the runtime said.
        what: String,
    },
}

impl From<ErrorBody> for SandboxError {
    fn from(body: ErrorBody) -> Self {
        Self::Module { code: body.code, message: body.message, details: body.details }
    }
}
