//! Signing in a token: ECDSA over SHA-256 (PKCS #11 version 2.40, section 2.3.6), RSA PKCS #1 v1.5 (section 2.1.6),
//! EdDSA (version 3.0, section 2.3.14).

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::session::UserType;
use sha2::{Digest as _, Sha256};

use super::login::Login;
use super::objects::PrivateKey;
use super::slots::Token;
use super::{TokenKey, call, form};
use crate::error::Pkcs11Error;
use crate::public_key::{Kind, PublicKey};
use crate::signature;

/// What the token signs with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mechanisms {
    ecdsa: bool,
    ecdsa_sha256: bool,
    rsa: bool,
    rsa_sha256: bool,
    eddsa: bool,
}

impl Mechanisms {
    /// What the token lists, as far as it signs. Both are asked: some libraries describe what they do not list and will
    /// not do.
    ///
    /// # Errors
    /// When the token does not say.
    pub(super) fn of(library: &Pkcs11, token: &Token) -> Result<Self, Pkcs11Error> {
        let listed = library.get_mechanism_list(token.slot).map_err(call(&token.shown))?;
        let signs = |mechanism| {
            let info = || library.get_mechanism_info(token.slot, mechanism);
            listed.contains(&mechanism) && info().is_ok_and(|info| info.sign())
        };
        Ok(Self {
            ecdsa: signs(MechanismType::ECDSA),
            ecdsa_sha256: signs(MechanismType::ECDSA_SHA256),
            rsa: signs(MechanismType::RSA_PKCS),
            rsa_sha256: signs(MechanismType::SHA256_RSA_PKCS),
            eddsa: signs(MechanismType::EDDSA),
        })
    }
}

/// Whether the token can make the signature that is needed; better said before anything is prepared.
///
/// A key that wants its PIN for each signature has to be told it between the beginning and the end of signing, which
/// the binding to PKCS #11 does in several parts only; mechanisms without a hash of their own have no parts.
///
/// # Errors
/// When it cannot.
pub(super) fn possible(
    public: &PublicKey,
    private: &PrivateKey,
    has: Mechanisms,
    key: &str,
) -> Result<(), Pkcs11Error> {
    let (can, mechanism) = match (public.kind, private.always_authenticate) {
        (Kind::Ecdsa(_), false) => (has.ecdsa || has.ecdsa_sha256, "CKM_ECDSA or CKM_ECDSA_SHA256"),
        (Kind::Ecdsa(_), true) => (
            has.ecdsa_sha256,
            "CKM_ECDSA_SHA256, which a key that wants the PIN each time (CKA_ALWAYS_AUTHENTICATE) needs",
        ),
        (Kind::Rsa(_), false) => (has.rsa_sha256 || has.rsa, "CKM_SHA256_RSA_PKCS or CKM_RSA_PKCS"),
        (Kind::Rsa(_), true) => (
            has.rsa_sha256,
            "CKM_SHA256_RSA_PKCS, which a key that wants the PIN each time (CKA_ALWAYS_AUTHENTICATE) needs",
        ),
        (Kind::Ed25519, false) => (has.eddsa, "CKM_EDDSA"),
        (Kind::Ed25519, true) => {
            (false, "CKM_EDDSA and a PIN each time (CKA_ALWAYS_AUTHENTICATE) in one: use an ECDSA or RSA key")
        }
    };
    if can { Ok(()) } else { Err(Pkcs11Error::Mechanism { key: key.to_owned(), mechanism }) }
}

impl TokenKey {
    /// A signature over this message.
    ///
    /// # Errors
    /// When the token refuses, or gives something that cannot be a signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        let malformed = form(&self.description);
        let signature = match self.public.kind {
            Kind::Ecdsa(curve) => {
                let raw = match &self.login_again {
                    Some(login) => self.sign_with_pin(&Mechanism::EcdsaSha256, message, login)?,
                    None if self.mechanisms.ecdsa => self.sign_with(&Mechanism::Ecdsa, &digest(message))?,
                    None => self.sign_with(&Mechanism::EcdsaSha256, message)?,
                };
                signature::ecdsa_der(curve, &raw).map_err(&malformed)?
            }
            Kind::Rsa(_) => match &self.login_again {
                Some(login) => self.sign_with_pin(&Mechanism::Sha256RsaPkcs, message, login)?,
                None if self.mechanisms.rsa_sha256 => self.sign_with(&Mechanism::Sha256RsaPkcs, message)?,
                None => {
                    let info = signature::sha256_digest_info(&digest(message)).map_err(&malformed)?;
                    self.sign_with(&Mechanism::RsaPkcs, &info)?
                }
            },
            Kind::Ed25519 => {
                let pure = EddsaParams::new(EddsaSignatureScheme::Ed25519);
                self.sign_with(&Mechanism::Eddsa(pure), message)?
            }
        };
        signature::check(self.public.kind, &signature).map_err(malformed)?;
        Ok(signature)
    }

    fn sign_with(&self, mechanism: &Mechanism<'_>, data: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        self.session.sign(mechanism, self.private.handle, data).map_err(call(&self.description))
    }

    /// For a key with CKA_ALWAYS_AUTHENTICATE (section 4.9): the PIN again, after the beginning.
    fn sign_with_pin(&self, mechanism: &Mechanism<'_>, data: &[u8], login: &Login) -> Result<Vec<u8>, Pkcs11Error> {
        let failed = call(&self.description);
        self.session.sign_init(mechanism, self.private.handle).map_err(&failed)?;
        login.present(&self.session, UserType::ContextSpecific).map_err(&failed)?;
        self.session.sign_update(data).map_err(&failed)?;
        self.session.sign_final().map_err(failed)
    }
}

fn digest(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}
