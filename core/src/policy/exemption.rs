//! Images that a policy leaves alone until a date, for a reason: a way to put a policy in force before everything satisfies it.

use serde::Deserialize;

use super::document::{read_namespaces, read_patterns};
use super::validity::read_moment;
use crate::glob::Pattern;
use crate::limits::{MAX_EXEMPTION_REASON, MAX_EXEMPTIONS};
use crate::reference::Repository;
use crate::time::UnixTime;
use crate::yaml::{Document, YamlError};

/// Images that a policy leaves alone for a while.
#[derive(Debug, Clone)]
pub struct Exemption {
    images: Vec<Pattern>,
    namespaces: Vec<String>,
    /// The first moment at which it holds no more.
    pub until: UnixTime,
    /// Why it was made.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExemptionDocument {
    images: Vec<String>,
    #[serde(default)]
    namespaces: Option<Vec<String>>,
    until: String,
    reason: String,
}

impl Exemption {
    /// Reads the exemptions of a document.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn read_all(sources: Vec<ExemptionDocument>, document: &Document) -> Result<Vec<Self>, YamlError> {
        if sources.len() > MAX_EXEMPTIONS {
            return Err(document.error("spec.exempt", format!("more than {MAX_EXEMPTIONS} exemptions")));
        }
        let read = sources.into_iter().enumerate();
        read.map(|(index, source)| Self::read(source, &format!("spec.exempt[{index}]"), document)).collect()
    }

    fn read(source: ExemptionDocument, path: &str, document: &Document) -> Result<Self, YamlError> {
        let error = |field: &str, message: String| Err(document.error(&format!("{path}.{field}"), message));
        if source.images.is_empty() {
            return error("images", "it exempts no image: list patterns".to_owned());
        }
        let length = source.reason.chars().count();
        if source.reason.trim().is_empty() || length > MAX_EXEMPTION_REASON {
            return error("reason", format!("a reason has 1 to {MAX_EXEMPTION_REASON} characters"));
        }
        Ok(Self {
            images: read_patterns(&source.images, &format!("{path}.images"), document)?,
            namespaces: read_namespaces(source.namespaces, &format!("{path}.namespaces"), document)?,
            until: read_moment(&source.until, &format!("{path}.until"), document)?,
            reason: source.reason,
        })
    }

    /// Whether it is about images of this repository in this namespace. One for certain namespaces is never about a question
    /// without one: whoever asks may not gain by leaving the namespace out.
    pub(super) fn is_about(&self, repository: &Repository, namespace: Option<&str>) -> bool {
        let in_namespace = self.namespaces.is_empty()
            || namespace.is_some_and(|namespace| self.namespaces.iter().any(|wanted| wanted == namespace));
        in_namespace && self.images.iter().any(|pattern| pattern.matches(repository))
    }
}
