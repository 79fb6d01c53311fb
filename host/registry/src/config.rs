//! Configuration of the registry client, of layouts and of the evidence cache. Every key has a default and a unit.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where evidence comes from, and how much of it. An empty document is a valid configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// What is special about a registry, by its name in normalised image references (`docker.io`,
    /// `registry.example:5000`). Default: nothing; a registry needs no entry to be used.
    pub hosts: BTreeMap<String, HostConfig>,
    /// Repositories that are read from a folder in OCI image layout instead of a registry: `registry.example/app:
    /// /srv/app`. Default: none.
    pub layouts: BTreeMap<String, PathBuf>,
    /// Files with credentials in the form of docker's `config.json` or containers' `auth.json`, earlier ones first;
    /// `[]` for none. Default: `$DOCKER_AUTH_CONFIG` (the document itself), `$DOCKER_CONFIG/config.json` or
    /// `~/.docker/config.json`, `$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json`, as far as
    /// they exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_files: Option<Vec<PathBuf>>,
    /// Limits in time, size and number.
    pub limits: Limits,
    /// The evidence cache.
    pub cache: CacheConfig,
    /// Revocation lists and OCSP responses.
    pub revocation: RevocationConfig,
}

/// What is special about one registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HostConfig {
    /// Plain HTTP, without TLS. Default: `false`, except for `localhost`, `127.0.0.0/8` and `[::1]`, which are plain
    /// HTTP anyway.
    pub plain_http: bool,
    /// TLS also where plain HTTP is the default, which is on loopback. Default: `false`.
    pub tls: bool,
    /// PEM file with certificates of authorities that this registry may use beside the system's. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Other hosts (`cdn.example`, `cdn.example:8443`, exact names) that this registry may redirect to. They never get
    /// credentials. Default: those of docker.io, ghcr.io and quay.io; none for others.
    pub redirect_hosts: Vec<String>,
    /// Other hosts that this registry may name as its token realm. They get this registry's credentials.
    /// Default: `auth.docker.io` for docker.io and notary.docker.io; none for others.
    pub token_hosts: Vec<String>,
}

/// Limits on what a registry can cost. The registry chooses none of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Milliseconds to connect, TLS included. Default: 3000.
    pub connect_milliseconds: u64,
    /// Milliseconds from sending a request to its headers, connecting not included. Default: 10000.
    pub headers_milliseconds: u64,
    /// Bytes per second that a body has to give on average over each window. Default: 1024.
    pub progress_bytes_per_second: u64,
    /// Milliseconds of the window in which progress is measured; only time spent waiting for the registry counts.
    /// Default: 5000.
    pub progress_milliseconds: u64,
    /// Milliseconds for the whole of an operation that no decision waits for (a push, or opening a blob until its
    /// headers are there), retries included, sending and reading of large bodies not included. Default: 30000.
    pub operation_milliseconds: u64,
    /// Tries after the first, for connect errors and HTTP 429, 502, 503, 504. Default: 2.
    pub retries: u32,
    /// Milliseconds before the first retry, four times as much before each further one, with up to half as much again
    /// at random. `Retry-After` replaces it. Default: 100.
    pub backoff_milliseconds: u64,
    /// Requests to one registry at the same time; further ones wait. Default: 16.
    pub requests_per_registry: usize,
    /// Redirects that one request may follow. Default: 5.
    pub redirects: usize,
    /// Pages of one list of referrers. Default: 20.
    pub referrers_pages: usize,
    /// Entries of one list of referrers, over all pages. Default: 2000.
    pub referrers_entries: usize,
    /// Milliseconds that a credential helper may run. Default: 10000.
    pub helper_milliseconds: u64,
    /// Milliseconds after which a signer looks whether what it added under a tag is still there. A registry that answers
    /// slowly gets more. Default: 1000.
    pub settle_milliseconds: u64,
}

/// The evidence cache. Digest-addressed content is checked against its digest before it is kept and never expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Bytes of all cached content, and of role files of Docker Content Trust as many again. 0 turns the cache off. Default: 33554432 (32 MiB).
    pub bytes: u64,
    /// Bytes of one cached content; larger ones are fetched each time. Default: 1048576 (1 MiB).
    pub entry_bytes: u64,
    /// Seconds that an answer about a tag, a list of referrers, or a 404 is reused. A moved tag or a new signature is
    /// seen after this time. 0: never reused. Default: 10.
    pub tag_seconds: u64,
}

/// Revocation lists and OCSP responses, which come from the addresses that certificates name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RevocationConfig {
    /// Hosts (`crl.example`, `10.0.0.1:8080`, exact names) that may be on this machine or in a private network. Others are
    /// asked at public addresses only. Default: none.
    pub private_hosts: Vec<String>,
    /// PEM file with certificates of authorities that these hosts may use beside the system's. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Milliseconds for one OCSP response, connecting included. Default: 2000.
    pub ocsp_milliseconds: u64,
    /// Milliseconds for one revocation list, connecting included. Default: 5000.
    pub crl_milliseconds: u64,
    /// Requests at the same time; further ones wait, within their time. Default: 16.
    pub requests: usize,
    /// Bytes of all that is kept. 0: nothing is. Default: 33554432 (32 MiB).
    pub cache_bytes: u64,
    /// Lists and responses that are kept; the least used go first. Default: 1024.
    pub cache_entries: u64,
    /// Seconds that one is kept, or less where its HTTP headers say so. A revocation is seen after this time. Default: 600.
    pub cache_seconds: u64,
    /// Seconds that a failure is kept, so that a host that is down is not asked for every image. Default: 5.
    pub failure_seconds: u64,
}

impl Default for RevocationConfig {
    fn default() -> Self {
        Self {
            private_hosts: Vec::new(),
            ca_file: None,
            ocsp_milliseconds: 2000,
            crl_milliseconds: 5000,
            requests: 16,
            cache_bytes: 32 * 1024 * 1024,
            cache_entries: 1024,
            cache_seconds: 600,
            failure_seconds: 5,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_milliseconds: 3000,
            headers_milliseconds: 10_000,
            progress_bytes_per_second: 1024,
            progress_milliseconds: 5000,
            operation_milliseconds: 30_000,
            retries: 2,
            backoff_milliseconds: 100,
            requests_per_registry: 16,
            redirects: 5,
            referrers_pages: 20,
            referrers_entries: 2000,
            helper_milliseconds: 10_000,
            settle_milliseconds: 1000,
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { bytes: 32 * 1024 * 1024, entry_bytes: 1024 * 1024, tag_seconds: 10 }
    }
}

impl Limits {
    pub(crate) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_milliseconds)
    }

    pub(crate) fn headers(&self) -> Duration {
        Duration::from_millis(self.headers_milliseconds)
    }

    pub(crate) fn operation(&self) -> Duration {
        Duration::from_millis(self.operation_milliseconds)
    }

    pub(crate) fn helper(&self) -> Duration {
        Duration::from_millis(self.helper_milliseconds)
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_milliseconds)
    }

    pub(crate) fn progress_window(&self) -> Duration {
        Duration::from_millis(self.progress_milliseconds.max(1))
    }
}

/// Why a configuration cannot be used. `Display` names the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value that makes no sense.
    #[error("{key}: {reason}")]
    Value {
        /// Path of the key, e.g. `hosts."registry.example".plainHttp`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that cannot be read or understood.
    #[error("{key}: {}: {reason}", .path.display())]
    File {
        /// Path of the key that names the file.
        key: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it. Never repeats what the file says.
        reason: String,
    },
    /// TLS or HTTP could not be set up.
    #[error("TLS client: {reason}")]
    Tls {
        /// What the library said.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::RegistryConfig;

    #[test]
    fn an_empty_document_gives_the_documented_defaults() {
        let config: RegistryConfig = serde_json::from_str("{}").expect("valid");
        assert_eq!(config, RegistryConfig::default());
        assert_eq!((config.limits.retries, config.limits.requests_per_registry), (2, 16));
        assert_eq!((config.cache.bytes, config.cache.tag_seconds), (33_554_432, 10));
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = serde_json::from_str::<RegistryConfig>(r#"{"hosts":{"r.example":{"insecure":true}}}"#);
        assert!(error.expect_err("unknown").to_string().contains("unknown field `insecure`"));
    }
}
