//! Notation signatures: who signs with which key in which envelope, and who verifies it. A program is a line in [`SIGNERS`]
//! or [`VERIFIERS`]; what only one of them does is in a file of its own.

mod cli;
mod document;
mod plugin;
mod signing;
mod verify;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bulla_tests::support::certificates::{ALGORITHMS, Certificate, Leaf};
use bulla_tests::support::notation::{FORMATS, Notation, Trust};
use bulla_tests::support::{Registry, RegistryKind, bulla, bulla_path, run};

use crate::matrix::compare_or_write;

/// One combination.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// `jws` or `cose`.
    format: &'static str,
    /// `RSA-2048` and so on.
    algorithm: &'static str,
    /// Whether the certificate signs itself, or an authority issued it.
    is_self_signed: bool,
}

impl Row {
    /// The name of its key, and of its repository.
    fn name(&self) -> String {
        let kind = if self.is_self_signed { "own" } else { "leaf" };
        format!("{kind}-{}", self.algorithm.to_lowercase())
    }

    fn all() -> Vec<Self> {
        let mut rows = Vec::new();
        for format in FORMATS {
            for algorithm in ALGORITHMS {
                rows.push(Self { format, algorithm, is_self_signed: false });
            }
            // The kind of key makes no difference to how a chain of one is read.
            rows.push(Self { format, algorithm: "EC-256", is_self_signed: true });
        }
        rows
    }
}

/// Signs an image with the key of the row.
type Sign = fn(&World, &Row, &str);
/// Whether an image is accepted under the certificates that this trusts.
type Verify = fn(&Notation, &str) -> Result<(), String>;

const SIGNERS: [(&str, Sign); 4] = [
    ("notation", notation_signs),
    ("notation, Bulla as its plugin for signatures", notation_signs_through_bulla),
    ("notation, Bulla as its plugin for envelopes", notation_takes_an_envelope_of_bulla),
    ("Bulla", bulla_signs),
];
const VERIFIERS: [(&str, Verify); 2] = [("notation", notation_verifies), ("Bulla", bulla_verifies)];

/// Keys, and two sets of trust.
struct World {
    /// Has the keys, and trusts their roots in `ca:acme`.
    acme: Notation,
    /// By the names of their rows.
    keys: BTreeMap<String, Certificate>,
    /// Trusts another authority of the same name.
    stranger: Notation,
}

impl World {
    fn new() -> Option<Self> {
        let (acme, stranger) = (Notation::new()?, Notation::new()?);
        let authority = acme.authority("root", "EC-384");
        acme.trust("ca:acme", &authority.own.certificate);
        let mut keys = BTreeMap::new();
        for row in Row::all() {
            let name = row.name();
            if keys.contains_key(&name) {
                continue;
            }
            let key = match row.is_self_signed {
                true => acme.self_signed(&name, row.algorithm),
                false => authority.issue(&name, row.algorithm, &Leaf::default()),
            };
            if row.is_self_signed {
                acme.trust("ca:acme", &key.certificate);
            }
            acme.add_key(&name, &key);
            keys.insert(name, key);
        }
        stranger.trust("ca:acme", &stranger.authority("root", "EC-384").own.certificate);
        acme.add_plugin("bulla", &bulla_path());
        for notation in [&acme, &stranger] {
            notation.policy(&Trust::default());
        }
        Some(Self { acme, keys, stranger })
    }
}

fn notation_signs(world: &World, row: &Row, image: &str) {
    world.acme.sign(&row.name(), row.format, image, &[]);
}

/// The notation CLI makes the envelope, and `bulla` as its plugin the signature, with the certificates beside the key file.
fn notation_signs_through_bulla(world: &World, row: &Row, image: &str) {
    let key = world.keys[&row.name()].key.to_str().expect("UTF-8");
    run(&mut world.acme.signing(&["--plugin", "bulla", "--id", key], row.format, image, &[]));
}

/// The same, and `bulla` makes the envelope as well.
fn notation_takes_an_envelope_of_bulla(world: &World, row: &Row, image: &str) {
    let key = world.keys[&row.name()].key.to_str().expect("UTF-8");
    let words = ["--plugin", "bulla", "--id", key, "--plugin-config", "generator=envelope"];
    run(&mut world.acme.signing(&words, row.format, image, &[]));
}

/// `bulla sign` alone, with the certificates beside the key file.
fn bulla_signs(world: &World, row: &Row, image: &str) {
    run(bulla_sign(&world.keys[&row.name()].key, row.format, image).arg("--yes"));
}

/// The command that signs an image with the key in this file.
fn bulla_sign(key: &Path, format: &str, image: &str) -> Command {
    let mut command = bulla();
    command.args(["sign", "--form", "notation", "--envelope", format, image, "--key"]).arg(key);
    command
}

fn notation_verifies(notation: &Notation, image: &str) -> Result<(), String> {
    let output = notation.verify(image, &[]);
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Bulla under the same trust policy. It says why it refuses; no answer at all is no refusal.
fn bulla_verifies(notation: &Notation, image: &str) -> Result<(), String> {
    match notation.bulla(image, &[]) {
        (0, _) => Ok(()),
        (1, verdict) => Err(verdict["summary"].to_string()),
        (code, verdict) => panic!("bulla ends with {code}: {verdict}"),
    }
}

/// What each signer signs each verifier accepts, under exactly the authority that issued the certificate.
#[test]
fn what_one_signs_with_notation_every_one_verifies() {
    let Some(world) = World::new() else { return };
    let mut failures = Vec::new();
    for kind in RegistryKind::there() {
        let Some(registry) = Registry::start_kind(kind) else { return };
        for (number, (signer, sign)) in SIGNERS.into_iter().enumerate() {
            for row in Row::all() {
                let image = registry.name(&format!("signer-{number}/{}-{}:1", row.name(), row.format));
                let digest = registry.push_image(&image, &row.name());
                let pinned = format!("{}@{digest}", image.trim_end_matches(":1"));
                for (verifier, verify) in VERIFIERS {
                    if verify(&world.acme, &pinned).is_ok() {
                        failures.push(format!("{verifier} accepts what nobody signed: {row:?} at {kind:?}"));
                    }
                }
                sign(&world, &row, &pinned);
                for (verifier, verify) in VERIFIERS {
                    if let Err(said) = verify(&world.acme, &pinned) {
                        failures.push(format!("{verifier} refuses {signer} / {row:?} at {kind:?}: {said}"));
                    }
                    if verify(&world.stranger, &pinned).is_ok() {
                        failures
                            .push(format!("{verifier} accepts {signer} / {row:?} at {kind:?} under another authority"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    compare_or_write("who signs", &document::who_signs());
}
