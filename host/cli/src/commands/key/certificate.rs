//! `bulla key certificate`: certificates for signing with Notation, for tests and for teams without an authority.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use bulla_engine::Engine;
use bulla_signer::KeyReference;
use clap::{Args, ValueEnum};
use serde_json::json;
use x509_cert::Certificate;
use x509_cert::der::pem::{self, LineEnding};
use x509_cert::der::{Encode as _, EncodePem as _};
use zeroize::Zeroizing;

use super::{Files, entropy, in_cosigns_form};
use crate::ask::{self, Write};
use crate::certificate::{Issuer, Purpose, Request, public_key, subject};
use crate::files::write_new;
use crate::options::Global;
use crate::output::{self, Exit};
use crate::passphrase;
use crate::signer::{Signer, needs_passphrase};

pub(super) const EXAMPLES: &str = "\
Examples:
  bulla key certificate --subject 'C=US, ST=WA, O=acme, CN=release' --out release
      (a new key and a certificate that signs itself)
  bulla key certificate --ca --subject 'C=US, ST=WA, O=acme, CN=root' --out ca
  bulla key certificate --issuer ca.crt --issuer-key ca.key --subject 'C=US, ST=WA, O=acme, CN=release' --out release
  bulla key certificate --issuer ca.crt --issuer-key ca.key --subject 'C=US, ST=WA, O=acme, CN=release' --out release \\
      --key 'pkcs11:token=release;object=images' --crl-url http://crl.acme.example/ca.crl
  bulla key certificate --timestamping --issuer ca.crt --issuer-key ca.key --subject 'C=US, ST=WA, O=acme, CN=tsa' --out tsa

PREFIX.crt is the certificate, PREFIX.chain.crt the same with those above it up to the root: what signers embed. Verifiers
trust ca.crt (in a trust store of type ca, or tsa for timestamps), or a certificate that signs itself as it is. C, ST and O
are what policies name certificates by. Files are never overwritten.";

/// What the certificate says, and who signs it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name in it, e.g. `C=US, ST=WA, O=acme, CN=release`; a comma in a value is written with a backslash
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// Writes PREFIX.crt and PREFIX.chain.crt, and for a new key PREFIX.key and PREFIX.pub
    #[arg(long, value_name = "PREFIX")]
    out: PathBuf,
    /// A key that is there: as for `bulla sign --key`; with --issuer a public key will do. Without it a new one is made
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The algorithm of a new key
    #[arg(long, value_enum, default_value_t = Algorithm::EcdsaP256, conflicts_with = "key")]
    algorithm: Algorithm,
    /// Write the new private key without encryption (PKCS #8)
    #[arg(long, conflicts_with = "key")]
    no_passphrase: bool,
    /// An authority's certificate instead of one that signs images
    #[arg(long, conflicts_with = "timestamping")]
    ca: bool,
    /// A certificate that signs timestamps
    #[arg(long)]
    timestamping: bool,
    /// The certificate of the authority that issues it, as PEM, with those above it. Without it, it signs itself
    #[arg(long, value_name = "FILE", requires = "issuer_key")]
    issuer: Option<PathBuf>,
    /// The authority's private key: as for `bulla sign --key`
    #[arg(long, value_name = "KEY", requires = "issuer")]
    issuer_key: Option<String>,
    /// Days until it ends [default: 365, and no longer than those above it]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// Where the authority's revocation list will be, e.g. `http://crl.acme.example/ca.crl`
    #[arg(long, value_name = "URL", value_parser = address)]
    crl_url: Vec<String>,
    /// Where the authority's OCSP responder will be
    #[arg(long, value_name = "URL", value_parser = address)]
    ocsp_url: Vec<String>,
}

/// The keys that sign for Notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "rsa-4096")]
    Rsa4096,
}

fn address(text: &str) -> Result<String, String> {
    let has_host =
        ["http://", "https://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    match has_host && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err("expected an http or https URL".to_owned()),
    }
}

/// A key that was made, and its files.
struct Made {
    files: Files,
    key: ask::KeyDescription,
}

/// Makes the certificate, and a key where none is given.
///
/// # Errors
/// When a name, a key or the issuer cannot be used, or a file is there already. Then nothing is written.
pub(super) async fn run(global: &Global, engine: &Engine, arguments: &Arguments) -> Result<Exit> {
    let name = subject(&arguments.subject).context("--subject")?;
    let certificate_file = named(&arguments.out, ".crt");
    let chain_file = named(&arguments.out, ".chain.crt");
    for file in [&certificate_file, &chain_file] {
        super::must_not_exist(file)?;
    }
    let issuer = match (&arguments.issuer, &arguments.issuer_key) {
        (Some(file), Some(key)) => {
            let shown = file.display().to_string();
            let pem = std::fs::read(file).with_context(|| shown.clone())?;
            let signer = Signer::open(engine, key).await?;
            let public = public_key(&signer.public).with_context(|| format!("--issuer-key {key}"))?;
            Some((Issuer::read(&pem, &public).context(shown)?, signer))
        }
        _ => None,
    };
    let (public_pem, own, made) = match &arguments.key {
        Some(key) if issuer.is_some() => (public_half(engine, key).await?, None, None),
        Some(key) => {
            let signer = Signer::open(engine, key).await?;
            (signer.public.clone(), Some(signer), None)
        }
        None => {
            let files = Files::new(&arguments.out)?;
            let (signer, key) = new_key(engine, arguments, &files).await?;
            (signer.public.clone(), Some(signer), Some(Made { files, key }))
        }
    };
    let request = Request {
        purpose: match (arguments.ca, arguments.timestamping) {
            (true, _) => Purpose::Authority,
            (false, true) => Purpose::TimeStamping,
            (false, false) => Purpose::CodeSigning,
        },
        subject: name,
        public: public_key(&public_pem)?,
        now: u64::try_from(bulla_server::now()).unwrap_or_default(),
        days: arguments.days,
        crl_urls: arguments.crl_url.clone(),
        ocsp_urls: arguments.ocsp_url.clone(),
    };
    let unsigned = request.unsigned(issuer.as_ref().map(|(issuer, _)| issuer))?;
    let signer = issuer.as_ref().map(|(_, signer)| signer).or(own.as_ref());
    let signer = signer.ok_or_else(|| anyhow!("no key signs it"))?;
    let signature = signer.sign(engine, &unsigned.message).await?;
    let certificate = unsigned.signed(&signature)?;

    let mut chain = vec![&certificate];
    chain.extend(issuer.iter().flat_map(|(issuer, _)| issuer.chain()));
    let chain = chain.into_iter().map(to_pem).collect::<Result<String>>()?;
    if let Some(made) = &made {
        made.files.write(&made.key)?;
    }
    write_new(&certificate_file, to_pem(&certificate)?.as_bytes(), 0o644)?;
    write_new(&chain_file, chain.as_bytes(), 0o644)?;
    said(global, &certificate, &certificate_file, &chain_file, made.as_ref())?;
    Ok(Exit::Done)
}

fn said(
    global: &Global,
    certificate: &Certificate,
    certificate_file: &Path,
    chain_file: &Path,
    made: Option<&Made>,
) -> Result<()> {
    let tbs = certificate.tbs_certificate();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate.to_der()?);
    let thumbprint: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    let (subject, issuer) = (tbs.subject().to_string(), tbs.issuer().to_string());
    let end = tbs.validity().not_after.to_date_time().to_string();
    output::either(
        global.output,
        || {
            let mut text = format!(
                "made  a certificate\nsubject      {subject}\nissuer       {issuer}\nuntil        {end}\nthumbprint   \
                 sha256:{thumbprint}\ncertificate  {}\nchain        {}",
                certificate_file.display(),
                chain_file.display()
            );
            if let Some(made) = made {
                text = format!("{}\n{text}", made.files.text("made", &made.key));
            }
            text
        },
        || {
            json!({"subject": subject, "issuer": issuer, "notAfter": end, "thumbprint": format!("sha256:{thumbprint}"),
                "certificateFile": certificate_file, "chainFile": chain_file,
                "key": made.map(|made| made.files.json(&made.key))})
        },
    );
    Ok(())
}

/// The public half of a key that is there. Of a file it may be all there is.
async fn public_half(engine: &Engine, key: &str) -> Result<String> {
    let KeyReference::File(path) = KeyReference::parse(key).context("--key")? else {
        return Ok(Signer::open(engine, key).await?.public);
    };
    let shown = path.display().to_string();
    let file = Zeroizing::new(std::fs::read(&path).with_context(|| shown.clone())?);
    let asked = match ask::key(engine, &file, None, Write::No).await {
        Err(error) if needs_passphrase(&error) => {
            let passphrase = passphrase::to_open(&shown)?;
            ask::key(engine, &file, Some(&passphrase), Write::No).await
        }
        other => other,
    };
    Ok(asked.map_err(|error| ask::plain(error).context(shown))?.public)
}

/// Makes a key: to sign with, and as it is to be written.
async fn new_key(engine: &Engine, arguments: &Arguments, files: &Files) -> Result<(Signer, ask::KeyDescription)> {
    let limits = ask::describe(engine).await?;
    let word = match arguments.algorithm {
        Algorithm::EcdsaP256 => Ok("ecdsa-p256"),
        Algorithm::EcdsaP384 => Ok("ecdsa-p384"),
        Algorithm::EcdsaP521 => Ok("ecdsa-p521"),
        Algorithm::Rsa2048 => Err(KeySize::Rsa2048),
        Algorithm::Rsa3072 => Err(KeySize::Rsa3072),
        Algorithm::Rsa4096 => Err(KeySize::Rsa4096),
    };
    let plain = match word {
        Ok(word) => {
            let made = ask::generate(engine, word, &entropy(&limits, "keyEntropyBytes")?, None).await?;
            made.written.ok_or_else(|| anyhow!("the module gave no private key"))?
        }
        Err(size) => new_rsa(size)?,
    };
    let shown = files.private.display().to_string();
    let signer = Signer::from_bytes(engine, &plain, &shown).await?;
    let key = match arguments.no_passphrase {
        true => ask::key(engine, &plain, None, Write::Pkcs8).await.map_err(ask::plain)?,
        false => in_cosigns_form(engine, &plain, &passphrase::for_new(&shown, false)?).await?,
    };
    Ok((signer, key))
}

/// The module has no private RSA operations: made in the host, as PKCS #8.
fn new_rsa(size: KeySize) -> Result<Zeroizing<Vec<u8>>> {
    let pair = KeyPair::generate(size).map_err(|_| anyhow!("the system gives no random numbers"))?;
    let der = pair.as_der().map_err(|_| anyhow!("the RSA key cannot be written"))?;
    let pem = pem::encode_string("PRIVATE KEY", LineEnding::LF, der.as_ref()).map_err(|error| anyhow!("{error}"))?;
    Ok(Zeroizing::new(pem.into_bytes()))
}

fn to_pem(certificate: &Certificate) -> Result<String> {
    match certificate.to_pem(LineEnding::LF) {
        Ok(pem) => Ok(pem),
        Err(error) => bail!("the certificate: {error}"),
    }
}

fn named(prefix: &Path, extension: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(extension);
    PathBuf::from(name)
}
