//! Policies that an index satisfies, or every leaf of it: each leaf is decided about as if it had been asked for.

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, Platform};

use super::asking::Asking;
use super::checks::Pass;
use super::conditions::Surroundings;
use super::gather::{Gathered, Wanted};
use super::verdict::{Node, Outcome, PolicyResult};
use super::{Reason, accepted, decides, gather_all, standing, tree};
use crate::digest::Digest;
use crate::evidence::{self, Need};
use crate::limits::MAX_LEAVES;
use crate::manifest::Manifest;
use crate::policy::{MultiArch, Policy};
use crate::reference::Repository;
use crate::text::excerpt;

/// One manifest of an index.
pub(super) struct Leaf {
    /// `linux/arm64/v8`, or that it is not said.
    pub(super) platform: String,
    /// The same as the index states it.
    pub(super) stated: Option<Platform>,
    /// Its digest, or why it has none.
    pub(super) digest: Result<Digest, String>,
}

/// Evaluates the leaves for those policies that take them in place of the index and that the index does not satisfy.
/// False while something is still to be fetched.
///
/// Every manifest of the index is a leaf, whatever it says about its platform: an index that calls a child an attestation
/// decides nothing. A nested index is a leaf and has to be signed itself.
pub(super) fn evaluate(
    policies: &[&Policy],
    results: &mut [PolicyResult],
    subject: accepted::Subject<'_>,
    ask: &mut Asking<'_>,
    pass: &mut Pass<'_>,
) -> bool {
    let takes_leaves = |policy: &Policy, result: &PolicyResult| {
        policy.multi_arch == MultiArch::IndexOrEveryLeaf && result.tree.outcome != Outcome::Accept
    };
    let taking: Vec<&Policy> = policies
        .iter()
        .zip(results.iter())
        .filter(|(policy, result)| takes_leaves(policy, result))
        .map(|(p, _)| *p)
        .collect();
    if taking.is_empty() {
        return true;
    }
    let repository = subject.image.repository();
    let leaves = match read(repository, subject.digest, ask) {
        None => return false,
        Some(Ok(None)) => return true,
        Some(Ok(Some(leaves))) => leaves,
        Some(Err(reason)) => {
            for (policy, result) in policies.iter().zip(results.iter_mut()).filter(|(p, r)| takes_leaves(p, r)) {
                debug_assert!(policy.name == result.policy);
                let outcome = if reason.is_unknown() { Outcome::Unknown } else { Outcome::Reject };
                let mut leaf = Node::composite("leaves".to_owned(), outcome, Vec::new());
                leaf.reasons.push(reason.clone());
                result.tree = tree::index_or_every_leaf(result.tree.clone(), vec![leaf]);
            }
            return true;
        }
    };
    let wanted = Wanted::by(&taking, repository);
    let mut is_whole = true;
    // An index may list a manifest twice; it is looked at once.
    let mut gathered: BTreeMap<&Digest, BTreeMap<Repository, Gathered<'_>>> = BTreeMap::new();
    let is_asked_about = |digest: &&Digest| taking.iter().any(|policy| !policy.revoked.contains(*digest));
    for digest in leaves.iter().filter_map(|leaf| leaf.digest.as_ref().ok()).filter(is_asked_about) {
        if !gathered.contains_key(digest) {
            let found = gather_all(&wanted, repository, digest, usize::MAX, ask);
            is_whole &= found.is_some();
            gathered.insert(digest, found.unwrap_or_default());
        }
    }
    if !is_whole {
        return false;
    }
    let nothing = BTreeMap::new();
    // Policies that decide come first: others must not spend the work that these need.
    let taking = policies.iter().zip(results.iter_mut()).filter(|(p, r)| takes_leaves(p, r));
    let (deciding, others): (Vec<_>, Vec<_>) = taking.partition(|(policy, _)| decides(policy.mode));
    for (policy, result) in deciding.into_iter().chain(others) {
        let nodes = leaves.iter().map(|leaf| {
            let rule = format!("leaf {}", leaf.platform);
            match &leaf.digest {
                Ok(digest) => {
                    let found = gathered.get(digest).unwrap_or(&nothing);
                    let tree = standing::revoked(policy, digest).unwrap_or_else(|| {
                        let platform = leaf.stated.as_ref();
                        let surroundings = &Surroundings::of(subject.question, subject.image, digest, platform);
                        let leaf = accepted::Subject { digest, surroundings, ..subject };
                        tree::evaluate(policy, found, leaf, (ask, pass))
                    });
                    Node { digest: Some(digest.clone()), ..Node::composite(rule, tree.outcome, vec![tree]) }
                }
                Err(what) => {
                    let mut node = Node::composite(rule, Outcome::Reject, Vec::new());
                    node.reasons.push(Reason::Index { what: what.clone() });
                    node
                }
            }
        });
        let nodes = nodes.collect();
        result.tree = tree::index_or_every_leaf(result.tree.clone(), nodes);
    }
    // What certificates name is asked for while signatures are looked at.
    !ask.is_waiting()
}

/// The leaves of an index. Nothing for an image, which has none; `None` while it is still to be fetched.
pub(super) fn read(
    repository: &Repository,
    digest: &Digest,
    ask: &mut Asking<'_>,
) -> Option<Result<Option<Vec<Leaf>>, Reason>> {
    let need = Need::manifest(repository, &digest.to_string());
    let (bytes, media_type) = match ask.get(&need)? {
        evidence::Outcome::Found { bytes, media_type } => (bytes, media_type.as_deref()),
        other => return Some(Err(Reason::unfetched(&need, other))),
    };
    let content = match digest.check(bytes) {
        Ok(content) => content,
        Err(mismatch) => return Some(Err(Reason::Unfetched { need: need.id(), reason: mismatch.to_string() })),
    };
    let index = match Manifest::parse(content.bytes(), media_type) {
        Ok(Manifest::Index(index)) => index,
        Ok(Manifest::Image(_)) => return Some(Ok(None)),
        Err(error) => return Some(Err(Reason::Index { what: error.to_string() })),
    };
    let count = index.manifests().len();
    if count > MAX_LEAVES {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (limit, got) = (number(MAX_LEAVES), number(count));
        return Some(Err(Reason::Budget { what: "leaves", limit, got }));
    }
    if count == 0 {
        return Some(Err(Reason::Index { what: "the index lists no manifest".to_owned() }));
    }
    Some(Ok(Some(index.manifests().iter().map(Leaf::of).collect())))
}

impl Leaf {
    fn of(descriptor: &Descriptor) -> Self {
        let platform = match descriptor.platform() {
            None => "of no platform".to_owned(),
            Some(platform) => {
                let variant = platform.variant().as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
                excerpt(&format!("{}/{}{variant}", platform.os(), platform.architecture()))
            }
        };
        let text: &str = descriptor.digest().as_ref();
        Self {
            platform,
            stated: descriptor.platform().clone(),
            digest: Digest::parse(text).map_err(|error| error.to_string()),
        }
    }
}
