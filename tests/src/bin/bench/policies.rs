//! Many policies: loading them, and deciding where few of them match.

use std::time::{Duration, Instant};

use bulla_abi::Operation;
use bulla_engine::{Documents, Engine, Sandbox};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::decisions::{IMAGE, Memory, policy};
use crate::module::{BUDGET, Failure, KeyPair};
use crate::table::{Table, median, ratio, show};

const POLICIES: usize = 1000;
const MATCHING: usize = 20;
const IMAGES: usize = 8;
const RUNS: usize = 20;

type Files = Vec<(String, Bytes)>;

pub(crate) async fn measure(engine: &Engine, keys: &mut Sandbox, table: &mut Table) -> Result<(), Failure> {
    let pair = KeyPair::make(keys, "ecdsa-p256")?;
    let others: Vec<KeyPair> =
        (20..30).map(|seed| KeyPair::seeded(keys, "ecdsa-p256", seed)).collect::<Result<_, _>>()?;
    let mut registry = Memory::default();
    registry.publish(keys, &pair, "legacy")?;
    let all = files(&pair, &others)?;
    let few = matching(&all);

    let (one, all_loaded) = (loading(engine, &few[..1]).await?, loading(engine, &all).await?);
    let each = one * u32::try_from(POLICIES)?;
    let octets: usize = all.iter().map(|(_, bytes)| bytes.len()).sum();
    let what = format!("`load` of {POLICIES} policies with a key each, {} kB, fresh sandbox", octets / 1000);
    table.row(&what, show(all_loaded), &format!("{POLICIES} × one, {}", show(each)), ratio(all_loaded, each));

    let (many, few) = (deciding(engine, &registry, &all).await?, deciding(engine, &registry, &few).await?);
    let what = format!(
        "`decide` warm, {IMAGES} images at once, {POLICIES} policies of which {MATCHING} match, evidence at hand"
    );
    table.row(&what, show(many), &format!("only the {MATCHING} that match, {}", show(few)), ratio(many, few));
    Ok(())
}

/// Every fiftieth policy is about our image, so that those that match lie among the others.
fn files(pair: &KeyPair, others: &[KeyPair]) -> Result<Files, Failure> {
    let every = POLICIES / MATCHING;
    (0..POLICIES)
        .map(|n| {
            let (images, pair) = match others.get(n % others.len()) {
                Some(other) if n % every != 0 => (format!("bench.example/team-{n}/**"), other),
                _ => (IMAGE.to_owned(), pair),
            };
            Ok((format!("policy-{n}.yaml"), policy(&format!("policy-{n}"), &images, pair, "")?))
        })
        .collect()
}

fn matching(all: &Files) -> Files {
    all.iter().step_by(POLICIES / MATCHING).cloned().collect()
}

async fn loading(engine: &Engine, files: &[(String, Bytes)]) -> Result<Duration, Failure> {
    let documents: Vec<Value> =
        files.iter().enumerate().map(|(blob, (name, _))| json!({"name": name, "blob": blob})).collect();
    let header = json!({"documents": documents});
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let blobs = files.iter().map(|(_, bytes)| bytes.to_vec()).collect();
        let start = Instant::now();
        let mut sandbox = engine.sandbox().await?;
        let (answer, _): (Value, _) = sandbox.call_json(Operation::Load, &header, blobs, BUDGET)?;
        times.push(start.elapsed());
        assert_eq!(answer["policies"].as_array().map(Vec::len), Some(files.len()));
    }
    times.sort_unstable();
    Ok(median(&times))
}

/// As a review with so many images is decided: every image by a sandbox of its own, all at once.
async fn deciding(engine: &Engine, registry: &Memory, files: &Files) -> Result<Duration, Failure> {
    let documents = Documents::new(files.iter().cloned())?;
    let questions: Vec<Value> = (0..IMAGES).map(|n| json!({"image": format!("{IMAGE}:{n}"), "now": 0})).collect();
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let decisions = questions
            .iter()
            .map(|question| bulla_engine::decide(engine, &documents, question, registry, start + BUDGET));
        let decisions = futures_util::future::try_join_all(decisions).await?;
        times.push(start.elapsed());
        for decision in decisions {
            assert_eq!(decision.verdict["outcome"], json!("accept"), "{}", decision.verdict);
            assert_eq!(decision.verdict["policies"].as_array().map(Vec::len), Some(MATCHING));
        }
    }
    times.sort_unstable();
    Ok(median(&times))
}
