//! `bulla verify-blob`: asks the module about a file and Notation's signature of it, under Notation's trust policy for blobs
//! (trust-store-trust-policy.md, "Blob Trust Policy").

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bulla_engine::abi::Operation;
use bulla_engine::{DecideError, Engine, inquire};
use clap::Args;
use serde_json::{Value, json};

use crate::conversion::{MAX_POLICY_FILE, configured_as, read, store, store_folder};
use crate::notation::Envelope;
use crate::options::Global;
use crate::output::{self, Exit};
use crate::records::clean;
use crate::sources::{SourceOptions, pair};
use crate::{ask, start};

/// Notation's trust policy for blobs.
const TRUST_POLICY: [&str; 1] = ["trustpolicy.blob.json"];
/// Octets of a blob. 16 MiB: what the module takes.
const MAX_BLOB: u64 = 16 * 1024 * 1024;
/// Octets of an envelope. 128 KiB: what the module reads.
const MAX_ENVELOPE: u64 = 128 * 1024;

const EXAMPLES: &str = "\
Examples:
  bulla verify-blob app.tar --signature app.tar.jws.sig
  bulla verify-blob app.tar --signature app.tar.cose.sig --trust-policy trustpolicy.blob.json --statement builds
  bulla verify-blob app.tar --signature app.tar.jws.sig --media-type application/x-tar --user-metadata stage=tested

Exit codes: 0 accepted; 1 rejected; 2 unknown, or nothing could be decided.";

/// Decide whether a file was signed, as `notation blob verify` does
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The file
    blob: PathBuf,
    /// Its signature: what `notation blob sign` writes, FILE.jws.sig or FILE.cose.sig
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The envelope around the signature [default: as the name of the file says]
    #[arg(long, value_enum)]
    envelope: Option<Envelope>,
    /// A trust policy of Notation for blobs [default: trustpolicy.blob.json in Notation's configuration folder]
    #[arg(long, value_name = "FILE")]
    trust_policy: Option<PathBuf>,
    /// The statement of the trust policy [default: the one with globalPolicy]
    #[arg(long, value_name = "NAME")]
    statement: Option<String>,
    /// Where the trust stores are, when they are not in the folder `truststore` beside the trust policy
    #[arg(long, value_name = "DIR")]
    trust_store: Option<PathBuf>,
    /// The media type that it must have been signed as
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// Metadata that must have been signed with exactly this value
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    user_metadata: Vec<(String, String)>,
    /// Seconds; what is not known by then is unknown
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,
    #[command(flatten)]
    sources: SourceOptions,
}

/// Decides about the file and prints the verdict.
///
/// # Errors
/// When a file or the configuration cannot be used.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    let verdict = start::runtime()?.block_on(decide(&engine, arguments))?;
    let outcome = verdict.get("outcome").and_then(Value::as_str).unwrap_or_default();
    output::either(
        global.output,
        || text(&arguments.blob.display().to_string(), outcome, &verdict),
        || verdict.clone(),
    );
    Ok(match outcome {
        "accept" => Exit::Done,
        "reject" => Exit::Rejected,
        _ => Exit::Failed,
    })
}

async fn decide(engine: &Engine, arguments: &Arguments) -> Result<Value> {
    let deadline = Instant::now() + Duration::from_secs(arguments.deadline);
    let file = match &arguments.trust_policy {
        Some(file) => file.clone(),
        None => configured_as(&TRUST_POLICY).context("--trust-policy")?,
    };
    let envelope = match arguments.envelope.or_else(|| named(&arguments.signature)) {
        Some(Envelope::Jws) => "jws",
        Some(Envelope::Cose) => "cose",
        None => bail!("--signature {}: neither .jws.sig nor .cose.sig: say --envelope", arguments.signature.display()),
    };
    let metadata: BTreeMap<&String, &String> =
        arguments.user_metadata.iter().map(|(name, value)| (name, value)).collect();
    let mut question = json!({"content": 0, "signature": 1, "envelope": envelope, "policy": 2, "metadata": metadata,
        "now": bulla_server::now()});
    for (name, value) in [("mediaType", &arguments.media_type), ("statement", &arguments.statement)] {
        if let Some(value) = value {
            question[name] = json!(value);
        }
    }
    let mut blobs = vec![
        read(&arguments.blob, MAX_BLOB)?,
        read(&arguments.signature, MAX_ENVELOPE)?,
        read(&file, MAX_POLICY_FILE)?,
    ];
    let sources = arguments.sources.open()?;
    let mut files: Vec<Value> = Vec::new();
    loop {
        question["files"] = json!(files);
        let answered = inquire(engine, Operation::Blob, &question, blobs.clone(), &sources, deadline).await;
        let (verdict, _) = answered.map_err(|error| match error {
            DecideError::Sandbox(error) => ask::plain(error),
            other => other.into(),
        })?;
        let reasons = verdict.get("reasons").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let before = files.len();
        // Stores that the statement names are read once they are missed.
        for name in reasons.iter().filter_map(|reason| reason.get("folder")?.as_str()) {
            let Some(folder) = store_folder(&file, arguments.trust_store.as_deref(), name) else { continue };
            for (certificate, bytes) in store(&folder)? {
                files.push(json!({"path": format!("{name}/{certificate}"), "blob": blobs.len()}));
                blobs.push(bytes);
            }
        }
        if files.len() == before {
            return Ok(verdict);
        }
    }
}

/// The envelope that the name of a signature file says.
fn named(file: &std::path::Path) -> Option<Envelope> {
    let name = file.file_name()?.to_str()?;
    let ends = |ending: &str| name.ends_with(ending);
    if ends(".jws.sig") {
        Some(Envelope::Jws)
    } else if ends(".cose.sig") {
        Some(Envelope::Cose)
    } else {
        None
    }
}

/// A verdict for people.
fn text(blob: &str, outcome: &str, verdict: &Value) -> String {
    let word = match outcome {
        "accept" => "accepted",
        "reject" => "rejected",
        _ => "unknown",
    };
    let said = |name: &str| verdict.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut lines = vec![clean(&format!("{blob}: {word}"))];
    if let Some(subject) = verdict.pointer("/signer/subject").and_then(Value::as_str) {
        lines.push(clean(&format!("  signer: {subject}")));
    }
    if !said("statement").is_empty() {
        lines.push(clean(&format!("  statement: {} ({})", said("statement"), said("level"))));
    }
    let list = |name: &str| verdict.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for reason in list("reasons") {
        let message = reason.get("message").and_then(Value::as_str).unwrap_or_default();
        lines.push(clean(&format!("  {message}")));
    }
    for check in list("checks").iter().filter(|check| check["action"] == "log" && check["passed"] != true) {
        let text = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default();
        lines.push(clean(&format!("  {} is only logged: {}", text("check"), text("what"))));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Envelope, named};

    #[test]
    fn the_name_of_a_signature_says_its_envelope() {
        assert_eq!(named(Path::new("a/app.tar.jws.sig")), Some(Envelope::Jws));
        assert_eq!(named(Path::new("app.cose.sig")), Some(Envelope::Cose));
        assert_eq!(named(Path::new("app.sig")), None);
    }
}
