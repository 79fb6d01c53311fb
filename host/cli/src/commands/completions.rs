//! `bulla completions`: a script for a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::options::CommandLine;
use crate::output::{self, Exit};

/// Print the completion script of a shell
///
/// Example: bulla completions bash > ~/.local/share/bash-completion/completions/bulla
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "bulla", &mut script);
    output::text(&String::from_utf8_lossy(&script));
    Exit::Done
}
