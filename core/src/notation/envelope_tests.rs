//! Envelopes that notation-core-go made, and those that break one rule each.
#![cfg(test)]

use ciborium::Value as Cbor;
use serde_json::{Value, json};

use super::attributes::{AttributesError, Scheme};
use super::envelope::{Envelope, EnvelopeError, Format};
use super::fixtures::{
    COSE, JWS, PAYLOAD, cbor, chain, cose, fixture, jws, protected, protected_cose, target, text, time,
    unprotected_cose,
};
use super::payload::PayloadError;
use crate::key::SignatureError;
use crate::time::UnixTime;

const ENVELOPES: [(&str, &[u8], &[u8]); 6] = [
    ("PS256", fixture!("envelopes/rsa2048.jws"), fixture!("envelopes/rsa2048.cose")),
    ("PS384", fixture!("envelopes/rsa3072.jws"), fixture!("envelopes/rsa3072.cose")),
    ("PS512", fixture!("envelopes/rsa4096.jws"), fixture!("envelopes/rsa4096.cose")),
    ("ES256", fixture!("envelopes/p256.jws"), fixture!("envelopes/p256.cose")),
    ("ES384", fixture!("envelopes/p384.jws"), fixture!("envelopes/p384.cose")),
    ("ES512", fixture!("envelopes/p521.jws"), fixture!("envelopes/p521.cose")),
];

#[test]
fn all_six_algorithms_in_both_formats_hold() {
    for (algorithm, jws, cose) in ENVELOPES {
        for (format, media_type, bytes) in [(Format::Jws, JWS, jws), (Format::Cose, COSE, cose)] {
            let envelope = Envelope::parse(bytes, media_type).expect(algorithm);
            let signed = envelope.verify().expect(algorithm);
            assert_eq!(signed.payload().target, target());
            assert_eq!(signed.payload().metadata["team"], "builders");
            assert_eq!(signed.chain().certificates().len(), 3);
            let claims = envelope.claims().expect(algorithm);
            assert_eq!((claims.format, claims.algorithm.to_string().as_str()), (format, algorithm));
            assert_eq!(claims.signing_time.to_string(), "2026-06-01T12:00:00Z");
            assert_eq!(claims.expiry, UnixTime::parse("2036-06-01T12:00:00Z"));
            assert_eq!(claims.agent.as_deref(), Some("bulla fixtures"));
            assert!((3..100).contains(&envelope.verification_units()), "{}", envelope.verification_units());
        }
    }
}

#[test]
fn a_signing_authority_states_the_time_itself() {
    for (bytes, media_type) in
        [(fixture!("envelopes/authority.jws"), JWS), (fixture!("envelopes/authority.cose"), COSE)]
    {
        let signed = Envelope::parse(bytes, media_type).expect("valid").verify().expect("holds");
        assert_eq!(signed.attributes().scheme, Scheme::SigningAuthority);
        assert_eq!(signed.attributes().expiry, None);
    }
}

#[test]
fn a_signature_that_only_a_plugin_verifies_is_refused() {
    for (bytes, media_type) in [(fixture!("envelopes/plugin.jws"), JWS), (fixture!("envelopes/plugin.cose"), COSE)] {
        let refused = Envelope::parse(bytes, media_type);
        assert_eq!(refused, Err(AttributesError::Plugin("example".to_owned()).into()));
    }
}

fn parse(envelope: &Value) -> Result<Envelope, EnvelopeError> {
    Envelope::parse(envelope.to_string().as_bytes(), JWS)
}

fn with(change: impl Fn(&mut Value)) -> Result<Envelope, EnvelopeError> {
    let mut header = protected();
    change(&mut header);
    parse(&jws(&header.to_string(), PAYLOAD, &chain()))
}

#[test]
fn what_is_made_here_holds_as_well() {
    let envelope = with(|_| {}).expect("valid");
    assert!(envelope.verify().is_ok());
    assert_eq!(envelope.claims().expect("valid").expiry, UnixTime::parse("2036-06-01T12:00:00Z"));
    let bytes = cbor(&Cbor::Tag(18, Box::new(cose(protected_cose(), unprotected_cose(), PAYLOAD))));
    assert!(Envelope::parse(&bytes, COSE).expect("valid").verify().is_ok());
}

#[test]
fn each_attribute_fails_by_its_own_rule() {
    let error = |change: &dyn Fn(&mut Value)| match with(change) {
        Err(EnvelopeError::Attributes(error)) => error,
        other => panic!("{other:?}"),
    };
    const SCHEME: &str = "io.cncf.notary.signingScheme";
    const EXPIRY: &str = "io.cncf.notary.expiry";
    const TIME: &str = "io.cncf.notary.signingTime";
    const AUTHENTIC: &str = "io.cncf.notary.authenticSigningTime";
    let remove =
        |name: &'static str| move |header: &mut Value| drop(header.as_object_mut().expect("object").remove(name));
    assert_eq!(error(&remove("cty")), AttributesError::Missing("content type"));
    assert_eq!(error(&remove(SCHEME)), AttributesError::Missing(SCHEME));
    assert_eq!(error(&remove(TIME)), AttributesError::Missing(TIME));
    assert_eq!(error(&remove("crit")), AttributesError::NoCritical);
    assert_eq!(error(&|header| header["crit"] = json!([])), AttributesError::NoCritical);
    assert_eq!(error(&|header| header["crit"] = json!([SCHEME])), AttributesError::NotCritical(EXPIRY));
    assert_eq!(error(&|header| header["crit"] = json!([EXPIRY])), AttributesError::NotCritical(SCHEME));
    for (name, header_name) in [("alg", "alg"), (TIME, TIME), ("b64", "none"), (AUTHENTIC, AUTHENTIC)] {
        let got = error(&|header| header["crit"] = json!([SCHEME, EXPIRY, name]));
        assert_eq!(got, AttributesError::NeverCritical(name.to_owned()), "{header_name}");
    }
    assert_eq!(
        error(&|header| {
            header.as_object_mut().expect("object").remove(EXPIRY);
        }),
        AttributesError::NeverCritical(EXPIRY.to_owned())
    );
    assert_eq!(
        error(&|header| header["crit"] = json!([SCHEME, EXPIRY, SCHEME])),
        AttributesError::CriticalTwice(SCHEME.to_owned())
    );
    assert_eq!(
        error(&|header| {
            header["x"] = json!(1);
            header["crit"] = json!([SCHEME, EXPIRY, "x"]);
        }),
        AttributesError::UnknownCritical("x".to_owned())
    );
    assert_eq!(error(&|header| header["cty"] = json!("a/b")), AttributesError::ContentType("a/b".to_owned()));
    assert_eq!(error(&|header| header[SCHEME] = json!("x")), AttributesError::Scheme("x".to_owned()));
    assert_eq!(
        error(&|header| header[AUTHENTIC] = json!("2026-06-01T12:00:00Z")),
        AttributesError::OfAnotherScheme { name: AUTHENTIC, scheme: Scheme::X509 }
    );
    let authority = |header: &mut Value| {
        header[SCHEME] = json!("notary.x509.signingAuthority");
        header["crit"] = json!([SCHEME, EXPIRY, AUTHENTIC]);
    };
    assert_eq!(error(&authority), AttributesError::OfAnotherScheme { name: TIME, scheme: Scheme::SigningAuthority });
    assert_eq!(
        error(&|header| {
            authority(header);
            header.as_object_mut().expect("object").remove(TIME);
        }),
        AttributesError::Missing(AUTHENTIC)
    );
    assert_eq!(error(&|header| header["Alg"] = json!("x")), AttributesError::Spelling("Alg".to_owned()));
    assert!(matches!(
        error(&|header| header[EXPIRY] = header[TIME].clone()),
        AttributesError::Expiry { signing_time, expiry } if signing_time == expiry
    ));
    assert!(matches!(
        error(&|header| header["io.cncf.notary.verificationPluginMinVersion"] = json!("1.0.0")),
        AttributesError::Missing("io.cncf.notary.verificationPlugin")
    ));
    assert!(with(|header| header["kid"] = json!("ignored")).is_ok());
}

#[test]
fn times_are_whole_seconds_and_algorithms_fit_the_key() {
    for time in [json!("2026-06-01T12:00:00.5Z"), json!("2026-06-01"), json!(1), json!("2026-06-01t12:00:00z")] {
        let got = with(|header| header["io.cncf.notary.signingTime"] = time.clone());
        assert!(matches!(got, Err(EnvelopeError::Type { .. })), "{time}");
    }
    for (algorithm, fits) in [("none", false), ("HS256", false), ("RS256", false), ("EdDSA", false), ("ES384", true)] {
        let got = with(|header| header["alg"] = json!(algorithm));
        match fits {
            true => assert!(matches!(got, Err(EnvelopeError::OtherAlgorithm { .. })), "{got:?}"),
            false => assert_eq!(got, Err(EnvelopeError::Algorithm(algorithm.to_owned()))),
        }
    }
    // PS256 by an RSA-3072 key.
    let header = json!({"alg": "PS256"});
    let mut header_whole = protected();
    header_whole["alg"] = header["alg"].clone();
    let rsa = super::fixtures::certificate(fixture!("rsa3072.pem"));
    let mut certificates = chain();
    certificates[0] = rsa;
    let got = parse(&jws(&header_whole.to_string(), PAYLOAD, &certificates));
    assert!(matches!(got, Err(EnvelopeError::OtherAlgorithm { .. })), "{got:?}");
}

#[test]
fn a_jws_has_its_members_and_no_others() {
    let envelope = jws(&protected().to_string(), PAYLOAD, &chain());
    let change = |pointer: &str, value: Value| {
        let mut envelope = envelope.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = envelope.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        match value {
            Value::Null => drop(parent.remove(name)),
            value => drop(parent.insert(name.to_owned(), value)),
        }
        parse(&envelope)
    };
    let text_of = |name: &str| envelope[name].as_str().expect("text").to_owned();
    for name in ["payload", "protected", "signature", "header"] {
        assert_eq!(change(&format!("/{name}"), Value::Null), Err(EnvelopeError::Missing(name)));
        assert!(matches!(change(&format!("/{name}"), json!(1)), Err(EnvelopeError::Type { .. })), "{name}");
    }
    for name in ["payload", "protected", "signature"] {
        let padded = json!(format!("{}==", text_of(name)));
        assert_eq!(change(&format!("/{name}"), padded), Err(EnvelopeError::Base64(name)));
        let standard = json!(format!("{}+/", text_of(name)));
        assert_eq!(change(&format!("/{name}"), standard), Err(EnvelopeError::Base64(name)));
    }
    assert!(matches!(change("/signatures", json!([])), Err(EnvelopeError::Json(_))));
    assert_eq!(change("/header/kid", json!("x")), Err(EnvelopeError::Unprotected("kid".to_owned())));
    assert_eq!(change("/header/x5c", Value::Null), Err(EnvelopeError::Missing("x5c")));
    assert_eq!(change("/header/x5c", json!(["-_"])), Err(EnvelopeError::Base64("x5c")));
    assert!(matches!(change("/header/x5c", json!([])), Err(EnvelopeError::Certificates(_))));
    assert!(matches!(change("/header/x5c", json!("MII=")), Err(EnvelopeError::Type { .. })));
    assert_eq!(change("/signature", json!("")), Err(EnvelopeError::SignatureSize { got: 0 }));
    let twice = envelope.to_string().replacen('{', "{\"payload\":\"\",", 1);
    assert!(matches!(Envelope::parse(twice.as_bytes(), JWS), Err(EnvelopeError::Json(_))));
    assert!(matches!(Envelope::parse(b"{}", "text/plain"), Err(EnvelopeError::MediaType(_))));
    assert_eq!(Envelope::parse(&vec![b' '; 200_000], JWS), Err(EnvelopeError::TooLarge { got: 200_000 }));
}

#[test]
fn a_signature_over_other_bytes_does_not_hold() {
    let mut envelope = jws(&protected().to_string(), PAYLOAD, &chain());
    let other = jws(&protected().to_string(), &PAYLOAD.replace("528", "529"), &chain());
    envelope["payload"] = other["payload"].clone();
    let envelope = parse(&envelope).expect("well formed");
    assert_eq!(envelope.verify(), Err(EnvelopeError::Signature(SignatureError::Mismatch)));
    // A payload that is none is only looked at once the signature holds.
    let envelope = parse(&jws(&protected().to_string(), "{}", &chain())).expect("well formed");
    assert!(matches!(envelope.verify(), Err(EnvelopeError::Payload(PayloadError::Json(_)))));
    // The chain of somebody else.
    let mut certificates = chain();
    certificates.truncate(2);
    let envelope = parse(&jws(&protected().to_string(), PAYLOAD, &certificates)).expect("well formed");
    assert!(matches!(envelope.verify(), Err(EnvelopeError::Chain(_))));
}

#[test]
fn a_cose_message_fails_by_its_own_rule() {
    let sealed = |message: Cbor| Envelope::parse(&cbor(&Cbor::Tag(18, Box::new(message))), COSE);
    let change = |index: usize, value: Cbor| {
        let mut protected = protected_cose();
        protected[index].1 = value;
        sealed(cose(protected, unprotected_cose(), PAYLOAD))
    };
    let whole = cose(protected_cose(), unprotected_cose(), PAYLOAD);
    // Without its tag, with another one, with something after it, without its payload, and not in its shortest form.
    assert_eq!(Envelope::parse(&cbor(&whole), COSE), Err(EnvelopeError::NotSign1));
    assert_eq!(Envelope::parse(&cbor(&Cbor::Tag(17, Box::new(whole.clone()))), COSE), Err(EnvelopeError::NotSign1));
    let mut bytes = cbor(&Cbor::Tag(18, Box::new(whole.clone())));
    bytes.push(0);
    assert_eq!(Envelope::parse(&bytes, COSE), Err(EnvelopeError::Serialization));
    bytes.pop();
    bytes.splice(0..1, [0xd8, 18]);
    assert_eq!(Envelope::parse(&bytes, COSE), Err(EnvelopeError::Serialization));
    let Cbor::Array(mut members) = whole else { panic!("an array") };
    members[2] = Cbor::Null;
    assert_eq!(sealed(Cbor::Array(members)), Err(EnvelopeError::NotSign1));
    assert_eq!(Envelope::parse(&[0x81; 1000], COSE), Err(EnvelopeError::Cbor));
    assert_eq!(Envelope::parse(b"", COSE), Err(EnvelopeError::Cbor));
    // Times: a float, without a tag, with the tag of text.
    let seconds = 1_780_315_200;
    for value in [
        Cbor::Tag(1, Box::new(Cbor::Float(1_780_315_200.5))),
        Cbor::Integer(seconds.into()),
        Cbor::Tag(0, Box::new(text("2026-06-01T12:00:00Z"))),
    ] {
        assert!(matches!(change(4, value), Err(EnvelopeError::Type { .. })));
    }
    assert!(matches!(change(5, time(seconds)), Err(EnvelopeError::Attributes(AttributesError::Expiry { .. }))));
    assert!(matches!(change(0, Cbor::Integer((-35).into())), Err(EnvelopeError::OtherAlgorithm { .. })));
    assert_eq!(change(0, Cbor::Integer((-8).into())), Err(EnvelopeError::Algorithm("-8".to_owned())));
    assert!(matches!(change(1, Cbor::Array(vec![Cbor::Integer(1.into())])), Err(EnvelopeError::Type { .. })));
    assert!(matches!(change(2, Cbor::Integer(50.into())), Err(EnvelopeError::Type { .. })));
    // One label twice, in one header or in both.
    let mut twice = protected_cose();
    twice.push(twice[3].clone());
    let got = sealed(cose(twice, unprotected_cose(), PAYLOAD));
    assert_eq!(got, Err(EnvelopeError::Duplicate("io.cncf.notary.signingScheme".to_owned())));
    let mut both = unprotected_cose();
    both.push((Cbor::Integer(3.into()), text("a/b")));
    assert_eq!(sealed(cose(protected_cose(), both, PAYLOAD)), Err(EnvelopeError::Duplicate("3".to_owned())));
    let mut more = unprotected_cose();
    more.push((Cbor::Integer(4.into()), Cbor::Bytes(vec![1])));
    assert_eq!(sealed(cose(protected_cose(), more, PAYLOAD)), Err(EnvelopeError::Unprotected("4".to_owned())));
    // RFC 9360 has a lone certificate without a list; notation-go does not.
    let lone = vec![(Cbor::Integer(33.into()), Cbor::Bytes(chain()[0].der().to_vec()))];
    assert!(matches!(sealed(cose(protected_cose(), lone, PAYLOAD)), Err(EnvelopeError::Type { .. })));
    assert_eq!(sealed(cose(protected_cose(), Vec::new(), PAYLOAD)), Err(EnvelopeError::Missing("x5chain")));
    assert!(matches!(
        sealed(cose(vec![(text("x"), text("y")); 65], unprotected_cose(), PAYLOAD)),
        Err(EnvelopeError::Members { got: 65 })
    ));
}
