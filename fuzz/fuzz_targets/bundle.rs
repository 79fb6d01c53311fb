//! A Sigstore bundle, or the manifest of one: what is read by a key's hint is written and read as the same.
#![no_main]

use bulla_core::cosign::bundle::{Bundle, Material, referrer, write_referrer};
use bulla_core::digest::Digest;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let image = Digest::sha256(b"");
    let _ = referrer(bytes, None, &image);
    if let Ok(bundle) = Bundle::parse(bytes, 1 << 20) {
        let [signature] = bundle.envelope.signatures.as_slice() else { panic!("a bundle has one signature") };
        if let Material::PublicKey { hint } = &bundle.material {
            let envelope = &bundle.envelope;
            let written = Bundle::write(hint, &envelope.payload_type, &envelope.payload, &signature.signature);
            let written = written.expect("it was read");
            let again = Bundle::parse(&written, 1 << 21).expect("it was written here");
            assert_eq!((again.material, again.envelope.pae()), (bundle.material, envelope.pae()));
            let manifest = write_referrer(&written, "t", "a/b", &image, 0).expect("it can be written");
            let read = referrer(&manifest, None, &image).expect("it was written here");
            assert_eq!(read.bundle.digest, Digest::sha256(&written));
        }
    }
});
