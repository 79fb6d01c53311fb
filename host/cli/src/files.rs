//! Writing files that must not be overwritten.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

/// Writes a file that must not be there, with this mode from the start.
pub(crate) fn write_new(file: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let mut opened = opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            anyhow!("{} is there already, and keys are never overwritten; choose another --out", file.display())
        }
        _ => anyhow!("{}: {error}", file.display()),
    })?;
    opened.write_all(bytes).and_then(|()| opened.sync_all()).with_context(|| file.display().to_string())
}
