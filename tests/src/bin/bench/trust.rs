//! Decisions by Docker Content Trust: what a thousand tags cost, and what a role file more.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_abi::{Need, NeedKind, Operation};
use bulla_engine::{Documents, Engine, Fetched, Sandbox, Source, inquire};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::module::{BUDGET, Failure, KeyPair};
use crate::table::{Table, median, ratio, show};

const GUN: &str = "bench.example/app";
const SERVER: &str = "https://notary.bench.example";
/// 2027-01-15T08:00:00Z, in seconds.
const NOW: i64 = 1_800_000_000;
const TAGS: usize = 1000;
const DELEGATIONS: [&str; 3] = ["targets/releases", "targets/alice", "targets/bob"];

/// `native`: one verification of a P-256 signature by aws-lc-rs.
pub(crate) async fn measure(
    engine: &Engine,
    keys: &mut Sandbox,
    native: Duration,
    table: &mut Table,
) -> Result<(), Failure> {
    let mut times = Vec::new();
    for (tags, delegations) in [(1, 1), (TAGS, 1), (TAGS, 3)] {
        let collection = Collection::make(engine, keys, tags, delegations).await?;
        let roles: Vec<&str> = DELEGATIONS.iter().take(delegations).copied().collect();
        let documents = Documents::new([("bench.yaml".to_owned(), collection.policy(&roles))])?;
        let (time, needs, octets) = collection.decide(engine, &documents).await?;
        let memory = collection.memory(engine, &documents, &roles).await?;
        times.push(time);
        let word = if delegations == 1 { "delegation" } else { "delegations" };
        let what = format!(
            "`decide` by content trust, {tags} {} and {delegations} {word}: fresh sandbox of {memory} MiB, {needs} needs, {octets} kB of role files",
            if tags == 1 { "tag" } else { "tags" }
        );
        table.row(&what, show(time), &format!("one native verification, {}", show(native)), ratio(time, native));
    }
    if let [_, one, three] = times.as_slice() {
        table.row(
            "two role files more",
            show(three.saturating_sub(*one)),
            "the decision with one",
            ratio(*three, *one),
        );
    }
    Ok(())
}

/// A collection as its server has it.
struct Collection {
    files: HashMap<String, Bytes>,
    root: String,
    octets: Mutex<usize>,
}

impl Collection {
    /// Made and signed by the module; the timestamp, which servers sign, by aws-lc-rs.
    async fn make(engine: &Engine, keys: &mut Sandbox, tags: usize, delegations: usize) -> Result<Self, Failure> {
        let (root, other) = (KeyPair::seeded(keys, "ecdsa-p256", 1)?, KeyPair::seeded(keys, "ecdsa-p256", 2)?);
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(|_| "no key")?;
        let server =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).map_err(|_| "no key")?;
        let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").map_err(|_| "no hex")?;
        let spki = [head.as_slice(), server.public_key().as_ref()].concat();
        let timestamp = json!({"keytype": "ecdsa", "keyval": {"private": null, "public": STANDARD.encode(spki)}});

        let mut header =
            json!({"gun": GUN, "publicKey": 0, "serial": 1, "notBefore": NOW - 60, "notAfter": NOW + 864_000});
        let mut blobs = vec![root.public.clone(), vec![7; 16]];
        let (_, message): (Value, _) = keys.call_json(Operation::Certify, &header, blobs.clone(), BUDGET)?;
        blobs.push(root.sign(keys, message.first().ok_or("no message")?, "sha256")?);
        header["signature"] = json!(2);
        let (made, certificate): (Value, _) = keys.call_json(Operation::Certify, &header, blobs, BUDGET)?;
        let mut collection = Self {
            files: HashMap::new(),
            root: made["id"].as_str().ok_or("no id")?.to_owned(),
            octets: Mutex::default(),
        };
        let initial = json!({"initial": {"root": [{"certificate": 1}], "targets": [{"publicKey": 2}],
            "snapshot": {"publicKey": 2}, "timestamp": {"listed": 3}}});
        let given = vec![certificate.concat(), other.public.clone(), timestamp.to_string().into_bytes()];
        collection.publish(engine, keys, (&root, &other), &server, initial, given).await?;

        let delegated = DELEGATIONS.iter().take(delegations);
        let mut changes: Vec<Value> = delegated
            .clone()
            .map(|role| json!({"change": "addDelegation", "role": role, "keys": [{"publicKey": 1}], "paths": [""]}))
            .collect();
        for number in 0..tags {
            let digest = digest(format!("image {number}").as_bytes());
            changes.extend(delegated.clone().map(|role| {
                json!({"change": "addTarget", "role": role, "name": format!("v{number}"), "digest": digest, "length": 500})
            }));
        }
        let given = vec![other.public.clone()];
        collection.publish(engine, keys, (&root, &other), &server, json!({ "changes": changes }), given).await?;
        Ok(collection)
    }

    /// One publication: what the module wants signed is signed by whichever of both keys it is, and the server adds its timestamp.
    async fn publish(
        &mut self,
        engine: &Engine,
        keys: &mut Sandbox,
        (root, other): (&KeyPair, &KeyPair),
        server: &EcdsaKeyPair,
        wanted: Value,
        given: Vec<Vec<u8>>,
    ) -> Result<(), Failure> {
        let mut blobs = vec![self.signer(&["targets/releases"]).to_string().into_bytes()];
        blobs.extend(given);
        let mut request = wanted;
        for (member, value) in
            [("signer", json!(0)), ("repository", json!(GUN)), ("now", json!(NOW)), ("snapshot", json!(true))]
        {
            request[member] = value;
        }
        let mut signatures = Vec::new();
        loop {
            request["signatures"] = json!(signatures);
            let until = Instant::now() + BUDGET;
            let (plan, answered) = inquire(engine, Operation::Publish, &request, blobs.clone(), &*self, until).await?;
            if let Some(files) = plan["files"].as_array() {
                for (file, bytes) in files.iter().zip(answered) {
                    let role = file["role"].as_str().ok_or("no role")?;
                    self.files
                        .insert(format!("{role}.{}.json", hex::encode(Sha256::digest(&bytes))), bytes.clone().into());
                    self.files.insert(format!("{role}.json"), bytes.into());
                }
                return self.stamp(server);
            }
            for (role, message) in plan["sign"].as_array().ok_or("nothing to sign")?.iter().zip(&answered) {
                let pair = if role["role"] == "root" { root } else { other };
                blobs.push(pair.sign(keys, message, "sha256")?);
                let key = &role["signers"][0]["keys"][0]["id"];
                signatures.push(json!({"role": role["role"], "key": key, "signature": blobs.len() - 1}));
            }
        }
    }

    fn stamp(&mut self, server: &EcdsaKeyPair) -> Result<(), Failure> {
        let snapshot = self.files.get("snapshot.json").ok_or("no snapshot")?;
        let version = self.files.get("timestamp.json").map_or(1, |_| 2);
        let hashes = json!({"sha256": STANDARD.encode(Sha256::digest(snapshot))});
        let signed = json!({"_type": "Timestamp", "expires": "2027-02-01T00:00:00Z", "version": version,
            "meta": {"snapshot": {"hashes": hashes, "length": snapshot.len()}}});
        let signature = server.sign(&SystemRandom::new(), signed.to_string().as_bytes()).map_err(|_| "no signature")?;
        let root: Value = serde_json::from_slice(self.files.get("root.json").ok_or("no root")?)?;
        let id = &root["signed"]["roles"]["timestamp"]["keyids"][0];
        let signature = json!({"keyid": id, "method": "ecdsa", "sig": STANDARD.encode(signature.as_ref())});
        let file = json!({"signed": signed, "signatures": [signature]}).to_string();
        self.files.insert("timestamp.json".to_owned(), file.into());
        Ok(())
    }

    fn signer(&self, roles: &[&str]) -> Value {
        json!({"contentTrust": {"server": SERVER, "required": roles, "pins": {"rootKeys": [self.root]}}})
    }

    fn policy(&self, roles: &[&str]) -> Bytes {
        let policy = json!({"apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "bench"},
            "spec": {"match": {"images": [GUN]}, "signers": {"owner": self.signer(roles)}, "require": "owner"}});
        policy.to_string().into()
    }

    /// MiB of memory of a sandbox that has decided by it.
    async fn memory(&self, engine: &Engine, documents: &Documents, roles: &[&str]) -> Result<usize, Failure> {
        let question = question();
        let decision = bulla_engine::decide(engine, documents, &question, self, Instant::now() + BUDGET).await?;
        let mut blobs = vec![self.policy(roles).to_vec()];
        let evidence = decision.evidence.iter().map(|(evidence, bytes)| {
            let mut listed = json!(evidence);
            if let Some(bytes) = bytes {
                listed["blob"] = json!(blobs.len());
                blobs.push(bytes.to_vec());
            }
            listed
        });
        let evidence: Vec<Value> = evidence.collect();
        let header =
            json!({"documents": [{"name": "bench.yaml", "blob": 0}], "question": question, "evidence": evidence});
        let mut sandbox = engine.sandbox().await?;
        let (answer, _): (Value, _) = sandbox.call_json(Operation::Decide, &header, blobs, BUDGET)?;
        assert_eq!(answer["verdict"]["outcome"], json!("accept"), "{answer}");
        Ok(sandbox.memory_octets() >> 20)
    }

    /// The median of many decisions, the needs of one, and the kB of role files that it fetched.
    async fn decide(&self, engine: &Engine, documents: &Documents) -> Result<(Duration, u32, usize), Failure> {
        let question = question();
        let (mut times, mut needs, mut octets) = (Vec::new(), 0, 0);
        for _ in 0..60 {
            *self.octets.lock().map_err(|_| "poisoned")? = 0;
            let start = Instant::now();
            let decision = bulla_engine::decide(engine, documents, &question, self, start + BUDGET).await?;
            times.push(start.elapsed());
            assert_eq!(decision.verdict["outcome"], json!("accept"), "{}", decision.verdict);
            (needs, octets) = (decision.needs, *self.octets.lock().map_err(|_| "poisoned")? / 1000);
        }
        times.sort_unstable();
        Ok((median(&times), needs, octets))
    }
}

fn question() -> Value {
    json!({"image": format!("{GUN}:v0@{}", digest(b"image 0")), "now": NOW})
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Source for Collection {
    fn fetch<'a>(&'a self, need: &'a Need, _deadline: tokio::time::Instant) -> BoxFuture<'a, Fetched> {
        let found = match need.kind {
            NeedKind::Role => self.files.get(&need.reference).cloned(),
            _ => None,
        };
        if let (Some(bytes), Ok(mut octets)) = (&found, self.octets.lock()) {
            *octets += bytes.len();
        }
        let answer = found.map_or(Fetched::Absent, |bytes| Fetched::Bytes { bytes, media_type: None });
        Box::pin(async move { answer })
    }
}
