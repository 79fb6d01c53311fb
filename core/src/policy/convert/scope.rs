//! Scopes of the transport `docker` in containers-policy.json: prefixes of names as they stand in full.

use crate::glob::Pattern;
use crate::reference::Repository;

/// A scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// `""`: what no other scope matches.
    Rest,
    /// `*.example.com`: every host below.
    Hosts,
    /// A host, a namespace or a repository, and everything below it.
    Below(String),
}

impl Scope {
    /// Reads a scope.
    ///
    /// # Errors
    /// Why ours cannot say it, or why it matches nothing there.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Rest);
        }
        if text.starts_with("*.") {
            return Ok(Self::Hosts);
        }
        let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
        if text.contains('@') || path.is_some_and(|path| path.contains(':')) {
            return Err("it names a tag or digest, and our patterns are repositories".to_owned());
        }
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(format!("it matches nothing: names stand in full there, as docker.io/{text}"));
        }
        if text.contains('*') || host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(
                "it matches nothing: stars stand for whole subdomains only, and hosts are in lower case".to_owned()
            );
        }
        if ["index.docker.io", "registry-1.docker.io"].contains(&host) {
            return Err("Docker Hub is docker.io in scopes".to_owned());
        }
        // The shape of a name below it; a bare name on Docker Hub is no repository there.
        Repository::parse(&format!("{text}/a")).map_err(|problem| problem.to_string())?;
        let scope = Self::Below(text.to_owned());
        Pattern::parse(&scope.pattern()).map_err(|problem| problem.to_string())?;
        Ok(scope)
    }

    /// What it matches, as a pattern of ours: the scope itself and all below.
    pub(super) fn pattern(&self) -> String {
        match self {
            Self::Below(text) => format!("{text}/**"),
            Self::Rest | Self::Hosts => String::new(),
        }
    }

    /// Whether this scope is inside the other, and not the same.
    pub(super) fn is_inside(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Below(text), Self::Below(wider)) => {
                text.strip_prefix(wider.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn a_scope_is_itself_and_what_is_below() {
        let scope = |text: &str| Scope::read(text).expect("a scope");
        assert_eq!(scope("host.example:5000/ns").pattern(), "host.example:5000/ns/**");
        assert_eq!(scope("docker.io/library").pattern(), "docker.io/library/**");
        assert_eq!(scope("host.example").pattern(), "host.example/**");
        assert!(scope("host.example/a/b").is_inside(&scope("host.example/a")));
        assert!(!scope("host.example/ab").is_inside(&scope("host.example/a")));
        assert!(!scope("host.example/a").is_inside(&scope("host.example/a")));
        assert!(scope("host.example/a").is_inside(&scope("host.example")));
        for (text, hint) in [
            ("bogus/example", "docker.io/bogus/example"),
            ("host.example/app:1", "tag or digest"),
            ("host.example/app@sha256:aa", "tag or digest"),
            ("HOST.example/app", "lower case"),
            ("a*.example", "whole subdomains"),
            ("index.docker.io/library", "docker.io in scopes"),
            ("host.example/", "not a name"),
        ] {
            assert!(Scope::read(text).is_err_and(|error| error.contains(hint)), "{text}: {:?}", Scope::read(text));
        }
    }
}
