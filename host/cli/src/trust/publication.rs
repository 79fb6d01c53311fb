//! A change to a collection: prepared by the module, signed by keys, posted to the server, and looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::abi::{Need, Operation};
use bulla_notary::NotaryError;
use bulla_registry::{Fetched, Source};
use bulla_trust::TrustSource;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Collection;
use crate::plan::Request;
use crate::signer::Signer;

/// How often a change is made anew when somebody else publishes at the same time. 6: of five who publish at once, one succeeds in
/// each round.
const ATTEMPTS: u32 = 6;
/// Pause before the next attempt; it grows with each, and differs between processes.
const PAUSE: Duration = Duration::from_millis(150);

/// What is to be changed, or made: members of the request that stand beside those about the collection.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    fields: Vec<(&'static str, Value)>,
    blobs: Vec<Vec<u8>>,
}

/// A change that the module has prepared, with everything that it rests on.
pub(crate) struct Prepared<'c> {
    collection: &'c Collection<'c>,
    request: Request,
    source: Once<'c>,
    pub(crate) plan: Plan,
    messages: Vec<Vec<u8>>,
}

/// What the module says about a change.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    /// What each file would change.
    pub(crate) differences: Vec<Value>,
    snapshot_keys: Vec<ListedKey>,
    remember: Value,
    #[serde(default)]
    sign: Vec<ToSign>,
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Debug, Clone, Deserialize)]
struct ToSign {
    role: String,
    message: usize,
    signers: Vec<Group>,
}

/// Keys of which so many have to sign.
#[derive(Debug, Clone, Deserialize)]
struct Group {
    threshold: usize,
    keys: Vec<ListedKey>,
}

#[derive(Debug, Clone, Deserialize)]
struct ListedKey {
    id: String,
    fingerprint: String,
}

#[derive(Debug, Clone, Deserialize)]
struct File {
    role: String,
    blob: usize,
}

/// A signature over the message of one role, by the key of this id.
struct Signature {
    role: String,
    key: String,
    bytes: Vec<u8>,
}

/// Fetches each thing once: what is signed rests on what was looked at.
struct Once<'w> {
    others: TrustSource<'w>,
    seen: Mutex<BTreeMap<String, Fetched>>,
}

impl Source for Once<'_> {
    fn fetch<'a>(&'a self, need: &'a Need, deadline: Instant) -> BoxFuture<'a, Fetched> {
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        async move {
            let known = seen().get(&need.id).cloned();
            if let Some(known) = known {
                return known;
            }
            let fetched = self.others.fetch(need, deadline).await;
            seen().insert(need.id.clone(), fetched.clone());
            fetched
        }
        .boxed()
    }
}

impl Wanted {
    /// Changes, in the module's words (docs/abi.md, `publish`).
    pub(crate) fn changes(changes: Vec<Value>) -> Self {
        Self { fields: vec![("changes", Value::Array(changes))], blobs: Vec::new() }
    }

    /// A key that a change names: as it is listed, by its PEM.
    pub(crate) fn key(&mut self, form: &str, bytes: &[u8]) -> Value {
        self.blobs.push(bytes.to_vec());
        // The blobs stand behind the one that names the signer.
        json!({ form: self.blobs.len() })
    }

    /// Whether it is a collection that is to be made.
    fn is_initial(&self) -> bool {
        self.fields.iter().any(|(name, _)| *name == "initial")
    }

    pub(crate) fn set(&mut self, field: &'static str, value: Value) {
        self.fields.push((field, value));
    }
}

impl<'c> Collection<'c> {
    /// Has a change prepared. Nothing is signed yet.
    ///
    /// # Errors
    /// When the collection is not believed, or the change cannot be made.
    pub(crate) async fn prepare(&'c self, wanted: &Wanted) -> Result<Prepared<'c>> {
        let mut request = self.request();
        request.header.extend(wanted.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        request.blobs.extend(wanted.blobs.iter().cloned());
        let source = Once { others: self.world.trust.beside(&self.world.sources), seen: Mutex::default() };
        let (plan, messages) = self.inquire(Operation::Publish, &request, &source).await?;
        Ok(Prepared { collection: self, request, source, plan: serde_json::from_value(plan)?, messages })
    }

    /// Signs a change and posts it; anew, when somebody else has published in the meantime and the change is still the one that
    /// was shown.
    ///
    /// # Errors
    /// When keys are missing, the server refuses, or somebody is faster each time.
    pub(crate) async fn publish(&'c self, prepared: Prepared<'c>, wanted: &Wanted, keys: &[Signer]) -> Result<Plan> {
        let mut prepared = prepared;
        let shown = changes(&prepared.plan.differences);
        for attempt in 1..=ATTEMPTS {
            let files = prepared.sign(keys).await?;
            // What was looked at is remembered whatever becomes of the change.
            if prepared.plan.remember.is_object() {
                self.remember(prepared.plan.remember.clone()).await?;
            }
            match self.world.notary().publish(&self.server, &self.gun, &files).await {
                Ok(()) => return Ok(prepared.plan),
                Err(error @ NotaryError::Outdated { .. }) if attempt < ATTEMPTS && !wanted.is_initial() => {
                    tracing::info!(%error, attempt, "published by somebody else meanwhile: once more");
                    let spread = std::process::id() % 100;
                    tokio::time::sleep(PAUSE * attempt + Duration::from_millis(u64::from(spread))).await;
                    prepared = self.prepare(wanted).await?;
                    if changes(&prepared.plan.differences) != shown {
                        bail!(
                            "{}: somebody else has published what this change is about; nothing was published. Look at it again",
                            self.gun
                        );
                    }
                }
                Err(
                    error @ (NotaryError::Outdated { .. } | NotaryError::Refused { .. } | NotaryError::Absent { .. }),
                ) => {
                    return Err(error).with_context(|| format!("{}: nothing was published", self.gun));
                }
                Err(error) => {
                    let told = format!("{}: it is not known whether this was published (`bulla trust list`)", self.gun);
                    return Err(error).with_context(|| told);
                }
            }
        }
        bail!("{}: others publish all the time; nothing was published", self.gun)
    }
}

/// What differences are about: not which version and how long, and not what stays as it is.
fn changes(differences: &[Value]) -> Vec<Value> {
    let about = differences.iter().map(|difference| {
        let mut about = difference.clone();
        if let Some(members) = about.as_object_mut() {
            members.retain(|name, _| !matches!(name.as_str(), "version" | "expires" | "unchanged"));
        }
        about
    });
    about.collect()
}

impl Prepared<'_> {
    /// Whether these keys are enough, and if not, which role lacks which.
    ///
    /// # Errors
    /// A sentence about the first role that lacks keys.
    pub(crate) fn check_keys(&self, keys: &[Signer]) -> Result<()> {
        self.plan.sign.iter().try_for_each(|role| chosen(role, keys).map(|_| ()))
    }

    /// Signs everything, and the snapshot where one of the keys is its own. Gives the files by role.
    async fn sign(&self, keys: &[Signer]) -> Result<BTreeMap<String, Bytes>> {
        let mut signatures = self.signatures(&self.plan, &self.messages, keys).await?;
        let is_ours = self.plan.snapshot_keys.iter().any(|listed| signer(listed, keys).is_some());
        let (mut plan, mut blobs) = self.again(&signatures, is_ours).await?;
        if is_ours {
            signatures.extend(self.signatures(&plan, &blobs, keys).await?);
            (plan, blobs) = self.again(&signatures, is_ours).await?;
        }
        let files = plan.files.iter().map(|file| {
            let bytes =
                blobs.get(file.blob).cloned().ok_or_else(|| anyhow!("the module gave no file for {}", file.role))?;
            Ok((file.role.clone(), Bytes::from(bytes)))
        });
        let files = files.collect::<Result<BTreeMap<_, _>>>()?;
        if files.is_empty() {
            bail!("the module gave no file to post");
        }
        Ok(files)
    }

    async fn signatures(&self, plan: &Plan, messages: &[Vec<u8>], keys: &[Signer]) -> Result<Vec<Signature>> {
        let mut made = Vec::new();
        for role in &plan.sign {
            let message = messages.get(role.message);
            let message = message.ok_or_else(|| anyhow!("the module gave nothing to sign for {}", role.role))?;
            for (id, signer) in chosen(role, keys)? {
                let bytes = signer.sign(&self.collection.world.engine, message).await?;
                made.push(Signature { role: role.role.clone(), key: id, bytes });
            }
        }
        Ok(made)
    }

    /// The same request, with signatures.
    async fn again(&self, signatures: &[Signature], signs_snapshot: bool) -> Result<(Plan, Vec<Vec<u8>>)> {
        let mut request = self.request.clone();
        let listed = signatures.iter().map(|signature| {
            let blob = request.blob(&signature.bytes);
            json!({"role": signature.role, "key": signature.key, "signature": blob})
        });
        let listed = listed.collect();
        request.header.insert("signatures".to_owned(), Value::Array(listed));
        request.header.insert("snapshot".to_owned(), signs_snapshot.into());
        let (plan, blobs) = self.collection.inquire(Operation::Publish, &request, &self.source).await?;
        Ok((serde_json::from_value(plan)?, blobs))
    }
}

fn signer<'k>(listed: &ListedKey, keys: &'k [Signer]) -> Option<&'k Signer> {
    keys.iter().find(|key| key.fingerprint == listed.fingerprint)
}

/// Those of the keys that sign a role, by the ids that the role has them under.
fn chosen<'k>(role: &ToSign, keys: &'k [Signer]) -> Result<BTreeMap<String, &'k Signer>> {
    let mut chosen = BTreeMap::new();
    for group in &role.signers {
        let ours: Vec<_> = group.keys.iter().filter_map(|listed| Some((listed, signer(listed, keys)?))).collect();
        // A key that is listed twice, bare and by a certificate, is one key.
        let distinct: BTreeSet<&str> = ours.iter().map(|(listed, _)| listed.fingerprint.as_str()).collect();
        if distinct.len() < group.threshold {
            let ids: Vec<&str> = group.keys.iter().map(|listed| listed.id.as_str()).collect();
            bail!(
                "{} is signed by {} of the keys {}; {} of these {} given (--key)",
                role.role,
                group.threshold,
                ids.join(", "),
                distinct.len(),
                if distinct.len() == 1 { "is" } else { "are" }
            );
        }
        chosen.extend(ours.into_iter().map(|(listed, signer)| (listed.id.clone(), signer)));
    }
    Ok(chosen)
}
