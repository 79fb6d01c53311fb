//! Real material for tests, made as testdata/notation/README.md says, and a key to sign what no signer would.
#![cfg(test)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;
use serde_json::{Value, json};

use super::payload::Target;
use crate::time::UnixTime;
use crate::x509::{Certificate, read_all};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/notation/", $name)).as_slice()
    };
}
pub(crate) use fixture;

pub(crate) const JWS: &str = "application/jose+json";
pub(crate) const COSE: &str = "application/cose";
/// 2026-12-01T00:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime(1_796_083_200);
pub(crate) const PAYLOAD: &str = r#"{"targetArtifact":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:c0669ef34cdc14332c0f1ab0c2c01acb91d96014b172f1a76f3a39e63d1f0bda","size":528,"annotations":{"team":"builders"}}}"#;

pub(crate) fn target() -> Target {
    Target {
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        digest: "sha256:c0669ef34cdc14332c0f1ab0c2c01acb91d96014b172f1a76f3a39e63d1f0bda".to_owned(),
        size: 528,
    }
}

pub(crate) fn certificate(pem: &[u8]) -> Certificate {
    read_all(pem).expect("valid").remove(0)
}

/// The leaf, the intermediate and the root of the P-256 signer.
pub(crate) fn chain() -> Vec<Certificate> {
    [fixture!("p256.pem"), fixture!("intermediate.pem"), fixture!("root.pem")].map(certificate).to_vec()
}

/// A signature by that signer as both formats carry it.
pub(crate) fn sign(message: &[u8]) -> Vec<u8> {
    let key = SigningKey::from_pkcs8_pem(include_str!("../../testdata/notation/p256.key")).expect("a key");
    let signature: Signature = key.sign(message);
    signature.to_bytes().to_vec()
}

pub(crate) fn protected() -> Value {
    json!({
        "alg": "ES256",
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        "crit": ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"],
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": "2026-06-01T12:00:00Z",
        "io.cncf.notary.expiry": "2036-06-01T14:00:00+02:00"
    })
}

/// A JWS envelope around this protected header and payload.
pub(crate) fn jws(protected: &str, payload: &str, certificates: &[Certificate]) -> Value {
    let (protected, payload) = (URL_SAFE_NO_PAD.encode(protected), URL_SAFE_NO_PAD.encode(payload));
    let signature = sign(format!("{protected}.{payload}").as_bytes());
    let chain: Vec<String> = certificates.iter().map(|certificate| STANDARD.encode(certificate.der())).collect();
    json!({"protected": protected, "payload": payload, "signature": URL_SAFE_NO_PAD.encode(signature), "header": {"x5c": chain}})
}

pub(crate) fn cbor(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("written");
    bytes
}

pub(crate) fn text(text: &str) -> Cbor {
    Cbor::Text(text.to_owned())
}

pub(crate) fn time(seconds: i64) -> Cbor {
    Cbor::Tag(1, Box::new(Cbor::Integer(seconds.into())))
}

pub(crate) fn protected_cose() -> Vec<(Cbor, Cbor)> {
    let crit = [text("io.cncf.notary.signingScheme"), text("io.cncf.notary.expiry")];
    vec![
        (Cbor::Integer(1.into()), Cbor::Integer((-7).into())),
        (Cbor::Integer(2.into()), Cbor::Array(crit.to_vec())),
        (Cbor::Integer(3.into()), text("application/vnd.cncf.notary.payload.v1+json")),
        (text("io.cncf.notary.signingScheme"), text("notary.x509")),
        (text("io.cncf.notary.signingTime"), time(1_780_315_200)),
        (text("io.cncf.notary.expiry"), time(2_095_934_400)),
    ]
}

pub(crate) fn unprotected_cose() -> Vec<(Cbor, Cbor)> {
    let chain = chain().iter().map(|certificate| Cbor::Bytes(certificate.der().to_vec())).collect();
    vec![(Cbor::Integer(33.into()), Cbor::Array(chain))]
}

/// A COSE_Sign1 message without its tag.
pub(crate) fn cose(protected: Vec<(Cbor, Cbor)>, unprotected: Vec<(Cbor, Cbor)>, payload: &str) -> Cbor {
    let protected = Cbor::Bytes(cbor(&Cbor::Map(protected)));
    let payload = Cbor::Bytes(payload.as_bytes().to_vec());
    let structure = vec![text("Signature1"), protected.clone(), Cbor::Bytes(Vec::new()), payload.clone()];
    let signature = sign(&cbor(&Cbor::Array(structure)));
    Cbor::Array(vec![protected, Cbor::Map(unprotected), payload, Cbor::Bytes(signature)])
}
