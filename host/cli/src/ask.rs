//! Questions to the module that commands ask, with their answers as types.

use std::time::Duration;

use anyhow::{Result, anyhow};
use bulla_engine::abi::Operation;
use bulla_engine::{Engine, SandboxError};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::output::Coded;

/// Wall time of one operation. 60 s: scrypt takes half a second, and a container may have a tenth of a processor.
const BUDGET: Duration = Duration::from_secs(60);

/// The part of the module's answer that `describe` commands show.
pub(crate) async fn describe(engine: &Engine) -> Result<Value> {
    Ok(engine.ask::<Value>(Operation::Describe, &json!({}), Vec::new(), BUDGET).await?.0)
}

/// A key as the module describes it.
#[derive(Debug)]
pub(crate) struct KeyDescription {
    /// `public` or `private`.
    pub(crate) kind: String,
    /// The algorithm's name.
    pub(crate) algorithm: String,
    /// SHA-256 of the public key.
    pub(crate) fingerprint: String,
    /// The public half as PEM.
    pub(crate) public: String,
    /// The private key in the form that was asked for.
    pub(crate) written: Option<Zeroizing<Vec<u8>>>,
    /// The key's id in role files, where Notary's form was asked for: its client keeps the key in a file of that name.
    pub(crate) notary_id: Option<String>,
}

/// How a private key is to be written.
#[derive(Debug)]
pub(crate) enum Write<'a> {
    /// Not at all: only described.
    No,
    /// PKCS #8 DER, for RSA signatures made here.
    Pkcs8Der,
    /// PKCS #8 PEM, not encrypted.
    Pkcs8,
    /// Cosign's encrypted PEM.
    Cosign { passphrase: &'a [u8], entropy: &'a [u8] },
    /// Notary's PEM, with the role and the collection in its head; encrypted where there is a passphrase.
    Notary { role: Option<&'a str>, gun: Option<&'a str>, encryption: Option<(&'a [u8], &'a [u8])> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyAnswer {
    #[serde(default)]
    kind: String,
    algorithm: String,
    fingerprint: String,
    public_key: usize,
    #[serde(default)]
    private_key: Option<usize>,
    #[serde(default)]
    notary_id: Option<String>,
}

/// Reads a key file, public or private, and writes it anew where that is asked.
pub(crate) async fn key(
    engine: &Engine,
    file: &[u8],
    passphrase: Option<&[u8]>,
    write: Write<'_>,
) -> Result<KeyDescription, SandboxError> {
    let mut blobs = vec![file.to_vec()];
    let mut header = json!({"key": 0});
    let mut add = |bytes: &[u8]| {
        blobs.push(bytes.to_vec());
        blobs.len().saturating_sub(1)
    };
    let passphrase = passphrase.map(&mut add);
    let write = match write {
        Write::No => None,
        Write::Pkcs8Der => Some(json!({"form": "pkcs8Der"})),
        Write::Pkcs8 => Some(json!({"form": "pkcs8"})),
        Write::Cosign { passphrase, entropy } => {
            Some(json!({"form": "cosign", "passphrase": add(passphrase), "entropy": add(entropy)}))
        }
        Write::Notary { role, gun, encryption } => {
            let mut write = json!({"form": "notary", "role": role, "gun": gun});
            if let (Some((passphrase, entropy)), Some(fields)) = (encryption, write.as_object_mut()) {
                fields.insert("passphrase".to_owned(), add(passphrase).into());
                fields.insert("entropy".to_owned(), add(entropy).into());
            }
            Some(write)
        }
    };
    if let Some(fields) = header.as_object_mut() {
        fields.extend(passphrase.map(|index| ("passphrase".to_owned(), index.into())));
        fields.extend(write.map(|write| ("write".to_owned(), write)));
    }
    let (answer, blobs): (KeyAnswer, _) = engine.ask(Operation::Key, &header, blobs, BUDGET).await?;
    Ok(described(answer, blobs))
}

/// Makes a key pair. The description's `written` is the private key's file: encrypted where there is a passphrase.
pub(crate) async fn generate(
    engine: &Engine,
    algorithm: &str,
    entropy: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<KeyDescription> {
    let mut blobs = vec![entropy.to_vec()];
    let mut header = json!({"algorithm": algorithm, "entropy": 0});
    if let (Some(passphrase), Some(fields)) = (passphrase, header.as_object_mut()) {
        blobs.push(passphrase.to_vec());
        fields.insert("passphrase".to_owned(), 1.into());
    }
    let asked = engine.ask::<KeyAnswer>(Operation::Generate, &header, blobs, BUDGET).await;
    let (answer, blobs) = asked.map_err(plain)?;
    Ok(described(answer, blobs))
}

fn described(answer: KeyAnswer, blobs: Vec<Vec<u8>>) -> KeyDescription {
    let mut blobs: Vec<Zeroizing<Vec<u8>>> = blobs.into_iter().map(Zeroizing::new).collect();
    let mut take = |index: usize| blobs.get_mut(index).map(std::mem::take);
    let public = take(answer.public_key).unwrap_or_default();
    KeyDescription {
        kind: answer.kind,
        algorithm: answer.algorithm,
        fingerprint: answer.fingerprint,
        public: String::from_utf8_lossy(&public).into_owned(),
        written: answer.private_key.and_then(take),
        notary_id: answer.notary_id,
    }
}

/// A signature by a private key that is not encrypted any more, over this hash (`sha256`, …) of the message.
pub(crate) async fn sign(engine: &Engine, key: &[u8], message: &[u8], hash: &str) -> Result<Vec<u8>> {
    let header = json!({"key": 0, "message": 1, "hash": hash});
    let blobs = vec![key.to_vec(), message.to_vec()];
    let (_, blobs) = engine.ask::<Value>(Operation::Sign, &header, blobs, BUDGET).await.map_err(plain)?;
    blobs.into_iter().next().ok_or_else(|| anyhow!("the module gave no signature"))
}

/// Holds a manifest against its digest, and gives what it names: `kind`, `manifests`, `blobs`.
pub(crate) async fn contents(
    engine: &Engine,
    digest: &str,
    manifest: &[u8],
    media_type: Option<&str>,
) -> Result<Value> {
    let mut header = json!({"digest": digest, "manifest": 0});
    if let (Some(media_type), Some(fields)) = (media_type, header.as_object_mut()) {
        fields.insert("mediaType".to_owned(), media_type.into());
    }
    let asked = engine.ask(Operation::Contents, &header, vec![manifest.to_vec()], BUDGET).await;
    Ok(asked.map_err(plain)?.0)
}

/// An error of the module in its own words, its code kept for programs.
pub(crate) fn plain(error: SandboxError) -> anyhow::Error {
    match error {
        SandboxError::Module { code, message, .. } => Coded { code, message }.into(),
        other => other.into(),
    }
}
