//! The developer's commands: `cargo xtask <command>`.

mod finished;
mod lint;
mod module;
mod peers;
mod process;
mod run;
mod setup;
mod test;
mod tidy;
mod toolchain;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  cargo xtask setup                what the build needs, once per machine
  cargo xtask run                  build everything and start the demo
  cargo xtask build                target/bulla/bulla.wasm and its JavaScript glue
  cargo xtask peers && cargo xtask test --require-peers
  cargo xtask test -- digest       only tests whose name contains `digest`
  cargo xtask lint                 what CI checks beside the tests

BULLA_OFFLINE=1 keeps `build`, `setup` and `peers` off the network.";

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The developer's commands.", after_help = EXAMPLES)]
#[command(arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building the module needs, where that is allowed; else say what to install
    Setup,
    /// Build the module and its JavaScript glue into target/bulla
    Build(module::Options),
    /// Build everything and run `bulla demo` (further arguments go to it)
    Run(run::Arguments),
    /// Build everything and run every test; name those that were skipped
    Test(test::Options),
    /// Install the real programs that tests run against, at pinned versions
    Peers(peers::Options),
    /// Measure decisions (further arguments go to the bench program)
    Bench(run::Arguments),
    /// Check the rules of the house that the compiler does not know
    Tidy,
    /// Format check, clippy without warnings, tidy
    Lint,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Setup => setup::setup(),
        Command::Build(options) => module::build(&options).map(|_| ExitCode::SUCCESS),
        Command::Run(arguments) => run::demo(&arguments),
        Command::Test(options) => test::test(&options),
        Command::Peers(options) => peers::peers(&options),
        Command::Bench(arguments) => run::bench(&arguments),
        Command::Tidy => tidy::tidy(),
        Command::Lint => lint::lint(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
