//! Sigstore bundles of cosign 3.1: read, told apart from each other and from the legacy form.

use std::path::{Path, PathBuf};

use bulla_tests::peers;
use bulla_tests::support::{
    Registry, RegistryKind, bulla_key, bulla_verify, cosign_command, cosign_key, cosign_sign, cosign_verify, run,
};

/// `cosign sign` or `attest` of version 3 as it is by default, which is a bundle, and without any public service.
pub(crate) fn cosign_bundle(cosign: &Path, verb: &str, key: &Path, image: &str, more: &[&str]) {
    let mut command = cosign_command(cosign);
    command.args([verb, "--use-signing-config=false", "--tlog-upload=false", "--key"]).arg(key);
    run(command.args(more).arg(image));
}

/// A file with a provenance predicate.
pub(crate) fn provenance(folder: &Path) -> PathBuf {
    let file = folder.join("provenance.json");
    let predicate = r#"{"buildDefinition":{"buildType":"https://example.test/build/v1","externalParameters":{}},"runDetails":{"builder":{"id":"https://example.test/builder"}}}"#;
    std::fs::write(&file, predicate).expect("a predicate");
    file
}

/// What cosign 3.1 writes by default is accepted; where only the other form counts, it is named and not counted.
#[test]
fn a_bundle_of_cosign_3_1_is_accepted_unless_the_form_is_pinned() {
    let Some(cosign) = peers::require("cosign-3.1") else { return };
    for kind in RegistryKind::there() {
        let Some(registry) = Registry::start_kind(kind) else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let image = registry.name("interop/bundle:1");
        let digest = registry.push_image(&image, "bundle");
        let (private, public) = cosign_key(&cosign, folder.path(), "cosign");
        let (_, other) = bulla_key(folder.path(), "other", "ecdsa-p256");
        let (public, other) = (public.display().to_string(), other.display().to_string());
        let (code, verdict) = bulla_verify(&[&image, "--key", &public]);
        assert_eq!(code, 1, "not signed yet: {verdict}");

        cosign_bundle(&cosign, "sign", &private, &image, &[]);
        for forms in [&[][..], &["--form", "bundle"], &["--form", "legacy", "--form", "bundle"]] {
            let (code, verdict) = bulla_verify(&[&[&image, "--key", &public], forms].concat());
            assert_eq!((code, verdict["outcome"].as_str()), (0, Some("accept")), "{forms:?} at {kind:?}: {verdict}");
            assert_eq!(verdict["digest"].as_str(), Some(digest.as_str()));
        }
        let (code, verdict) = bulla_verify(&[&image, "--key", &other]);
        assert_eq!(code, 1);
        assert!(verdict.to_string().contains("other-key"), "{verdict}");

        let (code, verdict) = bulla_verify(&[&image, "--key", &public, "--form", "legacy"]);
        assert_eq!(code, 1, "{verdict}");
        assert!(verdict["otherForms"].to_string().contains("Sigstore bundle"), "{verdict}");
        assert!(verdict.to_string().contains("not-signed"), "{verdict}");
    }
}

/// The other way round: a legacy signature does not count where bundles are asked for.
#[test]
fn a_legacy_signature_does_not_count_where_bundles_are_asked_for() {
    let Some(cosign) = peers::require("cosign-2.6") else { return };
    for kind in RegistryKind::there() {
        let Some(registry) = Registry::start_kind(kind) else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let image = registry.name("interop/legacy:1");
        registry.push_image(&image, "legacy");
        let (private, public) = cosign_key(&cosign, folder.path(), "cosign");
        let public = public.display().to_string();
        cosign_sign(&cosign, &private, &image, &[]);
        let (code, verdict) = bulla_verify(&[&image, "--key", &public, "--form", "legacy"]);
        assert_eq!(code, 0, "{verdict}");
        let (code, verdict) = bulla_verify(&[&image, "--key", &public, "--form", "bundle"]);
        assert_eq!(code, 1, "{verdict}");
        assert!(verdict.to_string().contains("nothing-found"), "{verdict}");
    }
}

/// A provenance is no signature and a signature is no provenance, by the same key and in the same form; what stands in the
/// predicate is compared.
#[test]
fn an_attestation_is_no_signature_and_its_predicate_is_compared() {
    let Some(cosign) = peers::require("cosign-3.1") else { return };
    let Some(registry) = Registry::start_kind(RegistryKind::Ferro) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (private, public) = cosign_key(&cosign, folder.path(), "cosign");
    let public = public.display().to_string();
    let predicate = provenance(folder.path()).display().to_string();
    let (attested, signed) = (registry.name("interop/attested:1"), registry.name("interop/signed:1"));
    registry.push_image(&attested, "attested");
    registry.push_image(&signed, "signed");
    cosign_bundle(&cosign, "attest", &private, &attested, &["--type", "slsaprovenance1", "--predicate", &predicate]);
    cosign_bundle(&cosign, "sign", &private, &signed, &[]);

    let (code, verdict) = bulla_verify(&[&attested, "--key", &public]);
    assert_eq!(code, 1, "{verdict}");
    assert!(verdict["otherForms"].to_string().contains("https://slsa.dev/provenance/v1"), "{verdict}");
    // cosign takes any bundle by the key for a signature.
    assert!(
        cosign_verify(&cosign, Path::new(&public), &attested, &[]).status.success(),
        "docs/interop.md says otherwise"
    );
    let ask = ["--key", &public, "--attestation", "slsaprovenance1"];
    let (code, verdict) = bulla_verify(&[&[signed.as_str()], &ask[..]].concat());
    assert_eq!(code, 1, "{verdict}");

    for (predicate, expected) in [
        ("/buildDefinition/buildType=https://example.test/build/v1", 0),
        ("/runDetails/builder/id=https://example.test/builder", 0),
        ("/buildDefinition/buildType=https://example.test/build/v2", 1),
        ("/buildDefinition/nothing=1", 1),
    ] {
        let (code, verdict) = bulla_verify(&[&[attested.as_str()], &ask[..], &["--predicate", predicate]].concat());
        assert_eq!(code, expected, "{predicate}: {verdict}");
        assert_eq!(verdict.to_string().contains("\"predicate\""), expected == 1, "{verdict}");
    }
}
