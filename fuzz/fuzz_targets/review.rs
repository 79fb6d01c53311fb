//! An AdmissionReview and its response: without verdicts, only what starts nothing is admitted.
#![no_main]

use bulla_core::kubernetes::{Disposition, Review, Settings, WhenUnknown, respond};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(review) = Review::parse(bytes) {
        let response = respond(&review, &[], Settings { unknown: WhenUnknown::Deny, pin: true });
        let allowed = response.pointer("/response/allowed").and_then(|allowed| allowed.as_bool());
        assert_eq!(allowed, Some(matches!(review.disposition, Disposition::Allow(_))));
    }
});
