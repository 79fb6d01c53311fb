//! The commands, one file each.

mod attest;
mod completions;
mod demo;
mod form;
mod inspect;
mod internal_compile;
mod key;
mod migrate;
mod module;
pub(crate) mod notation_plugin;
mod policy;
mod publishing;
mod record;
mod replay;
mod serve;
mod sign;
mod trust;
mod verify;
mod verify_blob;

use anyhow::Result;
use clap::Subcommand;

use crate::options::Global;
use crate::output::Exit;

/// What `bulla` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Verify(verify::Arguments),
    VerifyBlob(verify_blob::Arguments),
    Inspect(inspect::Arguments),
    Sign(sign::Arguments),
    Attest(attest::Arguments),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Trust(trust::Command),
    Migrate(migrate::Arguments),
    Serve(serve::Arguments),
    Replay(replay::Arguments),
    #[command(subcommand)]
    Record(record::Command),
    Demo(demo::Arguments),
    Module(module::Arguments),
    NotationPlugin(notation_plugin::Arguments),
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
        Command::VerifyBlob(arguments) => verify_blob::run(global, &arguments),
        Command::Inspect(arguments) => inspect::run(global, &arguments),
        Command::Sign(arguments) => sign::run(global, &arguments),
        Command::Attest(arguments) => attest::run(global, &arguments),
        Command::Key(command) => key::run(global, &command),
        Command::Policy(command) => policy::run(global, &command),
        Command::Trust(command) => trust::run(global, &command),
        Command::Migrate(arguments) => migrate::run(global, &arguments),
        Command::Serve(arguments) => serve::run(global, &arguments),
        Command::Replay(arguments) => replay::run(global, &arguments),
        Command::Record(command) => record::run(global, &command),
        Command::Demo(arguments) => demo::run(global, &arguments),
        Command::Module(arguments) => module::run(global, &arguments),
        Command::NotationPlugin(arguments) => notation_plugin::run(global, &arguments),
        Command::Completions(arguments) => Ok(completions::run(&arguments)),
        Command::InternalCompile(arguments) => internal_compile::run(global, &arguments),
    }
}

/// What is logged when nobody says anything: a service tells what it does, a command only what is not as it should be.
pub(crate) fn default_log(command: &Command) -> &'static str {
    match command {
        Command::Serve(_) => "info",
        // Its caller reads standard error as JSON.
        Command::InternalCompile(_) | Command::NotationPlugin(_) => "off",
        _ => "warn",
    }
}
