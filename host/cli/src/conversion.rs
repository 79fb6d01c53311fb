//! Others' policies said as Bulla's own, by the module. The host reads what a policy names: key files, and the folders of
//! Notation's trust stores (trust-store-trust-policy.md, "Trust Store").

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bulla_engine::abi::Operation;
use bulla_engine::{Engine, SandboxError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::records::clean;

/// Wall time of one conversion. 10 s: a source has at most 256 KiB.
const BUDGET: Duration = Duration::from_secs(10);
/// Octets of a key file. 64 KiB: a public key has less than one.
const MAX_KEY_FILE: u64 = 64 * 1024;
/// Octets of a policy. 256 KiB: what the module reads.
pub(crate) const MAX_POLICY_FILE: u64 = 256 * 1024;
/// Octets of a file with certificates. 256 KiB: what the module reads.
const MAX_CERTIFICATE_FILE: u64 = 256 * 1024;
/// Files of one trust store. 128: as many certificates as the module takes of one kind.
const MAX_STORE_FILES: usize = 128;
/// How files with certificates are named.
const CERTIFICATE_FILES: [&str; 3] = ["pem", "crt", "cer"];
/// The folder of trust stores beside a trust policy.
const STORES: &str = "truststore";
/// Notation's trust policies for artifacts in registries, the newer name first.
const TRUST_POLICIES: [&str; 2] = ["trustpolicy.oci.json", "trustpolicy.json"];

/// One policy, as it is shown or written.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) notes: Vec<String>,
    pub(crate) text: String,
}

/// Policies and what is to be known about all of them; or every field that cannot be said.
pub(crate) type Converted = std::result::Result<(Vec<Policy>, Vec<String>), Vec<Value>>;

/// What is converted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'o> {
    /// The policy of somebody else.
    pub(crate) file: &'o Path,
    /// Where Notation's trust stores are, when they are not in the folder `truststore` beside it.
    pub(crate) stores: Option<&'o Path>,
    /// Of Notation's trust policy, only what it says about these.
    pub(crate) images: Option<&'o [String]>,
}

#[derive(Deserialize)]
struct Answer {
    policies: Vec<Entry>,
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    blob: usize,
    notes: Vec<String>,
}

/// Asks, reads the files and folders that the module misses, and asks once more.
///
/// # Errors
/// When a file that is there cannot be taken, or the module cannot be asked.
pub(crate) async fn convert(engine: &Engine, origin: Origin<'_>) -> Result<Converted> {
    let name = origin.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let source = read(origin.file, MAX_POLICY_FILE)?;
    let mut given: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let paths: Vec<Value> =
            (1usize..).zip(&given).map(|(blob, (path, _))| json!({"path": path, "blob": blob})).collect();
        let mut header = json!({"name": name, "blob": 0, "files": paths});
        if let Some(images) = origin.images {
            header["images"] = json!(images);
        }
        let blobs = std::iter::once(source.clone()).chain(given.iter().map(|(_, bytes)| bytes.clone())).collect();
        let mut details = match engine.ask::<Answer>(Operation::Convert, &header, blobs, BUDGET).await {
            Ok((answer, blobs)) => return Ok(Ok(taken(answer, &blobs)?)),
            Err(SandboxError::Module { details, .. }) if !details.is_empty() => details,
            Err(error) => return Err(error.into()),
        };
        let before = given.len();
        for detail in &mut details {
            let Some(path) = detail.get("file").and_then(Value::as_str).map(str::to_owned) else { continue };
            let (place, is_store) = origin.place(&path);
            if is_store {
                let files = store(&place)?;
                if files.is_empty() {
                    detail["message"] = json!(format!("no file with certificates is in {}", place.display()));
                }
                let is_new = |name: &String| !given.iter().any(|(known, _)| known == name);
                let files: Vec<_> = files.into_iter().map(|(name, bytes)| (format!("{path}/{name}"), bytes)).collect();
                let new: Vec<_> = files.into_iter().filter(|(name, _)| is_new(name)).collect();
                given.extend(new);
            } else if !given.iter().any(|(known, _)| *known == path)
                && let Some(bytes) = key_file(&place)
            {
                given.push((path, bytes));
            }
        }
        if given.len() == before {
            return Ok(Err(details));
        }
    }
}

/// The folder of a trust store that the module names, beside a trust policy unless stores are elsewhere; nothing for other names.
pub(crate) fn store_folder(policy: &Path, stores: Option<&Path>, name: &str) -> Option<PathBuf> {
    let rest = name.strip_prefix(STORES).and_then(|rest| rest.strip_prefix("/x509/"))?;
    let stores = stores.map_or_else(|| beside(policy).join(STORES), Path::to_owned);
    Some(stores.join("x509").join(rest))
}

fn beside(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

impl Origin<'_> {
    /// Where the module's name for a file leads, and whether that is a trust store, which is a folder.
    fn place(&self, name: &str) -> (PathBuf, bool) {
        match store_folder(self.file, self.stores, name) {
            Some(folder) => (folder, true),
            None => (beside(self.file).join(name), false),
        }
    }
}

/// The trust policy in Notation's configuration folder: `notation` under `$XDG_CONFIG_HOME`, or where the system keeps such files.
///
/// # Errors
/// When there is none.
pub(crate) fn configured() -> Result<PathBuf> {
    configured_as(&TRUST_POLICIES)
}

/// The first of these files in that folder.
///
/// # Errors
/// When there is none.
pub(crate) fn configured_as(names: &[&str]) -> Result<PathBuf> {
    let home = |rest: &str| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(rest));
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let usual = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
    let folder =
        named.or_else(|| home(usual)).context("neither XDG_CONFIG_HOME nor HOME is set: name a trust policy")?;
    let folder = folder.join("notation");
    let found = names.iter().map(|name| folder.join(name)).find(|file| file.exists());
    found.with_context(|| {
        let neither = if names.len() > 1 { "neither" } else { "no" };
        format!("{neither} {} is in {}: name a trust policy", names.join(" nor "), folder.display())
    })
}

/// What a module said cannot be converted, one line for each field.
pub(crate) fn refusal(document: &str, field: &Value) -> String {
    let text = |name: &str| field.get(name).and_then(Value::as_str).unwrap_or_default();
    let path = if text("path").is_empty() { String::new() } else { format!("{}: ", text("path")) };
    clean(&format!("{document}: {path}{}", text("message")))
}

/// The files with certificates in a trust store, by name. None where there is no such folder. Folders in it are not looked at.
pub(crate) fn store(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let shown = folder.display();
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| shown.to_string()),
        Ok(about) if about.is_dir() => {}
        Ok(_) => bail!("{shown}: a trust store is a folder, and no link to one"),
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| shown.to_string())? {
        let entry = entry.with_context(|| shown.to_string())?;
        let (path, kind) = (entry.path(), entry.file_type().with_context(|| shown.to_string())?);
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            bail!("{}: no file of its own; a trust store has no links", path.display());
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            bail!("{}: its name is not UTF-8", path.display());
        };
        if !CERTIFICATE_FILES.contains(&extension.to_ascii_lowercase().as_str()) {
            bail!("{}: a trust store has files named .pem, .crt or .cer", path.display());
        }
        names.push(name);
        if names.len() > MAX_STORE_FILES {
            bail!("{shown}: more than {MAX_STORE_FILES} files");
        }
    }
    // In one order everywhere, so that the same store gives the same document.
    names.sort_unstable();
    names.into_iter().map(|name| Ok((name.clone(), read(&folder.join(name), MAX_CERTIFICATE_FILE)?))).collect()
}

pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).with_context(|| path.display().to_string())?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    if bytes.len() as u64 > limit {
        bail!("{}: more than {limit} octets", path.display());
    }
    Ok(bytes)
}

/// A file that is there and small enough for a key; the module names the others.
fn key_file(path: &Path) -> Option<Vec<u8>> {
    let about = fs::metadata(path).ok().filter(|about| about.is_file() && about.len() <= MAX_KEY_FILE);
    about.and_then(|_| fs::read(path).ok())
}

fn taken(answer: Answer, blobs: &[Vec<u8>]) -> Result<(Vec<Policy>, Vec<String>)> {
    let policies = answer.policies.into_iter().map(|entry| {
        let bytes = blobs.get(entry.blob).context("the module gave no text")?;
        Ok(Policy { name: entry.name, notes: entry.notes, text: String::from_utf8(bytes.clone())? })
    });
    Ok((policies.collect::<Result<_>>()?, answer.notes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{MAX_CERTIFICATE_FILE, MAX_STORE_FILES, Origin, store};

    #[test]
    fn a_store_is_beside_its_policy_or_where_it_is_said_to_be() {
        let mut origin = Origin { file: Path::new("/a/trustpolicy.json"), stores: None, images: None };
        let place = |origin: &Origin<'_>, name: &str| {
            let (place, is_store) = origin.place(name);
            (place.display().to_string(), is_store)
        };
        assert_eq!(place(&origin, "truststore/x509/ca/b"), ("/a/truststore/x509/ca/b".to_owned(), true));
        assert_eq!(place(&origin, "truststore/key.pub"), ("/a/truststore/key.pub".to_owned(), false));
        origin.stores = Some(Path::new("stores"));
        assert_eq!(place(&origin, "truststore/x509/ca/b"), ("stores/x509/ca/b".to_owned(), true));
    }

    #[test]
    fn of_a_store_files_of_its_own_are_read_within_limits() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        let says = |hint: &str| {
            let said = store(folder.path()).expect_err(hint).to_string();
            assert!(said.contains(hint), "{said}");
        };
        assert_eq!(store(&place("none")).expect("nothing"), []);
        for name in ["b.pem", "a.crt", "c.CER"] {
            fs::write(place(name), name).expect("a file");
        }
        fs::create_dir(place("below")).expect("a folder");
        fs::write(place("below/d.txt"), "d").expect("a file");
        let names: Vec<String> = store(folder.path()).expect("files").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a.crt", "b.pem", "c.CER"]);
        symlink(folder.path(), place("link")).expect("a link");
        assert!(store(&place("link")).expect_err("a link").to_string().contains("no link to one"));
        says("has no links");
        fs::remove_file(place("link")).expect("the link");
        fs::write(place("README"), "x").expect("a file");
        says("named .pem, .crt or .cer");
        fs::remove_file(place("README")).expect("the file");
        fs::write(place("large.pem"), vec![b'x'; MAX_CERTIFICATE_FILE as usize + 1]).expect("a file");
        says("more than 262144 octets");
        fs::remove_file(place("large.pem")).expect("the file");
        for number in 0..MAX_STORE_FILES {
            fs::write(place(&format!("{number}.pem")), "x").expect("a file");
        }
        says("more than 128 files");
    }
}
