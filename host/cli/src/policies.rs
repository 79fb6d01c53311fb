//! Policy documents for a command: read from files, or made from pinned keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bulla_engine::Engine;
use bulla_server::{PolicyError, PolicyFiles};
use bytes::Bytes;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::ask::{self, Write};

/// How the identity in a signature is compared with the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Identity {
    /// The same repository
    Repository,
    /// The same repository and, when the image is asked for by tag, the same tag
    Exact,
    /// Not compared: a signature made for one repository counts in every other
    AnyUnsafe,
}

impl Identity {
    const fn word(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Exact => "exact",
            Self::AnyUnsafe => "anyUnsafe",
        }
    }
}

/// Reads policy files and folders. Documents are named by their paths, so that messages lead to them.
///
/// # Errors
/// What cannot be read.
pub(crate) fn read(paths: &[PathBuf]) -> Result<PolicyFiles, PolicyError> {
    let mut files: Vec<(String, Bytes)> = Vec::new();
    for path in paths {
        for (name, bytes) in PolicyFiles::read(std::slice::from_ref(path))?.files() {
            let own = name.rsplit('/').next().unwrap_or(name);
            let path = if path.is_dir() { path.join(own) } else { path.clone() };
            files.push((path.display().to_string(), bytes.clone()));
        }
    }
    Ok(PolicyFiles::given(files))
}

/// A policy for every image that one of these keys must have signed.
///
/// # Errors
/// When a file cannot be read or is not a public key.
pub(crate) async fn from_keys(
    engine: &Engine,
    files: &[PathBuf],
    identity: Identity,
    annotations: &BTreeMap<String, String>,
) -> Result<PolicyFiles> {
    let mut signers = BTreeMap::new();
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("--key {}", file.display()))?;
        let described = ask::key(engine, &bytes, None, Write::No).await;
        let key = match described {
            Ok(key) if key.kind == "public" => key,
            Ok(_) => bail!("--key {}: a private key; verify with its public half (FILE.pub)", file.display()),
            Err(bulla_engine::SandboxError::Module { code, .. }) if code == "key-passphrase-needed" => {
                bail!("--key {}: an encrypted private key; verify with its public half (FILE.pub)", file.display())
            }
            Err(error) => return Err(ask::plain(error).context(format!("--key {}", file.display()))),
        };
        signers.insert(free_name(file, &signers), (key.public, annotations.clone()));
    }
    Ok(document("command-line", &signers, identity))
}

/// A policy for every image that exactly this key must have signed, with these annotations: what reads a signature back.
pub(crate) fn for_key(public: &str, annotations: &BTreeMap<String, String>) -> PolicyFiles {
    let signer = (public.to_owned(), annotations.clone());
    document("read-back", &BTreeMap::from([("signer".to_owned(), signer)]), Identity::Repository)
}

/// The document, as JSON, which is YAML.
fn document(
    name: &str,
    signers: &BTreeMap<String, (String, BTreeMap<String, String>)>,
    identity: Identity,
) -> PolicyFiles {
    let entries: BTreeMap<&str, Value> = signers
        .iter()
        .map(|(signer, (public, annotations))| {
            let cosign = json!({"publicKey": public, "identity": identity.word(), "annotations": annotations});
            (signer.as_str(), json!({ "cosign": cosign }))
        })
        .collect();
    let names: Vec<&String> = signers.keys().collect();
    let require = match names.as_slice() {
        [one] => json!(one),
        several => json!({ "anyOf": several }),
    };
    let policy = json!({
        "apiVersion": "bulla.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": name},
        "spec": {"match": {"everyImage": true}, "signers": entries, "require": require},
    });
    PolicyFiles::given(vec![(name.to_owned(), policy.to_string().into())])
}

/// A signer's name from its file's, with a number where two files have one name.
fn free_name<T>(file: &Path, taken: &BTreeMap<String, T>) -> String {
    let stem = file.file_stem().map_or_else(|| "key".into(), |stem| stem.to_string_lossy());
    let mut name = stem.to_string();
    let mut number = 2u32;
    while taken.contains_key(&name) {
        name = format!("{stem}-{number}");
        number = number.saturating_add(1);
    }
    name
}
