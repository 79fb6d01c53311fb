//! The repositories that the gateway reads and writes, by name: a host evaluates no patterns, those are the module's.

use bulla_registry::is_repository;

use super::refusal::Refusal;

pub(super) struct Places {
    /// A registry, and the repository there that stands for itself and those below it; without one, all of them.
    listed: Vec<(String, Option<String>)>,
}

impl Places {
    pub(super) fn new(listed: &[String]) -> Self {
        let parts = |place: &String| match place.split_once('/') {
            Some((registry, repository)) => (registry.to_owned(), Some(repository.to_owned())),
            None => (place.clone(), None),
        };
        Self { listed: listed.iter().map(parts).collect() }
    }

    /// Whether this repository is one of them.
    pub(super) fn check(&self, registry: &str, repository: &str) -> Result<(), Refusal> {
        let below =
            |listed: &str| repository.strip_prefix(listed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_listed =
            |(known, listed): &(String, Option<String>)| known == registry && listed.as_deref().is_none_or(below);
        // Names that break the grammar could mean another place once they are in an address.
        if is_repository(repository) && self.listed.iter().any(is_listed) {
            return Ok(());
        }
        Err(Refusal::OtherPlace { place: format!("{registry}/{repository}") })
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn a_repository_stands_for_those_below_it() {
        let places = Places::new(&["registry.example/team".to_owned(), "other.example:5000".to_owned()]);
        for (registry, repository, want) in [
            ("registry.example", "team", true),
            ("registry.example", "team/app/debug", true),
            ("registry.example", "teams", false),
            ("registry.example", "other", false),
            ("registry.example", "team/../other", false),
            ("registry.example", "", false),
            ("other.example:5000", "anything", true),
            ("other.example", "anything", false),
            ("OTHER.example:5000", "anything", false),
        ] {
            assert_eq!(places.check(registry, repository).is_ok(), want, "{registry}/{repository}");
        }
    }
}
