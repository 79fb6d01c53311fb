//! `bulla policy`: policies before they are in force: checked, tested, explained, compared.

mod cases;
mod change;
mod check;
mod convert;
mod diff;
mod documents;
mod explain;
mod found;
mod given;
mod keys;
mod made;
mod suggestion;
mod test;

use anyhow::Result;
use clap::Subcommand;

use crate::options::Global;
use crate::output::Exit;

/// Check, test, explain and compare policies
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(check::Arguments),
    Convert(convert::Arguments),
    Test(test::Arguments),
    Explain(Box<explain::Arguments>),
    Diff(diff::Arguments),
}

/// Runs one of them.
///
/// # Errors
/// When it could not do its work.
pub(crate) fn run(global: &Global, command: &Command) -> Result<Exit> {
    match command {
        Command::Check(arguments) => check::run(global, arguments),
        Command::Convert(arguments) => convert::run(global, arguments),
        Command::Test(arguments) => test::run(global, arguments),
        Command::Explain(arguments) => explain::run(global, arguments),
        Command::Diff(arguments) => diff::run(global, arguments),
    }
}
