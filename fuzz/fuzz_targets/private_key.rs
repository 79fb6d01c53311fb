//! A private key that is not encrypted: written anew, it is the same key.
#![no_main]

use bulla_core::key::PrivateKey;

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    if let Ok(key) = PrivateKey::parse(file, None) {
        let written = key.to_pem().expect("it was read");
        let again = PrivateKey::parse(written.as_bytes(), None).expect("it was written here");
        assert_eq!(again.public(), key.public());
    }
});
