//! When machine code may run: the only unsafe code of the hosts.
//!
//! wasmtime maps precompiled code and jumps into it. It checks version and settings, never intent: whoever can write the
//! bytes can run anything in this process. So code comes into [`Native`] by two doors only: a file that nobody but us can
//! have written, or bytes that our own compiler just made.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

/// Ends every piece of sealed code, before its checksum.
const MAGIC: &[u8; 8] = b"bullaco1";
/// Octets of the seal: magic and SHA-256.
const SEAL: usize = MAGIC.len() + 32;

/// Sealed machine code that may run here.
pub(crate) enum Native {
    /// A file that was checked and is mapped as it stands. It is only ever replaced by rename, never written in place.
    File(File),
    /// Code in memory, without its seal.
    Bytes(Vec<u8>),
}

/// Why a file is not code to run.
#[derive(Debug)]
pub(crate) enum NotNative {
    /// There is none.
    Missing,
    /// Cut short or damaged: compile again and replace it.
    Damaged,
    /// Somebody else could have written it, or it is no file: leave it alone.
    Refused(String),
}

/// Adds the seal, by which a file that was cut short is noticed. It is no protection against people: ownership is.
pub(crate) fn seal(mut code: Vec<u8>) -> Vec<u8> {
    let sum = Sha256::digest(&code);
    code.extend_from_slice(MAGIC);
    code.extend_from_slice(&sum);
    code
}

/// Whether this is a whole piece of sealed code.
pub(crate) fn is_whole(sealed: &[u8]) -> bool {
    whole(&mut &*sealed, sealed.len() as u64).unwrap_or(false)
}

impl Native {
    /// Opens a file of sealed code.
    pub(crate) fn open(path: &Path) -> Result<Self, NotNative> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let refused = |why: String| NotNative::Refused(format!("{}: {why}", path.display()));
        let mut file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NotNative::Missing,
            _ => refused(error.to_string()),
        })?;
        // The open file is looked at, not the path, so nothing can be exchanged in between.
        let found = file.metadata().map_err(|error| refused(error.to_string()))?;
        if !found.is_file() {
            return Err(refused("not a regular file".into()));
        }
        owned_by_us_alone(found.uid(), found.mode()).map_err(refused)?;
        if whole(&mut file, found.len()).map_err(|error| refused(error.to_string()))? {
            Ok(Self::File(file))
        } else {
            Err(NotNative::Damaged)
        }
    }

    /// Takes sealed code that our own compiler just made, here or in a child of ours. `None` when it is cut short.
    pub(crate) fn made_here(mut sealed: Vec<u8>) -> Option<Self> {
        if !is_whole(&sealed) {
            return None;
        }
        sealed.truncate(sealed.len().checked_sub(SEAL)?);
        Some(Self::Bytes(sealed))
    }

    /// Makes it a module of this engine. wasmtime refuses code of another version, processor or setting.
    pub(crate) fn load(&self, engine: &Engine) -> wasmtime::Result<Module> {
        match self {
            Self::File(file) => {
                let file = file.try_clone()?;
                // SAFETY: the file holds what `Engine::precompile_module` made, because only we can have written it
                // (checked in `open`: a regular file, ours, not writable by others) and we write nothing else under
                // such names. It is not modified while mapped: a newer version is renamed over it.
                unsafe { Module::deserialize_open_file(engine, file) }
            }
            // SAFETY: the bytes come from `Engine::precompile_module`, called by `compile.rs` in this process or in a
            // child that is our own program; the seal shows that they arrived whole.
            Self::Bytes(code) => unsafe { Module::deserialize(engine, code) },
        }
    }
}

/// Whether something with this owner and mode can have been written by us only.
pub(crate) fn owned_by_us_alone(owner: u32, mode: u32) -> Result<(), String> {
    let us = rustix::process::geteuid().as_raw();
    if owner != us {
        return Err(format!("owned by user {owner}, not by user {us}"));
    }
    if mode & 0o022 != 0 {
        return Err(format!("writable by others (mode {:04o})", mode & 0o7777));
    }
    Ok(())
}

/// Whether `length` octets end in a seal that fits what is before it.
fn whole(bytes: &mut impl Read, length: u64) -> io::Result<bool> {
    let Some(mut left) = length.checked_sub(SEAL as u64) else {
        return Ok(false);
    };
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let got = bytes.read(buffer.get_mut(..most).unwrap_or_default())?;
        if got == 0 {
            return Ok(false);
        }
        sum.update(buffer.get(..got).unwrap_or_default());
        left = left.saturating_sub(got as u64);
    }
    let mut found = Vec::with_capacity(SEAL);
    bytes.take(SEAL as u64).read_to_end(&mut found)?;
    Ok(found.split_first_chunk() == Some((MAGIC, sum.finalize().as_slice())))
}

#[cfg(test)]
mod tests {
    use super::{Native, SEAL, seal};

    #[test]
    fn only_whole_code_is_taken() {
        let sealed = seal(b"code".to_vec());
        assert_eq!(sealed.len(), 4 + SEAL);
        assert!(matches!(Native::made_here(sealed.clone()), Some(Native::Bytes(code)) if code == b"code"));
        for cut in 0..sealed.len() {
            assert!(Native::made_here(sealed[..cut].to_vec()).is_none(), "cut at {cut}");
        }
        for octet in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[octet] ^= 1;
            assert!(Native::made_here(damaged).is_none(), "changed at {octet}");
        }
    }
}
