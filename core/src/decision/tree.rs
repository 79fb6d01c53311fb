//! The requirement tree in three values: what is unknown neither satisfies nor refutes.

use std::collections::BTreeMap;

use super::accepted::{self, Asked, Subject, Whom};
use super::asking::Asking;
use super::checks::Pass;
use super::gather::Gathered;
use super::identity::{self, Identity};
use super::verdict::{Node, Outcome};
use super::{Reason, entrusted, notarized};

use crate::policy::{Leaf, Policy, Requirement, Signer, System};
use crate::reference::Repository;

/// Evaluates a policy's requirement about one digest. Every part is evaluated, so that no reason stays hidden behind
/// another. What was gathered is given by the repository in which it lies.
pub(super) fn evaluate(
    policy: &Policy,
    gathered: &BTreeMap<Repository, Gathered<'_>>,
    subject: Subject<'_>,
    (looking, pass): (&mut Asking<'_>, &mut Pass<'_>),
) -> Node {
    let nothing = Gathered::default();
    let mut ask = |rule: String, name: &str, signer: &Signer, asked: Asked<'_>| {
        let place = signer.signature_repository().unwrap_or_else(|| subject.image.repository());
        let gathered = gathered.get(place).unwrap_or(&nothing);
        let conditions = &signer.conditions;
        let signed = match &signer.system {
            System::Cosign(cosign) => accepted::by(Whom { name, cosign, conditions }, asked, gathered, subject, pass),
            System::ContentTrust(trust) => {
                entrusted::by(entrusted::Whom { name, trust, conditions }, subject, (looking, pass))
            }
            System::Notation(trust) => {
                notarized::by(notarized::Whom { name, trust, conditions }, gathered, subject, (looking, pass))
            }
        };
        let mut who = signed.who;
        who.extend(signer.key().map(Identity::Key));
        Node {
            key: signer.key().or(signed.key),
            who,
            certificate: signed.certificate,
            checks: signed.checks,
            signature: signed.place,
            reasons: signed.reasons,
            ..Node::composite(rule, signed.outcome, Vec::new())
        }
    };
    node(&policy.require, &mut |leaf| {
        // The policy was checked when it was read: every name in its tree is defined.
        let evaluated = match leaf {
            Leaf::Signer(name) => {
                policy.signers.get(name).map(|signer| ask(format!("signer {name}"), name, signer, Asked::Signature))
            }
            Leaf::Attestation(name) => policy.attestations.get(name).and_then(|attestation| {
                let signer = policy.signers.get(&attestation.signer)?;
                let rule = format!("attestation {name} by {}", attestation.signer);
                Some(ask(rule, &attestation.signer, signer, Asked::Attestation(attestation)))
            }),
        };
        evaluated.unwrap_or_else(|| Node::composite(format!("{leaf:?}"), Outcome::Reject, Vec::new()))
    })
}

/// Asks for the role files that policies want, and for nothing else.
pub(super) fn ask_ahead(policies: &[&Policy], subject: Subject<'_>, (looking, pass): (&mut Asking<'_>, &mut Pass<'_>)) {
    for policy in policies {
        for leaf in policy.require.leaves() {
            let Leaf::Signer(name) = leaf else { continue };
            let Some(signer) = policy.signers.get(name) else { continue };
            if let System::ContentTrust(trust) = &signer.system {
                let whom = entrusted::Whom { name, trust, conditions: &signer.conditions };
                entrusted::by(whom, subject, (looking, pass));
            }
        }
    }
}

/// One of a requirement's alternatives: the index itself, or every one of its leaves.
pub(super) fn index_or_every_leaf(index: Node, leaves: Vec<Node>) -> Node {
    let index = Node::composite("index".to_owned(), index.outcome, vec![index]);
    let every = Node::composite("every leaf".to_owned(), all(&leaves), leaves);
    let of = vec![index, every];
    Node::composite("anyOf".to_owned(), any(&of), of)
}

fn node(requirement: &Requirement, leaf: &mut impl FnMut(Leaf<'_>) -> Node) -> Node {
    match requirement {
        Requirement::Signer(name) => leaf(Leaf::Signer(name)),
        Requirement::Attestation(name) => leaf(Leaf::Attestation(name)),
        Requirement::AllOf(parts) => {
            let of: Vec<Node> = parts.iter().map(|part| node(part, leaf)).collect();
            Node::composite("allOf".to_owned(), all(&of), of)
        }
        Requirement::AnyOf(parts) => {
            let of: Vec<Node> = parts.iter().map(|part| node(part, leaf)).collect();
            Node::composite("anyOf".to_owned(), any(&of), of)
        }
        Requirement::AtLeast { count, of } => {
            let of: Vec<Node> = of.iter().map(|name| leaf(Leaf::Signer(name))).collect();
            let need = usize::try_from(*count).unwrap_or(usize::MAX);
            let (outcome, got) = at_least(need, &of);
            let mut whole = Node::composite(format!("atLeast {count}"), outcome, of);
            if outcome != Outcome::Accept {
                whole.reasons.push(Reason::Threshold { got, need });
            }
            whole
        }
    }
}

fn all(of: &[Node]) -> Outcome {
    of.iter().map(|node| node.outcome).max_by_key(|outcome| outcome.severity()).unwrap_or(Outcome::Reject)
}

fn any(of: &[Node]) -> Outcome {
    of.iter().map(|node| node.outcome).min_by_key(|outcome| outcome.severity()).unwrap_or(Outcome::Reject)
}

/// Counts different signers: one key under two names counts once.
fn at_least(count: usize, of: &[Node]) -> (Outcome, usize) {
    let who = |outcome| of.iter().filter(move |node: &&Node| node.outcome == outcome).map(|node| &node.who);
    let accepted = identity::signed(who(Outcome::Accept));
    let possible = accepted.saturating_add(identity::possible(who(Outcome::Accept), who(Outcome::Unknown)));
    let outcome = if accepted >= count {
        Outcome::Accept
    } else if possible >= count {
        Outcome::Unknown
    } else {
        Outcome::Reject
    };
    (outcome, accepted)
}

#[cfg(test)]
mod tests {
    use super::{Identity, Outcome, node};
    use crate::decision::Node;
    use crate::key::Fingerprint;
    use crate::policy::{Leaf, Requirement};

    /// Signers named by what they give: "a…" accept, "r…" reject, "u…" unknown; the second letter is their key.
    fn outcome(requirement: &Requirement) -> Outcome {
        node(requirement, &mut |leaf: Leaf<'_>| {
            let (Leaf::Signer(name) | Leaf::Attestation(name)) = leaf;
            let outcome = match name.as_bytes()[0] {
                b'a' => Outcome::Accept,
                b'r' => Outcome::Reject,
                _ => Outcome::Unknown,
            };
            let mut leaf = Node::composite(name.to_owned(), outcome, Vec::new());
            let digit = char::from(name.as_bytes()[1]);
            let key = Fingerprint::parse(&format!("sha256:{}", digit.to_string().repeat(64)));
            leaf.who = key.ok().map(Identity::Key).into_iter().collect();
            leaf
        })
        .outcome
    }

    fn signers(names: &[&str]) -> Vec<Requirement> {
        names.iter().map(|name| Requirement::Signer((*name).to_owned())).collect()
    }

    #[test]
    fn what_is_unknown_neither_satisfies_nor_refutes() {
        for (names, all, any) in [
            (vec!["a1", "a2"], Outcome::Accept, Outcome::Accept),
            (vec!["a1", "u2"], Outcome::Unknown, Outcome::Accept),
            (vec!["r1", "u2"], Outcome::Reject, Outcome::Unknown),
            (vec!["r1", "a2"], Outcome::Reject, Outcome::Accept),
            (vec!["r1", "r2"], Outcome::Reject, Outcome::Reject),
        ] {
            assert_eq!(outcome(&Requirement::AllOf(signers(&names))), all, "allOf {names:?}");
            assert_eq!(outcome(&Requirement::AnyOf(signers(&names))), any, "anyOf {names:?}");
        }
    }

    #[test]
    fn one_key_counts_once_toward_a_threshold() {
        for (names, want) in [
            (vec!["a1", "a2", "r3"], Outcome::Accept),
            (vec!["a1", "a1", "r3"], Outcome::Reject),
            (vec!["a1", "u2"], Outcome::Unknown),
            (vec!["a1", "u1"], Outcome::Reject),
            (vec!["u1", "u2"], Outcome::Unknown),
            (vec!["u1", "r2"], Outcome::Reject),
        ] {
            let of = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(outcome(&Requirement::AtLeast { count: 2, of }), want, "{names:?}");
        }
    }
}
