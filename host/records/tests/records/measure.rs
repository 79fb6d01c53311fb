//! What writing a record costs beside a cached admission. Run with `--release -- --ignored --nocapture measure`.

use std::env;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bulla_engine::{Documents, decide_once};
use bulla_records::{Durability, Options, Store};

use crate::common::{deadline, engine, files, run, vector};

#[test]
#[ignore = "a measurement"]
fn measure() {
    let folder = tempfile::tempdir_in(env::var_os("BULLA_TEST_FOLDER").unwrap_or_else(|| env::temp_dir().into()))
        .expect("a folder");
    let count: u32 = env::var("BULLA_TEST_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let case = run(vector("accept/p256")).expect("a decision");
    let policies = case.policies();
    for durability in [Durability::Batched, Durability::Synchronous] {
        let path = folder.path().join(format!("{durability:?}"));
        let store = Store::open(&path, Options { durability, ..Options::default() }).expect("ours");
        let first = case.write_with(&store, &policies);
        let mut case = case.clone();
        let count = if durability == Durability::Batched { count } else { count / 50 };
        let mut times = Vec::new();
        let begun = Instant::now();
        for number in 0..count {
            case.question["now"] = (1_767_225_600 + number).into();
            let one = Instant::now();
            black_box(case.write_with(&store, &policies));
            times.push(one.elapsed());
        }
        let all = begun.elapsed();
        times.sort();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or(Duration::ZERO);
        let journal: u64 =
            files(&path.join("journal")).iter().map(|file| fs::metadata(file).map_or(0, |it| it.len())).sum();
        println!(
            "{durability:?}: {count} records, first brings {} octets; then {} octets each in the journal, \
             record {} octets; mean {:.1} µs, median {:.1} µs, p99 {:.1} µs",
            first.brought,
            journal / u64::from(count + 1),
            first.octets,
            all.as_secs_f64() * 1e6 / f64::from(count.max(1)),
            at(50).as_secs_f64() * 1e6,
            at(99).as_secs_f64() * 1e6,
        );
    }
    if env::var_os("BULLA_TEST_NO_DECISION").is_none() {
        let loaded = Documents::new(case.documents.clone()).expect("serialisable");
        let rounds = 200u32;
        let took = run(async {
            let begun = Instant::now();
            for _ in 0..rounds {
                decide_once(engine(), &loaded, &case.question, &case.evidence, deadline()).await.expect("a verdict");
            }
            begun.elapsed()
        });
        println!("a decision from evidence at hand: {:.1} µs", took.as_secs_f64() * 1e6 / f64::from(rounds));
    }
}
