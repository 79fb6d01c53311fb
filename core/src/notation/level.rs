//! Verification levels: which checks there are, and what follows when one fails (trust-store-trust-policy.md, "Signature
//! Verification Levels").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A check whose action a level says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The signature holds, and the envelope follows its specification.
    Integrity,
    /// The signer is trusted.
    Authenticity,
    /// It was made while the certificates were valid.
    AuthenticTimestamp,
    /// It has not expired.
    Expiry,
    /// No certificate is revoked.
    Revocation,
}

/// What follows when a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The signature does not count.
    Enforce,
    /// It is said, and nothing follows.
    Log,
    /// It is not checked.
    Skip,
}

/// The name of a level. `skip` is none: it verifies nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// Every check is enforced.
    Strict,
    /// Integrity and authenticity are.
    Permissive,
    /// Integrity is: anybody's signature counts.
    Audit,
}

/// A level with what was overridden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    authenticity: Action,
    authentic_timestamp: Action,
    expiry: Action,
    revocation: Action,
}

/// Why a level cannot be overridden so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// Integrity is always enforced.
    #[error("integrity cannot be overridden: it is always enforced")]
    Integrity,
    /// Only revocation can be skipped.
    #[error("{0:?} cannot be skipped: only revocation can")]
    Skip(Kind),
}

impl Level {
    /// A level with overrides.
    ///
    /// # Errors
    /// [`LevelError`].
    pub fn new(name: Name, overrides: &BTreeMap<Kind, Action>) -> Result<Self, LevelError> {
        let (authenticity, rest) = match name {
            Name::Strict => (Action::Enforce, Action::Enforce),
            Name::Permissive => (Action::Enforce, Action::Log),
            Name::Audit => (Action::Log, Action::Log),
        };
        let mut level = Self { authenticity, authentic_timestamp: rest, expiry: rest, revocation: rest };
        for (kind, action) in overrides {
            let place = match kind {
                Kind::Integrity => return Err(LevelError::Integrity),
                Kind::Authenticity => &mut level.authenticity,
                Kind::AuthenticTimestamp => &mut level.authentic_timestamp,
                Kind::Expiry => &mut level.expiry,
                Kind::Revocation => &mut level.revocation,
            };
            if *action == Action::Skip && *kind != Kind::Revocation {
                return Err(LevelError::Skip(*kind));
            }
            *place = *action;
        }
        Ok(level)
    }

    /// What follows when a check fails.
    pub const fn action(self, kind: Kind) -> Action {
        match kind {
            Kind::Integrity => Action::Enforce,
            Kind::Authenticity => self.authenticity,
            Kind::AuthenticTimestamp => self.authentic_timestamp,
            Kind::Expiry => self.expiry,
            Kind::Revocation => self.revocation,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Action, Kind, Level, LevelError, Name};

    const KINDS: [Kind; 5] =
        [Kind::Integrity, Kind::Authenticity, Kind::AuthenticTimestamp, Kind::Expiry, Kind::Revocation];

    #[test]
    fn levels_are_the_table_of_the_specification() {
        let (enforce, log) = (Action::Enforce, Action::Log);
        for (name, actions) in [
            (Name::Strict, [enforce; 5]),
            (Name::Permissive, [enforce, enforce, log, log, log]),
            (Name::Audit, [enforce, log, log, log, log]),
        ] {
            let level = Level::new(name, &BTreeMap::new()).expect("nothing overridden");
            assert_eq!(KINDS.map(|kind| level.action(kind)), actions);
        }
    }

    #[test]
    fn only_revocation_can_be_skipped_and_integrity_stays() {
        for kind in KINDS {
            let with = |action| Level::new(Name::Strict, &BTreeMap::from([(kind, action)]));
            match kind {
                Kind::Integrity => assert_eq!(with(Action::Log), Err(LevelError::Integrity)),
                Kind::Revocation => assert_eq!(with(Action::Skip).map(|it| it.action(kind)), Ok(Action::Skip)),
                kind => assert_eq!(with(Action::Skip), Err(LevelError::Skip(kind))),
            }
            if kind != Kind::Integrity {
                assert_eq!(with(Action::Log).map(|it| it.action(kind)), Ok(Action::Log));
            }
        }
    }
}
