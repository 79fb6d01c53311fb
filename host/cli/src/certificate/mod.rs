//! Certificates that Notation accepts (Notary Project, signature specification, "Certificate Requirements"; RFC 5280).
//!
//! Only what those rules ask for is in them, and every certificate is signed over SHA-256, which is what each key that
//! Bulla can use signs.

mod chain;
mod issuer;
mod subject;

use anyhow::{Context as _, Result, anyhow, bail};
use x509_cert::Certificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder as _, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{BitString, Ia5String, Null, ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, DecodePem as _, Encode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{
    AlgorithmIdentifierOwned, Document, DynSignatureAlgorithmIdentifier, EncodePublicKey, SubjectPublicKeyInfoOwned,
    SubjectPublicKeyInfoRef,
};
use x509_cert::time::{Time, Validity};

pub(crate) use self::chain::Chain;
pub(crate) use self::issuer::Issuer;
pub(crate) use self::subject::subject;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5758, section 3.2.
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// RFC 4055, section 5.
const SHA256_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// RFC 5280, section 4.2.1.12.
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// RFC 5280, section 4.2.2.1.
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// Octets of the random serial number. 16: 127 bits, where 64 are asked for.
const SERIAL_BYTES: usize = 16;
/// Seconds by which a certificate begins before now, because clocks differ: one hour.
const SKEW_SECONDS: u64 = 3600;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Signs certificates.
    Authority,
    /// Signs images.
    CodeSigning,
    /// Signs timestamps.
    TimeStamping,
}

/// Days of a certificate for which nobody says how many: a year.
const DAYS: u32 = 365;

/// What a certificate is to say.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) purpose: Purpose,
    pub(crate) subject: Name,
    /// The key that it is about.
    pub(crate) public: SubjectPublicKeyInfoOwned,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// Until it ends; without them a year, and no longer than those above it.
    pub(crate) days: Option<u32>,
    pub(crate) crl_urls: Vec<String>,
    pub(crate) ocsp_urls: Vec<String>,
}

/// A certificate that waits for its signature.
pub(crate) struct Unsigned {
    builder: CertificateBuilder<Profile>,
    by: By,
    /// What is signed.
    pub(crate) message: Vec<u8>,
}

/// What a public key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// On this curve.
    Ecdsa(ObjectIdentifier),
    /// With a modulus of so many bits.
    Rsa(usize),
}

/// What this public key is.
///
/// # Errors
/// When it is neither ECDSA nor RSA.
pub(crate) fn kind(public: &SubjectPublicKeyInfoOwned) -> Result<KeyKind> {
    match public.algorithm.oid {
        EC_PUBLIC_KEY => {
            let curve = public.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as().ok());
            Ok(KeyKind::Ecdsa(curve.ok_or_else(|| anyhow!("an ECDSA key without a named curve"))?))
        }
        RSA_ENCRYPTION => Ok(KeyKind::Rsa(rsa_bits(public)?)),
        _ => bail!("only ECDSA and RSA keys sign for Notation"),
    }
}

/// Reads a public key as PEM, of a kind that Notation signs with.
///
/// # Errors
/// When it is none.
pub(crate) fn public_key(pem: &str) -> Result<SubjectPublicKeyInfoOwned> {
    let public = SubjectPublicKeyInfoOwned::from_pem(pem.as_bytes()).context("the public key")?;
    match kind(&public)? {
        KeyKind::Ecdsa(_) | KeyKind::Rsa(2048 | 3072 | 4096) => Ok(public),
        KeyKind::Rsa(bits) => {
            bail!("RSA keys of {bits} bits do not sign for Notation: 2048, 3072 and 4096 bits do")
        }
    }
}

/// Bits of the modulus (RFC 8017, appendix A.1.1).
fn rsa_bits(public: &SubjectPublicKeyInfoOwned) -> Result<usize> {
    let key = public.subject_public_key.as_bytes().unwrap_or_default();
    let modulus = SliceReader::new(key)
        .and_then(|mut reader| reader.sequence(|reader| Ok((UintRef::decode(reader)?, UintRef::decode(reader)?))))
        .map(|(modulus, _)| modulus)
        .context("the RSA public key")?;
    let first = modulus.as_bytes().first().map_or(0, |octet| octet.leading_zeros());
    let bits = modulus.as_bytes().len().saturating_mul(8);
    Ok(bits.saturating_sub(usize::try_from(first).unwrap_or_default()))
}

impl Request {
    /// The certificate, to be signed by this issuer, or by the key itself where there is none.
    ///
    /// # Errors
    /// When the issuer must not issue it, or a value cannot be in a certificate.
    pub(crate) fn unsigned(self, issuer: Option<&Issuer>) -> Result<Unsigned> {
        let not_before = self.now.saturating_sub(SKEW_SECONDS);
        let days = u64::from(self.days.unwrap_or(DAYS));
        let mut not_after = self.now.saturating_add(days.saturating_mul(86_400));
        if let (None, Some(issuer)) = (self.days, issuer) {
            not_after = not_after.min(issuer.ends());
        }
        let validity = Validity::new(time(not_before)?, time(not_after)?);
        if let Some(issuer) = issuer {
            issuer.may_issue(self.purpose, validity.not_after)?;
        } else if self.purpose == Purpose::TimeStamping {
            bail!("a certificate for timestamps needs --issuer: verifiers trust authorities for them, no leaves");
        }
        let by = By { public: issuer.map_or_else(|| self.public.clone(), |issuer| issuer.public().clone()) };
        let mut serial = [0; SERIAL_BYTES];
        aws_lc_rs::rand::fill(&mut serial).map_err(|_| anyhow!("the system gives no random numbers"))?;
        // Positive, and always of the same length (RFC 5280, section 4.1.2.2).
        serial[0] = serial[0] & 0x7f | 0x40;
        let profile = Profile {
            purpose: self.purpose,
            subject: self.subject,
            issuer: issuer.map(|issuer| issuer.name().clone()),
            crl_urls: self.crl_urls,
            ocsp_urls: self.ocsp_urls,
        };
        let mut builder = CertificateBuilder::new(profile, SerialNumber::new(&serial)?, validity, self.public)?;
        let message = builder.finalize(&by)?;
        Ok(Unsigned { builder, by, message })
    }
}

impl Unsigned {
    /// The certificate with its signature.
    ///
    /// # Errors
    /// When the encoder refuses.
    pub(crate) fn signed(self, signature: &[u8]) -> Result<Certificate> {
        Ok(self.builder.assemble(BitString::from_bytes(signature)?, &self.by)?)
    }
}

/// What the builder wants to know about the key that signs.
#[derive(Clone)]
struct By {
    public: SubjectPublicKeyInfoOwned,
}

impl signature::Keypair for By {
    type VerifyingKey = Self;

    fn verifying_key(&self) -> Self {
        self.clone()
    }
}

impl EncodePublicKey for By {
    fn to_public_key_der(&self) -> x509_cert::spki::Result<Document> {
        Document::try_from(self.public.to_der()?).map_err(Into::into)
    }
}

impl DynSignatureAlgorithmIdentifier for By {
    fn signature_algorithm_identifier(&self) -> x509_cert::spki::Result<AlgorithmIdentifierOwned> {
        Ok(match self.public.algorithm.oid {
            EC_PUBLIC_KEY => AlgorithmIdentifierOwned { oid: ECDSA_SHA256, parameters: None },
            _ => AlgorithmIdentifierOwned { oid: SHA256_RSA, parameters: Some(Null.into()) },
        })
    }
}

/// Names and extensions.
struct Profile {
    purpose: Purpose,
    subject: Name,
    /// None: itself.
    issuer: Option<Name>,
    crl_urls: Vec<String>,
    ocsp_urls: Vec<String>,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, subject: &Name) -> Name {
        self.issuer.clone().unwrap_or_else(|| subject.clone())
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        own: SubjectPublicKeyInfoRef<'_>,
        issuer: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let is_authority = self.purpose == Purpose::Authority;
        // An authority under another one issues leaves only.
        let path_len_constraint = (is_authority && self.issuer.is_some()).then_some(0);
        let constraints = BasicConstraints { ca: is_authority, path_len_constraint };
        let usage = match self.purpose {
            Purpose::Authority => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            Purpose::CodeSigning | Purpose::TimeStamping => KeyUsages::DigitalSignature.into(),
        };
        let mut extensions = Vec::new();
        let mut add = |critical: bool, extension: &dyn Extends| -> builder::Result<()> {
            extensions.push(extension.write(critical, &self.subject)?);
            Ok(())
        };
        add(true, &constraints)?;
        add(true, &KeyUsage(usage))?;
        match self.purpose {
            Purpose::Authority => {}
            Purpose::CodeSigning => add(false, &ExtendedKeyUsage(vec![CODE_SIGNING]))?,
            Purpose::TimeStamping => add(true, &ExtendedKeyUsage(vec![TIME_STAMPING]))?,
        }
        add(false, &SubjectKeyIdentifier::try_from(own)?)?;
        if self.issuer.is_some() {
            add(false, &AuthorityKeyIdentifier::try_from(issuer)?)?;
        }
        let addresses = |urls: &[String]| -> builder::Result<Vec<GeneralName>> {
            urls.iter().map(|url| Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url)?))).collect()
        };
        if !self.crl_urls.is_empty() {
            let points = addresses(&self.crl_urls)?.into_iter().map(|address| DistributionPoint {
                distribution_point: Some(DistributionPointName::FullName(vec![address])),
                reasons: None,
                crl_issuer: None,
            });
            add(false, &CrlDistributionPoints(points.collect()))?;
        }
        if !self.ocsp_urls.is_empty() {
            let descriptions = addresses(&self.ocsp_urls)?
                .into_iter()
                .map(|access_location| AccessDescription { access_method: OCSP, access_location });
            add(false, &AuthorityInfoAccessSyntax(descriptions.collect()))?;
        }
        Ok(extensions)
    }
}

/// An extension of any type, so that one function adds them all.
trait Extends {
    fn write(&self, critical: bool, subject: &Name) -> Result<Extension, x509_cert::der::Error>;
}

impl<T: x509_cert::der::oid::AssociatedOid + x509_cert::der::Encode> Extends for T {
    fn write(&self, critical: bool, subject: &Name) -> Result<Extension, x509_cert::der::Error> {
        (critical, self).to_extension(subject, &[])
    }
}

fn time(seconds: u64) -> Result<Time> {
    let moment = core::time::Duration::from_secs(seconds);
    let moment = x509_cert::der::DateTime::from_unix_duration(moment);
    Ok(Time::from(moment.context("--days: certificates end before the year 10000")?))
}
