//! In which form signatures are made, for the commands that make them.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::certificate::Chain;
use crate::notation::{Envelope, Notation, Timestamps};
use crate::plan::Kept;
use crate::policies;

/// The form, and what only some of them have.
#[derive(Debug, Args)]
pub(super) struct FormOptions {
    /// How it is kept
    #[arg(long, value_enum, default_value_t = Form::Legacy)]
    form: Form,
    #[command(flatten)]
    notation: NotationOptions,
}

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

impl FormOptions {
    /// How signatures by this key are kept. `is_elsewhere`: in another repository than their image.
    ///
    /// # Errors
    /// When an option does not belong to the form, or a file cannot be read.
    pub(super) fn kept(&self, key: &str, is_elsewhere: bool) -> Result<Kept> {
        if self.form == Form::Notation {
            return Ok(Kept::Notation(Box::new(self.notation(key, is_elsewhere)?)));
        }
        if let Some(option) = self.notation.first_given() {
            bail!("{option} belongs to --form notation");
        }
        Ok(Kept::Cosign(if self.form == Form::Bundle { policies::Form::Bundle } else { policies::Form::Legacy }))
    }

    fn notation(&self, key: &str, is_elsewhere: bool) -> Result<Notation> {
        if is_elsewhere {
            bail!("--signature-repository: signatures of this form lie beside their image");
        }
        let given = &self.notation;
        let timestamps = match (&given.timestamp_url, &given.timestamp_root_cert) {
            (Some(url), Some(file)) => {
                let named = || format!("--timestamp-root-cert {}", file.display());
                let roots = std::fs::read_to_string(file).with_context(named)?;
                Some(Timestamps { option: "--timestamp-url", url: url.clone(), roots })
            }
            _ => None,
        };
        let now = bulla_server::now();
        Ok(Notation {
            envelope: given.envelope.unwrap_or(Envelope::Jws),
            chain: Chain::find(key, given.certificate_chain.as_deref(), "--certificate-chain FILE")?,
            now,
            expiry: given.expiry.map(|seconds| now.saturating_add(seconds)),
            timestamps,
            plugin: false,
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
