//! Everything that a collection of Docker Content Trust says, after it was verified by pins: for people, and for whoever signs its
//! tags anew in another system.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::collection::{Asked, Collection, CollectionError};
use crate::digest::Digest;
use crate::evidence::Evidence;
use crate::key::Fingerprint;
use crate::limits::MAX_TRUST_ROLES;
use crate::ordered::Ordered as _;
use crate::policy::ContentTrust;
use crate::reference::Repository;
use crate::time::UnixTime;
use crate::tuf::key::{Key, KeyId};
use crate::tuf::role::{Gun, Role};
use crate::tuf::{self, Remembered, RoleKeys, TrustError};

/// A collection that was verified, with all delegations in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The collection.
    pub gun: Gun,
    /// The host that has it.
    pub server: String,
    /// Its roles: the four at the base, and the delegations that are believed.
    pub roles: BTreeMap<Role, RoleOverview>,
    /// Delegations that count for nothing, with the reason: those too that no lookup asks for.
    pub skipped: BTreeMap<Role, SkippedOverview>,
    /// Delegations that were not looked at, because there are more than are followed.
    pub unseen: BTreeSet<Role>,
    /// What tags are, for whoever asks the roles that count.
    pub tags: Vec<Tag>,
    /// Tags that the roles that count name and that are nothing all the same, with the reason.
    pub unresolved: BTreeMap<String, String>,
    /// The first role to expire, and when.
    pub expires: (Role, UnixTime),
    /// The name under which it is to be remembered what was seen.
    pub name: String,
    /// What is to be remembered.
    pub remember: Remembered,
}

/// What is known of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleOverview {
    /// The version of its file.
    pub version: u64,
    /// When the file expires.
    pub expires: UnixTime,
    /// How many of the keys have to sign.
    pub threshold: u64,
    /// Its keys.
    pub keys: Vec<KeyOverview>,
    /// Those of the keys that signed the file.
    pub signed_by: BTreeSet<KeyId>,
    /// What its targets may begin with. Nothing for the four at the base.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// How many targets it names.
    pub targets: usize,
}

/// What is known of a delegation that counts for nothing: nobody has published in it yet, or what is there is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SkippedOverview {
    /// Why.
    pub reason: String,
    /// The keys that it was given.
    pub keys: Vec<KeyOverview>,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyOverview {
    /// The id that it is listed under.
    pub id: KeyId,
    /// The id of the bare key.
    pub canonical_id: Option<KeyId>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fingerprint: Option<Fingerprint>,
    /// Its algorithm, or why it cannot be used.
    pub algorithm: String,
    /// SHA-256 of its certificate, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Digest>,
}

/// What a tag is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// The tag.
    pub tag: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Octets of its manifest.
    pub length: u64,
    /// All roles that say so, those too that do not count.
    pub roles: Vec<Role>,
    /// All roles that say anything about the tag.
    pub named_by: Vec<Role>,
}

/// Looks at a collection and everything that it delegates to.
///
/// # Errors
/// [`CollectionError`]: it is not believed, or something could not be fetched.
pub fn overview(
    trust: &ContentTrust,
    image: &Repository,
    now: UnixTime,
    evidence: &Evidence,
) -> Result<Asked<Overview>, CollectionError> {
    let collection = Collection::of(trust, image);
    let (counting, mut beside) = (trust.lookup.roles(), BTreeSet::new());
    // Each round may find delegations below those that were known; the depth of their names ends it.
    loop {
        let repository = match collection.look(&counting, &beside, now, evidence)? {
            Asked::Needs(needs) => return Ok(Asked::Needs(needs)),
            Asked::Settled(repository) => *repository,
        };
        let listed = repository.targets().values().flat_map(|targets| targets.file().get().delegations().keys());
        let is_known =
            |role: &&Role| repository.targets().contains_key(*role) || repository.skipped().contains_key(*role);
        let unseen = listed.filter(|role| !is_known(role)).cloned().into_set();
        let looked_at = repository.targets().len().saturating_add(repository.skipped().len());
        let room = MAX_TRUST_ROLES.saturating_sub(looked_at);
        if unseen.is_empty() || room == 0 {
            return Ok(Asked::Settled(shown(&collection, trust, &repository, unseen)));
        }
        beside.extend(unseen.into_iter().take(room));
    }
}

fn shown(
    collection: &Collection<'_>,
    trust: &ContentTrust,
    repository: &tuf::Repository<'_>,
    unseen: BTreeSet<Role>,
) -> Overview {
    let mut roles = BTreeMap::new();
    let (root, timestamp, snapshot) = (repository.root(), repository.timestamp(), repository.snapshot());
    let role = |keys: &RoleKeys, signers: &BTreeSet<KeyId>, version, expires| RoleOverview {
        version,
        expires,
        threshold: keys.threshold,
        keys: keys_shown(keys),
        signed_by: signers.clone(),
        paths: Vec::new(),
        targets: 0,
    };
    roles.insert(Role::root(), role(root.keys(), root.signers(), root.get().version(), root.get().expires()));
    let of = timestamp.get();
    roles.insert(Role::timestamp(), role(timestamp.keys(), timestamp.signers(), of.version(), of.expires()));
    let of = snapshot.get();
    roles.insert(Role::snapshot(), role(snapshot.keys(), snapshot.signers(), of.version(), of.expires()));
    for (name, targets) in repository.targets() {
        let (file, of) = (targets.file(), targets.file().get());
        let shown = role(file.keys(), file.signers(), of.version(), of.expires());
        let paths = if name.is_delegation() { targets.paths().to_vec() } else { Vec::new() };
        roles.insert(name.clone(), RoleOverview { paths, targets: of.targets().len(), ..shown });
    }
    let asked = trust.lookup.roles();
    let names = asked.iter().filter_map(|role| repository.targets().get(role));
    let names = names.flat_map(|targets| targets.file().get().targets().keys()).into_set();
    let (mut tags, mut unresolved) = (Vec::new(), BTreeMap::new());
    for name in names {
        match repository.resolve(name, &trust.lookup) {
            Ok(found) => {
                let said = repository.targets().iter().filter_map(|(role, targets)| {
                    Some((role, targets.file().get().targets().get(name).filter(|_| targets.may_name(name))?))
                });
                let named_by = said.clone().map(|(role, _)| role.clone()).collect();
                let roles = said.filter(|(_, said)| said.names(&found.digest)).map(|(role, _)| role.clone()).collect();
                tags.push(Tag { tag: found.tag, digest: found.digest, length: found.length, roles, named_by });
            }
            Err(error) => {
                unresolved.insert(name.clone(), error.to_string());
            }
        }
    }
    Overview {
        gun: collection.gun().clone(),
        server: collection.server().to_owned(),
        roles,
        skipped: repository
            .skipped()
            .iter()
            .map(|(role, reason)| (role.clone(), skipped(repository, role, reason)))
            .into_map(),
        unseen,
        tags,
        unresolved,
        expires: repository.expires(),
        name: collection.name(),
        remember: repository.remember().clone(),
    }
}

fn skipped(repository: &tuf::Repository<'_>, role: &Role, reason: &TrustError) -> SkippedOverview {
    let above = role.parent().and_then(|parent| repository.targets().get(&parent));
    let delegation = above.and_then(|above| above.file().get().delegations().get(role));
    let keys = delegation.map(|delegation| keys_shown(&delegation.keys)).unwrap_or_default();
    SkippedOverview { reason: reason.to_string(), keys }
}

fn keys_shown(keys: &RoleKeys) -> Vec<KeyOverview> {
    keys.keys.iter().map(|(id, key)| key_shown(*id, key.as_ref().map_err(ToString::to_string))).collect()
}

fn key_shown(id: KeyId, key: Result<&Key, String>) -> KeyOverview {
    match key {
        Ok(key) => KeyOverview {
            id,
            canonical_id: Some(key.canonical_id()),
            fingerprint: Some(key.public().fingerprint()),
            algorithm: key.public().algorithm().name().to_owned(),
            certificate: key.certificates().first().map(|certificate| Digest::sha256(certificate.der())),
        },
        Err(unusable) => {
            KeyOverview { id, canonical_id: None, fingerprint: None, algorithm: unusable, certificate: None }
        }
    }
}
