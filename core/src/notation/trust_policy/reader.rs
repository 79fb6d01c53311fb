//! Reading a trust policy document, value by value (trust-store-trust-policy.md, "Trust Policy Properties").

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{DocumentKind, PolicyError, Requirement, Rule, Scopes, Statement};
use crate::limits::MAX_TRUST_ENTRIES;
use crate::notation::level::{Action, Kind, Level, Name};
use crate::notation::trust_store::{Identities, StoreKind, VerifyTimestamp};
use crate::reference::Repository;
use crate::text::excerpt;

/// What was found on the way.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) errors: Vec<PolicyError>,
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

    /// The statements of a document; those that break a rule are left out, and their errors noted.
    pub(super) fn document(&mut self, value: &Value, kind: DocumentKind) -> Vec<Statement> {
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
