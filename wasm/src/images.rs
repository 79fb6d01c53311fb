//! Operations on images: extract, respond, contents.

use bulla_abi::Message;
use bulla_core::digest::Digest;
use bulla_core::kubernetes::{self, Disposition, ImageVerdict, Review, Settings};
use bulla_core::manifest::{Blob, Manifest};
use serde::Deserialize;
use serde_json::json;

use crate::reply::{self, Answer, Reply, error};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extract {
    review: u32,
}

pub(crate) fn extract(message: &Message) -> Reply {
    let header: Extract = reply::header(message)?;
    let review = review(message, header.review)?;
    let (disposition, reason, images) = match &review.disposition {
        Disposition::Allow(reason) => ("allow", Some((*reason).to_owned()), Vec::new()),
        Disposition::Deny(reason) => ("deny", Some(reason.clone()), Vec::new()),
        Disposition::Decide(images) => {
            let images = images.iter().map(|(image, uses)| json!({"image": image, "uses": uses.len()})).collect();
            ("decide", None, images)
        }
    };
    Answer::new(&json!({
        "uid": review.uid,
        "namespace": review.namespace,
        "operation": review.operation,
        "dryRun": review.dry_run,
        "labels": review.labels,
        "user": review.user,
        "breakGlass": review.break_glass,
        "target": review.target,
        "disposition": disposition,
        "reason": reason,
        "images": images,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Respond {
    review: u32,
    verdicts: Vec<ImageVerdict>,
    settings: Settings,
}

pub(crate) fn respond(message: &Message) -> Reply {
    let header: Respond = reply::header(message)?;
    let review = review(message, header.review)?;
    let response = kubernetes::respond(&review, &header.verdicts, header.settings);
    let allowed = response.pointer("/response/allowed").and_then(serde_json::Value::as_bool).unwrap_or(false);
    Answer::with(&json!({"response": 0, "allowed": allowed}), vec![response.to_string().into_bytes()])
}

fn review(message: &Message, index: u32) -> Result<Review, bulla_abi::ErrorBody> {
    Review::parse(reply::blob(message, index)?).map_err(|problem| error("review-invalid", problem))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Contents {
    digest: Digest,
    manifest: u32,
    #[serde(default)]
    media_type: Option<String>,
}

pub(crate) fn contents(message: &Message) -> Reply {
    let header: Contents = reply::header(message)?;
    let bytes = reply::blob(message, header.manifest)?;
    let content = header.digest.check(bytes).map_err(|problem| error("digest-mismatch", problem))?;
    let manifest = Manifest::parse(content.bytes(), header.media_type.as_deref())
        .map_err(|problem| error("manifest-invalid", problem))?;
    let list = |blobs: Result<Vec<Blob>, _>| {
        blobs
            .map(|blobs| {
                let describe =
                    |blob: &Blob| json!({"digest": blob.digest, "size": blob.size, "mediaType": blob.media_type});
                blobs.iter().map(describe).collect::<Vec<_>>()
            })
            .map_err(|problem: bulla_core::digest::DigestError| error("manifest-invalid", problem))
    };
    let kind = match &manifest {
        Manifest::Image(_) => "image",
        Manifest::Index(_) => "index",
    };
    Answer::new(&json!({
        "kind": kind,
        "mediaType": manifest.media_type(header.media_type.as_deref()),
        "manifests": list(manifest.children())?,
        "blobs": list(manifest.blobs())?,
    }))
}
