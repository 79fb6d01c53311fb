//! A public key, PEM or DER: its canonical form is read as the same key.
#![no_main]

use bulla_core::key::{Hash, PublicKey};

libfuzzer_sys::fuzz_target!(|input: (&[u8], &[u8])| {
    let (file, signature) = input;
    if let Ok(key) = PublicKey::parse(file) {
        assert_eq!(PublicKey::parse(key.to_pem().as_bytes()).expect("it was written here"), key);
        let _ = key.verify(b"message", signature, Hash::Sha256);
    }
});
