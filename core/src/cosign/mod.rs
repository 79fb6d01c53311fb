//! What cosign stores in registries: the legacy form under tags, and bundles that refer to the image.

pub mod bundle;
pub mod form;
pub mod legacy;
pub mod payload;
pub mod predicate;
