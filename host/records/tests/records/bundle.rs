//! One file for one record: the same everywhere, whole or refused.

use bulla_records::{Bundle, BundleError, Part, Whole};

use crate::common::{Case, invented, open, run, vector};

fn export(case: &Case, with_module: bool) -> (Whole, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("records"));
    let id = case.write(&store).id;
    let reader = store.reader();
    let (id, bytes) = reader.find(&id.hex()).expect("there");
    let whole = Whole::gather(id, bytes, &reader).expect("whole");
    let exported = whole.export(with_module).expect("small enough");
    (whole, exported)
}

#[test]
fn a_file_goes_round_the_world_and_stays_the_same() {
    let mut case = run(vector("accept/p256")).expect("a decision");
    case.question["labels"] = "x".repeat(4000).into();
    for with_module in [false, true] {
        let (whole, exported) = export(&case, with_module);
        assert!(whole.record.large_question.is_some());
        assert_eq!(export(&case, with_module).1, exported, "the same record, the same octets");
        assert_eq!(exported.len() > bulla_engine::EMBEDDED.len(), with_module);
        let bundle = Bundle::read(exported.clone()).expect("a file");
        assert_eq!(bundle.id(), whole.id);
        let read = bundle.whole().expect("whole");
        assert_eq!(read, whole);

        let folder = tempfile::tempdir().expect("a folder");
        let elsewhere = open(&folder.path().join("records"));
        assert_eq!(elsewhere.import(&read).expect("written").id, whole.id);
        let reader = elsewhere.reader();
        let (id, bytes) = reader.find(&whole.id.hex()).expect("there");
        let again = Whole::gather(id, bytes, &reader).expect("whole");
        assert_eq!(again.export(with_module).expect("small enough"), exported);
    }
}

#[test]
fn every_truncation_and_every_changed_octet_is_found() {
    let (whole, exported) = export(&run(vector("accept/p256")).expect("a decision"), false);
    for length in 0..exported.len() {
        let error = Bundle::read(exported[..length].to_vec()).expect_err("it was cut short");
        assert!(matches!(error, BundleError::Frame(_) | BundleError::Header(_)), "cut at {length}: {error}");
    }
    let mut named = std::collections::BTreeSet::new();
    for offset in 0..exported.len() {
        let mut bad = exported.clone();
        bad[offset] ^= 1;
        if let Ok(bundle) = Bundle::read(bad) {
            named.insert(bundle.whole().expect_err("it was changed").part.to_string());
        }
    }
    let parts = 5 + whole.policies.len() + whole.evidence.iter().filter(|(_, bytes)| bytes.is_some()).count() - 1;
    assert!(named.len() >= parts, "{named:?}");
    Bundle::read([exported.as_slice(), &[0, 0, 0, 0]].concat()).expect_err("one more part");
}

#[test]
fn what_is_there_twice_or_for_nothing_is_found() {
    let (whole, exported) = export(&invented(1, "evidence".into()), false);
    let mut message = bulla_engine::abi::Message::decode(&exported).expect("a message");
    let more = format!(",\"{}\"]", bulla_records::Digest::of(b"more"));
    let header = String::from_utf8(message.header).expect("JSON").replacen(']', &more, 1);
    message.header = header.into_bytes();
    message.push(b"more".to_vec());
    let bundle = Bundle::read(message.encode().expect("small")).expect("well framed");
    assert_eq!(bundle.whole().expect_err("nobody names it").part, Part::File);

    let other = export(&invented(2, "evidence".into()), false).1;
    let mut mixed = bulla_engine::abi::Message::decode(&exported).expect("a message");
    mixed.blobs[0] = bulla_engine::abi::Message::decode(&other).expect("a message").blobs[0].clone();
    let bundle = Bundle::read(mixed.encode().expect("small")).expect("well framed");
    assert_eq!(bundle.id(), whole.id);
    assert_eq!(bundle.whole().expect_err("another record").part, Part::Record);
}
