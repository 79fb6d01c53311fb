//! cosign signs and Bulla verifies, with the reasons that it gives; both sign one image. `matrix/` has the combinations.

use bulla_tests::peers;

use bulla_tests::support::{Registry, bulla, bulla_key, bulla_verify, cosign_key, cosign_sign, cosign_verify, run};

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
