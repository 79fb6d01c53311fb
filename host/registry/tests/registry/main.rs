//! The registry client, layouts and the cache against registries made for the purpose: helpful, broken and hostile
//! ones.
#![allow(missing_docs, clippy::unwrap_used)]

mod address;
mod auth;
mod blob;
mod fake;
mod fetch;
mod hostile;
mod layout;
mod push;
mod redirects;
mod referrers;
mod sources;
mod tag;
mod timestamp;
mod tls;
