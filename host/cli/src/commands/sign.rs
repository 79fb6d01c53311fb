//! `bulla sign`: signs images with a private key, publishes the signatures and reads them back.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use bulla_registry::Digest;
use clap::Args;
use serde_json::{Value, json};

use crate::ask::PushPlan;
use crate::options::Global;
use crate::output::{self, Exit};
use crate::signer::Signer;
use crate::signing::{Prepared, Signing};
use crate::sources::{SourceOptions, pair};
use crate::start;

const EXAMPLES: &str = "\
Examples:
  bulla sign registry.example/app:1.4 --key bulla.key
  bulla sign registry.example/app:1.4 registry.example/db:9 --key bulla.key --annotation stage=tested --yes
  bulla sign registry.example/app:1.4 --key bulla.key --dry-run
  bulla sign registry.example/app:1.4 --key bulla.key --layout registry.example/app=./layout

A tag is resolved to its digest, and the digest is signed. All images are prepared and checked before the first
signature is published. Signatures of others stay: what is there is read right before it is written and again after.
Registries offer no way to write a tag only if nobody else has; two signers who write one image's signatures within the
same moment can still lose one. Whoever loses his while this command runs is told, and merged again.";

/// Sign images with a private key, as `cosign sign --key` does
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The images, by tag or digest
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// The private key: cosign's encrypted form, PKCS #8, SEC 1 or PKCS #1, as PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// An annotation to sign with the digest
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    annotation: Vec<(String, String)>,
    /// Publish without asking on the terminal
    #[arg(long)]
    yes: bool,
    /// Show what would be published, and publish nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    #[command(flatten)]
    sources: SourceOptions,
}

/// Signs, publishes, reads back.
///
/// # Errors
/// When an image cannot be signed; then nothing is published unless publishing had begun, which the error says.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let sources = arguments.sources.open_uncached()?;
        let signer = Signer::open(&engine, &arguments.key).await?;
        let annotations: BTreeMap<String, String> = arguments.annotation.iter().cloned().collect();
        let signing = Signing::new(&engine, sources, &signer, &annotations).await?;
        let prepared = signing.prepare_all(&arguments.images).await?;
        if arguments.dry_run {
            let plans = || prepared.iter().map(plan_text).collect::<Vec<_>>().join("\n");
            output::either(global.output, plans, || report(&signer, &prepared, false));
            return Ok(Exit::Done);
        }
        if !arguments.yes && !confirmed(&prepared)? {
            bail!("not confirmed; nothing was published");
        }
        for (index, one) in prepared.iter().enumerate() {
            let before = if index == 0 { String::new() } else { format!("{index} of {} published; ", prepared.len()) };
            signing.publish(one).await.with_context(|| format!("{before}{}", one.image))?;
        }
        let done = || prepared.iter().map(|one| done_text(&signer, one)).collect::<Vec<_>>().join("\n");
        output::either(global.output, done, || report(&signer, &prepared, true));
        Ok(Exit::Done)
    })
}

/// Asks before publishing, where there is somebody to ask. A script has said what it wants by calling `sign`.
fn confirmed(prepared: &[Prepared]) -> Result<bool> {
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

fn plan_text(one: &Prepared) -> String {
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
    text.push_str(&format!("  tag       {}\n", place(plan)));
    text
}

fn done_text(signer: &Signer, one: &Prepared) -> String {
    let what = if one.plan.already_there { "was there already" } else { "published" };
    format!(
        "signed  {}\n  key        {}  {}\n  signature  {}  {what}, read back and verified\n",
        one.image,
        signer.fingerprint,
        signer.algorithm,
        place(&one.plan)
    )
}

fn report(signer: &Signer, prepared: &[Prepared], is_published: bool) -> Value {
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
    json!({"key": {"fingerprint": signer.fingerprint, "algorithm": signer.algorithm}, "images": images})
}

fn place(plan: &PushPlan) -> String {
    format!("{}/{}:{}", plan.registry, plan.repository, plan.tag)
}
