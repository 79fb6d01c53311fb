//! What is remembered of a collection: the newest version of each role file that was ever believed, as verdicts say it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The newest versions of a collection's role files. It only grows.
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

/// A version of a role file that was seen, and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The version.
    pub version: u64,
    /// Digest of the file, `sha256:…`.
    pub sha256: String,
}

impl State {
    /// Takes newer versions in; older ones change nothing.
    ///
    /// # Errors
    /// The role of which both have the same version, and not the same file: one of the two was made for somebody who should see
    /// something else.
    pub fn merge(&mut self, other: &Self) -> Result<(), String> {
        take(&mut self.root, other.root.as_ref(), "root")?;
        take(&mut self.timestamp, other.timestamp.as_ref(), "timestamp")?;
        take(&mut self.snapshot, other.snapshot.as_ref(), "snapshot")?;
        for (role, seen) in &other.targets {
            let mut known = self.targets.get(role).cloned();
            take(&mut known, Some(seen), role)?;
            self.targets.extend(known.map(|known| (role.clone(), known)));
        }
        Ok(())
    }

    /// The version of a role; 0 where it was never seen.
    pub fn version(&self, role: &str) -> u64 {
        let seen = match role {
            "root" => self.root.as_ref(),
            "timestamp" => self.timestamp.as_ref(),
            "snapshot" => self.snapshot.as_ref(),
            _ => self.targets.get(role),
        };
        seen.map_or(0, |seen| seen.version)
    }
}

fn take(known: &mut Option<Seen>, seen: Option<&Seen>, role: &str) -> Result<(), String> {
    match (&*known, seen) {
        (Some(before), Some(seen)) if before.version == seen.version && before.sha256 != seen.sha256 => {
            Err(role.to_owned())
        }
        (Some(before), Some(seen)) if before.version >= seen.version => Ok(()),
        (_, Some(seen)) => {
            *known = Some(seen.clone());
            Ok(())
        }
        (_, None) => Ok(()),
    }
}
