//! Role files and keys that Notary's own programs wrote: core/testdata/tuf/README.md says how.
#![cfg(test)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Asking, role};
use crate::digest::Digest;
use crate::key::{Algorithm, Hash, PrivateKeyError, PublicKey, SignatureError};
use crate::time::UnixTime;
use crate::tuf::key::{Key, KeyId};
use crate::tuf::pinning::{Anchor, Pin, Pins, Scope};
use crate::tuf::private_key::{read, write};
use crate::tuf::resolve::Lookup;
use crate::tuf::role::{Gun, Role};
use crate::tuf::{Method, Repository, SignatureProblem, TrustError, write_file};

/// 2026-11-22T02:05:00Z, soon after they were recorded.
const RECORDED: UnixTime = UnixTime(1_795_313_100);
/// The canonical id of the first root key: the name of its file.
const FIRST_ROOT_KEY: &str = "67a8f8b66d76adadd9480c6f168eb3edb12915e706445b03a76d3453d668da26";

macro_rules! folder {
    ($folder:literal: $($name:literal),*) => {
        BTreeMap::from([$((
            $name.to_owned(),
            include_bytes!(concat!("../../../testdata/tuf/recorded/", $folder, "/", $name)).to_vec(),
        )),*])
    };
}

fn before() -> BTreeMap<String, Vec<u8>> {
    folder!("before": "root.json", "2.root.json", "timestamp.json",
        "snapshot.7f2c0f5209d63cb4c0a1a398b40286caaa0fb9a01ac5358862730fad151d9e28.json",
        "targets.8546cec61ba7f90581fbb870640b02d7ccf69da7bdfd42b6c94c62c08e4eb39e.json",
        "targets/alice.5c01076ebed43b266856b32aaabdaed7e5d8d2c3f86dcab32fd5321737b369d3.json",
        "targets/bob.67b204cc335c8d4a3c8eeb96f34ddfea2dff1e432bb83a731ed76832f3c283f9.json",
        "targets/releases.8445af1dae1797d7a6fd7f29f23eaf04ae31fdafd4b6050d474e5c61956a94ad.json")
}

fn after() -> BTreeMap<String, Vec<u8>> {
    let mut files = folder!("after": "root.json", "2.root.json", "3.root.json", "4.root.json", "5.root.json",
        "6.root.json", "timestamp.json",
        "snapshot.0192bcff27500f461046137c8c7f7cc4c666a2e0ca074d10200ac0fe1d38214c.json",
        "targets.bd9584bbf6ea83b8c9398767f98a02c231a0674dc803a5162d049a61d45670bb.json",
        "targets/alice.5c01076ebed43b266856b32aaabdaed7e5d8d2c3f86dcab32fd5321737b369d3.json",
        "targets/bob.67b204cc335c8d4a3c8eeb96f34ddfea2dff1e432bb83a731ed76832f3c283f9.json",
        "targets/releases.5f466974cf7395e5525491e568cdbe5c1066ec9ff6d3df653865ae567eb96af0.json");
    for bytes in files.clone().into_values() {
        files.insert(format!("root.{}.json", Digest::sha256(&bytes).encoded()), bytes);
    }
    files
}

fn asking() -> Asking {
    let ids = [KeyId::parse(FIRST_ROOT_KEY).expect("an id")].into();
    let pins = Pins(vec![Pin { scope: Scope::Everywhere, anchor: Anchor::Keys(ids) }]);
    let roles = ["targets/releases", "targets/alice", "targets/bob"].map(role).into();
    let gun = Gun::parse("localhost:5000/app").expect("a collection");
    Asking { gun, roles, now: RECORDED, ..Asking::with(pins) }
}

fn tag(repository: &Repository<'_>, tag: &str, lookup: &Lookup) -> Option<Digest> {
    repository.resolve(tag, lookup).ok().map(|found| found.digest)
}

#[test]
fn what_notary_published_is_verified_and_resolved() {
    let files = before();
    let repository = asking().ask(&files).expect("settles");
    assert!(repository.skipped().is_empty(), "{:?}", repository.skipped());
    let (one, two, three) =
        (Digest::sha256(b"manifest one\n"), Digest::sha256(b"manifest two\n"), Digest::sha256(b"manifest three\n"));
    let docker = Lookup::docker();
    assert_eq!(tag(&repository, "1.0", &docker), Some(two.clone()));
    assert_eq!(tag(&repository, "1.0", &Lookup::FirstOf(vec![Role::targets()])), Some(one));
    // Docker's clients do not look into other delegations.
    assert_eq!(tag(&repository, "1.1", &docker), None);
    assert_eq!(tag(&repository, "1.1", &Lookup::AllOf([role("targets/alice")].into())), Some(three));
    let both = Lookup::AllOf(["targets/alice", "targets/bob"].map(role).into());
    assert_eq!(tag(&repository, "2.0", &both), Some(two.clone()));
    let tags = repository.tags_of(&two, &docker);
    assert_eq!(tags.into_iter().map(|found| found.tag).collect::<Vec<_>>(), ["1.0", "2.0"]);
    assert_eq!(repository.targets()[&role("targets/bob")].paths(), ["2."]);
}

#[test]
fn role_files_are_written_in_notarys_own_octets() {
    for (name, bytes) in before() {
        let file: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let signature = |value: &serde_json::Value| {
            let method = [Method::Ecdsa, Method::RsaPss].into_iter().find(|it| value["method"] == it.name());
            let octets = STANDARD.decode(value["sig"].as_str().expect("text")).expect("base64");
            let id = KeyId::parse(value["keyid"].as_str().expect("text")).expect("an id");
            (id, (method.expect("a method"), octets))
        };
        let signatures = file["signatures"].as_array().expect("a list").iter().map(signature).collect();
        let written = write_file(&file["signed"], &signatures).expect("canonical");
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&bytes), "{name}");
    }
    let signed = serde_json::json!({"custom": "<&>\u{2028}\u{7f}\"é"});
    let written = write_file(&signed, &BTreeMap::new()).expect("canonical");
    let expected = "{\"signed\":{\"custom\":\"\\u003c\\u0026\\u003e\\u2028\u{7f}\\\"é\"},\"signatures\":[]}";
    assert_eq!(String::from_utf8_lossy(&written), expected);
}

#[test]
fn rotations_of_notary_are_followed() {
    let (old, new) = (before(), after());
    let first = asking().ask(&old).expect("settles").remember().clone();
    assert_eq!(first.root.as_ref().map(|seen| seen.version), Some(2));
    // From the pin alone, and from what is remembered.
    for remembered in [None, Some(first)] {
        let repository = Asking { remembered, ..asking() }.ask(&new).map(|it| it.root().get().version());
        assert_eq!(repository, Ok(6));
    }
    let newest = asking().ask(&new).expect("settles");
    assert_eq!(tag(&newest, "3.0", &Lookup::docker()), Some(Digest::sha256(b"manifest three\n")));
    // The older files do not come back.
    let remembered = Some(newest.remember().clone());
    let error = Asking { remembered, ..asking() }.ask(&old).map(|_| ()).expect_err("older");
    assert!(matches!(error, TrustError::Rollback { .. }), "{error}");
}

#[test]
fn the_timestamp_of_notary_expires_after_two_weeks() {
    let files = after();
    let now = UnixTime(RECORDED.0 + 14 * 86_400);
    let error = Asking { now, ..asking() }.ask(&files).map(|_| ()).expect_err("expired");
    assert!(matches!(error, TrustError::Expired { ref role, .. } if *role == Role::timestamp()), "{error}");
}

const ALICE: &[u8] = include_bytes!("../../../testdata/tuf/keys/alice.pem");
const BOB: &[u8] = include_bytes!("../../../testdata/tuf/keys/bob.pem");
const TARGETS: &[u8] = include_bytes!("../../../testdata/tuf/keys/targets.pem");
const ED25519: &[u8] = include_bytes!("../../../testdata/tuf/keys/ed25519.pem");
const DELEGATION: Option<&[u8]> = Some(b"delegation-passphrase");

#[test]
fn key_files_of_notary_are_read() {
    let alice = PublicKey::parse(include_bytes!("../../../testdata/tuf/keys/alice.pub")).expect("a key");
    let bob = PublicKey::parse(include_bytes!("../../../testdata/tuf/keys/bob.pub")).expect("a key");
    let file = read(ALICE, DELEGATION).expect("opens");
    assert_eq!((file.key.public(), file.role.as_deref(), file.gun), (&alice, Some("alice"), None));
    let file = read(BOB, DELEGATION).expect("opens");
    assert_eq!((file.key.public(), file.role.as_deref()), (&bob, Some("bob")));
    let file = read(TARGETS, Some(b"targets-passphrase")).expect("opens");
    assert_eq!((file.role.as_deref(), file.gun.as_deref()), (Some("targets"), Some("localhost:5000/app")));
    // The name of its file.
    let id = "868f7dc4d5718aa8930ede3b6c51f4aee3221263e9219b95627f68d86a3ea9f9";
    assert_eq!(Key::bare(file.key.public().clone()).id().to_string(), id);
    let file = read(ED25519, Some(b"targets-passphrase")).expect("opens");
    assert_eq!(file.key.public().algorithm(), Algorithm::Ed25519);
    let id = include_str!("../../../testdata/tuf/keys/ed25519.id");
    assert_eq!(Key::bare(file.key.public().clone()).id().to_string(), id);
    for (name, bytes, public) in [
        ("RFC 1421", include_bytes!("../../../testdata/tuf/keys/alice-rfc1421.pem").as_slice(), &alice),
        ("RFC 1421, RSA", include_bytes!("../../../testdata/tuf/keys/bob-rfc1421.pem").as_slice(), &bob),
        ("OpenSSL 3", include_bytes!("../../../testdata/tuf/keys/alice-openssl.pem").as_slice(), &alice),
    ] {
        assert_eq!(read(bytes, DELEGATION).expect(name).key.public(), public, "{name}");
        let error = read(bytes, Some(b"wrong")).map(|_| ()).expect_err(name);
        assert_eq!(error, PrivateKeyError::PassphraseWrong, "{name}");
        assert_eq!(read(bytes, None).map(|_| ()), Err(PrivateKeyError::PassphraseNeeded), "{name}");
    }
}

#[test]
fn rsa_signs_in_either_way_and_with_one_length_of_salt() {
    // Made by OpenSSL over `message`.
    let pkcs1 = include_bytes!("../../../testdata/tuf/keys/bob-pkcs1v15.sig");
    let pss = include_bytes!("../../../testdata/tuf/keys/bob-pss.sig");
    let other = include_bytes!("../../../testdata/tuf/keys/bob-pss-20.sig");
    let bob = PublicKey::parse(include_bytes!("../../../testdata/tuf/keys/bob.pub")).expect("a key");
    let bob = Key::bare(bob);
    let mismatch = || SignatureProblem::Signature(SignatureError::Mismatch);
    for (method, signature) in [(Method::RsaPkcs1v15, pkcs1), (Method::RsaPss, pss), (Method::PyCrypto, pss)] {
        assert_eq!(method.check(b"message", signature, &bob), Ok(()), "{method:?}");
        assert_eq!(method.check(b"messages", signature, &bob), Err(mismatch()), "{method:?}");
        let short = method.check(b"message", &signature[1..], &bob);
        assert!(matches!(short, Err(SignatureProblem::Signature(SignatureError::Malformed { .. }))), "{method:?}");
    }
    assert_eq!(Method::RsaPss.check(b"message", other, &bob), Err(mismatch()));
    assert_eq!(Method::RsaPss.check(b"message", pkcs1, &bob), Err(mismatch()));
    assert_eq!(Method::of(b"message", pss, &bob).map(|(method, _)| method), Ok(Method::RsaPss));
    assert_eq!(Method::of(b"message", pkcs1, &bob).map(|(method, _)| method), Ok(Method::RsaPkcs1v15));
    assert!(Method::of(b"message", other, &bob).is_err());
    let eddsa = Method::Eddsa.check(b"message", pss, &bob);
    assert!(matches!(eddsa, Err(SignatureProblem::OtherMethod { .. })));
}

#[test]
fn key_files_are_written_as_notary_writes_them() {
    for (file, passphrase) in
        [(ALICE, DELEGATION), (BOB, DELEGATION), (TARGETS, Some(b"targets-passphrase".as_slice()))]
    {
        let opened = read(file, passphrase).expect("opens");
        // With the salt and the initialisation vector of the file, its octets come out.
        let text = String::from_utf8(file.to_vec()).expect("text");
        let body: String = text.lines().filter(|line| !line.contains(['-', ':'])).collect();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).expect("base64");
        let after = |tag: [u8; 2]| der.windows(2).position(|it| it == tag).map(|at| at + 2).expect("there");
        let (salt, iv) = (after([4, 8]), after([4, 16]));
        let entropy = [&der[salt..salt + 8], &der[iv..iv + 16]].concat();
        let (role, gun) = (opened.role.as_deref(), opened.gun.as_deref());
        let encryption = passphrase.map(|passphrase| (passphrase, entropy.as_slice()));
        // One line more, without which its client does not take an encrypted key in.
        let written = write(&opened.key, role, gun, encryption).expect("writes");
        let lines: Vec<&str> = written.lines().filter(|line| !line.starts_with("path: ")).collect();
        assert_eq!((lines.join("\n") + "\n", lines.len() + 1), (text.to_owned(), written.lines().count()));
    }
}

#[test]
fn every_kind_of_key_file_is_read_back() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::EcdsaP521, Algorithm::Ed25519] {
        let key = super::private(algorithm, 5);
        for encryption in [None, Some((b"secret".as_slice(), [7; 24].as_slice()))] {
            let file = write(&key, Some("targets"), Some("host.example/app"), encryption).expect("writes");
            let read = read(file.as_bytes(), Some(b"secret")).expect("reads");
            assert_eq!(read.key.public(), key.public());
            assert_eq!(read.key.sign(b"x", Hash::Sha256), key.sign(b"x", Hash::Sha256));
            assert_eq!((read.role.as_deref(), read.gun.as_deref()), (Some("targets"), Some("host.example/app")));
        }
    }
}

#[test]
fn key_files_that_mislead_are_refused() {
    let key = super::private(Algorithm::EcdsaP256, 5);
    let error = |outcome: Result<_, PrivateKeyError>| outcome.map(|_: ()| ()).expect_err("refused").to_string();
    for value in ["", "a\nrole: root", "a b", &"x".repeat(256)] {
        assert!(error(write(&key, Some(value), None, None).map(|_| ())).contains("does not fit into the header"));
    }
    assert!(error(write(&key, None, None, Some((b"", &[0; 24]))).map(|_| ())).contains("takes a passphrase"));
    assert!(error(write(&key, None, None, Some((b"x", &[0; 23]))).map(|_| ())).contains("24 octets of entropy"));
    let text = String::from_utf8(TARGETS.to_vec()).expect("text");
    let read = |text: &str| error(read(text.as_bytes(), Some(b"targets-passphrase")).map(|_| ()));
    assert!(read(&text.replace("role: targets\n", "role: targets\nrole: root\n")).contains("stands there twice"));
    assert!(read(&text.replace("app\nrole: targets\n\n", "app\nrole: targets\n")).contains("no empty line"));
    assert!(read(&format!("{text}{text}")).contains("exactly one"));
    assert!(read(&"x".repeat(65 * 1024)).contains("at most"));
    let slow = include_bytes!("../../../testdata/tuf/keys/too-many-rounds.pem");
    let error = super::super::private_key::read(slow, DELEGATION).map(|_| ()).expect_err("refused");
    assert!(error.to_string().contains("1000001 rounds of PBKDF2 are not accepted"), "{error}");
}
