//! Writes the vectors, or checks that the ones that lie there are what would be written (`--check`). `--questions DIR` writes what
//! authorities have to be asked for some of them (core/testdata/notation/stamps/make.sh).

use std::fs;
use std::process::ExitCode;

use bulla_tests::{make, vectors};

fn main() -> ExitCode {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some("--questions") => return questions(&std::env::args().nth(2).unwrap_or_default()),
        Some(other) => {
            eprintln!("unknown argument {other:?}; usage: vectors [--check | --questions DIR]");
            return ExitCode::from(2);
        }
    };
    let made = make::all();
    if check {
        let differences = make::differences(&made);
        differences.iter().for_each(|difference| println!("{difference}"));
        println!("{} vectors, {} differ", made.len(), differences.len());
        return if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    // What is no longer made goes away, so the folder holds exactly the list.
    let _ = fs::remove_dir_all(vectors::folder());
    for (name, vector) in &made {
        let path = vectors::folder().join(format!("{name}.json"));
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, vector.text()));
        if let Err(error) = written {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    println!("{} vectors written to {}", made.len(), vectors::folder().display());
    ExitCode::SUCCESS
}

fn questions(folder: &str) -> ExitCode {
    for (name, bytes) in make::notation_stamped::questions() {
        if let Err(error) = fs::write(std::path::Path::new(folder).join(name), bytes) {
            eprintln!("{folder}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
