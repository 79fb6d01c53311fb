//! One flipped byte, in each place that a registry could flip one: rejected, with the reason.

use bulla_tests::peers;
use serde_json::Value;

use bulla_tests::support::{Registry, bulla_key, bulla_verify, cosign_key, cosign_sign};

struct Signed {
    registry: Registry,
    image: String,
    digest: String,
    public: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

/// An image that cosign signed with an annotation, so that its payload is a blob which has to be fetched.
fn signed() -> Option<Signed> {
    let registry = Registry::start()?;
    let cosign = peers::require("cosign-2.6")?;
    let folder = tempfile::tempdir().expect("a folder");
    let image = registry.name("interop/damaged:1");
    let digest = registry.push_image(&image, "damaged");
    let (private, public) = cosign_key(&cosign, folder.path(), "cosign");
    cosign_sign(&cosign, &private, &image, &["-a", "stage=test"]);
    let signed = Signed { registry, image, digest, public, _folder: folder };
    assert_eq!(signed.verify().0, 0, "whole, it is accepted");
    Some(signed)
}

impl Signed {
    fn verify(&self) -> (i32, Value) {
        bulla_verify(&[&self.image, "--key", &self.public.display().to_string()])
    }

    fn signature_image(&self) -> std::path::PathBuf {
        self.registry.blob_file(&self.registry.signature_image("interop/damaged", &self.digest))
    }
}

fn flip(file: &std::path::Path, find: &str, offset: usize) {
    let mut bytes = std::fs::read(file).expect("readable");
    let place = bytes.windows(find.len()).position(|window| window == find.as_bytes()).expect("there") + offset;
    // Another character of the same alphabet: 'A' and 'B' are both base64, '1' and '0' both hexadecimal.
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    std::fs::write(file, bytes).expect("writable");
}

#[test]
fn a_flipped_byte_in_the_payload_is_rejected() {
    let Some(signed) = signed() else { return };
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(signed.signature_image()).expect("readable")).expect("JSON");
    let payload = signed.registry.blob_file(manifest["layers"][0]["digest"].as_str().expect("a digest"));
    flip(&payload, "stage", 0);
    let (code, verdict) = signed.verify();
    assert_eq!(code, 1, "{verdict}");
    assert!(verdict.to_string().contains("\"payload-digest\""), "{verdict}");
}

#[test]
fn a_flipped_byte_in_the_signature_is_rejected() {
    let Some(signed) = signed() else { return };
    // 20 characters into the base64: inside the first number of the signature.
    flip(&signed.signature_image(), "dev.cosignproject.cosign/signature\":\"", 37 + 20);
    let (code, verdict) = signed.verify();
    assert_eq!(code, 1, "{verdict}");
    assert!(verdict.to_string().contains("\"other-key\""), "{verdict}");
}

#[test]
fn a_flipped_byte_in_the_signature_image_is_rejected() {
    let Some(signed) = signed() else { return };
    flip(&signed.signature_image(), "\"layers\"", 1);
    let (code, verdict) = signed.verify();
    assert_eq!(code, 1, "{verdict}");
    assert!(verdict.to_string().contains("\"signature-image\""), "{verdict}");
}

#[test]
fn a_changed_image_is_another_image() {
    let Some(signed) = signed() else { return };
    // The tag moves to an image that nobody signed: the signatures of the old digest do not speak for it.
    let moved = signed.registry.push_image(&signed.image, "replaced");
    assert_ne!(moved, signed.digest);
    let (code, verdict) = signed.verify();
    assert_eq!((code, verdict["digest"].as_str()), (1, Some(moved.as_str())), "{verdict}");
    assert!(verdict.to_string().contains("\"not-signed\""), "{verdict}");
}

#[test]
fn a_flipped_byte_in_the_key_is_rejected() {
    let Some(signed) = signed() else { return };
    let pem = std::fs::read_to_string(&signed.public).expect("readable");
    // A byte of the point: either it is no point of the curve any more, or it is another key.
    let damaged: String = pem.replacen("\n-----END", "X\n-----END", 1);
    std::fs::write(&signed.public, damaged).expect("writable");
    let output = bulla_tests::support::output(
        bulla_tests::support::bulla().arg("verify").arg(&signed.image).arg("--key").arg(&signed.public),
    );
    assert_eq!(output.status.code(), Some(2), "a file that is no key cannot be verified with");
    assert!(String::from_utf8_lossy(&output.stderr).contains("key"), "{output:?}");

    let folder = tempfile::tempdir().expect("a folder");
    let (_, other) = bulla_key(folder.path(), "other", "ecdsa-p256");
    let (code, verdict) = bulla_verify(&[&signed.image, "--key", &other.display().to_string()]);
    assert_eq!(code, 1);
    assert!(verdict.to_string().contains("\"other-key\""), "{verdict}");
}
