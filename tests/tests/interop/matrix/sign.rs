//! One combination: the signer's command.

use std::process::Command;

use bulla_tests::support::{bulla, cosign_command, output};

use super::rows::{Extra, Form, Program, Row, Target, What};
use super::world::{Place, World};

/// The annotation of rows that have one.
pub(super) const ANNOTATION: &str = "stage=test";

/// Signs or attests as the row says.
pub(super) fn sign(world: &World, row: &Row, place: &Place) -> Result<(), String> {
    let key = world.key(row.key);
    let (mut command, key) = match row.signer {
        Program::Bulla => (bulla_command(row, place), key.plain.as_ref().unwrap_or(&key.private)),
        cosign => (cosign_sign(world, row, place, cosign), &key.private),
    };
    command.arg("--key").arg(key);
    if let What::Attestation(name) = row.what {
        command.args(["--type", name, "--predicate"]).arg(world.predicate(name));
    }
    if row.target == Target::Recursive {
        command.arg("--recursive");
    }
    if row.target == Target::Leaves {
        command.args(&place.leaves)
    } else {
        command.arg(&place.image)
    };
    let done = output(&mut command);
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.success() { Ok(()) } else { Err(format!("{} signs: {}", row.signer.name(), said.trim())) }
}

fn verb(row: &Row) -> &'static str {
    if row.what == What::Signature { "sign" } else { "attest" }
}

fn bulla_command(row: &Row, place: &Place) -> Command {
    let mut command = bulla();
    let form = if row.form == Form::Bundle { "bundle" } else { "legacy" };
    command.args([verb(row), "--yes", "--form", form]);
    if row.extra == Extra::Annotation {
        command.args(["--annotation", ANNOTATION]);
    }
    if let Some(repository) = &place.signatures {
        command.args(["--signature-repository", repository]);
    }
    command
}

fn cosign_sign(world: &World, row: &Row, place: &Place, program: Program) -> Command {
    let mut command = cosign_command(world.cosign(program));
    command.args([verb(row), "--tlog-upload=false", "--allow-http-registry"]);
    command.arg(format!("--new-bundle-format={}", row.form == Form::Bundle));
    if program == Program::Cosign31 {
        // Else it asks a public service which services there are.
        command.arg("--use-signing-config=false");
    }
    if row.form == Form::Oci11 {
        command.env("COSIGN_EXPERIMENTAL", "1").arg("--registry-referrers-mode=oci-1-1");
    }
    if row.extra == Extra::Annotation {
        command.args(["-a", ANNOTATION]);
    }
    if let Some(repository) = &place.signatures {
        command.env("COSIGN_REPOSITORY", repository);
    }
    command
}
