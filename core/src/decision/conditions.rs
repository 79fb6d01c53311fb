//! Conditions of a policy, held against the facts of one signature or attestation (docs/policy.md, "Conditions").

use std::collections::BTreeMap;

use oci_spec::image::Platform;
use serde_json::{Map, Value, json};

use super::accepted::Subject;
use super::place::Place;
use super::{Question, Reason};
use crate::cel::{self, EvaluationError};
use crate::digest::Digest;
use crate::key::Fingerprint;
use crate::policy::Condition;
use crate::reference::Reference;
use crate::text::excerpt;
use crate::time::UnixTime;

/// What is spent when conditions have taken all their steps.
pub(super) const SPENT_STEPS: &str = "steps of conditions";

/// What was signed, and by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'c> {
    /// Where it lies.
    pub(super) place: &'c Place,
    /// What is attested.
    pub(super) predicate: Option<&'c Value>,
    /// Its type, or that of a signature.
    pub(super) predicate_type: &'c str,
    /// Annotations that were signed.
    pub(super) annotations: &'c BTreeMap<String, Value>,
    /// The name of the signer in the policy.
    pub(super) signer: &'c str,
    /// The key that has signed, where it is somebody's.
    pub(super) key: Option<Fingerprint>,
    /// The certificate of that key, where there is one.
    pub(super) certificate: Option<&'c Value>,
    /// When it was signed, in the signer's words.
    pub(super) signed: Option<UnixTime>,
    /// The same in the words of a timestamp authority that is pinned.
    pub(super) timestamp: Option<UnixTime>,
}

/// What a condition can ask about a question, whatever was signed; made once for each digest that is decided about.
#[derive(Debug)]
pub(super) struct Surroundings {
    image: Value,
    platform: Option<Value>,
    object: Value,
    user: Option<Value>,
}

impl Surroundings {
    /// Of a question about this digest. What is not known is missing, so that a condition on it is an error, and not false or
    /// true by chance.
    pub(super) fn of(question: &Question, image: &Reference, digest: &Digest, platform: Option<&Platform>) -> Self {
        let repository = image.repository();
        let platform = platform.map(|platform| {
            known([
                ("os", Some(json!(platform.os().to_string()))),
                ("architecture", Some(json!(platform.architecture().to_string()))),
                ("variant", platform.variant().as_ref().map(|variant| json!(variant))),
            ])
        });
        Self {
            image: known([
                ("registry", Some(json!(repository.registry()))),
                ("repository", Some(json!(repository.path()))),
                ("tag", image.tag().map(|tag| json!(tag))),
                ("digest", Some(json!(digest))),
            ]),
            platform,
            object: known([
                ("namespace", question.namespace.as_ref().map(|namespace| json!(namespace))),
                ("operation", question.operation.as_ref().map(|operation| json!(operation))),
                ("labels", question.labels.as_ref().map(|labels| json!(labels))),
            ]),
            user: question.user.as_ref().map(|user| json!({"name": user.name, "groups": user.groups})),
        }
    }
}

fn known<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let known = members.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)));
    let mut object = Map::new();
    object.extend(known);
    Value::Object(object)
}

/// Holds every condition. An error of a condition satisfies nothing; a spent budget leaves it unknown.
pub(super) fn hold(
    conditions: &[Condition],
    said: Said<'_>,
    subject: Subject<'_>,
    steps: &mut cel::Budget,
) -> Result<(), Reason> {
    if conditions.is_empty() {
        return Ok(());
    }
    let surroundings = subject.surroundings;
    let mut annotations = Map::new();
    annotations.extend(said.annotations.iter().map(|(name, value)| (name.clone(), value.clone())));
    let (annotations, nothing) = (Value::Object(annotations), Value::Null);
    let mut facts = cel::Facts::new()
        .with("predicate", said.predicate.unwrap_or(&nothing))
        .with("predicateType", json!(said.predicate_type))
        .with("annotations", &annotations)
        .with("signer", json!(said.signer))
        .with("image", &surroundings.image)
        .with("object", &surroundings.object)
        .with("now", subject.question.now);
    for (name, fact) in [("platform", &surroundings.platform), ("user", &surroundings.user)] {
        if let Some(fact) = fact {
            facts = facts.with(name, fact);
        }
    }
    for (name, time) in [("signed", said.signed), ("timestamp", said.timestamp)] {
        if let Some(time) = time {
            facts = facts.with(name, time);
        }
    }
    if let Some(key) = said.key {
        facts = facts.with("key", json!(key));
    }
    if let Some(certificate) = said.certificate {
        facts = facts.with("certificate", certificate);
    }
    for condition in conditions {
        let problem = match condition.cel.holds(&facts, steps) {
            Ok(true) => continue,
            Ok(false) => None,
            Err(EvaluationError::Steps { limit }) => {
                let (limit, got) = (u64::from(limit), u64::from(limit).saturating_add(1));
                return Err(Reason::Budget { what: SPENT_STEPS, limit, got });
            }
            Err(error) => Some(error.to_string()),
        };
        let (condition, message) = (excerpt(condition.cel.source()), condition.message.as_deref().map(excerpt));
        return Err(Reason::Condition { place: said.place.clone(), condition, message, problem });
    }
    Ok(())
}
