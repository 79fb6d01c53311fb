//! Who may have signed, by which signature system, and what must hold beyond that.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::condition::{Condition, ConditionDocument};
use super::cosign::{CosignDocument, CosignSigner};
use crate::key::Fingerprint;
use crate::reference::Repository;
use crate::yaml::{Document, YamlError};

/// Somebody whose signature counts.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The signature system, and whom it takes for this signer.
    pub system: System,
    /// What must hold for whatever it has signed.
    pub conditions: Vec<Condition>,
}

/// A signature system.
#[derive(Debug, Clone)]
pub enum System {
    /// Cosign, with a pinned key.
    Cosign(Box<CosignSigner>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignerDocument {
    cosign: CosignDocument,
    #[serde(default)]
    conditions: Vec<ConditionDocument>,
}

impl Signer {
    /// Reads the signer at this path of a document.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn read(source: SignerDocument, path: &str, document: &Document) -> Result<Self, YamlError> {
        let conditions = Condition::read_all(source.conditions, &format!("{path}.conditions"), document)?;
        let cosign = CosignSigner::read(source.cosign, &format!("{path}.cosign"), document)?;
        Ok(Self { system: System::Cosign(Box::new(cosign)), conditions })
    }

    /// The key that has signed when this signer has, where that is known before anybody has looked.
    pub fn key(&self) -> Option<Fingerprint> {
        match &self.system {
            System::Cosign(cosign) => Some(cosign.key.fingerprint()),
        }
    }

    /// Where its signatures lie when they do not lie beside the image.
    pub fn signature_repository(&self) -> Option<&Repository> {
        match &self.system {
            System::Cosign(cosign) => cosign.signature_repository.as_ref(),
        }
    }
}

/// Two signers that ask for the same of the same key are one: `allOf` them would look like two and be one.
pub(super) fn distinct(signers: &BTreeMap<String, Signer>) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for (name, signer) in signers {
        let System::Cosign(cosign) = &signer.system;
        let conditions: Vec<&str> = signer.conditions.iter().map(|condition| condition.cel.source()).collect();
        if let Some(other) = seen.insert((cosign.asks(), conditions), name) {
            return Err(format!("signers {other:?} and {name:?} are the same: one key, the same conditions"));
        }
    }
    Ok(())
}
