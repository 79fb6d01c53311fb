//! Breaking the glass: somebody named admits an image that a policy would refuse, says why, and it is recorded.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::document::read_namespaces;
use crate::limits::MAX_GLASS_BREAKERS;
use crate::yaml::{Document, YamlError};

/// Who may break the glass. Nobody, where a policy does not say so.
#[derive(Debug, Clone)]
pub struct BreakGlass {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
    namespaces: Vec<String>,
}

/// Who asks, as the API server has authenticated them (k8s.io/api/authentication/v1, `UserInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name, e.g. `alice@example.com` or `system:serviceaccount:default:deployer`.
    pub name: String,
    /// The groups that this user is in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakGlassDocument {
    #[serde(default)]
    users: BTreeSet<String>,
    #[serde(default)]
    groups: BTreeSet<String>,
    #[serde(default)]
    namespaces: Option<Vec<String>>,
}

/// Whether whoever may create anything at all asks as this, or has controllers that do.
fn is_everybody(name: &str) -> bool {
    let all = ["system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:nodes"];
    all.contains(&name)
        || name == "system:serviceaccounts:kube-system"
        || name.starts_with("system:serviceaccount:kube-system:")
        || name.starts_with("system:kube-controller-manager")
}

impl BreakGlass {
    /// Reads who may, from a document.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn read(source: BreakGlassDocument, document: &Document) -> Result<Self, YamlError> {
        const PATH: &str = "spec.breakGlass";
        let BreakGlassDocument { users, groups, namespaces } = source;
        if users.is_empty() && groups.is_empty() {
            return Err(document.error(PATH, "nobody may break it: list users or groups, or leave it out"));
        }
        if users.len().saturating_add(groups.len()) > MAX_GLASS_BREAKERS {
            return Err(document.error(PATH, format!("more than {MAX_GLASS_BREAKERS} users and groups")));
        }
        for (names, field) in [(&users, "users"), (&groups, "groups")] {
            if names.iter().any(|name| name.trim().is_empty()) {
                return Err(document.error(&format!("{PATH}.{field}"), "a name is empty"));
            }
            if let Some(name) = names.iter().find(|name| is_everybody(name)) {
                let message = format!("{name:?} would let everybody in who may create a Deployment");
                return Err(document.error(&format!("{PATH}.{field}"), message));
            }
        }
        Ok(Self { users, groups, namespaces: read_namespaces(namespaces, &format!("{PATH}.namespaces"), document)? })
    }

    /// Whether this user may break the glass in this namespace. Where the namespace is not known, only one who may anywhere.
    pub fn lets(&self, user: &User, namespace: Option<&str>) -> bool {
        let is_there = self.namespaces.is_empty()
            || namespace.is_some_and(|namespace| self.namespaces.iter().any(|wanted| wanted == namespace));
        is_there && (self.users.contains(&user.name) || !self.groups.is_disjoint(&user.groups))
    }
}
