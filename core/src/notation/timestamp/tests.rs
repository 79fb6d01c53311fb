//! Tokens that OpenSSL made over the signature of envelopes/p256.jws.
#![cfg(test)]

use super::{TimestampError, Timestamps, verify};
use crate::notation::Envelope;
use crate::notation::certificates::CertificatesError;
use crate::notation::fixtures::{JWS, certificate, chain, fixture};
use crate::x509::{Certificate, Chain, KeyUsageRule};

const TOKEN: &[u8] = fixture!("tokens/p256.der");

fn signature() -> Vec<u8> {
    Envelope::parse(fixture!("envelopes/p256.jws"), JWS).expect("valid").signature().to_vec()
}

fn roots() -> Vec<Certificate> {
    vec![certificate(fixture!("tsa-root.pem"))]
}

#[test]
fn a_token_leads_to_its_pinned_root() {
    let timestamp = verify(TOKEN, &signature(), &roots()).expect("valid");
    assert_eq!(timestamp.chain().certificates().len(), 3);
    assert!(timestamp.stated().to_string().starts_with("2026-11-22T"));
    let signer = Chain::verify(chain(), KeyUsageRule::Critical).expect("valid");
    assert_eq!(timestamp.is_within(&signer), Ok(()));
    // SHA-512 over the signature, and an RSA key.
    assert!(verify(fixture!("tokens/rsa.der"), &signature(), &roots()).is_ok());
}

#[test]
fn a_token_is_verified_once_for_the_same_roots() {
    let (signature, roots, mut timestamps) = (signature(), roots(), Timestamps::default());
    let whole = verify(TOKEN, &signature, &roots);
    for _ in 0..3 {
        assert_eq!(timestamps.verify(TOKEN, &signature, &roots), whole);
    }
    assert_eq!(timestamps.done.len(), 1);
    // What differs is verified: nobody gets what was found for another signature, or under other roots.
    assert_eq!(timestamps.verify(TOKEN, b"another", &roots), Err(TimestampError::OtherMessage));
    assert!(matches!(timestamps.verify(TOKEN, &signature, &[]), Err(TimestampError::NotPinned { .. })));
    assert_eq!(timestamps.done.len(), 3);
}

#[test]
fn the_whole_interval_has_to_fit() {
    let timestamp = verify(TOKEN, &signature(), &roots()).expect("valid");
    // The accuracy is 1.5 s: a validity that ends with the stated second, or one later, is too short.
    let (from, at) = (crate::time::UnixTime(0), timestamp.stated().0);
    for (last, fits) in [(at, false), (at + 1, false), (at + 4, true)] {
        assert_eq!(timestamp.moment.is_within(from, crate::time::UnixTime(last)), fits, "{last}");
    }
    let until = crate::time::UnixTime(i64::MAX);
    for (first, fits) in [(at, false), (at - 4, true)] {
        assert_eq!(timestamp.moment.is_within(crate::time::UnixTime(first), until), fits, "{first}");
    }
    // Policy 0.4.0.2023.1.1 without an accuracy has one of a second.
    let timestamp = verify(fixture!("tokens/rsa.der"), &signature(), &roots()).expect("valid");
    let at = timestamp.stated().0;
    assert!(!timestamp.moment.is_within(crate::time::UnixTime(at), until));
    assert!(timestamp.moment.is_within(crate::time::UnixTime(at - 1), crate::time::UnixTime(at + 1)));
}

#[test]
fn each_token_fails_by_its_own_rule() {
    let (signature, roots) = (signature(), roots());
    let other = Envelope::parse(fixture!("envelopes/rsa2048.jws"), JWS).expect("valid");
    assert_eq!(verify(TOKEN, other.signature(), &roots), Err(TimestampError::OtherMessage));
    assert!(matches!(verify(TOKEN, &signature, &[]), Err(TimestampError::NotPinned { .. })));
    let wrong = [certificate(fixture!("root.pem"))];
    assert!(matches!(verify(TOKEN, &signature, &wrong), Err(TimestampError::NotPinned { .. })));
    let got = verify(fixture!("tokens/no-intermediate.der"), &signature, &roots);
    assert!(matches!(got, Err(TimestampError::NotPinned { .. })), "{got:?}");
    let got = verify(fixture!("tokens/sha1-ess.der"), &signature, &roots);
    assert_eq!(got, Err(TimestampError::Missing("signingCertificateV2")));
    // The same statement, signed by another program: once as it should be, once by a certificate that is not only for it.
    assert!(verify(fixture!("tokens/cms.der"), &signature, &roots).is_ok());
    let got = verify(fixture!("tokens/purpose-not-critical.der"), &signature, &roots);
    assert!(matches!(got, Err(TimestampError::Certificates(CertificatesError::TsaPurposeNotCritical(_)))), "{got:?}");
    assert_eq!(verify(&[0; 40_000], &signature, &roots), Err(TimestampError::TooLarge { got: 40_000 }));
    assert!(matches!(verify(&TOKEN[..100], &signature, &roots), Err(TimestampError::Encoding(_))));
    assert!(verify(b"\x30\x00", &signature, &roots).is_err());
}

#[test]
fn no_octet_of_what_is_signed_can_be_changed() {
    let (signature, roots) = (signature(), roots());
    let whole = verify(TOKEN, &signature, &roots).expect("valid");
    for at in (0..TOKEN.len()).step_by(7) {
        let mut token = TOKEN.to_vec();
        token[at] ^= 1;
        // What is not signed may change, and nothing that is taken from the token.
        if let Ok(changed) = verify(&token, &signature, &roots) {
            assert_eq!(changed, whole, "octet {at}");
        }
    }
}
