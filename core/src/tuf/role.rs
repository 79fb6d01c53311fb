//! Names of roles and of the files that hold them, and what they are about (notary, tuf/data/roles.go; server/server.go).

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{MAX_DELEGATION_DEPTH, MAX_ROLE_NAME_BYTES};
use crate::reference::Repository;
use crate::text::excerpt;

/// A role: one of the four at the base, or a delegation below `targets`. The name is safe in a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(String);

/// A globally unique name: the collection that a set of role files is about, for images `registry/repository`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Gun(String);

/// Why a text is not the name of a role, or not that of a collection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleError {
    /// Neither one of the four roles nor below `targets/`.
    #[error("{0:?} is no role: root, targets, snapshot and timestamp are, and delegations below targets/")]
    Unknown(String),
    /// Characters that a role has not: `-`, `_`, digits and small letters are allowed, and the slash.
    #[error("role {0:?} has characters other than a-z, 0-9, -, _ and /")]
    Characters(String),
    /// An empty part: two slashes in a row, or one at an end. Such names leave the folder they seem to be in.
    #[error("role {0:?} has an empty part: two slashes in a row, or one at its end")]
    EmptyPart(String),
    /// Longer than any database of Notary holds.
    #[error("a role name of {got} octets, at most {MAX_ROLE_NAME_BYTES} are allowed")]
    Length {
        /// Octets it has.
        got: usize,
    },
    /// More levels of delegation than are followed.
    #[error("role {role:?} is {got} levels below targets, at most {MAX_DELEGATION_DEPTH} are followed")]
    Depth {
        /// The role.
        role: String,
        /// Levels below `targets`.
        got: usize,
    },
    /// Not the name of a collection.
    #[error("{0:?} is not the name of a collection: expected registry/repository")]
    Gun(String),
}

impl Role {
    /// The role that says which keys the others have.
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    /// The role that says what tags are.
    pub fn targets() -> Self {
        Self("targets".to_owned())
    }

    /// The role that says which files belong together.
    pub fn snapshot() -> Self {
        Self("snapshot".to_owned())
    }

    /// The role that says which snapshot is the newest.
    pub fn timestamp() -> Self {
        Self("timestamp".to_owned())
    }

    /// The delegation that Docker's clients ask before `targets`.
    pub fn releases() -> Self {
        Self("targets/releases".to_owned())
    }

    /// Reads the name of a role.
    ///
    /// # Errors
    /// [`RoleError`], one variant for each rule. `..` and everything else that leaves a folder is among them.
    pub fn parse(name: &str) -> Result<Self, RoleError> {
        if matches!(name, "root" | "targets" | "snapshot" | "timestamp") {
            return Ok(Self(name.to_owned()));
        }
        if name.len() > MAX_ROLE_NAME_BYTES {
            return Err(RoleError::Length { got: name.len() });
        }
        let Some(below) = name.strip_prefix("targets/") else { return Err(RoleError::Unknown(excerpt(name))) };
        if !below.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'/')) {
            return Err(RoleError::Characters(excerpt(name)));
        }
        if below.split('/').any(str::is_empty) {
            return Err(RoleError::EmptyPart(excerpt(name)));
        }
        let got = below.split('/').count();
        if got > MAX_DELEGATION_DEPTH {
            return Err(RoleError::Depth { role: excerpt(name), got });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is a delegation: below `targets`, not `targets` itself.
    pub fn is_delegation(&self) -> bool {
        self.0.starts_with("targets/")
    }

    /// Whether its file says what tags are: `targets` and everything below it.
    pub fn has_targets(&self) -> bool {
        self.0 == "targets" || self.is_delegation()
    }

    /// The role that delegates to this one: one level up. Nothing for the four at the base.
    pub fn parent(&self) -> Option<Self> {
        if !self.is_delegation() {
            return None;
        }
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The name of the newest file of the role.
    pub fn file(&self) -> String {
        format!("{}.json", self.0)
    }

    /// The name of the file with this SHA-256, in hexadecimal digits: the role stands in front of it.
    pub fn file_by_hash(&self, sha256: &[u8; 32]) -> String {
        format!("{}.{}.json", self.0, hex::encode(sha256))
    }

    /// The name of the file of this version: the version stands in front of the role.
    pub fn file_by_version(&self, version: u64) -> String {
        format!("{version}.{}.json", self.0)
    }

    /// Who can sign the role again, in plain terms.
    pub fn renewer(&self) -> &'static str {
        match self.0.as_str() {
            "root" => "whoever holds a root key",
            "timestamp" => "the Notary server, which signs it again when it is asked for it",
            "snapshot" => "the Notary server, or whoever holds the snapshot key if the server does not",
            "targets" => "whoever holds the targets key of the repository",
            _ => "whoever holds a key of this delegation, by publishing again",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Gun {
    /// Reads the name of a collection: parts of letters, digits, `.`, `_`, `-` and `:` (a port), none of them `.` or `..`.
    ///
    /// # Errors
    /// [`RoleError::Gun`].
    pub fn parse(name: &str) -> Result<Self, RoleError> {
        let fits = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':'))
        };
        if name.len() > MAX_ROLE_NAME_BYTES || !name.split('/').all(fits) {
            return Err(RoleError::Gun(excerpt(name)));
        }
        Ok(Self(name.to_owned()))
    }

    /// The collection that Docker's clients take for an image: its repository with the registry in front.
    pub fn of(repository: &Repository) -> Self {
        Self(repository.to_string())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is the prefix itself or below it. `host/team` holds `host/team/app` and not `host/teams`.
    pub fn is_within(&self, prefix: &str) -> bool {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        self.0.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Gun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Gun, Role, RoleError};
    use crate::reference::Repository;

    #[test]
    fn names_that_leave_their_folder_are_no_roles() {
        for (name, expected) in [
            ("mirrors", RoleError::Unknown("mirrors".to_owned())),
            ("Root", RoleError::Unknown("Root".to_owned())),
            ("", RoleError::Unknown(String::new())),
            ("targets/../root", RoleError::Characters("targets/../root".to_owned())),
            ("targets/A", RoleError::Characters("targets/A".to_owned())),
            ("targets/*", RoleError::Characters("targets/*".to_owned())),
            ("targets/a%2fb", RoleError::Characters("targets/a%2fb".to_owned())),
            ("targets/", RoleError::EmptyPart("targets/".to_owned())),
            ("targets//a", RoleError::EmptyPart("targets//a".to_owned())),
            ("targets/a/", RoleError::EmptyPart("targets/a/".to_owned())),
            ("targets/1/2/3/4/5/6/7/8/9", RoleError::Depth { role: "targets/1/2/3/4/5/6/7/8/9".to_owned(), got: 9 }),
        ] {
            assert_eq!(Role::parse(name), Err(expected), "{name}");
        }
        let long = format!("targets/{}", "a".repeat(248));
        assert_eq!(Role::parse(&long), Err(RoleError::Length { got: 256 }));
        assert!(Role::parse(long.get(..255).expect("ASCII")).is_ok());
    }

    #[test]
    fn files_are_named_after_roles() {
        let role = Role::parse("targets/releases").expect("a role");
        assert_eq!(role, Role::releases());
        assert_eq!(role.parent(), Some(Role::targets()));
        assert_eq!(Role::targets().parent(), None);
        assert_eq!(role.file(), "targets/releases.json");
        assert_eq!(role.file_by_hash(&[0xab; 32]), format!("targets/releases.{}.json", "ab".repeat(32)));
        assert_eq!(Role::root().file_by_version(3), "3.root.json");
    }

    #[test]
    fn a_prefix_ends_where_a_part_ends() {
        let gun = Gun::of(&Repository::parse("alpine").expect("valid"));
        assert_eq!(gun.name(), "docker.io/library/alpine");
        for prefix in ["docker.io", "docker.io/", "docker.io/library", "docker.io/library/alpine"] {
            assert!(gun.is_within(prefix), "{prefix}");
        }
        for prefix in ["docker.i", "docker.io/lib", "docker.io/library/alp", "other"] {
            assert!(!gun.is_within(prefix), "{prefix}");
        }
        assert!(Gun::parse("localhost:5000/app").is_ok());
        for bad in ["", "a//b", "../a", "a/..", "a b", "a/*", "a/é", "/a"] {
            assert_eq!(Gun::parse(bad), Err(RoleError::Gun(bad.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn a_role_is_one_path_below_its_folder(name in "(targets/)?[a-zA-Z0-9_./*%-]{0,40}") {
            if let Ok(role) = Role::parse(&name) {
                prop_assert_eq!(role.name(), name.as_str());
                prop_assert!(!name.contains("..") && !name.contains("//") && !name.ends_with('/'));
            }
        }
    }
}
