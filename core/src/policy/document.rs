//! One policy document (docs/policy.md): its types as they stand in YAML, and the policy made from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attestation::{Attestation, AttestationDocument};
use super::break_glass::{BreakGlass, BreakGlassDocument};
use super::circumstances::{Circumstances, Operation, Scope, read_labels, read_operations};
use super::exemption::{Exemption, ExemptionDocument};
use super::requirement::Requirement;
use super::signer::{Signer, SignerDocument, System, distinct};
use crate::digest::Digest;
use crate::glob::Pattern;
use crate::limits::{MAX_REVOKED, MAX_SIGNERS};
use crate::ordered::Ordered as _;
use crate::reference::Repository;
use crate::yaml::{Document, YamlError};

/// `apiVersion` of the documents that this version reads.
pub(super) const API_VERSION: &str = "bulla.dev/v1alpha1";
/// `kind` of a policy document.
pub(super) const KIND: &str = "ImagePolicy";

/// A policy that was checked: every reference inside it is resolved, every key parsed.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `metadata.name`.
    pub name: String,
    /// The name of the document that it came from.
    pub document: String,
    /// What happens to an image that does not satisfy it.
    pub mode: Mode,
    images: Images,
    scope: Scope,
    /// Digests that it refuses, whatever is signed.
    pub revoked: BTreeSet<Digest>,
    exempt: Vec<Exemption>,
    /// Who may break its glass.
    pub break_glass: Option<BreakGlass>,
    /// The signers by name.
    pub signers: BTreeMap<String, Signer>,
    /// The attestations by name.
    pub attestations: BTreeMap<String, Attestation>,
    /// What has to satisfy it where one reference stands for several platforms.
    pub multi_arch: MultiArch,
    /// Which of them must be there.
    pub require: Requirement,
}

/// What happens to an image that does not satisfy a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is admitted, and whoever asked is warned.
    Warn,
    /// It is admitted, and the record says so.
    Audit,
}

#[derive(Debug, Clone)]
enum Images {
    Every,
    Patterns { images: Vec<Pattern>, except: Vec<Pattern> },
}

/// What has to satisfy a policy where one reference stands for several platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MultiArch {
    /// The manifest or index that was asked for.
    #[default]
    Index,
    /// That, or every manifest that the index lists.
    IndexOrEveryLeaf,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
    // What Kubernetes keeps beside the name is allowed and not looked at.
    #[serde(default)]
    #[allow(dead_code)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    #[allow(dead_code)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    mode: Mode,
    #[serde(rename = "match")]
    matches: Match,
    #[serde(default)]
    revoked: Vec<String>,
    #[serde(default)]
    exempt: Vec<ExemptionDocument>,
    #[serde(default)]
    break_glass: Option<BreakGlassDocument>,
    signers: BTreeMap<String, SignerDocument>,
    #[serde(default)]
    attestations: BTreeMap<String, AttestationDocument>,
    #[serde(default)]
    multi_arch: MultiArch,
    require: Requirement,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Match {
    #[serde(default)]
    images: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    every_image: bool,
    #[serde(default)]
    namespaces: Option<Vec<String>>,
    #[serde(default)]
    operations: Option<Vec<Operation>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

impl Policy {
    /// Makes a policy from a document that was read.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn from_document(name_of_document: &str, document: &Document) -> Result<Self, YamlError> {
        // Said before the shape is checked: a document of another kind should hear that, not of its unknown fields.
        for (path, want) in [("apiVersion", API_VERSION), ("kind", KIND)] {
            let got = document.value().get(path).and_then(|value| value.as_str());
            if got != Some(want) {
                let got = got.map_or("missing".to_owned(), |got| format!("{:?}", crate::text::excerpt(got)));
                return Err(document.error(path, format!("{path} is {got}, expected {want:?}")));
            }
        }
        check_objects(document)?;
        let envelope: Envelope = document.shape()?;
        debug_assert!(envelope.api_version == API_VERSION && envelope.kind == KIND);
        let spec = envelope.spec;
        let name = envelope.metadata.name;
        if name.is_empty() || name.len() > 253 || name.chars().any(char::is_control) {
            return Err(document.error("metadata.name", "a name has 1 to 253 characters"));
        }
        let images = read_match(&spec.matches, document)?;
        let scope = Scope {
            namespaces: read_namespaces(spec.matches.namespaces, "spec.match.namespaces", document)?,
            operations: read_operations(spec.matches.operations, document)?,
            labels: read_labels(spec.matches.labels, document)?,
        };
        let revoked = read_revoked(&spec.revoked, document)?;
        if spec.signers.len() > MAX_SIGNERS {
            return Err(document.error("spec.signers", format!("more than {MAX_SIGNERS} signers")));
        }
        let signers = spec
            .signers
            .into_iter()
            .map(|(signer, source)| {
                let path = format!("spec.signers.{signer}");
                Signer::read(source, &path, document).map(|read| (signer, read))
            })
            .try_into_map()?;
        distinct(&signers).map_err(|message| document.error("spec.signers", message))?;
        if spec.attestations.len() > MAX_SIGNERS {
            return Err(document.error("spec.attestations", format!("more than {MAX_SIGNERS} attestations")));
        }
        let attestations = spec
            .attestations
            .into_iter()
            .map(|(attestation, source)| {
                let path = format!("spec.attestations.{attestation}");
                Attestation::read(source, &path, &signers, document).map(|read| (attestation, read))
            })
            .try_into_map()?;
        spec.require.check(&signers, &attestations).map_err(|message| document.error("spec.require", message))?;
        Ok(Self {
            name,
            document: name_of_document.to_owned(),
            mode: spec.mode,
            images,
            scope,
            revoked,
            exempt: Exemption::read_all(spec.exempt, document)?,
            break_glass: spec.break_glass.map(|source| BreakGlass::read(source, document)).transpose()?,
            signers,
            attestations,
            multi_arch: spec.multi_arch,
            require: spec.require,
        })
    }

    /// Whether this policy has a say about images of this repository in these circumstances. Where those are not known (a
    /// pull, a command line) every policy matches that matches the repository; see [`Policy::unknown`].
    pub fn matches(&self, repository: &Repository, circumstances: Circumstances<'_>) -> bool {
        let images = match &self.images {
            Images::Every => true,
            Images::Patterns { images, except } => {
                images.iter().any(|pattern| pattern.matches(repository))
                    && !except.iter().any(|pattern| pattern.matches(repository))
            }
        };
        images && self.scope.contains(circumstances)
    }

    /// The exemptions of images of this repository in this namespace, whether they still hold or not.
    pub fn exemptions(&self, repository: &Repository, namespace: Option<&str>) -> impl Iterator<Item = &Exemption> {
        self.exempt.iter().filter(move |exemption| exemption.is_about(repository, namespace))
    }

    /// What the policy is for in particular and is not known about a question, in words: a namespace, an operation, labels.
    /// Then it can restrict the question, and never grants it: it takes a policy for all of them to match as well.
    pub fn unknown(&self, circumstances: Circumstances<'_>) -> Option<&'static str> {
        self.scope.unknown(circumstances)
    }

    /// Whether a signer is asked for who signs the manifest's type and size as well.
    pub fn asks_for_manifest(&self) -> bool {
        self.signers.values().any(|signer| matches!(signer.system, System::Notation(_)))
    }

    /// The registries that this policy names: in its patterns (none for `everyImage`), and where signatures lie elsewhere.
    pub fn registries(&self) -> impl Iterator<Item = &str> {
        let patterns = match &self.images {
            Images::Every => [].iter(),
            Images::Patterns { images, .. } => images.iter(),
        };
        let elsewhere = self.signers.values().filter_map(|signer| signer.signature_repository());
        patterns.map(Pattern::registry).chain(elsewhere.map(Repository::registry))
    }
}

/// Derived readers take a list for a structure; here that would make `match: [[a], [b]]` mean something.
fn check_objects(document: &Document) -> Result<(), YamlError> {
    let not_an_object = |path: &str| document.error(path, "expected a mapping");
    for (pointer, path) in [
        ("/metadata", "metadata"),
        ("/spec", "spec"),
        ("/spec/match", "spec.match"),
        ("/spec/breakGlass", "spec.breakGlass"),
    ] {
        if document.value().pointer(pointer).is_some_and(|value| !value.is_object()) {
            return Err(not_an_object(path));
        }
    }
    let exempt = document.value().pointer("/spec/exempt").and_then(|value| value.as_array());
    if let Some(index) = exempt.and_then(|exempt| exempt.iter().position(|exemption| !exemption.is_object())) {
        return Err(not_an_object(&format!("spec.exempt[{index}]")));
    }
    let signers = document.value().pointer("/spec/signers").and_then(|value| value.as_object());
    let attestations = document.value().pointer("/spec/attestations").and_then(|value| value.as_object());
    if let Some((name, _)) = attestations.into_iter().flatten().find(|(_, attestation)| !attestation.is_object()) {
        return Err(not_an_object(&format!("spec.attestations.{name}")));
    }
    for (kind, members) in [("attestations", attestations), ("signers", signers)] {
        for (name, member) in members.into_iter().flatten() {
            let conditions = member.get("conditions").and_then(|value| value.as_array());
            let mut conditions = conditions.into_iter().flatten().enumerate();
            if let Some((index, _)) = conditions.find(|(_, condition)| !condition.is_object()) {
                return Err(not_an_object(&format!("spec.{kind}.{name}.conditions[{index}]")));
            }
            if member.get("age").is_some_and(|age| !age.is_object()) {
                return Err(not_an_object(&format!("spec.{kind}.{name}.age")));
            }
        }
    }
    for (name, signer) in signers.into_iter().flatten() {
        let systems = ["/cosign", "/notation", "/notation/trustStores", "/contentTrust", "/contentTrust/pins"]
            .map(|system| signer.pointer(system));
        if !signer.is_object() || systems.into_iter().flatten().any(|system| !system.is_object()) {
            return Err(not_an_object(&format!("spec.signers.{name}")));
        }
        let mirrors = signer.pointer("/cosign/mirrors").and_then(|value| value.as_array());
        if let Some(index) = mirrors.and_then(|mirrors| mirrors.iter().position(|mirror| !mirror.is_object())) {
            return Err(not_an_object(&format!("spec.signers.{name}.cosign.mirrors[{index}]")));
        }
    }
    Ok(())
}

fn read_match(matches: &Match, document: &Document) -> Result<Images, YamlError> {
    let patterns = |list: &[String], field: &str| read_patterns(list, &format!("spec.match.{field}"), document);
    match (matches.every_image, matches.images.is_empty()) {
        (true, true) if matches.except.is_empty() => Ok(Images::Every),
        (true, _) => Err(document.error("spec.match", "everyImage stands alone: leave images and except out")),
        (false, true) => {
            Err(document
                .error("spec.match", "it matches no image: list patterns under images, or say everyImage: true"))
        }
        (false, false) => Ok(Images::Patterns {
            images: patterns(&matches.images, "images")?,
            except: patterns(&matches.except, "except")?,
        }),
    }
}

fn read_revoked(revoked: &[String], document: &Document) -> Result<BTreeSet<Digest>, YamlError> {
    if revoked.len() > MAX_REVOKED {
        return Err(document.error("spec.revoked", format!("more than {MAX_REVOKED} digests")));
    }
    let read = revoked.iter().enumerate().map(|(index, text)| {
        Digest::parse(text).map_err(|problem| document.error(&format!("spec.revoked[{index}]"), problem.to_string()))
    });
    read.try_into_set()
}

/// Patterns over repositories, at this path.
pub(super) fn read_patterns(list: &[String], path: &str, document: &Document) -> Result<Vec<Pattern>, YamlError> {
    let read = list.iter().enumerate().map(|(index, text)| {
        Pattern::parse(text).map_err(|error| document.error(&format!("{path}[{index}]"), error.to_string()))
    });
    read.collect()
}

/// Namespaces are names, not patterns (RFC 1123 labels): one that can never match would make the policy mean nothing.
pub(super) fn read_namespaces(
    namespaces: Option<Vec<String>>,
    path: &str,
    document: &Document,
) -> Result<Vec<String>, YamlError> {
    let Some(namespaces) = namespaces else { return Ok(Vec::new()) };
    if namespaces.is_empty() {
        return Err(document.error(path, "an empty list matches nothing: leave it out for all"));
    }
    for (index, name) in namespaces.iter().enumerate() {
        let fits = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if !fits {
            let message =
                format!("{:?} is not the name of a namespace (patterns are not read here)", crate::text::excerpt(name));
            return Err(document.error(&format!("{path}[{index}]"), message));
        }
    }
    Ok(namespaces)
}
