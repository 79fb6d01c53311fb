//! What notation leaves to a verification plugin: chains by each of their rules, trusted identities, and revocation.

use serde::Deserialize;
use serde_json::{Value, json};

use super::keys::{ok, vector};
use super::notation::{INTERMEDIATE, LEAF, NOW, ROOT, material};
use super::toolbox;
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;

/// A chain of core/testdata/notation/chains.json.
#[derive(Deserialize)]
struct Case {
    name: String,
    rules: String,
    expect: String,
    chain: Vec<String>,
}

/// What the error says, by the name of the rule.
const RULES: [(&str, &str); 17] = [
    ("NoRoot", "its root is missing"),
    ("Issuer", "was issued by"),
    ("SelfSigned", "is self-signed, and others follow"),
    ("NotCa", "is not a CA"),
    ("Signature", "is not signed by the next one"),
    ("PathLength", "allows"),
    ("NoKeyUsage", "has no keyUsage"),
    ("KeyUsageNotCritical", "has a keyUsage that is not critical"),
    ("NoCertSign", "may not sign certificates"),
    ("LeafIsCa", "is a CA"),
    ("LeafNoKeyUsage", "the signing certificate"),
    ("LeafKeyUsageNotCritical", "has a keyUsage that is not critical"),
    ("LeafNoDigitalSignature", "is not for digitalSignature"),
    ("LeafKeyUsage", "as well"),
    ("LeafPurpose", "has the extended key usage"),
    ("LeafKey", "2056 bits"),
    ("Certificate", "certificate "),
];

fn cases() -> Vec<Case> {
    serde_json::from_str(material!(text "chains.json")).expect("a list of chains")
}

/// A chain of this name, PEM.
pub(super) fn chain_of(name: &str) -> String {
    let case = cases().into_iter().find(|case| case.name == name).expect("a chain of that name");
    let der = |text: &String| toolbox::pem("CERTIFICATE", &toolbox::from_base64(text));
    case.chain.iter().map(der).collect()
}

pub(super) fn write(book: &mut Book) {
    rules(book);
    identities(book);
    revocation(book);
    requests(book);
}

/// A question about these certificates, with nothing fetched.
fn asked(count: usize, change: impl FnOnce(&mut Value)) -> Value {
    let mut header =
        json!({"chain": (0..count).collect::<Vec<_>>(), "scheme": "notary.x509", "now": NOW, "evidence": []});
    change(&mut header);
    header
}

/// The signer's certificates as blobs.
fn signer() -> Vec<Recipe> {
    [LEAF, INTERMEDIATE, ROOT].map(|pem| Recipe::of(&toolbox::pem_content(pem))).to_vec()
}

/// Each rule about certificates, broken once (Notary Project signature specification, "Certificate Requirements").
fn rules(book: &mut Book) {
    for Case { name, rules, expect, chain } in cases() {
        if rules != "codeSigning" {
            continue;
        }
        let blobs: Vec<Recipe> = chain.iter().map(|der| Recipe::Base64(der.clone())).collect();
        let header = asked(blobs.len(), |it| it["identities"] = json!(["*"]));
        let (comment, expect) = match expect.as_str() {
            "" => {
                ("A chain that follows every rule.", ok(json!({"checks": [{"check": "authenticity", "passed": true}]})))
            }
            rule => {
                let (_, text) = RULES.iter().find(|(known, _)| *known == rule).expect("a rule of that name");
                ("A chain that breaks one rule.", Expect::error("chain-invalid").text(text))
            }
        };
        add(book, &format!("chain/{name}"), vector("chain", header, blobs, comment, expect));
    }
}

fn identities(book: &mut Book) {
    let mut case = |name: &str, identities: Value, comment: &str, expect: Expect| {
        let header = asked(3, |it| it["identities"] = identities);
        add(book, &format!("chain/identity-{name}"), vector("chain", header, signer(), comment, expect));
    };
    let gives = |passed: bool| ok(json!({"checks": [{"check": "authenticity", "passed": passed}]}));
    let named = |name: &str| json!([format!("x509.subject: {name}")]);
    let own = "C=US, ST=WA, O=Bulla Test";
    case("part", named(own), "The subject has all of it.", gives(true));
    case("other", named("C=US, ST=WA, O=Other"), "Another organisation.", gives(false).text("trusted identities"));
    let comment = "An attribute that the subject lacks.";
    case("more", named(&format!("{own}, OU=builders")), comment, gives(false));
    case("case", named("C=US, ST=WA, O=bulla test"), "Values are compared as they are.", gives(false));
    let either = json!(["x509.subject: C=US, ST=WA, O=Other", format!("x509.subject: {own}")]);
    case("either", either, "One of two.", gives(true));
    let invalid = |text: &str| Expect::error("identities-invalid").text(text);
    case("none", json!([]), "Nobody.", invalid("no trusted identity"));
    case("star", json!(["*", format!("x509.subject: {own}")]), "Everybody, and one.", invalid("stand alone"));
    case("kind", json!(["did:web:example.com"]), "Another kind of identity.", invalid("is no identity"));
    case("short", named("C=US, O=Bulla Test"), "The specification asks for a state.", invalid("no ST"));
    case("empty", named("C=US, ST=WA, O=Bulla Test, CN="), "A value that would match its absence.", invalid("CN"));
    case("twice", named("C=US, ST=WA, O=a, O=b"), "One attribute twice.", invalid("O"));
    case("several", named("C=US, ST=WA, O=a+OU=b"), "Two attributes in one part of the name.", invalid(""));
    case("hex", named("C=US, ST=WA, O=#0c0161"), "An encoded value.", invalid(""));
    let overlapping = json!([format!("x509.subject: {own}"), format!("x509.subject: {own}, CN=p256")]);
    case("overlap", overlapping, "Who matches the second one matches the first one.", invalid("overlaps"));
}

fn revocation(book: &mut Book) {
    let mut case = |name: &str, change: &dyn Fn(&mut Value), lists: &[(&str, &[u8])], comment: &str, expect: Expect| {
        let mut blobs = signer();
        let mut evidence = Vec::new();
        for (need, content) in lists {
            evidence.push(json!({"need": need, "outcome": "found", "blob": blobs.len()}));
            blobs.push(Recipe::of(content));
        }
        let mut header = asked(3, |it| {
            it["revocation"] = json!(true);
            it["evidence"] = json!(evidence);
        });
        change(&mut header);
        add(book, &format!("chain/revocation-{name}"), vector("chain", header, blobs, comment, expect));
    };
    let (leaf, intermediate) = ("crl http://pki.example/ca.crl", "crl http://pki.example/root.crl");
    let root = (intermediate, material!("revocation/root.crl"));
    let gives = |passed: Value| ok(json!({"checks": [{"check": "revocation", "passed": passed}]}));
    let nothing = &|_: &mut Value| {};
    let needs = Expect::outcome("needs")
        .answer(json!({"needs": [{"kind": "crl", "id": leaf}, {"kind": "crl", "id": intermediate}]}));
    case("asked", nothing, &[], "What the certificates name has to be fetched.", needs);
    let good = [(leaf, material!("revocation/empty.crl")), root];
    case("good", nothing, &good, "No list has any of them.", gives(json!(true)));
    let revoked = [(leaf, material!("revocation/revoked.crl")), root];
    case("revoked", nothing, &revoked, "A list has the leaf.", gives(json!(false)).text("is revoked since"));
    let old = [(leaf, material!("revocation/expired.crl")), root];
    case("expired", nothing, &old, "A list that is too old says nothing.", gives(json!(null)));
    let failed = |it: &mut Value| {
        let evidence = it["evidence"].as_array_mut().expect("a list");
        evidence.push(json!({"need": leaf, "outcome": "failed", "reason": "pki.example: timed out"}));
    };
    let comment = "The list cannot be had: that is not good.";
    case("failed", &failed, &[root], comment, gives(json!(null)).text("timed out"));
    let later = [(leaf, material!("revocation/invalid-later.crl")), root];
    let authority = |it: &mut Value| {
        it["scheme"] = json!("notary.x509.signingAuthority");
        it["signingTime"] = json!("2026-06-01T12:00:00Z");
    };
    let comment = "It became invalid after an authority's signing time.";
    case("invalid-later", &authority, &later, comment, gives(json!(true)));
    let own_time = |it: &mut Value| it["signingTime"] = json!("2026-06-01T12:00:00Z");
    let comment = "Nobody vouches for the time of a signer himself.";
    case("invalid-later-own-time", &own_time, &later, comment, gives(json!(false)));
    let both = |it: &mut Value| it["identities"] = json!(["x509.subject: C=US, ST=WA, O=Other"]);
    let comment = "Each check is made, whatever the other one gives.";
    let expect =
        ok(json!({"checks": [{"check": "authenticity", "passed": false}, {"check": "revocation", "passed": true}]}));
    case("and-identity", &both, &good, comment, expect);
}

fn requests(book: &mut Book) {
    let mut case = |name: &str, header: Value, blobs: Vec<Recipe>, comment: &str, expect: Expect| {
        add(book, &format!("chain/request-{name}"), vector("chain", header, blobs, comment, expect));
    };
    let invalid = |text: &str| Expect::error("message-invalid").text(text);
    let nothing = ok(json!({"checks": []}));
    case("nothing", asked(3, |_| {}), signer(), "Nothing is asked: then the chain alone is looked at.", nothing);
    let other = asked(3, |it| it["scheme"] = json!("notary.x509.other"));
    case("scheme", other, signer(), "A scheme that there is not.", invalid("scheme"));
    let untimed = asked(3, |it| it["scheme"] = json!("notary.x509.signingAuthority"));
    case("no-time", untimed, signer(), "A signing authority states the time.", invalid("signingTime"));
    let unknown = asked(3, |it| it["trustStores"] = json!([]));
    case("unknown-field", unknown, signer(), "No field is ignored.", invalid("trustStores"));
    let broken = Expect::error("chain-invalid");
    case("empty", asked(0, |_| {}), vec![], "No certificate.", broken.clone().text("is empty"));
    let garbage = vec![Recipe::Text("no certificate".to_owned())];
    case("no-der", asked(1, |_| {}), garbage, "No certificate.", broken.clone().text("certificate 0"));
    let many = vec![Recipe::of(&toolbox::pem_content(LEAF)); 17];
    case("long", asked(17, |_| {}), many, "More certificates than are read.", broken.text("at most"));
}
