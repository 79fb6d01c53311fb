//! Where a signature or attestation was found, in words that lead there again.

use core::fmt;

use serde::Serialize;

use crate::digest::Digest;

/// The place of one signature or attestation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// What holds it.
    pub holder: Holder,
    /// Its number there, counted from 1: the layer of an image, the place in the list of referrers.
    pub number: usize,
    /// The manifest of the referrer, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Box<Digest>>,
}

/// What can hold a signature or attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Holder {
    /// A layer of the image under `sha256-<hex>.sig`.
    Signature,
    /// A layer of the image under `sha256-<hex>.att`.
    Attestation,
    /// A Sigstore bundle.
    Bundle,
    /// A layer of a signature image that is stored as a referrer.
    OciSignature,
    /// An envelope of Notation's.
    Notation,
    /// A role file of Docker Content Trust.
    RoleFile,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = match self.holder {
            Holder::Signature => "signature",
            Holder::Attestation => "attestation",
            Holder::Bundle => "bundle",
            Holder::OciSignature => "OCI 1.1 signature",
            Holder::Notation => "Notation signature",
            Holder::RoleFile => "role file",
        };
        write!(formatter, "{holder} {}", self.number)
    }
}
