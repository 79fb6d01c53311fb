//! Operations of a signer: prepare, assemble.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bulla_abi::Message;
use bulla_core::cosign::form::Form;
use bulla_core::digest::Digest;
use bulla_core::key::PublicKey;
use bulla_core::reference::{Reference, Repository};
use bulla_core::signing::{self, Attestation, PushPlan, Request, Signed, Storage};
use bulla_core::time::UnixTime;
use serde::Deserialize;
use serde_json::json;

use crate::notation;
use crate::reply::{self, Answer, Reply, error};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prepare {
    image: Reference,
    #[serde(default)]
    form: Form,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    attestation: Option<Statement>,
}

/// An attestation that is to be signed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Statement {
    predicate_type: String,
    predicate: u32,
    #[serde(default)]
    now: Option<UnixTime>,
}

pub(crate) fn prepare(message: &Message) -> Reply {
    if notation::is_meant(message)? {
        return notation::prepare(message);
    }
    let header: Prepare = reply::header(message)?;
    let attestation = match &header.attestation {
        None => None,
        Some(said) => Some(Attestation {
            predicate_type: &said.predicate_type,
            predicate: reply::blob(message, said.predicate)?,
            now: said.now,
        }),
    };
    let request = Request { image: &header.image, form: header.form, annotations: &header.annotations, attestation };
    let prepared = signing::prepare(&request).map_err(|problem| error("signing", problem))?;
    let (digest, other) = match prepared.message() {
        Cow::Borrowed(payload) => (Digest::sha256(payload), None),
        Cow::Owned(message) => (Digest::sha256(&message), Some(message)),
    };
    let header = json!({"payload": 0, "message": u32::from(other.is_some()), "hash": "sha256", "digest": digest});
    Answer::with(&header, core::iter::once(prepared.payload).chain(other).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Assemble {
    image: Reference,
    #[serde(default)]
    form: Form,
    payload: u32,
    signature: u32,
    public_key: u32,
    #[serde(default)]
    attestation: Option<SignedStatement>,
    #[serde(default)]
    existing: Option<u32>,
    #[serde(default)]
    written: Option<u32>,
    #[serde(default)]
    manifest: Option<u32>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    signature_repository: Option<String>,
}

/// An attestation that was signed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignedStatement {
    predicate_type: String,
}

pub(crate) fn assemble(message: &Message) -> Reply {
    if notation::is_meant(message)? {
        return notation::assemble(message);
    }
    let header: Assemble = reply::header(message)?;
    let key =
        PublicKey::parse(reply::blob(message, header.public_key)?).map_err(|problem| error("key-invalid", problem))?;
    let blob = |index: Option<u32>| index.map(|index| reply::blob(message, index)).transpose();
    let (existing, written) = (blob(header.existing)?, blob(header.written)?);
    let (manifest, media_type) = (blob(header.manifest)?, header.media_type.as_deref());
    let misplaced = |words: &str| Err(error("message-invalid", format!("header: {words}")));
    let place = match (header.form, manifest) {
        (Form::Legacy, None) if media_type.is_none() => Storage::Legacy { existing, written },
        (Form::Legacy, _) => return misplaced("`manifest` and `mediaType` belong to the form `bundle`"),
        (Form::Bundle, Some(manifest)) if existing.is_none() && written.is_none() => {
            Storage::Bundle { manifest, media_type }
        }
        (Form::Bundle, Some(_)) => return misplaced("`existing` and `written` belong to the form `legacy`"),
        (Form::Bundle, None) => {
            return misplaced("a bundle states media type and size of its subject: give the image's `manifest`");
        }
    };
    let repository = header.signature_repository.as_deref().map(Repository::parse).transpose();
    let repository =
        repository.map_err(|problem| error("message-invalid", format!("header: signatureRepository: {problem}")))?;
    let plan = signing::assemble(&Signed {
        image: &header.image,
        payload: reply::blob(message, header.payload)?,
        signature: reply::blob(message, header.signature)?,
        key: &key,
        predicate_type: header.attestation.as_ref().map(|said| said.predicate_type.as_str()),
        repository: repository.as_ref(),
        place,
    })
    .map_err(|problem| error("signing", problem))?;
    planned(plan)
}

/// A push plan as an answer.
pub(crate) fn planned(plan: PushPlan) -> Reply {
    let reference = plan.reference();
    let mut blobs = vec![plan.manifest];
    let planned: Vec<_> = plan
        .blobs
        .into_iter()
        .map(|planned| {
            let entry = json!({"digest": planned.digest, "mediaType": planned.media_type, "blob": blobs.len()});
            blobs.push(planned.bytes);
            entry
        })
        .collect();
    Answer::with(
        &json!({
            "registry": plan.repository.registry(),
            "repository": plan.repository.path(),
            "tag": plan.tag,
            "reference": reference,
            "subject": plan.subject,
            "mediaType": plan.media_type,
            "manifest": 0,
            "blobs": planned,
            "alreadyThere": plan.already_there,
        }),
        blobs,
    )
}
