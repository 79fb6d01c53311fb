//! What a policy requires: a tree of `allOf`, `anyOf` and `atLeast` over the names of its signers.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::document::Signer;
use crate::key::Fingerprint;
use crate::limits::MAX_SIGNERS;

/// A requirement over signers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// This signer has signed.
    Signer(String),
    /// Every one of these holds.
    AllOf(Vec<Requirement>),
    /// One of these holds.
    AnyOf(Vec<Requirement>),
    /// This many different keys out of these signers have signed; a key that several signers name counts once.
    AtLeast {
        /// How many.
        count: u32,
        /// Out of whom.
        of: Vec<String>,
    },
}

impl Requirement {
    /// Holds the tree against the signers it names.
    ///
    /// # Errors
    /// A sentence about the first thing that is wrong.
    pub(super) fn check(&self, signers: &BTreeMap<String, Signer>) -> Result<(), String> {
        let mut nodes = 0usize;
        self.check_node(signers, &mut nodes)
    }

    fn check_node(&self, signers: &BTreeMap<String, Signer>, nodes: &mut usize) -> Result<(), String> {
        *nodes = nodes.saturating_add(1);
        if *nodes > MAX_SIGNERS {
            return Err(format!("more than {MAX_SIGNERS} parts"));
        }
        match self {
            Self::Signer(name) => find(name, signers).map(|_| ()),
            Self::AllOf(parts) | Self::AnyOf(parts) if parts.is_empty() => {
                Err("an empty list requires nothing: name at least one signer".to_owned())
            }
            Self::AllOf(parts) | Self::AnyOf(parts) => {
                parts.iter().try_for_each(|part| part.check_node(signers, nodes))
            }
            Self::AtLeast { count, of } => {
                *nodes = nodes.saturating_add(of.len());
                if *nodes > MAX_SIGNERS {
                    return Err(format!("more than {MAX_SIGNERS} parts"));
                }
                if let Some(twice) = of.iter().find(|name| of.iter().filter(|other| other == name).count() > 1) {
                    return Err(format!("signer {:?} is listed twice", crate::text::excerpt(twice)));
                }
                let keys: BTreeSet<Fingerprint> = of
                    .iter()
                    .map(|name| find(name, signers).map(|signer| signer.key.fingerprint()))
                    .collect::<Result<_, _>>()?;
                if *count == 0 {
                    return Err("atLeast: 0 requires nothing".to_owned());
                }
                if u32::try_from(keys.len()).is_ok_and(|keys| *count > keys) {
                    return Err(format!("atLeast: {count} can never hold: there are {} different keys", keys.len()));
                }
                Ok(())
            }
        }
    }
}

fn find<'s>(name: &str, signers: &'s BTreeMap<String, Signer>) -> Result<&'s Signer, String> {
    signers.get(name).ok_or_else(|| {
        let known: Vec<&str> = signers.keys().map(String::as_str).collect();
        format!("signer {:?} is not defined: there are {}", crate::text::excerpt(name), known.join(", "))
    })
}

/// Written by hand, because a derived untagged enum says only "did not match any variant".
impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn from_value(value: Value) -> Result<Requirement, String> {
    let members = match value {
        Value::String(name) => return Ok(Requirement::Signer(name)),
        Value::Object(members) => members,
        _ => return Err("expected the name of a signer, or one of allOf, anyOf, atLeast".to_owned()),
    };
    let list = |name: &str| match members.get(name) {
        Some(Value::Array(items)) => items.iter().cloned().map(from_value).collect::<Result<Vec<_>, _>>(),
        _ => Err(format!("{name} takes a list")),
    };
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    match names.as_slice() {
        ["allOf"] => list("allOf").map(Requirement::AllOf),
        ["anyOf"] => list("anyOf").map(Requirement::AnyOf),
        ["atLeast", "of"] => {
            let count = members.get("atLeast").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
            let of = list("of")?
                .into_iter()
                .map(|part| match part {
                    Requirement::Signer(name) => Ok(name),
                    _ => Err("of takes names of signers".to_owned()),
                })
                .collect::<Result<_, _>>()?;
            Ok(Requirement::AtLeast { count: count.ok_or("atLeast takes a whole number")?, of })
        }
        ["atLeast"] => Err("atLeast needs `of`, a list of signers".to_owned()),
        names => Err(format!(
            "expected one of allOf, anyOf, or atLeast with of; found {}",
            crate::text::excerpt(&names.join(", "))
        )),
    }
}
