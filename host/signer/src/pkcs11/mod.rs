//! A key in a PKCS #11 token (OASIS PKCS #11, version 2.40; the Edwards curve from version 3.0).

mod library;
mod login;
mod objects;
mod sign;
mod slots;

use cryptoki::error::Error;
use cryptoki::session::Session;

use crate::error::{FormError, Pkcs11Error};
use crate::options::SignerOptions;
use crate::public_key::PublicKey;
use crate::uri::Pkcs11Uri;

use login::Login;
use objects::PrivateKey;
use sign::Method;

/// A private key that was found in a token, in a session that is logged in.
pub(crate) struct TokenKey {
    session: Session,
    private: PrivateKey,
    public: PublicKey,
    pem: String,
    method: Method,
    /// Kept only for a key that wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE).
    login_again: Option<Login>,
    description: String,
}

impl TokenKey {
    /// Loads the library, chooses the token, logs in, finds the one key and its public half.
    ///
    /// # Errors
    /// At the first of these that does not lead to exactly one thing.
    pub(crate) fn open(uri: &Pkcs11Uri, options: &SignerOptions) -> Result<Self, Pkcs11Error> {
        let library = library::load(uri, options)?;
        let token = slots::choose(&library, uri)?;
        let place = token.shown.as_str();
        let session = library.open_ro_session(token.slot).map_err(call(place))?;
        let login = Login::find(uri, &token, options)?;
        login.log_in(&library, &session, &token)?;
        let private = objects::private_key(&session, uri, place)?;
        let description = format!("{} in {place}", private.shown);
        let public = objects::public_key(&session, &private, &description)?;
        let method = Method::choose(&library, &token, &public, &private, options.scheme, &description)?;
        let pem = public.to_pem().map_err(form(&description))?;
        let login_again = private.always_authenticate.then_some(login);
        Ok(Self { session, private, public, pem, method, login_again, description })
    }

    pub(crate) fn public_key_pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn describe(&self) -> &str {
        &self.description
    }
}

/// Names where a function of a library failed, and which.
fn call(place: &str) -> impl Fn(Error) -> Pkcs11Error {
    move |error| {
        let (call, reason) = match &error {
            Error::Pkcs11(value, function) => (format!("C_{function:?}"), library::return_value(value)),
            other => ("PKCS #11".to_owned(), crate::text::tame(&other.to_string())),
        };
        Pkcs11Error::Call { place: place.to_owned(), call, reason }
    }
}

/// Names the key whose public half or signature has the wrong form.
fn form(key: &str) -> impl Fn(FormError) -> Pkcs11Error {
    move |error| Pkcs11Error::Form { key: key.to_owned(), error }
}
