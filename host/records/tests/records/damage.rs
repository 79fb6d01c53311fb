//! One changed octet, in any part, is found and the part is named.

use std::fs;
use std::path::Path;

use bulla_records::{Digest, FindError, Part, Problem, Reader, Whole};

use crate::common::{Case, files, invented, open, run, vector};

fn kept(case: &Case, folder: &Path) -> (Digest, Reader) {
    let store = open(folder);
    let id = case.write(&store).id;
    (id, store.reader())
}

fn gather(reader: &Reader, id: Digest) -> Result<Whole, bulla_records::Damage> {
    let (id, bytes) = reader.find(&id.hex()).expect("the journal is as it was");
    Whole::gather(id, bytes, reader)
}

/// The part that a file holds.
fn part_of(whole: &Whole, digest: Digest) -> Part {
    let record = &whole.record;
    if digest == record.policies.digest {
        return Part::PolicyList;
    }
    if digest == record.evidence.digest {
        return Part::EvidenceList;
    }
    if Some(digest) == record.verdict.digest {
        return Part::Verdict;
    }
    if digest == record.module {
        return Part::Module;
    }
    if let Some((document, _)) = whole.policies.iter().find(|(document, _)| document.digest == digest) {
        return Part::Policy { name: document.name.clone() };
    }
    let index = whole.evidence.iter().position(|(entry, _)| entry.content() == Some(digest)).expect("evidence");
    Part::Evidence { index, need: whole.evidence[index].0.need.clone() }
}

#[test]
fn a_changed_or_missing_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records");
    let case = run(vector("accept/p256")).expect("a decision");
    let (id, reader) = kept(&case, &path);
    let whole = gather(&reader, id).expect("whole");
    let files = files(&path.join("sha256"));
    let parts = 2 + case.documents.len() + case.evidence.iter().filter(|(_, bytes)| bytes.is_some()).count() + 2;
    assert_eq!(files.len(), parts, "two lists, policies, evidence, verdict, module");
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let digest = Digest::parse(&name).expect("a digest");
        let part = part_of(&whole, digest);
        let good = fs::read(&file).expect("there");
        let step = (good.len() / 400).max(1);
        for offset in (0..good.len()).step_by(step).chain([good.len() - 1]) {
            let mut bad = good.clone();
            bad[offset] ^= 1;
            fs::write(&file, &bad).expect("ours");
            let damage = gather(&reader, id).expect_err("it was changed");
            assert_eq!(damage.part, part, "octet {offset} of {name}");
            assert!(matches!(damage.problem, Problem::Tampered { wanted, .. } if wanted == digest), "{damage}");
        }
        for bad in [&good[..good.len() - 1], &[], &[good.as_slice(), b"\n"].concat()] {
            fs::write(&file, bad).expect("ours");
            assert_eq!(gather(&reader, id).expect_err("it was changed").part, part);
        }
        fs::remove_file(&file).expect("there");
        if part == Part::Module {
            assert!(gather(&reader, id).expect("this program has the same").module.is_some());
        } else {
            let damage = gather(&reader, id).expect_err("it is gone");
            assert_eq!((damage.part, damage.problem), (part, Problem::Missing));
        }
        fs::write(&file, good).expect("ours");
    }
    gather(&reader, id).expect("all as it was");
}

#[test]
fn a_changed_record_is_named_and_never_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records");
    let (id, reader) = kept(&invented(1, "evidence".into()), &path);
    let journal = path.join("journal/0000000001.log");
    let good = fs::read(&journal).expect("there");
    // The last octet is the line feed: without it, a line was never finished.
    for offset in 0..good.len() - 1 {
        let mut bad = good.clone();
        bad[offset] ^= 1;
        fs::write(&journal, &bad).expect("ours");
        let error = reader.find(&id.hex()).expect_err("it was changed");
        assert!(matches!(error, FindError::Damaged { offset: 0, .. }), "octet {offset}: {error}");
        assert!(error.to_string().contains("the record was tampered with"), "{error}");
    }
    fs::write(&journal, [b"x", &good[1..]].concat()).expect("ours");
    let store = open(&path);
    assert_eq!(store.stats().cut, 0);
    let after = invented(2, "evidence".into()).write(&store).id;
    store.reader().find(&after.hex()).expect("behind the damage");
    assert!(reader.find(&id.hex()).is_err());
}

#[test]
fn a_damaged_file_is_replaced_when_it_comes_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records");
    let case = invented(1, "evidence".into());
    let (id, reader) = kept(&case, &path);
    let hex = Digest::of(b"evidence").hex();
    let file = path.join("sha256").join(&hex[..2]).join(&hex);
    fs::write(&file, "").expect("ours");
    assert_eq!(
        gather(&reader, id).expect_err("it was changed").part,
        Part::Evidence { index: 0, need: "need 0".into() }
    );
    let store = open(&path);
    assert_eq!(case.write(&store).id, id);
    gather(&reader, id).expect("whole again");
}

#[test]
fn a_record_that_says_something_else_than_its_verdict_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("records"));
    let mut case = invented(1, "evidence".into());
    case.verdict["outcome"] = "accept".into();
    let id = case.write(&store).id;
    let damage = gather(&store.reader(), id).expect_err("it lies");
    assert_eq!(damage.to_string(), "the record does not say what the verdict says that it names");
}
