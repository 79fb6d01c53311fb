//! `bulla policy`: checks policy documents before they are in force.

use std::path::PathBuf;

use anyhow::Result;
use bulla_server::PolicyError;
use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::options::{Format, Global};
use crate::output::{self, Exit};
use crate::{policies, start};

/// Check policy documents
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read policies as the services do, and say what they are or what is wrong with them
    #[command(
        after_help = "Examples:\n  bulla policy check policies/\n  bulla policy check release.yaml --output json\n\n\
        Exit codes: 0 all are valid; 1 one is not; 2 a file cannot be read."
    )]
    Check(Check),
}

/// What is checked.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Policy files, or folders of which every *.yaml, *.yml and *.json is read. They are in force together
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs one of them.
///
/// # Errors
/// When a file cannot be read or the module cannot be asked.
pub(crate) fn run(global: &Global, command: &Command) -> Result<Exit> {
    let Command::Check(arguments) = command;
    let files = policies::read(&arguments.files)?;
    let engine = start::engine(global)?;
    let texts = files.files().to_vec();
    match start::runtime()?.block_on(files.validate(&engine)) {
        Ok(loaded) => {
            let described = loaded.policies();
            output::either(global.output, || valid(described), || json!({"valid": true, "loaded": described}));
            Ok(Exit::Done)
        }
        Err(PolicyError::Invalid { details, message }) => {
            match global.output {
                Format::Json => output::json(&json!({"valid": false, "diagnostics": details})),
                Format::Text if details.is_empty() => output::text(&message),
                Format::Text => {
                    let shown: Vec<String> = details.iter().map(|diagnostic| shown(diagnostic, &texts)).collect();
                    output::text(&shown.join("\n"));
                }
            }
            Ok(Exit::Rejected)
        }
        Err(error) => Err(error.into()),
    }
}

fn valid(described: &Value) -> String {
    let policies = described.get("policies").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut lines = Vec::new();
    for policy in policies {
        let field = |name: &str| policy.get(name).and_then(Value::as_str).unwrap_or("?");
        lines.push(format!("valid  {}  (mode {}, {})", field("policy"), field("mode"), field("document")));
        for signer in policy.get("signers").and_then(Value::as_array).into_iter().flatten() {
            let field = |name: &str| signer.get(name).and_then(Value::as_str).unwrap_or("?");
            lines.push(format!("  signer {}  {}  {}", field("signer"), field("key"), field("algorithm")));
        }
    }
    if lines.is_empty() {
        lines.push("no policies: every image would be rejected".to_owned());
    }
    lines.join("\n")
}

/// `file:line:column: path: message`, the line it is about, and a caret below the column.
fn shown(diagnostic: &Value, texts: &[(String, Bytes)]) -> String {
    let text = |name: &str| diagnostic.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| {
        diagnostic.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok()).unwrap_or(1)
    };
    let (document, line, column) = (text("document"), number("line"), number("column"));
    let path = if text("path").is_empty() { String::new() } else { format!("{}: ", text("path")) };
    let mut out = format!("{document}:{line}:{column}: {path}{}\n", text("message"));
    let source = texts.iter().find(|(name, _)| name == document).map(|(_, bytes)| String::from_utf8_lossy(bytes));
    if let Some(source) = source.as_ref().and_then(|source| source.lines().nth(line.saturating_sub(1))) {
        // Tabs and other control characters would move the caret, or the terminal.
        let clean: String = source.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let margin = " ".repeat(line.to_string().len());
        let indent = " ".repeat(column.saturating_sub(1));
        out.push_str(&format!("{margin} |\n{line} | {clean}\n{margin} | {indent}^\n"));
    }
    out
}
