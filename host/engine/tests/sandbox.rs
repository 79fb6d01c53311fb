//! What a sandbox does with a module that behaves badly: an error of that sandbox, and of nothing else.

mod common;

use std::time::{Duration, Instant};

use bulla_engine::abi::{Message, Operation};
use bulla_engine::{DECISION_MEMORY_BYTES, Engine, KEY_MEMORY_BYTES, MAX_REPLY_BYTES, Options, Sandbox, SandboxError};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn message() -> Message {
    let mut message = Message::new(&json!({"a": "question"})).expect("serialisable");
    message.push(vec![1, 2, 3]);
    message
}

fn sandbox(engine: &Engine) -> Sandbox {
    // Tests run side by side, and share four places.
    loop {
        match engine.try_sandbox() {
            Err(SandboxError::Full { .. }) => std::thread::sleep(Duration::from_millis(2)),
            other => return other.expect("a sandbox"),
        }
    }
}

fn call(operation: Operation, budget: Duration) -> SandboxError {
    let engine = common::engine();
    let mut sandbox = sandbox(&engine);
    let error = sandbox.call(operation, &message(), budget).expect_err("it misbehaves");
    assert!(matches!(
        sandbox.call(common::ECHO, &message(), SECOND),
        Err(SandboxError::Poisoned { operation: common::ECHO })
    ));
    error
}

#[test]
fn a_message_goes_in_and_comes_out() {
    let engine = common::engine();
    let mut sandbox = sandbox(&engine);
    for _ in 0..3 {
        assert_eq!(sandbox.call(common::ECHO, &message(), SECOND).expect("an echo"), message());
    }
    let large = Message { header: b"{}".to_vec(), blobs: vec![vec![7; 5 << 20]; 2] };
    assert_eq!(sandbox.call(common::ECHO, &large, SECOND).expect("memory grows"), large);
}

#[test]
fn json_is_unwrapped() {
    let engine = common::engine();
    let mut sandbox = sandbox(&engine);
    let (body, blobs): (Value, _) =
        sandbox.call_json(common::ECHO, &json!({"ok": {"x": 1}}), vec![vec![9]], SECOND).expect("ok");
    assert_eq!((body, blobs), (json!({"x": 1}), vec![vec![9]]));
    let error = json!({"error": {"code": "policy-invalid", "message": "line 3"}});
    let error = sandbox.call_json::<Value>(common::ECHO, &error, Vec::new(), SECOND).expect_err("an error");
    assert_eq!(error.to_string(), "line 3 (policy-invalid)");
    let error = sandbox.call_json::<Value>(common::ECHO, &json!({}), Vec::new(), SECOND).expect_err("neither");
    assert!(matches!(error, SandboxError::Header(_)), "{error}");
    sandbox.call(common::ECHO, &message(), SECOND).expect("still usable: the module did nothing wrong");
}

#[test]
fn an_endless_loop_meets_its_deadline() {
    let begun = Instant::now();
    let budget = Duration::from_millis(50);
    match call(common::ENDLESS, budget) {
        SandboxError::Deadline { operation: common::ENDLESS, budget: said } => assert_eq!(said, budget),
        other => panic!("{other:?}"),
    }
    let took = begun.elapsed();
    assert!(took >= budget && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn no_time_is_no_call() {
    let engine = common::engine();
    let mut sandbox = sandbox(&engine);
    let error = sandbox.call(common::ECHO, &message(), Duration::ZERO).expect_err("no time");
    assert!(matches!(error, SandboxError::Deadline { .. }), "{error}");
    sandbox.call(common::ECHO, &message(), SECOND).expect("nothing happened to it");
}

#[test]
fn memory_has_a_limit() {
    let error = call(common::HOG, SECOND);
    assert!(matches!(error, SandboxError::Memory { limit: DECISION_MEMORY_BYTES }), "{error}");
    assert_eq!(error.to_string(), "the module needs more than 64 MiB of memory");

    let engine = common::engine();
    let large = Message { header: b"{}".to_vec(), blobs: vec![vec![0; DECISION_MEMORY_BYTES - 4096]] };
    let error = sandbox(&engine).call(common::ECHO, &large, SECOND).expect_err("the allocator gives 0");
    assert!(matches!(error, SandboxError::Memory { .. }), "{error}");
    let larger = Message { header: b"{}".to_vec(), blobs: vec![vec![0; DECISION_MEMORY_BYTES]] };
    let mut sandbox = sandbox(&engine);
    let error = sandbox.call(common::ECHO, &larger, SECOND).expect_err("it cannot fit");
    assert!(matches!(error, SandboxError::Memory { .. }), "{error}");
    sandbox.call(common::ECHO, &message(), SECOND).expect("nothing happened to it");
}

#[test]
fn a_trap_is_named() {
    match call(common::TRAP, SECOND) {
        SandboxError::Trap { operation: common::TRAP, what } => assert!(what.contains("unreachable"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pointers_are_not_believed() {
    for (operation, what) in [
        (common::OUTSIDE, "reply"),
        (common::LONG, "reply"),
        (common::NULL, "reply"),
        (common::FAR, "reply"),
        (common::INSIDE_REQUEST, "reply, which lies in the request"),
    ] {
        match call(operation, SECOND) {
            SandboxError::Range { what: said, .. } => assert_eq!(said, what, "{operation:?}"),
            other => panic!("{operation:?}: {other:?}"),
        }
    }
    match call(common::OVERFLOW, SECOND) {
        SandboxError::Range { length, memory, .. } => assert_eq!((length, memory), (33_554_433, MAX_REPLY_BYTES)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_place_for_the_request_is_checked() {
    for alloc in ["i32.const -8", "i32.const 0", "i32.const 131071"] {
        let alloc = format!(r#"(func $alloc (export "bulla_alloc") (param i32) (result i32) ({alloc}))"#);
        let engine = Engine::start(common::options(common::with("alloc", &alloc))).expect("its types are right");
        match engine.try_sandbox().expect("a place").call(common::ECHO, &message(), SECOND) {
            Err(SandboxError::Range { what: "place for the request", .. }) => {}
            other => panic!("{alloc}: {other:?}"),
        }
    }
}

#[test]
fn a_reply_that_is_no_message_is_an_error() {
    let call = r#"(data (i32.const 16) "\09\00\00\00{}")
        (func (export "bulla_call") (param i32 i32 i32) (result i64) (i64.const 0x10_00000006))"#;
    let engine = Engine::start(common::options(common::with("call", call))).expect("its types are right");
    let mut sandbox = engine.try_sandbox().expect("a place");
    let error = sandbox.call(common::ECHO, &message(), SECOND).expect_err("cut short");
    assert!(matches!(error, SandboxError::Frame(_)), "{error}");
}

#[test]
fn places_are_counted_and_given_back() {
    let engine = Engine::start(common::options(common::ours())).expect("ours");
    let all: Vec<_> = (0..4).map(|_| engine.try_sandbox().expect("a place")).collect();
    assert_eq!(engine.places(), (4, 0));
    let error = engine.try_sandbox().expect_err("no fifth");
    assert_eq!(error.to_string(), "all 4 sandboxes are in use");
    drop(all);
    for _ in 0..100 {
        engine.try_sandbox().expect("a place").call(common::ECHO, &message(), SECOND).expect("an echo");
    }
    assert_eq!(engine.places(), (4, 4));
}

#[tokio::test]
async fn a_place_can_be_waited_for_and_short_operations_have_their_own() {
    let engine = Engine::start(common::options(common::ours())).expect("ours");
    let all: Vec<_> = (0..4).map(|_| engine.try_sandbox().expect("a place")).collect();
    // Decisions that wait for their registries hold up nothing that waits for nobody.
    let (body, _) = engine.ask::<u32>(common::ECHO, &json!({"ok": 1}), Vec::new(), SECOND).await.expect("an echo");
    assert_eq!(body, 1);
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.sandbox().await.map(drop) }
    });
    tokio::task::yield_now().await;
    drop(all);
    waiting.await.expect("no panic").expect("a place");
    let (body, _) = engine.ask::<u32>(common::ECHO, &json!({"ok": 1}), Vec::new(), SECOND).await.expect("an echo");
    assert_eq!(body, 1);
}

#[tokio::test]
async fn key_operations_have_more_memory() {
    let engine = common::engine();
    let large = vec![vec![0; DECISION_MEMORY_BYTES + 1], Vec::new()];
    let error =
        engine.ask::<u32>(common::KEY, &json!({"ok": 1}), large, SECOND * 10).await.expect_err("reply too large");
    assert!(matches!(error, SandboxError::Range { memory: MAX_REPLY_BYTES, .. }), "{error}");
    let mut sandbox = engine.key_sandbox().await.expect("a place");
    let error = sandbox.call(common::HOG, &message(), SECOND * 10).expect_err("there is a limit all the same");
    assert!(matches!(error, SandboxError::Memory { limit: KEY_MEMORY_BYTES }), "{error}");
}

#[test]
fn one_sandbox_does_not_see_another() {
    // One place, so that the second sandbox gets the memory of the first.
    let engine = Engine::start(Options { instances: 1, ..common::options(common::ours()) }).expect("ours");
    let secret = Message { header: b"{}".to_vec(), blobs: vec![vec![b's'; 100_000]] };
    for _ in 0..3 {
        let mut first = engine.try_sandbox().expect("a place");
        first.call(common::ECHO, &secret, SECOND).expect("an echo");
        let error = first.call(common::PEEK, &message(), SECOND).expect_err("the secret is no message");
        assert!(matches!(error, SandboxError::Frame(_)), "{error}");
        drop(first);
        let mut second = engine.try_sandbox().expect("a place");
        let reply = second.call(common::PEEK, &message(), SECOND).expect("zeros are a message of empty parts");
        assert!(reply.header.is_empty() && reply.blobs.len() == 15 && reply.blobs.iter().all(Vec::is_empty));
    }
}
