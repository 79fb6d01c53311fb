//! `bulla policy check`: reads policies as the services do, and shows what is wrong at its place.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Result;
use bulla_engine::Engine;
use bulla_server::{Loaded, PolicyError, PolicyFiles};
use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};

use super::suggestion::{self, Suggestion};
use crate::options::{Format, Global};
use crate::output::{self, Exit};
use crate::records::clean;
use crate::{policies, start};

const EXAMPLES: &str = "\
Examples:
  bulla policy check policies/
  bulla policy check release.yaml --output json

Each mistake is shown in its line, with a name that may have been meant where one is near. JSON has `document`, `line`,
`column`, `path`, `message` and `suggestion` of each.

Exit codes: 0 all are valid; 1 one is not; 2 a file cannot be read.";

/// Columns of a line that are shown. 160: a line that is longer is cut around the mistake.
const SHOWN: usize = 160;

/// Read policies as the services do, and say what they are or what is wrong with them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Policy files, or folders of which every *.yaml, *.yml and *.json is read. They are in force together
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks policies.
///
/// # Errors
/// When a file cannot be read or the module cannot be asked.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let files = policies::read(&arguments.files)?;
    let engine = start::engine(global)?;
    match start::runtime()?.block_on(validated(&engine, files))? {
        Ok(loaded) => {
            let described = loaded.policies();
            output::either(global.output, || valid(described), || json!({"valid": true, "loaded": described}));
            Ok(Exit::Done)
        }
        Err(invalid) => Ok(invalid.say(global.output)),
    }
}

/// Policies that the module refuses.
#[derive(Debug)]
pub(super) struct Invalid {
    details: Vec<Value>,
    message: String,
    texts: Vec<(String, Bytes)>,
}

/// Has the module read policies; inside, what it refuses.
///
/// # Errors
/// When it could not be asked.
pub(super) async fn validated(engine: &Engine, files: PolicyFiles) -> Result<Result<Loaded, Invalid>> {
    let texts = files.files().to_vec();
    match files.validate(engine).await {
        Ok(loaded) => Ok(Ok(loaded)),
        Err(PolicyError::Invalid { details, message }) => Ok(Err(Invalid { details, message, texts })),
        Err(error) => Err(error.into()),
    }
}

impl Invalid {
    /// Shows each mistake, and gives the exit code of a policy that is not valid.
    pub(super) fn say(&self, format: Format) -> Exit {
        let mistakes: Vec<Mistake<'_>> = self.details.iter().map(|detail| Mistake::new(detail, &self.texts)).collect();
        match format {
            Format::Json => {
                let listed: Vec<Value> = mistakes.iter().map(Mistake::for_programs).collect();
                output::json(&json!({"valid": false, "diagnostics": listed}));
            }
            Format::Text if mistakes.is_empty() => output::text(&self.message),
            Format::Text => output::text(&shown(&mistakes)),
        }
        Exit::Rejected
    }
}

fn shown(mistakes: &[Mistake<'_>]) -> String {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let paint = Paint { colours };
    mistakes.iter().map(|mistake| mistake.text(paint)).collect::<Vec<_>>().join("\n")
}

fn valid(described: &Value) -> String {
    let policies = described.get("policies").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut lines = Vec::new();
    for policy in policies {
        let field = |name: &str| policy.get(name).and_then(Value::as_str).unwrap_or("?");
        lines.push(format!("valid  {}  (mode {}, {})", field("policy"), field("mode"), field("document")));
        for signer in policy.get("signers").and_then(Value::as_array).into_iter().flatten() {
            lines.extend(described_signer(signer));
        }
    }
    if lines.is_empty() {
        lines.push("no policies: every image would be rejected".to_owned());
    }
    lines.join("\n")
}

/// A signer by what it pins: a key, certificates, or what a server says.
fn described_signer(signer: &Value) -> Vec<String> {
    let field = |name: &str| signer.get(name).and_then(Value::as_str);
    let name = field("signer").unwrap_or("?");
    match field("system") {
        Some("notation") => {
            let certificates = signer.get("certificates").and_then(Value::as_array).into_iter().flatten();
            let lines = certificates.map(|certificate| {
                let field = |name: &str| certificate.get(name).and_then(Value::as_str).unwrap_or("?");
                clean(&format!("    {}  {}  {}", field("store"), field("thumbprint"), field("subject")))
            });
            std::iter::once(format!("  signer {name}  notation")).chain(lines).collect()
        }
        Some("contentTrust") => {
            let server = field("server").unwrap_or("the server of the image's registry");
            vec![clean(&format!("  signer {name}  contentTrust  {server}"))]
        }
        _ => vec![format!("  signer {name}  {}  {}", field("key").unwrap_or("?"), field("algorithm").unwrap_or("?"))],
    }
}

/// Colours, where a terminal shows them.
#[derive(Debug, Clone, Copy)]
struct Paint {
    colours: bool,
}

impl Paint {
    fn as_code(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn mistake(self, text: &str) -> String {
        self.as_code("1;31", text)
    }

    fn frame(self, text: &str) -> String {
        self.as_code("1;34", text)
    }
}

/// One thing that is wrong, as the module says it, with its line.
#[derive(Debug)]
struct Mistake<'m> {
    detail: &'m Value,
    /// The line, without what would move the caret or the terminal.
    source: Option<String>,
    suggestion: Option<Suggestion<'m>>,
}

impl<'m> Mistake<'m> {
    fn new(detail: &'m Value, texts: &[(String, Bytes)]) -> Self {
        let suggestion = detail.get("message").and_then(Value::as_str).and_then(suggestion::of);
        let mut this = Self { detail, source: None, suggestion };
        let document = texts.iter().find(|(name, _)| name == this.word("document"));
        let line = this.number("line").saturating_sub(1);
        this.source = document.and_then(|(_, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            let line = text.lines().nth(line)?;
            Some(line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
        });
        this
    }

    fn word(&self, name: &str) -> &'m str {
        self.detail.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, name: &str) -> usize {
        let number = self.detail.get(name).and_then(Value::as_u64);
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or(1)
    }

    fn for_programs(&self) -> Value {
        let mut detail = self.detail.clone();
        if let Some(fields) = detail.as_object_mut() {
            if let Some(source) = &self.source {
                fields.insert("column".to_owned(), self.span(source).0.saturating_add(1).into());
            }
            fields.insert("suggestion".to_owned(), self.suggestion.map(|it| it.meant).into());
        }
        detail
    }

    /// Column and width of what the caret is under: the misspelt name where it stands in the line, else the place itself.
    fn span(&self, source: &str) -> (usize, usize) {
        let from = self.number("column").saturating_sub(1);
        let Some(Suggestion { written, .. }) = self.suggestion else { return (from, 1) };
        let start = source.char_indices().nth(from).map_or(source.len(), |(at, _)| at);
        let rest = source.get(start..).unwrap_or_default();
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let whole = |at: &usize| {
            let before = rest.get(..*at).unwrap_or_default();
            let after = rest.get(at.saturating_add(written.len())..).unwrap_or_default();
            !before.ends_with(is_name) && !after.starts_with(is_name)
        };
        let found = rest.match_indices(written).map(|(at, _)| at).find(whole);
        let width = written.chars().count().max(1);
        match found.and_then(|at| rest.get(..at)) {
            Some(before) => (from.saturating_add(before.chars().count()), width),
            None => (from, 1),
        }
    }

    /// As rustc shows it: what, where, the line, a caret.
    fn text(&self, paint: Paint) -> String {
        let (document, line) = (self.word("document"), self.number("line"));
        let margin = " ".repeat(line.to_string().len());
        let mut out = format!("{}: {}\n", paint.mistake("error"), clean(self.word("message")));
        let place = if document.is_empty() { "the policies together".to_owned() } else { clean(document) };
        let source = self.source.as_deref().unwrap_or_default();
        let (at, width) = self.span(source);
        out.push_str(&format!("{margin}{} {place}:{line}:{}\n", paint.frame("-->"), at.saturating_add(1)));
        let bar = paint.frame("|");
        if self.source.is_some() {
            // A line can be as long as its document: what is around the mistake is shown.
            let skipped = if at > SHOWN / 2 { at.saturating_sub(SHOWN / 2) } else { 0 };
            let part: String = source.chars().skip(skipped).take(SHOWN).collect();
            let indent = " ".repeat(at.saturating_sub(skipped));
            let number = paint.frame(&line.to_string());
            let caret = paint.mistake(&"^".repeat(width.min(SHOWN)));
            let meant = self.suggestion.map(|it| paint.mistake(&format!(" did you mean `{}`?", clean(it.meant))));
            out.push_str(&format!("{margin} {bar}\n{number} {bar} {part}\n"));
            out.push_str(&format!("{margin} {bar} {indent}{caret}{}\n", meant.unwrap_or_default()));
        }
        if !self.word("path").is_empty() {
            out.push_str(&format!("{margin} {} at {}\n", paint.frame("="), clean(self.word("path"))));
        }
        out
    }
}
