//! The policies that are in force together.

use std::collections::BTreeSet;

use serde::Serialize;

use super::circumstances::Circumstances;
use super::document::Policy;
use crate::limits::MAX_POLICIES;
use crate::reference::Repository;
use crate::yaml::{Document, YamlError};

/// All policies of one decision, checked. An empty set rejects every image.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    policies: Vec<Policy>,
}

/// What is wrong with one of the documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{document}:{error}")]
pub struct Diagnostic {
    /// The name of the document, as the caller gave it.
    pub document: String,
    /// What, and where in it.
    #[serde(flatten)]
    pub error: YamlError,
}

impl PolicySet {
    /// Reads policy documents: pairs of a name, for messages, and the text.
    ///
    /// # Errors
    /// One [`Diagnostic`] for each document that is wrong; then none of them is in force.
    pub fn read(documents: &[(String, &[u8])]) -> Result<Self, Vec<Diagnostic>> {
        let mut policies: Vec<Policy> = Vec::new();
        let mut names = BTreeSet::new();
        let mut diagnostics = Vec::new();
        for (name, bytes) in documents {
            match read_document(name, bytes) {
                Ok(read) => {
                    for (policy, document) in read {
                        if names.insert(policy.name.clone()) {
                            policies.push(policy);
                        } else {
                            let message = format!("policy {:?} is defined twice", policy.name);
                            diagnostics.push(Diagnostic {
                                document: name.clone(),
                                error: document.error("metadata.name", message),
                            });
                        }
                    }
                }
                Err(error) => diagnostics.push(Diagnostic { document: name.clone(), error }),
            }
        }
        if policies.len() > MAX_POLICIES {
            let place = crate::yaml::Place { line: 1, column: 1 };
            let message = format!("{} policies, at most {MAX_POLICIES} are allowed", policies.len());
            let error = YamlError { place, path: String::new(), message };
            diagnostics.push(Diagnostic { document: String::new(), error });
        }
        if diagnostics.is_empty() { Ok(Self { policies }) } else { Err(diagnostics) }
    }

    /// Every policy, in the order of the documents.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The policies that have a say about this repository in these circumstances.
    pub fn matching<'s>(&'s self, repository: &Repository, circumstances: Circumstances<'_>) -> Vec<&'s Policy> {
        self.policies.iter().filter(|policy| policy.matches(repository, circumstances)).collect()
    }
}

fn read_document(name: &str, bytes: &[u8]) -> Result<Vec<(Policy, Document)>, YamlError> {
    let start = crate::yaml::Place { line: 1, column: 1 };
    let text = core::str::from_utf8(bytes).map_err(|error| YamlError {
        place: start,
        path: String::new(),
        message: format!("not UTF-8 at octet {}", error.valid_up_to()),
    })?;
    Document::read_all(text)?
        .into_iter()
        .map(|document| Policy::from_document(name, &document).map(|policy| (policy, document)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::PolicySet;
    use crate::key::{Algorithm, PrivateKey};
    use crate::policy::{Circumstances, Mode};
    use crate::reference::Repository;

    fn key(seed: u8) -> String {
        let key = PrivateKey::generate(Algorithm::EcdsaP256, &[seed; 264]).expect("entropy");
        key.public().to_pem().lines().map(|line| format!("          {line}\n")).collect()
    }

    fn policy(tail: &str) -> String {
        format!(
            "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: p}}\nspec:\n  signers:\n    a:\n      cosign:\n        \
             publicKey: |\n{}    b:\n      cosign:\n        publicKey: |\n{}    a2:\n      cosign:\n        annotations: {{n: '2'}}\n        publicKey: |\n{}{tail}",
            key(1),
            key(2),
            key(1)
        )
    }

    fn read(text: &str) -> Result<PolicySet, String> {
        PolicySet::read(&[("p.yaml".to_owned(), text.as_bytes())]).map_err(|diagnostics| diagnostics[0].to_string())
    }

    const MATCH: &str = "  match: {images: [host.example/app/**]}\n";

    #[test]
    fn a_policy_is_read_and_matches() {
        let set =
            read(&policy(&format!("{MATCH}  mode: warn\n  require: {{atLeast: 2, of: [a, b]}}\n"))).expect("valid");
        assert_eq!(set.policies()[0].mode, Mode::Warn);
        let circumstances = Circumstances { namespace: Some("default"), ..Circumstances::default() };
        let matching = |name: &str| set.matching(&Repository::parse(name).expect("valid"), circumstances).len();
        assert_eq!(matching("host.example/app/x"), 1);
        assert_eq!(matching("host.example/other"), 0);
    }

    #[test]
    fn a_policy_that_says_less_than_it_seems_to_is_refused_at_its_place() {
        for (tail, hint) in [
            ("  match: {images: [host.example/app]}\n  require: c\n", "signer \"c\" is not defined"),
            ("  match: {images: [host.example/app]}\n  require: {anyOf: []}\n", "requires nothing"),
            ("  match: {images: [host.example/app]}\n  require: {atLeast: 0, of: [a]}\n", "requires nothing"),
            ("  match: {images: [host.example/app]}\n  require: {atLeast: 2, of: [a, a2]}\n", "1 different keys"),
            ("  match: {images: [host.example/app]}\n  require: {oneOf: [a]}\n", "found oneOf"),
            ("  match: {images: [host.example/app]}\n  require: 7\n", "expected the name"),
            ("  match: {images: ['**']}\n  require: a\n", "names no registry"),
            ("  match: {images: [host.example/app], everyImage: true}\n  require: a\n", "stands alone"),
            ("  match: {}\n  require: a\n", "matches no image"),
            ("  match: {imagez: [host.example/app]}\n  require: a\n", "unknown field `imagez`"),
            ("  match: {images: [host.example/app]}\n  mode: dryrun\n  require: a\n", "unknown variant `dryrun`"),
            ("  match: {images: [host.example/app]}\n", "missing field `require`"),
            ("  match: {everyImage: true, namespaces: ['prod-*']}\n  require: a\n", "not the name of a namespace"),
            ("  match: {everyImage: true, namespaces: []}\n  require: a\n", "matches nothing"),
            ("  match: [[host.example/app], [host.example/app]]\n  require: a\n", "expected a mapping"),
            ("  match: {everyImage: true}\n  require: {atLeast: 1, of: [a, a]}\n", "listed twice"),
        ] {
            let error = read(&policy(tail)).expect_err(tail);
            assert!(error.contains(hint), "{tail} gave {error}");
            assert!(error.starts_with("p.yaml:") && !error.starts_with("p.yaml:1:"), "no place: {error}");
        }
    }

    #[test]
    fn documents_of_another_kind_and_twice_the_same_name_are_refused() {
        assert!(read("kind: Pod\n").expect_err("kind").contains("apiVersion is missing"));
        let good = policy(&format!("{MATCH}  require: a\n"));
        let twice = format!("{good}---\n{good}");
        assert!(read(&twice).expect_err("twice").contains("defined twice"));
        assert!(read("").is_ok());
    }

    #[test]
    fn a_fingerprint_that_is_not_the_keys_is_refused() {
        let text = policy(&format!("{MATCH}  require: a\n")).replacen(
            "      cosign:\n",
            &format!("      cosign:\n        fingerprint: sha256:{}\n", "0".repeat(64)),
            1,
        );
        assert!(read(&text).expect_err("pin").contains("is pinned"));
    }
}
