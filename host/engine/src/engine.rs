//! The two wasmtime engines over one module, linked once, and the places for sandboxes.
//!
//! Decisions are many and small: they take their sandboxes from a pool, with memory mapped copy-on-write from the module's
//! start image. Key operations are few and may be large (scrypt): they get memory on demand. Both engines compile to the
//! same machine code, because how memory is allocated does not shape code while reservation and guard sizes are equal.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bulla_abi::{ABI_VERSION, Message, Operation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};
use wasmtime::{Config, InstanceAllocationStrategy, InstancePre, Linker, Module, OptLevel, PoolingAllocationConfig};
use zeroize::Zeroize as _;

use crate::allowance::Allowance;
use crate::code::{Code, CodeFrom};
use crate::contract::Exports;
use crate::error::{EngineError, SandboxError};
use crate::options::Options;
use crate::sandbox::Sandbox;
use crate::{DECISION_MEMORY_BYTES, KEY_MEMORY_BYTES, reply, ticker};

/// Sandboxes for operations of one call, beside those for decisions. 8: each is busy for milliseconds.
const SHORT_PLACES: usize = 8;

/// Runs the module. Made once; a clone is the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    decisions: Side,
    keys: Side,
    /// Places of `decisions` for operations that wait for nobody.
    short: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    module: Cow<'static, [u8]>,
    module_digest: String,
    started: Started,
}

/// One of the two wasmtime engines, with the module linked.
struct Side {
    linked: InstancePre<Allowance>,
    exports: Exports,
    memory_limit: usize,
    instances: usize,
    places: Arc<Semaphore>,
    keeps_state_in_memory: bool,
}

/// How the engine came up, for the log and for `bulla version`.
#[derive(Debug, Clone)]
pub struct Started {
    /// Where the machine code came from.
    pub code: CodeFrom,
    /// Wall time to compile, zero when nothing was compiled.
    pub compile: Duration,
    /// Wall time to load the code into both engines and link it.
    pub load: Duration,
    /// What was not as it should be: a cache folder that is not used, a child that did not compile.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("module", &self.0.module_digest).finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads the module, compiling it where the cache has no code for it, and checks that it is ours. It blocks, for
    /// seconds when it compiles: call it before the asynchronous runtime starts, or on a thread that may block.
    ///
    /// # Errors
    /// [`EngineError`]. A cache that cannot be used is no error: [`Started::warnings`] says so.
    pub fn start(options: Options) -> Result<Self, EngineError> {
        within("instances", options.instances, 4096)?;
        within("key_instances", options.key_instances, 64)?;
        within("parallel_calls", options.parallel_calls, 4096)?;
        let pooled = wasmtime::Engine::new(&pool(options.instances.saturating_add(SHORT_PLACES))).map_err(setup)?;
        let plain = plain()?;

        let (module, mut warnings) = (options.module.clone().into_bytes(), Vec::new());
        let module_digest = hex::encode(Sha256::digest(&module));
        let code = Code::obtain(&pooled, &module, &module_digest, &options, &mut warnings)?;
        let begun = Instant::now();
        // Only of the module that this program carries is it known where its state lies.
        let is_ours = *module == *crate::EMBEDDED;
        let decisions = Side::link(code.module, DECISION_MEMORY_BYTES, options.instances, is_ours)?;
        // The same code for the second engine: settings are equal by construction, and a test holds that.
        let for_keys = code.native.load(&plain).map_err(compile_error)?;
        let keys = Side::link(for_keys, KEY_MEMORY_BYTES, options.key_instances, is_ours)?;
        ticker::start(vec![pooled.weak(), plain.weak()]).map_err(EngineError::Ticker)?;
        for side in [&decisions, &keys] {
            let got = side.try_sandbox().and_then(|mut sandbox| sandbox.abi()).map_err(EngineError::Start)?;
            if got != ABI_VERSION {
                return Err(EngineError::Abi { got });
            }
        }
        let load = code.load.saturating_add(begun.elapsed());
        for warning in &warnings {
            warn!("{warning}");
        }
        let started = Started { code: code.from, compile: code.compile, load, warnings };
        info!(module = %module_digest, code = ?started.code, compile = ?started.compile, load = ?load, "module ready");
        let turns = Arc::new(Semaphore::new(options.parallel_calls));
        let short = Arc::new(Semaphore::new(SHORT_PLACES));
        Ok(Self(Arc::new(Shared { decisions, keys, short, turns, module, module_digest, started })))
    }

    /// SHA-256 of the module's bytes, 64 hexadecimal digits.
    pub fn module_digest(&self) -> &str {
        &self.0.module_digest
    }

    /// The module's bytes: whoever keeps records of decisions keeps them as well.
    pub fn module(&self) -> &[u8] {
        &self.0.module
    }

    /// How the engine came up.
    pub fn started(&self) -> &Started {
        &self.0.started
    }

    /// Sandboxes for decisions: how many there can be, and how many are free now.
    pub fn places(&self) -> (usize, usize) {
        (self.0.decisions.instances, self.0.decisions.places.available_permits())
    }

    /// A fresh sandbox for one decision. Waits, without a limit of its own, until a place is free.
    ///
    /// # Errors
    /// [`SandboxError::Create`] when the system has no memory left for it.
    pub async fn sandbox(&self) -> Result<Sandbox, SandboxError> {
        self.0.decisions.sandbox(&self.0.decisions.places).await
    }

    /// A fresh sandbox for one decision, if a place is free now.
    ///
    /// # Errors
    /// [`SandboxError::Full`], and as [`sandbox`](Self::sandbox).
    pub fn try_sandbox(&self) -> Result<Sandbox, SandboxError> {
        self.0.decisions.try_sandbox()
    }

    /// A fresh sandbox for one key operation, which may need much memory. Waits until a place is free.
    ///
    /// # Errors
    /// As [`sandbox`](Self::sandbox).
    pub async fn key_sandbox(&self) -> Result<Sandbox, SandboxError> {
        self.0.keys.sandbox(&self.0.keys.places).await
    }

    /// One operation in a fresh sandbox of the fitting kind, on a thread that may block. `budget` covers waiting for a
    /// place as well as the call.
    ///
    /// # Errors
    /// As [`Sandbox::call_json`]; [`SandboxError::Full`] when no place came free in time.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        operation: Operation,
        header: &impl Serialize,
        blobs: Vec<Vec<u8>>,
        budget: Duration,
    ) -> Result<(T, Vec<Vec<u8>>), SandboxError> {
        let mut message = Message::new(header)?;
        message.blobs = blobs;
        let begun = Instant::now();
        let keys = matches!(operation, Operation::Sign | Operation::Generate | Operation::Key);
        let side = if keys { &self.0.keys } else { &self.0.decisions };
        // Short operations have places of their own: decisions hold theirs while registries take their time.
        let places = if keys { &side.places } else { &self.0.short };
        let mut sandbox = side.sandbox_within(places, budget).await?;
        // Key operations have few places and no turn: scrypt takes half a second, and decisions must not wait for it.
        let turn = if keys { None } else { Some(self.turn(budget.saturating_sub(begun.elapsed())).await?) };
        let ran = tokio::task::spawn_blocking(move || {
            let reply = sandbox.call(operation, &message, budget.saturating_sub(begun.elapsed()));
            drop((sandbox, turn));
            if keys {
                message.blobs.zeroize();
            }
            reply
        });
        let reply = ran.await.map_err(|error| SandboxError::Stopped { what: error.to_string() })??;
        Ok((reply::body(&reply)?, reply.blobs))
    }

    pub(crate) async fn sandbox_within(&self, budget: Duration) -> Result<Sandbox, SandboxError> {
        self.0.decisions.sandbox_within(&self.0.decisions.places, budget).await
    }

    pub(crate) fn turns(&self) -> &Arc<Semaphore> {
        &self.0.turns
    }

    async fn turn(&self, budget: Duration) -> Result<OwnedSemaphorePermit, SandboxError> {
        let full = || SandboxError::Full { instances: self.0.decisions.instances };
        let turn = tokio::time::timeout(budget, self.0.turns.clone().acquire_owned()).await.map_err(|_| full())?;
        turn.map_err(|_| full())
    }
}

impl Side {
    fn link(
        module: Module,
        memory_limit: usize,
        instances: usize,
        keeps_state_in_memory: bool,
    ) -> Result<Self, EngineError> {
        let exports = Exports::find(&module)?;
        let linker = Linker::new(module.engine());
        let linked = linker.instantiate_pre(&module).map_err(compile_error)?;
        let places = Arc::new(Semaphore::new(instances));
        Ok(Self { linked, exports, memory_limit, instances, places, keeps_state_in_memory })
    }

    fn try_sandbox(&self) -> Result<Sandbox, SandboxError> {
        let place = self.places.clone().try_acquire_owned();
        self.create(place.map_err(|_| SandboxError::Full { instances: self.instances })?)
    }

    async fn sandbox(&self, places: &Arc<Semaphore>) -> Result<Sandbox, SandboxError> {
        let place = places.clone().acquire_owned().await;
        self.create(place.map_err(|_| SandboxError::Full { instances: self.instances })?)
    }

    async fn sandbox_within(&self, places: &Arc<Semaphore>, budget: Duration) -> Result<Sandbox, SandboxError> {
        let waited = tokio::time::timeout(budget, self.sandbox(places)).await;
        waited.map_err(|_| SandboxError::Full { instances: self.instances })?
    }

    fn create(&self, place: OwnedSemaphorePermit) -> Result<Sandbox, SandboxError> {
        Sandbox::create(&self.linked, &self.exports, self.memory_limit, self.keeps_state_in_memory, place)
    }
}

/// The engine for key operations, which is also the one that compiles: its code fits the pooled one as well.
pub(crate) fn plain() -> Result<wasmtime::Engine, EngineError> {
    wasmtime::Engine::new(&settings()).map_err(setup)
}

/// Settings of both engines. Whatever shapes code belongs here and nowhere else.
fn settings() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.parallel_compilation(true);
    config.cranelift_opt_level(OptLevel::Speed);
    config.memory_init_cow(true);
    // A stripped module has no names to show, and walking the stack at every trap would be work for an attacker to ask for.
    config.wasm_backtrace_max_frames(None);
    config
}

fn pool(instances: usize) -> Config {
    let count = u32::try_from(instances).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(count).total_memories(count).total_tables(count);
    pool.max_memories_per_module(1).max_tables_per_module(1).max_memory_size(DECISION_MEMORY_BYTES);
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn within(name: &'static str, got: usize, to: usize) -> Result<(), EngineError> {
    if (1..=to).contains(&got) { Ok(()) } else { Err(EngineError::Option { name, got, from: 1, to }) }
}

fn setup(error: wasmtime::Error) -> EngineError {
    EngineError::Setup { what: format!("{error:#}") }
}

pub(crate) fn compile_error(error: wasmtime::Error) -> EngineError {
    EngineError::Compile { what: format!("{error:#}") }
}

#[cfg(test)]
mod tests {
    use super::{plain, pool};
    use crate::cache::compatibility;

    #[test]
    fn one_piece_of_code_fits_both_engines() {
        let pooled = wasmtime::Engine::new(&pool(2)).expect("an engine");
        assert_eq!(compatibility(&pooled), compatibility(&plain().expect("an engine")));
    }
}
