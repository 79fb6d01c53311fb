//! Conditions in CEL: whatever compiles is evaluated within its budget, twice with the same outcome.
#![no_main]

use bulla_core::cel::{Budget, Condition, Fact, Facts};
use bulla_core::limits::MAX_CEL_STEPS;
use bulla_core::time::UnixTime;

libfuzzer_sys::fuzz_target!(|source: &str| {
    let Ok(condition) = Condition::compile(source, &["facts", "now"]) else { return };
    let times = (0..9).map(|index| (format!("at{index}"), Fact::Time(UnixTime(index * 1_000_000_007)))).collect();
    let facts = Facts::new().with("facts", Fact::Members(times)).with("now", UnixTime(1_769_860_805));
    let (mut first, mut second) = (Budget::new(), Budget::new());
    assert_eq!(condition.holds(&facts, &mut first), condition.holds(&facts, &mut second));
    assert_eq!(first, second);
    assert!(first.spent() <= MAX_CEL_STEPS);
});
