//! Conditions of a policy, held against the facts of one signature or attestation (docs/policy.md, "Conditions").

use serde_json::{Map, Value, json};

use super::Reason;
use super::accepted::Subject;
use super::place::Place;
use crate::cel;
use crate::claim::{About, Claim};
use crate::key::Fingerprint;
use crate::policy::Condition;
use crate::text::excerpt;

/// What was signed, and by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'c> {
    /// Where it lies.
    pub(super) place: &'c Place,
    /// What was signed.
    pub(super) claim: &'c Claim,
    /// What of it is about the digest.
    pub(super) about: &'c About<'c>,
    /// The name of the signer in the policy.
    pub(super) signer: &'c str,
    /// The key that has signed.
    pub(super) key: Fingerprint,
}

/// Holds every condition. An error of a condition satisfies nothing.
pub(super) fn hold(
    conditions: &[Condition],
    said: Said<'_>,
    subject: Subject<'_>,
    steps: &mut cel::Budget,
) -> Result<(), Reason> {
    if conditions.is_empty() {
        return Ok(());
    }
    let question = subject.question;
    let repository = subject.image.repository();
    let image = json!({"registry": repository.registry(), "repository": repository.path(), "tag": subject.image.tag(),
        "digest": subject.digest});
    let annotations: Map<String, Value> =
        said.about.annotations.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let (annotations, nothing) = (Value::Object(annotations), Value::Null);
    let mut facts = cel::Facts::new()
        .with("predicate", said.claim.predicate().unwrap_or(&nothing))
        .with("predicateType", json!(said.claim.predicate_type()))
        .with("annotations", &annotations)
        .with("signer", json!(said.signer))
        .with("key", json!(said.key))
        .with("image", &image)
        .with("now", question.now);
    // What is not known is missing, so that a condition on it is an error and not false or true by chance.
    if let Some(platform) = subject.platform {
        facts = facts.with("platform", json!(platform));
    }
    let members = [
        ("namespace", question.namespace.as_ref().map(|namespace| json!(namespace))),
        ("operation", question.operation.as_ref().map(|operation| json!(operation))),
        ("labels", question.labels.as_ref().map(|labels| json!(labels))),
    ];
    let object: Map<String, Value> =
        members.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect();
    facts = facts.with("object", Value::Object(object));
    if let Some(user) = &question.user {
        facts = facts.with("user", json!({"name": user.name, "groups": user.groups}));
    }
    for condition in conditions {
        let problem = match condition.cel.holds(&facts, steps) {
            Ok(true) => continue,
            Ok(false) => None,
            Err(error) => Some(error.to_string()),
        };
        let (condition, message) = (excerpt(condition.cel.source()), condition.message.as_deref().map(excerpt));
        return Err(Reason::Condition { place: said.place.clone(), condition, message, problem });
    }
    Ok(())
}
