//! Which root keys are trusted, and for which collections (notary, trustpinning/trustpin.go).
//!
//! Differences from Notary, all of them stricter: nothing is trusted on first use; a prefix ends where a part of a name ends;
//! the pins of the most specific scope are all that count. An authority may have issued for code signing too.

use std::collections::BTreeSet;

use super::certificate::{Certificate, CertificateError};
use super::error::TrustError;
use super::key::{Key, KeyId, Keys};
use super::role::Gun;
use super::root::Root;
use super::signature::{Budget, RoleKeys};
use crate::digest::Digest;
use crate::time::UnixTime;

/// What finding the way from one leaf to an authority may take, in units of one P-256 verification.
const CHAIN_UNITS: u32 = 48;

/// What makes a root key trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// It has one of these ids: that of the key in its certificate, or that of the bare key.
    Keys(BTreeSet<KeyId>),
    /// Its certificate is one of these.
    Certificates(Vec<Certificate>),
    /// A chain leads from its certificate to one of these authorities.
    Authorities(Vec<Certificate>),
}

/// For which collections a pin counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// For all, as far as the certificate's common name allows.
    Everywhere,
    /// For the prefix itself and what lies below it: `host/team` holds `host/team/app`, not `host/teams`.
    Within(String),
    /// For this one.
    Collection(Gun),
}

/// Something that makes root keys trusted, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Where it counts.
    pub scope: Scope,
    /// What it pins.
    pub anchor: Anchor,
}

/// The pins of one signer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pins(pub Vec<Pin>);

impl Pins {
    /// SHA-256 over what is pinned and where, in hexadecimal digits, whatever the order: two signers with the same pins
    /// believe the same files.
    pub fn digest(&self) -> String {
        let mut said = BTreeSet::new();
        for Pin { scope, anchor } in &self.0 {
            let place = match scope {
                Scope::Everywhere => "everywhere".to_owned(),
                Scope::Within(prefix) => format!("within {prefix}"),
                Scope::Collection(gun) => format!("collection {gun}"),
            };
            let der = |kind: &str, list: &[Certificate]| {
                list.iter().map(|it| format!("{place} {kind} {}", Digest::sha256(it.der()))).collect::<Vec<_>>()
            };
            said.extend(match anchor {
                Anchor::Keys(ids) => ids.iter().map(|id| format!("{place} key {id}")).collect(),
                Anchor::Certificates(list) => der("certificate", list),
                Anchor::Authorities(list) => der("authority", list),
            });
        }
        let lines: String = said.into_iter().map(|line| format!("{line}\n")).collect();
        Digest::sha256(lines.as_bytes()).encoded().to_owned()
    }

    /// What is pinned for a collection: by its name, else by the longest prefix, else everywhere.
    ///
    /// # Errors
    /// [`TrustError::NoPin`].
    pub(super) fn anchors(&self, gun: &Gun) -> Result<Vec<&Anchor>, TrustError> {
        let rank = |scope: &Scope| match scope {
            Scope::Collection(name) => (name == gun).then_some(usize::MAX),
            Scope::Within(prefix) => gun.is_within(prefix).then_some(prefix.trim_end_matches('/').len()),
            Scope::Everywhere => Some(0),
        };
        let best = self.0.iter().filter_map(|pin| rank(&pin.scope)).max();
        let best = best.ok_or_else(|| TrustError::NoPin(gun.clone()))?;
        Ok(self.0.iter().filter(|pin| rank(&pin.scope) == Some(best)).map(|pin| &pin.anchor).collect())
    }
}

impl Anchor {
    /// Whether a root that this pins may be succeeded by roots with other keys that its own keys have signed. An authority
    /// is there to issue for the new ones.
    pub(super) fn may_be_succeeded(&self) -> bool {
        !matches!(self, Self::Authorities(_))
    }

    fn check(&self, key: &Key, leaf: &Certificate, now: UnixTime) -> Result<(), String> {
        match self {
            Self::Keys(ids) if ids.contains(&key.id()) || ids.contains(&key.canonical_id()) => Ok(()),
            Self::Keys(_) => Err("its id is not pinned".to_owned()),
            Self::Certificates(pinned) if pinned.iter().any(|it| it.der() == leaf.der()) => Ok(()),
            Self::Certificates(_) => Err("its certificate is not pinned".to_owned()),
            Self::Authorities(pinned) => {
                let between = key.certificates().get(1..).unwrap_or_default();
                leaf.check_chain(between, pinned, now).map_err(|error| error.to_string())
            }
        }
    }
}

/// The root keys that count for a collection: a certificate whose name fits, and which counts now (if that is asked).
///
/// # Errors
/// [`TrustError::NoRootKey`] when none is left.
pub(super) fn usable(root: &Root, gun: &Gun, now: Option<UnixTime>) -> Result<RoleKeys, TrustError> {
    let mut problems = Vec::new();
    let keys = keep(root.root(), &mut problems, |key| {
        leaf(key)?.check_collection(gun)?;
        now.map_or(Ok(()), |now| leaf(key)?.check_time(now))
    });
    if keys.keys.is_empty() { Err(TrustError::NoRootKey { gun: gun.clone(), problems }) } else { Ok(keys) }
}

/// Those of the root keys that a pin names or leads to.
///
/// # Errors
/// [`TrustError::NotPinned`] when none is left.
pub(super) fn pinned(
    keys: &RoleKeys,
    anchors: &[&Anchor],
    gun: &Gun,
    now: UnixTime,
    budget: &mut Budget,
) -> Result<RoleKeys, TrustError> {
    let chains = anchors.iter().any(|anchor| matches!(anchor, Anchor::Authorities(_)));
    let leaves = u32::try_from(if chains { keys.keys.len() } else { 0 }).unwrap_or(u32::MAX);
    budget.spend(leaves.saturating_mul(CHAIN_UNITS))?;
    let mut problems = Vec::new();
    let left = keep(keys, &mut problems, |key| {
        let leaf = leaf(key).map_err(|error| error.to_string())?;
        let mut last = String::new();
        for anchor in anchors {
            match anchor.check(key, leaf, now) {
                Ok(()) => return Ok(()),
                Err(problem) => last = problem,
            }
        }
        Err(last)
    });
    let got = keys.keys.keys().copied().collect();
    if left.keys.is_empty() { Err(TrustError::NotPinned { gun: gun.clone(), got, problems }) } else { Ok(left) }
}

fn keep<E: ToString>(role: &RoleKeys, problems: &mut Vec<String>, check: impl Fn(&Key) -> Result<(), E>) -> RoleKeys {
    let mut keys = Keys::new();
    for (id, listed) in &role.keys {
        let outcome = match listed {
            Err(unusable) => Err(unusable.to_string()),
            Ok(key) => check(key).map_err(|problem| problem.to_string()),
        };
        match outcome {
            Ok(()) => {
                keys.insert(*id, listed.clone());
            }
            Err(problem) => problems.push(format!("key {id}: {problem}")),
        }
    }
    RoleKeys { role: role.role.clone(), keys, threshold: role.threshold }
}

/// Whether a key can be a root key of a collection now.
///
/// # Errors
/// [`CertificateError`].
pub(crate) fn check_key(key: &Key, gun: &Gun, now: UnixTime) -> Result<(), CertificateError> {
    let leaf = leaf(key)?;
    leaf.check_collection(gun)?;
    leaf.check_time(now)
}

/// The certificate of a root key. A bare key is none: nothing would say which collection it is for.
fn leaf(key: &Key) -> Result<&Certificate, CertificateError> {
    match key.certificates() {
        [] => Err(CertificateError::Leaf("the key is listed without a certificate".to_owned())),
        chain => Certificate::leaf(chain),
    }
}
