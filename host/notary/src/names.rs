//! Names that go into a path: servers, collections and role files.

use crate::error::{NotaryError, clean};

/// Octets of a name.
const MAX_NAME: usize = 512;

/// The host in `https://host[:port]`.
pub(crate) fn host(server: &str) -> Result<&str, NotaryError> {
    let host = server.strip_prefix("https://").map(|host| host.strip_suffix('/').unwrap_or(host));
    host.filter(|host| !host.is_empty() && !host.contains('/')).ok_or_else(|| wrong(server, "https://host[:port]"))
}

/// A collection: parts of letters, digits and `.`, `_`, `-`, `:`, which do not leave their folder.
pub(crate) fn collection(name: &str) -> Result<&str, NotaryError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
    if is_path(name, fits) { Ok(name) } else { Err(wrong(name, "the name of a collection")) }
}

/// A role file: parts of small letters, digits and `.`, `_`, `-`, which end in `.json`.
pub(crate) fn role_file(name: &str) -> Result<&str, NotaryError> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    if is_path(name, fits) && name.ends_with(".json") { Ok(name) } else { Err(wrong(name, "the name of a role file")) }
}

/// A role that somebody signs who is not the server.
pub(crate) fn role(name: &str) -> Result<&str, NotaryError> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if is_path(name, fits) { Ok(name) } else { Err(wrong(name, "the name of a role")) }
}

fn is_path(name: &str, fits: impl Fn(u8) -> bool) -> bool {
    name.len() <= MAX_NAME && name.split('/').all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(&fits))
}

fn wrong(name: &str, expected: &'static str) -> NotaryError {
    NotaryError::Name { name: clean(name), expected }
}

#[cfg(test)]
mod tests {
    use super::{collection, host, role, role_file};

    #[test]
    fn names_stay_in_their_folder() {
        assert_eq!(host("https://notary.example:4443/").as_deref(), Ok("notary.example:4443"));
        for bad in ["http://notary.example", "https://", "https://host/path", "host", "https:///x"] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert!(collection("localhost:5000/team/app").is_ok());
        assert!(role_file("targets/releases.5f46.json").is_ok() && role_file("3.root.json").is_ok());
        assert!(role("targets/releases").is_ok());
        for bad in ["", "a//b", "../a", "a/..", "a/./b", "/a", "a/", "a b", "a?b", "a#b", "a%2fb", "é"] {
            assert!(
                collection(bad).is_err() && role_file(&format!("{bad}.json/")).is_err() && role(bad).is_err(),
                "{bad}"
            );
        }
        assert!(role_file("root").is_err() && role_file("Root.json").is_err() && role("root.json").is_err());
    }
}
