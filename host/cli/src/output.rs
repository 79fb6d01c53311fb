//! What goes out: results on standard output, errors on standard error, and the exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::options::Format;

/// How a command ended. `bulla --help` documents the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything is well; of images: all accepted.
    Done,
    /// An image is rejected, or a policy is not valid.
    Rejected,
    /// Unknown, or the command could not do its work.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::from(0),
            Exit::Rejected => Self::from(1),
            Exit::Failed => Self::from(2),
        }
    }
}

/// An error with a stable code for programs, beside its sentence for people.
#[derive(Debug)]
pub(crate) struct Coded {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl std::fmt::Display for Coded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// Says on standard error why a command could not do its work: one sentence, or the same as JSON.
pub(crate) fn error(format: Format, error: &anyhow::Error) {
    let message = sentence(error);
    let line = match format {
        Format::Text => format!("error: {message}"),
        Format::Json => {
            let coded = error.chain().find_map(|cause| cause.downcast_ref::<Coded>());
            json!({"error": {"code": coded.map_or("failed", |coded| coded.code.as_str()), "message": message}})
                .to_string()
        }
    };
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{line}");
}

/// The error and its causes, each once: many of them repeat their cause in their own words.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A line or a text for people. Whoever reads it may stop reading: that is no error of ours.
pub(crate) fn text(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

/// One JSON document.
pub(crate) fn json(value: &Value) {
    text(&format!("{value:#}"));
}

/// The text form or the JSON form, whichever was asked for.
pub(crate) fn either(format: Format, for_people: impl FnOnce() -> String, for_programs: impl FnOnce() -> Value) {
    match format {
        Format::Text => text(&for_people()),
        Format::Json => json(&for_programs()),
    }
}
