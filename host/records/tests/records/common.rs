//! Decisions to record: invented ones, and those of the shared vectors, made by the engine.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs};

use base64::Engine as _;
use bulla_engine::abi::{Evidence, Outcome};
use bulla_engine::{Answered, Documents, Engine, Options as EngineOptions, decide_once};
use bulla_records::{Action, Digest, Draft, Engines, Made, Options, Policies, Store, Surface, Written};
use bytes::Bytes;
use serde_json::{Value, json};

/// A decision with everything that it rests on.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) question: Value,
    pub(crate) documents: Vec<(String, Bytes)>,
    pub(crate) evidence: Vec<Answered>,
    pub(crate) verdict: Value,
    pub(crate) verdict_bytes: Vec<u8>,
    pub(crate) module: Digest,
}

impl Case {
    pub(crate) fn policies(&self) -> Policies {
        let documents = self.documents.iter().map(|(name, bytes)| (name.as_str(), bytes.clone()));
        Policies::new(documents).expect("names have a canonical form")
    }

    pub(crate) fn write(&self, store: &Store) -> Written {
        self.write_with(store, &self.policies())
    }

    pub(crate) fn write_with(&self, store: &Store, policies: &Policies) -> Written {
        store.write(&self.draft(policies)).expect("written")
    }

    pub(crate) fn draft<'a>(&'a self, policies: &'a Policies) -> Draft<'a> {
        Draft {
            question: &self.question,
            policies,
            evidence: &self.evidence,
            module: self.module,
            verdict: &self.verdict,
            verdict_bytes: &self.verdict_bytes,
            made: Made { surface: Surface::Webhook, action: Action::Denied, object: Some("Pod team-a/app".into()) },
            break_glass: None,
        }
    }
}

/// A decision that nobody took: evidence of every kind, one policy.
pub(crate) fn invented(number: u64, evidence: Bytes) -> Case {
    let outcomes = [
        Outcome::Found { blob: 0, media_type: Some("application/json".into()) },
        Outcome::Digest { digest: "sha256:00".into() },
        Outcome::Absent,
        Outcome::TooLarge { got: u64::MAX },
        Outcome::Failed { reason: "registry.example: connection refused".into() },
    ];
    let answer = |(index, outcome): (usize, Outcome)| {
        let bytes = matches!(outcome, Outcome::Found { .. }).then(|| evidence.clone());
        (Evidence { need: format!("need {index}"), outcome }, bytes)
    };
    let verdict = json!({"outcome": "reject", "digest": "sha256:00", "summary": format!("rejected: {number}")});
    let verdict_bytes = json!({"ok": {"verdict": verdict}}).to_string().into_bytes();
    Case {
        name: number.to_string(),
        question: json!({"image": format!("registry.example/app:{number}"), "now": 1_767_225_600}),
        documents: vec![("policy.yaml".into(), "rules".into())],
        evidence: outcomes.into_iter().enumerate().map(answer).collect(),
        verdict,
        verdict_bytes,
        module: Digest::of(b"no module"),
    }
}

/// Options for tests: the module's code is compiled once for all of them.
pub(crate) fn engine_options() -> EngineOptions {
    let cache_dir = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tests-cache").into());
    EngineOptions { cache_dir, instances: 4, ..EngineOptions::default() }
}

pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::start(engine_options()).expect("the embedded module"))
}

pub(crate) fn engines() -> Engines {
    Engines::new(engine_options())
}

/// A machine that builds for others beside the tests is slow.
pub(crate) fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime").block_on(work)
}

pub(crate) fn open(folder: &Path) -> Store {
    let store = Store::open(folder, Options::default()).expect("a folder of ours");
    store.keep(bulla_engine::EMBEDDED).expect("written");
    store
}

/// The decision of a vector, taken by the engine; `None` where the vector is not about one that ends in a verdict.
pub(crate) async fn vector(name: &str) -> Option<Case> {
    let file = vectors().join(format!("{name}.json"));
    let vector: Value = serde_json::from_slice(&fs::read(&file).expect("a vector")).expect("JSON");
    let header = vector.get("header").filter(|_| vector["operation"] == "decide" && vector["message"].is_null())?;
    let blobs: Vec<Bytes> = list(&vector["blobs"]).iter().map(|recipe| bytes(recipe).into()).collect();
    let mut documents = Vec::new();
    for document in list(&header["documents"]) {
        documents.push((document["name"].as_str()?.to_owned(), blob(&blobs, document.get("blob"))?));
    }
    let mut evidence = Vec::new();
    for entry in list(&header["evidence"]) {
        let parsed: Evidence = serde_json::from_value(entry.clone()).ok()?;
        let found = matches!(parsed.outcome, Outcome::Found { .. });
        evidence.push((parsed, if found { Some(blob(&blobs, entry.get("blob"))?) } else { None }));
    }
    let question = header.get("question")?.clone();
    let loaded = Documents::new(documents.clone()).expect("serialisable");
    let decision = decide_once(engine(), &loaded, &question, &evidence, deadline()).await.ok()?;
    Some(Case {
        name: name.to_owned(),
        question,
        documents,
        evidence,
        verdict: decision.verdict,
        verdict_bytes: decision.verdict_bytes,
        module: Digest::parse(engine().module_digest()).expect("a digest"),
    })
}

pub(crate) fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

/// The names of all vectors.
pub(crate) fn all_vectors() -> Vec<String> {
    let entries = |folder: &Path| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut names = Vec::new();
    for area in entries(&vectors()).filter(|area| area.is_dir()) {
        for file in entries(&area) {
            let stem = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
            names.push(format!("{}/{}", stem(&area), stem(&file)));
        }
    }
    names.sort();
    names
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn blob(blobs: &[Bytes], index: Option<&Value>) -> Option<Bytes> {
    blobs.get(usize::try_from(index?.as_u64()?).ok()?).cloned()
}

/// The octets that a recipe describes (tests/src/recipe.rs).
fn bytes(recipe: &Value) -> Vec<u8> {
    let (kind, value) = recipe.as_object().and_then(|recipe| recipe.iter().next()).expect("a recipe");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    match kind.as_str() {
        "text" => text(value).into_bytes(),
        "lines" => list(value).iter().map(|line| text(line) + "\n").collect::<String>().into_bytes(),
        "json" => value.to_string().into_bytes(),
        "base64" => base64::engine::general_purpose::STANDARD.decode(text(value)).expect("base64"),
        "repeat" => {
            let rounds = 0..value["count"].as_u64().expect("a count");
            let rounds: Vec<_> = rounds.map(|n| text(&value["text"]).replace("{n}", &format!("{n:04}"))).collect();
            rounds.join(value["separator"].as_str().unwrap_or_default()).into_bytes()
        }
        "concat" => list(value).iter().flat_map(bytes).collect(),
        other => panic!("a recipe of the kind {other:?}"),
    }
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
