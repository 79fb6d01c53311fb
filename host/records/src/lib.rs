//! Decision records: what was asked, with which policies and evidence, and which verdict came of it (docs/records.md).
//!
//! - [`Record`] is the small document; the SHA-256 of its canonical octets is its id.
//! - [`Store`] keeps records in a journal, and what they name as files by digest. [`Reader`] reads both, also beside a store.
//! - [`replay`] decides anew from what was kept, and holds the verdict against the recorded one, octet by octet.
//! - [`Bundle`] is one record with everything that it names, in one file.
//! - [`summary`] says the same as a SLSA verification summary.
//!
//! Nothing in here decides anything: verdicts come from the module, and a record only repeats what it was told.
//!
//! | file | subject |
//! | --- | --- |
//! | `canonical.rs`, `digest.rs`, `text.rs` | canonical JSON, digests, texts that are cut |
//! | `record.rs`, `lists.rs`, `compose.rs` | the record, the lists that it names, how both are made |
//! | `store.rs`, `keeper.rs`, `collect.rs` | the store: writing, the threads behind it, what goes when it is full or old |
//! | `journal.rs`, `segment.rs`, `files.rs`, `folder.rs` | its journal, its files by digest, its folder |
//! | `reader.rs` | finding and reading |
//! | `whole.rs`, `replay.rs`, `difference.rs` | everything that a record names, checked; deciding anew |
//! | `bundle.rs`, `summary.rs` | one file for others |
//! | `limits.rs` | every limit, with unit and origin |

mod bundle;
mod canonical;
mod clock;
mod collect;
mod compose;
mod difference;
mod digest;
mod files;
mod folder;
mod journal;
mod keeper;
pub mod limits;
mod lists;
mod reader;
mod record;
mod replay;
mod segment;
mod store;
mod summary;
mod text;
mod whole;

pub use bundle::{Bundle, BundleError};
pub use canonical::{NotCanonical, canonical};
pub use collect::Collected;
pub use compose::Draft;
pub use digest::{Digest, NotADigest};
pub use lists::{Came, Document, EvidenceEntry, Policies};
pub use reader::{Contents, Entry, FindError, Reader};
pub use record::{Action, BreakGlass, LargeQuestion, Listed, Made, NotARecord, Outcome, Record, Surface, Verdict};
pub use replay::{Engines, ReplayError, Replayed, replay};
pub use store::{Durability, Options, Stats, Store, StoreError, Written};
pub use summary::{NoSummary, PREDICATE_TYPE, Summary, SummaryOptions, summary};
pub use whole::{Damage, Part, Problem, Whole};
