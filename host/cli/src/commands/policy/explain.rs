//! `bulla policy explain`: decides as `bulla verify` does, and says which policies speak, why, and what would change it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use bulla_engine::Engine;
use bulla_registry::Sources;
use bulla_server::{Circumstances, Decided, Decider, Outcome};
use bulla_trust::Trust;
use clap::Args;
use serde_json::{Value, json};

use super::change::{Change, change};
use super::check;
use super::documents::{Known, known, without_forms};
use crate::options::Global;
use crate::output::{self, Exit};
use crate::records::clean;
use crate::sources::{SourceOptions, TrustOptions};
use crate::verdict::{self, list, string};
use crate::{policies, start};

const EXAMPLES: &str = "\
Examples:
  bulla policy explain registry.example/app:1.4 --policy policies/
  bulla policy explain registry.example/app:1.4 --policy policies/ --namespace web --output json
  bulla policy explain registry.example/app:1.4 --policy policies/ --namespace web --user alice --break-glass 'outage 17'
  bulla policy explain registry.example/app:1.4 --policy release.yaml --layout registry.example/app=./layout

The change at the end follows from the reasons of the first policy that refuses. It is one of several that are possible, and
whether it is right to make it, nobody but you can say. Where several policies refuse, each needs its own.

Exit codes: 0 accepted; 1 rejected; 2 unknown, or nothing could be decided.";

/// Decide about an image, and say which policies speak, why, and one change that would make it pass
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The image, by tag or digest
    #[arg(value_name = "IMAGE")]
    image: String,
    /// A policy file, or a folder of them
    #[arg(long, value_name = "FILE", required = true)]
    policy: Vec<PathBuf>,
    /// The Kubernetes namespace that is asked for
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// What is done to the Kubernetes object that names the image
    #[arg(long, value_name = "OPERATION", value_parser = ["CREATE", "UPDATE"])]
    operation: Option<String>,
    /// A label of that object; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Who asks the API server for it
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A group of that user; may be repeated
    #[arg(long = "group", value_name = "NAME", requires = "user")]
    groups: Vec<String>,
    /// Ask as an object with the annotation bulla.dev/break-glass
    #[arg(long, value_name = "REASON", requires = "user")]
    break_glass: Option<String>,
    /// Seconds for a decision; what is not known by then is unknown
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,
    #[command(flatten)]
    sources: SourceOptions,
    #[command(flatten)]
    trust: TrustOptions,
}

/// Decides and explains.
///
/// # Errors
/// When policies or the configuration cannot be used.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let files = policies::read(&arguments.policy)?;
    let engine = start::engine(global)?;
    let sources = arguments.sources.open()?;
    let trust = arguments.trust.open(&arguments.sources, sources.stats())?;
    start::runtime()?.block_on(async {
        let asking = Asking { engine: &engine, sources, trust, arguments };
        let loaded = match check::validated(&engine, files.clone()).await? {
            Ok(loaded) => loaded,
            Err(invalid) => {
                invalid.say(global.output);
                return Ok(Exit::Failed);
            }
        };
        let decided = asking.decide(loaded).await;
        let known = known(&files)?;
        let mut change = change(&arguments.image, &decided.verdict, &known);
        if let Some((policy, signer)) = change.as_ref().and_then(|change| change.forms.clone()) {
            // Whether the form is what is missing shows a decision that counts every form.
            let loaded = without_forms(&files, &policy, &signer)?.validate(&engine).await?;
            let otherwise = asking.decide(loaded).await;
            if satisfied(&otherwise, &policy) {
                let pinned = known.iter().find(|one| one.name == policy).and_then(|one| one.forms(&signer));
                change = Some(Change::form(&policy, &signer, &pinned.unwrap_or_default()));
            }
        }
        let silent = silent(&known, &decided);
        output::either(
            global.output,
            || text(&decided, &silent, change.as_ref()),
            || for_programs(&decided, &silent, change.as_ref()),
        );
        Ok(verdict::exit([&decided]))
    })
}

struct Asking<'a> {
    engine: &'a Engine,
    sources: Sources,
    trust: Option<Trust>,
    arguments: &'a Arguments,
}

impl Asking<'_> {
    async fn decide(&self, loaded: bulla_server::Loaded) -> Decided {
        let mut decider = Decider::new(self.engine.clone(), self.sources.clone(), loaded);
        if let Some(trust) = &self.trust {
            decider = decider.trusting(trust.clone());
        }
        let until = Instant::now() + Duration::from_secs(self.arguments.deadline);
        decider.decide_in(&self.arguments.image, &self.arguments.circumstances(), until).await
    }
}

impl Arguments {
    /// What the question tells; an object without labels is not asked about here.
    fn circumstances(&self) -> Circumstances {
        Circumstances {
            namespace: self.namespace.clone(),
            operation: self.operation.clone(),
            labels: (!self.labels.is_empty()).then(|| self.labels.iter().cloned().collect()),
            user: self.user.as_ref().map(|name| json!({"name": name, "groups": self.groups})),
            break_glass: self.break_glass.clone(),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is no label: expected NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn satisfied(decided: &Decided, policy: &str) -> bool {
    let mut policies = list(&decided.verdict, "policies").iter();
    let one = policies.find(|one| string(one, "policy") == Some(policy));
    one.and_then(|one| one.pointer("/tree/outcome")).and_then(Value::as_str) == Some(Outcome::Accept.name())
}

/// The policies that have no say about this image.
fn silent<'k>(known: &'k [Known], decided: &Decided) -> Vec<&'k Known> {
    let policies = list(&decided.verdict, "policies");
    let speaks = |one: &Known| policies.iter().any(|policy| string(policy, "policy") == Some(&one.name));
    known.iter().filter(|one| !speaks(one)).collect()
}

fn text(decided: &Decided, silent: &[&Known], change: Option<&Change>) -> String {
    let mut out = verdict::text(decided);
    for one in silent {
        verdict::line(&mut out, 1, &format!("· policy {} does not match: {}", clean(&one.name), clean(&one.matches())));
    }
    if let Some(change) = change {
        out.push_str(&format!("one change: {}\n", clean(&change.what)));
        if let Some(command) = &change.command {
            verdict::line(&mut out, 1, &clean(command));
        }
    }
    out
}

fn for_programs(decided: &Decided, silent: &[&Known], change: Option<&Change>) -> Value {
    let silent: Vec<Value> = silent
        .iter()
        .map(|one| json!({"policy": one.name, "document": one.document, "match": one.spec("match")}))
        .collect();
    let change = change.map(|change| json!({"what": change.what, "command": change.command}));
    json!({"verdict": decided.verdict, "notMatching": silent, "change": change})
}
