//! Records of decisions, written beside the answer (docs/records.md).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bulla_engine::{Answered, Engine};
use bulla_records::{BreakGlass, Digest, Draft, Made, Options, Store, StoreError};
use serde_json::Value;

use crate::config::RecordsConfig;
use crate::policies::Loaded;

/// Wall time that writing a record has at least, however little is left: a flush to disk.
const AT_LEAST: Duration = Duration::from_millis(250);

/// Writes records for a decider.
#[derive(Debug)]
pub struct Recorder {
    store: Arc<Store>,
    module: Digest,
    required: bool,
}

/// What a verdict rests on.
#[derive(Debug, Clone)]
pub(crate) struct Basis {
    pub(crate) question: Value,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) evidence: Vec<Answered>,
}

/// A verdict that is to be recorded.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) basis: Basis,
    pub(crate) verdict: Value,
    pub(crate) bytes: Vec<u8>,
    pub(crate) made: Made,
    pub(crate) break_glass: Option<BreakGlass>,
}

impl Recorder {
    /// Opens the folder, or makes it, and keeps the engine's module there. It blocks on the file system.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path, options: Options, engine: &Engine) -> Result<Self, StoreError> {
        let store = Arc::new(Store::open(folder, options)?);
        let module = store.keep(engine.module())?;
        Ok(Self { store, module, required: false })
    }

    /// As a configuration says.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn configured(config: &RecordsConfig, engine: &Engine) -> Result<Self, StoreError> {
        Ok(Self { required: config.required, ..Self::open(&config.folder, config.options(), engine)? })
    }

    /// Whether an image is unknown when its decision cannot be recorded.
    pub const fn is_required(&self) -> bool {
        self.required
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Writes a record on a thread that may block. Where that takes too long nobody waits for it, and it may be there all
    /// the same: a record too many.
    ///
    /// # Errors
    /// A sentence: why there is none.
    pub(crate) async fn write(&self, recorded: Recorded, deadline: Instant) -> Result<Digest, String> {
        let (store, module) = (self.store.clone(), self.module);
        let begun = Instant::now();
        let within = deadline.saturating_duration_since(begun).max(AT_LEAST);
        let writing = tokio::task::spawn_blocking(move || {
            let Recorded { basis, verdict, bytes, made, break_glass } = recorded;
            let policies = basis.loaded.recorded().map_err(|error| error.to_string())?;
            let draft = Draft {
                question: &basis.question,
                policies,
                evidence: &basis.evidence,
                module,
                verdict: &verdict,
                verdict_bytes: &bytes,
                made,
                break_glass,
            };
            store.write(&draft).map(|written| written.id).map_err(|error| error.to_string())
        });
        match tokio::time::timeout(within, writing).await {
            Ok(Ok(written)) => written,
            Ok(Err(stopped)) => Err(stopped.to_string()),
            Err(_) => Err(format!("not written within {} ms", within.as_millis())),
        }
    }
}
