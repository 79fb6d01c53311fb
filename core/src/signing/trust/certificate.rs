//! The certificate that makes a key the root key of a collection, as Notary's client writes it (notary, tuf/utils/x509.go,
//! `NewCertificate`; RFC 5280).

use core::time::Duration;

use der::asn1::{Any, BitString, ObjectIdentifier, OctetString, Utf8StringRef};
use der::{DateTime, Decode as _, Encode as _};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::Extension;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

use super::error::TrustSigningError;
use crate::key::{Algorithm, Hash, PublicKey};
use crate::time::UnixTime;
use crate::tuf::certificate::CODE_SIGNING;
use crate::tuf::key::Key;
use crate::tuf::role::Gun;

/// Octets of a serial number. 16, as Notary's client makes them.
pub const SERIAL_BYTES: usize = 16;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
/// digitalSignature and keyEncipherment, as DER.
const USAGE: [u8; 4] = [0x03, 0x02, 0x05, 0xa0];
/// An empty sequence: no authority, as DER.
const NO_AUTHORITY: [u8; 2] = [0x30, 0x00];

/// A certificate that its key has to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCertificate {
    key: PublicKey,
    algorithm: AlgorithmIdentifierOwned,
    tbs: Vec<u8>,
}

#[derive(der::Sequence)]
struct Tbs {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: SerialNumber,
    algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    key: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(der::Sequence)]
struct Whole {
    tbs: Any,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

impl RootCertificate {
    /// Prepares the certificate of a key for a collection, which the key itself signs.
    ///
    /// # Errors
    /// [`TrustSigningError::Certificate`] for a kind of key that no role file lists by certificate, or times outside of the
    /// years 1970 to 9999.
    pub fn prepare(
        gun: &Gun,
        key: &PublicKey,
        serial: [u8; SERIAL_BYTES],
        not_before: UnixTime,
        not_after: UnixTime,
    ) -> Result<Self, TrustSigningError> {
        let algorithm = algorithm(key)?;
        let name = name(gun)?;
        let extension = |extn_id, critical, value: &[u8]| {
            OctetString::new(value).map(|extn_value| Extension { extn_id, critical, extn_value }).map_err(encoding)
        };
        let purposes = vec![CODE_SIGNING].to_der().map_err(encoding)?;
        let tbs = Tbs {
            version: 2,
            serial: SerialNumber::new(&serial).map_err(encoding)?,
            algorithm: algorithm.clone(),
            issuer: name.clone(),
            validity: Validity::new(time(not_before)?, time(not_after)?),
            subject: name,
            key: SubjectPublicKeyInfoOwned::from_der(key.spki()).map_err(encoding)?,
            extensions: vec![
                extension(KEY_USAGE, true, &USAGE)?,
                extension(EXTENDED_KEY_USAGE, false, &purposes)?,
                extension(BASIC_CONSTRAINTS, true, &NO_AUTHORITY)?,
            ],
        };
        Ok(Self { key: key.clone(), algorithm, tbs: tbs.to_der().map_err(encoding)? })
    }

    /// The exact bytes to be signed.
    pub fn message(&self) -> &[u8] {
        &self.tbs
    }

    /// The hash that goes in front of the signature.
    pub fn hash(&self) -> Hash {
        hash(self.key.algorithm())
    }

    /// Checks the signature (ECDSA as DER, RSA as PKCS #1 v1.5) and gives the key as a role file lists it.
    ///
    /// # Errors
    /// [`TrustSigningError::Certificate`] when the signature is not by the key over the message.
    pub fn assemble(&self, signature: &[u8]) -> Result<Key, TrustSigningError> {
        self.key.verify(&self.tbs, signature, self.hash()).map_err(encoding)?;
        let whole = Whole {
            tbs: Any::from_der(&self.tbs).map_err(encoding)?,
            algorithm: self.algorithm.clone(),
            signature: BitString::from_bytes(signature).map_err(encoding)?,
        };
        let der = whole.to_der().map_err(encoding)?;
        let pem = pem_rfc7468::encode_string("CERTIFICATE", pem_rfc7468::LineEnding::LF, &der).map_err(encoding)?;
        Key::certified(&pem).map_err(encoding)
    }
}

const fn hash(algorithm: Algorithm) -> Hash {
    match algorithm {
        Algorithm::EcdsaP384 => Hash::Sha384,
        Algorithm::EcdsaP521 => Hash::Sha512,
        _ => Hash::Sha256,
    }
}

fn algorithm(key: &PublicKey) -> Result<AlgorithmIdentifierOwned, TrustSigningError> {
    let (oid, parameters) = match key.algorithm() {
        Algorithm::EcdsaP256 => ("1.2.840.10045.4.3.2", None),
        Algorithm::EcdsaP384 => ("1.2.840.10045.4.3.3", None),
        Algorithm::EcdsaP521 => ("1.2.840.10045.4.3.4", None),
        Algorithm::Rsa => ("1.2.840.113549.1.1.11", Some(Any::null())),
        Algorithm::Ed25519 => return Err(encoding("Notary has no root keys of Ed25519: ECDSA and RSA are possible")),
    };
    Ok(AlgorithmIdentifierOwned { oid: ObjectIdentifier::new(oid).map_err(encoding)?, parameters })
}

fn name(gun: &Gun) -> Result<Name, TrustSigningError> {
    let value = Any::encode_from(&Utf8StringRef::new(gun.name()).map_err(encoding)?).map_err(encoding)?;
    let mut part = RelativeDistinguishedName::default();
    part.insert(AttributeTypeAndValue { oid: COMMON_NAME, value }).map_err(encoding)?;
    let mut parts = RdnSequence::default();
    parts.push(part);
    Name::from_der(&parts.to_der().map_err(encoding)?).map_err(encoding)
}

fn time(moment: UnixTime) -> Result<Time, TrustSigningError> {
    let seconds = u64::try_from(moment.0).map_err(encoding)?;
    // RFC 5280, section 4.1.2.5: to the end of 2049 in one form, from then on in the other.
    let moment = DateTime::from_unix_duration(Duration::from_secs(seconds)).map_err(encoding)?;
    if moment.year() >= 2050 {
        return Ok(Time::GeneralTime(der::asn1::GeneralizedTime::from_date_time(moment)));
    }
    Ok(Time::UtcTime(der::asn1::UtcTime::from_date_time(moment).map_err(encoding)?))
}

fn encoding(error: impl core::fmt::Display) -> TrustSigningError {
    TrustSigningError::Certificate(error.to_string())
}
