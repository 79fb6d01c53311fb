//! What a signer says about an image, whichever form it was said in.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cosign::payload::{Identity, SimpleSigning};
use crate::cosign::predicate;
use crate::digest::Digest;
use crate::statement::Statement;
use crate::text::excerpt;

/// A claim. It counts for nothing before it is [`Verified`](crate::verify::Verified).
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// "This digest is this image" (cosign's legacy signature).
    SimpleSigning(SimpleSigning),
    /// "This holds for these digests" (in-toto): a signature when the predicate type says so, else an attestation.
    Statement(Statement),
}

impl Claim {
    /// The type of what is said; a simple-signing payload is always a signature.
    pub fn predicate_type(&self) -> &str {
        match self {
            Self::SimpleSigning(_) => predicate::SIGNATURE,
            Self::Statement(statement) => &statement.predicate_type,
        }
    }

    /// What is said about the subjects, for a statement.
    pub fn predicate(&self) -> Option<&Value> {
        match self {
            Self::SimpleSigning(_) => None,
            Self::Statement(statement) => Some(&statement.predicate),
        }
    }

    /// What is said about this digest, once for each subject that it is of; nothing when the claim is about others.
    pub fn about(&self, digest: &Digest) -> Vec<About<'_>> {
        match self {
            Self::SimpleSigning(payload) if payload.digest != *digest => Vec::new(),
            Self::SimpleSigning(payload) => {
                let identity = Stated::Names(payload.identity.clone());
                vec![About { identity, annotations: &payload.annotations }]
            }
            Self::Statement(statement) => statement
                .about(digest)
                .map(|subject| About { identity: Stated::of_subject(&subject.name), annotations: &subject.annotations })
                .collect(),
        }
    }

    /// A digest that the claim is about: the one to show when it is not the one asked about.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::SimpleSigning(payload) => Some(&payload.digest),
            Self::Statement(statement) => statement.subjects.iter().find_map(|subject| subject.digests.first()),
        }
    }
}

/// What a claim says about one digest.
#[derive(Debug, Clone, PartialEq)]
pub struct About<'c> {
    /// What the signer called it.
    pub identity: Stated,
    /// Annotations by name.
    pub annotations: &'c BTreeMap<String, Value>,
}

/// What a signer called an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stated {
    /// Nothing that means an image.
    Nothing,
    /// This image.
    Names(Identity),
    /// Something that means an image and cannot be read as one, so that it is certainly not the one asked about.
    Unreadable(String),
}

impl Stated {
    /// What the name of an in-toto subject states. Names are free there (in-toto attestation spec, "ResourceDescriptor"): one
    /// whose first segment looks like a registry means an image, and any other nothing, package URLs (`pkg:`) among them.
    fn of_subject(name: &str) -> Self {
        let registry = name.split('/').next().unwrap_or_default();
        let is_registry = registry.contains(['.', ':']) || registry == "localhost";
        if name.is_empty() || !name.contains('/') || !is_registry || registry.starts_with("pkg:") {
            return Self::Nothing;
        }
        Identity::parse(name).map_or_else(|_| Self::Unreadable(excerpt(name)), Self::Names)
    }

    /// In the signer's words, if there are any.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Names(identity) => Some(excerpt(identity.text())),
            Self::Unreadable(text) => Some(text.clone()),
        }
    }

    /// The identity, where one is named.
    pub fn named(&self) -> Option<&Identity> {
        match self {
            Self::Names(identity) => Some(identity),
            Self::Nothing | Self::Unreadable(_) => None,
        }
    }
}
