//! The notation CLI with a configuration of its own: keys, trust stores, a trust policy, and how it is called.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificates::{Authority, Certificate, self_signed};
use super::{NO_PROXY_THERE, bulla, output, run};
use crate::peers;

/// The envelopes that notation writes.
pub const FORMATS: [&str; 2] = ["jws", "cose"];

/// A trust policy with one statement for every repository.
#[derive(Debug, Clone)]
pub struct Trust<'a> {
    /// `strict`, `permissive`, `audit` or `skip`.
    pub level: &'a str,
    /// What differs from the level: `{"revocation": "log"}`.
    pub overrides: Value,
    /// `ca:acme`, `tsa:acme`, …
    pub stores: &'a [&'a str],
    /// `*`, or what [`identity`](super::certificates::identity) gives.
    pub identities: &'a [&'a str],
    /// `always` or `afterCertExpiry`.
    pub timestamps: Option<&'a str>,
}

impl Default for Trust<'_> {
    fn default() -> Self {
        Self { level: "strict", overrides: Value::Null, stores: &["ca:acme"], identities: &["*"], timestamps: None }
    }
}

impl Trust<'_> {
    /// The document, `trustpolicy.json`.
    pub fn document(&self) -> Value {
        let mut verification = json!({"level": self.level});
        if !self.overrides.is_null() {
            verification["override"] = self.overrides.clone();
        }
        if let Some(timestamps) = self.timestamps {
            verification["verifyTimestamp"] = timestamps.into();
        }
        let mut statement = json!({"name": "all", "registryScopes": ["*"], "signatureVerification": verification});
        if self.level != "skip" {
            statement["trustStores"] = json!(self.stores);
            statement["trustedIdentities"] = json!(self.identities);
        }
        json!({"version": "1.0", "trustPolicies": [statement]})
    }
}

/// notation, openssl, and a folder that holds all that notation reads.
pub struct Notation {
    program: PathBuf,
    /// What makes certificates.
    pub openssl: PathBuf,
    folder: TempDir,
    keys: Mutex<Vec<Value>>,
}

impl Notation {
    /// Where both programs are there.
    pub fn new() -> Option<Self> {
        let (program, openssl) = (peers::require("notation")?, peers::require("openssl")?);
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("config/notation")).expect("a folder");
        Some(Self { program, openssl, folder, keys: Mutex::default() })
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// notation's configuration folder.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config/notation")
    }

    /// An authority of this name.
    pub fn authority(&self, name: &str, algorithm: &str) -> Authority {
        Authority::new(&self.openssl, self.folder.path(), name, algorithm)
    }

    /// A certificate of this name that signs itself.
    pub fn self_signed(&self, name: &str, algorithm: &str) -> Certificate {
        self_signed(&self.openssl, self.folder.path(), name, algorithm)
    }

    /// Lets notation sign with this key under this name, as its file-based signer reads keys (`signingkeys.json`).
    pub fn add_key(&self, name: &str, key: &Certificate) {
        let mut keys = self.keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        keys.push(json!({"name": name, "keyPath": key.key, "certPath": key.chain}));
        fs::write(self.config().join("signingkeys.json"), json!({"keys": *keys}).to_string()).expect("a file");
    }

    /// Puts a certificate into a trust store, `ca:acme` or `tsa:acme`.
    pub fn trust(&self, store: &str, certificate: &Path) {
        let (kind, name) = store.split_once(':').expect("kind:name");
        let folder = self.config().join("truststore/x509").join(kind).join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::copy(certificate, folder.join(certificate.file_name().expect("a file"))).expect("a copy");
    }

    /// Makes this the trust policy.
    pub fn policy(&self, trust: &Trust<'_>) {
        fs::write(self.config().join("trustpolicy.json"), trust.document().to_string()).expect("a file");
    }

    /// Puts a program where notation looks for a plugin of this name.
    pub fn add_plugin(&self, name: &str, program: &Path) {
        let folder = self.config().join("plugins").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        std::os::unix::fs::symlink(program, folder.join(format!("notation-{name}"))).expect("a link");
    }

    /// `notation`, which finds nothing of this machine's, and with a proxy that is not there: whatever it asks of anything
    /// but loopback fails at once.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let folder = |name: &str| self.folder.path().join(name);
        command.env("XDG_CONFIG_HOME", folder("config")).env("XDG_CACHE_HOME", folder("cache"));
        command.env("HOME", folder("home")).env("DOCKER_CONFIG", folder("docker"));
        for variable in ["NOTATION_USERNAME", "NOTATION_PASSWORD", "NO_PROXY", "no_proxy"] {
            command.env_remove(variable);
        }
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env(variable, NO_PROXY_THERE);
        }
        command
    }

    /// Signs an image with a key that was added.
    pub fn sign(&self, key: &str, format: &str, image: &str, more: &[&str]) {
        run(&mut self.signing(&["--key", key], format, image, more));
    }

    /// The command that signs, with these words about the key.
    pub fn signing(&self, key: &[&str], format: &str, image: &str, more: &[&str]) -> Command {
        let mut command = self.command();
        command.args(["sign", "--insecure-registry", "--force-referrers-tag=false", "--signature-format", format]);
        command.args(key).args(more).arg(image);
        command
    }

    /// What `notation verify` says.
    pub fn verify(&self, image: &str, more: &[&str]) -> Output {
        output(self.command().args(["verify", "--insecure-registry"]).args(more).arg(image))
    }

    /// What `notation inspect` says about the signatures of an image.
    pub fn inspect(&self, image: &str) -> Value {
        let said = run(self.command().args(["inspect", "--insecure-registry", "--output", "json", image]));
        serde_json::from_slice(&said.stdout).expect("JSON")
    }

    /// What `bulla verify --trust-policy` says under the same trust policy and stores, which it finds where notation does:
    /// the exit code and the verdict.
    pub fn bulla(&self, image: &str, more: &[&str]) -> (i32, Value) {
        let mut command = bulla();
        command.env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        let said = output(command.args(["--output", "json", "verify", image]).args(more).arg("--trust-policy"));
        let verdicts: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|error| {
            panic!("{image}: {error}; stderr: {}", String::from_utf8_lossy(&said.stderr));
        });
        (said.status.code().unwrap_or(-1), verdicts[0].clone())
    }

    /// The digests of the signatures that `notation list` finds.
    pub fn list(&self, image: &str) -> Vec<String> {
        let listed = run(self.command().args(["list", "--insecure-registry", image]));
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let digests = text.lines().filter_map(|line| line.rsplit(['─', ' ']).next());
        digests.filter(|digest| digest.starts_with("sha256:")).map(str::to_owned).collect()
    }

    /// Forgets revocation lists that notation has kept.
    pub fn forget(&self) {
        let _ = fs::remove_dir_all(self.folder.path().join("cache"));
    }
}
