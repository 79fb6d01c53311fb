//! The operation that lists what lies in a registry for an image.

use bulla_abi::{ErrorBody, Evidence, Message};
use bulla_core::decision::{Checks, InspectStep, Inspection, Listing, inspect};
use bulla_core::key::PublicKey;
use bulla_core::reference::Repository;
use serde::{Deserialize, Serialize};

use crate::module::{gathered, needs};
use crate::reply::{self, Answer, Reply, error};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Inspect {
    image: String,
    #[serde(default)]
    signature_repository: Option<String>,
    keys: Vec<NamedKey>,
    evidence: Vec<Evidence>,
}

/// A key, and the name that it is shown with. Several names may name one blob.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedKey {
    name: String,
    key: u32,
}

pub(crate) fn list(mut message: Message) -> Reply {
    let header: Inspect = reply::header(&message)?;
    let repository = header.signature_repository.as_deref().map(Repository::parse).transpose();
    let signature_repository =
        repository.map_err(|problem| error("message-invalid", format!("header: signatureRepository: {problem}")))?;
    let keys = header.keys.into_iter().map(|named| {
        let key = PublicKey::parse(reply::blob(&message, named.key)?)
            .map_err(|problem| error("key-invalid", format!("{}: {problem}", named.name)))?;
        Ok((named.name, key))
    });
    let keys = keys.collect::<Result<Vec<_>, ErrorBody>>()?;
    let inspection = Inspection { image: header.image, signature_repository, keys };
    // Evidence takes the blobs that it names: the keys have been read by now.
    let evidence = gathered(header.evidence, &mut message)?;
    drop(message);
    let step = inspect(&inspection, &evidence, &mut Checks::default());
    // A long listing and all evidence at once would be much of the memory that there is.
    drop(evidence);
    match step {
        InspectStep::Needs(wanted) => needs(&wanted),
        InspectStep::Listed(listing) => Answer::new(&Listed { listing: *listing }),
    }
}

#[derive(Serialize)]
struct Listed {
    listing: Listing,
}
