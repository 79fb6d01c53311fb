//! `bulla key`: generate, show, import.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::{PASSPHRASE, Place, json_of};

#[test]
fn a_key_is_made_shown_and_imported() {
    let place = Place::new();
    let made = json_of(&place.done(&["key", "generate", "--out", "a", "--output", "json"]));
    assert_eq!(made["algorithm"], "ecdsa-p256");
    assert!(place.read("a.key").starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
    let mode = std::fs::metadata(place.path("a.key")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for file in ["a.key", "a.pub"] {
        let shown = json_of(&place.done(&["key", "show", file, "--output", "json"]));
        assert_eq!(shown["fingerprint"], made["fingerprint"], "{file}");
        assert_eq!(shown["publicKey"], place.read("a.pub"), "{file}");
    }
    let other = [("BULLA_PASSPHRASE", PASSPHRASE), ("BULLA_NEW_PASSPHRASE", "another")];
    let imported = place.run_with(&["key", "import", "a.key", "--out", "b"], &other);
    assert_eq!(imported.code, 0, "{}", imported.err);
    assert_eq!(place.read("a.pub"), place.read("b.pub"));
    assert_eq!(place.run(&["key", "show", "b.key"]).code, 2);
    assert_eq!(place.run_with(&["key", "show", "b.key"], &[("COSIGN_PASSWORD", "another")]).code, 0);
}

#[test]
fn a_wrong_or_missing_passphrase_is_said() {
    let place = Place::new();
    place.done(&["key", "generate"]);
    let wrong = place.run_with(&["key", "show", "bulla.key"], &[("BULLA_PASSPHRASE", "wrong")]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("error: bulla.key: the passphrase does not open the private key"), "{}", wrong.err);
    let coded = place.run_with(&["key", "show", "bulla.key", "--output", "json"], &[("BULLA_PASSPHRASE", "wrong")]);
    assert_eq!(json_of(&coded.err)["error"]["code"], "key-passphrase-wrong");
    let missing = place.run_with(&["key", "show", "bulla.key"], &[]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("bulla.key needs a passphrase, and there is no terminal"), "{}", missing.err);
}

#[test]
fn keys_are_never_overwritten() {
    let place = Place::new();
    place.write("bulla.pub", "precious");
    let refused = place.run(&["key", "generate"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("bulla.pub is there already"), "{}", refused.err);
    assert_eq!(place.read("bulla.pub"), "precious");
    assert!(!place.path("bulla.key").exists());
}

#[test]
fn without_a_passphrase_the_key_is_plain() {
    let place = Place::new();
    let ended = place.run_with(&["key", "generate", "--no-passphrase", "--algorithm", "ed25519"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(place.read("bulla.key").starts_with("-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn what_is_no_key_is_refused() {
    let place = Place::new();
    place.write("text", "no key");
    for (arguments, said) in
        [(["key", "show", "text"], "error: text: "), (["key", "show", "absent"], "error: absent: No such file")]
    {
        let ended = place.run(&arguments);
        assert_eq!(ended.code, 2);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}
