//! Notation's own trust policy documents, for artifacts in registries and for blobs (trust-store-trust-policy.md, "Trust Policy").
//!
//! A document is read to its end, so that whoever wrote it sees everything that is wrong at once.

mod reader;
mod stores;
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use self::reader::Reader;
pub use self::stores::StoreFilesError;
use super::level::{Action, Kind, Level, LevelError, Name};
use super::trust_store::{Identities, IdentitiesError, StoreKind, VerifyTimestamp};
use crate::json::{self, JsonError};
use crate::limits::{MAX_POLICY_BYTES, MAX_TRUST_ENTRIES};
use crate::reference::Repository;

/// Which of the two documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// `trustpolicy.oci.json`, and the older `trustpolicy.json`.
    Oci,
    /// `trustpolicy.blob.json`.
    Blob,
}

/// A document that follows all rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its statements, in their order.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub scopes: Scopes,
    /// What it wants; nothing for the level `skip`, which takes anything.
    pub requirement: Option<Requirement>,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scopes {
    /// Everything that no other one is about: `["*"]`, or `globalPolicy`.
    Rest,
    /// These repositories.
    Repositories(Vec<Repository>),
    /// Blobs, when it is asked for by name.
    Named,
}

/// What a statement wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The name of the level.
    pub name: Name,
    /// What was overridden in it.
    pub overrides: BTreeMap<Kind, Action>,
    /// The level with that.
    pub level: Level,
    /// When a timestamp is looked at.
    pub verify_timestamp: VerifyTimestamp,
    /// The trust stores, by kind and name.
    pub stores: Vec<(StoreKind, String)>,
    /// The identities, as they were read.
    pub identities: Identities,
    /// The identities, as they stand there.
    pub identity_texts: Vec<String>,
}

/// A value that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {rule}")]
pub struct PolicyError {
    /// Where, e.g. `trustPolicies[0].trustStores[1]`.
    pub path: String,
    /// Which rule.
    pub rule: Rule,
}

/// The rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// Strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Another type.
    #[error("expected {0}")]
    Type(&'static str),
    /// A field that is not there.
    #[error("unknown field")]
    Unknown,
    /// A field that has to be there, and not empty.
    #[error("it is needed")]
    Missing,
    /// Another version.
    #[error("version {0:?} is not supported: \"1.0\" is")]
    Version(String),
    /// More than [`MAX_TRUST_ENTRIES`].
    #[error("{got} entries, at most {MAX_TRUST_ENTRIES} are read")]
    TooMany {
        /// Entries there are.
        got: usize,
    },
    /// One name twice.
    #[error("{0:?} is there twice")]
    Twice(String),
    /// No level.
    #[error("{0:?} is no level: strict, permissive, audit and skip are")]
    Level(String),
    /// A check that there is none.
    #[error("{0:?} is no check: authenticity, authenticTimestamp, expiry and revocation can be overridden")]
    Check(String),
    /// No action.
    #[error("{0:?} is no action: enforce, log and skip are")]
    Action(String),
    /// An override that is not allowed.
    #[error(transparent)]
    Override(#[from] LevelError),
    /// `skip` with something beside it.
    #[error("a statement that skips verification has no {0}")]
    BesideSkip(&'static str),
    /// `skip` for everything.
    #[error("skip is not allowed for everything: name what is not verified")]
    SkipsEverything,
    /// Another value of `verifyTimestamp`.
    #[error("{0:?} is neither always nor afterCertExpiry")]
    VerifyTimestamp(String),
    /// A trust store that is none.
    #[error("{0:?} is no trust store: expected ca:NAME, signingAuthority:NAME or tsa:NAME")]
    Store(String),
    /// Identities that are not accepted.
    #[error(transparent)]
    Identities(#[from] IdentitiesError),
    /// `*` beside other scopes.
    #[error("\"*\" has to stand alone")]
    Wildcard,
    /// A scope that is no repository in full.
    #[error(
        "{0:?} is no repository in full: expected a registry and a repository, without scheme, tag, digest and star"
    )]
    Scope(String),
    /// One scope in two statements, or two for everything.
    #[error("{0:?} belongs to another statement already")]
    ScopeTwice(String),
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// [`PolicyError`], one for each value that breaks a rule.
    pub fn parse(bytes: &[u8], kind: DocumentKind) -> Result<Self, Vec<PolicyError>> {
        let failed = |rule: Rule| vec![PolicyError { path: String::new(), rule }];
        let value = json::parse(bytes, MAX_POLICY_BYTES).map_err(|error| failed(error.into()))?;
        Self::read(&value, kind)
    }

    /// Reads a document that was parsed.
    ///
    /// # Errors
    /// [`PolicyError`], one for each value that breaks a rule.
    pub fn read(value: &Value, kind: DocumentKind) -> Result<Self, Vec<PolicyError>> {
        let mut reader = Reader::default();
        let statements = reader.document(value, kind);
        match reader.errors.is_empty() {
            true => Ok(Self { statements }),
            false => Err(reader.errors),
        }
    }

    /// The statement about a repository: the one that names it, else the one about the rest.
    pub fn for_repository(&self, repository: &Repository) -> Option<&Statement> {
        let named = |statement: &&Statement| match &statement.scopes {
            Scopes::Repositories(scopes) => scopes.contains(repository),
            Scopes::Rest | Scopes::Named => false,
        };
        self.statements.iter().find(named).or_else(|| self.rest())
    }

    /// The statement about blobs with this name, or the global one.
    pub fn for_blobs(&self, name: Option<&str>) -> Option<&Statement> {
        match name {
            Some(name) => self.statements.iter().find(|statement| statement.name == name),
            None => self.rest(),
        }
    }

    fn rest(&self) -> Option<&Statement> {
        self.statements.iter().find(|statement| statement.scopes == Scopes::Rest)
    }
}
