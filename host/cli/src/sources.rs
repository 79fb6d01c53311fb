//! Where a command gets images from, and where it publishes: options on top of a configuration file's `registry`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bulla_registry::{Fetched, Need, NeedKind, RegistryConfig, Source as _, Sources, Stats};
use bulla_trust::{Trust, TrustConfig};
use bytes::Bytes;
use clap::Args;
use serde_json::Value;

/// Octets of a manifest. 4 MiB: what registries take, and what the module reads.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// Wall time of one fetch while signing, retries included.
const FETCH_BUDGET: Duration = Duration::from_secs(30);

/// Pauses before what failed is fetched again.
pub(crate) const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];

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
    /// A host of revocation lists or OCSP that may be on this machine or in a private network
    #[arg(long, value_name = "HOST")]
    pub(crate) private_host: Vec<String>,
}

/// Options about Docker Content Trust.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Docker Content Trust")]
pub(crate) struct TrustOptions {
    /// Folder for what is remembered of collections [default: as --config says; else $XDG_STATE_HOME/bulla/trust or ~/.local/state/bulla/trust]
    #[arg(long, value_name = "DIR")]
    pub(crate) trust_state: Option<PathBuf>,
    /// Certificates (PEM) of authorities that Notary servers may use beside the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_ca: Option<PathBuf>,
}

impl TrustOptions {
    /// Notary servers as the options and the configuration file say. Without a folder in either, and without a home, nothing could
    /// be remembered, and no tag that content trust signs is accepted.
    ///
    /// # Errors
    /// When the configuration, or a file that it names, cannot be used.
    pub(crate) fn open(&self, sources: &SourceOptions, stats: &Arc<Stats>) -> Result<Option<Trust>> {
        let named = match &sources.config {
            Some(file) => Some(bulla_server::Config::load(file).context("--config")?.trust),
            None => None,
        };
        let mut config = match (named, &self.trust_state) {
            (named, Some(state)) => TrustConfig { state: state.clone(), database: None, ..named.unwrap_or_default() },
            (Some(named), None) => named,
            (None, None) => match state_folder() {
                Some(state) => TrustConfig { state, ..TrustConfig::default() },
                None => return Ok(None),
            },
        };
        config.ca_file = self.trust_ca.clone().or(config.ca_file);
        Ok(Some(Trust::new(&sources.config()?, &config, Arc::clone(stats))?))
    }
}

fn state_folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(base.join("bulla/trust"))
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
        config.revocation.private_hosts.extend(self.private_host.iter().cloned());
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
    fetch(sources, NeedKind::Manifest, registry, repository, reference).await
}

/// The digests of what refers to a digest.
///
/// # Errors
/// When that cannot be found out.
pub(crate) async fn referrers(
    sources: &Sources,
    registry: &str,
    repository: &str,
    digest: &str,
) -> Result<Vec<String>> {
    let index = match fetch(sources, NeedKind::Referrers, registry, repository, digest).await? {
        Some((bytes, _)) => serde_json::from_slice(&bytes).with_context(|| format!("the referrers of {digest}"))?,
        None => Value::Null,
    };
    let entries = index.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(entries.iter().filter_map(|entry| entry.get("digest")?.as_str().map(str::to_owned)).collect())
}

async fn fetch(
    sources: &Sources,
    kind: NeedKind,
    registry: &str,
    repository: &str,
    reference: &str,
) -> Result<Option<(Bytes, Option<String>)>> {
    let need = Need {
        id: format!("{registry}/{repository} {reference}"),
        kind,
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        reference: reference.to_owned(),
        limit: MAX_MANIFEST_BYTES,
    };
    let deadline = tokio::time::Instant::now() + FETCH_BUDGET;
    let mut fetched = sources.fetch(&need, deadline).await;
    // A tag that somebody else writes at this moment cannot be read from every registry.
    for pause in PAUSES {
        if !matches!(fetched, Fetched::Failed { .. }) {
            break;
        }
        tokio::time::sleep(pause).await;
        fetched = sources.fetch(&need, deadline).await;
    }
    match fetched {
        Fetched::Bytes { bytes, media_type } => Ok(Some((bytes, media_type))),
        Fetched::Absent => Ok(None),
        Fetched::TooLarge { got } => {
            bail!("{}: {got} octets, at most {MAX_MANIFEST_BYTES} are read", need.id)
        }
        Fetched::Digest(_) => bail!("{}: a digest came in place of the manifest", need.id),
        Fetched::Failed { reason } => bail!("{reason}"),
    }
}
