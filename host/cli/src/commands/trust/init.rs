//! `bulla trust init`: a collection that its server does not have yet.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::Engine;
use bulla_engine::abi::Operation;
use bulla_notary::ServerRole;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::change::{Options, carry_out};
use crate::files::write_new;
use crate::options::Global;
use crate::output::Exit;
use crate::plan::Request;
use crate::signer::Signer;
use crate::start;
use crate::trust::{CollectionOptions, Wanted};

/// Seconds for which the certificate of a root key counts. Ten years, as Notary's client has it.
const CERTIFICATE_SECONDS: i64 = 10 * 365 * 24 * 60 * 60;
/// Octets of entropy for its serial number.
const SERIAL_BYTES: usize = 16;

const EXAMPLES: &str = "\
Examples:
  bulla key generate --form notary --role root --out root          (keep root.key offline)
  bulla key generate --form notary --role targets --out targets
  bulla trust init registry.example/team/app --root-key root.key --targets-key targets.key --root-certificate-out root.pem

The server signs timestamp and snapshot, unless --snapshot-key says otherwise; it is asked for its keys first, which makes them where it has
none for this name yet, and changes nothing else. The root key's id, which it prints, is what others pin
(`--pin ID`, `contentTrust: {pins: {rootKeys: [ID]}}`).";

/// Make a collection: its first root, signed by a root key, and empty targets
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The collection's globally unique name: registry and repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// The private root key, which also signs its own certificate for the collection
    #[arg(long, value_name = "KEY")]
    root_key: String,
    /// The certificate of the root key, PEM, where one was issued [default: one is made]
    #[arg(long, value_name = "FILE")]
    root_certificate: Option<PathBuf>,
    /// Writes the certificate that is made
    #[arg(long, value_name = "FILE", conflicts_with = "root_certificate")]
    root_certificate_out: Option<PathBuf>,
    /// The private targets key
    #[arg(long, value_name = "KEY")]
    targets_key: String,
    /// A snapshot key of your own [default: the server makes one and signs with it]
    #[arg(long, value_name = "KEY")]
    snapshot_key: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// # Errors
/// When a key cannot be used, or the server has the collection already.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let (gun, options) = (&arguments.gun, &arguments.options);
        if !options.key.is_empty() {
            bail!("--key: a new collection has --root-key, --targets-key and --snapshot-key");
        }
        let place: &CollectionOptions = &options.collection;
        let world = place.world(engine.clone())?;
        let root = Signer::open(&engine, &arguments.root_key).await.context("--root-key")?;
        let targets = Signer::open(&engine, &arguments.targets_key).await.context("--targets-key")?;
        if root.fingerprint == targets.fingerprint {
            bail!("--targets-key is the root key: whoever signs tags could replace everything");
        }
        let snapshot = match &arguments.snapshot_key {
            Some(key) => Some(Signer::open(&engine, key).await.context("--snapshot-key")?),
            None => None,
        };
        let certificate = match &arguments.root_certificate {
            Some(file) => {
                let shown = file.display().to_string();
                std::fs::read_to_string(file).with_context(|| format!("--root-certificate {shown}"))?
            }
            None => certify(&engine, gun, &root).await?,
        };
        let server = place.server_of(gun);
        let timestamp = world.notary().server_key(&server, gun, ServerRole::Timestamp).await?;
        let mut wanted = Wanted::default();
        let initial = json!({
            "root": [wanted.key("certificate", certificate.as_bytes())],
            "targets": [wanted.key("publicKey", targets.public.as_bytes())],
            "timestamp": wanted.key("listed", &timestamp),
            "snapshot": match &snapshot {
                Some(key) => wanted.key("publicKey", key.public.as_bytes()),
                None => {
                    let key = world.notary().server_key(&server, gun, ServerRole::Snapshot).await?;
                    wanted.key("listed", &key)
                }
            },
        });
        wanted.set("initial", initial);
        let collection = place.pinned(&world, gun, json!({"rootCertificates": [certificate]}));
        let keys: Vec<Signer> = [root, targets].into_iter().chain(snapshot).collect();
        let done = carry_out(global, options, &[(collection, wanted)], &keys).await?;
        if let Some(file) = arguments.root_certificate_out.as_ref().filter(|_| !options.dry_run) {
            write_new(file, certificate.as_bytes(), 0o644)?;
        }
        Ok(done)
    })
}

/// A certificate of this root key for the collection, signed by the key itself.
pub(super) async fn certify(engine: &Engine, gun: &str, root: &Signer) -> Result<String> {
    #[derive(Deserialize)]
    struct ToSign {
        hash: String,
    }
    let now = bulla_server::now();
    let mut serial = [0; SERIAL_BYTES];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| anyhow!("the system gives no random numbers"))?;
    let mut request = Request::new(json!({
        "gun": gun, "notBefore": now, "notAfter": now.saturating_add(CERTIFICATE_SECONDS)
    }));
    request.add("publicKey", Some(root.public.as_bytes()));
    request.add("serial", Some(&serial));
    let (ToSign { hash }, blobs) = request.clone().ask::<ToSign>(engine, Operation::Certify).await?;
    let message = blobs.first().ok_or_else(|| anyhow!("the module gave no certificate to sign"))?;
    let signature = root.sign_hashed(engine, message, &hash).await?;
    request.add("signature", Some(&signature));
    let (_, blobs) = request.ask::<Value>(engine, Operation::Certify).await?;
    let certificate = blobs.into_iter().next().ok_or_else(|| anyhow!("the module gave no certificate"))?;
    Ok(String::from_utf8(certificate)?)
}
