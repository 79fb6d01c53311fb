//! Configuration of the services. Every key has a default and a unit; `reference.yaml` shows them all.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bulla_records::Durability;
use bulla_records::limits::DEFAULT_STORE_BYTES;
use bulla_registry::RegistryConfig;
use bulla_trust::TrustConfig;
use serde::{Deserialize, Serialize};

pub use crate::config_page::{GatewayConfig, PageConfig, TrustedHeader, UserToken};

/// Every key, with its default and its unit, as a configuration file.
pub const REFERENCE: &str = include_str!("../reference.yaml");

/// What runs, and with what. Relative paths are relative to the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Policy documents: files, or folders of which every `*.yaml`, `*.yml` and `*.json` is read. Default: none, and then
    /// every image is rejected.
    pub policies: Vec<PathBuf>,
    /// Seconds between two looks at policies and certificates; SIGHUP looks at once. Default: 2.
    pub reload_seconds: u64,
    /// The folder for what is kept over a restart: self-signed certificates. Its owner's only. Default: `bulla-state`.
    pub state_dir: PathBuf,
    /// Where evidence comes from.
    pub registry: RegistryConfig,
    /// Docker Content Trust.
    pub trust: TrustConfig,
    /// The sandboxes.
    pub engine: EngineConfig,
    /// Records of decisions. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordsConfig>,
    /// The admission webhook. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookConfig>,
    /// The enforcing proxy. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyConfig>,
    /// Page, health and metrics. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpConfig>,
    /// The page, and its gateway to registries.
    pub page: PageConfig,
}

/// The sandboxes that decisions run in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Sandboxes that can exist at once, 1 to 4096. Default: 64.
    pub instances: usize,
    /// The folder for compiled code. Default: `$XDG_CACHE_HOME/bulla` or `~/.cache/bulla`; without either, memory only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
}

/// Records of decisions: one for each that the webhook and the proxy act upon (docs/records.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RecordsConfig {
    /// The folder, its owner's only; one process writes there. Default: `bulla-records`.
    pub folder: PathBuf,
    /// When a record is on disk. Default: `batched`, within a second.
    pub durability: Durability,
    /// Whether an image is unknown when its decision cannot be recorded. Default: `false`.
    pub required: bool,
    /// Octets of records and of what they rest on, at least 16 MiB; the oldest go first. Default: 1 GiB.
    pub bytes: u64,
    /// Days after which records go, 1 to 3650. Default: 90.
    pub days: u64,
}

/// The admission webhook: `POST /v1/admit` pins Pods to digests, `POST /v1/validate` never changes anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Address and port. Default: `127.0.0.1:8443`.
    pub listen: SocketAddr,
    /// Certificate and key: the API server speaks TLS only. No default.
    pub tls: Tls,
    /// What becomes of an unknown verdict. Default: `deny`.
    pub unknown: WhenUnknown,
    /// Whether `/v1/admit` pins accepted Pods to digests and annotates templates with them. Default: `true`.
    pub pin: bool,
    /// Milliseconds for all decisions of one review, 500 to 30000. The `?timeout=` of the API server less 2 s caps it.
    /// Default: 8000.
    pub deadline_milliseconds: u64,
    /// Images of one review that are decided about at the same time, 1 to 256. Default: 8.
    pub parallel_images: usize,
    /// Reviews at the same time, each up to 8 MiB, 1 to 1024. Further ones wait half of their deadline, then get 429.
    /// Default: 32.
    pub reviews: usize,
}

/// The enforcing proxy: a registry that serves only accepted images of one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// Address and port. Default: `127.0.0.1:5080`.
    pub listen: SocketAddr,
    /// Certificate and key. Default: none, plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The registry behind it, by its name in image references: `docker.io`, `registry.example:5000`. No default.
    pub upstream: String,
    /// What becomes of an unknown verdict. Default: `deny`.
    pub unknown: WhenUnknown,
    /// Milliseconds for one decision, 500 to 120000. Default: 20000.
    pub deadline_milliseconds: u64,
    /// Seconds that what an accepted manifest names may be fetched; a change of policies ends it at once. Default: 3600.
    pub permit_seconds: u64,
    /// Entries of the permits that are remembered; the least used go first, and their manifest has to be asked for anew.
    /// Default: 100000.
    pub permits: u64,
    /// Requests for content at the same time; further ones get 429. Default: 64.
    pub pulls: usize,
}

/// The listener for the page, `/healthz`, `/readyz` and `/metrics`. It shows policies to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port. Default: `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Certificate and key. Default: none, plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// Where a listener's certificate comes from: two files, or itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the certificate and its chain; read again when it changes. With `keyFile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// PEM file with the private key; read again when it changes. With `certFile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// An authority and a certificate made at the first start and kept in `stateDir`, instead of files. Default: `false`.
    pub self_signed: bool,
    /// Host names and addresses in a self-signed certificate. Default: `localhost` and `127.0.0.1`.
    pub names: Vec<String>,
}

/// What becomes of an unknown verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WhenUnknown {
    /// It denies.
    #[default]
    Deny,
    /// It warns. Whoever can make a registry slow can then run anything.
    WarnUnsafe,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            policies: Vec::new(),
            reload_seconds: 2,
            state_dir: PathBuf::from("bulla-state"),
            registry: RegistryConfig::default(),
            trust: TrustConfig::default(),
            engine: EngineConfig::default(),
            records: None,
            webhook: None,
            proxy: None,
            http: None,
            page: PageConfig::default(),
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { instances: 64, cache_dir: None }
    }
}

impl Default for RecordsConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("bulla-records"),
            durability: Durability::Batched,
            required: false,
            bytes: DEFAULT_STORE_BYTES,
            days: 90,
        }
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            listen: loopback(8443),
            tls: Tls::default(),
            unknown: WhenUnknown::Deny,
            pin: true,
            deadline_milliseconds: 8000,
            parallel_images: 8,
            reviews: 32,
        }
    }
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            listen: loopback(5080),
            tls: None,
            upstream: String::new(),
            unknown: WhenUnknown::Deny,
            deadline_milliseconds: 20_000,
            permit_seconds: 3600,
            permits: 100_000,
            pulls: 64,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: loopback(8080), tls: None }
    }
}

impl Config {
    /// Time between two looks at policies and certificates.
    pub fn reload(&self) -> Duration {
        Duration::from_secs(self.reload_seconds)
    }
}

impl RecordsConfig {
    /// The options that the store is opened with.
    pub fn options(&self) -> bulla_records::Options {
        let age = Duration::from_secs(self.days.saturating_mul(24 * 3600));
        bulla_records::Options { durability: self.durability, bytes: self.bytes, age }
    }
}

impl EngineConfig {
    /// The options that the engine starts with. How it compiles is for the program to choose.
    pub fn options(&self) -> bulla_engine::Options {
        let usual = bulla_engine::Options::default();
        let cache_dir = self.cache_dir.clone().or_else(|| usual.cache_dir.clone());
        bulla_engine::Options { instances: self.instances, cache_dir, ..usual }
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
