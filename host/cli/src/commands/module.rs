//! `bulla module`: which module this is, and its bytes.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};

use crate::options::Global;
use crate::output::{self, Exit};
use crate::{ask, start};

/// Describe the module that decides, or write it to a file
///
/// Every verdict is the module's. The same bytes run in this program, in the page and in any other host; their
/// SHA-256 is in every decision record.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bulla module\n  bulla module --write bulla.wasm")]
pub(crate) struct Arguments {
    /// Write the module's bytes to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Describes the module; writes it where that is asked.
///
/// # Errors
/// When the module is not ours or the file cannot be written.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    let bytes = start::module_bytes(global)?;
    let described = start::runtime()?.block_on(ask::describe(&engine))?;
    if let Some(file) = &arguments.write {
        std::fs::write(file, &bytes).with_context(|| file.display().to_string())?;
    }
    let (digest, started) = (engine.module_digest(), engine.started());
    output::either(
        global.output,
        || text(digest, bytes.len(), &described),
        || {
            json!({"digest": format!("sha256:{digest}"), "size": bytes.len(), "module": described,
                "code": format!("{:?}", started.code), "written": arguments.write})
        },
    );
    Ok(Exit::Done)
}

fn text(digest: &str, size: usize, described: &Value) -> String {
    let field = |name: &str| match described.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".to_owned(),
    };
    let mut lines = vec![
        format!("digest    sha256:{digest}"),
        format!("size      {size} octets"),
        format!("version   {}", field("version")),
        format!("abi       {}", field("abi")),
        format!("compiler  {}", field("compiler")),
        "limits".to_owned(),
    ];
    if let Some(limits) = described.get("limits").and_then(Value::as_object) {
        lines.extend(limits.iter().map(|(name, limit)| format!("  {name:<24}{limit}")));
    }
    lines.join("\n")
}
