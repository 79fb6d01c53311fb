//! `bulla sign`: signs images with a private key, publishes the signatures and reads them back.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use super::publishing::{self, Images, Options};
use crate::certificate::Chain;
use crate::notation::{Envelope, Notation, Timestamps};
use crate::options::Global;
use crate::output::Exit;
use crate::plan::Kept;
use crate::policies;

const EXAMPLES: &str = "\
Examples:
  bulla sign registry.example/app:1.4 --key bulla.key
  bulla sign registry.example/app:1.4 registry.example/db:9 --key bulla.key --annotation stage=tested --yes
  bulla sign registry.example/app:1.4 --key bulla.key --form bundle --recursive
  bulla sign registry.example/app:1.4 --key bulla.key --signature-repository registry.example/signatures
  bulla sign registry.example/app:1.4 --key 'pkcs11:token=release;object=images'
  bulla sign registry.example/app:1.4 --key bulla.key --layout registry.example/app=./layout --dry-run
  bulla sign registry.example/app:1.4 --key release.key --form notation --annotation stage=tested --expiry 30d
  bulla sign registry.example/app:1.4 --key 'pkcs11:token=release;object=images' --form notation --envelope cose \
      --certificate-chain release.chain.crt --timestamp-url http://tsa.example --timestamp-root-cert tsa-root.crt

A tag is resolved to its digest, and the digest is signed. All images are prepared and checked before the first
signature is published. Signatures of others stay, and a command that ends with 0 has seen its own where verifiers look
for it, after another signer's write of the same moment would have shown. A registry that makes a write visible only
later, or a signer that does not look again (cosign), can still lose one; with --form bundle and a registry that lists
referrers, signers never touch the same thing. docs/signing.md says more.

Exit codes: 0 every signature is there; 2 it is not, or nothing could be signed. `error:` says how far it got.";

/// Where and in which form a signature lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Images under the tags that cosign 1 and 2 use
    Legacy,
    /// Sigstore bundles that refer to the image, as cosign 3 writes them
    Bundle,
    /// Notary Project signatures that refer to the image, as the notation CLI writes them: they carry certificates
    Notation,
}

/// What only signatures of the Notary Project have.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --form notation")]
struct NotationOptions {
    /// The key's certificate and those above it up to the root, PEM [default: beside a key file NAME.key, what `bulla key
    /// certificate` writes: NAME.chain.crt, else NAME.crt]
    #[arg(long, value_name = "FILE")]
    certificate_chain: Option<PathBuf>,
    /// The envelope around the signature [default: jws]
    #[arg(long, value_enum)]
    envelope: Option<Envelope>,
    /// How long the signature counts, in minutes, hours or days, e.g. `720h` or `30d`; without it, it does not expire
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    expiry: Option<i64>,
    /// An authority that states when the signature was made (RFC 3161)
    #[arg(long, value_name = "URL", requires = "timestamp_root_cert")]
    timestamp_url: Option<String>,
    /// The root certificate of that authority, PEM: its timestamp is verified before anything is published
    #[arg(long, value_name = "FILE", requires = "timestamp_url")]
    timestamp_root_cert: Option<PathBuf>,
}

/// Sign images with a private key, as `cosign sign --key` or `notation sign` does
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    images: Images,
    /// How it is kept
    #[arg(long, value_enum, default_value_t = Form::Legacy)]
    form: Form,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    notation: NotationOptions,
}

/// Signs, publishes, reads back.
///
/// # Errors
/// When an image cannot be signed; then nothing is published unless publishing had begun, which the error says.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let kept = match arguments.form {
        Form::Notation => Kept::Notation(Box::new(arguments.notation()?)),
        other => {
            if let Some(option) = arguments.notation.first_given() {
                bail!("{option} belongs to --form notation");
            }
            Kept::Cosign(if other == Form::Bundle { policies::Form::Bundle } else { policies::Form::Legacy })
        }
    };
    publishing::run(global, &arguments.images, &arguments.options, kept, None)
}

impl Arguments {
    fn notation(&self) -> Result<Notation> {
        if self.options.signature_repository.is_some() {
            bail!("--signature-repository: signatures of this form lie beside their image");
        }
        let given = &self.notation;
        let timestamps = match (&given.timestamp_url, &given.timestamp_root_cert) {
            (Some(url), Some(file)) => {
                let named = || format!("--timestamp-root-cert {}", file.display());
                Some(Timestamps { url: url.clone(), roots: std::fs::read_to_string(file).with_context(named)? })
            }
            _ => None,
        };
        let now = bulla_server::now();
        Ok(Notation {
            envelope: given.envelope.unwrap_or(Envelope::Jws),
            chain: Chain::find(&self.options.key, given.certificate_chain.as_deref(), "--certificate-chain FILE")?,
            now,
            expiry: given.expiry.map(|seconds| now.saturating_add(seconds)),
            timestamps,
        })
    }
}

impl NotationOptions {
    /// An option that was given, for the error that says that it has no meaning.
    fn first_given(&self) -> Option<&'static str> {
        [
            ("--certificate-chain", self.certificate_chain.is_some()),
            ("--envelope", self.envelope.is_some()),
            ("--expiry", self.expiry.is_some()),
            ("--timestamp-url", self.timestamp_url.is_some()),
        ]
        .into_iter()
        .find_map(|(option, is_given)| is_given.then_some(option))
    }
}

/// A duration in seconds: a whole number and a unit.
fn seconds(text: &str) -> Result<i64, String> {
    let unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
    match number.filter(|number| *number > 0 && unit > 0) {
        Some(number) => Ok(i64::from(number).saturating_mul(unit)),
        None => Err("expected a whole number and m, h or d, e.g. 720h or 30d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(["90m", "720h", "30d"].map(seconds), [Ok(5400), Ok(2_592_000), Ok(2_592_000)]);
        for wrong in ["", "h", "30", "0d", "-1d", "1h30m", "1.5h", "1w", "é"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
