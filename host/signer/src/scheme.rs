//! How a key signs: in cosign's one way, or in Notation's, which goes by the size of the key (Notary Project, signature
//! specification, "Signature Algorithm Requirements").

use crate::error::FormError;
use crate::public_key::{Curve, Kind};

/// What the signatures of an opened key are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Cosign: over SHA-256 whatever the key, RSA by PKCS #1 v1.5, Ed25519 over the message.
    #[default]
    Cosign,
    /// Notation: over SHA-256, SHA-384 or SHA-512 by the size of the key, RSA by PSS with a salt as long as the hash.
    Notation,
}

/// A hash that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Scheme {
    /// The hash that such a key signs; Ed25519 signs none.
    ///
    /// # Errors
    /// [`FormError::Notation`] for a key that Notation does not sign with.
    pub(crate) fn hash(self, kind: Kind) -> Result<Hash, FormError> {
        match (self, kind) {
            (Self::Cosign, _) | (Self::Notation, Kind::Ecdsa(Curve::P256) | Kind::Rsa(256)) => Ok(Hash::Sha256),
            (Self::Notation, Kind::Ecdsa(Curve::P384) | Kind::Rsa(384)) => Ok(Hash::Sha384),
            (Self::Notation, Kind::Ecdsa(Curve::P521) | Kind::Rsa(512)) => Ok(Hash::Sha512),
            (Self::Notation, Kind::Rsa(octets)) => {
                Err(FormError::Notation(format!("RSA of {} bits", octets.saturating_mul(8))))
            }
            (Self::Notation, Kind::Ed25519) => Err(FormError::Notation("Ed25519".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hash, Scheme};
    use crate::error::FormError;
    use crate::public_key::{Curve, Kind};

    #[test]
    fn the_key_says_the_hash() {
        let ecdsa = Kind::Ecdsa;
        for (kind, hash) in [
            (ecdsa(Curve::P256), Hash::Sha256),
            (ecdsa(Curve::P384), Hash::Sha384),
            (ecdsa(Curve::P521), Hash::Sha512),
            (Kind::Rsa(256), Hash::Sha256),
            (Kind::Rsa(384), Hash::Sha384),
            (Kind::Rsa(512), Hash::Sha512),
        ] {
            assert_eq!(Scheme::Notation.hash(kind), Ok(hash), "{kind:?}");
            assert_eq!(Scheme::Cosign.hash(kind), Ok(Hash::Sha256), "{kind:?}");
        }
        let error = |what: &str| Err(FormError::Notation(what.to_owned()));
        assert_eq!(Scheme::Notation.hash(Kind::Rsa(257)), error("RSA of 2056 bits"));
        assert_eq!(Scheme::Notation.hash(Kind::Ed25519), error("Ed25519"));
    }
}
