//! What is prepared, signed and assembled is verified; what would not be is refused before.
#![cfg(test)]

use std::collections::BTreeMap;

use super::notation::{
    Image, Made, Manner, NotationError, Prepared, Request, Signed, assemble, envelope, prepare, prepare_payload,
};
use crate::digest::Digest;
use crate::key::Hash;
use crate::notation::fixtures::{NOW, certificate, chain, fixture, sign};
use crate::notation::payload::Target;
use crate::notation::referrer::referrer;
use crate::notation::timestamp::{RequestError, TimestampError, request, token};
use crate::notation::{Envelope, EnvelopeError, Format, Identities};
use crate::reference::Reference;
use crate::time::UnixTime;

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

fn reference() -> Reference {
    Reference::parse(&format!("registry.example/app:1@{}", Digest::sha256(MANIFEST))).expect("a reference")
}

fn metadata() -> BTreeMap<String, String> {
    BTreeMap::from([("build".to_owned(), "42".to_owned())])
}

fn with<T>(format: Format, f: impl FnOnce(&Request<'_>) -> T) -> T {
    let (reference, metadata, chain) = (reference(), metadata(), chain());
    let image = Image { reference: &reference, manifest: MANIFEST, media_type: None };
    let expiry = Some(UnixTime(NOW.0 + 86_400));
    let manner = Manner { format, chain: &chain, signing_time: NOW, expiry, plugin: false };
    f(&Request { image, metadata: &metadata, manner })
}

fn prepared(format: Format) -> Prepared {
    with(format, prepare).expect("valid")
}

fn assembled<T>(prepared: &Prepared, f: impl FnOnce(&mut Made<'_>) -> T) -> Result<super::PushPlan, NotationError> {
    let (reference, chain) = (reference(), chain());
    let signature = sign(&prepared.message());
    let image = Image { reference: &reference, manifest: MANIFEST, media_type: None };
    let agent = Some("bulla/0.1");
    let mut made = Made { prepared, signature: &signature, chain: &chain, timestamp: None, agent };
    f(&mut made);
    assemble(&Signed { image, made, repository: None })
}

#[test]
fn what_is_assembled_holds() {
    for format in [Format::Jws, Format::Cose] {
        let plan = assembled(&prepared(format), |_| {}).expect("valid");
        assert_eq!((plan.repository.to_string().as_str(), plan.tag), ("registry.example/app", None));
        let digest = Digest::sha256(MANIFEST);
        let referrer = referrer(&plan.manifest, None, &digest).expect("valid");
        assert_eq!((&referrer.envelope.digest, referrer.format), (&plan.blobs[0].digest, format));
        assert_eq!(plan.blobs[1].bytes, b"{}");
        let envelope = Envelope::parse(&plan.blobs[0].bytes, plan.blobs[0].media_type).expect("valid");
        let signed = envelope.verify().expect("it holds");
        let size = u64::try_from(MANIFEST.len()).expect("small");
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        assert_eq!(signed.payload().target, Target { media_type, digest: digest.to_string(), size });
        assert_eq!(signed.payload().metadata, metadata());
        assert_eq!(signed.attributes().expiry, Some(UnixTime(NOW.0 + 86_400)));
        assert_eq!(envelope.claims().expect("readable").agent.as_deref(), Some("bulla/0.1"));
    }
}

#[test]
fn nobody_is_asked_to_sign_what_nobody_accepts() {
    let error = |change: &dyn Fn(&mut Request<'_>)| {
        with(Format::Jws, |request| {
            let mut request = *request;
            change(&mut request);
            prepare(&request)
        })
        .expect_err("it is refused")
    };
    let tag = Reference::parse("registry.example/app:1").expect("a reference");
    let of_tag = with(Format::Jws, |request| {
        prepare(&Request { image: Image { reference: &tag, ..request.image }, ..*request })
    });
    assert!(matches!(of_tag, Err(NotationError::NoDigest { .. })));
    assert!(matches!(error(&|it| it.image.manifest = b"{}"), NotationError::OtherManifest(_)));
    assert!(matches!(error(&|it| it.manner.chain = &it.manner.chain[..2]), NotationError::Certificates(_)));
    assert!(matches!(error(&|it| it.manner.chain = &[]), NotationError::Certificates(_)));
    assert!(matches!(error(&|it| it.manner.signing_time = UnixTime(0)), NotationError::NotValid { .. }));
    assert!(matches!(error(&|it| it.manner.expiry = Some(it.manner.signing_time)), NotationError::Times { .. }));
    assert!(matches!(error(&|it| it.manner.expiry = Some(UnixTime(i64::MAX))), NotationError::Times { .. }));
    let reserved = BTreeMap::from([("io.cncf.notary.x".to_owned(), String::new())]);
    let got = with(Format::Jws, |request| prepare(&Request { metadata: &reserved, ..*request }));
    assert_eq!(got, Err(NotationError::Reserved("io.cncf.notary.x".to_owned())));
}

#[test]
fn a_signature_that_does_not_hold_is_never_pushed() {
    let prepared = prepared(Format::Cose);
    let other = sign(b"another message");
    let got = assembled(&prepared, |signed| signed.signature = Box::leak(other.into_boxed_slice()));
    assert!(matches!(got, Err(NotationError::Envelope(EnvelopeError::Signature(_)))), "{got:?}");
    let mut about_another = prepared.clone();
    let payload = String::from_utf8(prepared.payload.clone()).expect("text");
    about_another.payload = payload.replacen("\"size\":", "\"size\":1", 1).into_bytes();
    assert!(matches!(assembled(&about_another, |_| {}), Err(NotationError::Payload(_))));
    let got = assembled(&prepared, |signed| signed.timestamp = Some((fixture!("tokens/p256.der"), &[])));
    assert_eq!(got, Err(NotationError::Timestamp(TimestampError::OtherMessage)));
    let long: &str = Box::leak("x".repeat(200_000).into_boxed_str());
    assert!(matches!(assembled(&prepared, |signed| signed.agent = Some(long)), Err(NotationError::TooLarge { .. })));
}

#[test]
fn a_timestamp_is_asked_for_and_put_in() {
    // The question that OpenSSL wrote for the token of tokens/p256.der, but for its nonce.
    let envelope = Envelope::parse(fixture!("envelopes/p256.jws"), "application/jose+json").expect("valid");
    let question = request(envelope.signature(), Hash::Sha256, &[0x80, 1, 2, 3, 4, 5, 6, 7]).expect("written");
    assert!(question.windows(32).any(|octets| octets == Hash::Sha256.digest(envelope.signature())));
    assert!(question.ends_with(&[0x02, 9, 0, 0x80, 1, 2, 3, 4, 5, 6, 7, 0x01, 1, 0xff]));
    let granted = fixture!("tokens/response.tsr");
    let nonce = hex::decode(include_str!("../../testdata/notation/tokens/nonce.hex").trim()).expect("hex");
    let asked = token(granted, &nonce).expect("granted");
    let roots = [certificate(fixture!("tsa-root.pem"))];
    assert!(crate::notation::timestamp::verify(&asked, envelope.signature(), &roots).is_ok());
    assert_eq!(token(granted, &[1]), Err(RequestError::Nonce));
    assert_eq!(token(b"\x30\x05\x30\x03\x02\x01\x02", &nonce), Err(RequestError::Refused(2)));
    assert_eq!(token(b"\x30\x05\x30\x03\x02\x01\x00", &nonce), Err(RequestError::NoToken));
}

#[test]
fn a_payload_of_somebody_else_is_signed_as_it_is() {
    let payload = br#"{ "targetArtifact": {"size": 3, "mediaType": "a/b", "artifactType": "c/d",
        "digest": "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"} }"#;
    let chain = chain();
    for format in [Format::Jws, Format::Cose] {
        let manner = Manner { format, chain: &chain, signing_time: NOW, expiry: None, plugin: true };
        let prepared = prepare_payload(payload, &manner).expect("valid");
        assert_eq!(prepared.payload, payload);
        let signature = sign(&prepared.message());
        let made = Made { prepared: &prepared, signature: &signature, chain: &chain, timestamp: None, agent: None };
        let written = envelope(&made).expect("it holds");
        let signed = Envelope::parse(&written, format.media_type()).expect("valid").verify().expect("it holds");
        assert_eq!((signed.payload().target.size, signed.attributes().plugin), (3, true));
        let got = envelope(&Made { signature: &sign(b"another"), ..made });
        assert!(matches!(got, Err(NotationError::Envelope(EnvelopeError::Signature(_)))), "{got:?}");
        assert!(matches!(prepare_payload(b"{}", &manner), Err(NotationError::Payload(_))));
    }
}

#[test]
fn a_certificate_is_named_by_its_whole_subject() {
    let chain = chain();
    let [leaf, .., root] = chain.as_slice() else { panic!("a leaf and a root") };
    let identity = Identities::naming(leaf);
    assert!(identity.starts_with("x509.subject: "), "{identity}");
    let identities = Identities::read(&[identity]).expect("an identity");
    assert_eq!(identities.contain(leaf), Ok(true));
    assert_ne!(identities.contain(root), Ok(true));
}
