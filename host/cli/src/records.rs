//! Records for a command: found in a folder or read from a file, and shown to people.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bulla_records::limits::MAX_BUNDLE_BYTES;
use bulla_records::{Bundle, Came, Damage, Entry, FindError, Reader, Record, Whole};
use clap::Args;
use serde_json::{Value, json};

use crate::options::Global;
use crate::output::{self, Coded};

/// Where records are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Folder {
    /// The folder of records
    #[arg(long, value_name = "DIR", default_value = "bulla-records")]
    pub(crate) records: PathBuf,
}

impl Folder {
    /// Reads the folder, also beside services that write there.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn reader(&self) -> Result<Reader> {
        Ok(Reader::open(&self.records)?)
    }

    /// A record with its parts: from a file where there is one of this name, else from the folder by its id.
    ///
    /// # Errors
    /// When it is not found; with the code `record-damaged` when a part of it was tampered with or is missing.
    pub(crate) fn whole(&self, record: &str) -> Result<Whole> {
        let file = Path::new(record);
        if file.is_file() {
            let size = file.metadata().map_or(0, |found| found.len());
            if size > MAX_BUNDLE_BYTES {
                return Err(damaged(format!(
                    "{record}: {size} octets, a record's file has at most {MAX_BUNDLE_BYTES}"
                )));
            }
            let bytes = std::fs::read(file).with_context(|| record.to_owned())?;
            let bundle = Bundle::read(bytes).map_err(|error| damaged(format!("{record}: {error}")))?;
            return bundle.whole().map_err(|damage| damaged(format!("{record}: {damage}")));
        }
        let reader = self.reader()?;
        let (id, bytes) = reader.find(record).map_err(|error| match error {
            FindError::Damaged { .. } => damaged(error.to_string()),
            other => other.into(),
        })?;
        Whole::gather(id, bytes, &reader).map_err(|damage: Damage| damaged(format!("{id}: {damage}")))
    }
}

/// The code of errors about records that are not as they were written.
const DAMAGED: &str = "record-damaged";

/// Says what is wrong with a record that is not as it was written: `None`, and a command that judges records ends with the
/// exit code of a rejection.
///
/// # Errors
/// Any other error.
pub(crate) fn judged(global: &Global, whole: Result<Whole>) -> Result<Option<Whole>> {
    match whole {
        Err(error) if error.downcast_ref::<Coded>().is_some_and(|coded| coded.code == DAMAGED) => {
            output::error(global.output, &error);
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn damaged(message: String) -> anyhow::Error {
    Coded { code: DAMAGED.to_owned(), message }.into()
}

/// One line about an entry of the journal.
pub(crate) fn line(entry: &Entry) -> String {
    match entry {
        Entry::Record { id, bytes } => match Record::parse(bytes) {
            Ok(record) => {
                let (verdict, made) = (&record.verdict, &record.made);
                let outcome = verdict.outcome.name();
                let place = format!("{:<11} {:<7}", made.surface.name(), made.action.name());
                clean(&format!("{id}  {}  {outcome:<7}  {place}  {}", record.now(), record.image()))
            }
            Err(error) => clean(&format!("{id}  {error}")),
        },
        Entry::Damaged { file, offset, .. } => format!("tampered with: {}, at octet {offset}", file.display()),
    }
}

/// The same for programs.
pub(crate) fn line_json(entry: &Entry) -> Value {
    match entry {
        Entry::Record { id, bytes } => json!({"id": id, "record": Record::parse(bytes).ok()}),
        Entry::Damaged { file, offset, claims, .. } => json!({"damaged": file, "offset": offset, "claims": claims}),
    }
}

/// Everything about a record, for people.
pub(crate) fn text(whole: &Whole) -> String {
    let record = &whole.record;
    let mut out = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<9} {}", clean(value));
    };
    row("record", &whole.id.to_string());
    row("question", &whole.question.to_string());
    row("outcome", record.verdict.outcome.name());
    row("summary", &record.verdict.summary);
    row("pinned", record.verdict.pinned.as_deref().unwrap_or("not settled"));
    let object = record.made.object.as_deref().map(|object| format!(", {object}")).unwrap_or_default();
    row("made", &format!("{}, {}{object}", record.made.surface.name(), record.made.action.name()));
    let own = match (whole.by_this_module(), &whole.module) {
        (true, _) => "the one in this program",
        (false, Some(_)) => "kept beside the record",
        (false, None) => "not kept",
    };
    row("module", &format!("{} ({own})", record.module));
    for (document, bytes) in &whole.policies {
        row("policy", &format!("{}  {}  {} octets", document.digest, document.name, bytes.len()));
    }
    for (entry, _) in &whole.evidence {
        let came = match &entry.came {
            Came::Found { content, octets, media_type } => {
                format!("{content}  {octets} octets  {}", media_type.as_deref().unwrap_or_default())
            }
            Came::Digest { digest } => format!("claimed {digest}"),
            Came::Absent => "absent".to_owned(),
            Came::TooLarge { got } => format!("too large: {got} octets"),
            Came::Failed { reason } => format!("failed: {reason}"),
        };
        row("evidence", &format!("{}  {came}", entry.need));
    }
    out
}

/// The same for programs, with the verdict as the module gave it.
pub(crate) fn text_json(whole: &Whole) -> Value {
    let policies: Vec<_> = whole.policies.iter().map(|(document, _)| document).collect();
    let evidence: Vec<_> = whole.evidence.iter().map(|(entry, _)| entry).collect();
    let answer: Value = whole.verdict.as_deref().and_then(|it| serde_json::from_slice(it).ok()).unwrap_or_default();
    json!({
        "id": whole.id,
        "record": whole.record,
        "question": whole.question,
        "policies": policies,
        "evidence": evidence,
        "verdict": answer.pointer("/ok/verdict"),
        "moduleKept": whole.module.is_some(),
    })
}

/// Without control characters: strangers chose these names, and a terminal obeys what it is shown.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
