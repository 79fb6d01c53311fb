//! Targets files: what tags are, and to whom this is delegated (notary, tuf/data/targets.go).

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::FormatError;
use super::format::{Hashes, Header, object, role_keys, text};
use super::key::{self, Keys};
use super::role::Role;
use super::signature::{Envelope, RoleKeys};
use crate::limits::{MAX_DELEGATION_PATHS, MAX_DELEGATIONS, MAX_TARGET_NAME_BYTES, MAX_TARGETS};
use crate::time::UnixTime;

/// What the targets file of one role says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    header: Header,
    targets: BTreeMap<String, Target>,
    delegations: BTreeMap<Role, Delegation>,
}

/// What one tag is: length and hashes of the manifest.
pub type Target = Hashes;

/// A role to which another one delegates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Its keys.
    pub keys: RoleKeys,
    /// What the names of its targets may begin with. The empty prefix allows all, no prefix allows none.
    pub paths: Vec<String>,
}

impl Targets {
    pub(super) fn read(role: &Role, envelope: &Envelope) -> Result<Self, FormatError> {
        let signed = envelope.signed();
        let header = Header::read(signed, "Targets")?;
        let listed = object(signed.get("targets"), "signed.targets")?;
        if listed.len() > MAX_TARGETS {
            return Err(FormatError::Targets { got: listed.len() });
        }
        let mut targets = BTreeMap::new();
        for (name, value) in listed {
            if name.is_empty() || name.len() > MAX_TARGET_NAME_BYTES {
                return Err(FormatError::TargetName { got: name.len() });
            }
            targets.insert(name.clone(), Hashes::read(name, value)?);
        }
        let delegations = match signed.get("delegations") {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(value) => delegations(role, value)?,
        };
        Ok(Self { header, targets, delegations })
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.header.version
    }

    /// When it expires.
    pub fn expires(&self) -> UnixTime {
        self.header.expires
    }

    /// What tags are, by name.
    pub fn targets(&self) -> &BTreeMap<String, Target> {
        &self.targets
    }

    /// To whom the role delegates.
    pub fn delegations(&self) -> &BTreeMap<Role, Delegation> {
        &self.delegations
    }
}

impl Delegation {
    /// The paths that are left when the role above has only these.
    pub(super) fn paths_within(&self, above: &[String]) -> Vec<String> {
        self.paths.iter().filter(|path| above.iter().any(|above| path.starts_with(above.as_str()))).cloned().collect()
    }
}

fn delegations(parent: &Role, value: &Value) -> Result<BTreeMap<Role, Delegation>, FormatError> {
    let delegations = object(Some(value), "signed.delegations")?;
    let keys = match delegations.get("keys") {
        None | Some(Value::Null) => Keys::new(),
        keys => key::read_all(object(keys, "signed.delegations.keys")?)?,
    };
    let roles = match delegations.get("roles") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(roles)) => roles.as_slice(),
        Some(_) => return Err(FormatError::Member { member: "signed.delegations.roles", expected: "a list" }),
    };
    if roles.len() > MAX_DELEGATIONS {
        return Err(FormatError::Delegations { got: roles.len() });
    }
    let mut read = BTreeMap::new();
    for value in roles {
        let member = object(Some(value), "signed.delegations.roles")?;
        let child = Role::parse(text(member.get("name"), "signed.delegations.roles.name")?)?;
        if child.parent().as_ref() != Some(parent) {
            return Err(FormatError::NotBelow { parent: parent.clone(), child });
        }
        let paths = match member.get("paths") {
            None | Some(Value::Null) => &[],
            Some(Value::Array(paths)) => paths.as_slice(),
            Some(_) => {
                return Err(FormatError::Member { member: "signed.delegations.roles.paths", expected: "a list" });
            }
        };
        if paths.len() > MAX_DELEGATION_PATHS {
            return Err(FormatError::Paths { role: child, got: paths.len() });
        }
        let paths = paths.iter().map(|path| text(Some(path), "signed.delegations.roles.paths").map(str::to_owned));
        let delegation =
            Delegation { keys: role_keys(child.clone(), value, &keys)?, paths: paths.collect::<Result<_, _>>()? };
        if read.insert(child.clone(), delegation).is_some() {
            return Err(FormatError::DelegatedTwice(child));
        }
    }
    Ok(read)
}
