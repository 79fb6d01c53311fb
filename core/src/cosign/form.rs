//! The two forms in which cosign stores what it signs.

use serde::{Deserialize, Serialize};

/// A form. Both are checked equally strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Images under the tags `sha256-<hex>.sig` and `.att` (cosign 1 and 2); the first also as an OCI 1.1 referrer.
    #[default]
    Legacy,
    /// Sigstore bundles that refer to the image (cosign 3).
    Bundle,
}
