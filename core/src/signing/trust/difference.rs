//! What signing a role file would change, in plain terms: read from the file before and the file after, not from what was asked.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cel;
use crate::ordered::Ordered as _;
use crate::time::UnixTime;
use crate::tuf::role::Role;

/// The difference between the file of a role before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The role.
    pub role: Role,
    /// The version before, if there was a file, and the one after.
    pub version: (Option<u64>, u64),
    /// The expiry before, if there was a file, and the one after.
    pub expires: (Option<UnixTime>, UnixTime),
    /// Targets that are new, as they would be said.
    pub added: BTreeMap<String, Said>,
    /// Targets that are gone, as they were said.
    pub removed: BTreeMap<String, Said>,
    /// Targets that are something else now: as they were said, and as they would be.
    pub changed: BTreeMap<String, (Said, Said)>,
    /// How many targets stay exactly as they were.
    pub unchanged: usize,
    /// Keys, paths and thresholds that roles gain. In a targets file the roles are delegations.
    pub gained: BTreeSet<Grant>,
    /// Keys, paths and thresholds that roles lose.
    pub lost: BTreeSet<Grant>,
    /// The newest version that was seen of the role, where what is signed again is older: the newest of some key, while another
    /// key has signed a higher one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_seen: Option<u64>,
    /// Members that are neither of these and would change, by name: nothing of what is done here changes one.
    pub other: BTreeSet<String>,
}

/// What a file says about a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// `sha256:…`, where it says one.
    pub digest: Option<String>,
    /// Octets of the manifest.
    pub length: Option<u64>,
    /// Whether more is said: other hashes, or what its publisher wanted to keep with it.
    pub more: bool,
}

/// Something that a file gives to a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The role, as it is named.
    pub role: String,
    /// What it is given.
    #[serde(flatten)]
    pub what: Granted,
}

/// What a role can be given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Granted {
    /// A key, by its id.
    Key(String),
    /// What names of its targets may begin with; the empty one allows all.
    Path(String),
    /// How many of its keys have to sign.
    Threshold(u64),
}

impl Difference {
    /// Compares what was signed with what would be.
    pub(super) fn between(role: &Role, before: Option<&Map<String, Value>>, after: &Map<String, Value>) -> Self {
        let targets = |signed: &Map<String, Value>| signed.get("targets").and_then(Value::as_object).cloned();
        let (old, new) = (before.and_then(targets).unwrap_or_default(), targets(after).unwrap_or_default());
        let only = |these: &Map<String, Value>, those: &Map<String, Value>| {
            let names = these.iter().filter(|(name, _)| !those.contains_key(*name));
            names.map(|(name, value)| (name.clone(), Said::of(value))).into_map()
        };
        let kept = || new.iter().filter_map(|(name, value)| Some((name, old.get(name)?, value)));
        let changed = kept()
            .filter(|(_, old, new)| old != new)
            .map(|(name, old, new)| (name.clone(), (Said::of(old), Said::of(new))))
            .into_map();
        let unchanged = kept().count().saturating_sub(changed.len());
        let (had, has) = (before.map(grants).unwrap_or_default(), grants(after));
        let version = |signed: &Map<String, Value>| signed.get("version").and_then(Value::as_u64);
        let expires = |signed: &Map<String, Value>| {
            signed.get("expires").and_then(Value::as_str).and_then(cel::rfc3339_seconds).map(UnixTime)
        };
        Self {
            role: role.clone(),
            version: (before.and_then(version), version(after).unwrap_or_default()),
            expires: (before.and_then(expires), expires(after).unwrap_or(UnixTime(0))),
            added: only(&new, &old),
            removed: only(&old, &new),
            changed,
            unchanged,
            gained: has.difference(&had).cloned().into_set(),
            lost: had.difference(&has).cloned().into_set(),
            newer_seen: None,
            other: before.map(|before| others(before, after)).unwrap_or_default(),
        }
    }

    /// Counts every name, key and path as new: nobody who counts stood for them before.
    pub(super) fn adopt_all(&mut self, after: &Value) {
        let nothing = Map::new();
        let all = Self::between(&self.role, None, after.as_object().unwrap_or(&nothing));
        (self.added, self.changed, self.unchanged) = (all.added, BTreeMap::new(), 0);
        self.gained = all.gained;
    }
}

impl Said {
    fn of(target: &Value) -> Self {
        let hashes = target.get("hashes").and_then(Value::as_object);
        let sha256 = hashes.and_then(|hashes| hashes.get("sha256")).and_then(Value::as_str);
        let more = target.get("custom").is_some() || hashes.is_some_and(|hashes| hashes.len() > 1);
        Self {
            digest: sha256
                .and_then(|text| STANDARD.decode(text).ok())
                .map(|hash| format!("sha256:{}", hex::encode(hash))),
            length: target.get("length").and_then(Value::as_u64),
            more,
        }
    }
}

/// What a file gives to roles: those of a root, or the delegations of a targets file.
fn grants(signed: &Map<String, Value>) -> BTreeSet<Grant> {
    let of = |name: &str, role: &Value| {
        let texts = |member: &str| {
            let list = role.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        let keys = texts("keyids").into_iter().map(Granted::Key);
        let paths = texts("paths").into_iter().map(Granted::Path);
        let threshold = role.get("threshold").and_then(Value::as_u64).map(Granted::Threshold);
        let all = keys.chain(paths).chain(threshold);
        all.map(|what| Grant { role: name.to_owned(), what }).collect::<Vec<_>>()
    };
    let base = signed.get("roles").and_then(Value::as_object).into_iter().flatten();
    let base = base.flat_map(|(name, role)| of(name, role));
    let delegations = signed.get("delegations").and_then(|it| it.get("roles")).and_then(Value::as_array);
    let delegations = delegations
        .into_iter()
        .flatten()
        .flat_map(|role| role.get("name").and_then(Value::as_str).map(|name| of(name, role)).unwrap_or_default());
    base.chain(delegations).into_set()
}

/// Members at the top that are not compared above.
fn others(before: &Map<String, Value>, after: &Map<String, Value>) -> BTreeSet<String> {
    let is_compared =
        |name: &str| matches!(name, "version" | "expires" | "targets" | "keys" | "roles" | "delegations" | "meta");
    let names = before.keys().chain(after.keys()).filter(|name| !is_compared(name));
    names.filter(|name| before.get(*name) != after.get(*name)).cloned().into_set()
}
