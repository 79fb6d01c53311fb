//! The two lists that a record names: policy documents and evidence.

use std::sync::Arc;

use bulla_engine::Answered;
use bulla_engine::abi::{Evidence, Outcome};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::canonical::{NotCanonical, canonical};
use crate::digest::Digest;
use crate::record::Listed;

/// One entry of the list of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// Of its octets.
    pub digest: Digest,
    /// The name under which it was loaded.
    pub name: String,
}

/// The policy documents of many decisions: made once when they change; a clone is cheap.
#[derive(Debug, Clone)]
pub struct Policies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    listed: Listed,
    list: Bytes,
    documents: Vec<(Digest, Bytes)>,
}

impl Policies {
    /// These documents by name, in the order in which the module reads them.
    ///
    /// # Errors
    /// [`NotCanonical`], which names cannot cause.
    pub fn new<'d>(documents: impl IntoIterator<Item = (&'d str, Bytes)>) -> Result<Self, NotCanonical> {
        let (mut entries, mut kept) = (Vec::new(), Vec::new());
        for (name, bytes) in documents {
            let digest = Digest::of(&bytes);
            entries.push(Document { digest, name: name.to_owned() });
            kept.push((digest, bytes));
        }
        let list = Bytes::from(canonical(&entries)?);
        let listed = Listed { digest: Digest::of(&list), count: entries.len() as u64 };
        Ok(Self(Arc::new(Inner { listed, list, documents: kept })))
    }

    /// What a record says about them.
    pub fn listed(&self) -> Listed {
        self.0.listed
    }

    pub(crate) fn list(&self) -> &Bytes {
        &self.0.list
    }

    pub(crate) fn documents(&self) -> &[(Digest, Bytes)] {
        &self.0.documents
    }
}

/// One entry of the list of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceEntry {
    /// The id of the need that was answered.
    pub need: String,
    /// What came of it.
    #[serde(flatten)]
    pub came: Came,
}

/// What came of a need: the outcomes of [`bulla_engine::abi::Outcome`], with the digest of the octets in place of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Came {
    /// Octets came.
    Found {
        /// Of the octets.
        content: Digest,
        /// How many there are.
        octets: u64,
        /// The `Content-Type` that came with them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
    /// A tag's digest, as it was claimed.
    Digest {
        /// As it came.
        digest: String,
    },
    /// HTTP 404.
    Absent,
    /// More octets than the need's limit.
    TooLarge {
        /// Octets announced or read. In decimal digits: a stranger chose it, and JSON's numbers end at 2^53.
        #[serde(with = "decimal")]
        got: u64,
    },
    /// Nothing usable came.
    Failed {
        /// Why.
        reason: String,
    },
}

impl EvidenceEntry {
    /// The entry for a piece of evidence, with its octets where it has some.
    pub(crate) fn of((evidence, bytes): &Answered) -> (Self, Option<(Digest, Bytes)>) {
        let (came, kept) = match &evidence.outcome {
            Outcome::Found { media_type, .. } => {
                let bytes = bytes.clone().unwrap_or_default();
                let content = Digest::of(&bytes);
                let came = Came::Found { content, octets: bytes.len() as u64, media_type: media_type.clone() };
                (came, Some((content, bytes)))
            }
            Outcome::Digest { digest } => (Came::Digest { digest: digest.clone() }, None),
            Outcome::Absent => (Came::Absent, None),
            Outcome::TooLarge { got } => (Came::TooLarge { got: *got }, None),
            Outcome::Failed { reason } => (Came::Failed { reason: reason.clone() }, None),
        };
        (Self { need: evidence.need.clone(), came }, kept)
    }

    /// The evidence again, as the engine takes it. The index of a blob is for whoever frames it to give.
    pub(crate) fn answered(&self, bytes: Option<Bytes>) -> Answered {
        let outcome = match &self.came {
            Came::Found { media_type, .. } => Outcome::Found { blob: 0, media_type: media_type.clone() },
            Came::Digest { digest } => Outcome::Digest { digest: digest.clone() },
            Came::Absent => Outcome::Absent,
            Came::TooLarge { got } => Outcome::TooLarge { got: *got },
            Came::Failed { reason } => Outcome::Failed { reason: reason.clone() },
        };
        (Evidence { need: self.need.clone(), outcome }, bytes)
    }

    /// The digest of the octets that came, if any did.
    pub const fn content(&self) -> Option<Digest> {
        match &self.came {
            Came::Found { content, .. } => Some(*content),
            _ => None,
        }
    }
}

mod decimal {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
