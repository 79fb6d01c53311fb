//! Keys that sign somewhere else than in Bulla's module: in a PKCS #11 token, or in a program that somebody provides.
//!
//! This crate turns what `--key` says into a public key and signatures, and that is all. It decides nothing and checks
//! no signature: the module does, before anything is published. Signatures come in the form of the [`Scheme`] that a key
//! was opened for. As a rule that is cosign's: ECDSA as ASN.1 DER over SHA-256 of the message for every curve, RSA as PKCS #1
//! v1.5 with SHA-256, Ed25519 over the message itself.
//!
//! - [`KeyReference`] is what `--key` says: a file, or one of the two below.
//! - [`Pkcs11Uri`] names a key in a token (RFC 7512).
//! - [`PluginReference`] names a key that the program `sigstore-kms-<scheme>` signs with, as cosign's plugins do.
//! - [`RemoteKey`] is the opened key.
//!
//! Everything here blocks: tokens wait for a touch, programs for a network.
//!
//! ```no_run
//! use bulla_signer::{KeyReference, RemoteKey, SignerOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! match KeyReference::parse("pkcs11:token=release;object=images?module-path=/usr/lib/softhsm/libsofthsm2.so")? {
//!     KeyReference::File(path) => println!("{} is a file, which the module opens", path.display()),
//!     KeyReference::Remote(reference) => {
//!         let key = RemoteKey::open(&reference, &SignerOptions::default())?;
//!         println!("{}\n{}", key.describe(), key.public_key_pem());
//!         let _signature = key.sign(b"message")?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod error;
mod options;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod plugin;
mod public_key;
mod reference;
mod remote;
mod scheme;
mod secret;
mod signature;
mod text;
mod uri;

pub use error::{FormError, Pkcs11Error, PluginError, PluginFailure, SignerError};
pub use options::{PIN_VARIABLES, SignerOptions};
pub use reference::{KeyReference, KeyReferenceError, PluginReference, RemoteReference};
pub use remote::RemoteKey;
pub use scheme::{Hash, Scheme};
pub use signature::ecdsa_side_by_side;
pub use uri::{Pkcs11Uri, UriError};
