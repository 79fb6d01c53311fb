//! The combinations, and what is expected of each verifier.
//!
//! Not the full product, which would take an hour: wide per key at the registry without the referrers API, wide per type of
//! attestation at the one with it, and both for where signatures lie.

use bulla_tests::support::RegistryKind;

use super::keys::Key;
use super::notes::Note;

/// Who signs or verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Cosign26,
    Cosign31,
    Bulla,
}

impl Program {
    pub(super) const ALL: [Self; 3] = [Self::Cosign26, Self::Cosign31, Self::Bulla];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cosign26 => "cosign 2.6",
            Self::Cosign31 => "cosign 3.1",
            Self::Bulla => "Bulla",
        }
    }

    pub(super) fn is_cosign(self) -> bool {
        self != Self::Bulla
    }
}

/// How it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Legacy,
    Bundle,
    /// A legacy signature image as an OCI 1.1 referrer: an experiment of cosign, which Bulla reads and does not write.
    Oci11,
}

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Signature,
    /// Of this type, as cosign's `--type` takes it.
    Attestation(&'static str),
}

/// Which digests are signed and asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Image,
    /// The index is signed and asked for.
    Index,
    /// The index is signed with `--recursive`; it and each leaf are asked for.
    Recursive,
    /// Each leaf is signed by its digest; the index is asked for.
    Leaves,
}

/// What else is asked of signer and verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    Nothing,
    Annotation,
    /// Signatures lie in another repository.
    Relocated,
}

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) signer: Program,
    pub(super) form: Form,
    pub(super) key: Key,
    pub(super) what: What,
    pub(super) target: Target,
    pub(super) extra: Extra,
}

/// Whether a verifier accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    Yes(Option<Note>),
    No(Note),
}

/// Rows of one table, and where they run.
pub(super) struct Section {
    pub(super) title: &'static str,
    /// Over the first column.
    pub(super) column: &'static str,
    pub(super) registries: &'static [RegistryKind],
    pub(super) rows: Vec<Row>,
}

/// Types of attestations. The last one is a URI of nobody.
pub(super) const TYPES: [&str; 7] =
    ["slsaprovenance1", "spdxjson", "cyclonedx", "vuln", "openvex", "custom", "https://example.test/review/v1"];

const SIMPLE: Row = Row {
    signer: Program::Bulla,
    form: Form::Legacy,
    key: Key::Imported,
    what: What::Signature,
    target: Target::Image,
    extra: Extra::Nothing,
};

/// Every table.
pub(super) fn sections() -> Vec<Section> {
    let without_api: &[RegistryKind] = &[RegistryKind::Distribution];
    let with_api: &[RegistryKind] = &[RegistryKind::Ferro];
    let keys = Key::ALL.map(|key| Row { key, ..SIMPLE });
    let provenance = What::Attestation(TYPES[0]);
    let key_kinds = [Key::P384, Key::Rsa2048, Key::Ed25519];
    let attesting_keys = key_kinds.map(|key| Row { key, what: provenance, ..SIMPLE });
    let types = TYPES.map(|name| Row { what: What::Attestation(name), ..SIMPLE });
    let places = [
        SIMPLE,
        Row { target: Target::Recursive, ..SIMPLE },
        Row { target: Target::Leaves, ..SIMPLE },
        Row { extra: Extra::Annotation, ..SIMPLE },
        Row { extra: Extra::Relocated, ..SIMPLE },
        Row { target: Target::Index, what: provenance, ..SIMPLE },
    ];
    let section =
        |title, column, registries, rows: &[Row]| Section { title, column, registries, rows: in_both_forms(rows) };
    let experiment = [Program::Cosign26, Program::Cosign31];
    vec![
        section("Keys: signatures", "key", without_api, &keys),
        section("Keys: attestations", "key", without_api, &attesting_keys),
        section("Types of attestations", "type", with_api, &types),
        section("Targets, annotations, places", "what", &RegistryKind::ALL, &places),
        Section {
            title: "The OCI 1.1 experiment of cosign",
            column: "what",
            registries: &RegistryKind::ALL,
            rows: experiment.map(|signer| Row { signer, form: Form::Oci11, ..SIMPLE }).to_vec(),
        },
    ]
}

/// By every signer, in the legacy form and as a bundle.
fn in_both_forms(rows: &[Row]) -> Vec<Row> {
    let signers = |row: &Row| Program::ALL.map(|signer| Row { signer, ..*row });
    let forms = |row: Row| [Form::Legacy, Form::Bundle].map(|form| Row { form, ..row });
    rows.iter().flat_map(signers).flat_map(forms).collect()
}

impl Row {
    /// What the verifier makes of it.
    pub(super) fn expected(&self, verifier: Program) -> Cell {
        let both_cosign = self.signer.is_cosign() && verifier.is_cosign();
        let is_bundle = self.form == Form::Bundle;
        let (old_signs, old_verifies) = (self.signer == Program::Cosign26, verifier == Program::Cosign26);
        if self.signer.is_cosign() && self.key.is_ed25519() {
            return Cell::No(Note::Ed25519ph);
        }
        if self.target == Target::Leaves && verifier.is_cosign() {
            return Cell::No(Note::NoLeaves);
        }
        match self.extra {
            Extra::Annotation if is_bundle && old_verifies => return Cell::Yes(Some(Note::AnnotationNotCompared)),
            Extra::Annotation if is_bundle && old_signs => return Cell::No(Note::AnnotationNotSigned),
            // Where it alone looks, it alone finds what it wrote; and it finds nothing of others.
            Extra::Relocated if is_bundle && old_signs != old_verifies => return Cell::No(Note::RepositoryIgnored),
            Extra::Relocated if is_bundle && old_signs => return Cell::Yes(Some(Note::RepositoryIgnored)),
            _ => {}
        }
        Cell::Yes((both_cosign && self.key.own_hash().is_some()).then_some(Note::HashFlag))
    }

    /// What the first column says.
    pub(super) fn label(&self, column: &str) -> String {
        if column == "key" {
            return self.key.label().to_owned();
        }
        if let (What::Attestation(name), "type") = (self.what, column) {
            return format!("`{name}`");
        }
        let target = match (self.what, self.target, self.extra) {
            (What::Attestation(_), Target::Index, _) => "provenance of an index",
            (_, Target::Image, Extra::Nothing) => "image",
            (_, Target::Image, Extra::Annotation) => "image, with an annotation (`-a`, `--annotation`)",
            (_, Target::Image, Extra::Relocated) => {
                "image, signature in another repository (`COSIGN_REPOSITORY`, `--signature-repository`)"
            }
            (What::Signature, Target::Index, _) => "index",
            (_, Target::Recursive, _) => "index and each of its images (`--recursive`)",
            (_, Target::Leaves, _) => "each image of an index, asked for the index (`--leaves`)",
        };
        target.to_owned()
    }
}
