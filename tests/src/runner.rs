//! Runs a vector natively and in wasmtime; decisions in one call, and step by step with only what was asked for.

use std::sync::OnceLock;
use std::time::Duration;

use bulla_abi::{Evidence, Message, Operation, Outcome};
use bulla_engine::{Documents, Engine, ModuleBytes, Options, Sandbox, SandboxError};
use bulla_wasm::Module;
use serde_json::{Value, json};

use crate::vectors::Vector;

/// Wall time that one call may take here: a busy machine and an unoptimised build are no failures.
const BUDGET: Duration = Duration::from_secs(120);

/// The reply of the native module.
pub fn native(vector: &Vector) -> Vec<u8> {
    Module::default().call(vector.number(), &vector.encode())
}

/// The reply of the module in wasmtime; `None` where the message cannot be framed, which only a raw host can send.
pub fn sandboxed(vector: &Vector) -> Option<Result<Vec<u8>, SandboxError>> {
    let operation = Operation::from_number(vector.number()).filter(|_| vector.message.is_none())?;
    let reply = sandbox(operation).call(operation, &vector.parts(), BUDGET);
    Some(reply.map(|reply| reply.encode().expect("it was decoded")))
}

/// The last reply when the same decision is taken step by step, natively.
pub fn native_steps(vector: &Vector) -> Vec<u8> {
    let mut module = Module::default();
    steps(vector, |operation, message| {
        Ok(module.call(operation.number(), &message.encode().expect("small enough for a length")))
    })
    .expect("the native module has no limits of its own")
}

/// The last reply when the same decision is taken step by step, in one sandbox.
///
/// # Errors
/// [`SandboxError`] when a step does not fit the sandbox.
pub fn sandboxed_steps(vector: &Vector) -> Result<Vec<u8>, SandboxError> {
    let mut sandbox = sandbox(Operation::Decide);
    steps(vector, |operation, message| Ok(sandbox.call(operation, message, BUDGET)?.encode().expect("it was decoded")))
}

/// The last reply when the same decision is taken in a sandbox that got what loading the documents has left in another one.
///
/// # Errors
/// [`SandboxError`] when a step does not fit the sandbox.
pub fn prepared_steps(vector: &Vector) -> Result<Vec<u8>, SandboxError> {
    let mut sandbox = sandbox(Operation::Decide);
    let encoded = |reply: Message| reply.encode().expect("it was decoded");
    steps(vector, |operation, message| match operation {
        Operation::Load => {
            let documents = documents(message)?;
            // The first time is forgotten, the second kept, and the third made from that.
            for _ in 0..2 {
                self::sandbox(Operation::Decide).load(&documents, BUDGET)?;
            }
            Ok(encoded(sandbox.load(&documents, BUDGET)?))
        }
        _ => Ok(encoded(sandbox.call(operation, message, BUDGET)?)),
    })
}

/// The documents that a message loads, every one with its own copy of its bytes.
fn documents(load: &Message) -> Result<Documents, SandboxError> {
    let header: Value = serde_json::from_slice(&load.header).expect("a vector's header");
    let listed = header["documents"].as_array().expect("documents");
    let document = |listed: &Value| {
        let blob = listed["blob"].as_u64().and_then(|blob| load.blobs.get(usize::try_from(blob).ok()?));
        (listed["name"].as_str().unwrap_or_default().to_owned(), blob.cloned().unwrap_or_default().into())
    };
    Documents::new(listed.iter().map(document))
}

/// A fresh sandbox that suits the operation.
pub fn sandbox(operation: Operation) -> Sandbox {
    let keys = matches!(operation, Operation::Sign | Operation::Generate | Operation::Key);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let waiting = async { if keys { engine().key_sandbox().await } else { engine().sandbox().await } };
    runtime.block_on(waiting).expect("a sandbox")
}

/// One engine for all tests of a program: compiling takes seconds.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let module = match std::env::var_os("BULLA_WASM") {
            Some(path) => ModuleBytes::read(path.as_ref()).expect("BULLA_WASM names the module"),
            None => ModuleBytes::Embedded,
        };
        let cache_dir = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tests-cache").into());
        Engine::start(Options { module, cache_dir, ..Options::default() }).expect("the engine starts")
    })
}

/// Load, open, then supply what is asked for until a verdict comes or nothing that is there is asked for.
fn steps(
    vector: &Vector,
    mut call: impl FnMut(Operation, &Message) -> Result<Vec<u8>, SandboxError>,
) -> Result<Vec<u8>, SandboxError> {
    let whole = vector.parts();
    let header = vector.header.clone().unwrap_or_default();
    let evidence: Vec<Evidence> = serde_json::from_value(header["evidence"].clone()).expect("evidence");
    let message = |header: Value, blobs: Vec<Vec<u8>>| Message { header: header.to_string().into_bytes(), blobs };

    let load = message(json!({"documents": header["documents"]}), whole.blobs.clone());
    let loaded = call(Operation::Load, &load)?;
    if body(&loaded).get("error").is_some() {
        return Ok(loaded);
    }
    let mut reply = call(Operation::Open, &message(json!({"question": header["question"]}), Vec::new()))?;
    while let Some(needs) = body(&reply).pointer("/ok/needs").and_then(Value::as_array) {
        let ids: Vec<&str> = needs.iter().filter_map(|need| need["id"].as_str()).collect();
        // Another answer to the same need comes along: the first one must stand here as well.
        let answers: Vec<&Evidence> = evidence.iter().filter(|answer| ids.contains(&answer.need.as_str())).collect();
        if answers.is_empty() {
            break;
        }
        let mut blobs = Vec::new();
        let mut supplied = Vec::new();
        for answer in answers {
            let mut answer = answer.clone();
            if let Outcome::Found { blob, .. } = &mut answer.outcome {
                blobs.push(whole.blobs.get(*blob).cloned().expect("a vector's evidence has its blobs"));
                *blob = blobs.len() - 1;
            }
            supplied.push(answer);
        }
        reply = call(Operation::Supply, &message(json!({"evidence": supplied}), blobs))?;
    }
    Ok(reply)
}

fn body(reply: &[u8]) -> Value {
    let message = Message::decode(reply).expect("replies are messages");
    serde_json::from_slice(&message.header).expect("headers are JSON")
}
