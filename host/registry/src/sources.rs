//! The router: what certificates name by its address, layouts where the configuration says so, registries for everything
//! else, one cache before the registries.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bulla_abi::{Need, NeedKind};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::address::Addresses;
use crate::cache::EvidenceCache;
use crate::client::Client;
use crate::config::{ConfigError, RegistryConfig};
use crate::credentials::Credentials;
use crate::host::base_url;
use crate::known::canonical;
use crate::layout::Layout;
use crate::names::is_repository;
use crate::stats::Stats;
use bulla_source::{Fetched, Source};

/// Where a host gets its evidence. Cheap to clone; clones share everything.
///
/// A value holds one credential scope: the cache does not ask again whether a credential may read what another one
/// fetched. Who serves users with different rights makes one value for each.
///
/// ```no_run
/// use std::time::Duration;
///
/// use bulla_registry::{Fetched, Need, NeedKind, RegistryConfig, Source, Sources};
///
/// # async fn example() -> Result<(), bulla_registry::ConfigError> {
/// let sources = Sources::new(&RegistryConfig::default())?;
/// let need = Need {
///     id: "resolve registry.example/app:v1".into(),
///     kind: NeedKind::Resolve,
///     registry: "registry.example".into(),
///     repository: "app".into(),
///     reference: "v1".into(),
///     limit: 4 * 1024 * 1024,
/// };
/// match sources.fetch(&need, tokio::time::Instant::now() + Duration::from_secs(5)).await {
///     Fetched::Digest(digest) => println!("the registry claims {digest}"),
///     other => println!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sources {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// By `registry/repository`.
    layouts: BTreeMap<String, Layout>,
    client: Client,
    cache: EvidenceCache,
    addresses: Addresses,
}

impl Sources {
    /// Sources by this configuration, with the credentials that it names.
    ///
    /// # Errors
    /// [`ConfigError`] when something in the configuration, or a file that it names, cannot be used.
    pub fn new(config: &RegistryConfig) -> Result<Self, ConfigError> {
        Self::with_credentials(config, Credentials::load(config)?)
    }

    /// Sources by this configuration, with these credentials instead of those that it names.
    ///
    /// # Errors
    /// [`ConfigError`] when something in the configuration, or a file that it names, cannot be used.
    pub fn with_credentials(config: &RegistryConfig, credentials: Credentials) -> Result<Self, ConfigError> {
        let mut layouts = BTreeMap::new();
        for (name, path) in &config.layouts {
            layouts.insert(name.clone(), open(name, path)?);
        }
        let client = Client::new(config, credentials, Arc::new(Stats::default()))?;
        let cache = EvidenceCache::new(&config.cache);
        let addresses = Addresses::new(config, Arc::clone(client.stats()))?;
        Ok(Self { shared: Arc::new(Shared { layouts, client, cache, addresses }) })
    }

    /// The registry client, for streams and pushes. It does not know about layouts.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// The layout that stands for a repository, if the configuration names one.
    pub fn layout(&self, registry: &str, repository: &str) -> Option<&Layout> {
        self.shared.layouts.get(&format!("{}/{repository}", canonical(registry)))
    }

    /// What fetching has cost so far.
    pub fn stats(&self) -> &Arc<Stats> {
        self.shared.client.stats()
    }
}

impl Source for Sources {
    fn fetch<'a>(&'a self, need: &'a Need, deadline: Instant) -> BoxFuture<'a, Fetched> {
        if matches!(need.kind, NeedKind::Crl | NeedKind::Ocsp) {
            return self.shared.addresses.fetch(need, deadline).boxed();
        }
        match self.layout(&need.registry, &need.repository) {
            Some(layout) => layout.fetch(need, deadline),
            None => self.shared.cache.fetch(self.client(), need, deadline, self.stats()).boxed(),
        }
    }
}

fn open(name: &str, path: &Path) -> Result<Layout, ConfigError> {
    let key = format!("layouts.\"{name}\"");
    let is_name = name.split_once('/').is_some_and(|(registry, repository)| {
        base_url(registry, "https").is_some() && canonical(registry) == registry && is_repository(repository)
    });
    if !is_name {
        return Err(ConfigError::Value {
            key,
            reason: "not a registry and a repository, e.g. registry.example/app".into(),
        });
    }
    Layout::open(path).map_err(|error| ConfigError::Value { key, reason: error.to_string() })
}
