//! Notation's trust policy (trust store and trust policy specification 1.0): recognised, and refused statement by statement.

use serde_json::Value;

use super::fields::{Log, Object};
use crate::text::excerpt;

/// Refuses each statement by its path, whatever its level.
pub(super) fn refuse(document: &Value, log: &mut Log) {
    let Some(mut object) = Object::read(document, "", log) else { return };
    if object.text("version", log) != Some("1.0") {
        log.refuse("version", "expected \"1.0\"");
    }
    let statements = object.list("trustPolicies", log);
    if statements.is_empty() {
        log.refuse("trustPolicies", "there is no statement in it");
    }
    for (path, statement) in statements {
        let Some(mut statement) = Object::read(statement, path.clone(), log) else { continue };
        let name = statement.text("name", log).map(excerpt).unwrap_or_default();
        log.refuse(path, format!("statement {name:?}: Notation signatures are not read yet"));
        let fields = ["registryScopes", "signatureVerification", "trustStores", "trustedIdentities", "globalPolicy"];
        statement.ignore(&fields);
        statement.finish(log);
    }
    object.finish(log);
}
