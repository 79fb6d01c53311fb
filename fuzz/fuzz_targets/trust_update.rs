//! The update of a collection, fed with files that a server made up: it asks for names that are safe in a path, and settles
//! nothing, because nobody signed.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use bulla_core::time::UnixTime;
use bulla_core::tuf::key::KeyId;
use bulla_core::tuf::pinning::{Anchor, Pin, Pins, Scope};
use bulla_core::tuf::role::{Gun, Role};
use bulla_core::tuf::{Budget, Fetched, Files, Request, Step, update};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let gun = Gun::parse("host.example/app").expect("a collection");
    let id = KeyId::parse(&"ab".repeat(32)).expect("an id");
    let pins = Pins(vec![Pin { scope: Scope::Everywhere, anchor: Anchor::Keys([id].into()) }]);
    let (roles, beside) = (BTreeSet::from([Role::releases()]), BTreeSet::new());
    let minimum_versions = BTreeMap::new();
    let request = Request {
        gun: &gun,
        pins: &pins,
        roles: &roles,
        beside: &beside,
        now: UnixTime(1_800_000_000),
        remembered: None,
        minimum_versions: &minimum_versions,
    };
    let mut parts = bytes.split(|byte| *byte == 0xff);
    let mut files = Files::new();
    for _ in 0..4 {
        match update(&request, &files, &mut Budget::of(u32::MAX)) {
            Ok(Step::Needs(needs)) => {
                for need in needs {
                    assert!(!need.file.contains("..") && need.file.ends_with(".json"));
                    files.insert(need.file, parts.next().map_or(Fetched::NotFound, Fetched::Bytes));
                }
            }
            Ok(Step::Settled(_)) => panic!("nobody signed"),
            Ok(Step::Unknown(_)) | Err(_) => break,
        }
    }
});
