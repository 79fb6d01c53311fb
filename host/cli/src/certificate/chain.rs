//! The certificates of a key, and what the leaf says about how it signs (Notary Project, signature specification, "Signature
//! Algorithm Requirements").

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_signer::KeyReference;
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Encode as _, EncodePem as _};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::{KeyKind, kind};

/// Certificates in a chain. 16: real ones have up to four.
const MAX_CERTIFICATES: usize = 16;

const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// How such a key signs, in the words of Notation's plugin protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spec {
    /// `EC-256`
    pub(crate) key: &'static str,
    /// `SHA-256`
    pub(crate) hash: &'static str,
    /// `ECDSA-SHA-256`
    pub(crate) algorithm: &'static str,
}

/// Certificates from the leaf to the root.
#[derive(Debug)]
pub(crate) struct Chain {
    certificates: Vec<Certificate>,
    pub(crate) spec: Spec,
    file: PathBuf,
}

impl Chain {
    /// Finds and reads the certificates of a key: in the file that is given, else beside the key file. `option` is what
    /// names the file, for errors.
    ///
    /// # Errors
    /// When there is no such file, or what is in it cannot sign.
    pub(crate) fn find(key: &str, given: Option<&Path>, option: &str) -> Result<Self> {
        let file = match given {
            Some(file) => file.to_owned(),
            None => beside(key, option)?,
        };
        let shown = file.display().to_string();
        let pem = std::fs::read(&file).with_context(|| shown.clone())?;
        let certificates = Certificate::load_pem_chain(&pem).with_context(|| format!("{shown}: not PEM"))?;
        let leaf = certificates.first().ok_or_else(|| anyhow!("{shown}: no certificate in it"))?;
        if certificates.len() > MAX_CERTIFICATES {
            bail!("{shown}: {} certificates, at most {MAX_CERTIFICATES} are possible", certificates.len());
        }
        let spec = spec(leaf.tbs_certificate().subject_public_key_info()).context(shown)?;
        Ok(Self { certificates, spec, file })
    }

    /// Holds the leaf against the key that signs.
    ///
    /// # Errors
    /// When it is another one's.
    pub(crate) fn belongs_to(&self, public: &SubjectPublicKeyInfoOwned) -> Result<()> {
        let leaf = self.certificates.first().map(|leaf| leaf.tbs_certificate().subject_public_key_info());
        match leaf == Some(public) {
            true => Ok(()),
            false => bail!("{}: its first certificate is that of another key", self.file.display()),
        }
    }

    /// Each certificate as DER, the leaf first.
    ///
    /// # Errors
    /// When the encoder refuses.
    pub(crate) fn to_der(&self) -> Result<Vec<Vec<u8>>> {
        self.certificates.iter().map(|certificate| Ok(certificate.to_der()?)).collect()
    }

    /// All of them as PEM, the leaf first.
    ///
    /// # Errors
    /// As [`to_der`](Self::to_der).
    pub(crate) fn to_pem(&self) -> Result<String> {
        self.certificates.iter().map(|certificate| Ok(certificate.to_pem(LineEnding::LF)?)).collect()
    }

    /// The last one, which those who trust it pin, as PEM.
    ///
    /// # Errors
    /// As [`to_der`](Self::to_der).
    pub(crate) fn root_pem(&self) -> Result<String> {
        let root = self.certificates.last().ok_or_else(|| anyhow!("{}: no certificate", self.file.display()))?;
        Ok(root.to_pem(LineEnding::LF)?)
    }
}

/// The file that `bulla key certificate` writes beside a key file.
fn beside(key: &str, option: &str) -> Result<PathBuf> {
    let KeyReference::File(key) = KeyReference::parse(key)? else {
        bail!("which certificates? Say {option}: PEM, the leaf first, up to the root");
    };
    let candidates = ["chain.crt", "crt"].map(|extension| key.with_extension(extension));
    let found = candidates.iter().find(|file| Path::is_file(file)).cloned();
    found.ok_or_else(|| {
        anyhow!("neither {} nor {} is there: say {option}", candidates[0].display(), candidates[1].display())
    })
}

fn spec(public: &SubjectPublicKeyInfoOwned) -> Result<Spec> {
    let one = |key, hash, algorithm| Ok(Spec { key, hash, algorithm });
    match kind(public)? {
        KeyKind::Rsa(2048) => one("RSA-2048", "SHA-256", "RSASSA-PSS-SHA-256"),
        KeyKind::Rsa(3072) => one("RSA-3072", "SHA-384", "RSASSA-PSS-SHA-384"),
        KeyKind::Rsa(4096) => one("RSA-4096", "SHA-512", "RSASSA-PSS-SHA-512"),
        KeyKind::Ecdsa(P256) => one("EC-256", "SHA-256", "ECDSA-SHA-256"),
        KeyKind::Ecdsa(P384) => one("EC-384", "SHA-384", "ECDSA-SHA-384"),
        KeyKind::Ecdsa(P521) => one("EC-521", "SHA-512", "ECDSA-SHA-512"),
        KeyKind::Rsa(bits) => bail!("RSA keys of {bits} bits do not sign for Notation"),
        KeyKind::Ecdsa(curve) => bail!("keys on the curve {curve} do not sign for Notation"),
    }
}
