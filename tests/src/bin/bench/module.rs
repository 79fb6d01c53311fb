//! Inside one process: signature checks against aws-lc-rs, fresh sandboxes, whole decisions.

use std::time::Duration;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use bulla_abi::{Need, Operation};
use bulla_engine::{Documents, Engine, Fetched, Sandbox, Source};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Instant;

use crate::table::{Table, median, ratio, show, times};

const BUDGET: Duration = Duration::from_secs(10);
const IMAGE: &str = "bench.example/app";

type Failure = Box<dyn std::error::Error>;

pub(crate) async fn measure(engine: &Engine, table: &mut Table) -> Result<(), Failure> {
    let mut keys = engine.key_sandbox().await?;
    let kinds: [(&str, &'static dyn VerificationAlgorithm, &str, usize); 3] = [
        ("ecdsa-p256", &signature::ECDSA_P256_SHA256_ASN1, "sha256", 400),
        ("ecdsa-p384", &signature::ECDSA_P384_SHA384_ASN1, "sha384", 60),
        ("ed25519", &signature::ED25519, "sha256", 400),
    ];
    for (algorithm, native, hash, runs) in kinds {
        let pair = KeyPair::make(&mut keys, algorithm)?;
        let message = b"what is signed here is short".to_vec();
        let signature = pair.sign(&mut keys, &message, hash)?;
        let mut sandbox = engine.sandbox().await?;
        let ours = times(runs, || {
            let header = json!({"key": 0, "message": 1, "signature": 2, "hash": hash});
            let blobs = vec![pair.public.clone(), message.clone(), signature.clone()];
            let answer: (Value, _) = sandbox.call_json(Operation::Check, &header, blobs, BUDGET).expect("a check");
            assert_eq!(answer.0["valid"], json!(true));
        });
        let point = point(&pair.public)?;
        let theirs = times(runs * 5, || {
            UnparsedPublicKey::new(native, &point).verify(&message, &signature).expect("valid");
        });
        let (ours, theirs) = (median(&ours), median(&theirs));
        let what = format!("{algorithm} verification in the sandbox, key parsed each time");
        let peer = format!("aws-lc-rs native, {}", show(theirs));
        table.row(&what, show(ours), &peer, ratio(ours, theirs));
    }

    let fresh = times(3000, || drop(engine.try_sandbox().expect("a sandbox")));
    table.row(
        "fresh sandbox, made and dropped",
        show(median(&fresh)),
        "goal 20 µs",
        ratio(median(&fresh), Duration::from_micros(20)),
    );

    decision(engine, &mut keys, table).await
}

/// A whole decision with evidence from memory: load, open, supply; one policy, one key, one signature.
async fn decision(engine: &Engine, keys: &mut Sandbox, table: &mut Table) -> Result<(), Failure> {
    let pair = KeyPair::make(keys, "ecdsa-p256")?;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(b"an image")));
    let image = format!("{IMAGE}@{digest}");
    let (_, payload): (Value, _) = keys.call_json(Operation::Prepare, &json!({"image": image}), Vec::new(), BUDGET)?;
    let payload = payload.into_iter().next().ok_or("no payload")?;
    let signature = pair.sign(keys, &payload, "sha256")?;
    let header = json!({"image": image, "payload": 0, "signature": 1, "publicKey": 2});
    let blobs = vec![payload, signature, pair.public.clone()];
    let (_, plan): (Value, _) = keys.call_json(Operation::Assemble, &header, blobs, BUDGET)?;
    let fetch = Memory { digest, manifest: plan.into_iter().next().ok_or("no manifest")?.into() };
    let key: String =
        String::from_utf8(pair.public.clone())?.lines().map(|line| format!("          {line}\n")).collect();
    let policy = format!(
        "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: bench}}\nspec:\n  match: {{images: [{IMAGE}]}}\n  signers:\n    \
         release:\n      cosign:\n        publicKey: |\n{key}  require: release\n"
    );
    let documents = Documents::new([("bench.yaml".to_owned(), Bytes::from(policy))])?;
    let question = json!({"image": format!("{IMAGE}:1"), "now": 0});
    let mut whole = Vec::new();
    for _ in 0..300 {
        let start = Instant::now();
        let deadline = Instant::now() + BUDGET;
        let decision = bulla_engine::decide(engine, &documents, &question, &fetch, deadline).await?;
        whole.push(start.elapsed());
        assert!(decision.verdict.to_string().contains("accept"), "{}", decision.verdict);
    }
    whole.sort_unstable();
    let point = point(&pair.public)?;
    let message = b"x".to_vec();
    let signature = pair.sign(keys, &message, "sha256")?;
    let native = times(1000, || {
        UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, &point).verify(&message, &signature).expect("valid");
    });
    let (whole, native) = (median(&whole), median(&native));
    let what = "whole decision by tag: fresh sandbox, policy loaded, 2 rounds, one P-256 signature";
    table.row(what, show(whole), &format!("one native verification, {}", show(native)), ratio(whole, native));
    Ok(())
}

struct Memory {
    digest: String,
    manifest: Bytes,
}

impl Source for Memory {
    fn fetch<'a>(&'a self, need: &'a Need, _deadline: tokio::time::Instant) -> BoxFuture<'a, Fetched> {
        let answer = match need.kind {
            bulla_abi::NeedKind::Resolve => Fetched::Digest(self.digest.clone()),
            bulla_abi::NeedKind::Manifest => Fetched::Bytes { bytes: self.manifest.clone(), media_type: None },
            _ => Fetched::Absent,
        };
        Box::pin(async move { answer })
    }
}

struct KeyPair {
    private: Vec<u8>,
    public: Vec<u8>,
}

impl KeyPair {
    fn make(sandbox: &mut Sandbox, algorithm: &str) -> Result<Self, Failure> {
        let header = json!({"algorithm": algorithm, "entropy": 0});
        let (_, blobs): (Value, _) = sandbox.call_json(Operation::Generate, &header, vec![vec![7; 264]], BUDGET)?;
        let mut blobs = blobs.into_iter();
        Ok(Self { private: blobs.next().ok_or("no key")?, public: blobs.next().ok_or("no key")? })
    }

    fn sign(&self, sandbox: &mut Sandbox, message: &[u8], hash: &str) -> Result<Vec<u8>, Failure> {
        let header = json!({"key": 0, "message": 1, "hash": hash});
        let blobs = vec![self.private.clone(), message.to_vec()];
        let (_, blobs): (Value, _) = sandbox.call_json(Operation::Sign, &header, blobs, BUDGET)?;
        Ok(blobs.into_iter().next().ok_or("no signature")?)
    }
}

/// What aws-lc-rs takes as a public key: the content of the bit string that ends every SubjectPublicKeyInfo.
fn point(pem: &[u8]) -> Result<Vec<u8>, Failure> {
    let text = String::from_utf8(pem.to_vec())?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let spki = base64::engine::general_purpose::STANDARD.decode(body)?;
    let length = match spki.len() {
        91 => 65,
        120 => 97,
        44 => 32,
        other => return Err(format!("an SPKI of {other} octets").into()),
    };
    Ok(spki[spki.len() - length..].to_vec())
}
