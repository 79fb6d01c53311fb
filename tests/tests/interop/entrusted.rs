//! `bulla verify` about images whose tags Notary's own client has signed: accepted, and refused for a reason of its own when the
//! server is stopped, has lost everything, or says again what it said before.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_tests::support::{Registry, bulla, bulla_verify, run};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use super::notary::Servers;

/// A server over TLS that says these files for as long as the test runs, and 404 to everything else. Gives the names that it is
/// asked for.
pub(super) fn replay(port: u16, folder: &Path, files: BTreeMap<String, Vec<u8>>) -> Arc<Mutex<Vec<String>>> {
    replay_after(Duration::ZERO, port, folder, files)
}

/// The same, each file a while after it was asked for.
fn replay_after(
    pause: Duration,
    port: u16,
    folder: &Path,
    files: BTreeMap<String, Vec<u8>>,
) -> Arc<Mutex<Vec<String>>> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let chain = CertificateDer::pem_file_iter(folder.join("tls.crt")).expect("a chain").map(|it| it.expect("one"));
    let key = PrivateKeyDer::from_pem_file(folder.join("tls.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain.collect(), key))
        .map(Arc::new)
        .expect("a configuration");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(config.clone()).expect("a connection");
            let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream.expect("a stream")));
            let mut lines = Vec::new();
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|octets| octets > 2) {
                lines.push(std::mem::take(&mut line));
            }
            let path = lines.first().and_then(|first| first.split(' ').nth(1)).unwrap_or_default();
            let name = path.rsplit("/_trust/tuf/").next().unwrap_or_default();
            log.lock().expect("no panic").push(name.to_owned());
            std::thread::sleep(pause);
            let found = files.get(name);
            let (status, body) = found.map_or(("404 Not Found", &[][..]), |file| ("200 OK", file.as_slice()));
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let out = stream.get_mut();
            // A client that goes away is its own affair.
            let _ = out.write_all(head.as_bytes()).and_then(|()| out.write_all(body));
            out.conn.send_close_notify();
            let _ = out.flush();
        }
    });
    asked
}

/// A signed tag, and how it is verified.
pub(super) struct World {
    pub(super) servers: Servers,
    pub(super) registry: Registry,
    pub(super) gun: String,
}

impl World {
    pub(super) fn start() -> Option<Self> {
        let (servers, registry) = (Servers::start()?, Registry::start()?);
        let gun = registry.name("shop/app");
        servers.their("owner", &["init", &gun, "--publish"]);
        servers.their("owner", &["key", "rotate", &gun, "snapshot", "--server-managed"]);
        let path = |name: &str| servers.folder.path().join(name).display().to_string();
        run(Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "30", "-subj", "/CN=releases", "-keyout", &path("releases.key")])
            .args(["-out", &path("releases.crt")]));
        let role = "targets/releases";
        servers.their("owner", &["delegation", "add", &gun, role, &path("releases.crt"), "--all-paths", "--publish"]);
        servers.their("owner", &["key", "import", &path("releases.key"), "--role", role]);
        Some(Self { servers, registry, gun })
    }

    /// Pushes an image, and signs its tag by a role.
    pub(super) fn publish(&self, tag: &str, role: &str) -> String {
        let image = format!("{}:{tag}", self.gun);
        let digest = self.registry.push_image(&image, tag);
        let length = std::fs::metadata(self.registry.blob_file(&digest)).expect("a manifest").len().to_string();
        let hash = digest.trim_start_matches("sha256:");
        let target = ["addhash", &self.gun, tag, &length, "--sha256", hash, "--roles", role, "--publish"];
        self.servers.their("owner", &target);
        digest
    }

    pub(super) fn inspect(&self) -> Value {
        let mut command = bulla();
        command.args(["--output", "json", "trust", "inspect", &self.gun, "--server", &self.servers.address()]);
        let output = command.args(["--ca-file", &self.path("ca.crt")]).output().expect("bulla runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Writes a policy that pins a root key.
    pub(super) fn pin(&self, root: &str) {
        let (gun, server) = (&self.gun, self.servers.address());
        let text = format!(
            "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: shop}}\nspec:\n  mode: enforce\n  match: {{images: [\"{gun}\"]}}\n  signers:\n    owner:\n      contentTrust:\n        server: {server}\n        pins: {{rootKeys: [\"{root}\"]}}\n  require: owner\n"
        );
        std::fs::write(self.path("policy.yaml"), text).expect("written");
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.servers.folder.path().join(name).display().to_string()
    }

    fn verify(&self, tag: &str, state: &str, more: &[&str]) -> (i32, Value) {
        let (image, policy) = (format!("{}:{tag}", self.gun), self.path("policy.yaml"));
        let (state, ca) = (self.path(state), self.path("ca.crt"));
        let usual = [image.as_str(), "--policy", &policy, "--trust-state", &state, "--trust-ca", &ca];
        bulla_verify(&[&usual[..], more].concat())
    }

    /// The same with a configuration file, which says where it is remembered.
    pub(super) fn verify_by(&self, tag: &str, config: &str) -> (i32, Value) {
        let (image, policy) = (format!("{}:{tag}", self.gun), self.path("policy.yaml"));
        bulla_verify(&[&image, "--policy", &policy, "--config", config, "--trust-ca", &self.path("ca.crt")])
    }

    /// All that the server has of the collection, and the names of those that others name by what they hold.
    fn files(&self) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
        let mut files: BTreeMap<String, Vec<u8>> =
            ["timestamp.json", "root.json"].map(|name| (name.to_owned(), self.file(name))).into();
        let named = |file: &[u8], role: &str| {
            let file: Value = serde_json::from_slice(file).expect("a role file");
            let sha256 = file["signed"]["meta"][role]["hashes"]["sha256"].as_str().expect("a hash");
            format!("{role}.{}.json", hex::encode(STANDARD.decode(sha256).expect("base64")))
        };
        let snapshot = named(&files["timestamp.json"], "snapshot");
        files.insert(snapshot.clone(), self.file(&snapshot));
        let lists = ["targets", "targets/releases"].map(|role| named(&files[&snapshot], role));
        for name in &lists {
            files.insert(name.clone(), self.file(name));
        }
        (files, [snapshot].into_iter().chain(lists).collect())
    }

    pub(super) fn file(&self, name: &str) -> Vec<u8> {
        let url = format!("{}/v2/{}/_trust/tuf/{name}", self.servers.address(), self.gun);
        // Kept to be said again; who believes it is what is tested.
        run(Command::new("curl").args(["-sfk", "-o", &self.path("said"), &url]));
        std::fs::read(self.path("said")).expect("a file")
    }
}

pub(super) fn expect(verdict: &(i32, Value), code: i32, reason: &str) {
    assert_eq!(verdict.0, code, "{reason}: {}", verdict.1);
    assert!(verdict.1.to_string().contains(reason), "{reason}: {}", verdict.1);
}

#[test]
fn what_notary_signs_is_accepted_and_each_attack_has_its_reason() {
    let Some(mut world) = World::start() else { return };
    let digest = world.publish("1.0", "targets/releases");
    let shown = world.inspect();
    let root = shown["root"]["keys"][0]["id"].as_str().expect("a root key").to_owned();
    assert_eq!((shown["checked"].as_bool(), shown["tags"][0]["digest"].as_str()), (Some(false), Some(digest.as_str())));
    assert!(shown["root"]["keys"][0]["certificates"][0]["subject"].as_str().is_some_and(|it| it.contains(&world.gun)));
    world.pin(&root);

    // A dry run writes nothing; what is decided in earnest is remembered.
    expect(&world.verify("1.0", "state", &["--dry-run"]), 0, "accept");
    assert!(!Path::new(&world.path("state")).exists(), "a dry run left something");
    let (code, verdict) = world.verify("1.0", "state", &[]);
    assert_eq!((code, verdict["digest"].as_str()), (0, Some(digest.as_str())), "{verdict}");
    assert!(Path::new(&world.path("state")).is_dir());

    // A tag that nobody signed, one that points elsewhere, and a root key that nobody pinned.
    world.registry.push_image(&format!("{}:unsigned", world.gun), "unsigned");
    expect(&world.verify("unsigned", "state", &[]), 1, "trust-tag");
    world.registry.push_image(&format!("{}:1.0", world.gun), "something else");
    expect(&world.verify("1.0", "state", &[]), 1, "trust-tag");
    world.registry.push_image(&format!("{}:1.0", world.gun), "1.0");
    world.pin(&"0".repeat(64));
    expect(&world.verify("1.0", "other-state", &[]), 1, "trust-root");
    world.pin(&root);

    // The role of the collection itself counts where the delegation says nothing.
    let (old_timestamp, old_root) = (world.file("timestamp.json"), world.file("root.json"));
    world.publish("2.0", "targets");
    expect(&world.verify("2.0", "state", &[]), 0, "accept");

    // What cannot be remembered is not accepted.
    std::fs::write(world.path("no-folder"), "").expect("written");
    expect(&world.verify("2.0", "no-folder", &[]), 2, "unknown");

    world.servers.stop();
    expect(&world.verify("2.0", "state", &[]), 2, "unfetched");

    // The same server, with a timestamp of before: who has seen a newer one is not deceived.
    let files =
        [("timestamp.json", old_timestamp), ("root.json", old_root)].map(|(name, file)| (name.to_owned(), file));
    replay(world.servers.port, world.servers.folder.path(), files.into());
    expect(&world.verify("2.0", "state", &[]), 1, "trust-rollback");
}

#[test]
fn a_server_that_has_lost_everything_has_no_trust_data() {
    let Some(mut world) = World::start() else { return };
    world.publish("1.0", "targets/releases");
    let root = world.inspect()["root"]["keys"][0]["id"].as_str().expect("a root key").to_owned();
    world.pin(&root);
    expect(&world.verify("1.0", "state", &[]), 0, "accept");
    world.servers.stop();
    replay(world.servers.port, world.servers.folder.path(), BTreeMap::new());
    expect(&world.verify("1.0", "state", &[]), 1, "trust-absent");
}

#[test]
fn a_role_file_is_fetched_once_for_all_images_of_its_collection() {
    let Some(mut world) = World::start() else { return };
    let tags = ["1.0", "2.0", "3.0", "4.0"];
    for tag in tags {
        world.publish(tag, "targets/releases");
    }
    let root = world.inspect()["root"]["keys"][0]["id"].as_str().expect("a root key").to_owned();
    world.pin(&root);
    let (files, named) = world.files();
    world.servers.stop();
    let asked = replay(world.servers.port, world.servers.folder.path(), files);
    let images = tags.map(|tag| format!("{}:{tag}", world.gun));
    let (policy, state, ca) = (world.path("policy.yaml"), world.path("state"), world.path("ca.crt"));
    let mut command = bulla();
    command.arg("verify").args(&images).args(["--policy", &policy, "--trust-state", &state, "--trust-ca", &ca]);
    run(&mut command);
    let asked = asked.lock().expect("no panic").clone();
    let times = |name: &str| asked.iter().filter(|it| *it == name).count();
    for name in &named {
        assert_eq!(times(name), 1, "{name}: {asked:?}");
    }
    for name in ["timestamp.json", "root.json"] {
        assert!((1..=tags.len()).contains(&times(name)), "{name}: {asked:?}");
    }
}

#[test]
fn what_others_see_while_a_decision_is_made_is_minded_before_anything_is_admitted() {
    let Some(mut world) = World::start() else { return };
    world.publish("1.0", "targets/releases");
    let root = world.inspect()["root"]["keys"][0]["id"].as_str().expect("a root key").to_owned();
    world.pin(&root);
    expect(&world.verify("1.0", "state", &[]), 0, "accept");
    let (files, _) = world.files();
    world.servers.stop();
    let asked = replay_after(Duration::from_millis(1500), world.servers.port, world.servers.folder.path(), files);
    let mut kept = std::fs::read_dir(world.path("state")).expect("a folder").map(|it| it.expect("an entry").path());
    let kept = kept.find(|file| file.extension().is_some_and(|it| it == "json")).expect("a memory");
    let kept: Value = serde_json::from_slice(&std::fs::read(kept).expect("a file")).expect("JSON");
    let (collection, mut memory) = (kept["collection"].as_str().expect("a name"), kept["remembered"].clone());
    for seen in memory["roles"]["timestamp"].as_object_mut().expect("a map").values_mut() {
        let version = seen["version"].as_u64().expect("a version");
        *seen = serde_json::json!({"version": version + 1, "sha256": format!("sha256:{}", "0".repeat(64))});
    }
    let newer: bulla_trust::State = serde_json::from_value(memory).expect("a memory");
    let folder = bulla_trust::Folder::new(world.path("state").into());
    std::thread::scope(|scope| {
        // Once the timestamp is asked for, the memory was read; the answer takes a while.
        scope.spawn(|| {
            for _ in 0..600 {
                if asked.lock().expect("no panic").iter().any(|name| name == "timestamp.json") {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            folder.remember(collection, &newer).expect("written");
        });
        expect(&world.verify("1.0", "state", &["--deadline", "60"]), 1, "trust-rollback");
    });
}
