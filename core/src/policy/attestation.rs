//! Attestations that a policy asks for: what is attested, by whom, and what its predicate must say.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::age::{Age, AgeDocument};
use super::condition::{Condition, ConditionDocument};
use super::signer::{Signer, System};
use crate::cosign::predicate;
use crate::limits::MAX_CONDITIONS;
use crate::text::excerpt;
use crate::yaml::{Document, YamlError};

/// An attestation that is asked for.
#[derive(Debug, Clone)]
pub struct Attestation {
    /// The predicate type that was signed, exactly.
    pub predicate_type: String,
    /// The name of the signer that must have made it; its conditions hold for the attestation as well.
    pub signer: String,
    /// What must stand in the predicate, by JSON pointer (RFC 6901). Held against it after signature and subject.
    pub predicate: BTreeMap<String, Value>,
    /// How old it may be.
    pub age: Option<Age>,
    /// What must hold for it beyond that, evaluated last.
    pub conditions: Vec<Condition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AttestationDocument {
    predicate_type: String,
    signer: String,
    #[serde(default)]
    predicate: BTreeMap<String, Value>,
    #[serde(default)]
    age: Option<AgeDocument>,
    #[serde(default)]
    conditions: Vec<ConditionDocument>,
}

impl Attestation {
    /// Reads the attestation at this path of a document.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn read(
        source: AttestationDocument,
        path: &str,
        signers: &BTreeMap<String, Signer>,
        document: &Document,
    ) -> Result<Self, YamlError> {
        let error = |field: &str, message: String| document.error(&format!("{path}.{field}"), message);
        let predicate_type = predicate::resolve(&source.predicate_type)
            .map_err(|problem| error("predicateType", problem.to_string()))?;
        if predicate_type == predicate::SIGNATURE {
            let message = "this is the type of a signature: require the signer itself".to_owned();
            return Err(error("predicateType", message));
        }
        match signers.get(&source.signer).map(|signer| &signer.system) {
            Some(System::Cosign(_)) => {}
            None => return Err(error("signer", format!("signer {:?} is not defined", excerpt(&source.signer)))),
            Some(System::Notation(_) | System::ContentTrust(_)) => {
                return Err(error("signer", "attestations are made with cosign: name such a signer".to_owned()));
            }
        }
        if source.predicate.len() > MAX_CONDITIONS {
            return Err(error("predicate", format!("more than {MAX_CONDITIONS} conditions")));
        }
        if let Some(pointer) = source.predicate.keys().find(|pointer| !is_pointer(pointer)) {
            let message = format!("{:?} is not a JSON pointer: expected e.g. /builder/id", excerpt(pointer));
            return Err(error("predicate", message));
        }
        let age =
            source.age.map(|age| Age::read(age, &predicate_type, &format!("{path}.age"), document)).transpose()?;
        let conditions = Condition::read_all(source.conditions, &format!("{path}.conditions"), document)?;
        Ok(Self { predicate_type, signer: source.signer, predicate: source.predicate, age, conditions })
    }
}

/// RFC 6901: tokens that each follow a slash; a tilde is escaped as `~0`, a slash as `~1`.
pub(super) fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}
