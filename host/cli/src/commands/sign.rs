//! `bulla sign`: signs images with a private key, publishes the signatures and reads them back.

use anyhow::Result;
use clap::Args;

use super::form::FormOptions;
use super::publishing::{self, Images, Options};
use crate::options::Global;
use crate::output::Exit;

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

/// Sign images with a private key, as `cosign sign --key` or `notation sign` does
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    form: FormOptions,
    #[command(flatten)]
    options: Options,
}

/// Signs, publishes, reads back.
///
/// # Errors
/// When an image cannot be signed; then nothing is published unless publishing had begun, which the error says.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let options = &arguments.options;
    let kept = arguments.form.kept(&options.key, options.signature_repository.is_some())?;
    publishing::run(global, &arguments.images, options, kept, None)
}
