//! Runs a program once, with limits to what it may write and how long it may take.

use core::time::Duration;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::error::PluginFailure;
use crate::options::KEPT_FROM_PROGRAMS;
use crate::text::tame;

/// Octets of an answer. 1 MiB: the largest key and signature in base64 are a few kilobytes.
pub(super) const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Octets of standard error that are kept; the rest is read, so that the program is not held up, and dropped.
const MAX_SAID_BYTES: usize = 64 * 1024;

/// How long the last words of a program are waited for once it has ended: one that it started may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The longest time that a program is given, whatever was asked for: what the system's clocks can add without trouble.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Between two looks at whether a program that has closed its output has ended.
const PAUSE: Duration = Duration::from_millis(2);

/// A program that ended by itself.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    /// Standard output.
    pub(super) output: Vec<u8>,
    /// Standard error, tamed.
    pub(super) said: String,
}

/// Runs a program to its end and no longer than `timeout`. It has the environment of this process without Bulla's own
/// secrets, and stays in its process group, so that it may ask its user something and ends with Ctrl-C.
///
/// # Errors
/// What went wrong, and what it said until then.
pub(super) fn run(
    program: &Path,
    arguments: &[&str],
    input: &[u8],
    timeout: Duration,
) -> Result<Finished, (PluginFailure, String)> {
    let deadline = Instant::now() + timeout.min(LONGEST);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in KEPT_FROM_PROGRAMS {
        command.env_remove(name);
    }
    let broken = |error: io::Error| (PluginFailure::Broken(error.to_string()), String::new());
    let mut child = command.spawn().map_err(|error| (PluginFailure::Start(error.to_string()), String::new()))?;
    let pipes = match start_pipes(&mut child, input.to_owned()) {
        Ok(pipes) => pipes,
        Err(error) => {
            end(&mut child);
            return Err(broken(error));
        }
    };
    let outcome = wait(&mut child, &pipes.output, deadline, timeout);
    if outcome.is_err() {
        end(&mut child);
    }
    // All of it, or what came so far where the pipe stays open.
    let _ = pipes.all_said.recv_timeout(LAST_WORDS);
    let said = tame(&String::from_utf8_lossy(&pipes.said.lock().unwrap_or_else(PoisonError::into_inner)));
    match outcome {
        Ok((status, output)) => Ok(Finished { status, output, said }),
        Err(failure) => Err((failure, said)),
    }
}

/// What the threads at the pipes have read. They end with the pipes, and nobody waits for them.
struct Pipes {
    /// All of standard output, or as much of it as shows that it is too much.
    output: Receiver<Vec<u8>>,
    /// The beginning of standard error.
    said: Arc<Mutex<Vec<u8>>>,
    /// Hears of the end of standard error.
    all_said: Receiver<()>,
}

fn start_pipes(child: &mut Child, input: Vec<u8>) -> io::Result<Pipes> {
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("no pipes to it"));
    };
    let (output_sender, output) = mpsc::channel();
    let (end_sender, all_said) = mpsc::channel();
    let said = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&said);
    thread::Builder::new().spawn(move || {
        // A program that answers without reading closes its end: what counts is the answer.
        let _ = stdin.write_all(&input);
    })?;
    thread::Builder::new().spawn(move || {
        let mut octets = Vec::new();
        // One octet more than there may be, so that too much can be told from just enough. What was read before an
        // error counts.
        let _ = stdout.take(MAX_ANSWER_BYTES as u64 + 1).read_to_end(&mut octets);
        let _ = output_sender.send(octets);
    })?;
    thread::Builder::new().spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut chunk) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let room = read.min(MAX_SAID_BYTES.saturating_sub(kept.len()));
            kept.extend_from_slice(&chunk[..room]);
        }
        let _ = end_sender.send(());
    })?;
    Ok(Pipes { output, said, all_said })
}

/// Waits for all of the output, then for the end.
fn wait(
    child: &mut Child,
    output: &Receiver<Vec<u8>>,
    deadline: Instant,
    timeout: Duration,
) -> Result<(ExitStatus, Vec<u8>), PluginFailure> {
    let output = match output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(output) => output,
        Err(RecvTimeoutError::Timeout) => return Err(PluginFailure::Timeout(timeout)),
        Err(RecvTimeoutError::Disconnected) => return Err(PluginFailure::Broken("its output was lost".to_owned())),
    };
    if output.len() > MAX_ANSWER_BYTES {
        return Err(PluginFailure::TooMuch(MAX_ANSWER_BYTES));
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.code().is_some() => return Ok((status, output)),
            Ok(Some(status)) => return Err(PluginFailure::Broken(format!("it was ended ({status})"))),
            Ok(None) if Instant::now() >= deadline => return Err(PluginFailure::Timeout(timeout)),
            Ok(None) => thread::sleep(PAUSE),
            Err(error) => return Err(PluginFailure::Broken(error.to_string())),
        }
    }
}

/// Ends a program and collects it. What it started itself may go on; its pipes are not waited for.
fn end(child: &mut Child) {
    // It may have ended by itself meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}
