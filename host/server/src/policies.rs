//! Policy files: read within limits, checked by the module, named by a generation.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bulla_engine::abi::Operation;
use bulla_engine::{Documents, Engine, SandboxError};
use bulla_records::{NotCanonical, Policies};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::clock;

/// Octets of one policy file. 256 KiB: what the module takes.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;
/// Octets of all policy files. 16 MiB: a quarter of a sandbox's memory, which also holds what is made from them.
pub const MAX_TOTAL_BYTES: u64 = 16 * 1024 * 1024;
/// Policy files. 4000: one message to the module holds 4096 blobs.
pub const MAX_FILES: usize = 4000;
/// Wall time for the module to read all policies.
const BUDGET: Duration = Duration::from_secs(10);

/// Policy files as they lay there, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFiles {
    files: Vec<(String, Bytes)>,
    generation: Arc<str>,
}

/// Policies that the module has read and found good.
#[derive(Debug, Clone)]
pub struct Loaded {
    documents: Documents,
    generation: Arc<str>,
    policies: Value,
    at: i64,
    recorded: Arc<OnceLock<Result<Policies, NotCanonical>>>,
}

/// Why policies cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A file or folder cannot be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said, or which limit was passed.
        reason: String,
    },
    /// The module refuses them.
    #[error("{message}")]
    Invalid {
        /// All that is wrong, one line each, with file, line and column.
        message: String,
        /// The same for programs: `document`, `line`, `column`, `path`, `message`.
        details: Vec<Value>,
    },
    /// The module could not be asked.
    #[error("policies could not be checked: {0}")]
    Sandbox(#[source] SandboxError),
}

impl PolicyFiles {
    /// Reads these files, and from these folders every `*.yaml`, `*.yml` and `*.json`. Names that begin with a dot are
    /// passed over: a mounted ConfigMap keeps its versions there. It blocks on the file system.
    ///
    /// # Errors
    /// [`PolicyError::File`] for what cannot be read or is over a limit.
    pub fn read(paths: &[PathBuf]) -> Result<Self, PolicyError> {
        let mut files = Vec::new();
        let mut total = 0u64;
        for path in paths {
            let name = path.file_name().map_or_else(|| ".".into(), |name| name.to_string_lossy());
            if fs::metadata(path).map_err(|error| failed(path, error))?.is_dir() {
                for file in folder(path)? {
                    let own = file.file_name().map_or_else(|| "?".into(), |name| name.to_string_lossy());
                    let bytes = read_file(&file, &mut total)?;
                    files.push((format!("{name}/{own}"), bytes));
                }
            } else {
                files.push((name.into_owned(), read_file(path, &mut total)?));
            }
            if files.len() > MAX_FILES {
                return Err(failed(path, format!("more than {MAX_FILES} policy files")));
            }
        }
        Ok(Self::given(files))
    }

    /// These documents, by name.
    pub fn given(files: Vec<(String, Bytes)>) -> Self {
        let mut hash = Sha256::new();
        for (name, bytes) in &files {
            for part in [name.as_bytes(), bytes] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Self { files, generation: hex::encode(hash.finalize()).into() }
    }

    /// SHA-256 over names and contents, 64 hexadecimal digits.
    pub fn generation(&self) -> &Arc<str> {
        &self.generation
    }

    /// Names and contents, in order.
    pub fn files(&self) -> &[(String, Bytes)] {
        &self.files
    }

    /// Has the module read them, in a sandbox.
    ///
    /// # Errors
    /// [`PolicyError::Invalid`] with everything that is wrong; [`PolicyError::Sandbox`] when it could not be found out.
    pub async fn validate(self, engine: &Engine) -> Result<Loaded, PolicyError> {
        let listed: Vec<_> =
            self.files.iter().enumerate().map(|(blob, (name, _))| json!({"name": name, "blob": blob})).collect();
        let blobs = self.files.iter().map(|(_, bytes)| bytes.to_vec()).collect();
        let asked: Result<(Value, _), _> =
            engine.ask(Operation::Load, &json!({"documents": listed}), blobs, BUDGET).await;
        let (policies, _) = asked.map_err(|error| match error {
            SandboxError::Module { message, details, .. } => PolicyError::Invalid { message, details },
            other => PolicyError::Sandbox(other),
        })?;
        let documents = Documents::new(self.files).map_err(PolicyError::Sandbox)?;
        Ok(Loaded { documents, generation: self.generation, policies, at: clock::now(), recorded: Arc::default() })
    }
}

impl Loaded {
    /// Reads and validates in one step: [`PolicyFiles::read`], then [`PolicyFiles::validate`].
    ///
    /// # Errors
    /// [`PolicyError`].
    pub async fn load(engine: &Engine, paths: &[PathBuf]) -> Result<Self, PolicyError> {
        read_blocking(paths.to_vec()).await?.validate(engine).await
    }

    /// The documents, as decisions take them.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The documents, as records name them; made when the first record needs them.
    ///
    /// # Errors
    /// [`NotCanonical`], which file names cannot cause.
    pub(crate) fn recorded(&self) -> Result<&Policies, &NotCanonical> {
        let contents = || self.documents.contents().map(|(name, bytes)| (name, Bytes::copy_from_slice(bytes)));
        self.recorded.get_or_init(|| Policies::new(contents())).as_ref()
    }

    /// SHA-256 over names and contents, 64 hexadecimal digits.
    pub fn generation(&self) -> &Arc<str> {
        &self.generation
    }

    /// What the module says about them: `policies` and `registries`.
    pub fn policies(&self) -> &Value {
        &self.policies
    }

    /// When they were loaded, in seconds since 1970.
    pub const fn at(&self) -> i64 {
        self.at
    }

    /// How many policies there are.
    pub fn count(&self) -> usize {
        self.policies.get("policies").and_then(Value::as_array).map_or(0, Vec::len)
    }
}

/// [`PolicyFiles::read`] on a thread that may block.
pub(crate) async fn read_blocking(paths: Vec<PathBuf>) -> Result<PolicyFiles, PolicyError> {
    let first = paths.first().cloned().unwrap_or_default();
    let read = tokio::task::spawn_blocking(move || PolicyFiles::read(&paths)).await;
    read.map_err(|error| failed(&first, error))?
}

/// The policy files of a folder, by name.
fn folder(path: &Path) -> Result<Vec<PathBuf>, PolicyError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| failed(path, error))? {
        let file = entry.map_err(|error| failed(path, error))?.path();
        let hidden = file.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !hidden && matches!(extension, "yaml" | "yml" | "json") {
            files.push(file);
        }
        if files.len() > MAX_FILES {
            return Err(failed(path, format!("more than {MAX_FILES} policy files")));
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path, total: &mut u64) -> Result<Bytes, PolicyError> {
    let file = fs::File::open(path).map_err(|error| failed(path, error))?;
    if !file.metadata().map_err(|error| failed(path, error))?.is_file() {
        return Err(failed(path, "not a file"));
    }
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes);
    let read = read.map_err(|error| failed(path, error))? as u64;
    if read > MAX_FILE_BYTES {
        return Err(failed(path, format!("more than {MAX_FILE_BYTES} octets")));
    }
    *total = total.saturating_add(read);
    if *total > MAX_TOTAL_BYTES {
        return Err(failed(path, format!("with this file, policies have more than {MAX_TOTAL_BYTES} octets")));
    }
    Ok(bytes.into())
}

fn failed(path: &Path, reason: impl ToString) -> PolicyError {
    PolicyError::File { path: path.to_owned(), reason: reason.to_string() }
}
