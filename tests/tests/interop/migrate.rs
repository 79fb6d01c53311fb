//! `bulla migrate`: a repository whose tags Notary's client has signed, verified by both cosigns afterwards.

use std::process::Command;

use bulla_tests::peers;
use bulla_tests::support::{bulla, cosign_key, cosign_verify, output, run};
use serde_json::Value;

use super::entrusted::World;

#[test]
fn ten_tags_of_notary_are_verified_by_cosign_afterwards() {
    let (Some(old), Some(new)) = (peers::require("cosign-2.6"), peers::require("cosign-3.1")) else { return };
    let Some(world) = World::start() else { return };
    let tags: Vec<String> = (0..10).map(|number| format!("1.{number}")).collect();
    for (number, tag) in tags.iter().enumerate() {
        world.publish(tag, if number % 2 == 0 { "targets/releases" } else { "targets" });
    }
    let root = world.inspect()["root"]["keys"][0]["id"].as_str().expect("a root key").to_owned();
    let folder = world.servers.folder.path();
    let (private, public) = cosign_key(&old, folder, "cosign");
    let migrate = |more: &[&str]| {
        let mut command: Command = bulla();
        command.args(["--output", "json", "migrate", &world.gun, "--server", &world.servers.address(), "--pin", &root]);
        command.args(["--trust-ca", &world.path("ca.crt"), "--trust-state", &world.path("state"), "--key"]);
        command.arg(&private).args(more);
        command
    };
    let report = |more: &[&str]| -> Value { serde_json::from_slice(&run(&mut migrate(more)).stdout).expect("JSON") };
    let is = |report: &Value, member: &str, value: bool| {
        report["tags"].as_array().is_some_and(|tags| tags.len() == 10 && tags.iter().all(|tag| tag[member] == value))
    };
    let planned = report(&["--dry-run"]);
    assert!(is(&planned, "signed", false), "{planned}");
    assert!(!cosign_verify(&old, &public, &format!("{}:1.0", world.gun), &[]).status.success());
    let done = report(&[]);
    assert!(is(&done, "signed", true) && is(&done, "alreadyThere", false), "{done}");
    for tag in &tags {
        let image = format!("{}:{tag}", world.gun);
        for cosign in [&old, &new] {
            let said = cosign_verify(cosign, &public, &image, &[]);
            assert!(said.status.success(), "{tag}: {}", String::from_utf8_lossy(&said.stderr));
        }
    }
    // Once more: nothing is signed twice.
    let again = report(&[]);
    assert!(is(&again, "alreadyThere", true), "{again}");

    // A tag that was moved since is signed as what the collection says, and named; an image that is gone ends it.
    world.registry.push_image(&format!("{}:1.9", world.gun), "something else");
    let moved = output(&mut migrate(&[]));
    let said: Value = serde_json::from_slice(&moved.stdout).expect("JSON");
    assert_eq!((moved.status.code(), said["tags"][9]["registry"].as_str()), (Some(2), Some("moved")), "{said}");
    assert!(!cosign_verify(&old, &public, &format!("{}:1.9", world.gun), &[]).status.success());
    let missing = "sha256:".to_owned() + &"7".repeat(64);
    let add = ["addhash", &world.gun, "gone", "7", "--sha256", &"7".repeat(64), "--publish"];
    world.servers.their("owner", &add);
    let ended = output(&mut migrate(&[]));
    let why = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(2) && why.contains("gone") && why.contains("--skip-missing"), "{why}");
    let skipped = output(&mut migrate(&["--skip-missing"]));
    let said: Value = serde_json::from_slice(&skipped.stdout).expect("JSON");
    let gone = said["tags"].as_array().into_iter().flatten().find(|tag| tag["tag"] == "gone").expect("named");
    assert_eq!((gone["digest"].as_str(), gone["signed"].as_bool()), (Some(missing.as_str()), Some(false)));
}
