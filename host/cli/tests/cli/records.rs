//! Records by hand: verified with `--record`, listed, replayed, exported, damaged.

use crate::common::{IMAGE, Place, json_of};

fn recorded(place: &Place) -> String {
    place.layout();
    place.done(&["key", "generate", "--no-passphrase"]);
    let layout = "registry.test/app=layout";
    let line = ["verify", IMAGE, "--key", "bulla.pub", "--layout", layout, "--record", "bulla-records"];
    let ended = place.run(&[line.as_slice(), &["--output", "json"]].concat());
    assert_eq!(ended.code, 1, "nobody signed it: {}", ended.err);
    json_of(&ended.out)[0]["record"].as_str().expect("an id").to_owned()
}

#[test]
fn a_decision_is_recorded_listed_replayed_and_carried_elsewhere() {
    let place = Place::new();
    let id = recorded(&place);
    let listed = place.done(&["record", "list"]);
    assert!(listed.contains(&id) && listed.contains("reject") && listed.contains(IMAGE), "{listed}");
    let shown = place.done(&["record", "show", &id]);
    assert!(shown.contains("commandLine, denied") && shown.contains("the one in this program"), "{shown}");
    let replayed = place.done(&["replay", &id[7..19]]);
    assert!(replayed.starts_with("agrees: reject"), "{replayed}");

    place.done(&["record", "export", &id, "--to", "decision.bulla"]);
    assert_eq!(place.run(&["record", "export", &id, "--to", "decision.bulla"]).code, 2, "never overwritten");
    let replayed = place.done(&["replay", "decision.bulla", "--records", "nowhere", "--output", "json"]);
    assert_eq!(json_of(&replayed)["replay"]["result"], "agrees");
    place.done(&["record", "import", "decision.bulla", "--records", "elsewhere"]);
    place.done(&["replay", &id, "--records", "elsewhere"]);
    let summary = place.done(&["record", "summary", &id, "--verifier", "https://bulla.example/ci"]);
    assert_eq!(json_of(&summary)["verificationResult"], "FAILED");
    let freed = place.done(&["record", "gc", "--output", "json"]);
    assert_eq!(json_of(&freed)["segments"], 0);
    place.done(&["replay", &id]);
}

#[test]
fn what_was_tampered_with_is_named() {
    let place = Place::new();
    let id = recorded(&place);
    place.done(&["record", "export", &id, "--to", "decision.bulla", "--without-module"]);
    let file = place.path("decision.bulla");
    let mut bytes = std::fs::read(&file).expect("there");
    let end = bytes.len() - 3;
    bytes[end] ^= 1;
    std::fs::write(&file, &bytes).expect("ours");
    let ended = place.run(&["replay", "decision.bulla"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("the verdict was tampered with"), "{}", ended.err);
    std::fs::write(&file, &bytes[..end]).expect("ours");
    let ended = place.run(&["replay", "decision.bulla", "--output", "json"]);
    assert_eq!((ended.code, json_of(&ended.err)["error"]["code"].as_str()), (1, Some("record-damaged")));

    let journal = place.path("bulla-records/journal/0000000001.log");
    let text = std::fs::read_to_string(&journal).expect("there").replace("\"denied\"", "\"warned\"");
    std::fs::write(&journal, text).expect("ours");
    let ended = place.run(&["replay", &id]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("the record was tampered with"), "{}", ended.err);
    assert_eq!(place.run(&["replay", "0123456789"]).code, 2);
    assert_eq!(place.run(&["replay", &id, "--records", "nowhere"]).code, 2);
}
