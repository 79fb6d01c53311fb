//! One combination: what a verifier is asked, and what it must not accept.

use std::path::Path;

use bulla_tests::support::{bulla, cosign_command, output};
use serde_json::Value;

use super::notes::Note;
use super::rows::{Extra, Form, Program, Row, TYPES, Target, What};
use super::sign::ANNOTATION;
use super::world::{Place, World};

/// One question to a verifier.
#[derive(Clone, Copy)]
struct Question<'q> {
    verifier: Program,
    form: Form,
    what: What,
    key: &'q Path,
    reference: &'q str,
    annotation: Option<&'q str>,
    signatures: Option<&'q str>,
    is_leaves: bool,
    /// The value of cosign's `--signature-digest-algorithm`.
    hash: Option<&'static str>,
}

/// The verifier accepts everything that the row is about; and no other key, no other type of attestation, and nothing when
/// the row's condition is left out or another one.
pub(super) fn accepts_this_and_nothing_else(
    world: &World,
    row: &Row,
    place: &Place,
    verifier: Program,
    note: Option<Note>,
) -> Result<(), String> {
    let question = question(world, row, place, verifier, note);
    question.must(world, true, "the row")?;
    if row.target == Target::Recursive {
        for reference in &place.leaves {
            Question { reference, ..question }.must(world, true, "a leaf")?;
        }
    }
    Question { key: &world.other, ..question }.must(world, false, "another key")?;
    if let What::Attestation(name) = row.what {
        let what = What::Attestation(TYPES.iter().find(|other| **other != name).expect("several"));
        Question { what, ..question }.must(world, false, "another type")?;
    }
    if row.extra == Extra::Annotation {
        let annotation = Some("stage=other");
        let is_compared = note != Some(Note::AnnotationNotCompared);
        Question { annotation, ..question }.must(world, !is_compared, "another annotation")?;
    }
    if row.extra == Extra::Relocated {
        let is_heeded = note != Some(Note::RepositoryIgnored);
        Question { signatures: None, ..question }.must(world, !is_heeded, "beside the image")?;
    }
    if row.target == Target::Leaves {
        Question { is_leaves: false, ..question }.must(world, false, "without --leaves")?;
    }
    if note == Some(Note::HashFlag) {
        Question { hash: None, ..question }.must(world, false, "without --signature-digest-algorithm")?;
    }
    Ok(())
}

/// The verifier refuses, with every flag that could help it.
pub(super) fn refuses(world: &World, row: &Row, place: &Place, verifier: Program) -> Result<(), String> {
    let question = question(world, row, place, verifier, None);
    question.must(world, false, "the row")?;
    if row.key.is_ed25519() && verifier.is_cosign() {
        Question { hash: Some("sha512"), ..question }.must(world, false, "with sha512")?;
    }
    Ok(())
}

fn question<'q>(world: &'q World, row: &Row, place: &'q Place, verifier: Program, note: Option<Note>) -> Question<'q> {
    Question {
        verifier,
        form: row.form,
        what: row.what,
        key: &world.key(row.key).public,
        reference: &place.image,
        annotation: (row.extra == Extra::Annotation).then_some(ANNOTATION),
        signatures: place.signatures.as_deref(),
        is_leaves: row.target == Target::Leaves,
        hash: row.key.own_hash().filter(|_| note == Some(Note::HashFlag)),
    }
}

impl Question<'_> {
    fn must(&self, world: &World, accept: bool, about: &str) -> Result<(), String> {
        let (accepted, said) =
            if self.verifier == Program::Bulla { self.ask_bulla()? } else { self.ask_cosign(world)? };
        if accepted == accept {
            return Ok(());
        }
        let (name, verb) = (self.verifier.name(), if accepted { "accepts" } else { "refuses" });
        Err(format!("{name} {verb} ({about}): {}", said.trim()))
    }

    fn ask_bulla(&self) -> Result<(bool, String), String> {
        let form = if self.form == Form::Bundle { "bundle" } else { "legacy" };
        let mut command = bulla();
        command.args(["--output", "json", "verify", self.reference, "--form", form, "--key"]).arg(self.key);
        if let What::Attestation(name) = self.what {
            command.args(["--attestation", name]);
        }
        if let Some(annotation) = self.annotation {
            command.args(["--annotation", annotation]);
        }
        if let Some(repository) = self.signatures {
            command.args(["--signature-repository", repository]);
        }
        if self.is_leaves {
            command.arg("--leaves");
        }
        let done = output(&mut command);
        let verdicts: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
        // Unknown is neither: then something is broken.
        match verdicts[0]["outcome"].as_str() {
            Some("accept") => Ok((true, verdicts.to_string())),
            Some("reject") => Ok((false, verdicts.to_string())),
            _ => Err(format!("Bulla: {verdicts} {}", String::from_utf8_lossy(&done.stderr))),
        }
    }

    fn ask_cosign(&self, world: &World) -> Result<(bool, String), String> {
        let mut command = cosign_command(world.cosign(self.verifier));
        match self.what {
            What::Signature => command.arg("verify"),
            What::Attestation(name) => command.args(["verify-attestation", "--type", name]),
        };
        command.args(["--insecure-ignore-tlog", "--allow-http-registry", "--key"]).arg(self.key);
        match (self.form, self.verifier) {
            (Form::Bundle, Program::Cosign26) => {
                command.args(["--new-bundle-format", "--trusted-root"]).arg(world.trusted_root());
            }
            (Form::Oci11, _) => {
                command.arg("--experimental-oci11");
            }
            _ => {}
        }
        if let Some(annotation) = self.annotation {
            command.args(["-a", annotation]);
        }
        if let Some(hash) = self.hash {
            command.args(["--signature-digest-algorithm", hash]);
        }
        if let Some(repository) = self.signatures {
            command.env("COSIGN_REPOSITORY", repository);
        }
        let done = output(command.arg(self.reference));
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        // A refusal has to be about signatures, and not about a registry or a service that cannot be reached.
        if ["connection refused", "proxyconnect", "no such host", "unknown flag"].iter().any(|sign| said.contains(sign))
        {
            return Err(format!("{}: {}", self.verifier.name(), said.trim()));
        }
        Ok((done.status.success(), said))
    }
}
