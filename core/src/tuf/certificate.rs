//! Certificates of root keys (RFC 5280, as far as notary, trustpinning/certs.go and tuf/utils/x509.go, use it).
//!
//! A root key is a certificate whose common name says for which collection it counts. Whether it is trusted follows from a
//! pin, of the key, of the certificate, or of an authority that the chain leads to.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier};
use der::{Decode as _, Encode as _};
use spki::AlgorithmIdentifierRef;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

use super::role::Gun;
use crate::key::{Hash, PublicKey, PublicKeyError};
use crate::limits::{MAX_CHAIN_CERTIFICATES, MAX_KEY_BYTES};
use crate::text::excerpt;
use crate::time::UnixTime;

/// Seconds that a certificate may begin in the future: one day, for clocks that differ (notary, tuf/utils/x509.go).
const LEEWAY: i64 = 24 * 60 * 60;
/// Signatures that are checked to find the way from one leaf to an authority: a chain has two or three.
const MAX_CHECKS: usize = 8;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
pub(crate) const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");

/// A certificate that was parsed. Nothing about it is trusted yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Vec<u8>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    common_names: usize,
    common_name: Option<String>,
    not_before: UnixTime,
    not_after: UnixTime,
    is_ca: bool,
    path_length: Option<u8>,
    may_issue: bool,
    has_purpose: bool,
    unread: Option<ObjectIdentifier>,
    public: PublicKey,
    algorithm: ObjectIdentifier,
    signature: Vec<u8>,
}

/// Why a certificate does not make a root key count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not PEM blocks of certificates.
    #[error("certificate: {0}")]
    Encoding(String),
    /// A key that Bulla does not use.
    #[error("certificate: {0}")]
    Key(#[from] PublicKeyError),
    /// More certificates in one chain than are read.
    #[error("a chain of {got} certificates, at most {MAX_CHAIN_CERTIFICATES} are read")]
    Chain {
        /// Certificates there are.
        got: usize,
    },
    /// A root key's first certificate is an authority's, or another one is not.
    #[error("a root key is one certificate that is no authority, in front of authorities: {0}")]
    Leaf(String),
    /// The common name says that it is for another collection.
    #[error("the root certificate is for {common_name:?}, not for {gun}")]
    OtherCollection {
        /// The common name.
        common_name: String,
        /// The collection asked about.
        gun: Gun,
    },
    /// It has no common name, or several: readers pick different ones.
    #[error("the root certificate has {0} common names, and one says which collection it is for")]
    CommonNames(usize),
    /// It is too early, or too late.
    #[error("the certificate counts from {not_before} to {not_after}, and now is {now}")]
    Validity {
        /// Its first moment.
        not_before: UnixTime,
        /// Its last moment.
        not_after: UnixTime,
        /// When it was asked about.
        now: UnixTime,
    },
    /// Signed over SHA-1 or MD5, of which others can make a second one.
    #[error("the certificate is signed with {0}, which is broken")]
    BrokenHash(&'static str),
    /// No way leads from it to the authority that is pinned.
    #[error("no chain leads from the certificate of {common_name:?} to the pinned authority: {reason}")]
    NoChain {
        /// The common name.
        common_name: String,
        /// Why the last attempt failed.
        reason: String,
    },
}

#[derive(der::Sequence)]
struct Raw<'b> {
    tbs: AnyRef<'b>,
    algorithm: AlgorithmIdentifierRef<'b>,
    signature: BitStringRef<'b>,
}

impl Certificate {
    /// Reads PEM blocks of certificates, one after the other.
    ///
    /// # Errors
    /// [`CertificateError::Encoding`], [`CertificateError::Key`], [`CertificateError::Chain`].
    pub fn parse_chain(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        const END: &[u8] = b"-----END CERTIFICATE-----";
        let bad = |what: &str| CertificateError::Encoding(what.to_owned());
        if pem.len() > MAX_KEY_BYTES {
            return Err(bad(&format!("{} octets, at most {MAX_KEY_BYTES} are read", pem.len())));
        }
        let (mut chain, mut rest) = (Vec::new(), pem.trim_ascii());
        while !rest.is_empty() {
            let end = rest.windows(END.len()).position(|window| window == END);
            let end = end.and_then(|at| at.checked_add(END.len())).ok_or_else(|| bad("expected PEM CERTIFICATE"))?;
            let (block, after) = rest.split_at_checked(end).ok_or_else(|| bad("expected PEM CERTIFICATE"))?;
            let mut decoder = pem_rfc7468::Decoder::new_detect_wrap(block).map_err(|error| bad(&error.to_string()))?;
            if decoder.type_label() != "CERTIFICATE" {
                return Err(bad("a PEM block is no CERTIFICATE"));
            }
            let mut der = Vec::with_capacity(decoder.remaining_len());
            decoder.decode_to_end(&mut der).map_err(|error| bad(&error.to_string()))?;
            if chain.len() >= MAX_CHAIN_CERTIFICATES {
                return Err(CertificateError::Chain { got: chain.len().saturating_add(1) });
            }
            chain.push(Self::from_der(der)?);
            rest = after.trim_ascii_start();
        }
        if chain.is_empty() { Err(bad("no PEM block")) } else { Ok(chain) }
    }

    fn from_der(der: Vec<u8>) -> Result<Self, CertificateError> {
        let encoding = |error: der::Error| CertificateError::Encoding(error.to_string());
        let read = x509_cert::Certificate::from_der(&der).map_err(encoding)?;
        let raw = Raw::from_der(&der).map_err(encoding)?;
        let tbs = read.tbs_certificate();
        let name = |name: &x509_cert::name::Name| name.to_der().map_err(encoding);
        let common_names = tbs.subject().iter().filter(|attribute| attribute.oid == COMMON_NAME).count();
        let common_name = match common_names {
            1 => tbs.subject().common_name().map_err(encoding)?.map(|name| name.value().into_owned()),
            _ => None,
        };
        let time = |time: &x509_cert::time::Time| {
            UnixTime(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
        };
        let constraints = tbs.get_extension::<BasicConstraints>().map_err(encoding)?.map(|(_, value)| value);
        let usage = tbs.get_extension::<KeyUsage>().map_err(encoding)?.map(|(_, value)| value);
        let purposes = tbs.get_extension::<ExtendedKeyUsage>().map_err(encoding)?.map(|(_, value)| value);
        let is_read = |oid| [BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, SUBJECT_ALT_NAME].contains(&oid);
        let extensions = tbs.extensions().map(Vec::as_slice).unwrap_or_default();
        let unread = extensions.iter().find(|extension| extension.critical && !is_read(extension.extn_id));
        Ok(Self {
            tbs: raw.tbs.to_der().map_err(encoding)?,
            subject: name(tbs.subject())?,
            issuer: name(tbs.issuer())?,
            common_names,
            common_name,
            not_before: time(&tbs.validity().not_before),
            not_after: time(&tbs.validity().not_after),
            is_ca: constraints.as_ref().is_some_and(|it| it.ca),
            path_length: constraints.and_then(|it| it.path_len_constraint),
            may_issue: usage.is_none_or(|usage| usage.key_cert_sign()),
            has_purpose: purposes.is_none_or(|list| {
                list.0.iter().any(|purpose| [ANY_PURPOSE, CODE_SIGNING, SERVER_AUTH].contains(purpose))
            }),
            unread: unread.map(|extension| extension.extn_id),
            public: PublicKey::from_der(&tbs.subject_public_key_info().to_der().map_err(encoding)?)?,
            algorithm: raw.algorithm.oid,
            signature: raw.signature.as_bytes().unwrap_or_default().to_vec(),
            der,
        })
    }

    /// The key that it is about.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it is an authority's.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Its last moment.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The common name, if there is exactly one.
    pub fn common_name(&self) -> &str {
        self.common_name.as_deref().unwrap_or_default()
    }

    /// The leaf of a root key's chain: the first, the only one that is no authority's.
    ///
    /// # Errors
    /// [`CertificateError::Leaf`].
    pub fn leaf(chain: &[Self]) -> Result<&Self, CertificateError> {
        match chain {
            [leaf, others @ ..] if !leaf.is_ca && others.iter().all(|other| other.is_ca) => Ok(leaf),
            [first, ..] if first.is_ca => Err(CertificateError::Leaf("the first one is an authority's".to_owned())),
            _ => Err(CertificateError::Leaf("several are no authority's".to_owned())),
        }
    }

    /// Whether it counts for a collection: its common name is the collection, or what stands before a `*` begins it.
    ///
    /// # Errors
    /// [`CertificateError::OtherCollection`], [`CertificateError::CommonNames`], [`CertificateError::BrokenHash`].
    pub fn check_collection(&self, gun: &Gun) -> Result<(), CertificateError> {
        let Some(common_name) = self.common_name.as_deref() else {
            return Err(CertificateError::CommonNames(self.common_names));
        };
        let fits = match common_name.strip_suffix('*') {
            Some(prefix) => gun.name().starts_with(prefix.trim_end_matches('*')),
            None => common_name == gun.name(),
        };
        if !fits {
            return Err(CertificateError::OtherCollection { common_name: excerpt(common_name), gun: gun.clone() });
        }
        match self.algorithm.to_string().as_str() {
            "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.3.14.3.2.29" => {
                Err(CertificateError::BrokenHash("SHA-1"))
            }
            "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.2" => Err(CertificateError::BrokenHash("MD5")),
            _ => Ok(()),
        }
    }

    /// Whether it counts at this moment, with a day of leeway at its beginning.
    ///
    /// # Errors
    /// [`CertificateError::Validity`].
    pub fn check_time(&self, now: UnixTime) -> Result<(), CertificateError> {
        let (not_before, not_after) = (self.not_before, self.not_after);
        if not_before > not_after || not_before.0 > now.0.saturating_add(LEEWAY) || now > not_after {
            return Err(CertificateError::Validity { not_before, not_after, now });
        }
        Ok(())
    }

    /// Whether a chain leads from it, over authorities that came with it, to one of the pinned authorities.
    ///
    /// # Errors
    /// [`CertificateError::NoChain`] with the last reason.
    pub fn check_chain(&self, between: &[Self], anchors: &[Self], now: UnixTime) -> Result<(), CertificateError> {
        let mut walk = Walk { between, anchors, now, checks: 0, reason: "its issuer did not come with it".to_owned() };
        let usable = self.usable_at(now);
        if usable.is_ok() && walk.reaches(self, 0) {
            return Ok(());
        }
        let reason = usable.err().unwrap_or(walk.reason);
        Err(CertificateError::NoChain { common_name: excerpt(self.common_name()), reason })
    }

    fn usable_at(&self, now: UnixTime) -> Result<(), String> {
        self.check_time(now).map_err(|error| error.to_string())?;
        match &self.unread {
            Some(oid) => Err(format!("the critical extension {oid} is not read")),
            None if !self.has_purpose => Err("its extended key usage allows neither code signing nor any".to_owned()),
            None => Ok(()),
        }
    }

    /// Whether the issuer signed this certificate and may.
    fn check_issuer(&self, issuer: &Self, below: usize, now: UnixTime) -> Result<(), String> {
        issuer.usable_at(now)?;
        if !issuer.is_ca || !issuer.may_issue {
            return Err(format!("{:?} may not issue certificates", excerpt(issuer.common_name())));
        }
        if issuer.path_length.is_some_and(|most| below > usize::from(most)) {
            return Err(format!("{below} authorities below {:?}, which allows fewer", excerpt(issuer.common_name())));
        }
        let hash = match self.algorithm.to_string().as_str() {
            "1.2.840.10045.4.3.2" | "1.2.840.113549.1.1.11" | "1.3.101.112" => Hash::Sha256,
            "1.2.840.10045.4.3.3" | "1.2.840.113549.1.1.12" => Hash::Sha384,
            "1.2.840.10045.4.3.4" | "1.2.840.113549.1.1.13" => Hash::Sha512,
            other => return Err(format!("signature algorithm {other} is not accepted")),
        };
        issuer.public.verify(&self.tbs, &self.signature, hash).map_err(|error| error.to_string())
    }
}

impl core::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "certificate of {:?} with key {:?}", excerpt(self.common_name()), self.public)
    }
}

struct Walk<'c> {
    between: &'c [Certificate],
    anchors: &'c [Certificate],
    now: UnixTime,
    checks: usize,
    reason: String,
}

impl Walk<'_> {
    /// `below` is how many authorities the chain has so far.
    fn reaches(&mut self, certificate: &Certificate, below: usize) -> bool {
        if self.anchors.iter().any(|anchor| anchor.der == certificate.der) {
            return true;
        }
        let (anchors, between) = (self.anchors, self.between);
        let issuers = anchors.iter().map(|it| (it, true)).chain(between.iter().map(|it| (it, false)));
        for (issuer, is_anchor) in issuers.filter(|(issuer, _)| issuer.subject == certificate.issuer) {
            if self.checks >= MAX_CHECKS || below >= MAX_CHAIN_CERTIFICATES {
                self.reason = format!("it takes more than {MAX_CHECKS} signature checks to find out");
                return false;
            }
            self.checks = self.checks.saturating_add(1);
            match certificate.check_issuer(issuer, below, self.now) {
                Ok(()) if is_anchor || self.reaches(issuer, below.saturating_add(1)) => return true,
                Ok(()) => {}
                Err(reason) => self.reason = reason,
            }
        }
        false
    }
}
