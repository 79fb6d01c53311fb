//! What is remembered of a collection: the newest version of each role file that was believed, by the keys that signed it, as
//! verdicts say it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Keys of one role that are remembered. 128: twice as many as a role can have.
pub(crate) const MAX_KEYS: usize = 128;

/// The newest versions of a collection's role files. Two of one collection merge into the newest of both: the same whoever
/// merges, in whichever order, and however often.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Of the root.
    pub root: Option<Seen>,
    /// Of the other roles, by name and by the key that signed.
    #[serde(default)]
    pub roles: BTreeMap<String, BTreeMap<String, Seen>>,
}

/// A version of a role file that was seen, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The version.
    pub version: u64,
    /// Digest of what was signed, `sha256:…`.
    pub sha256: String,
}

/// The same key signed two files of one version: one of the two was made for somebody who should see something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The role.
    pub role: String,
    /// The version.
    pub version: u64,
}

impl State {
    /// Takes newer versions in; older ones change nothing.
    ///
    /// # Errors
    /// [`Conflict`]; then not all of it is taken in.
    pub fn merge(&mut self, other: &Self) -> Result<(), Conflict> {
        if let Some(theirs) = &other.root
            && is_newer(self.root.as_ref(), theirs, "root")?
        {
            self.root = Some(theirs.clone());
        }
        for (role, by_key) in &other.roles {
            let mine = self.roles.entry(role.clone()).or_default();
            for (key, theirs) in by_key {
                if is_newer(mine.get(key), theirs, role)? {
                    mine.insert(key.clone(), theirs.clone());
                }
            }
        }
        for by_key in self.roles.values_mut() {
            drop_oldest(by_key);
        }
        Ok(())
    }

    /// A role of which another one has something newer than what was `before`, and that is not kept here.
    pub(crate) fn lost<'s>(&self, other: &'s Self, before: Option<&Self>) -> Option<&'s str> {
        let knows = |memory: &Self, role: &str, key: &str, seen: &Seen| {
            let known = memory.roles.get(role).and_then(|by_key| by_key.get(key));
            known.is_some_and(|known| known.version >= seen.version)
        };
        let mut all =
            other.roles.iter().flat_map(|(role, by_key)| by_key.iter().map(move |(key, seen)| (role, key, seen)));
        let lost = all.find(|(role, key, seen)| {
            !knows(self, role, key, seen) && !before.is_some_and(|before| knows(before, role, key, seen))
        });
        lost.map(|(role, ..)| role.as_str())
    }

    /// Whether it knows everything that another one knows: of each key a version that is as new.
    pub fn covers(&self, other: &Self) -> bool {
        let is_covered = |mine: Option<&Seen>, theirs: &Seen| mine.is_some_and(|mine| mine.version >= theirs.version);
        let mut others =
            other.roles.iter().flat_map(|(role, by_key)| by_key.iter().map(move |(key, seen)| (role, key, seen)));
        other.root.as_ref().is_none_or(|theirs| is_covered(self.root.as_ref(), theirs))
            && others.all(|(role, key, theirs)| is_covered(self.roles.get(role).and_then(|mine| mine.get(key)), theirs))
    }
}

/// Keeps the highest versions of a role. Who can have so many keys sign it says himself which keys it has.
fn drop_oldest(by_key: &mut BTreeMap<String, Seen>) {
    while by_key.len() > MAX_KEYS {
        let lowest = by_key.iter().min_by_key(|(key, seen)| (seen.version, (*key).clone())).map(|(key, _)| key.clone());
        by_key.remove(&lowest.unwrap_or_default());
    }
}

fn is_newer(mine: Option<&Seen>, theirs: &Seen, role: &str) -> Result<bool, Conflict> {
    match mine {
        Some(mine) if mine.version == theirs.version && mine.sha256 != theirs.sha256 => {
            Err(Conflict { role: role.to_owned(), version: mine.version })
        }
        Some(mine) => Ok(mine.version < theirs.version),
        None => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Conflict, Seen, State};

    fn seen(version: u64) -> Seen {
        Seen { version, sha256: format!("sha256:{version}") }
    }

    fn state(root: u64, roles: &[(&str, &str, u64)]) -> State {
        let mut state = State { root: Some(seen(root)), ..State::default() };
        for (role, key, version) in roles {
            state.roles.entry((*role).to_owned()).or_default().insert((*key).to_owned(), seen(*version));
        }
        state
    }

    #[test]
    fn of_two_that_saw_different_versions_the_newer_counts_for_each_role_and_key() {
        let mut one = state(1, &[("timestamp", "t", 5), ("targets/a", "alice", 9), ("targets/b", "bob", 1)]);
        let other = state(2, &[("timestamp", "t", 7), ("targets/a", "alice", 2), ("targets/a", "carol", 3)]);
        one.merge(&other).expect("no conflict");
        let all =
            [("timestamp", "t", 7), ("targets/a", "alice", 9), ("targets/a", "carol", 3), ("targets/b", "bob", 1)];
        assert_eq!(one, state(2, &all));
    }

    #[test]
    fn two_contents_of_one_version_are_a_conflict_where_one_key_signed_both() {
        let one = state(1, &[("timestamp", "t", 5)]);
        let other = |key: &str| {
            let mut other = state(1, &[("timestamp", key, 5)]);
            other.roles.values_mut().flat_map(|by_key| by_key.values_mut()).for_each(|seen| seen.sha256.push('x'));
            other
        };
        let conflict = Conflict { role: "timestamp".to_owned(), version: 5 };
        assert_eq!(one.clone().merge(&other("t")), Err(conflict));
        assert_eq!(one.clone().merge(&other("another")), Ok(()));
        let root = State { root: Some(Seen { version: 1, sha256: "sha256:x".to_owned() }), ..State::default() };
        assert_eq!(one.clone().merge(&root), Err(Conflict { role: "root".to_owned(), version: 1 }));
    }

    #[test]
    fn of_many_keys_those_with_the_highest_versions_are_kept() {
        let keys: Vec<String> = (0..200).map(|key| format!("{key:03}")).collect();
        let all: Vec<_> = keys.iter().zip(1..).map(|(key, version)| ("targets", key.as_str(), version)).collect();
        let mut one = State::default();
        for chunk in all.chunks(50) {
            one.merge(&State { root: None, ..state(1, chunk) }).expect("no conflict");
        }
        let versions: Vec<u64> = one.roles["targets"].values().map(|seen| seen.version).collect();
        assert_eq!(versions, (73..=200).collect::<Vec<u64>>());
    }

    #[test]
    fn a_memory_covers_what_is_as_new() {
        let one = state(1, &[("timestamp", "t", 5), ("targets/a", "alice", 9)]);
        assert!(one.covers(&one) && one.covers(&State::default()) && one.covers(&state(1, &[("timestamp", "t", 4)])));
        for newer in [state(2, &[]), state(1, &[("timestamp", "t", 6)]), state(1, &[("timestamp", "other", 1)])] {
            assert!(!one.covers(&newer), "{newer:?}");
        }
    }

    fn any_state() -> impl Strategy<Value = State> {
        let entry = ("[rst]", "[ab]", 1..5_u64);
        (1..4_u64, prop::collection::vec(entry, 0..8)).prop_map(|(root, entries)| {
            let mut all = state(root, &[]);
            for (role, key, version) in entries {
                let one = state(1, &[(&role, &key, version)]);
                all.merge(&State { root: None, ..one }).expect("one content for a version");
            }
            all
        })
    }

    proptest! {
        #[test]
        fn merging_gives_the_same_in_every_order_and_never_less(one in any_state(), two in any_state(), three in any_state()) {
            let merged = |states: &[&State]| {
                let mut all = State::default();
                for state in states {
                    all.merge(state).expect("one content for a version");
                }
                all
            };
            let all = merged(&[&one, &two, &three]);
            prop_assert_eq!(&all, &merged(&[&three, &one, &two, &one]));
            prop_assert_eq!(&all, &merged(&[&one, &merged(&[&two, &three])]));
            for state in [&one, &two, &three] {
                prop_assert_eq!(&all, &merged(&[&all, state]));
            }
        }
    }
}
