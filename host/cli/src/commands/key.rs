//! `bulla key`: makes, shows and imports keys.

mod certificate;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::Engine;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::ask::{self, KeyDescription, Write};
use crate::files::write_new;
use crate::options::Global;
use crate::output::{self, Exit};
use crate::signer::needs_passphrase;
use crate::{passphrase, start};

const GENERATE: &str = "\
Examples:
  bulla key generate
  bulla key generate --algorithm ed25519 --out release      (writes release.key and release.pub)
  bulla key generate --form notary --role targets/releases --out alice      (for Docker Content Trust)

The private key is encrypted in cosign's form, so `cosign sign --key` reads it as well; or in Notary's, which `notary key import` and
`docker trust key load` read. Files are never overwritten.";
const SHOW: &str = "Example: bulla key show bulla.pub";
const IMPORT: &str = "\
Example: bulla key import openssl-rsa.pem --out release      (writes release.key and release.pub)

The passphrase of the new file is $BULLA_NEW_PASSPHRASE, or else the same as everywhere.";

/// Make, show and import keys
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key pair
    #[command(after_help = GENERATE)]
    Generate(Generate),
    /// Describe a key: algorithm, fingerprint, public half
    #[command(after_help = SHOW)]
    Show(Show),
    /// Write a private key of another tool in cosign's encrypted form
    #[command(after_help = IMPORT)]
    Import(Import),
    /// Make a certificate for signing with Notation, for tests and teams without an authority
    #[command(after_help = certificate::EXAMPLES)]
    Certificate(certificate::Arguments),
}

/// What a key pair is made of.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The algorithm
    #[arg(long, value_enum, default_value_t = Algorithm::EcdsaP256)]
    algorithm: Algorithm,
    /// Writes PREFIX.key and PREFIX.pub
    #[arg(long, value_name = "PREFIX", default_value = "bulla")]
    out: PathBuf,
    /// Write the private key without encryption (PKCS #8)
    #[arg(long)]
    no_passphrase: bool,
    #[command(flatten)]
    form: FormOptions,
}

/// In whose form a private key is written.
#[derive(Debug, Args)]
pub(crate) struct FormOptions {
    /// Whose form the private key's file has
    #[arg(long, value_enum, default_value_t = Form::Cosign)]
    form: Form,
    /// With --form notary: the role that the key signs, e.g. targets/releases, or the name of a signer
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// With --form notary: the collection whose key it is
    #[arg(long, value_name = "GUN")]
    gun: Option<String>,
}

/// Forms of private key files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Cosign's encrypted PEM
    Cosign,
    /// Notary's PEM, encrypted as PKCS #8 is
    Notary,
}

/// What is shown.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A public or private key as PEM
    file: PathBuf,
}

/// What is imported.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A private key as PEM: PKCS #8, SEC 1, PKCS #1, or cosign's form
    file: PathBuf,
    /// Writes PREFIX.key and PREFIX.pub
    #[arg(long, value_name = "PREFIX")]
    out: PathBuf,
    #[command(flatten)]
    form: FormOptions,
}

/// Algorithms that the module makes keys for. RSA keys are made elsewhere and imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Ed25519,
}

impl Algorithm {
    const fn word(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// Runs one of them.
///
/// # Errors
/// When a file cannot be read or written, is no key, or the passphrase does not open it.
pub(crate) fn run(global: &Global, command: &Command) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        match command {
            Command::Generate(arguments) => generate(global, &engine, arguments).await,
            Command::Show(arguments) => show(global, &engine, arguments).await,
            Command::Import(arguments) => import(global, &engine, arguments).await,
            Command::Certificate(arguments) => certificate::run(global, &engine, arguments).await,
        }
    })
}

async fn generate(global: &Global, engine: &Engine, arguments: &Generate) -> Result<Exit> {
    let files = Files::new(&arguments.out)?;
    let passphrase = match arguments.no_passphrase {
        true => None,
        false => Some(passphrase::for_new(&files.private.display().to_string(), false)?),
    };
    let limits = ask::describe(engine).await?;
    let for_key = entropy(&limits, "keyEntropyBytes")?;
    let entropy = Zeroizing::new([for_key.as_slice(), entropy(&limits, "encryptionEntropyBytes")?.as_slice()].concat());
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
    let key = match arguments.form.is_notarys()? {
        false => ask::generate(engine, arguments.algorithm.word(), &entropy, passphrase).await?,
        true => {
            let plain = ask::generate(engine, arguments.algorithm.word(), &entropy, None).await?;
            let pem = plain.written.ok_or_else(|| anyhow!("the module gave no private key"))?;
            arguments.form.in_notarys_form(engine, &pem, passphrase).await?
        }
    };
    files.write(&key)?;
    output::either(global.output, || files.text("made", &key), || files.json(&key));
    Ok(Exit::Done)
}

async fn show(global: &Global, engine: &Engine, arguments: &Show) -> Result<Exit> {
    let shown = arguments.file.display().to_string();
    let file = Zeroizing::new(std::fs::read(&arguments.file).with_context(|| shown.clone())?);
    let named = |error| ask::plain(error).context(shown.clone());
    let key = match ask::key(engine, &file, None, Write::No).await {
        Err(error) if needs_passphrase(&error) => {
            let passphrase = passphrase::to_open(&shown)?;
            ask::key(engine, &file, Some(&passphrase), Write::No).await.map_err(named)?
        }
        other => other.map_err(named)?,
    };
    output::either(
        global.output,
        || format!("{} key  {}\nfingerprint  {}\n{}", key.kind, key.algorithm, key.fingerprint, key.public),
        || {
            json!({"kind": key.kind, "algorithm": key.algorithm, "fingerprint": key.fingerprint,
                "publicKey": key.public})
        },
    );
    Ok(Exit::Done)
}

async fn import(global: &Global, engine: &Engine, arguments: &Import) -> Result<Exit> {
    let files = Files::new(&arguments.out)?;
    let shown = arguments.file.display().to_string();
    let file = Zeroizing::new(std::fs::read(&arguments.file).with_context(|| shown.clone())?);
    let named = |error| ask::plain(error).context(shown.clone());
    let opened = match ask::key(engine, &file, None, Write::Pkcs8).await {
        Err(error) if needs_passphrase(&error) => {
            let passphrase = passphrase::to_open(&shown)?;
            ask::key(engine, &file, Some(&passphrase), Write::Pkcs8).await.map_err(named)?
        }
        other => other.map_err(named)?,
    };
    let pem = opened.written.ok_or_else(|| anyhow!("{shown}: the module gave no private key"))?;
    let passphrase = passphrase::for_new(&files.private.display().to_string(), true)?;
    let key = match arguments.form.is_notarys()? {
        false => in_cosigns_form(engine, &pem, &passphrase).await.context(shown)?,
        true => arguments.form.in_notarys_form(engine, &pem, Some(&passphrase)).await.context(shown)?,
    };
    files.write(&key)?;
    output::either(global.output, || files.text("imported", &key), || files.json(&key));
    Ok(Exit::Done)
}

impl FormOptions {
    fn is_notarys(&self) -> Result<bool> {
        let given = [("--role", self.role.is_some()), ("--gun", self.gun.is_some())];
        match (self.form, given.into_iter().find(|(_, is_given)| *is_given)) {
            (Form::Notary, _) => Ok(true),
            (Form::Cosign, None) => Ok(false),
            (Form::Cosign, Some((option, _))) => bail!("{option} belongs to --form notary"),
        }
    }

    /// The same key as Notary writes it.
    async fn in_notarys_form(&self, engine: &Engine, pem: &[u8], passphrase: Option<&[u8]>) -> Result<KeyDescription> {
        let entropy = entropy(&ask::describe(engine).await?, "notaryEntropyBytes")?;
        let encryption = passphrase.map(|passphrase| (passphrase, entropy.as_slice()));
        let write = Write::Notary { role: self.role.as_deref(), gun: self.gun.as_deref(), encryption };
        ask::key(engine, pem, None, write).await.map_err(ask::plain)
    }
}

/// The same key, encrypted as cosign does.
async fn in_cosigns_form(engine: &Engine, pem: &[u8], passphrase: &[u8]) -> Result<KeyDescription> {
    let entropy = entropy(&ask::describe(engine).await?, "encryptionEntropyBytes")?;
    let write = Write::Cosign { passphrase, entropy: &entropy };
    ask::key(engine, pem, None, write).await.map_err(ask::plain)
}

/// As many random octets as the module says it needs, from the operating system's generator.
fn entropy(description: &Value, limit: &str) -> Result<Zeroizing<Vec<u8>>> {
    let octets = description.get("limits").and_then(|limits| limits.get(limit)).and_then(Value::as_u64);
    let octets = octets.and_then(|octets| usize::try_from(octets).ok()).filter(|octets| (1..=4096).contains(octets));
    let octets = octets.ok_or_else(|| anyhow!("the module does not say how much entropy it takes ({limit})"))?;
    let mut bytes = Zeroizing::new(vec![0; octets]);
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(bytes)
}

/// Looks before anything is made or asked for.
fn must_not_exist(file: &Path) -> Result<()> {
    if file.try_exists().with_context(|| file.display().to_string())? {
        bail!("{} is there already, and keys are never overwritten; choose another --out", file.display());
    }
    Ok(())
}

/// The two files of a key pair.
struct Files {
    private: PathBuf,
    public: PathBuf,
}

impl Files {
    /// Looks before anything is made or asked for: neither file may be there.
    fn new(prefix: &Path) -> Result<Self> {
        let named = |extension: &str| {
            let mut name = prefix.as_os_str().to_owned();
            name.push(extension);
            PathBuf::from(name)
        };
        let files = Self { private: named(".key"), public: named(".pub") };
        for file in [&files.private, &files.public] {
            must_not_exist(file)?;
        }
        Ok(files)
    }

    /// The public half first: a private key that was written has never lost its other half.
    fn write(&self, key: &KeyDescription) -> Result<()> {
        let private = key.written.as_ref().ok_or_else(|| anyhow!("the module gave no private key"))?;
        write_new(&self.public, key.public.as_bytes(), 0o644)?;
        write_new(&self.private, private, 0o600).inspect_err(|_| {
            // A public key without its private key is of no use to anybody; the error is what counts.
            let _ = std::fs::remove_file(&self.public);
        })
    }

    fn text(&self, verb: &str, key: &KeyDescription) -> String {
        let id = key.notary_id.as_ref().map(|id| format!("\nNotary's id  {id}")).unwrap_or_default();
        format!(
            "{verb}  {} key\nfingerprint  {}{id}\nprivate key  {}\npublic key   {}",
            key.algorithm,
            key.fingerprint,
            self.private.display(),
            self.public.display()
        )
    }

    fn json(&self, key: &KeyDescription) -> Value {
        let mut shown = json!({"algorithm": key.algorithm, "fingerprint": key.fingerprint,
            "privateKeyFile": self.private, "publicKeyFile": self.public});
        if let (Some(id), Some(fields)) = (&key.notary_id, shown.as_object_mut()) {
            fields.insert("notaryId".to_owned(), id.as_str().into());
        }
        shown
    }
}
