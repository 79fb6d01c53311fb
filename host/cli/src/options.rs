//! The command line: what every command takes, and the commands.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

use crate::commands::Command;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; of images: every one is accepted
  1  an image is rejected, or a policy is not valid
  2  an image is neither accepted nor rejected (unknown), or the command could not do its work

Environment:
  BULLA_PASSPHRASE  passphrase of private keys; without it COSIGN_PASSWORD, without either a question on the terminal
  BULLA_LOG         the default of --log

Trust is pinned: nothing is accepted but by keys and policies that you name.";

/// Decides which container images may run: verify, sign, serve.
#[derive(Debug, Parser)]
#[command(name = "bulla", version, about, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// How results are printed on standard output, and errors on standard error
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// What is logged on standard error: a level, or levels by part, e.g. `info,bulla_registry=debug`
    #[arg(long, global = true, env = "BULLA_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Another build of the module instead of the one in this program
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,
    /// Folder for compiled code [default: $XDG_CACHE_HOME/bulla or ~/.cache/bulla]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}

/// How results are printed: for people, or as one JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}
