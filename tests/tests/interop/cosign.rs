//! cosign signs and Bulla verifies; Bulla signs and cosign verifies.

use bulla_tests::peers;

use bulla_tests::support::{
    Registry, bulla, bulla_key, bulla_verify, cosign_key, cosign_sign, cosign_verify, output, run,
};

/// Bulla signs with each kind of key that it makes; both cosigns accept, and refuse under another key.
#[test]
fn bulla_signs_cosign_2_6_and_3_1_verify() {
    let Some(registry) = Registry::start() else { return };
    let (Some(old), Some(new)) = (peers::require("cosign-2.6"), peers::require("cosign-3.1")) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (_, other) = bulla_key(folder.path(), "other", "ecdsa-p256");
    for algorithm in ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519"] {
        let image = registry.name(&format!("interop/{algorithm}:1"));
        registry.push_image(&image, algorithm);
        let (private, public) = bulla_key(folder.path(), algorithm, algorithm);
        run(bulla().args(["sign", "--yes", "--key"]).arg(&private).args(["--annotation", "stage=test"]).arg(&image));
        for cosign in [&old, &new] {
            let accepted = cosign_verify(cosign, &public, &image, &["-a", "stage=test"]);
            let said = String::from_utf8_lossy(&accepted.stderr);
            assert!(accepted.status.success(), "{} and {algorithm}: {said}", cosign.display());
            assert!(String::from_utf8_lossy(&accepted.stdout).contains("\"stage\":\"test\""));
            assert!(!cosign_verify(cosign, &other, &image, &[]).status.success(), "another key was accepted");
            assert!(!cosign_verify(cosign, &public, &image, &["-a", "stage=other"]).status.success());
        }
    }
}

/// cosign signs with a key of its own; Bulla accepts under it, and rejects under another one for that reason.
#[test]
fn cosign_2_6_signs_bulla_verifies() {
    let Some(registry) = Registry::start() else { return };
    let Some(cosign) = peers::require("cosign-2.6") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let image = registry.name("interop/app:1");
    let digest = registry.push_image(&image, "app");
    let (private, public) = cosign_key(&cosign, folder.path(), "cosign");
    let (_, other) = bulla_key(folder.path(), "other", "ecdsa-p256");
    let public = public.display().to_string();

    let (code, verdict) = bulla_verify(&[&image, "--key", &public]);
    assert_eq!((code, verdict["outcome"].as_str()), (1, Some("reject")));
    assert!(verdict.to_string().contains("not-signed"), "{verdict}");

    cosign_sign(&cosign, &private, &image, &[]);
    cosign_sign(&cosign, &private, &image, &["-a", "stage=test"]);
    let (code, verdict) = bulla_verify(&[&image, "--key", &public]);
    assert_eq!((code, verdict["outcome"].as_str()), (0, Some("accept")), "{verdict}");
    assert_eq!(verdict["digest"].as_str(), Some(digest.as_str()));
    let (code, verdict) = bulla_verify(&[&image, "--key", &public, "--annotation", "stage=test"]);
    assert_eq!((code, verdict["outcome"].as_str()), (0, Some("accept")), "{verdict}");
    let (code, verdict) = bulla_verify(&[&image, "--key", &public, "--annotation", "stage=other"]);
    assert_eq!(code, 1);
    assert!(verdict.to_string().contains("\"annotation\""), "{verdict}");

    let (code, verdict) = bulla_verify(&[&image, "--key", &other.display().to_string()]);
    assert_eq!(code, 1);
    assert!(verdict.to_string().contains("other-key"), "{verdict}");
}

/// A key that cosign encrypted signs in Bulla, and Bulla's signature stands beside cosign's.
#[test]
fn bulla_signs_with_a_key_of_cosign_and_loses_no_signature() {
    let Some(registry) = Registry::start() else { return };
    let (Some(old), Some(new)) = (peers::require("cosign-2.6"), peers::require("cosign-3.1")) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let image = registry.name("interop/shared:1");
    registry.push_image(&image, "shared");
    let (first, first_public) = cosign_key(&old, folder.path(), "first");
    let (second, second_public) = cosign_key(&new, folder.path(), "second");
    cosign_sign(&old, &first, &image, &[]);
    run(bulla().args(["sign", "--yes", "--key"]).arg(&second).arg(&image));
    for public in [&first_public, &second_public] {
        for cosign in [&old, &new] {
            assert!(cosign_verify(cosign, public, &image, &[]).status.success(), "{}", public.display());
        }
        let (code, verdict) = bulla_verify(&[&image, "--key", &public.display().to_string()]);
        assert_eq!(code, 0, "{verdict}");
    }
}

/// RSA keys sign in the host; OpenSSL makes them, and both cosigns accept.
#[test]
fn bulla_signs_with_rsa_cosign_verifies() {
    let Some(registry) = Registry::start() else { return };
    let (Some(old), Some(new)) = (peers::require("cosign-2.6"), peers::require("cosign-3.1")) else { return };
    let Some(openssl) = peers::require("openssl") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for bits in ["2048", "3072", "4096"] {
        let image = registry.name(&format!("interop/rsa-{bits}:1"));
        registry.push_image(&image, bits);
        let private = folder.path().join(format!("{bits}.pem"));
        let public = folder.path().join(format!("{bits}.pub"));
        let option = format!("rsa_keygen_bits:{bits}");
        run(std::process::Command::new(&openssl)
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &option, "-out"])
            .arg(&private));
        run(std::process::Command::new(&openssl)
            .args(["pkey", "-pubout", "-in"])
            .arg(&private)
            .arg("-out")
            .arg(&public));
        run(bulla().args(["sign", "--yes", "--key"]).arg(&private).arg(&image));
        for cosign in [&old, &new] {
            let accepted = cosign_verify(cosign, &public, &image, &[]);
            assert!(accepted.status.success(), "{bits}: {}", String::from_utf8_lossy(&accepted.stderr));
        }
    }
}

/// What `bulla key import` writes from PKCS #8, cosign reads: it signs with it.
#[test]
fn cosign_2_6_signs_with_a_key_that_bulla_encrypted() {
    let Some(registry) = Registry::start() else { return };
    let Some(cosign) = peers::require("cosign-2.6") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = bulla_key(folder.path(), "made", "ecdsa-p256");
    let image = registry.name("interop/imported:1");
    registry.push_image(&image, "imported");
    cosign_sign(&cosign, &private, &image, &[]);
    let (code, verdict) = bulla_verify(&[&image, "--key", &public.display().to_string()]);
    assert_eq!(code, 0, "{verdict}");
}

/// Bundles and Notation signatures are not read yet; what cosign 3.1 writes by default is named and not called unsigned.
#[test]
fn a_bundle_of_cosign_3_1_is_named() {
    let Some(registry) = Registry::start() else { return };
    let Some(cosign) = peers::require("cosign-3.1") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let image = registry.name("interop/bundle:1");
    registry.push_image(&image, "bundle");
    let (private, public) = cosign_key(&cosign, folder.path(), "cosign");
    let signed = output(
        bulla_tests::support::cosign_command(&cosign)
            .args(["sign", "--use-signing-config=false", "--tlog-upload=false", "--key"])
            .arg(&private)
            .arg(&image),
    );
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let (code, verdict) = bulla_verify(&[&image, "--key", &public.display().to_string()]);
    assert_eq!(code, 1);
    assert!(verdict["otherForms"].to_string().contains("Sigstore bundle"), "{verdict}");
    assert!(verdict["summary"].as_str().is_some_and(|summary| summary.contains("not read by this version")));
}
