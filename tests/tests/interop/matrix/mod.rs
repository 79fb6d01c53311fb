//! The matrix: who signs what with which key in which form, and who verifies it. docs/interop.md has its outcome.
//!
//! | file | subject |
//! | --- | --- |
//! | `rows.rs` | the combinations, and what is expected of each |
//! | `notes.rs` | what a peer does not do, in the words of docs/interop.md |
//! | `world.rs` | registries, images, keys and programs that all combinations share |
//! | `keys.rs` | the keys |
//! | `sign.rs`, `verify.rs` | one combination: the commands |
//! | `document.rs` | the tables in docs/interop.md |

mod document;
mod keys;
mod notes;
mod rows;
mod sign;
mod verify;
mod world;

pub(crate) use document::compare_or_write;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bulla_tests::support::RegistryKind;

use rows::{Cell, Program, Row, Section};
use world::World;

/// Combinations at work at once. More than there are processors: signing by tag waits a second to see whether it stays.
const AT_ONCE: usize = 8;

/// Every combination does what it is expected to do, also where that is a refusal; the document says the same.
#[test]
fn the_matrix_of_signers_and_verifiers_is_as_documented() {
    let Some(world) = World::new() else { return };
    let sections = rows::sections();
    let mut combinations: Vec<(&Section, &Row, RegistryKind)> = Vec::new();
    for section in &sections {
        for row in &section.rows {
            let places = world.places_of(section.registries);
            combinations.extend(places.into_iter().map(|registry| (section, row, registry)));
        }
    }
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((section, row, registry)) = combinations.get(number) else { return };
                    if let Err(failure) = holds(&world, row, *registry, number) {
                        let place = format!("{} / {row:?} at {}", section.title, registry.program());
                        failures.lock().expect("no panic").push(format!("{place}\n    {failure}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    let count = combinations.len();
    assert!(failures.is_empty(), "{} of {count} combinations:\n{}", failures.len(), failures.join("\n"));
    compare_or_write("the matrix", &document::tables(&sections, &world.versions()));
}

/// Signs as the row says, and holds each verifier against what is expected of it.
fn holds(world: &World, row: &Row, registry: RegistryKind, number: usize) -> Result<(), String> {
    let place = world.place(row, registry, number);
    sign::sign(world, row, &place)?;
    let mut failures = Vec::new();
    for verifier in Program::ALL {
        let outcome = match row.expected(verifier) {
            Cell::Yes(note) => verify::accepts_this_and_nothing_else(world, row, &place, verifier, note),
            Cell::No(_) => verify::refuses(world, row, &place, verifier),
        };
        failures.extend(outcome.err());
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n    ")) }
}
