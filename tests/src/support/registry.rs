//! Real registries on loopback, and small images made by umoci and pushed by skopeo.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{free_address, run, wait_for};
use crate::peers;

/// Which program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryKind {
    /// Debian's docker-registry (distribution 2.8): no referrers API, so clients keep referrers under a fallback tag.
    Distribution,
    /// ferro-oci-server (OCI distribution 1.1): with the referrers API.
    Ferro,
    /// zot (OCI distribution 1.1): with the referrers API. Only where somebody has built it.
    Zot,
}

impl RegistryKind {
    /// The kinds that every machine can have, for tests that hold at each.
    pub const ALL: [Self; 2] = [Self::Distribution, Self::Ferro];

    /// The same and zot, where it is there; where it is not, that is named.
    pub fn there() -> Vec<Self> {
        let zot = peers::wanted(Self::Zot.program()).map(|_| Self::Zot);
        Self::ALL.into_iter().chain(zot).collect()
    }

    /// Whether it has the referrers API.
    pub fn lists_referrers(self) -> bool {
        self != Self::Distribution
    }

    /// The name of its peer.
    pub fn program(self) -> &'static str {
        match self {
            Self::Distribution => "docker-registry",
            Self::Ferro => "ferro-oci-server",
            Self::Zot => "zot",
        }
    }

    /// The command that serves at `address`, keeping everything in `folder`.
    fn command(self, program: &Path, address: SocketAddr, folder: &Path) -> Command {
        let mut command = Command::new(program);
        let storage = folder.join("storage");
        match self {
            Self::Distribution => {
                let config = folder.join("registry.yml");
                let text = format!(
                    "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  cache: {{}}\nhttp: {{addr: '{address}'}}\n",
                    storage.display()
                );
                fs::write(&config, text).expect("config");
                command.arg("serve").arg(config);
            }
            // Reads nothing but its environment. Without an address it would listen beyond loopback.
            Self::Ferro => {
                command.env("FERRO_OCI_LISTEN", address.to_string());
                command.env("FERRO_OCI_STORAGE_DIR", storage).env("RUST_LOG", "warn");
            }
            Self::Zot => {
                let config = folder.join("zot.json");
                let text = json!({
                    "distSpecVersion": "1.1.1",
                    "storage": {"rootDirectory": storage, "gc": false},
                    "http": {"address": address.ip().to_string(), "port": address.port().to_string()},
                    "log": {"level": "error"},
                });
                fs::write(&config, text.to_string()).expect("config");
                command.arg("serve").arg(config);
            }
        }
        command
    }
}

/// A registry with a folder of its own, on plain HTTP. Ends when dropped.
pub struct Registry {
    kind: RegistryKind,
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    folder: TempDir,
    umoci: PathBuf,
    skopeo: PathBuf,
}

/// A pushed image for two platforms, by its digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The index that names both.
    pub digest: String,
    /// The manifest for linux/amd64.
    pub amd64: String,
    /// The manifest for linux/arm64.
    pub arm64: String,
}

impl Registry {
    /// Starts docker-registry, if it and what makes images are there.
    pub fn start() -> Option<Self> {
        Self::start_kind(RegistryKind::Distribution)
    }

    /// Starts a registry of this kind, if it and what makes images are there.
    pub fn start_kind(kind: RegistryKind) -> Option<Self> {
        let program = peers::require(kind.program())?;
        let (umoci, skopeo) = (peers::require("umoci")?, peers::require("skopeo")?);
        let folder = tempfile::tempdir().expect("a folder");
        let address = free_address();
        let mut child = kind
            .command(&program, address, folder.path())
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("access.log")).expect("log"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", kind.program()));
        wait_for(address, &mut child);
        Some(Self { kind, child, address, folder, umoci, skopeo })
    }

    /// `127.0.0.1:port/repository`.
    pub fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Makes an image whose one layer holds `content`, pushes it, and gives its digest.
    pub fn push_image(&self, reference: &str, content: &str) -> String {
        let work = tempfile::tempdir().expect("a folder");
        let layout = work.path().join("layout");
        run(Command::new(&self.umoci).args(["init", "--layout"]).arg(&layout));
        self.make_image(&layout, "one", content);
        self.copy(&format!("oci:{}:one", layout.display()), &format!("docker://{reference}"));
        self.digest(reference)
    }

    /// Makes an image for linux/amd64 and one for linux/arm64, each with a layer of its own, and the index that names
    /// both; pushes all three under `reference`.
    pub fn push_index(&self, reference: &str, content: &str) -> Index {
        let work = tempfile::tempdir().expect("a folder");
        let layout = work.path().join("layout");
        run(Command::new(&self.umoci).args(["init", "--layout"]).arg(&layout));
        let [amd64, arm64] = ["amd64", "arm64"].map(|architecture| {
            let image = self.make_image(&layout, architecture, &format!("{content} for {architecture}"));
            run(Command::new(&self.umoci).args(["config", "--image", &image, "--os", "linux"]).args([
                "--architecture",
                architecture,
                "--no-history",
            ]));
            let mut entry = layout_entry(&layout, architecture);
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            entry.as_object_mut().expect("an object").remove("annotations");
            entry
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [amd64, arm64],
        });
        let digest = put_index(&layout, "both", &index);
        self.copy(&format!("oci:{}:both", layout.display()), &format!("docker://{reference}"));
        let leaf = |entry: &Value| entry["digest"].as_str().expect("a digest").to_owned();
        Index { digest, amd64: leaf(&amd64), arm64: leaf(&arm64) }
    }

    /// Adds an image under this tag to a layout, and gives the name by which umoci knows it.
    fn make_image(&self, layout: &Path, tag: &str, content: &str) -> String {
        let work = tempfile::tempdir().expect("a folder");
        let file = work.path().join("file");
        fs::write(&file, content).expect("file");
        let image = format!("{}:{tag}", layout.display());
        run(Command::new(&self.umoci).args(["new", "--image", &image]));
        run(Command::new(&self.umoci).args(["insert", "--rootless", "--image", &image]).arg(&file).arg("/file"));
        image
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

    /// The file in which docker-registry keeps a blob or manifest: for damaging it.
    ///
    /// # Panics
    /// At a registry of another kind.
    pub fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("sha256");
        self.distribution_files().join("blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    /// The digest of the signature image of a digest, read from docker-registry's own link file.
    ///
    /// # Panics
    /// When there is none, and at a registry of another kind.
    pub fn signature_image(&self, repository: &str, digest: &str) -> String {
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let repository = self.distribution_files().join("repositories").join(repository);
        let link = repository.join("_manifests/tags").join(tag).join("current/link");
        fs::read_to_string(&link).expect("a signature tag").trim().to_owned()
    }

    /// How many requests docker-registry has answered, by its own access log.
    ///
    /// # Panics
    /// At a registry of another kind.
    pub fn requests(&self) -> usize {
        self.only_distribution("an access log");
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("\"GET /v2/") || line.contains("\"HEAD /v2/")).count()
    }

    /// Stops the registry while others still believe in it.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn distribution_files(&self) -> PathBuf {
        self.only_distribution("the files of docker-registry");
        self.folder.path().join("storage/docker/registry/v2")
    }

    fn only_distribution(&self, what: &str) {
        let program = self.kind.program();
        assert!(self.kind == RegistryKind::Distribution, "{program} has not {what}: take Registry::start()");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the `index.json` of a layout says of a tag.
fn layout_entry(layout: &Path, tag: &str) -> Value {
    let bytes = fs::read(layout.join("index.json")).expect("index.json");
    let index: Value = serde_json::from_slice(&bytes).expect("JSON");
    let entries = index["manifests"].as_array().expect("manifests");
    let found = entries.iter().find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag);
    found.unwrap_or_else(|| panic!("the layout has no tag {tag}: {index}")).clone()
}

/// Puts an index as a blob into a layout, makes it the layout's only entry under this tag, and gives its digest.
fn put_index(layout: &Path, tag: &str, index: &Value) -> String {
    let bytes = serde_json::to_vec(index).expect("JSON");
    let hex = hex::encode(Sha256::digest(&bytes));
    fs::write(layout.join("blobs/sha256").join(&hex), &bytes).expect("a blob");
    let digest = format!("sha256:{hex}");
    let entries = json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": index["mediaType"],
            "digest": digest,
            "size": bytes.len(),
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }],
    });
    fs::write(layout.join("index.json"), entries.to_string()).expect("index.json");
    digest
}
