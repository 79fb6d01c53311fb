//! Making machine code: in this process, or in a child so that a service stays small.
//!
//! Compiling the module takes seconds and tens of megabytes, which an allocator does not give back. The child is this same
//! program: it reads the module from standard input and writes sealed code to its standard output.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::Engine;

use crate::engine;
use crate::error::EngineError;
use crate::native;
use crate::options::Compiler;

/// Wall time for the child. 120 s: the module takes about 2 s on two processors, and a container may have a tenth of one.
const CHILD_LIMIT: Duration = Duration::from_secs(120);
/// Octets of sealed code that are read from the child. The module's code has about 5 MB.
const MAX_CODE_BYTES: u64 = 256 << 20;
/// Octets of the child's complaints that are kept for the error.
const MAX_COMPLAINT_BYTES: u64 = 4 << 10;

/// Compiles a module and writes the sealed code to `out`: the work of the hidden subcommand `internal-compile`, which
/// [`Compiler::Child`] runs with `--module - --out /dev/stdout`.
///
/// # Errors
/// When the bytes are not a module, or `out` cannot be written.
pub fn compile_to(module: &[u8], out: &Path) -> Result<(), EngineError> {
    let sealed = in_process(&engine::plain()?, module)?;
    let written = File::create(out).and_then(|mut file| file.write_all(&sealed));
    written.map_err(|error| EngineError::Compile { what: format!("writing {}: {error}", out.display()) })
}

/// Sealed code for this module.
pub(crate) fn sealed(compiler: &Compiler, engine: &Engine, module: &[u8]) -> Result<Vec<u8>, EngineError> {
    let Compiler::Child(program, first) = compiler else {
        return in_process(engine, module);
    };
    child(program, first, module).map_err(|failed| match failed {
        Failed::Time => EngineError::CompileTimeout { program: program.clone(), limit: CHILD_LIMIT },
        Failed::Other(why) => EngineError::Compile { what: format!("{}: {why}", program.display()) },
    })
}

fn in_process(engine: &Engine, module: &[u8]) -> Result<Vec<u8>, EngineError> {
    let code = engine.precompile_module(module);
    Ok(native::seal(code.map_err(|error| EngineError::Compile { what: format!("{error:#}") })?))
}

enum Failed {
    Time,
    Other(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

fn child(program: &PathBuf, first: &[OsString], module: &[u8]) -> Result<Vec<u8>, Failed> {
    let mut child = Command::new(program)
        .args(first)
        .args(["--module", "-", "--out", "/dev/stdout"])
        // Settings and secrets of the service are none of the compiler's business.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // Three pipes and three threads, so that neither side ever waits for a pipe that nobody empties.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(module)));
        let code = scope.spawn(move || read_at_most(stdout, MAX_CODE_BYTES));
        let complaint = scope.spawn(move || read_at_most(stderr, MAX_COMPLAINT_BYTES));
        // Once the child has ended, or is killed, its pipes close and the threads end too.
        let status = wait(&mut child);
        let (code, complaint) = (code.join().unwrap_or_default(), complaint.join().unwrap_or_default());
        match status? {
            Some(status) if status.success() => Ok(code),
            Some(status) => Err(Failed::Other(format!("{status}: {}", String::from_utf8_lossy(&complaint).trim()))),
            None => Err(Failed::Time),
        }
    })
}

fn read_at_most(pipe: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What came before an error is enough: code cut short is noticed by its seal.
        let _ = pipe.by_ref().take(most).read_to_end(&mut bytes);
        // The rest is thrown away, so that a child that says too much still ends.
        let _ = io::copy(&mut pipe, &mut io::sink());
    }
    bytes
}

/// Waits for the child, `None` when it had to be killed. A loop that sleeps is enough for something that takes a second.
fn wait(child: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    let end = Instant::now() + CHILD_LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    }
}
