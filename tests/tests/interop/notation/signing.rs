//! What `bulla sign --form notation` can say beyond the matrix, and where its keys may be: the notation CLI verifies it.

use std::fs;

use bulla_tests::peers;
use bulla_tests::support::certificates::Leaf;
use bulla_tests::support::notation::{FORMATS, Notation, Trust};
use bulla_tests::support::{Registry, RegistryKind, output, run};

use super::{bulla_sign, notation_verifies};
use crate::remote_keys::{put_program, soft_token};

#[test]
fn a_timestamp_is_one_that_notation_demands() {
    let Some(notation) = Notation::new() else { return };
    let Some(registry) = Registry::start_kind(RegistryKind::Ferro) else { return };
    let authority = notation.authority("root", "EC-256");
    let timestamps = notation.authority("tsa-root", "RSA-2048");
    let other = notation.authority("other-root", "RSA-2048");
    let leaf = timestamps.issue("tsa", "RSA-2048", &Leaf { timestamping: true, ..Leaf::default() });
    let served = timestamps.serve_timestamps(&leaf);
    notation.trust("ca:acme", &authority.own.certificate);
    notation.trust("tsa:acme", &timestamps.own.certificate);
    notation.policy(&Trust { stores: &["ca:acme", "tsa:acme"], timestamps: Some("always"), ..Trust::default() });
    let url = served.url("/");
    for (algorithm, format) in ["EC-384", "RSA-2048"].into_iter().zip(FORMATS) {
        let key = authority.issue(&format!("key-{format}"), algorithm, &Leaf::default()).key;
        let image = registry.name(&format!("stamped/{format}:1"));
        registry.push_image(&image, format);
        let sign = || bulla_sign(&key, format, &image);
        // An authority that is not trusted: nothing is published.
        let before = served.asked().len();
        let refused =
            output(sign().args(["--timestamp-url", &url, "--timestamp-root-cert"]).arg(&other.own.certificate));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("timestamp"), "{said}");
        assert_eq!(served.asked().len(), before + 1);
        assert_eq!(notation.list(&image), [""; 0], "{format}");
        // Without a timestamp, this policy refuses it.
        run(&mut sign());
        assert!(notation_verifies(&notation, &image).is_err(), "{format}");
        run(sign().args(["--timestamp-url", &url, "--timestamp-root-cert"]).arg(&timestamps.own.certificate));
        assert_eq!(notation_verifies(&notation, &image), Ok(()), "{format}");
        assert_eq!(served.asked().len(), before + 2, "one timestamp for each signature");
    }
    // Nobody answers: nothing is published either.
    drop(served);
    let key = authority.issue("late", "EC-256", &Leaf::default()).key;
    let image = registry.name("stamped/late:1");
    registry.push_image(&image, "late");
    let mut sign = bulla_sign(&key, "jws", &image);
    let refused =
        output(sign.args(["--timestamp-url", &url, "--timestamp-root-cert"]).arg(&timestamps.own.certificate));
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(notation.list(&image), [""; 0]);
}

#[test]
fn metadata_and_expiry_are_what_notation_reads() {
    let Some(notation) = Notation::new() else { return };
    let authority = notation.authority("root", "EC-256");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.policy(&Trust::default());
    let key = authority.issue("release", "EC-256", &Leaf::default()).key;
    for kind in RegistryKind::there() {
        let Some(registry) = Registry::start_kind(kind) else { return };
        for format in FORMATS {
            let image = registry.name(&format!("said/{format}:1"));
            registry.push_image(&image, format);
            let more = ["--annotation", "stage=tested", "--annotation", "build=42", "--expiry", "720h"];
            run(bulla_sign(&key, format, &image).args(more));
            assert!(
                notation.verify(&image, &["--user-metadata", "stage=tested"]).status.success(),
                "{kind:?} {format}"
            );
            assert!(!notation.verify(&image, &["--user-metadata", "stage=other"]).status.success());
            let signature = &notation.inspect(&image)["Signatures"][0];
            assert_eq!(signature["userDefinedAttributes"]["build"], "42", "{signature}");
            let attribute = |name: &str| signature["signedAttributes"][name].as_str().unwrap_or_default().to_owned();
            assert!(attribute("expiry") > attribute("signingTime"), "{signature}");
            let agent = signature["unsignedAttributes"]["signingAgent"].as_str().unwrap_or_default();
            assert!(agent.starts_with("bulla/"), "{signature}");
        }
    }
}

#[test]
fn several_images_and_all_of_an_index_are_signed_and_a_dry_run_signs_none() {
    let Some(notation) = Notation::new() else { return };
    let authority = notation.authority("root", "EC-256");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.policy(&Trust::default());
    let key = authority.issue("release", "RSA-2048", &Leaf::default()).key;
    for kind in RegistryKind::there() {
        let Some(registry) = Registry::start_kind(kind) else { return };
        let (one, all) = (registry.name("several/one:1"), registry.name("several/all:1"));
        registry.push_image(&one, "one");
        let index = registry.push_index(&all, "all");
        let sign = || bulla_sign(&key, "cose", &one);
        run(sign().arg(&all).args(["--recursive", "--dry-run"]));
        assert!(notation_verifies(&notation, &one).is_err(), "{kind:?}");
        run(sign().arg(&all).arg("--recursive"));
        let repository = all.trim_end_matches(":1");
        for image in
            [one, format!("{repository}@{}", index.amd64), format!("{repository}@{}", index.arm64), all.clone()]
        {
            assert_eq!(notation_verifies(&notation, &image), Ok(()), "{kind:?}");
        }
    }
}

#[test]
fn bulla_signs_for_notation_with_a_token_and_with_a_program() {
    let (Some(notation), Some(softhsm)) = (Notation::new(), peers::require("softhsm2-util")) else { return };
    let (Some(registry), Some(_)) = (Registry::start_kind(RegistryKind::Ferro), peers::require("python3")) else {
        return;
    };
    let authority = notation.authority("root", "EC-256");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.policy(&Trust::default());
    for algorithm in ["EC-384", "RSA-3072"] {
        let name = format!("token-{}", algorithm.to_lowercase());
        let key = authority.issue(&name, algorithm, &Leaf::default());
        let folder = tempfile::tempdir().expect("a folder");
        let token = soft_token(&softhsm, folder.path(), &key.key);
        // The key is in the token alone.
        fs::remove_file(&key.key).expect("the file");
        let image = registry.name(&format!("token/{name}:1"));
        registry.push_image(&image, &name);
        let id = "pkcs11:token=release;object=images".as_ref();
        let without = output(bulla_sign(id, "jws", &image).envs(token.clone()));
        let said = String::from_utf8_lossy(&without.stderr).into_owned();
        assert!(said.contains("--certificate-chain FILE"), "{said}");
        run(bulla_sign(id, "jws", &image).envs(token).arg("--certificate-chain").arg(&key.chain));
        assert_eq!(notation_verifies(&notation, &image), Ok(()), "{algorithm}");
    }
    let path = put_program(notation.folder());
    let key = authority.issue("program", "EC-521", &Leaf::default());
    let other = authority.issue("other", "EC-521", &Leaf::default());
    let image = registry.name("program/app:1");
    registry.push_image(&image, "program");
    let id = format!("testkms://{}", key.key.display());
    let sign = |chain: &std::path::Path| {
        let mut command = bulla_sign(id.as_ref(), "cose", &image);
        command.env("PATH", &path).arg("--certificate-chain").arg(chain);
        command
    };
    let refused = output(&mut sign(&other.chain));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("that of another key"));
    run(&mut sign(&key.chain));
    assert_eq!(notation_verifies(&notation, &image), Ok(()));
}
