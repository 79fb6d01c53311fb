//! What a policy requires: a tree of `allOf`, `anyOf` and `atLeast` over the names of its signers and
//! attestations.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::attestation::Attestation;
use super::signer::Signer;
use crate::key::Fingerprint;
use crate::limits::MAX_SIGNERS;
use crate::ordered::Ordered as _;

/// A requirement over signers and attestations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// This signer has signed.
    Signer(String),
    /// This attestation is there.
    Attestation(String),
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
    /// Every signer whose signature the tree asks for, and every attestation.
    pub fn leaves(&self) -> Vec<Leaf<'_>> {
        match self {
            Self::Signer(name) => vec![Leaf::Signer(name)],
            Self::Attestation(name) => vec![Leaf::Attestation(name)],
            Self::AllOf(parts) | Self::AnyOf(parts) => parts.iter().flat_map(Self::leaves).collect(),
            Self::AtLeast { of, .. } => of.iter().map(|name| Leaf::Signer(name)).collect(),
        }
    }

    /// Holds the tree against the signers and attestations it names.
    ///
    /// # Errors
    /// A sentence about the first thing that is wrong.
    pub(super) fn check(
        &self,
        signers: &BTreeMap<String, Signer>,
        attestations: &BTreeMap<String, Attestation>,
    ) -> Result<(), String> {
        let mut nodes = 0usize;
        self.check_node(signers, attestations, &mut nodes)
    }

    fn check_node(
        &self,
        signers: &BTreeMap<String, Signer>,
        attestations: &BTreeMap<String, Attestation>,
        nodes: &mut usize,
    ) -> Result<(), String> {
        *nodes = nodes.saturating_add(1);
        if *nodes > MAX_SIGNERS {
            return Err(format!("more than {MAX_SIGNERS} parts"));
        }
        match self {
            Self::Signer(name) => find(name, "signer", signers).map(|_| ()),
            Self::Attestation(name) => find(name, "attestation", attestations).map(|_| ()),
            Self::AllOf(parts) | Self::AnyOf(parts) if parts.is_empty() => {
                Err("an empty list requires nothing: name at least one signer".to_owned())
            }
            Self::AllOf(parts) | Self::AnyOf(parts) => {
                parts.iter().try_for_each(|part| part.check_node(signers, attestations, nodes))
            }
            Self::AtLeast { count, of } => {
                *nodes = nodes.saturating_add(of.len());
                if *nodes > MAX_SIGNERS {
                    return Err(format!("more than {MAX_SIGNERS} parts"));
                }
                if let Some(twice) = of.iter().find(|name| of.iter().filter(|other| other == name).count() > 1) {
                    return Err(format!("signer {:?} is listed twice", crate::text::excerpt(twice)));
                }
                // Whose key is not known before anybody has looked may be somebody else.
                let keys: BTreeSet<Result<Fingerprint, &str>> = of
                    .iter()
                    .map(|name| find(name, "signer", signers).map(|signer| signer.key().ok_or(name.as_str())))
                    .try_into_set()?;
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

/// One end of a requirement tree, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf<'r> {
    /// A signer.
    Signer(&'r str),
    /// An attestation.
    Attestation(&'r str),
}

fn find<'s, T>(name: &str, kind: &str, defined: &'s BTreeMap<String, T>) -> Result<&'s T, String> {
    defined.get(name).ok_or_else(|| {
        let known: Vec<&str> = defined.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        format!("{kind} {:?} is not defined: there are {known}", crate::text::excerpt(name))
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
        _ => return Err("expected the name of a signer, or one of allOf, anyOf, atLeast, attestation".to_owned()),
    };
    let list = |name: &str| match members.get(name) {
        Some(Value::Array(items)) => items.iter().cloned().map(from_value).collect::<Result<Vec<_>, _>>(),
        _ => Err(format!("{name} takes a list")),
    };
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    match names.as_slice() {
        ["attestation"] => match members.get("attestation") {
            Some(Value::String(name)) => Ok(Requirement::Attestation(name.clone())),
            _ => Err("attestation takes the name of an attestation".to_owned()),
        },
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
            "expected one of allOf, anyOf, attestation, or atLeast with of; found {}",
            crate::text::excerpt(&names.join(", "))
        )),
    }
}
