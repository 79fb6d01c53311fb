//! Extensions of a certificate (RFC 5280, section 4.2): those that are interpreted, and a refusal of every other critical one.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Sequence};
use x509_cert::ext::pkix;

use super::CertificateError;
use super::asn1::{elements, is_context, sequence};
use crate::limits::{MAX_EXTENSIONS, MAX_NAME_PARTS, MAX_REVOCATION_ADDRESSES};

const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const FRESHEST_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");
const AUTHORITY_INFORMATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// What the extensions of one certificate say. Absent ones are `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Whether it is a CA, and how many below it (section 4.2.1.9).
    pub basic_constraints: Option<BasicConstraints>,
    /// What the key is for (section 4.2.1.3).
    pub key_usage: Option<KeyUsage>,
    /// Purposes beyond that (section 4.2.1.12).
    pub extended_key_usage: Option<ExtendedKeyUsage>,
    /// Identifier of its own key (section 4.2.1.2).
    pub subject_key: Option<Vec<u8>>,
    /// Identifier of its issuer's key (section 4.2.1.1).
    pub authority_key: Option<Vec<u8>>,
    /// Addresses of CRLs (section 4.2.1.13), whatever their scheme.
    pub crl_addresses: Vec<String>,
    /// Whether it names a place of delta CRLs (section 4.2.1.15).
    pub has_freshest_crl: bool,
    /// Addresses of OCSP responders (section 4.2.2.1), whatever their scheme.
    pub ocsp_addresses: Vec<String>,
}

/// `basicConstraints`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether it may issue certificates.
    pub is_ca: bool,
    /// How many CA certificates may stand between it and the leaf.
    pub path_length: Option<u8>,
}

/// `keyUsage`: its bits by number, and whether it is critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// Bit 0 is digitalSignature, bit 8 decipherOnly.
    bits: u16,
    /// Whether the extension is critical.
    pub is_critical: bool,
}

/// `extKeyUsage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedKeyUsage {
    /// The purposes, dotted.
    pub purposes: Vec<String>,
    /// Whether the extension is critical.
    pub is_critical: bool,
}

/// The names of the bits, in their order.
const USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

impl KeyUsage {
    /// Whether the key may be used for this, by the name in RFC 5280.
    pub fn allows(&self, usage: &str) -> bool {
        self.names().any(|name| name == usage)
    }

    /// The names of what it may be used for.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let bits = self.bits;
        USAGES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| bits.checked_shr(u32::try_from(*bit).unwrap_or(16)).unwrap_or(0) & 1 == 1)
            .map(|(_, name)| name)
    }
}

/// One extension, of a certificate, a CRL, an entry of it, or an OCSP response.
#[derive(Sequence)]
pub(crate) struct Extension<'a> {
    pub(crate) id: ObjectIdentifier,
    #[asn1(default = "not_critical")]
    pub(crate) is_critical: bool,
    pub(crate) value: &'a OctetStringRef,
}

fn not_critical() -> bool {
    false
}

impl Extension<'_> {
    pub(crate) fn value(&self) -> &[u8] {
        self.value.as_bytes()
    }

    fn unreadable(&self) -> CertificateError {
        CertificateError::Extension(self.id.to_string())
    }
}

/// Reads a list of extensions, each at most once.
pub(crate) fn list(list: AnyRef<'_>) -> Result<Vec<Extension<'_>>, CertificateError> {
    let encoding = |error: der::Error| CertificateError::Encoding(error.to_string());
    if list.header().tag() != der::Tag::Sequence {
        return Err(encoding(der::Tag::Sequence.value_error().into()));
    }
    // One more than allowed is enough to know that there are too many.
    let items = elements(list.value(), MAX_EXTENSIONS.saturating_add(1)).map_err(encoding)?;
    if items.len() > MAX_EXTENSIONS {
        return Err(CertificateError::Extensions { got: items.len() });
    }
    let mut extensions: Vec<Extension<'_>> = Vec::new();
    for item in items {
        let extension: Extension<'_> = item.decode_as().map_err(encoding)?;
        if extensions.iter().any(|other| other.id == extension.id) {
            return Err(CertificateError::Duplicate(extension.id.to_string()));
        }
        extensions.push(extension);
    }
    Ok(extensions)
}

/// Reads the extensions of a certificate.
pub(super) fn read(extensions: AnyRef<'_>) -> Result<Extensions, CertificateError> {
    let mut read = Extensions::default();
    for extension in list(extensions)? {
        let value = extension.value();
        let refused = |_| extension.unreadable();
        match extension.id {
            BASIC_CONSTRAINTS => {
                let constraints = pkix::BasicConstraints::from_der(value).map_err(refused)?;
                let (is_ca, path_length) = (constraints.ca, constraints.path_len_constraint);
                read.basic_constraints = Some(BasicConstraints { is_ca, path_length });
            }
            KEY_USAGE => {
                let usage = pkix::KeyUsage::from_der(value).map_err(refused)?;
                read.key_usage = Some(KeyUsage { bits: usage.0.bits(), is_critical: extension.is_critical });
            }
            EXTENDED_KEY_USAGE => {
                let usage = pkix::ExtendedKeyUsage::from_der(value).map_err(refused)?;
                if usage.0.is_empty() {
                    return Err(extension.unreadable());
                }
                let purposes = usage.0.iter().map(ToString::to_string).collect();
                read.extended_key_usage = Some(ExtendedKeyUsage { purposes, is_critical: extension.is_critical });
            }
            SUBJECT_KEY_IDENTIFIER => {
                read.subject_key = Some(<&OctetStringRef>::from_der(value).map_err(refused)?.as_bytes().to_vec());
            }
            AUTHORITY_KEY_IDENTIFIER => {
                let parts = sequence(value, 3).map_err(refused)?;
                read.authority_key = parts.iter().find(|part| is_context(part, 0)).map(|part| part.value().to_vec());
            }
            CRL_DISTRIBUTION_POINTS => read.crl_addresses = distribution_points(value).map_err(refused)?,
            FRESHEST_CRL => read.has_freshest_crl = true,
            AUTHORITY_INFORMATION => read.ocsp_addresses = ocsp_addresses(value).map_err(refused)?,
            id if extension.is_critical => return Err(CertificateError::Critical(id.to_string())),
            _ => {}
        }
    }
    let most = read.crl_addresses.len().max(read.ocsp_addresses.len());
    if most > MAX_REVOCATION_ADDRESSES { Err(CertificateError::Addresses) } else { Ok(read) }
}

/// The addresses in a list of distribution points. Who issues and for which reasons is not looked at: all of them are asked.
pub(crate) fn distribution_points(value: &[u8]) -> der::Result<Vec<String>> {
    let mut addresses = Vec::new();
    for point in sequence(value, MAX_NAME_PARTS)? {
        let parts = elements(point.value(), 3)?;
        for name in parts.iter().filter(|part| is_context(part, 0)) {
            for full_name in elements(name.value(), 1)?.iter().filter(|choice| is_context(choice, 0)) {
                addresses.extend(uris(full_name.value())?);
            }
        }
    }
    Ok(addresses)
}

/// The addresses among general names (section 4.2.1.6).
pub(crate) fn uris(general_names: &[u8]) -> der::Result<Vec<String>> {
    let names = elements(general_names, MAX_NAME_PARTS)?;
    // One that nobody can ask stays: leaving it out would mean that there is nothing to ask.
    let text = |name: &AnyRef<'_>| String::from_utf8_lossy(name.value()).into_owned();
    Ok(names.iter().filter(|name| is_context(name, 6)).map(text).collect())
}

fn ocsp_addresses(value: &[u8]) -> der::Result<Vec<String>> {
    let mut addresses = Vec::new();
    for description in sequence(value, MAX_NAME_PARTS)? {
        if let [method, location] = elements(description.value(), 2)?.as_slice()
            && method.decode_as::<ObjectIdentifier>()? == OCSP
            && is_context(location, 6)
        {
            addresses.push(String::from_utf8_lossy(location.value()).into_owned());
        }
    }
    Ok(addresses)
}
