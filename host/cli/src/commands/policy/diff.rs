//! `bulla policy diff`: which past decisions would end differently under other policies. From records alone.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bulla_engine::{Answered, DecideError, Documents, Engine, decide_once};
use bulla_records::{Digest, Entry, Reader, Whole};
use clap::Args;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::check;
use super::given::answered;
use crate::options::Global;
use crate::output::{self, Exit};
use crate::records::{Folder, clean};
use crate::verdict::string;
use crate::{policies, start};

const EXAMPLES: &str = "\
Examples:
  bulla policy diff policies/ new-policies/ --against bulla-records
  bulla policy diff old.yaml new.yaml --against decision.bulla --against other.bulla --output json

Every record's question is decided anew by this program's module with the record's evidence, under A and under B. Nothing is
fetched: where policies ask for evidence that a record does not have, that is said, and no outcome is guessed.

Exit codes: 0 all end the same; 1 one ends differently, or a policy is not valid; 2 none is known to end differently, and for
one it is not known; or a file cannot be read.";

/// Wall time of one decision. Nothing is fetched: it is calculation, on a machine that may be busy.
const BUDGET: Duration = Duration::from_secs(60);
/// Records that are decided about at once: as many as processors are usual.
const AT_ONCE: usize = 4;
/// Needs that are named for one record.
const NAMED: usize = 3;

/// Decide past decisions anew under two sets of policies, and list those that end differently
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The policies as they are: a file or a folder
    #[arg(value_name = "A")]
    old: PathBuf,
    /// The policies as they may be: a file or a folder
    #[arg(value_name = "B")]
    new: PathBuf,
    /// A folder of records, or the file of an exported record
    #[arg(long, value_name = "RECORDS", required = true)]
    against: Vec<PathBuf>,
}

/// What policies say about a recorded question.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Verdict {
        outcome: String,
        summary: String,
    },
    /// What they ask for and the record does not have.
    Needs(Vec<String>),
    /// Why there is no verdict.
    Nothing(String),
}

/// One record under both.
#[derive(Debug)]
struct Compared {
    id: String,
    image: String,
    result: Result<(Said, Said), String>,
}

/// Compares.
///
/// # Errors
/// When policies or records cannot be read.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let mut loaded = Vec::new();
        for files in [old, new] {
            match check::validated(&engine, files).await? {
                Ok(valid) => loaded.push(valid.documents().clone()),
                Err(invalid) => return Ok(invalid.say(global.output)),
            }
        }
        let [old, new] = loaded.as_slice() else { bail!("two sets of policies are compared") };
        let mut compared: Vec<Compared> = Vec::new();
        for path in &arguments.against {
            let records = Records::open(path)?;
            let ids = records.ids()?;
            let each = ids.iter().map(|id| compare(&engine, old, new, &records, id));
            compared.extend(futures_util::stream::iter(each).buffered(AT_ONCE).collect::<Vec<_>>().await);
        }
        if compared.is_empty() {
            bail!("no records: there is nothing to compare against");
        }
        output::either(global.output, || text(&compared), || for_programs(&compared));
        Ok(match () {
            () if compared.iter().any(|one| one.change().is_some()) => Exit::Rejected,
            () if compared.iter().any(|one| one.unknown().is_some()) => Exit::Failed,
            () => Exit::Done,
        })
    })
}

fn read(path: &PathBuf) -> Result<bulla_server::PolicyFiles> {
    Ok(policies::read(std::slice::from_ref(path))?)
}

/// Where records come from.
enum Records {
    Folder(Folder, Reader),
    File(Folder, String),
}

impl Records {
    fn open(path: &Path) -> Result<Self> {
        let folder = Folder { records: path.to_owned() };
        if path.is_file() {
            return Ok(Self::File(folder, path.to_string_lossy().into_owned()));
        }
        let reader = folder.reader()?;
        Ok(Self::Folder(folder, reader))
    }

    /// What [`whole`](Self::whole) finds each record by; each record once.
    fn ids(&self) -> Result<Vec<Result<String, String>>> {
        let reader = match self {
            Self::File(_, file) => return Ok(vec![Ok(file.clone())]),
            Self::Folder(_, reader) => reader,
        };
        let mut seen: std::collections::HashSet<Digest> = std::collections::HashSet::new();
        let mut ids = Vec::new();
        reader.entries(|entry| {
            match entry {
                Entry::Record { id, .. } if !seen.insert(id) => {}
                Entry::Record { id, .. } => ids.push(Ok(id.to_string())),
                Entry::Damaged { file, offset, .. } => {
                    ids.push(Err(format!("tampered with: {}, at octet {offset}", file.display())));
                }
            }
            ControlFlow::<()>::Continue(())
        })?;
        Ok(ids)
    }

    fn whole(&self, id: &str) -> Result<Whole> {
        let (Self::Folder(folder, _) | Self::File(folder, _)) = self;
        folder.whole(id)
    }
}

async fn compare(
    engine: &Engine,
    old: &Documents,
    new: &Documents,
    records: &Records,
    id: &Result<String, String>,
) -> Compared {
    let failed = |id: &str, why: String| Compared { id: id.to_owned(), image: String::new(), result: Err(why) };
    let id = match id {
        Ok(id) => id,
        Err(why) => return failed("?", why.clone()),
    };
    let whole = match records.whole(id) {
        Ok(whole) => whole,
        Err(error) => return failed(id, format!("{error:#}")),
    };
    let evidence: Vec<Answered> = whole.evidence.iter().map(|(entry, bytes)| answered(entry, bytes.as_ref())).collect();
    let before = say(engine, old, &whole.question, &evidence).await;
    let after = say(engine, new, &whole.question, &evidence).await;
    Compared { id: whole.id.to_string(), image: whole.record.image().to_owned(), result: Ok((before, after)) }
}

async fn say(engine: &Engine, documents: &Documents, question: &Value, evidence: &[Answered]) -> Said {
    match decide_once(engine, documents, question, evidence, Instant::now() + BUDGET).await {
        Ok(decision) => {
            let text = |field: &str| string(&decision.verdict, field).unwrap_or_default().to_owned();
            Said::Verdict { outcome: text("outcome"), summary: text("summary") }
        }
        Err(DecideError::Incomplete { needs }) => Said::Needs(needs.into_iter().map(|need| need.id).collect()),
        Err(error) => Said::Nothing(error.to_string()),
    }
}

impl Compared {
    /// Both outcomes and the new summary, where they differ.
    fn change(&self) -> Option<(&str, &str, &str)> {
        match &self.result {
            Ok((Said::Verdict { outcome: old, .. }, Said::Verdict { outcome: new, summary })) if old != new => {
                Some((old, new, summary))
            }
            _ => None,
        }
    }

    /// Why it is not known whether they differ.
    fn unknown(&self) -> Option<String> {
        let (old, new) = match &self.result {
            Ok(both) => both,
            Err(why) => return Some(why.clone()),
        };
        [(new, "B"), (old, "A")].into_iter().find_map(|(said, whose)| match said {
            Said::Verdict { .. } => None,
            Said::Nothing(why) => Some(format!("{whose} gives no verdict: {why}")),
            Said::Needs(needs) => {
                let more = needs.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                let named: Vec<&str> = needs.iter().take(NAMED).map(String::as_str).collect();
                Some(format!("{whose} needs more evidence: {}{more}", named.join(", ")))
            }
        })
    }
}

fn counts(compared: &[Compared]) -> (usize, usize, usize) {
    let changed = compared.iter().filter(|one| one.change().is_some()).count();
    let unknown = compared.iter().filter(|one| one.unknown().is_some()).count();
    (changed, compared.len().saturating_sub(changed).saturating_sub(unknown), unknown)
}

fn text(compared: &[Compared]) -> String {
    let mut lines = Vec::new();
    for one in compared {
        let about = format!("{}  {}", clean(&one.image), clean(&one.id));
        if let Some((old, new, summary)) = one.change() {
            lines.push(format!("{old} → {new}  {about}\n    {}", clean(summary)));
        } else if let Some(why) = one.unknown() {
            lines.push(format!("?  {about}\n    {}", clean(&why)));
        }
    }
    let (changed, same, unknown) = counts(compared);
    lines.push(format!("{changed} end differently, {same} the same, {unknown} not known"));
    lines.join("\n")
}

fn for_programs(compared: &[Compared]) -> Value {
    let (changed, same, unknown) = counts(compared);
    let said = |said: &Said| match said {
        Said::Verdict { outcome, summary } => json!({"outcome": outcome, "summary": summary}),
        Said::Needs(needs) => json!({"needs": needs}),
        Said::Nothing(why) => json!({"error": why}),
    };
    let records: Vec<Value> = compared
        .iter()
        .map(|one| match &one.result {
            Ok((old, new)) => json!({"record": one.id, "image": one.image, "old": said(old), "new": said(new)}),
            Err(why) => json!({"record": one.id, "error": why}),
        })
        .collect();
    json!({"changed": changed, "same": same, "notKnown": unknown, "records": records})
}
