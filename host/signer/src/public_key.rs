//! Public keys as SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), from what tokens and programs give.

use der::asn1::{
    AnyRef, BitStringRef, Ia5StringRef, Null, ObjectIdentifier, OctetStringRef, PrintableStringRef, UintRef,
};
use der::pem::{self, LineEnding};
use der::{Decode as _, Encode as _, Sequence};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::error::FormError;
use crate::text::tame;

/// RFC 5480, section 2.1.1.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 3279, section 2.3.1.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 8410, section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// What libraries used for Ed25519 before RFC 8410.
const ED25519_GNU: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.15.1");
/// PKCS #11 version 3.0, section 2.3.5: the name that stands for the curve where there is no identifier.
const ED25519_NAME: &str = "edwards25519";

/// A public key, as far as its holder has to know it: the encoding, and what signatures look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) kind: Kind,
    spki: Vec<u8>,
}

/// What signs, and how long its numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ecdsa(Curve),
    /// Octets of the modulus.
    Rsa(usize),
    Ed25519,
}

/// The curves of RFC 5480, section 2.1.1.1, that Bulla uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// RFC 8017, appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

impl Curve {
    const ALL: [(Self, ObjectIdentifier); 3] = [
        (Self::P256, ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7")),
        (Self::P384, ObjectIdentifier::new_unwrap("1.3.132.0.34")),
        (Self::P521, ObjectIdentifier::new_unwrap("1.3.132.0.35")),
    ];

    /// Octets of a coordinate, and of each number in a signature.
    pub(crate) fn octets(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn of(identifier: ObjectIdentifier) -> Result<Self, FormError> {
        let found = Self::ALL.iter().find(|(_, known)| *known == identifier);
        found.map(|(curve, _)| *curve).ok_or_else(|| FormError::Algorithm(format!("EC on curve {identifier}")))
    }

    fn identifier(self) -> ObjectIdentifier {
        match self {
            Self::P256 => Self::ALL[0].1,
            Self::P384 => Self::ALL[1].1,
            Self::P521 => Self::ALL[2].1,
        }
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When it is none, or of a kind that Bulla does not use. Whether a point is on its curve is for the module to say.
    pub(crate) fn from_spki(bytes: &[u8]) -> Result<Self, FormError> {
        let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(encoding("the public key"))?;
        let key = info.subject_public_key.as_bytes().unwrap_or_default();
        let kind = match info.algorithm.oid {
            EC_PUBLIC_KEY => {
                let curve = info.algorithm.parameters_oid().map_err(encoding("the curve of the public key"))?;
                let curve = Curve::of(curve)?;
                expect_length("the point of the public key", key, 1 + 2 * curve.octets())?;
                Kind::Ecdsa(curve)
            }
            RSA_ENCRYPTION => {
                let rsa = RsaPublicKey::from_der(key).map_err(encoding("the RSA public key"))?;
                Kind::Rsa(rsa.modulus.as_bytes().len())
            }
            ED25519 => {
                expect_length("the Ed25519 public key", key, 32)?;
                Kind::Ed25519
            }
            other => return Err(FormError::Algorithm(other.to_string())),
        };
        Ok(Self { kind, spki: bytes.to_owned() })
    }

    /// Reads PEM: `PUBLIC KEY`, or `RSA PUBLIC KEY`, which Go's reader takes too.
    ///
    /// # Errors
    /// As [`from_spki`](Self::from_spki).
    pub(crate) fn from_pem(bytes: &[u8]) -> Result<Self, FormError> {
        let (label, der) = pem::decode_vec(bytes).map_err(|error| FormError::Pem(error.to_string()))?;
        match label {
            "PUBLIC KEY" => Self::from_spki(&der),
            "RSA PUBLIC KEY" => Self::from_pkcs1(&der),
            other => Err(FormError::Pem(format!("it is {:?}", tame(other)))),
        }
    }

    /// An elliptic curve key from CKA_EC_PARAMS and CKA_EC_POINT (PKCS #11 version 3.0, section 2.3.3).
    ///
    /// # Errors
    /// When they are not a named curve and a point of its size.
    #[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "the form of tokens"))]
    pub(crate) fn from_ec(parameters: &[u8], point: &[u8]) -> Result<Self, FormError> {
        let curve = ObjectIdentifier::from_der(parameters).map_err(encoding("the curve (CKA_EC_PARAMS)"))?;
        let curve = Curve::of(curve)?;
        let point = unwrap_point(point, 1 + 2 * curve.octets())?;
        let identifier = curve.identifier();
        let algorithm = AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some(AnyRef::from(&identifier)) };
        Self::from_parts(algorithm, point)
    }

    /// An Ed25519 key from the same two attributes (PKCS #11 version 3.0, section 2.3.5).
    ///
    /// # Errors
    /// When they are not that curve and 32 octets.
    #[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "the form of tokens"))]
    pub(crate) fn from_edwards(parameters: &[u8], point: &[u8]) -> Result<Self, FormError> {
        let by_identifier =
            ObjectIdentifier::from_der(parameters).is_ok_and(|oid| oid == ED25519 || oid == ED25519_GNU);
        let by_name = PrintableStringRef::from_der(parameters).is_ok_and(|name| name.as_str() == ED25519_NAME)
            || Ia5StringRef::from_der(parameters).is_ok_and(|name| name.as_str() == ED25519_NAME);
        if !by_identifier && !by_name {
            return Err(FormError::Algorithm("EdDSA on a curve other than edwards25519".to_owned()));
        }
        let point = unwrap_point(point, 32)?;
        Self::from_parts(AlgorithmIdentifierRef { oid: ED25519, parameters: None }, point)
    }

    /// An RSA key from CKA_MODULUS and CKA_PUBLIC_EXPONENT (PKCS #11 version 2.40, section 2.1.2).
    ///
    /// # Errors
    /// When a number is too long for DER.
    #[cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "the form of tokens"))]
    pub(crate) fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, FormError> {
        let rsa = encoding("the RSA public key");
        let key = RsaPublicKey {
            modulus: UintRef::new(modulus).map_err(&rsa)?,
            public_exponent: UintRef::new(exponent).map_err(&rsa)?,
        };
        Self::from_pkcs1(&key.to_der().map_err(&rsa)?)
    }

    fn from_pkcs1(bytes: &[u8]) -> Result<Self, FormError> {
        // RFC 3279, section 2.3.1: the parameters are NULL.
        Self::from_parts(AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(Null.into()) }, bytes)
    }

    fn from_parts(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<Self, FormError> {
        let written = encoding("the public key");
        let subject_public_key = BitStringRef::from_bytes(key).map_err(&written)?;
        let info = SubjectPublicKeyInfoRef { algorithm, subject_public_key };
        Self::from_spki(&info.to_der().map_err(&written)?)
    }

    /// The key as PEM.
    ///
    /// # Errors
    /// When it is too long for that, which no key is.
    pub(crate) fn to_pem(&self) -> Result<String, FormError> {
        pem::encode_string("PUBLIC KEY", LineEnding::LF, &self.spki).map_err(|error| FormError::Pem(error.to_string()))
    }
}

/// The point inside of CKA_EC_POINT: an OCTET STRING, as the specification says; a BIT STRING or the bare octets, as
/// some libraries have it. Only what has the right length is one.
fn unwrap_point(bytes: &[u8], want: usize) -> Result<&[u8], FormError> {
    let in_octets = <&OctetStringRef>::from_der(bytes).ok().map(OctetStringRef::as_bytes);
    let in_bits = BitStringRef::from_der(bytes).ok().and_then(|bits| bits.as_bytes());
    let fits = |point: &&[u8]| point.len() == want;
    in_octets
        .filter(fits)
        .or_else(|| in_bits.filter(fits))
        .or_else(|| Some(bytes).filter(fits))
        .ok_or(FormError::Length { what: "the point (CKA_EC_POINT)", got: in_octets.unwrap_or(bytes).len(), want })
}

/// Only points in full are used (RFC 5480, section 2.2): compressed ones are not what other programs read.
fn expect_length(what: &'static str, bytes: &[u8], want: usize) -> Result<(), FormError> {
    if bytes.len() == want { Ok(()) } else { Err(FormError::Length { what, got: bytes.len(), want }) }
}

/// Names what could not be read or written.
pub(crate) fn encoding<E: core::fmt::Display>(what: &'static str) -> impl Fn(E) -> FormError {
    move |error| FormError::Encoding { what, reason: tame(&error.to_string()) }
}

#[cfg(test)]
mod tests {
    use der::Encode as _;
    use der::asn1::{ObjectIdentifier, OctetStringRef, PrintableStringRef};
    use p256::pkcs8::EncodePublicKey as _;

    use super::{Curve, ED25519, ED25519_GNU, Kind, PublicKey};
    use crate::error::FormError;

    fn octet_string(bytes: &[u8]) -> Vec<u8> {
        OctetStringRef::new(bytes).and_then(|string| string.to_der()).expect("DER")
    }

    #[test]
    fn points_of_a_token_become_the_key_that_others_write() {
        let secret = p256::SecretKey::from_slice(&[7; 32]).expect("key");
        let expected = secret.public_key().to_public_key_pem(der::pem::LineEnding::LF).expect("PEM");
        let point = secret.public_key().to_sec1_bytes();
        let parameters = Curve::P256.identifier().to_der().expect("DER");
        for point in [octet_string(&point), point.to_vec()] {
            let key = PublicKey::from_ec(&parameters, &point).expect("key");
            assert_eq!((key.kind, key.to_pem()), (Kind::Ecdsa(Curve::P256), Ok(expected.clone())));
            assert_eq!(PublicKey::from_pem(expected.as_bytes()), Ok(key));
        }
    }

    #[test]
    fn ed25519_has_several_names() {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let expected = secret.verifying_key().to_public_key_pem(der::pem::LineEnding::LF).expect("PEM");
        let point = octet_string(secret.verifying_key().as_bytes());
        let name = PrintableStringRef::new("edwards25519").and_then(|name| name.to_der()).expect("DER");
        for parameters in [ED25519.to_der().expect("DER"), ED25519_GNU.to_der().expect("DER"), name] {
            let key = PublicKey::from_edwards(&parameters, &point).expect("key");
            assert_eq!((key.kind, key.to_pem()), (Kind::Ed25519, Ok(expected.clone())));
        }
        let ed448 = ObjectIdentifier::new_unwrap("1.3.101.113").to_der().expect("DER");
        assert!(matches!(PublicKey::from_edwards(&ed448, &point), Err(FormError::Algorithm(_))));
    }

    #[test]
    fn rsa_numbers_become_the_key_that_others_write() {
        let modulus = [&[0, 0, 0x81][..], &[0x55; 255]].concat();
        let key = PublicKey::from_rsa(&modulus, &[0, 1, 0, 1]).expect("key");
        assert_eq!(key.kind, Kind::Rsa(256));
        let numbers = rsa::RsaPublicKey::new_unchecked(
            rsa::BoxedUint::from_be_slice_vartime(&modulus[2..]),
            rsa::BoxedUint::from_be_slice_vartime(&[1, 0, 1]),
        );
        use rsa::pkcs1::EncodeRsaPublicKey as _;
        let expected = numbers.to_public_key_pem(der::pem::LineEnding::LF).expect("PEM");
        assert_eq!(key.to_pem(), Ok(expected));
        let pkcs1 = numbers.to_pkcs1_pem(der::pem::LineEnding::LF).expect("PEM");
        assert_eq!(PublicKey::from_pem(pkcs1.as_bytes()), Ok(key));
    }

    #[test]
    fn what_is_no_key_is_said() {
        let p256 = Curve::P256.identifier().to_der().expect("DER");
        let secp256k1 = ObjectIdentifier::new_unwrap("1.3.132.0.10").to_der().expect("DER");
        let length = |what, got, want| FormError::Length { what, got, want };
        let point = "the point (CKA_EC_POINT)";
        assert_eq!(PublicKey::from_ec(&p256, &octet_string(&[4; 64])), Err(length(point, 64, 65)));
        assert_eq!(PublicKey::from_ec(&p256, &[]), Err(length(point, 0, 65)));
        let curve = "EC on curve 1.3.132.0.10".to_owned();
        assert_eq!(PublicKey::from_ec(&secp256k1, &octet_string(&[4; 65])), Err(FormError::Algorithm(curve)));
        assert!(matches!(PublicKey::from_ec(&[], &[]), Err(FormError::Encoding { .. })));
        for text in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(PublicKey::from_pem(text.as_bytes()), Err(FormError::Pem(_))), "{text}");
        }
        let empty = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        assert!(matches!(PublicKey::from_pem(empty.as_bytes()), Err(FormError::Encoding { .. })));
    }
}
