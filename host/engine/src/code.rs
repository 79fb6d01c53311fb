//! Where machine code comes from at start: the cache folder, else the compiler.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wasmtime::{Engine, Module};

use crate::cache::Folder;
use crate::compile;
use crate::engine::compile_error;
use crate::error::EngineError;
use crate::native::{self, Native, NotNative};
use crate::options::{Compiler, Options};

/// Where the machine code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFrom {
    /// Loaded from the cache folder.
    Loaded,
    /// Compiled at this start.
    Compiled,
}

/// Machine code, and how it was come by.
pub(crate) struct Code {
    pub(crate) native: Native,
    pub(crate) module: Module,
    pub(crate) from: CodeFrom,
    pub(crate) compile: Duration,
    pub(crate) load: Duration,
}

impl Code {
    /// Code from the cache where there is good code, else compiled and put there.
    pub(crate) fn obtain(
        engine: &Engine,
        module: &[u8],
        module_digest: &str,
        options: &Options,
        warnings: &mut Vec<String>,
    ) -> Result<Self, EngineError> {
        let slot = options.cache_dir.as_deref().and_then(|folder| Slot::find(folder, module_digest, engine, warnings));
        let slot = match slot.map(|slot| slot.load(engine, warnings)) {
            Some(Found::Code(code)) => return Ok(code),
            Some(Found::Place(slot)) => Some(slot),
            Some(Found::Refused) | None => None,
        };
        match Self::make(engine, module, &options.compiler, slot.as_ref(), warnings) {
            // A program that was replaced on disk while it ran cannot start itself again, or compiles for another version
            // of wasmtime; a service has to come up all the same. A child out of time is not repeated: here it would take
            // as long again.
            Err(EngineError::Compile { what }) if options.compiler != Compiler::InProcess => {
                warnings.push(format!("compiled in process, because a child could not: {what}"));
                Self::make(engine, module, &Compiler::InProcess, slot.as_ref(), warnings)
            }
            made => made,
        }
    }

    fn make(
        engine: &Engine,
        module: &[u8],
        compiler: &Compiler,
        slot: Option<&Slot>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, EngineError> {
        let begun = Instant::now();
        let sealed = compile::sealed(compiler, engine, module)?;
        let compile = begun.elapsed();

        let begun = Instant::now();
        let cut = || EngineError::Compile { what: "the compiler's output was cut short".into() };
        let stored = slot.filter(|_| native::is_whole(&sealed)).and_then(|slot| slot.store(&sealed, warnings));
        let native = stored.or_else(|| Native::made_here(sealed)).ok_or_else(cut)?;
        let module = native.load(engine).map_err(compile_error)?;
        Ok(Self { native, module, from: CodeFrom::Compiled, compile, load: begun.elapsed() })
    }
}

/// The place in the cache for the code of one module.
struct Slot {
    folder: Folder,
    file: PathBuf,
}

/// What is in a [`Slot`].
enum Found {
    Code(Code),
    Place(Slot),
    Refused,
}

impl Slot {
    fn find(folder: &Path, module_digest: &str, engine: &Engine, warnings: &mut Vec<String>) -> Option<Self> {
        let opened = Folder::open(folder);
        let folder = opened.map_err(|why| warnings.push(format!("compiled code is not cached: {why}"))).ok()?;
        let file = folder.file(module_digest, engine);
        Some(Self { folder, file })
    }

    fn load(self, engine: &Engine, warnings: &mut Vec<String>) -> Found {
        let begun = Instant::now();
        match Native::open(&self.file).map(|native| (native.load(engine), native)) {
            Ok((Ok(module), native)) => {
                let (compile, load) = (Duration::ZERO, begun.elapsed());
                return Found::Code(Code { native, module, from: CodeFrom::Loaded, compile, load });
            }
            Ok((Err(why), _)) => warnings.push(format!("compiled again: {}: {why:#}", self.file.display())),
            Err(NotNative::Missing) => {}
            Err(NotNative::Damaged) => warnings.push(format!("compiled again: {} is damaged", self.file.display())),
            Err(NotNative::Refused(why)) => {
                warnings.push(format!("compiled code is not cached: {why}"));
                return Found::Refused;
            }
        }
        Found::Place(self)
    }

    /// Puts code in its place and opens it there: mapped from the file, its pages are shared with every other process of
    /// ours. `None` when that fails, which costs a compilation at the next start and nothing now.
    fn store(&self, sealed: &[u8], warnings: &mut Vec<String>) -> Option<Native> {
        if let Err(why) = self.folder.write(&self.file, sealed) {
            warnings.push(format!("compiled code is not cached: {}: {why}", self.file.display()));
            return None;
        }
        Native::open(&self.file).ok()
    }
}
