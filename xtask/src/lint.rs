//! `cargo xtask lint`: what CI checks beside the tests.

use crate::{module, process, tidy, workspace};
use anyhow::Result;
use std::process::ExitCode;

/// Format check, clippy without warnings, tidy: all three, so that one run shows everything.
///
/// # Errors
/// When the module, which the engine's build script embeds, cannot be built, or a check cannot be started.
pub(crate) fn lint() -> Result<ExitCode> {
    let wasm = workspace::out().join("bulla.wasm");
    if !wasm.is_file() {
        module::build(&module::Options::default())?;
    }
    let format = process::pass(workspace::cargo().args(["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let clippy = process::pass(workspace::cargo().args(clippy).env("BULLA_WASM", wasm))?;
    let tidy = tidy::tidy()?;
    let all = [("format", format), ("clippy", clippy), ("tidy", tidy)];
    let failed: Vec<&str> = all.iter().filter(|(_, code)| *code != ExitCode::SUCCESS).map(|(name, _)| *name).collect();
    if failed.is_empty() {
        println!("lint: clean");
        return Ok(ExitCode::SUCCESS);
    }
    println!("lint: {} failed", failed.join(", "));
    Ok(ExitCode::FAILURE)
}
