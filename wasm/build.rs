//! Records the compiler: bytes of two compilers differ, so a digest of the module means little without its name.
#![allow(clippy::disallowed_methods, reason = "this runs where the module is built, not in it")]

fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    println!("cargo::rustc-env=BULLA_COMPILER={version}");
    println!("cargo::rerun-if-changed=build.rs");
}
