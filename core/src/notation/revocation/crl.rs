//! Certificate revocation lists and their deltas (RFC 5280, section 5), read entry by entry: a list has as many as it likes.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use spki::AlgorithmIdentifierRef;
use x509_cert::ext::pkix::CrlReason;
use x509_cert::time::Time;

use super::Revoked;
use crate::key::SignatureError;
use crate::limits::{CLOCK_SKEW_SECONDS, MAX_CRL_BYTES};
use crate::time::UnixTime;
use crate::x509::asn1::{elements, is_context, octets, sequence};
use crate::x509::{AlgorithmError, Certificate, CertificateError, Extension, SignatureAlgorithm};
use crate::x509::{distribution_points, extension_list, moment, uris};

const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const DELTA: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const SCOPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const FRESHEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");

/// Parts of the signed list at most (section 5.1.2).
const PARTS: usize = 7;

/// A CRL that was parsed. Nothing in it counts before its signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    tbs: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
    issuer: Vec<u8>,
    this_update: UnixTime,
    next_update: UnixTime,
    /// `cRLNumber`, big endian without zeros in front.
    number: Option<Vec<u8>>,
    /// The number of the list that it is a delta to, at least.
    base: Option<Vec<u8>>,
    delta_address: Option<String>,
    scope: Option<Scope>,
    /// Where among the parts of the list its entries are: they are not copied, there may be many.
    entries: Option<usize>,
}

/// `issuingDistributionPoint` (section 5.2.5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Scope {
    /// Whether it is for those certificates only that name it.
    is_named: bool,
    addresses: Vec<String>,
    only_leaves: bool,
    only_cas: bool,
    /// Parts that are not read: some reasons, other issuers, attribute certificates.
    other: bool,
}

/// Why a CRL says nothing about a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// More octets than [`MAX_CRL_BYTES`].
    #[error("CRL: {got} octets, at most {MAX_CRL_BYTES} are read")]
    TooLarge {
        /// Octets there are.
        got: usize,
    },
    /// Not the DER of a CRL of version 2.
    #[error("CRL: not a list of version 2 in DER: {0}")]
    Encoding(String),
    /// An algorithm that is not used.
    #[error("CRL: {0}")]
    Algorithm(#[from] AlgorithmError),
    /// Its extensions cannot be read.
    #[error("CRL: {0}")]
    Extensions(#[from] CertificateError),
    /// A critical extension of the list or of the certificate's entry.
    #[error("CRL: critical extension {0} is not understood")]
    Critical(String),
    /// Issued by somebody else.
    #[error("CRL: it is not issued by {0:?}")]
    Issuer(String),
    /// The issuer may not sign lists.
    #[error("CRL: the key of {0:?} is not for cRLSign")]
    NoCrlSign(String),
    /// Its signature does not hold.
    #[error("CRL: {0}")]
    Signature(#[from] SignatureError),
    /// Without an end, it can be repeated for ever.
    #[error("CRL: it does not say when the next one comes")]
    NoNextUpdate,
    /// It is not of now.
    #[error("CRL: issued at {this_update} to hold until {next_update}, and now is {now}")]
    NotNow {
        /// `thisUpdate`.
        this_update: UnixTime,
        /// `nextUpdate`.
        next_update: UnixTime,
        /// Now.
        now: UnixTime,
    },
    /// It is for other certificates, or only for some reasons.
    #[error("CRL: it is not for this certificate, or not for every reason")]
    Scope,
    /// A delta where a whole list is needed.
    #[error("CRL: it is only the delta to another one")]
    IsDelta,
    /// No delta to this list.
    #[error("CRL: the delta does not fit its list: {0}")]
    Delta(&'static str),
}

impl From<der::Error> for CrlError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

impl Crl {
    /// Reads a CRL, DER.
    ///
    /// # Errors
    /// [`CrlError`].
    pub fn parse(der: &[u8]) -> Result<Self, CrlError> {
        if der.len() > MAX_CRL_BYTES {
            return Err(CrlError::TooLarge { got: der.len() });
        }
        let encoding = |what: &str| CrlError::Encoding(what.to_owned());
        let outer = sequence(der, 3)?;
        let [tbs, algorithm, signature] = outer.as_slice() else { return Err(encoding("not three parts")) };
        let outside: AlgorithmIdentifierRef<'_> = algorithm.decode_as()?;
        let parts = elements(tbs.value(), PARTS)?;
        let [version, inside, issuer, this_update, optional @ ..] = parts.as_slice() else {
            return Err(encoding("too few parts"));
        };
        if version.tag() != Tag::Integer || version.decode_as::<u8>()? != 1 {
            return Err(encoding("another version"));
        }
        if inside.decode_as::<AlgorithmIdentifierRef<'_>>()? != outside {
            return Err(CertificateError::OtherAlgorithm.into());
        }
        let mut optional = optional.iter().peekable();
        let time = |element: &AnyRef<'_>| octets(*element).and_then(|der| Time::from_der(&der)).map(moment);
        let next_update = optional.next_if(|part| matches!(part.tag(), Tag::UtcTime | Tag::GeneralizedTime));
        // Four parts and the next update stand before the entries.
        let entries = optional.next_if(|part| part.tag() == Tag::Sequence).map(|_| 5);
        let mut crl = Self {
            tbs: octets(*tbs)?,
            algorithm: SignatureAlgorithm::read(&outside)?,
            signature: crate::x509::whole_octets(signature.decode_as()?)?,
            issuer: octets(*issuer)?,
            this_update: time(this_update)?,
            next_update: time(next_update.ok_or(CrlError::NoNextUpdate)?)?,
            number: None,
            base: None,
            delta_address: None,
            scope: None,
            entries,
        };
        if let Some(extensions) = optional.next_if(|part| is_context(part, 0)) {
            for extension in extension_list(AnyRef::from_der(extensions.value())?)? {
                crl.take(&extension)?;
            }
        }
        if optional.next().is_some() { Err(encoding("more than a list has")) } else { Ok(crl) }
    }

    fn take(&mut self, extension: &Extension<'_>) -> Result<(), CrlError> {
        let value = extension.value();
        match extension.id {
            CRL_NUMBER => self.number = Some(number(value)?),
            DELTA => self.base = Some(number(value)?),
            // Without an address nobody can be asked for the delta that there is.
            FRESHEST => self.delta_address = Some(distribution_points(value)?.into_iter().next().unwrap_or_default()),
            SCOPE => self.scope = Some(Scope::read(value)?),
            id if extension.is_critical => return Err(CrlError::Critical(id.to_string())),
            _ => {}
        }
        Ok(())
    }

    /// The issuer's name, DER.
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Octets of it that are signed.
    pub fn octets(&self) -> usize {
        self.tbs.len()
    }

    /// Where its delta is, if it has one (section 5.2.6).
    pub fn delta_address(&self) -> Option<&str> {
        self.delta_address.as_deref()
    }

    /// Whether it is for all certificates of its issuer.
    pub fn is_complete(&self) -> bool {
        self.scope.is_none() && self.base.is_none()
    }

    /// Checks that it is the issuer's, and of now.
    ///
    /// # Errors
    /// [`CrlError`].
    pub fn verify(&self, issuer: &Certificate, now: UnixTime) -> Result<(), CrlError> {
        if self.issuer != issuer.subject() {
            return Err(CrlError::Issuer(issuer.subject_text()));
        }
        if !issuer.extensions().key_usage.is_some_and(|usage| usage.allows("cRLSign")) {
            return Err(CrlError::NoCrlSign(issuer.subject_text()));
        }
        let (this_update, next_update) = (self.this_update, self.next_update);
        if now > next_update || this_update.0 > now.0.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(CrlError::NotNow { this_update, next_update, now });
        }
        Ok(self.algorithm.verify(issuer.key(), &self.tbs, &self.signature)?)
    }

    /// Looks for a certificate in the list and its delta. Nothing when it is not revoked.
    ///
    /// # Errors
    /// [`CrlError`] when they say nothing about it.
    pub fn status(
        &self,
        delta: Option<&Self>,
        (certificate, issuer): (&Certificate, &Certificate),
        signing_time: Option<UnixTime>,
        now: UnixTime,
    ) -> Result<Option<Revoked>, CrlError> {
        self.verify(issuer, now)?;
        if self.base.is_some() {
            return Err(CrlError::IsDelta);
        }
        self.check_scope(certificate)?;
        let mut entries = self.entries_of(certificate)?;
        if let Some(delta) = delta {
            delta.verify(issuer, now)?;
            delta.check_scope(certificate)?;
            self.check_delta(delta)?;
            entries.extend(delta.entries_of(certificate)?);
        }
        let mut last: Option<Entry> = None;
        for entry in entries {
            // It was signed before the key was known to be in other hands.
            if let (Some(signed), Some(invalid)) = (signing_time, entry.invalid_since)
                && signed < invalid
            {
                continue;
            }
            match entry.reason {
                Some(CrlReason::CertificateHold | CrlReason::RemoveFromCRL) => {
                    if last.as_ref().is_none_or(|last| last.at < entry.at) {
                        last = Some(entry);
                    }
                }
                reason => return Ok(Some(Revoked { at: entry.at, reason: reason.map(code) })),
            }
        }
        let held = last.filter(|entry| entry.reason == Some(CrlReason::CertificateHold));
        Ok(held.map(|entry| Revoked { at: entry.at, reason: entry.reason.map(code) }))
    }

    fn check_scope(&self, certificate: &Certificate) -> Result<(), CrlError> {
        let Some(scope) = &self.scope else { return Ok(()) };
        let extensions = certificate.extensions();
        let is_ca = extensions.basic_constraints.is_some_and(|constraints| constraints.is_ca);
        let named = !scope.is_named || scope.addresses.iter().any(|address| extensions.crl_addresses.contains(address));
        let is_for_it = if is_ca { !scope.only_leaves } else { !scope.only_cas };
        if named && is_for_it && !scope.other { Ok(()) } else { Err(CrlError::Scope) }
    }

    /// Section 5.2.4.
    fn check_delta(&self, delta: &Self) -> Result<(), CrlError> {
        let fail = |what| Err(CrlError::Delta(what));
        let (Some(number), Some(later)) = (&self.number, &delta.number) else { return fail("one has no number") };
        let Some(base) = &delta.base else { return fail("it does not say that it is one") };
        let order = |number: &Vec<u8>| (number.len(), number.clone());
        if order(later) <= order(number) {
            return fail("its number is not greater");
        }
        if order(base) > order(number) {
            return fail("it is to a later list");
        }
        Ok(())
    }

    /// The entries for one certificate.
    fn entries_of(&self, certificate: &Certificate) -> Result<Vec<Entry>, CrlError> {
        let parts = sequence(&self.tbs, PARTS)?;
        let entries = self.entries.and_then(|index| parts.get(index)).map(|part| part.value());
        let mut reader = SliceReader::new(entries.unwrap_or_default())?;
        let mut found = Vec::new();
        while !reader.is_finished() {
            let entry = AnyRef::decode(&mut reader)?;
            let (serial, _) = AnyRef::from_der_partial(entry.value())?;
            if strip(serial.value()) == strip(certificate.serial()) {
                found.push(Entry::read(&entry)?);
            }
        }
        Ok(found)
    }
}

/// One entry (section 5.3).
struct Entry {
    at: UnixTime,
    reason: Option<CrlReason>,
    invalid_since: Option<UnixTime>,
}

impl Entry {
    fn read(entry: &AnyRef<'_>) -> Result<Self, CrlError> {
        let parts = elements(entry.value(), 3)?;
        let [_, at, optional @ ..] = parts.as_slice() else {
            return Err(CrlError::Encoding("an entry without a date".to_owned()));
        };
        let at = moment(Time::from_der(&octets(*at)?)?);
        let mut read = Self { at, reason: None, invalid_since: None };
        if let Some(extensions) = optional.first() {
            for extension in extension_list(*extensions)? {
                match extension.id {
                    REASON => read.reason = Some(CrlReason::from_der(extension.value())?),
                    INVALIDITY_DATE => read.invalid_since = Some(invalidity_date(extension.value())?),
                    id if extension.is_critical => return Err(CrlError::Critical(id.to_string())),
                    _ => {}
                }
            }
        }
        Ok(read)
    }
}

impl Scope {
    fn read(value: &[u8]) -> Result<Self, CrlError> {
        let mut scope = Self::default();
        for part in sequence(value, 6)? {
            let is_true = part.value() == [0xff];
            match part {
                part if is_context(&part, 0) => {
                    scope.is_named = true;
                    for choice in elements(part.value(), 1)? {
                        // A name relative to the issuer's is none that a certificate has here.
                        scope.other |= !is_context(&choice, 0);
                        scope.addresses.extend(uris(choice.value())?);
                    }
                }
                part if is_context(&part, 1) => scope.only_leaves = is_true,
                part if is_context(&part, 2) => scope.only_cas = is_true,
                _ => scope.other = true,
            }
        }
        Ok(scope)
    }
}

/// `invalidityDate` (section 5.3.2).
pub(super) fn invalidity_date(value: &[u8]) -> der::Result<UnixTime> {
    let time = der::asn1::GeneralizedTime::from_der(value)?;
    Ok(moment(Time::GeneralTime(time)))
}

/// The number of a reason.
pub(super) fn code(reason: CrlReason) -> u8 {
    u8::try_from(reason as u32).unwrap_or(u8::MAX)
}

fn number(value: &[u8]) -> der::Result<Vec<u8>> {
    let number = AnyRef::from_der(value)?;
    match number.tag() {
        Tag::Integer => Ok(strip(number.value()).to_vec()),
        _ => Err(Tag::Integer.value_error().into()),
    }
}

/// Without zeros in front.
pub(super) fn strip(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}
