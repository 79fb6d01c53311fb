//! The PKCS #11 URI (RFC 7512), as far as it names a private key that signs.

use core::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::secret::Pin;

/// How such a URI begins (section 2.3).
pub(crate) const SCHEME: &str = "pkcs11:";

/// Which key in which token, through which library, with which PIN (RFC 7512). `Display` and `Debug` never show it.
///
/// Path attributes: `library-manufacturer`, `library-description`, `library-version`, `slot-id`, `slot-description`,
/// `slot-manufacturer`, `token`, `manufacturer`, `model`, `serial`, `object`, `id`, `type=private`. Query attributes:
/// `module-path`, `pin-value`, `pin-source`. Each that is there narrows what matches (section 2.5).
///
/// ```
/// use bulla_signer::Pkcs11Uri;
///
/// let uri = Pkcs11Uri::parse("pkcs11:token=release;id=%01%ab?pin-value=1234").unwrap();
/// assert_eq!(uri.to_string(), "pkcs11:token=release;id=%01%ab?pin-value=***");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "read in any build, so that errors are the same"))]
pub struct Pkcs11Uri {
    pub(crate) library_manufacturer: Option<String>,
    pub(crate) library_description: Option<String>,
    /// Major and minor.
    pub(crate) library_version: Option<(u8, u8)>,
    pub(crate) slot_id: Option<u64>,
    pub(crate) slot_description: Option<String>,
    pub(crate) slot_manufacturer: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) serial: Option<String>,
    /// `type=private` was there.
    private: Option<()>,
    /// CKA_LABEL.
    pub(crate) object: Option<String>,
    /// CKA_ID.
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) module_path: Option<PathBuf>,
    pub(crate) pin: Option<PinSource>,
    shown: String,
}

/// Where the URI says that the PIN is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "read in any build, so that errors are the same"))]
pub(crate) enum PinSource {
    /// In the URI itself (`pin-value`).
    Value(Pin),
    /// In a file (`pin-source`).
    File(PathBuf),
}

/// Why a text is no PKCS #11 URI that Bulla can use. No variant shows the value of a query attribute: it may be a PIN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// Something between two separators is not `name=value` (section 2.3).
    #[error("the {part} of the PKCS #11 URI has an attribute without `=` (RFC 7512, section 2.3)")]
    NoValue {
        /// `path` or `query`.
        part: &'static str,
    },
    /// A path attribute that Bulla does not know. To leave it out would be to sign with another key (section 2.5).
    #[error(
        "{name:?} in the path of the PKCS #11 URI is not known; what is not known cannot match (RFC 7512, section 2.5)"
    )]
    Unknown {
        /// The attribute.
        name: String,
    },
    /// The same attribute twice (section 2.3).
    #[error("{name} is in the PKCS #11 URI twice (RFC 7512, section 2.3)")]
    Repeated {
        /// The attribute.
        name: String,
    },
    /// A character that has to be written as `%` and two hexadecimal digits (section 2.3).
    #[error(
        "{name} in the PKCS #11 URI has a character that must be written as % and two hexadecimal digits, as in %20 for a blank (RFC 7512, section 2.3)"
    )]
    Character {
        /// The attribute.
        name: String,
    },
    /// `%` without two hexadecimal digits (RFC 3986, section 2.1).
    #[error("{name} in the PKCS #11 URI has a % without two hexadecimal digits (RFC 3986, section 2.1)")]
    Escape {
        /// The attribute.
        name: String,
    },
    /// A value that has to be text and is not UTF-8 (section 2.3).
    #[error("{name} in the PKCS #11 URI is not UTF-8 (RFC 7512, section 2.3)")]
    NotText {
        /// The attribute.
        name: String,
    },
    /// `slot-id` or `library-version` with something else than numbers (section 2.3).
    #[error("{name}={value} in the PKCS #11 URI is not a number of the size that it may have (RFC 7512, section 2.3)")]
    Number {
        /// The attribute.
        name: String,
        /// Its value.
        value: String,
    },
    /// `type` is not `private`.
    #[error("type={value} in the PKCS #11 URI: what signs is type=private")]
    Type {
        /// Its value.
        value: String,
    },
    /// `module-name`, which would be searched for in folders that differ from system to system.
    #[error("module-name in the PKCS #11 URI: name the library by its whole path, module-path=/…/lib….so")]
    ModuleName,
    /// A `module-path` that depends on the current folder.
    #[error("module-path in the PKCS #11 URI must be an absolute path")]
    ModulePath,
    /// `pin-value` and `pin-source` (section 2.4).
    #[error("the PKCS #11 URI has both pin-value and pin-source (RFC 7512, section 2.4)")]
    TwoPins,
    /// A `pin-value` of no octets.
    #[error("pin-value in the PKCS #11 URI is empty")]
    EmptyPin,
    /// A `pin-source` that is no absolute path and no `file:` URI of this machine, as `|command` is not (section 2.4).
    #[error(
        "pin-source in the PKCS #11 URI must be a file: an absolute path or file:/…; commands and other schemes are not used"
    )]
    PinSource,
}

impl Pkcs11Uri {
    /// Reads a URI that begins with `pkcs11:`.
    ///
    /// # Errors
    /// When it is not of the form of RFC 7512, or says something that Bulla does not do.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let rest = text.get(SCHEME.len()..).unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self { shown: format!("{SCHEME}{path}"), ..Self::default() };
        for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
            let (name, value) = attribute.split_once('=').ok_or(UriError::NoValue { part: "path" })?;
            uri.path_attribute(name, value)?;
        }
        for attribute in query.split('&').filter(|attribute| !attribute.is_empty()) {
            let (name, value) = attribute.split_once('=').ok_or(UriError::NoValue { part: "query" })?;
            uri.query_attribute(name, value)?;
        }
        Ok(uri)
    }

    fn path_attribute(&mut self, name: &str, value: &str) -> Result<(), UriError> {
        let field = match name {
            "library-manufacturer" => &mut self.library_manufacturer,
            "library-description" => &mut self.library_description,
            "slot-description" => &mut self.slot_description,
            "slot-manufacturer" => &mut self.slot_manufacturer,
            "token" => &mut self.token,
            "manufacturer" => &mut self.manufacturer,
            "model" => &mut self.model,
            "serial" => &mut self.serial,
            "object" => &mut self.object,
            "id" => return set(&mut self.id, name, octets(name, value, b"&")?.to_vec()),
            "slot-id" => {
                let number = digits(value).and_then(|digits| digits.parse().ok());
                return set(&mut self.slot_id, name, number.ok_or_else(|| not_a_number(name, value))?);
            }
            "library-version" => {
                let number = version(value).ok_or_else(|| not_a_number(name, value))?;
                return set(&mut self.library_version, name, number);
            }
            "type" if value == "private" => return set(&mut self.private, name, ()),
            "type" => return Err(UriError::Type { value: value.to_owned() }),
            // Vendors' attributes too: the same section says that what is not recognised in the path matches nothing.
            _ => return Err(UriError::Unknown { name: name.to_owned() }),
        };
        set(field, name, text(name, value, b"&")?)
    }

    fn query_attribute(&mut self, name: &str, value: &str) -> Result<(), UriError> {
        let shown = match name {
            "module-path" => {
                let path = PathBuf::from(text(name, value, b"/?|")?);
                if !path.is_absolute() {
                    return Err(UriError::ModulePath);
                }
                set(&mut self.module_path, name, path)?;
                value
            }
            "module-name" => return Err(UriError::ModuleName),
            "pin-value" | "pin-source" if self.pin.is_some() => {
                let is_value = matches!(self.pin, Some(PinSource::Value(_)));
                let same = is_value == (name == "pin-value");
                return Err(if same { UriError::Repeated { name: name.to_owned() } } else { UriError::TwoPins });
            }
            "pin-value" => {
                let pin = octets(name, value, b"/?|")?;
                if pin.is_empty() {
                    return Err(UriError::EmptyPin);
                }
                self.pin = Some(PinSource::Value(Pin::new(pin)));
                "***"
            }
            "pin-source" => {
                let source = text(name, value, b"/?|")?;
                self.pin = Some(PinSource::File(pin_file(&source).ok_or(UriError::PinSource)?));
                value
            }
            // What is not recognised in the query is left out (section 2.5), also where the URI is shown: it may be a
            // misspelt PIN.
            _ => return Ok(()),
        };
        let separator = if self.shown.contains('?') { '&' } else { '?' };
        self.shown.push_str(&format!("{separator}{name}={shown}"));
        Ok(())
    }
}

impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn set<T>(field: &mut Option<T>, name: &str, value: T) -> Result<(), UriError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(UriError::Repeated { name: name.to_owned() }),
    }
}

fn text(name: &str, value: &str, also: &[u8]) -> Result<String, UriError> {
    let octets = octets(name, value, also)?;
    core::str::from_utf8(&octets).map(str::to_owned).map_err(|_| UriError::NotText { name: name.to_owned() })
}

/// A value's octets. `also` are the characters that stand for themselves here beside those of both parts (section 2.3).
fn octets(name: &str, value: &str, also: &[u8]) -> Result<Zeroizing<Vec<u8>>, UriError> {
    let stands =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=%".contains(&byte) || also.contains(&byte);
    if !value.bytes().all(stands) {
        return Err(UriError::Character { name: name.to_owned() });
    }
    percent_decode(value).ok_or_else(|| UriError::Escape { name: name.to_owned() })
}

/// RFC 3986, section 2.1. The buffer never grows, so that no copy of a PIN is left behind.
pub(crate) fn percent_decode(value: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            other => other,
        });
    }
    Some(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The text, if it is decimal digits only: `+1` is a number for Rust, and none here.
fn digits(value: &str) -> Option<&str> {
    (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())).then_some(value)
}

/// `1*DIGIT ["." 1*DIGIT]`; without a minor number it is 0 (section 2.3).
fn version(value: &str) -> Option<(u8, u8)> {
    let (major, minor) = value.split_once('.').unwrap_or((value, "0"));
    Some((digits(major)?.parse().ok()?, digits(minor)?.parse().ok()?))
}

fn not_a_number(name: &str, value: &str) -> UriError {
    UriError::Number { name: name.to_owned(), value: value.to_owned() }
}

/// `file:/path`, `file:///path` or `/path` (section 2.4; RFC 8089, section 2). `|command` is not run.
fn pin_file(source: &str) -> Option<PathBuf> {
    let path = match source.strip_prefix("file:") {
        None => source.to_owned(),
        Some(rest) => {
            let path = rest.strip_prefix("//").map_or(rest, |rest| rest.strip_prefix("localhost").unwrap_or(rest));
            String::from_utf8(percent_decode(path)?.to_vec()).ok()?
        }
    };
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
