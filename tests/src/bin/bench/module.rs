//! Inside one process: signature checks against aws-lc-rs, fresh sandboxes.

use std::time::Duration;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use bulla_abi::Operation;
use bulla_engine::{Engine, Sandbox};
use serde_json::{Value, json};

use crate::table::{Table, median, ratio, show, times};
use crate::{decisions, policies, records};

pub(crate) const BUDGET: Duration = Duration::from_secs(10);

pub(crate) type Failure = Box<dyn std::error::Error>;

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

    decisions::measure(engine, &mut keys, table).await?;
    policies::measure(engine, &mut keys, table).await?;
    records::measure(engine, &mut keys, table).await
}

pub(crate) struct KeyPair {
    private: Vec<u8>,
    pub(crate) public: Vec<u8>,
}

impl KeyPair {
    pub(crate) fn make(sandbox: &mut Sandbox, algorithm: &str) -> Result<Self, Failure> {
        Self::seeded(sandbox, algorithm, 7)
    }

    pub(crate) fn seeded(sandbox: &mut Sandbox, algorithm: &str, seed: u8) -> Result<Self, Failure> {
        let header = json!({"algorithm": algorithm, "entropy": 0});
        let (_, blobs): (Value, _) = sandbox.call_json(Operation::Generate, &header, vec![vec![seed; 264]], BUDGET)?;
        let mut blobs = blobs.into_iter();
        Ok(Self { private: blobs.next().ok_or("no key")?, public: blobs.next().ok_or("no key")? })
    }

    pub(crate) fn sign(&self, sandbox: &mut Sandbox, message: &[u8], hash: &str) -> Result<Vec<u8>, Failure> {
        let header = json!({"key": 0, "message": 1, "hash": hash});
        let blobs = vec![self.private.clone(), message.to_vec()];
        let (_, blobs): (Value, _) = sandbox.call_json(Operation::Sign, &header, blobs, BUDGET)?;
        Ok(blobs.into_iter().next().ok_or("no signature")?)
    }
}

/// What aws-lc-rs takes as a public key: the content of the bit string that ends every SubjectPublicKeyInfo.
pub(crate) fn point(pem: &[u8]) -> Result<Vec<u8>, Failure> {
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
