//! `bulla verify`: asks the module about images, with policies or pinned keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::Engine;
use bulla_records::{Action, Made, Options, Surface};
use bulla_server::{Decided, Decider, Outcome, PolicyFiles, Recorder};
use clap::Args;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::conversion::{Origin, configured, convert, refusal};
use crate::options::Global;
use crate::output::{self, Exit};
use crate::policies::{self, Conditions, Form, Identity};
use crate::progress::Progress;
use crate::sources::{SourceOptions, TrustOptions, pair};
use crate::{start, verdict};

/// Wall time to write one record: a flush to a busy disk.
const RECORD_BUDGET: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  bulla verify registry.example/app:1.4 --key release.pub
  bulla verify registry.example/app:1.4 --key release.pub --annotation stage=tested --identity exact
  bulla verify registry.example/app:1.4 registry.example/db:9 --policy policies/ --output json
  bulla verify registry.example/app:1.4 --key release.pub --form bundle --leaves
  bulla verify registry.example/app:1.4 --key ci.pub --attestation slsaprovenance1 \
      --predicate /buildDefinition/buildType=https://actions.github.io/buildtypes/workflow/v1
  bulla verify registry.example/app:1.4 --trust-policy
  bulla verify registry.example/app:1.4 --trust-policy trustpolicy.json --trust-store truststore/
  bulla verify registry.example/app:1.4 --key release.pub --layout registry.example/app=./layout

Exit codes: 0 all accepted; 1 any rejected; 2 any unknown, or nothing could be decided.";

/// What takes the place of pinned keys.
const BY_POLICY: [&str; 2] = ["policy", "trust_policy"];

/// Decide whether images may run, by pinned keys or by policies
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The images, by tag or digest
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// A public key (PEM): one of the given keys must have signed
    #[arg(long, value_name = "FILE", required_unless_present_any = ["policy", "trust_policy"], conflicts_with_all = BY_POLICY)]
    key: Vec<PathBuf>,
    /// A policy file, or a folder of them
    #[arg(long, value_name = "FILE", conflicts_with = "trust_policy")]
    policy: Vec<PathBuf>,
    /// A trust policy of Notation for artifacts in registries; without FILE, the one in its configuration folder
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    trust_policy: Option<Option<PathBuf>>,
    /// With --trust-policy: where its trust stores are, when they are not in the folder `truststore` beside it
    #[arg(long, value_name = "DIR", requires = "trust_policy")]
    trust_store: Option<PathBuf>,
    /// With --key: how the name in a signature is compared with the image
    #[arg(long, value_enum, default_value_t = Identity::Repository, conflicts_with_all = BY_POLICY)]
    identity: Identity,
    /// With --key: an annotation that must have been signed with exactly this value
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with_all = BY_POLICY)]
    annotation: Vec<(String, String)>,
    /// With --key: the forms that count, in the order in which they are looked for; all of them unless given
    #[arg(long, value_enum, value_name = "FORM", conflicts_with_all = BY_POLICY)]
    form: Vec<Form>,
    /// With --key: an attestation of this type is asked for in place of a signature: a predicate type, or one of cosign's
    /// short names (slsaprovenance1, spdxjson, cyclonedx, vuln, openvex, custom, ...)
    #[arg(long = "attestation", value_name = "TYPE", conflicts_with_all = BY_POLICY)]
    attestation: Option<String>,
    /// With --attestation: what must stand in its predicate, by JSON pointer; the value is JSON, or else text
    #[arg(long, value_name = "POINTER=VALUE", value_parser = pair, requires = "attestation")]
    predicate: Vec<(String, String)>,
    /// With --key: where signatures lie when they do not lie beside the image
    #[arg(long, value_name = "REPOSITORY", conflicts_with_all = BY_POLICY)]
    signature_repository: Option<String>,
    /// With --key: accept an index also when every manifest that it lists is signed
    #[arg(long, conflicts_with_all = BY_POLICY)]
    leaves: bool,
    /// Seconds for each image; what is not known by then is unknown
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,
    /// Folder in which each decision is recorded, for `bulla replay`; made where it is missing
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Remember nothing of what is seen of collections of Docker Content Trust
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    sources: SourceOptions,
    #[command(flatten)]
    trust: TrustOptions,
}

impl Arguments {
    fn conditions(&self) -> Result<Conditions> {
        let mut predicate = BTreeMap::new();
        for (pointer, value) in &self.predicate {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.clone()));
            if predicate.insert(pointer.clone(), value).is_some() {
                bail!("--predicate {pointer} is given twice");
            }
        }
        Ok(Conditions {
            identity: Some(self.identity),
            annotations: self.annotation.iter().cloned().collect(),
            forms: self.form.clone(),
            signature_repository: self.signature_repository.clone(),
            attestation: self.attestation.clone(),
            predicate,
            leaves: self.leaves,
        })
    }
}

/// Decides about all images and prints the verdicts in the order in which the images were given.
///
/// # Errors
/// When keys, policies or the configuration cannot be used.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let files = match &arguments.trust_policy {
            Some(file) => of_notation(&engine, file.as_deref(), arguments).await?,
            None if arguments.policy.is_empty() => {
                policies::from_keys(&engine, &arguments.key, &arguments.conditions()?).await?
            }
            None => policies::read(&arguments.policy)?,
        };
        let loaded = files.validate(&engine).await?;
        let sources = arguments.sources.open()?;
        let trust = arguments.trust.open(&arguments.sources, sources.stats())?;
        let mut decider = Decider::new(engine.clone(), sources, loaded);
        if let Some(trust) = trust {
            decider = decider.trusting(trust);
        }
        if let Some(folder) = &arguments.record {
            decider = decider.recording(Recorder::open(folder, Options::unlimited(), &engine)?);
        }
        let deadline = Duration::from_secs(arguments.deadline);
        let mut decisions = decide_all(&decider, &arguments.images, deadline, arguments.dry_run).await;
        for decided in &mut decisions {
            record(&decider, decided).await?;
        }
        output::either(
            global.output,
            || decisions.iter().map(text).collect::<Vec<_>>().join("\n"),
            || Value::Array(decisions.iter().map(for_programs).collect()),
        );
        Ok(verdict::exit(&decisions))
    })
}

/// What Notation's trust policy says about the images, as policies.
async fn of_notation(engine: &Engine, file: Option<&Path>, arguments: &Arguments) -> Result<PolicyFiles> {
    let file = file.map_or_else(configured, |file| Ok(file.to_owned())).context("--trust-policy")?;
    let origin = Origin { file: &file, stores: arguments.trust_store.as_deref(), images: Some(&arguments.images) };
    match convert(engine, origin).await.context("--trust-policy")? {
        Ok((policies, _)) => {
            let files = policies.into_iter().map(|policy| (format!("{}.yaml", policy.name), policy.text.into()));
            Ok(PolicyFiles::given(files.collect()))
        }
        Err(fields) => {
            let shown = file.display().to_string();
            let lines: Vec<String> = fields.iter().map(|field| refusal(&shown, field)).collect();
            bail!("--trust-policy: {}", lines.join("; "))
        }
    }
}

/// Records a decision, where that was asked for.
async fn record(decider: &Decider, decided: &mut Decided) -> Result<()> {
    // What a command does with a verdict is its exit code.
    let action = if decided.outcome() == Outcome::Accept { Action::Allowed } else { Action::Denied };
    let made = Made { surface: Surface::CommandLine, action, object: None };
    let recorded = decider.record(decided, made, Instant::now() + RECORD_BUDGET).await;
    recorded.map_err(|problem| anyhow!("--record: {problem}"))
}

fn text(decided: &Decided) -> String {
    let record = decided.record.map(|id| format!("  record {id}\n")).unwrap_or_default();
    verdict::text(decided) + &record
}

fn for_programs(decided: &Decided) -> Value {
    let mut shown = decided.verdict.clone();
    if let (Some(id), Some(fields)) = (decided.record, shown.as_object_mut()) {
        fields.insert("record".to_owned(), id.to_string().into());
    }
    shown
}

/// As many at once as there are sandboxes; each has its own deadline from when its turn comes.
async fn decide_all(decider: &Decider, images: &[String], within: Duration, dry_run: bool) -> Vec<Decided> {
    let progress = Progress::after_a_second(images.len(), "images decided");
    let decisions = futures_util::stream::iter(images)
        .map(|image| async {
            let deadline = Instant::now() + within;
            let mut decided = decider.decide(image, None, deadline).await;
            if !dry_run {
                decided = decider.remember(decided, deadline).await;
            }
            progress.one();
            decided
        })
        .buffered(start::COMMAND_INSTANCES)
        .collect()
        .await;
    progress.end();
    decisions
}
