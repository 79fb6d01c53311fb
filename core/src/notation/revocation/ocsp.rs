//! OCSP (RFC 6960): the request as the address of a GET, and what a response says about one certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _, Sequence, Tag, Tagged as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use spki::AlgorithmIdentifierRef;
use x509_cert::ext::pkix::CrlReason;
use x509_cert::time::Time;

use super::Revoked;
use super::crl::{code, invalidity_date, strip};
use crate::key::SignatureError;
use crate::limits::{CLOCK_SKEW_SECONDS, MAX_OCSP_BYTES, MAX_OCSP_PARTS};
use crate::time::UnixTime;
use crate::x509::algorithm::{SHA1, SHA256};
use crate::x509::asn1::{elements, is_context, octets, sequence};
use crate::x509::{AlgorithmError, Certificate, CertificateError, SignatureAlgorithm};
use crate::x509::{extension_list, moment, whole_octets};

const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
/// The purpose of a responder's certificate (section 4.2.2.2).
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";

/// Why a response says nothing about a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OcspError {
    /// More octets than [`MAX_OCSP_BYTES`].
    #[error("OCSP: {got} octets, at most {MAX_OCSP_BYTES} are read")]
    TooLarge {
        /// Octets there are.
        got: usize,
    },
    /// Not the DER of a response.
    #[error("OCSP: not a response in DER: {0}")]
    Encoding(String),
    /// The responder has no answer (section 4.2.1).
    #[error("OCSP: the responder answers with the status {0}")]
    Refused(u8),
    /// An algorithm that is not used.
    #[error("OCSP: {0}")]
    Algorithm(#[from] AlgorithmError),
    /// A certificate or an extension in it.
    #[error("OCSP: {0}")]
    Certificate(#[from] CertificateError),
    /// Neither the issuer nor somebody that it named signed it.
    #[error("OCSP: the responder is neither the issuer nor has a certificate from it for answers that is valid")]
    Responder,
    /// Its signature does not hold.
    #[error("OCSP: {0}")]
    Signature(#[from] SignatureError),
    /// It is about other certificates.
    #[error("OCSP: it is not about this certificate")]
    OtherCertificate,
    /// Without an end, it can be repeated for ever.
    #[error("OCSP: it does not say until when it holds")]
    NoNextUpdate,
    /// It is not of now.
    #[error("OCSP: made at {this_update} to hold until {next_update}, and now is {now}")]
    NotNow {
        /// `thisUpdate`.
        this_update: UnixTime,
        /// `nextUpdate`.
        next_update: UnixTime,
        /// Now.
        now: UnixTime,
    },
    /// A critical extension.
    #[error("OCSP: critical extension {0} is not understood")]
    Critical(String),
    /// The responder does not know the certificate.
    #[error("OCSP: the responder does not know the certificate")]
    Unknown,
}

impl From<der::Error> for OcspError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

#[derive(Sequence)]
struct CertId<'a> {
    hash: AlgorithmIdentifierRef<'a>,
    issuer_name: &'a OctetStringRef,
    issuer_key: &'a OctetStringRef,
    serial: AnyRef<'a>,
}

#[derive(Sequence)]
struct OcspRequest<'a> {
    tbs: TbsRequest<'a>,
}

#[derive(Sequence)]
struct TbsRequest<'a> {
    list: Vec<SingleRequest<'a>>,
}

#[derive(Sequence)]
struct SingleRequest<'a> {
    certificate: CertId<'a>,
}

/// The request for one certificate, DER (section 4.1.1). Its identifier is over SHA-1, which every responder knows; nothing
/// rests on that hash.
///
/// # Errors
/// Nothing that a certificate could cause.
pub fn request(certificate: &Certificate, issuer: &Certificate) -> der::Result<Vec<u8>> {
    let (name, key) = (Sha1::digest(issuer.subject()), Sha1::digest(issuer.key_octets()));
    let certificate = CertId {
        hash: AlgorithmIdentifierRef { oid: SHA1, parameters: Some(AnyRef::NULL) },
        issuer_name: OctetStringRef::new(&name)?,
        issuer_key: OctetStringRef::new(&key)?,
        serial: AnyRef::new(Tag::Integer, certificate.serial())?,
    };
    OcspRequest { tbs: TbsRequest { list: vec![SingleRequest { certificate }] } }.to_der()
}

/// The address of the GET that asks a responder about one certificate (appendix A.1).
pub fn request_address(responder: &str, certificate: &Certificate, issuer: &Certificate) -> Option<String> {
    let question = STANDARD.encode(request(certificate, issuer).ok()?);
    let question = question.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let slash = if responder.ends_with('/') { "" } else { "/" };
    Some(format!("{responder}{slash}{question}"))
}

/// What a response says about a certificate: nothing when it is not revoked.
///
/// # Errors
/// [`OcspError`] when it says nothing about it.
pub(super) fn status(
    response: &[u8],
    certificate: &Certificate,
    issuer: &Certificate,
    signing_time: Option<UnixTime>,
    now: UnixTime,
) -> Result<Option<Revoked>, OcspError> {
    let single = Single::find(&verified(response, issuer, now)?, certificate, issuer)?;
    let (this_update, next_update) = (single.this_update, single.next_update.ok_or(OcspError::NoNextUpdate)?);
    if now > next_update || this_update.0 > now.0.saturating_add(CLOCK_SKEW_SECONDS) {
        return Err(OcspError::NotNow { this_update, next_update, now });
    }
    match single.status {
        Told::Good => Ok(None),
        Told::Unknown => Err(OcspError::Unknown),
        Told::Revoked(revoked) => {
            let before = signing_time.zip(single.invalid_since).is_some_and(|(signed, invalid)| signed < invalid);
            Ok(if before { None } else { Some(revoked) })
        }
    }
}

/// The single responses of a response whose signature holds (section 3.2), DER.
fn verified(response: &[u8], issuer: &Certificate, now: UnixTime) -> Result<Vec<u8>, OcspError> {
    if response.len() > MAX_OCSP_BYTES {
        return Err(OcspError::TooLarge { got: response.len() });
    }
    let encoding = |what: &str| OcspError::Encoding(what.to_owned());
    let outer = sequence(response, 2)?;
    let [status, optional @ ..] = outer.as_slice() else { return Err(encoding("no status")) };
    match (status.tag(), status.value()) {
        (Tag::Enumerated, [0]) => {}
        (Tag::Enumerated, [code]) => return Err(OcspError::Refused(*code)),
        _ => return Err(encoding("no status")),
    }
    let bytes = optional.first().filter(|part| is_context(part, 0)).ok_or_else(|| encoding("no content"))?;
    let bytes = sequence(bytes.value(), 2)?;
    let [kind, basic] = bytes.as_slice() else { return Err(encoding("no content")) };
    if kind.decode_as::<ObjectIdentifier>()? != BASIC {
        return Err(encoding("not a basic response"));
    }
    let basic = sequence(basic.decode_as::<&OctetStringRef>()?.as_bytes(), 4)?;
    let [data, algorithm, signature, certificates @ ..] = basic.as_slice() else { return Err(encoding("not signed")) };
    let algorithm = SignatureAlgorithm::read(&algorithm.decode_as()?)?;
    let signature = whole_octets(signature.decode_as()?)?;
    let parts = elements(data.value(), 5)?;
    // A version that is written is another one than the first.
    let [responder, _produced, responses, extensions @ ..] = parts.as_slice() else { return Err(encoding("no data")) };
    for list in extensions.iter().filter(|part| is_context(part, 1)) {
        let critical =
            extension_list(AnyRef::from_der(list.value())?)?.into_iter().find(|extension| extension.is_critical);
        if let Some(extension) = critical {
            return Err(OcspError::Critical(extension.id.to_string()));
        }
    }
    let signed = octets(*data)?;
    if names(responder, issuer)? {
        algorithm.verify(issuer.key(), &signed, &signature)?;
    } else {
        let delegate = delegate(certificates.first(), responder, issuer, now)?;
        algorithm.verify(delegate.key(), &signed, &signature)?;
    }
    octets(*responses).map_err(OcspError::from)
}

/// Whether a responder's identifier is that of a certificate: its name, or SHA-1 of its key (section 4.2.2.3).
fn names(responder: &AnyRef<'_>, certificate: &Certificate) -> der::Result<bool> {
    if is_context(responder, 1) {
        return Ok(responder.value() == certificate.subject());
    }
    let key = <&OctetStringRef>::from_der(responder.value())?;
    Ok(is_context(responder, 2) && key.as_bytes() == Sha1::digest(certificate.key_octets()).as_slice())
}

/// The certificate of a responder that the issuer itself has named (section 4.2.2.2).
fn delegate(
    list: Option<&AnyRef<'_>>,
    responder: &AnyRef<'_>,
    issuer: &Certificate,
    now: UnixTime,
) -> Result<Certificate, OcspError> {
    let list = list.filter(|part| is_context(part, 0)).ok_or(OcspError::Responder)?;
    for element in sequence(list.value(), MAX_OCSP_PARTS)? {
        let certificate = Certificate::from_der(&octets(element)?)?;
        let extensions = certificate.extensions();
        let purpose = extensions.extended_key_usage.as_ref();
        let may_answer = purpose.is_some_and(|usage| usage.purposes.iter().any(|purpose| purpose == OCSP_SIGNING));
        let may_sign = extensions.key_usage.is_none_or(|usage| usage.allows("digitalSignature"));
        let issued = certificate.issuer() == issuer.subject() && certificate.is_valid_at(now);
        if names(responder, &certificate)? && may_answer && may_sign && issued {
            certificate.verify(issuer)?;
            return Ok(certificate);
        }
    }
    Err(OcspError::Responder)
}

/// What is said about one certificate (section 4.2.1).
struct Single {
    status: Told,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    invalid_since: Option<UnixTime>,
}

enum Told {
    Good,
    Revoked(Revoked),
    Unknown,
}

impl Single {
    /// The one for a certificate: two of them could disagree.
    fn find(responses: &[u8], certificate: &Certificate, issuer: &Certificate) -> Result<Self, OcspError> {
        let mut found = None;
        for single in sequence(responses, MAX_OCSP_PARTS)? {
            let parts = elements(single.value(), 5)?;
            let [id, rest @ ..] = parts.as_slice() else { return Err(OcspError::OtherCertificate) };
            if is_about(&id.decode_as()?, certificate, issuer) && found.replace(Self::read(rest)?).is_some() {
                return Err(OcspError::Encoding("two answers about one certificate".to_owned()));
            }
        }
        found.ok_or(OcspError::OtherCertificate)
    }

    fn read(parts: &[AnyRef<'_>]) -> Result<Self, OcspError> {
        let encoding = |what: &str| OcspError::Encoding(what.to_owned());
        let [status, this_update, optional @ ..] = parts else { return Err(encoding("an answer without a status")) };
        let time = |time: GeneralizedTime| moment(Time::GeneralTime(time));
        let status = match status {
            status if is_context(status, 0) => Told::Good,
            status if is_context(status, 1) => {
                let parts = elements(status.value(), 2)?;
                let at = parts.first().ok_or_else(|| encoding("revoked, but not when"))?;
                let reason = parts.get(1).map(|part| CrlReason::from_der(part.value())).transpose()?;
                Told::Revoked(Revoked { at: time(at.decode_as()?), reason: reason.map(code) })
            }
            status if is_context(status, 2) => Told::Unknown,
            _ => return Err(encoding("another status")),
        };
        let mut read =
            Self { status, this_update: time(this_update.decode_as()?), next_update: None, invalid_since: None };
        for part in optional {
            if is_context(part, 0) {
                read.next_update = Some(time(GeneralizedTime::from_der(part.value())?));
            } else if is_context(part, 1) {
                for extension in extension_list(AnyRef::from_der(part.value())?)? {
                    match extension.id {
                        INVALIDITY_DATE => read.invalid_since = Some(invalidity_date(extension.value())?),
                        id if extension.is_critical => return Err(OcspError::Critical(id.to_string())),
                        _ => {}
                    }
                }
            }
        }
        Ok(read)
    }
}

/// Whether an identifier is that of a certificate. SHA-1 is good enough for a name: the answer itself is signed.
fn is_about(id: &CertId<'_>, certificate: &Certificate, issuer: &Certificate) -> bool {
    let fits = |name: &[u8], key: &[u8]| id.issuer_name.as_bytes() == name && id.issuer_key.as_bytes() == key;
    let same_issuer = match id.hash.oid {
        SHA1 => fits(&Sha1::digest(issuer.subject()), &Sha1::digest(issuer.key_octets())),
        SHA256 => fits(&Sha256::digest(issuer.subject()), &Sha256::digest(issuer.key_octets())),
        _ => false,
    };
    same_issuer && id.serial.tag() == Tag::Integer && strip(id.serial.value()) == strip(certificate.serial())
}
