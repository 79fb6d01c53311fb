//! `bulla replay`: decides anew what was recorded, and compares.

use std::time::{Duration, Instant};

use anyhow::Result;
use bulla_engine::{Compiler, Options};
use bulla_records::{Engines, Replayed, Whole, replay};
use clap::Args;
use serde_json::json;

use crate::options::Global;
use crate::output::{self, Exit};
use crate::records::{Folder, clean, judged};
use crate::start;

const EXAMPLES: &str = "\
Examples:
  bulla replay sha256:3f9a… --records bulla-records
  bulla replay 3f9a17c2
  bulla replay decision.bulla        (a file of `bulla record export`)

It asks no registry: everything comes from the record. The module is the one that decided then, from this program or from
beside the record. That the verdict is the same shows that this module, given this, says this.

Exit codes: 0 the verdict is the same, octet by octet; 1 it differs, or a part of the record was tampered with; 2 the record
is not there, or cannot be replayed.";

/// Decide anew from a record, and compare the verdict octet by octet
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The record's id, the beginning of it, or the file of an exported record
    #[arg(value_name = "ID|FILE")]
    record: String,
    #[command(flatten)]
    folder: Folder,
    /// Seconds for the decision
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,
}

/// Replays one record.
///
/// # Errors
/// When it is not found or cannot be replayed.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let Some(whole) = judged(global, arguments.folder.whole(&arguments.record))? else {
        return Ok(Exit::Rejected);
    };
    let replayed = again(global, &whole, Duration::from_secs(arguments.deadline))?;
    output::either(global.output, || text(&whole, &replayed), || for_programs(&whole, &replayed));
    Ok(match replayed {
        Replayed::Agrees { .. } => Exit::Done,
        Replayed::Differs { .. } => Exit::Rejected,
        Replayed::NoVerdict { .. } => Exit::Failed,
    })
}

/// Decides anew by the module that decided then.
///
/// # Errors
/// When that module does not run here, or gives no verdict in this time.
pub(crate) fn again(global: &Global, whole: &Whole, deadline: Duration) -> Result<Replayed> {
    let mut options = Options { instances: 2, compiler: Compiler::this_program(), ..Options::default() };
    if let Some(folder) = &global.cache_dir {
        options.cache_dir = Some(folder.clone());
    }
    let engines = Engines::new(options);
    Ok(start::runtime()?.block_on(async {
        // Starting the module takes what it takes: the time is for the decision.
        if let Some(module) = whole.module.as_ref().filter(|_| whole.verdict.is_some()) {
            engines.of(whole.record.module, module).await?;
        }
        replay(whole, &engines, Instant::now() + deadline).await
    })?)
}

fn text(whole: &Whole, replayed: &Replayed) -> String {
    let about = format!("record {}\n  module {}", whole.id, whole.record.module);
    let about = if whole.by_this_module() { format!("{about} (the one in this program)") } else { about };
    match replayed {
        Replayed::Agrees { outcome } => {
            clean_lines(&format!("agrees: {}  {}\n  {about}", outcome.name(), clean(whole.record.image())))
        }
        Replayed::Differs { pointer, recorded, replayed } => clean_lines(&format!(
            "differs: at {}\n  recorded {}\n  replayed {}\n  {about}",
            if pointer.is_empty() { "no value, only in how it is written" } else { pointer },
            clean(recorded),
            clean(replayed)
        )),
        Replayed::NoVerdict { summary } => {
            clean_lines(&format!("nothing to replay: the module gave no verdict then\n  {}\n  {about}", clean(summary)))
        }
    }
}

fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

fn for_programs(whole: &Whole, replayed: &Replayed) -> serde_json::Value {
    let result = match replayed {
        Replayed::Agrees { outcome } => json!({"result": "agrees", "outcome": outcome}),
        Replayed::Differs { pointer, recorded, replayed } => {
            json!({"result": "differs", "at": pointer, "recorded": recorded, "replayed": replayed})
        }
        Replayed::NoVerdict { summary } => json!({"result": "noVerdict", "summary": summary}),
    };
    json!({"id": whole.id, "module": whole.record.module, "ownModule": whole.by_this_module(), "replay": result})
}
