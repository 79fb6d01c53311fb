//! Running the program in a folder of its own, and images to run it on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use bulla_registry::{Digest, Layout};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PASSPHRASE: &str = "correct horse";
pub(crate) const IMAGE: &str = "registry.test/app:1";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A folder for one test, gone with it.
pub(crate) struct Place {
    folder: TempDir,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program here, with a passphrase in the environment and nothing on standard input.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[("BULLA_PASSPHRASE", PASSPHRASE)])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        warm();
        ended(
            command(self.folder.path()).args(arguments).envs(environment.iter().copied()).output().expect("it starts"),
        )
    }

    /// Runs it and expects it to be done.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}\n{}{}", ended.out, ended.err);
        ended.out
    }

    /// A layout under `layout` with one image, and its digest.
    pub(crate) fn layout(&self) -> String {
        let layout = Layout::create(&self.path("layout")).expect("a layout");
        let (manifest, blobs) = image("hello");
        for blob in blobs {
            layout.put_blob(&blob).expect("written");
        }
        layout.put_manifest(&manifest, MANIFEST, Some("1")).expect("written").as_str().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("there")
    }
}

/// A manifest and the blobs it names.
pub(crate) fn image(text: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
    let blobs = vec![config.to_string().into_bytes(), text.as_bytes().to_vec()];
    let described = |index: usize, media_type: &str| {
        let blob: &Vec<u8> = &blobs[index];
        json!({"mediaType": media_type, "digest": Digest::sha256(blob).as_str(), "size": blob.len()})
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(0, "application/vnd.oci.image.config.v1+json"),
        "layers": [described(1, "application/vnd.oci.image.layer.v1.tar")],
    });
    (manifest.to_string().into_bytes(), blobs)
}

pub(crate) fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|problem| panic!("{problem}: {text}"))
}

/// The program, with an environment of its own: no credentials, no passphrase, one cache for all tests.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    command
}

/// Compiles the module once, before the tests that run in parallel would each do so.
fn warm() {
    static WARM: OnceLock<()> = OnceLock::new();
    WARM.get_or_init(|| {
        let ended = ended(command(Path::new(".")).arg("module").output().expect("it starts"));
        assert_eq!(ended.code, 0, "{}", ended.err);
    });
}

fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code().expect("not killed"), out: text(output.stdout), err: text(output.stderr) }
}
