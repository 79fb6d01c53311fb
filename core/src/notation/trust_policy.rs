//! Notation's own trust policy documents, for artifacts in registries and for blobs (trust-store-trust-policy.md, "Trust Policy").
//!
//! A document is read to its end, so that whoever wrote it sees everything that is wrong at once.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::level::{Action, Kind, Level, LevelError, Name};
use super::trust_store::{Identities, IdentitiesError, StoreKind, VerifyTimestamp};
use crate::json::{self, JsonError};
use crate::limits::{MAX_POLICY_BYTES, MAX_TRUST_ENTRIES};
use crate::reference::Repository;
use crate::text::excerpt;

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
        let mut reader = Reader { errors: Vec::new() };
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

struct Reader {
    errors: Vec<PolicyError>,
}

impl Reader {
    fn refuse<T>(&mut self, path: &str, rule: impl Into<Rule>) -> Option<T> {
        self.errors.push(PolicyError { path: path.to_owned(), rule: rule.into() });
        None
    }

    fn object<'v>(&mut self, value: &'v Value, path: &str, known: &[&str]) -> Option<&'v Map<String, Value>> {
        let Some(members) = value.as_object() else { return self.refuse(path, Rule::Type("an object")) };
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            self.refuse::<()>(&join(path, &excerpt(name)), Rule::Unknown);
        }
        Some(members)
    }

    fn text<'v>(&mut self, value: &'v Value, path: &str) -> Option<&'v str> {
        match value.as_str() {
            Some(text) => Some(text),
            None => self.refuse(path, Rule::Type("text")),
        }
    }

    /// A list, each item with its path. Empty when there is none.
    fn list<'v>(&mut self, members: &'v Map<String, Value>, path: &str, field: &str) -> Vec<(String, &'v Value)> {
        let path = join(path, field);
        let items = match members.get(field) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => return self.refuse(&path, Rule::Type("a list")).unwrap_or_default(),
        };
        if items.len() > MAX_TRUST_ENTRIES {
            return self.refuse(&path, Rule::TooMany { got: items.len() }).unwrap_or_default();
        }
        items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
    }

    fn document(&mut self, value: &Value, kind: DocumentKind) -> Vec<Statement> {
        let Some(members) = self.object(value, "", &["version", "trustPolicies"]) else { return Vec::new() };
        match members.get("version").map(Value::as_str) {
            Some(Some("1.0")) => {}
            None => drop(self.refuse::<()>("version", Rule::Missing)),
            Some(other) => drop(self.refuse::<()>("version", Rule::Version(excerpt(other.unwrap_or_default())))),
        }
        let list = self.list(members, "", "trustPolicies");
        if list.is_empty() && self.errors.is_empty() {
            self.refuse::<()>("trustPolicies", Rule::Missing);
        }
        let mut statements: Vec<Statement> = Vec::new();
        for (path, value) in list {
            let Some(statement) = self.statement(value, &path, kind) else { continue };
            if statements.iter().any(|earlier| earlier.name == statement.name) {
                self.refuse::<()>(&join(&path, "name"), Rule::Twice(excerpt(&statement.name)));
            }
            self.compare_scopes(&statements, &statement, &path);
            statements.push(statement);
        }
        statements
    }

    fn compare_scopes(&mut self, earlier: &[Statement], statement: &Statement, path: &str) {
        for other in earlier {
            match (&other.scopes, &statement.scopes) {
                (Scopes::Rest, Scopes::Rest) => drop(self.refuse::<()>(path, Rule::ScopeTwice("*".to_owned()))),
                (Scopes::Repositories(taken), Scopes::Repositories(scopes)) => {
                    for scope in scopes.iter().filter(|scope| taken.contains(scope)) {
                        self.refuse::<()>(&join(path, "registryScopes"), Rule::ScopeTwice(scope.to_string()));
                    }
                }
                _ => {}
            }
        }
    }

    fn statement(&mut self, value: &Value, path: &str, kind: DocumentKind) -> Option<Statement> {
        let about = match kind {
            DocumentKind::Oci => "registryScopes",
            DocumentKind::Blob => "globalPolicy",
        };
        let known = ["name", "signatureVerification", "trustStores", "trustedIdentities", about];
        let members = self.object(value, path, &known)?;
        let name = match members.get("name") {
            None => self.refuse(&join(path, "name"), Rule::Missing),
            Some(name) => self.text(name, &join(path, "name")),
        };
        if name == Some("") {
            self.refuse::<()>(&join(path, "name"), Rule::Missing);
        }
        let scopes = match kind {
            DocumentKind::Oci => self.scopes(members, path),
            DocumentKind::Blob => self.global(members, path),
        };
        let place = join(path, "signatureVerification");
        let verification = match members.get("signatureVerification") {
            None => self.refuse(&place, Rule::Missing),
            Some(verification) => self.object(verification, &place, &["level", "override", "verifyTimestamp"]),
        };
        let requirement = verification.and_then(|verification| self.requirement(verification, members, path));
        let (name, scopes, requirement) = (name?.to_owned(), scopes?, requirement?);
        if scopes == Scopes::Rest && requirement.is_none() {
            self.refuse::<()>(&join(&place, "level"), Rule::SkipsEverything);
        }
        Some(Statement { name, scopes, requirement })
    }

    fn scopes(&mut self, members: &Map<String, Value>, path: &str) -> Option<Scopes> {
        let list = self.list(members, path, "registryScopes");
        if list.is_empty() {
            return self.refuse(&join(path, "registryScopes"), Rule::Missing);
        }
        if let [(_, Value::String(one))] = list.as_slice()
            && one == "*"
        {
            return Some(Scopes::Rest);
        }
        let (wanted, mut scopes) = (list.len(), Vec::new());
        for (path, item) in list {
            let Some(text) = self.text(item, &path) else { continue };
            match Repository::parse(text) {
                _ if text == "*" => drop(self.refuse::<()>(&path, Rule::Wildcard)),
                // A name that is short for another one is not written in full.
                Ok(scope) if scope.to_string() == text => {
                    if scopes.contains(&scope) {
                        self.refuse::<()>(&path, Rule::Twice(excerpt(text)));
                    }
                    scopes.push(scope);
                }
                _ => drop(self.refuse::<()>(&path, Rule::Scope(excerpt(text)))),
            }
        }
        (scopes.len() == wanted).then_some(Scopes::Repositories(scopes))
    }

    fn global(&mut self, members: &Map<String, Value>, path: &str) -> Option<Scopes> {
        match members.get("globalPolicy") {
            None | Some(Value::Bool(false)) => Some(Scopes::Named),
            Some(Value::Bool(true)) => Some(Scopes::Rest),
            Some(_) => self.refuse(&join(path, "globalPolicy"), Rule::Type("true or false")),
        }
    }

    /// What the statement wants; nothing inside for `skip`.
    fn requirement(
        &mut self,
        verification: &Map<String, Value>,
        members: &Map<String, Value>,
        path: &str,
    ) -> Option<Option<Requirement>> {
        let place = join(path, "signatureVerification");
        let level_place = join(&place, "level");
        let level = match verification.get("level") {
            None => self.refuse(&level_place, Rule::Missing),
            Some(level) => self.text(level, &level_place),
        };
        let name = match level? {
            "strict" => Name::Strict,
            "permissive" => Name::Permissive,
            "audit" => Name::Audit,
            "skip" => {
                for (there, place, name) in [
                    (verification.contains_key("override"), join(&place, "override"), "override"),
                    (!is_empty(members.get("trustStores")), join(path, "trustStores"), "trust stores"),
                    (
                        !is_empty(members.get("trustedIdentities")),
                        join(path, "trustedIdentities"),
                        "trusted identities",
                    ),
                ] {
                    if there {
                        self.refuse::<()>(&place, Rule::BesideSkip(name));
                    }
                }
                return Some(None);
            }
            other => return self.refuse(&level_place, Rule::Level(excerpt(other))),
        };
        let overrides = self.overrides(verification.get("override"), &join(&place, "override"));
        let level = match Level::new(name, &overrides) {
            Ok(level) => Some(level),
            Err(error) => self.refuse(&join(&place, "override"), error),
        };
        let time_place = join(&place, "verifyTimestamp");
        let verify_timestamp = match verification.get("verifyTimestamp") {
            None => Some(VerifyTimestamp::Always),
            Some(value) => match self.text(value, &time_place) {
                Some("always") => Some(VerifyTimestamp::Always),
                Some("afterCertExpiry") => Some(VerifyTimestamp::AfterCertExpiry),
                Some(other) => self.refuse(&time_place, Rule::VerifyTimestamp(excerpt(other))),
                None => None,
            },
        };
        let stores = self.stores(members, path);
        let (identities, identity_texts) = self.identities(members, path)?;
        let (level, verify_timestamp) = (level?, verify_timestamp?);
        Some(Some(Requirement { name, overrides, level, verify_timestamp, stores, identities, identity_texts }))
    }

    fn overrides(&mut self, value: Option<&Value>, path: &str) -> BTreeMap<Kind, Action> {
        let mut overrides = BTreeMap::new();
        let Some(value) = value else { return overrides };
        let Some(members) = value.as_object() else {
            self.refuse::<()>(path, Rule::Type("an object"));
            return overrides;
        };
        for (name, action) in members {
            let place = join(path, &excerpt(name));
            let kind = serde_json::from_value(Value::String(name.clone())).ok();
            let kind: Option<Kind> = kind.or_else(|| self.refuse(&place, Rule::Check(excerpt(name))));
            let action = self.text(action, &place).and_then(|text| {
                let action = serde_json::from_value(Value::String(text.to_owned())).ok();
                action.or_else(|| self.refuse(&place, Rule::Action(excerpt(text))))
            });
            overrides.extend(kind.zip(action));
        }
        overrides
    }

    fn stores(&mut self, members: &Map<String, Value>, path: &str) -> Vec<(StoreKind, String)> {
        let list = self.list(members, path, "trustStores");
        if list.is_empty() {
            self.refuse::<()>(&join(path, "trustStores"), Rule::Missing);
        }
        let mut stores = Vec::new();
        for (path, item) in list {
            let Some(text) = self.text(item, &path) else { continue };
            let fits = |name: &str| {
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
                // These two are folders of their own meaning.
                !name.is_empty() && name.bytes().all(is_name) && name != "." && name != ".."
            };
            let store = text.split_once(':').filter(|(_, name)| fits(name));
            let store = store.and_then(|(kind, name)| Some((StoreKind::from_name(kind)?, name.to_owned())));
            match store {
                None => drop(self.refuse::<()>(&path, Rule::Store(excerpt(text)))),
                Some(store) if stores.contains(&store) => drop(self.refuse::<()>(&path, Rule::Twice(excerpt(text)))),
                Some(store) => stores.push(store),
            }
        }
        stores
    }

    fn identities(&mut self, members: &Map<String, Value>, path: &str) -> Option<(Identities, Vec<String>)> {
        let list = self.list(members, path, "trustedIdentities");
        let wanted = list.len();
        let texts: Vec<String> =
            list.into_iter().filter_map(|(path, item)| self.text(item, &path).map(str::to_owned)).collect();
        if texts.len() != wanted {
            return None;
        }
        match Identities::read(&texts) {
            Ok(identities) => Some((identities, texts)),
            Err(error) => {
                let place = join(path, "trustedIdentities");
                let place = error.position().map_or(place.clone(), |position| format!("{place}[{position}]"));
                self.refuse(&place, error)
            }
        }
    }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn is_empty(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.as_array().is_some_and(Vec::is_empty))
}
