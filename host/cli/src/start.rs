//! Starting what commands need: the log, the engine with the module, the asynchronous runtime.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::{Compiler, Engine, EngineError, ModuleBytes, Options};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use crate::options::{Format, Global};

/// Sandboxes for a command: as many images as are decided about at once.
pub(crate) const COMMAND_INSTANCES: usize = 16;

/// Starts the log on standard error. A filter that cannot be read is said there and replaced by the command's own.
pub(crate) fn logging(global: &Global, usual: &str) {
    let asked = global.log.as_deref().filter(|filter| !filter.is_empty());
    let filter = asked.map(EnvFilter::try_new).unwrap_or_else(|| EnvFilter::try_new(usual));
    let (filter, problem) = match filter {
        Ok(filter) => (filter, None),
        Err(problem) => (EnvFilter::new(usual), Some(problem)),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second log in one process cannot happen, and would be no reason to stop.
    let _ = match global.output {
        Format::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => log.json().try_init(),
    };
    if let Some(problem) = problem {
        tracing::warn!("--log {:?}: {problem}; using `{usual}`", asked.unwrap_or_default());
    }
}

/// The engine for a command that ends soon.
///
/// # Errors
/// When the module is not ours or does not run here.
pub(crate) fn engine(global: &Global) -> Result<Engine> {
    engine_with(global, Options { instances: COMMAND_INSTANCES, ..Options::default() })
}

/// The engine with these options, as far as the command line does not say otherwise.
///
/// # Errors
/// When the module is not ours or does not run here.
pub(crate) fn engine_with(global: &Global, mut options: Options) -> Result<Engine> {
    // Compiled in a child: it takes memory that an allocator does not give back. The next start finds the code in the cache.
    options.compiler = Compiler::this_program();
    if let Some(folder) = &global.cache_dir {
        options.cache_dir = Some(folder.clone());
    }
    if let Some(file) = &global.module {
        let bytes = std::fs::read(file).with_context(|| format!("--module {}", file.display()))?;
        if !bytes.starts_with(b"\0asm") {
            bail!("--module {}: not a WebAssembly module; `bulla module --write FILE` gives one", file.display());
        }
        options.module = ModuleBytes::Given(bytes);
    }
    let named = global.module.as_ref().map(|file| format!("--module {}: ", file.display())).unwrap_or_default();
    Engine::start(options).map_err(|error| match error {
        EngineError::Setup { .. } => anyhow!("{named}{error}; is the address space limited (ulimit -v)?"),
        other => anyhow!("{named}{other}"),
    })
}

/// The module's bytes that a command with these options runs.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn module_bytes(global: &Global) -> Result<std::borrow::Cow<'static, [u8]>> {
    match &global.module {
        None => Ok(bulla_engine::EMBEDDED.into()),
        Some(file) => Ok(std::fs::read(file).with_context(|| format!("--module {}", file.display()))?.into()),
    }
}

/// The runtime that a command's asynchronous part runs on.
///
/// # Errors
/// When the system has no threads left.
pub(crate) fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("cannot start the asynchronous runtime")
}
