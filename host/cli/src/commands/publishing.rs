//! What `sign` and `attest` have in common: their options, the question before publishing, and what they print.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail};
use bulla_registry::{Digest, PushPlan};
use bulla_signer::Scheme;
use clap::Args;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::options::Global;
use crate::output::{self, Exit};
use crate::plan::{Attestation, Claim, Kept};
use crate::progress::Progress;
use crate::signer::Signer;
use crate::signing::{AT_ONCE, Prepared, Signing};
use crate::sources::{SourceOptions, pair};
use crate::start;

/// What is signed.
#[derive(Debug, Args)]
pub(crate) struct Images {
    /// The images, by tag or digest
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Of an index, every manifest in it as well, each by a signature of its own
    #[arg(long, short)]
    recursive: bool,
}

impl Images {
    /// Exactly this one, and nothing that is in it.
    pub(crate) fn one(image: String) -> Self {
        Self { images: vec![image], recursive: false }
    }
}

/// How signatures are made and where they go.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The private key: a PEM file (cosign's encrypted form, PKCS #8, SEC 1, PKCS #1), a key in a token (`pkcs11:…`), or one
    /// that a program sigstore-kms-SCHEME signs with (`SCHEME://…`)
    #[arg(long, value_name = "KEY")]
    pub(super) key: String,
    /// An annotation to sign with the digest
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = pair)]
    annotation: Vec<(String, String)>,
    /// Another repository to keep it in, as cosign's COSIGN_REPOSITORY
    #[arg(long, value_name = "REPOSITORY")]
    pub(super) signature_repository: Option<String>,
    /// Publish without asking on the terminal
    #[arg(long, short)]
    yes: bool,
    /// Show what would be published, and publish nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    #[command(flatten)]
    sources: SourceOptions,
}

/// Signs or attests, publishes, reads back.
///
/// # Errors
/// When an image cannot be signed; then nothing is published unless publishing had begun, which the error says.
pub(crate) fn run(
    global: &Global,
    images: &Images,
    options: &Options,
    kept: Kept,
    attestation: Option<Attestation>,
) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let sources = options.sources.open_uncached()?;
        let scheme = match &kept {
            Kept::Cosign(_) => Scheme::Cosign,
            Kept::Notation(_) => Scheme::Notation,
        };
        let signer = Signer::open_for(&engine, &options.key, scheme).await?;
        let claim = Claim {
            kept,
            annotations: options.annotation.iter().cloned().collect(),
            attestation,
            signature_repository: options.signature_repository.clone(),
        };
        let signing = Signing::new(&engine, sources, &signer, &claim).await?;
        let prepared = signing.prepare_all(&images.images, images.recursive).await?;
        if options.dry_run {
            let plans = || prepared.iter().map(plan_text).collect::<Vec<_>>().join("\n");
            output::either(global.output, plans, || report(&signer, &claim, &prepared, false));
            return Ok(Exit::Done);
        }
        if !options.yes && !confirmed(&prepared)? {
            bail!("not confirmed; nothing was published");
        }
        publish(&signing, &prepared).await?;
        let done = || prepared.iter().map(|one| done_text(&signer, &claim, one)).collect::<Vec<_>>().join("\n");
        output::either(global.output, done, || report(&signer, &claim, &prepared, true));
        Ok(Exit::Done)
    })
}

/// Publishes several at once: each waits a moment to see whether it stays.
pub(super) async fn publish(signing: &Signing<'_>, prepared: &[Prepared]) -> Result<()> {
    let progress = Progress::after_a_second(prepared.len(), "published");
    let results: Vec<Result<()>> = futures_util::stream::iter(prepared)
        .map(|one| async {
            let published = signing.publish(one).await.with_context(|| one.image.clone());
            progress.one();
            published
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    progress.end();
    let failed: Vec<anyhow::Error> = results.into_iter().filter_map(Result::err).collect();
    let published = prepared.len().saturating_sub(failed.len());
    let mut failed = failed.into_iter();
    let Some(first) = failed.next() else { return Ok(()) };
    if prepared.len() == 1 {
        return Err(first);
    }
    let others: String = failed.map(|error| format!("\n  {error:#}")).collect();
    Err(first.context(format!("{published} of {} published{others}", prepared.len())))
}

/// Asks before publishing, where there is somebody to ask. A script has said what it wants by calling `sign`.
pub(super) fn confirmed(prepared: &[Prepared]) -> Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(true);
    }
    let mut terminal = std::io::stderr();
    for one in prepared {
        write!(terminal, "{}", plan_text(one))?;
    }
    write!(terminal, "Publish? [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub(super) fn plan_text(one: &Prepared) -> String {
    let plan = &one.plan;
    let mut text = format!("{}\n", one.image);
    if plan.already_there {
        text.push_str("  this very signature is there already; nothing to publish\n");
        return text;
    }
    for blob in &plan.blobs {
        text.push_str(&format!("  blob      {}  {} octets  {}\n", blob.digest, blob.bytes.len(), blob.media_type));
    }
    let (digest, size) = (Digest::sha256(&plan.manifest), plan.manifest.len());
    text.push_str(&format!("  manifest  {digest}  {size} octets  {}\n", plan.media_type));
    match &plan.subject {
        None => text.push_str(&format!("  tag       {}\n", place(plan))),
        Some(subject) => {
            text.push_str(&format!("  refers to {subject}\n  in        {}/{}\n", plan.registry, plan.repository))
        }
    }
    text
}

fn done_text(signer: &Signer, claim: &Claim, one: &Prepared) -> String {
    let what = if one.plan.already_there { "was there already" } else { "published" };
    let (done, noun) = match &claim.attestation {
        None => ("signed", "signature  "),
        Some(_) => ("attested", "attestation"),
    };
    format!(
        "{done}  {}\n  key          {}  {}\n  {noun}  {}  {what}, read back and verified\n",
        one.image,
        signer.fingerprint,
        signer.algorithm,
        place(&one.plan)
    )
}

fn report(signer: &Signer, claim: &Claim, prepared: &[Prepared], is_published: bool) -> Value {
    let images: Vec<Value> = prepared
        .iter()
        .map(|one| {
            let plan = &one.plan;
            let blobs: Vec<Value> = plan
                .blobs
                .iter()
                .map(|blob| json!({"digest": blob.digest, "mediaType": blob.media_type, "size": blob.bytes.len()}))
                .collect();
            json!({
                "image": one.image,
                "digest": one.digest,
                "signature": place(plan),
                "alreadyThere": plan.already_there,
                "published": is_published && !plan.already_there,
                "plan": {
                    "registry": plan.registry,
                    "repository": plan.repository,
                    "tag": plan.tag,
                    "reference": plan.reference,
                    "subject": plan.subject,
                    "blobs": blobs,
                    "manifest": {
                        "digest": Digest::sha256(&plan.manifest).as_str(),
                        "mediaType": plan.media_type,
                        "size": plan.manifest.len(),
                    },
                },
            })
        })
        .collect();
    json!({
        "key": {"fingerprint": signer.fingerprint, "algorithm": signer.algorithm},
        "form": claim.kept.word(),
        "type": claim.attestation.as_ref().map(|said| said.predicate_type.as_str()),
        "images": images,
    })
}

pub(super) fn place(plan: &PushPlan) -> String {
    let separator = if plan.tag.is_some() { ':' } else { '@' };
    format!("{}/{}{separator}{}", plan.registry, plan.repository, plan.reference)
}
