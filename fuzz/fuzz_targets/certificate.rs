//! A certificate, a file of them, and names: what is read is exactly its octets.
#![no_main]

use bulla_core::x509::name::{Subject, render};
use bulla_core::x509::{Certificate, Chain, KeyUsageRule, read_all};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = render(bytes);
    if let Ok(subject) = core::str::from_utf8(bytes).map_err(drop).and_then(|text| Subject::parse(text).map_err(drop)) {
        assert!(subject.is_part_of(&subject));
    }
    if let Ok(certificates) = read_all(bytes) {
        for certificate in &certificates {
            assert_eq!(Certificate::from_der(certificate.der()).as_ref(), Ok(certificate));
            let _ = (certificate.subject_text(), Subject::of(certificate.subject()));
        }
        let _ = Chain::verify(certificates, KeyUsageRule::Present);
    }
});
