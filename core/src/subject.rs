//! Whether a referrer refers to what it was listed for: a list of referrers is the registry's word, `subject` is in the
//! referrer's own bytes (image-spec, manifest.md, "subject").

use oci_spec::image::Descriptor;

use crate::digest::Digest;
use crate::text::excerpt;

/// Why a manifest is not a referrer of a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// It has no `subject`.
    #[error("the manifest refers to nothing: it has no subject")]
    Missing,
    /// Its `subject` is another digest.
    #[error("the manifest refers to {got}, not to {want}")]
    Other {
        /// The digest it refers to, as it stands there.
        got: String,
        /// The digest it was listed for.
        want: Digest,
    },
}

/// Holds the `subject` of a manifest against a digest.
///
/// # Errors
/// [`SubjectError`].
pub(crate) fn check_subject(subject: Option<&Descriptor>, want: &Digest) -> Result<(), SubjectError> {
    let subject = subject.ok_or(SubjectError::Missing)?;
    let got: &str = subject.digest().as_ref();
    if *got == want.to_string() { Ok(()) } else { Err(SubjectError::Other { got: excerpt(got), want: want.clone() }) }
}
