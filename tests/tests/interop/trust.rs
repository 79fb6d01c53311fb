//! `bulla trust`: collections that Bulla makes, changes and signs, read by Notary's client and by `docker trust`, and the other way
//! round; and a server that only says what has expired.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bulla_tests::peers;
use bulla_tests::support::{Registry, bulla, bulla_verify, output, run};
use serde_json::{Value, json};

use super::entrusted::replay;
use super::notary::Servers;

/// Servers, a registry, and what is kept between commands.
struct World {
    servers: Servers,
    registry: Registry,
    gun: String,
    /// The id of the root key.
    root: String,
}

impl World {
    fn start() -> Option<Self> {
        let (servers, registry) = (Servers::start()?, Registry::start()?);
        let gun = registry.name("shop/app");
        Some(Self { servers, registry, gun, root: String::new() })
    }

    fn path(&self, name: &str) -> String {
        self.servers.folder.path().join(name).display().to_string()
    }

    /// `bulla --output json`, with where everything is and what is pinned.
    fn command(&self, words: &[&str], more: &[&str]) -> Command {
        let mut command = bulla();
        command.args(["--output", "json"]).args(words).args(["--server", &self.servers.address()]);
        command.args(["--trust-ca", &self.path("ca.crt"), "--trust-state", &self.path("state")]).args(more);
        command
    }

    fn pinned(&self, words: &[&str], more: &[&str]) -> Command {
        let mut command = self.command(words, more);
        command.args(["--pin", &self.root]);
        command
    }

    fn done(&self, words: &[&str], more: &[&str]) -> Value {
        let output = run(&mut self.pinned(words, more));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// What is said when it does not work.
    fn refused(&self, words: &[&str], more: &[&str]) -> String {
        let output: Output = output(&mut self.pinned(words, more));
        assert_eq!(output.status.code(), Some(2), "{words:?} {more:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn key(&self, name: &str, role: &str) -> String {
        run(bulla().args(["key", "generate", "--form", "notary", "--role", role, "--out", &self.path(name)]));
        self.path(&format!("{name}.key"))
    }

    /// Makes the collection with keys `root` and `targets`, and pins its root key.
    fn init(&mut self) {
        let (root, targets) = (self.key("root", "root"), self.key("targets", "targets"));
        let keys = ["--root-key", &root, "--targets-key", &targets];
        let report = run(&mut self.command(&["trust", "init", &self.gun], &keys));
        let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
        let differences = report["collections"][0]["differences"].as_array().expect("a list");
        let gained = differences[0]["gained"].as_array().expect("a list");
        let root = gained.iter().find(|it| it["role"] == "root" && it["key"].is_string()).expect("a root key");
        self.root = root["key"].as_str().expect("an id").to_owned();
    }

    /// Delegates as `docker trust signer add` does.
    fn delegate(&self, name: &str) -> String {
        let key = self.key(name, &format!("targets/{name}"));
        let public = self.path(&format!("{name}.pub"));
        let roles = ["trust", "delegation", "add", &self.gun, &format!("targets/{name}"), "targets/releases"];
        self.done(&roles, &["--public-key", &public, "--key", &self.path("targets.key")]);
        key
    }

    fn push(&self, tag: &str) -> String {
        self.registry.push_image(&self.image(tag), tag)
    }

    fn image(&self, tag: &str) -> String {
        format!("{}:{tag}", self.gun)
    }

    fn verify(&self, tag: &str) -> (i32, Value) {
        let policy = self.path("policy.yaml");
        write_policy(Path::new(&policy), &self.gun, &self.servers.address(), &self.root);
        let (image, state, ca) = (self.image(tag), self.path("state"), self.path("ca.crt"));
        bulla_verify(&[&image, "--policy", &policy, "--trust-state", &state, "--trust-ca", &ca])
    }
}

fn write_policy(file: &Path, gun: &str, server: &str, root: &str) {
    let policy = json!({
        "apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "shop"},
        "spec": {"mode": "enforce", "match": {"images": [gun]}, "require": "owner",
            "signers": {"owner": {"contentTrust": {"server": server, "pins": {"rootKeys": [root]}}}}}
    });
    std::fs::write(file, policy.to_string()).expect("written");
}

#[test]
fn bulla_makes_a_collection_and_notary_reads_it() {
    let Some(mut world) = World::start() else { return };
    world.init();
    let again = output(&mut world.command(
        &["trust", "init", &world.gun],
        &["--root-key", &world.path("root.key"), "--targets-key", &world.path("targets.key")],
    ));
    assert_eq!(again.status.code(), Some(2), "a collection is not made twice");
    assert!(world.servers.their("theirs", &["list", &world.gun]).contains("No targets"), "an empty collection");

    // A signer with the key of a delegation, and nothing else.
    let alice = world.delegate("alice");
    for name in ["root.key", "targets.key"] {
        std::fs::rename(world.path(name), world.path(&format!("{name}.away"))).expect("moved");
    }
    let digest = world.push("1.0");
    let image = world.image("1.0");
    let dry = world.done(&["trust", "sign", &image], &["--key", &alice, "--dry-run"]);
    assert_eq!(dry["collections"][0]["differences"][0]["added"]["1.0"]["digest"], digest.as_str(), "{dry}");
    assert_eq!(world.verify("1.0").0, 1, "a dry run signs nothing");
    let report = world.done(&["trust", "sign", &image], &["--key", &alice]);
    let roles: Vec<_> = report["collections"][0]["differences"].as_array().into_iter().flatten().collect();
    assert_eq!(roles.iter().map(|it| &it["role"]).collect::<Vec<_>>(), ["targets/alice", "targets/releases"]);
    for role in ["targets/alice", "targets/releases"] {
        let list = world.servers.their("theirs", &["list", &world.gun, "--roles", role]);
        assert!(list.contains("1.0") && list.contains(digest.trim_start_matches("sha256:")), "{list}");
    }
    let (code, verdict) = world.verify("1.0");
    assert_eq!((code, verdict["digest"].as_str()), (0, Some(digest.as_str())), "{verdict}");

    // Notary's client verifies the manifest itself.
    let manifest = std::fs::read(world.registry.blob_file(&digest)).expect("a manifest");
    std::fs::write(world.path("manifest"), &manifest).expect("written");
    let verified = world
        .servers
        .their("theirs", &["verify", &world.gun, "1.0", "-i", &world.path("manifest"), "-o", &world.path("out")]);
    assert_eq!(std::fs::read(world.path("out")).expect(&verified), manifest);

    // What it may not do, each with its reason.
    let refused = world.refused(&["trust", "sign", &image], &["--key", &alice, "--role", "targets"]);
    assert!(refused.contains("targets is signed by 1 of the keys"), "{refused}");
    let nobody = world.key("nobody", "targets/nobody");
    let refused = world.refused(&["trust", "sign", &image], &["--key", &nobody]);
    assert!(refused.contains("none of the given keys is theirs"), "{refused}");
    let refused = world.refused(&["trust", "sign", &world.image("9.9")], &["--key", &alice]);
    assert!(refused.contains("is not in the registry"), "{refused}");
    let mut stranger = world.command(&["trust", "sign", &image], &["--key", &alice, "--pin", &"0".repeat(64)]);
    let stranger = output(&mut stranger);
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("trust-root"), "{stranger:?}");

    // Revoked, it counts no more.
    world.push("2.0");
    world.done(&["trust", "sign", &world.image("2.0")], &["--key", &alice]);
    assert_eq!(world.verify("2.0").0, 0);
    world.done(&["trust", "revoke", &world.image("2.0")], &["--key", &alice]);
    assert_eq!(world.verify("2.0").0, 1);
    assert_eq!(world.verify("1.0").0, 0, "the other tag stays");
    let listed = world.done(&["trust", "list", &world.gun], &[]);
    assert_eq!(listed["tags"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["tags"][0]["roles"], json!(["targets/alice", "targets/releases"]));
}

#[test]
fn keys_come_and_go_and_everybody_follows() {
    let Some(mut world) = World::start() else { return };
    world.init();
    let alice = world.delegate("alice");
    world.push("1.0");
    world.done(&["trust", "sign", &world.image("1.0")], &["--key", &alice]);
    assert_eq!(world.verify("1.0").0, 0);
    let (root, targets) = (world.path("root.key"), world.path("targets.key"));

    // A new root key, signed by the old one; the old pin leads there.
    let root2 = world.key("root2", "root");
    world.done(&["trust", "rotate", &world.gun, "root"], &["--new-key", &root2, "--key", &root]);
    assert_eq!(world.verify("1.0").0, 0);
    // A new targets key, by the new root key alone.
    let targets2 = world.key("targets2", "targets");
    world.done(&["trust", "rotate", &world.gun, "targets"], &["--new-key", &targets2, "--key", &root2]);
    let refused = world.refused(&["trust", "delegation", "remove", &world.gun, "targets/alice"], &["--key", &targets]);
    assert!(refused.contains("is signed by 1 of the keys"), "{refused}");
    // The snapshot key comes here, and goes back.
    let snapshot = world.key("snapshot", "snapshot");
    world.done(&["trust", "rotate", &world.gun, "snapshot"], &["--new-key", &snapshot, "--key", &root2]);
    world.push("2.0");
    world.done(&["trust", "sign", &world.image("2.0")], &["--key", &alice, "--key", &snapshot]);
    assert_eq!(world.verify("2.0").0, 0);
    world.done(&["trust", "rotate", &world.gun, "snapshot"], &["--server-managed", "--key", &root2]);
    // The server replaces the timestamp's key.
    world.done(&["trust", "rotate", &world.gun, "timestamp"], &["--server-managed", "--key", &root2]);
    assert_eq!(world.verify("2.0").0, 0);
    world.done(&["trust", "renew", &world.gun, "targets"], &["--key", &targets2]);
    let list = world.servers.their("theirs", &["list", &world.gun, "--roles", "targets/releases"]);
    assert!(list.contains("1.0") && list.contains("2.0"), "{list}");

    // Alice's key is replaced by Bob's, who signs what she has said.
    let bob = world.key("bob", "targets/releases");
    let public = world.path("bob.pub");
    let releases = ["trust", "delegation", "add", &world.gun, "targets/releases"];
    world.done(&releases, &["--public-key", &public, "--key", &targets2]);
    let listed = world.done(&["trust", "list", &world.gun], &[]);
    let fingerprint = run(bulla().args(["--output", "json", "key", "show", &world.path("alice.pub")]));
    let fingerprint: Value = serde_json::from_slice(&fingerprint.stdout).expect("JSON");
    let keys = listed["roles"]["targets/releases"]["keys"].as_array().expect("a list");
    let id = keys.iter().find(|key| key["fingerprint"] == fingerprint["fingerprint"]).expect("alice's")["id"].clone();
    let remove = ["trust", "delegation", "remove", &world.gun, "targets/releases"];
    world.done(&remove, &["--key-id", id.as_str().expect("an id"), "--key", &targets2]);
    let (code, verdict) = world.verify("2.0");
    assert!(code == 1 && verdict.to_string().contains("targets/releases"), "{verdict}");
    world.done(&["trust", "witness", &world.gun, "targets/releases"], &["--key", &bob, "--yes"]);
    assert_eq!(world.verify("2.0").0, 0);

    // Notary's client signs with a key that Bulla made, and reads all of it.
    world.servers.their_with("theirs", "correct horse", &["key", "import", &bob, "--role", "targets/releases"]);
    let digest = world.push("3.0");
    let length = std::fs::metadata(world.registry.blob_file(&digest)).expect("a manifest").len().to_string();
    let hash = digest.trim_start_matches("sha256:");
    let add = ["addhash", &world.gun, "3.0", &length, "--sha256", hash, "--roles", "targets/releases", "--publish"];
    world.servers.their_with("theirs", "correct horse", &add);
    assert_eq!(world.verify("3.0").0, 0);
}

#[test]
fn five_who_sign_at_once_lose_nothing() {
    let Some(mut world) = World::start() else { return };
    world.init();
    let alice = world.delegate("alice");
    let tags = ["1", "2", "3", "4", "5"];
    for tag in tags {
        world.push(tag);
    }
    let signing: Vec<_> = tags
        .iter()
        .map(|tag| {
            let mut command = world.pinned(&["trust", "sign", &world.image(tag)], &["--key", &alice]);
            std::thread::spawn(move || output(&mut command))
        })
        .collect();
    for one in signing {
        let output = one.join().expect("no panic");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for tag in tags {
        assert_eq!(world.verify(tag).0, 0, "{tag}");
    }
}

/// `docker trust` needs no engine for what is done here.
fn docker(world: &World, program: &Path, words: &[&str]) -> String {
    let home = world.servers.folder.path().join("docker");
    let tls = home.join("tls").join(world.servers.address().trim_start_matches("https://"));
    std::fs::create_dir_all(&tls).expect("a folder");
    std::fs::copy(world.path("ca.crt"), tls.join("ca.crt")).expect("copied");
    let mut command = Command::new(program);
    command.current_dir(world.servers.folder.path()).args(words).env("DOCKER_CONFIG", &home);
    command.env("DOCKER_CONTENT_TRUST_SERVER", world.servers.address());
    for name in ["ROOT", "REPOSITORY"] {
        command.env(format!("DOCKER_CONTENT_TRUST_{name}_PASSPHRASE"), "correct horse");
    }
    let output = run(&mut command);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn docker_trust_reads_what_bulla_signs_and_bulla_what_docker_made() {
    let Some(program) = peers::wanted("docker") else { return };
    let Some(mut world) = World::start() else { return };
    world.init();
    let alice = world.delegate("alice");
    let digest = world.push("1.0");
    world.done(&["trust", "sign", &world.image("1.0")], &["--key", &alice]);
    let shown: Value =
        serde_json::from_str(&docker(&world, &program, &["trust", "inspect", &world.gun])).expect("JSON");
    let tag = &shown[0]["SignedTags"][0];
    assert_eq!((tag["SignedTag"].as_str(), tag["Digest"].as_str()), (Some("1.0"), digest.strip_prefix("sha256:")));
    assert_eq!(tag["Signers"], json!(["alice"]), "{shown}");
    assert_eq!(shown[0]["Signers"][0]["Name"], "alice");
    let root = &shown[0]["AdministrativeKeys"].as_array().expect("a list")[0];
    assert!(root["Name"] == "Root" || root["Name"] == "Repository", "{shown}");

    // Docker makes a collection with a signer; Bulla signs with the signer's key, and Docker revokes.
    world.gun = world.registry.name("shop/other");
    docker(&world, &program, &["trust", "key", "generate", "carol"]);
    docker(&world, &program, &["trust", "signer", "add", "--key", "carol.pub", "carol", &world.gun]);
    let server = ["--server", &world.servers.address(), "--ca-file", &world.path("ca.crt")].map(str::to_owned);
    let inspected = run(bulla().args(["--output", "json", "trust", "inspect", &world.gun]).args(server));
    let inspected: Value = serde_json::from_slice(&inspected.stdout).expect("JSON");
    world.root = inspected["root"]["keys"][0]["id"].as_str().expect("an id").to_owned();
    let private = world.servers.folder.path().join("docker/trust/private");
    let carol = std::fs::read_dir(private).expect("keys").map(|it| it.expect("a file").path());
    let is_carols = |file: &PathBuf| std::fs::read_to_string(file).is_ok_and(|text| text.contains("role: carol"));
    let carol = carol.into_iter().find(is_carols).expect("carol's key").display().to_string();
    let digest = world.push("2.0");
    world.done(&["trust", "sign", &world.image("2.0")], &["--key", &carol]);
    assert_eq!(world.verify("2.0").0, 0);
    let shown: Value =
        serde_json::from_str(&docker(&world, &program, &["trust", "inspect", &world.gun])).expect("JSON");
    assert_eq!(shown[0]["SignedTags"][0]["Digest"].as_str(), digest.strip_prefix("sha256:"));
    docker(&world, &program, &["trust", "revoke", "--yes", &world.image("2.0")]);
    assert_eq!(world.verify("2.0").0, 1);
}

#[test]
fn a_server_that_is_held_still_is_found_out() {
    use bulla_core::key::{Algorithm, Hash, PrivateKey};
    use bulla_core::signing::trust::{
        Expiries, InitialKeys, Prepared, PreparedRole, RoleSignature, RootCertificate, initialise,
    };
    use bulla_core::time::UnixTime;
    use bulla_core::tuf::key::Key;
    use bulla_core::tuf::role::{Gun, Role};
    use bulla_core::tuf::{Method, canonical};
    let Some(mut world) = World::start() else { return };
    world.servers.stop();
    // A collection whose timestamp was the last one that anybody got to see: it has expired an hour ago.
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let now = UnixTime(i64::try_from(now).expect("a time"));
    let gun = Gun::parse(&world.gun).expect("a name");
    let private = |seed: u8| PrivateKey::generate(Algorithm::EcdsaP256, &[seed; 264]).expect("entropy");
    let (root, others) = (private(1), private(2));
    let made =
        RootCertificate::prepare(&gun, root.public(), [1; 16], UnixTime(now.0 - 86_400), UnixTime(now.0 + 86_400));
    let made = made.expect("prepared");
    let listed = made.assemble(&root.sign(made.message(), made.hash()).expect("signs")).expect("assembled");
    let other = Key::bare(others.public().clone());
    let keys = InitialKeys {
        root: std::slice::from_ref(&listed),
        targets: std::slice::from_ref(&other),
        snapshot: &other,
        timestamp: &other,
    };
    let expiries = Expiries::from(now);
    let new: Prepared = initialise(&gun, &keys, &expiries).expect("prepared");
    let sign = |role: &PreparedRole| {
        let (key, id) = if role.role == Role::root() { (&root, listed.id()) } else { (&others, other.id()) };
        RoleSignature {
            role: role.role.clone(),
            key: id,
            signature: key.sign(&role.message, Hash::Sha256).expect("signs"),
        }
    };
    let mut files = new.assemble(&new.roles.iter().map(sign).collect::<Vec<_>>()).expect("assembled");
    let snapshot = new.snapshot(&files, &expiries).expect("prepared");
    files.insert(Role::snapshot(), snapshot.assemble(&[sign(&snapshot)]).expect("assembled"));
    let hash = |bytes: &[u8]| {
        use sha2::Digest as _;
        <[u8; 32]>::from(sha2::Sha256::digest(bytes))
    };
    let base64 = |bytes: &[u8]| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    let of_snapshot = &files[&Role::snapshot()];
    let signed = json!({
        "_type": "Timestamp", "version": 1, "expires": UnixTime(now.0 - 3600).rfc3339().expect("a time"),
        "meta": {"snapshot": {"hashes": {"sha256": base64(&hash(of_snapshot))}, "length": of_snapshot.len()}}
    });
    let message = canonical::write(&signed).expect("canonical");
    let (method, raw) =
        Method::of(&message, &others.sign(&message, Hash::Sha256).expect("signs"), &other).expect("holds");
    let signature = json!({"keyid": other.id(), "method": method.name(), "sig": base64(&raw)});
    let timestamp = json!({"signed": signed, "signatures": [signature]}).to_string().into_bytes();
    let mut served: std::collections::BTreeMap<String, Vec<u8>> = files
        .iter()
        .flat_map(|(role, file)| [(role.file(), file.clone()), (role.file_by_hash(&hash(file)), file.clone())])
        .collect();
    served.insert("timestamp.json".to_owned(), timestamp);
    replay(world.servers.port, world.servers.folder.path(), served);
    world.root = listed.id().to_string();
    world.push("1.0");
    let (code, verdict) = world.verify("1.0");
    let text = verdict.to_string();
    assert!(code == 1 && text.contains("trust-expired"), "{text}");
    assert!(text.contains("the Notary server, which signs it again when it is asked for it"), "{text}");
    // And nobody signs on top of it.
    let targets = world.key("targets", "targets");
    let refused = world.refused(&["trust", "sign", &world.image("1.0"), "--role", "targets"], &["--key", &targets]);
    assert!(refused.contains("timestamp expired"), "{refused}");
}
