//! Whole decisions with evidence from memory: what is left when the registry costs nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{self, UnparsedPublicKey};
use bulla_abi::{Need, NeedKind, Operation};
use bulla_engine::{Decision, Documents, Engine, Fetched, Sandbox, Source};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::module::{BUDGET, Failure, KeyPair, point};
use crate::table::{Table, median, ratio, show, times};
use crate::trust;

pub(crate) const IMAGE: &str = "bench.example/app";
/// Junk around one good bundle: with it, as many as are looked at.
const JUNK: u32 = 999;

pub(crate) async fn measure(engine: &Engine, keys: &mut Sandbox, table: &mut Table) -> Result<(), Failure> {
    let pair = KeyPair::make(keys, "ecdsa-p256")?;
    let point = point(&pair.public)?;
    let message = b"x".to_vec();
    let signature = pair.sign(keys, &message, "sha256")?;
    let native = median(&times(1000, || {
        UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, &point).verify(&message, &signature).expect("valid");
    }));
    let peer = format!("one native verification, {}", show(native));
    for (form, what) in [("legacy", "legacy signature"), ("bundle", "key-signed bundle")] {
        let mut registry = Memory::default();
        registry.publish(keys, &pair, form)?;
        let documents = documents(&pair, &format!("        forms: [{form}]\n"))?;
        let (time, decision) = decide(engine, &documents, &registry, 0, 300).await?;
        let (rounds, needs) = (decision.rounds, decision.needs);
        let what = format!(
            "`decide` by tag with a {what}: fresh sandbox, policy loaded, {rounds} rounds, {needs} needs, one P-256 signature"
        );
        table.row(&what, show(time), &peer, ratio(time, native));
    }
    let mut registry = Memory::default();
    registry.junk(keys, &pair)?;
    registry.publish(keys, &pair, "bundle")?;
    let (time, decision) = decide(engine, &documents(&pair, "")?, &registry, 0, 3).await?;
    let what = format!("the same with {JUNK} junk bundles listed before it, {} requests", decision.needs);
    let many = native * (JUNK + 1);
    let peer = format!("{} native verifications, {}", JUNK + 1, show(many));
    table.row(&what, show(time), &peer, ratio(time, many));
    trust::measure(engine, keys, native, table).await?;
    crate::notation::measure(engine, keys, native, table).await
}

pub(crate) async fn decide(
    engine: &Engine,
    documents: &Documents,
    registry: &Memory,
    now: i64,
    runs: usize,
) -> Result<(Duration, Decision), Failure> {
    let question = json!({"image": format!("{IMAGE}:1"), "now": now});
    let (mut times, mut last) = (Vec::new(), None);
    for _ in 0..runs {
        let start = Instant::now();
        let decision = bulla_engine::decide(engine, documents, &question, registry, start + BUDGET).await?;
        times.push(start.elapsed());
        assert_eq!(decision.verdict["outcome"], json!("accept"), "{}", decision.verdict);
        last = Some(decision);
    }
    times.sort_unstable();
    Ok((median(&times), last.ok_or("no run")?))
}

pub(crate) fn documents(pair: &KeyPair, more: &str) -> Result<Documents, Failure> {
    Ok(Documents::new([("bench.yaml".to_owned(), policy("bench", IMAGE, pair, more)?)])?)
}

/// A policy about these images that asks for this key.
pub(crate) fn policy(name: &str, images: &str, pair: &KeyPair, more: &str) -> Result<Bytes, Failure> {
    let key: String =
        String::from_utf8(pair.public.clone())?.lines().map(|line| format!("          {line}\n")).collect();
    let policy = format!(
        "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: {name}}}\nspec:\n  match: {{images: [{images}]}}\n  signers:\n    \
         release:\n      cosign:\n        publicKey: |\n{key}{more}  require: release\n"
    );
    Ok(policy.into())
}

/// A registry in memory.
#[derive(Default)]
pub(crate) struct Memory {
    content: HashMap<String, Bytes>,
    referrers: Vec<Value>,
}

pub(crate) const MANIFEST: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Memory {
    /// Signs the image and keeps what would be pushed.
    pub(crate) fn publish(&mut self, keys: &mut Sandbox, pair: &KeyPair, form: &str) -> Result<(), Failure> {
        let image = format!("{IMAGE}@{}", digest(MANIFEST));
        let (answer, prepared): (Value, _) =
            keys.call_json(Operation::Prepare, &json!({"image": image, "form": form}), Vec::new(), BUDGET)?;
        let blob = |index: &Value| index.as_u64().and_then(|index| prepared.get(usize::try_from(index).ok()?)).cloned();
        let (payload, message) = (blob(&answer["payload"]), blob(&answer["message"]));
        let (payload, message) = (payload.ok_or("no payload")?, message.ok_or("no message")?);
        let signature = pair.sign(keys, &message, "sha256")?;
        let mut header = json!({"image": image, "form": form, "payload": 0, "signature": 1, "publicKey": 2});
        let mut blobs = vec![payload, signature, pair.public.clone()];
        if form == "bundle" {
            header["manifest"] = json!(3);
            blobs.push(MANIFEST.to_vec());
        }
        let (plan, pushed): (Value, _) = keys.call_json(Operation::Assemble, &header, blobs, BUDGET)?;
        self.push(&plan, &pushed)
    }

    /// Keeps what a plan pushes; the first of its blobs is the manifest.
    pub(crate) fn push(&mut self, plan: &Value, pushed: &[Vec<u8>]) -> Result<(), Failure> {
        for blob in pushed {
            self.keep(blob.clone());
        }
        let manifest = pushed.first().ok_or("no manifest")?;
        match plan["tag"].as_str() {
            Some(tag) => {
                self.content.insert(tag.to_owned(), manifest.clone().into());
            }
            None => self.list(manifest),
        }
        Ok(())
    }

    /// Bundles that are well formed in every respect, each with a signature of its own that nobody made.
    fn junk(&mut self, keys: &mut Sandbox, pair: &KeyPair) -> Result<(), Failure> {
        let mut one = Self::default();
        one.publish(keys, pair, "bundle")?;
        let listed = one.referrers.first().and_then(|entry| entry["digest"].as_str()).ok_or("no referrer")?;
        let manifest: Value = serde_json::from_slice(&one.content[listed])?;
        let layer = manifest["layers"][0]["digest"].as_str().ok_or("no layer")?;
        let bundle: Value = serde_json::from_slice(&one.content[layer])?;
        let encoding = &base64::engine::general_purpose::STANDARD;
        let sig = bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().ok_or("no signature")?;
        let signature = base64::Engine::decode(encoding, sig)?;
        for number in 1..=JUNK {
            let mut signature = signature.clone();
            signature[20..24].copy_from_slice(&number.to_be_bytes());
            let (mut bundle, mut manifest) = (bundle.clone(), manifest.clone());
            bundle["dsseEnvelope"]["signatures"][0]["sig"] = json!(base64::Engine::encode(encoding, signature));
            let bundle = bundle.to_string().into_bytes();
            manifest["layers"][0]["digest"] = json!(digest(&bundle));
            manifest["layers"][0]["size"] = json!(bundle.len());
            self.keep(bundle);
            let manifest = manifest.to_string().into_bytes();
            self.list(&manifest);
            self.keep(manifest);
        }
        Ok(())
    }

    fn keep(&mut self, bytes: Vec<u8>) {
        self.content.insert(digest(&bytes), bytes.into());
    }

    fn list(&mut self, manifest: &[u8]) {
        let document: Value = serde_json::from_slice(manifest).unwrap_or_default();
        self.referrers.push(
            json!({"mediaType": document["mediaType"], "digest": digest(manifest), "size": manifest.len(),
            "artifactType": document.get("artifactType").unwrap_or(&document["config"]["mediaType"]),
            "annotations": document["annotations"]}),
        );
    }
}

impl Source for Memory {
    fn fetch<'a>(&'a self, need: &'a Need, _deadline: tokio::time::Instant) -> BoxFuture<'a, Fetched> {
        let found = |bytes: Bytes| Fetched::Bytes { bytes, media_type: None };
        let answer = match need.kind {
            NeedKind::Resolve => Fetched::Digest(digest(MANIFEST)),
            NeedKind::Referrers => {
                let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                    "manifests": self.referrers});
                found(index.to_string().into())
            }
            // The image itself, by its tag or digest: what Notation signs states its size.
            NeedKind::Manifest if need.reference == "1" || need.reference == digest(MANIFEST) => found(MANIFEST.into()),
            _ => self.content.get(&need.reference).cloned().map_or(Fetched::Absent, found),
        };
        Box::pin(async move { answer })
    }
}
