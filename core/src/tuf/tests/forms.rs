//! What role files look like, and what they must not.
#![cfg(test)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Asking, Published, Signer, after, private, refused};
use crate::key::{Algorithm, Hash};
use crate::tuf::key::{Key, KeyError, KeyId};
use crate::tuf::role::Role;
use crate::tuf::{Budget, Envelope, FormatError, Method, SignatureProblem, Targets, TrustError};

fn format(change: impl Fn(&mut Published)) -> FormatError {
    let mut published = Published::new();
    change(&mut published);
    match refused(&published, |_| {}) {
        TrustError::Format { error, .. } => error,
        other => panic!("{other}"),
    }
}

#[test]
fn headers_are_exact() {
    assert_eq!(
        format(|it| it.timestamp["_type"] = "timestamp".into()),
        FormatError::Type { got: "timestamp".to_owned(), want: "Timestamp" }
    );
    for version in [json!(0), json!(-1), json!("1"), Value::Null] {
        let expected = FormatError::Member { member: "signed.version", expected: "an integer of at least 1" };
        assert_eq!(format(|it| it.snapshot["version"] = version.clone()), expected);
    }
    for text in ["2030-01-01", "2030-01-01 00:00:00Z", "", "2030-13-01T00:00:00Z", "2030-01-01T00:00:00"] {
        assert_eq!(format(|it| it.root["expires"] = text.into()), FormatError::Expires(text.to_owned()));
    }
}

#[test]
fn expiry_is_read_with_offset_and_nanoseconds() {
    for text in ["2036-05-01T11:22:33.123456789-05:00", "2036-05-01T16:22:33Z", "2036-05-01T21:52:33.1+05:30"] {
        let mut published = Published::new();
        published.targets_mut("targets")["expires"] = text.into();
        let files = published.files();
        let repository = Asking::with(published.pins()).ask(&files).expect("settles");
        let expires = repository.targets()[&Role::targets()].file().get().expires();
        assert_eq!(expires.to_string(), "2036-05-01T16:22:33Z");
    }
    // What Go writes for no time at all.
    let mut published = Published::new();
    published.snapshot["expires"] = "0001-01-01T00:00:00Z".into();
    assert!(matches!(refused(&published, |_| {}), TrustError::Expired { .. }));
}

#[test]
fn hashes_are_base64_and_whole() {
    let hex = "aa".repeat(32);
    for (algorithm, value, want) in
        [("sha256", hex.as_str(), 32), ("sha256", "AA==", 32), ("sha512", hex.as_str(), 64), ("sha256", "", 32)]
    {
        let error = format(|it| it.targets_mut("targets")["targets"]["1.0"]["hashes"][algorithm] = value.into());
        assert_eq!(error, FormatError::Hash { of: "1.0".to_owned(), algorithm, got: value.to_owned(), want });
    }
    let error = format(|it| it.targets_mut("targets")["targets"]["1.0"]["hashes"] = json!({"md5": "AA=="}));
    assert_eq!(error, FormatError::NoHash { of: "1.0".to_owned(), want: "sha256 or sha512" });
    let error = format(|it| {
        it.snapshot["meta"]["targets"] = json!({"hashes": {"sha512": STANDARD.encode([0; 64])}, "length": 1})
    });
    assert_eq!(error, FormatError::NoHash { of: "targets".to_owned(), want: "sha256" });
    let error = format(|it| it.timestamp["meta"]["targets"] = json!({"length": 1}));
    assert_eq!(error, FormatError::Member { member: "hashes", expected: "an object" });
    let sha512 = json!({"hashes": {"sha512": STANDARD.encode([0; 64])}, "length": 1});
    let error = format(|it| it.timestamp["meta"]["snapshot"] = sha512.clone());
    assert_eq!(error, FormatError::NoHash { of: "snapshot".to_owned(), want: "sha256" });
}

#[test]
fn roots_give_all_four_roles_keys() {
    let error = format(|it| {
        it.root["roles"].as_object_mut().expect("an object").remove("snapshot");
    });
    assert_eq!(error, FormatError::NoRole(Role::snapshot()));
    for threshold in [0, -1] {
        let error = format(|it| it.root["roles"]["timestamp"]["threshold"] = threshold.into());
        assert_eq!(error, FormatError::Threshold(Role::timestamp()));
    }
    let id = Signer::bare(88).listed.id();
    let error = format(|it| it.root["roles"]["targets"]["keyids"] = json!([id.to_string()]));
    assert_eq!(error, FormatError::UnlistedKey { role: Role::targets(), id });
    let error = format(|it| it.root["roles"]["targets"]["keyids"] = json!([id.to_string().to_uppercase()]));
    assert_eq!(error, FormatError::Key(KeyError::Id(id.to_string().to_uppercase())));
    let error = format(|it| it.root["roles"]["targets"]["keyids"] = json!(vec![id.to_string(); 65]));
    assert_eq!(error, FormatError::RoleKeys { role: Role::targets(), got: 65 });
    // Roles of older versions are ignored.
    let mut published = Published::new();
    published.root["roles"]["root.1"] = json!({"keyids": ["x"], "threshold": 0});
    let files = published.files();
    assert!(Asking::with(published.pins()).ask(&files).is_ok());
}

#[test]
fn json_is_strict_and_canonical() {
    let published = Published::new();
    let mut files = published.files();
    let text = String::from_utf8(files["root.json"].clone()).expect("UTF-8");
    let ask = |files: &std::collections::BTreeMap<String, Vec<u8>>| {
        Asking::with(published.pins()).ask(files).map(|_| ()).expect_err("refused").to_string()
    };
    files.insert("root.json".to_owned(), text.replace("\"version\":1", "\"version\":1,\"version\":1").into_bytes());
    assert!(ask(&files).contains("duplicate key"));
    files.insert("root.json".to_owned(), text.replace("\"version\":1", "\"version\":1.0").into_bytes());
    assert_eq!(ask(&files), "root.json: the number 1.0 is not an integer of 64 bits: canonical JSON has no other ones");
    files.insert("root.json".to_owned(), format!("{text}x").into_bytes());
    assert!(ask(&files).contains("not strict JSON"));
    files.insert("root.json".to_owned(), b"[]".to_vec());
    assert!(ask(&files).contains("expected an object"));
    // However a file is laid out, the same is signed; its hash is another one.
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let pretty = serde_json::to_vec_pretty(&value).expect("JSON");
    let files = published.files_with_root(pretty);
    assert!(Asking::with(published.pins()).ask(&files).is_ok());
}

#[test]
fn targets_have_names_and_limits() {
    let error = format(|it| it.targets_mut("targets")["targets"][""] = super::entry(b""));
    assert_eq!(error, FormatError::TargetName { got: 0 });
    let error = format(|it| it.targets_mut("targets")["targets"]["x".repeat(256)] = super::entry(b""));
    assert_eq!(error, FormatError::TargetName { got: 256 });
    let role = json!({"keyids": [], "name": "targets/a", "paths": vec![""; 257], "threshold": 1});
    let error = format(|it| it.targets_mut("targets")["delegations"]["roles"] = json!([role]));
    assert!(matches!(error, FormatError::Paths { got: 257, .. }));
    let many: Vec<Value> =
        (0..257).map(|n| json!({"keyids": [], "name": format!("targets/a{n}"), "paths": [], "threshold": 1})).collect();
    let error = format(|it| it.targets_mut("targets")["delegations"]["roles"] = json!(many));
    assert_eq!(error, FormatError::Delegations { got: 257 });
    let error = format(|it| it.targets_mut("targets")["targets"] = Value::Null);
    assert!(matches!(error, FormatError::Member { member: "signed.targets", .. }));
    // Notary writes null for no delegations.
    let mut published = Published::new();
    published.targets_mut("targets/releases")["delegations"] = json!({"keys": null, "roles": null});
    let files = published.files();
    assert!(Asking::with(published.pins()).ask(&files).is_ok());
}

#[test]
fn every_kind_of_key_signs_in_its_own_way_only() {
    let message = b"message";
    for (algorithm, length) in [(Algorithm::EcdsaP256, 64), (Algorithm::EcdsaP384, 96), (Algorithm::EcdsaP521, 132)] {
        let signer = Signer::of(algorithm, 1);
        let (method, raw) = signer.sign(message);
        assert_eq!((method.name(), raw.len()), ("ecdsa", length));
        assert_eq!(method.check(message, &raw, &signer.listed), Ok(()));
        assert!(matches!(method.check(b"other", &raw, &signer.listed), Err(SignatureProblem::Signature(_))));
        // As DER: the length is another one.
        let der = signer.private.sign(message, Hash::Sha256).expect("signs");
        let got = der.len();
        assert_eq!(method.check(message, &der, &signer.listed), Err(SignatureProblem::Length { got, want: length }));
        // Over the curve's own hash.
        if algorithm != Algorithm::EcdsaP256 {
            let der = signer.private.sign(message, Hash::Sha384).expect("signs");
            assert!(matches!(Method::of(message, &der, &signer.listed), Err(SignatureProblem::Signature(_))));
        }
        for other in [Method::RsaPss, Method::RsaPkcs1v15, Method::Eddsa, Method::PyCrypto] {
            let problem = other.check(message, &raw, &signer.listed);
            assert!(matches!(problem, Err(SignatureProblem::OtherMethod { .. })), "{other:?}");
        }
    }
    let signer = Signer::of(Algorithm::Ed25519, 1);
    let (method, signature) = signer.sign(message);
    assert_eq!((method, signature.len()), (Method::Eddsa, 64));
    assert!(matches!(
        Method::Ecdsa.check(message, &signature, &signer.listed),
        Err(SignatureProblem::OtherMethod { .. })
    ));
}

#[test]
fn the_method_in_the_file_chooses_nothing() {
    let mut published = Published::new();
    let file = published.signed(&Role::timestamp(), &published.timestamp);
    for (method, text) in [("rsapss", "does not fit a key of type ecdsa"), ("none", "\"none\" is not supported")] {
        let mut files = published.files();
        let whole: Value = serde_json::from_slice(&files["timestamp.json"]).expect("JSON");
        let mut whole = whole;
        whole["signatures"][0]["method"] = method.into();
        files.insert("timestamp.json".to_owned(), whole.to_string().into_bytes());
        let error = Asking::with(published.pins()).ask(&files).expect_err("refused").to_string();
        assert!(error.contains(text), "{error}");
    }
    assert!(!file.is_empty());
    // Notary compares it in small letters.
    let mut files = published.files();
    let text = String::from_utf8(files["timestamp.json"].clone()).expect("UTF-8").replace("\"ecdsa\"", "\"ECDSA\"");
    files.insert("timestamp.json".to_owned(), text.into_bytes());
    assert!(Asking::with(published.pins()).ask(&files).is_ok());
    published.timestamp["expires"] = after(1).into();
}

#[test]
fn keys_are_read_as_they_are_written() {
    let key = json!({"keytype": "ecdsa", "keyval": {"private": null, "public":
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEgl3rzMPMEKhS1k/AX16MM4PdidpjJr+z4pj0Td+30QnpbOIARgpyR1PiFztU8BZlqG3cUazvFclr2q/xHvfrqw=="}});
    let read = Key::from_value(&key).expect("a key");
    assert_eq!(read.to_value(), key);
    assert_eq!(read.id(), read.canonical_id());
    assert_eq!(Key::bare(read.public().clone()), read);
    let ed25519 = Key::bare(private(Algorithm::Ed25519, 3).public().clone());
    assert_eq!(Key::from_value(&ed25519.to_value()), Ok(ed25519));
    for (value, expected) in [
        (json!({"keytype": "dsa", "keyval": {"public": "AA=="}}), KeyError::Type("dsa".to_owned())),
        (json!({"keytype": "ecdsa"}), KeyError::Shape("of the server".to_owned())),
    ] {
        assert_eq!(Key::from_value(&value), Err(expected));
    }
    let as_rsa = json!({"keytype": "rsa", "keyval": {"private": null, "public": key["keyval"]["public"]}});
    assert!(matches!(Key::from_value(&as_rsa), Err(KeyError::OtherType { .. })));
    assert!(KeyId::parse(&"a".repeat(63)).is_err());
}

#[test]
fn a_key_that_cannot_be_used_counts_for_nothing_and_refuses_nothing() {
    let mut published = Published::new();
    let value = json!({"keytype": "dsa", "keyval": {"private": null, "public": "AA=="}});
    let id = {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(crate::tuf::canonical::write(&value).expect("canonical")))
    };
    published.root["keys"][&id] = value;
    published.root["roles"]["targets"]["keyids"].as_array_mut().expect("a list").push(id.into());
    let files = published.files();
    assert!(Asking::with(published.pins()).ask(&files).is_ok());
    published.root["roles"]["targets"]["threshold"] = 2.into();
    assert!(matches!(refused(&published, |_| {}), TrustError::Threshold { got: 1, need: 2, .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes: no panic, and what is read has been read strictly.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::parse(&bytes, 1 << 16);
    }

    /// The same for certificates and for key files.
    #[test]
    fn any_text_is_a_certificate_or_a_key_or_refused(text in "(-----BEGIN [A-Z ]{0,20}-----\n)?([a-zA-Z:, -]{0,20}\n){0,3}[A-Za-z0-9+/=\n]{0,200}(-----END [A-Z ]{0,20}-----\n)?") {
        let _ = crate::tuf::certificate::Certificate::parse_chain(text.as_bytes());
        let _ = crate::tuf::private_key::read(text.as_bytes(), Some(b"secret"));
    }

    /// Damage to any octet of a targets file leaves no targets, or the same.
    #[test]
    fn a_damaged_targets_file_is_refused_or_unchanged(at in 0_usize..400, octet in any::<u8>()) {
        let published = Published::new();
        let signed = &published.targets[&Role::releases()];
        let mut bytes = published.signed(&Role::releases(), signed);
        let whole = Envelope::parse(&bytes, 1 << 16).expect("whole");
        let read = Targets::read(&Role::releases(), &whole).expect("targets");
        if let Some(place) = bytes.get_mut(at) {
            *place = octet;
        }
        let keys = crate::tuf::RoleKeys {
            role: Role::releases(),
            keys: published.signers[&Role::releases()].iter().map(|it| (it.listed.id(), Ok(it.listed.clone()))).collect(),
            threshold: 1,
        };
        if let Ok(envelope) = Envelope::parse(&bytes, 1 << 16)
            && Budget::of(u32::MAX).check(&envelope, &keys).is_ok_and(|checked| checked.is_ok())
        {
            prop_assert_eq!(Targets::read(&Role::releases(), &envelope), Ok(read));
        }
    }
}
