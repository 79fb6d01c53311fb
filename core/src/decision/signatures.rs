//! The signatures of one image: found, fetched, and checked at most once for each key.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::verdict::Form;
use super::{Asking, Reason};
use crate::cosign::legacy::{self, Verified, VerifyError};
use crate::cosign::payload::SimpleSigning;
use crate::digest::{Content, Digest, DigestMismatch};
use crate::evidence::{Need, Outcome};
use crate::key::{Fingerprint, PublicKey, SignatureError};
use crate::limits::{MAX_EVIDENCE_BYTES, MAX_VERIFICATION_UNITS};
use crate::manifest::{Blob, Manifest};
use crate::reference::Repository;
use crate::text::excerpt;

/// What lies in the registry for one digest.
#[derive(Debug)]
pub(super) enum Signatures<'e> {
    /// Nothing that can be read, and why.
    None(Reason),
    /// These.
    Some(Vec<Candidate<'e>>),
}

/// One signature that may count.
#[derive(Debug)]
pub(super) struct Candidate<'e> {
    /// Its place, counted from 1.
    pub(super) number: usize,
    /// Its payload and signature, or why it cannot count.
    pub(super) content: Result<Material<'e>, Reason>,
    /// Whether it came with a certificate, so that no pinned key can have made it.
    pub(super) has_certificate: bool,
}

/// What a check needs.
#[derive(Debug)]
pub(super) struct Material<'e> {
    digest: Digest,
    payload: Payload<'e>,
    signature: Vec<u8>,
}

/// Payload bytes that have the digest they are named by.
#[derive(Debug, Clone)]
enum Payload<'e> {
    /// Fetched, and held against the digest once.
    Fetched(Content<'e>),
    /// Follows from repository and digest; one copy for all that name it.
    Implied(Rc<Vec<u8>>),
}

/// Gathers the legacy signatures of a digest. `None` while something is still to be fetched.
pub(super) fn collect<'e>(repository: &Repository, digest: &Digest, ask: &mut Asking<'e>) -> Option<Signatures<'e>> {
    let tag = digest.signature_tag();
    let need = Need::signature_image(repository, &tag);
    let (bytes, media_type) = match ask.get(&need)? {
        Outcome::Found { bytes, media_type } => (bytes, media_type.as_deref()),
        // Only "there is no such tag" means that there is no signature.
        Outcome::Absent => return Some(Signatures::None(Reason::NotSigned { tag })),
        other => return Some(Signatures::None(Reason::unfetched(&need, other))),
    };
    let layers = match legacy::parse(bytes, media_type) {
        Ok(layers) => layers,
        Err(legacy::LegacyError::TooMany { got }) => {
            let limit = u64::try_from(crate::limits::MAX_SIGNATURES).unwrap_or(u64::MAX);
            let got = u64::try_from(got).unwrap_or(u64::MAX);
            return Some(Signatures::None(Reason::Budget { what: "signatures", limit, got }));
        }
        Err(error) => return Some(Signatures::None(Reason::SignatureImage { what: error.to_string() })),
    };
    if layers.is_empty() {
        return Some(Signatures::None(Reason::NoSignatures { tag }));
    }
    // Most payloads follow from repository and digest: these need no fetch.
    let implied = Rc::new(SimpleSigning::implied(repository, digest));
    let implied_digest = Digest::sha256(&implied);
    let is_implied = |blob: &Blob| blob.digest == implied_digest;
    let to_fetch: BTreeMap<&Digest, u64> = layers
        .iter()
        .filter_map(|layer| layer.content.as_ref().ok())
        .filter(|signature| !is_implied(&signature.payload))
        .map(|signature| (&signature.payload.digest, signature.payload.size))
        .collect();
    let octets = to_fetch.values().copied().fold(0, u64::saturating_add);
    if octets > MAX_EVIDENCE_BYTES {
        let reason = Reason::Budget { what: "octets of payloads", limit: MAX_EVIDENCE_BYTES, got: octets };
        return Some(Signatures::None(reason));
    }
    // What the registry gives for one payload is hashed once, however many signatures name it.
    let mut fetched: BTreeMap<Digest, Option<Result<Payload<'e>, Flaw>>> = BTreeMap::new();
    for (digest, size) in to_fetch {
        let need = Need::blob(repository, digest, size);
        let payload = ask.get(&need).map(|outcome| payload(&need, digest, outcome));
        fetched.insert(digest.clone(), payload);
    }
    if fetched.values().any(Option::is_none) {
        return None;
    }
    let candidates = layers.into_iter().map(|layer| {
        let number = layer.number;
        let signature = match layer.content {
            Ok(signature) => signature,
            Err(defect) => {
                let reason = Reason::SignatureDefect { number, what: defect.to_string() };
                return Candidate { number, content: Err(reason), has_certificate: false };
            }
        };
        let payload = match fetched.get(&signature.payload.digest) {
            Some(Some(Ok(payload))) => Ok(payload.clone()),
            Some(Some(Err(flaw))) => Err(flaw.reason(number)),
            _ => Ok(Payload::Implied(Rc::clone(&implied))),
        };
        let payload = payload.and_then(|payload| payload.check_size(number, signature.payload.size));
        let content = payload.map(|payload| Material {
            digest: signature.payload.digest,
            payload,
            signature: signature.signature,
        });
        Candidate { number, content, has_certificate: signature.has_certificate }
    });
    Some(Signatures::Some(candidates.collect()))
}

impl Payload<'_> {
    /// Digest and size of a layer both have to be those of its content (image-spec, descriptor.md).
    fn check_size(self, number: usize, announced: u64) -> Result<Self, Reason> {
        let octets = match &self {
            Self::Fetched(content) => content.bytes().len(),
            Self::Implied(bytes) => bytes.len(),
        };
        if u64::try_from(octets) == Ok(announced) {
            return Ok(self);
        }
        Err(Reason::SignatureDefect { number, what: format!("its payload has {octets} octets, not {announced}") })
    }
}

/// What is wrong with a payload, whichever signature names it.
#[derive(Debug)]
enum Flaw {
    Digest(DigestMismatch),
    Unfetched(Reason),
}

impl Flaw {
    fn reason(&self, number: usize) -> Reason {
        match self {
            Self::Digest(mismatch) => {
                Reason::PayloadDigest { number, want: mismatch.want.clone(), got: mismatch.got.clone() }
            }
            Self::Unfetched(reason) => reason.clone(),
        }
    }
}

fn payload<'e>(need: &Need, want: &Digest, outcome: &'e Outcome) -> Result<Payload<'e>, Flaw> {
    match outcome {
        Outcome::Found { bytes, .. } => want.check(bytes).map(Payload::Fetched).map_err(Flaw::Digest),
        other => Err(Flaw::Unfetched(Reason::unfetched(need, other))),
    }
}

/// Signature checks that were made, so that no round and no second policy repeats them.
#[derive(Debug, Default)]
pub struct Checks {
    done: BTreeMap<Check, Result<Verified<SimpleSigning>, VerifyError>>,
}

/// Who, over what, with which signature.
type Check = (Fingerprint, Digest, Vec<u8>);

/// One evaluation, with its own budget: it ends the same way whether its checks are new or remembered.
pub(super) struct Pass<'c> {
    checks: &'c mut Checks,
    paid: BTreeSet<Check>,
    units: u32,
}

impl Checks {
    pub(super) fn pass(&mut self) -> Pass<'_> {
        Pass { checks: self, paid: BTreeSet::new(), units: 0 }
    }
}

impl Pass<'_> {
    /// Checks one signature by one key.
    ///
    /// # Errors
    /// [`Reason::Budget`] when the decision has done all the work that one decision may do.
    pub(super) fn check(
        &mut self,
        material: &Material<'_>,
        key: &PublicKey,
    ) -> Result<Result<Verified<SimpleSigning>, VerifyError>, Reason> {
        let check = (key.fingerprint(), material.digest.clone(), material.signature.clone());
        let known = self.checks.done.get(&check).cloned();
        let cost = legacy::verification_units(key);
        let units = if self.paid.contains(&check) { self.units } else { self.units.saturating_add(cost) };
        if units > MAX_VERIFICATION_UNITS {
            let (limit, got) = (u64::from(MAX_VERIFICATION_UNITS), u64::from(units));
            return Err(Reason::Budget { what: "units of signature checks", limit, got });
        }
        let outcome = match known {
            Some(outcome) => outcome,
            None => match &material.payload {
                Payload::Fetched(content) => legacy::verify(*content, &material.signature, key),
                Payload::Implied(bytes) => match material.digest.check(bytes) {
                    Ok(content) => legacy::verify(content, &material.signature, key),
                    Err(_) => Err(VerifyError::Signature(SignatureError::Mismatch)),
                },
            },
        };
        // What cannot be a signature by this kind of key is told apart without any curve arithmetic, and costs nothing.
        if !matches!(outcome, Err(VerifyError::Signature(SignatureError::Malformed { .. })))
            && self.paid.insert(check.clone())
        {
            self.units = units;
        }
        self.checks.done.insert(check, outcome.clone());
        Ok(outcome)
    }
}

/// Forms of signature that lie there and are not read: named, so that "rejected" is never taken for "unsigned".
pub(super) fn other_forms(signatures: &Signatures<'_>, referrers: &Outcome) -> Vec<Form> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |form: String| {
        let entry = counts.entry(form).or_default();
        *entry = entry.saturating_add(1);
    };
    if let Signatures::Some(candidates) = signatures {
        for _ in candidates.iter().filter(|candidate| candidate.has_certificate) {
            count("cosign signature with a certificate".to_owned());
        }
    }
    match referrers {
        Outcome::Found { bytes, media_type } => match Manifest::parse(bytes, media_type.as_deref()) {
            Ok(Manifest::Index(index)) => {
                for descriptor in index.manifests() {
                    count(form(descriptor.artifact_type().as_ref().map(ToString::to_string)));
                }
            }
            Ok(Manifest::Image(_)) => count("a list of referrers that is not an index".to_owned()),
            Err(error) => count(format!("a list of referrers that cannot be read: {error}")),
        },
        Outcome::Absent => {}
        Outcome::Digest(_) | Outcome::TooLarge { .. } => {
            count("a list of referrers that is too large to read".to_owned())
        }
        Outcome::Failed { reason } => {
            count(format!("a list of referrers that could not be fetched: {}", excerpt(reason)))
        }
    }
    counts.into_iter().map(|(form, count)| Form { form, count }).collect()
}

fn form(artifact_type: Option<String>) -> String {
    let Some(artifact_type) = artifact_type else { return "artifact without a type".to_owned() };
    let name = match artifact_type.as_str() {
        bundle if bundle.starts_with("application/vnd.dev.sigstore.bundle") => "Sigstore bundle",
        "application/vnd.cncf.notary.signature" => "Notation signature",
        "application/vnd.dev.cosign.artifact.sig.v1+json" => "cosign signature as OCI 1.1 referrer",
        "application/vnd.in-toto+json" => "in-toto attestation",
        other => return format!("artifact of type {}", excerpt(other)),
    };
    name.to_owned()
}
