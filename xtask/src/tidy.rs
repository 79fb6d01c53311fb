//! `cargo xtask tidy`: the rules of the house that the compiler does not know.

mod graph;
mod source;

use crate::{process, workspace};
use anyhow::{Context as _, Result};
use std::fmt;
use std::fs;
use std::process::{Command, ExitCode};

/// Lines of one Rust file. Longer ones hold more than one subject.
const MAX_LINES: usize = 700;

/// What is never called in core outside tests. Failing is a value there: a panic of the module takes its sandbox along.
const PANICS: [&str; 6] = [".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!", "unreachable!"];

/// Folders of one machine. They make a file work here and nowhere else. (Written in two parts, or they would find
/// themselves.)
const MACHINE_FOLDERS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Hosts of package registries: which one to ask is the configuration of each package manager.
const REGISTRY_HOSTS: [&str; 9] = [
    concat!("crates", ".io"),
    concat!("proxy.golang", ".org"),
    concat!("sum.golang", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("static.rust-lang", ".org"),
    concat!("deb.debian", ".org"),
    concat!("repo1.maven", ".org"),
];

/// A broken rule, and where.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: String,
    /// From 1; 0 for the whole file.
    line: usize,
    rule: &'static str,
    why: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}: {}", self.file, self.rule, self.why),
            line => write!(f, "{}:{line}: {}: {}", self.file, self.rule, self.why),
        }
    }
}

/// Checks every file that git knows or would add, and the dependency graphs. Prints one line per finding.
///
/// # Errors
/// When git or cargo cannot be asked.
pub(crate) fn tidy() -> Result<ExitCode> {
    let mut findings = Vec::new();
    let files = files()?;
    for file in &files {
        // Deleted and not yet committed, or not text: nothing to check.
        let Ok(bytes) = fs::read(workspace::root().join(file)) else {
            continue;
        };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        findings.extend(check_file(file, &text));
    }
    if !files.iter().any(|file| file == "Cargo.lock") {
        findings.push(Finding {
            file: "Cargo.lock".to_owned(),
            line: 0,
            rule: "lock-file",
            why: "missing from the repository; without it two clones build two modules".to_owned(),
        });
    }
    findings.extend(graph::check()?);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} files clean", files.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} findings", findings.len());
    Ok(ExitCode::FAILURE)
}

fn files() -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = process::output(&mut git).context("tidy checks what git knows")?;
    Ok(listed.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect())
}

/// The rules that concern one file by itself.
fn check_file(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |line, rule, why| findings.push(Finding { file: file.to_owned(), line, rule, why });
    if file.ends_with(".rs") {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            found(0, "file-length", format!("{lines} lines, at most {MAX_LINES}; split it by subject"));
        }
        let in_sources = file.starts_with("src/") || file.contains("/src/");
        if in_sources && !text.starts_with("//!") {
            found(1, "first-line", "the first line says what the file is about, as a `//!` comment".to_owned());
        }
    }
    // A file of tests says so in itself; a name would be no proof.
    let is_of_tests = text.lines().any(|line| line == "#![cfg(test)]");
    if file.starts_with("core/src/") && file.ends_with(".rs") && !is_of_tests {
        for (number, line) in source::code_without_tests(text).lines().enumerate() {
            for panic in PANICS.iter().filter(|panic| source::calls(line, panic)) {
                found(number + 1, "no-panic", format!("`{panic}` in core; return an error that says what was wrong"));
            }
        }
    }
    if file.starts_with("host/") && file.ends_with(".rs") {
        for (number, line) in text.lines().enumerate() {
            if line.contains("bulla_core::") && !line.contains("bulla_core::yaml") {
                let why = "a host decides nothing: ask the module. Only core's YAML reader is shared".to_owned();
                found(number + 1, "host-decides-nothing", why);
            }
        }
    }
    if file != "Cargo.lock" {
        for (number, line) in text.lines().enumerate() {
            for folder in MACHINE_FOLDERS.iter().filter(|folder| names_folder(line, folder)) {
                found(number + 1, "machine-path", format!("`{folder}` is a folder of one machine; make it relative"));
            }
            for host in REGISTRY_HOSTS.iter().filter(|host| line.contains(**host)) {
                found(number + 1, "registry-host", format!("`{host}`: which registry to ask is the user's choice"));
            }
        }
    }
    findings
}

/// Whether a line has this absolute path, and not a longer path or an address that contains it.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-./~*}>$".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::{MACHINE_FOLDERS, MAX_LINES, REGISTRY_HOSTS, check_file};

    fn rules(file: &str, text: &str) -> Vec<(usize, &'static str)> {
        check_file(file, text).into_iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    #[test]
    fn a_long_file_and_a_file_without_a_subject_are_found() {
        let long = format!("//! Subject.\n{}", "\n".repeat(MAX_LINES));
        assert_eq!(rules("host/cli/src/a.rs", &long), [(0, "file-length")]);
        assert_eq!(rules("host/cli/src/a.rs", "use a;\n"), [(1, "first-line")]);
        assert_eq!(rules("host/cli/build.rs", "use a;\n"), []);
    }

    #[test]
    fn a_panic_in_core_is_found_outside_tests_only() {
        let text = "//! S.\nfn a() { b().unwrap() }\n#[cfg(test)]\nmod tests { fn c() { d().unwrap() } }\n";
        assert_eq!(rules("core/src/a.rs", text), [(2, "no-panic")]);
        assert_eq!(rules("host/cli/src/a.rs", text), []);
    }

    #[test]
    fn folders_of_a_machine_are_found_and_addresses_are_not() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(rules("a.md", &format!("see {folder}notes")), [(1, "machine-path")]);
            assert_eq!(rules("a.md", &format!("see https://example.com{folder}notes, target{folder}x")), []);
        }
    }

    #[test]
    fn registry_hosts_are_found_outside_the_lock_file() {
        let text = format!("source = https://{}/\n", REGISTRY_HOSTS[0]);
        assert_eq!(rules("docs/a.md", &text), [(1, "registry-host")]);
        assert_eq!(rules("Cargo.lock", &text), []);
    }
}
