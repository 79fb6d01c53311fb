//! From changes to messages, and from signatures to files.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::authority::{is_delegated, keys_in, paths, signers};
use super::change::Change;
use super::difference::Difference;
use super::error::TrustSigningError;
use crate::digest::{Algorithm, Digest};
use crate::json;
use crate::limits::MAX_ROLE_FILE_BYTES;
use crate::ordered::Ordered as _;
use crate::text::excerpt;
use crate::time::UnixTime;
use crate::tuf::key::{Key, KeyId, Keys};
use crate::tuf::role::{Gun, Role};
use crate::tuf::{Base, FormatError, Method, RoleKeys, TrustError, canonical, check_root_keys, inspect, write_file};

const DAY: i64 = 24 * 60 * 60;
const YEAR: i64 = 365 * DAY;

/// When the files that are signed expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiries {
    /// When they are prepared.
    pub now: UnixTime,
    /// A root.
    pub root: UnixTime,
    /// Targets and delegations.
    pub targets: UnixTime,
    /// A snapshot.
    pub snapshot: UnixTime,
}

/// The keys of a new collection.
#[derive(Debug, Clone, Copy)]
pub struct InitialKeys<'k> {
    /// The root keys, each by a certificate for the collection.
    pub root: &'k [Key],
    /// The targets keys.
    pub targets: &'k [Key],
    /// The snapshot key, usually as the server gave it out.
    pub snapshot: &'k Key,
    /// The timestamp key as the server gave it out.
    pub timestamp: &'k Key,
}

/// Role files that are ready to be signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The role files, the root first and those above before those below.
    pub roles: Vec<PreparedRole>,
    snapshot: Option<Map<String, Value>>,
    snapshot_keys: RoleKeys,
    gone: Vec<Role>,
}

/// One role file that is ready to be signed.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedRole {
    /// The role.
    pub role: Role,
    /// The exact bytes to be signed.
    pub message: Vec<u8>,
    /// Who has to sign. Of a root with other root keys than before: both the old ones and the new ones.
    pub signers: Vec<RoleKeys>,
    /// What signing it would change.
    pub difference: Difference,
    signed: Value,
}

/// A signature over the message of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSignature {
    /// The role.
    pub role: Role,
    /// The key, by the id that the role lists.
    pub key: KeyId,
    /// The signature: ECDSA over SHA-256 as DER, RSA over SHA-256 in either way, Ed25519.
    pub signature: Vec<u8>,
}

impl Expiries {
    /// What Notary's client takes: ten years for a root, three for the others.
    pub fn from(now: UnixTime) -> Self {
        let after = |years: i64| UnixTime(now.0.saturating_add(YEAR.saturating_mul(years)));
        Self { now, root: after(10), targets: after(3), snapshot: after(3) }
    }

    fn of(&self, role: &Role) -> Result<(UnixTime, String), TrustSigningError> {
        let expires = match role.name() {
            "root" => self.root,
            "snapshot" => self.snapshot,
            _ => self.targets,
        };
        let text = expires.rfc3339().filter(|_| expires > self.now);
        let never = || TrustSigningError::Expires { role: role.clone(), expires, now: self.now };
        text.map(|text| (expires, text)).ok_or_else(never)
    }
}

/// Prepares root and targets of a collection that the server does not have yet.
///
/// # Errors
/// [`TrustSigningError`]: root keys that do not count for the collection, times that do not fit.
pub fn initialise(gun: &Gun, keys: &InitialKeys<'_>, expiries: &Expiries) -> Result<Prepared, TrustSigningError> {
    let mut listed = Map::new();
    let mut roles = Map::new();
    let (snapshot, timestamp) = (core::slice::from_ref(keys.snapshot), core::slice::from_ref(keys.timestamp));
    for (role, keys) in
        [("root", keys.root), ("targets", keys.targets), ("snapshot", snapshot), ("timestamp", timestamp)]
    {
        listed.extend(keys.iter().map(|key| (key.id().to_string(), key.to_value())));
        let ids: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
        roles.insert(role.to_owned(), json!({"keyids": ids, "threshold": 1}));
    }
    for (role, keys) in [(Role::root(), keys.root), (Role::targets(), keys.targets)] {
        if keys.is_empty() {
            return Err(TrustSigningError::TooFewKeys { role, got: 0, need: 1 });
        }
    }
    check_root(gun, keys.root, expiries.now)?;
    let root = json!({
        "_type": "Root", "consistent_snapshot": false, "expires": "", "keys": listed, "roles": roles, "version": 0
    });
    let root_keys = role_keys(Role::root(), keys.root);
    let target_keys = role_keys(Role::targets(), keys.targets);
    Ok(Prepared {
        roles: vec![
            PreparedRole::new(Role::root(), None, root, vec![root_keys], expiries)?,
            PreparedRole::new(Role::targets(), None, empty_targets(), vec![target_keys], expiries)?,
        ],
        snapshot: None,
        snapshot_keys: role_keys(Role::snapshot(), snapshot),
        gone: Vec::new(),
    })
}

/// Prepares changes to a collection. Roles that nothing is changed in are not signed again, with one exception: other targets
/// keys sign `targets` as it is.
///
/// Delegations that are changed have to be among the roles that the base was asked for.
///
/// # Errors
/// [`TrustSigningError`].
pub fn prepare(base: &Base<'_>, changes: &[Change], expiries: &Expiries) -> Result<Prepared, TrustSigningError> {
    if changes.is_empty() {
        return Err(TrustSigningError::Nothing);
    }
    let mut by_file: BTreeMap<Role, Vec<&Change>> = BTreeMap::new();
    let mut gone = Vec::new();
    for change in changes {
        by_file.entry(change.file()?).or_default().push(change);
        match change {
            Change::RotateKeys { role, keys, .. } if *role == Role::root() => {
                check_root(base.gun(), keys, expiries.now)?
            }
            Change::RotateKeys { role, .. } if *role == Role::targets() => {
                by_file.entry(Role::targets()).or_default();
            }
            Change::RemoveDelegation { role } => gone.push(role.clone()),
            _ => {}
        }
    }
    let mut roles = Vec::new();
    let mut after = BTreeMap::new();
    for (role, changes) in by_file {
        let is_witnessed = changes.iter().any(|change| matches!(change, Change::Witness { .. }));
        let before = match (role.name(), base.targets().get(&role), base.skipped().get(&role)) {
            ("root", ..) => Some(signed(base.root().bytes(), &role)?),
            (_, None, Some(TrustError::Threshold { .. })) if is_witnessed => {
                let Some(bytes) = base.unwitnessed().get(&role).copied() else {
                    let problem = "has a file that is older than what was seen of it";
                    return Err(TrustSigningError::Role { role, problem });
                };
                inspect(&role, bytes).map_err(|error| TrustSigningError::Format { role: role.clone(), error })?;
                Some(signed(bytes, &role)?)
            }
            _ if is_witnessed => {
                let problem = "is not under its threshold: there is nothing to witness";
                return Err(TrustSigningError::Role { role, problem });
            }
            (_, Some(file), _) => Some(signed(file.file().bytes(), &role)?),
            // Delegated to, perhaps only now, and nothing was published in it yet.
            (_, None, Some(TrustError::NotInSnapshot(_))) => None,
            (_, None, None | Some(TrustError::NotDelegated { .. }))
                if is_delegated(&after, &role) && !base.snapshot().get().files().contains_key(&role) =>
            {
                None
            }
            (_, None, reason) => {
                let parent = || role.parent().unwrap_or_else(Role::targets);
                let unknown = || TrustError::NotDelegated { role: role.clone(), parent: parent() };
                let reason = Box::new(reason.cloned().unwrap_or_else(unknown));
                return Err(TrustSigningError::NotBelieved { role, reason });
            }
        };
        let mut next = match &before {
            Some(before) => before.clone(),
            None => empty_targets().as_object().cloned().unwrap_or_default(),
        };
        for change in changes {
            if let Change::AddTarget { name, .. } = change {
                check_path(&paths(base, &after, &role), &role, name)?;
            }
            change.apply(&mut next)?;
        }
        let signers = signers(base, &role, &next, &after)?;
        let mut prepared = PreparedRole::new(role.clone(), before.as_ref(), Value::Object(next), signers, expiries)?;
        if is_witnessed {
            // Whoever signs it answers for all of it.
            prepared.difference.adopt_all(&prepared.signed);
            let before = prepared.difference.version.0;
            prepared.difference.newer_seen = base.remember().version(&role).filter(|seen| Some(*seen) > before);
        }
        after.insert(role, prepared.signed.clone());
        roles.push(prepared);
    }
    let snapshot_keys = match after.get(&Role::root()) {
        Some(root) => keys_in(root, &Role::snapshot())?,
        None => base.root().get().snapshot().clone(),
    };
    Ok(Prepared { roles, snapshot: Some(signed(base.snapshot().bytes(), &Role::snapshot())?), snapshot_keys, gone })
}

impl Prepared {
    /// Who signs the snapshot. Where it is the server, nobody else has to.
    pub fn snapshot_keys(&self) -> &RoleKeys {
        &self.snapshot_keys
    }

    /// Checks the signatures and gives the files, by role: they are posted together.
    ///
    /// # Errors
    /// [`TrustSigningError`]: a signature that does not hold, or too few of them.
    pub fn assemble(&self, signatures: &[RoleSignature]) -> Result<BTreeMap<Role, Vec<u8>>, TrustSigningError> {
        let stranger = signatures.iter().find(|it| !self.roles.iter().any(|role| role.role == it.role));
        if let Some(RoleSignature { role, key, .. }) = stranger {
            return Err(TrustSigningError::NoSigner { role: role.clone(), id: *key });
        }
        self.roles.iter().map(|role| Ok((role.role.clone(), role.assemble(signatures)?))).try_into_map()
    }

    /// Prepares the snapshot over files that were assembled, for whoever holds its key. All other files stay named as they were.
    ///
    /// # Errors
    /// [`TrustSigningError`].
    pub fn snapshot(
        &self,
        files: &BTreeMap<Role, Vec<u8>>,
        expiries: &Expiries,
    ) -> Result<PreparedRole, TrustSigningError> {
        let empty = json!({"_type": "Snapshot", "expires": "", "meta": {}, "version": 0});
        let mut next = self.snapshot.clone().or_else(|| empty.as_object().cloned()).unwrap_or_default();
        let meta = next.get_mut("meta").and_then(Value::as_object_mut);
        let meta = meta.ok_or_else(|| TrustSigningError::Shape("meta".to_owned()))?;
        for gone in &self.gone {
            meta.retain(|name, _| name != gone.name() && !name.starts_with(&format!("{gone}/")));
        }
        for (role, file) in files {
            let hash = |algorithm| {
                let digest = Digest::of(algorithm, file);
                STANDARD.encode(hex::decode(digest.encoded()).unwrap_or_default())
            };
            let hashes = json!({"sha256": hash(Algorithm::Sha256), "sha512": hash(Algorithm::Sha512)});
            meta.insert(role.name().to_owned(), json!({"hashes": hashes, "length": file.len()}));
        }
        let keys = vec![self.snapshot_keys.clone()];
        PreparedRole::new(Role::snapshot(), self.snapshot.as_ref(), Value::Object(next), keys, expiries)
    }
}

impl PreparedRole {
    fn new(
        role: Role,
        before: Option<&Map<String, Value>>,
        mut next: Value,
        signers: Vec<RoleKeys>,
        expiries: &Expiries,
    ) -> Result<Self, TrustSigningError> {
        let version = before.and_then(|it| it.get("version")).and_then(Value::as_u64).unwrap_or_default();
        // Notary's versions are signed numbers of 64 bits.
        let version = i64::try_from(version).ok().and_then(|version| version.checked_add(1));
        let version = version.ok_or_else(|| TrustSigningError::Version(role.clone()))?;
        let (_, expires) = expiries.of(&role)?;
        if let Some(signed) = next.as_object_mut() {
            signed.insert("version".to_owned(), version.into());
            signed.insert("expires".to_owned(), expires.into());
        }
        let format = |error| TrustSigningError::Format { role: role.clone(), error };
        let message = canonical::write(&next).map_err(|error| format(error.into()))?;
        let difference = Difference::between(&role, before, next.as_object().unwrap_or(&Map::new()));
        Ok(Self { message, signers, difference, signed: next, role })
    }

    /// Checks the signatures and gives the file. Signatures of other roles are passed over.
    ///
    /// # Errors
    /// [`TrustSigningError`]: a signature that does not hold, or too few of them; a file that verifiers would not read.
    pub fn assemble(&self, signatures: &[RoleSignature]) -> Result<Vec<u8>, TrustSigningError> {
        let mut written: BTreeMap<KeyId, (Method, Vec<u8>)> = BTreeMap::new();
        for RoleSignature { role, key: id, signature } in signatures.iter().filter(|it| it.role == self.role) {
            let listed = self.signers.iter().find_map(|of| of.keys.get(id));
            let stranger = || TrustSigningError::NoSigner { role: role.clone(), id: *id };
            let key = listed.and_then(|key| key.as_ref().ok()).ok_or_else(stranger)?;
            let value = Method::of(&self.message, signature, key);
            let wrong = |problem| TrustSigningError::Signature { role: role.clone(), id: *id, problem };
            written.insert(*id, value.map_err(wrong)?);
        }
        for (of, keys) in self.signers.iter().zip(["new", "old"]) {
            let signed = of.keys.iter().filter(|(id, _)| written.contains_key(id));
            let distinct = signed.filter_map(|(_, key)| Some(key.as_ref().ok()?.public().fingerprint())).into_set();
            if u64::try_from(distinct.len()).unwrap_or(u64::MAX) < of.threshold {
                let (got, need) = (distinct.len(), of.threshold);
                return Err(TrustSigningError::Shortfall { role: self.role.clone(), keys, got, need });
            }
        }
        let format = |error| TrustSigningError::Format { role: self.role.clone(), error };
        let file = write_file(&self.signed, &written).map_err(|error| format(error.into()))?;
        inspect(&self.role, &file).map_err(format)?;
        Ok(file)
    }
}

fn check_path(allowed: &[String], role: &Role, name: &str) -> Result<(), TrustSigningError> {
    if allowed.iter().any(|path| name.starts_with(path.as_str())) {
        return Ok(());
    }
    Err(TrustSigningError::OutsidePaths { role: role.clone(), name: excerpt(name), paths: allowed.to_vec() })
}

fn check_root(gun: &Gun, keys: &[Key], now: UnixTime) -> Result<(), TrustSigningError> {
    for key in keys {
        check_root_keys(key, gun, now).map_err(|error| TrustSigningError::RootKey {
            id: key.id(),
            gun: gun.clone(),
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

fn role_keys(role: Role, keys: &[Key]) -> RoleKeys {
    let keys: Keys = keys.iter().map(|key| (key.id(), Ok(key.clone()))).into_map();
    RoleKeys { role, keys, threshold: 1 }
}

fn empty_targets() -> Value {
    json!({
        "_type": "Targets", "delegations": {"keys": {}, "roles": []}, "expires": "", "targets": {}, "version": 0
    })
}

/// What was signed in a file that is believed.
fn signed(bytes: &[u8], role: &Role) -> Result<Map<String, Value>, TrustSigningError> {
    let format = |error: FormatError| TrustSigningError::Format { role: role.clone(), error };
    let limit = usize::try_from(MAX_ROLE_FILE_BYTES).unwrap_or(usize::MAX);
    let document = json::parse(bytes, limit).map_err(|error| format(error.into()))?;
    let signed = document.get("signed").and_then(Value::as_object).cloned();
    signed.ok_or_else(|| format(FormatError::Member { member: "signed", expected: "an object" }))
}
