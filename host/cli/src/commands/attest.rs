//! `bulla attest`: signs what a file says about images, publishes it and reads it back.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::publishing::{self, Images, Options};
use crate::options::Global;
use crate::output::Exit;
use crate::plan::{Attestation, Kept};
use crate::policies::Form;

/// Octets of a predicate. 3 MiB: in base64, which an envelope holds, it is as large as verifiers read.
const MAX_PREDICATE_BYTES: u64 = 3 * 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  bulla attest registry.example/app:1.4 --key bulla.key --type spdxjson --predicate sbom.spdx.json
  bulla attest registry.example/app:1.4 --key bulla.key --type slsaprovenance1 --predicate provenance.json --form bundle
  bulla attest registry.example/app:1.4 --key bulla.key --type https://example.com/review/v1 --predicate review.json
  generate-sbom | bulla attest registry.example/app:1.4 --key bulla.key --type cyclonedx --predicate -

Types: custom, cyclonedx, link, openvex, slsaprovenance, slsaprovenance02, slsaprovenance1, spdx, spdxjson, vuln, or any
URI. Two attestations of one type both stay: nothing is replaced. Everything else is as with `bulla sign --help`.

Exit codes: 0 every attestation is there; 2 it is not, or nothing could be signed. `error:` says how far it got.";

/// Sign what a file says about images (SBOM, provenance, scan), as `cosign attest --key` does
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    images: Images,
    /// What kind of statement it is: a name or a URI
    #[arg(long = "type", value_name = "TYPE")]
    predicate_type: String,
    /// What is said: a file of that type; `-` for standard input
    #[arg(long, value_name = "FILE")]
    predicate: PathBuf,
    /// How it is kept
    #[arg(long, value_enum, default_value_t = Form::Legacy)]
    form: Form,
    #[command(flatten)]
    options: Options,
}

/// Attests, publishes, reads back.
///
/// # Errors
/// When the file cannot be read or an image cannot be attested; then nothing is published unless publishing had begun, which
/// the error says.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let attestation = Attestation {
        predicate_type: arguments.predicate_type.clone(),
        predicate: read(&arguments.predicate)?,
        now: bulla_server::now(),
    };
    publishing::run(global, &arguments.images, &arguments.options, Kept::Cosign(arguments.form), Some(attestation))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let named = || format!("--predicate {}", file.display());
    let mut bytes = Vec::new();
    let limit = MAX_PREDICATE_BYTES.saturating_add(1);
    let got = if file == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut bytes))
    };
    let got = got.with_context(named)?;
    if got as u64 > MAX_PREDICATE_BYTES {
        bail!("{}: more than {MAX_PREDICATE_BYTES} octets, which verifiers would not read", named());
    }
    Ok(bytes)
}
