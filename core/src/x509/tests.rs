//! Names as Go renders them, identities as notation-go judges them, and certificates that are none.
#![cfg(test)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::name::{NameError, Subject, render};
use super::{Certificate, CertificateError, read_all};

#[derive(Deserialize)]
struct Name {
    name: String,
    go: String,
}

#[derive(Deserialize)]
struct Identity {
    identity: String,
    go: bool,
}

const LEAF: &[u8] = include_bytes!("../../testdata/notation/p256.pem");

fn leaf() -> Certificate {
    read_all(LEAF).expect("valid").remove(0)
}

#[test]
fn names_are_rendered_as_go_renders_them() {
    let names: Vec<Name> = serde_json::from_str(include_str!("../../testdata/notation/names.json")).expect("valid");
    assert!(names.len() >= 10);
    for Name { name, go } in &names {
        let rendered = render(&STANDARD.decode(name).expect("base64"));
        match rendered {
            Ok(rendered) => assert_eq!(rendered, *go),
            Err(error) => assert!(go.starts_with("error"), "{go}: {error}"),
        }
    }
    assert!(matches!(render(b"\x30\x01"), Err(NameError::Encoding(_))));
    // Two values of one attribute, and one that has no name: such a subject is none of anybody's identities.
    let of = |index: usize| Subject::of(&STANDARD.decode(&names[index].name).expect("base64"));
    assert!(matches!(of(1), Err(NameError::MultiValued(_))));
    assert!(matches!(of(2), Err(NameError::Hexadecimal(_))));
}

#[test]
fn identities_are_read_as_notation_reads_them_or_more_strictly() {
    // An empty value, an attribute that no certificate has here, and a kind that only a plugin knows.
    let stricter = ["CN=", "emailAddress=a", "other: x"];
    let cases: Vec<Identity> =
        serde_json::from_str(include_str!("../../testdata/notation/identities.json")).expect("valid");
    for Identity { identity, go } in cases {
        let Some(text) = identity.strip_prefix("x509.subject:").filter(|text| !text.is_empty()) else { continue };
        let accepted = Subject::parse(text).is_ok();
        let expected = go && !stricter.iter().any(|end| identity.ends_with(end));
        assert_eq!(accepted, expected, "{identity}: {:?}", Subject::parse(text));
    }
}

#[test]
fn each_identity_fails_by_its_own_rule() {
    let error = |text: &str| Subject::parse(text).expect_err(text);
    assert!(matches!(error("C=US, ST=WA, O=x, CN=#00"), NameError::Hexadecimal(_)));
    assert!(matches!(error("c=US, ST=WA, O=x"), NameError::Type(_)));
    assert!(matches!(error("C=US, ST=WA, O=x, OU"), NameError::Incomplete(_)));
    assert!(matches!(error("C=US, ST=WA, O=x+OU=y"), NameError::MultiValued(_)));
    assert!(matches!(error("C=US, ST=WA, S=WA, O=x"), NameError::Repeated { .. }));
    assert!(matches!(error("C=US, ST=WA, O="), NameError::Empty { .. }));
    assert!(matches!(error("C=US, ST=WA"), NameError::Missing { attribute: "O", .. }));
    assert!(matches!(error("C=US, ST=WA, O=x\\"), NameError::Escape(_)));
    assert!(matches!(error("C=US, ST=WA, O=\\ff"), NameError::Escape(_)));
    assert!(matches!(error("C=US, ST=WA, O=\"x\""), NameError::Unescaped { character: '"', .. }));
    assert!(matches!(error("C=US, ST=WA, O= #x"), NameError::Unescaped { character: '#', .. }));
}

#[test]
fn a_subject_is_compared_as_a_subset() {
    let subject = Subject::of(leaf().subject()).expect("readable");
    let matches = |text: &str| Subject::parse(text).expect("valid").is_part_of(&subject);
    assert!(matches("C=US, ST=WA, O=Bulla Test"));
    assert!(matches("CN=p256,O=Bulla Test;S=WA , C=US"));
    assert!(matches("C=US, ST=WA, O=\\42ulla\\20Test"));
    assert!(!matches("C=US, ST=WA, O=bulla test"));
    assert!(!matches("C=US, ST=WA, O=Bulla Test, OU=x"));
    assert!(!matches("C=US, ST=WA, O=\\ Bulla Test"));
}

#[test]
fn a_certificate_is_what_it_says() {
    let leaf = leaf();
    assert_eq!(leaf.subject_text(), "CN=p256,O=Bulla Test,L=Seattle,ST=WA,C=US");
    assert_eq!(leaf.extensions().crl_addresses, ["http://pki.example/ca.crl"]);
    assert_eq!(leaf.not_before().to_string(), "2026-01-01T00:00:00Z");
    assert!(leaf.is_valid_at(leaf.not_before()) && leaf.is_valid_at(leaf.not_after()));
    assert!(!leaf.is_valid_at(crate::time::UnixTime(leaf.not_before().0 - 1)));
    assert!(!leaf.is_valid_at(crate::time::UnixTime(leaf.not_after().0 + 1)));
    assert_eq!(Certificate::from_der(leaf.der()), Ok(leaf));
}

#[test]
fn what_is_no_certificate_is_refused() {
    let der = leaf().der().to_vec();
    for end in [0, 1, 10, der.len() - 1] {
        assert!(matches!(Certificate::from_der(&der[..end]), Err(CertificateError::Encoding(_))), "{end}");
    }
    let longer = [der.as_slice(), &[0]].concat();
    assert!(matches!(Certificate::from_der(&longer), Err(CertificateError::Encoding(_))));
    assert_eq!(Certificate::from_der(&vec![0x30; 9000]), Err(CertificateError::TooLarge { got: 9000 }));
    // The algorithm stands inside and outside: here ecdsa-with-SHA256 would be … of a leaf that an RSA key signed.
    let oid = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    let places: Vec<usize> = (0..der.len()).filter(|at| der[*at..].starts_with(&oid)).collect();
    assert_eq!(places.len(), 2);
    let with = |places: &[usize], last: u8| {
        let mut der = der.clone();
        places.iter().for_each(|place| der[place + oid.len() - 1] = last);
        Certificate::from_der(&der)
    };
    assert_eq!(with(&places[..1], 12), Err(CertificateError::OtherAlgorithm));
    assert!(matches!(with(&places, 5), Err(CertificateError::Algorithm(super::AlgorithmError::Broken(_)))));
    assert!(matches!(with(&places, 4), Err(CertificateError::Algorithm(super::AlgorithmError::Broken(_)))));
    assert!(matches!(with(&places, 99), Err(CertificateError::Algorithm(super::AlgorithmError::Unsupported(_)))));
}

#[test]
fn a_file_holds_certificates_and_nothing_else() {
    let two = [LEAF, b"text between\n", LEAF].concat();
    assert_eq!(read_all(&two).map(|all| all.len()), Ok(2));
    assert_eq!(read_all(leaf().der()).map(|all| all.len()), Ok(1));
    let key = include_bytes!("../../testdata/notation/p256.key");
    for file in [&b""[..], b"text", &key[..], &[LEAF, key].concat(), &LEAF[..100], b"\xff"] {
        assert!(matches!(read_all(file), Err(CertificateError::Pem(_))), "{file:?}");
    }
}
