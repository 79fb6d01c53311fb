//! Repositories that hold copies of others: an image keeps the identity that it was signed with when it is copied.

use serde::Deserialize;

use crate::limits::MAX_MIRRORS;
use crate::reference::Repository;
use crate::yaml::{Document, YamlError};

/// Repositories on one side that are copies of those on the other, name by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mirror {
    from: Prefix,
    signed_as: Prefix,
}

/// A registry, or a repository on it with everything below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix {
    registry: String,
    /// Without slashes at its ends; empty for a whole registry.
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MirrorDocument {
    from: String,
    signed_as: String,
}

impl Mirror {
    /// Reads the mirrors at this path of a document. No two of them are about one repository, so that each has one other name.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub(super) fn read_all(
        sources: &[MirrorDocument],
        path: &str,
        document: &Document,
    ) -> Result<Vec<Self>, YamlError> {
        if sources.len() > MAX_MIRRORS {
            return Err(document.error(path, format!("more than {MAX_MIRRORS} mirrors")));
        }
        let mut mirrors: Vec<Self> = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let prefix = |text: &str, field: &str| {
                Prefix::parse(text).map_err(|problem| document.error(&format!("{path}[{index}].{field}"), problem))
            };
            let mirror =
                Self { from: prefix(&source.from, "from")?, signed_as: prefix(&source.signed_as, "signedAs")? };
            let here = format!("{path}[{index}].from");
            if mirror.from == mirror.signed_as {
                return Err(document.error(&here, "it mirrors itself: from and signedAs are the same"));
            }
            if mirrors.iter().any(|other| other.from.contains(&mirror.from) || mirror.from.contains(&other.from)) {
                return Err(document.error(&here, "another mirror is about the same repositories: list each once"));
            }
            mirrors.push(mirror);
        }
        Ok(mirrors)
    }

    /// The repository that this one is a copy of.
    pub(super) fn source_of(&self, repository: &Repository) -> Option<Repository> {
        let rest = self.from.rest(repository.registry(), repository.path())?;
        let parts = [self.signed_as.path.as_str(), rest];
        let path = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        if path.is_empty() {
            // A registry alone is no repository, and would read as a short name on Docker Hub.
            return None;
        }
        let name = format!("{}/{path}", self.signed_as.registry);
        Repository::parse(&name).ok()
    }
}

impl Prefix {
    /// Reads a registry, or a repository on one. The registry stands in full, as it does in patterns.
    fn parse(text: &str) -> Result<Self, String> {
        let host = text.split('/').next().unwrap_or_default();
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(format!("{:?} names no registry: write e.g. docker.io/library", crate::text::excerpt(text)));
        }
        // As a repository below it would be read; two segments, so that none of Docker Hub's short names comes out.
        let below = Repository::parse(&format!("{text}/a/b")).map_err(|error| error.problem)?;
        let path = below.path().strip_suffix("a/b").unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Self { registry: below.registry().to_owned(), path })
    }

    /// What stands behind this prefix in a name; empty for the repository itself.
    fn rest<'p>(&self, registry: &str, path: &'p str) -> Option<&'p str> {
        if self.registry != registry {
            return None;
        }
        if self.path.is_empty() || self.path == path {
            return path.strip_prefix(&self.path);
        }
        path.strip_prefix(&self.path)?.strip_prefix('/')
    }

    fn contains(&self, other: &Self) -> bool {
        self.rest(&other.registry, &other.path).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{Mirror, Prefix};
    use crate::reference::Repository;

    fn source(from: &str, signed_as: &str, repository: &str) -> Option<String> {
        let prefix = |text: &str| Prefix::parse(text).expect("a prefix");
        let mirror = Mirror { from: prefix(from), signed_as: prefix(signed_as) };
        mirror.source_of(&Repository::parse(repository).expect("a repository")).map(|source| source.to_string())
    }

    #[test]
    fn a_copy_has_the_name_of_what_it_was_copied_from() {
        for (from, signed_as, repository, want) in [
            ("a.example/app", "b.example/app", "a.example/app", Some("b.example/app")),
            ("a.example/app", "b.example/app", "a.example/app/web", Some("b.example/app/web")),
            ("a.example/app", "b.example/app", "a.example/app2", None),
            ("a.example/app", "b.example/app", "a.example/other/app", None),
            ("a.example/app", "b.example/app", "a.example:443/app", None),
            ("a.example/app", "b.example/app", "b.example/app", None),
            ("a.example", "b.example", "a.example/x/y", Some("b.example/x/y")),
            ("a.example", "b.example/mirror", "a.example/x", Some("b.example/mirror/x")),
            ("a.example/hub", "docker.io", "a.example/hub/library/nginx", Some("docker.io/library/nginx")),
            ("a.example/hub", "docker.io/library", "a.example/hub/nginx", Some("docker.io/library/nginx")),
            ("a.example/hub", "docker.io", "a.example/hub", None),
            ("a.example/hub", "b.example", "a.example/hub", None),
            ("docker.io", "b.example/hub", "nginx", Some("b.example/hub/library/nginx")),
            ("A.example/app", "b.example/app", "a.example/app", Some("b.example/app")),
        ] {
            assert_eq!(source(from, signed_as, repository).as_deref(), want, "{from} {signed_as} {repository}");
        }
    }

    #[test]
    fn a_prefix_names_its_registry_and_nothing_but_repositories() {
        for text in ["", "nginx", "team/app", "a.example/", "a.example/App", "a.example/app:1", "a.example/**", "/app"]
        {
            assert!(Prefix::parse(text).is_err(), "{text}");
        }
    }
}
