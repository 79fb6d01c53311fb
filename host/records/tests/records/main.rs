//! Records from the engine's own decisions: kept, damaged, replayed, exported, collected.

mod bundle;
mod collect;
mod common;
mod crash;
mod damage;
mod measure;
mod replay;
mod store;
mod summary;
