//! `bulla record`: shows, exports, sums up and collects records of decisions.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use bulla_records::limits::MIN_STORE_BYTES;
use bulla_records::{Entry, Options, PREDICATE_TYPE, Record, Replayed, Store, SummaryOptions, Whole, summary};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::publishing::{self, Images};
use super::replay::again;
use crate::files;
use crate::options::Global;
use crate::output::{self, Exit};
use crate::plan::{Attestation, Kept};
use crate::policies::Form;
use crate::records::{self, Folder};

/// Wall time for the replay of a record that is attested.
const REPLAY: Duration = Duration::from_secs(60);

/// Show, export and collect records of decisions
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a record and what it rests on, after every part was held against its digest
    #[command(after_help = "Exit codes: 0 nothing was changed; 1 a part was tampered with or is missing: the \
        error names it; 2 the record is not there.")]
    Show(One),
    /// List records, oldest first: id, time in seconds since 1970, outcome, where, what the host did, image
    List(List),
    /// Write a record with everything that it rests on into one file, which `bulla replay` takes
    Export(Export),
    /// Take the file of a record into a folder of records
    Import(Import),
    /// Make the predicate of a SLSA verification summary from a record
    Summary(Summary),
    /// Sign and publish the verification summary of a record, for exactly the digest that was decided about
    #[command(
        after_help = "The record is replayed first, by the module in this program: what that does not say again is \
        not signed. Everything else is as with `bulla attest --help`.\n\n\
        Exit codes: 0 the attestation is there; 2 it is not, or there is nothing to sign."
    )]
    Attest(Attest),
    /// Drop records that are too old or too much, and what no record rests on. Services that write there do so by themselves
    Gc(Collect),
}

/// One record.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// The record's id, the beginning of it, or the file of an exported record
    #[arg(value_name = "ID|FILE")]
    record: String,
    #[command(flatten)]
    folder: Folder,
}

/// Which records are listed.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    folder: Folder,
    /// Only the newest so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    last: usize,
    /// Only those about images with this text in their name
    #[arg(long, value_name = "TEXT")]
    image: Option<String>,
}

/// What is written where.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    one: One,
    /// The file, which must not be there
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Leave the module out: whoever replays it needs the same module in his program
    #[arg(long)]
    without_module: bool,
}

/// What is taken in.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file of an exported record
    file: String,
    #[command(flatten)]
    folder: Folder,
}

/// What a summary says beside its record.
#[derive(Debug, Args)]
pub(crate) struct Summary {
    #[command(flatten)]
    one: One,
    /// A URI for who verified
    #[arg(long, value_name = "URI")]
    verifier: String,
    /// A URI for the policies [default: urn:bulla:policies: and the digest of their list]
    #[arg(long, value_name = "URI")]
    policy_uri: Option<String>,
    /// What the image was verified as [default: its package URL]
    #[arg(long, value_name = "URI")]
    resource_uri: Option<String>,
}

/// What is signed, and how.
#[derive(Debug, Args)]
pub(crate) struct Attest {
    #[command(flatten)]
    summary: Summary,
    /// How it is kept
    #[arg(long, value_enum, default_value_t = Form::Legacy)]
    form: Form,
    #[command(flatten)]
    options: publishing::Options,
}

/// What stays.
#[derive(Debug, Args)]
pub(crate) struct Collect {
    #[command(flatten)]
    folder: Folder,
    /// Octets that stay at most; without it, no record goes for its size
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u64).range(MIN_STORE_BYTES..))]
    bytes: Option<u64>,
    /// Days after which records go; without it, no record goes for its age
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: Option<u64>,
}

/// Runs one of them.
///
/// # Errors
/// When the record or the folder cannot be used.
pub(crate) fn run(global: &Global, command: &Command) -> Result<Exit> {
    match command {
        Command::Show(one) => {
            let Some(whole) = records::judged(global, one.folder.whole(&one.record))? else {
                return Ok(Exit::Rejected);
            };
            output::either(global.output, || records::text(&whole), || records::text_json(&whole));
        }
        Command::List(arguments) => list(global, arguments)?,
        Command::Export(arguments) => {
            let whole = arguments.one.folder.whole(&arguments.one.record)?;
            let bytes = whole.export(!arguments.without_module)?;
            files::write_new(&arguments.to, &bytes, 0o600)?;
            let (file, octets) = (arguments.to.display(), bytes.len());
            output::either(
                global.output,
                || format!("{file}: {octets} octets, {}", whole.id),
                || json!({"id": whole.id, "file": arguments.to, "octets": octets}),
            );
        }
        Command::Import(arguments) => {
            let whole = arguments.folder.whole(&arguments.file)?;
            let written = Store::open(&arguments.folder.records, Options::unlimited())?.import(&whole)?;
            output::either(global.output, || written.id.to_string(), || json!({"id": written.id}));
        }
        Command::Summary(arguments) => {
            let (_, made) = arguments.make()?;
            output::either(
                global.output,
                || format!("{:#}", made.predicate),
                || json!({"predicateType": PREDICATE_TYPE, "image": made.image, "predicate": made.predicate}),
            );
        }
        Command::Attest(arguments) => return attest(global, arguments),
        Command::Gc(arguments) => {
            let seconds = u64::try_from(bulla_server::now()).unwrap_or_default();
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let mut options = Options::unlimited();
            options.bytes = arguments.bytes.unwrap_or(options.bytes);
            if let Some(days) = arguments.days {
                options.age = Duration::from_secs(days.saturating_mul(24 * 3600));
            }
            let done = Store::open(&arguments.folder.records, options)?.collect(now)?;
            output::either(
                global.output,
                || format!("{} octets freed, {} octets left", done.freed, done.left),
                || {
                    json!({"segments": done.segments, "contents": done.contents, "freed": done.freed,
                        "left": done.left})
                },
            );
        }
    }
    Ok(Exit::Done)
}

impl Summary {
    fn make(&self) -> Result<(Whole, bulla_records::Summary)> {
        let whole = self.one.folder.whole(&self.one.record)?;
        let options = SummaryOptions {
            verifier: self.verifier.clone(),
            policy_uri: self.policy_uri.clone(),
            resource_uri: self.resource_uri.clone(),
        };
        let made = summary(&whole, &options)?;
        Ok((whole, made))
    }
}

/// Signs a summary. Whoever wrote the record could write anything: it counts only for what the module says once more.
fn attest(global: &Global, arguments: &Attest) -> Result<Exit> {
    let (whole, made) = arguments.summary.make()?;
    if !whole.by_this_module() {
        bail!(
            "{}: another module decided, {}; attest it with the program that has that one",
            whole.id,
            whole.record.module
        );
    }
    match again(global, &whole, REPLAY)? {
        Replayed::Agrees { .. } => {}
        Replayed::Differs { pointer, .. } => {
            bail!("{}: the module does not say that again, it differs at {pointer}; `bulla replay` shows how", whole.id)
        }
        Replayed::NoVerdict { .. } => bail!("{}: the module gave no verdict then", whole.id),
    }
    let attestation = Attestation {
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: made.predicate.to_string().into_bytes(),
        now: bulla_server::now(),
    };
    publishing::run(
        global,
        &Images::one(made.image),
        &arguments.options,
        Kept::Cosign(arguments.form),
        Some(attestation),
    )
}

fn list(global: &Global, arguments: &List) -> Result<()> {
    let mut newest = std::collections::VecDeque::new();
    let wanted = |entry: &Entry| match (entry, &arguments.image) {
        (Entry::Record { bytes, .. }, Some(text)) => Record::parse(bytes).is_ok_and(|it| it.image().contains(text)),
        _ => true,
    };
    let _: Option<()> = arguments.folder.reader()?.entries(|entry| {
        if wanted(&entry) {
            newest.push_back(entry);
        }
        if newest.len() > arguments.last {
            newest.pop_front();
        }
        ControlFlow::Continue(())
    })?;
    output::either(
        global.output,
        || newest.iter().map(records::line).collect::<Vec<_>>().join("\n"),
        || Value::Array(newest.iter().map(records::line_json).collect()),
    );
    Ok(())
}
