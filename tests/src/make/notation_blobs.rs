//! Notation's signatures of blobs, and trust policies for blobs (trust-store-trust-policy.md, "Blob Trust Policy").

use serde_json::{Value, json};

use super::dsse::{changed, text};
use super::keys::vector;
use super::notation::{INTERMEDIATE, LEAF, NOW, ROOT, SAME_KEY, Signing, material};
use super::toolbox;
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::{Recipe, Repeat};

/// The blob.
const BLOB: &str = "the content of a blob\n";
const TYPE: &str = "application/octet-stream";

pub(super) fn write(book: &mut Book) {
    statements(book);
    targets(book);
    signatures(book);
    revocation(book);
    documents(book);
    requests(book);
}

/// As `notation blob sign` signs the blob, by a certificate that signs itself.
fn signing() -> Signing {
    let target = json!({"mediaType": TYPE, "digest": toolbox::digest(BLOB), "size": BLOB.len(),
        "annotations": {"team": "builders"}});
    Signing::new().target(|it| *it = target).chain(&[SAME_KEY])
}

/// A statement that pins that certificate.
fn statement(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let statement = json!({"name": name, "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:own"], "trustedIdentities": ["*"]});
    changed(statement, change)
}

/// The trust policy of most vectors: one statement by name, and the global one.
fn policy() -> Value {
    let global = statement("rest", |it| it["globalPolicy"] = json!(true));
    json!({"version": "1.0", "trustPolicies": [statement("builds", |_| {}), global]})
}

/// A question about the blob.
struct Asked {
    header: Value,
    blobs: Vec<Recipe>,
}

impl Asked {
    /// The blob with this envelope, under this policy.
    fn about(envelope: Recipe, policy: &Value) -> Self {
        let header = json!({"content": 0, "signature": 1, "envelope": "jws", "policy": 2, "now": NOW, "evidence": [],
            "files": [{"path": "truststore/x509/ca/own/own.pem", "blob": 3}]});
        let blobs = vec![Recipe::Text(BLOB.to_owned()), envelope, Recipe::Text(text(policy)), Recipe::lines(SAME_KEY)];
        Self { header, blobs }
    }

    /// Signed so, under the usual policy.
    fn signed(signing: &Signing) -> Self {
        Self::about(Recipe::Text(text(&signing.jws())), &policy())
    }

    /// With other members.
    fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.header);
        self
    }

    /// With another blob in this place.
    fn blob(mut self, index: usize, blob: Recipe) -> Self {
        self.blobs[index] = blob;
        self
    }

    /// Something came for a need.
    fn found(mut self, need: &str, content: &[u8]) -> Self {
        let answer = json!({"need": need, "outcome": "found", "blob": self.blobs.len()});
        self.header["evidence"].as_array_mut().expect("a list").push(answer);
        self.blobs.push(Recipe::of(content));
        self
    }

    fn add(self, book: &mut Book, name: &str, comment: &str, expect: Expect) {
        let made = vector("blob", self.header, self.blobs, comment, expect);
        add(book, &format!("blob/{name}"), crate::vectors::Vector { layer: "notation".to_owned(), ..made });
    }
}

fn by(statement: &str) -> Expect {
    accepted().answer(json!({"verdict": {"statement": statement, "level": "strict"}}))
}

/// Which statement is asked.
fn statements(book: &mut Book) {
    let named = |name: &str| {
        let name = name.to_owned();
        Asked::signed(&signing()).with(move |it| it["statement"] = json!(name))
    };
    named("builds").add(book, "by-name", "The statement that is asked for.", by("builds").text("CN=same key"));
    Asked::signed(&signing()).add(book, "global", "None is asked for: the global one.", by("rest"));
    named("rest").add(book, "global-by-name", "The global one has a name as well.", by("rest"));
    let none = rejected("no-policy").text("\"others\"");
    named("others").add(book, "no-such-name", "There is no such statement: the global one is none either.", none);
    let without = json!({"version": "1.0", "trustPolicies": [statement("builds", |_| {})]});
    let asked = || Asked::about(Recipe::Text(text(&signing().jws())), &without);
    asked().add(
        book,
        "no-global",
        "None is asked for, and none is global.",
        rejected("no-policy").text("globalPolicy"),
    );
    let skip = json!({"name": "builds", "signatureVerification": {"level": "skip"}});
    let skips = json!({"version": "1.0", "trustPolicies": [skip]});
    let asked = Asked::about(Recipe::Text(text(&signing().jws())), &skips).with(|it| it["statement"] = json!("builds"));
    let comment = "A statement that takes what nobody signed: that is not accepted here.";
    asked.add(book, "skip", comment, rejected("notation-skip"));
}

/// What was signed, held against the blob.
fn targets(book: &mut Book) {
    let typed = |media_type: &str| {
        let media_type = media_type.to_owned();
        Asked::signed(&signing()).with(move |it| it["mediaType"] = json!(media_type))
    };
    typed(TYPE).add(book, "media-type", "Signed as what it is asked for.", by("rest"));
    let no = || rejected("notation-target");
    let comment = "Signed as something else than it is asked for.";
    typed("text/plain").add(book, "other-media-type", comment, no().text("it was signed as"));
    let other = Recipe::Text(BLOB.replace("content", "CONTENT"));
    let comment = "Another blob, as long as the one that was signed.";
    Asked::signed(&signing()).blob(0, other).add(book, "other-digest", comment, no().text("was signed, not"));
    let sized = Asked::signed(&signing().target(|it| it["size"] = json!(1)));
    sized.add(book, "other-size", "Another size under the same digest.", no().text("1 octets were signed"));
    let digest =
        "sha384:b8b9d0e2b8f2d9e6a2d1c6c8a8f6b1d5b8b9d0e2b8f2d9e6a2d1c6c8a8f6b1d5b8b9d0e2b8f2d9e6a2d1c6c8a8f6b1d5";
    let comment = "A digest by another hash than goes with the key.";
    let hashed = Asked::signed(&signing().target(|it| it["digest"] = json!(digest)));
    hashed.add(book, "other-hash", comment, no().text("sha384:"));
    let empty = Asked::signed(&signing()).blob(0, Recipe::Text(String::new()));
    empty.add(book, "empty", "Nothing, in place of the blob.", no());
    let wants = |value: &str| {
        let value = value.to_owned();
        Asked::signed(&signing()).with(move |it| it["metadata"] = json!({"team": value}))
    };
    wants("builders").add(book, "metadata", "Metadata that was signed.", by("rest"));
    let no = rejected("notation-metadata").text("builders");
    wants("others").add(book, "other-metadata", "Metadata with another value.", no);
    let long = Recipe::Repeat(Repeat {
        text: "0123456789abcdef".to_owned(),
        count: 1024 * 1024 + 1,
        separator: String::new(),
    });
    let comment = "A blob that is larger than one question may have.";
    let expect = unknown("budget").text("octets of a blob");
    Asked::signed(&signing()).blob(0, long).add(book, "too-large", comment, expect);
}

/// The envelope, and who signed.
fn signatures(book: &mut Book) {
    let cose = Asked::about(Recipe::of(&signing().cose()), &policy()).with(|it| it["envelope"] = json!("cose"));
    cose.add(book, "cose", "The other format.", by("rest"));
    let mixed = Asked::signed(&signing()).with(|it| it["envelope"] = json!("cose"));
    let comment = "An envelope that is said to be of the other format.";
    mixed.add(book, "other-format", comment, rejected("notation-integrity").text("COSE"));
    let garbage = Asked::about(Recipe::Text("no envelope".to_owned()), &policy());
    garbage.add(book, "no-envelope", "No envelope.", rejected("notation-integrity").text("JWS"));
    let mut moved = signing().jws();
    moved["payload"] = signing().target(|it| it["size"] = json!(1)).jws()["payload"].clone();
    let moved = Asked::about(Recipe::Text(text(&moved)), &policy());
    let comment = "The signature of one payload over another.";
    moved.add(book, "payload-changed", comment, rejected("notation-integrity").text("does not hold"));
    let expired = signing().header(|it| it["io.cncf.notary.expiry"] = json!("2026-07-01T00:00:00Z"));
    Asked::signed(&expired).add(book, "expired", "A signature that has expired.", rejected("notation-expiry"));
    let level = |level: &str| {
        let statement = statement("rest", |it| {
            it["globalPolicy"] = json!(true);
            it["signatureVerification"]["level"] = json!(level);
        });
        json!({"version": "1.0", "trustPolicies": [statement]})
    };
    let logged = Asked::about(Recipe::Text(text(&expired.jws())), &level("permissive"));
    let checks = json!({"verdict": {"level": "permissive"}});
    let comment = "The same where expiry is only taken note of.";
    logged.add(book, "permissive-expired", comment, accepted().answer(checks).text("expired at"));
    let others = Asked::signed(&signing()).blob(3, Recipe::lines(ROOT));
    let comment = "Another certificate is pinned.";
    others.add(book, "other-root", comment, rejected("notation-authenticity").text("reaches no pinned"));
    let identity = statement("rest", |it| {
        it["globalPolicy"] = json!(true);
        it["trustedIdentities"] = json!(["x509.subject: C=US, ST=WA, O=Other"]);
    });
    let named = json!({"version": "1.0", "trustPolicies": [identity]});
    let named = Asked::about(Recipe::Text(text(&signing().jws())), &named);
    let expect = rejected("notation-authenticity").text("trusted identities");
    named.add(book, "other-identity", "Another identity is trusted.", expect);
}

/// What certificates name is asked for, as it is for images.
fn revocation(book: &mut Book) {
    let signing = || signing().chain(&[LEAF, INTERMEDIATE, ROOT]);
    let asked = || Asked::signed(&signing()).blob(3, Recipe::lines(ROOT));
    let (leaf, intermediate) = ("crl http://pki.example/ca.crl", "crl http://pki.example/root.crl");
    let needs = json!({"needs": [{"kind": "crl", "id": leaf}, {"kind": "crl", "id": intermediate}]});
    asked().add(book, "needs", "What the certificates name is asked for.", Expect::outcome("needs").answer(needs));
    let root = material!("revocation/root.crl");
    let with = |crl: &[u8]| asked().found(leaf, crl).found(intermediate, root);
    with(material!("revocation/empty.crl")).add(book, "not-revoked", "No list has any of them.", by("rest"));
    let expect = rejected("notation-revocation").text("is revoked since");
    with(material!("revocation/revoked.crl")).add(book, "revoked", "A list has the leaf.", expect);
    let failed = asked().found(intermediate, root).with(|it| {
        let evidence = it["evidence"].as_array_mut().expect("a list");
        evidence.push(json!({"need": leaf, "outcome": "failed", "reason": "pki.example: timed out"}));
    });
    let comment = "A list cannot be had: then nothing is known.";
    failed.add(book, "crl-failed", comment, unknown("notation-unknown").text("timed out"));
}

/// Documents that break a rule are refused as they are read.
fn documents(book: &mut Book) {
    let mut case = |name: &str, policy: Value, comment: &str, text_there: &str| {
        let asked = Asked::about(Recipe::Text(text(&signing().jws())), &policy);
        asked.add(book, &format!("policy-{name}"), comment, Expect::error("policy-invalid").text(text_there));
    };
    let of = |statements: &[Value]| json!({"version": "1.0", "trustPolicies": statements});
    let global = |name: &str| statement(name, |it| it["globalPolicy"] = json!(true));
    case(
        "two-global",
        of(&[global("a"), global("b")]),
        "Two global statements: which one holds?",
        "belongs to another",
    );
    let skip = json!({"name": "a", "globalPolicy": true, "signatureVerification": {"level": "skip"}});
    case("skip-global", of(&[skip]), "Everything would be taken unsigned.", "skip is not allowed for everything");
    case("twice", of(&[statement("a", |_| {}), statement("a", |_| {})]), "One name twice.", "is there twice");
    case("none", of(&[]), "No statement.", "it is needed");
    case("version", changed(policy(), |it| it["version"] = json!("2.0")), "A version that there is not.", "\"2.0\"");
    let scoped = statement("a", |it| it["registryScopes"] = json!(["*"]));
    case("scopes", of(&[scoped]), "Scopes are for images.", "registryScopes");
    let said = statement("a", |it| it["globalPolicy"] = json!("yes"));
    case("global-text", of(&[said]), "Neither true nor false.", "true or false");
    let without = statement("a", |it| it["trustStores"] = json!([]));
    case("no-stores", of(&[without]), "Nobody would be trusted.", "trustStores");
    let beside = json!({"name": "a", "signatureVerification": {"level": "skip"}, "trustStores": ["ca:own"]});
    case("skip-with-stores", of(&[beside]), "Stores that nobody would look at.", "skips verification");
    let other = statement("a", |it| it["signatureVerification"]["override"] = json!({"expiry": "skip"}));
    case("override", of(&[other]), "Only revocation can be skipped.", "cannot be skipped");
}

fn requests(book: &mut Book) {
    let files = |files: Value| Asked::signed(&signing()).with(move |it| it["files"] = files);
    let comment = "The store that the statement names has no file.";
    files(json!([])).add(book, "no-store", comment, rejected("notation-store").text("truststore/x509/ca/own"));
    let elsewhere = json!([{"path": "truststore/x509/ca/other/own.pem", "blob": 3}]);
    files(elsewhere).add(book, "other-store", "A file of another store.", rejected("notation-store"));
    let below = json!([{"path": "truststore/x509/ca/own/below/own.pem", "blob": 3}]);
    files(below).add(book, "store-below", "A file below the store, and not in it.", rejected("notation-store"));
    let kind = json!([{"path": "truststore/x509/tsa/own/own.pem", "blob": 3}]);
    files(kind).add(book, "store-kind", "A file of a store of another type.", rejected("notation-store"));
    let garbage = Asked::signed(&signing()).blob(3, Recipe::Text("no certificate".to_owned()));
    garbage.add(book, "store-no-pem", "A file without a certificate.", rejected("notation-store").text("own.pem"));
    let leaf = Asked::signed(&signing()).blob(3, Recipe::lines(LEAF));
    let comment = "A leaf that somebody else issued cannot be pinned.";
    leaf.add(book, "store-leaf", comment, rejected("notation-store").text("neither a CA nor self-signed"));
    let invalid = |text: &str| Expect::error("message-invalid").text(text);
    let unknown = Asked::signed(&signing()).with(|it| it["image"] = json!("registry.example/app"));
    unknown.add(book, "unknown-field", "No field is ignored.", invalid("image"));
    let absent = Asked::signed(&signing()).with(|it| it["content"] = json!(9));
    absent.add(book, "no-such-blob", "A blob that is not there.", invalid("blob 9"));
}
