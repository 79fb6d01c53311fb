//! `bulla policy convert`: others' policies said as Bulla's own, or refused by the fields that cannot be said.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bulla_engine::abi::Operation;
use bulla_engine::{Engine, SandboxError};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::files::write_new;
use crate::options::{Format, Global};
use crate::output::{self, Exit};
use crate::records::clean;
use crate::start;

const EXAMPLES: &str = "\
Examples:
  bulla policy convert cluster-image-policy.yaml
  bulla policy convert /etc/containers/policy.json --out policies/

Read are ClusterImagePolicy (policy-controller), containers-policy.json (Podman, CRI-O) and Notation's trust policy, which is
recognised and refused. Key files that a policy names are read from its own folder when their path is relative.
See docs/policy-convert.md for what is the same and what is not.

Exit codes: 0 all are converted; 2 a field cannot be said (each is listed), or a file cannot be read.";

/// Wall time of one conversion. 10 s: a source has at most 256 KiB.
const BUDGET: Duration = Duration::from_secs(10);
/// Octets of a key file. 64 KiB: a public key has less than one.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// Say others' policies as Bulla's own: ClusterImagePolicy, containers-policy.json
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Policies of others; which kind is seen by their content
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write one file for each policy into this folder, and overwrite none
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Answer {
    policies: Vec<Entry>,
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    blob: usize,
    notes: Vec<String>,
}

/// One policy, as it is shown or written.
struct Policy {
    name: String,
    notes: Vec<String>,
    text: String,
}

/// Converts policies.
///
/// # Errors
/// When a file cannot be read or written, or the module cannot be asked.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    let (mut policies, mut notes, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for file in &arguments.files {
        let shown = file.display().to_string();
        let source = std::fs::read(file).with_context(|| shown.clone())?;
        match start::runtime()?.block_on(convert(&engine, file, source))? {
            Ok((converted, more)) => {
                policies.extend(converted);
                notes.extend(more.into_iter().map(|note| format!("{shown}: {note}")));
            }
            Err(fields) => refused.extend(fields.into_iter().map(|field| (shown.clone(), field))),
        }
    }
    if !refused.is_empty() {
        say_refused(global.output, &refused);
        return Ok(Exit::Failed);
    }
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let named = |policy: &Policy| folder.join(format!("{}.yaml", policy.name));
        // Looked at before anything is written: all of them or none.
        if let Some(there) = policies.iter().map(named).find(|file| file.exists()) {
            bail!("{} is there already, and nothing is overwritten; choose another --out", there.display());
        }
        for policy in &policies {
            write_new(&named(policy), policy.text.as_bytes(), 0o644)?;
        }
    }
    output::either(
        global.output,
        || text(&policies, &notes, arguments.out.as_deref()),
        || {
            let policies: Vec<Value> = policies
                .iter()
                .map(|policy| json!({"name": policy.name, "notes": policy.notes, "text": policy.text}))
                .collect();
            json!({"policies": policies, "notes": notes})
        },
    );
    Ok(Exit::Done)
}

type Converted = std::result::Result<(Vec<Policy>, Vec<String>), Vec<Value>>;

/// Asks, reads the key files that the module misses, and asks once more.
async fn convert(engine: &Engine, file: &Path, source: Vec<u8>) -> Result<Converted> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut given: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let paths: Vec<Value> =
            (1usize..).zip(&given).map(|(blob, (path, _))| json!({"path": path, "blob": blob})).collect();
        let header = json!({"name": name, "blob": 0, "files": paths});
        let blobs = std::iter::once(source.clone()).chain(given.iter().map(|(_, bytes)| bytes.clone())).collect();
        let details = match engine.ask::<Answer>(Operation::Convert, &header, blobs, BUDGET).await {
            Ok((answer, blobs)) => return Ok(Ok(taken(answer, &blobs)?)),
            Err(SandboxError::Module { details, .. }) if !details.is_empty() => details,
            Err(error) => return Err(error.into()),
        };
        let before = given.len();
        for path in details.iter().filter_map(|field| field.get("file").and_then(Value::as_str)) {
            if !given.iter().any(|(known, _)| known == path)
                && let Some(bytes) = key_file(&folder.join(path))
            {
                given.push((path.to_owned(), bytes));
            }
        }
        if given.len() == before {
            return Ok(Err(details));
        }
    }
}

/// A file that is there and small enough for a key; the module names the others.
fn key_file(path: &Path) -> Option<Vec<u8>> {
    let about = std::fs::metadata(path).ok().filter(|about| about.is_file() && about.len() <= MAX_KEY_FILE);
    about.and_then(|_| std::fs::read(path).ok())
}

fn taken(answer: Answer, blobs: &[Vec<u8>]) -> Result<(Vec<Policy>, Vec<String>)> {
    let policies = answer.policies.into_iter().map(|entry| {
        let bytes = blobs.get(entry.blob).context("the module gave no text")?;
        Ok(Policy { name: entry.name, notes: entry.notes, text: String::from_utf8(bytes.clone())? })
    });
    Ok((policies.collect::<Result<_>>()?, answer.notes))
}

fn say_refused(format: Format, refused: &[(String, Value)]) {
    match format {
        Format::Json => {
            let fields: Vec<Value> = refused
                .iter()
                .map(|(document, field)| json!({"document": document, "path": field.get("path"), "message": field.get("message")}))
                .collect();
            output::json(&json!({"refused": fields}));
        }
        Format::Text => {
            let lines = refused.iter().map(|(document, field)| {
                let text = |name: &str| field.get(name).and_then(Value::as_str).unwrap_or_default();
                let path = if text("path").is_empty() { String::new() } else { format!("{}: ", text("path")) };
                clean(&format!("{document}: {path}{}", text("message")))
            });
            output::text(&lines.collect::<Vec<_>>().join("\n"));
        }
    }
}

fn text(policies: &[Policy], notes: &[String], folder: Option<&Path>) -> String {
    let notes = notes.iter().map(|note| format!("# {}", clean(note)));
    let policies: Vec<String> = match folder {
        None => policies.iter().map(|policy| policy.text.trim_end().to_owned()).collect(),
        Some(folder) => {
            let written = |policy: &Policy| {
                let file = folder.join(format!("{}.yaml", policy.name));
                let notes = policy.notes.iter().map(|note| format!("\n  {}", clean(note)));
                format!("written  {}{}", file.display(), notes.collect::<String>())
            };
            policies.iter().map(written).collect()
        }
    };
    let separator = if folder.is_some() { "\n" } else { "\n---\n" };
    notes.chain(std::iter::once(policies.join(separator))).collect::<Vec<_>>().join("\n")
}
