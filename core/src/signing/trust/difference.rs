//! What signing a role file would change, in plain terms: read from the file before and the file after, not from what was asked.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::cel;
use crate::time::UnixTime;
use crate::tuf::role::Role;

/// The difference between the file of a role before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The role.
    pub role: Role,
    /// The version before, if there was a file, and the one after.
    pub version: (Option<u64>, u64),
    /// The expiry before, if there was a file, and the one after.
    pub expires: (Option<UnixTime>, UnixTime),
    /// Names that are new: targets; in a root or snapshot, nothing.
    pub added: Vec<String>,
    /// Names that are gone.
    pub removed: Vec<String>,
    /// Names that are something else now.
    pub changed: Vec<String>,
    /// How many names stay exactly as they were.
    pub unchanged: usize,
    /// Keys that a role gains, as `role key`. In a targets file the roles are delegations.
    pub keys_added: Vec<String>,
    /// Keys that a role loses.
    pub keys_removed: Vec<String>,
}

impl Difference {
    /// Compares what was signed with what would be.
    pub(super) fn between(role: &Role, before: Option<&Map<String, Value>>, after: &Map<String, Value>) -> Self {
        let nothing = Map::new();
        let names = |signed: Option<&Map<String, Value>>| {
            signed
                .and_then(|it| it.get("targets"))
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_else(|| nothing.clone())
        };
        let (old, new) = (names(before), names(Some(after)));
        let added = new.keys().filter(|name| !old.contains_key(*name)).cloned().collect();
        let removed = old.keys().filter(|name| !new.contains_key(*name)).cloned().collect();
        let kept = || new.iter().filter(|(name, _)| old.contains_key(*name));
        let changed: Vec<String> =
            kept().filter(|(name, value)| old.get(*name) != Some(*value)).map(|(name, _)| name.clone()).collect();
        let unchanged = kept().count().saturating_sub(changed.len());
        let (had, has) = (before.map(keys).unwrap_or_default(), keys(after));
        let version = |signed: &Map<String, Value>| signed.get("version").and_then(Value::as_u64);
        let expires = |signed: &Map<String, Value>| {
            signed.get("expires").and_then(Value::as_str).and_then(cel::rfc3339_seconds).map(UnixTime)
        };
        Self {
            role: role.clone(),
            version: (before.and_then(version), version(after).unwrap_or_default()),
            expires: (before.and_then(expires), expires(after).unwrap_or(UnixTime(0))),
            added,
            removed,
            changed,
            unchanged,
            keys_added: has.difference(&had).cloned().collect(),
            keys_removed: had.difference(&has).cloned().collect(),
        }
    }
}

impl Difference {
    /// Counts every name and key as new: nobody who counts stood for them before.
    pub(super) fn adopt_all(&mut self, after: &Value) {
        let nothing = Map::new();
        let all = Self::between(&self.role, None, after.as_object().unwrap_or(&nothing));
        (self.added, self.changed, self.unchanged) = (all.added, Vec::new(), 0);
        self.keys_added = all.keys_added;
    }
}

/// The keys that a file gives to roles: the roles of a root, or the delegations of a targets file.
fn keys(signed: &Map<String, Value>) -> BTreeSet<String> {
    let of = |name: &str, role: &Value| {
        let ids = role.get("keyids").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(Value::as_str).map(|id| format!("{name} {id}")).collect::<Vec<_>>()
    };
    let base = signed.get("roles").and_then(Value::as_object).into_iter().flatten();
    let base = base.flat_map(|(name, role)| of(name, role));
    let delegations = signed.get("delegations").and_then(|it| it.get("roles")).and_then(Value::as_array);
    let delegations = delegations
        .into_iter()
        .flatten()
        .flat_map(|role| role.get("name").and_then(Value::as_str).map(|name| of(name, role)).unwrap_or_default());
    base.chain(delegations).collect()
}
