//! The shared vectors on every runtime: natively, in wasmtime, in Node and in Python. The replies are the same octets.
#![allow(clippy::expect_used, reason = "a test that cannot go on ends, and says where")]

use std::path::Path;

use bulla_tests::vectors::{self, MAX_FILE_BYTES, Vector};
use bulla_tests::{hosts, make, peers, runner};

/// Runs the check on every vector and fails with all that is wrong, not with the first.
fn every(check: impl Fn(&str, &Vector) -> Result<(), String>) {
    let vectors = vectors::all();
    assert!(vectors.len() > 400, "only {} vectors were found", vectors.len());
    let problems: Vec<String> = vectors
        .iter()
        .filter_map(|(name, vector)| check(name, vector).err().map(|problem| format!("{name}: {problem}")))
        .collect();
    assert!(problems.is_empty(), "{} of {} fail:\n{}", problems.len(), vectors.len(), problems.join("\n"));
}

fn same(what: &str, got: &[u8], want: &[u8]) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    // Replies are long: what stands around the first difference tells enough.
    let at = got.iter().zip(want).take_while(|(got, want)| got == want).count();
    let around = |bytes: &[u8]| {
        let part = bytes.get(at.saturating_sub(60)..bytes.len().min(at + 120)).unwrap_or_default();
        String::from_utf8_lossy(part).into_owned()
    };
    Err(format!("{what} differs at octet {at}:\n  {}\n  {}", around(got), around(want)))
}

#[test]
fn the_files_are_what_the_generator_makes() {
    let differences = make::differences(&make::all());
    assert!(
        differences.is_empty(),
        "run `cargo build --workspace --exclude xtask --bins && target/debug/vectors`:\n{}",
        differences.join("\n")
    );
}

#[test]
fn every_file_is_small_and_says_why_it_is_there() {
    for (name, text) in vectors::texts() {
        assert!(text.len() <= MAX_FILE_BYTES, "{name} has {} octets: describe what is large", text.len());
    }
    every(|_, vector| match (vector.comment.trim(), vector.layer.trim()) {
        ("", _) | (_, "") => Err("it has no comment or names no layer".to_owned()),
        _ => Ok(()),
    });
}

#[test]
fn natively_every_vector_gives_what_it_says() {
    every(|_, vector| vector.expect.check(&runner::native(vector)));
}

#[test]
fn in_wasmtime_every_vector_gives_the_same_octets() {
    every(|_, vector| match runner::sandboxed(vector) {
        // Only a host that frames messages itself can send these: Node and Python do.
        None => Ok(()),
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(reply)) => same("wasmtime's reply", &reply, &runner::native(vector)),
    });
}

#[test]
fn step_by_step_every_decision_ends_with_the_same_octets() {
    every(|_, vector| {
        // A message that is not one has no steps.
        if vector.operation != "decide" || vector.header.is_none() || vector.layer == "message" {
            return Ok(());
        }
        let whole = runner::native(vector);
        same("the native session", &runner::native_steps(vector), &whole)?;
        match runner::sandboxed_steps(vector) {
            Err(error) => Err(error.to_string()),
            Ok(reply) => same("wasmtime's session", &reply, &whole),
        }?;
        match runner::prepared_steps(vector) {
            Err(error) => Err(error.to_string()),
            Ok(reply) => same("wasmtime's session over documents loaded before", &reply, &whole),
        }
    });
}

#[test]
fn node_gives_the_same_octets() {
    if let Some(node) = peers::require("node") {
        in_a_foreign_host(&node, "node.mjs");
    }
}

#[test]
fn python_gives_the_same_octets() {
    if let Some(python) = peers::require("python-wasmtime") {
        in_a_foreign_host(&python, "python.py");
    }
}

fn in_a_foreign_host(program: &Path, script: &str) {
    let vectors = vectors::all();
    let messages = vectors.values().map(|vector| (vector.number(), vector.encode())).collect();
    let replies: std::collections::HashMap<&String, Vec<u8>> =
        vectors.keys().zip(hosts::run(program, script, messages)).collect();
    every(|name, vector| {
        let reply = replies.get(&name.to_owned()).map(Vec::as_slice).unwrap_or_default();
        // Which compiler made a module is in what it says of itself, and the native one has another.
        if vector.operation == "describe" {
            vector.expect.check(reply)
        } else {
            same(script, reply, &runner::native(vector))
        }
    });
}
