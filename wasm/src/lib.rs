//! The module: operations over bulla-core behind four C functions (docs/abi.md), and a veneer over them for JavaScript.
//!
//! [`Module`] is the whole of it, and runs natively as well: tests hold the native run and the sandboxed one equal.

mod blob;
mod exports;
mod images;
mod inspect;
mod keys;
mod module;
mod notation;
mod policies;
mod reply;
mod signing;
mod trust;

pub use module::Module;
