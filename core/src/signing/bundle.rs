//! A Sigstore bundle as a referrer of an image (cosign BUNDLE_SPEC.md, "Publishing").

use super::{PlannedBlob, PushPlan, Signed, SigningError, within};
use crate::cosign::bundle::{Bundle, EMPTY_CONFIG, EMPTY_MEDIA_TYPE, MEDIA_TYPE_V03, key_hint, write_referrer};
use crate::cosign::predicate;
use crate::digest::{Content, Digest};
use crate::dsse::IN_TOTO_PAYLOAD_TYPE;
use crate::limits::{MAX_ENVELOPE_BYTES, MAX_SIGNATURE_BUNDLE_BYTES};
use crate::manifest::{Manifest, OCI_MANIFEST};
use crate::reference::Repository;

/// The image that is referred to.
pub(super) struct Subject<'s> {
    pub(super) digest: &'s Digest,
    /// Its manifest, which was held against the digest.
    pub(super) content: Content<'s>,
    /// The media type that the manifest came with.
    pub(super) media_type: Option<&'s str>,
}

/// The bundle and the manifest that refers to the image. The same signature gives the same digests: what was published
/// once is there, and publishing it again changes nothing.
pub(super) fn plan(
    repository: Repository,
    subject: &Subject<'_>,
    signed: &Signed<'_>,
    predicate_type: &str,
) -> Result<PushPlan, SigningError> {
    let limit = if predicate_type == predicate::SIGNATURE { MAX_SIGNATURE_BUNDLE_BYTES } else { MAX_ENVELOPE_BYTES };
    let hint = key_hint(signed.key.spki());
    let bundle = Bundle::write(&hint, IN_TOTO_PAYLOAD_TYPE, signed.payload, signed.signature)?;
    let bundle = within(bundle, limit)?;
    let content = subject.content.bytes();
    let media_type = Manifest::parse(content, subject.media_type)?.media_type(subject.media_type);
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let manifest = write_referrer(&bundle, predicate_type, media_type, subject.digest, size)?;
    let blob = |media_type, bytes: Vec<u8>| PlannedBlob { digest: Digest::sha256(&bytes), media_type, bytes };
    Ok(PushPlan {
        repository,
        blobs: vec![blob(MEDIA_TYPE_V03, bundle), blob(EMPTY_MEDIA_TYPE, EMPTY_CONFIG.to_vec())],
        manifest,
        media_type: OCI_MANIFEST.to_owned(),
        tag: None,
        subject: Some(subject.digest.clone()),
        already_there: false,
    })
}
