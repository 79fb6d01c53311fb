//! Signatures in the one form that Bulla and cosign use: ECDSA as ASN.1 DER, RSA, Ed25519.

use der::asn1::UintRef;
use der::{Decode as _, Sequence};
#[cfg(feature = "pkcs11")]
use der::{
    Encode as _,
    asn1::{Null, ObjectIdentifier, OctetStringRef},
};
#[cfg(feature = "pkcs11")]
use spki::AlgorithmIdentifierRef;

use crate::error::FormError;
use crate::public_key::{Kind, encoding};

const ECDSA: &str = "the ECDSA signature";

/// RFC 3279, section 2.2.3.
#[derive(Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// Whether a signature can be one of such a key, by its form alone. Whether it is one, the module finds out.
///
/// # Errors
/// When it is no DER where it should be, or of another length.
pub(crate) fn check(kind: Kind, signature: &[u8]) -> Result<(), FormError> {
    match kind {
        Kind::Ecdsa(curve) => {
            let value = EcdsaSigValue::from_der(signature).map_err(encoding(ECDSA))?;
            for number in [value.r.as_bytes(), value.s.as_bytes()] {
                if number.len() > curve.octets() {
                    let what = "a number in the ECDSA signature";
                    return Err(FormError::Length { what, got: number.len(), want: curve.octets() });
                }
                if number == [0] {
                    return Err(FormError::Zero);
                }
            }
            Ok(())
        }
        Kind::Rsa(modulus) => length("the RSA signature", signature, modulus),
        Kind::Ed25519 => length("the Ed25519 signature", signature, 64),
    }
}

/// The two numbers of an ECDSA signature side by side, each of so many octets, from DER: as JWS and COSE have them (RFC 7518,
/// section 3.4; RFC 9053, section 2.1).
///
/// # Errors
/// When it is no such signature, or a number is longer.
pub fn ecdsa_side_by_side(signature: &[u8], octets: usize) -> Result<Vec<u8>, FormError> {
    let value = EcdsaSigValue::from_der(signature).map_err(encoding(ECDSA))?;
    let mut raw = Vec::with_capacity(octets.saturating_mul(2));
    for number in [value.r.as_bytes(), value.s.as_bytes()] {
        let Some(zeros) = octets.checked_sub(number.len()) else {
            let what = "a number in the ECDSA signature";
            return Err(FormError::Length { what, got: number.len(), want: octets });
        };
        raw.extend(core::iter::repeat_n(0, zeros));
        raw.extend_from_slice(number);
    }
    Ok(raw)
}

/// DER from the two numbers side by side, as PKCS #11 gives them (version 2.40, section 2.3.1).
///
/// # Errors
/// When they are not two numbers of the curve's length.
#[cfg(feature = "pkcs11")]
pub(crate) fn ecdsa_der(curve: crate::public_key::Curve, raw: &[u8]) -> Result<Vec<u8>, FormError> {
    length("the signature of the token", raw, 2 * curve.octets())?;
    let (r, s) = raw.split_at(curve.octets());
    let written = encoding(ECDSA);
    let value = EcdsaSigValue { r: UintRef::new(r).map_err(&written)?, s: UintRef::new(s).map_err(&written)? };
    value.to_der().map_err(written)
}

/// RFC 8017, appendix A.2.4.
#[cfg(feature = "pkcs11")]
#[derive(Sequence)]
struct DigestInfo<'a> {
    digest_algorithm: AlgorithmIdentifierRef<'a>,
    digest: &'a OctetStringRef,
}

/// What RSA PKCS #1 v1.5 pads, for tokens that do not hash (RFC 8017, section 9.2, step 2).
///
/// # Errors
/// Never, as far as anybody knows: it is the encoder's to say.
#[cfg(feature = "pkcs11")]
pub(crate) fn sha256_digest_info(digest: &[u8; 32]) -> Result<Vec<u8>, FormError> {
    const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
    let written = encoding("DigestInfo");
    let info = DigestInfo {
        digest_algorithm: AlgorithmIdentifierRef { oid: SHA_256, parameters: Some(Null.into()) },
        digest: OctetStringRef::new(digest).map_err(&written)?,
    };
    info.to_der().map_err(written)
}

fn length(what: &'static str, bytes: &[u8], want: usize) -> Result<(), FormError> {
    if bytes.len() == want { Ok(()) } else { Err(FormError::Length { what, got: bytes.len(), want }) }
}

#[cfg(all(test, feature = "pkcs11"))]
mod tests {
    use super::{check, ecdsa_der, ecdsa_side_by_side, sha256_digest_info};
    use crate::error::FormError;
    use crate::public_key::{Curve, Kind};

    #[test]
    fn two_numbers_become_der_and_lose_their_leading_zeros() {
        for (curve, octets) in [(Curve::P256, 32), (Curve::P384, 48), (Curve::P521, 66)] {
            let mut raw = vec![0; 2 * octets];
            raw[octets - 1] = 1; // r = 1
            raw[octets] = 0x80; // s = 0x80 00 …
            let signature = ecdsa_der(curve, &raw).expect("DER");
            assert_eq!(check(Kind::Ecdsa(curve), &signature), Ok(()));
            assert_eq!(signature.len(), 2 + (2 + 1) + (2 + 1 + octets));
            assert_eq!(ecdsa_side_by_side(&signature, octets), Ok(raw.clone()));
            let error = FormError::Length { what: "a number in the ECDSA signature", got: octets, want: octets - 1 };
            assert_eq!(ecdsa_side_by_side(&signature, octets - 1), Err(error));
            for wrong in [&raw[1..], &[], &[&raw[..], &[0]].concat()] {
                let got = wrong.len();
                let error = FormError::Length { what: "the signature of the token", got, want: 2 * octets };
                assert_eq!(ecdsa_der(curve, wrong), Err(error));
            }
        }
        let by_another = p256::ecdsa::Signature::from_slice(&[3; 64]).expect("signature");
        assert_eq!(ecdsa_der(Curve::P256, &[3; 64]).as_deref(), Ok(by_another.to_der().as_bytes()));
    }

    #[test]
    fn forms_are_held_against_the_key() {
        let p256 = Kind::Ecdsa(Curve::P256);
        let zero = ecdsa_der(Curve::P256, &[0; 64]).expect("DER");
        assert_eq!(check(p256, &zero), Err(FormError::Zero));
        let long = ecdsa_der(Curve::P384, &[1; 96]).expect("DER");
        assert!(matches!(check(p256, &long), Err(FormError::Length { got: 48, want: 32, .. })));
        let fine = ecdsa_der(Curve::P256, &[1; 64]).expect("DER");
        for wrong in [&[1; 64][..], &[], &fine[1..], &[&fine[..], &[0]].concat()] {
            assert!(matches!(check(p256, wrong), Err(FormError::Encoding { .. })), "{wrong:?}");
        }
        assert_eq!(check(Kind::Rsa(256), &[1; 256]), Ok(()));
        assert!(matches!(check(Kind::Rsa(256), &[1; 255]), Err(FormError::Length { got: 255, want: 256, .. })));
        assert_eq!(check(Kind::Ed25519, &[1; 64]), Ok(()));
        assert!(matches!(check(Kind::Ed25519, &[]), Err(FormError::Length { got: 0, want: 64, .. })));
    }

    #[test]
    fn the_digest_info_is_the_one_of_the_specification() {
        // RFC 8017, section 9.2, note 1.
        let prefix = [48, 49, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 1, 5, 0, 4, 32];
        let info = sha256_digest_info(&[9; 32]).expect("DER");
        assert_eq!(info, [&prefix[..], &[9; 32]].concat());
    }
}
