//! `bulla policy convert`: others' policies said as Bulla's own, or refused by the fields that cannot be said.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::conversion::{Origin, Policy, convert, refusal};
use crate::files::write_new;
use crate::options::{Format, Global};
use crate::output::{self, Exit};
use crate::records::clean;
use crate::start;

const EXAMPLES: &str = "\
Examples:
  bulla policy convert cluster-image-policy.yaml
  bulla policy convert /etc/containers/policy.json --out policies/
  bulla policy convert ~/.config/notation/trustpolicy.json --out policies/

Read are ClusterImagePolicy (policy-controller), containers-policy.json (Podman, CRI-O) and Notation's trust policy for
artifacts in registries. Key files that a policy names are read from its own folder when their path is relative, trust stores
from the folder truststore beside it.
See docs/policy-convert.md for what is the same and what is not.

Exit codes: 0 all are converted; 2 a field cannot be said (each is listed), or a file cannot be read.";

/// Say others' policies as Bulla's own: ClusterImagePolicy, containers-policy.json, Notation's trust policy
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Policies of others; which kind is seen by their content
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write one file for each policy into this folder, and overwrite none
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where Notation's trust stores are, when they are not in the folder `truststore` beside the trust policy
    #[arg(long, value_name = "DIR")]
    trust_store: Option<PathBuf>,
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
        let origin = Origin { file, stores: arguments.trust_store.as_deref(), images: None };
        match start::runtime()?.block_on(convert(&engine, origin))? {
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
            let lines = refused.iter().map(|(document, field)| refusal(document, field));
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
