//! The operation that says another's policies as Bulla's own, and what is told of policies that were loaded.

use std::collections::BTreeSet;

use bulla_abi::{ErrorBody, Message};
use bulla_core::notation::StoreKind;
use bulla_core::ordered::Ordered as _;
use bulla_core::policy::{Signer, System, convert};
use bulla_core::reference::{Reference, Repository};
use serde::Deserialize;
use serde_json::json;

use crate::reply::{self, Answer, Reply};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Convert {
    name: String,
    blob: u32,
    #[serde(default)]
    files: Vec<NamedFile>,
    /// Of Notation's trust policy, only what it says about these images.
    #[serde(default)]
    images: Option<Vec<String>>,
}

/// A file that the source names, under the name by which it does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedFile {
    path: String,
    blob: u32,
}

/// The files with what is in them.
pub(crate) fn files<'m>(named: &[NamedFile], message: &'m Message) -> Result<Vec<(String, &'m [u8])>, ErrorBody> {
    named.iter().map(|file| Ok((file.path.clone(), reply::blob(message, file.blob)?))).collect()
}

/// A signer of a policy, for whoever lists what was loaded.
pub(crate) fn described(name: &str, signer: &Signer) -> serde_json::Value {
    match &signer.system {
        System::Cosign(cosign) => serde_json::json!({"signer": name, "system": "cosign",
            "algorithm": cosign.key.algorithm(), "key": cosign.key.fingerprint(), "publicKey": cosign.key.to_pem()}),
        System::ContentTrust(trust) => {
            serde_json::json!({"signer": name, "system": "contentTrust", "server": trust.server})
        }
        System::Notation(trust) => {
            let kinds = [StoreKind::Ca, StoreKind::SigningAuthority, StoreKind::Tsa].into_iter();
            let pinned = kinds.flat_map(|kind| {
                trust.stores.get(kind).iter().map(move |one| {
                serde_json::json!({"store": kind, "subject": one.subject_text(), "thumbprint": one.thumbprint()})
            })
            });
            serde_json::json!({"signer": name, "system": "notation", "certificates": pinned.collect::<Vec<_>>()})
        }
    }
}

pub(crate) fn convert(message: &Message) -> Reply {
    let header: Convert = reply::header(message)?;
    let files = files(&header.files, message)?;
    let source = reply::blob(message, header.blob)?;
    let conversion = match &header.images {
        None => convert::convert(&header.name, source, &files),
        Some(images) => {
            // What is no image at all is said by its own decision.
            let repositories: BTreeSet<Repository> = images
                .iter()
                .filter_map(|image| Reference::parse(image).ok())
                .map(|image| image.repository().clone())
                .into_set();
            convert::convert_for(&repositories.into_iter().collect::<Vec<_>>(), source, &files)
        }
    }
    .map_err(|problem| ErrorBody {
        code: "convert-refused".to_owned(),
        message: problem.to_string(),
        details: problem.refused.iter().filter_map(|refused| serde_json::to_value(refused).ok()).collect(),
    })?;
    let mut blobs = Vec::new();
    let policies: Vec<_> = conversion
        .policies
        .into_iter()
        .map(|policy| {
            let entry = json!({"name": policy.name, "blob": blobs.len(), "notes": policy.notes});
            blobs.push(policy.text.into_bytes());
            entry
        })
        .collect();
    Answer::with(&json!({"policies": policies, "notes": conversion.notes}), blobs)
}
