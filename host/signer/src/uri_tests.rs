//! PKCS #11 URIs, good and bad.

use std::path::{Path, PathBuf};

use super::{PinSource, Pkcs11Uri, UriError};

fn parse(text: &str) -> Pkcs11Uri {
    Pkcs11Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn pin(uri: &Pkcs11Uri) -> Option<&[u8]> {
    match &uri.pin {
        Some(PinSource::Value(pin)) => Some(pin.expose()),
        _ => None,
    }
}

#[test]
fn every_path_attribute_is_read() {
    let uri = parse(concat!(
        "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;library-version=1.23;",
        "slot-id=327;slot-description=Slot%20A;slot-manufacturer=Oil;token=The%20Software%20PKCS%2311%20Softtoken;",
        "manufacturer=Snake%20Oil,%20Inc.;model=1.0;serial=4a:b;object=my-key;type=private;id=%69%95%3e%5C%f4%bd%ec%91"
    ));
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    assert_eq!(text(&uri.library_manufacturer), "Snake Oil, Inc.");
    assert_eq!(text(&uri.library_description), "Soft Token Library");
    assert_eq!(uri.library_version, Some((1, 23)));
    assert_eq!(uri.slot_id, Some(327));
    assert_eq!(text(&uri.slot_description), "Slot A");
    assert_eq!(text(&uri.slot_manufacturer), "Oil");
    assert_eq!(text(&uri.token), "The Software PKCS#11 Softtoken");
    assert_eq!(text(&uri.manufacturer), "Snake Oil, Inc.");
    assert_eq!(text(&uri.model), "1.0");
    assert_eq!(text(&uri.serial), "4a:b");
    assert_eq!(text(&uri.object), "my-key");
    assert_eq!(uri.id.as_deref(), Some(b"\x69\x95\x3e\x5c\xf4\xbd\xec\x91".as_slice()));
    assert_eq!((&uri.module_path, &uri.pin), (&None, &None));
}

#[test]
fn what_is_absent_and_what_is_empty_differ() {
    let uri = parse("pkcs11:");
    assert_eq!((uri.object, uri.id), (None, None));
    let uri = parse("pkcs11:object=;id=;");
    assert_eq!((uri.object.as_deref(), uri.id.as_deref()), (Some(""), Some(b"".as_slice())));
}

#[test]
fn a_plus_is_a_plus_and_an_ampersand_stands_in_the_path() {
    assert_eq!(parse("pkcs11:object=a+b&c").object.as_deref(), Some("a+b&c"));
    assert_eq!(parse("pkcs11:object=%C3%A4=").object.as_deref(), Some("ä="));
    assert_eq!(parse("pkcs11:library-version=3").library_version, Some((3, 0)));
}

#[test]
fn the_query_says_library_and_pin() {
    let uri = parse("pkcs11:object=a?module-path=/usr/lib/a%20b.so&pin-value=a/b%00%ff");
    assert_eq!(uri.module_path.as_deref(), Some(Path::new("/usr/lib/a b.so")));
    assert_eq!(pin(&uri), Some(b"a/b\x00\xff".as_slice()));
    for source in ["/run/pin%20x", "file:/run/pin%2520x", "file:///run/pin%2520x", "file://localhost/run/pin%2520x"] {
        let uri = parse(&format!("pkcs11:?pin-source={source}"));
        assert_eq!(uri.pin, Some(PinSource::File(PathBuf::from("/run/pin x"))), "{source}");
    }
}

#[test]
fn unknown_query_attributes_are_left_out() {
    let uri = parse("pkcs11:object=a?vendor-thing=1&vendor-thing=2");
    assert_eq!((uri.object.as_deref(), uri.pin), (Some("a"), None));
}

#[test]
fn what_is_wrong_is_named() {
    let named = |name: &str| name.to_owned();
    for (text, error) in [
        ("pkcs11:object", UriError::NoValue { part: "path" }),
        ("pkcs11:?pin-value", UriError::NoValue { part: "query" }),
        ("pkcs11:?pin-value:1234", UriError::NoValue { part: "query" }),
        ("pkcs11:label=a", UriError::Unknown { name: named("label") }),
        ("pkcs11:Object=a", UriError::Unknown { name: named("Object") }),
        ("pkcs11:x-vendor=a", UriError::Unknown { name: named("x-vendor") }),
        ("pkcs11:pin-value=1", UriError::Unknown { name: named("pin-value") }),
        ("pkcs11://object=a", UriError::Unknown { name: named("//object") }),
        ("pkcs11:object=a;object=a", UriError::Repeated { name: named("object") }),
        ("pkcs11:id=%01;id=%02", UriError::Repeated { name: named("id") }),
        ("pkcs11:slot-id=1;slot-id=1", UriError::Repeated { name: named("slot-id") }),
        ("pkcs11:type=private;type=private", UriError::Repeated { name: named("type") }),
        ("pkcs11:?pin-value=1&pin-value=2", UriError::Repeated { name: named("pin-value") }),
        ("pkcs11:?module-path=/a&module-path=/a", UriError::Repeated { name: named("module-path") }),
        ("pkcs11:token=My Token", UriError::Character { name: named("token") }),
        ("pkcs11:token=a/b", UriError::Character { name: named("token") }),
        ("pkcs11:token=ä", UriError::Character { name: named("token") }),
        ("pkcs11:token=a#b", UriError::Character { name: named("token") }),
        ("pkcs11:?pin-value=1 2", UriError::Character { name: named("pin-value") }),
        ("pkcs11:id=%0", UriError::Escape { name: named("id") }),
        ("pkcs11:id=%", UriError::Escape { name: named("id") }),
        ("pkcs11:id=%zz", UriError::Escape { name: named("id") }),
        ("pkcs11:id=%+1", UriError::Escape { name: named("id") }),
        ("pkcs11:?pin-value=%1x", UriError::Escape { name: named("pin-value") }),
        ("pkcs11:object=%ff", UriError::NotText { name: named("object") }),
        ("pkcs11:slot-id=", UriError::Number { name: named("slot-id"), value: named("") }),
        ("pkcs11:slot-id=+1", UriError::Number { name: named("slot-id"), value: named("+1") }),
        ("pkcs11:slot-id=0x1", UriError::Number { name: named("slot-id"), value: named("0x1") }),
        ("pkcs11:library-version=1.", UriError::Number { name: named("library-version"), value: named("1.") }),
        ("pkcs11:library-version=256", UriError::Number { name: named("library-version"), value: named("256") }),
        ("pkcs11:type=cert", UriError::Type { value: named("cert") }),
        ("pkcs11:?module-name=softhsm2", UriError::ModuleName),
        ("pkcs11:?module-path=softhsm2.so", UriError::ModulePath),
        ("pkcs11:?module-path=./softhsm2.so", UriError::ModulePath),
        ("pkcs11:?pin-value=1&pin-source=/a", UriError::TwoPins),
        ("pkcs11:?pin-source=/a&pin-value=1", UriError::TwoPins),
        ("pkcs11:?pin-value=", UriError::EmptyPin),
        ("pkcs11:?pin-source=|cat%20/run/pin", UriError::PinSource),
        ("pkcs11:?pin-source=https://host/pin", UriError::PinSource),
        ("pkcs11:?pin-source=pin", UriError::PinSource),
        ("pkcs11:?pin-source=file:pin", UriError::PinSource),
        ("pkcs11:?pin-source=file://host/pin", UriError::PinSource),
    ] {
        assert_eq!(Pkcs11Uri::parse(text), Err(error), "{text}");
    }
    let huge = format!("pkcs11:slot-id={}", "9".repeat(30));
    assert!(matches!(Pkcs11Uri::parse(&huge), Err(UriError::Number { .. })));
}

#[test]
fn a_pin_shows_nowhere() {
    let secret = "hunter2";
    let uri = parse("pkcs11:object=a?pin-value=hunter2&module-path=/a.so");
    assert_eq!(uri.to_string(), "pkcs11:object=a?pin-value=***&module-path=/a.so");
    assert!(!format!("{uri:?}").contains(secret), "{uri:?}");
    // Misspelt, or not in its place.
    let uri = parse("pkcs11:object=a?pinvalue=hunter2&pin-source=/run/pin");
    assert_eq!(uri.to_string(), "pkcs11:object=a?pin-source=/run/pin");
    assert!(!format!("{uri:?}").contains(secret), "{uri:?}");
    for bad in [
        "?pin-value:hunter2",
        "?hunter2",
        "?pin-value=hunter2%",
        "?pin-value=hunter2 ",
        "?pin-source=hunter2",
        "?pin-value=hunter2&pin-source=/a",
        "?pin-value=hunter2&pin-value=hunter2",
        "?module-path=hunter2",
    ] {
        let error = Pkcs11Uri::parse(&format!("pkcs11:{bad}")).expect_err(bad);
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
}
