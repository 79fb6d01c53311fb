//! Keys in a real PKCS #11 token: SoftHSM 2.

mod keys;
mod refusals;
mod token;
