//! Where a passphrase comes from: the environment, else a question on the terminal. Never the command line, which others
//! can see.

use std::env;
use std::io::IsTerminal as _;

use anyhow::{Context as _, Result, bail};
use zeroize::Zeroizing;

/// The variables, the first one that is set wins. The second is cosign's.
const VARIABLES: [&str; 2] = ["BULLA_PASSPHRASE", "COSIGN_PASSWORD"];
/// Only for `bulla key import`, which opens one key file and writes another.
const NEW_VARIABLE: &str = "BULLA_NEW_PASSPHRASE";

/// The passphrase that opens this key file.
///
/// # Errors
/// When neither the environment nor a terminal can give one.
pub(crate) fn to_open(file: &str) -> Result<Zeroizing<Vec<u8>>> {
    match from_environment(&VARIABLES)? {
        Some(passphrase) => Ok(passphrase),
        None => ask(&format!("Passphrase for {file}: "), file),
    }
}

/// A passphrase for a key file that is about to be written. On a terminal it is asked for twice.
///
/// # Errors
/// When neither the environment nor a terminal can give one, or the two answers differ.
pub(crate) fn for_new(file: &str, is_import: bool) -> Result<Zeroizing<Vec<u8>>> {
    let imported: &[&str] = &[NEW_VARIABLE, VARIABLES[0], VARIABLES[1]];
    let variables = if is_import { imported } else { &VARIABLES };
    if let Some(passphrase) = from_environment(variables)? {
        return Ok(passphrase);
    }
    let first = ask(&format!("New passphrase for {file}: "), file)?;
    let second = ask("The same again: ", file)?;
    if first != second {
        bail!("the two passphrases differ; nothing was written");
    }
    Ok(first)
}

/// The PIN of a token, asked for on the terminal; none where there is no terminal or nobody answers.
pub(crate) fn pin(token: &str) -> Option<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    rpassword::prompt_password(format!("PIN of {token}: ")).ok().map(Zeroizing::new)
}

fn from_environment(variables: &[&str]) -> Result<Option<Zeroizing<Vec<u8>>>> {
    for name in variables {
        match env::var(name) {
            Ok(value) => return Ok(Some(Zeroizing::new(value.into_bytes()))),
            Err(env::VarError::NotPresent) => {}
            Err(env::VarError::NotUnicode(_)) => bail!("${name} is not UTF-8"),
        }
    }
    Ok(None)
}

fn ask(prompt: &str, file: &str) -> Result<Zeroizing<Vec<u8>>> {
    if !std::io::stdin().is_terminal() {
        bail!(
            "{file} needs a passphrase, and there is no terminal to ask on: set {} (or {})",
            VARIABLES[0],
            VARIABLES[1]
        );
    }
    let answer = rpassword::prompt_password(prompt).context("cannot read the passphrase from the terminal")?;
    Ok(Zeroizing::new(answer.into_bytes()))
}
