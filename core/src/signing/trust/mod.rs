//! Signing role files of Docker Content Trust (notary, client/client.go, tuf/tuf.go): what changes, and the exact bytes to sign.
//!
//! [`initialise`] and [`prepare`] give a [`Prepared`]: for each role the message, who has to sign it, and the difference in plain
//! terms, computed from the file before and the file after. [`Prepared::assemble`] checks the signatures and gives the files to
//! post together. Where the server holds no snapshot key, [`Prepared::snapshot`] prepares the snapshot over these files.

mod authority;
mod certificate;
mod change;
mod difference;
mod error;
mod prepared;
mod tests;

pub use certificate::{RootCertificate, SERIAL_BYTES};
pub use change::{Change, NewTarget};
pub use difference::{Difference, Grant, Granted, Said};
pub use error::TrustSigningError;
pub use prepared::{Expiries, InitialKeys, Prepared, PreparedRole, RoleSignature, initialise, prepare};
