//! The requirement tree in three values: what is unknown neither satisfies nor refutes.

use std::collections::BTreeSet;

use super::Reason;
use super::accepted::{self, Subject};
use super::signatures::{Pass, Signatures};
use super::verdict::{Node, Outcome};
use crate::key::Fingerprint;
use crate::policy::{Policy, Requirement};

/// Evaluates a policy's requirement. Every part is evaluated, so that no reason stays hidden behind another.
pub(super) fn evaluate(
    policy: &Policy,
    signatures: &Signatures<'_>,
    subject: Subject<'_>,
    pass: &mut Pass<'_>,
) -> Node {
    node(&policy.require, &mut |name| signer_node(policy, name, signatures, subject, pass))
}

fn signer_node(
    policy: &Policy,
    name: &str,
    signatures: &Signatures<'_>,
    subject: Subject<'_>,
    pass: &mut Pass<'_>,
) -> Node {
    // The policy was checked when it was read: every name in its tree is defined.
    let Some(signer) = policy.signers.get(name) else {
        return Node::composite(format!("signer {name}"), Outcome::Reject, Vec::new());
    };
    let signed = accepted::by(signer, signatures, subject, pass);
    Node {
        rule: format!("signer {name}"),
        outcome: signed.outcome,
        key: Some(signer.key.fingerprint()),
        signature: signed.number,
        reasons: signed.reasons,
        of: Vec::new(),
    }
}

fn node(requirement: &Requirement, signer: &mut impl FnMut(&str) -> Node) -> Node {
    match requirement {
        Requirement::Signer(name) => signer(name),
        Requirement::AllOf(parts) => {
            let of: Vec<Node> = parts.iter().map(|part| node(part, signer)).collect();
            Node::composite("allOf".to_owned(), all(&of), of)
        }
        Requirement::AnyOf(parts) => {
            let of: Vec<Node> = parts.iter().map(|part| node(part, signer)).collect();
            Node::composite("anyOf".to_owned(), any(&of), of)
        }
        Requirement::AtLeast { count, of } => {
            let of: Vec<Node> = of.iter().map(|name| signer(name)).collect();
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

/// Counts different keys: one key under two names counts once.
fn at_least(count: usize, of: &[Node]) -> (Outcome, usize) {
    let keys = |outcome| -> BTreeSet<Fingerprint> {
        of.iter().filter(|node| node.outcome == outcome).filter_map(|node| node.key).collect()
    };
    let accepted = keys(Outcome::Accept);
    let possible = accepted.union(&keys(Outcome::Unknown)).count();
    let outcome = if accepted.len() >= count {
        Outcome::Accept
    } else if possible >= count {
        Outcome::Unknown
    } else {
        Outcome::Reject
    };
    (outcome, accepted.len())
}

#[cfg(test)]
mod tests {
    use super::{Outcome, node};
    use crate::decision::Node;
    use crate::key::Fingerprint;
    use crate::policy::Requirement;

    /// Signers named by what they give: "a…" accept, "r…" reject, "u…" unknown; the second letter is their key.
    fn outcome(requirement: &Requirement) -> Outcome {
        node(requirement, &mut |name: &str| {
            let outcome = match name.as_bytes()[0] {
                b'a' => Outcome::Accept,
                b'r' => Outcome::Reject,
                _ => Outcome::Unknown,
            };
            let mut leaf = Node::composite(name.to_owned(), outcome, Vec::new());
            let digit = char::from(name.as_bytes()[1]);
            leaf.key = Fingerprint::parse(&format!("sha256:{}", digit.to_string().repeat(64))).ok();
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
