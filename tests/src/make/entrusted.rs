//! Tags that were signed with Docker Content Trust, by role files that a Notary server served (core/testdata/tuf), and attacks
//! on them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_abi::Operation;
use serde_json::{Value, json};

use super::dsse::{changed, text};
use super::notation::policy_of;
use super::publications::{ALICE, ALICES_PASSPHRASE};
use super::scene::Scene;
use super::toolbox::{self, Key, digest};
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::Recipe;

/// 2026-11-22T02:05:00Z, soon after they were recorded.
pub(super) const RECORDED: i64 = 1_795_313_100;
/// The id of the first root key.
pub(super) const ROOT_KEY: &str = "67a8f8b66d76adadd9480c6f168eb3edb12915e706445b03a76d3453d668da26";
pub(super) const GUN: &str = "localhost:5000/app";
pub(super) const SERVER: &str = "localhost:4443";
/// The head of a policy for the collection.
pub(super) const MATCH: &str = "  match:\n    images: ['localhost:5000/**']\n";

macro_rules! folder {
    ($folder:literal: $($name:literal),*) => {
        BTreeMap::from([$((
            $name.to_owned(),
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/tuf/recorded/", $folder, "/", $name)).to_vec(),
        )),*])
    };
}

pub(super) type Files = BTreeMap<String, Vec<u8>>;

const SNAPSHOT: &str = "snapshot.7f2c0f5209d63cb4c0a1a398b40286caaa0fb9a01ac5358862730fad151d9e28.json";
const TARGETS: &str = "targets.8546cec61ba7f90581fbb870640b02d7ccf69da7bdfd42b6c94c62c08e4eb39e.json";
pub(super) const RELEASES: &str =
    "targets/releases.8445af1dae1797d7a6fd7f29f23eaf04ae31fdafd4b6050d474e5c61956a94ad.json";

/// Version 2 of the root. `targets/releases` says that 1.0 and 2.0 are `two`, `targets` that 1.0 is `one`.
pub(super) fn before() -> Files {
    folder!("before": "root.json", "timestamp.json",
        "snapshot.7f2c0f5209d63cb4c0a1a398b40286caaa0fb9a01ac5358862730fad151d9e28.json",
        "targets.8546cec61ba7f90581fbb870640b02d7ccf69da7bdfd42b6c94c62c08e4eb39e.json",
        "targets/alice.5c01076ebed43b266856b32aaabdaed7e5d8d2c3f86dcab32fd5321737b369d3.json",
        "targets/bob.67b204cc335c8d4a3c8eeb96f34ddfea2dff1e432bb83a731ed76832f3c283f9.json",
        "targets/releases.8445af1dae1797d7a6fd7f29f23eaf04ae31fdafd4b6050d474e5c61956a94ad.json")
}

/// Later, after all keys but the delegations' were changed: version 6 of the root, and 3.0 is `three`.
fn after() -> Files {
    folder!("after": "root.json", "2.root.json", "3.root.json", "4.root.json", "5.root.json",
        "timestamp.json", "snapshot.0192bcff27500f461046137c8c7f7cc4c666a2e0ca074d10200ac0fe1d38214c.json",
        "targets.bd9584bbf6ea83b8c9398767f98a02c231a0674dc803a5162d049a61d45670bb.json",
        "targets/releases.5f466974cf7395e5525491e568cdbe5c1066ec9ff6d3df653865ae567eb96af0.json")
}

pub(super) fn write(book: &mut Book) {
    accepted_ones(book);
    rounds(book);
    tags(book);
    attacks(book);
    rollbacks(book);
    roots(book);
    circumstances(book);
}

/// A signer that pins the first root key.
pub(super) fn signer() -> Value {
    json!({"server": format!("https://{SERVER}"), "pins": {"rootKeys": [ROOT_KEY]}})
}

/// The policy that asks for it.
pub(super) fn asks(signer: Value) -> String {
    policy_of(MATCH, &[("release", json!({ "contentTrust": signer }))], "release")
}

fn with(member: &str, value: Value) -> String {
    asks(changed(signer(), |it| it[member] = value))
}

fn image(tag: &str, content: &str) -> String {
    format!("{GUN}{tag}@{}", digest(content))
}

/// The image that is signed as 2.0.
fn signed() -> String {
    image(":2.0", "manifest two\n")
}

pub(super) fn role(file: &str) -> String {
    format!("role {SERVER}/{GUN}:{file}")
}

/// What is pinned, as it is kept apart what was seen with other pins.
fn pins() -> String {
    pins_of(ROOT_KEY)
}

pub(super) fn pins_of(key: &str) -> String {
    digest(format!("everywhere key {key}\n")).replace("sha256:", "")
}

pub(super) fn memory() -> String {
    format!("remembered {SERVER}/{GUN}:{}", pins())
}

fn asked(policy: String, image: &str) -> Scene {
    let (_, digest) = image.split_once('@').expect("by digest");
    let mut scene = Scene::new(policy);
    (scene.repository, scene.digest) = (GUN.to_owned(), digest.to_owned());
    scene.image(image).asked(json!({"now": RECORDED}))
}

impl Scene {
    /// These are the role files that the server has.
    fn served(self, files: &Files) -> Self {
        files.iter().fold(self, |scene, (name, bytes)| scene.found(&role(name), Recipe::of(bytes), None))
    }

    /// The server does not have this.
    fn lacks(self, file: &str) -> Self {
        self.answered(&role(file), json!({"outcome": "absent"}))
    }

    /// Nothing is remembered.
    fn new_to_it(self) -> Self {
        self.answered(&memory(), json!({"outcome": "absent"}))
    }

    /// This is remembered.
    fn remembering(self, what: &Value) -> Self {
        self.found(&memory(), Recipe::Text(text(what)), None)
    }
}

/// The image and the files, seen for the first time.
fn first(policy: String, image: &str, files: &Files) -> Scene {
    asked(policy, image).new_to_it().served(files).lacks("1.root.json")
}

/// The fingerprint of a key by the id that it is listed under: delegations list Alice's by its certificate, all others are bare.
fn fingerprint(id: &str) -> String {
    let file = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("a role file")["signed"].take();
    let listed = [before(), after()].into_iter().flat_map(|files| {
        let (root, targets) = (file(&files["root.json"]), files.get(TARGETS).map(|bytes| file(bytes)));
        [root["keys"].clone(), targets.map(|it| it["delegations"]["keys"].clone()).unwrap_or_default()]
    });
    let key = listed.filter_map(|keys| keys.get(id).cloned()).next().expect("listed");
    if key["keytype"] == "ecdsa" {
        return digest(STANDARD.decode(key["keyval"]["public"].as_str().expect("text")).expect("base64"));
    }
    let blobs = vec![ALICE.as_bytes().to_vec(), ALICES_PASSPHRASE.as_bytes().to_vec()];
    let header = json!({"key": 0, "passphrase": 1});
    toolbox::call(Operation::Key, &header, blobs).0["fingerprint"].as_str().expect("a fingerprint").to_owned()
}

/// What is remembered of a file: its version and the digest of what was signed.
fn seen(file: &[u8]) -> Value {
    let file: Value = serde_json::from_slice(file).expect("a role file");
    // Nothing in these files is escaped in one form and not in the other.
    let signed = serde_json::to_vec(&file["signed"]).expect("JSON");
    json!({"version": file["signed"]["version"], "sha256": digest(&signed)})
}

/// The same for each key that signed the file.
fn seen_by(file: &[u8]) -> Value {
    let seen = seen(file);
    let file: Value = serde_json::from_slice(file).expect("a role file");
    let keys = file["signatures"].as_array().expect("a list").iter();
    keys.map(|it| (fingerprint(it["keyid"].as_str().expect("an id")), seen.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A memory of this role alone: had the file been another one, of a version so much higher.
fn other(role: &str, file: &[u8], higher: u64) -> Value {
    let otherwise = |seen: &mut Value| {
        let version = seen["version"].as_u64().expect("a version");
        *seen = json!({"version": version + higher, "sha256": digest("x")});
    };
    if role == "root" {
        return json!({"root": changed(seen(file), otherwise), "roles": {}});
    }
    let by_key = changed(seen_by(file), |it| it.as_object_mut().expect("a map").values_mut().for_each(otherwise));
    json!({"root": null, "roles": {role: by_key}})
}

fn accepted_ones(book: &mut Book) {
    let mut case = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("trust/{name}"), scene.vector("tuf", comment, expect));
    };
    let files = before();
    let (root, timestamp, snapshot) = (&files["root.json"], &files["timestamp.json"], &files[SNAPSHOT]);
    let state = json!({"root": seen(root), "roles": {"timestamp": seen_by(timestamp), "snapshot": seen_by(snapshot),
        "targets": seen_by(&files[TARGETS]), "targets/releases": seen_by(&files[RELEASES])}});
    let name = format!("{SERVER} {GUN} {}", pins());
    let remembers = || accepted().answer(json!({"verdict": {"remember": {name.clone(): state}}}));
    let comment = "The tag is signed as this digest. What was seen is to be remembered.";
    case("tag", first(asks(signer()), &signed(), &files), comment, remembers());
    let comment = "By digest alone: some tag is it.";
    case("digest", first(asks(signer()), &image("", "manifest two\n"), &files), comment, accepted());
    let again = asked(asks(signer()), &signed()).remembering(&state).served(&files);
    case("again", again, "What was seen before.", remembers());
    let targets = with("roles", json!(["targets"]));
    let scene = first(targets, &image(":1.0", "manifest one\n"), &files);
    case("role-targets", scene, "The role that is asked says another thing than the delegation.", accepted());
    let both = with("required", json!(["targets/alice", "targets/bob"]));
    case("both-required", first(both, &signed(), &files), "Two roles say the same.", accepted());
    let later = image(":3.0", "manifest three\n");
    let comment = "The pinned root key has signed the second root, which leads to the sixth.";
    case("rotated", first(asks(signer()), &later, &after()), comment, accepted());
    let scene = asked(asks(signer()), &later).remembering(&state).served(&after()).lacks("1.root.json");
    case("rotated-since", scene, "The root that is remembered leads to the sixth.", accepted());
    let minimum = with("minimumVersions", json!({"root": 2, "timestamp": 4}));
    case("minimum", first(minimum, &signed(), &files), "As new as the policy asks for.", accepted());
}

fn rounds(book: &mut Book) {
    let mut case = |name: &str, scene: Scene, comment: &str, needs: Value| {
        let expect = Expect::outcome("needs").answer(json!({ "needs": needs }));
        add(book, &format!("needs/trust-{name}"), scene.vector("evidence", comment, expect));
    };
    let need = |file: &str| json!({"kind": "role", "registry": SERVER, "repository": GUN, "reference": file});
    let start = || asked(asks(signer()), &signed());
    let (timestamp, root) = (need("timestamp.json"), need("root.json"));
    let comment =
        "What this host remembers comes before anything is fetched: so no file is older for having been fetched first.";
    let remembered = json!({"kind": "remembered", "registry": SERVER, "repository": GUN, "reference": pins()});
    case("1-memory", start(), comment, json!([remembered]));
    case("2-first", start().new_to_it(), "The two files that nobody names.", json!([timestamp, root]));
    let mut files = before();
    let mut fetched = Files::new();
    for (name, file, next, comment) in [
        ("3-snapshot", "root.json", &[SNAPSHOT][..], "The snapshot that the timestamp names."),
        (
            "4-targets",
            SNAPSHOT,
            &[TARGETS, RELEASES],
            "The targets that the snapshot names, and at once its delegation.",
        ),
    ] {
        let mut take = |name: &str| fetched.insert(name.to_owned(), files.remove(name).expect("there"));
        take(file);
        if file == "root.json" {
            take("timestamp.json");
        }
        let scene = start().new_to_it().served(&fetched);
        case(name, scene, comment, json!(next.iter().map(|file| need(file)).collect::<Vec<_>>()));
    }
}

fn tags(book: &mut Book) {
    let files = before();
    let mut case = |name: &str, policy: String, image: &str, comment: &str, text: &str| {
        let expect = rejected("trust-tag").text(text);
        add(book, &format!("trust/{name}"), first(policy, image, &files).vector("tuf", comment, expect));
    };
    let docker = || asks(signer());
    let moved = image(":2.0", "manifest one\n");
    case("tag-moved", docker(), &moved, "The registry has another image under the tag.", "\"2.0\" is sha256:");
    let comment = "`targets` says so, and the delegation that is asked before it does not.";
    case("overruled", docker(), &image(":1.0", "manifest one\n"), comment, "\"1.0\" is sha256:");
    let never = image(":9.9", "manifest two\n");
    case("tag-unsigned", docker(), &never, "The digest is signed, as another tag.", "\"9.9\" is not signed");
    let comment = "No tag is this digest.";
    case("digest-unsigned", docker(), &image("", "manifest four\n"), comment, "is not signed");
    let comment = "Only a delegation has it that Docker's clients do not ask.";
    case("other-delegation", docker(), &image(":1.1", "manifest three\n"), comment, "\"1.1\" is not signed");
    let both = with("required", json!(["targets/alice", "targets/releases"]));
    let comment = "Two roles are required, and one does not have the tag.";
    case("one-of-two-required", both, &image(":1.0", "manifest two\n"), comment, "is required, and has no");
    let nobody = with("required", json!(["targets/carol"]));
    case("not-delegated", nobody, &signed(), "A role that nobody delegates to.", "targets does not delegate");
    let apart = with("required", json!(["targets", "targets/releases"]));
    let comment = "Two roles say different things.";
    case("disagreement", apart, &image(":1.0", "manifest two\n"), comment, "says sha256:");
}

/// The file with the signature of its first key spoiled.
fn spoiled(file: &[u8]) -> Vec<u8> {
    let file: Value = serde_json::from_slice(file).expect("a role file");
    let file = changed(file, |it| {
        let signature = it["signatures"][0]["sig"].as_str().expect("text").to_owned();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        it["signatures"][0]["sig"] = json!(format!("{other}{}", &signature[1..]));
    });
    text(&file).into_bytes()
}

fn attacks(book: &mut Book) {
    let mut case = |name: &str, files: &Files, comment: &str, expect: Expect| {
        let scene = first(asks(signer()), &signed(), files);
        add(book, &format!("trust/{name}"), scene.vector("tuf", comment, expect));
    };
    let changed = |name: &str, bytes: Vec<u8>| {
        let mut files = before();
        files.insert(name.to_owned(), bytes);
        files
    };
    let one_bit = |name: &str| changed(name, toolbox::flipped(&before()[name], 40));
    for (name, file) in [("snapshot", SNAPSHOT), ("targets", TARGETS), ("delegation", RELEASES)] {
        let comment = "One bit of a file that another one names by its hash.";
        case(&format!("hash-{name}"), &one_bit(file), comment, rejected("trust-hash"));
    }
    let unsigned = changed("timestamp.json", spoiled(&before()["timestamp.json"]));
    let no = || rejected("trust-threshold").text("is signed by 0 of its keys");
    case("timestamp-forged", &unsigned, "A timestamp that its key did not sign.", no());
    let newer = changed("timestamp.json", after()["timestamp.json"].clone());
    case("timestamp-of-another-key", &newer, "A timestamp by a key that the root does not have.", no());
    let unnamed = changed("root.json", spoiled(&before()["root.json"]));
    case("root-forged", &unnamed, "A root that its own key did not sign.", rejected("trust-threshold"));
    let page = |file: &str| changed(file, b"<html>".to_vec());
    case("root-a-page", &page("root.json"), "A page in place of the root.", rejected("trust-format"));
    let mut rest = before();
    rest.remove("timestamp.json");
    let start = || first(asks(signer()), &signed(), &rest);
    let long = start().found(&role("timestamp.json"), Recipe::repeat(" ", 16 * 1024 + 1), None);
    let comment = "A file without an end, in place of a small one.";
    add(book, "trust/endless", long.vector("tuf", comment, rejected("trust-endless")));
    let large = start().answered(&role("timestamp.json"), json!({"outcome": "tooLarge", "got": 9_000_000}));
    add(book, "trust/too-large", large.vector("tuf", "The host has stopped reading.", unknown("budget")));
    let none = start().lacks("timestamp.json");
    let expect = rejected("trust-absent").text("there is no trust data");
    add(book, "trust/no-data", none.vector("tuf", "The server knows no such collection.", expect));
    let mut without = before();
    without.remove(TARGETS);
    let scene = first(asks(signer()), &signed(), &without).lacks(TARGETS);
    let expect = rejected("trust-absent").text("snapshot names it");
    add(book, "trust/withheld", scene.vector("tuf", "The server holds back what the snapshot names.", expect));
    let mixed = changed_root(&after(), &after()["5.root.json"]);
    let scene = first(asks(signer()), &image(":3.0", "manifest three\n"), &mixed);
    let comment = "An older root beside newer files: the snapshot names the root that it is of.";
    add(book, "trust/mix-and-match", scene.vector("tuf", comment, rejected("trust-mix-and-match")));
}

fn changed_root(files: &Files, root: &[u8]) -> Files {
    let mut files = files.clone();
    files.insert("root.json".to_owned(), root.to_vec());
    files
}

fn rollbacks(book: &mut Book) {
    let files = before();
    let mut case = |name: &str, state: &Value, comment: &str, text: &str| {
        let scene = asked(asks(signer()), &signed()).remembering(state).served(&files);
        let expect = rejected("trust-rollback").text(text);
        add(book, &format!("trust/{name}"), scene.vector("tuf", comment, expect));
    };
    for (role, file, name) in [
        ("root", "root.json", "root"),
        ("timestamp", "timestamp.json", "timestamp"),
        ("snapshot", SNAPSHOT, "snapshot"),
        ("targets", TARGETS, "targets"),
        ("targets/releases", RELEASES, "delegation"),
    ] {
        let comment = "A newer file of the role was seen before.";
        case(&format!("rollback-{name}"), &other(role, &files[file], 1), comment, "was seen before");
    }
    let comment = "The version was seen before, with other content.";
    case("two-contents", &other("timestamp", &files["timestamp.json"], 0), comment, "before");
    let stolen = json!({"root": null, "roles": {"timestamp": {digest("a stolen key"): {"version": u32::MAX, "sha256": digest("x")}}}});
    let comment = "The highest version, signed by a key that the role does not have any more: versions begin anew.";
    let scene = asked(asks(signer()), &signed()).remembering(&stolen).served(&files);
    add(book, "trust/fast-forward-recovered", scene.vector("tuf", comment, accepted()));
    let back = changed(other("timestamp", &files["timestamp.json"], 1), |it| {
        it["roles"]["timestamp"][digest("another key")] = json!({"version": 1, "sha256": digest("x")});
    });
    let comment = "The role got back a key that had signed a newer file, after another key had begun anew.";
    let scene = asked(asks(signer()), &signed()).remembering(&back).served(&files);
    let expect = rejected("trust-rollback").text("was seen before");
    add(book, "trust/rollback-after-key-returned", scene.vector("tuf", comment, expect));
    let mut laid_out = files.clone();
    laid_out.entry("timestamp.json".to_owned()).and_modify(|file| file.extend_from_slice(b" \n"));
    let same = json!({"root": null, "roles": {"timestamp": seen_by(&files["timestamp.json"])}});
    let scene = asked(asks(signer()), &signed()).remembering(&same).served(&laid_out);
    let comment = "The timestamp that was seen, with white space behind it: the same was signed.";
    add(book, "trust/laid-out-anew", scene.vector("tuf", comment, accepted()));
    for (role, version) in [("root", 3), ("targets/releases", 99)] {
        let policy = with("minimumVersions", json!({ role: version }));
        let name = format!("trust/below-minimum-{}", role.replace('/', "-"));
        let expect = rejected("trust-rollback").text("the policy asks for");
        let comment = "Older than the policy allows, on a host that has seen nothing yet.";
        add(book, &name, first(policy, &signed(), &files).vector("tuf", comment, expect));
    }
}

fn roots(book: &mut Book) {
    let mut case = |name: &str, policy: String, files: &Files, comment: &str, expect: Expect| {
        let scene = first(policy, &image(":3.0", "manifest three\n"), files);
        // What was seen with other pins is asked for under their name.
        let strangers = format!("remembered {SERVER}/{GUN}:{}", pins_of(&"0".repeat(64)));
        let scene =
            if name == "root-of-a-stranger" { scene.answered(&strangers, json!({"outcome": "absent"})) } else { scene };
        add(book, &format!("trust/{name}"), scene.vector("tuf", comment, expect));
    };
    let stranger = with("pins", json!({"rootKeys": ["0".repeat(64)]}));
    let comment = "Another root key is pinned, and none leads from it here.";
    case("root-of-a-stranger", stranger, &after(), comment, rejected("trust-root").text("is pinned"));
    let only = |file: &[u8], keys: &[&str]| {
        let file: Value = serde_json::from_slice(file).expect("a role file");
        let file = changed(file, |it| {
            let signatures = it["signatures"].as_array_mut().expect("a list");
            signatures.retain(|one| keys.iter().any(|key| one["keyid"].as_str().is_some_and(|id| id.starts_with(key))));
        });
        text(&file).into_bytes()
    };
    let alone = changed_root(&after(), &only(&after()["root.json"], &["54603a49"]));
    let comment =
        "The newest root is signed by its own key alone: whoever has none of the old ones can make such a root.";
    case(
        "rotation-unsigned",
        asks(signer()),
        &alone,
        comment,
        rejected("trust-rotation").text("of the keys of version"),
    );
    let mut broken = after();
    broken.insert("3.root.json".to_owned(), only(&after()["3.root.json"], &["94b5aab5"]));
    let comment = "A root between the pinned one and the newest, not signed by the key before it.";
    case("rotation-broken", asks(signer()), &broken, comment, rejected("trust-rotation").text("version 3 of root"));
    let mut renamed = after();
    renamed.insert("4.root.json".to_owned(), after()["3.root.json"].clone());
    let comment = "A root under the name of another version.";
    case("rotation-renamed", asks(signer()), &renamed, comment, rejected("trust-rotation").text("is of version 3"));
    let files = before();
    let other = format!("role {SERVER}/localhost:5000/other:");
    let policy = with("gun", json!("localhost:5000/other"));
    let memory = format!("remembered {SERVER}/localhost:5000/other:{}", pins());
    let scene = asked(policy, &signed()).answered(&memory, json!({"outcome": "absent"}));
    let scene =
        files.iter().fold(scene, |it, (name, bytes)| it.found(&format!("{other}{name}"), Recipe::of(bytes), None));
    let scene = scene.answered(&format!("{other}1.root.json"), json!({"outcome": "absent"}));
    let comment = "The files of another collection: the certificate of the root key says of which one it is.";
    add(book, "trust/other-collection", scene.vector("tuf", comment, rejected("trust-root")));
}

fn circumstances(book: &mut Book) {
    let files = before();
    let mut case = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("trust/{name}"), scene.vector("tuf", comment, expect));
    };
    let at = |now: i64| first(asks(signer()), &signed(), &files).asked(json!({ "now": now }));
    // 2026-12-06T02:02:47Z
    let end = 1_796_522_567;
    let comment = "The timestamp has expired: nobody vouches any more that these files are the newest.";
    case("expired", at(end), comment, rejected("trust-expired").text("timestamp expired"));
    case("expires-next", at(end - 1), "The second before.", accepted());
    let failed = || json!({"outcome": "failed", "reason": "localhost:4443: timed out"});
    for file in ["timestamp.json", RELEASES] {
        let mut rest = files.clone();
        rest.remove(file);
        let name = file.split(['.', '/']).next().unwrap_or_default();
        let scene = first(asks(signer()), &signed(), &rest).answered(&role(file), failed());
        let name = if file == RELEASES { "failed-delegation".to_owned() } else { format!("failed-{name}") };
        case(&name, scene, "The server does not answer.", unknown("unfetched").text("timed out"));
    }
    let start = || asked(asks(signer()), &signed());
    let unread = start().found(&memory(), Recipe::Text("{".to_owned()), None).served(&files);
    let comment = "What is remembered cannot be read: it could show that these files are old ones.";
    case("memory-unreadable", unread, comment, unknown("unfetched").text("cannot be read"));
    let lost = start().answered(&memory(), json!({"outcome": "failed", "reason": "disk"})).served(&files);
    case("memory-failed", lost, "What is remembered cannot be had.", unknown("unfetched").text("disk"));
    let other = Key::p256(1);
    let signers = [("a", json!({"contentTrust": signer()})), ("b", json!({"cosign": {"publicKey": other.public}}))];
    let none = format!("manifest {GUN}:{}.sig", digest("manifest two\n").replace(':', "-"));
    let list = format!("referrers {GUN}@{}", digest("manifest two\n"));
    for (require, name, expect) in
        [("{anyOf: [a, b]}", "any-of-cosign", accepted()), ("{allOf: [a, b]}", "all-of-cosign", rejected("not-signed"))]
    {
        let scene = first(policy_of(MATCH, &signers, require), &signed(), &files);
        let scene = scene.answered(&none, json!({"outcome": "absent"})).answered(&list, json!({"outcome": "absent"}));
        case(name, scene, "Signed in one of two systems.", expect);
    }
}
