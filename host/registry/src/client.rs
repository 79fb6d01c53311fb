//! The registry client: what callers hold. Reading is in `fetch`, `referrers` and `blob`, writing in `push`.

use std::path::Path;
use std::sync::Arc;

use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use crate::auth::Access;
use crate::config::{ConfigError, RegistryConfig};
use crate::credentials::Credentials;
use crate::error::{RegistryError, clean};
use crate::host::Host;
use crate::names::is_repository;
use crate::stats::{RequestKind, Stats};
use crate::transport::{Call, Transport, Tries};

/// Talks to registries. Cheap to clone; clones share connections, tokens, slots and counters.
///
/// It contacts the hosts that needs and callers name, and those that the configuration (or the built-in table for
/// docker.io, ghcr.io and quay.io) names for them. Nothing that a registry says adds a host.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) transport: Arc<Transport>,
}

impl Client {
    /// A client by this configuration, with these credentials.
    ///
    /// # Errors
    /// [`ConfigError`] when a name or a `caFile` in the configuration cannot be used.
    pub fn new(config: &RegistryConfig, credentials: Credentials, stats: Arc<Stats>) -> Result<Self, ConfigError> {
        Ok(Self { transport: Arc::new(Transport::new(config.clone(), credentials, stats)?) })
    }

    /// A client that speaks TLS with every host, whatever the configuration says about plain HTTP. Hosts that have no `caFile` of
    /// their own may use the authorities in the PEM file `ca_file`, which errors name by this key, beside the system's.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when the file cannot be used.
    pub fn over_tls(
        config: &RegistryConfig,
        credentials: Credentials,
        stats: Arc<Stats>,
        ca_file: Option<(&str, &Path)>,
    ) -> Result<Self, ConfigError> {
        Ok(Self { transport: Arc::new(Transport::new(config.clone(), credentials, stats)?.over_tls(ca_file)?) })
    }

    /// The same client with other credentials: it shares connections, slots and counters with this one, and no token. What is
    /// known of the credentials ends with the last clone.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        Self { transport: Arc::new(self.transport.with_credentials(credentials)) }
    }

    /// The counters that this client adds to.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.transport.stats
    }

    /// The host and the repository, checked before they enter a URL.
    pub(crate) async fn repository<'a>(
        &self,
        registry: &str,
        repository: &'a str,
    ) -> Result<Repository<'a>, RegistryError> {
        let host = self.transport.host(registry).await?;
        if !is_repository(repository) {
            return Err(wrong_name(registry, "repository", repository));
        }
        Ok(Repository { host, name: repository })
    }
}

/// A repository that was checked.
#[derive(Debug)]
pub(crate) struct Repository<'a> {
    pub(crate) host: Arc<Host>,
    pub(crate) name: &'a str,
}

impl Repository<'_> {
    /// A request for something in the repository, e.g. `manifests/latest`.
    pub(crate) fn call(
        &self,
        kind: RequestKind,
        access: Access,
        method: Method,
        what: &str,
        deadline: Instant,
    ) -> Call<'_> {
        Call {
            host: &self.host,
            repository: self.name,
            access,
            kind,
            method,
            what: what.to_owned(),
            url: self.host.url(self.name, what),
            headers: HeaderMap::new(),
            body: None,
            deadline,
            tries: Tries::Several,
        }
    }
}

/// An error about a name that was never sent.
pub(crate) fn wrong_name(registry: &str, kind: &str, name: &str) -> RegistryError {
    RegistryError::Name { registry: clean(registry), reason: format!("{:?} is not a {kind}", clean(name)) }
}
