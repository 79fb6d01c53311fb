//! Certificates of root keys: whether one counts is an answer, whatever it says, and so is whether a chain leads on.
#![no_main]

use bulla_core::time::UnixTime;
use bulla_core::tuf::certificate::Certificate;
use bulla_core::tuf::role::Gun;

libfuzzer_sys::fuzz_target!(|pem: &[u8]| {
    if let Ok(chain) = Certificate::parse_chain(pem) {
        let (gun, now) = (Gun::parse("host.example/app").expect("a collection"), UnixTime(1_800_000_000));
        for certificate in &chain {
            let _ = certificate.check_collection(&gun);
            let _ = certificate.check_chain(&chain, &[], now).expect_err("nothing is pinned");
        }
    }
});
