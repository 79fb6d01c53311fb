//! Other keys for the signers of a policy, in the test's own copy of it: given ones, or throw-away ones that can sign.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::Engine;
use bulla_server::PolicyFiles;
use serde_json::Value;

use super::cases::beside;
use super::documents::changed;
use crate::ask;
use crate::signer::Signer;

/// The name of a key that no policy has.
const STRANGER: &str = "stranger";
/// Octets of entropy for a key. 264: what the module takes for its largest one.
const ENTROPY: usize = 264;

/// A policy whose keys were replaced by throw-away ones, and those. Everybody can know them: they are in no policy that
/// is in force, because they exist only in memory while a test runs.
pub(super) struct Throwaway {
    pub(super) files: PolicyFiles,
    /// By number.
    keys: BTreeMap<u8, Signer>,
    /// The numbers of the keys of a signer, by its name, and by that of its policy before it.
    names: BTreeMap<String, BTreeSet<u8>>,
}

impl Throwaway {
    /// Replaces each key of a policy by a throw-away one, the same by the same.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) async fn of(engine: &Engine, files: &PolicyFiles) -> Result<Self> {
        let mut numbers: BTreeMap<String, u8> = BTreeMap::new();
        let mut names: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
        each_key(files, |policy, signer, key| {
            let next = u8::try_from(numbers.len().saturating_add(1)).context("more than 255 different keys")?;
            let number = *numbers.entry(key.trim().to_owned()).or_insert(next);
            for name in [signer.to_owned(), format!("{policy}/{signer}")] {
                names.entry(name).or_default().insert(number);
            }
            Ok(())
        })?;
        names.entry(STRANGER.to_owned()).or_insert_with(|| BTreeSet::from([0]));
        let mut keys = BTreeMap::from([(0, make(engine, 0).await?)]);
        for number in numbers.values() {
            keys.insert(*number, make(engine, *number).await?);
        }
        let files = with_keys(files, |_, _, key| {
            let signer = numbers.get(key.trim()).and_then(|number| keys.get(number));
            Ok(signer.map(|signer| signer.public.clone()))
        })?;
        Ok(Self { files, keys, names })
    }

    /// The key of a signer.
    ///
    /// # Errors
    /// When the policy has none of this name, or several policies have different ones.
    pub(super) fn signer(&self, name: &str) -> Result<&Signer> {
        let numbers = self.names.get(name).map(|numbers| numbers.iter().collect::<Vec<_>>()).unwrap_or_default();
        match numbers.as_slice() {
            [number] => self.keys.get(number).ok_or_else(|| anyhow!("no key for {name}")),
            [] => {
                let known: Vec<&str> =
                    self.names.keys().map(String::as_str).filter(|name| !name.contains('/')).collect();
                bail!("`by: {name}` is no signer of the policy with a public key: there are {}", known.join(", "))
            }
            _ => bail!("`by: {name}` is a signer of several policies, with different keys: write `by: POLICY/{name}`"),
        }
    }
}

async fn make(engine: &Engine, seed: u8) -> Result<Signer> {
    // The same key every time: a verdict of a test is to be the same tomorrow.
    let key = ask::generate(engine, "ecdsa-p256", &[seed.wrapping_add(1); ENTROPY], None).await?;
    let private = key.written.ok_or_else(|| anyhow!("the module gave no private key"))?;
    Signer::from_bytes(engine, &private, "a throw-away key").await
}

/// The policy with these keys for these signers.
///
/// # Errors
/// When a signer is in no policy, or a file cannot be read.
pub(super) fn given(files: &PolicyFiles, keys: &BTreeMap<String, String>, cases: &Path) -> Result<PolicyFiles> {
    if keys.is_empty() {
        return Ok(files.clone());
    }
    let mut known = Vec::new();
    each_key(files, |_, name, _| {
        known.push(name.to_owned());
        Ok(())
    })?;
    if let Some(name) = keys.keys().find(|name| !known.contains(name)) {
        bail!("`keys`: {name:?} is no signer of the policy with a public key: there are {}", known.join(", "));
    }
    with_keys(files, |_, name, _| match keys.get(name) {
        None => Ok(None),
        Some(pem) if pem.contains("-----BEGIN") => Ok(Some(pem.clone())),
        Some(file) => {
            let file = beside(cases, Path::new(file));
            std::fs::read_to_string(&file).map(Some).with_context(|| file.display().to_string())
        }
    })
}

fn each_key(files: &PolicyFiles, mut each: impl FnMut(&str, &str, &str) -> Result<()>) -> Result<()> {
    with_keys(files, |policy, name, key| each(policy, name, key).map(|()| None)).map(|_| ())
}

/// The documents with other keys where `other` gives one. A pinned fingerprint goes with the key that it was of.
fn with_keys(
    files: &PolicyFiles,
    mut other: impl FnMut(&str, &str, &str) -> Result<Option<String>>,
) -> Result<PolicyFiles> {
    changed(files, |value| {
        let policy = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let signers = value.pointer_mut("/spec/signers").and_then(Value::as_object_mut);
        for (signer, source) in signers.into_iter().flatten() {
            let Some(cosign) = source.get_mut("cosign").and_then(Value::as_object_mut) else { continue };
            let Some(key) = cosign.get("publicKey").and_then(Value::as_str) else { continue };
            if let Some(key) = other(&policy, signer, key)? {
                cosign.insert("publicKey".to_owned(), key.into());
                cosign.remove("fingerprint");
            }
        }
        Ok(())
    })
}
