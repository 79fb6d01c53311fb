//! The program `bulla`: reads the command line, runs one command, says how it ended.

mod ask;
mod certificate;
mod commands;
mod conversion;
mod demo;
mod files;
mod listing;
mod notation;
mod options;
mod output;
mod passphrase;
mod plan;
mod policies;
mod progress;
mod publish;
mod records;
mod signer;
mod signing;
mod sources;
mod start;
mod trust;
mod verdict;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let line = options::CommandLine::parse_from(commands::notation_plugin::command_line(std::env::args_os()));
    start::logging(&line.global, commands::default_log(&line.command));
    match commands::run(&line.global, line.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::error(line.global.output, &error);
            output::Exit::Failed.into()
        }
    }
}
