//! Signing in a token: ECDSA (PKCS #11 version 2.40, section 2.3.6), RSA PKCS #1 v1.5 (section 2.1.6) and PSS (section
//! 2.1.10), EdDSA (version 3.0, section 2.3.14).

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::session::UserType;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::login::Login;
use super::objects::PrivateKey;
use super::slots::Token;
use super::{TokenKey, call, form};
use crate::error::Pkcs11Error;
use crate::public_key::{Kind, PublicKey};
use crate::scheme::{Hash, Scheme};
use crate::signature;

/// How a key signs: with which kind of mechanism, and what that is given. The mechanism itself stays on its thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    family: Family,
    given: Given,
    hash: Hash,
}

/// Mechanisms that differ only in what they are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ecdsa,
    Pkcs1,
    Pss,
    Eddsa,
}

/// What a mechanism is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// The token hashes, or the mechanism does.
    Message,
    Digest,
    /// The digest with the name of its hash, SHA-256.
    DigestInfo,
}

impl Method {
    /// The first method that the token has.
    ///
    /// A key that wants its PIN for each signature has to be told it between the beginning and the end of signing, which
    /// the binding to PKCS #11 does in several parts only; mechanisms without a hash of their own have no parts.
    ///
    /// # Errors
    /// When it has none; better said before anything is prepared.
    pub(super) fn choose(
        library: &Pkcs11,
        token: &Token,
        public: &PublicKey,
        private: &PrivateKey,
        scheme: Scheme,
        key: &str,
    ) -> Result<Self, Pkcs11Error> {
        let hash = scheme.hash(public.kind).map_err(form(key))?;
        let listed = library.get_mechanism_list(token.slot).map_err(call(&token.shown))?;
        // Both are asked: some libraries describe what they do not list and will not do.
        let signs = |mechanism| {
            let info = || library.get_mechanism_info(token.slot, mechanism);
            listed.contains(&mechanism) && info().is_ok_and(|info| info.sign())
        };
        let again = private.always_authenticate;
        let lacks = |mechanism| Err(Pkcs11Error::Mechanism { key: key.to_owned(), mechanism });
        if again && public.kind == Kind::Ed25519 {
            return lacks(
                "CKM_EDDSA and a PIN each time (CKA_ALWAYS_AUTHENTICATE) in one: use an ECDSA or RSA key".to_owned(),
            );
        }
        let mut methods = candidates(public.kind, scheme, hash);
        methods.retain(|method| !again || method.given == Given::Message);
        if let Some(method) = methods.iter().find(|method| signs(method.mechanism().mechanism_type())) {
            return Ok(*method);
        }
        let names: Vec<String> = methods.iter().map(|method| method.mechanism().mechanism_type().to_string()).collect();
        let why = match again {
            true => ", which a key that wants the PIN each time (CKA_ALWAYS_AUTHENTICATE) needs",
            false => "",
        };
        lacks(format!("{}{why}", names.join(" or ")))
    }

    fn mechanism(self) -> Mechanism<'static> {
        let (hash_alg, mgf, octets) = match self.hash {
            Hash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32u64),
            Hash::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48),
            Hash::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
        };
        let pss = PkcsPssParams { hash_alg, mgf, s_len: octets.into() };
        match (self.family, self.given, self.hash) {
            (Family::Ecdsa, Given::Message, Hash::Sha256) => Mechanism::EcdsaSha256,
            (Family::Ecdsa, Given::Message, Hash::Sha384) => Mechanism::EcdsaSha384,
            (Family::Ecdsa, Given::Message, Hash::Sha512) => Mechanism::EcdsaSha512,
            (Family::Ecdsa, _, _) => Mechanism::Ecdsa,
            // Cosign's scheme alone has these, and it has one hash.
            (Family::Pkcs1, Given::Message, _) => Mechanism::Sha256RsaPkcs,
            (Family::Pkcs1, _, _) => Mechanism::RsaPkcs,
            (Family::Pss, Given::Message, Hash::Sha256) => Mechanism::Sha256RsaPkcsPss(pss),
            (Family::Pss, Given::Message, Hash::Sha384) => Mechanism::Sha384RsaPkcsPss(pss),
            (Family::Pss, Given::Message, Hash::Sha512) => Mechanism::Sha512RsaPkcsPss(pss),
            (Family::Pss, _, _) => Mechanism::RsaPkcsPss(pss),
            (Family::Eddsa, _, _) => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
        }
    }
}

/// The ways in which such a key can sign, the best one first.
fn candidates(kind: Kind, scheme: Scheme, hash: Hash) -> Vec<Method> {
    let ways: &[(Family, Given)] = match (kind, scheme) {
        (Kind::Ecdsa(_), _) => &[(Family::Ecdsa, Given::Digest), (Family::Ecdsa, Given::Message)],
        (Kind::Rsa(_), Scheme::Cosign) => &[(Family::Pkcs1, Given::Message), (Family::Pkcs1, Given::DigestInfo)],
        (Kind::Rsa(_), Scheme::Notation) => &[(Family::Pss, Given::Message), (Family::Pss, Given::Digest)],
        (Kind::Ed25519, _) => &[(Family::Eddsa, Given::Message)],
    };
    ways.iter().map(|(family, given)| Method { family: *family, given: *given, hash }).collect()
}

impl TokenKey {
    /// A signature over this message.
    ///
    /// # Errors
    /// When the token refuses, or gives something that cannot be a signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        let malformed = form(&self.description);
        let data = match self.method.given {
            Given::Message => message.to_vec(),
            Given::Digest => digest(self.method.hash, message),
            Given::DigestInfo => signature::sha256_digest_info(&Sha256::digest(message).into()).map_err(&malformed)?,
        };
        let signature = match &self.login_again {
            Some(login) => self.sign_with_pin(&data, login)?,
            None => self
                .session
                .sign(&self.method.mechanism(), self.private.handle, &data)
                .map_err(call(&self.description))?,
        };
        let signature = match self.public.kind {
            Kind::Ecdsa(curve) => signature::ecdsa_der(curve, &signature).map_err(&malformed)?,
            Kind::Rsa(_) | Kind::Ed25519 => signature,
        };
        signature::check(self.public.kind, &signature).map_err(malformed)?;
        Ok(signature)
    }

    /// For a key with CKA_ALWAYS_AUTHENTICATE (section 4.9): the PIN again, after the beginning.
    fn sign_with_pin(&self, data: &[u8], login: &Login) -> Result<Vec<u8>, Pkcs11Error> {
        let failed = call(&self.description);
        self.session.sign_init(&self.method.mechanism(), self.private.handle).map_err(&failed)?;
        login.present(&self.session, UserType::ContextSpecific).map_err(&failed)?;
        self.session.sign_update(data).map_err(&failed)?;
        self.session.sign_final().map_err(failed)
    }
}

fn digest(hash: Hash, message: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha256 => Sha256::digest(message).to_vec(),
        Hash::Sha384 => Sha384::digest(message).to_vec(),
        Hash::Sha512 => Sha512::digest(message).to_vec(),
    }
}
