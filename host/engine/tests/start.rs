//! Starting: which modules are refused and why, and where machine code comes from.

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use bulla_engine::{CodeFrom, Compiler, Engine, ModuleBytes, Options, compile_to};

fn refused(module: Vec<u8>) -> String {
    Engine::start(common::options(module)).expect_err("refused").to_string()
}

#[test]
fn another_module_is_refused_by_name() {
    let import = r#"(import "env" "now" (func (result i64)))"#;
    let with_import = common::wat(&[import]);
    assert_eq!(refused(with_import), "not a Bulla module: it imports `env.now`, and a Bulla module imports nothing");

    let not = "not a Bulla module: it does not export";
    assert_eq!(refused(common::wat(&[])), format!("{not} `memory` as a 32-bit memory of its own"));
    assert_eq!(
        refused(common::with("memory", r#"(memory 2) (global (export "memory") i32 (i32.const 0))"#)),
        format!("{not} `memory` as a 32-bit memory of its own, but as a global")
    );
    assert_eq!(
        refused(common::with("free", r#"(func (export "bulla_freed") (param i32 i32))"#)),
        format!("{not} `bulla_free` as (i32, i32)")
    );
    assert_eq!(
        refused(common::with("free", r#"(func (export "bulla_free") (param i32) (result i64) (i64.const 0))"#)),
        format!("{not} `bulla_free` as (i32, i32), but as (i32) -> i64")
    );
    assert_eq!(
        refused(common::with("abi", r#"(func (export "bulla_abi") (result i64) (i64.const 1))"#)),
        format!("{not} `bulla_abi` as () -> i32, but as () -> i64")
    );
    assert_eq!(
        refused(common::with("abi", r#"(func (export "bulla_abi") (result i32) (i32.const 2))"#)),
        "the module speaks version 2 of the contract (bulla_abi), this host speaks 1"
    );
}

#[test]
fn a_module_that_does_not_come_up_is_refused() {
    let abi = r#"(func (export "bulla_abi") (result i32) (unreachable))"#;
    let error = refused(common::with("abi", abi));
    assert!(error.starts_with("the module does not start: cannot make a sandbox: bulla_abi: "), "{error}");
    let begins = r#"(memory (export "memory") 2) (func $begin (unreachable)) (start $begin)"#;
    let error = refused(common::with("memory", begins));
    assert!(error.starts_with("the module does not start: cannot make a sandbox: "), "{error}");
    let large = refused(common::with("memory", r#"(memory (export "memory") 2000)"#));
    assert!(large.contains("memory"), "{large}");
}

#[test]
fn bytes_that_are_no_module_are_refused() {
    let ours = common::ours();
    let half = ours[..ours.len() / 2].to_vec();
    for bad in [Vec::new(), b"garbage".to_vec(), b"(module)".to_vec(), half, ours[..8].to_vec()] {
        let error = refused(bad.clone());
        let known = ["the module cannot be compiled: ", "not a Bulla module: "];
        assert!(known.iter().any(|start| error.starts_with(start)), "{bad:?}: {error}");
    }
}

#[test]
fn options_have_ranges() {
    let start = |instances, parallel_calls| {
        Engine::start(Options { instances, parallel_calls, ..common::options(common::ours()) })
    };
    assert_eq!(start(0, 1).expect_err("none").to_string(), "instances is 0, allowed are 1 to 4096");
    assert_eq!(start(1, 0).expect_err("none").to_string(), "parallel_calls is 0, allowed are 1 to 4096");
}

#[test]
fn the_digest_is_of_the_bytes() {
    // sha256sum of the eight octets of an empty module.
    let digest = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";
    let empty = b"\0asm\x01\0\0\0".to_vec();
    assert!(refused(empty.clone()).contains("memory"));
    use_digest(&empty, digest);
    assert_eq!(common::engine().module_digest().len(), 64);
}

fn use_digest(bytes: &[u8], digest: &str) {
    // The file name in the cache begins with it.
    let cache = tempfile::tempdir().expect("a folder");
    let _ = Engine::start(cached(bytes.to_vec(), cache.path()));
    let names: Vec<_> = codes(cache.path());
    assert_eq!(names.len(), 1);
    assert!(names[0].file_name().expect("a name").to_string_lossy().starts_with(digest), "{names:?}");
}

fn cached(module: Vec<u8>, cache: &Path) -> Options {
    Options { cache_dir: Some(cache.to_owned()), ..common::options(module) }
}

fn codes(cache: &Path) -> Vec<PathBuf> {
    fs::read_dir(cache).expect("a folder").flatten().map(|entry| entry.path()).collect()
}

/// Where the code came from, and the warnings.
fn start(cache: &Path) -> (CodeFrom, String) {
    let engine = Engine::start(cached(common::ours(), cache)).expect("ours");
    let mut sandbox = engine.try_sandbox().expect("a place");
    let empty = bulla_engine::abi::Message { header: b"{}".to_vec(), blobs: Vec::new() };
    sandbox.call(common::ECHO, &empty, std::time::Duration::from_secs(1)).expect("it runs");
    (engine.started().code, engine.started().warnings.join("; "))
}

#[test]
fn the_second_start_loads() {
    let base = tempfile::tempdir().expect("a folder");
    let cache = base.path().join("new/bulla");
    assert_eq!(start(&cache), (CodeFrom::Compiled, String::new()));
    assert_eq!(start(&cache), (CodeFrom::Loaded, String::new()));
    let names = codes(&cache);
    assert_eq!(names.len(), 1, "no draft is left: {names:?}");
    assert_eq!(fs::metadata(&names[0]).expect("there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_damaged_file_is_compiled_again() {
    let base = tempfile::tempdir().expect("a folder");
    let cache = base.path().join("bulla");
    start(&cache);
    let file = codes(&cache).remove(0);
    let good = fs::read(&file).expect("there");
    let mut changed = good.clone();
    changed[good.len() / 2] ^= 1;
    for bad in [&good[..good.len() - 1], &good[..good.len() / 2], &good[..10], &[], &changed] {
        fs::write(&file, bad).expect("ours");
        let (code, warnings) = start(&cache);
        assert_eq!(code, CodeFrom::Compiled);
        assert!(warnings.contains("is damaged"), "{warnings}");
        assert_eq!(fs::read(&file).expect("there").len(), good.len());
        assert_eq!(start(&cache), (CodeFrom::Loaded, String::new()));
    }
}

#[test]
fn a_folder_of_others_is_not_used() {
    let base = tempfile::tempdir().expect("a folder");
    let cache = base.path().join("bulla");
    start(&cache);
    fs::set_permissions(&cache, PermissionsExt::from_mode(0o777)).expect("ours");
    let (code, warnings) = start(&cache);
    assert_eq!(code, CodeFrom::Compiled);
    assert!(warnings.contains("not cached") && warnings.contains("writable by others (mode 0777)"), "{warnings}");
    let (code, warnings) = start(Path::new("/proc/self/nowhere"));
    assert_eq!(code, CodeFrom::Compiled);
    assert!(warnings.contains("not cached"), "{warnings}");
}

#[test]
fn a_file_of_others_is_not_used() {
    let base = tempfile::tempdir().expect("a folder");
    let cache = base.path().join("bulla");
    start(&cache);
    let file = codes(&cache).remove(0);
    let expect = |why: &str| {
        let (code, warnings) = start(&cache);
        assert_eq!(code, CodeFrom::Compiled);
        assert!(warnings.contains("not cached") && warnings.contains(why), "{why}: {warnings}");
    };
    fs::set_permissions(&file, PermissionsExt::from_mode(0o662)).expect("ours");
    expect("writable by others");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("ours");
    let elsewhere = base.path().join("elsewhere");
    fs::rename(&file, &elsewhere).expect("ours");
    symlink(&elsewhere, &file).expect("ours");
    expect("symbolic link");
    fs::remove_file(&file).expect("ours");
    fs::create_dir(&file).expect("ours");
    expect("not a regular file");
    // Only root can give files away; elsewhere the check of the mode has to stand for both.
    fs::remove_dir(&file).expect("ours");
    fs::rename(&elsewhere, &file).expect("ours");
    if std::os::unix::fs::chown(&file, Some(12345), None).is_ok() {
        expect("owned by user 12345");
    }
}

/// A child that answers by copying code made before, as `internal-compile` does by compiling.
fn child(script: &str) -> Compiler {
    Compiler::Child("/bin/sh".into(), ["-c", script, "internal-compile"].map(Into::into).to_vec())
}

#[test]
fn a_child_compiles() {
    let base = tempfile::tempdir().expect("a folder");
    let (out, seen) = (base.path().join("code"), base.path().join("seen"));
    compile_to(&common::ours(), &out).expect("ours");
    let script = format!(
        "echo \"$@\" > {0}.args; cat > {0}; [ -z \"$HOME\" ] && cat {1} > /dev/stdout",
        seen.display(),
        out.display()
    );
    for cache_dir in [None, Some(base.path().join("bulla"))] {
        let engine = Engine::start(Options { compiler: child(&script), cache_dir, ..common::options(common::ours()) });
        let engine = engine.expect("ours");
        assert_eq!((engine.started().code, engine.started().warnings.len()), (CodeFrom::Compiled, 0));
        assert_eq!(fs::read(&seen).expect("the module"), common::ours());
        let args = fs::read_to_string(base.path().join("seen.args")).expect("the arguments");
        assert_eq!(args, "--module - --out /dev/stdout\n");
    }
    assert_eq!(start(&base.path().join("bulla")).0, CodeFrom::Loaded);
}

#[test]
fn a_child_that_fails_is_replaced() {
    for (script, why) in [("echo broken >&2; exit 3", "exit status: 3: broken"), ("exec /nonexistent", "nonexistent")] {
        let engine =
            Engine::start(Options { compiler: child(script), ..common::options(common::ours()) }).expect("ours");
        let warnings = engine.started().warnings.join("; ");
        assert!(warnings.contains("compiled in process") && warnings.contains(why), "{warnings}");
    }
    let missing = Compiler::Child("/nonexistent/bulla".into(), Vec::new());
    let engine = Engine::start(Options { compiler: missing, ..common::options(common::ours()) }).expect("ours");
    assert!(engine.started().warnings[0].contains("/nonexistent/bulla: "));
    // A child that ends well and says nothing.
    let engine = Engine::start(Options { compiler: child("exit 0"), ..common::options(common::ours()) }).expect("ours");
    assert!(engine.started().warnings[0].contains("cut short"));
}

#[test]
fn the_embedded_module_can_be_named() {
    assert!(bulla_engine::EMBEDDED.starts_with(b"\0asm"));
    assert!(matches!(Options::default().module, ModuleBytes::Embedded));
}
