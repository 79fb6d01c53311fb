//! `cargo xtask setup`: installs what building the module needs, where that is allowed.

use crate::process;
use crate::toolchain::{self, TARGET};
use anyhow::{Result, bail};
use std::process::ExitCode;

/// Debian's compiler and its library source. Security updates keep them at a current version.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Installs the compiler for the module, or says that it is there.
///
/// # Errors
/// When it is missing and may not or cannot be installed here; the message says what to do by hand.
pub(crate) fn setup() -> Result<ExitCode> {
    println!("module compiler  {}", ensure_wasm_toolchain()?);
    Ok(ExitCode::SUCCESS)
}

/// Sees to it that the module can be built. Gives the compiler's version; quick when nothing is missing.
///
/// # Errors
/// As [`setup`].
pub(crate) fn ensure_wasm_toolchain() -> Result<String> {
    if let Some(found) = toolchain::find(None)? {
        return Ok(found.version);
    }
    if !process::may_use_apt() {
        bail!(advice());
    }
    eprintln!("no compiler for {TARGET} here: installing {}", PACKAGES.join(" and "));
    process::apt_install(&PACKAGES)?;
    match toolchain::find(None)? {
        Some(found) => Ok(found.version),
        None => bail!("{} are installed, and still there is {}", PACKAGES.join(" and "), advice()),
    }
}

/// What is missing, and what brings it, for machines where nothing may be installed unasked.
pub(crate) fn advice() -> String {
    let packages = PACKAGES.join(" ");
    let linker = match toolchain::rust_lld() {
        Some(_) => "",
        None => "\n  (the second way also needs `rust-lld`, which comes with a toolchain from rustup)",
    };
    format!(
        "no compiler for {TARGET}. One of these brings it; `cargo xtask setup` does the second by itself when run as \
         root on Debian or Ubuntu:\n  \
         rustup target add {TARGET}\n  \
         sudo apt-get update && sudo apt-get install --no-install-recommends {packages}{linker}"
    )
}
