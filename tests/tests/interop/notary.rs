//! Notary's own programs, both ways: we publish and they read, they publish and we read.
//! Server, signer and client are those of Debian's package (0.7.0), with everything in memory and TLS from an authority of
//! the test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bulla_core::digest::Digest;
use bulla_core::json;
use bulla_core::key::{Algorithm, Hash, PrivateKey};
use bulla_core::signing::trust::{
    Change, Expiries, InitialKeys, NewTarget, Prepared, RoleSignature, RootCertificate, initialise, prepare,
};
use bulla_core::time::UnixTime;
use bulla_core::tuf::key::Key;
use bulla_core::tuf::pinning::{Anchor, Pin, Pins, Scope};
use bulla_core::tuf::private_key;
use bulla_core::tuf::resolve::Lookup;
use bulla_core::tuf::role::{Gun, Role};
use bulla_core::tuf::{
    Base, Budget, Fetched, Files, Remembered, Repository, Request, Step, update, update_for_signing,
};
use bulla_notary::{Notary, NotaryError, RoleFile, ServerRole};
use bulla_registry::{Client, Credentials, RegistryConfig, Stats};
use bulla_tests::peers;
use bytes::Bytes;
use tokio::time::Instant;

const COLLECTION: &str = "localhost:5000/app";

/// Server and signer, which end with it.
pub(super) struct Servers {
    pub(super) folder: tempfile::TempDir,
    client: PathBuf,
    running: Vec<Child>,
    pub(super) port: u16,
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("loopback").port()
}

/// An authority, and a certificate for localhost with its key, in a folder.
pub(super) fn certificates(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("written");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    write("ca.crt", params.self_signed(&key).expect("a certificate").pem());
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    write("tls.crt", params.signed_by(&key, &issuer).expect("a certificate").pem());
    write("tls.key", key.serialize_pem());
}

/// Waits until something listens at a port of loopback; what it says meanwhile is in the log.
pub(super) fn listens(port: u16, log: &Path) {
    for _ in 0..300 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing listens at {port}: {}", std::fs::read_to_string(log).unwrap_or_default());
}

impl Servers {
    /// Nothing where a program is missing.
    pub(super) fn start() -> Option<Self> {
        let (client, server) = (peers::require("notary")?, peers::require("notary-server")?);
        let signing = peers::require("notary-signer")?;
        let folder = tempfile::tempdir().expect("a folder");
        certificates(folder.path());
        let (port, signer) = (free_port(), free_port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        let tail = serde_json::json!({"logging": {"level": "info"}, "storage": {"backend": "memory"}});
        let mut config = tail.clone();
        config["server"] = serde_json::json!({
            "grpc_addr": format!("127.0.0.1:{signer}"), "tls_cert_file": path("tls.crt"),
            "tls_key_file": path("tls.key"), "client_ca_file": path("ca.crt")
        });
        std::fs::write(path("signer.json"), config.to_string()).expect("written");
        let mut config = tail;
        config["server"] = serde_json::json!({
            "http_addr": format!("127.0.0.1:{port}"), "tls_cert_file": path("tls.crt"), "tls_key_file": path("tls.key")
        });
        config["trust_service"] = serde_json::json!({
            "type": "remote", "hostname": "localhost", "port": signer.to_string(), "tls_ca_file": path("ca.crt"),
            "key_algorithm": "ecdsa", "tls_client_cert": path("tls.crt"), "tls_client_key": path("tls.key")
        });
        std::fs::write(path("server.json"), config.to_string()).expect("written");
        let run = |program: &Path, config: &str| {
            let log = std::fs::File::create(path(&format!("{config}.log"))).expect("a log");
            Command::new(program)
                .args(["-config", &path(config)])
                .env("NOTARY_SIGNER_DEFAULT_ALIAS", "timestamp")
                .env("NOTARY_SIGNER_TIMESTAMP", "test")
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
        };
        // The server asks its signer for keys: one that is not there yet is an error 500 to whoever comes first.
        let mut running = vec![run(&signing, "signer.json")];
        listens(signer, Path::new(&path("signer.json.log")));
        running.push(run(&server, "server.json"));
        listens(port, Path::new(&path("server.json.log")));
        Some(Self { folder, client, running, port })
    }

    pub(super) fn address(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn notary(&self) -> Notary {
        let config = serde_json::json!({"hosts": {format!("localhost:{}", self.port): {
            "tls": true, "caFile": self.folder.path().join("ca.crt")
        }}});
        let config: RegistryConfig = serde_json::from_value(config).expect("valid");
        Notary::new(Client::new(&config, Credentials::none(), Arc::new(Stats::default())).expect("a client"))
    }

    /// Ends both, with all that they have.
    pub(super) fn stop(&mut self) {
        for mut child in self.running.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Runs Notary's client with a trust folder of its own.
    pub(super) fn their(&self, folder: &str, arguments: &[&str]) -> String {
        self.their_with(folder, "delegation-passphrase", arguments)
    }

    /// The same with keys of delegations under this passphrase.
    pub(super) fn their_with(&self, folder: &str, passphrase: &str, arguments: &[&str]) -> String {
        let output = Command::new(&self.client)
            .args(["-s", &self.address(), "--tlscacert", &self.folder.path().join("ca.crt").display().to_string()])
            .args(["-d", &self.folder.path().join(folder).display().to_string()])
            .args(arguments)
            .env("NOTARY_ROOT_PASSPHRASE", "root-passphrase")
            .env("NOTARY_TARGETS_PASSPHRASE", "targets-passphrase")
            .env("NOTARY_SNAPSHOT_PASSPHRASE", "snapshot-passphrase")
            .env("NOTARY_DELEGATION_PASSPHRASE", passphrase)
            .output()
            .expect("notary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "notary {arguments:?}: {text}");
        text
    }
}

struct Signer {
    private: PrivateKey,
    listed: Key,
}

fn now() -> UnixTime {
    UnixTime(i64::try_from(UNIX_EPOCH.elapsed().expect("after 1970").as_secs()).expect("a time"))
}

fn signer(algorithm: Algorithm, seed: u8) -> Signer {
    let private = PrivateKey::generate(algorithm, &[seed; 264]).expect("entropy");
    Signer { listed: Key::bare(private.public().clone()), private }
}

fn root_signer(seed: u8) -> Signer {
    let private = PrivateKey::generate(Algorithm::EcdsaP256, &[seed; 264]).expect("entropy");
    let gun = Gun::parse(COLLECTION).expect("a collection");
    let until = UnixTime(now().0 + 3650 * 86_400);
    let made = RootCertificate::prepare(&gun, private.public(), [seed; 16], now(), until).expect("prepared");
    let signature = private.sign(made.message(), made.hash()).expect("signs");
    Signer { listed: made.assemble(&signature).expect("assembled"), private }
}

/// What we know between two looks at a collection.
struct Known {
    pins: Pins,
    remembered: Option<Remembered>,
}

impl Known {
    fn pinning(signer: &Signer) -> Self {
        let anchor = Anchor::Keys([signer.listed.canonical_id()].into());
        Self { pins: Pins(vec![Pin { scope: Scope::Everywhere, anchor }]), remembered: None }
    }
}

/// Fetches until the update settles, and hands the result on.
async fn with<T>(
    servers: &Servers,
    known: &mut Known,
    then: impl FnOnce(&Repository<'_>, &Base<'_>) -> T,
) -> Result<T, String> {
    let notary = servers.notary();
    let gun = Gun::parse(COLLECTION).expect("a collection");
    let roles: BTreeSet<Role> = ["targets/releases", "targets/alice"].map(|it| Role::parse(it).expect("a role")).into();
    let (beside, minimum_versions) = (BTreeSet::new(), BTreeMap::new());
    let mut fetched: BTreeMap<String, RoleFile> = BTreeMap::new();
    for _ in 0..12 {
        let files: Files<'_> = fetched
            .iter()
            .map(|(name, file)| {
                let file = match file {
                    RoleFile::Found(bytes) => Fetched::Bytes(bytes),
                    RoleFile::Absent => Fetched::NotFound,
                    RoleFile::TooLong(got) => Fetched::TooLong(*got),
                };
                (name.clone(), file)
            })
            .collect();
        let request = Request {
            gun: &gun,
            pins: &known.pins,
            roles: &roles,
            beside: &beside,
            now: now(),
            remembered: known.remembered.as_ref(),
            minimum_versions: &minimum_versions,
        };
        match update(&request, &files, &mut Budget::of(u32::MAX)).map_err(|error| error.to_string())? {
            Step::Settled(repository) => {
                let again = update_for_signing(&request, &files, &mut Budget::of(u32::MAX));
                let Ok(Step::Settled(base)) = again else { panic!("the same files") };
                let result = then(&repository, &base);
                known.remembered = Some(repository.remember().clone());
                return Ok(result);
            }
            Step::Unknown(missing) => return Err(format!("{missing:?}")),
            Step::Needs(needs) => {
                let deadline = Instant::now() + Duration::from_secs(20);
                for need in needs {
                    let file = notary.role_file(&servers.address(), COLLECTION, &need.file, need.limit, deadline).await;
                    fetched.insert(need.file, file.map_err(|error| error.to_string())?);
                }
            }
        }
    }
    Err("12 rounds".to_owned())
}

fn signed(prepared: &Prepared, signers: &[(&str, &Signer)]) -> BTreeMap<Role, Vec<u8>> {
    let signatures: Vec<_> = signers
        .iter()
        .map(|(name, signer)| {
            let role = prepared.roles.iter().find(|it| it.role.name() == *name).expect("prepared");
            let signature = signer.private.sign(&role.message, Hash::Sha256).expect("signs");
            RoleSignature { role: role.role.clone(), key: signer.listed.id(), signature }
        })
        .collect();
    prepared.assemble(&signatures).expect("assembled")
}

async fn publish(servers: &Servers, files: BTreeMap<Role, Vec<u8>>) -> Result<(), NotaryError> {
    let files = files.into_iter().map(|(role, file)| (role.to_string(), Bytes::from(file))).collect();
    servers.notary().publish(&servers.address(), COLLECTION, &files).await
}

fn add(role: Role, name: &str, bytes: &[u8]) -> Change {
    let target = NewTarget { sha256: Digest::sha256(bytes), sha512: None, length: bytes.len() as u64, custom: None };
    Change::AddTarget { role, name: name.to_owned(), target }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_and_notary_publish_for_each_other() {
    let Some(servers) = Servers::start() else { return };
    let (notary, address) = (servers.notary(), servers.address());
    let (root, targets, alice) = (root_signer(1), signer(Algorithm::EcdsaP256, 2), signer(Algorithm::EcdsaP384, 3));
    let mut known = Known::pinning(&root);
    let nothing = with(&servers, &mut known, |_, _| ()).await.expect_err("nothing is there");
    assert!(nothing.contains("there is no trust data"), "{nothing}");

    // We make the collection: the server holds the keys of timestamp and snapshot.
    let mut held = Vec::new();
    for role in [ServerRole::Timestamp, ServerRole::Snapshot] {
        let key = notary.server_key(&address, COLLECTION, role).await.expect("a key");
        held.push(Key::from_value(&json::parse(&key, 8192).expect("JSON")).expect("a key"));
    }
    let keys = InitialKeys {
        root: std::slice::from_ref(&root.listed),
        targets: std::slice::from_ref(&targets.listed),
        snapshot: &held[1],
        timestamp: &held[0],
    };
    let gun = Gun::parse(COLLECTION).expect("a collection");
    let new = initialise(&gun, &keys, &Expiries::from(now())).expect("prepared");
    let files = signed(&new, &[("root", &root), ("targets", &targets)]);
    publish(&servers, files.clone()).await.expect("published");
    let error = publish(&servers, files).await.expect_err("the same again");
    assert!(matches!(error, NotaryError::Outdated { .. }), "{error}");

    // We delegate and sign; Notary's client reads it.
    let alices = Role::parse("targets/alice").expect("a role");
    let changes = [
        add(Role::targets(), "1.0", b"one"),
        Change::AddDelegation {
            role: alices.clone(),
            keys: vec![alice.listed.clone()],
            paths: vec![String::new()],
            threshold: None,
        },
        add(alices.clone(), "1.1", b"by alice"),
    ];
    let prepared = with(&servers, &mut known, |_, base| prepare(base, &changes, &Expiries::from(now())));
    let prepared = prepared.await.expect("believed").expect("prepared");
    let files = signed(&prepared, &[("targets", &targets), ("targets/alice", &alice)]);
    publish(&servers, files).await.expect("published");
    let list = servers.their("theirs", &["list", COLLECTION]);
    for (tag, bytes) in [("1.0", b"one".as_slice()), ("1.1", b"by alice")] {
        assert!(list.contains(tag) && list.contains(Digest::sha256(bytes).encoded()), "{list}");
    }

    // Alice signs with her key alone.
    let prepared = with(&servers, &mut known, |_, base| {
        prepare(base, &[add(alices.clone(), "1.2", b"two")], &Expiries::from(now()))
    });
    let files = signed(&prepared.await.expect("believed").expect("prepared"), &[("targets/alice", &alice)]);
    publish(&servers, files).await.expect("published");

    // Notary's client signs with our key; we read it.
    let file = private_key::write(
        &targets.private,
        Some("targets"),
        Some(COLLECTION),
        Some((b"targets-passphrase", &[7; private_key::ENTROPY_BYTES])),
    );
    // Where its client keeps it: under the key's canonical id.
    let private = servers.folder.path().join("theirs/private");
    std::fs::create_dir_all(&private).expect("a folder");
    let path = private.join(format!("{}.key", targets.listed.canonical_id()));
    std::fs::write(path, file.expect("written").as_bytes()).expect("written");
    let manifest = servers.folder.path().join("three");
    std::fs::write(&manifest, "three").expect("written");
    servers.their("theirs", &["add", COLLECTION, "3.0", &manifest.display().to_string(), "--publish"]);
    let found = with(&servers, &mut known, |repository, _| {
        let alice = Lookup::AllOf([Role::parse("targets/alice").expect("a role")].into());
        let of = |tag: &str, lookup: &Lookup| repository.resolve(tag, lookup).map(|found| found.digest);
        [of("1.0", &Lookup::docker()), of("3.0", &Lookup::docker()), of("1.1", &alice), of("1.2", &alice)]
    });
    let expected = [b"one".as_slice(), b"three", b"by alice", b"two"].map(|bytes| Ok(Digest::sha256(bytes)));
    assert_eq!(found.await.expect("believed"), expected);

    // We rotate the root key; both follow.
    let next = root_signer(9);
    let rotate = Change::RotateKeys { role: Role::root(), keys: vec![next.listed.clone()], threshold: None };
    let prepared = with(&servers, &mut known, |_, base| prepare(base, &[rotate], &Expiries::from(now())));
    let files = signed(&prepared.await.expect("believed").expect("prepared"), &[("root", &root), ("root", &next)]);
    publish(&servers, files).await.expect("published");
    servers.their("theirs", &["list", COLLECTION]);
    for mut known in [known, Known::pinning(&root), Known::pinning(&next)] {
        let version = with(&servers, &mut known, |repository, _| repository.root().get().version()).await;
        assert_eq!(version, Ok(2));
    }
    let stranger = with(&servers, &mut Known::pinning(&root_signer(5)), |_, _| ()).await.expect_err("not pinned");
    assert!(stranger.contains("is pinned"), "{stranger}");

    // We take the snapshot key from the server, and sign the snapshot from then on.
    let mut known = Known::pinning(&next);
    let snapshot = signer(Algorithm::EcdsaP256, 4);
    let keys = vec![snapshot.listed.clone()];
    let changes =
        [Change::RotateKeys { role: Role::snapshot(), keys, threshold: None }, add(Role::targets(), "4.0", b"four")];
    let prepared = with(&servers, &mut known, |_, base| prepare(base, &changes, &Expiries::from(now())));
    let prepared = prepared.await.expect("believed").expect("prepared");
    let mut files = signed(&prepared, &[("root", &next), ("targets", &targets)]);
    let whole = prepared.snapshot(&files, &Expiries::from(now())).expect("prepared");
    let signature = snapshot.private.sign(&whole.message, Hash::Sha256).expect("signs");
    let signature = RoleSignature { role: Role::snapshot(), key: snapshot.listed.id(), signature };
    files.insert(Role::snapshot(), whole.assemble(&[signature]).expect("assembled"));
    publish(&servers, files).await.expect("published");
    let list = servers.their("theirs", &["list", COLLECTION]);
    assert!(list.contains("4.0") && list.contains("1.2"), "{list}");
    let found = with(&servers, &mut known, |repository, _| {
        repository.resolve("4.0", &Lookup::docker()).map(|found| found.digest)
    });
    assert_eq!(found.await.expect("believed"), Ok(Digest::sha256(b"four")));

    notary.delete(&address, COLLECTION).await.expect("deleted");
    let gone =
        notary.role_file(&address, COLLECTION, "root.json", 65_536, Instant::now() + Duration::from_secs(9)).await;
    assert_eq!(gone, Ok(RoleFile::Absent));
}
