//! A simple-signing payload. What is read, is written and read again as the same.
#![no_main]

use bulla_core::cosign::payload::SimpleSigning;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(payload) = SimpleSigning::parse(bytes) {
        let identity = payload.identity.text().to_owned();
        let written = SimpleSigning::write(&identity, &payload.digest, &Default::default()).expect("it was read");
        let again = SimpleSigning::parse(&written).expect("it was written here");
        assert_eq!((again.identity, again.digest), (payload.identity, payload.digest));
    }
});
