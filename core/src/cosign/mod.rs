//! Cosign's signatures. Today the legacy form: simple signing under the tag `sha256-<hex>.sig`.

pub mod legacy;
pub mod payload;
