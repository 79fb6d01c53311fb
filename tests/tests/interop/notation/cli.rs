//! What the notation CLI says about timestamps, revocation and levels: what Bulla's verdicts are held against, and proof
//! that the authorities of these tests are what they are taken for.

use std::sync::Arc;

use bulla_tests::support::certificates::{Authority, Certificate, Leaf, identity};
use bulla_tests::support::notation::{FORMATS, Notation, Trust};
use bulla_tests::support::{Registry, RegistryKind};
use serde_json::json;

/// A registry that lists referrers, with one image in it.
pub(super) struct Place {
    pub(super) registry: Registry,
    digest: String,
}

impl Place {
    pub(super) fn new() -> Option<Self> {
        let registry = Registry::start_kind(RegistryKind::Ferro)?;
        let digest = registry.push_image(&registry.name("shop/app:1"), "app");
        Some(Self { registry, digest })
    }

    /// The image once more, in a repository that only this name has.
    pub(super) fn image(&self, name: &str) -> String {
        let image = self.registry.name(&format!("{name}/app:1"));
        self.registry.copy(&format!("docker://{}", self.registry.name("shop/app:1")), &format!("docker://{image}"));
        format!("{}@{}", image.trim_end_matches(":1"), self.digest)
    }
}

/// Holds a verdict against what is expected: none is accepted, a text is what the refusal says.
fn expect(notation: &Notation, image: &str, refused: Option<&str>) {
    let output = notation.verify(image, &[]);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    match refused {
        None => assert!(output.status.success(), "{image}: {said}"),
        Some(reason) => {
            assert!(!output.status.success(), "{image} is accepted: {said}");
            assert!(said.contains(reason), "{image} should be refused with {reason}: {said}");
        }
    }
}

#[test]
fn the_notation_cli_lists_what_it_signed_and_holds_identities_against_subjects() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    let authority = notation.authority("root", "RSA-2048");
    notation.trust("ca:acme", &authority.own.certificate);
    notation.add_key("release", &authority.issue("release", "EC-256", &Leaf::default()));
    let image = place.image("listed");
    assert_eq!(notation.list(&image), [""; 0]);
    for format in FORMATS {
        notation.sign("release", format, &image, &["--user-metadata", "stage=tested"]);
    }
    assert_eq!(notation.list(&image).len(), 2);
    for (name, refused) in [("release", None), ("other", Some("signature verification failed"))] {
        notation.policy(&Trust { identities: &[&identity(name)], ..Trust::default() });
        expect(&notation, &image, refused);
    }
    notation.policy(&Trust::default());
    assert!(notation.verify(&image, &["--user-metadata", "stage=tested"]).status.success());
    assert!(!notation.verify(&image, &["--user-metadata", "stage=other"]).status.success());
}

#[test]
fn the_notation_cli_takes_a_timestamp_of_an_authority_that_it_trusts() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    let authority = notation.authority("root", "EC-256");
    let timestamps = notation.authority("tsa-root", "RSA-2048");
    let other = notation.authority("other-root", "RSA-2048");
    let leaf = timestamps.issue("tsa", "RSA-2048", &Leaf { timestamping: true, ..Leaf::default() });
    let served = timestamps.serve_timestamps(&leaf);
    notation.trust("ca:acme", &authority.own.certificate);
    notation.trust("tsa:acme", &timestamps.own.certificate);
    notation.trust("tsa:other", &other.own.certificate);
    notation.add_key("release", &authority.issue("release", "EC-256", &Leaf::default()));
    let root = timestamps.own.certificate.display().to_string();
    let url = served.url("/");
    for (count, format) in FORMATS.into_iter().enumerate() {
        let (with, without) = (place.image(&format!("with-{format}")), place.image(&format!("without-{format}")));
        notation.sign("release", format, &with, &["--timestamp-url", &url, "--timestamp-root-cert", &root]);
        notation.sign("release", format, &without, &[]);
        assert_eq!(served.asked().len(), count + 1, "one timestamp for each signature");
        for (store, image, refused) in [
            ("tsa:acme", &with, None),
            ("tsa:other", &with, Some("signature verification failed")),
            ("tsa:acme", &without, Some("signature verification failed")),
        ] {
            notation.policy(&Trust { stores: &["ca:acme", store], timestamps: Some("always"), ..Trust::default() });
            expect(&notation, image, refused);
        }
        // While every certificate is valid, no timestamp is looked at.
        let after = Some("afterCertExpiry");
        notation.policy(&Trust { stores: &["ca:acme", "tsa:other"], timestamps: after, ..Trust::default() });
        expect(&notation, &without, None);
    }
}

/// A leaf in good standing and a revoked one, both signing an image each.
pub(super) fn signed_by_both(
    notation: &Notation,
    place: &Place,
    authority: &Authority,
    leaf: &Leaf,
    name: &str,
) -> [String; 2] {
    let [good, revoked] = ["good", "revoked"].map(|standing| {
        let key: Certificate = authority.issue(&format!("{name}-{standing}"), "EC-256", leaf);
        notation.add_key(&format!("{name}-{standing}"), &key);
        (format!("{name}-{standing}"), key)
    });
    authority.revoke(&revoked.1);
    [good, revoked].map(|(key, _)| {
        let image = place.image(&key);
        notation.sign(&key, "jws", &image, &[]);
        image
    })
}

#[test]
fn the_notation_cli_refuses_a_revoked_leaf_by_list_and_by_ocsp() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    for name in ["crl", "ocsp"] {
        let authority = Arc::new(notation.authority(name, "EC-256"));
        notation.trust("ca:acme", &authority.own.certificate);
        let (served, leaf) = match name {
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
        };
        let [good, revoked] = signed_by_both(&notation, &place, &authority, &leaf, name);
        let before = served.asked().len();
        for (level, overrides, refused) in [
            ("strict", json!(null), Some("revoked")),
            ("strict", json!({"revocation": "log"}), None),
            ("strict", json!({"revocation": "skip"}), None),
            ("permissive", json!(null), None),
            ("permissive", json!({"revocation": "enforce"}), Some("revoked")),
            ("audit", json!(null), None),
        ] {
            notation.policy(&Trust { level, overrides, ..Trust::default() });
            expect(&notation, &good, None);
            expect(&notation, &revoked, refused);
        }
        assert!(served.asked().len() > before, "{name}: nobody was asked");
        // Who cannot be asked is not known to be in good standing.
        drop(served);
        notation.forget();
        notation.policy(&Trust::default());
        expect(&notation, &good, Some("signature verification failed"));
    }
}

#[test]
fn the_notation_cli_minds_the_level_of_its_policy() {
    let (Some(notation), Some(place)) = (Notation::new(), Place::new()) else { return };
    let authority = notation.authority("root", "EC-256");
    let other = notation.authority("other", "EC-256");
    notation.trust("ca:acme", &other.own.certificate);
    notation.add_key("release", &authority.issue("release", "EC-256", &Leaf::default()));
    let (signed, unsigned) = (place.image("signed"), place.image("unsigned"));
    notation.sign("release", "cose", &signed, &[]);
    for (level, untrusted, nothing) in [
        ("strict", Some("signature verification failed"), Some("no signature")),
        ("permissive", Some("signature verification failed"), Some("no signature")),
        ("audit", None, Some("no signature")),
        ("skip", None, None),
    ] {
        notation.policy(&Trust { level, ..Trust::default() });
        expect(&notation, &signed, untrusted);
        expect(&notation, &unsigned, nothing);
    }
}
