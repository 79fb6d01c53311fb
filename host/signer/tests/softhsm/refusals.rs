//! What does not open, and what is said then.

use std::fs;
use std::sync::{Arc, Mutex};

use bulla_signer::{Pkcs11Error, RemoteKey, SignerError, SignerOptions};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use zeroize::Zeroizing;

use crate::token::{P256, PIN, Token, curve, generate, generate_p256, open, with_token};

fn refused(result: Result<RemoteKey, SignerError>) -> Pkcs11Error {
    match result {
        Err(SignerError::Pkcs11(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_pin_comes_from_several_places() {
    with_token("refusals::the_pin_comes_from_several_places", |token| {
        generate_p256(&token.session(), "a", &[1], &[]);
        let file = token.folder.join("pin");
        fs::write(&file, "1234\n").expect("written");
        let file = file.display();
        let wrong = ("COSIGN_PKCS11_PIN", "0000");
        for (uri, variables) in [
            ("pkcs11:object=a?pin-value=1234".to_owned(), &[wrong][..]),
            ("pkcs11:object=a?pin-value=%31%32%33%34".to_owned(), &[wrong]),
            (format!("pkcs11:object=a?pin-source={file}"), &[wrong]),
            (format!("pkcs11:object=a?pin-source=file:{file}"), &[wrong]),
            ("pkcs11:object=a".to_owned(), &[("BULLA_PKCS11_PIN", PIN), wrong]),
            ("pkcs11:object=a".to_owned(), &[("BULLA_PKCS11_PIN", ""), ("COSIGN_PKCS11_PIN", PIN)]),
        ] {
            let key = token.open_with(&uri, variables);
            assert!(key.is_ok(), "{uri}: {key:?}");
        }
    });
}

#[test]
fn somebody_is_asked_for_the_pin_last() {
    with_token("refusals::somebody_is_asked_for_the_pin_last", |token| {
        generate_p256(&token.session(), "a", &[1], &[]);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let options = |pin: Option<&'static str>| {
            let asked = Arc::clone(&asked);
            let ask = move |token: &str| {
                asked.lock().expect("lock").push(token.to_owned());
                pin.map(|pin| Zeroizing::new(pin.to_owned()))
            };
            SignerOptions { environment: Box::new(|_| None), ask_pin: Some(Box::new(ask)), ..SignerOptions::default() }
        };
        let uri = format!("pkcs11:object=a?module-path={}", token.library.display());
        assert!(open(&uri, &options(Some(PIN))).is_ok());
        for nothing in [None, Some("")] {
            assert!(matches!(refused(open(&uri, &options(nothing))), Pkcs11Error::NoPin { .. }));
        }
        let asked = asked.lock().expect("lock");
        assert!(asked.len() == 3 && asked[0].starts_with("token \"t\" (SoftHSM v2, serial "), "{asked:?}");
    });
}

#[test]
fn a_wrong_pin_is_told_once_and_not_shown() {
    with_token("refusals::a_wrong_pin_is_told_once_and_not_shown", |token| {
        let error = refused(token.open_with("pkcs11:token=t?pin-value=hunter2", &[]));
        let text = error.to_string();
        assert!(text.starts_with("token \"t\" (SoftHSM v2, serial "), "{text}");
        assert!(text.contains(") does not take the PIN (CKR_PIN_INCORRECT)"), "{text}");
        assert!(!format!("{text} {error:?}").contains("hunter2"), "{error:?}");
        let text = refused(token.open_with("pkcs11:token=t", &[])).to_string();
        assert!(
            text.ends_with(
                " needs a PIN: set BULLA_PKCS11_PIN (or COSIGN_PKCS11_PIN), or name a file by pin-source in the URI"
            ),
            "{text}"
        );
    });
}

#[test]
fn keys_that_are_not_the_one() {
    with_token("refusals::keys_that_are_not_the_one", |token| {
        let session = token.session();
        let none = refused(token.open("object=a")).to_string();
        assert!(none.ends_with("has no private key \"a\"; it has none"), "{none}");
        generate_p256(&session, "a", &[1], &[]);
        generate_p256(&session, "a", &[2], &[]);
        generate_p256(&session, "b", &[3], &[Attribute::Sign(false)]);
        let listed = |error: Pkcs11Error| match error {
            Pkcs11Error::NoKey { wanted, mut has, .. } | Pkcs11Error::SeveralKeys { wanted, mut has, .. } => {
                has.sort();
                (wanted, has.join(", "))
            }
            other => panic!("{other}"),
        };
        let both = "key \"a\" (id 01), key \"a\" (id 02)";
        let all = "key \"a\" (id 01), key \"a\" (id 02), key \"b\" (id 03)";
        assert_eq!(listed(refused(token.open("object=a"))), ("\"a\"".into(), both.into()));
        assert_eq!(listed(refused(token.open("token=t"))), ("of whatever name".into(), both.into()));
        assert_eq!(listed(refused(token.open("object=A"))), ("\"A\"".into(), all.into()));
        assert_eq!(listed(refused(token.open("object=b;id=%01"))), ("\"b\" (id 01)".into(), all.into()));
        assert_eq!(listed(refused(token.open("id="))), ("(no id)".into(), all.into()));
        let error = refused(token.open("object=b"));
        assert!(matches!(error, Pkcs11Error::MayNotSign { .. }), "{error}");
        assert!(token.open("object=a;id=%02").is_ok());
    });
}

#[test]
fn tokens_that_are_not_the_one() {
    with_token("refusals::tokens_that_are_not_the_one", |token| {
        token.another("u");
        generate_p256(&token.session(), "a", &[1], &[]);
        let error = refused(token.open("token=v")).to_string();
        assert!(error.starts_with("no token matches \"pkcs11:token=v\"; the library has token \""), "{error}");
        assert!(error.contains("token \"t\" (SoftHSM v2") && error.contains("token \"u\" (SoftHSM v2"), "{error}");
        let error = refused(token.open("manufacturer=SoftHSM%20project")).to_string();
        let several = "\"pkcs11:manufacturer=SoftHSM%20project\" matches several tokens; say which by token, serial or slot-id: token";
        assert!(error.starts_with(several), "{error}");
        for path in
            ["slot-id=1;token=t", "serial=0;token=t", "model=v3;token=t", "slot-manufacturer=x", "slot-description=x"]
        {
            assert!(matches!(refused(token.open(path)), Pkcs11Error::NoToken { .. }), "{path}");
        }
        // What a token says of itself leads back to it.
        let key = token.open("token=t;model=SoftHSM%20v2;manufacturer=SoftHSM%20project");
        let described = key.expect("opened").describe().to_owned();
        let serial = described.split("serial ").nth(1).and_then(|rest| rest.split(',').next()).expect("serial");
        let slot = described.split("slot ").nth(1).map(|rest| rest.trim_end_matches(')')).expect("slot");
        assert!(token.open(&format!("serial={serial};slot-id={slot}")).is_ok(), "{described}");
    });
}

#[test]
fn libraries_that_are_none() {
    with_token("refusals::libraries_that_are_none", |token| {
        let named = |path: &str| refused(token.open_with("pkcs11:", &[("BULLA_PKCS11_MODULE", path)]));
        assert!(matches!(named("/nowhere/lib.so"), Pkcs11Error::Load { .. }));
        let folder = token.folder.join("text.so");
        fs::write(&folder, "text").expect("written");
        assert!(matches!(named(&folder.to_string_lossy()), Pkcs11Error::Load { .. }));
        for relative in ["libsofthsm2.so", "./libsofthsm2.so"] {
            assert_eq!(named(relative), Pkcs11Error::RelativeModule { variable: "BULLA_PKCS11_MODULE" });
        }
        let nobody = SignerOptions { environment: Box::new(|_| None), ..SignerOptions::default() };
        assert_eq!(refused(open("pkcs11:object=a", &nobody)), Pkcs11Error::NoModule);
        let library = token.library.to_string_lossy().into_owned();
        generate_p256(&token.session(), "a", &[1], &[]);
        let variables = [("COSIGN_PKCS11_MODULE_PATH", library.as_str()), ("COSIGN_PKCS11_PIN", PIN)];
        assert!(token.open_with("pkcs11:library-manufacturer=SoftHSM", &variables).is_ok());
        let error = refused(token.open("library-manufacturer=OpenSC")).to_string();
        assert!(error.ends_with(" by \"SoftHSM\", which the URI does not match"), "{error}");
        let version = error.split("PKCS11\" ").nth(1).and_then(|rest| rest.split(' ').next()).expect("version");
        assert!(
            token.open(&format!("library-version={version};library-description=Implementation%20of%20PKCS11")).is_ok()
        );
        assert!(token.open("library-version=1.0").is_err());
    });
}

#[test]
fn keys_that_cannot_sign_what_is_needed() {
    with_token("refusals::keys_that_cannot_sign_what_is_needed", |token| {
        let session = token.session();
        generate(&session, &Mechanism::EccKeyPairGen, &[curve("1.3.132.0.10")], ("k1", &[1]), &[]);
        let error = refused(token.open("object=k1")).to_string();
        assert!(
            error.ends_with("EC on curve 1.3.132.0.10 are not used: ECDSA P-256, P-384, P-521, RSA and Ed25519 are"),
            "{error}"
        );
        let always = [Attribute::AlwaysAuthenticate(true)];
        generate(&session, &Mechanism::EccKeyPairGen, &[curve(P256)], ("always", &[2]), &always);
        let error = refused(token.open("object=always"));
        // SoftHSM 2.7 hashes for ECDSA; 2.6 does not.
        assert!(matches!(error, Pkcs11Error::Mechanism { .. }), "{error}");
    });
}

#[test]
fn two_public_halves_are_one_too_many() {
    with_token("refusals::two_public_halves_are_one_too_many", |token: &Token| {
        let session = token.session();
        generate_p256(&session, "a", &[1], &[]);
        generate_p256(&session, "b", &[1], &[]);
        let error = refused(token.open("object=a"));
        assert!(matches!(error, Pkcs11Error::SeveralPublicKeys { by: "id", .. }), "{error}");
    });
}
