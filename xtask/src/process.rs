//! Running other programs: quietly, with a time limit, or with the terminal handed over.

use crate::workspace;
use anyhow::{Context as _, Result, bail};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a long step says that it is still at work.
const PROGRESS: Duration = Duration::from_secs(20);
/// Lines of a failed step's output that are worth showing; the whole is in its log.
const LAST_LINES: usize = 12;

/// What a quick program prints on its standard output, trimmed.
///
/// # Errors
/// When it cannot be started or fails; the message holds its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = name(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program with this terminal.
///
/// # Errors
/// When it cannot be started, or fails.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let name = name(command);
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    Ok(())
}

/// Runs a program with this terminal and passes its exit code on.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn pass(command: &mut Command) -> Result<ExitCode> {
    let name = name(command);
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    // Ended by a signal: no code of its own.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Runs one step that may take long: output goes to a log, progress to the terminal, and it is stopped at `limit`.
/// Gives what it printed.
///
/// # Errors
/// When it cannot be started, fails, or reaches the limit; the message has the last lines of its output and the log.
pub(crate) fn step(what: &str, command: &mut Command, limit: Duration) -> Result<String> {
    let log = log_file(what)?;
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("{what}: cannot start {}", name(command)))?;
    let mut told = PROGRESS;
    let failure = loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return read_log(&log);
            }
            break status.to_string();
        }
        if start.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            break format!("stopped after {} s, its limit", limit.as_secs());
        }
        if start.elapsed() >= told {
            eprintln!("  {what}: {} s (at most {} s)", told.as_secs(), limit.as_secs());
            told += PROGRESS;
        }
        thread::sleep(Duration::from_millis(50));
    };
    let printed = read_log(&log)?;
    let lines: Vec<&str> = printed.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(LAST_LINES)).map(|line| format!("\n    {line}"));
    bail!("{what}: {failure}; its output is in {}{}", log.display(), last.collect::<String>())
}

/// Where a program is found on `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_program(file))
}

/// Whether a file can be run.
pub(crate) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether this is a machine where packages can be installed without asking: Debian's tools, and the right to use them.
pub(crate) fn may_use_apt() -> bool {
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    root && find("apt-get").is_some() && !workspace::offline()
}

/// Installs Debian packages without questions.
///
/// # Errors
/// When a step fails or reaches its limit.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-qy", "-o", "DPkg::Lock::Timeout=120"]);
        command
    };
    step("apt-get update", apt().arg("update"), Duration::from_secs(180))?;
    let install = format!("apt-get install {}", packages.join(" "));
    step(&install, apt().args(["install", "--no-install-recommends"]).args(packages), Duration::from_secs(600))?;
    Ok(())
}

fn log_file(what: &str) -> Result<PathBuf> {
    let folder = workspace::out().join("log");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let name: String = what.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    Ok(folder.join(format!("{name}.log")))
}

fn read_log(log: &Path) -> Result<String> {
    let bytes = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args().take(2));
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
