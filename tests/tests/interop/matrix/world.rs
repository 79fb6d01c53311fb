//! What all combinations share: programs, registries with an image and an index, keys, predicates.

use std::fs;
use std::path::{Path, PathBuf};

use bulla_tests::peers;
use bulla_tests::support::{Index, Registry, RegistryKind, bulla_key, cosign_command, run};
use tempfile::TempDir;

use super::keys::{Key, KeyFiles};
use super::rows::{Extra, Program, Row, TYPES, Target};

pub(super) struct World {
    old: PathBuf,
    new: PathBuf,
    folder: TempDir,
    keys: Vec<(Key, KeyFiles)>,
    /// A public key that signed nothing.
    pub(super) other: PathBuf,
    registries: Vec<(RegistryKind, Registry, Index)>,
}

/// A repository of one combination, with what it is about.
pub(super) struct Place {
    /// By tag.
    pub(super) image: String,
    /// The leaves, by digest, where it is an index.
    pub(super) leaves: Vec<String>,
    /// Where signatures lie when not beside the image.
    pub(super) signatures: Option<String>,
}

impl World {
    /// Everything, unless a peer is missing.
    pub(super) fn new() -> Option<Self> {
        let (old, new) = (peers::require("cosign-2.6")?, peers::require("cosign-3.1")?);
        let openssl = peers::require("openssl")?;
        let folder = tempfile::tempdir().expect("a folder");
        let registries = RegistryKind::there().into_iter().map(|kind| {
            let registry = Registry::start_kind(kind)?;
            registry.push_image(&registry.name("base/image:1"), "matrix");
            let index = registry.push_index(&registry.name("base/index:1"), "matrix");
            Some((kind, registry, index))
        });
        let registries = registries.collect::<Option<Vec<_>>>()?;
        let keys = std::thread::scope(|scope| {
            let make = |key: Key| {
                let (folder, cosign, openssl) = (folder.path(), &new, &openssl);
                scope.spawn(move || (key, key.make(folder, cosign, openssl)))
            };
            let making = Key::ALL.map(make);
            making.map(|thread| thread.join().expect("a key")).to_vec()
        });
        let (_, other) = bulla_key(folder.path(), "other", "ecdsa-p256");
        for (number, name) in TYPES.iter().enumerate() {
            fs::write(folder.path().join(format!("{number}.json")), predicate(name)).expect("a predicate");
        }
        // Without this, cosign 2.6 would ask a public service for one. This one trusts nobody: keys are given.
        run(cosign_command(&old)
            .args(["trusted-root", "create", "--out"])
            .arg(folder.path().join("trusted-root.json")));
        Some(Self { old, new, folder, keys, other, registries })
    }

    /// Where a row is tried that is tried at these registries: zot stands beside the one that lists referrers.
    pub(super) fn places_of(&self, registries: &[RegistryKind]) -> Vec<RegistryKind> {
        let beside = registries.contains(&RegistryKind::Ferro);
        let is_tried = |kind: &RegistryKind| registries.contains(kind) || (beside && *kind == RegistryKind::Zot);
        self.registries.iter().map(|(kind, ..)| *kind).filter(is_tried).collect()
    }

    pub(super) fn cosign(&self, program: Program) -> &Path {
        if program == Program::Cosign26 { &self.old } else { &self.new }
    }

    pub(super) fn key(&self, key: Key) -> &KeyFiles {
        &self.keys.iter().find(|(known, _)| *known == key).expect("every key is made").1
    }

    pub(super) fn trusted_root(&self) -> PathBuf {
        self.folder.path().join("trusted-root.json")
    }

    /// A file with a predicate of this type.
    pub(super) fn predicate(&self, name: &str) -> PathBuf {
        let number = TYPES.iter().position(|known| *known == name).expect("a known type");
        self.folder.path().join(format!("{number}.json"))
    }

    /// A repository of its own for this row, with its image or index.
    pub(super) fn place(&self, row: &Row, kind: RegistryKind, number: usize) -> Place {
        let (_, registry, index) = self.registries.iter().find(|(known, ..)| *known == kind).expect("each runs");
        let is_index = row.target != Target::Image;
        let (from, repository) = (if is_index { "base/index:1" } else { "base/image:1" }, format!("row/{number}"));
        let image = registry.name(&format!("{repository}:1"));
        registry.copy(&format!("docker://{}", registry.name(from)), &format!("docker://{image}"));
        let leaf = |digest: &String| registry.name(&format!("{repository}@{digest}"));
        Place {
            image,
            leaves: if is_index { [&index.amd64, &index.arm64].map(leaf).to_vec() } else { Vec::new() },
            signatures: (row.extra == Extra::Relocated).then(|| registry.name(&format!("signatures/{number}"))),
        }
    }

    /// The peers whose behaviour the document describes, as they name themselves.
    pub(super) fn versions(&self) -> Vec<String> {
        let version = |cosign: &Path| {
            let printed = run(cosign_command(cosign).arg("version"));
            let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
            let line = printed.lines().find_map(|line| line.strip_prefix("GitVersion:")).expect("a version");
            format!("cosign {}", line.trim().trim_start_matches('v'))
        };
        vec![version(&self.old), version(&self.new)]
    }
}

/// The smallest predicate that cosign takes for this type.
fn predicate(name: &str) -> &'static str {
    match name {
        "slsaprovenance1" => {
            r#"{"buildDefinition":{"buildType":"https://example.test/build/v1","externalParameters":{}},"runDetails":{"builder":{"id":"https://example.test/builder"}}}"#
        }
        "spdxjson" => r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"app"}"#,
        "cyclonedx" => r#"{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[]}"#,
        "vuln" => {
            r#"{"invocation":{"parameters":[],"uri":"","event_id":"","builder.id":""},"scanner":{"uri":"https://example.test/scanner","version":"1","db":{"uri":"","version":""},"result":[]},"metadata":{"scanStartedOn":"2026-01-01T00:00:00Z","scanFinishedOn":"2026-01-01T00:00:01Z"}}"#
        }
        "openvex" => {
            r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.test/vex/1","author":"a","timestamp":"2026-01-01T00:00:00Z","version":1,"statements":[]}"#
        }
        _ => r#"{"stage":"test"}"#,
    }
}
