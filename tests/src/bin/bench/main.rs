//! `cargo xtask bench`: how fast, against what, in one run. Prints a table and writes it to docs/bench.md.
//!
//! Every row is a ratio to a peer or to the physical limit, measured in this run: absolute times are the machine's.

mod admission;
mod decisions;
mod module;
mod notation;
mod policies;
mod records;
mod requests;
mod table;
mod trust;

use bulla_engine::{Compiler, Engine, ModuleBytes, Options};
use table::Table;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let write = std::env::args().any(|argument| argument == "--write");
    let runtime = tokio::runtime::Runtime::new()?;
    let mut table = Table::default();
    let options = Options { compiler: Compiler::InProcess, module: ModuleBytes::Embedded, ..Options::default() };
    let engine = {
        let _guard = runtime.enter();
        Engine::start(options)?
    };
    table.module(engine.module_digest());
    eprintln!("signature checks, sandboxes, decisions, policies, records …");
    runtime.block_on(module::measure(&engine, &mut table))?;
    eprintln!("registry requests …");
    requests::measure(&mut table);
    eprintln!("admission over TLS …");
    runtime.block_on(admission::measure(&mut table))?;
    println!("{table}");
    if write {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bench.md");
        std::fs::write(file, table.to_string())?;
        eprintln!("written to docs/bench.md");
    } else {
        eprintln!("`cargo xtask bench --write` writes this to docs/bench.md");
    }
    Ok(())
}
