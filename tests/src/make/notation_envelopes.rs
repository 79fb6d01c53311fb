//! Notation's envelopes by each of their rules, broken once (signature-specification.md, "Signed Attributes";
//! signature-envelope-jws.md; signature-envelope-cose.md). What only certificates have is in `notation_chains`.

use ciborium::Value as Cbor;
use serde_json::{Value, json};

use super::dsse::{Stored, changed, text};
use super::notation::{
    COSE, INTERMEDIATE, JWS, LEAF, ROOT, SAME_KEY, Signing, asks, cbor, material, sign, signed, signer, signer_with,
    stored,
};
use super::toolbox;
use super::{Book, accepted, add, rejected};
use crate::expect::Expect;
use crate::recipe::{Recipe, Repeat};

const SCHEME: &str = "io.cncf.notary.signingScheme";
const TIME: &str = "io.cncf.notary.signingTime";
const AUTHENTIC: &str = "io.cncf.notary.authenticSigningTime";
const EXPIRY: &str = "io.cncf.notary.expiry";
const PLUGIN: &str = "io.cncf.notary.verificationPlugin";
const PLUGIN_VERSION: &str = "io.cncf.notary.verificationPluginMinVersion";
/// The certificate of an RSA key with 3072 bits.
const RSA_3072: &str = material!(text "rsa3072.pem");

pub(super) fn write(book: &mut Book) {
    attributes(book);
    plugins(book);
    times(book);
    chains(book);
    jws_parts(book);
    payloads(book);
    cose_parts(book);
    cose_headers(book);
}

fn add_stored(book: &mut Book, name: &str, stored: Stored, comment: &str, expect: Expect) {
    let scene = signed(asks(signer()), &[stored]);
    add(book, &format!("notation/{name}"), scene.vector("notation", comment, expect));
}

fn defect(text: &str) -> Expect {
    rejected("signature-defect").text(text)
}

/// A protected header, changed.
fn attributes(book: &mut Book) {
    let mut case = |name: &str, change: &dyn Fn(&mut Value), comment: &str, text: &str| {
        add_stored(book, &format!("header-{name}"), Signing::new().header(change).stored(), comment, defect(text));
    };
    let remove = |name: &'static str| move |it: &mut Value| drop(it.as_object_mut().expect("an object").remove(name));
    let critical = |names: &[&str]| {
        let names = json!(names);
        move |it: &mut Value| it["crit"] = names.clone()
    };
    case("no-crit", &remove("crit"), "Nothing is critical.", "no critical attributes");
    case("crit-empty", &critical(&[]), "A list of nothing.", "no critical attributes");
    case("scheme-not-critical", &critical(&[EXPIRY]), "The scheme has to be critical.", "is not listed as critical");
    case("crit-twice", &critical(&[SCHEME, EXPIRY, SCHEME]), "One name twice.", "as critical twice");
    let comment = "What is never critical.";
    case("crit-alg", &critical(&[SCHEME, EXPIRY, "alg"]), comment, "never critical");
    case("crit-signing-time", &critical(&[SCHEME, EXPIRY, TIME]), comment, "never critical");
    case("crit-absent", &critical(&[SCHEME, EXPIRY, "absent"]), "A name that is not there.", "not there");
    case("crit-expiry-absent", &remove(EXPIRY), "An expiry that is critical and not there.", "not there");
    case("crit-text", &|it| it["crit"] = json!(SCHEME), "A text where a list belongs.", "crit is not a list");
    case("no-alg", &remove("alg"), "No algorithm.", "there is no alg");
    case("no-content-type", &remove("cty"), "No content type.", "no content type");
    let other = |it: &mut Value| it["cty"] = json!("application/vnd.in-toto+json");
    case("other-content-type", &other, "The payload of something else.", "payload content type");
    case("no-scheme", &remove(SCHEME), "No signing scheme.", SCHEME);
    case("other-scheme", &|it| it[SCHEME] = json!("notary.x509.other"), "None that there is.", "notary.x509.other");
    case("no-signing-time", &remove(TIME), "Nobody says when.", TIME);
    let both = |it: &mut Value| it[AUTHENTIC] = json!("2026-06-01T12:00:00Z");
    case("authentic-time", &both, "A time that only signing authorities state.", "must not be there under");
    let comment = "A name that Go takes for `alg`: other readers see another algorithm.";
    case("spelling", &|it| it["Alg"] = json!("none"), comment, "by its case only");
    let comment = "It would expire as it is made.";
    case("expiry-at-signing", &|it| it[EXPIRY] = it[TIME].clone(), comment, "is not after the signing time");
    for (name, time, comment) in [
        ("fraction", json!("2026-06-01T12:00:00.5Z"), "Seconds are whole."),
        ("date", json!("2026-06-01"), "A day is no moment."),
        ("lower-case", json!("2026-06-01t12:00:00z"), "RFC 3339 as notation writes it has capitals."),
        ("number", json!(1_780_315_200), "Seconds are for the other format."),
    ] {
        case(&format!("time-{name}"), &|it| it[TIME] = time.clone(), comment, "is not");
    }
    let many = |it: &mut Value| (0..64).for_each(|number| it[format!("x{number}")] = json!(0));
    case("members", &many, "More members than are read.", "members in a header");
    let key = Signing::new().header(|it| it["kid"] = json!("ignored")).stored();
    add_stored(book, "header-kid", key, "What is not critical and not known is left out.", accepted());
}

/// The verification plugin that a signature asks for. Bulla is the one of its name.
fn plugins(book: &mut Book) {
    let asking = |name: &str, version: Option<&str>, critical: &[&str]| {
        let (name, version) = (name.to_owned(), version.map(str::to_owned));
        let critical = json!([&[SCHEME, EXPIRY], critical].concat());
        Signing::new().header(move |it| {
            it[PLUGIN] = json!(name);
            if let Some(version) = version {
                it[PLUGIN_VERSION] = json!(version);
            }
            it["crit"] = critical;
        })
    };
    let mut case = |name: &str, signing: Signing, comment: &str, expect: Expect| {
        add_stored(book, &format!("plugin-{name}"), signing.stored(), comment, expect);
    };
    let comment = "What notation would ask this plugin, a decision checks anyway.";
    case("own", asking("bulla", None, &[PLUGIN]), comment, accepted());
    let both = [PLUGIN, PLUGIN_VERSION];
    case("own-version", asking("bulla", Some("0.1.0"), &both), "In a version that is there.", accepted());
    let comment = "A later version may check something else.";
    case("own-later", asking("bulla", Some("99.0.0"), &both), comment, defect("asks for version \"99.0.0\""));
    let comment = "No version by the rules of Semantic Versioning.";
    case("own-no-version", asking("bulla", Some("0.1"), &both), comment, defect("asks for version \"0.1\""));
    let comment = "A verifier that does not know it would overlook it.";
    case("own-not-critical", asking("bulla", None, &[]), comment, defect("is not listed as critical"));
    let comment = "The same of the version.";
    case("own-version-not-critical", asking("bulla", Some("0.1.0"), &[PLUGIN]), comment, defect(PLUGIN_VERSION));
    case("spelling", asking("Bulla", None, &[PLUGIN]), "The plugin of another name.", defect("\"Bulla\""));
    let alone = Signing::new().header(|it| {
        it[PLUGIN_VERSION] = json!("0.1.0");
        it["crit"] = json!([SCHEME, EXPIRY, PLUGIN_VERSION]);
    });
    case("version-alone", alone, "A version of no plugin.", defect(PLUGIN));
}

/// Times of signing authorities, which are trusted for them.
fn times(book: &mut Book) {
    let authority = || signer_with("trustStores", json!({"signingAuthority": [ROOT]}));
    let mut case = |name: &str, change: &dyn Fn(&mut Value), comment: &str, expect: Expect| {
        let scene = signed(asks(authority()), &[Signing::authority().header(change).stored()]);
        add(book, &format!("notation/authority-{name}"), scene.vector("notation", comment, expect));
    };
    let at = |moment: &'static str| move |it: &mut Value| it[AUTHENTIC] = json!(moment);
    let no = || rejected("notation-timestamp").text("is valid from");
    case("early", &at("2025-12-31T23:59:59Z"), "Signed before the certificates were valid.", no());
    case("late", &at("2050-01-01T00:00:00Z"), "Signed after they had expired.", no());
    let comment = "The time of an authority has to be critical.";
    case("not-critical", &|it| it["crit"] = json!([SCHEME]), comment, defect("is not listed as critical"));
    let remove = |it: &mut Value| drop(it.as_object_mut().expect("an object").remove(AUTHENTIC));
    case("no-time", &remove, "An authority that does not say when.", defect(AUTHENTIC));
    let own = |it: &mut Value| it[TIME] = json!("2026-06-01T12:00:00Z");
    case("own-time", &own, "The time of a signer, beside it.", defect("must not be there under"));
}

/// Certificates that are not the signer's, or not in their order.
fn chains(book: &mut Book) {
    let mut case = |name: &str, signing: Signing, comment: &str, expect: Expect| {
        add_stored(book, name, signing.stored(), comment, expect);
    };
    let comment = "The certificates replaced by another one of the same key: they are not signed.";
    let expect = rejected("notation-authenticity").text("reaches no pinned certificate");
    case("chain-of-same-key", Signing::new().chain(&[SAME_KEY]), comment, expect);
    let swapped = Signing::new().chain(&[LEAF, ROOT, INTERMEDIATE]);
    let expect = rejected("notation-integrity").text("was issued by");
    case("chain-swapped", swapped, "The root comes last.", expect);
    let small = Signing::new().header(|it| it["alg"] = json!("PS256")).chain(&[RSA_3072, INTERMEDIATE, ROOT]);
    let comment = "The hash of a smaller key.";
    case("other-size-of-key", small, comment, defect("the header says PS256"));
    let empty = changed(Signing::new().jws(), |it| it["header"]["x5c"] = json!([]));
    let empty = stored(Recipe::Text(text(&empty)), JWS);
    add_stored(book, "chain-empty", empty, "No certificate.", defect("is empty"));
}

/// The members of a JWS.
fn jws_parts(book: &mut Book) {
    let whole = Signing::new().jws();
    let mut raw = |name: &str, envelope: Recipe, comment: &str, text: &str| {
        add_stored(book, &format!("jws-{name}"), stored(envelope, JWS), comment, defect(text));
    };
    raw("no-json", Recipe::Text("no JSON".to_owned()), "No JSON.", "JWS");
    let compact = ["protected", "payload", "signature"].map(|name| whole[name].as_str().expect("text"));
    let comment = "The compact form, which Notation has not.";
    raw("compact", Recipe::Text(compact.join(".")), comment, "JWS");
    let spaces = Repeat { text: " ".to_owned(), count: 128 * 1024, separator: String::new() };
    let long = Recipe::Concat(vec![Recipe::Repeat(spaces), Recipe::Text(text(&whole))]);
    raw("too-large", long, "More octets than are read.", "");
    let mut case = |name: &str, change: &dyn Fn(&mut Value), comment: &str, text_there: &str| {
        raw(name, Recipe::Text(text(&changed(whole.clone(), change))), comment, text_there);
    };
    for name in ["payload", "protected", "signature", "header"] {
        let remove = |it: &mut Value| drop(it.as_object_mut().expect("an object").remove(name));
        case(&format!("no-{name}"), &remove, "A member is missing.", &format!("there is no {name}"));
    }
    for name in ["payload", "protected", "signature"] {
        let padded = |it: &mut Value| it[name] = json!(format!("{}==", it[name].as_str().expect("text")));
        case(&format!("padded-{name}"), &padded, "base64url has no padding here.", "is not base64");
    }
    let standard = |it: &mut Value| it["signature"] = json!("+/+/");
    case("standard-base64", &standard, "The alphabet of certificates.", "signature is not base64");
    let url_safe = |it: &mut Value| it["header"]["x5c"][0] = json!("-_-_");
    case("url-safe-certificate", &url_safe, "The alphabet of everything else.", "x5c is not base64");
    case("no-signature-octets", &|it| it["signature"] = json!(""), "Nobody has signed.", "a signature of 0 octets");
    let general = |it: &mut Value| it["signatures"] = json!([]);
    case("general", &general, "The form with many signatures, beside this one.", "signatures");
    case("no-x5c", &|it| it["header"] = json!({}), "No certificates.", "there is no x5c");
    case("x5c-text", &|it| it["header"]["x5c"] = json!("MII="), "A text where a list belongs.", "x5c is not");
    let comment = "A member that nobody signs and nobody knows.";
    case("unprotected-kid", &|it| it["header"]["kid"] = json!("x"), comment, "\"kid\" that is not known");
    let comment = "The expiry among what nobody signs.";
    let moved = |it: &mut Value| it["header"][EXPIRY] = json!("2040-01-01T00:00:00Z");
    case("unprotected-expiry", &moved, comment, "that is not known");
    let comment = "The name that the specification's example has, and nobody reads.";
    let old = |it: &mut Value| it["header"]["io.cncf.notary.timestamp"] = json!("MAA=");
    case("timestamp-name", &old, comment, "that is not known");
}

/// Payloads that were signed so.
fn payloads(book: &mut Book) {
    let mut case = |name: &str, change: &dyn Fn(&mut Value), comment: &str, text: &str| {
        let stored = Signing::new().target(change).stored();
        add_stored(book, &format!("payload-{name}"), stored, comment, rejected("notation-integrity").text(text));
    };
    case("unknown-member", &|it| it["tag"] = json!("1.4"), "A member that descriptors have not.", "tag");
    case("no-size", &|it| drop(it.as_object_mut().expect("an object").remove("size")), "No size.", "size");
    case("size-text", &|it| it["size"] = json!("1"), "A size that is no number.", "size");
    case("digest-md5", &|it| it["digest"] = json!("md5:00"), "A digest that nobody takes.", "md5");
    let upper = |it: &mut Value| it["digest"] = json!(it["digest"].as_str().expect("text").to_uppercase());
    case("digest-upper-case", &upper, "Digests are written in one way.", "SHA256");
    let many = |it: &mut Value| it["annotations"] = (0..129).map(|n| (n.to_string(), json!(""))).collect();
    case("annotations-many", &many, "More metadata than is read.", "129");
    case("annotation-number", &|it| it["annotations"] = json!({"a": 1}), "Metadata is text.", "annotations");
}

/// A COSE message of which every part can be changed.
struct Message {
    protected: Vec<(Cbor, Cbor)>,
    unprotected: Vec<(Cbor, Cbor)>,
}

fn word(text: &str) -> Cbor {
    Cbor::Text(text.to_owned())
}

fn number(number: i64) -> Cbor {
    Cbor::Integer(number.into())
}

fn epoch(seconds: i64) -> Cbor {
    Cbor::Tag(1, Box::new(number(seconds)))
}

impl Message {
    fn new() -> Self {
        let protected = vec![
            (number(1), number(-7)),
            (number(2), Cbor::Array(vec![word(SCHEME), word(EXPIRY)])),
            (number(3), word("application/vnd.cncf.notary.payload.v1+json")),
            (word(SCHEME), word("notary.x509")),
            (word(TIME), epoch(1_780_315_200)),
            (word(EXPIRY), epoch(2_095_934_400)),
        ];
        let chain = [LEAF, INTERMEDIATE, ROOT].map(|pem| Cbor::Bytes(toolbox::pem_content(pem)));
        Self { protected, unprotected: vec![(number(33), Cbor::Array(chain.to_vec()))] }
    }

    /// With another value in this place of the protected header.
    fn at(mut self, place: usize, value: Cbor) -> Self {
        self.protected[place].1 = value;
        self
    }

    /// With one more member in the protected header.
    fn and(mut self, label: Cbor, value: Cbor) -> Self {
        self.protected.push((label, value));
        self
    }

    /// With another unprotected header.
    fn unprotected(mut self, change: impl FnOnce(&mut Vec<(Cbor, Cbor)>)) -> Self {
        change(&mut self.unprotected);
        self
    }

    /// The four members, signed.
    fn members(&self) -> Vec<Cbor> {
        let payload = json!({"targetArtifact": Signing::new().target});
        let protected = Cbor::Bytes(cbor(&Cbor::Map(self.protected.clone())));
        let payload = Cbor::Bytes(text(&payload).into_bytes());
        let signed = vec![word("Signature1"), protected.clone(), Cbor::Bytes(Vec::new()), payload.clone()];
        let signature = Cbor::Bytes(sign(&cbor(&Cbor::Array(signed))));
        vec![protected, Cbor::Map(self.unprotected.clone()), payload, signature]
    }

    fn bytes(&self) -> Vec<u8> {
        tagged(18, self.members())
    }
}

fn tagged(tag: u64, members: Vec<Cbor>) -> Vec<u8> {
    cbor(&Cbor::Tag(tag, Box::new(Cbor::Array(members))))
}

/// How a message is written (RFC 9052, section 4.2; RFC 8949, section 4.2.1).
fn cose_parts(book: &mut Book) {
    let mut case = |name: &str, bytes: &[u8], comment: &str, text: &str| {
        add_stored(book, &format!("cose-{name}"), stored(Recipe::of(bytes), COSE), comment, defect(text));
    };
    let whole = Message::new();
    case("untagged", &cbor(&Cbor::Array(whole.members())), "Without its tag.", "tag 18");
    case("other-tag", &tagged(98, whole.members()), "The tag of the form with many signatures.", "tag 18");
    let mut three = whole.members();
    three.pop();
    case("three-members", &tagged(18, three), "Without its signature.", "tag 18");
    let mut detached = whole.members();
    detached[2] = Cbor::Null;
    case("detached", &tagged(18, detached), "Its payload is elsewhere.", "its payload inside");
    let bytes = whole.bytes();
    case("cut", &bytes[..bytes.len() - 1], "Without its last octet.", "not CBOR");
    case("empty", b"", "Nothing at all.", "");
    case("nested", &[0x81; 64], "Lists in lists.", "not CBOR");
    let mut long = bytes.clone();
    long.splice(0..1, [0xd8, 18]);
    case("long-tag", &long, "A tag that could be shorter: one message has one encoding.", "preferred serialization");
    // The array of four becomes one that ends with a break.
    let mut indefinite = bytes.clone();
    indefinite[1] = 0x9f;
    indefinite.push(0xff);
    case("indefinite-array", &indefinite, "An array whose length is not said.", "preferred serialization");
    let mut header = cbor(&Cbor::Map(whole.protected.clone()));
    header[0] = 0xbf;
    header.push(0xff);
    let mut members = whole.members();
    members[0] = Cbor::Bytes(header);
    case("indefinite-header", &tagged(18, members), "A header whose length is not said.", "preferred serialization");
    let mut members = whole.members();
    members[0] = Cbor::Bytes(Vec::new());
    case("no-header", &tagged(18, members), "No protected header.", "");
    let mut members = whole.members();
    members[0] = Cbor::Bytes(cbor(&Cbor::Array(vec![])));
    case("header-list", &tagged(18, members), "A header that is no map.", "is not a map");
}

fn cose_headers(book: &mut Book) {
    let mut case = |name: &str, message: Message, comment: &str, text: &str| {
        let stored = stored(Recipe::of(&message.bytes()), COSE);
        add_stored(book, &format!("cose-{name}"), stored, comment, defect(text));
    };
    let new = Message::new;
    let twice = new().and(word(SCHEME), word("notary.x509"));
    case("label-twice", twice, "One label twice in one header.", "is there twice");
    let both = new().unprotected(|it| it.push((number(3), word("a/b"))));
    case("label-in-both", both, "One label in both headers.", "is there twice");
    let moved = new().unprotected(|it| it.push((word("io.cncf.notary.other"), number(1))));
    case("unprotected-other", moved, "A label that nobody signs and nobody knows.", "that is not known");
    let chain = new().unprotected.remove(0).1;
    let protected = new().and(number(33), chain).unprotected(Vec::clear);
    case("chain-in-protected", protected, "The certificates in the other header.", "there is no x5chain");
    let expiry = new().unprotected(|it| it.push((word("io.cncf.notary.authenticSigningTime"), epoch(1_780_315_200))));
    case("time-in-unprotected", expiry, "A time that nobody signs.", "that is not known");
    let lone = new().unprotected(|it| it[0].1 = Cbor::Bytes(toolbox::pem_content(LEAF)));
    case("lone-certificate", lone, "RFC 9360 has it without a list, Notation has not.", "x5chain is not");
    let comment = "A label that is neither a number nor text.";
    case("label-octets", new().and(Cbor::Bytes(vec![1]), number(1)), comment, "a label is not");
    case("algorithm-unknown", new().at(0, number(-8)), "EdDSA is none of the six.", "\"-8\" is not supported");
    case("algorithm-text", new().at(0, word("ES256")), "The name that the other format has.", "alg is not an integer");
    case("other-algorithm", new().at(0, number(-35)), "The algorithm of another key.", "the header says ES384");
    let labels = Cbor::Array(vec![number(1)]);
    case("crit-number", new().at(1, labels), "A number among what is critical.", "crit is not");
    let unknown = Cbor::Array(vec![word(SCHEME), word(EXPIRY), word("x")]);
    let unknown = new().at(1, unknown).and(word("x"), number(1));
    case("critical-unknown", unknown, "A critical label that nobody knows.", "is not understood");
    let content_type = new().at(2, number(50));
    case("content-type-number", content_type, "A number of CoAP in place of the type.", "content type is not text");
    let seconds = 1_780_315_200;
    for (name, value, comment) in [
        ("float", Cbor::Tag(1, Box::new(Cbor::Float(1_780_315_200.5))), "Fractions of a second: readers differ."),
        ("whole-float", Cbor::Tag(1, Box::new(Cbor::Float(1_780_315_200.0))), "Whole seconds as a float."),
        ("untagged", number(seconds), "Seconds without their tag."),
        ("text", Cbor::Tag(0, Box::new(word("2026-06-01T12:00:00Z"))), "The tag of a text."),
    ] {
        case(&format!("time-{name}"), new().at(4, value), comment, "signingTime is not whole seconds");
    }
    let own = Cbor::Array(vec![word(SCHEME), word(EXPIRY), word(PLUGIN)]);
    let own = new().at(1, own).and(word(PLUGIN), word("bulla"));
    let own = stored(Recipe::of(&own.bytes()), COSE);
    add_stored(book, "cose-plugin-own", own, "It asks for this plugin.", accepted());
}
