//! Replay: the same question to the same module, with the same policies and evidence. Offline.

use std::collections::HashMap;
use std::time::Instant;

use bulla_engine::{DecideError, Documents, Engine, EngineError, ModuleBytes, Options, decide_once};
use bytes::Bytes;
use tokio::sync::Mutex;

use crate::difference;
use crate::digest::Digest;
use crate::record::Outcome;
use crate::whole::{Damage, Part, Problem, Whole};

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The module gave the recorded verdict, octet by octet.
    Agrees {
        /// The verdict in one word.
        outcome: Outcome,
    },
    /// It gave another one.
    Differs {
        /// Where they part first: a JSON pointer into the answer's header; empty where only their writing differs.
        pointer: String,
        /// What the record has there.
        recorded: String,
        /// What the module says there now.
        replayed: String,
    },
    /// The host had no answer from the module when it decided, so that there is nothing to compare with.
    NoVerdict {
        /// What the host said in its place.
        summary: String,
    },
}

/// Why a record was not replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A part was tampered with, or is missing.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The module does not run here.
    #[error("the module {module} does not run here: {source}")]
    Engine {
        /// Its digest.
        module: Digest,
        /// Why.
        source: EngineError,
    },
    /// The module gave no verdict: evidence is missing in the record, or a limit of this host was reached.
    #[error("no verdict: {0}")]
    Decide(#[from] DecideError),
    /// The thread that started the module died.
    #[error("the module was not started: {0}")]
    Stopped(String),
}

/// Engines for the modules of records: each is started once.
#[derive(Debug)]
pub struct Engines {
    options: Options,
    started: Mutex<HashMap<Digest, Engine>>,
}

impl Engines {
    /// Starts modules with these options, whatever module they name.
    pub fn new(options: Options) -> Self {
        Self { options, started: Mutex::default() }
    }

    /// Uses an engine that runs already for its module.
    #[must_use]
    pub fn knowing(mut self, engine: Engine) -> Self {
        if let Ok(module) = Digest::parse(engine.module_digest()) {
            self.started.get_mut().insert(module, engine);
        }
        self
    }

    /// The engine for a module. Starting one takes seconds where it has to be compiled.
    ///
    /// # Errors
    /// [`ReplayError::Engine`] when it is none of ours, or does not run here.
    pub async fn of(&self, module: Digest, bytes: &Bytes) -> Result<Engine, ReplayError> {
        let mut started = self.started.lock().await;
        if let Some(engine) = started.get(&module) {
            return Ok(engine.clone());
        }
        let options = Options { module: ModuleBytes::Given(bytes.to_vec()), ..self.options.clone() };
        let starting = tokio::task::spawn_blocking(move || Engine::start(options)).await;
        let engine = starting
            .map_err(|error| ReplayError::Stopped(error.to_string()))?
            .map_err(|source| ReplayError::Engine { module, source })?;
        started.insert(module, engine.clone());
        Ok(engine)
    }
}

/// Decides anew, in a fresh sandbox of the module that decided, and compares the answers octet by octet.
///
/// It shows that this module, given this, says this. Whether the module deserves trust is another question: its digest is
/// in the record, and [`Whole::by_this_module`] tells whether it is this program's own.
///
/// # Errors
/// [`ReplayError`].
pub async fn replay(whole: &Whole, engines: &Engines, deadline: Instant) -> Result<Replayed, ReplayError> {
    let Some(recorded) = &whole.verdict else {
        return Ok(Replayed::NoVerdict { summary: whole.record.verdict.summary.clone() });
    };
    let Some(module) = &whole.module else {
        return Err(Damage::new(Part::Module, Problem::Missing).into());
    };
    let engine = engines.of(whole.record.module, module).await?;
    let documents = whole.policies.iter().map(|(document, bytes)| (document.name.clone(), bytes.clone()));
    let documents = Documents::new(documents).map_err(DecideError::from)?;
    let decision = decide_once(&engine, &documents, &whole.question, &whole.answered(), deadline).await?;
    if decision.verdict_bytes == **recorded {
        return Ok(Replayed::Agrees { outcome: whole.record.verdict.outcome });
    }
    let place = difference::first(recorded, &decision.verdict_bytes).unwrap_or_else(|| difference::Place {
        pointer: String::new(),
        recorded: format!("{} octets", recorded.len()),
        replayed: format!("{} octets that say the same", decision.verdict_bytes.len()),
    });
    Ok(Replayed::Differs { pointer: place.pointer, recorded: place.recorded, replayed: place.replayed })
}
