//! Lists and answers that Go made, about certificates of envelopes/.
#![cfg(test)]

use super::crl::{Crl, CrlError};
use super::ocsp::{self, OcspError};
use super::{Answer, Evidence, Kind, Revoked, Status, check, request, request_address};
use crate::notation::Envelope;
use crate::notation::fixtures::{JWS, NOW, chain, fixture};
use crate::time::UnixTime;
use crate::x509::Certificate;

fn chain_of(envelope: &[u8]) -> Vec<Certificate> {
    Envelope::parse(envelope, JWS).expect("valid").verify().expect("holds").chain().certificates().to_vec()
}

fn crl(content: &[u8]) -> Crl {
    Crl::parse(content).expect("a list")
}

fn status(content: &[u8], signed: Option<&str>) -> Result<Option<Revoked>, CrlError> {
    let chain = chain();
    let signed = signed.map(|text| UnixTime::parse(text).expect("a moment"));
    Crl::parse(content)?.status(None, (&chain[0], &chain[1]), signed, NOW)
}

#[test]
fn a_list_says_who_is_revoked() {
    for content in
        [fixture!("revocation/empty.crl"), fixture!("revocation/other.crl"), fixture!("revocation/scope-here.crl")]
    {
        assert_eq!(status(content, None), Ok(None));
    }
    let at = UnixTime::parse("2026-10-01T00:00:00Z").expect("a moment");
    assert_eq!(status(fixture!("revocation/revoked.crl"), None), Ok(Some(Revoked { at, reason: Some(1) })));
    assert_eq!(status(fixture!("revocation/hold.crl"), None), Ok(Some(Revoked { at, reason: Some(6) })));
}

#[test]
fn a_trusted_signing_time_before_the_invalidity_counts() {
    let signed = Some("2026-06-01T12:00:00Z");
    assert_eq!(status(fixture!("revocation/invalid-later.crl"), signed), Ok(None));
    assert!(matches!(status(fixture!("revocation/invalid-later.crl"), None), Ok(Some(_))));
    assert!(matches!(status(fixture!("revocation/invalid-earlier.crl"), signed), Ok(Some(_))));
}

#[test]
fn each_list_fails_by_its_own_rule() {
    assert!(matches!(status(fixture!("revocation/root.crl"), None), Err(CrlError::Issuer(_))));
    assert!(matches!(status(fixture!("revocation/forged.crl"), None), Err(CrlError::Signature(_))));
    assert!(matches!(status(fixture!("revocation/expired.crl"), None), Err(CrlError::NotNow { .. })));
    assert!(matches!(status(fixture!("revocation/future.crl"), None), Err(CrlError::NotNow { .. })));
    assert!(matches!(status(fixture!("revocation/critical.crl"), None), Err(CrlError::Critical(_))));
    assert!(matches!(status(fixture!("revocation/entry-critical.crl"), None), Err(CrlError::Critical(_))));
    assert!(matches!(status(fixture!("revocation/delta-revoked.crl"), None), Err(CrlError::IsDelta)));
    for content in [
        fixture!("revocation/scope-elsewhere.crl"),
        fixture!("revocation/scope-ca.crl"),
        fixture!("revocation/scope-indirect.crl"),
        fixture!("revocation/scope-reasons.crl"),
    ] {
        assert_eq!(status(content, None), Err(CrlError::Scope));
    }
    assert!(matches!(Crl::parse(b"\x30\x00"), Err(CrlError::Encoding(_))));
    assert!(matches!(Crl::parse(&vec![0; 5 << 20]), Err(CrlError::TooLarge { .. })));
    // A leaf may not sign lists, whatever its name.
    let chain = chain();
    let got = crl(fixture!("revocation/empty.crl")).status(None, (&chain[0], &chain[0]), None, NOW);
    assert!(matches!(got, Err(CrlError::Issuer(_))));
}

#[test]
fn a_delta_changes_its_list() {
    let (chain, base) = (chain(), crl(fixture!("revocation/base-hold.crl")));
    assert_eq!(base.delta_address(), Some("http://pki.example/delta.crl"));
    let with = |delta: &[u8]| base.status(Some(&crl(delta)), (&chain[0], &chain[1]), None, NOW);
    assert_eq!(with(fixture!("revocation/delta-removed.crl")), Ok(None));
    assert!(matches!(with(fixture!("revocation/delta-revoked.crl")), Ok(Some(Revoked { reason: Some(1), .. }))));
    assert!(matches!(with(fixture!("revocation/delta-old.crl")), Err(CrlError::Delta(_))));
    assert!(matches!(with(fixture!("revocation/delta-ahead.crl")), Err(CrlError::Delta(_))));
    assert!(matches!(with(fixture!("revocation/empty.crl")), Err(CrlError::Delta(_))));
}

fn answer(content: &[u8], signed: Option<UnixTime>) -> Result<Option<Revoked>, OcspError> {
    let chain = chain_of(fixture!("envelopes/ocsp.jws"));
    ocsp::status(content, &chain[0], &chain[1], signed, NOW)
}

#[test]
fn a_responder_says_whether_a_certificate_is_revoked() {
    for content in [
        fixture!("revocation/good.ocsp"),
        fixture!("revocation/good-sha256.ocsp"),
        fixture!("revocation/delegate.ocsp"),
    ] {
        assert_eq!(answer(content, None), Ok(None));
    }
    let at = UnixTime::parse("2026-10-01T00:00:00Z").expect("a moment");
    assert_eq!(answer(fixture!("revocation/revoked.ocsp"), None), Ok(Some(Revoked { at, reason: Some(1) })));
    let signed = UnixTime::parse("2026-06-01T12:00:00Z");
    assert_eq!(answer(fixture!("revocation/revoked-invalid-later.ocsp"), signed), Ok(None));
    assert!(matches!(answer(fixture!("revocation/revoked-invalid-later.ocsp"), None), Ok(Some(_))));
}

#[test]
fn each_answer_fails_by_its_own_rule() {
    assert_eq!(answer(fixture!("revocation/unknown.ocsp"), None), Err(OcspError::Unknown));
    assert_eq!(answer(fixture!("revocation/try-later.ocsp"), None), Err(OcspError::Refused(3)));
    assert_eq!(answer(fixture!("revocation/other-serial.ocsp"), None), Err(OcspError::OtherCertificate));
    assert_eq!(answer(fixture!("revocation/good-sha512.ocsp"), None), Err(OcspError::OtherCertificate));
    for content in [
        fixture!("revocation/other-issuer.ocsp"),
        fixture!("revocation/delegate-without-purpose.ocsp"),
        fixture!("revocation/delegate-expired.ocsp"),
        fixture!("revocation/delegate-of-another.ocsp"),
    ] {
        assert_eq!(answer(content, None), Err(OcspError::Responder));
    }
    assert!(matches!(answer(fixture!("revocation/expired.ocsp"), None), Err(OcspError::NotNow { .. })));
    assert!(matches!(answer(fixture!("revocation/future.ocsp"), None), Err(OcspError::NotNow { .. })));
    assert!(matches!(answer(b"", None), Err(OcspError::Encoding(_))));
    assert!(matches!(answer(&[0; 30_000], None), Err(OcspError::TooLarge { got: 30_000 })));
    let good = fixture!("revocation/good.ocsp");
    for at in (0..good.len()).step_by(5) {
        let mut content = good.to_vec();
        content[at] ^= 1;
        assert!(answer(&content, None).is_err(), "octet {at}");
    }
}

#[test]
fn the_question_is_the_one_that_go_asks() {
    let chain = chain_of(fixture!("envelopes/ocsp.jws"));
    assert_eq!(request(&chain[0], &chain[1]).expect("written"), fixture!("revocation/request.der"));
    let url = request_address("http://ocsp.example", &chain[0], &chain[1]).expect("an address");
    assert!(url.starts_with("http://ocsp.example/M") && !url[20..].contains(['/', '+', '=']), "{url}");
}

#[test]
fn ocsp_is_asked_first_and_lists_where_it_gives_nothing() {
    let chain = chain_of(fixture!("envelopes/both.jws"));
    let pair = (&chain[0], &chain[1]);
    let look = |evidence: &Evidence<'_>| check(pair, None, NOW, &[], evidence);
    let wanted = |status: Status| match status {
        Status::Unknown { wanted, .. } => wanted,
        other => panic!("{other:?}"),
    };
    let asked = wanted(look(&Evidence::default()));
    assert_eq!((asked.len(), asked[0].kind), (1, Kind::Ocsp));
    let ocsp = asked[0].url.clone();
    let revoked = Answer::Content(fixture!("revocation/both-revoked.ocsp"));
    let evidence = Evidence { answers: [((Kind::Ocsp, ocsp.as_str()), revoked)].into() };
    assert!(matches!(look(&evidence), Status::Revoked(_)));
    // What somebody gives as a list is no response.
    let as_list = Evidence { answers: [((Kind::Crl, ocsp.as_str()), revoked)].into() };
    assert_eq!(wanted(look(&as_list)).len(), 1);
    let failed = Answer::Failed("timed out");
    let evidence = Evidence { answers: [((Kind::Ocsp, ocsp.as_str()), failed)].into() };
    let asked = wanted(look(&evidence));
    assert_eq!((asked.len(), asked[0].kind, asked[0].url.as_str()), (1, Kind::Crl, "http://pki.example/ca.crl"));
    let list = Answer::Content(fixture!("revocation/empty.crl"));
    let evidence = Evidence {
        answers: [((Kind::Ocsp, ocsp.as_str()), failed), ((Kind::Crl, "http://pki.example/ca.crl"), list)].into(),
    };
    assert_eq!(look(&evidence), Status::Good);
    assert!(evidence.verification_units(2, &[]) > 0);
    let evidence = Evidence {
        answers: [((Kind::Ocsp, ocsp.as_str()), failed), ((Kind::Crl, "http://pki.example/ca.crl"), failed)].into(),
    };
    assert!(matches!(look(&evidence), Status::Unknown { reasons, wanted } if reasons.len() == 2 && wanted.is_empty()));
}

#[test]
fn a_responder_that_does_not_know_a_certificate_leaves_it_unknown() {
    let chain = chain_of(fixture!("envelopes/ocsp.jws"));
    let url = request_address("http://ocsp.example/", &chain[0], &chain[1]).expect("an address");
    for content in [fixture!("revocation/unknown.ocsp"), fixture!("revocation/expired.ocsp")] {
        let evidence = Evidence { answers: [((Kind::Ocsp, url.as_str()), Answer::Content(content))].into() };
        let status = check((&chain[0], &chain[1]), None, NOW, &[], &evidence);
        assert!(matches!(status, Status::Unknown { reasons, wanted } if reasons.len() == 1 && wanted.is_empty()));
    }
}

#[test]
fn a_list_of_the_policy_need_not_be_fetched() {
    let chain = chain();
    let look = |crls: &[Crl]| check((&chain[0], &chain[1]), None, NOW, crls, &Evidence::default());
    assert_eq!(look(&[crl(fixture!("revocation/empty.crl"))]), Status::Good);
    assert!(matches!(look(&[crl(fixture!("revocation/revoked.crl"))]), Status::Revoked(_)));
    let both = [crl(fixture!("revocation/empty.crl")), crl(fixture!("revocation/revoked.crl"))];
    assert!(matches!(look(&both), Status::Revoked(_)));
    for content in
        [fixture!("revocation/expired.crl"), fixture!("revocation/scope-here.crl"), fixture!("revocation/root.crl")]
    {
        assert!(matches!(look(&[crl(content)]), Status::Unknown { wanted, .. } if wanted.len() == 1));
    }
}

#[test]
fn a_delta_is_fetched_after_its_list_holds() {
    let chain = chain();
    let (ca, delta) = ("http://pki.example/ca.crl", "http://pki.example/delta.crl");
    let look = |answers: &[(&'static str, Answer<'static>)]| {
        let answers = answers.iter().map(|(url, answer)| ((Kind::Crl, *url), *answer)).collect();
        check((&chain[0], &chain[1]), None, NOW, &[], &Evidence { answers })
    };
    let base = Answer::Content(fixture!("revocation/base-hold.crl"));
    assert!(matches!(look(&[(ca, base)]), Status::Unknown { wanted, .. } if wanted[0].url == delta));
    assert_eq!(look(&[(ca, base), (delta, Answer::Content(fixture!("revocation/delta-removed.crl")))]), Status::Good);
    assert!(matches!(look(&[(ca, base), (delta, Answer::Failed("404"))]), Status::Unknown { .. }));
}
