//! `cargo xtask build`: the module and its JavaScript glue, the same bytes from every clone.

use crate::finished;
use crate::process;
use crate::toolchain::{self, Kind, TARGET, Toolchain};
use crate::workspace;
use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use wasm_bindgen_cli_support::Bindgen;

/// The package that becomes the module, and cargo's profile for it.
const PACKAGE: &str = "bulla-wasm";
const PROFILE: &str = "module";
/// What separates the flags of `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\x1f";

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Use only this compiler; the default takes rustup's target where there is one
    #[arg(long)]
    toolchain: Option<Kind>,
}

/// A module that was built.
#[derive(Debug)]
pub(crate) struct Module {
    /// `target/bulla/bulla.wasm`
    pub(crate) path: PathBuf,
}

/// Builds `target/bulla/{bulla.wasm, bulla.js, bulla.d.ts, module.json}` and prints what came out. Where nothing
/// changed, only cargo looks, and no file is touched.
///
/// # Errors
/// When there is no compiler for the target (nothing is installed here: see `setup`), when compiling fails, and when
/// the module has an import, lacks an export, or needs a feature that some hosts lack.
pub(crate) fn build(options: &Options) -> Result<Module> {
    let toolchain = toolchain::find(options.toolchain)?.with_context(crate::setup::advice)?;
    let linker = toolchain.linker.clone().or_else(toolchain::rust_lld);
    let linker = linker.as_deref().map(toolchain::linker_version).transpose()?;
    let linked = compile(&toolchain)?;
    let linked = fs::read(&linked).with_context(|| format!("cannot read {}", linked.display()))?;

    let out = workspace::out();
    let path = out.join("bulla.wasm");
    let stamp = stamp(&linked, &toolchain)?;
    let stamp_file = out.join("module.stamp");
    let files = ["bulla.wasm", "bulla.js", "bulla.d.ts", "module.json"];
    let current = fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp);
    if !current || files.iter().any(|file| !out.join(file).is_file()) {
        let glued = out.join("bindgen");
        bindgen(&linked, &glued)?;
        let module = fs::read(glued.join("bulla_bg.wasm")).context("wasm-bindgen wrote no module")?;
        finished::check(&module)?;
        let js = fs::read_to_string(glued.join("bulla.js")).context("wasm-bindgen wrote no JavaScript")?;
        let types = fs::read(glued.join("bulla.d.ts")).context("wasm-bindgen wrote no types")?;
        let facts = facts(&module, &toolchain.version, linker.as_deref())?;
        replace(&path, &module)?;
        replace(&out.join("bulla.js"), js.replace("bulla_bg.wasm", "bulla.wasm").as_bytes())?;
        replace(&out.join("bulla.d.ts"), &types)?;
        replace(&out.join("module.json"), format!("{facts:#}\n").as_bytes())?;
        fs::remove_dir_all(&glued)?;
        replace(&stamp_file, stamp.as_bytes())?;
    }
    report(&path)?;
    Ok(Module { path })
}

/// Runs cargo for the one package, alone: a workspace-wide build would unify the hosts' features into core.
fn compile(toolchain: &Toolchain) -> Result<PathBuf> {
    let target_dir = workspace::root().join("target/module");
    let mut cargo = workspace::cargo();
    cargo
        .args(["build", "--locked", "--lib", "--package", PACKAGE, "--profile", PROFILE, "--target", TARGET])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain, &target_dir)?.join(FLAG_SEPARATOR))
        .env("CARGO_INCREMENTAL", "0")
        .env("RUSTC", &toolchain.rustc);
    if toolchain.kind == Kind::Debian {
        cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
    }
    if let Some(linker) = &toolchain.linker {
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    process::must(&mut cargo).context("the module does not compile")?;
    Ok(target_dir.join(TARGET).join(PROFILE).join(format!("{}.wasm", PACKAGE.replace('-', "_"))))
}

/// Compiler flags: no features that bring imports, and no folder of this machine in a panic message.
fn flags(toolchain: &Toolchain, target_dir: &Path) -> Result<Vec<String>> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME is set; cargo's folder must not end up in the module")?;
    let mut folders = vec![
        (workspace::root(), "/bulla".to_owned()),
        (target_dir.to_path_buf(), "/bulla/target".to_owned()),
        (home, "/cargo".to_owned()),
    ];
    folders.extend(toolchain.std_sources.iter().map(|folder| (folder.clone(), toolchain.std_prefix.clone())));
    let real = folders.iter().filter_map(|(folder, to)| Some((fs::canonicalize(folder).ok()?, to.clone())));
    folders.extend(real.collect::<Vec<_>>());
    // rustc takes the last that matches, so a folder inside another comes after it.
    folders.sort_by_key(|(folder, _)| folder.as_os_str().len());
    folders.dedup();
    let mut flags = vec!["-Ctarget-feature=-reference-types,-multivalue".to_owned()];
    for (folder, to) in folders {
        let folder = folder.to_str().with_context(|| format!("{} is not UTF-8", folder.display()))?;
        flags.push(format!("--remap-path-prefix={folder}={to}"));
    }
    Ok(flags)
}

fn bindgen(linked: &[u8], folder: &Path) -> Result<()> {
    let prepared = finished::without_custom_section(linked, "target_features")?;
    Bindgen::new()
        .input_bytes("bulla", prepared)
        .out_name("bulla")
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(true)
                .omit_default_module_path(false)
                .remove_name_section(true)
                .remove_producers_section(true)
                .generate(folder)
        })
        .context("wasm-bindgen refused the compiled module")
}

/// What `module.json` says, for hosts, the page and release notes.
fn facts(module: &[u8], compiler: &str, linker: Option<&str>) -> Result<serde_json::Value> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(module)?;
    let gzip_size = gzip.finish()?.len();
    Ok(serde_json::json!({
        "sha256": hex::encode(Sha256::digest(module)),
        "size": module.len(),
        "gzipSize": gzip_size,
        "compiler": compiler,
        "linker": linker,
        "abi": bulla_abi::ABI_VERSION,
    }))
}

fn report(path: &Path) -> Result<()> {
    let json = fs::read(path.with_file_name("module.json")).context("cannot read target/bulla/module.json")?;
    let facts: serde_json::Value = serde_json::from_slice(&json).context("target/bulla/module.json is damaged")?;
    let text = |name: &str| facts[name].as_str().unwrap_or("unknown").to_owned();
    println!("module    {}", path.display());
    println!("size      {} bytes, {} gzipped", facts["size"], facts["gzipSize"]);
    println!("sha256    {}", text("sha256"));
    println!("compiler  {}", text("compiler"));
    Ok(())
}

/// Changes with whatever the files are made from: the linked module, the compiler, and this program.
fn stamp(linked: &[u8], toolchain: &Toolchain) -> Result<String> {
    let program = env::current_exe().and_then(fs::metadata).and_then(|meta| meta.modified())?;
    Ok(format!("{}\n{}\n{program:?}\n", hex::encode(Sha256::digest(linked)), toolchain.version))
}

/// Writes a file at once, and only where it differs: an untouched file does not make cargo build the hosts again.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, bytes)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
