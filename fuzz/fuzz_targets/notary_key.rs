//! Notary's private key files: written anew, it is the same key.
#![no_main]

use bulla_core::tuf::private_key::{read, write};

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    if let Ok(file) = read(file, Some(b"passphrase")) {
        let written = write(&file.key, None, None, None).expect("it was read");
        let again = read(written.as_bytes(), None).expect("it was written here");
        assert_eq!(again.key.public(), file.key.public());
    }
});
