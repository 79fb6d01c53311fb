//! Which compiler makes the module: rustup's target, the same freshly added, or Debian's pair of packages.

use crate::process;
use crate::workspace;
use anyhow::{Context as _, Result};
use clap::ValueEnum;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The target triple of the module.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Time that `rustup target add` gets. A reachable server needs less; an unreachable one must not be waited for.
const ADD_LIMIT: Duration = Duration::from_secs(20);
/// How long a failed `rustup target add` is remembered, so that a closed network slows one build an hour.
const ADD_AGAIN: Duration = Duration::from_secs(60 * 60);
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The kinds of compiler. Two kinds give different bytes, so a digest is comparable only within one compiler version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The toolchain in use, with rustup's prebuilt standard library for the target.
    Rustup,
    /// Debian's rustc-web, with the standard library built from rust-web-src.
    Debian,
}

/// A compiler that can make the module.
#[derive(Debug)]
pub(crate) struct Toolchain {
    pub(crate) kind: Kind,
    /// What cargo is to run as `rustc`.
    pub(crate) rustc: PathBuf,
    /// The first line of `rustc -V`; stands beside every digest.
    pub(crate) version: String,
    /// What the standard library's own paths become, e.g. `/rustc/59807616…`.
    pub(crate) std_prefix: String,
    /// The folders of the library source, as they may appear in panic messages.
    pub(crate) std_sources: Vec<PathBuf>,
    /// The linker, where rustc would not find its own.
    pub(crate) linker: Option<PathBuf>,
}

/// Finds a compiler: the installed target, else `rustup target add`, else Debian's pair. `only` leaves out the others.
/// `None` means that something has to be installed first; see [`crate::setup`].
///
/// # Errors
/// When a compiler that is there cannot be run.
pub(crate) fn find(only: Option<Kind>) -> Result<Option<Toolchain>> {
    if only != Some(Kind::Debian)
        && let Some(rustc) = env::var_os("RUSTC").map(PathBuf::from).or_else(|| process::find("rustc"))
        && (has_target(&sysroot(&rustc)?) || (add_target() && has_target(&sysroot(&rustc)?)))
    {
        return describe(Kind::Rustup, rustc, None).map(Some);
    }
    if only != Some(Kind::Rustup)
        && let Some(linker) = rust_lld()
        && has_sources(DEBIAN_RUSTC.as_ref())
    {
        return describe(Kind::Debian, DEBIAN_RUSTC.into(), Some(linker)).map(Some);
    }
    Ok(None)
}

/// The linker that comes with a Rust toolchain. Debian's packages have none, so it is taken from the one in use.
pub(crate) fn rust_lld() -> Option<PathBuf> {
    let roots = [env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()), OsString::from(DEBIAN_RUSTC)];
    roots.iter().filter_map(|rustc| sysroot(rustc.as_ref()).ok()).find_map(|root| {
        let hosts = fs::read_dir(root.join("lib/rustlib")).ok()?;
        hosts.flatten().map(|host| host.path().join("bin/rust-lld")).find(|file| process::is_program(file))
    })
}

fn describe(kind: Kind, rustc: PathBuf, linker: Option<PathBuf>) -> Result<Toolchain> {
    let verbose = process::output(Command::new(&rustc).arg("-vV"))?;
    let version = verbose.lines().next().unwrap_or_default().to_owned();
    let field = |name: &str| verbose.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // A compiler built from a tarball may not know its commit.
    let commit = field("commit-hash:").filter(|commit| *commit != "unknown").or(field("release:"));
    let std_prefix = format!("/rustc/{}", commit.unwrap_or("unknown"));
    let root = sysroot(&rustc)?;
    // rustup's `rustc` is a proxy that obeys a `rust-toolchain.toml` in a dependency's folder; the compiler itself does not.
    let rustc = Some(root.join("bin/rustc")).filter(|own| process::is_program(own)).unwrap_or(rustc);
    let source = root.join("lib/rustlib/src/rust");
    let mut std_sources = vec![source.clone()];
    std_sources.extend(fs::canonicalize(&source).ok().filter(|real| *real != source));
    Ok(Toolchain { kind, rustc, version, std_prefix, std_sources, linker })
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    let printed = process::output(Command::new(rustc).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(printed))
}

fn has_target(sysroot: &Path) -> bool {
    // An interrupted installation leaves an empty folder.
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    fs::read_dir(libraries).is_ok_and(|mut entries| entries.next().is_some())
}

fn has_sources(rustc: &Path) -> bool {
    process::is_program(rustc)
        && sysroot(rustc).is_ok_and(|root| root.join("lib/rustlib/src/rust/library/std/src/lib.rs").is_file())
}

/// Asks rustup for the target; quiet about failing, which is remembered for an hour.
fn add_target() -> bool {
    let failed = workspace::out().join("rustup-target-add-failed");
    let recently = fs::metadata(&failed).and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
    // With `RUSTC` set, rustup would add the target to another toolchain than the one in use.
    let not_ours = env::var_os("RUSTC").is_some() || process::find("rustup").is_none();
    if workspace::offline() || not_ours || recently.is_some_and(|age| age < ADD_AGAIN) {
        return false;
    }
    let mut command = Command::new("rustup");
    match process::step("rustup target add", command.args(["target", "add", TARGET]), ADD_LIMIT) {
        Ok(_) => true,
        Err(error) => {
            // Not remembering it costs time at the next build, nothing else.
            let _ = fs::write(&failed, format!("{error:#}\n"));
            false
        }
    }
}

/// The linker's own version: it writes part of the bytes, and rustup's and Debian's releases differ.
///
/// # Errors
/// When the linker cannot be run.
pub(crate) fn linker_version(linker: &Path) -> Result<String> {
    process::output(Command::new(linker).args(["-flavor", "wasm", "--version"]))
        .with_context(|| format!("the linker {} does not run", linker.display()))
}
