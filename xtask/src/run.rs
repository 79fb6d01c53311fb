//! `cargo xtask run` and `cargo xtask bench`: build everything, then hand over to the program.

use crate::module::{self, Module};
use crate::{process, setup, workspace};
use anyhow::Result;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Passed to the program as they stand
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the module and the `bulla` program and becomes `bulla demo`.
///
/// # Errors
/// When something cannot be built or started.
pub(crate) fn demo(arguments: &Arguments) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    setup::ensure_wasm_toolchain()?;
    let module = module::build(&module::Options::default())?;
    let bulla = build_bulla(&module)?;
    // Replaced, not waited for: signals reach the demo itself.
    let failure = Command::new(&bulla).arg("demo").args(&arguments.arguments).exec();
    Err(anyhow::Error::new(failure).context(format!("cannot start {}", bulla.display())))
}

/// Builds the module, `bulla` and the bench program of `bulla-tests` in the release profile, and runs the bench.
///
/// # Errors
/// When something cannot be built or started.
pub(crate) fn bench(arguments: &Arguments) -> Result<ExitCode> {
    setup::ensure_wasm_toolchain()?;
    let module = module::build(&module::Options::default())?;
    // Together, so that both see the same features and nothing is compiled twice; the bench starts `bulla` as a process.
    let packages = ["--package", "bulla", "--package", "bulla-tests", "--bin", "bulla", "--bin", "bench"];
    let mut cargo = workspace::cargo();
    process::must(cargo.args(["build", "--release"]).args(packages).env("BULLA_WASM", &module.path))?;
    let mut bench = Command::new(workspace::cargo_target().join("release/bench"));
    process::pass(bench.args(&arguments.arguments).env("BULLA_PEERS", crate::peers::bin()))
}

/// Builds the `bulla` program and gives its path. The dev profile: its dependencies are optimised anyway, and it
/// builds in a fraction of the time.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build_bulla(module: &Module) -> Result<PathBuf> {
    // Always set: a variable that comes and goes would make cargo build the engine again.
    let mut cargo = workspace::cargo();
    process::must(cargo.args(["build", "--package", "bulla"]).env("BULLA_WASM", &module.path))?;
    Ok(workspace::cargo_target().join("debug/bulla"))
}
