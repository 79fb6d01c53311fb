//! Conditions in CEL over the facts of a signature or attestation (docs/policy.md, "Conditions").

use serde::Deserialize;

use crate::cel;
use crate::limits::MAX_CONDITIONS;
use crate::yaml::{Document, YamlError};

/// A condition.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The condition, compiled.
    pub cel: cel::Condition,
    /// What to tell whoever does not satisfy it.
    pub message: Option<String>,
}

/// What a condition can ask about: what was signed (`predicate`, `predicateType`, `annotations`), by whom (`signer`, `key`,
/// `certificate`), when (`signed` in the signer's words, `timestamp` in those of an authority),
/// the image (`registry`, `repository`, `tag`, `digest`), the platform of a leaf, the Kubernetes object that names the image
/// (`namespace`, `operation`, `labels`), who wants it (`name`, `groups`), and the time of the question.
const FACTS: [&str; 13] = [
    "predicate",
    "predicateType",
    "annotations",
    "signer",
    "key",
    "certificate",
    "signed",
    "timestamp",
    "image",
    "platform",
    "object",
    "user",
    "now",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionDocument {
    cel: String,
    #[serde(default)]
    message: Option<String>,
}

impl Condition {
    /// Reads the conditions at this path of a document.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn read_all(
        sources: Vec<ConditionDocument>,
        path: &str,
        document: &Document,
    ) -> Result<Vec<Self>, YamlError> {
        if sources.len() > MAX_CONDITIONS {
            return Err(document.error(path, format!("more than {MAX_CONDITIONS} conditions")));
        }
        let read = sources.into_iter().enumerate().map(|(index, source)| {
            let cel = cel::Condition::compile(&source.cel, &FACTS)
                .map_err(|problem| document.error(&format!("{path}[{index}].cel"), problem.to_string()))?;
            Ok(Self { cel, message: source.message })
        });
        read.collect()
    }
}
