//! A real registry on loopback, small images made by umoci and skopeo, and `bulla` as a process.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::peers;
use tempfile::TempDir;

/// The passphrase of every key in these tests.
pub const PASSPHRASE: &str = "correct horse";

/// Debian's docker-registry (distribution 2.8: no referrers API) with a folder of its own. Ends when dropped.
pub struct Registry {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    folder: TempDir,
    umoci: PathBuf,
    skopeo: PathBuf,
}

impl Registry {
    /// Starts a registry, if it and what makes images are there.
    pub fn start() -> Option<Self> {
        let program = peers::require("docker-registry")?;
        let (umoci, skopeo) = (peers::require("umoci")?, peers::require("skopeo")?);
        let folder = tempfile::tempdir().expect("a folder");
        let address = free_address();
        let config = folder.path().join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  cache: {{}}\nhttp: {{addr: '{address}'}}\n",
            folder.path().join("storage").display()
        );
        std::fs::write(&config, text).expect("config");
        let mut child = Command::new(program)
            .arg("serve")
            .arg(config)
            .stdout(std::fs::File::create(folder.path().join("access.log")).expect("log"))
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry starts");
        wait_for(address, &mut child);
        Some(Self { child, address, folder, umoci, skopeo })
    }

    /// `127.0.0.1:port/repository`.
    pub fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Makes an image whose one layer holds `content`, pushes it, and gives its digest.
    pub fn push_image(&self, reference: &str, content: &str) -> String {
        let work = tempfile::tempdir().expect("a folder");
        let layout = work.path().join("image");
        let file = work.path().join("file");
        std::fs::write(&file, content).expect("file");
        let image = format!("{}:one", layout.display());
        run(Command::new(&self.umoci).args(["init", "--layout"]).arg(&layout));
        run(Command::new(&self.umoci).args(["new", "--image", &image]));
        run(Command::new(&self.umoci).args(["insert", "--rootless", "--image", &image]).arg(&file).arg("/file"));
        self.copy(&format!("oci:{image}"), &format!("docker://{reference}"));
        self.digest(reference)
    }

    /// `skopeo copy`, both ends on loopback.
    pub fn copy(&self, from: &str, to: &str) {
        run(Command::new(&self.skopeo).args([
            "--insecure-policy",
            "copy",
            "--all",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            from,
            to,
        ]));
    }

    /// `skopeo` for a command that may fail.
    pub fn skopeo(&self) -> Command {
        let mut command = Command::new(&self.skopeo);
        command.arg("--insecure-policy");
        command
    }

    /// The digest behind a reference, as skopeo sees it.
    pub fn digest(&self, reference: &str) -> String {
        let output = run(Command::new(&self.skopeo)
            .args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"])
            .arg(format!("docker://{reference}")));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The file in which the registry keeps a blob or manifest: for damaging it.
    pub fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("sha256");
        let blobs = self.folder.path().join("storage/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    /// The digest of the signature image of a digest, read from the registry's own link file.
    pub fn signature_image(&self, repository: &str, digest: &str) -> String {
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let repositories = self.folder.path().join("storage/docker/registry/v2/repositories");
        let link = repositories.join(repository).join("_manifests/tags").join(tag).join("current/link");
        std::fs::read_to_string(&link).expect("a signature tag").trim().to_owned()
    }

    /// How many requests the registry has answered, by its own access log.
    pub fn requests(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("\"GET /v2/") || line.contains("\"HEAD /v2/")).count()
    }

    /// Stops the registry while others still believe in it.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The `bulla` binary under test.
pub fn bulla() -> Command {
    let mut command = Command::new(bulla_path());
    command.env("BULLA_PASSPHRASE", PASSPHRASE);
    command
}

/// `$BULLA_BIN`, or the binary of the profile that this program was built with.
fn bulla_path() -> PathBuf {
    let built = || {
        let own = std::env::current_exe().expect("a path");
        let folder = own.ancestors().find(|folder| folder.join("bulla").is_file());
        folder.expect("bulla is built beside the tests: cargo build -p bulla").join("bulla")
    };
    std::env::var_os("BULLA_BIN").map_or_else(built, PathBuf::from)
}

/// Makes a key pair with `bulla key generate` and gives the paths of its two files.
pub fn bulla_key(folder: &Path, name: &str, algorithm: &str) -> (PathBuf, PathBuf) {
    let prefix = folder.join(name);
    run(bulla().args(["key", "generate", "--algorithm", algorithm, "--out"]).arg(&prefix));
    (prefix.with_extension("key"), prefix.with_extension("pub"))
}

/// Makes a key pair with cosign itself and gives the paths of its two files.
pub fn cosign_key(cosign: &Path, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    run(cosign_command(cosign).current_dir(folder).args(["generate-key-pair", "--output-key-prefix", name]));
    (folder.join(format!("{name}.key")), folder.join(format!("{name}.pub")))
}

/// `cosign` with its passphrase, and with a home where it finds nothing of this machine's.
pub fn cosign_command(cosign: &Path) -> Command {
    let mut command = Command::new(cosign);
    command.env("COSIGN_PASSWORD", PASSPHRASE).env("COSIGN_YES", "true").env("HOME", std::env::temp_dir());
    command
}

/// Signs with cosign 2.6 in the legacy form, without any public service.
pub fn cosign_sign(cosign: &Path, key: &Path, image: &str, more: &[&str]) {
    run(cosign_command(cosign).args(["sign", "--tlog-upload=false", "--key"]).arg(key).args(more).arg(image));
}

/// What `cosign verify --key` says, for either version.
pub fn cosign_verify(cosign: &Path, public: &Path, image: &str, more: &[&str]) -> Output {
    output(
        cosign_command(cosign)
            .args(["verify", "--insecure-ignore-tlog", "--allow-http-registry", "--key"])
            .arg(public)
            .args(more)
            .arg(image),
    )
}

/// `bulla verify --output json`: the exit code and the first verdict.
pub fn bulla_verify(arguments: &[&str]) -> (i32, serde_json::Value) {
    let output = output(bulla().args(["--output", "json", "verify"]).args(arguments));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let verdicts: serde_json::Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error} in {text:?}; stderr: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap_or(-1), verdicts[0].clone())
}

/// `bulla serve` with this configuration, until dropped.
pub struct Serving {
    child: Child,
}

impl Serving {
    /// Starts it with `config` as `bulla.yaml` in `folder`, where its output goes to `serve.log`; waits until `ready` listens.
    pub fn start(folder: &Path, config: &str, ready: SocketAddr) -> Self {
        let file = folder.join("bulla.yaml");
        std::fs::write(&file, config).expect("config");
        let log = std::fs::File::create(folder.join("serve.log")).expect("log");
        let mut child = bulla()
            .args(["serve", "--config"])
            .arg(file)
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("bulla serve starts");
        wait_for(ready, &mut child);
        Self { child }
    }
}

impl Serving {
    /// Resident memory in KiB, as the kernel counts it.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The certificate of the authority that a server made for itself in its state folder.
pub fn authority(state: &Path) -> PathBuf {
    state.join("ca.pem")
}

/// Runs a command that has to succeed.
pub fn run(command: &mut Command) -> Output {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} gave {}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a command and gives what came of it.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// An address on loopback that was free just now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port")
}

fn wait_for(address: SocketAddr, child: &mut Child) {
    let start = Instant::now();
    while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
        if let Ok(Some(status)) = child.try_wait() {
            panic!("the server at {address} ended with {status} before it listened");
        }
        assert!(start.elapsed() < Duration::from_secs(60), "nothing listens at {address} after 60 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}
