//! Programs that tests need and that may not be there (`cargo xtask peers` installs them).

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::thread;

/// Where a program is. `None` when it is missing, and then the test is named in the file `$BULLA_SKIPPED`.
///
/// # Panics
/// When it is missing and `BULLA_REQUIRE_PEERS=1`.
pub fn require(peer: &str) -> Option<PathBuf> {
    let found = find(peer);
    if found.is_none() {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let required = env::var_os("BULLA_REQUIRE_PEERS").is_some_and(|value| value == "1");
        assert!(
            !required,
            "{test} needs {peer}: `cargo xtask peers` installs it, unless it is a program of the system"
        );
        skipped(&format!("{test}: needs {peer}"));
    }
    found
}

/// The same for a program that a machine may lack, and that is nowhere to be had for some: it is never required.
pub fn wanted(peer: &str) -> Option<PathBuf> {
    let found = find(peer);
    if found.is_none() {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        skipped(&format!("{test}: needs {peer}"));
    }
    found
}

/// Whether this machine lets a test do what it needs. Where not, the test is named like one that misses a peer.
///
/// # Panics
/// When it does not and `BULLA_REQUIRE_PEERS=1`.
pub fn possible(possible: bool, what: &str) -> bool {
    if !possible {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let required = env::var_os("BULLA_REQUIRE_PEERS").is_some_and(|value| value == "1");
        assert!(!required, "{test} needs {what}");
        skipped(&format!("{test}: needs {what}"));
    }
    possible
}

/// The folder of the peers first (`$BULLA_PEERS`, else where `cargo xtask peers` puts them), then `PATH`.
fn find(peer: &str) -> Option<PathBuf> {
    let usual = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/bin");
    let folder = env::var_os("BULLA_PEERS").map_or_else(|| PathBuf::from(usual), PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let candidates = [folder.clone(), folder.join("bin")].into_iter().chain(env::split_paths(&path));
    candidates.map(|folder| folder.join(peer)).find(|program| program.is_file())
}

/// Skipping is never silent: the line goes to the file that `cargo xtask test` reports from, and to standard error.
fn skipped(line: &str) {
    eprintln!("skipped {line}");
    if let Some(file) = env::var_os("BULLA_SKIPPED") {
        let opened = OpenOptions::new().append(true).create(true).open(file);
        opened.and_then(|mut file| writeln!(file, "{line}")).expect("BULLA_SKIPPED names a file that can be written");
    }
}
