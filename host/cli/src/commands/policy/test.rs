//! `bulla policy test`: cases beside policies, each decided by the module from what the case gives. No network.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bulla_engine::{Documents, Engine, Source, decide};
use bulla_registry::Layout;
use bulla_server::{Loaded, PolicyFiles};
use clap::Args;
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};

use super::cases::{Case, Cases, Holds};
use super::check::{self, Invalid};
use super::found;
use super::given::{self, Given};
use super::keys::{self, Throwaway};
use super::made::{self, Scene};
use crate::options::Global;
use crate::output::{self, Exit};
use crate::records::{Folder, clean};
use crate::verdict::{list, string};
use crate::{policies, start};

const EXAMPLES: &str = "\
Examples:
  bulla policy test policies/
  bulla policy test policies/release.yaml
  bulla policy test policies/tests/release.yaml --output json

Cases of `policies/release.yaml` are in `policies/tests/release.yaml` (docs/policy-tests.md):

  cases:
    - name: signed by the release key
      image: registry.example/team/app:1
      signed: [{by: release}]
      expect: accept
    - name: signed by somebody else
      image: registry.example/team/app:1
      signed: [{by: stranger}]
      expect: reject
      reason: other-key

Exit codes: 0 every case gives what it expects; 1 one does not, or a policy is not valid; 2 a file cannot be used.";

/// Wall time of one decision. Nothing is fetched: it is calculation, on a machine that may be busy.
const BUDGET: Duration = Duration::from_secs(60);
/// Cases that are decided at once: as many as processors are usual.
const AT_ONCE: usize = 4;

/// Run the cases beside policies, without any network
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Policies with cases beside them, files of cases, or folders that are searched for `tests/*.yaml`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What came of one case.
#[derive(Debug)]
struct Tried {
    file: PathBuf,
    name: String,
    expected: &'static str,
    /// The verdict; an error where there is none.
    got: Result<Value, String>,
    /// How it differs from what was expected.
    differences: Vec<String>,
}

/// Runs all cases.
///
/// # Errors
/// When a file cannot be read or the module cannot be asked.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let files = found::cases(&arguments.paths)?;
    let read = files.with_cases.iter().map(|file| Ok((file, Cases::read(file)?))).collect::<Result<Vec<_>>>()?;
    let engine = start::engine(global)?;
    let tried = start::runtime()?.block_on(async {
        let mut tried = Vec::new();
        for (file, cases) in &read {
            match Tests::new(&engine, file, cases).await? {
                Ok(tests) => {
                    let each = cases.cases.iter().map(|case| tests.run(case));
                    let done: Vec<Tried> = futures_util::stream::iter(each).buffered(AT_ONCE).collect().await;
                    tried.extend(done);
                }
                Err(invalid) => {
                    invalid.say(global.output);
                    return Ok(None);
                }
            }
        }
        anyhow::Ok(Some(tried))
    })?;
    let Some(tried) = tried else { return Ok(Exit::Rejected) };
    output::either(global.output, || text(&tried, &files.without), || for_programs(&tried, &files.without));
    Ok(if tried.iter().all(Tried::passed) { Exit::Done } else { Exit::Rejected })
}

/// The policies that the cases of one file are about.
struct Tests<'t> {
    engine: &'t Engine,
    file: &'t Path,
    /// As they are, or with the keys that the file gives.
    loaded: Loaded,
    /// With throw-away keys, where a case signs.
    signing: Option<(Throwaway, Loaded)>,
}

impl<'t> Tests<'t> {
    /// Inside, what is wrong with the policy.
    async fn new(engine: &'t Engine, file: &'t Path, cases: &Cases) -> Result<Result<Self, Invalid>> {
        let policy = cases.policy(file)?;
        let files = policies::read(std::slice::from_ref(&policy))?;
        // As it stands first: other keys must not hide what is wrong with its own.
        if let Err(invalid) = check::validated(engine, files.clone()).await? {
            return Ok(Err(invalid));
        }
        let named = || file.display().to_string();
        let with_keys = keys::given(&files, &cases.keys, file).with_context(named)?;
        let signing = if cases.cases.iter().any(|case| matches!(case.holds(file), Ok(Holds::Made { .. }))) {
            let throwaway = Throwaway::of(engine, &files).await.with_context(named)?;
            let loaded = valid(engine, throwaway.files.clone()).await.with_context(named)?;
            Some((throwaway, loaded))
        } else {
            None
        };
        let loaded = valid(engine, with_keys).await.with_context(named)?;
        Ok(Ok(Self { engine, file, loaded, signing }))
    }

    async fn run(&self, case: &Case) -> Tried {
        let got = self.decide(case).await.map_err(|error| format!("{error:#}"));
        let differences = match &got {
            Ok(verdict) => differences(case, verdict),
            Err(error) => vec![error.clone()],
        };
        Tried { file: self.file.to_owned(), name: case.name.clone(), expected: case.expect.word(), got, differences }
    }

    async fn decide(&self, case: &Case) -> Result<Value> {
        let now = case.now.unwrap_or_else(bulla_server::now);
        let mut question = Map::new();
        let mut documents = self.loaded.documents();
        let image = case.image.as_deref().unwrap_or_default();
        let made;
        let (given, source): (Given, &dyn Source);
        match case.holds(self.file)? {
            Holds::Made { signed, platforms } => {
                let Some((keys, loaded)) = &self.signing else { bail!("no keys to sign with") };
                documents = loaded.documents();
                made = made::registry(self.engine, keys, Scene { image, now, signed, platforms }).await?;
                source = &made.source;
            }
            Holds::Answers(answers) => {
                given = Given::answers(answers);
                source = &given;
            }
            Holds::Record(file) => {
                if !file.is_file() {
                    bail!("{}: no such file", file.display());
                }
                let nowhere = Folder { records: PathBuf::new() };
                let whole = nowhere.whole(&file.to_string_lossy())?;
                question.extend(whole.question.as_object().cloned().unwrap_or_default());
                let entries = whole.evidence.iter();
                let answer = |(entry, bytes): &(_, Option<_>)| given::fetched(entry, bytes.as_ref());
                given = Given::answers(entries.map(|both| (both.0.need.clone(), answer(both))));
                source = &given;
            }
            Holds::Layout(folder) => {
                let (repository, _) = made::named(self.engine, image).await?;
                given = Given::layout(&repository, Layout::open(&folder)?);
                source = &given;
            }
        }
        // What a case says stands above what its record was asked.
        if case.now.is_some() || !question.contains_key("now") {
            question.insert("now".to_owned(), now.into());
        }
        question.extend(case.image.as_ref().map(|image| ("image".to_owned(), image.as_str().into())));
        question.extend(case.namespace.as_ref().map(|name| ("namespace".to_owned(), name.as_str().into())));
        question.extend(case.question.clone());
        decided(self.engine, documents, &question.into(), source).await
    }
}

/// What the module says, from this evidence.
///
/// # Errors
/// When it says nothing.
pub(super) async fn decided(
    engine: &Engine,
    documents: &Documents,
    question: &Value,
    source: &dyn Source,
) -> Result<Value> {
    Ok(decide(engine, documents, question, source, Instant::now() + BUDGET).await?.verdict)
}

async fn valid(engine: &Engine, files: PolicyFiles) -> Result<Loaded> {
    files.validate(engine).await.context("with the keys of its cases the policy is not valid")
}

fn differences(case: &Case, verdict: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let (expected, got) = (case.expect.word(), string(verdict, "outcome").unwrap_or("unknown"));
    if expected != got {
        differences.push(format!("expected {expected}, got {got}"));
    }
    let reasons = reasons(verdict);
    if let Some(code) = &case.reason
        && !reasons.iter().any(|reason| string(reason, "code") == Some(code))
    {
        let mut codes: Vec<&str> = reasons.iter().filter_map(|reason| string(reason, "code")).collect();
        codes.sort_unstable();
        codes.dedup();
        let codes = if codes.is_empty() { "no reason".to_owned() } else { codes.join(", ") };
        differences.push(format!("expected the reason {code}, got {codes}"));
    }
    if let Some(text) = &case.text {
        let warnings = list(verdict, "warnings").iter().filter_map(Value::as_str);
        let mut said = reasons.iter().filter_map(|reason| string(reason, "message"));
        let summary = string(verdict, "summary").unwrap_or_default();
        if !summary.contains(text)
            && !said.any(|said| said.contains(text))
            && !warnings.clone().any(|w| w.contains(text))
        {
            differences.push(format!("expected the text {text:?}"));
        }
    }
    if !differences.is_empty() {
        differences.push(string(verdict, "summary").unwrap_or("no summary").to_owned());
    }
    differences
}

/// Every reason in a verdict, wherever it stands.
pub(super) fn reasons(verdict: &Value) -> Vec<&Value> {
    fn below<'v>(node: &'v Value, all: &mut Vec<&'v Value>) {
        all.extend(list(node, "reasons"));
        list(node, "of").iter().for_each(|part| below(part, all));
    }
    let mut all: Vec<&Value> = list(verdict, "reasons").iter().collect();
    list(verdict, "policies").iter().filter_map(|policy| policy.get("tree")).for_each(|tree| below(tree, &mut all));
    all
}

impl Tried {
    fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

fn text(tried: &[Tried], without: &[PathBuf]) -> String {
    let mut lines = Vec::new();
    for one in tried {
        let mark = if one.passed() { "✓" } else { "✗" };
        lines.push(format!("{mark} {}: {}", one.file.display(), clean(&one.name)));
        lines.extend(one.differences.iter().map(|difference| format!("    {}", clean(difference))));
    }
    lines.extend(without.iter().map(|file| format!("· {}: no cases", file.display())));
    let failed = tried.iter().filter(|one| !one.passed()).count();
    let passed = tried.len().saturating_sub(failed);
    lines.push(format!("{passed} passed, {failed} failed"));
    lines.join("\n")
}

fn for_programs(tried: &[Tried], without: &[PathBuf]) -> Value {
    let cases: Vec<Value> = tried
        .iter()
        .map(|one| {
            json!({
                "file": one.file,
                "name": one.name,
                "passed": one.passed(),
                "expected": one.expected,
                "got": one.got.as_ref().ok().and_then(|verdict| string(verdict, "outcome")),
                "differences": one.differences,
                "verdict": one.got.as_ref().ok(),
            })
        })
        .collect();
    let failed = tried.iter().filter(|one| !one.passed()).count();
    json!({"cases": cases, "passed": tried.len().saturating_sub(failed), "failed": failed, "withoutCases": without})
}
