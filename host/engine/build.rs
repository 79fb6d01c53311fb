//! Finds the module that this crate embeds: `$BULLA_WASM`, else `target/bulla/bulla.wasm` of the workspace.

use std::path::PathBuf;
use std::{env, fs};

/// Where `cargo xtask build` puts the module, from this crate's folder.
const BUILT: &str = "../../target/bulla/bulla.wasm";

fn main() {
    println!("cargo::rerun-if-env-changed=BULLA_WASM");
    println!("cargo::rerun-if-changed=build.rs");
    let chosen = env::var_os("BULLA_WASM").filter(|path| !path.is_empty());
    let path = match &chosen {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join(BUILT),
    };
    // A path that does not exist yet makes cargo run this script again each time, so a later build of the module is seen.
    println!("cargo::rerun-if-changed={}", path.display());

    let Ok(bytes) = fs::read(&path) else {
        println!("cargo::error=the module is not built: run `cargo xtask build`");
        if chosen.is_some() {
            println!("cargo::error=BULLA_WASM names {}, which cannot be read", path.display());
        }
        return;
    };
    if !bytes.starts_with(b"\0asm") {
        println!("cargo::error={} is not a WebAssembly module: run `cargo xtask build`", path.display());
        return;
    }
    let path = fs::canonicalize(&path).expect("it was read just now");
    println!("cargo::rustc-env=BULLA_WASM_FILE={}", path.display());
}
