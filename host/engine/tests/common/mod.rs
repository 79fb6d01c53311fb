//! Tiny modules, written by hand, that behave well and badly.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::OnceLock;

use bulla_engine::abi::Operation;
use bulla_engine::{Compiler, Engine, ModuleBytes, Options};

const ABI: &str = r#"(func (export "bulla_abi") (result i32) (i32.const 1))"#;
const MEMORY: &str = r#"(memory (export "memory") 2)"#;
const FREE: &str = r#"(func (export "bulla_free") (param i32 i32))"#;

/// Takes places one after the other, grows the memory when it has to, and gives 0 when it cannot.
const ALLOC: &str = r#"
  (global $next (mut i32) (i32.const 1024))
  (func $alloc (export "bulla_alloc") (param $n i32) (result i32) (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $n)))
    (block $enough
      (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $enough (i32.ne (i32.const -1)
        (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $n) (i32.const 65536))))))
      (return (i32.const 0)))
    (local.get $at))"#;

/// What each operation of the test module does.
pub(crate) const ECHO: Operation = Operation::Describe;
pub(crate) const ENDLESS: Operation = Operation::Load;
pub(crate) const HOG: Operation = Operation::Open;
pub(crate) const TRAP: Operation = Operation::Supply;
pub(crate) const OUTSIDE: Operation = Operation::Decide;
pub(crate) const LONG: Operation = Operation::Extract;
pub(crate) const INSIDE_REQUEST: Operation = Operation::Respond;
pub(crate) const NULL: Operation = Operation::Contents;
pub(crate) const FAR: Operation = Operation::Prepare;
pub(crate) const OVERFLOW: Operation = Operation::Check;
/// Replies with 64 octets of its memory, from offset 65536, as they are.
pub(crate) const PEEK: Operation = Operation::Generate;
/// Echoes as well, but runs on the engine for key operations.
pub(crate) const KEY: Operation = Operation::Key;

const CALL: &str = r#"
  (func $pack (param $at i32) (param $n i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $n))))
  (func (export "bulla_call") (param $op i32) (param $at i32) (param $n i32) (result i64) (local $to i32)
    (if (i32.eq (local.get $op) (i32.const 1)) (then (loop $on (br $on))))
    (if (i32.eq (local.get $op) (i32.const 2)) (then
      (loop $more (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) (unreachable)))
    (if (i32.eq (local.get $op) (i32.const 3)) (then (unreachable)))
    (if (i32.eq (local.get $op) (i32.const 4)) (then (return (call $pack (i32.const 131068) (i32.const 8)))))
    (if (i32.eq (local.get $op) (i32.const 5)) (then (return (call $pack (i32.const 1024) (i32.const -1)))))
    (if (i32.eq (local.get $op) (i32.const 6)) (then (return (call $pack (local.get $at) (local.get $n)))))
    (if (i32.eq (local.get $op) (i32.const 7)) (then (return (i64.const 4))))
    (if (i32.eq (local.get $op) (i32.const 8)) (then (return (i64.const -1))))
    (if (i32.eq (local.get $op) (i32.const 11)) (then
      (drop (memory.grow (i32.const 600))) (return (call $pack (i32.const 2048) (i32.const 33554433)))))
    (if (i32.eq (local.get $op) (i32.const 12)) (then (return (call $pack (i32.const 65536) (i32.const 64)))))
    (local.set $to (call $alloc (local.get $n)))
    (memory.copy (local.get $to) (local.get $at) (local.get $n))
    (call $pack (local.get $to) (local.get $n)))"#;

pub(crate) fn wat(parts: &[&str]) -> Vec<u8> {
    wat::parse_str(format!("(module {})", parts.join("\n"))).expect("well-formed")
}

/// A module as ours should be.
pub(crate) fn ours() -> Vec<u8> {
    wat(&[ABI, MEMORY, FREE, ALLOC, CALL])
}

/// The same, with one of its parts replaced: `abi`, `memory`, `free`, `alloc` or `call`.
pub(crate) fn with(part: &str, text: &str) -> Vec<u8> {
    let pick = |name: &str, usual| if name == part { text } else { usual };
    let (abi, memory, free) = (pick("abi", ABI), pick("memory", MEMORY), pick("free", FREE));
    wat(&[abi, memory, free, pick("alloc", ALLOC), pick("call", CALL)])
}

/// Starts with these bytes, few sandboxes and no cache.
pub(crate) fn options(module: Vec<u8>) -> Options {
    Options {
        module: ModuleBytes::Given(module),
        cache_dir: None,
        compiler: Compiler::InProcess,
        instances: 4,
        key_instances: 1,
        parallel_calls: 4,
    }
}

pub(crate) fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::start(options(ours())).expect("ours")).clone()
}

/// A module that answers each operation with a fixed header.
pub(crate) fn answering(answers: &[(Operation, &str)]) -> Vec<u8> {
    let (mut data, mut calls) = (String::new(), String::new());
    for (index, (operation, header)) in answers.iter().enumerate() {
        let (at, length) = (65_536 + index * 2048, u32::try_from(header.len()).expect("short"));
        let bytes = length.to_le_bytes().into_iter().chain(header.bytes());
        let escaped: String = bytes.map(|byte| format!("\\{byte:02x}")).collect();
        data += &format!("(data (i32.const {at}) \"{escaped}\")\n");
        let (number, packed) = (operation.number(), ((at as u64) << 32) | u64::from(length + 4));
        calls += &format!("(if (i32.eq (local.get $op) (i32.const {number})) (then (return (i64.const {packed}))))\n");
    }
    let call = r#"(func (export "bulla_call") (param $op i32) (param i32 i32) (result i64)"#;
    with("call", &format!("{data} {call} {calls} (unreachable))"))
}
