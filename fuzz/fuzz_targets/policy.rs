//! Policy documents: errors have a place.
#![no_main]

use bulla_core::policy::PolicySet;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(diagnostics) = PolicySet::read(&[("fuzz.yaml".to_owned(), bytes)]) {
        assert!(!diagnostics.is_empty());
    }
});
