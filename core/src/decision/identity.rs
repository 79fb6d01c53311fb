//! Who has signed, so that nobody counts twice toward a threshold: neither one key under two names, nor two certificates of one
//! subject.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::key::Fingerprint;
use crate::ordered::Ordered as _;

/// Something by which a signer can be told from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// The key that signs.
    Key(Fingerprint),
    /// SHA-256 of the subject's name in the certificate that signs, as it is encoded.
    Subject(Digest),
}

/// How many different signers have signed. Two that have one identity in common are one, and so are those that a third one
/// joins. Those of whom nothing is known may all be one.
pub(super) fn signed<'i>(signers: impl Iterator<Item = &'i BTreeSet<Identity>>) -> usize {
    let mut groups: Vec<BTreeSet<&Identity>> = Vec::new();
    let mut is_stranger = false;
    for signer in signers {
        if signer.is_empty() {
            is_stranger = true;
            continue;
        }
        let mut joined: BTreeSet<&Identity> = signer.iter().into_set();
        groups.retain(|group| {
            let is_apart = group.is_disjoint(&joined);
            if !is_apart {
                joined.extend(group.iter().copied());
            }
            is_apart
        });
        groups.push(joined);
    }
    groups.len().saturating_add(usize::from(is_stranger))
}

/// How many more there can be at most, when these turn out to have signed as well as those who have.
pub(super) fn possible<'i>(
    have_signed: impl Iterator<Item = &'i BTreeSet<Identity>>,
    may_have: impl Iterator<Item = &'i BTreeSet<Identity>>,
) -> usize {
    let mut counted: BTreeSet<&Identity> = have_signed.flatten().into_set();
    let mut more = 0usize;
    for signer in may_have {
        let is_counted = signer.iter().any(|identity| counted.contains(identity));
        if !is_counted {
            counted.extend(signer);
            more = more.saturating_add(1);
        }
    }
    more
}

#[cfg(test)]
mod tests {
    use super::{Identity, possible, signed};
    use crate::digest::Digest;
    use crate::key::Fingerprint;
    use std::collections::BTreeSet;

    /// Keys are digits, subjects letters.
    fn signer(text: &str) -> BTreeSet<Identity> {
        let identity = |c: char| match c.is_ascii_digit() {
            true => Identity::Key(Fingerprint::parse(&format!("sha256:{}", c.to_string().repeat(64))).expect("hex")),
            false => Identity::Subject(Digest::sha256(c.to_string().as_bytes())),
        };
        text.chars().map(identity).collect()
    }

    #[test]
    fn whoever_shares_a_key_or_a_subject_is_one() {
        for (signers, want) in [
            (vec![], 0),
            (vec!["1a", "2b"], 2),
            (vec!["1a", "1b"], 1),
            (vec!["1a", "2a"], 1),
            (vec!["1a", "2b", "1b"], 1),
            (vec!["1a", "2b", "3c", "3b"], 2),
            (vec!["1", "1a"], 1),
            (vec!["", ""], 1),
            (vec!["", "1a"], 2),
        ] {
            let signers: Vec<_> = signers.into_iter().map(signer).collect();
            assert_eq!(signed(signers.iter()), want, "{signers:?}");
        }
    }

    #[test]
    fn whoever_may_have_signed_can_be_somebody_else_and_never_joins_those_who_have() {
        for (have, may, want) in [
            (vec!["1a", "2b"], vec!["1b"], 0),
            (vec!["1a"], vec!["2b", "3b", "4c"], 2),
            (vec![], vec!["", "", "1"], 3),
            (vec!["1a"], vec![], 0),
        ] {
            let (have, may): (Vec<_>, Vec<_>) =
                (have.into_iter().map(signer).collect(), may.into_iter().map(signer).collect());
            assert_eq!(possible(have.iter(), may.iter()), want, "{have:?} {may:?}");
        }
    }
}
