//! The operation that verifies Notation's signature of a blob.

use std::collections::BTreeMap;

use bulla_abi::{ErrorBody, Evidence, Message};
use bulla_core::decision::{BlobQuestion, BlobStep, BlobVerdict, about_blob};
use bulla_core::notation::Format;
use bulla_core::notation::trust_policy::{Document, DocumentKind};
use bulla_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::module::{gathered, needs};
use crate::policies::{NamedFile, files};
use crate::reply::{self, Answer, Reply};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Blob {
    content: u32,
    #[serde(default)]
    media_type: Option<String>,
    signature: u32,
    envelope: Format,
    policy: u32,
    #[serde(default)]
    statement: Option<String>,
    #[serde(default)]
    files: Vec<NamedFile>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    now: UnixTime,
    evidence: Vec<Evidence>,
}

pub(crate) fn decide(mut message: Message) -> Reply {
    let header: Blob = reply::header(&message)?;
    let evidence = gathered(header.evidence, &mut message)?;
    let policy = Document::parse(reply::blob(&message, header.policy)?, DocumentKind::Blob);
    let policy = policy.map_err(|errors| ErrorBody {
        code: "policy-invalid".to_owned(),
        message: errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        details: errors
            .iter()
            .map(|error| serde_json::json!({"path": error.path, "message": error.rule.to_string()}))
            .collect(),
    })?;
    let step = about_blob(
        &BlobQuestion {
            content: reply::blob(&message, header.content)?,
            media_type: header.media_type.as_deref(),
            envelope: reply::blob(&message, header.signature)?,
            format: header.envelope,
            policy: &policy,
            statement: header.statement.as_deref(),
            files: &files(&header.files, &message)?,
            metadata: &header.metadata,
            now: header.now,
        },
        &evidence,
    );
    match step {
        BlobStep::Needs(wanted) => needs(&wanted),
        BlobStep::Settled(verdict) => Answer::new(&Settled { verdict: *verdict }),
    }
}

#[derive(Serialize)]
struct Settled {
    verdict: BlobVerdict,
}
