//! `bulla trust`: Docker Content Trust, read and signed.

mod change;
mod delegation;
mod init;
mod inspect;
mod keys;
mod list;
mod tags;

use anyhow::Result;
use clap::Subcommand;

use crate::options::Global;
use crate::output::Exit;

/// Docker Content Trust: see, make, sign and change collections on Notary servers
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(inspect::Arguments),
    List(list::Arguments),
    Init(init::Arguments),
    Sign(tags::SignArguments),
    Revoke(tags::RevokeArguments),
    #[command(subcommand)]
    Delegation(delegation::Command),
    Rotate(keys::RotateArguments),
    Renew(keys::RenewArguments),
    Witness(keys::WitnessArguments),
}

/// Runs one of the commands.
///
/// # Errors
/// When the server does not say enough, the collection is not believed, keys are missing or the server refuses.
pub(crate) fn run(global: &Global, command: &Command) -> Result<Exit> {
    match command {
        Command::Inspect(arguments) => inspect::run(global, arguments),
        Command::List(arguments) => list::run(global, arguments),
        Command::Init(arguments) => init::run(global, arguments),
        Command::Sign(arguments) => tags::sign(global, arguments),
        Command::Revoke(arguments) => tags::revoke(global, arguments),
        Command::Delegation(command) => delegation::run(global, command),
        Command::Rotate(arguments) => keys::rotate(global, arguments),
        Command::Renew(arguments) => keys::renew(global, arguments),
        Command::Witness(arguments) => keys::witness(global, arguments),
    }
}
