//! The tables in docs/interop.md, each between two markers; the rest of the file is written by hand.

use std::fmt::Write as _;
use std::fs;
use std::sync::{Mutex, PoisonError};

use bulla_tests::support::RegistryKind;

use super::notes::Note;
use super::rows::{Cell, Form, Program, Row, Section};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/interop.md");

/// Tests run at the same time, and each writes its part.
static WRITING: Mutex<()> = Mutex::new(());

/// What stands between the markers, from what the run has just held.
pub(super) fn tables(sections: &[Section], versions: &[String]) -> String {
    let mut text = format!(
        "Held by `the_matrix_of_signers_and_verifiers_is_as_documented` with {}.\n\
         ✓: accepted, and refused under another key, as another type of attestation, and without the row's condition.\n\
         –: refused. A letter says why, below.\n",
        versions.join(" and ")
    );
    for section in sections {
        let _ = write!(text, "\n### {}\n\n{}", section.title, table(section));
    }
    text.push('\n');
    for note in Note::ALL {
        let _ = writeln!(text, "* **{}** {}", note.letter(), note.text());
    }
    text
}

fn table(section: &Section) -> String {
    let mut forms: Vec<Form> = Vec::new();
    for row in &section.rows {
        if !forms.contains(&row.form) {
            forms.push(row.form);
        }
    }
    let registries: Vec<&str> = section.registries.iter().map(|kind: &RegistryKind| kind.program()).collect();
    let mut text = format!("At {}.\n\n| {} | signed by |", registries.join(" and "), section.column);
    for form in &forms {
        let name = match form {
            Form::Legacy => "legacy",
            Form::Bundle => "bundle",
            Form::Oci11 => "OCI 1.1",
        };
        Program::ALL.iter().for_each(|verifier| {
            let _ = write!(text, " {name}: {} |", verifier.name());
        });
    }
    let columns = 2 + forms.len() * Program::ALL.len();
    let _ = writeln!(text, "\n|{}", " --- |".repeat(columns));
    // Rows differ only in form within such a group: they are one line.
    for group in section.rows.chunks(forms.len()) {
        let _ = write!(text, "| {} | {} |", group[0].label(section.column), group[0].signer.name());
        group.iter().for_each(|row| cells(&mut text, row));
        text.push('\n');
    }
    text
}

fn cells(text: &mut String, row: &Row) {
    for verifier in Program::ALL {
        let _ = match row.expected(verifier) {
            Cell::Yes(None) => write!(text, " ✓ |"),
            Cell::Yes(Some(note)) => write!(text, " ✓ {} |", note.letter()),
            Cell::No(note) => write!(text, " – {} |", note.letter()),
        };
    }
}

/// Holds one part of the document against what the run gave, or writes it there with `BULLA_WRITE_DOCS=1`.
pub(crate) fn compare_or_write(part: &str, tables: &str) {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let (begin, end) = (format!("<!-- {part} begins -->\n"), format!("<!-- {part} ends -->\n"));
    let document = fs::read_to_string(FILE).expect("docs/interop.md");
    let (before, rest) = document.split_once(&begin).unwrap_or_else(|| panic!("docs/interop.md has no {begin}"));
    let (now, after) = rest.split_once(&end).unwrap_or_else(|| panic!("docs/interop.md has no {end}"));
    if std::env::var_os("BULLA_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(FILE, format!("{before}{begin}{tables}{end}{after}")).expect("docs/interop.md can be written");
        eprintln!("docs/interop.md: {part} is written");
        return;
    }
    let different = now.lines().zip(tables.lines()).find(|(now, then)| now != then);
    assert!(
        now == tables,
        "docs/interop.md says something else ({different:?}): BULLA_WRITE_DOCS=1 cargo xtask test with this test writes it anew"
    );
}
