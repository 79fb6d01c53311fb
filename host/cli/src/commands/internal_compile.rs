//! `bulla internal-compile`: this program as the child that compiles the module (`bulla_engine::Compiler::Child`).

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::options::Global;
use crate::output::Exit;
use crate::start;

/// Compile the module of `--module` (`-` is standard input) for this processor; other commands start this by themselves
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the machine code goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Prints nothing: standard output may be where the code goes.
///
/// # Errors
/// When the module cannot be read or compiled, or the code not be written.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let module = match &global.module {
        Some(file) if file.as_os_str() == "-" => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("standard input")?;
            bytes
        }
        _ => start::module_bytes(global)?.into_owned(),
    };
    bulla_engine::compile_to(&module, &arguments.out)?;
    Ok(Exit::Done)
}
