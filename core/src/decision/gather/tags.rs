//! What lies under cosign's tags: signatures under `sha256-<hex>.sig`, attestations under `sha256-<hex>.att`.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::referrers::attestation_of;
use super::{Candidate, Gathered, Kind, Material, Target, Wanted};
use crate::cosign::form::Form;
use crate::cosign::legacy::{self, LegacyError};
use crate::cosign::payload::SimpleSigning;
use crate::decision::Reason;
use crate::decision::asking::{Asking, Purse};
use crate::decision::place::{Holder, Place};
use crate::digest::Digest;
use crate::dsse::Envelope;
use crate::evidence::{Need, Outcome};
use crate::limits::{MAX_ENVELOPE_BYTES, MAX_SIGNATURES};
use crate::manifest::Blob;
use crate::verify::Message;

const FORMS: &[Form] = &[Form::Legacy];

/// Adds what lies under the tags. `None` while something is still to be fetched.
pub(super) fn collect<'e>(
    target: Target<'_>,
    wanted: &Wanted,
    gathered: &mut Gathered<'e>,
    ask: &mut Asking<'e>,
) -> Option<()> {
    if !wanted.takes(Form::Legacy) {
        return name_unread(target, wanted, gathered, ask);
    }
    let signatures = if wanted.signatures { collect_signatures(target, gathered, ask) } else { Some(()) };
    let attestations =
        if wanted.attestations() { collect_attestations(target, wanted, gathered, ask) } else { Some(()) };
    signatures.and(attestations)
}

/// Where the legacy form does not count, what lies under the tags is only named.
fn name_unread(target: Target<'_>, wanted: &Wanted, gathered: &mut Gathered<'_>, ask: &mut Asking<'_>) -> Option<()> {
    let signatures = wanted.signatures.then(|| (target.digest.signature_tag(), "cosign legacy signatures"));
    let attestations = wanted.attestations().then(|| (target.digest.attestation_tag(), "cosign legacy attestations"));
    let mut is_whole = true;
    for (tag, name) in signatures.into_iter().chain(attestations) {
        match ask.get(&Need::tagged_image(target.place, &tag)) {
            None => is_whole = false,
            Some(Outcome::Absent) => {}
            Some(_) => gathered.beside(name.to_owned()),
        }
    }
    is_whole.then_some(())
}

/// A manifest as it came, and the media type that came with it.
type Unread<'e> = (&'e [u8], Option<&'e str>);

/// The image under a tag. Only "there is no such tag" means that there is nothing; `None` while it is still to be fetched.
fn tagged<'e>(
    target: Target<'_>,
    tag: &str,
    absent: Reason,
    ask: &mut Asking<'e>,
) -> Option<Result<Unread<'e>, Reason>> {
    let need = Need::tagged_image(target.place, tag);
    Some(match ask.get(&need)? {
        Outcome::Found { bytes, media_type } => Ok((bytes, media_type.as_deref())),
        Outcome::Absent => Err(absent),
        other => Err(Reason::unfetched(&need, other)),
    })
}

fn collect_signatures<'e>(target: Target<'_>, gathered: &mut Gathered<'e>, ask: &mut Asking<'e>) -> Option<()> {
    let tag = target.digest.signature_tag();
    let layers = match tagged(target, &tag, Reason::NotSigned { tag: tag.clone() }, ask)? {
        Ok((bytes, media_type)) => legacy::parse(bytes, media_type),
        Err(reason) => {
            gathered.gap(FORMS, Kind::Signature, reason);
            return Some(());
        }
    };
    match layers {
        Ok(layers) if layers.is_empty() => gathered.gap(FORMS, Kind::Signature, Reason::NoSignatures { tag }),
        Ok(layers) => {
            let place = |number| Place { holder: Holder::Signature, number, manifest: None };
            gathered.candidates.extend(payloads(target, layers, &place, ask)?);
        }
        Err(error) => gathered.gap(FORMS, Kind::Signature, unreadable(&error)),
    }
    Some(())
}

/// Why an image of signatures or attestations gives nothing.
pub(super) fn unreadable(error: &LegacyError) -> Reason {
    match error {
        LegacyError::TooMany { got } => {
            let limit = u64::try_from(MAX_SIGNATURES).unwrap_or(u64::MAX);
            Reason::Budget { what: "signatures", limit, got: u64::try_from(*got).unwrap_or(u64::MAX) }
        }
        error => Reason::SignatureImage { what: error.to_string() },
    }
}

/// The candidates that the layers of a signature image are. `None` while a payload is still to be fetched.
pub(super) fn payloads<'e>(
    target: Target<'_>,
    layers: Vec<legacy::Layer>,
    place: &dyn Fn(usize) -> Place,
    ask: &mut Asking<'e>,
) -> Option<Vec<Candidate<'e>>> {
    // Most payloads follow from repository and digest: these need no fetch.
    let implied = SimpleSigning::implied(target.image, target.digest);
    let implied_digest = Digest::sha256(&implied);
    let implied = Rc::new(Message::implied(implied));
    let octets = u64::try_from(implied.bytes().len()).unwrap_or(u64::MAX);
    let is_implied = |payload: &Blob| payload.digest == implied_digest && payload.size == octets;
    let signatures = layers.iter().filter_map(|layer| layer.content.as_ref().ok());
    let to_fetch = signatures.map(|signature| &signature.payload).filter(|payload| !is_implied(payload));
    ask.reserve(Purse::Payloads, target.place, to_fetch);
    let mut messages: BTreeMap<Digest, Rc<Message<'e>>> = BTreeMap::new();
    let mut is_whole = true;
    let mut candidates = Vec::with_capacity(layers.len());
    for layer in layers {
        let place = place(layer.number);
        let content = match layer.content {
            Err(defect) => Err(Reason::Defect { place: place.clone(), what: defect.to_string() }),
            Ok(signature) => {
                let payload = &signature.payload;
                let message = if is_implied(payload) {
                    Ok(Rc::clone(&implied))
                } else {
                    match ask.blob(Purse::Payloads, target.place, payload, &place) {
                        None => {
                            is_whole = false;
                            continue;
                        }
                        Some(Err(reason)) => Err(reason),
                        Some(Ok(fetched)) => {
                            let message = || Rc::new(Message::simple_signing(fetched.content));
                            Ok(Rc::clone(messages.entry(payload.digest.clone()).or_insert_with(message)))
                        }
                    }
                };
                let (signatures, has_certificate) = (vec![signature.signature], signature.has_certificate);
                message.map(|message| Material { message, signatures, has_certificate })
            }
        };
        candidates.push(Candidate { place, form: Form::Legacy, kind: Kind::Signature, hint: None, content });
    }
    is_whole.then_some(candidates)
}

fn collect_attestations<'e>(
    target: Target<'_>,
    wanted: &Wanted,
    gathered: &mut Gathered<'e>,
    ask: &mut Asking<'e>,
) -> Option<()> {
    let tag = target.digest.attestation_tag();
    let layers =
        tagged(target, &tag, Reason::NotAttested { tag: tag.clone() }, ask)?.and_then(|(bytes, media_type)| {
            legacy::parse_attestations(bytes, media_type).map_err(|error| unreadable(&error))
        });
    let layers = match layers {
        Ok(layers) => layers,
        Err(reason) => {
            gathered.gap(FORMS, Kind::Attestation, reason);
            return Some(());
        }
    };
    let (layers, others): (Vec<_>, Vec<_>) =
        layers.into_iter().partition(|layer| wanted.may_want(layer.predicate_type.as_deref()));
    for other in others {
        gathered.beside(attestation_of(other.predicate_type.as_deref()));
    }
    let envelopes = layers.iter().filter_map(|layer| layer.content.as_ref().ok());
    ask.reserve(Purse::Envelopes, target.place, envelopes);
    let mut is_whole = true;
    for layer in layers {
        let place = Place { holder: Holder::Attestation, number: layer.number, manifest: None };
        let content = match layer.content {
            Err(defect) => Err(Reason::Defect { place: place.clone(), what: defect.to_string() }),
            Ok(envelope) => match ask.blob(Purse::Envelopes, target.place, &envelope, &place) {
                None => {
                    is_whole = false;
                    continue;
                }
                Some(fetched) => fetched.and_then(|fetched| {
                    ask.read(&envelope.digest, "envelope", &place, || read_envelope(fetched.content.bytes()))
                }),
            },
        };
        let (form, kind, hint) = (Form::Legacy, Kind::Attestation, layer.predicate_type);
        gathered.candidates.push(Candidate { place, form, kind, hint, content });
    }
    is_whole.then_some(())
}

fn read_envelope<'e>(bytes: &[u8]) -> Result<Material<'e>, String> {
    let limit = usize::try_from(MAX_ENVELOPE_BYTES).unwrap_or(usize::MAX);
    let envelope = Envelope::parse(bytes, limit).map_err(|error| error.to_string())?;
    Ok(Material::of_envelope(envelope, false))
}
