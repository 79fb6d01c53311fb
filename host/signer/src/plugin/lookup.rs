//! Where a program is: the folders of `PATH`, as Go's `exec.LookPath` reads them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The first folder of `PATH` that has this program. Folders relative to the current one are never used: whoever can
/// write there could sign.
///
/// # Errors
/// When there is none; the value says whether a relative folder has one.
pub(super) fn look_up(program: &str, path: Option<OsString>) -> Result<PathBuf, bool> {
    let mut in_relative = false;
    for folder in env::split_paths(&path.unwrap_or_default()) {
        let candidate = folder.join(program);
        if is_program(&candidate) {
            // An empty entry stands for the current folder, too.
            if folder.is_absolute() {
                return Ok(candidate);
            }
            in_relative = true;
        }
    }
    Err(in_relative)
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(all(test, unix))]
mod tests {
    use std::env;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Component, Path, PathBuf};

    use super::look_up;

    fn program(folder: &Path, mode: u32) {
        fs::create_dir_all(folder).expect("folder");
        fs::write(folder.join("sigstore-kms-x"), "").expect("file");
        fs::set_permissions(folder.join("sigstore-kms-x"), fs::Permissions::from_mode(mode)).expect("mode");
    }

    #[test]
    fn the_first_absolute_folder_with_an_executable_file_counts() {
        let root = tempfile::tempdir().expect("folder");
        let folder = |name: &str| root.path().join(name);
        program(&folder("not-executable"), 0o644);
        fs::create_dir_all(folder("a-folder").join("sigstore-kms-x")).expect("folder");
        program(&folder("first"), 0o755);
        program(&folder("second"), 0o755);
        // The same place, seen from the current folder.
        let here = env::current_dir().expect("current folder");
        let up = here.components().filter(|part| matches!(part, Component::Normal(_))).map(|_| "..");
        let relative: PathBuf = up.collect::<PathBuf>().join(folder("first").strip_prefix("/").expect("absolute"));
        let path = |folders: &[PathBuf]| Some(env::join_paths(folders).expect("PATH"));
        let found = Ok(folder("second").join("sigstore-kms-x"));
        let missing = folder("missing");
        let look = |folders: &[PathBuf]| look_up("sigstore-kms-x", path(folders));

        assert_eq!(look(&[missing.clone(), folder("not-executable"), folder("a-folder"), folder("second")]), found);
        assert_eq!(look(&[folder("second"), folder("first")]), found);
        assert_eq!(look(&[relative.clone(), folder("second")]), found);
        assert_eq!(look(&[relative]), Err(true));
        assert_eq!(look(&[missing, folder("not-executable")]), Err(false));
        assert_eq!(look_up("sigstore-kms-x", None), Err(false));
        assert_eq!(look_up("sigstore-kms-x", Some("".into())), Err(false));
    }
}
