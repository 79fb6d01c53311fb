//! Vectors shared by every host, the program that makes them, and what tests of several crates have in common.
//!
//! | file | subject |
//! | --- | --- |
//! | `vectors.rs`, `recipe.rs`, `expect.rs` | a vector as it stands in `tests/vectors/<area>/<name>.json` |
//! | `runner.rs` | running one natively and in wasmtime, in one call and step by step |
//! | `hosts.rs` | running all of them in a host that is not ours, through `tests/hosts/` |
//! | `peers.rs` | finding programs that tests need, and saying so when they are missing |
//! | `support.rs` | a real registry, images and `bulla` as a process, for the tests against peers and the bench |
//! | `schema.rs` | the schema of policy documents, which `cargo run -p bulla-tests --bin schema` writes |
//! | `make/` | what the program `vectors` writes (`cargo build --workspace --exclude xtask --bins && target/debug/vectors`) |
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on ends, and says where")]

pub mod expect;
pub mod hosts;
pub mod make;
pub mod peers;
pub mod recipe;
pub mod runner;
pub mod schema;
pub mod support;
pub mod vectors;
