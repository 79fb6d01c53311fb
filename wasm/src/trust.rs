//! Operations on collections of Docker Content Trust: what one says once it is verified, root certificates, and changes to it.

use std::collections::{BTreeMap, BTreeSet};

use bulla_abi::{ErrorBody, Evidence, Message};
use bulla_core::decision::{Asked, Collection, CollectionError, overview};
use bulla_core::digest::Digest;
use bulla_core::evidence;
use bulla_core::json;
use bulla_core::key::PublicKey;
use bulla_core::limits::MAX_KEY_BYTES;
use bulla_core::policy::ContentTrust;
use bulla_core::reference::Repository;
use bulla_core::signing::trust::{
    Change, Expiries, InitialKeys, NewTarget, Prepared, PreparedRole, RoleSignature, RootCertificate, initialise,
    prepare,
};
use bulla_core::time::UnixTime;
use bulla_core::tuf::key::{Key, KeyId};
use bulla_core::tuf::role::{Gun, Role};
use bulla_core::tuf::{Base, RoleKeys};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::module::{needs, outcomes};
use crate::reply::{self, Answer, Reply, error};

/// Which collection, and what came of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    signer: u32,
    repository: String,
    now: UnixTime,
    evidence: Vec<Evidence>,
}

pub(crate) fn update(message: Message) -> Reply {
    let header: Update = reply::header(&message)?;
    let (trust, repository) = collection(&message, header.signer, &header.repository)?;
    let evidence = taken(header.evidence, message)?;
    match overview(&trust, &repository, header.now, &evidence).map_err(refused)? {
        Asked::Needs(wanted) => needs(&wanted),
        Asked::Settled(overview) => Answer::new(&json!({ "collection": overview })),
    }
}

/// The signer of a policy that names the collection, and the repository of its images.
fn collection(message: &Message, signer: u32, repository: &str) -> Result<(ContentTrust, Repository), ErrorBody> {
    let text = core::str::from_utf8(reply::blob(message, signer)?);
    let text = text.map_err(|problem| error("message-invalid", format!("signer: {problem}")))?;
    let trust = ContentTrust::parse(text).map_err(|problem| error("policy-invalid", problem))?;
    let repository = Repository::parse(repository)
        .map_err(|problem| error("message-invalid", format!("header: repository: {problem}")))?;
    Ok((trust, repository))
}

fn taken(evidence: Vec<Evidence>, mut message: Message) -> Result<evidence::Evidence, ErrorBody> {
    let mut taken = evidence::Evidence::default();
    for (need, outcome) in outcomes(evidence, &mut message)? {
        taken.insert(need, outcome);
    }
    if taken.is_over_budget() {
        return Err(error("budget", format!("{} octets of evidence, more than one look may have", taken.bytes())));
    }
    Ok(taken)
}

fn refused(problem: CollectionError) -> ErrorBody {
    error(problem.code, problem)
}

fn signing(problem: impl core::fmt::Display) -> ErrorBody {
    error("signing", problem.to_string())
}

/// The certificate that makes a key a root key, before it is signed and after.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Certify {
    gun: String,
    public_key: u32,
    serial: u32,
    not_before: UnixTime,
    not_after: UnixTime,
    #[serde(default)]
    signature: Option<u32>,
}

pub(crate) fn certify(message: &Message) -> Reply {
    let header: Certify = reply::header(message)?;
    let gun = Gun::parse(&header.gun).map_err(|problem| error("message-invalid", format!("header: gun: {problem}")))?;
    let key = public_key(message, header.public_key)?;
    let serial = reply::blob(message, header.serial)?.try_into();
    let serial = serial.map_err(|_| error("message-invalid", "header: serial: 16 octets of entropy are expected"))?;
    let prepared =
        RootCertificate::prepare(&gun, &key, serial, header.not_before, header.not_after).map_err(signing)?;
    let Some(signature) = header.signature else {
        return Answer::with(&json!({"message": 0, "hash": prepared.hash()}), vec![prepared.message().to_vec()]);
    };
    let listed = prepared.assemble(reply::blob(message, signature)?).map_err(signing)?;
    let header = json!({"certificate": 0, "id": listed.id(), "canonicalId": listed.canonical_id()});
    Answer::with(&header, vec![listed.certificate_pem().unwrap_or_default().into_bytes()])
}

fn public_key(message: &Message, index: u32) -> Result<PublicKey, ErrorBody> {
    PublicKey::parse(reply::blob(message, index)?).map_err(|problem| error("key-invalid", problem))
}

/// What is to be changed in a collection, or that it is to be made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Publish {
    signer: u32,
    repository: String,
    now: UnixTime,
    evidence: Vec<Evidence>,
    #[serde(default)]
    initial: Option<Initial>,
    #[serde(default)]
    changes: Vec<Wanted>,
    #[serde(default)]
    expiries: Periods,
    #[serde(default)]
    signatures: Vec<Signed>,
    /// Whether the snapshot is signed here: the server has no key for it.
    #[serde(default)]
    snapshot: bool,
}

/// The keys of a new collection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Initial {
    root: Vec<GivenKey>,
    targets: Vec<GivenKey>,
    snapshot: GivenKey,
    timestamp: GivenKey,
}

/// A key in one of the forms in which it can be given.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum GivenKey {
    /// A public key, which is listed bare.
    PublicKey(u32),
    /// Certificates, PEM: the key's own first. It is listed by them.
    Certificate(u32),
    /// As a server hands out those that it holds.
    Listed(u32),
}

/// When what is signed expires. Nothing: as Notary's client has it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Periods {
    #[serde(default)]
    root: Option<UnixTime>,
    #[serde(default)]
    targets: Option<UnixTime>,
    #[serde(default)]
    snapshot: Option<UnixTime>,
}

/// A change, as a header says it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields, tag = "change")]
enum Wanted {
    AddTarget {
        role: Role,
        name: String,
        digest: String,
        length: u64,
        #[serde(default)]
        sha512: Option<String>,
        #[serde(default)]
        custom: Option<Value>,
    },
    RemoveTarget {
        role: Role,
        name: String,
    },
    AddDelegation {
        role: Role,
        #[serde(default)]
        keys: Vec<GivenKey>,
        #[serde(default)]
        paths: Vec<String>,
        #[serde(default)]
        threshold: Option<u64>,
    },
    RemoveDelegationKeys {
        role: Role,
        keys: Vec<KeyId>,
    },
    RemoveDelegation {
        role: Role,
    },
    RotateKeys {
        role: Role,
        keys: Vec<GivenKey>,
        #[serde(default)]
        threshold: Option<u64>,
    },
    Witness {
        role: Role,
    },
    Renew {
        role: Role,
    },
}

/// A signature over the message of one role.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    role: Role,
    key: KeyId,
    signature: u32,
}

pub(crate) fn publish(message: Message) -> Reply {
    let header: Publish = reply::header(&message)?;
    let (trust, repository) = collection(&message, header.signer, &header.repository)?;
    let now = header.now;
    let usual = Expiries::from(now);
    let expiries = Expiries {
        now,
        root: header.expiries.root.unwrap_or(usual.root),
        targets: header.expiries.targets.unwrap_or(usual.targets),
        snapshot: header.expiries.snapshot.unwrap_or(usual.snapshot),
    };
    let signatures = header.signatures.iter().map(|signed| {
        let signature = reply::blob(&message, signed.signature)?.to_vec();
        Ok(RoleSignature { role: signed.role.clone(), key: signed.key, signature })
    });
    let signatures = signatures.collect::<Result<Vec<_>, ErrorBody>>()?;
    if let Some(initial) = &header.initial {
        if !header.changes.is_empty() || !header.evidence.is_empty() {
            return Err(error(
                "message-invalid",
                "header: a new collection has no changes yet, and nothing to look at",
            ));
        }
        let gun = trust.gun_of(&repository);
        let keys = |given: &[GivenKey]| given.iter().map(|key| given_key(&message, key)).collect::<Result<Vec<_>, _>>();
        let (root, targets) = (keys(&initial.root)?, keys(&initial.targets)?);
        let (snapshot, timestamp) = (given_key(&message, &initial.snapshot)?, given_key(&message, &initial.timestamp)?);
        let keys = InitialKeys { root: &root, targets: &targets, snapshot: &snapshot, timestamp: &timestamp };
        let prepared = initialise(&gun, &keys, &expiries).map_err(signing)?;
        return publication(&prepared, &signatures, header.snapshot, &expiries, Value::Null);
    }
    let changes = header.changes.iter().map(|wanted| change(&message, wanted)).collect::<Result<Vec<_>, _>>()?;
    let mut roles = BTreeSet::new();
    roles.extend(changes.iter().filter_map(touched).filter(Role::has_targets));
    let collection = Collection::of(&trust, &repository);
    let evidence = taken(header.evidence, message)?;
    let base: Box<Base<'_>> = match collection.base(&roles, now, &evidence).map_err(refused)? {
        Asked::Needs(wanted) => return needs(&wanted),
        Asked::Settled(base) => base,
    };
    let prepared = prepare(&base, &changes, &expiries).map_err(signing)?;
    let remember = json!({collection.name(): base.remember()});
    publication(&prepared, &signatures, header.snapshot, &expiries, remember)
}

fn given_key(message: &Message, given: &GivenKey) -> Result<Key, ErrorBody> {
    let invalid = |problem: &dyn core::fmt::Display| error("key-invalid", problem.to_string());
    match given {
        GivenKey::PublicKey(index) => Ok(Key::bare(public_key(message, *index)?)),
        GivenKey::Certificate(index) => {
            let pem = core::str::from_utf8(reply::blob(message, *index)?).map_err(|problem| invalid(&problem))?;
            Key::certified(pem).map_err(|problem| invalid(&problem))
        }
        GivenKey::Listed(index) => {
            let value =
                json::parse(reply::blob(message, *index)?, MAX_KEY_BYTES).map_err(|problem| invalid(&problem))?;
            Key::from_value(&value).map_err(|problem| invalid(&problem))
        }
    }
}

fn change(message: &Message, wanted: &Wanted) -> Result<Change, ErrorBody> {
    let keys = |given: &[GivenKey]| given.iter().map(|key| given_key(message, key)).collect::<Result<Vec<_>, _>>();
    let digest = |text: &str| {
        Digest::parse(text).map_err(|problem| error("message-invalid", format!("header: changes: digest: {problem}")))
    };
    Ok(match wanted {
        Wanted::AddTarget { role, name, digest: sha256, length, sha512, custom } => Change::AddTarget {
            role: role.clone(),
            name: name.clone(),
            target: NewTarget {
                sha256: digest(sha256)?,
                sha512: sha512.as_deref().map(digest).transpose()?,
                length: *length,
                custom: custom.clone(),
            },
        },
        Wanted::RemoveTarget { role, name } => Change::RemoveTarget { role: role.clone(), name: name.clone() },
        Wanted::AddDelegation { role, keys: given, paths, threshold } => Change::AddDelegation {
            role: role.clone(),
            keys: keys(given)?,
            paths: paths.clone(),
            threshold: *threshold,
        },
        Wanted::RemoveDelegationKeys { role, keys } => {
            Change::RemoveDelegationKeys { role: role.clone(), keys: keys.clone() }
        }
        Wanted::RemoveDelegation { role } => Change::RemoveDelegation { role: role.clone() },
        Wanted::RotateKeys { role, keys: given, threshold } => {
            Change::RotateKeys { role: role.clone(), keys: keys(given)?, threshold: *threshold }
        }
        Wanted::Witness { role } => Change::Witness { role: role.clone() },
        Wanted::Renew { role } => Change::Renew { role: role.clone() },
    })
}

/// The roles whose files a change looks at: the one that changes. Whoever delegates need not read what a delegation says, so that
/// nobody can keep his own from being taken away.
fn touched(change: &Change) -> Option<Role> {
    change.file().ok()
}

/// What is to be signed, with what it would change; or, once it is signed, the files to post.
fn publication(
    prepared: &Prepared,
    signatures: &[RoleSignature],
    signs_snapshot: bool,
    expiries: &Expiries,
    remember: Value,
) -> Reply {
    let differences: Vec<_> = prepared.roles.iter().map(|role| &role.difference).collect();
    let mut answer = json!({
        "differences": differences, "snapshotKeys": keys_shown(prepared.snapshot_keys()), "remember": remember
    });
    if signatures.is_empty() {
        return to_sign(answer, prepared.roles.iter().collect());
    }
    let (of_snapshot, of_others): (Vec<_>, Vec<_>) =
        signatures.iter().cloned().partition(|signature| signature.role == Role::snapshot());
    let mut files: BTreeMap<Role, Vec<u8>> = prepared.assemble(&of_others).map_err(signing)?;
    if signs_snapshot {
        let snapshot = prepared.snapshot(&files, expiries).map_err(signing)?;
        if of_snapshot.is_empty() {
            return to_sign(answer, vec![&snapshot]);
        }
        files.insert(Role::snapshot(), snapshot.assemble(&of_snapshot).map_err(signing)?);
    }
    let listed: Vec<_> = files.keys().enumerate().map(|(blob, role)| json!({"role": role, "blob": blob})).collect();
    set(&mut answer, "files", Value::Array(listed));
    Answer::with(&json!({ "publication": answer }), files.into_values().collect())
}

fn to_sign(mut answer: Value, roles: Vec<&PreparedRole>) -> Reply {
    let listed = roles.iter().enumerate().map(|(blob, role)| {
        json!({
            "role": role.role, "message": blob,
            "signers": role.signers.iter().map(|keys| {
                json!({"threshold": keys.threshold, "keys": keys_shown(keys)})
            }).collect::<Vec<_>>()
        })
    });
    let listed = listed.collect();
    set(&mut answer, "sign", Value::Array(listed));
    Answer::with(&json!({ "publication": answer }), roles.iter().map(|role| role.message.clone()).collect())
}

fn set(answer: &mut Value, name: &str, value: Value) {
    if let Some(members) = answer.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// The keys of a role that can sign, so that a host finds those that it has.
fn keys_shown(keys: &RoleKeys) -> Vec<Value> {
    let usable = keys.keys.iter().filter_map(|(id, key)| Some((id, key.as_ref().ok()?)));
    let shown = usable.map(|(id, key)| {
        json!({"id": id, "canonicalId": key.canonical_id(), "fingerprint": key.public().fingerprint(),
            "algorithm": key.public().algorithm()})
    });
    shown.collect()
}
