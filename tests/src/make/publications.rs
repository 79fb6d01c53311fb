//! Collections of Docker Content Trust made, changed and shown: what is asked for, what is to be signed, the files that come of it, and
//! every change that is refused.

use std::collections::BTreeMap;

use bulla_abi::Operation;
use serde_json::{Value, json};

use super::entrusted::{Files, GUN, RECORDED, RELEASES, SERVER, before, memory, pins_of, role, signer};
use super::keys::{ok, vector};
use super::toolbox::{self, Key, call};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;

/// The key of the delegations `targets/releases` and `targets/alice`, as Notary's client wrote it.
pub(super) const ALICE: &str = include_str!("../../../core/testdata/tuf/keys/alice.pem");
pub(super) const ALICES_PASSPHRASE: &str = "delegation-passphrase";
const DIGEST: &str = "sha256:6d544ec5d9042f575616df981c95883c6657320690300448596e696508f9ef45";

pub(super) fn write(book: &mut Book) {
    updates(book);
    certificates(book);
    changes(book);
    refusals(book);
    new_collections(book);
    private_keys(book);
}

/// A request about the collection: the signer and the files come behind the blobs that are given.
struct Asked {
    header: Value,
    blobs: Vec<Recipe>,
}

impl Asked {
    fn new(header: Value, signer: &Value, blobs: Vec<Recipe>) -> Self {
        let mut asked = Self { header, blobs };
        let index = asked.blob(Recipe::Text(json!({ "contentTrust": signer }).to_string()));
        for (member, value) in
            [("signer", json!(index)), ("repository", json!(GUN)), ("now", json!(RECORDED)), ("evidence", json!([]))]
        {
            if asked.header.get(member).is_none() {
                asked.header[member] = value;
            }
        }
        asked
    }

    fn blob(&mut self, bytes: Recipe) -> usize {
        self.blobs.push(bytes);
        self.blobs.len() - 1
    }

    /// The host answers a need.
    fn answered(mut self, need: &str, outcome: Value) -> Self {
        let mut evidence = outcome;
        evidence["need"] = json!(need);
        self.header["evidence"].as_array_mut().expect("a list").push(evidence);
        self
    }

    /// These are the files that the server has, and nothing was seen before.
    fn served(mut self, files: &Files) -> Self {
        for (name, file) in files {
            let blob = self.blob(Recipe::of(file));
            self = self.answered(&role(name), json!({"outcome": "found", "blob": blob}));
        }
        for absent in [memory(), role("1.root.json")] {
            self = self.answered(&absent, json!({"outcome": "absent"}));
        }
        self
    }

    fn vector(self, operation: &str, comment: &str, expect: Expect) -> crate::vectors::Vector {
        let vector = vector(operation, self.header, self.blobs, comment, expect);
        crate::vectors::Vector { layer: "tuf".to_owned(), ..vector }
    }

    /// What the module answers, for vectors that go on from there.
    fn call(&self, operation: Operation) -> (Value, Vec<Vec<u8>>) {
        call(operation, &self.header, self.blobs.iter().map(Recipe::bytes).collect())
    }
}

fn updates(book: &mut Book) {
    let update = || Asked::new(json!({}), &signer(), vec![]);
    let mut case = |name: &str, asked: Asked, comment: &str, expect: Expect| {
        add(book, &format!("update/{name}"), asked.vector("update", comment, expect));
    };
    let need = |reference: &str| json!({"kind": "role", "reference": reference});
    let needs = |needs: Value| Expect::outcome("needs").answer(json!({ "needs": needs }));
    let new = || update().answered(&memory(), json!({"outcome": "absent"}));
    case("memory", update(), "What this host remembers comes first.", needs(json!([{"kind": "remembered"}])));
    let first = needs(json!([need("timestamp.json"), need("root.json")]));
    case("first", new(), "The two files that nobody names.", first);
    let mut some = before();
    some.retain(|name, _| !name.starts_with("targets/alice") && !name.starts_with("targets/bob"));
    let expect = Expect::outcome("needs").answer(json!({"needs": [
        need("targets/alice.5c01076ebed43b266856b32aaabdaed7e5d8d2c3f86dcab32fd5321737b369d3.json"),
        need("targets/bob.67b204cc335c8d4a3c8eeb96f34ddfea2dff1e432bb83a731ed76832f3c283f9.json")
    ]}));
    case("delegations", update().served(&some), "Delegations that no policy asks for are shown too.", expect);
    let tag = |tag: &str, content: &str, roles: Value| json!({"tag": tag, "digest": toolbox::digest(content), "length": content.len(), "roles": roles});
    let tags = json!([
        tag("1.0", "manifest two\n", json!(["targets/releases"])),
        tag("2.0", "manifest two\n", json!(["targets/alice", "targets/bob", "targets/releases"])),
    ]);
    let expect = ok(json!({"collection": {"gun": GUN, "server": SERVER, "tags": tags, "skipped": {}, "unseen": [],
        "unresolved": {}, "roles": {"root": {"version": 2, "threshold": 1}, "targets/bob": {"paths": ["2."]}}}}));
    case("whole", update().served(&before()), "Everything that a collection says.", expect);
    let late = Asked::new(json!({"now": 1_796_522_567}), &signer(), vec![]).served(&before());
    case("expired", late, "A timestamp that has expired.", Expect::error("trust-expired").text("timestamp expired"));
    let other = json!({"server": format!("https://{SERVER}"), "pins": {"rootKeys": ["0".repeat(64)]}});
    let stranger = Asked::new(json!({}), &other, vec![]).served(&before());
    let unseen = format!("remembered {SERVER}/{GUN}:{}", pins_of(&"0".repeat(64)));
    let stranger = stranger.answered(&unseen, json!({"outcome": "absent"}));
    case("not-pinned", stranger, "Another root key is pinned.", Expect::error("trust-root"));
    let failed = json!({"outcome": "failed", "reason": "localhost:4443: timed out"});
    let asked = new().answered(&role("timestamp.json"), failed);
    case("failed", asked, "The server does not answer.", Expect::error("unfetched").text("timed out"));
    let large = json!({"outcome": "tooLarge", "got": 9_000_000});
    let asked = new().answered(&role("timestamp.json"), large);
    case("too-large", asked, "The host has stopped reading.", Expect::error("unfetched").text("9000000"));
    let none = Asked::new(json!({}), &json!({"pins": {}}), vec![]);
    case(
        "nothing-pinned",
        none,
        "Nothing is trusted on first use.",
        Expect::error("policy-invalid").text("nothing is pinned"),
    );
    let nowhere = Asked::new(json!({"repository": "App"}), &signer(), vec![]);
    case("no-repository", nowhere, "Not a repository.", Expect::error("message-invalid").text("repository"));
}

fn certificates(book: &mut Book) {
    let root = Key::p256(41);
    let header = || json!({"gun": GUN, "publicKey": 0, "serial": 1, "notBefore": RECORDED, "notAfter": RECORDED + 1});
    let blobs = || vec![Recipe::lines(&root.public), Recipe::of(&[7; 16])];
    let mut case = |name: &str, header: Value, blobs: Vec<Recipe>, comment: &str, expect: Expect| {
        add(book, &format!("certify/{name}"), vector("certify", header, blobs, comment, expect));
    };
    let expect = ok(json!({"message": 0, "hash": "sha256"}));
    case("message", header(), blobs(), "What the key signs to become a root key of the collection.", expect);
    let asked = Asked { header: header(), blobs: blobs() };
    let message = asked.call(Operation::Certify).1.remove(0);
    let with = |signature: Vec<u8>| {
        let mut header = header();
        header["signature"] = json!(2);
        (header, blobs().into_iter().chain([Recipe::of(&signature)]).collect::<Vec<_>>())
    };
    let signed = with(root.sign_bytes(&message));
    case("certificate", signed.0, signed.1, "Signed by the key itself.", ok(json!({"certificate": 0})));
    let other = with(Key::p256(42).sign_bytes(&message));
    case("other-key", other.0, other.1, "Signed by another key.", Expect::error("signing"));
    let short = vec![Recipe::lines(&root.public), Recipe::of(&[7; 15])];
    case("serial-short", header(), short, "Too little entropy.", Expect::error("message-invalid").text("16 octets"));
    let ed25519 = vec![Recipe::lines(&Key::new("ed25519", 1).public), Recipe::of(&[7; 16])];
    case("ed25519", header(), ed25519, "Notary has no such root keys.", Expect::error("signing").text("Ed25519"));
}

/// A change to the recorded collection.
fn publish(changes: Value, blobs: Vec<Recipe>) -> Asked {
    Asked::new(json!({ "changes": changes }), &signer(), blobs).served(&before())
}

fn add_target(role: &str, name: &str) -> Value {
    json!({"change": "addTarget", "role": role, "name": name, "digest": DIGEST, "length": 13})
}

fn changes(book: &mut Book) {
    let asked = publish(json!([add_target("targets/releases", "4.0")]), vec![]);
    let (answer, blobs) = asked.call(Operation::Publish);
    let message = blobs.first().expect("a message").clone();
    let key = answer["publication"]["sign"][0]["signers"][0]["keys"][0]["id"].clone();
    let mut case = |name: &str, asked: Asked, comment: &str, expect: Expect| {
        add(book, &format!("publish/{name}"), asked.vector("publish", comment, expect));
    };
    let fresh = Asked::new(json!({"changes": [add_target("targets", "x")]}), &signer(), vec![]);
    let needs = Expect::outcome("needs");
    case("first", fresh, "The collection is looked at before anything is changed.", needs);
    let difference = json!({"role": "targets/releases", "version": [1, 2], "unchanged": 2, "removed": {}, "changed": {},
        "added": {"4.0": {"digest": DIGEST, "length": 13, "more": false}}, "gained": [], "lost": [], "other": []});
    let expect =
        ok(json!({"publication": {"differences": [difference], "sign": [{"role": "targets/releases", "message": 0,
        "signers": [{"threshold": 1}]}]}}));
    case("add-target", asked, "One tag more; every other stays as it was.", expect);
    let sign = |message: &[u8]| {
        let blobs = vec![ALICE.as_bytes().to_vec(), ALICES_PASSPHRASE.as_bytes().to_vec(), message.to_vec()];
        let header = json!({"key": 0, "passphrase": 1, "message": 2, "hash": "sha256"});
        call(Operation::Sign, &header, blobs).1.remove(0)
    };
    let signed = |signature: Vec<u8>| {
        let mut asked = publish(json!([add_target("targets/releases", "4.0")]), vec![]);
        let blob = asked.blob(Recipe::of(&signature));
        asked.header["signatures"] = json!([{"role": "targets/releases", "key": key, "signature": blob}]);
        asked
    };
    let document = json!({"signed": {"_type": "Targets", "version": 2, "targets": {"4.0": {"length": 13}}}});
    let expect = ok(json!({"publication": {"files": [{"role": "targets/releases", "blob": 0}]}})).document(document);
    case("signed", signed(sign(&message)), "A delegation's key is enough.", expect);
    let refused = |text: &str| Expect::error("signing").text(text);
    case(
        "signed-other-bytes",
        signed(sign(b"another message")),
        "A signature over something else.",
        refused("signature"),
    );
    let mut stranger = signed(sign(&message));
    stranger.header["signatures"][0]["key"] = json!("ab".repeat(32));
    case("signed-by-a-stranger", stranger, "A key that the role does not have.", refused("does not sign"));
    let expect =
        ok(json!({"publication": {"differences": [{"changed": {"2.0": [{"digest": toolbox::digest("manifest two\n")},
        {"digest": DIGEST}]}}]}}));
    let mut moved = add_target("targets/releases", "2.0");
    moved["digest"] = json!(DIGEST);
    case("change-target", publish(json!([moved]), vec![]), "A tag that is another digest now: both are shown.", expect);
    let alice = vec![Recipe::lines(&Key::p256(43).public)];
    let delegate =
        json!([{"change": "addDelegation", "role": "targets/dora", "keys": [{"publicKey": 0}], "paths": ["d-"]}]);
    let expect = ok(json!({"publication": {"differences": [{"role": "targets", "unchanged": 1}]}})).text("d-");
    case("delegate", publish(delegate, alice), "Keys, paths and the threshold are part of the difference.", expect);
    let remove = json!([{"change": "removeTarget", "role": "targets/releases", "name": "1.0"}]);
    let expect = ok(json!({"publication": {"differences": [{"removed": {"1.0": {}}, "unchanged": 1}]}}));
    case("remove-target", publish(remove, vec![]), "One tag less.", expect);
}

fn refusals(book: &mut Book) {
    let mut case = |name: &str, changes: Value, comment: &str, text: &str| {
        let expect = Expect::error("signing").text(text);
        add(book, &format!("publish/{name}"), publish(changes, vec![]).vector("publish", comment, expect));
    };
    let one = |change: Value| json!([change]);
    case("nothing", json!([]), "No change.", "nothing is to be changed");
    let outside = add_target("targets/bob", "3.0");
    case("outside-paths", one(outside), "A tag that the delegation may not name.", "may not name");
    case("not-delegated", one(add_target("targets/carol", "1")), "A role that nobody delegates to.", "targets/carol");
    case("no-targets-role", one(add_target("snapshot", "1")), "A role that says nothing about tags.", "snapshot");
    let mut empty = add_target("targets", "x");
    empty["name"] = json!("");
    case("name-empty", one(empty), "A tag without a name.", "name");
    let gone = json!({"change": "removeTarget", "role": "targets", "name": "9.9"});
    case("no-such-target", one(gone), "A tag that is not there.", "9.9");
    let mut sha512 = add_target("targets", "x");
    sha512["digest"] = json!(format!("sha512:{}", "a".repeat(128)));
    case("no-sha256", one(sha512), "A tag is named by SHA-256.", "sha256");
    let stranger = json!({"change": "removeDelegationKeys", "role": "targets/alice", "keys": ["ab".repeat(32)]});
    case("no-such-key", one(stranger), "A key that the role does not have.", "no key");
    let high = json!({"change": "addDelegation", "role": "targets/alice", "threshold": 2});
    case("threshold-out-of-reach", one(high), "More signatures than there are keys.", "2");
    let base = json!({"change": "removeDelegation", "role": "targets"});
    case("not-a-delegation", one(base), "A role at the base is no delegation.", "no delegation");
    let witness = json!({"change": "witness", "role": "targets/alice"});
    case("nothing-to-witness", one(witness), "A delegation that enough of its keys have signed.", "witness");
    let renew = json!({"change": "renew", "role": "timestamp"});
    case("renew-timestamp", one(renew), "The server signs it.", "timestamp");
    let late = Asked::new(json!({"now": 1_796_522_567, "changes": [add_target("targets", "x")]}), &signer(), vec![]);
    let expect = Expect::error("trust-expired").text("timestamp expired");
    let comment = "Whoever signs on top of a timestamp that has expired signs again what somebody holds back.";
    add(book, "publish/frozen", late.served(&before()).vector("publish", comment, expect));
    let past = Asked::new(
        json!({"expiries": {"targets": RECORDED}, "changes": [add_target("targets", "x")]}),
        &signer(),
        vec![],
    );
    let comment = "Files that have expired when they are made.";
    let expect = Expect::error("signing").text("expire");
    add(book, "publish/expires-at-once", past.served(&before()).vector("publish", comment, expect));
    let mut forged = before();
    forged.insert(RELEASES.to_owned(), toolbox::flipped(&before()[RELEASES], 40));
    let asked =
        Asked::new(json!({"changes": [add_target("targets/releases", "x")]}), &signer(), vec![]).served(&forged);
    let comment = "Nothing is signed on top of a file that does not fit.";
    add(book, "publish/forged-base", asked.vector("publish", comment, Expect::error("trust-hash")));
}

fn new_collections(book: &mut Book) {
    let (root, other) = (Key::p256(44), Key::p256(45));
    let certificate = |gun: &str| {
        let header =
            json!({"gun": gun, "publicKey": 0, "serial": 1, "notBefore": RECORDED, "notAfter": RECORDED + 900});
        let blobs = vec![root.public.clone().into_bytes(), vec![9; 16]];
        let message = call(Operation::Certify, &header, blobs.clone()).1.remove(0);
        let mut header = header;
        header["signature"] = json!(2);
        let blobs = blobs.into_iter().chain([root.sign_bytes(&message)]).collect();
        call(Operation::Certify, &header, blobs).1.remove(0)
    };
    let initial = json!({"root": [{"certificate": 0}], "targets": [{"publicKey": 1}], "snapshot": {"publicKey": 1},
        "timestamp": {"publicKey": 1}});
    let blobs = |gun: &str| vec![Recipe::of(&certificate(gun)), Recipe::lines(&other.public)];
    let made = |initial: &Value, gun: &str| {
        let pins = json!({"server": format!("https://{SERVER}"), "pins": {"rootKeys": ["0".repeat(64)]}});
        Asked::new(json!({ "initial": initial }), &pins, blobs(gun))
    };
    let asked = made(&initial, GUN);
    let (answer, messages) = asked.call(Operation::Publish);
    let ids: BTreeMap<&str, &Value> = answer["publication"]["sign"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|role| (role["role"].as_str().expect("a role"), &role["signers"][0]["keys"][0]["id"]))
        .collect();
    let mut case = |name: &str, asked: Asked, comment: &str, expect: Expect| {
        add(book, &format!("publish/{name}"), asked.vector("publish", comment, expect));
    };
    let expect = ok(json!({"publication": {"sign": [{"role": "root"}, {"role": "targets"}],
        "differences": [{"role": "root", "version": [null, 1]}, {"role": "targets", "version": [null, 1]}]}}));
    case("new", asked, "Root and targets of a collection that is made.", expect);
    let signed = |snapshot: bool| {
        let mut asked = made(&initial, GUN);
        let signatures = [("root", &root), ("targets", &other)].into_iter().zip(&messages);
        let signatures: Vec<Value> = signatures
            .map(|((role, key), message)| {
                let blob = asked.blob(Recipe::of(&key.sign_bytes(message)));
                json!({"role": role, "key": ids[role], "signature": blob})
            })
            .collect();
        asked.header["signatures"] = json!(signatures);
        asked.header["snapshot"] = json!(snapshot);
        asked
    };
    let expect = ok(json!({"publication": {"files": [{"role": "root"}, {"role": "targets"}]}}));
    case("new-signed", signed(false), "The server signs the snapshot.", expect);
    let expect = ok(json!({"publication": {"sign": [{"role": "snapshot"}]}}));
    case("new-snapshot", signed(true), "Whoever has the snapshot key signs it over these files.", expect);
    let mut wrong = initial.clone();
    wrong["root"] = json!([{"publicKey": 1}]);
    let comment = "A root key without a certificate: nothing would say of which collection it is.";
    case("new-bare-root", made(&wrong, GUN), comment, Expect::error("signing").text("without a certificate"));
    let comment = "A root certificate of another collection.";
    case("new-other-name", made(&initial, "localhost:5000/other"), comment, Expect::error("signing").text("root key"));
    let mut wrong = made(&initial, GUN);
    wrong.header["changes"] = json!([add_target("targets", "x")]);
    case("new-and-changed", wrong, "A new collection has nothing to change yet.", Expect::error("message-invalid"));
}

fn private_keys(book: &mut Book) {
    let mut case = |name: &str, header: Value, blobs: Vec<Recipe>, comment: &str, expect: Expect| {
        add(book, &format!("key/{name}"), vector("key", header, blobs, comment, expect));
    };
    let file = || vec![Recipe::of(ALICE.as_bytes()), Recipe::Text(ALICES_PASSPHRASE.to_owned())];
    let opened = json!({"key": 0, "passphrase": 1});
    let expect = ok(json!({"kind": "private", "algorithm": "ecdsa-p256"}));
    case("notary", opened, file(), "A private key as Notary's client writes it.", expect);
    let closed = Expect::error("key-passphrase-needed");
    case("notary-closed", json!({"key": 0}), file(), "It is encrypted.", closed);
    let wrong = vec![Recipe::of(ALICE.as_bytes()), Recipe::Text("another passphrase".to_owned())];
    let expect = Expect::error("key-passphrase-wrong");
    case("notary-wrong", json!({"key": 0, "passphrase": 1}), wrong, "Another passphrase.", expect);
    let plain = || vec![Recipe::lines(&Key::p256(1).private), Recipe::Text("p".to_owned()), Recipe::of(&[3; 24])];
    let write = |write: Value| json!({"key": 0, "write": write});
    let whole = json!({"form": "notary", "role": "targets/releases", "gun": GUN, "passphrase": 1, "entropy": 2});
    let expect = ok(json!({"kind": "private", "privateKey": 1}));
    case("notary-written", write(whole), plain(), "Encrypted as Notary does it.", expect);
    let open = json!({"form": "notary"});
    let expect = ok(json!({"kind": "private", "privateKey": 1}));
    case("notary-open", write(open), plain(), "Not encrypted, and with nothing in its head.", expect);
    let half = json!({"form": "notary", "passphrase": 1});
    case("notary-half", write(half), plain(), "A passphrase takes entropy.", Expect::error("message-invalid"));
    let long = json!({"form": "notary", "role": "a b"});
    case("notary-head", write(long), plain(), "A role that does not fit into the head.", Expect::error("key-invalid"));
}
