//! Who may have signed, by which signature system, and what must hold beyond that.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::condition::{Condition, ConditionDocument};
use super::cosign::{CosignDocument, CosignSigner};
use super::notation::NotationSigner;
use super::trust::{ContentTrust, ContentTrustDocument};
use crate::key::Fingerprint;
use crate::notation::Trust;
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
    /// Notation, with pinned certificates.
    Notation(Box<Trust>),
    /// Docker Content Trust, with pinned roots.
    ContentTrust(Box<ContentTrust>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignerDocument {
    #[serde(default)]
    cosign: Option<CosignDocument>,
    #[serde(default)]
    notation: Option<NotationSigner>,
    #[serde(default, rename = "contentTrust")]
    content_trust: Option<ContentTrustDocument>,
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
        let at = |system: &str| format!("{path}.{system}");
        let system = match (source.cosign, source.notation, source.content_trust) {
            (Some(cosign), None, None) => {
                System::Cosign(Box::new(CosignSigner::read(cosign, &at("cosign"), document)?))
            }
            (None, Some(notation), None) => System::Notation(Box::new(notation.read(&at("notation"), document)?)),
            (None, None, Some(trust)) => {
                System::ContentTrust(Box::new(ContentTrust::read(trust, &at("contentTrust"), document)?))
            }
            (None, None, None) => {
                return Err(document.error(path, "no signature system: say cosign, notation or contentTrust"));
            }
            _ => {
                return Err(
                    document.error(path, "several signature systems: a signer has one, so make it several signers")
                );
            }
        };
        Ok(Self { system, conditions })
    }

    /// The key that has signed when this signer has, where that is known before anybody has looked.
    pub fn key(&self) -> Option<Fingerprint> {
        match &self.system {
            System::Cosign(cosign) => Some(cosign.key.fingerprint()),
            System::Notation(_) | System::ContentTrust(_) => None,
        }
    }

    /// Where its signatures lie when they do not lie beside the image.
    pub fn signature_repository(&self) -> Option<&Repository> {
        match &self.system {
            System::Cosign(cosign) => cosign.signature_repository.as_ref(),
            System::Notation(_) | System::ContentTrust(_) => None,
        }
    }
}

/// Two signers that ask for the same of the same key are one: `allOf` them would look like two and be one.
pub(super) fn distinct(signers: &BTreeMap<String, Signer>) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    let mut notation: Vec<(&String, &Trust, Vec<&str>)> = Vec::new();
    let mut entrusted: Vec<(&String, &ContentTrust, Vec<&str>)> = Vec::new();
    for (name, signer) in signers {
        let conditions: Vec<&str> = signer.conditions.iter().map(|condition| condition.cel.source()).collect();
        let other = match &signer.system {
            System::Cosign(cosign) => seen.insert((cosign.asks(), conditions), name),
            System::ContentTrust(trust) => {
                let same = entrusted.iter().find(|(_, other, asks)| **other == **trust && *asks == conditions);
                let same = same.map(|(name, _, _)| *name);
                entrusted.push((name, trust.as_ref(), conditions));
                same
            }
            System::Notation(trust) => {
                let same = notation.iter().find(|(_, other, asks)| **other == **trust && *asks == conditions);
                let same = same.map(|(name, _, _)| *name);
                notation.push((name, trust.as_ref(), conditions));
                same
            }
        };
        if let Some(other) = other {
            return Err(format!("signers {other:?} and {name:?} are the same: one key, the same conditions"));
        }
    }
    Ok(())
}
