//! Who signs a role, and what it may name, once the changes are made.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::TrustSigningError;
use crate::limits::MAX_ROLE_FILE_BYTES;
use crate::tuf::role::Role;
use crate::tuf::{Base, Envelope, RoleKeys, keys_of, write_file};

/// Who signs a role: as the file above it says after the changes, and for a root also as the root said before.
pub(super) fn signers(
    base: &Base<'_>,
    role: &Role,
    next: &Map<String, Value>,
    after: &BTreeMap<Role, Value>,
) -> Result<Vec<RoleKeys>, TrustSigningError> {
    if *role == Role::root() {
        let new = keys_in(&Value::Object(next.clone()), role)?;
        let old = base.root().get().root().clone();
        return Ok(if new == old { vec![new] } else { vec![new, old] });
    }
    let above = role.parent().unwrap_or_else(Role::root);
    if let Some(above) = after.get(&above) {
        return keys_in(above, role).map(|keys| vec![keys]);
    }
    let keys = match base.targets().get(&above) {
        None if above == Role::targets() || !role.is_delegation() => Some(base.root().get().targets()),
        None => None,
        Some(parent) => parent.file().get().delegations().get(role).map(|delegation| &delegation.keys),
    };
    let undelegated = || TrustSigningError::Role { role: role.clone(), problem: "is not delegated to" };
    Ok(vec![keys.cloned().ok_or_else(undelegated)?])
}

/// The keys that a file gives to a role, as verifiers would read it.
pub(super) fn keys_in(signed: &Value, role: &Role) -> Result<RoleKeys, TrustSigningError> {
    let file = role.parent().unwrap_or_else(Role::root);
    let format = |error| TrustSigningError::Format { role: file.clone(), error };
    // Version and expiry are set later; they are none of the keys' business.
    let mut whole = signed.clone();
    if let Some(members) = whole.as_object_mut() {
        members.insert("version".to_owned(), 1.into());
        members.insert("expires".to_owned(), "9999-12-31T23:59:59Z".into());
    }
    let file_of = write_file(&whole, &BTreeMap::new()).map_err(|error| format(error.into()))?;
    let envelope = Envelope::parse(&file_of, MAX_ROLE_FILE_BYTES).map_err(format)?;
    let keys = keys_of(&file, role, &envelope).map_err(format)?;
    keys.ok_or_else(|| TrustSigningError::Role { role: role.clone(), problem: "is not delegated to" })
}

/// The delegation to a role in files that are prepared.
fn delegation<'v>(after: &'v BTreeMap<Role, Value>, role: &Role) -> Option<&'v Value> {
    let roles = after.get(&role.parent()?)?.get("delegations")?.get("roles")?.as_array()?;
    roles.iter().find(|it| it.get("name").and_then(Value::as_str) == Some(role.name()))
}

pub(super) fn is_delegated(after: &BTreeMap<Role, Value>, role: &Role) -> bool {
    delegation(after, role).is_some()
}

/// What a role's targets may begin with: as the role above says after the changes, within what that one may name.
pub(super) fn paths(base: &Base<'_>, after: &BTreeMap<Role, Value>, role: &Role) -> Vec<String> {
    let Some(parent) = role.parent() else { return vec![String::new()] };
    let above = paths(base, after, &parent);
    let listed: Vec<String> = match (delegation(after, role), base.targets().get(&parent)) {
        (Some(delegation), _) => {
            let paths = delegation.get("paths").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            paths.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        (None, Some(parent)) => {
            parent.file().get().delegations().get(role).map(|it| it.paths.clone()).unwrap_or_default()
        }
        (None, None) => Vec::new(),
    };
    listed.into_iter().filter(|path| above.iter().any(|above| path.starts_with(above.as_str()))).collect()
}
