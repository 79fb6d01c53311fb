//! Runs many messages in a host that is not ours: a program that reads lines of JSON and answers in base64.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The module that foreign hosts load: the file that our own host embeds.
pub fn module() -> PathBuf {
    let usual = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bulla/bulla.wasm");
    std::env::var_os("BULLA_WASM").map_or_else(|| PathBuf::from(usual), PathBuf::from)
}

/// The replies of a host under `tests/hosts/` to these messages, in their order.
///
/// # Panics
/// When the host ends before it has answered all of them.
pub fn run(program: &Path, script: &str, messages: Vec<(i32, Vec<u8>)>) -> Vec<Vec<u8>> {
    run_module(program, script, &module(), messages)
}

/// The same with the module in this file.
///
/// # Panics
/// When the host ends before it has answered all of them.
pub fn run_module(program: &Path, script: &str, module: &Path, messages: Vec<(i32, Vec<u8>)>) -> Vec<Vec<u8>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hosts").join(script);
    let mut child = Command::new(program)
        .arg(&script)
        .arg(module)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut input = child.stdin.take().expect("piped");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let count = messages.len();
    // From a thread of its own: both pipes are small, and both sides wait when one is full.
    let writer = thread::spawn(move || {
        for (operation, message) in messages {
            let line = serde_json::json!({"operation": operation, "message": STANDARD.encode(message)});
            if writeln!(input, "{line}").is_err() {
                return;
            }
        }
    });
    let replies: Vec<Vec<u8>> =
        output.lines().map_while(Result::ok).filter_map(|line| STANDARD.decode(line.trim()).ok()).collect();
    writer.join().expect("the writer does not panic");
    let status = child.wait().expect("the child can be waited for");
    assert!(status.success() && replies.len() == count, "{}: {status}, {} replies", script.display(), replies.len());
    replies
}
