//! Changes to role files, made in the JSON as it is: what is not named stays as it was, members too that nobody here knows.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::error::TrustSigningError;
use crate::digest::{Algorithm, Digest};
use crate::key::Fingerprint;
use crate::limits::{MAX_TARGET_NAME_BYTES, MAX_TARGETS};
use crate::ordered::Ordered as _;
use crate::text::excerpt;
use crate::tuf::key::{Key, KeyId, read_all as read_keys};
use crate::tuf::role::Role;

/// Something to change in the role files of a collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Says what a tag is, whether it was something before or not.
    AddTarget {
        /// `targets` or a delegation.
        role: Role,
        /// The tag.
        name: String,
        /// What it is.
        target: NewTarget,
    },
    /// Says no more what a tag is.
    RemoveTarget {
        /// `targets` or a delegation.
        role: Role,
        /// The tag.
        name: String,
    },
    /// Delegates, or adds keys and paths to a delegation that there is.
    AddDelegation {
        /// The delegation.
        role: Role,
        /// The keys to add.
        keys: Vec<Key>,
        /// The path prefixes to add; the empty one allows all. Without any, a new delegation is for all names, and one that
        /// there is keeps those that it has.
        paths: Vec<String>,
        /// How many keys have to sign. Nothing leaves it as it is, at 1 for a new one.
        threshold: Option<u64>,
    },
    /// Takes keys from a delegation, however often each is listed: bare, or by another certificate. Files that they have signed
    /// have to be signed again by others.
    RemoveDelegationKeys {
        /// The delegation.
        role: Role,
        /// Their ids, listed or bare.
        keys: Vec<KeyId>,
    },
    /// Takes a delegation away, with what is below it.
    RemoveDelegation {
        /// The delegation.
        role: Role,
    },
    /// Gives a role at the base other keys. Of a role that the server signs: the keys that the server gave out.
    RotateKeys {
        /// `root`, `targets`, `snapshot` or `timestamp`.
        role: Role,
        /// All keys that it has from now on.
        keys: Vec<Key>,
        /// How many of them have to sign. Nothing leaves it as it is.
        threshold: Option<u64>,
    },
    /// Signs what others have signed whose keys do not count any more: all of it, as it is (notary, client/witness.go).
    Witness {
        /// A delegation that is under its threshold.
        role: Role,
    },
    /// Signs the same again, for longer.
    Renew {
        /// `root`, `targets` or a delegation.
        role: Role,
    },
}

/// What a tag is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTarget {
    /// SHA-256 of the manifest.
    pub sha256: Digest,
    /// SHA-512 of the manifest, if it is known.
    pub sha512: Option<Digest>,
    /// Octets of the manifest.
    pub length: u64,
    /// Whatever is to be kept with it.
    pub custom: Option<Value>,
}

impl Change {
    /// The role whose file changes: for a delegation, the role that delegates; for keys at the base, the root.
    ///
    /// # Errors
    /// [`TrustSigningError::Role`] when the change is not one of the role that it names.
    pub fn file(&self) -> Result<Role, TrustSigningError> {
        let not = |role: &Role, problem| Err(TrustSigningError::Role { role: role.clone(), problem });
        match self {
            Self::AddTarget { role, .. } | Self::RemoveTarget { role, .. } if !role.has_targets() => {
                not(role, "does not say what tags are")
            }
            Self::AddTarget { role, .. } | Self::RemoveTarget { role, .. } => Ok(role.clone()),
            Self::AddDelegation { role, .. }
            | Self::RemoveDelegationKeys { role, .. }
            | Self::RemoveDelegation { role } => match role.parent() {
                Some(parent) => Ok(parent),
                None => not(role, "is no delegation"),
            },
            Self::RotateKeys { role, .. } if role.is_delegation() => not(role, "is a delegation: add and remove keys"),
            Self::RotateKeys { .. } => Ok(Role::root()),
            Self::Witness { role } if !role.is_delegation() => not(role, "is no delegation"),
            Self::Witness { role } => Ok(role.clone()),
            Self::Renew { role } if role.has_targets() || *role == Role::root() => Ok(role.clone()),
            Self::Renew { role } => not(role, "is signed again with every change, by the server or as its snapshot"),
        }
    }

    /// Makes the change in what was signed.
    pub(super) fn apply(&self, signed: &mut Map<String, Value>) -> Result<(), TrustSigningError> {
        match self {
            Self::AddTarget { role, name, target } => {
                if name.is_empty() || name.len() > MAX_TARGET_NAME_BYTES {
                    return Err(TrustSigningError::TargetName(excerpt(name)));
                }
                let value = target.value()?;
                let targets = object(signed, "targets")?;
                targets.insert(name.clone(), value);
                match targets.len() {
                    got if got > MAX_TARGETS => Err(TrustSigningError::Targets { role: role.clone(), got }),
                    _ => Ok(()),
                }
            }
            Self::RemoveTarget { role, name } => match object(signed, "targets")?.remove(name) {
                Some(_) => Ok(()),
                None => Err(TrustSigningError::NoTarget { role: role.clone(), name: excerpt(name) }),
            },
            Self::AddDelegation { role, keys, paths, threshold } => {
                let delegations = object(signed, "delegations")?;
                let listed = object(delegations, "keys")?;
                list_keys(listed, keys);
                let same = by_fingerprint(listed)?;
                let roles = list(delegations, "roles")?;
                let at = roles.iter().position(|it| is_named(it, role)).unwrap_or_else(|| {
                    let mut new = json!({"keyids": [], "name": role.name(), "threshold": 1});
                    // A role that is new, and is not said to be for some names, is for all. One that is there keeps its own.
                    if let (true, Some(member)) = (paths.is_empty(), new.as_object_mut()) {
                        member.insert("paths".to_owned(), json!([""]));
                    }
                    roles.push(new);
                    roles.len().saturating_sub(1)
                });
                let Some(Value::Object(member)) = roles.get_mut(at) else { return Ok(()) };
                extend(list(member, "keyids")?, keys.iter().map(|key| key.id().to_string()));
                // Notary leaves an empty list out, and its hashes with it.
                if !paths.is_empty() {
                    extend(list(member, "paths")?, paths.iter().cloned());
                }
                if let Some(threshold) = threshold {
                    member.insert("threshold".to_owned(), (*threshold).into());
                }
                enough(role, member, &same)
            }
            Self::RemoveDelegationKeys { role, keys } => {
                let delegations = object(signed, "delegations")?;
                let same = by_fingerprint(object(delegations, "keys")?)?;
                let member = list(delegations, "roles")?.iter_mut().find(|it| is_named(it, role));
                let Some(Value::Object(member)) = member else { return Err(undelegated(role)) };
                let ids = list(member, "keyids")?;
                let is = |listed: &Value, id: &KeyId| {
                    let (listed, id) = (listed.as_str().unwrap_or_default(), id.to_string());
                    listed == id || same.get(&id).is_some_and(|key| same.get(listed) == Some(key))
                };
                if let Some(id) = keys.iter().find(|id| !ids.iter().any(|listed| is(listed, id))) {
                    return Err(TrustSigningError::NoKey { role: role.clone(), id: *id });
                }
                ids.retain(|listed| !keys.iter().any(|id| is(listed, id)));
                enough(role, member, &same)?;
                drop_unused_keys(delegations)
            }
            Self::RemoveDelegation { role } => {
                let delegations = object(signed, "delegations")?;
                let roles = list(delegations, "roles")?;
                let at = roles.iter().position(|it| is_named(it, role)).ok_or_else(|| undelegated(role))?;
                roles.remove(at);
                drop_unused_keys(delegations)
            }
            Self::RotateKeys { role, keys, threshold } => {
                let listed = object(signed, "keys")?;
                list_keys(listed, keys);
                let same = by_fingerprint(listed)?;
                let member = object(object(signed, "roles")?, role.name())?;
                let ids = keys.iter().map(|key| Value::String(key.id().to_string())).collect();
                member.insert("keyids".to_owned(), Value::Array(ids));
                if let Some(threshold) = threshold {
                    member.insert("threshold".to_owned(), (*threshold).into());
                }
                enough(role, member, &same)?;
                drop_unlisted(signed)
            }
            Self::Witness { .. } | Self::Renew { .. } => Ok(()),
        }
    }
}

impl NewTarget {
    fn value(&self) -> Result<Value, TrustSigningError> {
        if self.sha256.algorithm() != Algorithm::Sha256 {
            return Err(TrustSigningError::NoSha256(self.sha256.to_string()));
        }
        let mut hashes = Map::new();
        for digest in [Some(&self.sha256), self.sha512.as_ref()].into_iter().flatten() {
            let bytes = hex::decode(digest.encoded()).unwrap_or_default();
            hashes.insert(digest.algorithm().name().to_owned(), STANDARD.encode(bytes).into());
        }
        let mut value = Map::new();
        value.insert("hashes".to_owned(), Value::Object(hashes));
        value.insert("length".to_owned(), self.length.into());
        if let Some(custom) = &self.custom {
            value.insert("custom".to_owned(), custom.clone());
        }
        Ok(Value::Object(value))
    }
}

fn undelegated(role: &Role) -> TrustSigningError {
    TrustSigningError::Role { role: role.clone(), problem: "is not delegated to" }
}

fn is_named(value: &Value, role: &Role) -> bool {
    value.get("name").and_then(Value::as_str) == Some(role.name())
}

/// The keys behind ids, of those that can be used: one may be listed twice, bare and by a certificate, and has the id of the bare
/// key in any case.
type Same = BTreeMap<String, Fingerprint>;

fn by_fingerprint(listed: &Map<String, Value>) -> Result<Same, TrustSigningError> {
    let keys = read_keys(listed).map_err(|error| TrustSigningError::Shape(error.to_string()))?;
    let usable = keys.values().filter_map(|key| key.as_ref().ok());
    let ids =
        usable.flat_map(|key| [key.id(), key.canonical_id()].map(|id| (id.to_string(), key.public().fingerprint())));
    Ok(ids.into_map())
}

/// Without enough keys nobody could publish in the role again. A key that is listed twice is one, and one that nobody can use none.
fn enough(role: &Role, member: &Map<String, Value>, same: &Same) -> Result<(), TrustSigningError> {
    let ids = member.get("keyids").and_then(Value::as_array).into_iter().flatten();
    let got = ids.filter_map(|id| same.get(id.as_str()?)).into_set().len();
    let need = member.get("threshold").and_then(Value::as_u64).unwrap_or_default();
    if need >= 1 && u64::try_from(got).unwrap_or(u64::MAX) >= need {
        return Ok(());
    }
    Err(TrustSigningError::TooFewKeys { role: role.clone(), got, need })
}

/// The member, made an object where there is none: Notary writes null for empty ones.
fn object<'v>(parent: &'v mut Map<String, Value>, name: &str) -> Result<&'v mut Map<String, Value>, TrustSigningError> {
    let value = parent.entry(name).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().ok_or_else(|| TrustSigningError::Shape(excerpt(name)))
}

/// The member, made a list where there is none.
fn list<'v>(parent: &'v mut Map<String, Value>, name: &str) -> Result<&'v mut Vec<Value>, TrustSigningError> {
    let value = parent.entry(name).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().ok_or_else(|| TrustSigningError::Shape(excerpt(name)))
}

/// Keys that no delegation has any more are not listed any more, as Notary does it.
fn drop_unused_keys(delegations: &mut Map<String, Value>) -> Result<(), TrustSigningError> {
    let roles = list(delegations, "roles")?.clone();
    keep_listed(object(delegations, "keys")?, roles.iter());
    Ok(())
}

/// The same for the keys of a root.
fn drop_unlisted(root: &mut Map<String, Value>) -> Result<(), TrustSigningError> {
    let roles = object(root, "roles")?.clone();
    keep_listed(object(root, "keys")?, roles.values());
    Ok(())
}

fn keep_listed<'v>(keys: &mut Map<String, Value>, roles: impl Iterator<Item = &'v Value>) {
    let ids = roles.filter_map(|role| role.get("keyids").and_then(Value::as_array)).flatten();
    let ids = ids.filter_map(Value::as_str).into_set();
    keys.retain(|id, _| ids.contains(id.as_str()));
}

fn list_keys(listed: &mut Map<String, Value>, keys: &[Key]) {
    for key in keys {
        listed.insert(key.id().to_string(), key.to_value());
    }
}

fn extend(list: &mut Vec<Value>, more: impl Iterator<Item = String>) {
    for text in more.map(Value::String) {
        if !list.contains(&text) {
            list.push(text);
        }
    }
}
