//! The notation CLI with Bulla as its plugin: it signs with keys that it does not reach itself, in a token and of a program,
//! and has signatures verified that ask for it.

use std::fs;
use std::sync::Arc;

use bulla_tests::peers;
use bulla_tests::support::certificates::{Authority, Certificate, Leaf, identity};
use bulla_tests::support::http::Served;
use bulla_tests::support::notation::{FORMATS, Notation, Trust};
use bulla_tests::support::{Registry, RegistryKind, bulla_path, output, run};
use serde_json::json;

use super::cli::Place;
use super::{bulla_verifies, notation_verifies};
use crate::remote_keys::{put_program, soft_token};

#[test]
fn notation_signs_with_a_token_through_bulla() {
    let (Some(notation), Some(softhsm)) = (Notation::new(), peers::require("softhsm2-util")) else { return };
    let Some(registry) = Registry::start_kind(RegistryKind::Ferro) else { return };
    let authority = notation.authority("root", "EC-256");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.policy(&Trust::default());
    notation.add_plugin("bulla", &bulla_path());
    for algorithm in ["EC-384", "RSA-3072"] {
        let key = authority.issue(&format!("token-{}", algorithm.to_lowercase()), algorithm, &Leaf::default());
        let folder = tempfile::tempdir().expect("a folder");
        let token = soft_token(&softhsm, folder.path(), &key.key);
        // The key is in the token alone.
        fs::remove_file(&key.key).expect("the file");
        let chain = format!("certificate-chain={}", key.chain.display());
        for format in FORMATS {
            let image = registry.name(&format!("token/{}-{format}:1", algorithm.to_lowercase()));
            registry.push_image(&image, algorithm);
            let words = ["--plugin", "bulla", "--id", "pkcs11:token=release;object=images", "--plugin-config", &chain];
            run(notation.signing(&words, format, &image, &[]).envs(token.clone()));
            assert_eq!(notation_verifies(&notation, &image), Ok(()), "{algorithm} {format}");
        }
    }
}

#[test]
fn notation_signs_with_a_program_through_bulla() {
    let (Some(notation), Some(_)) = (Notation::new(), peers::require("python3")) else { return };
    let Some(registry) = Registry::start_kind(RegistryKind::Ferro) else { return };
    let authority = notation.authority("root", "EC-256");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.policy(&Trust::default());
    notation.add_plugin("bulla", &bulla_path());
    let path = put_program(notation.folder());
    let image = registry.name("program/app:1");
    registry.push_image(&image, "app");
    let sign = |algorithm: &str| {
        let key = authority.issue(&format!("program-{}", algorithm.to_lowercase()), algorithm, &Leaf::default());
        let (id, chain) = (format!("testkms://{}", key.key.display()), key.chain.display());
        let chain = format!("certificate-chain={chain}");
        let words = ["--plugin", "bulla", "--id", &id, "--plugin-config", &chain];
        output(notation.signing(&words, "jws", &image, &[]).env("PATH", &path))
    };
    let refused = sign("RSA-2048");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("has no RSASSA-PSS"), "{said}");
    for algorithm in ["EC-256", "EC-521"] {
        let signed = sign(algorithm);
        assert!(signed.status.success(), "{algorithm}: {}", String::from_utf8_lossy(&signed.stderr));
        assert_eq!(notation_verifies(&notation, &image), Ok(()));
    }
}

/// Signs so that whoever verifies has to call the plugin.
fn sign_for_the_plugin(notation: &Notation, key: &Certificate, format: &str, image: &str, more: &[&str]) {
    let key = key.key.to_str().expect("UTF-8");
    let mut words = vec!["--plugin", "bulla", "--id", key];
    for config in [&["generator=envelope", "verification-plugin=bulla"], more].concat() {
        words.extend(["--plugin-config", config]);
    }
    run(&mut notation.signing(&words, format, image, &[]));
}

/// Whether notation accepts an image, and what it says.
fn said(notation: &Notation, image: &str, config: &[&str]) -> (bool, String) {
    let mut words = vec!["--debug"];
    config.iter().for_each(|config| words.extend(["--plugin-config", config]));
    let output = notation.verify(image, &words);
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn notation_verifies_identities_through_the_plugin_that_a_signature_asks_for() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    let authority = notation.authority("root", "EC-256");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.add_plugin("bulla", &bulla_path());
    let key = authority.issue("release", "EC-384", &Leaf::default());
    for format in FORMATS {
        let image = place.image(&format!("named-{format}"));
        sign_for_the_plugin(&notation, &key, format, &image, &[]);
        for (identity, is_accepted) in [(identity("release"), true), (identity("other"), false)] {
            notation.policy(&Trust { identities: &[&identity], ..Trust::default() });
            let (accepted, words) = said(&notation, &image, &[]);
            assert_eq!(accepted, is_accepted, "{format} {identity}: {words}");
            assert!(words.contains("Executing verification plugin"), "{words}");
            assert!(accepted || words.contains("is not one of the trusted identities"), "{words}");
            assert_eq!(bulla_verifies(&notation, &image).is_ok(), is_accepted, "{format} {identity}");
        }
        // Who has no such plugin cannot verify it.
        notation.policy(&Trust::default());
        assert!(said(&notation, &image, &[]).0);
        let plugins = notation.config().join("plugins");
        fs::rename(&plugins, notation.folder().join("away")).expect("a folder");
        let (accepted, words) = said(&notation, &image, &[]);
        assert!(!accepted && words.contains("locating the verification plugin"), "{words}");
        fs::rename(notation.folder().join("away"), &plugins).expect("a folder");
    }
}

/// A server of what says whether leaves are revoked, and leaves that name it.
fn standing(authority: &Arc<Authority>, kind: &str) -> (Served, Leaf) {
    match kind {
        "crl" => {
            let served = authority.serve_crl();
            let crl = Some(served.url("/list.crl"));
            (served, Leaf { crl, ..Leaf::default() })
        }
        _ => {
            let served = authority.serve_ocsp();
            let ocsp = Some(served.url(""));
            (served, Leaf { ocsp, ..Leaf::default() })
        }
    }
}

#[test]
fn notation_asks_the_plugin_whether_certificates_are_revoked() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    notation.add_plugin("bulla", &bulla_path());
    for kind in ["crl", "ocsp"] {
        let authority = Arc::new(notation.authority(kind, "EC-256"));
        notation.trust("ca:acme", &authority.own.certificate);
        let (served, leaf) = standing(&authority, kind);
        let private = format!("private-host={}", served.url("").trim_start_matches("http://").trim_end_matches('/'));
        let [good, revoked] = ["good", "revoked"].map(|name| {
            let key = authority.issue(&format!("{kind}-{name}"), "EC-256", &leaf);
            let image = place.image(&format!("{kind}-{name}"));
            sign_for_the_plugin(&notation, &key, "jws", &image, &[]);
            if name == "revoked" {
                authority.revoke(&key);
            }
            image
        });
        for (overrides, is_accepted) in
            [(json!(null), false), (json!({"revocation": "log"}), true), (json!({"revocation": "skip"}), true)]
        {
            notation.policy(&Trust { overrides: overrides.clone(), ..Trust::default() });
            let before = served.asked().len();
            let (accepted, words) = said(&notation, &good, &[&private]);
            assert!(accepted, "{kind} {overrides}: {words}");
            let (accepted, words) = said(&notation, &revoked, &[&private]);
            assert_eq!(accepted, is_accepted, "{kind} {overrides}: {words}");
            let is_skipped = overrides["revocation"] == "skip";
            assert!(is_skipped || words.contains("is revoked since"), "{words}");
            // The plugin asks, and notation does not ask again.
            let asked = served.asked().len() - before;
            assert_eq!(asked, if is_skipped { 0 } else { 2 }, "{kind} {overrides}");
        }
        // An address on this machine is not asked unless it is listed, and then nothing is known.
        notation.policy(&Trust::default());
        let before = served.asked().len();
        let (accepted, words) = said(&notation, &good, &[]);
        assert!(!accepted && words.contains("it is not known"), "{words}");
        assert_eq!(served.asked().len(), before);
    }
}

#[test]
fn the_plugin_has_its_envelopes_timestamped() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    let authority = notation.authority("root", "RSA-2048");
    let timestamps = notation.authority("tsa-root", "EC-256");
    let leaf = timestamps.issue("tsa", "RSA-2048", &Leaf { timestamping: true, ..Leaf::default() });
    let served = timestamps.serve_timestamps(&leaf);
    notation.trust("ca:acme", &authority.own.certificate);
    notation.trust("tsa:acme", &timestamps.own.certificate);
    notation.add_plugin("bulla", &bulla_path());
    let always = Trust { stores: &["ca:acme", "tsa:acme"], timestamps: Some("always"), ..Trust::default() };
    notation.policy(&always);
    let key = authority.issue("release", "RSA-3072", &Leaf::default());
    let url = format!("timestamp-url={}", served.url("/"));
    let root = format!("timestamp-root-cert={}", timestamps.own.certificate.display());
    for format in FORMATS {
        let (with, without) = (place.image(&format!("stamped-{format}")), place.image(&format!("plain-{format}")));
        sign_for_the_plugin(&notation, &key, format, &with, &[&url, &root]);
        sign_for_the_plugin(&notation, &key, format, &without, &[]);
        assert_eq!(
            (notation_verifies(&notation, &with), bulla_verifies(&notation, &with)),
            (Ok(()), Ok(())),
            "{format}"
        );
        assert!(notation_verifies(&notation, &without).is_err(), "{format}");
        assert!(bulla_verifies(&notation, &without).is_err(), "{format}");
        let signature = &notation.inspect(&with)["Signatures"][0];
        let agent = signature["unsignedAttributes"]["signingAgent"].as_str().unwrap_or_default();
        assert!(agent.starts_with("bulla/"), "{signature}");
    }
}
