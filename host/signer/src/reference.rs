//! What `--key` says: a file, a key in a token, or a key of a program.

use core::fmt;
use std::path::PathBuf;

use crate::uri::{self, Pkcs11Uri, UriError};

/// Where a signing key is.
///
/// ```
/// use bulla_signer::{KeyReference, RemoteReference};
///
/// assert!(matches!(KeyReference::parse("bulla.key"), Ok(KeyReference::File(_))));
/// assert!(matches!(KeyReference::parse("my-hsm://images"), Ok(KeyReference::Remote(RemoteReference::Plugin(_)))));
/// assert!(matches!(KeyReference::parse("pkcs11:object=a"), Ok(KeyReference::Remote(RemoteReference::Pkcs11(_)))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyReference {
    /// A file, which the module opens.
    File(PathBuf),
    /// A key that signs elsewhere: see [`RemoteKey`](crate::RemoteKey).
    Remote(RemoteReference),
}

/// A key that signs outside of this process's memory. `Display` never shows a PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteReference {
    /// `pkcs11:…`
    Pkcs11(Box<Pkcs11Uri>),
    /// `<scheme>://<key>`
    Plugin(PluginReference),
}

/// A key that a program signs with (sigstore, `pkg/signature/kms/cliplugin/README.md`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginReference {
    scheme: String,
    key: String,
}

/// Why a text is no key reference. No variant shows a value that may be a PIN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyReferenceError {
    /// Nothing at all.
    #[error("no key is named")]
    Empty,
    /// `<scheme>://` with a scheme that is not in `[a-z][a-z0-9+.-]*`.
    #[error(
        "{scheme:?} cannot begin a key reference: lower-case letters, digits and `+.-` can; for a file write ./ before it"
    )]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// `<scheme>://` with nothing behind it.
    #[error("{scheme}:// names no key")]
    NoKey {
        /// What stands before `://`.
        scheme: String,
    },
    /// A `file://` URL that does not name a file of this machine (RFC 8089, section 2).
    #[error("a file of this machine is named by its path, or as file:///absolute/path")]
    FileUrl,
    /// A PKCS #11 URI that is not one.
    #[error(transparent)]
    Pkcs11(#[from] UriError),
}

impl KeyReference {
    /// Reads what `--key` says. `pkcs11:…` is a URI of RFC 7512; `<scheme>://<rest>` is a key of a program; everything
    /// else is a file, `file:///path` and `C://path` too.
    ///
    /// # Errors
    /// When the text has the form of a URI and is none that Bulla knows what to do with.
    pub fn parse(text: &str) -> Result<Self, KeyReferenceError> {
        if text.is_empty() {
            return Err(KeyReferenceError::Empty);
        }
        if is_pkcs11(text) {
            return Ok(Self::Remote(RemoteReference::Pkcs11(Box::new(Pkcs11Uri::parse(text)?))));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        if scheme == "file" {
            return Ok(Self::File(file_url(rest).ok_or(KeyReferenceError::FileUrl)?));
        }
        // A path that happens to contain `://`, and the drive of a Windows path.
        let is_drive = scheme.len() == 1 && scheme.bytes().all(|byte| byte.is_ascii_alphabetic());
        if scheme.is_empty() || scheme.contains(['/', '\\']) || is_drive {
            return Ok(Self::File(PathBuf::from(text)));
        }
        Ok(Self::Remote(RemoteReference::Plugin(PluginReference::new(scheme, rest)?)))
    }
}

impl PluginReference {
    fn new(scheme: &str, key: &str) -> Result<Self, KeyReferenceError> {
        let scheme = scheme.to_owned();
        if !is_scheme(&scheme) {
            return Err(KeyReferenceError::Scheme { scheme });
        }
        if key.is_empty() {
            return Err(KeyReferenceError::NoKey { scheme });
        }
        Ok(Self { scheme, key: key.to_owned() })
    }

    /// What stands before `://`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands behind `://`, which is the program's to understand.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The name of the program that has the key. It has no path: programs are looked up in `PATH`.
    pub fn program(&self) -> String {
        format!("sigstore-kms-{}", self.scheme)
    }
}

impl fmt::Display for PluginReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.key)
    }
}

impl fmt::Display for RemoteReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pkcs11(uri) => uri.fmt(f),
            Self::Plugin(reference) => reference.fmt(f),
        }
    }
}

fn is_pkcs11(text: &str) -> bool {
    text.get(..uri::SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(uri::SCHEME))
}

/// RFC 3986, section 3.1, in lower case only: the scheme becomes part of a program's name.
fn is_scheme(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    first && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte))
}

/// RFC 8089, section 2: an absolute path, of this machine.
fn file_url(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let octets = uri::percent_decode(path)?;
    let text = core::str::from_utf8(&octets).ok()?;
    text.starts_with('/').then(|| PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{KeyReference, KeyReferenceError, RemoteReference};

    #[test]
    fn what_is_a_file() {
        for (text, path) in [
            ("bulla.key", "bulla.key"),
            ("/etc/bulla/bulla.key", "/etc/bulla/bulla.key"),
            ("./a://b", "./a://b"),
            ("keys\\a://b", "keys\\a://b"),
            ("C:\\keys\\a.pem", "C:\\keys\\a.pem"),
            ("C://keys/a.pem", "C://keys/a.pem"),
            ("c:a.pem", "c:a.pem"),
            ("://a", "://a"),
            ("my-hsm:/a", "my-hsm:/a"),
            ("pkcs11", "pkcs11"),
            ("file:///etc/a%20b.key", "/etc/a b.key"),
            ("file://localhost/etc/a.key", "/etc/a.key"),
        ] {
            assert_eq!(KeyReference::parse(text), Ok(KeyReference::File(PathBuf::from(path))), "{text}");
        }
    }

    #[test]
    fn what_is_a_programs_key() {
        for (text, program, key) in [
            ("my-hsm://images", "sigstore-kms-my-hsm", "images"),
            ("awskms:///alias/images", "sigstore-kms-awskms", "/alias/images"),
            ("a1+b.c-d://x://y?z#ä b", "sigstore-kms-a1+b.c-d", "x://y?z#ä b"),
        ] {
            let Ok(KeyReference::Remote(RemoteReference::Plugin(plugin))) = KeyReference::parse(text) else {
                panic!("{text}");
            };
            assert_eq!((plugin.program().as_str(), plugin.key()), (program, key), "{text}");
            assert_eq!(plugin.to_string(), text);
        }
    }

    #[test]
    fn what_is_nothing() {
        let scheme = |scheme: &str| KeyReferenceError::Scheme { scheme: scheme.into() };
        for (text, error) in [
            ("", KeyReferenceError::Empty),
            ("AWSKMS://a", scheme("AWSKMS")),
            ("1a://a", scheme("1a")),
            ("-a://a", scheme("-a")),
            ("a_b://a", scheme("a_b")),
            ("a b://a", scheme("a b")),
            ("ä://a", scheme("ä")),
            ("my-hsm://", KeyReferenceError::NoKey { scheme: "my-hsm".into() }),
            ("file://a.key", KeyReferenceError::FileUrl),
            ("file://host/a.key", KeyReferenceError::FileUrl),
            ("file:///a%2", KeyReferenceError::FileUrl),
            ("file:///a%ff", KeyReferenceError::FileUrl),
        ] {
            assert_eq!(KeyReference::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_scheme_of_a_token_has_any_case() {
        for text in ["pkcs11:object=a", "PKCS11:object=a"] {
            let parsed = KeyReference::parse(text);
            assert!(matches!(parsed, Ok(KeyReference::Remote(RemoteReference::Pkcs11(_)))), "{text}");
        }
    }
}
