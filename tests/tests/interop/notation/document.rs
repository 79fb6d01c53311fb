//! The tables about Notation in docs/interop.md.

use std::fmt::Write as _;

use bulla_tests::support::RegistryKind;
use bulla_tests::support::certificates::ALGORITHMS;
use bulla_tests::support::notation::{FORMATS, Trust};

use super::{SIGNERS, VERIFIERS};

/// Who signs and who verifies, from what the run has just held.
pub(super) fn who_signs() -> String {
    let registries = RegistryKind::ALL.map(RegistryKind::program).join(" and ");
    let mut text = format!(
        "Held by `what_one_signs_with_notation_every_one_verifies` at {registries}, and at zot where it is there.\n\
         ✓: refused before it was signed, accepted, and refused under another authority of the same name.\n\n\
         | key | signed by |"
    );
    for format in FORMATS {
        VERIFIERS.iter().for_each(|(verifier, _)| {
            let _ = write!(text, " {}: {verifier} |", format.to_uppercase());
        });
    }
    let columns = FORMATS.len() * VERIFIERS.len();
    let _ = writeln!(text, "\n|{}", " --- |".repeat(2 + columns));
    let keys = ALGORITHMS.iter().map(|algorithm| format!("{algorithm}, issued by an authority"));
    for key in keys.chain(["EC-256, a certificate that signs itself".to_owned()]) {
        for (signer, _) in SIGNERS {
            let _ = writeln!(text, "| {key} | {signer} |{}", " ✓ |".repeat(columns));
        }
    }
    text
}

/// A trust policy in few words.
pub(super) fn in_words(trust: &Trust<'_>) -> String {
    let mut words = vec![format!("`{}`", trust.level)];
    for (check, action) in trust.overrides.as_object().into_iter().flatten() {
        words.push(format!("`{check}: {}`", action.as_str().unwrap_or_default()));
    }
    if trust.stores.iter().any(|store| store.starts_with("tsa:")) {
        words.push(format!("timestamps `{}`", trust.timestamps.unwrap_or("always")));
    }
    words.join(", ")
}
