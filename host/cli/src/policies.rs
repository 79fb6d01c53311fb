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

/// Where and in which form signatures lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Images under the tags that cosign 1 and 2 use
    Legacy,
    /// Sigstore bundles that refer to the image, as cosign 3 writes them
    Bundle,
}

impl Form {
    /// The word that the module takes.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Bundle => "bundle",
        }
    }
}

/// What must hold for the signatures of pinned keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    /// How the identity in a signature is compared; `None` for the module's default.
    pub(crate) identity: Option<Identity>,
    /// Annotations that must have been signed with exactly these values.
    pub(crate) annotations: BTreeMap<String, String>,
    /// The forms that count, in this order; all of them when empty.
    pub(crate) forms: Vec<Form>,
    /// Where signatures lie when they do not lie beside the image.
    pub(crate) signature_repository: Option<String>,
    /// The predicate type of an attestation that is asked for in place of a signature.
    pub(crate) attestation: Option<String>,
    /// What must stand in its predicate, by JSON pointer.
    pub(crate) predicate: BTreeMap<String, Value>,
    /// Whether every leaf of an index may have been signed in place of the index.
    pub(crate) leaves: bool,
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
pub(crate) async fn from_keys(engine: &Engine, files: &[PathBuf], conditions: &Conditions) -> Result<PolicyFiles> {
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
        signers.insert(free_name(file, &signers), key.public);
    }
    Ok(document("command-line", &signers, conditions))
}

/// A policy for every image that exactly this key must have signed, under these conditions: what reads a signature back.
pub(crate) fn for_key(public: &str, conditions: &Conditions) -> PolicyFiles {
    document("read-back", &BTreeMap::from([("signer".to_owned(), public.to_owned())]), conditions)
}

/// The same for a signer of Notation, as it stands in a policy.
pub(crate) fn for_notation(signer: &Value) -> PolicyFiles {
    policy(
        "read-back",
        &json!({
            "match": {"everyImage": true},
            "signers": {"signer": {"notation": signer}},
            "require": "signer",
        }),
    )
}

/// The document. Any of the signers is enough.
fn document(name: &str, signers: &BTreeMap<String, String>, conditions: &Conditions) -> PolicyFiles {
    let entries: BTreeMap<&str, Value> = signers
        .iter()
        .map(|(signer, public)| {
            let mut cosign = json!({"publicKey": public, "annotations": conditions.annotations});
            if let Some(identity) = conditions.identity {
                cosign["identity"] = json!(identity.word());
            }
            if !conditions.forms.is_empty() {
                cosign["forms"] = conditions.forms.iter().map(|form| form.word()).collect();
            }
            if let Some(repository) = &conditions.signature_repository {
                cosign["signatureRepository"] = json!(repository);
            }
            (signer.as_str(), json!({ "cosign": cosign }))
        })
        .collect();
    let attestations: BTreeMap<&str, Value> = conditions
        .attestation
        .iter()
        .flat_map(|predicate_type| {
            signers.keys().map(move |signer| {
                let attestation =
                    json!({"predicateType": predicate_type, "signer": signer, "predicate": conditions.predicate});
                (signer.as_str(), attestation)
            })
        })
        .collect();
    let parts: Vec<Value> = signers
        .keys()
        .map(|signer| if conditions.attestation.is_some() { json!({"attestation": signer}) } else { json!(signer) })
        .collect();
    let require = match parts.as_slice() {
        [one] => one.clone(),
        several => json!({ "anyOf": several }),
    };
    let multi_arch = if conditions.leaves { "indexOrEveryLeaf" } else { "index" };
    policy(
        name,
        &json!({
            "match": {"everyImage": true},
            "signers": entries,
            "attestations": attestations,
            "multiArch": multi_arch,
            "require": require,
        }),
    )
}

/// A policy as JSON, which is YAML.
fn policy(name: &str, spec: &Value) -> PolicyFiles {
    let policy = json!({
        "apiVersion": "bulla.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": name},
        "spec": spec,
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
