//! kill -9: whatever was acknowledged is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::{env, thread};

use bulla_records::{Durability, Options, Store, Whole};

use crate::common::invented;

const FOLDER: &str = "BULLA_TEST_RECORDS";
const DURABILITY: &str = "BULLA_TEST_DURABILITY";

/// Not a test: the process that is killed. It writes with four threads and says each id once it was acknowledged.
#[test]
#[ignore = "the process that the test below kills"]
fn writes_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let synchronous = env::var(DURABILITY).is_ok_and(|value| value == "synchronous");
    let durability = if synchronous { Durability::Synchronous } else { Durability::Batched };
    let store = Store::open(Path::new(&folder), Options { durability, ..Options::default() }).expect("ours");
    let out = Mutex::new(std::io::stdout());
    thread::scope(|scope| {
        for number in 0..4u64 {
            let (store, out) = (&store, &out);
            scope.spawn(move || {
                for count in 0..u64::MAX / 8 {
                    let id = invented(count * 4 + number, format!("evidence {count}").into()).write(store).id;
                    writeln!(out.lock().expect("no panic"), "\nid {}", id.hex()).expect("somebody reads");
                }
            });
        }
    });
}

#[test]
fn nothing_that_was_acknowledged_is_lost() {
    for (durability, lines) in [("batched", 1), ("batched", 400), ("synchronous", 40), ("batched", 1500)] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "crash::writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, &path)
            .env(DURABILITY, durability)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut id = || said.by_ref().find_map(|line| Some(line.ok()?.strip_prefix("id ")?.to_owned()));
        let mut ids: Vec<String> = (0..lines).map_while(|_| id()).collect();
        assert_eq!(ids.len(), lines, "it wrote");
        child.kill().expect("SIGKILL");
        child.wait().expect("it is dead");
        // What it said and nobody had read yet.
        ids.extend(std::iter::from_fn(id).filter(|id| id.len() == 64));

        let store = Store::open(&path, Options::default()).expect("the lock died with it");
        let reader = store.reader();
        let step = (ids.len() / 50).max(1);
        for id in ids.iter().step_by(step).chain(ids.last()) {
            let (id, bytes) = reader.find(id).expect("acknowledged");
            Whole::gather(id, bytes, &reader).expect("whole");
        }
        invented(0, "afterwards".into()).write(&store);
    }
}
