//! An in-toto statement: each of its digests finds a subject, and a statement about it is written and read again.
#![no_main]

use bulla_core::statement::Statement;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(statement) = Statement::parse(bytes, 1 << 20) {
        for digest in statement.subjects.iter().flat_map(|subject| &subject.digests) {
            assert!(statement.about(digest).any(|subject| subject.digests.contains(digest)));
        }
        if let Some(digest) = statement.subjects.iter().flat_map(|subject| &subject.digests).next() {
            let kind = &statement.predicate_type;
            let written = Statement::write(Some("name"), digest, &Default::default(), kind, &statement.predicate);
            let again = Statement::parse(&written.expect("it was read"), 1 << 24).expect("it was written here");
            assert!(again.about(digest).next().is_some());
            assert_eq!(&again.predicate_type, kind);
        }
    }
});
