//! Notation's envelopes that refer to a digest, and the artifact that they have to be about (Notary Project signature
//! specification, "Storage"). Not verified yet.

use std::collections::BTreeSet;

use super::referrers::Listed;
use super::{Gathered, Target};
use crate::decision::Reason;
use crate::decision::asking::{Asking, Fetched, Purse};
use crate::decision::place::Place;
use crate::digest::Digest;
use crate::evidence::{Need, Outcome};
use crate::limits::MAX_NOTATION_ENVELOPE_BYTES;
use crate::manifest::{Blob, Manifest};
use crate::notation::Envelope;
use crate::notation::payload::Target as Artifact;
use crate::notation::referrer::referrer;

/// What was found of Notation for one digest.
#[derive(Debug, Default)]
pub(in crate::decision) struct Envelopes {
    /// Each envelope once.
    pub(in crate::decision) found: Vec<Found>,
    /// Why a place gave nothing.
    pub(in crate::decision) gaps: Vec<Reason>,
    /// The artifact as its own bytes say it is; `None` where nobody asked.
    pub(in crate::decision) artifact: Option<Result<Artifact, Reason>>,
}

/// One envelope.
#[derive(Debug)]
pub(in crate::decision) struct Found {
    /// Where it lies.
    pub(in crate::decision) place: Place,
    /// The digest of its octets.
    pub(in crate::decision) digest: Option<Digest>,
    /// The envelope, or why it cannot count.
    pub(in crate::decision) content: Result<Envelope, Reason>,
}

/// Adds the envelopes that these manifests bring, and the artifact. `None` while something is still to be fetched.
pub(super) fn collect<'e>(
    target: Target<'_>,
    manifests: Vec<(Listed, Result<Fetched<'e>, Reason>)>,
    gathered: &mut Gathered<'_>,
    ask: &mut Asking<'e>,
) -> Option<()> {
    let brought: Vec<(Place, Result<Blob, Reason>)> = manifests
        .into_iter()
        .map(|(Listed { place, .. }, manifest)| {
            let envelope = manifest.and_then(|fetched| {
                let read = referrer(fetched.content.bytes(), fetched.media_type, target.digest);
                read.map(|referrer| referrer.envelope)
                    .map_err(|error| Reason::Defect { place: place.clone(), what: error.to_string() })
            });
            (place, envelope)
        })
        .collect();
    if brought.is_empty() {
        return Some(());
    }
    let most = u64::try_from(MAX_NOTATION_ENVELOPE_BYTES).unwrap_or(u64::MAX);
    let fitting = brought.iter().filter_map(|(_, envelope)| envelope.as_ref().ok().filter(|blob| blob.size <= most));
    ask.reserve(Purse::Envelopes, target.place, fitting);
    let mut is_whole = true;
    let mut seen = BTreeSet::new();
    for (place, envelope) in brought {
        let digest = envelope.as_ref().ok().map(|blob| blob.digest.clone());
        // The same octets under another manifest are the same signature, if they are announced in the same way: one that lies
        // about them must not stand for one that does not.
        if envelope.as_ref().is_ok_and(|it| !seen.insert((it.digest.clone(), it.size, it.media_type.clone()))) {
            continue;
        }
        let content = match envelope {
            Err(reason) => Err(reason),
            Ok(blob) if blob.size > most => {
                let what = format!("the envelope of {} octets is larger than {most}", blob.size);
                Err(Reason::Defect { place: place.clone(), what })
            }
            Ok(blob) => match ask.blob(Purse::Envelopes, target.place, &blob, &place) {
                None => {
                    is_whole = false;
                    continue;
                }
                Some(fetched) => fetched.and_then(|fetched| {
                    let read = Envelope::parse(fetched.content.bytes(), &blob.media_type);
                    read.map_err(|error| Reason::Defect { place: place.clone(), what: error.to_string() })
                }),
            },
        };
        gathered.notation.found.push(Found { place, digest, content });
    }
    match artifact(target, ask) {
        None => is_whole = false,
        found => gathered.notation.artifact = found,
    }
    is_whole.then_some(())
}

/// What the artifact is, by the octets that have its digest. `None` while they are still to be fetched.
fn artifact(target: Target<'_>, ask: &mut Asking<'_>) -> Option<Result<Artifact, Reason>> {
    let need = Need::manifest(target.image, &target.digest.to_string());
    let (bytes, media_type) = match ask.manifest_by_tag(target.digest) {
        Some(found) => found,
        None => match ask.get(&need)? {
            Outcome::Found { bytes, media_type } => (bytes.as_slice(), media_type.as_deref()),
            other => return Some(Err(Reason::unfetched(&need, other))),
        },
    };
    let unusable = |reason: String| Some(Err(Reason::Unfetched { need: need.id(), reason }));
    let content = match target.digest.check(bytes) {
        Ok(content) => content,
        Err(mismatch) => return unusable(mismatch.to_string()),
    };
    let manifest = match Manifest::parse(content.bytes(), media_type) {
        Ok(manifest) => manifest,
        Err(error) => return Some(Err(Reason::Index { what: error.to_string() })),
    };
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let media_type = manifest.media_type(media_type).to_owned();
    Some(Ok(Artifact { media_type, digest: target.digest.to_string(), size }))
}
