//! Signatures as JOSE and COSE carry them: RSASSA-PSS (RFC 8017, section 8.1; RFC 7518, section 3.5) and ECDSA as two numbers
//! of fixed length (RFC 7518, section 3.4; RFC 9053, section 2.1).

use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::pss;
use rsa::traits::PublicKeyParts as _;
use sha2::{Sha256, Sha384, Sha512};

use super::public::Inner;
use super::{Hash, PublicKey, SignatureError};

impl PublicKey {
    /// Bits of the RSA modulus, or of the curve's field.
    pub fn bits(&self) -> u32 {
        match &self.inner {
            Inner::P256(_) | Inner::Ed25519(_) => 256,
            Inner::P384(_) => 384,
            Inner::P521(_) => 521,
            Inner::Rsa(key) => key.n().bits(),
        }
    }

    /// Checks one RSASSA-PSS signature: MGF1 with the same hash, a salt as long as the hash.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] for a key of another kind and for octets that cannot be such a signature,
    /// [`SignatureError::Mismatch`] otherwise.
    pub fn verify_pss(&self, message: &[u8], signature: &[u8], hash: Hash) -> Result<(), SignatureError> {
        let malformed = |what| SignatureError::Malformed { algorithm: self.algorithm(), what };
        let Inner::Rsa(key) = &self.inner else {
            return Err(malformed("RSASSA-PSS needs an RSA key"));
        };
        if signature.len() != key.size() {
            return Err(malformed("its length is not that of the modulus"));
        }
        let signature = pss::Signature::try_from(signature).map_err(|_| malformed("not a number below the modulus"))?;
        match hash {
            Hash::Sha256 => pss::VerifyingKey::<Sha256>::new(key.clone()).verify(message, &signature),
            Hash::Sha384 => pss::VerifyingKey::<Sha384>::new(key.clone()).verify(message, &signature),
            Hash::Sha512 => pss::VerifyingKey::<Sha512>::new(key.clone()).verify(message, &signature),
        }
        .map_err(|_| SignatureError::Mismatch)
    }

    /// Checks one ECDSA signature that is r and s, each as long as the curve's field.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] for a key of another kind and for octets that cannot be such a signature,
    /// [`SignatureError::Mismatch`] otherwise.
    pub fn verify_raw(&self, message: &[u8], signature: &[u8], hash: Hash) -> Result<(), SignatureError> {
        let malformed = |what| SignatureError::Malformed { algorithm: self.algorithm(), what };
        let not_raw = "not two numbers of the curve's length, each below its order";
        match &self.inner {
            Inner::P256(key) => {
                let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| malformed(not_raw))?;
                key.verify_prehash(&hash.digest(message), &signature)
            }
            Inner::P384(key) => {
                let signature = p384::ecdsa::Signature::from_slice(signature).map_err(|_| malformed(not_raw))?;
                key.verify_prehash(&hash.digest(message), &signature)
            }
            Inner::P521(key) => {
                let signature = p521::ecdsa::Signature::from_slice(signature).map_err(|_| malformed(not_raw))?;
                key.verify_prehash(&hash.digest(message), &signature)
            }
            Inner::Rsa(_) | Inner::Ed25519(_) => return Err(malformed("two numbers need an ECDSA key")),
        }
        .map_err(|_| SignatureError::Mismatch)
    }
}
