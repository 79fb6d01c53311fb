//! The vectors as they are made: keys from fixed entropy and signatures by the module itself, so that every run is the same.

mod accept;
mod attestations;
mod budgets;
mod bundles_accepted;
mod bundles_malformed;
mod bundles_misused;
mod circumstances;
mod conditions;
mod constants;
mod dsse;
mod entrusted;
mod entrusted_policies;
mod evidence;
mod glass;
mod inspect;
mod keys;
mod leaves;
mod lifetimes;
mod manifests;
mod messages;
mod mirrors;
mod notation;
mod notation_blobs;
mod notation_chains;
mod notation_documents;
mod notation_envelopes;
mod notation_policies;
mod notation_revoked;
mod notation_signing;
pub mod notation_stamped;
mod notation_verified;
mod payloads;
mod places;
mod policies;
mod policy_signers;
mod publications;
mod referrers;
mod responses;
mod reviews;
mod scene;
mod signatures;
mod signing;
mod standings;
mod statements_malformed;
mod steering;
mod toolbox;
mod trees;

use std::collections::BTreeMap;

use crate::expect::Expect;
use crate::vectors::{self, Vector};

/// Vectors by `area/name`.
pub type Book = BTreeMap<String, Vector>;

/// Every vector.
pub fn all() -> Book {
    let mut book = Book::new();
    let writers = [
        accept::write,
        attestations::write,
        budgets::write,
        bundles_accepted::write,
        bundles_malformed::write,
        bundles_misused::write,
        circumstances::write,
        conditions::write,
        entrusted::write,
        entrusted_policies::write,
        evidence::write,
        glass::write,
        inspect::write,
        keys::write,
        leaves::write,
        lifetimes::write,
        manifests::write,
        messages::write,
        mirrors::write,
        notation_blobs::write,
        notation_chains::write,
        notation_documents::write,
        notation_envelopes::write,
        notation_policies::write,
        notation_revoked::write,
        notation_signing::write,
        notation_stamped::write,
        notation_verified::write,
        payloads::write,
        places::write,
        policies::write,
        policy_signers::write,
        publications::write,
        referrers::write,
        responses::write,
        reviews::write,
        signatures::write,
        signing::write,
        standings::write,
        statements_malformed::write,
        steering::write,
        trees::write,
    ];
    writers.iter().for_each(|write| write(&mut book));
    book
}

/// What differs between these vectors and the files; nothing when the files are what would be written.
pub fn differences(made: &Book) -> Vec<String> {
    let there = vectors::texts();
    let missing = made.keys().filter(|name| !there.contains_key(*name)).map(|name| format!("{name} is missing"));
    let others = there.iter().filter_map(|(name, text)| match made.get(name) {
        None => Some(format!("{name} is made by nobody")),
        Some(vector) if vector.text() != *text => Some(format!("{name} is not what is made")),
        Some(_) => None,
    });
    missing.chain(others).collect()
}

/// Adds a vector under a name that nobody has.
fn add(book: &mut Book, name: &str, vector: Vector) {
    assert!(book.insert(name.to_owned(), vector).is_none(), "{name} is made twice");
}

fn accepted() -> Expect {
    Expect::outcome("accept")
}

fn rejected(reason: &str) -> Expect {
    Expect::outcome("reject").reason(reason)
}

fn unknown(reason: &str) -> Expect {
    Expect::outcome("unknown").reason(reason)
}
