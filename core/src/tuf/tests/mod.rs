//! A collection with all its keys, to be published and attacked.
#![cfg(test)]

mod attacks;
mod forms;
mod recorded;
mod resolving;
mod rotating;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use super::key::Key;
use super::pinning::{Anchor, Pin, Pins, Scope};
use super::role::{Gun, Role};
use super::{
    Budget, Fetched, Files, Method, Remembered, Repository, Request, Step, TrustError, canonical, update, write_file,
};
use crate::key::{Algorithm, Hash, PrivateKey};
use crate::signing::trust::RootCertificate;
use crate::time::UnixTime;

/// 2027-01-15T08:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);
const DAY: i64 = 86_400;

/// A key that signs.
pub(crate) struct Signer {
    pub(crate) private: PrivateKey,
    pub(crate) listed: Key,
}

pub(crate) fn gun() -> Gun {
    Gun::parse("host.example/app").expect("a collection")
}

pub(crate) fn role(name: &str) -> Role {
    Role::parse(name).expect("a role")
}

pub(crate) fn private(algorithm: Algorithm, seed: u8) -> PrivateKey {
    PrivateKey::generate(algorithm, &[seed; 264]).expect("entropy")
}

impl Signer {
    pub(crate) fn bare(seed: u8) -> Self {
        Self::of(Algorithm::EcdsaP256, seed)
    }

    pub(crate) fn of(algorithm: Algorithm, seed: u8) -> Self {
        let private = private(algorithm, seed);
        let listed = Key::bare(private.public().clone());
        Self { private, listed }
    }

    /// A root key for a collection, with a certificate that begins a day ago and lasts ten.
    pub(crate) fn root(seed: u8, gun: &str) -> Self {
        Self::root_from(seed, gun, UnixTime(NOW.0 - DAY), UnixTime(NOW.0 + 10 * DAY))
    }

    pub(crate) fn root_from(seed: u8, gun: &str, not_before: UnixTime, not_after: UnixTime) -> Self {
        let private = private(Algorithm::EcdsaP256, seed);
        // A `*` is none of a collection's name: the name is made by the certificate's own writer only for whole ones.
        let gun = Gun::parse(gun).expect("a collection");
        let prepared =
            RootCertificate::prepare(&gun, private.public(), [seed; 16], not_before, not_after).expect("prepared");
        let signature = private.sign(prepared.message(), prepared.hash()).expect("signs");
        let listed = prepared.assemble(&signature).expect("assembled");
        Self { private, listed }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> (Method, Vec<u8>) {
        let signature = self.private.sign(message, Hash::Sha256).expect("signs");
        Method::of(message, &signature, &self.listed).expect("holds")
    }
}

/// What is published: the members `signed` of all role files, and who signs them.
pub(crate) struct Published {
    pub(crate) root: Value,
    pub(crate) targets: BTreeMap<Role, Value>,
    pub(crate) snapshot: Value,
    pub(crate) timestamp: Value,
    pub(crate) signers: BTreeMap<Role, Vec<Signer>>,
}

pub(crate) fn after(days: i64) -> String {
    UnixTime(NOW.0 + days * DAY).rfc3339().expect("a time")
}

/// An entry for a target or file with these bytes.
pub(crate) fn entry(bytes: &[u8]) -> Value {
    json!({
        "hashes": {"sha256": STANDARD.encode(Sha256::digest(bytes)), "sha512": STANDARD.encode(Sha512::digest(bytes))},
        "length": bytes.len()
    })
}

pub(crate) fn targets(names: &[(&str, &[u8])]) -> Value {
    let entries: serde_json::Map<_, _> = names.iter().map(|(name, bytes)| ((*name).to_owned(), entry(bytes))).collect();
    json!({
        "_type": "Targets", "delegations": {"keys": {}, "roles": []}, "expires": after(100), "targets": entries,
        "version": 3
    })
}

pub(crate) fn delegate(parent: &mut Value, role: &str, signers: &[&Signer], paths: &[&str], threshold: u64) {
    let ids: Vec<String> = signers.iter().map(|signer| signer.listed.id().to_string()).collect();
    for signer in signers {
        parent["delegations"]["keys"][signer.listed.id().to_string()] = signer.listed.to_value();
    }
    let entry = json!({"keyids": ids, "name": role, "paths": paths, "threshold": threshold});
    parent["delegations"]["roles"].as_array_mut().expect("a list").push(entry);
}

pub(crate) fn sign(signed: &Value, signers: &[&Signer]) -> Vec<u8> {
    let message = canonical::write(signed).expect("canonical");
    let signatures = signers.iter().map(|signer| (signer.listed.id(), signer.sign(&message))).collect();
    write_file(signed, &signatures).expect("canonical")
}

impl Published {
    /// `targets` says what 0.9 and 1.0 are; `targets/releases` says what 1.0 is, otherwise.
    pub(crate) fn new() -> Self {
        let signers = BTreeMap::from([
            (Role::root(), vec![Signer::root(1, "host.example/app")]),
            (Role::targets(), vec![Signer::bare(2)]),
            (Role::snapshot(), vec![Signer::bare(3)]),
            (Role::timestamp(), vec![Signer::bare(4)]),
            (Role::releases(), vec![Signer::bare(5)]),
        ]);
        let mut base = targets(&[("0.9", b"old"), ("1.0", b"by targets")]);
        delegate(&mut base, "targets/releases", &[&signers[&Role::releases()][0]], &[""], 1);
        let mut published = Self {
            root: Value::Null,
            targets: BTreeMap::from([(Role::targets(), base), (Role::releases(), targets(&[("1.0", b"by releases")]))]),
            snapshot: json!({"_type": "Snapshot", "expires": after(10), "meta": {}, "version": 7}),
            timestamp: json!({"_type": "Timestamp", "expires": after(5), "meta": {}, "version": 9}),
            signers,
        };
        published.root = published.root_of(1);
        published
    }

    /// A root of this version with the keys that sign now.
    pub(crate) fn root_of(&self, version: u64) -> Value {
        let mut keys = serde_json::Map::new();
        let mut roles = serde_json::Map::new();
        for role in [Role::root(), Role::targets(), Role::snapshot(), Role::timestamp()] {
            let signers = &self.signers[&role];
            keys.extend(signers.iter().map(|it| (it.listed.id().to_string(), it.listed.to_value())));
            let ids: Vec<String> = signers.iter().map(|it| it.listed.id().to_string()).collect();
            roles.insert(role.to_string(), json!({"keyids": ids, "threshold": 1}));
        }
        json!({
            "_type": "Root", "consistent_snapshot": false, "expires": after(1000), "keys": keys, "roles": roles,
            "version": version
        })
    }

    pub(crate) fn targets_mut(&mut self, name: &str) -> &mut Value {
        self.targets.get_mut(&role(name)).expect("published")
    }

    pub(crate) fn signed(&self, role: &Role, signed: &Value) -> Vec<u8> {
        sign(signed, &self.signers[role].iter().collect::<Vec<_>>())
    }

    /// All files by name. What the snapshot and the timestamp say already, they keep saying.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.files_with_root(self.signed(&Role::root(), &self.root))
    }

    pub(crate) fn files_with_root(&self, root: Vec<u8>) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut snapshot = self.snapshot.clone();
        let note = |snapshot: &mut Value, name: &str, bytes: &[u8]| {
            if snapshot["meta"].get(name).is_none() {
                snapshot["meta"][name] = entry(bytes);
            }
        };
        note(&mut snapshot, "root", &root);
        for (role, signed) in &self.targets {
            let bytes = self.signed(role, signed);
            note(&mut snapshot, role.name(), &bytes);
            files.insert(role.file_by_hash(&Sha256::digest(&bytes).into()), bytes);
        }
        let snapshot = self.signed(&Role::snapshot(), &snapshot);
        let mut timestamp = self.timestamp.clone();
        note(&mut timestamp, "snapshot", &snapshot);
        files.insert("timestamp.json".to_owned(), self.signed(&Role::timestamp(), &timestamp));
        files.insert(Role::snapshot().file_by_hash(&Sha256::digest(&snapshot).into()), snapshot);
        let version = self.root["version"].as_u64().unwrap_or_default();
        files.insert(Role::root().file_by_version(version), root.clone());
        files.insert(Role::root().file_by_hash(&Sha256::digest(&root).into()), root.clone());
        files.insert("root.json".to_owned(), root);
        files
    }

    /// The root key is pinned.
    pub(crate) fn pins(&self) -> Pins {
        pin_keys(&self.signers[&Role::root()])
    }
}

pub(crate) fn pin_keys(signers: &[Signer]) -> Pins {
    let ids = signers.iter().map(|signer| signer.listed.id()).collect();
    Pins(vec![Pin { scope: Scope::Everywhere, anchor: Anchor::Keys(ids) }])
}

/// What a verifier asks with.
pub(crate) struct Asking {
    pub(crate) gun: Gun,
    pub(crate) pins: Pins,
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) now: UnixTime,
    pub(crate) beside: BTreeSet<Role>,
    pub(crate) remembered: Option<Remembered>,
    pub(crate) minimum_versions: BTreeMap<Role, u64>,
}

impl Asking {
    pub(crate) fn with(pins: Pins) -> Self {
        let roles = BTreeSet::from([Role::releases()]);
        let beside = BTreeSet::new();
        Self { gun: gun(), pins, roles, beside, now: NOW, remembered: None, minimum_versions: BTreeMap::new() }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            gun: &self.gun,
            pins: &self.pins,
            roles: &self.roles,
            beside: &self.beside,
            now: self.now,
            remembered: self.remembered.as_ref(),
            minimum_versions: &self.minimum_versions,
        }
    }

    /// Fetches until it is settled, from files that are all that the server has.
    pub(crate) fn ask<'b>(&self, server: &'b BTreeMap<String, Vec<u8>>) -> Result<Repository<'b>, TrustError> {
        let (repository, _) = self.ask_counting(server)?;
        Ok(repository)
    }

    pub(crate) fn ask_counting<'b>(
        &self,
        server: &'b BTreeMap<String, Vec<u8>>,
    ) -> Result<(Repository<'b>, usize), TrustError> {
        let mut files = Files::new();
        for round in 1..12 {
            match update(&self.request(), &files, &mut Budget::of(u32::MAX))? {
                Step::Settled(repository) => return Ok((*repository, round)),
                Step::Unknown(missing) => panic!("{missing:?}"),
                Step::Needs(needs) => {
                    assert!(!needs.is_empty(), "needs are named");
                    for need in needs {
                        let fetched = server.get(&need.file).map_or(Fetched::NotFound, |bytes| Fetched::Bytes(bytes));
                        assert!(files.insert(need.file, fetched).is_none(), "nothing is asked for twice");
                    }
                }
            }
        }
        panic!("more than 12 rounds");
    }
}

/// The error of asking a server that has these files.
pub(crate) fn refused(published: &Published, change: impl FnOnce(&mut Asking)) -> TrustError {
    let files = published.files();
    let mut asking = Asking::with(published.pins());
    change(&mut asking);
    asking.ask(&files).map(|_| ()).expect_err("refused")
}
