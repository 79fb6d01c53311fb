//! What comes from timestamp authorities and about revocation: tokens, responses, CRLs and OCSP answers.
#![no_main]

use bulla_core::notation::revocation::{Answer, Crl, Evidence, Status, check, request_address};
use bulla_core::notation::timestamp;
use bulla_core::time::UnixTime;
use bulla_core::x509::{Certificate, read_all};

const NOW: UnixTime = UnixTime(1_796_083_200);

fn certificate(pem: &[u8]) -> Certificate {
    read_all(pem).expect("valid").remove(0)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let leaf = certificate(include_bytes!("../../core/testdata/notation/p256.pem"));
    let issuer = certificate(include_bytes!("../../core/testdata/notation/intermediate.pem"));
    let root = certificate(include_bytes!("../../core/testdata/notation/tsa-root.pem"));
    let _ = (timestamp::verify(bytes, b"signature", &[root]), timestamp::token(bytes, &[1]));
    let crls: Vec<Crl> = Crl::parse(bytes).into_iter().collect();
    let url = request_address("http://ocsp.example", &leaf, &issuer).expect("an address");
    let answers = [(url.as_str(), Answer::Content(bytes)), ("http://pki.example/ca.crl", Answer::Content(bytes))];
    let evidence = Evidence { answers: answers.into() };
    // Whatever comes, the certificate names somebody who could revoke it.
    assert!(!matches!(check((&leaf, &issuer), None, NOW, &crls, &evidence), Status::NotRevocable));
});
