//! Real registries on loopback, small images made by umoci and skopeo, and `bulla` as a process.

pub mod certificates;
pub mod http;
pub mod notation;
mod registry;

pub use registry::{Index, Registry, RegistryKind};

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The passphrase of every key in these tests.
pub const PASSPHRASE: &str = "correct horse";

/// Nothing listens on the discard port of loopback. Go's programs reach loopback itself without a proxy.
const NO_PROXY_THERE: &str = "http://127.0.0.1:9";

/// The longest that any one program of a test may take; signing beside twenty others is the slowest.
const LONGEST_RUN: Duration = Duration::from_secs(180);

/// The `bulla` binary under test.
pub fn bulla() -> Command {
    let mut command = Command::new(bulla_path());
    command.env("BULLA_PASSPHRASE", PASSPHRASE);
    command
}

/// `$BULLA_BIN`, or the binary of the profile that this program was built with.
pub fn bulla_path() -> PathBuf {
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

/// `cosign` with its passphrase, with a home where it finds nothing of this machine's, and with a proxy that is not there:
/// whatever it asks of anything but loopback fails at once.
pub fn cosign_command(cosign: &Path) -> Command {
    let mut command = Command::new(cosign);
    let home = std::env::temp_dir().join("bulla-tests-cosign");
    command.env("COSIGN_PASSWORD", PASSPHRASE).env("COSIGN_YES", "true").env("TUF_ROOT", home.join("tuf"));
    for variable in ["COSIGN_REPOSITORY", "COSIGN_EXPERIMENTAL", "NO_PROXY", "no_proxy"] {
        command.env_remove(variable);
    }
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env(variable, NO_PROXY_THERE);
    }
    // cosign 2.6 asks Sigstore's TUF host for trust even where it verifies by key; not so when any trust is named. Nothing
    // reads this one, because signatures are not looked for in a log.
    command.env("SIGSTORE_REKOR_PUBLIC_KEY", "/dev/null");
    command.env("HOME", home);
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

/// A client that trusts the authority in this state folder and nothing else.
pub fn https_client(state: &Path) -> reqwest::Client {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority(state)).expect("an authority") {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    http_client(roots)
}

/// A client without a proxy that trusts these authorities.
pub fn http_client(roots: rustls::RootCertStore) -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().http1_only().build().expect("a client")
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
///
/// # Panics
/// When it cannot be started, or is at work for longer than three minutes; then it is ended.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = read_aside(child.stdout.take());
    let stderr = read_aside(child.stderr.take());
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap_or_else(|error| panic!("{command:?}: {error}")) {
            break status;
        }
        if start.elapsed() > LONGEST_RUN {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} was ended after {} s", LONGEST_RUN.as_secs());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    let read = |reader: JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    Output { status, stdout: read(stdout), stderr: read(stderr) }
}

/// Reads a pipe to its end in a thread of its own, so that a program that says much is never stuck.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        bytes
    })
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
