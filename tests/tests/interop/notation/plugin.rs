//! The notation CLI signs with keys that Bulla reaches and it does not: in a token, and of a program.

use std::fs;

use bulla_tests::peers;
use bulla_tests::support::certificates::Leaf;
use bulla_tests::support::notation::{FORMATS, Notation, Trust};
use bulla_tests::support::{Registry, RegistryKind, bulla_path, output, run};

use super::notation_verifies;
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
