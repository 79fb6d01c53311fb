//! What role files have in common: type, version, expiry, and how they name other files (notary, tuf/data/types.go).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::error::FormatError;
use super::key::{KeyId, Keys};
use super::role::Role;
use super::signature::RoleKeys;
use crate::cel;
use crate::digest::Digest;
use crate::limits::MAX_ROLE_KEYS;
use crate::text::excerpt;
use crate::time::UnixTime;

/// Version and expiry of a role file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u64,
    /// The first second in which it has expired, or the one before: fractions are cut off.
    pub(super) expires: UnixTime,
}

/// Length and hashes of a file or target, as another file says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// Octets.
    pub length: u64,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512.
    pub sha512: Option<[u8; 64]>,
}

impl Header {
    /// Reads the members that every role file has.
    pub(super) fn read(signed: &Map<String, Value>, want: &'static str) -> Result<Self, FormatError> {
        let got = text(signed.get("_type"), "signed._type")?;
        if got != want {
            return Err(FormatError::Type { got: excerpt(got), want });
        }
        let version = signed.get("version").and_then(Value::as_u64).filter(|version| *version >= 1);
        let version =
            version.ok_or(FormatError::Member { member: "signed.version", expected: "an integer of at least 1" })?;
        let expires = text(signed.get("expires"), "signed.expires")?;
        let moment = cel::rfc3339_seconds(expires).ok_or_else(|| FormatError::Expires(excerpt(expires)))?;
        Ok(Self { version, expires: UnixTime(moment) })
    }
}

impl Hashes {
    /// Reads length and hashes. Algorithms that are not known are ignored; of the known ones each must be whole.
    pub(super) fn read(of: &str, value: &Value) -> Result<Self, FormatError> {
        let member = |member, expected| FormatError::Member { member, expected };
        let length = value.get("length").and_then(Value::as_u64);
        let hashes = value.get("hashes").and_then(Value::as_object);
        let hashes = hashes.ok_or_else(|| member("hashes", "an object"))?;
        let read = Self {
            length: length.ok_or_else(|| member("length", "an integer that is not negative"))?,
            sha256: hash(of, "sha256", hashes.get("sha256"))?,
            sha512: hash(of, "sha512", hashes.get("sha512"))?,
        };
        if read.sha256.is_none() && read.sha512.is_none() {
            return Err(FormatError::NoHash { of: excerpt(of), want: "sha256 or sha512" });
        }
        Ok(read)
    }

    /// Whether this digest is one of those that it says.
    pub(crate) fn names(&self, digest: &Digest) -> bool {
        self.digests().any(|said| said == *digest)
    }

    /// The digests, as far as there are some: each of them must be that of the bytes.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> {
        let sha256 = self.sha256.map(|it| format!("sha256:{}", hex::encode(it)));
        let sha512 = self.sha512.map(|it| format!("sha512:{}", hex::encode(it)));
        sha256.into_iter().chain(sha512).filter_map(|text| Digest::parse(&text).ok())
    }
}

fn hash<const N: usize>(
    of: &str,
    algorithm: &'static str,
    value: Option<&Value>,
) -> Result<Option<[u8; N]>, FormatError> {
    let Some(value) = value else { return Ok(None) };
    let got = value.as_str().unwrap_or_default();
    match STANDARD.decode(got).map(<[u8; N]>::try_from) {
        Ok(Ok(hash)) => Ok(Some(hash)),
        _ => Err(FormatError::Hash { of: excerpt(of), algorithm, got: excerpt(got), want: N }),
    }
}

/// The files that a snapshot or a timestamp names, by role.
pub(super) fn files(signed: &Map<String, Value>) -> Result<BTreeMap<Role, Hashes>, FormatError> {
    let meta = object(signed.get("meta"), "signed.meta")?;
    let mut files = BTreeMap::new();
    for (name, value) in meta {
        files.insert(Role::parse(name)?, Hashes::read(name, value)?);
    }
    Ok(files)
}

/// Holds a role's key ids and threshold against the keys of its file.
pub(super) fn role_keys(role: Role, value: &Value, keys: &Keys) -> Result<RoleKeys, FormatError> {
    let member = |member, expected| FormatError::Member { member, expected };
    let threshold = value.get("threshold").and_then(Value::as_i64);
    let threshold = threshold.ok_or_else(|| member("threshold", "an integer"))?;
    let threshold = u64::try_from(threshold).ok().filter(|threshold| *threshold >= 1);
    let threshold = threshold.ok_or_else(|| FormatError::Threshold(role.clone()))?;
    let listed = value.get("keyids").and_then(Value::as_array).ok_or_else(|| member("keyids", "a list"))?;
    if listed.len() > MAX_ROLE_KEYS {
        return Err(FormatError::RoleKeys { role, got: listed.len() });
    }
    let mut of_role = Keys::new();
    for id in listed {
        let id = KeyId::parse(text(Some(id), "keyids")?)?;
        let key = keys.get(&id).ok_or_else(|| FormatError::UnlistedKey { role: role.clone(), id })?;
        of_role.insert(id, key.clone());
    }
    Ok(RoleKeys { role, keys: of_role, threshold })
}

pub(super) fn object<'v>(
    value: Option<&'v Value>,
    member: &'static str,
) -> Result<&'v Map<String, Value>, FormatError> {
    value.and_then(Value::as_object).ok_or(FormatError::Member { member, expected: "an object" })
}

pub(super) fn text<'v>(value: Option<&'v Value>, member: &'static str) -> Result<&'v str, FormatError> {
    value.and_then(Value::as_str).ok_or(FormatError::Member { member, expected: "text" })
}
