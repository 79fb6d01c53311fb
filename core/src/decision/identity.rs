//! Who has signed, so that nobody counts twice toward a threshold: neither one key under two names, nor two certificates of one
//! subject.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::key::Fingerprint;

/// Something by which a signer can be told from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// The key that signs.
    Key(Fingerprint),
    /// SHA-256 of the subject's name in the certificate that signs, as it is encoded.
    Subject(Digest),
}

/// How many different signers these are. Two that have one identity in common are one, and so are those that a third one
/// joins. Of whom nothing is known, that is somebody else.
pub(super) fn different<'i>(signers: impl Iterator<Item = &'i BTreeSet<Identity>>) -> usize {
    let mut groups: Vec<BTreeSet<&Identity>> = Vec::new();
    let mut strangers = 0usize;
    for signer in signers {
        if signer.is_empty() {
            strangers = strangers.saturating_add(1);
            continue;
        }
        let mut joined: BTreeSet<&Identity> = signer.iter().collect();
        groups.retain(|group| {
            let is_apart = group.is_disjoint(&joined);
            if !is_apart {
                joined.extend(group.iter().copied());
            }
            is_apart
        });
        groups.push(joined);
    }
    groups.len().saturating_add(strangers)
}

#[cfg(test)]
mod tests {
    use super::{Identity, different};
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
            (vec!["", ""], 2),
            (vec!["", "1a"], 2),
        ] {
            let signers: Vec<_> = signers.into_iter().map(signer).collect();
            assert_eq!(different(signers.iter()), want, "{signers:?}");
        }
    }
}
