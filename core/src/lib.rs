//! Formats, keys, policies and decisions: everything that Bulla decides, and nothing that it does.
//!
//! There is no clock, no randomness, no network, no file, no `unsafe` and no panic here. Time, entropy and bytes come in
//! as arguments; what is missing goes out as [`decision::Step::Needs`]. Data flows one way:
//! question → needs → evidence → verdict.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects
    )
)]

pub mod cel;
pub mod claim;
pub mod cosign;
pub mod decision;
pub mod digest;
pub mod dsse;
pub mod evidence;
pub mod glob;
pub mod json;
pub mod key;
pub mod kubernetes;
pub mod limits;
pub mod manifest;
pub mod notation;
pub mod ordered;
pub mod policy;
mod protojson;
pub mod reference;
mod shape;
mod shape_tests;
pub mod signing;
pub mod statement;
mod subject;
pub mod text;
pub mod time;
pub mod tuf;
pub mod verify;
pub mod x509;
pub mod yaml;
