//! The folder of compiled code: `<SHA-256 of the module>-<what the code fits>.code`.
//!
//! Loading such a file runs what is in it. The folder therefore belongs to us alone, and one that does not is not used.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

use wasmtime::Engine;

use crate::native;

/// Files that stay in the folder, newest first. Each is about 5 MB; 8 allow for a few versions side by side.
const KEEP: usize = 8;

/// A folder that only we can write to.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Opens the folder and makes it, with mode 0700, where it is missing. The error says why it is not used.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let why = |what: String| format!("{}: {what}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| why(error.to_string()))?;
        let found = fs::metadata(path).map_err(|error| why(error.to_string()))?;
        if !found.is_dir() {
            return Err(why("not a folder".into()));
        }
        native::owned_by_us_alone(found.uid(), found.mode()).map_err(why)?;
        Ok(Self(path.to_owned()))
    }

    /// The file for the code of one module, as this engine would compile it.
    pub(crate) fn file(&self, module_digest: &str, engine: &Engine) -> PathBuf {
        self.0.join(format!("{module_digest}-{:016x}.code", compatibility(engine)))
    }

    /// Writes a file so that no reader ever sees half of it: under another name, then renamed.
    pub(crate) fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let nanos = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
        let draft = self.0.join(format!(".{}-{nanos}.draft", process::id()));
        let written = write_new(&draft, bytes).and_then(|()| fs::rename(&draft, file));
        if written.is_err() {
            // Best effort: what counts is the error that is returned.
            let _ = fs::remove_file(&draft);
        }
        written?;
        self.prune();
        Ok(())
    }

    /// Removes what older versions left behind. Nobody waits for it, so what fails is left for the next time.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        let mut codes: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "code"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        codes.sort_by(|a, b| b.cmp(a));
        for (_, old) in codes.iter().skip(KEEP) {
            let _ = fs::remove_file(old);
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// One number for wasmtime's version, the processor's features and every setting that shapes code. It only names the file:
/// wasmtime checks the same things again when it loads the code, so a collision costs a compilation and no more.
pub(crate) fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{Folder, KEEP};

    #[test]
    fn the_folder_is_made_for_us_alone() {
        let base = tempfile::tempdir().expect("a folder");
        let path = base.path().join("a/b");
        Folder::open(&path).expect("made");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o700);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o770)).expect("ours");
        let why = Folder::open(&path).expect_err("others can write");
        assert!(why.contains("writable by others (mode 0770)"), "{why}");
        let file = base.path().join("file");
        fs::write(&file, "").expect("written");
        Folder::open(&file).expect_err("a file is no folder");
    }

    #[test]
    fn only_the_newest_files_stay() {
        let base = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(base.path()).expect("ours");
        for index in 0..KEEP + 3 {
            folder.write(&base.path().join(format!("{index:02}.code")), b"x").expect("written");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let mut left: Vec<_> = fs::read_dir(base.path()).expect("there").flatten().map(|e| e.file_name()).collect();
        left.sort();
        assert_eq!(left.len(), KEEP, "{left:?}");
        assert_eq!(left[0], "03.code");
    }
}
