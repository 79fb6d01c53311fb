//! How each kind of peer is found, checked and installed.

use super::{Peer, Source, bin};
use crate::{process, workspace};
use anyhow::{Context as _, Result, bail, ensure};
use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Time for building one Go program: minutes on two cores, and room for slow downloads.
const GO_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Time for building one Rust program: a minute on two cores, and room for slow downloads.
const CARGO_LIMIT: Duration = Duration::from_secs(15 * 60);
const PIP_LIMIT: Duration = Duration::from_secs(5 * 60);

/// Looks whether a peer is there and runs, links it into the peers' folder, and gives the version it reports.
///
/// # Errors
/// When it is missing, does not run, or is of another version than the pinned one.
pub(super) fn present(peer: &Peer) -> Result<String> {
    let program = program(peer)?;
    ensure!(process::is_program(&program), "not installed");
    let version = version(peer, &program)?;
    match peer.source {
        Source::Pip(_) => script(peer, &program)?,
        Source::Apt(_) | Source::Go(_) | Source::GoModule(..) | Source::Cargo(_) | Source::Own(_) => {
            link(peer, &program)?;
        }
    }
    Ok(version)
}

/// Installs the Debian packages that are missing among these peers, where that is allowed. Gives the names of the
/// peers that they bring.
///
/// # Errors
/// When apt-get fails; peers that came all the same are found by [`present`].
pub(super) fn packages(peers: &[&Peer]) -> Result<Vec<&'static str>> {
    let (mut names, mut missing) = (Vec::new(), Vec::new());
    for peer in peers {
        if let Source::Apt(package) = peer.source
            && packaged(peer.name).is_none()
        {
            names.push(peer.name);
            if !missing.contains(&package) {
                missing.push(package);
            }
        }
    }
    if missing.is_empty() || !process::may_use_apt() {
        return Ok(Vec::new());
    }
    process::apt_install(&missing)?;
    Ok(names)
}

/// Installs one peer that is not [`present`], and gives the version it reports.
///
/// # Errors
/// When it cannot be installed, or does not run afterwards.
pub(super) fn install(peer: &Peer) -> Result<String> {
    if workspace::offline() {
        bail!("not installed, and BULLA_OFFLINE=1 forbids to fetch it");
    }
    let start = Instant::now();
    match peer.source {
        // Came with `packages` where that was possible.
        Source::Apt(package) => present(peer).with_context(|| {
            format!("needs the Debian package: sudo apt-get install --no-install-recommends {package}")
        }),
        Source::Own(how) => present(peer).with_context(|| format!("cannot be fetched: {how}")),
        Source::Go(module) => {
            go_install(peer, module)?;
            present(peer)
        }
        Source::GoModule(module, folder) => {
            go_build(peer, module, folder)?;
            present(peer)
        }
        Source::Cargo(package) => {
            cargo_install(peer, package)?;
            present(peer)
        }
        Source::Pip(package) => {
            pip_install(peer, package)?;
            present(peer)
        }
    }
    .map(|version| format!("{version} ({} s)", start.elapsed().as_secs()))
}

/// Where the program of a peer is, or would be.
fn program(peer: &Peer) -> Result<PathBuf> {
    Ok(match peer.source {
        Source::Apt(_) => packaged(peer.name).context("not installed")?,
        Source::Own(_) => process::find(peer.name).context("not installed")?,
        Source::Go(path) | Source::GoModule(_, path) => cache(peer)?.join(last(path)),
        Source::Cargo(package) => cache(peer)?.join("bin").join(package),
        Source::Pip(_) => cache(peer)?.join("bin/python"),
    })
}

/// A program on `PATH`; or PostgreSQL's, which Debian keeps apart by version because several may run.
fn packaged(program: &str) -> Option<PathBuf> {
    let by_version = || {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
        versions.map(|version| version.path().join("bin").join(program)).filter(|file| process::is_program(file)).max()
    };
    process::find(program).or_else(by_version)
}

/// A folder outside the repository: a fresh clone does not build for minutes what another one has built.
fn cache(peer: &Peer) -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|base| base.is_absolute());
    let base = base.or_else(|| Some(env::home_dir()?.join(".cache")));
    let base = base.context("neither XDG_CACHE_HOME nor HOME is set; peers are kept there")?;
    let name = match peer.source {
        Source::Go(path) | Source::GoModule(_, path) => last(path),
        Source::Cargo(package) | Source::Pip(package) | Source::Apt(package) => package,
        Source::Own(_) => peer.name,
    };
    Ok(base.join("bulla/peers").join(format!("{name}-{}", peer.version)))
}

/// A Go program is called as the last folder of its path.
fn last(path: &'static str) -> &'static str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Builds a Go program in a folder of its own, so that two versions of one name can stand side by side.
fn go_install(peer: &Peer, module: &str) -> Result<()> {
    let folder = cache(peer)?;
    let unfinished = unfinished(&folder)?;
    let mut command = go(&unfinished)?;
    command.env("GOFLAGS", "-trimpath").args(["install", "-ldflags=-s -w", &format!("{module}@v{}", peer.version)]);
    process::step(&format!("build {} {}", peer.name, peer.version), &mut command, GO_LIMIT)?;
    finish(&unfinished, &folder)
}

/// The same by a `go.mod` of its own, which chooses the same versions: it requires nothing else. What was fetched is held
/// against Go's checksum database, as `go install` does.
fn go_build(peer: &Peer, module: &str, program: &str) -> Result<()> {
    let folder = cache(peer)?;
    let unfinished = unfinished(&folder)?;
    let requirement = format!("module peers\n\ngo 1.24\n\nrequire {module} v{}\n", peer.version);
    fs::write(unfinished.join("go.mod"), requirement)
        .with_context(|| format!("cannot write to {}", unfinished.display()))?;
    let mut command = go(&unfinished)?;
    command.env("GOFLAGS", "-trimpath -mod=mod").args(["install", "-ldflags=-s -w", &format!("{module}/{program}")]);
    process::step(&format!("build {} {}", peer.name, peer.version), &mut command, GO_LIMIT)?;
    finish(&unfinished, &folder)
}

/// Go, at work in a folder and for it.
fn go(folder: &Path) -> Result<Command> {
    let go = process::find("go").context("building it needs Go (Debian: golang-go, or from the Go project)")?;
    let mut command = Command::new(go);
    command.current_dir(folder).env("GOBIN", folder).env("CGO_ENABLED", "0");
    Ok(command)
}

/// Builds a Rust program in a folder of its own, away from this workspace's lock file, target folder and profiles.
fn cargo_install(peer: &Peer, package: &str) -> Result<()> {
    let folder = cache(peer)?;
    let unfinished = unfinished(&folder)?;
    let target = unfinished.join("target");
    let mut command = workspace::cargo();
    command
        .current_dir(&unfinished)
        .env("CARGO_TARGET_DIR", &target)
        .args(["install", "--locked", "--force", "--version", &format!("={}", peer.version)])
        .arg("--root")
        .arg(&unfinished)
        .arg(package);
    process::step(&format!("build {} {}", peer.name, peer.version), &mut command, CARGO_LIMIT)?;
    fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))?;
    finish(&unfinished, &folder)
}

fn pip_install(peer: &Peer, package: &str) -> Result<()> {
    let python = process::find("python3").context("needs Python 3 (Debian: python3-venv)")?;
    // Not moved into place afterwards: an environment holds its own path.
    let folder = cache(peer)?;
    let mut venv = Command::new(python);
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    process::step(&format!("environment for {package}"), &mut venv, PIP_LIMIT)
        .context("cannot make a Python environment (Debian: apt-get install python3-venv)")?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
    pip.arg(format!("{package}=={}", peer.version));
    process::step(&format!("pip install {package} {}", peer.version), &mut pip, PIP_LIMIT)?;
    Ok(())
}

/// The folder beside `folder` in which a program is built; what an interrupted build left there is used again.
fn unfinished(folder: &Path) -> Result<PathBuf> {
    let mut unfinished = folder.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    fs::create_dir_all(&unfinished).with_context(|| format!("cannot make {}", unfinished.display()))?;
    Ok(unfinished)
}

/// Puts a finished folder in its place at once: an interrupted installation is never taken for a whole one.
fn finish(unfinished: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    fs::rename(unfinished, folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Asks a program for its version and holds it against the table.
fn version(peer: &Peer, program: &Path) -> Result<String> {
    let mut command = Command::new(program);
    match peer.source {
        Source::Pip(package) => {
            command.args(["-c", &format!("import {package}, importlib.metadata as m; print(m.version('{package}'))")]);
        }
        Source::Go(_) | Source::GoModule(..) => {
            command.arg("version");
        }
        Source::Apt(_) | Source::Own(_) => {
            command.arg("--version");
        }
        // cargo keeps a record of what it installed. The program is not asked: a server without arguments would serve.
        Source::Cargo(_) => {
            command = workspace::cargo();
            command.args(["install", "--list", "--root"]).arg(cache(peer)?);
        }
    }
    let printed = process::output(&mut command).context("installed, but does not run")?;
    if let Source::Own(_) = peer.source {
        // Whoever built it knows what it is; zot itself says the commit.
        let commit = printed.split_once("\"commit\":\"").and_then(|(_, rest)| rest.split('"').next());
        return Ok(commit.map_or_else(|| "there".to_owned(), |commit| format!("there, commit {commit}")));
    }
    let mut found = find_version(&printed).map(str::to_owned);
    if let (None, Source::Apt(package)) = (&found, &peer.source) {
        // Debian builds notary without its version.
        let mut query = Command::new("dpkg-query");
        let packaged = process::output(query.args(["--show", "--showformat=${Version}", package]));
        found = packaged.ok().and_then(|version| find_version(&version).map(str::to_owned));
    }
    let found = found.with_context(|| format!("says no version, but `{printed}`"))?;
    let pinned = peer.version;
    let same = found == pinned || found.strip_prefix(pinned).is_some_and(|rest| rest.starts_with('.'));
    match peer.source {
        _ if same => Ok(found),
        Source::Apt(_) => Ok(format!("{found} (the table says {pinned})")),
        Source::Go(_) | Source::GoModule(..) | Source::Cargo(_) | Source::Pip(_) | Source::Own(_) => {
            bail!("version {found} is there, the table says {pinned}")
        }
    }
}

/// The first thing in a text that looks like a version: digits and dots, after any `v`.
fn find_version(printed: &str) -> Option<&str> {
    let words = printed.split(|c: char| c.is_whitespace() || matches!(c, '+' | '~' | '-' | ',' | ':'));
    words.map(|word| word.trim_start_matches('v')).find(|word| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.contains('.')
            && word.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
}

fn link(peer: &Peer, program: &Path) -> Result<()> {
    let place = bin().join(peer.name);
    if fs::read_link(&place).is_ok_and(|old| old == program) {
        return Ok(());
    }
    let _ = fs::remove_file(&place);
    symlink(program, &place).with_context(|| format!("cannot link {}", place.display()))
}

/// A link to an environment's Python would be a Python without that environment, so a script starts it.
fn script(peer: &Peer, program: &Path) -> Result<()> {
    let place = bin().join(peer.name);
    let text = format!("#!/bin/sh\nexec \"{}\" \"$@\"\n", program.display());
    if fs::read_to_string(&place).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let _ = fs::remove_file(&place);
    fs::write(&place, text)
        .and_then(|()| fs::set_permissions(&place, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", place.display()))
}

#[cfg(test)]
mod tests {
    use super::find_version;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        let cases = [
            ("docker-registry github.com/docker/distribution 2.8.2+ds1-1", Some("2.8.2")),
            ("skopeo version 1.9.3", Some("1.9.3")),
            ("v20.20.2", Some("20.20.2")),
            ("cosign: A tool\n\nGitVersion:    v2.6.5\n", Some("2.6.5")),
            ("Version:     v1.3.2+unreleased\nGo version:  go1.26.8", Some("1.3.2")),
            ("notary Version: , Git commit: , Go version: go1.19.8", None),
            ("ferro-oci-server v1.0.0:\n    ferro-oci-server", Some("1.0.0")),
            ("no version here", None),
        ];
        for (printed, version) in cases {
            assert_eq!(find_version(printed), version, "{printed}");
        }
    }
}
