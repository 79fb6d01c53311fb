//! The policies that ship load under their own names, and each has cases that pass and cases that fail, which are run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bulla_abi::{Message, Operation};
use bulla_tests::support::bulla;
use bulla_wasm::Module;
use serde_json::{Value, json};

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");

fn starters() -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(Path::new(POLICIES).join("starters")).expect("the starters");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    let name = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read(path).expect("readable"))).collect()
}

fn ask(operation: Operation, header: &Value, blobs: Vec<Vec<u8>>) -> Value {
    let message = Message { blobs, ..Message::new(header).expect("a header") };
    let reply = Module::default().call(operation.number(), &message.encode().expect("a message"));
    serde_json::from_slice(&Message::decode(&reply).expect("a reply").header).expect("JSON")
}

#[test]
fn every_starter_loads_under_its_own_name() {
    let starters = starters();
    assert!(starters.len() >= 7, "{starters:?}");
    for (name, bytes) in starters {
        let reply = ask(Operation::Load, &json!({"documents": [{"name": name, "blob": 0}]}), vec![bytes]);
        assert_eq!(reply["ok"]["policies"][0]["policy"], json!(name), "{reply}");
        assert_eq!(reply["ok"]["policies"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn every_starter_has_cases_that_accept_and_cases_that_do_not_and_all_of_them_hold() {
    let ran = bulla().args(["policy", "test", "--output", "json"]).arg(POLICIES).output().expect("it starts");
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    let report: Value = serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("{error}: {printed}{}", String::from_utf8_lossy(&ran.stderr)));
    let cases = report["cases"].as_array().expect("cases");
    let wrong: Vec<&Value> = cases.iter().filter(|case| case["passed"] != json!(true)).collect();
    assert!(ran.status.success() && wrong.is_empty(), "{wrong:#?}");
    assert_eq!(report["withoutCases"], json!([]));
    let mut outcomes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for case in cases {
        let file = PathBuf::from(case["file"].as_str().expect("a file"));
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        outcomes.entry(name).or_default().push(case["got"].as_str().expect("an outcome"));
    }
    for (name, _) in starters() {
        let got = outcomes.get(&name).unwrap_or_else(|| panic!("{name} has no cases"));
        assert!(got.contains(&"accept") && got.contains(&"reject"), "{name}: {got:?}");
    }
}
