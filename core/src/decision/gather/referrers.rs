//! What refers to a digest: Sigstore bundles, and the legacy form where cosign stored it so.
//!
//! The list is the registry's word, and so are the types and annotations in it: they save requests and can only withhold
//! an accept. Whether a manifest refers to the digest stands in its own bytes.

use oci_spec::image::{Descriptor, ImageIndex};

use super::tags::{payloads, unreadable};
use super::{Candidate, Gathered, Kind, Material, Target, Wanted, envelopes};
use crate::cosign::bundle::{self, Material as KeyMaterial, Referrer, ReferrerError};
use crate::cosign::form::Form;
use crate::cosign::legacy::{self, LegacyError};
use crate::cosign::predicate;
use crate::decision::Reason;
use crate::decision::asking::{Asking, Fetched, Purse};
use crate::decision::place::{Holder, Place};
use crate::digest::Content;
use crate::evidence::{Need, Outcome};
use crate::limits::{
    MAX_ENVELOPE_BYTES, MAX_NOTATION_MANIFEST_BYTES, MAX_NOTATION_SIGNATURES, MAX_REFERRER_MANIFEST_BYTES,
    MAX_SIGNATURE_BUNDLE_BYTES, MAX_SIGNATURE_REFERRER_BYTES, MAX_SIGNATURE_REFERRERS, MAX_SIGNATURES,
};
use crate::manifest::{Blob, Manifest};
use crate::notation::referrer::ARTIFACT_TYPE as NOTATION;
use crate::reference::Repository;
use crate::text::excerpt;

const FORMS: &[Form] = &[Form::Bundle, Form::Legacy];
const LEGACY: &[Form] = &[Form::Legacy];

/// Adds what refers to the digest. `None` while something is still to be fetched.
pub(super) fn collect<'e>(
    target: Target<'_>,
    wanted: &Wanted,
    gathered: &mut Gathered<'e>,
    ask: &mut Asking<'e>,
) -> Option<()> {
    let need = Need::referrers(target.place, target.digest);
    let index = match ask.get(&need)? {
        Outcome::Found { bytes, media_type } => match Manifest::parse(bytes, media_type.as_deref()) {
            Ok(Manifest::Index(index)) => index,
            Ok(Manifest::Image(_)) => {
                gathered.no_list(&need, "it is not an index");
                return Some(());
            }
            Err(error) => {
                gathered.no_list(&need, &error.to_string());
                return Some(());
            }
        },
        Outcome::Absent => return Some(()),
        other => {
            gathered.nothing(&Reason::unfetched(&need, other));
            return Some(());
        }
    };
    let entries = match sort(&index, wanted, gathered) {
        Ok(entries) => entries,
        Err(reason) => {
            gathered.nothing(&reason);
            return Some(());
        }
    };
    let manifests = fetch_manifests(target.place, entries, ask)?;
    let (envelopes, manifests): (Vec<_>, Vec<_>) =
        manifests.into_iter().partition(|(entry, _)| entry.kind == Entry::Notation);
    let (mut bundles, mut images) = (Vec::new(), Vec::new());
    for (entry, manifest) in manifests {
        let place = entry.place;
        match (entry.kind, manifest) {
            (_, Err(reason)) => gathered.candidates.push(broken(place, entry.hint, reason)),
            // They have a list of their own.
            (Entry::Notation, Ok(_)) => {}
            (Entry::Signatures, Ok(fetched)) => images.push((place, fetched)),
            (Entry::Bundle | Entry::Unnamed, Ok(fetched)) => {
                match bundle::referrer(fetched.content.bytes(), fetched.media_type, target.digest) {
                    Ok(referrer) if !wanted.may_want(referrer.predicate_type.as_deref()) => {
                        gathered.beside(attestation_of(referrer.predicate_type.as_deref()));
                    }
                    Ok(referrer) => bundles.push((place, referrer)),
                    Err(ReferrerError::Version(error)) if entry.kind == Entry::Unnamed => {
                        gathered.beside(error.to_string());
                    }
                    Err(_) if entry.kind == Entry::Unnamed => gathered.beside(artifact(None)),
                    Err(error) => {
                        let reason = Reason::Defect { place: place.clone(), what: error.to_string() };
                        gathered.candidates.push(broken(place, entry.hint, reason));
                    }
                }
            }
        }
    }
    let bundles = fetch_bundles(target, bundles, wanted, gathered, ask);
    let images = fetch_signatures(target, images, gathered, ask);
    let envelopes = envelopes::collect(target, envelopes, gathered, ask);
    bundles.and(images).and(envelopes)
}

/// An entry of the list that may count.
pub(super) struct Listed {
    pub(super) place: Place,
    kind: Entry,
    hint: Option<String>,
    manifest: Result<Blob, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// Said to be a bundle.
    Bundle,
    /// Said to be a signature image.
    Signatures,
    /// Said to be one of Notation's.
    Notation,
    /// Its type is not said: the manifest has to be looked at.
    Unnamed,
}

/// Sorts the list: what may count, and what only lies beside.
fn sort(index: &ImageIndex, wanted: &Wanted, gathered: &mut Gathered<'_>) -> Result<Vec<Listed>, Reason> {
    let mut entries: Vec<Listed> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let (mut of_bundles, mut of_signatures, mut of_notation) = (0usize, 0usize, 0usize);
    for descriptor in index.manifests() {
        let text: &str = descriptor.digest().as_ref();
        if !seen.insert(text.to_owned()) {
            continue;
        }
        let artifact_type = descriptor.artifact_type().as_ref().map(ToString::to_string).filter(|it| !it.is_empty());
        let hint = annotation(descriptor, bundle::PREDICATE_TYPE_ANNOTATION);
        let kind = match artifact_type.as_deref() {
            Some(legacy::SIGNATURE_ARTIFACT_TYPE) if wanted.takes(Form::Legacy) && wanted.signatures => {
                Entry::Signatures
            }
            Some(NOTATION) if wanted.notation => Entry::Notation,
            // Clients that keep the list themselves have written the config's type there, which is that of an empty blob.
            None | Some("application/vnd.oci.empty.v1+json") if wanted.takes(Form::Bundle) => Entry::Unnamed,
            Some(text) => match bundle::version(text) {
                Ok(Some(_)) if wanted.takes(Form::Bundle) && wanted.may_want(hint.as_deref()) => Entry::Bundle,
                Ok(Some(_)) if wanted.takes(Form::Bundle) => {
                    gathered.beside(attestation_of(hint.as_deref()));
                    continue;
                }
                Ok(_) => {
                    gathered.beside(artifact(Some(text)));
                    continue;
                }
                Err(error) => {
                    gathered.beside(error.to_string());
                    continue;
                }
            },
            None => {
                gathered.beside(artifact(None));
                continue;
            }
        };
        let (holder, number) = match kind {
            Entry::Signatures => (Holder::OciSignature, &mut of_signatures),
            Entry::Notation => (Holder::Notation, &mut of_notation),
            Entry::Bundle | Entry::Unnamed => (Holder::Bundle, &mut of_bundles),
        };
        *number = number.saturating_add(1);
        let manifest = Blob::of(descriptor).map_err(|error| error.to_string());
        let digest = manifest.as_ref().ok().map(|blob| Box::new(blob.digest.clone()));
        let place = Place { holder, number: *number, manifest: digest };
        entries.push(Listed { place, kind, hint, manifest });
    }
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    if of_signatures > MAX_SIGNATURE_REFERRERS {
        let (limit, got) = (count(MAX_SIGNATURE_REFERRERS), count(of_signatures));
        gathered.gap(LEGACY, Kind::Signature, Reason::Budget { what: "OCI 1.1 signature images", limit, got });
        entries.retain(|entry| entry.kind != Entry::Signatures || entry.place.number <= MAX_SIGNATURE_REFERRERS);
    }
    if of_notation > MAX_NOTATION_SIGNATURES {
        let (limit, got) = (count(MAX_NOTATION_SIGNATURES), count(of_notation));
        gathered.notation.gaps.push(Reason::Budget { what: "Notation signatures", limit, got });
        entries.retain(|entry| entry.kind != Entry::Notation);
    }
    if of_bundles > MAX_SIGNATURES {
        let (limit, got) = (count(MAX_SIGNATURES), count(of_bundles));
        return Err(Reason::Budget { what: "signatures", limit, got });
    }
    Ok(entries)
}

fn fetch_manifests<'e>(
    repository: &Repository,
    entries: Vec<Listed>,
    ask: &mut Asking<'e>,
) -> Option<Vec<(Listed, Result<Fetched<'e>, Reason>)>> {
    let fetched: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            let most = match entry.kind {
                Entry::Signatures => MAX_SIGNATURE_REFERRER_BYTES,
                Entry::Notation => MAX_NOTATION_MANIFEST_BYTES.try_into().unwrap_or(u64::MAX),
                Entry::Bundle | Entry::Unnamed => MAX_REFERRER_MANIFEST_BYTES,
            };
            let place = &entry.place;
            let manifest = match &entry.manifest {
                Err(error) => Some(Err(Reason::Defect { place: place.clone(), what: error.clone() })),
                Ok(announced) if announced.size > most => {
                    let what = format!("its manifest of {} octets is larger than {most}", announced.size);
                    Some(Err(Reason::Defect { place: place.clone(), what }))
                }
                Ok(announced) => ask.manifest(repository, announced, place),
            };
            (entry, manifest)
        })
        .collect();
    fetched.into_iter().map(|(entry, manifest)| manifest.map(|manifest| (entry, manifest))).collect()
}

/// The signatures of signature images that are stored as referrers: as many together as one image under a tag may have.
fn fetch_signatures<'e>(
    target: Target<'_>,
    images: Vec<(Place, Fetched<'e>)>,
    gathered: &mut Gathered<'e>,
    ask: &mut Asking<'e>,
) -> Option<()> {
    let mut is_whole = true;
    let mut total = 0usize;
    for (place, fetched) in images {
        let layers = match legacy::parse_referrer(fetched.content.bytes(), fetched.media_type, target.digest) {
            Ok(layers) => layers,
            Err(error) => {
                gathered.gap(LEGACY, Kind::Signature, unreadable(&error));
                continue;
            }
        };
        total = total.saturating_add(layers.len());
        if total > MAX_SIGNATURES {
            gathered.gap(LEGACY, Kind::Signature, unreadable(&LegacyError::TooMany { got: total }));
            break;
        }
        let layer = |number| Place { number, ..place.clone() };
        match payloads(target, layers, &layer, ask) {
            Some(candidates) => gathered.candidates.extend(candidates),
            None => is_whole = false,
        }
    }
    is_whole.then_some(())
}

fn fetch_bundles<'e>(
    target: Target<'_>,
    bundles: Vec<(Place, Referrer)>,
    wanted: &Wanted,
    gathered: &mut Gathered<'e>,
    ask: &mut Asking<'e>,
) -> Option<()> {
    let limit = |referrer: &Referrer| match referrer.predicate_type.as_deref() {
        Some(predicate::SIGNATURE) => MAX_SIGNATURE_BUNDLE_BYTES,
        _ if wanted.attestations() => MAX_ENVELOPE_BYTES,
        _ => MAX_SIGNATURE_BUNDLE_BYTES,
    };
    let blobs = bundles.iter().filter(|(_, referrer)| referrer.bundle.size <= limit(referrer));
    ask.reserve(Purse::Envelopes, target.place, blobs.map(|(_, referrer)| &referrer.bundle));
    let mut is_whole = true;
    for (place, referrer) in bundles {
        let (announced, most) = (&referrer.bundle, limit(&referrer));
        let content = if announced.size > most {
            let what = format!("the bundle of {} octets is larger than {most}", announced.size);
            Err(Reason::Defect { place: place.clone(), what })
        } else {
            match ask.blob(Purse::Envelopes, target.place, announced, &place) {
                None => {
                    is_whole = false;
                    continue;
                }
                Some(fetched) => fetched.and_then(|fetched| {
                    let how = referrer.version.name();
                    ask.read(&announced.digest, how, &place, || read_bundle(&referrer, fetched.content))
                }),
            }
        };
        let (form, kind, hint) = (Form::Bundle, Kind::Either, referrer.predicate_type);
        gathered.candidates.push(Candidate { place, form, kind, hint, content });
    }
    is_whole.then_some(())
}

fn read_bundle<'e>(referrer: &Referrer, content: Content<'_>) -> Result<Material<'e>, String> {
    let limit = usize::try_from(MAX_ENVELOPE_BYTES).unwrap_or(usize::MAX);
    let bundle = referrer.open(content, limit).map_err(|error| error.to_string())?;
    let has_certificate = !matches!(bundle.material, KeyMaterial::PublicKey { .. });
    Ok(Material::of_envelope(bundle.envelope, has_certificate))
}

fn broken<'e>(place: Place, hint: Option<String>, reason: Reason) -> Candidate<'e> {
    let form = if place.holder == Holder::Bundle { Form::Bundle } else { Form::Legacy };
    let kind = if form == Form::Bundle { Kind::Either } else { Kind::Signature };
    Candidate { place, form, kind, hint, content: Err(reason) }
}

fn annotation(descriptor: &Descriptor, name: &str) -> Option<String> {
    descriptor.annotations().as_ref().and_then(|all| all.get(name)).cloned()
}

impl Gathered<'_> {
    /// A list that cannot be read says nothing about what is there.
    fn no_list(&mut self, need: &Need, what: &str) {
        let reason = format!("a list of referrers that cannot be read: {what}");
        self.nothing(&Reason::Unfetched { need: need.id(), reason });
    }

    /// What refers to the digest is not known, of no form.
    fn nothing(&mut self, reason: &Reason) {
        self.gap(FORMS, Kind::Either, reason.clone());
        self.notation.gaps.push(reason.clone());
    }
}

/// The name of an attestation that nobody asked about.
pub(super) fn attestation_of(predicate_type: Option<&str>) -> String {
    match predicate_type {
        Some(predicate::SIGNATURE) => "signature bundle".to_owned(),
        Some(predicate_type) => format!("attestation of type {}", excerpt(predicate_type)),
        None => "attestation".to_owned(),
    }
}

/// The name of an artifact that lies there and is not read.
fn artifact(artifact_type: Option<&str>) -> String {
    let Some(artifact_type) = artifact_type else { return "artifact without a type".to_owned() };
    let name = match artifact_type {
        bundle if bundle.starts_with("application/vnd.dev.sigstore.bundle") => "Sigstore bundle",
        NOTATION => "Notation signature",
        legacy::SIGNATURE_ARTIFACT_TYPE => "cosign signature as OCI 1.1 referrer",
        "application/vnd.in-toto+json" => "in-toto attestation",
        other => return format!("artifact of type {}", excerpt(other)),
    };
    name.to_owned()
}
