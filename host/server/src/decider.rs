//! From an image to a verdict, for every surface: the policies in force, the sources, the sandbox, the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bulla_engine::{Engine, decide};
use bulla_records::{Action, BreakGlass, Digest, Made};
use bulla_registry::{Source, Sources};
use bulla_trust::{Kept, State, Trust};
use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};
use tracing::{error, info};

use crate::clock;
use crate::metrics::{Metrics, Surface};
use crate::policies::Loaded;
use crate::recorder::{Basis, Recorded, Recorder};

/// Wall time to write what is to be remembered, however late it is.
const REMEMBER_AT_LEAST: Duration = Duration::from_millis(250);

/// Decides about images. Everything it says comes from the module; it says *unknown* itself when there is no verdict.
#[derive(Debug)]
pub struct Decider {
    engine: Engine,
    sources: Sources,
    trust: Option<Trust>,
    loaded: ArcSwap<Loaded>,
    metrics: Arc<Metrics>,
    recorder: Option<Recorder>,
}

/// A verdict, and what it took.
#[derive(Debug, Clone)]
pub struct Decided {
    /// What stands under `verdict` in the module's answer: `outcome`, `image`, `digest`, `pinned`, `summary`, …
    pub verdict: Value,
    /// The answer's header, octet by octet as the module wrote it; empty when there was no answer.
    pub bytes: Vec<u8>,
    /// How often evidence was supplied.
    pub rounds: u32,
    /// Needs that were answered.
    pub needs: u32,
    /// Wall time.
    pub took: Duration,
    /// The policy generation that it rests on.
    pub generation: Arc<str>,
    /// The id of its record, once there is one.
    pub record: Option<Digest>,
    /// What was asked and with what; `None` where nobody waited for the end of it.
    pub(crate) basis: Option<Basis>,
}

/// What a verdict says, in the words of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The image may run.
    Accept,
    /// It may not.
    Reject,
    /// It is not known.
    Unknown,
}

impl Outcome {
    /// The word used in verdicts, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Unknown => "unknown",
        }
    }
}

/// What was asked, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) surface: Surface,
    pub(crate) image: &'a str,
    /// The Kubernetes namespace, object and dry run; empty and false for a pull.
    pub(crate) namespace: &'a str,
    pub(crate) object: &'a str,
    /// What else the question says about the object.
    pub(crate) circumstances: &'a Circumstances,
    pub(crate) dry_run: bool,
}

/// What is known about the Kubernetes object that names an image, as the module found it; nothing for a pull.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Circumstances {
    /// Its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What is done to it: `CREATE` or `UPDATE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Its labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Who asks: `{"name", "groups"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Value>,
    /// Why the glass is to be broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<String>,
}

/// What the module is asked: this, and nothing else of the object that the image was named in.
fn question(image: &str, circumstances: &Circumstances) -> Value {
    #[derive(Serialize)]
    struct Question<'q> {
        image: &'q str,
        now: i64,
        #[serde(flatten)]
        circumstances: &'q Circumstances,
    }
    json!(Question { image, now: clock::now(), circumstances })
}

/// The first 12 digits: enough to tell two apart in a log.
fn prefix(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

impl Decider {
    /// Decides with these policies, until [`replace`](Self::replace) gives others.
    pub fn new(engine: Engine, sources: Sources, loaded: Loaded) -> Self {
        let metrics = Arc::new(Metrics::new());
        Self { engine, sources, trust: None, loaded: ArcSwap::from_pointee(loaded), metrics, recorder: None }
    }

    /// Asks Notary servers from now on, and remembers what was seen there.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// Records decisions from now on.
    #[must_use]
    pub fn recording(self, recorder: Recorder) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// Decides about one image. Always answers, at the latest shortly after `deadline`; a sandbox that failed, a limit or
    /// too much to do give an *unknown* verdict that says so.
    pub async fn decide(&self, image: &str, namespace: Option<&str>, deadline: Instant) -> Decided {
        let circumstances = Circumstances { namespace: namespace.map(str::to_owned), ..Circumstances::default() };
        self.decide_in(image, &circumstances, deadline).await
    }

    /// The same about an image that a Kubernetes object names.
    pub async fn decide_in(&self, image: &str, circumstances: &Circumstances, deadline: Instant) -> Decided {
        self.answer(image, question(image, circumstances), self.loaded(), deadline).await
    }

    async fn answer(&self, image: &str, question: Value, loaded: Arc<Loaded>, deadline: Instant) -> Decided {
        let begun = Instant::now();
        let layered = self.trust.as_ref().map(|trust| trust.beside(&self.sources));
        let sources: &dyn Source = layered.as_ref().map_or(&self.sources, |layered| layered);
        let decision = decide(&self.engine, loaded.documents(), &question, sources, deadline).await;
        let generation = loaded.generation().clone();
        let basis = |evidence| Some(Basis { question, loaded, evidence });
        match decision {
            Ok(decision) => Decided {
                basis: basis(decision.evidence),
                record: None,
                verdict: decision.verdict,
                bytes: decision.verdict_bytes,
                rounds: decision.rounds,
                needs: decision.needs,
                took: begun.elapsed(),
                generation,
            },
            Err(error) => Decided {
                basis: basis(Vec::new()),
                ..Decided::unknown(image, &error.to_string(), begun.elapsed(), generation)
            },
        }
    }

    /// Remembers what a decision says is to be remembered of collections of Docker Content Trust. Gives the decision that counts:
    /// an unknown one in place of an accept where that cannot be kept, because then an older role file could be believed next time;
    /// one made anew where others have seen newer ones since. Not for dry runs.
    pub async fn remember(&self, decided: Decided, deadline: Instant) -> Decided {
        let (decided, kept) = self.keep(decided, deadline).await;
        let (Kept::Superseded, Some(basis)) = (kept, &decided.basis) else { return decided };
        let image = decided.text("image").unwrap_or_default().to_owned();
        let again = self.answer(&image, basis.question.clone(), Arc::clone(&basis.loaded), deadline).await;
        match self.keep(again, deadline).await {
            (again, Kept::Superseded) if again.outcome() == Outcome::Accept => {
                let reason = "others see newer role files of its collection all the time";
                Decided::unknown(&image, reason, again.took, again.generation)
            }
            (again, _) => again,
        }
    }

    async fn keep(&self, decided: Decided, deadline: Instant) -> (Decided, Kept) {
        let Some(told) = decided.verdict.get("remember").filter(|told| !told.is_null()) else {
            return (decided, Kept::Newest);
        };
        let states = BTreeMap::<String, State>::deserialize(told).map_err(|error| error.to_string());
        let kept = match (&self.trust, states) {
            (Some(trust), Ok(states)) => {
                let within = deadline.saturating_duration_since(Instant::now()).max(REMEMBER_AT_LEAST);
                tokio::time::timeout(within, trust.remember(states))
                    .await
                    .unwrap_or_else(|_| Err(format!("not written within {} ms", within.as_millis())))
            }
            (None, Ok(_)) => Err("this host remembers nothing".to_owned()),
            (_, Err(problem)) => Err(problem),
        };
        let problem = match kept {
            Ok(kept) => return (decided, kept),
            Err(problem) => problem,
        };
        let image = decided.text("image").unwrap_or_default().to_owned();
        error!(image, problem, "what was seen of a collection is not remembered");
        if decided.outcome() != Outcome::Accept {
            return (decided, Kept::Newest);
        }
        let reason = format!("what was seen of its collection cannot be remembered: {problem}");
        (Decided::unknown(&image, &reason, decided.took, decided.generation), Kept::Newest)
    }

    /// Records a decision, where records are kept and it is no dry run; counts it and logs it. Gives the decision that
    /// counts: an unknown one where a record is required and there is none.
    pub(crate) async fn conclude(
        &self,
        asked: &Asked<'_>,
        mut decided: Decided,
        action: Action,
        deadline: Instant,
    ) -> Decided {
        let is_glass_broken = decided.broken_glass().is_some();
        if is_glass_broken && self.recorder.is_none() && !asked.dry_run {
            let reason = "somebody has broken the glass, which takes a record, and none are kept: configure `records`";
            decided = Decided::unknown(asked.image, reason, decided.took, decided.generation);
        }
        if let Some(recorder) = self.recorder.as_ref().filter(|_| !asked.dry_run) {
            let object = Some(asked.object).filter(|object| !object.is_empty()).map(str::to_owned);
            let made = Made { surface: asked.surface.recorded(), action, object };
            if decided.basis.is_none() {
                let question = question(asked.image, asked.circumstances);
                decided.basis = Some(Basis { question, loaded: self.loaded(), evidence: Vec::new() });
            }
            if let Err(problem) = self.record(&mut decided, made, deadline).await {
                error!(image = asked.image, problem, "a decision was not recorded");
                if recorder.is_required() || is_glass_broken {
                    let reason = "this decision could not be recorded, and it has to be";
                    decided = Decided::unknown(asked.image, reason, decided.took, decided.generation);
                }
            }
        }
        self.note(asked, &decided);
        decided
    }

    /// Records a decision of this decider, and gives the record's id to it. Nothing happens where no records are kept.
    ///
    /// # Errors
    /// A sentence: why there is no record.
    pub async fn record(&self, decided: &mut Decided, made: Made, deadline: Instant) -> Result<(), String> {
        let (Some(recorder), Some(basis)) = (&self.recorder, decided.basis.take()) else { return Ok(()) };
        let (verdict, bytes) = (decided.verdict.clone(), decided.bytes.clone());
        let recorded = Recorded { basis, verdict, bytes, made, break_glass: decided.broken_glass() };
        decided.record = Some(recorder.write(recorded, deadline).await?);
        Ok(())
    }

    /// Counts a decision and logs it: one line, the same fields wherever it was asked.
    fn note(&self, asked: &Asked<'_>, decided: &Decided) {
        self.metrics.decided(asked.surface, decided);
        if !asked.dry_run && decided.broken_glass().is_some() {
            self.metrics.glass_broken();
        }
        info!(
            target: "bulla::decision",
            surface = asked.surface.name(),
            image = asked.image,
            digest = decided.digest(),
            outcome = decided.outcome().name(),
            summary = decided.summary(),
            rounds = decided.rounds,
            needs = decided.needs,
            millis = u64::try_from(decided.took.as_millis()).unwrap_or(u64::MAX),
            policies = prefix(&decided.generation),
            module = prefix(self.engine.module_digest()),
            namespace = asked.namespace,
            object = asked.object,
            dry_run = asked.dry_run,
            glass_broken = decided.broken_glass().map(|glass| glass.by),
            record = decided.record.map(|id| id.to_string()),
            "decided",
        );
    }

    /// The policies in force now.
    pub fn loaded(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// Puts other policies in force. Decisions that are under way end with those that they began with.
    pub fn replace(&self, loaded: Loaded) {
        self.loaded.store(Arc::new(loaded));
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The sources of evidence.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What records decisions, if anything does.
    pub fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}

impl Decided {
    /// A verdict for when the module gave none.
    pub(crate) fn unknown(image: &str, reason: &str, took: Duration, generation: Arc<str>) -> Self {
        let verdict = json!({
            "outcome": Outcome::Unknown.name(),
            "image": image,
            "repository": null,
            "digest": null,
            "pinned": null,
            "summary": format!("unknown: {reason}"),
            "policies": [],
            "reasons": [],
            "warnings": [],
            "otherForms": [],
        });
        Self { verdict, bytes: Vec::new(), rounds: 0, needs: 0, took, generation, record: None, basis: None }
    }

    /// The outcome. A word that this host does not know is unknown, never an accept.
    pub fn outcome(&self) -> Outcome {
        match self.text("outcome") {
            Some("accept") => Outcome::Accept,
            Some("reject") => Outcome::Reject,
            _ => Outcome::Unknown,
        }
    }

    /// The digest that was decided about, once it was settled.
    pub fn digest(&self) -> Option<&str> {
        self.text("digest")
    }

    /// The reference to run instead, pinned to its digest.
    pub fn pinned(&self) -> Option<&str> {
        self.text("pinned")
    }

    /// `registry/repository`, normalised.
    pub fn repository(&self) -> Option<&str> {
        self.text("repository")
    }

    /// One line for people.
    pub fn summary(&self) -> &str {
        self.text("summary").unwrap_or("the module gave no summary")
    }

    /// What policies in mode `warn` have to say.
    pub fn warnings(&self) -> Vec<&str> {
        let list = self.verdict.get("warnings").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Whether a reason of this code stands in the verdict itself, not in one of its policies.
    pub(crate) fn has_reason(&self, code: &str) -> bool {
        let reasons = self.verdict.get("reasons").and_then(Value::as_array);
        reasons.into_iter().flatten().any(|reason| reason.get("code").and_then(Value::as_str) == Some(code))
    }

    /// Who has broken the glass, and why, where the image is accepted because of that.
    pub(crate) fn broken_glass(&self) -> Option<BreakGlass> {
        let policies = self.verdict.get("policies").and_then(Value::as_array)?;
        let decides = |policy: &&Value| policy.get("mode").and_then(Value::as_str) == Some("enforce");
        let is_broken = |tree: &&Value| tree.get("broken").and_then(Value::as_bool) == Some(true);
        let mut trees = policies.iter().filter(decides).filter_map(|policy| policy.get("tree"));
        let tree = trees.find(is_broken).filter(|_| self.outcome() == Outcome::Accept)?;
        let text = |field: &str| tree.get(field).and_then(Value::as_str).unwrap_or_default();
        let by = text("rule").trim_start_matches("glass broken by ").to_owned();
        Some(BreakGlass { by, reason: text("exempted").to_owned() })
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.verdict.get(field).and_then(Value::as_str)
    }
}
