//! Timestamps in Notation's envelopes, by tokens of core/testdata/notation/stamps, and while signing (RFC 3161;
//! trust-store-trust-policy.md, "Authentic Timestamp").

use serde_json::{Value, json};

use super::dsse::{Stored, changed, text};
use super::keys::{ok, vector};
use super::notation::{
    JWS, NOW, ROOT, SAME_KEY, Signing, TSA_ROOT, asks, material, signed, signer, signer_with, stored, unchecked,
};
use super::notation_signing::Prepared;
use super::scene::Scene;
use super::toolbox::{self, base64};
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::Recipe;

/// The root of the authority of these tokens.
const STAMPS: &str = material!(text "stamps/root.pem");
/// Certificates of the signer's key: one that ends with 2026, and one that ended before the tokens.
const SHORT: &str = material!(text "stamps/short.pem");
const PAST: &str = material!(text "stamps/past.pem");
/// One whose subject has two organisational units.
const TWO_UNITS: &str = material!(text "stamps/two-units.pem");
/// A day after [`NOW`], when every token was made.
const LATER: i64 = NOW + 86_400;
/// In 2027, when [`SHORT`] has expired.
const NEXT_YEAR: i64 = 1_811_808_000;
/// The nonce of the requests.
const NONCE: [u8; 16] = [7; 16];

pub(super) fn write(book: &mut Book) {
    let envelope = Signing::new().jws();
    let signature = envelope["signature"].as_str().expect("text");
    let signature = toolbox::from_base64(&format!("{}==", signature.replace('-', "+").replace('_', "/")));
    let made = "was made for another signature: see core/testdata/notation/stamps/make.sh";
    assert!(signature == material!("stamps/signature.bin"), "stamps/good.der {made}");
    tokens(book);
    moments(book);
    authorities(book);
    identities(book);
    while_signing(book);
}

/// What is to be stamped for these vectors, by file name.
pub fn questions() -> Vec<(&'static str, Vec<u8>)> {
    let envelope = Signing::new().jws();
    let signature = envelope["signature"].as_str().expect("text");
    let signature = toolbox::from_base64(&format!("{}==", signature.replace('-', "+").replace('_', "/")));
    let ask = |format: &str| {
        let prepared = Prepared::image(format);
        let (mut header, mut blobs) = prepared.assembly(&prepared.signature());
        header["notation"]["envelope"] = json!(format);
        stamp(&mut header, &mut blobs, STAMPS, None);
        let blobs = blobs.iter().map(Recipe::bytes).collect();
        toolbox::call(bulla_abi::Operation::Assemble, &header, blobs).1.remove(0)
    };
    vec![("signature.bin", signature), ("request.tsq", ask("jws")), ("other.tsq", ask("cose"))]
}

/// The envelope with this token.
fn with_token(signing: &Signing, token: &[u8]) -> Stored {
    let envelope = changed(signing.jws(), |it| {
        it["header"]["io.cncf.notary.timestampSignature"] = json!(base64(token));
    });
    stored(Recipe::Text(text(&envelope)), JWS)
}

/// A signer that pins the authority as well.
fn stamped() -> Value {
    signer_with("trustStores", json!({"ca": [ROOT], "tsa": [STAMPS]}))
}

fn later(scene: Scene) -> Scene {
    scene.asked(json!({ "now": LATER }))
}

fn tokens(book: &mut Book) {
    let mut case = |name: &str, signer: Value, token: &[u8], comment: &str, expect: Expect| {
        let scene = later(signed(asks(signer), &[with_token(&Signing::new(), token)]));
        add(book, &format!("notation/timestamp-{name}"), scene.vector("notation", comment, expect));
    };
    let good = material!("stamps/good.der");
    let no = |text: &str| rejected("notation-timestamp").text(text);
    case("good", stamped(), good, "Stamped by an authority that is pinned.", accepted());
    case("not-pinned", signer(), b"no token", "Where no authority is pinned, nobody looks at it.", accepted());
    let comment = "The timestamp of another signature.";
    case("other-signature", stamped(), material!("stamps/other.der"), comment, no("made for another signature"));
    let others = signer_with("trustStores", json!({"ca": [ROOT], "tsa": [TSA_ROOT]}));
    case("other-root", others, good, "The timestamp of an authority that is not pinned.", no("pinned"));
    let comment = "The root of signers is no authority for timestamps.";
    let signers = signer_with("trustStores", json!({"ca": [ROOT, STAMPS], "tsa": [TSA_ROOT]}));
    case("root-of-signers", signers, good, comment, no("pinned"));
    let comment = "An authority whose certificate is not only for timestamps.";
    case("purpose-not-critical", stamped(), material!("stamps/lax.der"), comment, no("not critical"));
    let comment = "The whole response of an authority, where its token belongs.";
    case("whole-response", stamped(), material!("stamps/whole.tsr"), comment, no("timestamp"));
    case("garbage", stamped(), b"no token", "No token.", no("timestamp"));
    case("cut", stamped(), &good[..good.len() - 1], "A token without its last octet.", no("timestamp"));
    let mut forged = good.to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    case("forged", stamped(), &forged, "A token whose signature does not hold.", no("timestamp"));
    let old = signed(asks(stamped()), &[stored(Recipe::of(material!("envelopes/timestamped.jws")), JWS)]);
    let comment = "A real envelope with its timestamp, for another image.";
    add(book, "notation/timestamp-laid-beside", old.vector("notation", comment, rejected("notation-target")));
}

/// When it was stamped, against when the certificates are valid.
fn moments(book: &mut Book) {
    let pinned = |certificate: &str, when: &str| {
        changed(signer_with("trustStores", json!({"ca": [certificate], "tsa": [STAMPS]})), |it| {
            it["verifyTimestamp"] = json!(when);
        })
    };
    let mut case =
        |name: &str, signer: Value, signing: Signing, token: bool, now: i64, comment: &str, expect: Expect| {
            let stored = if token { with_token(&signing, material!("stamps/good.der")) } else { signing.stored() };
            let scene = unchecked(asks(signer), &[stored]).asked(json!({ "now": now }));
            add(book, &format!("notation/timestamp-{name}"), scene.vector("notation", comment, expect));
        };
    let short = || Signing::new().chain(&[SHORT]);
    let no = |text: &str| rejected("notation-timestamp").text(text);
    for when in ["always", "afterCertExpiry"] {
        let name = format!("{}-expired-since", if when == "always" { "always" } else { "after" });
        let comment = "The certificate has expired since it was stamped.";
        case(&name, pinned(SHORT, when), short(), true, NEXT_YEAR, comment, accepted());
    }
    let comment = "It has expired, and nothing shows that the signature is older.";
    case("due", pinned(SHORT, "afterCertExpiry"), short(), false, NEXT_YEAR, comment, no("there is no timestamp"));
    let comment = "It had expired before it was stamped.";
    let past = || Signing::new().chain(&[PAST]);
    case("outside", pinned(PAST, "always"), past(), true, LATER, comment, no("CN=past"));
    case("outside-after", pinned(PAST, "afterCertExpiry"), past(), true, LATER, comment, no("CN=past"));
    let logged = changed(pinned(PAST, "always"), |it| it["override"] = json!({"authenticTimestamp": "log"}));
    let comment = "The same where it is only taken note of.";
    case("outside-logged", logged, past(), true, LATER, comment, accepted().text("authenticTimestamp is only logged"));
}

/// The authority itself may be revoked: that belongs to the timestamp, whatever is skipped.
fn authorities(book: &mut Book) {
    let skipping = changed(stamped(), |it| it["override"] = json!({"revocation": "skip"}));
    let scene = || {
        let stored = with_token(&Signing::new(), material!("stamps/revocable.der"));
        later(unchecked(asks(skipping.clone()), &[stored]))
    };
    let need = "crl http://pki.example/stamps.crl";
    let with = |crl: &[u8]| scene().found(need, Recipe::of(crl), None);
    let mut case = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("notation/timestamp-{name}"), scene.vector("notation", comment, expect));
    };
    let comment = "What the authority's certificate names is asked for.";
    case("authority-good", with(material!("stamps/empty.crl")), comment, accepted());
    let expect = rejected("notation-timestamp").text("is revoked since");
    case("authority-revoked", with(material!("stamps/revoked.crl")), "The authority is revoked.", expect);
    let failed = json!({"outcome": "failed", "reason": "pki.example: timed out"});
    let unanswered = scene().answered(need, failed);
    let expect = unknown("notation-unknown").text("authenticTimestamp");
    case("authority-unknown", unanswered, "Nobody says whether it is.", expect);
}

/// Subjects that cannot be compared with identities.
fn identities(book: &mut Book) {
    let mut case = |name: &str, identities: Value, comment: &str, expect: Expect| {
        let pinned = changed(signer_with("trustStores", json!({"ca": [TWO_UNITS]})), |it| {
            it["trustedIdentities"] = identities;
        });
        let scene = unchecked(asks(pinned), &[Signing::new().chain(&[TWO_UNITS]).stored()]);
        add(book, &format!("notation/identity-{name}"), scene.vector("notation", comment, expect));
    };
    let own = json!(["x509.subject: C=US, ST=WA, O=Bulla Test"]);
    let comment = "A subject with two organisational units, which no identity can name.";
    case("two-units", own, comment, rejected("notation-authenticity").text("cannot be compared"));
    case("two-units-any", json!(["*"]), "The same where everybody is meant.", accepted());
}

/// Adds the wish for a timestamp to a request to assemble.
fn stamp(header: &mut Value, blobs: &mut Vec<Recipe>, roots: &str, response: Option<&[u8]>) {
    header["notation"]["timestamp"] = json!({"nonce": blobs.len(), "roots": blobs.len() + 1});
    blobs.extend([Recipe::of(&NONCE), Recipe::lines(roots)]);
    if let Some(response) = response {
        header["notation"]["timestamp"]["response"] = json!(blobs.len());
        blobs.push(Recipe::of(response));
    }
}

fn while_signing(book: &mut Book) {
    let prepared = Prepared::image("jws");
    let mut case = |name: &str, change: &dyn Fn(&mut Value, &mut Vec<Recipe>), comment: &str, expect: Expect| {
        let (mut header, mut blobs) = prepared.assembly(&prepared.signature());
        change(&mut header, &mut blobs);
        let made = vector("assemble", header, blobs, comment, expect);
        add(book, &format!("assemble/notation-timestamp-{name}"), made);
    };
    let refused = |text: &str| Expect::error("signing").text(text);
    let with = |response: &'static [u8]| {
        move |header: &mut Value, blobs: &mut Vec<Recipe>| stamp(header, blobs, STAMPS, Some(response))
    };
    let comment = "What an authority is to be asked.";
    let asks = |header: &mut Value, blobs: &mut Vec<Recipe>| stamp(header, blobs, STAMPS, None);
    case("asked", &asks, comment, ok(json!({"timestampRequest": 0})));
    let comment = "Nobody is asked about a signature that does not hold.";
    let broken = |header: &mut Value, blobs: &mut Vec<Recipe>| {
        stamp(header, blobs, STAMPS, None);
        blobs[1] = Recipe::Base64(base64(&[1; 64]));
    };
    case("asked-in-vain", &broken, comment, refused("does not hold"));
    let response = material!("stamps/response.tsr");
    case("good", &with(response), "Its answer.", ok(json!({"tag": null, "alreadyThere": false})));
    let comment = "Its answer to another question.";
    let other = |header: &mut Value, blobs: &mut Vec<Recipe>| {
        stamp(header, blobs, STAMPS, Some(response));
        blobs[5] = Recipe::of(&[8; 16]);
    };
    case("other-nonce", &other, comment, refused("nonce"));
    let comment = "Stamped, with the same nonce, and over other octets.";
    case("other-octets", &with(material!("stamps/other.tsr")), comment, refused("made for another signature"));
    let comment = "An authority that is not trusted for it.";
    let others = |header: &mut Value, blobs: &mut Vec<Recipe>| stamp(header, blobs, TSA_ROOT, Some(response));
    case("other-root", &others, comment, refused("pinned"));
    let comment = "Certificates that sign images are no authority.";
    let signers = |header: &mut Value, blobs: &mut Vec<Recipe>| stamp(header, blobs, SAME_KEY, Some(response));
    case("root-of-signers", &signers, comment, refused("pinned"));
    let comment = "The authority does not answer.";
    case("refused", &with(b"\x30\x05\x30\x03\x02\x01\x02"), comment, refused("the status 2"));
    let comment = "It grants a timestamp and gives none.";
    case("no-token", &with(b"\x30\x05\x30\x03\x02\x01\x00"), comment, refused("without a token"));
    case("garbage", &with(b"<html>"), "Something that is no answer.", refused("timestamp"));
    let comment = "A certificate that has expired when it is stamped.";
    let past = |header: &mut Value, blobs: &mut Vec<Recipe>| {
        stamp(header, blobs, STAMPS, Some(response));
        blobs[3] = Recipe::lines(PAST);
    };
    case("outside", &past, comment, refused("CN=past"));
}
