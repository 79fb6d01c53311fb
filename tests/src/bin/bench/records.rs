//! Writing the record of a decision, beside that decision.

use std::time::Instant;

use bulla_engine::{Engine, Sandbox};
use bulla_records::limits::MAX_RECORD_BYTES;
use bulla_records::{Action, Digest, Draft, Durability, Made, Options, Policies, Store, Surface};
use serde_json::json;

use crate::decisions::{IMAGE, Memory, documents};
use crate::module::{BUDGET, Failure, KeyPair};
use crate::table::{Table, median, percentile, ratio, show};

pub(crate) async fn measure(engine: &Engine, keys: &mut Sandbox, table: &mut Table) -> Result<(), Failure> {
    let pair = KeyPair::make(keys, "ecdsa-p256")?;
    let mut registry = Memory::default();
    registry.publish(keys, &pair, "legacy")?;
    let documents = documents(&pair, "")?;
    let contents = documents.contents().map(|(name, bytes)| (name, bytes.to_vec().into()));
    let policies = Policies::new(contents)?;
    let module = Digest::of(engine.module());

    // Beside what is built, which is on a disk; the folder for temporary files may be in memory.
    let folder = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../target"))?;
    for (durability, runs) in [(Durability::Batched, 2000), (Durability::Synchronous, 100)] {
        let store =
            Store::open(&folder.path().join(format!("{durability:?}")), Options { durability, ..Options::default() })?;
        let (mut decided, mut written, mut last) = (Vec::new(), Vec::new(), None);
        for now in 0..runs {
            let question = json!({"image": format!("{IMAGE}:1"), "now": now});
            let start = Instant::now();
            let decision = bulla_engine::decide(engine, &documents, &question, &registry, start + BUDGET).await?;
            decided.push(start.elapsed());
            let draft = Draft {
                question: &question,
                policies: &policies,
                evidence: &decision.evidence,
                module,
                verdict: &decision.verdict,
                verdict_bytes: &decision.verdict_bytes,
                made: Made { surface: Surface::Webhook, action: Action::Allowed, object: Some("Pod web".to_owned()) },
                break_glass: None,
            };
            let start = Instant::now();
            last = Some(store.write(&draft)?);
            written.push(start.elapsed());
        }
        decided.sort_unstable();
        written.sort_unstable();
        let (decided, median) = (median(&decided), median(&written));
        let how = if durability == Durability::Batched { "batched" } else { "synchronous" };
        let what = format!("record of a decision written, {how}");
        table.row(
            &what,
            show(median),
            &format!("that decision, evidence at hand, {}", show(decided)),
            ratio(median, decided),
        );
        table.row("the same, p99", show(percentile(&written, 0.99)), "", String::new());
        if let Some(last) = last.filter(|_| durability == Durability::Batched) {
            let octets = format!("{} octets", last.octets);
            let limit = MAX_RECORD_BYTES;
            table.row("the record", octets, &format!("limit {limit}"), format!("{} / {limit}", last.octets));
        }
    }
    Ok(())
}
