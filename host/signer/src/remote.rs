//! A key that was opened and signs elsewhere.

use core::fmt;
#[cfg(feature = "pkcs11")]
use std::sync::{Mutex, PoisonError};

use crate::error::{PluginError, SignerError};
use crate::options::SignerOptions;
#[cfg(feature = "pkcs11")]
use crate::pkcs11::TokenKey;
use crate::plugin::Plugin;
use crate::reference::RemoteReference;

/// A key that signs outside of this process's memory. It was asked for its public half once, when it was opened.
pub struct RemoteKey {
    public_key_pem: String,
    description: String,
    holder: Holder,
}

enum Holder {
    Plugin(Plugin),
    /// A session is used by one thread at a time.
    #[cfg(feature = "pkcs11")]
    Token(Box<Mutex<TokenKey>>),
}

impl RemoteKey {
    /// Finds the key and asks for its public half: loads a library and logs in, or runs a program.
    ///
    /// # Errors
    /// When there is not exactly one such key, or it cannot sign in the forms that Bulla uses.
    pub fn open(reference: &RemoteReference, options: &SignerOptions) -> Result<Self, SignerError> {
        match reference {
            RemoteReference::Plugin(reference) => {
                let plugin = Plugin::open(reference, options)?;
                let description = plugin.describe();
                let public_key_pem = plugin.public_key_pem().to_owned();
                Ok(Self { public_key_pem, description, holder: Holder::Plugin(plugin) })
            }
            #[cfg(feature = "pkcs11")]
            RemoteReference::Pkcs11(uri) => {
                let key = TokenKey::open(uri, options)?;
                let (public_key_pem, description) = (key.public_key_pem().to_owned(), key.describe().to_owned());
                Ok(Self { public_key_pem, description, holder: Holder::Token(Box::new(Mutex::new(key))) })
            }
            #[cfg(not(feature = "pkcs11"))]
            RemoteReference::Pkcs11(uri) => Err(SignerError::NotBuilt { reference: uri.to_string() }),
        }
    }

    /// The public half: PEM with a SubjectPublicKeyInfo.
    pub fn public_key_pem(&self) -> &str {
        &self.public_key_pem
    }

    /// A signature over this message by the scheme that the key was opened for, ECDSA as DER. It has the form of a signature by this key; whether it is one is for the module to say.
    ///
    /// # Errors
    /// When the token or the program refuses, or what it gives cannot be a signature.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        match &self.holder {
            Holder::Plugin(plugin) => plugin.sign(message).map_err(PluginError::into),
            #[cfg(feature = "pkcs11")]
            Holder::Token(key) => {
                let key = key.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(key.sign(message)?)
            }
        }
    }

    /// Which key this is, for people: `key "images" (id 01) in token "release" (…)`. It has no PIN and no control
    /// characters in it.
    pub fn describe(&self) -> &str {
        &self.description
    }
}

impl fmt::Debug for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKey").field("description", &self.description).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::RemoteKey;

    #[test]
    fn a_key_may_be_used_by_several_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<RemoteKey>();
    }
}
