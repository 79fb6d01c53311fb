//! Image references, read as containerd reads them (distribution/reference, `ParseDockerRef`; distribution-spec,
//! section "Pulling manifests").
//!
//! A reference that the runtime would read in another way than the policy is a hole, so the rules are the runtime's:
//! `nginx` is `docker.io/library/nginx:latest`; with a tag and a digest the digest decides; upper-case is refused in a
//! repository and allowed in a host, which is compared in lower case.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::text::excerpt;

/// Characters of host and repository together (distribution/reference, `RepositoryNameTotalLengthMax`).
const MAX_NAME: usize = 255;
/// Characters of a tag (distribution-spec: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).
const MAX_TAG: usize = 128;
/// Docker Hub under all its names.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_ALIASES: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// A repository on a registry, normalised: two spellings of one repository are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: String,
    path: String,
}

/// An image reference: a repository with a tag, a digest, or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image reference {image:?}: {problem}")]
pub struct ReferenceError {
    /// The reference as it came, made fit to be shown.
    pub image: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Repository {
    /// Reads `host/path` or Docker Hub's short forms, without tag or digest.
    ///
    /// # Errors
    /// [`ReferenceError`] with the part that does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        Self::read(text).map_err(|problem| ReferenceError { image: excerpt(text), problem })
    }

    fn read(name: &str) -> Result<Self, String> {
        // distribution/reference, splitDockerDomain: the first component is a host if it looks like one.
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            // Runtimes take it for a host; in lower case it would read as a name on Docker Hub. Nobody means either.
            Some((first, _)) if first.bytes().any(|b| b.is_ascii_uppercase()) => {
                return Err(format!(
                    "{:?} is neither a host, which has a dot or a port, nor lower case",
                    excerpt(first)
                ));
            }
            _ => (DOCKER_HUB, name),
        };
        if path.len() == 64 && path == name && path.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("64 hexadecimal digits are an image ID, not a name".to_owned());
        }
        check_host(host)?;
        let registry = host.to_ascii_lowercase();
        let is_hub = DOCKER_HUB_ALIASES.contains(&registry.as_str());
        if is_hub && registry != host {
            return Err(format!("host {host:?} is Docker Hub in upper case, which runtimes read in different ways"));
        }
        check_path(path)?;
        if registry == "registry-1.docker.io" && !path.contains('/') {
            return Err(format!("runtimes read {name:?} in different ways: write docker.io/library/{path}"));
        }
        let registry = if is_hub { DOCKER_HUB.to_owned() } else { registry };
        let path = if is_hub && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        if registry.len().saturating_add(path.len()) >= MAX_NAME {
            return Err(format!("the name is longer than {MAX_NAME} characters"));
        }
        Ok(Self { registry, path })
    }

    /// The registry's host, with its port if it has one: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path on that registry: `library/nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name as cosign writes it into a payload: Docker Hub is `index.docker.io` there.
    pub fn cosign_name(&self) -> String {
        let host = if self.registry == DOCKER_HUB { "index.docker.io" } else { &self.registry };
        format!("{host}/{}", self.path)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.path)
    }
}

impl Reference {
    /// Reads an image reference as it stands in a Pod or on a command line.
    ///
    /// # Errors
    /// [`ReferenceError`] with the part that does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        Self::read(text).map_err(|problem| ReferenceError { image: excerpt(text), problem })
    }

    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest).map_err(|error| error.to_string())?)),
            None => (text, None),
        };
        // A colon after the last slash starts a tag; one before it belongs to the host's port.
        let tail = name.rsplit('/').next().unwrap_or(name);
        let (name, tag) = match tail.split_once(':') {
            Some((stem, tag)) => {
                check_tag(tag)?;
                let end = name.len().saturating_sub(tail.len()).saturating_add(stem.len());
                (name.get(..end).unwrap_or_default(), Some(tag.to_owned()))
            }
            None => (name, None),
        };
        if name == "sha256" && tag.as_ref().is_some_and(|tag| tag.len() == 64) {
            return Err("a digest alone is an image ID, not a reference".to_owned());
        }
        let repository = Repository::read(name)?;
        let tag = match (&tag, &digest) {
            (None, None) => Some("latest".to_owned()),
            _ => tag,
        };
        Ok(Self { repository, tag, digest })
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if one was given or implied (`latest`). With a digest it is informational.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given. It decides what is fetched.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same reference pinned to this digest, its tag kept for people: `host/app:1.4@sha256:…`.
    pub fn pinned(&self, digest: &Digest) -> Self {
        Self { repository: self.repository.clone(), tag: self.tag.clone(), digest: Some(digest.clone()) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// `host[:port]`: dot-separated labels of letters, digits and inner hyphens, or an IPv6 address in brackets.
fn check_host(host: &str) -> Result<(), String> {
    let bad = |why: &str| Err(format!("host {:?} {why}", excerpt(host)));
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else { return bad("has no closing bracket") };
            // distribution/reference: an IPv6 address is hexadecimal digits and colons; a zone is not allowed.
            if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return bad("is not an IPv6 address in brackets");
            }
            (None, if after.is_empty() { None } else { Some(after.strip_prefix(':').unwrap_or("?")) })
        }
        None => match host.split_once(':') {
            Some((name, port)) => (Some(name), Some(port)),
            None => (Some(host), None),
        },
    };
    if let Some(port) = port
        && (port.is_empty() || port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit()))
    {
        return bad("has a port that is not a number");
    }
    let label_fits = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match name {
        Some(name) if !name.split('.').all(label_fits) => bad("is not a host name"),
        _ => Ok(()),
    }
}

/// distribution-spec: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`.
fn check_path(path: &str) -> Result<(), String> {
    for component in path.split('/') {
        if component.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(format!("repository {:?} must be lower case", excerpt(path)));
        }
        if !component_fits(component) {
            return Err(format!(
                "repository {:?} has a part {:?} that is not a name",
                excerpt(path),
                excerpt(component)
            ));
        }
    }
    Ok(())
}

fn component_fits(component: &str) -> bool {
    let is_alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !is_alnum(*first) || !is_alnum(*last) {
        return false;
    }
    // What stands between runs of letters and digits must be one separator: ".", "_", "__" or any number of "-".
    bytes
        .split(|b| is_alnum(*b))
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

fn check_tag(tag: &str) -> Result<(), String> {
    let first_fits = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let rest_fits = tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if first_fits && rest_fits && tag.len() <= MAX_TAG {
        Ok(())
    } else {
        Err(format!("tag {:?} is not a tag", excerpt(tag)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Reference, Repository};

    const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    /// What containerd's ParseDockerRef makes of the same texts (distribution/reference v0.6, read from its tests).
    #[test]
    fn references_read_as_containerd_reads_them() {
        for (text, want) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("library/nginx", "docker.io/library/nginx:latest"),
            ("org/app:1", "docker.io/org/app:1"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/nginx:1", "docker.io/library/nginx:1"),
            ("registry-1.docker.io/org/app", "docker.io/org/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("host:5000/app:tag", "host:5000/app:tag"),
            ("HOST.example/app", "host.example/app:latest"),
            ("[2001:db8::1]:5000/app", "[2001:db8::1]:5000/app:latest"),
            ("[::1]/app", "[::1]/app:latest"),
            ("a--b.example/x__y/z-1", "a--b.example/x__y/z-1:latest"),
        ] {
            assert_eq!(Reference::parse(text).map(|r| r.to_string()), Ok(want.to_owned()), "{text}");
        }
        let both = Reference::parse(&format!("host.example/app:1@sha256:{HEX}")).expect("valid");
        assert_eq!(both.to_string(), format!("host.example/app:1@sha256:{HEX}"));
        assert_eq!(both.tag(), Some("1"));
        assert!(both.digest().is_some());
    }

    #[test]
    fn what_containerd_refuses_is_refused() {
        for text in [
            "",
            ":",
            "@",
            "/",
            "a/",
            "/a",
            "a//b",
            "App",
            "host.example/App",
            "host.example/",
            "host.example/a:",
            "host.example/a:b:c",
            "host.example/a b",
            "host.example/a@sha256:short",
            "host.example/a@md5:aa",
            "host.example/a..b",
            "host.example/a___b",
            "host.example/-a",
            "host.example/a-",
            "host.example/a@",
            "host.example:port/a",
            "host.example:/a",
            "-host.example/a",
            "[::1/a",
            "[zz::1]/a",
            "[fe80::1%25eth0]/a",
            "host.example/а",
            "host.example/a\u{0}",
            "host..example/a",
            "Docker.io/library/nginx",
            "https://host.example/a",
            "Host/app",
            "Grafana/grafana",
            "registry-1.docker.io/nginx",
            "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            HEX,
            "host.example/a:.x",
            "host.example/a@sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(Reference::parse(&format!("host.example/{}", "a".repeat(250))).is_err());
        assert!(Reference::parse(&format!("host.example/a:{}", "t".repeat(129))).is_err());
        assert!(Reference::parse(&format!("host.example/a:{}", "t".repeat(128))).is_ok());
    }

    #[test]
    fn docker_hub_is_one_registry() {
        let names = ["nginx", "docker.io/nginx", "index.docker.io/library/nginx", "registry-1.docker.io/library/nginx"];
        let parsed: Vec<_> = names.iter().map(|name| Repository::parse(name).expect("valid")).collect();
        assert!(parsed.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(parsed[0].cosign_name(), "index.docker.io/library/nginx");
    }
}
