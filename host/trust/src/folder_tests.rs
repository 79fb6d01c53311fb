//! What is remembered survives, and never goes back.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt as _;

use super::{Folder, Kept, StoreError};
use crate::state::{Seen, State};

const COLLECTION: &str = "notary.example:4443 registry.example/app";

fn state(root: u64, timestamp: u64, releases: u64) -> State {
    let seen = |version: u64| Seen { version, sha256: format!("sha256:{version:064x}") };
    let roles = [("timestamp", timestamp), ("targets/releases", releases)];
    let roles = roles.map(|(role, version)| (role.to_owned(), [("k".to_owned(), seen(version))].into()));
    State { root: Some(seen(root)), roles: roles.into() }
}

fn store() -> (tempfile::TempDir, Folder) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Folder::new(folder.path().join("trust"));
    (folder, store)
}

#[test]
fn each_role_keeps_its_newest_version() {
    let (_folder, store) = store();
    assert_eq!(store.read(COLLECTION).expect("readable"), None);
    assert_eq!(store.remember(COLLECTION, &state(1, 5, 3)).expect("written"), Kept::Newest);
    assert_eq!(store.remember(COLLECTION, &state(1, 4, 4)).expect("written"), Kept::Superseded);
    assert_eq!(store.remember(COLLECTION, &state(1, 5, 4)).expect("written"), Kept::Newest);
    let again = Folder::new(store.folder().to_owned());
    assert_eq!(again.read(COLLECTION).expect("readable"), Some(state(1, 5, 4)));
    assert_eq!(again.read("notary.example registry.example/app").expect("readable"), None);
}

#[test]
fn the_same_version_with_another_content_is_refused_and_changes_nothing() {
    let (_folder, store) = store();
    store.remember(COLLECTION, &state(1, 5, 3)).expect("written");
    let mut other = state(1, 5, 4);
    other.roles.get_mut("timestamp").and_then(|by_key| by_key.get_mut("k")).expect("there").sha256.push('x');
    let error = store.remember(COLLECTION, &other).expect_err("another file");
    assert!(matches!(&error, StoreError::Conflict { role, version: 5, .. } if role == "timestamp"), "{error}");
    assert_eq!(store.read(COLLECTION).expect("readable"), Some(state(1, 5, 3)));
}

#[test]
fn what_is_damaged_or_open_to_others_is_not_nothing() {
    let (_folder, store) = store();
    store.remember(COLLECTION, &state(1, 5, 3)).expect("written");
    let file = store.file(COLLECTION);
    std::fs::copy(&file, store.file("other name")).expect("copied");
    assert!(matches!(store.read("other name"), Err(StoreError::Damaged { .. })));
    for bytes in [b"".as_slice(), b"{\"collection\":", b"{}"] {
        std::fs::write(&file, bytes).expect("written");
        assert!(matches!(store.read(COLLECTION), Err(StoreError::Damaged { .. })));
        assert!(matches!(store.remember(COLLECTION, &state(9, 9, 9)), Err(StoreError::Damaged { .. })));
    }
    std::fs::set_permissions(store.folder(), std::fs::Permissions::from_mode(0o777)).expect("changed");
    assert!(matches!(store.read("a third name"), Err(StoreError::Exposed { .. })));
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let (_folder, store) = store();
    let mut state = state(1, 5, 3);
    let seen = state.root.clone().expect("there");
    let roles = |from: u64, to: u64| {
        let by_key = || (0..128).map(|key| (format!("{key:064x}"), seen.clone())).collect();
        (from..to).map(|role| (format!("targets/{role}"), by_key())).collect::<Vec<_>>()
    };
    state.roles.extend(roles(0, 40));
    store.remember(COLLECTION, &state).expect("as many as fit");
    let more = State { root: None, roles: roles(40, 60).into_iter().collect() };
    assert!(matches!(store.remember(COLLECTION, &more), Err(StoreError::Full { .. })));
    assert_eq!(store.read(COLLECTION).expect("readable"), Some(state));
}

#[test]
fn what_is_new_and_finds_no_place_is_not_passed_over() {
    let (_folder, store) = store();
    let seen = |version: u64| Seen { version, sha256: format!("sha256:{version:064x}") };
    let role = |by_key: Vec<(String, Seen)>| State {
        root: None,
        roles: [("targets".to_owned(), by_key.into_iter().collect())].into(),
    };
    let stolen = role((0..128).map(|key| (format!("{key:03}"), seen(1_000_000))).collect());
    store.remember(COLLECTION, &stolen).expect("as many as fit");
    let honest = role(vec![("honest".to_owned(), seen(10))]);
    assert!(matches!(store.remember(COLLECTION, &honest), Err(StoreError::Full { .. })));
    // What is newer than all of them takes the place of one.
    let newer = role(vec![("honest".to_owned(), seen(1_000_001))]);
    store.remember(COLLECTION, &newer).expect("there is a place");
}

#[test]
fn nothing_is_remembered_while_another_process_does_not_end() {
    let (_folder, store) = store();
    store.remember(COLLECTION, &state(1, 1, 1)).expect("written");
    let lock = store.lock().expect("free");
    store.remember(COLLECTION, &state(1, 1, 1)).expect("nothing is new");
    assert!(matches!(store.remember(COLLECTION, &state(1, 2, 1)), Err(StoreError::Busy { .. })));
    drop(lock);
    store.remember(COLLECTION, &state(1, 2, 1)).expect("written");
}

#[test]
fn many_writers_at_once_leave_the_newest() {
    let (_folder, store) = store();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                for step in 0..20 {
                    store.remember(COLLECTION, &state(1, step * 8 + writer, 1)).expect("written");
                }
            });
        }
    });
    assert_eq!(store.read(COLLECTION).expect("readable"), Some(state(1, 159, 1)));
}
