//! Globs of policy-controller (pkg/apis/glob): `**` is any text, `*` any text without a slash, and what they are held
//! against is the whole reference: at admission `registry/path@sha256:…`, or else the text as it stood in the Pod.
//!
//! Only globs whose repositories can be named exactly are converted. One that would match more would admit more; one that
//! would match less would, beside a second policy, ask for less.

use crate::glob::Pattern;

/// Docker Hub as policy-controller names it.
const HUB: &str = "index.docker.io";

/// What a glob means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Every image.
    Every,
    /// The repositories of this pattern.
    Pattern(String),
    /// Nothing that another glob beside it does not match.
    Covered,
}

/// What this glob means among the others of its policy.
///
/// # Errors
/// Why our patterns cannot say it, and what to write.
pub(super) fn meaning(glob: &str, all: &[&str]) -> Result<Meaning, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:/*.@".contains(&byte);
    if glob.is_empty() || !glob.bytes().all(known) {
        return Err("policy-controller refuses a glob with these characters".to_owned());
    }
    match glob {
        "**" | "*/**" => return Ok(Meaning::Every),
        "*" => return Ok(Meaning::Pattern("docker.io/library/*".to_owned())),
        "*/*" => return Ok(Meaning::Pattern("docker.io/*/*".to_owned())),
        _ => {}
    }
    let Some((host, path)) = glob.split_once('/') else {
        return Err("it names no registry in full: write e.g. index.docker.io/library/nginx@**".to_owned());
    };
    check_host(host)?;
    let mut segments: Vec<&str> = path.split('/').collect();
    let last = segments.pop().unwrap_or_default();
    let mut pattern = Vec::new();
    for segment in &segments {
        pattern.extend(inner(segment)?);
    }
    // Text as it stood in the Pod: `index.docker.io/nginx` is held against the glob as well, and is `library/nginx`.
    let first = segments.first().copied().unwrap_or(last);
    let whole = segments.is_empty() && last == "**";
    if host == HUB && !whole && (segments.is_empty() || (first.contains("**") && first != "**")) {
        return Err(format!(
            "it matches names on Docker Hub by their spelling: write {HUB}/library/… or {HUB}/<user>/…"
        ));
    }
    if let Some(stem) = last.strip_suffix(":**").or_else(|| last.strip_suffix(":*")) {
        let by_digest = glob.strip_suffix(last).map(|front| format!("{front}{stem}@**"));
        if by_digest.as_deref().is_some_and(|other| all.contains(&other)) {
            return Ok(Meaning::Covered);
        }
        return Err(format!(
            "it matches images that are named with a tag, and ours are repositories: write {} beside it",
            by_digest.unwrap_or_default()
        ));
    }
    if whole {
        pattern.push("**".to_owned());
    } else {
        pattern.extend(at_the_end(last)?);
    }
    let host = if host == HUB { "docker.io" } else { host };
    let text = format!("{host}/{}", pattern.join("/"));
    Pattern::parse(&text).map_err(|error| error.to_string())?;
    Ok(Meaning::Pattern(text))
}

fn check_host(host: &str) -> Result<(), String> {
    if host.contains('*') {
        return Err(
            "it names no registry in full, and ours do: a star there also matches registries of others".to_owned()
        );
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("policy-controller compares hosts by their spelling: write the host in lower case".to_owned());
    }
    if ["docker.io", "registry-1.docker.io"].contains(&host) || !(host.contains(['.', ':']) || host == "localhost") {
        return Err(format!(
            "it matches the text of a Pod and not the image: policy-controller calls Docker Hub {HUB}"
        ));
    }
    Ok(())
}

/// A segment with a slash behind it: `**` is one segment or more there, because no segment is empty.
fn inner(segment: &str) -> Result<Vec<String>, String> {
    let literal = |text: &str| !text.contains('*');
    let any = || "**".to_owned();
    if segment == "**" {
        return Ok(vec!["*".to_owned(), any()]);
    }
    match (segment.strip_suffix("**"), segment.strip_prefix("**")) {
        (Some(stem), _) if literal(stem) => Ok(vec![format!("{stem}*"), any()]),
        (_, Some(stem)) if literal(stem) => Ok(vec![any(), format!("*{stem}")]),
        _ if segment.contains("**") => {
            Err("`**` in the middle of a segment is more than one pattern of ours".to_owned())
        }
        _ => Ok(vec![segment.to_owned()]),
    }
}

/// The last segment has to match the digest as well, and only a star at its very end leaves no doubt about what it matches.
fn at_the_end(last: &str) -> Result<Vec<String>, String> {
    let by_digest = last.strip_suffix("@**").or_else(|| last.strip_suffix("@*"));
    let (stem, more) = match by_digest {
        Some(name) => match name.strip_suffix("**") {
            Some(_) => return Err("leave out what stands behind `**`: it matches everything there".to_owned()),
            None => (name.strip_suffix('*').unwrap_or(name), if name.ends_with('*') { "*" } else { "" }),
        },
        None => match (last.strip_suffix("**"), last.strip_suffix('*')) {
            (Some(stem), _) => (stem, "**"),
            (None, Some(stem)) => (stem, "*"),
            (None, None) if last.contains('@') => {
                return Err("it names a digest, and ours are repositories".to_owned());
            }
            (None, None) => {
                return Err("it matches no image by digest, as images are at admission: write it with @** at its end"
                    .to_owned());
            }
        },
    };
    if stem.contains(['@', ':']) {
        return Err("it names a tag or digest, and ours are repositories".to_owned());
    }
    if stem.contains('*') {
        return Err("a star before the end of the last segment can match inside tag and digest".to_owned());
    }
    Ok(if more == "**" { vec![format!("{stem}*"), "**".to_owned()] } else { vec![format!("{stem}{more}")] })
}

#[cfg(test)]
mod tests {
    use super::{Meaning, meaning};

    #[test]
    fn globs_that_name_repositories_become_patterns() {
        for (glob, pattern) in [
            ("ghcr.io/org/**", "ghcr.io/org/*/**"),
            ("ghcr.io/**", "ghcr.io/**"),
            ("ghcr.io/*", "ghcr.io/*"),
            ("ghcr.io/org**", "ghcr.io/org*/**"),
            ("ghcr.io/org/app*", "ghcr.io/org/app*"),
            ("ghcr.io/org/app**", "ghcr.io/org/app*/**"),
            ("ghcr.io/org/app@**", "ghcr.io/org/app"),
            ("ghcr.io/org/app@*", "ghcr.io/org/app"),
            ("ghcr.io/org/app*@**", "ghcr.io/org/app*"),
            ("ghcr.io/**/app@**", "ghcr.io/*/**/app"),
            ("ghcr.io/a**/b*", "ghcr.io/a*/**/b*"),
            ("ghcr.io/**b/c*", "ghcr.io/**/*b/c*"),
            ("ghcr.io/a*b/c*", "ghcr.io/a*b/c*"),
            ("localhost:5000/**", "localhost:5000/**"),
            ("index.docker.io/library/nginx@**", "docker.io/library/nginx"),
            ("index.docker.io/**", "docker.io/**"),
            ("*", "docker.io/library/*"),
            ("*/*", "docker.io/*/*"),
        ] {
            assert_eq!(meaning(glob, &[glob]), Ok(Meaning::Pattern(pattern.to_owned())), "{glob}");
        }
        assert_eq!(meaning("**", &["**"]), Ok(Meaning::Every));
        let both = ["ghcr.io/app:**", "ghcr.io/app@**"];
        assert_eq!(meaning("ghcr.io/app:**", &both), Ok(Meaning::Covered));
    }

    #[test]
    fn globs_that_mean_anything_else_are_refused() {
        for (glob, hint) in [
            ("ghcr.io/org/app", "no image by digest"),
            ("ghcr.io/org/app:**", "ghcr.io/org/app@** beside it"),
            ("ghcr.io/org/app:1*", "tag or digest"),
            ("ghcr.io/org/app@sha256:0a", "names a digest"),
            ("ghcr.io/org/a*b*", "inside tag and digest"),
            ("ghcr.io/org/a*b@**", "inside tag and digest"),
            ("ghcr.io/org/x**y/z*", "middle of a segment"),
            ("ghcr.io/org/app**@**", "leave out"),
            ("ghcr.io**", "no registry in full"),
            ("**demo**", "no registry in full"),
            ("ghcr.*/app*", "no registry in full"),
            ("GHCR.io/app*", "lower case"),
            ("docker.io/library/nginx*", "index.docker.io"),
            ("org/app*", "index.docker.io"),
            ("index.docker.io/nginx*", "library"),
            ("index.docker.io/a**", "library"),
            ("index.docker.io/a**/b*", "library"),
            ("ghcr.io/Org/app*", "lower case"),
            ("ghcr.io/o[rg]/app*", "these characters"),
            ("", "these characters"),
        ] {
            let error = meaning(glob, &[glob]).expect_err(glob);
            assert!(error.contains(hint), "{glob}: {error}");
        }
    }
}
