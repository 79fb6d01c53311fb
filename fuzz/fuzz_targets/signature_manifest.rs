//! A signature image: layers are counted from 1, and there are never more than the limit.
#![no_main]

use bulla_core::cosign::legacy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(layers) = legacy::parse(bytes, None) {
        assert!(layers.len() <= bulla_core::limits::MAX_SIGNATURES);
        assert!(layers.iter().enumerate().all(|(index, layer)| layer.number == index + 1));
    }
});
