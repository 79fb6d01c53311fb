//! A DSSE envelope: what is read keeps its limits, and two envelopes are not signed alike unless they say the same.
#![no_main]

use bulla_core::dsse::{Envelope, pae};
use bulla_core::limits::{MAX_ENVELOPE_SIGNATURES, MAX_SIGNATURE_BYTES};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::parse(bytes, 1 << 20) {
        assert!(!envelope.payload_type.is_empty());
        assert!((1..=MAX_ENVELOPE_SIGNATURES).contains(&envelope.signatures.len()));
        assert!(envelope.signatures.iter().all(|it| (1..=MAX_SIGNATURE_BYTES).contains(&it.signature.len())));
        let signed = envelope.pae();
        assert!(signed.ends_with(&envelope.payload));
        assert_ne!(signed, pae(&format!("{} ", envelope.payload_type), &envelope.payload));
    }
});
