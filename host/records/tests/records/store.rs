//! Writing and finding: one process, many threads, nothing lost.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Barrier;
use std::thread;

use bulla_records::{Durability, Entry, FindError, Options, Reader, Record, Store, StoreError, Whole};

use crate::common::{files, invented, open};

#[test]
fn what_was_written_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records");
    let store = open(&path);
    let case = invented(1, "evidence".into());
    let first = case.write(&store);
    assert!(first.brought > 0 && first.octets <= 4096);
    let again = case.write(&store);
    assert_eq!((again.id, again.brought), (first.id, 0), "the same decision is the same record");
    let other = invented(2, "evidence".into()).write(&store);
    assert_ne!(other.id, first.id);

    let reader = store.reader();
    let hex = first.id.hex();
    for id in [&first.id.to_string(), &hex, &hex[..12]] {
        assert_eq!(reader.find(id).expect("it is there").0, first.id);
    }
    assert!(matches!(reader.find("0000000000000000"), Err(FindError::None(..))));
    for bad in ["", "abc", "ABCDEF", "../../etc", &"a".repeat(65)] {
        assert!(matches!(reader.find(bad), Err(FindError::NotAnId(_))), "{bad}");
    }
    let (id, bytes) = reader.find(&hex).expect("it is there");
    let whole = Whole::gather(id, bytes, &reader).expect("nothing is missing");
    assert_eq!(whole.question, case.question);
    assert_eq!(whole.verdict.as_deref(), Some(&*case.verdict_bytes));
    assert_eq!(whole.evidence.len(), case.evidence.len());
    assert_eq!(whole.record.image(), "registry.example/app:1");
    let stats = store.stats();
    assert_eq!((stats.records, stats.failures, stats.cut), (3, 0, 0));
}

#[test]
fn the_folder_is_its_owners_and_one_processs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records");
    let store = open(&path);
    invented(1, "evidence".into()).write(&store);
    for entry in fs::read_dir(&path).expect("there").map(|entry| entry.expect("an entry")) {
        let wanted = if entry.path().is_dir() { 0o700 } else { 0o600 };
        let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, wanted, "{}", entry.path().display());
    }
    let error = Store::open(&path, Options::default()).expect_err("it is taken").to_string();
    let holder = format!("another process writes records there (process {})", std::process::id());
    assert!(error.ends_with(&holder), "{error}");
    drop(store);
    drop(Store::open(&path, Options::default()).expect("free again"));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).expect("ours");
    let error = Store::open(&path, Options::default()).expect_err("others read").to_string();
    assert!(error.contains("open to others (mode 0750)"), "{error}");
    let small = Options { bytes: 1, ..Options::default() };
    assert!(matches!(Store::open(&path, small), Err(StoreError::TooSmall { got: 1 })));
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    assert!(Store::open(&file, Options::default()).is_err());
    assert!(Reader::open(&folder.path().join("none")).is_err());
}

#[test]
fn many_threads_write_into_one_journal() {
    const THREADS: u64 = 8;
    const EACH: u64 = 60;
    for durability in [Durability::Batched, Durability::Synchronous] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        let store = Store::open(&path, Options { durability, ..Options::default() }).expect("ours");
        let begin = Barrier::new(THREADS as usize);
        let written: Vec<_> = thread::scope(|scope| {
            let writers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (store, begin) = (&store, &begin);
                    scope.spawn(move || {
                        begin.wait();
                        let case = |number| invented(thread * EACH + number, format!("shared {}", number % 7).into());
                        (0..EACH).map(|number| case(number).write(store).id).collect::<Vec<_>>()
                    })
                })
                .collect();
            writers.into_iter().flat_map(|writer| writer.join().expect("no panic")).collect()
        });
        let reader = store.reader();
        let mut found = Vec::new();
        let end: Option<()> = reader
            .entries(|entry| {
                let Entry::Record { id, bytes } = entry else { panic!("{entry:?}") };
                Whole::gather(id, bytes, &reader).expect("whole");
                found.push(id);
                ControlFlow::Continue(())
            })
            .expect("readable");
        assert_eq!(end, None);
        let (mut written, mut sorted) = (written, found);
        written.sort();
        sorted.sort();
        assert_eq!(written, sorted, "{durability:?}");
        // Seven contents, two lists, one policy, and a verdict for each.
        assert_eq!(files(&path.join("sha256")).len() as u64, THREADS * EACH + 7 + 7 + 2);
        assert!(files(&path.join("drafts")).is_empty());
    }
}

#[test]
fn a_torn_line_is_cut_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records");
    let store = open(&path);
    let first = invented(1, "evidence".into()).write(&store);
    let journal = path.join("journal/0000000001.log");
    let kept = fs::read(&journal).expect("there").len();
    let second = invented(2, "evidence".into()).write(&store);
    drop(store);
    let whole = fs::read(&journal).expect("there");
    for length in 0..=whole.len() {
        fs::write(&journal, &whole[..length]).expect("ours");
        let before = Reader::open(&path).expect("readable");
        assert_eq!(before.find(&first.id.hex()).is_ok(), length >= kept, "cut at {length}, before opening");
        let store = Store::open(&path, Options::default()).expect("opens");
        let lines = [0, kept, whole.len()];
        let good = lines.into_iter().rfind(|line| *line <= length).expect("0 is there");
        assert_eq!(store.stats().cut, (length - good) as u64, "cut at {length}");
        let reader = store.reader();
        assert_eq!(reader.find(&first.id.hex()).is_ok(), length >= kept, "cut at {length}");
        assert_eq!(reader.find(&second.id.hex()).is_ok(), length == whole.len(), "cut at {length}");
        if length % 97 == 0 {
            let third = invented(3, "evidence".into()).write(&store);
            reader.find(&third.id.hex()).expect("not glued to what was cut");
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_no_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records");
    drop(open(&path));
    let journal = path.join("journal/0000000001.log");
    fs::remove_file(&journal).expect("there");
    symlink("/dev/full", &journal).expect("ours");
    let store = Store::open(&path, Options::default()).expect("opens");
    let case = invented(1, "evidence".into());
    let error = store.write(&case.draft(&case.policies())).expect_err("the disk is full").to_string();
    assert!(error.contains("cannot write records in") && error.contains("No space left"), "{error}");
    assert_eq!((store.stats().records, store.stats().failures), (0, 1));
    let written = case.write(&store);
    fs::remove_file(&journal).expect("there");
    store.reader().find(&written.id.hex()).expect("in another segment");
}

#[test]
fn a_question_that_is_no_projection_is_refused_and_a_large_one_kept_beside() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("records"));
    let mut case = invented(1, "evidence".into());
    case.question["now"] = 0.5.into();
    let error = store.write(&case.draft(&case.policies())).expect_err("a fraction");
    assert!(matches!(error, StoreError::NotCanonical(_)), "{error}");
    case.question["now"] = 1.into();
    case.question["image"] = "\u{1}".repeat(5000).into();
    let written = case.write(&store);
    assert!(written.octets <= 4096);
    let reader = store.reader();
    let (id, bytes) = reader.find(&written.id.hex()).expect("there");
    let record = Record::parse(&bytes).expect("a record");
    assert!(record.question.is_none() && record.now() == 1 && record.image().len() < 1000);
    assert_eq!(Whole::gather(id, bytes, &reader).expect("whole").question, case.question);
}
