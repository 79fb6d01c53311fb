//! What signs, and that others verify it.

use std::path::Path;
use std::process::Command;

use bulla_signer::RemoteKey;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, CertificateType, ObjectClass};
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use sha2::{Digest as _, Sha256};

use crate::token::{
    P256, P384, P521, Token, curve, generate, generate_p256, remove_public, with_configured_token, with_token,
};

const MESSAGE: &[u8] = b"{\"critical\":{}}";

/// Signs a few times, so that numbers with leading zeros come up now and then.
fn signatures(key: &RemoteKey) -> Vec<Vec<u8>> {
    (0..8).map(|_| key.sign(MESSAGE).expect("signed")).collect()
}

macro_rules! assert_ecdsa {
    ($curve:ident, $key:expr) => {{
        let public = $curve::ecdsa::VerifyingKey::from_public_key_pem($key.public_key_pem()).expect("key");
        for signature in signatures($key) {
            let signature = $curve::ecdsa::Signature::from_der(&signature).expect("DER");
            public.verify_prehash(&Sha256::digest(MESSAGE), &signature).expect("verified");
        }
    }};
}

fn assert_rsa(key: &RemoteKey) {
    let public = rsa::RsaPublicKey::from_public_key_pem(key.public_key_pem()).expect("key");
    let public = rsa::pkcs1v15::VerifyingKey::<Sha256>::new(public);
    let signature = key.sign(MESSAGE).expect("signed");
    public.verify(MESSAGE, &signature.as_slice().try_into().expect("signature")).expect("verified");
}

fn generate_rsa(token: &Token, label: &str, more: &[Attribute]) {
    let public = [Attribute::ModulusBits(2048.into()), Attribute::PublicExponent(vec![1, 0, 1])];
    generate(&token.session(), &Mechanism::RsaPkcsKeyPairGen, &public, (label, &[7]), more);
}

#[test]
fn ecdsa_signs_with_sha_256_on_every_curve() {
    with_token("keys::ecdsa_signs_with_sha_256_on_every_curve", |token| {
        let session = token.session();
        for (label, id, name) in [("p256", 1, P256), ("p384", 2, P384), ("p521", 3, P521)] {
            generate(&session, &Mechanism::EccKeyPairGen, &[curve(name)], (label, &[id]), &[]);
        }
        assert_ecdsa!(p256, &token.open("token=t;object=p256").expect("opened"));
        assert_ecdsa!(p384, &token.open("token=t;id=%02;type=private").expect("opened"));
        assert_ecdsa!(p521, &token.open("object=p521;id=%03").expect("opened"));
    });
}

/// The hash by the size of the key, RSA by PSS.
#[test]
fn keys_sign_for_notation() {
    with_token("keys::keys_sign_for_notation", |token| {
        let session = token.session();
        for (label, id, name) in [("p256", 1, P256), ("p384", 2, P384), ("p521", 3, P521)] {
            generate(&session, &Mechanism::EccKeyPairGen, &[curve(name)], (label, &[id]), &[]);
        }
        macro_rules! assert_notation {
            ($curve:ident, $hash:ty, $path:expr) => {{
                let key = token.open_for_notation($path).expect("opened");
                let public = $curve::ecdsa::VerifyingKey::from_public_key_pem(key.public_key_pem()).expect("key");
                for signature in signatures(&key) {
                    let signature = $curve::ecdsa::Signature::from_der(&signature).expect("DER");
                    public.verify_prehash(&<$hash>::digest(MESSAGE), &signature).expect("verified");
                }
            }};
        }
        assert_notation!(p256, Sha256, "object=p256");
        assert_notation!(p384, sha2::Sha384, "object=p384");
        assert_notation!(p521, sha2::Sha512, "object=p521");

        generate_rsa(token, "rsa", &[]);
        let key = token.open_for_notation("object=rsa").expect("opened");
        let public = rsa::RsaPublicKey::from_public_key_pem(key.public_key_pem()).expect("key");
        let public = rsa::pss::VerifyingKey::<Sha256>::new(public);
        let signature = key.sign(MESSAGE).expect("signed");
        public.verify(MESSAGE, &signature.as_slice().try_into().expect("signature")).expect("verified");

        let name = der::asn1::PrintableStringRef::new("edwards25519").and_then(|name| der::Encode::to_der(&name));
        let curve = Attribute::EcParams(name.expect("DER"));
        generate(&session, &Mechanism::EccEdwardsKeyPairGen, &[curve], ("ed", &[9]), &[]);
        let error = token.open_for_notation("object=ed").expect_err("no such signatures").to_string();
        assert!(error.contains("Ed25519 keys do not sign for Notation"), "{error}");
    });
}

#[test]
fn rsa_signs() {
    with_token("keys::rsa_signs", |token| {
        generate_rsa(token, "rsa", &[]);
        assert_rsa(&token.open("object=rsa").expect("opened"));
    });
}

#[test]
fn rsa_signs_where_the_token_does_not_hash() {
    let name = "keys::rsa_signs_where_the_token_does_not_hash";
    with_configured_token(name, "slots.mechanisms = CKM_RSA_PKCS_KEY_PAIR_GEN,CKM_RSA_PKCS", |token| {
        generate_rsa(token, "rsa", &[]);
        let session = token.session();
        let rsa = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).expect("found");
        assert!(session.sign(&Mechanism::Sha256RsaPkcs, rsa[0], MESSAGE).is_err(), "this token hashes");
        assert_rsa(&token.open("object=rsa").expect("opened"));
    });
}

#[test]
fn rsa_signs_where_the_pin_is_wanted_each_time() {
    with_token("keys::rsa_signs_where_the_pin_is_wanted_each_time", |token| {
        generate_rsa(token, "rsa", &[Attribute::AlwaysAuthenticate(true)]);
        let session = token.session();
        let rsa = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).expect("found");
        let error = session.sign(&Mechanism::Sha256RsaPkcs, rsa[0], MESSAGE).expect_err("not without the PIN");
        assert!(error.to_string().contains("Sign"), "{error}");
        let key = token.open("object=rsa").expect("opened");
        assert_rsa(&key);
        assert_rsa(&key);
    });
}

#[test]
fn ed25519_signs_the_message() {
    with_token("keys::ed25519_signs_the_message", |token| {
        // PrintableString "edwards25519", as PKCS #11 version 3.0, section 2.3.5, has it.
        let name = der::asn1::PrintableStringRef::new("edwards25519").and_then(|name| der::Encode::to_der(&name));
        let curve = Attribute::EcParams(name.expect("DER"));
        generate(&token.session(), &Mechanism::EccEdwardsKeyPairGen, &[curve], ("ed", &[1]), &[]);
        let key = token.open("object=ed").expect("opened");
        let public = ed25519_dalek::VerifyingKey::from_public_key_pem(key.public_key_pem()).expect("key");
        let signature = key.sign(MESSAGE).expect("signed");
        public.verify_strict(MESSAGE, &signature.as_slice().try_into().expect("signature")).expect("verified");
    });
}

#[test]
fn a_key_is_described() {
    with_token("keys::a_key_is_described", |token| {
        generate_p256(&token.session(), "images", &[1, 0xab], &[]);
        let key = token.open("token=t").expect("the only key there is");
        let described = key.describe();
        assert!(described.starts_with("key \"images\" (id 01ab) in token \"t\" (SoftHSM v2, serial "), "{described}");
        assert!(!format!("{key:?}").contains("1234"), "{key:?}");
    });
}

#[test]
fn a_certificate_stands_for_the_public_key() {
    with_token("keys::a_certificate_stands_for_the_public_key", |token| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("key");
        let parameters = rcgen::CertificateParams::new(["images.example".to_owned()]).expect("parameters");
        let certificate = parameters.self_signed(&key).expect("certificate");
        import(&token.folder, &key.serialize_pem(), "imported", "0102");

        let session = token.session();
        let by_public_key = token.open("object=imported").expect("opened");
        assert_ecdsa!(p256, &by_public_key);
        remove_public(&session, "imported");
        let error = token.open("object=imported").expect_err("nothing public");
        let reason =
            "the token has neither its public key nor a certificate under the same id; write one of them to the token";
        assert!(error.to_string().ends_with(reason), "{error}");
        let template = [
            Attribute::Token(true),
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Label(b"another label".to_vec()),
            Attribute::Id(vec![1, 2]),
            Attribute::Subject(vec![0x30, 0]),
            Attribute::Value(certificate.der().to_vec()),
        ];
        session.create_object(&template).expect("created");
        let by_certificate = token.open("object=imported").expect("opened");
        assert_eq!(by_certificate.public_key_pem(), by_public_key.public_key_pem());
        assert_eq!(by_certificate.public_key_pem().trim(), key.public_key_pem().replace("\r\n", "\n").trim());
        assert_ecdsa!(p256, &by_certificate);
    });
}

fn import(folder: &Path, pem: &str, label: &str, id: &str) {
    let file = folder.join("key.pem");
    std::fs::write(&file, pem).expect("written");
    let imported = Command::new("softhsm2-util")
        .args(["--token", "t", "--pin", "1234", "--label", label, "--id", id, "--import"])
        .arg(file)
        .output()
        .expect("started");
    assert!(imported.status.success(), "{imported:?}");
}

#[test]
fn keys_of_one_library_are_open_at_the_same_time() {
    with_token("keys::keys_of_one_library_are_open_at_the_same_time", |token| {
        generate_p256(&token.session(), "a", &[1], &[]);
        generate_p256(&token.session(), "b", &[2], &[]);
        let first = token.open("object=a").expect("opened");
        let second = token.open("object=b").expect("opened");
        assert_ne!(first.public_key_pem(), second.public_key_pem());
        assert_ecdsa!(p256, &first);
        drop(first);
        // The other one is still logged in.
        assert_ecdsa!(p256, &second);
        drop(second);
        let again = token.open("object=a").expect("opened");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_ecdsa!(p256, &again));
            }
        });
    });
}
