//! The layer over other sources that answers what content trust asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulla_abi::{Need, NeedKind};
use bulla_notary::{Notary, RoleFile};
use bulla_registry::{Client, ConfigError, Credentials, EvidenceCache, RegistryConfig, Stats};
use bulla_source::{BoxFuture, Fetched, Source};
use futures_util::FutureExt as _;
use tokio::time::Instant;

use crate::config::TrustConfig;
use crate::state::State;
use crate::store::{Kept, Store, StoreError};

/// Notary servers, and what is remembered of the collections there. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust {
    notary: Notary,
    store: Store,
    /// Role files that are named by what they hold. Roots and timestamps are asked for each time.
    cache: Arc<EvidenceCache>,
    stats: Arc<Stats>,
}

/// Role files, from their server.
struct RoleFiles<'t>(&'t Notary);

/// Other sources, with role files and what is remembered beside them.
#[derive(Clone, Copy)]
pub struct TrustSource<'s> {
    trust: &'s Trust,
    others: &'s dyn Source,
}

impl Trust {
    /// Asks Notary servers over TLS, with credentials and limits as registries are.
    ///
    /// # Errors
    /// [`ConfigError`] when something in the configuration, or a file that it names, cannot be used.
    pub fn new(registry: &RegistryConfig, config: &TrustConfig, stats: Arc<Stats>) -> Result<Self, ConfigError> {
        let ca_file = config.ca_file.as_deref().map(|path| ("trust.caFile", path));
        let client = Client::over_tls(registry, Credentials::load(registry)?, Arc::clone(&stats), ca_file)?;
        let cache = Arc::new(EvidenceCache::new(&registry.cache));
        Ok(Self { notary: Notary::new(client), store: Store::new(config)?, cache, stats })
    }

    /// These sources, with role files and what is remembered beside them.
    pub fn beside<'s>(&'s self, others: &'s dyn Source) -> TrustSource<'s> {
        TrustSource { trust: self, others }
    }

    /// The client of Notary servers.
    pub fn notary(&self) -> &Notary {
        &self.notary
    }

    /// Remembers what a verdict says under `remember`, by collection.
    ///
    /// # Errors
    /// A sentence: why that is not remembered.
    pub async fn remember(&self, states: BTreeMap<String, State>) -> Result<Kept, String> {
        let mut all = Kept::Newest;
        for (collection, state) in &states {
            match self.store.remember(collection, state).await {
                Ok(Kept::Newest) => {}
                Ok(Kept::Superseded) => all = Kept::Superseded,
                Err(error) => return Err(said(&error)),
            }
        }
        Ok(all)
    }

    async fn remembered(&self, need: &Need) -> Fetched {
        let collection = format!("{} {} {}", need.registry, need.repository, need.reference);
        let state = match self.store.read(&collection).await {
            Ok(Some(state)) => state,
            Ok(None) => return Fetched::Absent,
            Err(error) => return Fetched::Failed { reason: said(&error) },
        };
        match serde_json::to_vec(&state) {
            Ok(bytes) if bytes.len() as u64 > need.limit => Fetched::TooLarge { got: bytes.len() as u64 },
            Ok(bytes) => Fetched::Bytes { bytes: bytes.into(), media_type: None },
            Err(error) => Fetched::Failed { reason: error.to_string() },
        }
    }
}

/// What verdicts say. Of a database only that it is the reason: where it is and what it answers is for whoever runs it.
fn said(error: &StoreError) -> String {
    if let StoreError::Database { .. } = error {
        tracing::error!(%error, "the database of what is remembered of collections");
        return "the database of what is remembered does not do what it should".to_owned();
    }
    error.to_string()
}

impl Source for RoleFiles<'_> {
    fn fetch<'a>(&'a self, need: &'a Need, deadline: Instant) -> BoxFuture<'a, Fetched> {
        async move {
            let server = format!("https://{}", need.registry);
            match self.0.role_file(&server, &need.repository, &need.reference, need.limit, deadline).await {
                Ok(RoleFile::Found(bytes)) => Fetched::Bytes { bytes, media_type: None },
                Ok(RoleFile::Absent) => Fetched::Absent,
                Ok(RoleFile::TooLong(got)) => Fetched::TooLarge { got },
                Err(error) => Fetched::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }
}

impl Source for TrustSource<'_> {
    fn fetch<'a>(&'a self, need: &'a Need, deadline: Instant) -> BoxFuture<'a, Fetched> {
        match need.kind {
            NeedKind::Role => {
                let Trust { notary, cache, stats, .. } = self.trust;
                async move { cache.fetch(&RoleFiles(notary), need, deadline, stats).await }.boxed()
            }
            NeedKind::Remembered => self.trust.remembered(need).boxed(),
            _ => self.others.fetch(need, deadline),
        }
    }
}
