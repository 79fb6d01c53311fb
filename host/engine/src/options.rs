//! What can be chosen when the engine starts.

use std::borrow::Cow;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// How the engine starts. `Options::default()` suits a service: the embedded module, the user's cache folder.
#[derive(Debug, Clone)]
pub struct Options {
    /// The module to run.
    pub module: ModuleBytes,
    /// The folder for compiled code; `None` keeps it in memory. See [`default_cache_dir`].
    pub cache_dir: Option<PathBuf>,
    /// Who compiles the module when the cache has no code for it.
    pub compiler: Compiler,
    /// Sandboxes for decisions that can exist at once, 1 to 4096. Each takes 4 GiB of *address space* and, when used, up to
    /// [`DECISION_MEMORY_BYTES`](crate::DECISION_MEMORY_BYTES) of memory.
    pub instances: usize,
    /// Sandboxes for key operations that can exist at once, 1 to 64, each up to
    /// [`KEY_MEMORY_BYTES`](crate::KEY_MEMORY_BYTES) of memory.
    pub key_instances: usize,
    /// Calls for decisions that run at once. More than the processors only makes every call slower, and deadlines are wall
    /// time; a few more keep one slow call from stopping the rest.
    pub parallel_calls: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            module: ModuleBytes::Embedded,
            cache_dir: default_cache_dir(),
            compiler: Compiler::InProcess,
            instances: 64,
            key_instances: 2,
            parallel_calls: available_parallelism().map_or(2, NonZeroUsize::get).saturating_mul(2),
        }
    }
}

/// Where the module comes from.
#[derive(Debug, Clone, Default)]
pub enum ModuleBytes {
    /// The module built into this program ([`EMBEDDED`](crate::EMBEDDED)).
    #[default]
    Embedded,
    /// Another build of the module, in WebAssembly's binary format.
    Given(Vec<u8>),
}

impl ModuleBytes {
    /// Reads a module file. Whether it is ours is checked at [`Engine::start`](crate::Engine::start).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        fs::read(path).map(Self::Given)
    }

    pub(crate) fn into_bytes(self) -> Cow<'static, [u8]> {
        match self {
            Self::Embedded => Cow::Borrowed(crate::EMBEDDED),
            Self::Given(bytes) => Cow::Owned(bytes),
        }
    }
}

/// Who compiles the module to machine code. It takes seconds and tens of megabytes, so a service leaves it to a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// This process. Simple; memory stays with the process afterwards.
    InProcess,
    /// A program that calls [`compile_to`](crate::compile_to), with its first arguments. `--module - --out <path>` is
    /// added; the module comes on standard input, and `<path>` is `/dev/stdout`, so the child must print nothing else there.
    Child(PathBuf, Vec<OsString>),
}

impl Compiler {
    /// This program as the child: `<this program> internal-compile --module - --out /dev/stdout`.
    /// Where the program cannot be found by its own path, it compiles in process.
    pub fn this_program() -> Self {
        match env::current_exe() {
            Ok(program) => Self::Child(program, vec!["internal-compile".into()]),
            Err(_) => Self::InProcess,
        }
    }
}

/// `$XDG_CACHE_HOME/bulla`, else `~/.cache/bulla`. `None` without a home, as in many containers.
/// A relative `XDG_CACHE_HOME` is ignored, as the XDG base directory specification asks.
pub fn default_cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|base| base.join("bulla"))
}
