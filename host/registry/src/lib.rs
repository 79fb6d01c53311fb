//! Where evidence comes from: the OCI registry client and OCI image layouts (distribution-spec 1.1, image-spec 1.1).
//!
//! This crate believes nothing and decides nothing. It fetches exactly what a [`Need`] names, from exactly the host
//! that it names, within the octets and the time that it was given, and hands back what came. Whether any of it is true
//! is for the module to find out.
//!
//! - [`Sources`] is what a host uses: it routes a need to a layout or to the registry client, and caches evidence.
//! - [`Client`] talks to registries: it reads for decisions, streams for the proxy, and pushes for signers.
//! - [`Layout`] is a folder in OCI image layout, read and written as one repository.

mod address;
mod auth;
mod blob;
mod body;
mod cache;
mod challenge;
mod client;
mod config;
mod credentials;
mod digest;
mod error;
mod fallback;
mod fetch;
mod helper;
mod host;
mod known;
mod layout;
mod layout_write;
mod names;
mod plan;
mod push;
mod realm;
mod referrers;
mod retry;
mod secret;
mod service;
mod source;
mod sources;
mod stats;
mod tag;
mod timestamp;
mod tls;
mod transport;

pub use auth::Access;
pub use blob::{BlobInfo, BlobRange, BlobStream, verified};
pub use bulla_abi::{Need, NeedKind};
pub use bulla_source::{Fetched, Source};
pub use cache::EvidenceCache;
pub use client::Client;
pub use config::{CacheConfig, ConfigError, HostConfig, Limits, RegistryConfig, RevocationConfig};
pub use credentials::{Credential, Credentials};
pub use digest::{Digest, DigestError, Hasher};
pub use error::RegistryError;
pub use layout::{Layout, LayoutError};
pub use names::{INDEX_MEDIA_TYPE, MANIFEST_MEDIA_TYPES, fallback_tag, is_repository, is_tag};
pub use plan::{BlobMissing, PlanHeader, PlannedBlob, PushPlan};
pub use push::{Addition, PushedBlob, PushedManifest, SubjectReport};
pub use secret::Secret;
pub use service::{ServiceAnswer, ServiceRequest};
pub use sources::Sources;
pub use stats::{RequestKind, Stats, StatsSnapshot};
pub use tag::{Added, UnderTag};
