//! What is remembered of a collection: the newest version of each role file that was believed, as verdicts say it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The newest versions of a collection's role files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Of the root.
    pub root: Option<Seen>,
    /// Of the timestamp.
    pub timestamp: Option<Seen>,
    /// Of the snapshot.
    pub snapshot: Option<Seen>,
    /// Of `targets` and delegations, by name.
    #[serde(default)]
    pub targets: BTreeMap<String, Seen>,
}

/// A version of a role file that was seen, what it said, and who had signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The version.
    pub version: u64,
    /// Digest of what was signed, `sha256:…`.
    pub sha256: String,
    /// Ids of the keys that had signed it.
    pub keys: BTreeSet<String>,
}

impl State {
    /// Takes newer versions in; older ones change nothing. Where a role's keys come from a file of which one of both has a newer
    /// version, and other keys signed, that one is right about the role: the module forgets what former keys signed, and
    /// versions may begin anew.
    ///
    /// # Errors
    /// The role of which both have the same version, and not the same content: one of the two was made for somebody who should
    /// see something else.
    pub fn merge(&mut self, other: &Self) -> Result<(), String> {
        let before = self.clone();
        let roles = ["root", "timestamp", "snapshot"].into_iter().map(str::to_owned);
        let roles: BTreeSet<String> = roles.chain(other.targets.keys().cloned()).collect();
        for role in roles {
            let (mine, theirs) = (before.of(&role), other.of(&role));
            let merged = match (mine, theirs, before.authority(other, &role)) {
                (Some(mine), Some(theirs), authority) => {
                    let is_same = mine.keys == theirs.keys || authority == Ordering::Equal;
                    if is_same && mine.version == theirs.version && mine.sha256 != theirs.sha256 {
                        return Err(role);
                    }
                    // Who is right about the keys is right about the version, unless the other's keys are among them.
                    match authority {
                        Ordering::Less if !mine.keys.is_subset(&theirs.keys) => theirs,
                        Ordering::Greater if !theirs.keys.is_subset(&mine.keys) => mine,
                        _ if mine.version >= theirs.version => mine,
                        _ => theirs,
                    }
                }
                (Some(mine), None, _) => mine,
                (None, Some(theirs), _) => theirs,
                (None, None, _) => continue,
            };
            let merged = merged.clone();
            match role.as_str() {
                "root" => self.root = Some(merged),
                "timestamp" => self.timestamp = Some(merged),
                "snapshot" => self.snapshot = Some(merged),
                _ => {
                    self.targets.insert(role, merged);
                }
            }
        }
        Ok(())
    }

    /// Who of both has seen more of the files that say which keys the role has: the root, and for a delegation those that
    /// lead to it.
    fn authority(&self, other: &Self, role: &str) -> Ordering {
        if role == "root" {
            return Ordering::Equal;
        }
        let above = role.match_indices('/').filter_map(|(at, _)| role.get(..at));
        let mut above = std::iter::once("root").chain(above).map(|file| self.version(file).cmp(&other.version(file)));
        above.find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
    }

    /// What was seen of a role.
    fn of(&self, role: &str) -> Option<&Seen> {
        match role {
            "root" => self.root.as_ref(),
            "timestamp" => self.timestamp.as_ref(),
            "snapshot" => self.snapshot.as_ref(),
            _ => self.targets.get(role),
        }
    }

    /// The version of a role; 0 where it was never seen.
    pub fn version(&self, role: &str) -> u64 {
        self.of(role).map_or(0, |seen| seen.version)
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, State};

    fn seen(version: u64) -> Option<Seen> {
        Some(Seen { version, sha256: format!("sha256:{version}"), keys: ["k".to_owned()].into() })
    }

    /// With another key than the others.
    fn by(key: &str, seen: Option<Seen>) -> Option<Seen> {
        seen.map(|seen| Seen { keys: [key.to_owned()].into(), ..seen })
    }

    fn state(root: u64, timestamp: u64, targets: u64, releases: u64) -> State {
        let targets = [("targets", targets), ("targets/releases", releases)];
        let targets = targets.into_iter().filter_map(|(role, version)| Some((role.to_owned(), seen(version)?)));
        State { root: seen(root), timestamp: seen(timestamp), snapshot: None, targets: targets.collect() }
    }

    /// The same from both sides.
    fn merged(one: &State, other: &State) -> State {
        let (mut here, mut there) = (one.clone(), other.clone());
        here.merge(other).expect("no conflict");
        there.merge(one).expect("no conflict");
        assert_eq!(here, there);
        here
    }

    #[test]
    fn of_two_that_saw_different_versions_the_newer_counts_for_each_role() {
        assert_eq!(merged(&state(1, 5, 3, 9), &state(1, 7, 3, 2)), state(1, 7, 3, 9));
        assert_eq!(merged(&state(1, 5, 3, 9), &State::default()), state(1, 5, 3, 9));
    }

    #[test]
    fn versions_begin_anew_where_a_newer_file_gave_other_keys() {
        // After keys were stolen: the root replaced the timestamp's key, the targets file a delegation's.
        let mut stolen = state(1, 0, 3, 0);
        stolen.timestamp = by("stolen", seen(u64::MAX));
        stolen.targets.extend(by("stolen", seen(u64::MAX)).map(|seen| ("targets/releases".to_owned(), seen)));
        assert_eq!(merged(&stolen, &state(2, 6, 4, 3)), state(2, 6, 4, 3));
        // Where the keys are the same, nothing goes back: an answer that was held back is no newer for another file's sake.
        assert_eq!(merged(&state(1, 9, 8, 9), &state(2, 5, 5, 3)), state(2, 9, 8, 9));
        // What the newer one says nothing about stays.
        let mut silent = state(1, 5, 4, 0);
        silent.targets.remove("targets/releases");
        assert_eq!(merged(&state(1, 5, 3, 9), &silent), state(1, 5, 4, 9));
    }

    #[test]
    fn two_contents_of_one_version_are_a_conflict() {
        let one = state(1, 5, 3, 9);
        let mut other = one.clone();
        other.timestamp = other.timestamp.map(|seen| Seen { sha256: "sha256:x".to_owned(), ..seen });
        assert_eq!(other.clone().merge(&one), Err("timestamp".to_owned()));
        other.root = seen(2);
        assert_eq!(other.clone().merge(&one), Err("timestamp".to_owned()));
        other.timestamp = by("new", other.timestamp);
        assert_eq!(merged(&one, &other).timestamp, other.timestamp);
    }
}
