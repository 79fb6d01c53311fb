//! In which circumstances a policy has a say: namespaces, operations and labels of the Kubernetes object that names an image.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::limits::MAX_MATCH_LABELS;
use crate::ordered::Ordered as _;
use crate::yaml::{Document, YamlError};

/// What is known about the object that names an image. A pull and the command line know of none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'q> {
    /// Its namespace.
    pub namespace: Option<&'q str>,
    /// What is done to it: `CREATE` or `UPDATE`.
    pub operation: Option<&'q str>,
    /// Its labels; `None` where there is no object, which is something else than an object without labels.
    pub labels: Option<&'q BTreeMap<String, String>>,
}

/// The circumstances that a policy is for; empty parts are for all.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) namespaces: Vec<String>,
    pub(super) operations: BTreeSet<Operation>,
    pub(super) labels: BTreeMap<String, String>,
}

/// An operation that can start an image; the others are admitted without a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Operation {
    Create,
    Update,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
        }
    }
}

impl Scope {
    /// Whether these circumstances are inside, as far as they are known.
    pub(super) fn contains(&self, circumstances: Circumstances<'_>) -> bool {
        let is_namespace = |known: &str| self.namespaces.iter().any(|namespace| namespace == known);
        let is_operation = |known: &str| self.operations.iter().any(|operation| operation.name() == known);
        let are_labels = |known: &BTreeMap<String, String>| {
            self.labels.iter().all(|(key, value)| known.get(key).is_some_and(|there| there == value))
        };
        (self.namespaces.is_empty() || circumstances.namespace.is_none_or(is_namespace))
            && (self.operations.is_empty() || circumstances.operation.is_none_or(is_operation))
            && circumstances.labels.is_none_or(are_labels)
    }

    /// What the scope asks about and is not known, in words. Such a policy may restrict and never grants.
    pub(super) fn unknown(&self, circumstances: Circumstances<'_>) -> Option<&'static str> {
        if !self.namespaces.is_empty() && circumstances.namespace.is_none() {
            return Some("a namespace (those that match it are for certain namespaces)");
        }
        if !self.operations.is_empty() && circumstances.operation.is_none() {
            return Some("an operation (those that match it are for certain operations)");
        }
        if !self.labels.is_empty() && circumstances.labels.is_none() {
            return Some("labels (those that match it are for certain labels)");
        }
        None
    }
}

pub(super) fn read_operations(
    operations: Option<Vec<Operation>>,
    document: &Document,
) -> Result<BTreeSet<Operation>, YamlError> {
    match operations {
        Some(operations) if operations.is_empty() => {
            Err(document.error("spec.match.operations", "an empty list matches nothing: leave it out for all"))
        }
        operations => Ok(operations.into_iter().flatten().into_set()),
    }
}

pub(super) fn read_labels(
    labels: Option<BTreeMap<String, String>>,
    document: &Document,
) -> Result<BTreeMap<String, String>, YamlError> {
    let error = |message: String| Err(document.error("spec.match.labels", message));
    match labels {
        Some(labels) if labels.is_empty() => error("no label is asked for: leave it out for all objects".to_owned()),
        Some(labels) if labels.len() > MAX_MATCH_LABELS => error(format!("more than {MAX_MATCH_LABELS} labels")),
        labels => {
            let labels = labels.unwrap_or_default();
            match labels.iter().find(|(key, value)| !crate::kubernetes::is_label(key, value)) {
                Some((key, _)) => error(format!("no object has such a label: {:?}", crate::text::excerpt(key))),
                None => Ok(labels),
            }
        }
    }
}
