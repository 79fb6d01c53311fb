//! What the module is from outside: no imports, known exports, a size.
#![allow(clippy::expect_used, reason = "a test that cannot go on ends, and says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use bulla_tests::hosts;
use wasmparser::{ExternalKind, Operator, Parser, Payload, Validator};

/// Octets of the module: what a page can load without a thought.
const MAX_BYTES: usize = 3_000_000;
/// Octets of it as `bulla serve` sends it to a browser, with brotli.
const MAX_SERVED_BYTES: usize = 800_000;

/// Everything that the module exports, and who needs it.
const EXPORTS: [(&str, ExternalKind); 12] = [
    // Every host (docs/abi.md).
    ("memory", ExternalKind::Memory),
    ("bulla_abi", ExternalKind::Func),
    ("bulla_alloc", ExternalKind::Func),
    ("bulla_free", ExternalKind::Func),
    ("bulla_call", ExternalKind::Func),
    // The veneer for JavaScript: two functions, and what wasm-bindgen needs to call them.
    ("abi", ExternalKind::Func),
    ("call", ExternalKind::Func),
    ("__wbindgen_add_to_stack_pointer", ExternalKind::Func),
    ("__wbindgen_export", ExternalKind::Func),
    ("__wbindgen_export2", ExternalKind::Func),
    // Made by wasm-bindgen for modules that may be ended; nobody here sets them.
    ("__abort_handler", ExternalKind::Global),
    ("__instance_terminated", ExternalKind::Global),
];

fn module() -> Vec<u8> {
    std::fs::read(hosts::module()).expect("the module is built: run `cargo xtask build`")
}

#[test]
fn the_module_imports_nothing_and_exports_exactly_what_is_known() {
    let module = module();
    Validator::new().validate_all(&module).expect("valid WebAssembly");
    let (mut imports, mut exports) = (Vec::new(), BTreeMap::new());
    for payload in Parser::new(0).parse_all(&module) {
        match payload.expect("valid WebAssembly") {
            Payload::ImportSection(section) => imports.push(format!("{:?}", section.range())),
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.expect("valid WebAssembly");
                    exports.insert(export.name.to_owned(), export.kind);
                }
            }
            Payload::StartSection { .. } => panic!("the module runs code before anybody calls it"),
            _ => {}
        }
    }
    assert!(imports.is_empty(), "it imports something: {imports:?}");
    let known: BTreeMap<String, ExternalKind> =
        EXPORTS.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    assert_eq!(exports, known);
}

/// What a host may rely on when it copies a memory instead of loading documents again: nothing but the memory changes for
/// good. The stack pointer is back where it was when a call returns.
#[test]
fn all_of_its_state_lies_in_its_memory() {
    let module = module();
    let (mut written, mut exported, mut others) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&module) {
        match payload.expect("valid WebAssembly") {
            Payload::ExportSection(section) => {
                let exports = section.into_iter().map(|export| export.expect("valid WebAssembly"));
                let globals = exports.filter(|export| export.kind == ExternalKind::Global);
                exported.extend(globals.map(|export| export.index));
            }
            Payload::CodeSectionEntry(body) => {
                for operator in body.get_operators_reader().expect("valid WebAssembly") {
                    match operator.expect("valid WebAssembly") {
                        Operator::GlobalSet { global_index } => _ = written.insert(global_index),
                        operator @ (Operator::TableSet { .. }
                        | Operator::TableGrow { .. }
                        | Operator::TableFill { .. }
                        | Operator::TableCopy { .. }
                        | Operator::TableInit { .. }
                        | Operator::ElemDrop { .. }
                        | Operator::MemoryInit { .. }
                        | Operator::DataDrop { .. }) => others.push(format!("{operator:?}")),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(written.len(), 1, "globals beside the stack pointer are written: {written:?}");
    assert!(written.is_disjoint(&exported), "hosts can change {written:?}");
}

#[test]
fn the_contract_s_functions_are_among_the_exports() {
    for name in bulla_abi::EXPORTS {
        assert!(EXPORTS.contains(&(name, ExternalKind::Func)), "{name}");
    }
}

#[test]
fn the_module_stays_small() {
    let module = module();
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 64 * 1024, 11, 22);
    writer.write_all(&module).expect("memory takes everything");
    drop(writer);
    let said = format!("{} octets, {} with brotli", module.len(), packed.len());
    println!("module: {said}");
    assert!(module.len() <= MAX_BYTES && packed.len() <= MAX_SERVED_BYTES, "{said}");
}

#[test]
fn the_embedded_module_is_the_one_that_was_built() {
    assert!(bulla_engine::EMBEDDED == module(), "the hosts embed another module than foreign hosts load");
}

/// The generated glue, as a page or a bundler would use it: the same call as through the C functions.
#[test]
fn the_javascript_veneer_gives_the_same_octets() {
    let Some(node) = bulla_tests::peers::require("node") else { return };
    let glue = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bulla/bulla.js");
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("bulla.mjs");
    std::fs::copy(&glue, &copy).expect("the glue is built");
    let module = folder.path().join("bulla.wasm");
    std::fs::write(&module, bulla_engine::EMBEDDED).expect("writable");
    let script = "import { readFileSync } from 'node:fs';
        import { initSync, call, abi } from './bulla.mjs';
        initSync({ module: readFileSync('bulla.wasm') });
        if (abi() !== 1) throw new Error('another ABI');
        process.stdout.write(call(0, new Uint8Array([2, 0, 0, 0, 123, 125])));";
    std::fs::write(folder.path().join("main.mjs"), script).expect("writable");
    let output =
        std::process::Command::new(node).arg("main.mjs").current_dir(folder.path()).output().expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reply = bulla_abi::Message::decode(&output.stdout).expect("a message");
    let mut sandbox = bulla_tests::runner::sandbox(bulla_abi::Operation::Describe);
    let request = bulla_abi::Message { header: b"{}".to_vec(), blobs: Vec::new() };
    let same = sandbox.call(bulla_abi::Operation::Describe, &request, std::time::Duration::from_secs(10));
    assert_eq!(reply, same.expect("it describes itself"));
}
