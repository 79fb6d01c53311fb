//! The commands, one file each.

mod completions;
mod demo;
mod internal_compile;
mod key;
mod module;
mod policy;
mod serve;
mod sign;
mod verify;

use anyhow::Result;
use clap::Subcommand;

use crate::options::Global;
use crate::output::Exit;

/// What `bulla` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Verify(verify::Arguments),
    Sign(sign::Arguments),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Policy(policy::Command),
    Serve(serve::Arguments),
    Demo(demo::Arguments),
    Module(module::Arguments),
    Completions(completions::Arguments),
    #[command(hide = true)]
    InternalCompile(internal_compile::Arguments),
}

/// Runs one command.
///
/// # Errors
/// When it could not do its work.
pub(crate) fn run(global: &Global, command: Command) -> Result<Exit> {
    match command {
        Command::Verify(arguments) => verify::run(global, &arguments),
        Command::Sign(arguments) => sign::run(global, &arguments),
        Command::Key(command) => key::run(global, &command),
        Command::Policy(command) => policy::run(global, &command),
        Command::Serve(arguments) => serve::run(global, &arguments),
        Command::Demo(arguments) => demo::run(global, &arguments),
        Command::Module(arguments) => module::run(global, &arguments),
        Command::Completions(arguments) => Ok(completions::run(&arguments)),
        Command::InternalCompile(arguments) => internal_compile::run(global, &arguments),
    }
}

/// What is logged when nobody says anything: a service tells what it does, a command only what is not as it should be.
pub(crate) fn default_log(command: &Command) -> &'static str {
    match command {
        Command::Serve(_) => "info",
        Command::InternalCompile(_) => "off",
        _ => "warn",
    }
}
