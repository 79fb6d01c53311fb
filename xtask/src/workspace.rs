//! Where things are: the workspace, its target folder, and what the commands leave there.

use std::env;
use std::path::{Path, PathBuf};

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    // Set by `cargo run`; the folder at compile time serves a copied binary.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let manifest = Path::new(&manifest);
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// What these commands make. Always below the workspace, so that build scripts find it without asking.
pub(crate) fn out() -> PathBuf {
    root().join("target/bulla")
}

/// Where cargo puts the host's programs; follows `CARGO_TARGET_DIR`.
pub(crate) fn cargo_target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Cargo as it started this program, so that both use one toolchain.
pub(crate) fn cargo() -> std::process::Command {
    let mut command = std::process::Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // Of this program's own package; build scripts of the packages to build must not take them for theirs.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether the user keeps us off the network (`BULLA_OFFLINE=1`).
pub(crate) fn offline() -> bool {
    env::var_os("BULLA_OFFLINE").is_some_and(|value| value == "1")
}

/// The arguments that make cargo build this package in the profile of the running program, so that its tests take the
/// dependencies that are already there.
pub(crate) fn own_profile() -> Vec<String> {
    let folder = env::current_exe().ok().and_then(|file| Some(file.parent()?.file_name()?.to_str()?.to_owned()));
    match folder.as_deref() {
        None | Some("debug" | "deps") => Vec::new(),
        Some(profile) => vec!["--profile".to_owned(), profile.to_owned()],
    }
}
