//! What signers ask the module: the bytes to sign, and what to push once they are signed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow};
use bulla_engine::Engine;
use bulla_engine::abi::Operation;
use bulla_registry::{PlanHeader, PushPlan};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::ask::plain;
use crate::notation::Notation;
use crate::policies::{Conditions, Form};

/// Wall time of one operation. 60 s: a large SBOM in a container with a tenth of a processor.
const BUDGET: Duration = Duration::from_secs(60);

/// What is to be said about images.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) kept: Kept,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Without one it is a signature.
    pub(crate) attestation: Option<Attestation>,
    /// Another repository to keep signatures in: `registry/repository`.
    pub(crate) signature_repository: Option<String>,
}

/// How what is said is signed and kept.
#[derive(Debug)]
pub(crate) enum Kept {
    Cosign(Form),
    /// It is a signature then, beside its image.
    Notation(Box<Notation>),
}

impl Kept {
    /// Its word on the command line.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Cosign(form) => form.word(),
            Self::Notation(_) => "notation",
        }
    }
}

/// What is said about an image beyond that it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Attestation {
    /// A URI or a name of cosign's.
    pub(crate) predicate_type: String,
    pub(crate) predicate: Vec<u8>,
    /// Unix time.
    pub(crate) now: i64,
}

impl Claim {
    /// That images are signed, in this form.
    pub(crate) fn signature(form: Form) -> Self {
        Self { kept: Kept::Cosign(form), annotations: BTreeMap::new(), attestation: None, signature_repository: None }
    }

    /// What must hold once it is published in one of cosign's forms.
    pub(crate) fn conditions(&self, form: Form) -> Conditions {
        Conditions {
            annotations: self.annotations.clone(),
            forms: vec![form],
            signature_repository: self.signature_repository.clone(),
            attestation: self.attestation.as_ref().map(|said| said.predicate_type.clone()),
            ..Conditions::default()
        }
    }
}

/// Bytes that were prepared for a signer.
#[derive(Debug)]
pub(crate) struct Payload {
    /// What is kept.
    pub(crate) payload: Vec<u8>,
    /// What is signed.
    pub(crate) message: Vec<u8>,
}

#[derive(Deserialize)]
struct PayloadAnswer {
    payload: usize,
    message: usize,
}

/// The bytes that a signer of this image has to sign.
pub(crate) async fn prepare(engine: &Engine, image: &str, claim: &Claim) -> Result<Payload> {
    let mut request = Request::new(json!({
        "image": image,
        "form": claim.kept.word(),
        "annotations": claim.annotations,
    }));
    if let Some(said) = &claim.attestation {
        let predicate = request.blob(&said.predicate);
        let attestation = json!({"predicateType": said.predicate_type, "predicate": predicate, "now": said.now});
        request.header.insert("attestation".to_owned(), attestation);
    }
    let (answer, blobs): (PayloadAnswer, _) = request.ask(engine, Operation::Prepare).await?;
    let blob = |index: usize| {
        blobs.get(index).cloned().ok_or_else(|| anyhow!("the module prepared nothing to sign for {image}"))
    };
    Ok(Payload { payload: blob(answer.payload)?, message: blob(answer.message)? })
}

/// A signature over a payload, and the key that made it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'s> {
    pub(crate) image: &'s str,
    pub(crate) payload: &'s [u8],
    pub(crate) signature: &'s [u8],
    pub(crate) public_key: &'s str,
}

/// What the plan has to fit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Beside<'s> {
    /// What lies under the tag now, and what was written there a moment ago.
    Tag { existing: Option<&'s [u8]>, written: Option<&'s [u8]> },
    /// The image that is referred to.
    Image { manifest: &'s [u8], media_type: Option<&'s str> },
}

/// Checks a signature and plans how it is kept beside those that are there.
pub(crate) async fn assemble(
    engine: &Engine,
    claim: &Claim,
    signed: Signed<'_>,
    beside: Beside<'_>,
) -> Result<PushPlan> {
    let mut request = Request::new(json!({"image": signed.image, "form": claim.kept.word()}));
    request.add("payload", Some(signed.payload));
    request.add("signature", Some(signed.signature));
    request.add("publicKey", Some(signed.public_key.as_bytes()));
    match beside {
        Beside::Tag { existing, written } => {
            request.add("existing", existing);
            request.add("written", written);
        }
        Beside::Image { manifest, media_type } => {
            request.add("manifest", Some(manifest));
            request.header.extend(media_type.map(|media_type| ("mediaType".to_owned(), media_type.into())));
        }
    }
    if let Some(said) = &claim.attestation {
        request.header.insert("attestation".to_owned(), json!({"predicateType": said.predicate_type}));
    }
    let repository = claim.signature_repository.as_deref();
    request.header.extend(repository.map(|repository| ("signatureRepository".to_owned(), repository.into())));
    let (answer, blobs): (PlanHeader, _) = request.ask(engine, Operation::Assemble).await?;
    Ok(answer.with(blobs)?)
}

/// A request to the module: its header, and the blobs that the header names.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) header: Map<String, Value>,
    pub(crate) blobs: Vec<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(header: Value) -> Self {
        let header = if let Value::Object(header) = header { header } else { Map::new() };
        Self { header, blobs: Vec::new() }
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) -> usize {
        self.blobs.push(bytes.to_vec());
        self.blobs.len().saturating_sub(1)
    }

    pub(crate) fn add(&mut self, name: &str, bytes: Option<&[u8]>) {
        if let Some(bytes) = bytes {
            let index = self.blob(bytes);
            self.header.insert(name.to_owned(), index.into());
        }
    }

    pub(crate) async fn ask<T: serde::de::DeserializeOwned>(
        self,
        engine: &Engine,
        operation: Operation,
    ) -> Result<(T, Vec<Vec<u8>>)> {
        engine.ask(operation, &Value::Object(self.header), self.blobs, BUDGET).await.map_err(plain)
    }
}
