//! Collection: what is old or too much goes, and nothing that a kept record needs.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use bulla_records::limits::MIN_STORE_BYTES;
use bulla_records::{Digest, Durability, Entry, Options, Store, Whole};

use crate::common::{files, invented};

/// Every record of a store is whole; gives how many there are.
fn all_whole(store: &Store) -> usize {
    let reader = store.reader();
    let mut count = 0;
    let end: Option<()> = reader
        .entries(|entry| {
            let Entry::Record { id, bytes } = entry else { panic!("{entry:?}") };
            Whole::gather(id, bytes, &reader).unwrap_or_else(|damage| panic!("record {count}: {damage}"));
            count += 1;
            ControlFlow::Continue(())
        })
        .expect("readable");
    assert_eq!(end, None);
    count
}

fn in_future() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(8_000_000_000)
}

#[test]
fn what_is_too_much_goes_oldest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records");
    let store = Store::open(&path, Options { bytes: MIN_STORE_BYTES, ..Options::default() }).expect("ours");
    let module = store.keep(b"a module").expect("written");
    let written: Vec<Digest> = (0..400u64)
        .map(|number| {
            let mut case = invented(number, vec![number as u8 ^ (number >> 8) as u8; 65_536 + number as usize].into());
            case.module = module;
            case.write(&store).id
        })
        .collect();
    let collected = store.collect(SystemTime::UNIX_EPOCH).expect("collected");
    assert!(collected.left <= MIN_STORE_BYTES, "{collected:?}");
    let size: u64 = files(&path).iter().map(|file| file.metadata().expect("there").len()).sum();
    assert!(size <= MIN_STORE_BYTES + 64, "{size}");
    let left = all_whole(&store);
    assert!((100..300).contains(&left), "{left} records are left");
    let reader = store.reader();
    for (index, id) in written.iter().enumerate() {
        assert_eq!(reader.find(&id.hex()).is_ok(), index >= written.len() - left, "record {index}");
    }
    let again = store.collect(SystemTime::UNIX_EPOCH).expect("collected");
    assert_eq!((again.segments, again.contents), (0, 0));
}

#[test]
fn what_is_old_goes_and_the_module_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records");
    let store = Store::open(&path, Options::default()).expect("ours");
    let module = store.keep(b"a module").expect("written");
    let case = invented(1, "evidence".into());
    let policies = case.policies();
    case.write_with(&store, &policies);
    let day = Duration::from_secs(24 * 3600);
    #[allow(clippy::disallowed_methods, reason = "files have the time of this machine")]
    let now = SystemTime::now();
    assert_eq!(store.collect(now + day * 89).expect("collected").segments, 0);
    assert_eq!(all_whole(&store), 1);
    let collected = store.collect(now + day * 91).expect("collected");
    assert_eq!(collected.segments, 1, "{collected:?}");
    assert_eq!(all_whole(&store), 0);
    let hex = module.hex();
    assert_eq!(files(&path.join("sha256")), [path.join("sha256").join(&hex[..2]).join(&hex)]);
    // What was known to be kept is no longer: it comes again.
    case.write_with(&store, &policies);
    assert_eq!(all_whole(&store), 1);
}

#[test]
fn writers_and_the_collector_do_not_get_in_each_others_way() {
    for durability in [Durability::Batched, Durability::Synchronous] {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options { durability, ..Options::default() };
        let store = Store::open(&folder.path().join("records"), options).expect("ours");
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            for thread in 0..4u64 {
                let (store, ended) = (&store, &ended);
                scope.spawn(move || {
                    let policies = invented(0, "".into()).policies();
                    let mut number = 0;
                    while !ended.load(Ordering::Relaxed) {
                        // The same few contents, gone and there again all the time.
                        number += 1;
                        invented(thread << 32 | number, format!("evidence {}", number % 5).into())
                            .write_with(store, &policies);
                    }
                });
            }
            let mut dropped = 0;
            while dropped < 30 {
                // Everything is old: each round drops all records that are there when it begins, if there are any.
                dropped += store.collect(in_future()).expect("collected").segments;
                // Nobody collects now, so that every record is whole, whatever is being written.
                all_whole(&store);
            }
            ended.store(true, Ordering::Relaxed);
        });
        all_whole(&store);
        let last = invented(9999, "evidence 0".into()).write(&store).id;
        assert!(store.reader().find(&last.hex()).is_ok());
        all_whole(&store);
        assert_eq!(store.stats().failures, 0);
    }
}
