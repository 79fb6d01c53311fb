//! From tags to digests and back.
#![cfg(test)]

use super::{Asking, Published, Signer, delegate, entry, role, targets};
use crate::digest::Digest;
use crate::tuf::TrustError;
use crate::tuf::resolve::{Found, Lookup, ResolveError};
use crate::tuf::role::Role;

fn ask(published: &Published, lookup: &Lookup, tag: &str) -> Result<Found, ResolveError> {
    let files = published.files();
    let asking = Asking { roles: lookup.roles(), ..Asking::with(published.pins()) };
    asking.ask(&files).expect("settles").resolve(tag, lookup)
}

#[test]
fn releases_goes_before_targets() {
    let published = Published::new();
    let found = ask(&published, &Lookup::docker(), "1.0").expect("signed");
    assert_eq!((found.digest, found.length), (Digest::sha256(b"by releases"), 11));
    let found = ask(&published, &Lookup::docker(), "0.9").expect("signed");
    assert_eq!((found.digest, found.roles), (Digest::sha256(b"old"), vec![Role::targets()]));
    let error = ask(&published, &Lookup::docker(), "2.0").expect_err("not signed");
    assert_eq!(error.to_string(), "\"2.0\" is not signed in targets/releases or targets");
}

#[test]
fn a_signed_tag_is_held_against_the_manifest() {
    let found = ask(&Published::new(), &Lookup::docker(), "1.0").expect("signed");
    assert_eq!(found.check(b"by releases"), Ok(()));
    assert!(matches!(found.check(b"by somebody"), Err(ResolveError::OtherDigest { .. })));
    let mut published = Published::new();
    published.targets_mut("targets/releases")["targets"]["1.0"]["length"] = 12.into();
    let found = ask(&published, &Lookup::docker(), "1.0").expect("signed");
    let error = found.check(b"by releases").expect_err("another length");
    assert_eq!(error, ResolveError::OtherLength { tag: "1.0".to_owned(), signed: 12, got: 11 });
}

#[test]
fn a_delegation_that_disappears_does_not_let_targets_speak() {
    let mut published = Published::new();
    let files = published.files();
    let remembered = Asking::with(published.pins()).ask(&files).expect("settles").remember().clone();
    // The server signs a newer snapshot that does not name it.
    published.targets.remove(&Role::releases());
    published.snapshot["version"] = 8.into();
    published.timestamp["version"] = 10.into();
    let files = published.files();
    let asking = Asking { remembered: Some(remembered), ..Asking::with(published.pins()) };
    let repository = asking.ask(&files).expect("settles");
    let withdrawn = TrustError::Withdrawn { role: Role::releases(), remembered: 3 };
    assert_eq!(repository.skipped()[&Role::releases()], withdrawn);
    let error = repository.resolve("1.0", &Lookup::docker()).expect_err("an older word");
    assert_eq!(error, ResolveError::Required { role: Role::releases(), reason: Box::new(withdrawn) });
    // Whoever never saw it does what Docker's clients do.
    let repository = Asking::with(published.pins()).ask(&files).expect("settles");
    assert_eq!(repository.resolve("1.0", &Lookup::docker()).map(|found| found.roles), Ok(vec![Role::targets()]));
    // Nor does it when the role above delegates to it no more: that is the owner's word.
    let mut published = Published::new();
    let seen = Asking::with(published.pins()).ask(&published.files()).map(|it| it.remember().clone()).expect("settles");
    published.targets.remove(&Role::releases());
    published.targets_mut("targets")["delegations"] = serde_json::json!({"keys": {}, "roles": []});
    published.targets_mut("targets")["version"] = 4.into();
    published.snapshot["version"] = 8.into();
    published.timestamp["version"] = 10.into();
    let files = published.files();
    let asking = Asking { remembered: Some(seen), ..Asking::with(published.pins()) };
    let found = asking.ask(&files).expect("settles").resolve("1.0", &Lookup::docker());
    assert_eq!(found.map(|found| found.roles), Ok(vec![Role::targets()]));
}

#[test]
fn a_role_names_only_what_its_paths_allow() {
    let mut published = Published::new();
    published.targets_mut("targets")["delegations"]["roles"][0]["paths"] = serde_json::json!(["2."]);
    // As Notary does: the role is not looked into for names that it may not have.
    let found = ask(&published, &Lookup::docker(), "1.0").expect("in targets");
    assert_eq!(found.roles, [Role::targets()]);
    let required = Lookup::AllOf([Role::releases()].into());
    let error = ask(&published, &required, "1.0").expect_err("outside");
    let (role, tag, paths) = (Role::releases(), "1.0".to_owned(), vec!["2.".to_owned()]);
    assert_eq!(error, ResolveError::OutsidePaths { role, tag, paths });
}

#[test]
fn paths_are_narrowed_from_level_to_level() {
    let mut published = Published::new();
    let (alice, bob) = (Signer::bare(6), Signer::bare(7));
    let mut of_alice = targets(&[("a/1", b"1"), ("b/1", b"1")]);
    delegate(&mut of_alice, "targets/alice/bob", &[&bob], &["a/b/", "c/"], 1);
    delegate(published.targets_mut("targets"), "targets/alice", &[&alice], &["a/"], 1);
    published.targets.insert(role("targets/alice"), of_alice);
    published.targets.insert(role("targets/alice/bob"), targets(&[("a/b/1", b"2"), ("c/1", b"2")]));
    published.signers.insert(role("targets/alice"), vec![alice]);
    published.signers.insert(role("targets/alice/bob"), vec![bob]);
    let required = Lookup::AllOf([role("targets/alice/bob")].into());
    assert!(ask(&published, &required, "a/b/1").is_ok());
    assert!(matches!(ask(&published, &required, "c/1"), Err(ResolveError::OutsidePaths { .. })));
}

#[test]
fn required_roles_all_say_the_same() {
    let mut published = Published::new();
    let both = Lookup::AllOf([Role::releases(), Role::targets()].into());
    assert!(matches!(ask(&published, &both, "1.0"), Err(ResolveError::Disagree { .. })));
    assert!(
        matches!(ask(&published, &both, "0.9"), Err(ResolveError::NotIn { ref role, .. }) if *role == Role::releases())
    );
    published.targets_mut("targets")["targets"]["1.0"] = entry(b"by releases");
    let found = ask(&published, &both, "1.0").expect("both");
    assert_eq!(found.roles, [Role::targets(), Role::releases()]);
    // The same bytes of another length are something else.
    published.targets_mut("targets")["targets"]["1.0"]["length"] = 99.into();
    assert!(matches!(ask(&published, &both, "1.0"), Err(ResolveError::Disagree { .. })));
    // One that is skipped fails by why it is.
    published.signers.insert(Role::releases(), vec![Signer::bare(55)]);
    let error = ask(&published, &both, "1.0").expect_err("skipped");
    assert!(error.to_string().contains("targets/releases is required: targets/releases is signed by 0"), "{error}");
    let none = Lookup::AllOf([].into());
    assert!(matches!(ask(&published, &none, "1.0"), Err(ResolveError::NotSigned { .. })));
}

#[test]
fn a_digest_has_the_tags_that_whoever_asks_gets() {
    let mut published = Published::new();
    published.targets_mut("targets")["targets"]["latest"] = entry(b"by releases");
    let files = published.files();
    let repository = Asking::with(published.pins()).ask(&files).expect("settles");
    let tags = |bytes: &[u8]| {
        let found = repository.tags_of(&Digest::sha256(bytes), &Lookup::docker());
        found.into_iter().map(|found| found.tag).collect::<Vec<_>>()
    };
    assert_eq!(tags(b"by releases"), ["1.0", "latest"]);
    // `targets` says so, but whoever asks for 1.0 gets what releases says.
    assert!(tags(b"by targets").is_empty());
    assert_eq!(tags(b"old"), ["0.9"]);
}

#[test]
fn a_target_without_sha256_names_no_manifest() {
    let mut published = Published::new();
    let sha512 = published.targets_mut("targets")["targets"]["0.9"]["hashes"]["sha512"].clone();
    published.targets_mut("targets")["targets"]["0.9"]["hashes"] = serde_json::json!({"sha512": sha512});
    assert!(matches!(ask(&published, &Lookup::docker(), "0.9"), Err(ResolveError::NoSha256 { .. })));
}
