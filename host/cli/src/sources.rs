//! Where a command gets images from, and where it publishes: options on top of a configuration file's `registry`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bulla_registry::{Digest, Fetched, Layout, Need, NeedKind, RegistryConfig, Source as _, Sources};
use bytes::Bytes;
use clap::Args;

use crate::ask::PushPlan;

/// Octets of a manifest. 4 MiB: what registries take, and what the module reads.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// Wall time of one fetch while signing, retries included.
const FETCH_BUDGET: Duration = Duration::from_secs(30);

/// Options about registries.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where images are")]
pub(crate) struct SourceOptions {
    /// Configuration file whose `registry` part is used: hosts, credentials, limits (`bulla serve --print-config`)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A folder in OCI image layout that stands for a repository, e.g. `registry.example/app=./layout`
    #[arg(long, value_name = "REPOSITORY=DIR", value_parser = pair)]
    pub(crate) layout: Vec<(String, String)>,
    /// A registry that is spoken to without TLS. Loopback addresses are so anyway
    #[arg(long, value_name = "HOST")]
    pub(crate) plain_http: Vec<String>,
}

/// Splits `NAME=VALUE` at the first equals sign.
///
/// # Errors
/// A sentence, for the command line.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

impl SourceOptions {
    /// The configuration of the registry client.
    ///
    /// # Errors
    /// When the configuration file cannot be used.
    pub(crate) fn config(&self) -> Result<RegistryConfig> {
        let mut config = match &self.config {
            Some(file) => bulla_server::Config::load(file).context("--config")?.registry,
            None => RegistryConfig::default(),
        };
        for (repository, folder) in &self.layout {
            config.layouts.insert(repository.clone(), PathBuf::from(folder));
        }
        for host in &self.plain_http {
            config.hosts.entry(host.clone()).or_default().plain_http = true;
        }
        Ok(config)
    }

    /// Sources that answer from their cache where they can: for one run that only reads.
    ///
    /// # Errors
    /// When the configuration, or a file that it names, cannot be used.
    pub(crate) fn open(&self) -> Result<Sources> {
        Ok(Sources::new(&self.config()?)?)
    }

    /// Sources that ask anew each time: whoever publishes wants to see what others have published meanwhile.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_uncached(&self) -> Result<Sources> {
        Ok(Sources::new(&uncached(self.config()?))?)
    }
}

/// The same without the cache.
pub(crate) fn uncached(mut config: RegistryConfig) -> RegistryConfig {
    config.cache.bytes = 0;
    config.cache.tag_seconds = 0;
    config
}

/// A manifest by tag or digest as it is there now, with its media type; `None` when there is none.
///
/// # Errors
/// When that cannot be found out.
pub(crate) async fn manifest(
    sources: &Sources,
    registry: &str,
    repository: &str,
    reference: &str,
) -> Result<Option<(Bytes, Option<String>)>> {
    let need = Need {
        id: format!("manifest {registry}/{repository} {reference}"),
        kind: NeedKind::Manifest,
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        reference: reference.to_owned(),
        limit: MAX_MANIFEST_BYTES,
    };
    match sources.fetch(&need, tokio::time::Instant::now() + FETCH_BUDGET).await {
        Fetched::Bytes { bytes, media_type } => Ok(Some((bytes, media_type))),
        Fetched::Absent => Ok(None),
        Fetched::TooLarge { got } => {
            bail!("{}: {got} octets, at most {MAX_MANIFEST_BYTES} are read", need.id)
        }
        Fetched::Digest(_) => bail!("{}: a digest came in place of the manifest", need.id),
        Fetched::Failed { reason } => bail!("{reason}"),
    }
}

/// Publishes a push plan: blobs first, then the manifest that names them, under its tag.
///
/// # Errors
/// What the registry or the file system says.
pub(crate) async fn push(sources: &Sources, plan: &PushPlan) -> Result<()> {
    if let Some(layout) = sources.layout(&plan.registry, &plan.repository) {
        let (layout, plan) = (layout.clone(), plan.clone());
        return tokio::task::spawn_blocking(move || push_to_layout(&layout, &plan)).await?;
    }
    let (client, registry, repository) = (sources.client(), plan.registry.as_str(), plan.repository.as_str());
    for blob in &plan.blobs {
        let digest = Digest::parse(&blob.digest)?;
        client.push_blob(registry, repository, &digest, blob.bytes.clone().into()).await?;
    }
    let manifest = Bytes::from(plan.manifest.clone());
    client.push_manifest(registry, repository, &plan.tag, &plan.media_type, manifest).await?;
    Ok(())
}

fn push_to_layout(layout: &Layout, plan: &PushPlan) -> Result<()> {
    for blob in &plan.blobs {
        layout.put_blob(&blob.bytes)?;
    }
    layout.put_manifest(&plan.manifest, &plan.media_type, Some(&plan.tag))?;
    Ok(())
}
