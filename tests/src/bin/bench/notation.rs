//! Decisions about signatures of Notation: both envelopes, and a long chain with a timestamp.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bulla_abi::Operation;
use bulla_engine::{Documents, Engine, Sandbox};
use bulla_tests::peers;
use bulla_tests::support::certificates::{Authority, Certificate, Leaf};
use serde_json::{Value, json};

use crate::decisions::{IMAGE, MANIFEST, Memory, decide, digest};
use crate::module::{BUDGET, Failure};
use crate::table::{Table, ratio, show};

/// What answers a request for a timestamp.
type Answer = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A timestamp authority: its root, and what answers requests.
struct Stamps {
    root: String,
    answer: Answer,
}

/// Rows about Notation. `native` is the time of one native verification by P-256, the key of every certificate here.
pub(crate) async fn measure(
    engine: &Engine,
    keys: &mut Sandbox,
    native: Duration,
    table: &mut Table,
) -> Result<(), Failure> {
    let Some(openssl) = peers::require("openssl") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let root = Authority::new(&openssl, folder.path(), "root", "EC-256");
    let short = root.issue("short", "EC-256", &Leaf::default());
    let long = root.below("above", "EC-256").below("issuing", "EC-256").issue("long", "EC-256", &Leaf::default());
    let stamps = stamps(&openssl, folder.path())?;
    // Of the envelope and of each certificate one; of the timestamp its own, and two of its certificates.
    for (format, key, stamps, count, what) in [
        ("jws", &short, None, 3, "a signature of Notation, JWS, two certificates"),
        ("cose", &short, None, 3, "the same as COSE"),
        ("jws", &long, Some(&stamps), 8, "a signature of Notation, JWS, four certificates and a timestamp"),
        ("cose", &long, Some(&stamps), 8, "the same as COSE"),
    ] {
        let now = now()?;
        let mut registry = Memory::default();
        publish(&mut registry, keys, (format, key, stamps), now)?;
        let documents = policy(&root.own, stamps)?;
        let (time, decision) = decide(engine, &documents, &registry, now, 200).await?;
        let (rounds, needs) = (decision.rounds, decision.needs);
        let what = format!("`decide` by tag with {what}, all P-256: {rounds} rounds, {needs} needs");
        let all = native * count;
        let peer = format!("{count} native verifications, {}", show(all));
        table.row(&what, show(time), &peer, ratio(time, all));
    }
    Ok(())
}

fn now() -> Result<i64, Failure> {
    let now = std::time::UNIX_EPOCH.elapsed()?;
    // The authority's clock may be a moment ahead.
    Ok(i64::try_from(now.as_secs())?)
}

fn stamps(openssl: &Path, folder: &Path) -> Result<Stamps, Failure> {
    let authority = Authority::new(openssl, folder, "tsa-root", "EC-256");
    let leaf = authority.issue("tsa", "EC-256", &Leaf { timestamping: true, ..Leaf::default() });
    let root = fs::read_to_string(&authority.own.certificate)?;
    Ok(Stamps { root, answer: Box::new(authority.timestamps(&leaf)) })
}

fn policy(root: &Certificate, stamps: Option<&Stamps>) -> Result<Documents, Failure> {
    let mut pinned = json!({"ca": [fs::read_to_string(&root.certificate)?]});
    if let Some(stamps) = stamps {
        pinned["tsa"] = json!([stamps.root]);
    }
    let signer = json!({"trustStores": pinned, "trustedIdentities": ["*"], "level": "strict"});
    let policy = json!({"apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "bench"},
        "spec": {"match": {"images": [IMAGE]}, "signers": {"release": {"notation": signer}}, "require": "release"}});
    Ok(Documents::new([("bench.yaml".to_owned(), policy.to_string().into())])?)
}

/// Signs the image and keeps what would be pushed.
fn publish(
    registry: &mut Memory,
    keys: &mut Sandbox,
    (format, key, stamps): (&str, &Certificate, Option<&Stamps>),
    now: i64,
) -> Result<(), Failure> {
    let (private, chain) = (fs::read(&key.key)?, fs::read(&key.chain)?);
    let image = format!("{IMAGE}@{}", digest(MANIFEST));
    let header = json!({"image": image, "form": "notation", "manifest": 0,
        "notation": {"envelope": format, "chain": 1, "now": now}});
    let blobs = vec![MANIFEST.to_vec(), chain.clone()];
    let (_, prepared): (Value, _) = keys.call_json(Operation::Prepare, &header, blobs, BUDGET)?;
    let [payload, protected, message] = prepared.try_into().map_err(|_| "not what is prepared")?;
    let sign = json!({"key": 0, "message": 1, "hash": "sha256"});
    let (_, signed): (Value, _) = keys.call_json(Operation::Sign, &sign, vec![private, message], BUDGET)?;
    let signature = side_by_side(signed.first().ok_or("no signature")?)?;
    let mut header = json!({"image": image, "form": "notation", "payload": 0, "signature": 1, "manifest": 4,
        "notation": {"envelope": format, "protected": 2, "chain": 3}});
    let mut blobs = vec![payload, signature, protected, chain, MANIFEST.to_vec()];
    if let Some(stamps) = stamps {
        header["notation"]["timestamp"] = json!({"nonce": 5, "roots": 6});
        blobs.extend([vec![7; 16], stamps.root.clone().into_bytes()]);
        let (_, asked): (Value, _) = keys.call_json(Operation::Assemble, &header, blobs.clone(), BUDGET)?;
        header["notation"]["timestamp"]["response"] = json!(7);
        blobs.push((stamps.answer)(asked.first().ok_or("no request")?));
    }
    let (plan, pushed): (Value, _) = keys.call_json(Operation::Assemble, &header, blobs, BUDGET)?;
    registry.push(&plan, &pushed)
}

/// Both numbers of an ECDSA signature by P-256, as envelopes have them.
fn side_by_side(der: &[u8]) -> Result<Vec<u8>, Failure> {
    let number = |at: usize| -> Result<(Vec<u8>, usize), Failure> {
        let length = usize::from(*der.get(at + 1).ok_or("no length")?);
        let number = der.get(at + 2..at + 2 + length).ok_or("no number")?;
        let number: Vec<u8> = number.iter().copied().skip_while(|octet| *octet == 0).collect();
        Ok(([vec![0; 32_usize.saturating_sub(number.len())], number].concat(), at + 2 + length))
    };
    let (r, next) = number(2)?;
    Ok([r, number(next)?.0].concat())
}
