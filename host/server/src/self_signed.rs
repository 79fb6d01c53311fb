//! Certificates for a start without any: an authority and one certificate for each listener, kept in the state folder.
//!
//! They survive a restart, because the authority's certificate stands in a webhook's `caBundle`. Keys are their owner's
//! only. A certificate is made anew by the same authority when its names change or its end comes near.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

/// Seconds that an authority is valid: ten years.
const AUTHORITY_SECONDS: i64 = 10 * 365 * 86_400;
/// Seconds that a certificate is valid: one year.
const LEAF_SECONDS: i64 = 365 * 86_400;
/// Seconds before the end at which a new one is made: 30 days.
const RENEW_SECONDS: i64 = 30 * 86_400;
/// Seconds that clocks may differ: one hour.
const SKEW_SECONDS: i64 = 3600;
/// The authority's certificate in the state folder.
const AUTHORITY: &str = "ca.pem";

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
    /// The file with the authority's certificate.
    pub(crate) authority: PathBuf,
}

/// What a certificate was made for; written last, so that half a certificate is none.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Made {
    names: Vec<String>,
    /// Seconds since 1970.
    not_after: i64,
    /// SHA-256 of the authority's certificate file.
    authority: String,
}

/// The certificate for a listener, made where it is not there, is for other names, or ends soon.
///
/// # Errors
/// One sentence, with the file that it is about.
pub(crate) fn ensure(folder: &Path, listener: &str, names: &[String], now: i64) -> Result<Issued, String> {
    private_folder(folder)?;
    let usual = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let names = if names.is_empty() { &usual } else { names };
    let authority = folder.join(AUTHORITY);
    let issuer = issuer(folder, now)?;
    let fingerprint = hex::encode(Sha256::digest(read(&authority)?));

    let file = |kind: &str| folder.join(format!("{listener}{kind}"));
    let (certificate, key, note) = (file(".pem"), file("-key.pem"), file(".json"));
    let good = fs::read(&note).ok().and_then(|text| serde_json::from_slice::<Made>(&text).ok()).is_some_and(|made| {
        made.names == names && made.authority == fingerprint && made.not_after.saturating_sub(RENEW_SECONDS) > now
    });
    if !(good && certificate.exists() && key.exists()) {
        let not_after = now.saturating_add(LEAF_SECONDS);
        let leaf_key = KeyPair::generate().map_err(|error| format!("{}: {error}", key.display()))?;
        let leaf = leaf(names, now, not_after).and_then(|params| params.signed_by(&leaf_key, &issuer));
        let leaf = leaf.map_err(|error| format!("a certificate for {}: {error}", names.join(", ")))?;
        write(&key, leaf_key.serialize_pem().as_bytes())?;
        write(&certificate, leaf.pem().as_bytes())?;
        let made = Made { names: names.to_vec(), not_after, authority: fingerprint };
        write(&note, &serde_json::to_vec(&made).map_err(|error| error.to_string())?)?;
    }
    Ok(Issued { certificate: read(&certificate)?, key: read(&key)?, authority })
}

fn issuer(folder: &Path, now: i64) -> Result<Issuer<'static, KeyPair>, String> {
    let (certificate, key, note) = (folder.join(AUTHORITY), folder.join("ca-key.pem"), folder.join("ca.json"));
    let not_after = fs::read(&note).ok().and_then(|text| serde_json::from_slice::<i64>(&text).ok());
    let ends_soon = not_after.is_none_or(|end| end.saturating_sub(RENEW_SECONDS) <= now);
    if !ends_soon && certificate.exists() && key.exists() {
        let pem = String::from_utf8(read(&key)?).map_err(|_| format!("{}: not PEM", key.display()))?;
        let key_pair = KeyPair::from_pem(&pem).map_err(|error| format!("{}: {error}", key.display()))?;
        return Ok(Issuer::new(authority(now, now), key_pair));
    }
    let not_after = now.saturating_add(AUTHORITY_SECONDS);
    let params = authority(now, not_after);
    let failed = |error: rcgen::Error| format!("{}: {error}", certificate.display());
    let key_pair = KeyPair::generate().map_err(failed)?;
    let made = params.self_signed(&key_pair).map_err(failed)?;
    write(&key, key_pair.serialize_pem().as_bytes())?;
    write(&certificate, made.pem().as_bytes())?;
    write(&note, not_after.to_string().as_bytes())?;
    Ok(Issuer::new(params, key_pair))
}

/// An issuer needs only the name and the way to name its key: the same for every authority made here.
fn authority(now: i64, not_after: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Bulla self-signed authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = moment(now.saturating_sub(SKEW_SECONDS));
    params.not_after = moment(not_after);
    params
}

fn leaf(names: &[String], now: i64, not_after: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = named("Bulla");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = moment(now.saturating_sub(SKEW_SECONDS));
    params.not_after = moment(not_after);
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn moment(seconds: i64) -> OffsetDateTime {
    // Outside of what can be written down is only a clock that is wrong by thousands of years.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Makes the folder, and refuses one that others can look into.
fn private_folder(folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if !folder.try_exists().map_err(failed)? {
        fs::create_dir_all(folder).map_err(failed)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
    }
    let metadata = fs::metadata(folder).map_err(failed)?;
    if !metadata.is_dir() {
        return Err(format!("{}: not a folder", folder.display()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!("{}: mode {mode:o} lets others in, and keys lie here: chmod 700", folder.display()));
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Writes beside the place and renames, readable for the owner only.
fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let beside = file.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut open = options.open(&beside)?;
        open.write_all(bytes)?;
        open.sync_all()?;
        fs::rename(&beside, file)
    };
    write().map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{LEAF_SECONDS, ensure};

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn a_certificate_stays_until_its_names_change_or_its_end_comes_near() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = temporary.path().join("state");
        let names = ["bulla.example.svc".to_owned()];
        let first = ensure(&folder, "webhook", &names, NOW).expect("made");
        let authority = fs::read(&first.authority).expect("written");
        let again = ensure(&folder, "webhook", &names, NOW + 86_400).expect("there");
        assert_eq!((again.certificate, again.key), (first.certificate.clone(), first.key));
        let late = ensure(&folder, "webhook", &names, NOW + LEAF_SECONDS - 86_400).expect("made");
        assert_ne!(late.certificate, first.certificate);
        let other = ensure(&folder, "webhook", &[], NOW).expect("made");
        assert_ne!(other.certificate, late.certificate);
        assert_eq!(fs::read(&first.authority).expect("written"), authority, "one authority for all of them");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_look_into_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let temporary = tempfile::tempdir().expect("a folder");
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        let error = ensure(temporary.path(), "webhook", &[], NOW).err().expect("refused");
        assert!(error.contains("chmod 700"), "{error}");
    }
}
