//! The policies that ship load, and say what they seem to say.

use std::fs;
use std::path::PathBuf;

use bulla_abi::{Message, Operation};
use bulla_wasm::Module;
use serde_json::{Value, json};

fn starters() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/starters"));
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("the starters").map(|entry| entry.expect("an entry").path()).collect();
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
    assert!(starters.len() >= 4, "{starters:?}");
    for (name, bytes) in starters {
        let reply = ask(Operation::Load, &json!({"documents": [{"name": name, "blob": 0}]}), vec![bytes]);
        assert_eq!(reply["ok"]["policies"][0]["policy"], json!(name), "{reply}");
        assert_eq!(reply["ok"]["policies"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn an_unsigned_image_is_refused_by_each_that_enforces_and_warned_about_by_the_one_for_a_first_day() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (name, image, outcome) in [
        ("one-key", "registry.example/team/app", "reject"),
        ("two-of-three", "registry.example/production/app", "reject"),
        ("mirrored", "mirror.example/upstream/app", "reject"),
        ("first-day", "any.example/app", "accept"),
    ] {
        let (_, bytes) = starters().into_iter().find(|(starter, _)| starter == name).expect("it ships");
        let tag = digest.replace(':', "-");
        let evidence = json!([
            {"need": format!("manifest {image}:{tag}.sig"), "outcome": "absent"},
            {"need": format!("referrers {image}@{digest}"), "outcome": "absent"},
        ]);
        let question = json!({"image": format!("{image}@{digest}"), "now": 0});
        let header = json!({"documents": [{"name": name, "blob": 0}], "question": question, "evidence": evidence});
        let verdict = &ask(Operation::Decide, &header, vec![bytes])["ok"]["verdict"];
        assert_eq!(verdict["outcome"], json!(outcome), "{name}: {verdict}");
        assert_eq!(verdict["warnings"].as_array().map(Vec::is_empty), Some(outcome == "reject"), "{verdict}");
    }
}
