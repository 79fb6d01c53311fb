//! `bulla notation-plugin`, and any command of a program called `notation-bulla`: Notation's plugin protocol, version 1.0
//! (Notary Project, plugin-extensibility.md).
//!
//! One command, a request on standard input, an answer on standard output; where it fails, an error as JSON on standard
//! error and an exit code that is not 0. A command is a line in [`answer`], and a capability in [`protocol::metadata`].

mod protocol;
mod sign;
mod verify;

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::Result;
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::protocol::{Code, Failure};
use crate::options::Global;
use crate::output::{self, Exit};

/// The file name by which notation calls this program.
const PROGRAM: &str = "notation-bulla";
/// Octets of a request. 8 MiB: an envelope to be made holds a payload of some hundred octets, one to be verified some KiB.
const MAX_REQUEST_BYTES: u64 = 8 * 1024 * 1024;

const HELP: &str = "\
Notation calls it: put a link to this program where notation looks for plugins,
  ln -s \"$(command -v bulla)\" ~/.config/notation/plugins/bulla/notation-bulla
and sign with any key that `bulla sign --key` takes:
  notation sign --plugin bulla --id /keys/release.key registry.example/app@sha256:…
  notation sign --plugin bulla --id 'pkcs11:token=release;object=images' \\
      --plugin-config certificate-chain=/keys/release.chain.crt registry.example/app@sha256:…

Without certificate-chain, the certificates are those beside the key file: release.chain.crt, else release.crt, for release.key.
Passphrases and PINs come from the environment: there is nobody to ask.

Notation makes the envelope, and the plugin the signature in it. With --plugin-config generator=envelope the plugin makes both, and takes
  timestamp-url=URL timestamp-root-cert=FILE     an authority that states when it was signed, and its root
  verification-plugin=bulla                      verifiers have to call this plugin
Then `notation verify` asks it whether the signer is one of the trusted identities, and whether a certificate was revoked:
  notation verify --plugin-config private-host=crl.internal.example registry.example/app@sha256:…";

/// Speak notation's plugin protocol
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Arguments {
    /// get-plugin-metadata, describe-key, generate-signature, generate-envelope or verify-signature
    command: String,
}

/// The command line, with `notation-plugin` in it where the program is called by the name that notation calls plugins by.
pub(crate) fn command_line(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let name = arguments.first().and_then(|program| Path::new(program).file_name());
    if name.is_some_and(|name| name == PROGRAM) {
        arguments.insert(1, "notation-plugin".into());
    }
    arguments
}

/// Answers one request. What goes wrong is said in the words of the protocol.
///
/// # Errors
/// Never: standard error holds nothing but JSON.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    Ok(match answer(global, &arguments.command) {
        Ok(answer) => {
            output::text(&answer.to_string());
            Exit::Done
        }
        Err(failure) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "{}", failure.to_json());
            Exit::Failed
        }
    })
}

fn answer(global: &Global, command: &str) -> Result<Value, Failure> {
    match command {
        "get-plugin-metadata" => protocol::metadata(&request()?),
        "describe-key" => sign::describe_key(&request()?),
        "generate-signature" => sign::generate_signature(global, &request()?),
        "generate-envelope" => sign::generate_envelope(global, &request()?),
        "verify-signature" => verify::verify_signature(global, &request()?),
        other => Err(Failure::new(Code::Validation, format!("{other:?} is no command of this plugin"))),
    }
}

/// The request on standard input.
fn request<T: DeserializeOwned>() -> Result<T, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().take(MAX_REQUEST_BYTES.saturating_add(1)).read_to_end(&mut bytes);
    let octets = read.map_err(|error| Failure::new(Code::Generic, format!("standard input: {error}")))?;
    if octets as u64 > MAX_REQUEST_BYTES {
        return Err(Failure::new(Code::Validation, format!("the request has more than {MAX_REQUEST_BYTES} octets")));
    }
    serde_json::from_slice(&bytes).map_err(|error| Failure::new(Code::Validation, format!("the request: {error}")))
}

#[cfg(test)]
mod tests {
    use super::command_line;

    #[test]
    fn the_name_of_the_program_chooses_the_command() {
        let line = |words: &[&str]| command_line(words.iter().map(Into::into));
        assert_eq!(line(&["/plugins/bulla/notation-bulla", "describe-key"])[1..], ["notation-plugin", "describe-key"]);
        assert_eq!(line(&["/usr/bin/bulla", "key", "show"])[1..], ["key", "show"]);
        assert_eq!(line(&[]), [""; 0]);
    }
}
