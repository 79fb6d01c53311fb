//! Distinguished names as text (RFC 4514), in the one form that Notation compares: a certificate's name as Go's `pkix.Name`
//! writes it, and `x509.subject` identities (Notary Project trust store and trust policy specification, "Trusted Identities").

use std::collections::BTreeMap;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Encode as _, Tag, Tagged as _};

use super::asn1::{elements, sequence};
use crate::limits::MAX_NAME_PARTS;
use crate::text::excerpt;

/// The attributes that have a name, in the order in which a rendered name lists them, with the last arc below 2.5.4.
const KNOWN: [(&str, u32); 9] = [
    ("SERIALNUMBER", 5),
    ("CN", 3),
    ("OU", 11),
    ("O", 10),
    ("POSTALCODE", 17),
    ("STREET", 9),
    ("L", 7),
    ("ST", 8),
    ("C", 6),
];

/// The attributes that a subject must have so that it can be compared.
const REQUIRED: [&str; 3] = ["C", "ST", "O"];

/// A subject, one value for each attribute: of a policy, all that is asked for; of a certificate, all that it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    attributes: BTreeMap<String, String>,
}

/// Why a name cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not the DER of a name, or an attribute that is no text.
    #[error("a name that cannot be read: {0}")]
    Encoding(String),
    /// A value as hexadecimal digits: of an attribute that has no name here, or written so.
    #[error("{0:?}: attributes as `=#` cannot be compared; {names} can", names = names())]
    Hexadecimal(String),
    /// An attribute type that no certificate is compared by.
    #[error("{0:?} is no attribute that is compared: {names} are, in capitals", names = names())]
    Type(String),
    /// A part without `=`.
    #[error("{0:?}: expected NAME=VALUE parts between commas")]
    Incomplete(String),
    /// A part with more than one attribute.
    #[error("{0:?} has a part with more than one attribute")]
    MultiValued(String),
    /// One attribute twice.
    #[error("{text:?} has the attribute {attribute} twice")]
    Repeated {
        /// The whole name.
        text: String,
        /// The attribute.
        attribute: String,
    },
    /// An attribute without a value: whoever compares would take it for absent.
    #[error("{text:?} has no value for {attribute}")]
    Empty {
        /// The whole name.
        text: String,
        /// The attribute.
        attribute: String,
    },
    /// C, ST or O is missing.
    #[error("{text:?} has no {attribute}: C, ST and O are needed")]
    Missing {
        /// The whole name.
        text: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// An escape that is none.
    #[error("{0:?} has an escape that is none: a backslash comes before a special character or two hexadecimal digits")]
    Escape(String),
    /// A character that has to be escaped.
    #[error("{text:?}: {character:?} has to be written as a backslash and the character")]
    Unescaped {
        /// The whole name.
        text: String,
        /// The character.
        character: char,
    },
}

fn names() -> String {
    KNOWN.map(|(name, _)| name).join(", ")
}

/// Writes a name as Go's `pkix.Name.String` does: known attributes in a fixed order, several values of one joined by `+`,
/// every other attribute after them as `oid=#` and the DER of its value.
///
/// # Errors
/// [`NameError::Encoding`].
pub fn render(name: &[u8]) -> Result<String, NameError> {
    let encoding = |error: der::Error| NameError::Encoding(error.to_string());
    let mut known: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut others = Vec::new();
    let mut parts = 0usize;
    for relative in sequence(name, MAX_NAME_PARTS).map_err(encoding)? {
        for attribute in elements(relative.value(), MAX_NAME_PARTS).map_err(encoding)? {
            parts = parts.saturating_add(1);
            let pair = elements(attribute.value(), 2).map_err(encoding)?;
            let [kind, value] = pair.as_slice() else {
                return Err(NameError::Encoding("an attribute is a type and a value".to_owned()));
            };
            let kind: ObjectIdentifier = kind.decode_as().map_err(encoding)?;
            let value = text(value)?;
            match arc(kind) {
                // Of these two, Go keeps the last value only.
                Some(arc @ (3 | 5)) => drop(known.insert(arc, vec![value])),
                Some(arc) => known.entry(arc).or_default().push(value),
                None => others.push(format!("{kind}=#{}", hex::encode(as_go_encodes(&value).map_err(encoding)?))),
            }
        }
    }
    if parts > MAX_NAME_PARTS {
        return Err(NameError::Encoding(format!("more than {MAX_NAME_PARTS} attributes")));
    }
    let mut rendered = Vec::new();
    for (name, arc) in KNOWN {
        let values = known.remove(&arc).unwrap_or_default();
        // An empty common name or serial number is none for Go.
        if values.is_empty() || (matches!(arc, 3 | 5) && values.iter().all(String::is_empty)) {
            continue;
        }
        rendered.push(values.iter().map(|value| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("+"));
    }
    rendered.extend(others.into_iter().rev());
    Ok(rendered.join(","))
}

/// The last arc of an attribute that has a name here.
fn arc(kind: ObjectIdentifier) -> Option<u32> {
    let arcs: Vec<u32> = kind.arcs().collect();
    match arcs.as_slice() {
        [2, 5, 4, last] => KNOWN.iter().find(|(_, arc)| arc == last).map(|(_, arc)| *arc),
        _ => None,
    }
}

/// The text of a value, of the string types that Go reads.
fn text(value: &AnyRef<'_>) -> Result<String, NameError> {
    let octets = value.value();
    let wrong = || NameError::Encoding(format!("{} with characters that it cannot have", value.tag()));
    let ascii = |fits: fn(u8) -> bool| {
        if octets.iter().all(|octet| fits(*octet)) {
            String::from_utf8(octets.to_vec()).map_err(|_| wrong())
        } else {
            Err(wrong())
        }
    };
    match value.tag() {
        Tag::Utf8String => String::from_utf8(octets.to_vec()).map_err(|_| wrong()),
        Tag::PrintableString => ascii(is_printable),
        Tag::Ia5String => ascii(|octet| octet.is_ascii()),
        Tag::NumericString => ascii(|octet| octet.is_ascii_digit() || octet == b' '),
        Tag::TeletexString => Ok(octets.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let octets = octets.strip_suffix(&[0, 0]).unwrap_or(octets);
            let (pairs, rest) = octets.as_chunks::<2>();
            let characters = pairs.iter().map(|pair| char::from_u32(u32::from(u16::from_be_bytes(*pair))));
            let characters =
                characters.map(|c| c.filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{fdd0}'..='\u{fdef}')));
            if rest.is_empty() { characters.collect::<Option<String>>().ok_or_else(wrong) } else { Err(wrong()) }
        }
        tag => Err(NameError::Encoding(format!("{tag}, which is no text"))),
    }
}

fn is_printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" '()*+,-./:=?&".contains(&octet)
}

/// The DER of a text as Go writes it: a PrintableString where it can be one.
fn as_go_encodes(value: &str) -> der::Result<Vec<u8>> {
    // Go reads `*` and `&` in a PrintableString and does not write them.
    let is_printable = value.bytes().all(|octet| is_printable(octet) && octet != b'*' && octet != b'&');
    let tag = if is_printable { Tag::PrintableString } else { Tag::Utf8String };
    AnyRef::new(tag, value.as_bytes())?.to_der()
}

fn escaped(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut text = String::new();
    for (at, c) in value.char_indices() {
        let special = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at == last,
            '#' => at == 0,
            _ => false,
        };
        if special {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

impl Subject {
    /// Reads a subject from text: `C=US, ST=WA, O=Example, CN=builder`.
    ///
    /// # Errors
    /// [`NameError`], one variant for each rule.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.contains("=#") {
            return Err(NameError::Hexadecimal(excerpt(text)));
        }
        let mut attributes = BTreeMap::new();
        for part in parts(text) {
            if part.joined {
                return Err(NameError::MultiValued(excerpt(text)));
            }
            let (kind, value) = part.text.split_once('=').ok_or_else(|| NameError::Incomplete(excerpt(text)))?;
            let kind = match kind.trim_matches(' ') {
                "S" => "ST",
                kind if KNOWN.iter().any(|(name, _)| *name == kind) => kind,
                "" => return Err(NameError::Incomplete(excerpt(text))),
                kind => return Err(NameError::Type(excerpt(kind))),
            };
            let value = unescaped(value, text)?;
            if value.is_empty() {
                return Err(NameError::Empty { text: excerpt(text), attribute: kind.to_owned() });
            }
            if attributes.insert(kind.to_owned(), value).is_some() {
                return Err(NameError::Repeated { text: excerpt(text), attribute: kind.to_owned() });
            }
        }
        match REQUIRED.into_iter().find(|name| !attributes.contains_key(*name)) {
            None => Ok(Self { attributes }),
            Some(attribute) => Err(NameError::Missing { text: excerpt(text), attribute }),
        }
    }

    /// The subject of a certificate, DER: rendered, and then read by the same rules.
    ///
    /// # Errors
    /// [`NameError`]: no identity but `*` matches such a certificate.
    pub fn of(name: &[u8]) -> Result<Self, NameError> {
        Self::parse(&render(name)?)
    }

    /// Whether everything that this subject asks for is in the other one, with the same value.
    pub fn is_part_of(&self, other: &Self) -> bool {
        self.attributes.iter().all(|(name, value)| other.attributes.get(name) == Some(value))
    }
}

/// One attribute as it stands in the text.
struct Part<'t> {
    text: &'t str,
    /// Whether it belongs to the same part of the name as the one before.
    joined: bool,
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut start, mut joined, mut escaping) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaping => escaping = false,
            '\\' => escaping = true,
            ',' | ';' | '+' => {
                parts.push(Part { text: text.get(start..at).unwrap_or_default(), joined });
                (start, joined) = (at.saturating_add(1), c == '+');
            }
            _ => {}
        }
    }
    parts.push(Part { text: text.get(start..).unwrap_or_default(), joined });
    parts
}

/// The value without its escapes and the white space around it (RFC 4514, section 3).
fn unescaped(value: &str, whole: &str) -> Result<String, NameError> {
    let escape = || NameError::Escape(excerpt(whole));
    let mut octets = Vec::new();
    // Spaces at the end count only when something follows, or when they were escaped.
    let mut spaces = 0usize;
    let mut rest = value.trim_start_matches(' ').chars();
    let is_special = |c: char| matches!(c, ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\');
    let mut buffer = [0; 4];
    while let Some(c) = rest.next() {
        if c == ' ' {
            spaces = spaces.saturating_add(1);
            continue;
        }
        octets.extend(core::iter::repeat_n(b' ', core::mem::take(&mut spaces)));
        match c {
            '\\' => match rest.next() {
                Some(special) if is_special(special) => octets.extend(special.encode_utf8(&mut buffer).bytes()),
                Some(first) => {
                    let digit = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(escape);
                    let second = rest.next().ok_or_else(escape)?;
                    octets.push(digit(first)?.saturating_mul(16).saturating_add(digit(second)?));
                }
                None => return Err(escape()),
            },
            '"' => return Err(NameError::Unescaped { text: excerpt(whole), character: c }),
            '#' if octets.is_empty() => return Err(NameError::Unescaped { text: excerpt(whole), character: c }),
            c => octets.extend(c.encode_utf8(&mut buffer).bytes()),
        }
    }
    String::from_utf8(octets).map_err(|_| escape())
}
