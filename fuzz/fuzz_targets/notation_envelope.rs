//! A Notation envelope of either format, the manifest that brings one, and a trust policy.
#![no_main]

use bulla_core::digest::Digest;
use bulla_core::notation::payload::Payload;
use bulla_core::notation::referrer::referrer;
use bulla_core::notation::trust_policy::{Document, DocumentKind};
use bulla_core::notation::{Envelope, Format};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for format in [Format::Jws, Format::Cose] {
        if let Ok(envelope) = Envelope::parse(bytes, format.media_type()) {
            let _ = (envelope.claims(), envelope.verify(), envelope.verification_units());
        }
    }
    if let Ok(payload) = Payload::parse(bytes) {
        assert_eq!(Payload::parse(&payload.write().expect("it was read")), Ok(payload));
    }
    let _ = referrer(bytes, None, &Digest::sha256(b""));
    let _ = Document::parse(bytes, DocumentKind::Oci);
    let _ = Document::parse(bytes, DocumentKind::Blob);
});
