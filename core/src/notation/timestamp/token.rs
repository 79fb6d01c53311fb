//! The token: CMS SignedData (RFC 5652, section 5.1) around a TSTInfo (RFC 3161, section 2.4.2). It is read element by element,
//! so that what a token holds beside is counted and never built.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _, Tag, Tagged as _};
use spki::AlgorithmIdentifierRef;
use x509_cert::time::Time;

use super::TimestampError;
use crate::key::Hash;
use crate::limits::MAX_TOKEN_PARTS;
use crate::text::excerpt;
use crate::time::UnixTime;
use crate::x509::asn1::{elements, is_context, octets, sequence};
use crate::x509::{Certificate, SignatureAlgorithm, algorithm};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// ETSI EN 319 421, the best practices policy: an accuracy of a second, said or not.
const BEST_PRACTICES: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.2023.1.1");
const MICROSECONDS: i64 = 1_000_000;

/// A token that was read.
pub(super) struct Token<'t> {
    content: &'t [u8],
    /// Those that could be read: a token may bring others that no path needs.
    pub(super) certificates: Vec<Certificate>,
    issuer: Vec<u8>,
    serial: &'t [u8],
    hash: Hash,
    algorithm: SignatureAlgorithm,
    attributes: Vec<(ObjectIdentifier, AnyRef<'t>)>,
    /// The signed attributes as they are signed.
    signed: Vec<u8>,
    signature: &'t [u8],
    pub(super) signing_time: Option<UnixTime>,
}

/// What is stated.
pub(super) struct Info<'t> {
    policy: ObjectIdentifier,
    hash: Hash,
    hashed: &'t [u8],
    stated: (UnixTime, i64),
    accuracy: Option<i64>,
    /// What the question had, as the value of an INTEGER.
    pub(super) nonce: Option<&'t [u8]>,
}

/// A moment, and the interval around it in microseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) stated: UnixTime,
    earliest: i64,
    latest: i64,
}

impl Moment {
    /// Whether the interval lies inside of a validity.
    pub(super) fn is_within(self, first: UnixTime, last: UnixTime) -> bool {
        self.earliest >= first.0.saturating_mul(MICROSECONDS) && self.latest <= last.0.saturating_mul(MICROSECONDS)
    }
}

impl<'t> Token<'t> {
    /// Reads a TimeStampToken.
    pub(super) fn parse(der: &'t [u8]) -> Result<Self, TimestampError> {
        let outer = sequence(der, 2)?;
        let [kind, content] = outer.as_slice() else { return Err(TimestampError::Content("not a ContentInfo")) };
        if kind.decode_as::<ObjectIdentifier>()? != SIGNED_DATA || !is_context(content, 0) {
            return Err(TimestampError::Content("it is no signed data"));
        }
        let parts = sequence(content.value(), 6)?;
        let [version, _, content, optional @ .., signers] = parts.as_slice() else {
            return Err(TimestampError::Content("it is no signed data"));
        };
        if version.decode_as::<u8>()? != 3 {
            return Err(TimestampError::Content("its signed data is not of version 3"));
        }
        let content = read_content(content)?;
        let certificates = match optional.iter().find(|part| is_context(part, 0)) {
            None => Vec::new(),
            Some(set) => read_certificates(set)?,
        };
        let signers = match signers.tag() {
            Tag::Set => elements(signers.value(), MAX_TOKEN_PARTS)?,
            _ => return Err(TimestampError::Content("it has no signatures")),
        };
        let [signer] = signers.as_slice() else { return Err(TimestampError::Signers { got: signers.len() }) };
        let signer = elements(signer.value(), 7)?;
        let [version, id, hash, attributes, algorithm, signature, ..] = signer.as_slice() else {
            return Err(TimestampError::Missing("at all"));
        };
        // Version 1 names the certificate by issuer and serial number.
        let id = elements(id.value(), 2)?;
        let ([issuer, serial], 1) = (id.as_slice(), version.decode_as::<u8>()?) else {
            return Err(TimestampError::Content("its signer is not named by issuer and serial number"));
        };
        if !is_context(attributes, 0) {
            return Err(TimestampError::Missing("at all"));
        }
        let hash = algorithm::hash(&hash.decode_as::<AlgorithmIdentifierRef<'_>>()?)?;
        // RFC 5652, section 5.4: signed as SET OF, whatever the tag in the message.
        let signed = AnyRef::new(Tag::Set, attributes.value())?.to_der()?;
        let attributes = read_attributes(attributes)?;
        let signing_time = match attributes.iter().find(|(kind, _)| *kind == SIGNING_TIME) {
            None => None,
            Some((_, value)) => Some(crate::x509::moment(Time::from_der(&octets(*value)?)?)),
        };
        Ok(Self {
            content,
            certificates,
            issuer: octets(*issuer)?,
            serial: serial.value(),
            hash,
            algorithm: SignatureAlgorithm::read_cms(&algorithm.decode_as()?, hash)?,
            attributes,
            signed,
            signature: signature.decode_as::<&OctetStringRef>()?.as_bytes(),
            signing_time,
        })
    }

    fn attribute(&self, kind: ObjectIdentifier, name: &'static str) -> Result<AnyRef<'t>, TimestampError> {
        let found = self.attributes.iter().find(|(there, _)| *there == kind);
        found.map(|(_, value)| *value).ok_or(TimestampError::Missing(name))
    }

    /// Checks the signed attributes and the signature over them, and gives the certificate of the signer.
    pub(super) fn verify_signature(&self) -> Result<&Certificate, TimestampError> {
        let content_type = self.attribute(CONTENT_TYPE, "contentType")?.decode_as::<ObjectIdentifier>()?;
        let digest = self.attribute(MESSAGE_DIGEST, "messageDigest")?.decode_as::<&OctetStringRef>()?;
        if content_type != TST_INFO || digest.as_bytes() != self.hash.digest(self.content) {
            return Err(TimestampError::OtherContent);
        }
        let named =
            |certificate: &&Certificate| certificate.issuer() == self.issuer && certificate.serial() == self.serial;
        let signer = self.certificates.iter().find(named).ok_or(TimestampError::NoCertificate)?;
        self.check_certificate(signer)?;
        self.algorithm.verify(signer.key(), &self.signed, self.signature)?;
        Ok(signer)
    }

    /// RFC 5035, section 3: the first identifier is that of the signer's certificate.
    fn check_certificate(&self, signer: &Certificate) -> Result<(), TimestampError> {
        let list = self.attribute(SIGNING_CERTIFICATE_V2, "signingCertificateV2")?;
        let list = elements(list.value(), 2)?;
        let identifiers = elements(list.first().map(|part| part.value()).unwrap_or_default(), MAX_TOKEN_PARTS)?;
        let identifier = elements(identifiers.first().map(|part| part.value()).unwrap_or_default(), 3)?;
        let (hash, rest) = match identifier.as_slice() {
            [algorithm, rest @ ..] if algorithm.tag() == Tag::Sequence => {
                (algorithm::hash(&algorithm.decode_as::<AlgorithmIdentifierRef<'_>>()?)?, rest)
            }
            rest => (Hash::Sha256, rest),
        };
        let (digest, issuer_serial) = match rest {
            [digest] => (digest, None),
            [digest, issuer_serial] => (digest, Some(issuer_serial)),
            _ => return Err(TimestampError::OtherCertificate),
        };
        let mut fits = digest.decode_as::<&OctetStringRef>()?.as_bytes() == hash.digest(signer.der());
        if let Some(issuer_serial) = issuer_serial {
            let parts = elements(issuer_serial.value(), 2)?;
            let [names, serial] = parts.as_slice() else { return Err(TimestampError::OtherCertificate) };
            let names = elements(names.value(), 1)?;
            let issuer = names.first().filter(|name| is_context(name, 4)).map(|part| part.value());
            fits = fits && issuer == Some(signer.issuer()) && serial.value() == signer.serial();
        }
        if fits { Ok(()) } else { Err(TimestampError::OtherCertificate) }
    }

    /// Reads what is stated.
    pub(super) fn info(&self) -> Result<Info<'t>, TimestampError> {
        let parts = sequence(self.content, 10)?;
        let [version, policy, imprint, _serial, stated, optional @ ..] = parts.as_slice() else {
            return Err(TimestampError::Content("it has no TSTInfo"));
        };
        let version = version.decode_as::<u8>()?;
        if version != 1 {
            return Err(TimestampError::Version(version));
        }
        let imprint = elements(imprint.value(), 2)?;
        let [hash, hashed] = imprint.as_slice() else { return Err(TimestampError::Content("it has no imprint")) };
        if stated.tag() != Tag::GeneralizedTime {
            return Err(TimestampError::Content("it states no moment"));
        }
        for extensions in optional.iter().filter(|part| is_context(part, 1)) {
            for extension in elements(extensions.value(), MAX_TOKEN_PARTS)? {
                let extension = elements(extension.value(), 3)?;
                if let [id, critical, _] = extension.as_slice()
                    && critical.decode_as::<bool>()?
                {
                    return Err(TimestampError::Critical(id.decode_as::<ObjectIdentifier>()?.to_string()));
                }
            }
        }
        let accuracy = optional.iter().find(|part| part.tag() == Tag::Sequence);
        Ok(Info {
            policy: policy.decode_as()?,
            hash: algorithm::hash(&hash.decode_as::<AlgorithmIdentifierRef<'_>>()?)?,
            hashed: hashed.decode_as::<&OctetStringRef>()?.as_bytes(),
            stated: read_moment(stated.value())?,
            accuracy: accuracy.map(read_accuracy).transpose()?,
            nonce: optional.iter().find(|part| part.tag() == Tag::Integer).map(|part| part.value()),
        })
    }
}

impl Info<'_> {
    /// The moment that is stated for these octets.
    pub(super) fn moment_for(&self, message: &[u8]) -> Result<Moment, TimestampError> {
        if self.hashed != self.hash.digest(message) {
            return Err(TimestampError::OtherMessage);
        }
        let accuracy = match self.accuracy {
            None | Some(0) if self.policy == BEST_PRACTICES => MICROSECONDS,
            accuracy => accuracy.unwrap_or(0),
        };
        let (stated, fraction) = self.stated;
        let at = stated.0.saturating_mul(MICROSECONDS).saturating_add(fraction);
        Ok(Moment { stated, earliest: at.saturating_sub(accuracy), latest: at.saturating_add(accuracy) })
    }
}

fn read_content<'t>(content: &AnyRef<'t>) -> Result<&'t [u8], TimestampError> {
    let parts = elements(content.value(), 2)?;
    let [kind, content] = parts.as_slice() else { return Err(TimestampError::Content("it has no content")) };
    if kind.decode_as::<ObjectIdentifier>()? != TST_INFO || !is_context(content, 0) {
        return Err(TimestampError::Content("its content is no TSTInfo"));
    }
    Ok(<&OctetStringRef>::from_der(content.value())?.as_bytes())
}

fn read_certificates(set: &AnyRef<'_>) -> Result<Vec<Certificate>, TimestampError> {
    let mut certificates = Vec::new();
    for element in elements(set.value(), MAX_TOKEN_PARTS)? {
        certificates.extend(Certificate::from_der(&octets(element)?).ok());
    }
    Ok(certificates)
}

/// Attributes by type, each with its one value (RFC 5652, section 11).
fn read_attributes<'t>(set: &AnyRef<'t>) -> Result<Vec<(ObjectIdentifier, AnyRef<'t>)>, TimestampError> {
    let mut attributes: Vec<(ObjectIdentifier, AnyRef<'t>)> = Vec::new();
    for attribute in elements(set.value(), MAX_TOKEN_PARTS)? {
        let parts = elements(attribute.value(), 2)?;
        let [kind, values] = parts.as_slice() else {
            return Err(TimestampError::Content("it has an attribute without a type or values"));
        };
        let kind: ObjectIdentifier = kind.decode_as()?;
        if attributes.iter().any(|(there, _)| *there == kind) {
            return Err(TimestampError::Duplicate(kind.to_string()));
        }
        let values = elements(values.value(), MAX_TOKEN_PARTS)?;
        // Others than those that are looked at may have as many as they like.
        match values.as_slice() {
            [value] => attributes.push((kind, *value)),
            _ if [CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME, SIGNING_CERTIFICATE_V2].contains(&kind) => {
                return Err(TimestampError::Duplicate(kind.to_string()));
            }
            _ => {}
        }
    }
    Ok(attributes)
}

/// `YYYYMMDDhhmmss[.f…]Z` (RFC 3161, section 2.4.2): seconds, and microseconds rounded up.
fn read_moment(octets: &[u8]) -> Result<(UnixTime, i64), TimestampError> {
    let shown = || TimestampError::Moment(excerpt(&String::from_utf8_lossy(octets)));
    let text = core::str::from_utf8(octets).map_err(|_| shown())?;
    let (whole, fraction) = match text.strip_suffix('Z').ok_or_else(shown)?.split_once('.') {
        None => (text.trim_end_matches('Z'), 0),
        Some((whole, digits)) => {
            let is_fraction = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let (six, rest) = digits.split_at_checked(6).unwrap_or((digits, ""));
            let more = i64::from(rest.bytes().any(|byte| byte != b'0'));
            let number: i64 = format!("{six:0<6}").parse().ok().filter(|_| is_fraction).ok_or_else(shown)?;
            (whole, number.saturating_add(more))
        }
    };
    let part = |from: usize, to: usize| whole.get(from..to).unwrap_or_default();
    let date = [part(0, 4), part(4, 6), part(6, 8)].join("-");
    let time = [part(8, 10), part(10, 12), part(12, 14)].join(":");
    let moment = UnixTime::parse(&format!("{date}T{time}Z")).filter(|_| whole.len() == 14).ok_or_else(shown)?;
    Ok((moment, fraction))
}

/// Microseconds (RFC 3161, section 2.4.2, `Accuracy`).
fn read_accuracy(accuracy: &AnyRef<'_>) -> Result<i64, TimestampError> {
    let mut microseconds = 0i64;
    for part in elements(accuracy.value(), 3)? {
        let wrong = || TimestampError::Moment(hex::encode(part.value()));
        let (unit, most) = match part.tag() {
            Tag::Integer => (MICROSECONDS, u32::MAX),
            _ if is_context(&part, 0) => (1000, 999),
            _ if is_context(&part, 1) => (1, 999),
            _ => return Err(wrong()),
        };
        let number = AnyRef::new(Tag::Integer, part.value())?.decode_as::<u32>()?;
        if number > most {
            return Err(wrong());
        }
        microseconds = microseconds.saturating_add(i64::from(number).saturating_mul(unit));
    }
    Ok(microseconds)
}
