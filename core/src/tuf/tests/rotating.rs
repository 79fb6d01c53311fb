//! Pins, and roots that follow each other.
#![cfg(test)]

use std::collections::BTreeMap;

use super::{Asking, DAY, NOW, Published, Signer, gun, pin_keys, refused, sign};
use crate::time::UnixTime;
use crate::tuf::TrustError;
use crate::tuf::certificate::{Certificate, CertificateError};
use crate::tuf::pinning::{Anchor, Pin, Pins, Scope};
use crate::tuf::role::{Gun, Role};

const APP: &str = "host.example/app";

/// Roots 1 to 4: each has a key of its own, and is signed by the key before it too.
fn rotated(signed_by_old: bool) -> (Published, BTreeMap<String, Vec<u8>>) {
    let mut published = Published::new();
    let mut older = BTreeMap::new();
    for version in 1..=4 {
        let keys = published.signers.get_mut(&Role::root()).expect("there");
        let old = std::mem::replace(keys, vec![Signer::root(20 + version, APP)]);
        published.root = published.root_of(u64::from(version));
        let own = &published.signers[&Role::root()][0];
        let signers: Vec<&Signer> = if signed_by_old { vec![own, &old[0]] } else { vec![own] };
        let file = sign(&published.root, &signers);
        older.insert(Role::root().file_by_version(u64::from(version)), file.clone());
        older.insert("root.json".to_owned(), file);
    }
    let newest = older.remove("root.json").expect("four");
    let mut files = published.files_with_root(newest);
    files.extend(older);
    (published, files)
}

fn key(version: u8) -> Pins {
    pin_keys(&[Signer::root(20 + version, APP)])
}

#[test]
fn a_pinned_root_leads_to_the_newest() {
    let (_, files) = rotated(true);
    for version in 1..=4 {
        let repository = Asking::with(key(version)).ask(&files).expect("leads there");
        assert_eq!(repository.root().get().version(), 4, "{version}");
    }
    let error = Asking::with(key(9)).ask(&files).expect_err("a stranger");
    assert!(matches!(error, TrustError::NotPinned { .. }), "{error}");
}

#[test]
fn a_root_that_the_old_keys_did_not_sign_is_refused() {
    let (_, files) = rotated(false);
    let error = Asking::with(key(1)).ask(&files).expect_err("no chain");
    assert!(matches!(error, TrustError::Rotation { version: 2, previous: 1, got: 0, need: 1, .. }), "{error}");
    // A root that is remembered holds its successors, whatever is pinned.
    let (_, good) = rotated(true);
    let mut first = good.clone();
    let one = first["1.root.json"].clone();
    let mut published = Published::new();
    published.signers.insert(Role::root(), vec![Signer::root(21, APP)]);
    published.root = published.root_of(1);
    first.extend(published.files_with_root(one.clone()));
    let remembered = Asking::with(key(1)).ask(&first).expect("settles").remember().clone();
    let remembered = crate::tuf::Remembered { root: remembered.root, ..Default::default() };
    let mut asking = Asking::with(key(4));
    asking.remembered = Some(remembered);
    let with = |mut files: BTreeMap<String, Vec<u8>>, bytes: &[u8]| {
        files.insert("1.root.json".to_owned(), bytes.to_vec());
        files
    };
    let files = with(files, &one);
    assert!(matches!(asking.ask(&files), Err(TrustError::Rotation { version: 2, previous: 1, .. })));
    let good = with(good, &one);
    assert_eq!(asking.ask(&good).expect("leads there").remember().root.as_ref().map(|seen| seen.version), Some(4));
    let other = with(good.clone(), &good["2.root.json"]);
    assert!(matches!(asking.ask(&other), Err(TrustError::RootVersion { got: 2, .. })));
    let mut stranger = Published::new();
    stranger.root["expires"] = super::after(7).into();
    let other = with(good, &stranger.signed(&Role::root(), &stranger.root));
    assert!(matches!(asking.ask(&other), Err(TrustError::OtherContent { version: 1, .. })));
}

#[test]
fn a_gap_is_closed_only_by_a_signature_over_it() {
    // From 1 to 4 with 3 missing.
    let (_, mut files) = rotated(true);
    files.remove("3.root.json");
    let error = Asking::with(key(1)).ask(&files).expect_err("a gap");
    assert!(matches!(error, TrustError::NotFound { ref file, .. } if file == "3.root.json"), "{error}");
    // The newest is signed with the first key too, as Notary goes on doing.
    let (published, mut files) = rotated(true);
    files.remove("3.root.json");
    let newest = sign(&published.root, &[&published.signers[&Role::root()][0], &Signer::root(21, APP)]);
    files.extend(published.files_with_root(newest));
    assert!(Asking::with(key(1)).ask(&files).is_ok());
    // A file of another version than its name.
    let (_, mut files) = rotated(true);
    files.insert("3.root.json".to_owned(), files["2.root.json"].clone());
    let error = Asking::with(key(1)).ask(&files).expect_err("a lie");
    assert_eq!(error, TrustError::RootVersion { file: "3.root.json".to_owned(), got: 2 });
}

#[test]
fn a_chain_has_an_end() {
    let mut published = Published::new();
    published.root["version"] = 100.into();
    let files = published.files();
    let error = Asking::with(key(1)).ask(&files).expect_err("too long");
    assert_eq!(error, TrustError::RootChain { from: 1, to: 100 });
    assert!(Asking::with(published.pins()).ask(&files).is_ok(), "pinned itself, it needs no chain");
}

#[test]
fn nothing_is_trusted_on_first_use() {
    let published = Published::new();
    let none = refused(&published, |asking| asking.pins = Pins::default());
    assert_eq!(none, TrustError::NoPin(gun()));
    let elsewhere = |scope| Pins(vec![Pin { scope, anchor: published.pins().0[0].anchor.clone() }]);
    for scope in
        [Scope::Within("host.example/ap".to_owned()), Scope::Collection(Gun::parse("host.example/b").expect("valid"))]
    {
        assert_eq!(refused(&published, |asking| asking.pins = elsewhere(scope)), TrustError::NoPin(gun()));
    }
    let files = published.files();
    for scope in [Scope::Within("host.example".to_owned()), Scope::Collection(gun())] {
        assert!(Asking::with(elsewhere(scope)).ask(&files).is_ok());
    }
    // The most specific scope is all that counts.
    let mut pins = elsewhere(Scope::Everywhere);
    pins.0.extend(
        pin_keys(&[Signer::root(9, APP)]).0.into_iter().map(|pin| Pin { scope: Scope::Collection(gun()), ..pin }),
    );
    assert!(matches!(refused(&published, |asking| asking.pins = pins), TrustError::NotPinned { .. }));
}

#[test]
fn keys_are_pinned_by_either_id_and_certificates_by_their_octets() {
    let published = Published::new();
    let files = published.files();
    let root = &published.signers[&Role::root()][0].listed;
    let everywhere = |anchor| Pins(vec![Pin { scope: Scope::Everywhere, anchor }]);
    assert_ne!(root.id(), root.canonical_id());
    for id in [root.id(), root.canonical_id()] {
        assert!(Asking::with(everywhere(Anchor::Keys([id].into()))).ask(&files).is_ok());
    }
    assert!(Asking::with(everywhere(Anchor::Certificates(root.certificates().to_vec()))).ask(&files).is_ok());
    // The same key in another certificate.
    let other = Signer::root_from(1, APP, NOW, UnixTime(NOW.0 + DAY)).listed;
    let pins = everywhere(Anchor::Certificates(other.certificates().to_vec()));
    assert!(matches!(Asking::with(pins).ask(&files), Err(TrustError::NotPinned { .. })));
}

#[test]
fn a_root_certificate_counts_in_its_time_only() {
    for (from, to, counts) in [(-1, 1, true), (1, 3, true), (2, 3, false), (-3, -1, false)] {
        let mut published = Published::new();
        let (from, to) = (UnixTime(NOW.0 + from * DAY), UnixTime(NOW.0 + to * DAY));
        published.signers.insert(Role::root(), vec![Signer::root_from(1, APP, from, to)]);
        published.root = published.root_of(1);
        let files = published.files();
        let asked = Asking::with(published.pins()).ask(&files);
        if counts {
            assert!(asked.is_ok(), "{from} {to}");
        } else {
            let error = asked.expect_err("refused");
            assert!(matches!(error, TrustError::NoRootKey { .. }), "{error}");
            assert!(error.to_string().contains("counts from"), "{error}");
        }
    }
}

#[test]
fn a_bare_key_is_no_root_key() {
    let mut published = Published::new();
    published.signers.insert(Role::root(), vec![Signer::bare(1)]);
    published.root = published.root_of(1);
    let error = refused(&published, |_| {});
    assert!(error.to_string().contains("listed without a certificate"), "{error}");
}

#[test]
fn pinned_keys_have_to_meet_the_threshold_themselves() {
    let mut published = Published::new();
    published.signers.insert(Role::root(), vec![Signer::root(1, APP), Signer::root(2, APP)]);
    published.root = published.root_of(1);
    published.root["roles"]["root"]["threshold"] = 2.into();
    let files = published.files();
    assert!(Asking::with(published.pins()).ask(&files).is_ok());
    let one = pin_keys(&[Signer::root(1, APP)]);
    assert!(matches!(Asking::with(one).ask(&files), Err(TrustError::Threshold { got: 1, need: 2, .. })));
}

#[test]
fn certificates_lead_to_authorities() {
    // Made with openssl: an authority, one below it, and leaves for host.example/app.
    let read = |pem: &str| Certificate::parse_chain(pem.as_bytes()).expect("certificates");
    let authority = read(include_str!("../../../testdata/tuf/chain/ca.pem"));
    let chain = read(include_str!("../../../testdata/tuf/chain/leaf-chain.pem"));
    let other = read(include_str!("../../../testdata/tuf/chain/other-ca.pem"));
    let leaf = Certificate::leaf(&chain).expect("a leaf");
    let now = NOW;
    assert_eq!(leaf.check_collection(&gun()), Ok(()));
    assert_eq!(leaf.check_chain(&chain[1..], &authority, now), Ok(()));
    let reason = |outcome: Result<(), CertificateError>| match outcome {
        Err(CertificateError::NoChain { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(leaf.check_chain(&[], &authority, now)).contains("did not come with it"));
    assert_eq!(reason(leaf.check_chain(&chain[1..], &other, now)), "its issuer did not come with it");
    assert!(reason(leaf.check_chain(&chain[1..], &authority, UnixTime(0))).contains("counts from"));
    // An authority of the same name with another key.
    let twin = read(include_str!("../../../testdata/tuf/chain/twin-ca.pem"));
    assert_eq!(reason(leaf.check_chain(&chain[1..], &twin, now)), "signature does not verify");
    // A leaf that issues.
    let below = read(include_str!("../../../testdata/tuf/chain/below-leaf.pem"));
    assert!(reason(below[0].check_chain(&chain, &authority, now)).contains("may not issue"));
    // Only for mail.
    let mail = read(include_str!("../../../testdata/tuf/chain/mail-leaf.pem"));
    assert!(reason(mail[0].check_chain(&chain[1..], &authority, now)).contains("extended key usage"));
    // Signed over SHA-1; with a `*` for everything below; for two names.
    let sha1 = read(include_str!("../../../testdata/tuf/chain/sha1-leaf.pem"));
    assert_eq!(sha1[0].check_collection(&gun()), Err(CertificateError::BrokenHash("SHA-1")));
    let star = read(include_str!("../../../testdata/tuf/chain/star-leaf.pem"));
    assert_eq!(star[0].check_collection(&gun()), Ok(()));
    assert!(star[0].check_collection(&Gun::parse("host.other/app").expect("valid")).is_err());
    let two = read(include_str!("../../../testdata/tuf/chain/two-names-leaf.pem"));
    assert_eq!(two[0].check_collection(&gun()), Err(CertificateError::CommonNames(2)));
    // What a root key is: one leaf, in front of authorities.
    assert!(matches!(Certificate::leaf(&authority), Err(CertificateError::Leaf(_))));
    assert!(matches!(Certificate::leaf(&[leaf.clone(), leaf.clone()]), Err(CertificateError::Leaf(_))));
}
