//! The procedure, step by step, over real envelopes, lists and answers.
#![cfg(test)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fixtures::{COSE, JWS, NOW, PAYLOAD, certificate, fixture, jws, protected, target};
use super::level::{Action, Kind, Level, Name};
use super::payload::{PayloadError, Target};
use super::report::{Check, Conclusion, Failure, Outcome, Report};
use super::revocation::{Answer, Crl, Evidence, Kind as Asked};
use super::timestamp::TimestampError;
use super::trust_store::{Identities, IdentitiesError, StoreError, StoreKind, Trust, TrustStores, VerifyTimestamp};
use super::verify::verify;
use crate::time::UnixTime;
use crate::x509::name::NameError;

const CA: (&str, &[u8]) = ("http://pki.example/ca.crl", fixture!("revocation/empty.crl"));
const ROOT: (&str, &[u8]) = ("http://pki.example/root.crl", fixture!("revocation/root.crl"));

fn stores(list: &[(StoreKind, &[u8])]) -> TrustStores {
    let mut stores = TrustStores::default();
    for (kind, pem) in list {
        stores.add(*kind, vec![certificate(pem)]).expect("a certificate for that store");
    }
    stores
}

fn trust(list: &[(StoreKind, &[u8])]) -> Trust {
    Trust {
        stores: stores(list),
        identities: Identities::Any,
        level: Level::new(Name::Strict, &BTreeMap::new()).expect("a level"),
        verify_timestamp: VerifyTimestamp::Always,
        metadata: BTreeMap::new(),
        crls: Vec::new(),
    }
}

fn pinned() -> Trust {
    trust(&[(StoreKind::Ca, fixture!("root.pem"))])
}

fn level(name: Name, kind: Kind, action: Action) -> Level {
    Level::new(name, &BTreeMap::from([(kind, action)])).expect("a level")
}

fn evidence(list: &[(&'static str, &'static [u8])]) -> Evidence<'static> {
    Evidence { answers: list.iter().map(|(url, content)| ((Asked::Crl, *url), Answer::Content(content))).collect() }
}

fn run(envelope: &[u8], trust: &Trust, list: &[(&'static str, &'static [u8])]) -> Report {
    verify(envelope, JWS, &target(), trust, NOW, &evidence(list))
}

/// The check that decided, and why.
fn failed(report: &Report) -> (Check, Failure) {
    assert_eq!(report.conclusion(), Conclusion::DoesNotCount, "{report:?}");
    let (check, failure) = report.failure().expect("an enforced failure");
    assert_eq!(report.checks.last().map(|checked| checked.check), Some(check), "it goes on after a failure");
    (check, failure.clone())
}

fn wanted(report: &Report) -> Vec<&str> {
    report.wanted.iter().map(|wanted| wanted.request.url.as_str()).collect()
}

#[test]
fn with_all_evidence_a_signature_counts() {
    for (bytes, media_type) in [(fixture!("envelopes/p256.jws"), JWS), (fixture!("envelopes/rsa4096.cose"), COSE)] {
        let report = verify(bytes, media_type, &target(), &pinned(), NOW, &evidence(&[CA, ROOT]));
        assert_eq!(report.conclusion(), Conclusion::Counts, "{report:?}");
        let checks: Vec<Check> = report.checks.iter().map(|checked| checked.check).collect();
        assert_eq!(
            checks,
            [
                Check::Integrity,
                Check::Target,
                Check::Metadata,
                Check::Authenticity,
                Check::Expiry,
                Check::AuthenticTimestamp,
                Check::Revocation
            ]
        );
        let signer = report.signer.expect("a signer");
        assert_eq!(signer.anchor, Some(certificate(fixture!("root.pem")).thumbprint()));
        assert_eq!(report.metadata["team"], "builders");
        assert_eq!(report.wanted, []);
    }
}

#[test]
fn missing_evidence_never_passes() {
    let report = run(fixture!("envelopes/p256.jws"), &pinned(), &[]);
    assert_eq!(report.conclusion(), Conclusion::Unknown);
    assert_eq!(wanted(&report), [CA.0, ROOT.0]);
    let report = run(fixture!("envelopes/p256.jws"), &pinned(), &[CA]);
    assert_eq!((report.conclusion(), wanted(&report)), (Conclusion::Unknown, vec![ROOT.0]));
    let mut evidence = evidence(&[CA]);
    evidence.answers.insert((Asked::Crl, ROOT.0), Answer::Failed("timed out after 5 s"));
    let report = verify(fixture!("envelopes/p256.jws"), JWS, &target(), &pinned(), NOW, &evidence);
    assert_eq!((report.conclusion(), report.wanted.len()), (Conclusion::Unknown, 0));
    // Logged, it is said, and nothing follows.
    let permissive = Trust { level: level(Name::Permissive, Kind::Expiry, Action::Enforce), ..pinned() };
    let report = run(fixture!("envelopes/p256.jws"), &permissive, &[]);
    assert_eq!((report.conclusion(), report.wanted[0].action), (Conclusion::Counts, Action::Log));
    let skip = Trust { level: level(Name::Strict, Kind::Revocation, Action::Skip), ..pinned() };
    let report = run(fixture!("envelopes/p256.jws"), &skip, &[]);
    assert_eq!((report.conclusion(), report.wanted.len()), (Conclusion::Counts, 0));
    assert_eq!(report.checks.last().map(|checked| &checked.outcome), Some(&Outcome::Skipped));
}

#[test]
fn a_revoked_certificate_is_refused() {
    let revoked = (CA.0, fixture!("revocation/revoked.crl"));
    let report = run(fixture!("envelopes/p256.jws"), &pinned(), &[revoked, ROOT]);
    assert!(matches!(failed(&report), (Check::Revocation, Failure::Revoked { .. })));
    let stapled = Trust { crls: vec![Crl::parse(revoked.1).expect("a list")], ..pinned() };
    let report = run(fixture!("envelopes/p256.jws"), &stapled, &[]);
    assert!(matches!(failed(&report), (Check::Revocation, Failure::Revoked { .. })));
    // Only the word of a signing authority about the time helps.
    let later = (CA.0, fixture!("revocation/invalid-later.crl"));
    assert_eq!(run(fixture!("envelopes/p256.jws"), &pinned(), &[later, ROOT]).conclusion(), Conclusion::DoesNotCount);
    let authority = trust(&[(StoreKind::SigningAuthority, fixture!("root.pem"))]);
    assert_eq!(run(fixture!("envelopes/authority.jws"), &authority, &[later, ROOT]).conclusion(), Conclusion::Counts);
}

#[test]
fn a_signature_of_another_artifact_is_refused_before_anything_is_asked() {
    for (asked, expected) in [
        (Target { digest: target().digest.replace('c', "d"), ..target() }, "digest"),
        (Target { size: 529, ..target() }, "size"),
        (Target { media_type: "application/vnd.oci.image.index.v1+json".to_owned(), ..target() }, "media type"),
    ] {
        let report = verify(fixture!("envelopes/p256.jws"), JWS, &asked, &pinned(), NOW, &Evidence::default());
        assert!(matches!(failed(&report), (Check::Target, Failure::Payload(_))), "{expected}");
        assert_eq!((report.wanted.len(), report.signer), (0, None));
    }
    let wants = Trust { metadata: BTreeMap::from([("team".to_owned(), "others".to_owned())]), ..pinned() };
    let report = run(fixture!("envelopes/p256.jws"), &wants, &[]);
    let expected = (Check::Metadata, "OtherMetadata");
    assert!(
        matches!(failed(&report), (check, Failure::Payload(PayloadError::OtherMetadata { .. })) if check == expected.0)
    );
}

#[test]
fn any_certificate_of_the_chain_may_be_pinned() {
    for pem in [fixture!("root.pem"), fixture!("intermediate.pem")] {
        let trust = trust(&[(StoreKind::Ca, pem)]);
        assert_eq!(run(fixture!("envelopes/p256.jws"), &trust, &[CA, ROOT]).conclusion(), Conclusion::Counts);
    }
    let own = trust(&[(StoreKind::Ca, fixture!("self.pem"))]);
    assert_eq!(run(fixture!("envelopes/self.jws"), &own, &[]).conclusion(), Conclusion::Counts);
    assert!(matches!(failed(&run(fixture!("envelopes/p256.jws"), &own, &[])), (_, Failure::NotPinned { .. })));
    // The same key under another certificate is another signer.
    let other = jws(&protected().to_string(), PAYLOAD, &[certificate(fixture!("same-key.pem"))]);
    let report = run(other.to_string().as_bytes(), &pinned(), &[CA, ROOT]);
    assert!(matches!(failed(&report), (Check::Authenticity, Failure::NotPinned { .. })));
}

#[test]
fn each_scheme_has_its_own_store() {
    let ca = run(fixture!("envelopes/authority.jws"), &pinned(), &[]);
    assert!(matches!(failed(&ca), (Check::Authenticity, Failure::NoStore(_))));
    let authority = trust(&[(StoreKind::SigningAuthority, fixture!("root.pem"))]);
    assert_eq!(run(fixture!("envelopes/authority.jws"), &authority, &[CA, ROOT]).conclusion(), Conclusion::Counts);
    assert!(matches!(failed(&run(fixture!("envelopes/p256.jws"), &authority, &[])), (_, Failure::NoStore(_))));
}

#[test]
fn nobody_is_asked_about_certificates_that_nobody_trusts() {
    let audit = Trust {
        level: Level::new(Name::Audit, &BTreeMap::new()).expect("a level"),
        ..trust(&[(StoreKind::Ca, fixture!("self.pem"))])
    };
    let report = run(fixture!("envelopes/p256.jws"), &audit, &[]);
    assert_eq!((report.conclusion(), report.wanted.len()), (Conclusion::Counts, 0));
    assert_eq!(report.signer.and_then(|signer| signer.anchor), None);
    let enforced = Trust { level: level(Name::Audit, Kind::Revocation, Action::Enforce), ..audit };
    assert!(matches!(failed(&run(fixture!("envelopes/p256.jws"), &enforced, &[])), (_, Failure::NotAsked)));
}

#[test]
fn the_signer_is_one_of_the_identities() {
    let named = |list: &[&str]| {
        let list: Vec<String> = list.iter().map(|text| (*text).to_owned()).collect();
        Trust { identities: Identities::read(&list).expect("identities"), ..pinned() }
    };
    let with = |list: &[&str]| run(fixture!("envelopes/p256.jws"), &named(list), &[CA, ROOT]);
    let (this, other) = ("x509.subject: C=US, ST=WA, O=Bulla Test, CN=p256", "x509.subject: C=US, ST=WA, O=Other");
    assert_eq!(with(&[other, this]).conclusion(), Conclusion::Counts);
    assert!(matches!(failed(&with(&[other])), (Check::Authenticity, Failure::Identity(_))));
    // A failing identity does not unpin the chain.
    assert!(with(&[other]).signer.and_then(|signer| signer.anchor).is_some());
}

#[test]
fn lists_of_identities_fail_by_their_own_rule() {
    let read =
        |list: &[&str]| Identities::read(&list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).map(|_| ());
    let one = "x509.subject: C=US, ST=WA, O=a";
    assert_eq!(read(&[]), Err(IdentitiesError::None));
    assert_eq!(read(&[one, "*"]), Err(IdentitiesError::Wildcard { position: 1 }));
    assert!(matches!(read(&["email: a"]), Err(IdentitiesError::Kind { position: 0, .. })));
    let missing = Err(IdentitiesError::Name {
        position: 0,
        error: NameError::Missing { text: " C=US".to_owned(), attribute: "ST" },
    });
    assert_eq!(read(&["x509.subject: C=US"]), missing);
    let narrower = format!("{one}, OU=b");
    assert_eq!(read(&[&narrower, one]), Err(IdentitiesError::Overlap { position: 1, other: 0 }));
    assert_eq!(read(&[one, &narrower]), Err(IdentitiesError::Overlap { position: 1, other: 0 }));
    assert_eq!(read(&vec![one; 257]), Err(IdentitiesError::TooMany { got: 257 }));
}

#[test]
fn stores_hold_what_they_are_for() {
    let mut stores = TrustStores::default();
    let leaf = || vec![certificate(fixture!("p256.pem"))];
    let intermediate = || vec![certificate(fixture!("intermediate.pem"))];
    assert!(matches!(stores.add(StoreKind::Ca, leaf()), Err(StoreError::Leaf(_))));
    assert!(matches!(stores.add(StoreKind::SigningAuthority, leaf()), Err(StoreError::Leaf(_))));
    assert!(matches!(stores.add(StoreKind::Tsa, intermediate()), Err(StoreError::NotRoot(_))));
    assert!(matches!(stores.add(StoreKind::Tsa, vec![certificate(fixture!("self.pem"))]), Err(StoreError::NotRoot(_))));
    assert_eq!(stores.add(StoreKind::Ca, [intermediate(), intermediate()].concat()), Ok(()));
    assert_eq!(stores.get(StoreKind::Ca).len(), 1);
}

#[test]
fn times_are_held_against_now() {
    let at = |now: &str, envelope: &[u8], trust: &Trust| {
        let now = UnixTime::parse(now).expect("a moment");
        verify(envelope, JWS, &target(), trust, now, &evidence(&[CA, ROOT]))
    };
    let envelope = fixture!("envelopes/p256.jws");
    assert_eq!(at("2036-06-01T11:59:59Z", envelope, &pinned()).conclusion(), Conclusion::Counts);
    let report = at("2036-06-01T12:00:00Z", envelope, &pinned());
    assert!(matches!(failed(&report), (Check::Expiry, Failure::Expired { .. })));
    let report = at("2025-12-31T23:59:59Z", envelope, &pinned());
    assert!(matches!(failed(&report), (Check::AuthenticTimestamp, Failure::NotValid { .. })));
    assert!(matches!(failed(&run(fixture!("envelopes/old.jws"), &pinned(), &[])), (_, Failure::NotValid { .. })));
    // A signing authority's time is what counts, not now.
    let authority = trust(&[(StoreKind::SigningAuthority, fixture!("root.pem"))]);
    let late = at("2046-06-01T12:00:00Z", fixture!("envelopes/authority.jws"), &authority);
    assert!(
        late.checks
            .iter()
            .any(|checked| checked.check == Check::AuthenticTimestamp && checked.outcome == Outcome::Passed)
    );
}

#[test]
fn a_timestamp_replaces_the_time_of_the_question() {
    let both = trust(&[(StoreKind::Ca, fixture!("root.pem")), (StoreKind::Tsa, fixture!("tsa-root.pem"))]);
    let late = Trust { verify_timestamp: VerifyTimestamp::AfterCertExpiry, ..both.clone() };
    let report = run(fixture!("envelopes/timestamped.jws"), &both, &[CA, ROOT]);
    assert_eq!(report.conclusion(), Conclusion::Counts, "{report:?}");
    assert!(report.timestamp.is_some());
    // Wanted always, and not there; or only when it is due.
    assert!(matches!(failed(&run(fixture!("envelopes/p256.jws"), &both, &[])), (_, Failure::NoTimestamp)));
    assert_eq!(run(fixture!("envelopes/p256.jws"), &late, &[CA, ROOT]).conclusion(), Conclusion::Counts);
    assert!(matches!(failed(&run(fixture!("envelopes/old.jws"), &late, &[])), (_, Failure::NoTimestamp)));
    // The certificate has expired since, and was valid then.
    for trust in [&both, &late] {
        let report = run(fixture!("envelopes/soon-timestamped.jws"), trust, &[CA, ROOT]);
        assert_eq!(report.conclusion(), Conclusion::Counts, "{report:?}");
    }
    // It had expired before.
    let report = run(fixture!("envelopes/old-timestamped.jws"), &late, &[]);
    assert!(matches!(failed(&report), (_, Failure::Timestamp(TimestampError::Outside { .. }))));
    let report = run(fixture!("envelopes/timestamped-other.jws"), &both, &[]);
    assert!(matches!(failed(&report), (_, Failure::Timestamp(TimestampError::OtherMessage))));
    let wrong = trust(&[(StoreKind::Ca, fixture!("root.pem")), (StoreKind::Tsa, fixture!("root.pem"))]);
    let report = run(fixture!("envelopes/timestamped.jws"), &wrong, &[]);
    assert!(matches!(failed(&report), (_, Failure::Timestamp(TimestampError::NotPinned { .. }))));
}

#[test]
fn a_timestamp_authority_can_be_revoked_whatever_is_skipped() {
    let mut envelope: serde_json::Value = serde_json::from_slice(fixture!("envelopes/p256.jws")).expect("JSON");
    envelope["header"]["io.cncf.notary.timestampSignature"] = STANDARD.encode(fixture!("tokens/rsa.der")).into();
    let envelope = envelope.to_string();
    let skip = Trust {
        level: level(Name::Strict, Kind::Revocation, Action::Skip),
        ..trust(&[(StoreKind::Ca, fixture!("root.pem")), (StoreKind::Tsa, fixture!("tsa-root.pem"))])
    };
    let with = |list: &[(&'static str, &'static [u8])]| run(envelope.as_bytes(), &skip, list);
    let tsa = "http://pki.example/tsa.crl";
    let report = with(&[]);
    assert_eq!((report.conclusion(), wanted(&report)), (Conclusion::Unknown, vec![tsa]));
    assert_eq!(with(&[(tsa, fixture!("revocation/tsa.crl"))]).conclusion(), Conclusion::Counts);
    let report = with(&[(tsa, fixture!("revocation/tsa-revoked.crl"))]);
    assert!(matches!(failed(&report), (Check::AuthenticTimestamp, Failure::Revoked { .. })));
}

#[test]
fn what_is_no_envelope_fails_integrity() {
    let report = run(b"{}", &pinned(), &[]);
    assert!(matches!(failed(&report), (Check::Integrity, Failure::Envelope(_))));
    assert_eq!(Report::default().conclusion(), Conclusion::DoesNotCount);
}
