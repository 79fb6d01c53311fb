//! Attacks on the files that a server hands out: each fails by its own rule.
#![cfg(test)]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Asking, DAY, NOW, Published, Signer, after, delegate, entry, refused, role, sign, targets};
use crate::key::Algorithm;
use crate::limits::MAX_ROOT_FILE_BYTES;
use crate::time::UnixTime;
use crate::tuf::key::KeyError;
use crate::tuf::resolve::Lookup;
use crate::tuf::role::{Gun, Role, RoleError};
use crate::tuf::{Budget, Fetched, Files, FormatError, Missing, Need, Remembered, Seen, Step, TrustError, update};

#[test]
fn a_collection_settles_in_four_rounds_and_says_what_to_remember() {
    let published = Published::new();
    let files = published.files();
    let asking = Asking::with(published.pins());
    let (repository, rounds) = asking.ask_counting(&files).expect("settles");
    assert_eq!(rounds, 4);
    assert!(repository.skipped().is_empty());
    assert_eq!(repository.expires(), (Role::timestamp(), UnixTime(NOW.0 + 5 * DAY)));
    let remember = repository.remember();
    assert_eq!(remember.version(&Role::timestamp()), Some(9));
    let roles: Vec<&str> = remember.roles.keys().map(Role::name).collect();
    assert_eq!(roles, ["snapshot", "targets", "targets/releases", "timestamp"]);
    let again = Asking { remembered: Some(remember.clone()), ..Asking::with(published.pins()) };
    assert_eq!(again.ask(&files).expect("the same again").remember(), remember);
    let written = serde_json::to_string(remember).expect("JSON");
    assert_eq!(serde_json::from_str::<Remembered>(&written).expect("the same"), *remember);
}

#[test]
fn every_role_is_guarded_against_rollback_and_against_two_contents_of_one_version() {
    for (name, version) in [("root", 1), ("timestamp", 9), ("snapshot", 7), ("targets", 3), ("targets/releases", 3)] {
        let published = Published::new();
        let files = published.files();
        let seen = Asking::with(published.pins()).ask(&files).expect("settles").remember().clone();
        let role = role(name);
        let with = |version, sha256: &[u8]| {
            let mut remembered = seen.clone();
            let other = Seen { version, sha256: crate::digest::Digest::sha256(sha256) };
            match remembered.roles.get_mut(&role) {
                Some(by_key) => by_key.values_mut().for_each(|seen| *seen = other.clone()),
                None => remembered.root = Some(other),
            }
            remembered
        };
        let newer = with(version + 1, b"x");
        let error = refused(&published, |asking| asking.remembered = Some(newer));
        assert_eq!(error, TrustError::Rollback { role: role.clone(), got: version, remembered: version + 1 });
        let other = with(version, b"x");
        let error = refused(&published, |asking| asking.remembered = Some(other));
        let by_key = seen.roles.get(&role).and_then(|by_key| by_key.values().next());
        let got = by_key.or(seen.root.as_ref()).expect("seen").sha256.clone();
        let remembered = crate::digest::Digest::sha256(b"x");
        assert_eq!(error, TrustError::OtherContent { role: role.clone(), version, got, remembered });
        let error = refused(&published, |asking| {
            asking.minimum_versions.insert(role.clone(), version + 5);
        });
        assert_eq!(error, TrustError::BelowMinimum { role, got: version, minimum: version + 5 });
    }
}

#[test]
fn a_file_that_is_laid_out_anew_is_the_same_file() {
    let published = Published::new();
    let mut files = published.files();
    let seen = Asking::with(published.pins()).ask(&files).expect("settles").remember().clone();
    let asking = Asking { remembered: Some(seen.clone()), ..Asking::with(published.pins()) };
    let file = files.get_mut("timestamp.json").expect("there");
    file.push(b'\n');
    assert_eq!(asking.ask(&files).expect("the same").remember(), &seen);
}

#[test]
fn a_key_that_was_taken_away_leaves_no_version_that_nobody_can_follow() {
    // Whoever has the timestamp key signs the highest version there is.
    let mut published = Published::new();
    let honest = published.timestamp.clone();
    published.timestamp["version"] = i64::MAX.into();
    let files = published.files();
    let seen = Asking::with(published.pins()).ask(&files).expect("settles").remember().clone();
    // With the same keys, the server can never go on from there.
    published.timestamp = honest;
    published.timestamp["version"] = 10.into();
    let error = refused(&published, |asking| asking.remembered = Some(seen.clone()));
    assert!(matches!(error, TrustError::Rollback { got: 10, .. }), "{error}");
    // The owner gives another key to the role: what the old one signed says nothing any more.
    published.signers.insert(Role::timestamp(), vec![Signer::bare(44)]);
    let first = published.signed(&Role::root(), &published.root_of(1));
    published.root = published.root_of(2);
    published.snapshot["version"] = 8.into();
    let mut files = published.files();
    files.insert("1.root.json".to_owned(), first);
    let asking = Asking { remembered: Some(seen), ..Asking::with(published.pins()) };
    let error = asking.ask(&files).expect_err("another root of version 1");
    assert!(matches!(error, TrustError::OtherContent { version: 1, .. }), "{error}");
    files.insert("1.root.json".to_owned(), {
        let mut before = Published::new();
        before.root = before.root_of(1);
        before.signed(&Role::root(), &before.root)
    });
    let remember = asking.ask(&files).expect("goes on").remember().clone();
    let mut versions: Vec<u64> = remember.roles[&Role::timestamp()].values().map(|seen| seen.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [10, i64::MAX.unsigned_abs()]);
    // From now on versions grow again.
    published.timestamp["version"] = 9.into();
    let mut files = published.files();
    files.insert("1.root.json".to_owned(), Vec::new());
    let asking = Asking { remembered: Some(remember), ..Asking::with(published.pins()) };
    let error = asking.ask(&files).expect_err("an older one");
    assert!(matches!(error, TrustError::Rollback { got: 9, remembered: 10, .. }), "{error}");
}

#[test]
fn what_a_key_signed_counts_while_its_role_has_the_key_and_again_when_it_has_it_back() {
    let mut published = Published::new();
    published.targets_mut("targets/releases")["version"] = 99.into();
    let seen = Asking::with(published.pins()).ask(&published.files()).expect("settles").remember().clone();
    // Another key beside it: the old one still counts, and so does what it signed.
    let both = delegating(vec![Signer::bare(5), Signer::bare(56)], 1);
    let error = refused(&both, |asking| asking.remembered = Some(seen.clone()));
    assert!(matches!(error, TrustError::Rollback { got: 4, remembered: 99, .. }), "{error}");
    // Another key in its place: versions begin anew.
    let other = delegating(vec![Signer::bare(56)], 1);
    let asking = Asking { remembered: Some(seen), ..Asking::with(other.pins()) };
    let seen = asking.ask(&other.files()).expect("settles").remember().clone();
    assert_eq!(seen.roles[&Role::releases()].len(), 2);
    // And the first one again: nobody passes an old file of it for the newest.
    let mut back = delegating(vec![Signer::bare(5)], 1);
    back.targets_mut("targets")["version"] = 5.into();
    back.snapshot["version"] = 9.into();
    back.timestamp["version"] = 11.into();
    let error = refused(&back, |asking| asking.remembered = Some(seen.clone()));
    assert!(matches!(error, TrustError::Rollback { got: 4, remembered: 99, .. }), "{error}");
    back.targets_mut("targets/releases")["version"] = 100.into();
    let asking = Asking { remembered: Some(seen), ..Asking::with(back.pins()) };
    assert_eq!(asking.ask(&back.files()).expect("goes on").remember().version(&Role::releases()), Some(100));
}

#[test]
fn signatures_that_come_later_are_remembered_too() {
    // At first the server leaves one of two signatures away.
    let both = delegating(vec![Signer::bare(5), Signer::bare(56)], 1);
    let mut one = delegating(vec![Signer::bare(5), Signer::bare(56)], 1);
    one.signers.insert(Role::releases(), vec![Signer::bare(5)]);
    let mut seen = Asking::with(one.pins()).ask(&one.files()).expect("settles").remember().clone();
    assert_eq!(seen.roles[&Role::releases()].len(), 1);
    // The files around it change with it, and are other versions.
    for role in [Role::snapshot(), Role::timestamp()] {
        seen.roles.remove(&role);
    }
    let asking = Asking { remembered: Some(seen), ..Asking::with(both.pins()) };
    assert_eq!(asking.ask(&both.files()).expect("the same").remember().roles[&Role::releases()].len(), 2);
}

#[test]
fn what_is_wrong_with_a_role_that_does_not_count_stops_nothing_and_is_not_remembered() {
    let mut published = Published::new();
    published.targets_mut("targets/releases")["_type"] = "Nonsense".into();
    let files = published.files();
    let error = Asking::with(published.pins()).ask(&files).expect_err("it counts");
    assert!(matches!(error, TrustError::Format { .. }), "{error}");
    let beside = [Role::releases()].into();
    let asking = Asking { roles: [Role::targets()].into(), beside, ..Asking::with(published.pins()) };
    let repository = asking.ask(&files).expect("it does not");
    assert!(matches!(repository.skipped()[&Role::releases()], TrustError::Format { .. }));
    let published = Published::new();
    let files = published.files();
    let asking = Asking { roles: asking.roles, beside: asking.beside, ..Asking::with(published.pins()) };
    let repository = asking.ask(&files).expect("settles");
    assert!(repository.targets().contains_key(&Role::releases()));
    assert_eq!(repository.remember().version(&Role::releases()), None);
}

/// `targets` in version 4 delegates to `targets/releases`, which has version 4, with these keys.
fn delegating(signers: Vec<Signer>, threshold: u64) -> Published {
    let mut published = Published::new();
    let mut base = targets(&[("1.0", b"by targets")]);
    base["version"] = 4.into();
    delegate(&mut base, "targets/releases", &signers.iter().collect::<Vec<_>>(), &[""], threshold);
    published.targets.insert(Role::targets(), base);
    published.targets_mut("targets/releases")["version"] = 4.into();
    published.signers.insert(Role::releases(), signers);
    published.snapshot["version"] = 8.into();
    published.timestamp["version"] = 10.into();
    published
}

#[test]
fn what_a_key_signed_counts_under_every_certificate_and_with_every_threshold() {
    let mut published = Published::new();
    published.targets_mut("targets/releases")["version"] = 9.into();
    let seen = Asking::with(published.pins()).ask(&published.files()).expect("settles").remember().clone();
    // The same key, listed by a certificate now; and a second key, with both having to sign.
    for after in
        [delegating(vec![Signer::root(5, "releases")], 1), delegating(vec![Signer::bare(5), Signer::bare(56)], 2)]
    {
        let error = refused(&after, |asking| asking.remembered = Some(seen.clone()));
        assert!(matches!(error, TrustError::Rollback { got: 4, remembered: 9, .. }), "{error}");
    }
}

#[test]
fn a_role_that_was_there_is_not_passed_over_because_its_keys_have_changed() {
    let published = Published::new();
    let seen = Asking::with(published.pins()).ask(&published.files()).expect("settles").remember().clone();
    let mut after = delegating(vec![Signer::bare(56)], 1);
    after.targets.remove(&Role::releases());
    let files = after.files();
    let mut asking = Asking { remembered: Some(seen), ..Asking::with(after.pins()) };
    for _ in 0..2 {
        let repository = asking.ask(&files).expect("settles");
        assert!(matches!(repository.skipped()[&Role::releases()], TrustError::Withdrawn { remembered: 3, .. }));
        asking.remembered = Some(repository.remember().clone());
    }
}

#[test]
fn work_is_counted_and_ends() {
    let published = Published::new();
    let files = published.files();
    let fetched: Files<'_> = files.iter().map(|(name, file)| (name.clone(), Fetched::Bytes(file))).collect();
    let asking = Asking::with(published.pins());
    let mut budget = Budget::of(u32::MAX);
    assert!(matches!(update(&asking.request(), &fetched, &mut budget), Ok(Step::Settled(_))));
    // Six signatures: the root's for its pin, by its own keys and for who signed it; one for each other file.
    assert_eq!(budget.spent(), 7);
    let mut less = Budget::of(budget.spent() - 1);
    assert_eq!(update(&asking.request(), &fetched, &mut less).map(|_| ()), Err(TrustError::Work));
    assert_eq!(less.spent(), 6);
}

#[test]
fn what_has_expired_is_refused_with_the_date_and_who_can_renew_it() {
    let published = Published::new();
    let error = refused(&published, |asking| asking.now = UnixTime(NOW.0 + 5 * DAY));
    let text = error.to_string();
    assert!(text.starts_with("timestamp expired at 2027-01-20T08:00:00Z, and now is 2027-01-20T08:00:00Z"), "{text}");
    assert!(text.contains("the Notary server"), "{text}");
    let files = published.files();
    let last = Asking { now: UnixTime(NOW.0 + 5 * DAY - 1), ..Asking::with(published.pins()) };
    assert!(last.ask(&files).is_ok(), "the second before");

    for (name, days) in [("snapshot", -1), ("root", -2), ("targets", -3)] {
        let mut published = Published::new();
        match name {
            "snapshot" => published.snapshot["expires"] = after(days).into(),
            "root" => published.root["expires"] = after(days).into(),
            _ => published.targets_mut(name)["expires"] = after(days).into(),
        }
        let role = role(name);
        let keys = vec![published.signers[&role][0].listed.id()];
        let expired = UnixTime(NOW.0 + days * DAY);
        assert_eq!(refused(&published, |_| {}), TrustError::Expired { role, expired, now: NOW, keys });
    }
}

#[test]
fn an_expired_delegation_is_skipped_with_the_key_that_can_renew_it() {
    let mut published = Published::new();
    published.targets_mut("targets/releases")["expires"] = after(-1).into();
    let files = published.files();
    let repository = Asking::with(published.pins()).ask(&files).expect("settles");
    let skipped = repository.skipped().get(&Role::releases()).expect("skipped").to_string();
    assert!(skipped.contains("expired at 2027-01-14T08:00:00Z"), "{skipped}");
    assert!(skipped.contains(&published.signers[&Role::releases()][0].listed.id().to_string()), "{skipped}");
    // Docker's clients would ask `targets` now, whose word may be older.
    let refused = repository.resolve("1.0", &Lookup::docker()).expect_err("releases is not believed").to_string();
    assert!(refused.contains("expired at"), "{refused}");
}

#[test]
fn files_of_different_times_do_not_mix() {
    let mut published = Published::new();
    published.snapshot["meta"]["root"] = entry(b"an older root");
    assert!(matches!(refused(&published, |_| {}), TrustError::MixAndMatch { .. }));

    // A targets file that was signed once, under the name of the newest.
    let mut published = Published::new();
    let old = published.signed(&Role::targets(), &targets(&[]));
    let new = published.signed(&Role::targets(), &published.targets[&Role::targets()]);
    published.snapshot["meta"]["targets"] = entry(&new);
    let mut files = published.files();
    files.insert(Role::targets().file_by_hash(&Sha256::digest(&new).into()), old);
    let error = Asking::with(published.pins()).ask(&files).expect_err("refused");
    assert!(
        matches!(error, TrustError::Hash { ref role, ref by, .. } if *role == Role::targets() && *by == Role::snapshot())
    );

    // The snapshot of another timestamp.
    let mut published = Published::new();
    let names: BTreeSet<String> = published.files().into_keys().collect();
    published.snapshot["version"] = 8.into();
    let mut files = published.files();
    let name =
        files.keys().find(|name| name.starts_with("snapshot.") && !names.contains(*name)).expect("named").clone();
    let old = Published::new().files().into_iter().find(|(name, _)| name.starts_with("snapshot.")).expect("one").1;
    files.insert(name, old);
    let error = Asking::with(published.pins()).ask(&files).expect_err("refused");
    assert!(
        matches!(error, TrustError::Hash { ref role, ref by, .. } if *role == Role::snapshot() && *by == Role::timestamp())
    );
}

#[test]
fn a_right_hash_with_a_wrong_length_is_refused() {
    let mut published = Published::new();
    let bytes = published.signed(&Role::targets(), &published.targets[&Role::targets()]);
    let mut meta = entry(&bytes);
    meta["length"] = (bytes.len() + 1).into();
    published.snapshot["meta"]["targets"] = meta;
    let (got, want) = (bytes.len() as u64, bytes.len() as u64 + 1);
    let error = refused(&published, |_| {});
    assert_eq!(error, TrustError::Length { role: Role::targets(), by: Role::snapshot(), got, want });
}

#[test]
fn files_end() {
    let published = Published::new();
    let mut files = published.files();
    files.insert("root.json".to_owned(), vec![b' '; 64 * 1024 + 1]);
    let error = Asking::with(published.pins()).ask(&files).expect_err("refused");
    assert_eq!(
        error,
        TrustError::Endless { file: "root.json".to_owned(), got: 64 * 1024 + 1, limit: MAX_ROOT_FILE_BYTES }
    );
    let mut cut = Files::new();
    cut.insert("timestamp.json".to_owned(), Fetched::TooLong(1 << 40));
    let error =
        update(&Asking::with(published.pins()).request(), &cut, &mut Budget::of(u32::MAX)).expect_err("refused");
    assert_eq!(error, TrustError::Endless { file: "timestamp.json".to_owned(), got: 1 << 40, limit: 16 * 1024 });
    // A snapshot that announces more than anybody reads is not even fetched.
    let mut published = Published::new();
    let mut meta = entry(b"");
    meta["length"] = 5_000_000.into();
    published.timestamp["meta"]["snapshot"] = meta;
    assert!(matches!(refused(&published, |_| {}), TrustError::Endless { got: 5_000_000, .. }));
}

#[test]
fn one_key_counts_once_toward_a_threshold() {
    // The same signature twice, under one id.
    let mut published = Published::new();
    published.root["roles"]["targets"]["threshold"] = 2.into();
    let error = refused(&published, |_| {});
    assert!(matches!(error, TrustError::Threshold { ref role, got: 1, need: 2, .. } if *role == Role::targets()));
    let file = published.signed(&Role::targets(), &published.targets[&Role::targets()]);
    let mut twice: Value = serde_json::from_slice(&file).expect("JSON");
    let signature = twice["signatures"][0].clone();
    twice["signatures"].as_array_mut().expect("a list").push(signature);
    let twice = twice.to_string().into_bytes();
    published.snapshot["meta"]["targets"] = entry(&twice);
    let mut files = published.files();
    files.insert(Role::targets().file_by_hash(&Sha256::digest(&twice).into()), twice);
    let error = Asking::with(published.pins()).ask(&files).expect_err("refused");
    assert!(matches!(error, TrustError::Threshold { got: 1, need: 2, .. }));

    // One key, bare and by certificate: two ids.
    let mut published = Published::new();
    published.signers.insert(Role::targets(), vec![Signer::bare(2), Signer::root(2, "host.example/app")]);
    published.root = published.root_of(1);
    published.root["roles"]["targets"]["threshold"] = 2.into();
    assert!(matches!(refused(&published, |_| {}), TrustError::Threshold { got: 1, need: 2, .. }));
    let signers = &published.signers[&Role::targets()];
    assert_eq!(signers[0].listed.canonical_id(), signers[1].listed.canonical_id());

    // Two keys are two.
    let mut published = Published::new();
    published.signers.insert(Role::targets(), vec![Signer::bare(2), Signer::bare(12)]);
    published.root = published.root_of(1);
    published.root["roles"]["targets"]["threshold"] = 2.into();
    let files = published.files();
    let repository = Asking::with(published.pins()).ask(&files).expect("settles");
    assert_eq!(repository.targets()[&Role::targets()].file().signers().len(), 2);
}

#[test]
fn another_collections_files_do_not_count() {
    // Nothing in the files says which collection they are of, but the root certificate's name.
    let published = Published::new();
    let error = refused(&published, |asking| asking.gun = Gun::parse("host.example/other").expect("valid"));
    assert!(matches!(error, TrustError::NoRootKey { .. }), "{error}");
    assert!(error.to_string().contains("the root certificate is for \"host.example/app\""), "{error}");
    // Targets of another collection, signed by another key.
    let mut published = Published::new();
    let own = std::mem::replace(published.signers.get_mut(&Role::targets()).expect("there"), vec![Signer::bare(99)]);
    assert!(matches!(refused(&published, |_| {}), TrustError::Threshold { got: 0, .. }));
    assert_eq!(own.len(), 1);
}

#[test]
fn a_delegation_that_is_under_its_threshold_is_skipped() {
    let mut published = Published::new();
    published.signers.insert(Role::releases(), vec![Signer::bare(55)]);
    let files = published.files();
    let repository = Asking::with(published.pins()).ask(&files).expect("settles");
    assert!(matches!(repository.skipped()[&Role::releases()], TrustError::Threshold { got: 0, need: 1, .. }));
}

#[test]
fn delegations_that_nobody_vouches_for_are_skipped() {
    let published = Published::new();
    let files = published.files();
    let mut asking = Asking::with(published.pins());
    asking.roles = ["targets/alice", "targets/releases/bob", "targets/alice/carol"].map(role).into();
    let repository = asking.ask(&files).expect("settles");
    let skipped = repository.skipped();
    assert_eq!(
        skipped[&role("targets/alice")],
        TrustError::NotDelegated { role: role("targets/alice"), parent: Role::targets() }
    );
    assert!(matches!(skipped[&role("targets/releases/bob")], TrustError::NotDelegated { .. }));
    assert_eq!(
        skipped[&role("targets/alice/carol")],
        TrustError::ParentSkipped { role: role("targets/alice/carol"), parent: role("targets/alice") }
    );
    // Delegated to, and not in the snapshot.
    let mut published = Published::new();
    let alice = Signer::bare(6);
    delegate(published.targets_mut("targets"), "targets/alice", &[&alice], &[""], 1);
    let files = published.files();
    let mut asking = Asking::with(published.pins());
    asking.roles.insert(role("targets/alice"));
    let repository = asking.ask(&files).expect("settles");
    assert_eq!(repository.skipped()[&role("targets/alice")], TrustError::NotInSnapshot(role("targets/alice")));
    // More than anybody looks at.
    asking.roles = (0..40).map(|n| role(&format!("targets/r{n}"))).collect();
    assert_eq!(asking.ask(&files).expect_err("refused"), TrustError::Roles { got: 41 });
}

#[test]
fn there_is_an_end_to_the_signatures_that_are_checked() {
    // 62 keys of P-521, each six units, and a signature by each that is none: three role files of them are too many.
    let mut published = Published::new();
    let idle: Vec<_> = (0..62).map(|n| Signer::of(Algorithm::EcdsaP521, 100 + n).listed).collect();
    for role in ["timestamp", "snapshot", "targets"] {
        for key in &idle {
            published.root["keys"][key.id().to_string()] = key.to_value();
            published.root["roles"][role]["keyids"].as_array_mut().expect("a list").push(key.id().to_string().into());
        }
    }
    let padded = |bytes: &[u8]| {
        let mut file: Value = serde_json::from_slice(bytes).expect("JSON");
        for key in &idle {
            let signature = json!({"keyid": key.id().to_string(), "method": "ecdsa", "sig": "AAAA"});
            file["signatures"].as_array_mut().expect("a list").push(signature);
        }
        file.to_string().into_bytes()
    };
    let mut files = published.files();
    let targets = padded(&published.signed(&Role::targets(), &published.targets[&Role::targets()]));
    let mut snapshot = published.snapshot.clone();
    snapshot["meta"] = json!({"root": entry(&files["root.json"]), "targets": entry(&targets)});
    let snapshot = padded(&published.signed(&Role::snapshot(), &snapshot));
    published.timestamp["meta"]["snapshot"] = entry(&snapshot);
    let timestamp = padded(&published.signed(&Role::timestamp(), &published.timestamp));
    files.insert(Role::targets().file_by_hash(&Sha256::digest(&targets).into()), targets);
    files.insert(Role::snapshot().file_by_hash(&Sha256::digest(&snapshot).into()), snapshot);
    files.insert(Role::timestamp().file(), timestamp);
    let error = Asking::with(published.pins()).ask(&files).map(|_| ()).expect_err("too much");
    assert_eq!(error, TrustError::Work);
}

fn format(published: &Published) -> FormatError {
    match refused(published, |_| {}) {
        TrustError::Format { error, .. } => error,
        other => panic!("{other}"),
    }
}

#[test]
fn delegations_to_strangers_and_in_circles_are_refused() {
    for child in ["targets", "targets/a/b", "targets/x/y/z"] {
        let mut published = Published::new();
        delegate(published.targets_mut("targets"), child, &[&Signer::bare(6)], &[""], 1);
        let expected = FormatError::NotBelow { parent: Role::targets(), child: role(child) };
        assert_eq!(format(&published), expected);
    }
    let mut published = Published::new();
    delegate(published.targets_mut("targets/releases"), "targets/releases", &[&Signer::bare(6)], &[""], 1);
    let (parent, child) = (Role::releases(), Role::releases());
    assert_eq!(format(&published), FormatError::NotBelow { parent, child });
    let mut published = Published::new();
    delegate(published.targets_mut("targets"), "targets/releases", &[&Signer::bare(6)], &[""], 1);
    assert_eq!(format(&published), FormatError::DelegatedTwice(Role::releases()));
    let mut published = Published::new();
    delegate(published.targets_mut("targets"), "targets/../../root", &[&Signer::bare(6)], &[""], 1);
    let name = "targets/../../root".to_owned();
    assert_eq!(format(&published), FormatError::Role(RoleError::Characters(name)));
    let mut published = Published::new();
    delegate(published.targets_mut("targets"), "targets/1/2/3/4/5/6/7/8/9", &[&Signer::bare(6)], &[""], 1);
    assert!(matches!(format(&published), FormatError::Role(RoleError::Depth { got: 9, .. })));
    let mut published = Published::new();
    published.snapshot["meta"]["mirrors"] = entry(b"");
    assert_eq!(format(&published), FormatError::Role(RoleError::Unknown("mirrors".to_owned())));
}

#[test]
fn a_key_under_another_id_refuses_the_file() {
    let mut published = Published::new();
    let listed = published.signers[&Role::targets()][0].listed.id();
    let other = Signer::bare(77).listed;
    published.root["keys"][listed.to_string()] = other.to_value();
    assert_eq!(format(&published), FormatError::Key(KeyError::OtherId { listed, got: other.id() }));
    // Without the private member the id would be another one.
    let mut published = Published::new();
    published.root["keys"][listed.to_string()]["keyval"]["private"] = "AA==".into();
    assert_eq!(format(&published), FormatError::Key(KeyError::Private(listed)));
}

#[test]
fn what_cannot_be_fetched_is_unknown_and_what_is_not_there_is_none() {
    let published = Published::new();
    let asking = Asking::with(published.pins());
    let server = published.files();
    let mut files = Files::new();
    let Ok(Step::Needs(needs)) = update(&asking.request(), &files, &mut Budget::of(u32::MAX)) else {
        panic!("needs come first")
    };
    let need = |file: &str, limit| Need { file: file.to_owned(), limit };
    assert_eq!(needs, [need("timestamp.json", 16 * 1024), need("root.json", 64 * 1024)]);
    files.insert("root.json".to_owned(), Fetched::Bytes(&server["root.json"]));
    files.insert("timestamp.json".to_owned(), Fetched::Failed("timed out"));
    let (file, reason) = ("timestamp.json".to_owned(), "timed out".to_owned());
    assert_eq!(
        update(&asking.request(), &files, &mut Budget::of(u32::MAX)),
        Ok(Step::Unknown(vec![Missing { file, reason }]))
    );
    files.insert("timestamp.json".to_owned(), Fetched::NotFound);
    let error = update(&asking.request(), &files, &mut Budget::of(u32::MAX)).expect_err("there is none");
    assert_eq!(error.to_string(), "the server has no timestamp.json: there is no trust data for this collection");
    let mut server = published.files();
    server.retain(|name, _| !name.starts_with("snapshot."));
    let error = asking.ask(&server).expect_err("refused");
    assert!(matches!(error, TrustError::NotFound { names: Some(ref role), .. } if *role == Role::timestamp()));
}

#[test]
fn nothing_is_believed_before_its_signature() {
    // A targets file that is no targets file fails by its signature first.
    let mut published = Published::new();
    published.targets.insert(Role::targets(), json!({"_type": "Snapshot"}));
    published.signers.insert(Role::targets(), vec![Signer::bare(99)]);
    assert!(matches!(refused(&published, |_| {}), TrustError::Threshold { .. }));
    assert!(!sign(&json!({}), &[]).is_empty());
}
