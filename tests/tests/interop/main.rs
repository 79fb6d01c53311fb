//! Real peers, both directions: cosign 2.6 and 3.1, Debian's docker-registry, skopeo, umoci, curl, Notary,
//! `docker trust` (docs/interop.md).
//!
//! Everything talks to loopback. A test that misses its peer says so and is named at the end of the run.

mod admission;
mod bundles;
mod concurrency;
mod cosign;
mod damage;
mod database;
mod entrusted;
mod matrix;
mod migrate;
mod notary;
mod notation;
mod offline;
mod postgres;
mod proxy;
mod registries;
mod remote_keys;
mod requests;
mod summaries;
mod trust;
