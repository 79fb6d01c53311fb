//! A role file: what is read under one role's name is canonical in one way only, and never read under another kind's name.
#![no_main]

use bulla_core::json;
use bulla_core::tuf::role::Role;
use bulla_core::tuf::{canonical, inspect};

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let roles = [Role::root(), Role::targets(), Role::snapshot(), Role::timestamp()];
    let read = roles.iter().filter(|role| inspect(role, file).is_ok()).count();
    assert!(read <= 1, "a file says of what kind it is");
    let _ = inspect(&Role::releases(), file);
    if let Ok(value) = json::parse(file, 1 << 20)
        && let Ok(written) = canonical::write(&value)
        && let Ok(again) = json::parse(&written, 1 << 20)
    {
        assert_eq!(again, value);
        assert_eq!(canonical::write(&again).expect("it was canonical"), written);
    }
});
