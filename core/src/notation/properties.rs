//! No octets make a reader panic, and nothing that was changed is taken for what was signed.
#![cfg(test)]

use proptest::prelude::*;

use super::Envelope;
use super::fixtures::{COSE, JWS, chain, fixture};
use super::revocation::{Crl, Evidence, Status, check};
use super::timestamp;
use super::trust_policy::{Document, DocumentKind};
use crate::time::UnixTime;
use crate::x509::name::{Subject, render};
use crate::x509::{Certificate, read_all};

/// Real octets with some of them replaced, taken away or put in.
fn broken(original: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3u8);
    prop::collection::vec(change, 0..4).prop_map(move |changes| {
        let mut octets = original.to_vec();
        for (place, octet, kind) in changes {
            let at = place.index(octets.len());
            match kind {
                0 => octets[at] = octet,
                1 => drop(octets.remove(at)),
                _ => octets.insert(at, octet),
            }
        }
        octets
    })
}

fn any_of(original: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => broken(original), 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_changed_envelope_says_what_was_signed_or_nothing(
        jws in any_of(fixture!("envelopes/timestamped.jws")),
        cose in any_of(fixture!("envelopes/p256.cose")),
    ) {
        let original = Envelope::parse(fixture!("envelopes/p256.jws"), JWS).expect("valid").verify().expect("holds");
        for (bytes, media_type) in [(jws, JWS), (cose, COSE)] {
            if let Ok(signed) = Envelope::parse(&bytes, media_type).and_then(|envelope| envelope.verify()) {
                prop_assert_eq!(signed.payload(), original.payload());
                prop_assert_eq!(signed.attributes(), original.attributes());
            }
        }
    }

    #[test]
    fn a_changed_token_states_the_same_or_nothing(token in any_of(fixture!("tokens/p256.der"))) {
        let envelope = Envelope::parse(fixture!("envelopes/p256.jws"), JWS).expect("valid");
        let roots = read_all(fixture!("tsa-root.pem")).expect("valid");
        let original = timestamp::verify(fixture!("tokens/p256.der"), envelope.signature(), &roots).expect("valid");
        if let Ok(timestamp) = timestamp::verify(&token, envelope.signature(), &roots) {
            prop_assert_eq!(timestamp, original);
        }
        let _ = timestamp::token(&token, &[1]);
    }

    #[test]
    fn a_changed_list_never_clears_a_revoked_certificate(
        list in any_of(fixture!("revocation/revoked.crl")),
        signed in any::<i64>(),
    ) {
        let chain = chain();
        let crls: Vec<Crl> = Crl::parse(&list).into_iter().collect();
        let now = super::fixtures::NOW;
        let status = check((&chain[0], &chain[1]), Some(UnixTime(signed)), now, &crls, &Evidence::default());
        prop_assert!(!matches!(status, Status::Good | Status::NotRevocable));
    }

    #[test]
    fn a_certificate_is_exactly_its_octets(file in any_of(fixture!("p256.pem")), der in any::<Vec<u8>>()) {
        for certificate in read_all(&file).into_iter().flatten() {
            prop_assert_eq!(Certificate::from_der(certificate.der()), Ok(certificate.clone()));
            prop_assert_eq!(read_all(certificate.to_pem().as_bytes()), Ok(vec![certificate]));
        }
        let _ = (Certificate::from_der(&der), render(&der));
    }

    #[test]
    fn a_subject_is_a_part_of_itself(text in "(C=US, ST=WA, O=)?[ -~äβ]{0,40}") {
        if let Ok(subject) = Subject::parse(&text) {
            prop_assert!(subject.is_part_of(&subject));
        }
    }

    #[test]
    fn a_trust_policy_is_read_or_refused(text in "[ -~]{0,80}") {
        let _ = Document::parse(text.as_bytes(), DocumentKind::Blob);
        let policy = format!(
            r#"{{"version":"1.0","trustPolicies":[{{"name":{text:?},"registryScopes":[{text:?}],"signatureVerification":{{"level":{text:?}}}}}]}}"#
        );
        prop_assert!(Document::parse(policy.as_bytes(), DocumentKind::Oci).is_err());
    }
}
