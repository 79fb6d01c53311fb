//! The subject of a certificate, such that Notation's policies can name it (Notary Project, trust store and trust policy
//! specification, "Trusted Identities"; RFC 4514).

use anyhow::{Result, bail, ensure};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Any, ObjectIdentifier, PrintableString, SetOfVec, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

/// Attributes that verifiers write by name; all others they write as numbers, and then no policy matches.
const ATTRIBUTES: [(&str, ObjectIdentifier); 9] = [
    ("C", ObjectIdentifier::new_unwrap("2.5.4.6")),
    ("ST", ObjectIdentifier::new_unwrap("2.5.4.8")),
    ("L", ObjectIdentifier::new_unwrap("2.5.4.7")),
    ("STREET", ObjectIdentifier::new_unwrap("2.5.4.9")),
    ("POSTALCODE", ObjectIdentifier::new_unwrap("2.5.4.17")),
    ("O", ObjectIdentifier::new_unwrap("2.5.4.10")),
    ("OU", ObjectIdentifier::new_unwrap("2.5.4.11")),
    ("CN", ObjectIdentifier::new_unwrap("2.5.4.3")),
    ("SERIALNUMBER", ObjectIdentifier::new_unwrap("2.5.4.5")),
];
/// Without these, policies cannot name the certificate.
const REQUIRED: [&str; 3] = ["C", "ST", "O"];
/// Characters of one value (RFC 5280, appendix A.1, upper bounds).
const MAX_CHARACTERS: usize = 64;

/// Reads `C=US, ST=WA, O=acme, CN=release`. A comma in a value has a backslash before it. The order is kept.
///
/// # Errors
/// When C, ST or O is missing, something is there twice, or cannot be in a name.
pub(crate) fn subject(text: &str) -> Result<Name> {
    let mut seen: Vec<&str> = Vec::new();
    let mut names = Vec::new();
    for part in parts(text)? {
        let (name, value) = part.split_once('=').unwrap_or((&part, ""));
        let (name, value) = (name.trim(), value.trim());
        let Some((name, oid)) = ATTRIBUTES.iter().find(|(known, _)| *known == name) else {
            let known = ATTRIBUTES.map(|(name, _)| name).join(", ");
            bail!("{part:?}: {name:?} is no attribute that policies can name; {known} are");
        };
        ensure!(!seen.contains(name), "{name} is there twice, and then no policy can name the certificate");
        ensure!(!value.is_empty(), "{name} has no value");
        let characters = value.chars().count();
        ensure!(
            characters <= MAX_CHARACTERS,
            "{name} has {characters} characters, at most {MAX_CHARACTERS} are possible"
        );
        ensure!(!value.chars().any(char::is_control), "{name} has a control character in it");
        if *name == "C" {
            let is_code = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase());
            ensure!(is_code, "C is {value:?}, expected two capitals, e.g. US");
        }
        seen.push(name);
        let value = match *name {
            // These two have no other form (RFC 5280, appendix A.1).
            "C" | "SERIALNUMBER" => Any::encode_from(&PrintableString::new(value)?)?,
            _ => Any::encode_from(&Utf8StringRef::new(value)?)?,
        };
        let attribute = AttributeTypeAndValue { oid: *oid, value };
        names.push(RelativeDistinguishedName::from(SetOfVec::try_from([attribute])?));
    }
    if let Some(missing) = REQUIRED.iter().find(|name| !seen.contains(name)) {
        bail!("{missing} is missing: policies name certificates by at least C, ST and O, e.g. \"C=US, ST=WA, O=acme\"");
    }
    // A name is made from text, last attribute first, or from DER.
    Ok(Name::from_der(&RdnSequence::from(names).to_der()?)?)
}

/// Splits at commas, and takes backslashes away.
fn parts(text: &str) -> Result<Vec<String>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped) if ",+\"\\<>;=# ".contains(escaped) => part.push(escaped),
                _ => bail!("a backslash stands before one of ,+\"\\<>;=# or a space"),
            },
            ',' => parts.push(std::mem::take(&mut part)),
            '+' | ';' | '"' | '<' | '>' => bail!("{character:?} needs a backslash before it"),
            other => part.push(other),
        }
    }
    parts.push(part);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::subject;

    #[test]
    fn subjects_that_policies_can_name_are_taken() {
        for (text, written) in [
            ("C=US, ST=WA, O=acme, CN=release", "CN=release,O=acme,ST=WA,C=US"),
            (" O = acme ,ST=WA,C=US", "C=US,ST=WA,O=acme"),
            (r"C=DE, ST=BE, O=acme\, inc.", r"O=acme\, inc.,ST=BE,C=DE"),
            ("C=DE,ST=Thüringen,O=a=b", "O=a=b,ST=Thüringen,C=DE"),
        ] {
            assert_eq!(subject(text).expect(text).to_string(), written);
        }
    }

    #[test]
    fn other_subjects_are_refused_with_the_reason() {
        let long = format!("C=US,ST=WA,O={}", "x".repeat(65));
        for (text, reason) in [
            ("CN=release", "C is missing"),
            ("C=US,O=acme", "ST is missing"),
            ("C=US,ST=WA", "O is missing"),
            ("C=US,ST=WA,O=acme,OU=a,OU=b", "OU is there twice"),
            ("C=US,ST=WA,O=acme,CN=", "CN has no value"),
            ("C=US,ST=WA,O=acme,emailAddress=a@b", "is no attribute that policies can name"),
            ("c=US,ST=WA,O=acme", "\"c\" is no attribute"),
            ("C=US,ST=WA,O=acme,", "\"\" is no attribute"),
            ("C=us,ST=WA,O=acme", "expected two capitals"),
            ("C=US,ST=WA,O=acme+CN=a", "'+' needs a backslash"),
            (r"C=US,ST=WA,O=ac\me", "a backslash stands before"),
            ("C=US,ST=WA,O=a\u{7}", "control character"),
            (&long, "65 characters"),
        ] {
            assert!(subject(text).expect_err(text).to_string().contains(reason), "{text}");
        }
    }
}
