//! Finding files of cases: `tests/NAME.yaml` beside the policy `NAME.yaml`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::cases::FOLDER;

/// Folders in folders that are searched. 16: nobody nests policies deeper by hand.
const MAX_DEPTH: usize = 16;

/// Files of cases, and policies that have none.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) with_cases: BTreeSet<PathBuf>,
    pub(super) without: Vec<PathBuf>,
}

/// The files of cases that these paths mean: themselves, those beside a policy, those below a folder.
///
/// # Errors
/// When there are none.
pub(super) fn cases(paths: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for path in paths {
        let before = found.with_cases.len();
        if path.metadata().with_context(|| path.display().to_string())?.is_dir() {
            search(path, &mut found, 0)?;
            if found.with_cases.len() == before {
                bail!("{}: no `{FOLDER}/*.yaml` in it (docs/policy-tests.md)", path.display());
            }
        } else if parent_is_tests(path) {
            found.with_cases.insert(path.clone());
        } else {
            let cases = beside(path);
            if !cases.is_file() {
                bail!("{}: no cases: there is no {}", path.display(), cases.display());
            }
            found.with_cases.insert(cases);
        }
    }
    Ok(found)
}

fn parent_is_tests(file: &Path) -> bool {
    let absolute = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    absolute.parent().and_then(Path::file_name).is_some_and(|name| name == FOLDER)
}

/// Where the cases of a policy are.
fn beside(policy: &Path) -> PathBuf {
    let folder = policy.parent().unwrap_or(Path::new("")).join(FOLDER);
    folder.join(policy.file_name().unwrap_or_default())
}

fn search(folder: &Path, found: &mut Found, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        bail!("{}: folders nested more than {MAX_DEPTH} deep", folder.display());
    }
    let (folders, files) = entries(folder)?;
    if folder.file_name().is_some_and(|name| name == FOLDER) {
        found.with_cases.extend(files);
        return Ok(());
    }
    if folders.iter().any(|inner| inner.ends_with(FOLDER)) {
        found.without.extend(files.into_iter().filter(|policy| !beside(policy).is_file()));
    }
    folders.iter().try_for_each(|inner| search(inner, found, depth.saturating_add(1)))
}

/// The folders and the YAML files of a folder, by name, without hidden ones. Links to folders are not followed.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry.with_context(|| folder.display().to_string())?;
        let path = entry.path();
        let is_yaml = path.extension().is_some_and(|extension| matches!(extension.to_str(), Some("yaml" | "yml")));
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(path);
        } else if is_yaml {
            files.push(path);
        }
    }
    folders.sort();
    files.sort();
    Ok((folders, files))
}
