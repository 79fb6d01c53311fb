//! `cargo xtask test`: every test, with the module and the peers where the tests look for them.

use crate::{module, peers, process, run, setup, workspace};
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Also run the tests that take minutes
    #[arg(long)]
    soak: bool,
    /// Fail where a peer is missing, instead of skipping the test
    #[arg(long)]
    require_peers: bool,
    /// Passed to `cargo test`: a part of a test's name, `-p CRATE`, or `-- --nocapture`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds the module and `bulla`, runs the tests, and names the skipped ones. Gives the exit code of `cargo test`.
///
/// Tests find what they need in the environment: `BULLA_WASM` and `BULLA_BIN` (files), `BULLA_PEERS` (a folder of
/// programs), `BULLA_SKIPPED` (a file to which a test that skips itself appends `name: needs X`),
/// `BULLA_REQUIRE_PEERS=1` and `BULLA_SOAK=1`.
///
/// # Errors
/// When something cannot be built or started.
pub(crate) fn test(options: &Options) -> Result<ExitCode> {
    setup::ensure_wasm_toolchain()?;
    let module = module::build(&module::Options::default())?;
    let bulla = run::build_bulla(&module)?;
    let skipped = workspace::out().join("skipped.txt");
    fs::write(&skipped, "").with_context(|| format!("cannot write {}", skipped.display()))?;

    let prepare = |command: &mut Command| {
        command
            .env("BULLA_WASM", &module.path)
            .env("BULLA_BIN", &bulla)
            .env("BULLA_PEERS", peers::bin())
            .env("BULLA_SKIPPED", &skipped);
        if options.require_peers {
            command.env("BULLA_REQUIRE_PEERS", "1");
        }
        if options.soak {
            command.env("BULLA_SOAK", "1");
        }
    };
    let chooses_package = options.arguments.iter().take_while(|word| *word != "--").any(|word| is_package_flag(word));
    let mut cargo = workspace::cargo();
    cargo.arg("test");
    if !chooses_package {
        // These commands apart: their dependencies would unify features into the hosts.
        cargo.args(["--workspace", "--exclude", "xtask"]);
    }
    prepare(cargo.args(&options.arguments));
    let mut code = process::pass(&mut cargo)?;
    if code == ExitCode::SUCCESS && !chooses_package {
        let mut own = workspace::cargo();
        own.args(["test", "--package", "xtask"]).args(workspace::own_profile()).args(&options.arguments);
        code = process::pass(&mut own)?;
    }
    report(&skipped, code == ExitCode::SUCCESS)?;
    Ok(code)
}

fn is_package_flag(word: &str) -> bool {
    word.starts_with("--package") || (word.starts_with("-p") && !word.starts_with("--"))
}

/// Skipping is never silent: what did not run is named, with what it needs.
fn report(skipped: &Path, passed: bool) -> Result<()> {
    let lines = fs::read_to_string(skipped).with_context(|| format!("cannot read {}", skipped.display()))?;
    let lines: BTreeSet<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for line in &lines {
        println!("skipped {line}");
    }
    let outcome = if passed { "tests passed" } else { "TESTS FAILED" };
    match lines.len() {
        0 => println!("{outcome}, none skipped"),
        1 => println!("{outcome}, 1 skipped (`cargo xtask peers` installs what it needs)"),
        count => println!("{outcome}, {count} skipped (`cargo xtask peers` installs what they need)"),
    }
    Ok(())
}
