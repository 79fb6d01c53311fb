//! A converted policy before it is text, and the text: the same for the same source, always.

use std::collections::BTreeMap;

use super::Converted;
use crate::key::PublicKey;
use crate::notation::VerifyTimestamp;
use crate::notation::level::{Action, Kind, Name};

/// A policy that is being made.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    /// `None` is the default, `enforce`.
    pub(super) mode: Option<&'static str>,
    pub(super) images: Images,
    pub(super) signers: Signers,
    pub(super) attestations: Vec<Attestation>,
    /// Whether every leaf counts in place of an index.
    pub(super) leaves: bool,
    pub(super) require: Require,
    pub(super) notes: Vec<String>,
}

/// What it matches.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Images {
    Every,
    Patterns { images: Vec<String>, except: Vec<String> },
}

/// Signers by name: one for each key, place and identity rule, under the first name that it had.
#[derive(Debug, Default)]
pub(super) struct Signers(Vec<(String, Signer)>);

/// A signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signer {
    /// A key. Only cosign's legacy form is read by those whose policies these are.
    Cosign { pem: String, identity: &'static str, repository: Option<String> },
    /// Certificates, and whose signatures count under them.
    Notation(Box<NotationSigner>),
}

/// A signer of Notation: certificates as PEM, and what is written as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotationSigner {
    pub(super) ca: Vec<String>,
    pub(super) signing_authority: Vec<String>,
    pub(super) tsa: Vec<String>,
    pub(super) identities: Vec<String>,
    pub(super) level: Name,
    pub(super) overrides: BTreeMap<Kind, Action>,
    pub(super) verify_timestamp: VerifyTimestamp,
}

#[derive(Debug)]
pub(super) struct Attestation {
    pub(super) name: String,
    pub(super) predicate_type: String,
    pub(super) signer: String,
}

/// What it requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Require {
    Signer(String),
    Attestation(String),
    AllOf(Vec<Require>),
    AnyOf(Vec<Require>),
}

impl Signer {
    pub(super) fn new(key: &PublicKey, identity: &'static str, repository: Option<String>) -> Self {
        Self::Cosign { pem: key.to_pem(), identity, repository }
    }
}

impl Signers {
    /// The name under which this signer is there, from now on.
    pub(super) fn name(&mut self, wanted: &str, signer: Signer) -> String {
        if let Some((name, _)) = self.0.iter().find(|(_, there)| *there == signer) {
            return name.clone();
        }
        let name = free(wanted, |name| self.0.iter().any(|(there, _)| there == name));
        self.0.push((name.clone(), signer));
        name
    }
}

/// `wanted`, or the first of `wanted-2`, `wanted-3`… that is not taken.
pub(super) fn free(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(wanted) {
        return wanted.to_owned();
    }
    let others = (2u32..).map(|number| format!("{wanted}-{number}"));
    others.into_iter().find(|name| !taken(name)).unwrap_or_default()
}

impl Require {
    /// All of these, each once; one alone stands for itself.
    pub(super) fn all_of(parts: Vec<Self>) -> Self {
        Self::joined(parts, Self::AllOf)
    }

    /// One of these.
    pub(super) fn any_of(parts: Vec<Self>) -> Self {
        Self::joined(parts, Self::AnyOf)
    }

    fn joined(parts: Vec<Self>, join: impl Fn(Vec<Self>) -> Self) -> Self {
        let mut each: Vec<Self> = Vec::new();
        for part in parts {
            if !each.contains(&part) {
                each.push(part);
            }
        }
        match <[Self; 1]>::try_from(each) {
            Ok([one]) => one,
            Err(each) => join(each),
        }
    }

    fn text(&self) -> String {
        let list = |parts: &[Self]| parts.iter().map(Self::text).collect::<Vec<_>>().join(", ");
        match self {
            Self::Signer(name) => quoted(name),
            Self::Attestation(name) => format!("{{attestation: {}}}", quoted(name)),
            Self::AllOf(parts) => format!("{{allOf: [{}]}}", list(parts)),
            Self::AnyOf(parts) => format!("{{anyOf: [{}]}}", list(parts)),
        }
    }
}

impl Draft {
    /// The document.
    pub(super) fn write(&self) -> Converted {
        let mut text = String::new();
        let mut line = |indent: usize, content: &str| {
            text.push_str(&" ".repeat(indent));
            text.push_str(content);
            text.push('\n');
        };
        for note in &self.notes {
            line(0, &format!("# {note}"));
        }
        line(0, "apiVersion: bulla.dev/v1alpha1");
        line(0, "kind: ImagePolicy");
        line(0, "metadata:");
        line(2, &format!("name: {}", quoted(&self.name)));
        line(0, "spec:");
        if let Some(mode) = self.mode {
            line(2, &format!("mode: {mode}"));
        }
        line(2, "match:");
        match &self.images {
            Images::Every => line(4, "everyImage: true"),
            Images::Patterns { images, except } => {
                for (field, patterns) in [("images", images), ("except", except)] {
                    if !patterns.is_empty() {
                        line(4, &format!("{field}:"));
                        patterns.iter().for_each(|pattern| line(6, &format!("- {}", quoted(pattern))));
                    }
                }
            }
        }
        line(2, "signers:");
        for (name, signer) in &self.signers.0 {
            line(4, &format!("{}:", quoted(name)));
            match signer {
                Signer::Cosign { pem, identity, repository } => {
                    line(6, "cosign:");
                    line(8, "publicKey: |");
                    pem.lines().for_each(|pem| line(10, pem));
                    line(8, &format!("identity: {identity}"));
                    line(8, "forms: [legacy]");
                    if let Some(repository) = repository {
                        line(8, &format!("signatureRepository: {}", quoted(repository)));
                    }
                }
                Signer::Notation(signer) => signer.write(&mut line),
            }
        }
        if !self.attestations.is_empty() {
            line(2, "attestations:");
        }
        for attestation in &self.attestations {
            line(4, &format!("{}:", quoted(&attestation.name)));
            line(6, &format!("predicateType: {}", quoted(&attestation.predicate_type)));
            line(6, &format!("signer: {}", quoted(&attestation.signer)));
        }
        if self.leaves {
            line(2, "multiArch: indexOrEveryLeaf");
        }
        line(2, &format!("require: {}", self.require.text()));
        Converted { name: self.name.clone(), text, notes: self.notes.clone() }
    }
}

impl NotationSigner {
    fn write(&self, line: &mut impl FnMut(usize, &str)) {
        line(6, "notation:");
        line(8, "trustStores:");
        for (name, pems) in [("ca", &self.ca), ("signingAuthority", &self.signing_authority), ("tsa", &self.tsa)] {
            if !pems.is_empty() {
                line(10, &format!("{name}:"));
            }
            for pem in pems {
                line(12, "- |");
                pem.lines().for_each(|pem| line(14, pem));
            }
        }
        line(8, "trustedIdentities:");
        self.identities.iter().for_each(|identity| line(10, &format!("- {}", quoted(identity))));
        line(8, &format!("level: {}", word(&self.level)));
        if !self.overrides.is_empty() {
            line(8, "override:");
            for (kind, action) in &self.overrides {
                line(10, &format!("{}: {}", word(kind), word(action)));
            }
        }
        line(8, &format!("verifyTimestamp: {}", word(&self.verify_timestamp)));
    }
}

/// The word of a document for one of a few values.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Always in quotes: a name such as `null` or `1` stays a name.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}
