//! What is prepared, signed and assembled here is what the update believes.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Change, Expiries, Grant, Granted, InitialKeys, NewTarget, Prepared, PreparedRole, RoleSignature, RootCertificate,
    Said, TrustSigningError, initialise, prepare,
};
use crate::digest::{Algorithm, Digest};
use crate::key::{Algorithm as KeyAlgorithm, Hash};
use crate::time::UnixTime;
use crate::tuf::key::KeyId;
use crate::tuf::resolve::Lookup;
use crate::tuf::role::{Gun, Role};
use crate::tuf::tests::{Asking, NOW, Published, Signer, entry, gun, pin_keys, private, role};
use crate::tuf::{Base, Budget, Fetched, Files, Step, TrustError, update_for_signing};

const APP: &str = "host.example/app";

/// Files as they are posted, by role.
type Posted = BTreeMap<Role, Vec<u8>>;
/// Files as a server has them, by name.
type Served = BTreeMap<String, Vec<u8>>;

fn expiries() -> Expiries {
    Expiries::from(NOW)
}

fn names(said: &BTreeMap<String, Said>) -> Vec<&str> {
    said.keys().map(String::as_str).collect()
}

fn granted_keys(grants: &BTreeSet<Grant>) -> Vec<(String, String)> {
    let keys = grants.iter().filter_map(|grant| match &grant.what {
        Granted::Key(id) => Some((grant.role.clone(), id.clone())),
        _ => None,
    });
    keys.collect()
}

fn target(bytes: &[u8]) -> NewTarget {
    let sha512 = Some(Digest::of(Algorithm::Sha512, bytes));
    NewTarget { sha256: Digest::sha256(bytes), sha512, length: bytes.len() as u64, custom: None }
}

fn add(name: &str, role: Role, bytes: &[u8]) -> Change {
    Change::AddTarget { role, name: name.to_owned(), target: target(bytes) }
}

fn with_base<T>(
    server: &BTreeMap<String, Vec<u8>>,
    asking: &Asking,
    then: impl FnOnce(&Base<'_>) -> T,
) -> Result<T, TrustError> {
    let mut files = Files::new();
    loop {
        match update_for_signing(&asking.request(), &files, &mut Budget::of(u32::MAX))? {
            Step::Settled(base) => return Ok(then(&base)),
            Step::Unknown(missing) => panic!("{missing:?}"),
            Step::Needs(needs) => {
                for need in needs {
                    let fetched = server.get(&need.file).map_or(Fetched::NotFound, |bytes| Fetched::Bytes(bytes));
                    files.insert(need.file, fetched);
                }
            }
        }
    }
}

fn prepared(published: &Published, changes: &[Change]) -> Result<Prepared, TrustSigningError> {
    let files = published.files();
    let asking = Asking::with(published.pins());
    with_base(&files, &asking, |base| prepare(base, changes, &expiries())).expect("believed")
}

fn signature(role: &PreparedRole, signer: &Signer) -> RoleSignature {
    let signature = signer.private.sign(&role.message, Hash::Sha256).expect("signs");
    RoleSignature { role: role.role.clone(), key: signer.listed.id(), signature }
}

fn signed(prepared: &Prepared, signers: &[(&str, &Signer)]) -> Result<BTreeMap<Role, Vec<u8>>, TrustSigningError> {
    let find = |name: &str| prepared.roles.iter().find(|it| it.role == role(name)).expect("prepared");
    let signatures: Vec<_> = signers.iter().map(|(name, signer)| signature(find(name), signer)).collect();
    prepared.assemble(&signatures)
}

/// What a server does with posted files: keeps them, and signs a timestamp.
fn post(server: &mut BTreeMap<String, Vec<u8>>, posted: &BTreeMap<Role, Vec<u8>>, published: &Published) {
    let by_hash = |role: &Role, bytes: &[u8]| role.file_by_hash(&Sha256::digest(bytes).into());
    for (role, bytes) in posted {
        server.insert(by_hash(role, bytes), bytes.clone());
        server.insert(role.file(), bytes.clone());
        let value: Value = serde_json::from_slice(bytes).expect("JSON");
        server.insert(role.file_by_version(value["signed"]["version"].as_u64().expect("a version")), bytes.clone());
    }
    let mut timestamp = published.timestamp.clone();
    timestamp["version"] = 10.into();
    timestamp["meta"]["snapshot"] = entry(&posted[&Role::snapshot()]);
    server.insert("timestamp.json".to_owned(), published.signed(&Role::timestamp(), &timestamp));
}

/// Prepares, signs with these, adds the snapshot and asks as a verifier does.
fn round_trip(published: &Published, changes: &[Change], signers: &[(&str, &Signer)]) -> (Prepared, Posted, Served) {
    let prepared = prepared(published, changes).expect("prepared");
    let mut files = signed(&prepared, signers).expect("signed");
    let snapshot = prepared.snapshot(&files, &expiries()).expect("prepared");
    let file = snapshot.assemble(&[signature(&snapshot, &published.signers[&Role::snapshot()][0])]).expect("signed");
    files.insert(Role::snapshot(), file);
    let mut server = published.files();
    post(&mut server, &files, published);
    (prepared, files, server)
}

#[test]
fn a_new_collection_is_one_that_verifiers_believe() {
    let published = Published::new();
    let (root, targets) = (&published.signers[&Role::root()][0], &published.signers[&Role::targets()][0]);
    let keys = InitialKeys {
        root: std::slice::from_ref(&root.listed),
        targets: std::slice::from_ref(&targets.listed),
        snapshot: &published.signers[&Role::snapshot()][0].listed,
        timestamp: &published.signers[&Role::timestamp()][0].listed,
    };
    let new = initialise(&gun(), &keys, &expiries()).expect("prepared");
    let names: Vec<&str> = new.roles.iter().map(|it| it.role.name()).collect();
    assert_eq!(names, ["root", "targets"]);
    assert_eq!(new.roles[0].difference.version, (None, 1));
    assert_eq!(granted_keys(&new.roles[0].difference.gained).len(), 4);
    let mut files = signed(&new, &[("root", root), ("targets", targets)]).expect("signed");
    let snapshot = new.snapshot(&files, &expiries()).expect("prepared");
    let file = snapshot.assemble(&[signature(&snapshot, &published.signers[&Role::snapshot()][0])]).expect("signed");
    files.insert(Role::snapshot(), file);
    let mut server = BTreeMap::new();
    post(&mut server, &files, &published);
    let repository = Asking::with(published.pins()).ask(&server).expect("believed");
    assert_eq!(repository.targets()[&Role::targets()].file().get().targets().len(), 0);

    let other = Gun::parse("host.example/other").expect("valid");
    assert!(matches!(initialise(&other, &keys, &expiries()), Err(TrustSigningError::RootKey { .. })));
    let bare = InitialKeys { root: keys.targets, ..keys };
    assert!(matches!(initialise(&gun(), &bare, &expiries()), Err(TrustSigningError::RootKey { .. })));
    let none = InitialKeys { targets: &[], ..keys };
    assert!(matches!(initialise(&gun(), &none, &expiries()), Err(TrustSigningError::TooFewKeys { .. })));
    let past = Expiries { root: NOW, ..expiries() };
    assert!(matches!(initialise(&gun(), &keys, &past), Err(TrustSigningError::Expires { .. })));
}

#[test]
fn a_target_is_added_by_a_delegations_key_alone_and_all_others_stay() {
    let mut published = Published::new();
    let releases = published.targets_mut("targets/releases");
    releases["targets"]["0.1"] =
        json!({"custom": {"b": [1, null], "a": "é\n"}, "hashes": entry(b"x")["hashes"], "length": 1, "unknown": true});
    releases["unknown"] = json!({"kept": 1});
    let releases = releases.clone();
    let signer = &published.signers[&Role::releases()][0];
    let changes = [add("1.0", Role::releases(), b"new"), add("3.0", Role::releases(), b"three")];
    let (prepared, files, server) = round_trip(&published, &changes, &[("targets/releases", signer)]);
    let difference = &prepared.roles[0].difference;
    let said = |bytes: &[u8], more| Said {
        digest: Some(Digest::sha256(bytes).to_string()),
        length: Some(bytes.len() as u64),
        more,
    };
    assert_eq!(difference.added, BTreeMap::from([("3.0".to_owned(), said(b"three", true))]));
    let changed = (said(b"by releases", true), said(b"new", true));
    assert_eq!(difference.changed, BTreeMap::from([("1.0".to_owned(), changed)]));
    assert!(difference.gained.is_empty() && difference.lost.is_empty() && difference.other.is_empty());
    assert_eq!((difference.removed.len(), difference.unchanged, difference.version), (0, 1, (Some(3), 4)));
    assert_eq!(difference.expires.1, expiries().targets);
    let file: Value = serde_json::from_slice(&files[&Role::releases()]).expect("JSON");
    assert_eq!(file["signed"]["unknown"], releases["unknown"]);
    assert_eq!(file["signed"]["targets"]["0.1"], releases["targets"]["0.1"]);
    let repository = Asking::with(published.pins()).ask(&server).expect("believed");
    for (tag, bytes) in [("1.0", b"new".as_slice()), ("3.0", b"three"), ("0.9", b"old")] {
        assert_eq!(repository.resolve(tag, &Lookup::docker()).map(|found| found.check(bytes)), Ok(Ok(())), "{tag}");
    }
    let custom = NewTarget { custom: Some(json!({"note": 1})), ..target(b"x") };
    let change = Change::AddTarget { role: Role::releases(), name: "4".to_owned(), target: custom };
    let (_, files, _) = round_trip(&published, &[change], &[("targets/releases", signer)]);
    assert!(String::from_utf8_lossy(&files[&Role::releases()]).contains("{\"custom\":{\"note\":1},\"hashes\""));
}

#[test]
fn a_target_is_removed_and_changes_that_change_nothing_are_refused() {
    let published = Published::new();
    let signer = &published.signers[&Role::targets()][0];
    let remove = |name: &str| Change::RemoveTarget { role: Role::targets(), name: name.to_owned() };
    let (prepared, _, server) = round_trip(&published, &[remove("0.9")], &[("targets", signer)]);
    assert_eq!(names(&prepared.roles[0].difference.removed), ["0.9"]);
    let repository = Asking::with(published.pins()).ask(&server).expect("believed");
    assert!(repository.resolve("0.9", &Lookup::docker()).is_err());
    let error = |changes: &[Change]| super::tests::prepared(&published, changes).map(|_| ()).expect_err("refused");
    assert_eq!(error(&[remove("9.9")]), TrustSigningError::NoTarget { role: Role::targets(), name: "9.9".to_owned() });
    assert_eq!(error(&[]), TrustSigningError::Nothing);
    assert!(matches!(error(&[add("", Role::targets(), b"")]), TrustSigningError::TargetName(_)));
    assert!(matches!(error(&[add("x", Role::snapshot(), b"")]), TrustSigningError::Role { .. }));
    assert!(matches!(error(&[add("x", role("targets/nobody"), b"")]), TrustSigningError::NotBelieved { .. }));
    let sha512 = NewTarget { sha256: Digest::of(Algorithm::Sha512, b""), ..target(b"") };
    let change = Change::AddTarget { role: Role::targets(), name: "x".to_owned(), target: sha512 };
    assert!(matches!(error(&[change]), TrustSigningError::NoSha256(_)));
    assert!(matches!(error(&[Change::Renew { role: Role::timestamp() }]), TrustSigningError::Role { .. }));
}

#[test]
fn delegations_come_and_go() {
    let published = Published::new();
    let signer = &published.signers[&Role::targets()][0];
    let (alice, bob) = (Signer::bare(31), Signer::root(32, "bob"));
    let alices = role("targets/alice");
    let keys = vec![alice.listed.clone(), bob.listed.clone()];
    let delegate = Change::AddDelegation { role: alices.clone(), keys, paths: vec!["a".to_owned()], threshold: None };
    let publish = add("a1", alices.clone(), b"by alice");
    let (prepared, _, server) =
        round_trip(&published, &[delegate.clone(), publish], &[("targets", signer), ("targets/alice", &alice)]);
    let gained = &prepared.roles[0].difference.gained;
    assert_eq!(granted_keys(gained).len(), 2);
    for what in [Granted::Path("a".to_owned()), Granted::Threshold(1)] {
        assert!(gained.contains(&Grant { role: "targets/alice".to_owned(), what }));
    }
    let mut asking = Asking::with(published.pins());
    asking.roles.insert(alices.clone());
    let repository = asking.ask(&server).expect("believed");
    let required = Lookup::AllOf([alices.clone()].into());
    assert!(repository.resolve("a1", &required).is_ok());
    let seen: BTreeSet<_> = repository.targets().keys().cloned().collect();
    assert!(seen.contains(&Role::releases()), "the other delegation stays");

    // Further changes start from there.
    let ask =
        |changes: &[Change]| with_base(&server, &asking, |base| prepare(base, changes, &expiries())).expect("believed");
    let outside = ask(&[add("b1", alices.clone(), b"")]).map(|_| ()).expect_err("outside");
    assert!(matches!(outside, TrustSigningError::OutsidePaths { .. }), "{outside}");
    let drop_alice = Change::RemoveDelegationKeys { role: alices.clone(), keys: vec![alice.listed.id()] };
    let next = ask(std::slice::from_ref(&drop_alice)).expect("prepared");
    assert_eq!(
        granted_keys(&next.roles[0].difference.lost),
        [("targets/alice".to_owned(), alice.listed.id().to_string())]
    );
    // A key that is gone signs nothing more, even in the same change.
    let both = ask(&[drop_alice.clone(), add("a2", alices.clone(), b"")]).expect("prepared");
    let error = signed(&both, &[("targets", signer), ("targets/alice", &alice)]).expect_err("gone");
    assert_eq!(error, TrustSigningError::NoSigner { role: alices.clone(), id: alice.listed.id() });
    assert!(signed(&both, &[("targets", signer), ("targets/alice", &bob)]).is_ok());
    let none = Change::RemoveDelegationKeys { role: alices.clone(), keys: vec![alice.listed.id(), bob.listed.id()] };
    assert!(matches!(ask(&[none]), Err(TrustSigningError::TooFewKeys { got: 0, need: 1, .. })));
    // A key that is listed twice, bare and by a certificate, is one key and goes as one.
    let certified = Signer::root(5, "targets/alice");
    let twice = |threshold| Change::AddDelegation {
        role: alices.clone(),
        keys: vec![Signer::bare(5).listed, certified.listed.clone()],
        paths: Vec::new(),
        threshold: Some(threshold),
    };
    assert!(matches!(ask(&[twice(4)]), Err(TrustSigningError::TooFewKeys { got: 3, need: 4, .. })));
    let back = Change::RemoveDelegationKeys { role: alices.clone(), keys: vec![certified.listed.id()] };
    let same = ask(&[twice(1), back]).expect("prepared");
    assert!(same.roles[0].difference.gained.is_empty(), "{:?}", same.roles[0].difference.gained);
    let stranger = Change::RemoveDelegationKeys { role: alices.clone(), keys: vec![signer.listed.id()] };
    assert!(matches!(ask(&[stranger]), Err(TrustSigningError::NoKey { .. })));
    let unknown = Change::RemoveDelegation { role: role("targets/nobody") };
    assert!(matches!(ask(&[unknown]), Err(TrustSigningError::Role { .. })));
    let high = Change::AddDelegation { role: alices.clone(), keys: Vec::new(), paths: Vec::new(), threshold: Some(3) };
    assert!(matches!(ask(&[high]), Err(TrustSigningError::TooFewKeys { got: 2, need: 3, .. })));

    let gone = ask(&[Change::RemoveDelegation { role: alices.clone() }]).expect("prepared");
    let files = signed(&gone, &[("targets", signer)]).expect("signed");
    let targets: Value = serde_json::from_slice(&files[&Role::targets()]).expect("JSON");
    assert_eq!(targets["signed"]["delegations"]["keys"].as_object().map(serde_json::Map::len), Some(1));
    let snapshot = gone.snapshot(&files, &expiries()).expect("prepared");
    assert!(!String::from_utf8_lossy(&snapshot.message).contains("targets/alice"));
    assert!(String::from_utf8_lossy(&snapshot.message).contains("targets/releases"));
}

#[test]
fn rotated_roots_are_signed_by_old_and_new_keys() {
    let published = Published::new();
    let (old, new) = (&published.signers[&Role::root()][0], Signer::root(41, APP));
    let rotate = Change::RotateKeys { role: Role::root(), keys: vec![new.listed.clone()], threshold: None };
    let prepared = prepared(&published, std::slice::from_ref(&rotate)).expect("prepared");
    let error = signed(&prepared, &[("root", &new)]).expect_err("not the old one");
    assert_eq!(error, TrustSigningError::Shortfall { role: Role::root(), keys: "old", got: 0, need: 1 });
    let error = signed(&prepared, &[("root", old)]).expect_err("not the new one");
    assert_eq!(error, TrustSigningError::Shortfall { role: Role::root(), keys: "new", got: 0, need: 1 });
    let (_, _, server) = round_trip(&published, &[rotate], &[("root", old), ("root", &new)]);
    for pins in [published.pins(), pin_keys(&[new])] {
        assert_eq!(Asking::with(pins).ask(&server).map(|it| it.root().get().version()), Ok(2));
    }
    let elsewhere = Signer::root(42, "host.example/other").listed;
    let wrong = Change::RotateKeys { role: Role::root(), keys: vec![elsewhere], threshold: None };
    assert!(matches!(super::tests::prepared(&published, &[wrong]), Err(TrustSigningError::RootKey { .. })));
}

#[test]
fn rotated_targets_keys_sign_targets_anew() {
    let published = Published::new();
    let (root, new) = (&published.signers[&Role::root()][0], Signer::bare(51));
    let rotate = Change::RotateKeys { role: Role::targets(), keys: vec![new.listed.clone()], threshold: None };
    let (prepared, _, server) = round_trip(&published, &[rotate], &[("root", root), ("targets", &new)]);
    assert_eq!(prepared.roles.len(), 2);
    assert_eq!(prepared.roles[1].difference.unchanged, 2);
    let old = published.signers[&Role::targets()][0].listed.id();
    assert_eq!(granted_keys(&prepared.roles[0].difference.lost), [("targets".to_owned(), old.to_string())]);
    let repository = Asking::with(published.pins()).ask(&server).expect("believed");
    assert!(repository.targets()[&Role::targets()].file().signers().contains(&new.listed.id()));
    assert!(!repository.root().get().keys().contains_key(&old));
}

#[test]
fn a_rotated_snapshot_key_signs_the_next_snapshot() {
    let published = Published::new();
    let (root, new) = (&published.signers[&Role::root()][0], Signer::bare(61));
    let rotate = Change::RotateKeys { role: Role::snapshot(), keys: vec![new.listed.clone()], threshold: None };
    let prepared = prepared(&published, &[rotate]).expect("prepared");
    assert!(prepared.snapshot_keys().keys.contains_key(&new.listed.id()));
    let files = signed(&prepared, &[("root", root)]).expect("signed");
    let snapshot = prepared.snapshot(&files, &expiries()).expect("prepared");
    assert_eq!(snapshot.difference.version, (Some(7), 8));
    assert!(snapshot.assemble(&[signature(&snapshot, &new)]).is_ok());
    let old = &published.signers[&Role::snapshot()][0];
    assert!(matches!(snapshot.assemble(&[signature(&snapshot, old)]), Err(TrustSigningError::NoSigner { .. })));
}

#[test]
fn what_has_expired_is_renewed() {
    let mut published = Published::new();
    for name in ["targets", "targets/releases"] {
        published.targets_mut(name)["expires"] = "2026-01-01T00:00:00Z".into();
    }
    published.root["expires"] = "2026-01-01T00:00:00Z".into();
    published.snapshot["expires"] = "2026-01-01T00:00:00Z".into();
    let changes = [Role::root(), Role::targets(), Role::releases()].map(|role| Change::Renew { role });
    let signers = [("root", Role::root()), ("targets", Role::targets()), ("targets/releases", Role::releases())];
    let signers: Vec<_> = signers.iter().map(|(name, role)| (*name, &published.signers[role][0])).collect();
    let (prepared, _, server) = round_trip(&published, &changes, &signers);
    assert_eq!(prepared.roles[1].difference.expires, (Some(UnixTime(1_767_225_600)), expiries().targets));
    let repository = Asking::with(published.pins()).ask(&server).expect("believed");
    assert!(repository.skipped().is_empty());
}

#[test]
fn what_somebody_holds_back_is_not_signed_again() {
    let mut published = Published::new();
    published.timestamp["expires"] = "2026-01-01T00:00:00Z".into();
    let files = published.files();
    let asking = Asking::with(published.pins());
    let error = with_base(&files, &asking, |_| ()).expect_err("frozen");
    assert!(matches!(error, TrustError::Expired { ref role, .. } if *role == Role::timestamp()), "{error}");
}

#[test]
fn what_a_key_signed_that_is_gone_is_witnessed_as_a_whole() {
    let mut published = Published::new();
    let own = published.signers.insert(Role::releases(), vec![Signer::bare(55)]).expect("there");
    let witness = Change::Witness { role: Role::releases() };
    let changes = [witness.clone(), add("2.0", Role::releases(), b"two")];
    let (prepared, _, server) = round_trip(&published, &changes, &[("targets/releases", &own[0])]);
    let difference = &prepared.roles[0].difference;
    assert_eq!((difference.version, difference.unchanged), ((Some(3), 4), 0));
    assert_eq!(names(&difference.added), ["1.0", "2.0"]);
    let repository = Asking::with(published.pins()).ask(&server).expect("believed");
    assert_eq!(repository.resolve("1.0", &Lookup::docker()).map(|found| found.roles), Ok(vec![Role::releases()]));
    // Without saying so, nobody signs for others; and there is nothing to witness where enough keys signed.
    let renew = super::tests::prepared(&published, &[Change::Renew { role: Role::releases() }]);
    assert!(matches!(renew, Err(TrustSigningError::NotBelieved { .. })));
    published.signers.insert(Role::releases(), own);
    let needless = super::tests::prepared(&published, &[witness]);
    assert!(matches!(needless, Err(TrustSigningError::Role { .. })));
    let base = super::tests::prepared(&published, &[Change::Witness { role: Role::targets() }]);
    assert!(matches!(base, Err(TrustSigningError::Role { .. })));
}

#[test]
fn signatures_that_do_not_hold_are_never_posted() {
    let published = Published::new();
    let prepared = prepared(&published, &[add("x", Role::targets(), b"x")]).expect("prepared");
    let signer = &published.signers[&Role::targets()][0];
    let good = signature(&prepared.roles[0], signer);
    assert!(prepared.assemble(std::slice::from_ref(&good)).is_ok());
    let other = signer.private.sign(b"something else", Hash::Sha256).expect("signs");
    let bad = RoleSignature { signature: other, ..good.clone() };
    assert!(matches!(prepared.assemble(&[bad]), Err(TrustSigningError::Signature { .. })));
    let stranger = RoleSignature { role: Role::root(), ..good.clone() };
    assert!(matches!(prepared.assemble(&[stranger]), Err(TrustSigningError::NoSigner { .. })));
    let unknown = RoleSignature { key: KeyId::parse(&"ab".repeat(32)).expect("an id"), ..good };
    assert!(matches!(prepared.assemble(&[unknown]), Err(TrustSigningError::NoSigner { .. })));
    let none = prepared.assemble(&[]).expect_err("nobody signed");
    assert_eq!(none, TrustSigningError::Shortfall { role: Role::targets(), keys: "new", got: 0, need: 1 });
}

#[test]
fn root_certificates_are_made_for_every_kind_of_key_that_roots_have() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::EcdsaP521] {
        let key = private(algorithm, 7);
        let made =
            RootCertificate::prepare(&gun(), key.public(), [0xff; 16], NOW, UnixTime(NOW.0 * 2)).expect("prepared");
        let signature = key.sign(made.message(), made.hash()).expect("signs");
        let listed = made.assemble(&signature).expect("assembled");
        let [certificate] = listed.certificates() else { panic!("one certificate") };
        assert_eq!((certificate.common_name(), certificate.public()), (APP, key.public()));
        assert_eq!(certificate.not_after(), UnixTime(NOW.0 * 2));
        assert!(!certificate.is_ca());
        assert!(matches!(made.assemble(b"no signature"), Err(TrustSigningError::Certificate(_))));
    }
    let ed25519 = private(KeyAlgorithm::Ed25519, 7);
    let refused = RootCertificate::prepare(&gun(), ed25519.public(), [1; 16], NOW, NOW);
    assert!(matches!(refused, Err(TrustSigningError::Certificate(_))));
}
