//! Patterns over repositories: `*` within one segment, `**` for any number of whole segments, the host in full.
//!
//! Patterns are anchored at both ends and matched against the normalised repository, never against raw text. What would
//! match more than it seems to is refused: `ghcr.io/org**` would also be `ghcr.io/organisation`, `*/app` any registry.

use core::fmt;

use crate::reference::Repository;
use crate::text::excerpt;

/// Segments of one pattern; repositories have at most 255 characters, so 128 segments.
const MAX_SEGMENTS: usize = 128;

/// A pattern that names a registry in full and repositories on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    registry: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// One segment; `*` in it stands for any characters but `/`.
    One(String),
    /// `**`: any number of segments, none included.
    Any,
}

/// Why a text is not a pattern, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image pattern {pattern:?}: {problem}")]
pub struct PatternError {
    /// The pattern as it came, made fit to be shown.
    pub pattern: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl Pattern {
    /// Reads a pattern such as `registry.example/team/**` or `docker.io/library/nginx`.
    ///
    /// # Errors
    /// [`PatternError`] for a pattern that is not anchored at a registry, names a tag or digest, or has `**` inside a segment.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::read(text).map_err(|problem| PatternError { pattern: excerpt(text), problem })
    }

    fn read(text: &str) -> Result<Self, String> {
        let Some((host, path)) = text.split_once('/') else {
            return Err(
                "it names no registry: write the host and a repository, e.g. docker.io/library/nginx".to_owned()
            );
        };
        if host.contains('*') {
            return Err(
                "it is not anchored: the registry must be named in full. To match every image say `everyImage: true`"
                    .to_owned(),
            );
        }
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(format!("{host:?} is not a registry host: write docker.io/{text}"));
        }
        if path.contains('@') || path.rsplit('/').next().is_some_and(|last| last.contains(':')) {
            return Err("patterns match repositories: leave tag and digest out".to_owned());
        }
        // The host and the literal shape of the path must be able to name a repository at all.
        let stand_in = format!("{host}/{}", path.replace("**", "a").replace('*', "a"));
        let shape = Repository::parse(&stand_in).map_err(|error| error.problem)?;
        let segments = path
            .split('/')
            .map(|segment| match segment {
                "**" => Ok(Segment::Any),
                inside if inside.contains("**") => Err(format!(
                    "`**` stands for whole segments, so {inside:?} would match more than it seems to: write `{}/**`",
                    inside.replace('*', "")
                )),
                one => Ok(Segment::One(one.to_owned())),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(format!("more than {MAX_SEGMENTS} segments"));
        }
        let segments = if shape.registry() == "docker.io" && segments.len() == 1 && segments != [Segment::Any] {
            let mut full = vec![Segment::One("library".to_owned())];
            full.extend(segments);
            full
        } else {
            segments
        };
        Ok(Self { text: text.to_owned(), registry: shape.registry().to_owned(), segments })
    }

    /// Whether the whole repository matches.
    pub fn matches(&self, repository: &Repository) -> bool {
        if self.registry != repository.registry() {
            return false;
        }
        let path: Vec<&str> = repository.path().split('/').collect();
        // `reach[i]`: the pattern so far matches exactly the first i segments. One row at a time: no backtracking.
        let mut reach = vec![false; path.len().saturating_add(1)];
        if let Some(start) = reach.first_mut() {
            *start = true;
        }
        for segment in &self.segments {
            reach = match segment {
                Segment::Any => {
                    let mut seen = false;
                    reach
                        .iter()
                        .map(|here| {
                            seen |= here;
                            seen
                        })
                        .collect()
                }
                Segment::One(pattern) => core::iter::once(false)
                    .chain(reach.iter().zip(&path).map(|(here, name)| *here && segment_matches(pattern, name)))
                    .collect(),
            };
        }
        reach.last().copied().unwrap_or(false)
    }

    /// The registry that the pattern names.
    pub fn registry(&self) -> &str {
        &self.registry
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// `*` stands for any characters; the rest is literal. The parts between stars are found from left to right, which is
/// enough because each may match at its first place.
fn segment_matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Pattern, segment_matches};
    use crate::reference::Repository;

    fn matches(pattern: &str, repository: &str) -> bool {
        Pattern::parse(pattern).expect("valid pattern").matches(&Repository::parse(repository).expect("valid name"))
    }

    #[test]
    fn patterns_match_whole_segments() {
        assert!(matches("ghcr.io/org/**", "ghcr.io/org/app"));
        assert!(matches("ghcr.io/org/**", "ghcr.io/org/a/b/c"));
        assert!(matches("ghcr.io/**", "ghcr.io/org"));
        assert!(!matches("ghcr.io/org/**", "ghcr.io/organisation/app"));
        assert!(!matches("ghcr.io/org/*", "ghcr.io/org/a/b"));
        assert!(matches("ghcr.io/**/app", "ghcr.io/a/b/app"));
        assert!(matches("ghcr.io/a/**/b/**/c", "ghcr.io/a/b/x/c"));
        assert!(!matches("ghcr.io/org/app", "ghcr.io/org/app-evil"));
        assert!(matches("ghcr.io/org/app*", "ghcr.io/org/app-1"));
        assert!(!matches("ghcr.io/org/app", "ghcr.io:443/org/app"));
        assert!(matches("docker.io/nginx", "nginx"));
        assert!(matches("index.docker.io/library/nginx", "nginx"));
        assert!(matches("GHCR.io/org/app", "ghcr.io/org/app"));
    }

    #[test]
    fn patterns_that_match_more_than_they_seem_to_are_refused() {
        for (pattern, hint) in [
            ("*", "names no registry"),
            ("**", "names no registry"),
            ("*/app", "not anchored"),
            ("*.example/app", "not anchored"),
            ("org/app", "docker.io/org/app"),
            ("nginx", "names no registry"),
            ("ghcr.io/org**", "whole segments"),
            ("ghcr.io/org/app:1", "leave tag"),
            ("ghcr.io/org/app@sha256:aa", "leave tag"),
            ("ghcr.io/Org/app", "lower case"),
            ("ghcr.io/org/", "not a name"),
        ] {
            let error = Pattern::parse(pattern).expect_err(pattern);
            assert!(error.problem.contains(hint), "{pattern}: {error}");
        }
    }

    #[test]
    fn stars_never_backtrack_into_exponential_time() {
        assert!(segment_matches("a*b*c", "axxbyyc"));
        assert!(!segment_matches("a*b*c", "axxbyyd"));
        assert!(segment_matches("*", ""));
        assert!(!segment_matches("ab*ba", "aba"));
        assert!(!segment_matches(&"a*".repeat(100), &"a".repeat(99)));
    }
}
