//! The page in a real browser (docs/page.md, section "Tests"): every flow of `tests/page`, in Chromium.
#![allow(clippy::expect_used, reason = "a test that cannot go on ends, and says where")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bulla_tests::{peers, runner, support, vectors};
use sha2::{Digest as _, Sha256};

/// For all flows. Two minutes on two cores, and much longer where others work as well.
const LONGEST_RUN: Duration = Duration::from_secs(15 * 60);
/// For ending what was started, once asked to.
const LONGEST_END: Duration = Duration::from_secs(20);

#[test]
fn every_flow_holds_in_chromium() {
    let Some(node) = peers::require("node") else { return };
    let Some(npm) = peers::require("npm") else { return };
    let Some(chromium) = peers::require("chromium") else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let installed = install(&npm, &folder);
    if !peers::possible(installed.is_ok(), "the packages of tests/page/package-lock.json") {
        eprintln!("{}", installed.expect_err("it failed"));
        return;
    }
    let work = tempfile::tempdir().expect("a folder");
    let (log, native) = (work.path().join("log"), work.path().join("native.json"));
    let output = File::create(&log).expect("a file");
    let mut command = Command::new(node);
    command.arg("run.mjs").current_dir(&folder).stdin(Stdio::null());
    command.stdout(output.try_clone().expect("a file")).stderr(output);
    command.env("BULLA_BIN", support::bulla_path()).env("BULLA_CHROMIUM", chromium).env("BULLA_NATIVE", &native);
    if let Some(module) = module() {
        command.env("BULLA_WASM", module);
    }
    let mut running = Running(command.spawn().expect("node starts"));
    // Meanwhile: the flow that compares with these waits for them. Under their name they are there as a whole.
    let replies = work.path().join("replies");
    fs::write(&replies, native_replies()).and_then(|()| fs::rename(replies, native)).expect("a file");
    let ended = running.wait(LONGEST_RUN);
    let said = fs::read_to_string(&log).unwrap_or_default();
    println!("{said}");
    match ended {
        Some(status) => assert!(status.success(), "node run.mjs gave {status}:\n{said}"),
        None => panic!("not done after {} s; until then:\n{said}", LONGEST_RUN.as_secs()),
    }
}

/// What the page's tests are written with, as the lock file says; nothing to do where it was installed by this very file.
fn install(npm: &Path, folder: &Path) -> Result<(), String> {
    let lock = fs::read(folder.join("package-lock.json")).expect("a lock file");
    let mark = folder.join("node_modules/.installed-by");
    if fs::read(&mark).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let mut command = Command::new(npm);
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    let output = support::output(&mut command);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    fs::write(mark, lock).map_err(|error| error.to_string())
}

/// SHA-256 of every vector's reply as core gives it natively.
fn native_replies() -> Vec<u8> {
    let digest = |reply: &[u8]| format!("sha256:{}", hex::encode(Sha256::digest(reply)));
    let replies: BTreeMap<String, String> =
        vectors::all().iter().map(|(name, vector)| (name.clone(), digest(&runner::native(vector)))).collect();
    serde_json::to_vec(&replies).expect("JSON")
}

/// The module under test, as a path that means the same in another folder.
fn module() -> Option<PathBuf> {
    std::env::var_os("BULLA_WASM").map(|path| fs::canonicalize(path).expect("BULLA_WASM names a file"))
}

/// The run, which ends its browser and its servers when it is asked to end.
struct Running(Child);

impl Running {
    /// How it ended; nothing where it is still at work.
    fn wait(&mut self, longest: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < longest {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        if self.wait(LONGEST_END).is_none() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
