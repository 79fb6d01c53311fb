//! Writes the vectors, or checks that the ones that lie there are what would be written (`--check`).

use std::fs;
use std::process::ExitCode;

use bulla_tests::{make, vectors};

fn main() -> ExitCode {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            eprintln!("unknown argument {other:?}; usage: vectors [--check]");
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
