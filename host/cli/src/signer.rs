//! A private key that is ready to sign. The module signs with ECDSA and Ed25519; RSA signatures are made here.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use bulla_engine::{Engine, SandboxError};
use zeroize::Zeroizing;

use crate::ask::{self, Write};
use crate::passphrase;

/// A key file that was opened. Holds the private key in memory that is wiped in the end.
pub(crate) struct Signer {
    pub(crate) algorithm: String,
    pub(crate) fingerprint: String,
    /// The public half as PEM.
    pub(crate) public: String,
    secret: Secret,
}

enum Secret {
    /// PKCS #8 PEM, not encrypted: the passphrase is spent once, however many images are signed.
    Module(Zeroizing<Vec<u8>>),
    /// For RSA: core has no private RSA operations, which leak through their timing (RUSTSEC-2023-0071).
    Rsa(Box<RsaKeyPair>),
}

impl Signer {
    /// Opens a private key file, asking for its passphrase where it has one.
    ///
    /// # Errors
    /// When the file cannot be read, is no private key, or the passphrase does not open it.
    pub(crate) async fn open(engine: &Engine, file: &Path) -> Result<Self> {
        let shown = file.display().to_string();
        let bytes = Zeroizing::new(std::fs::read(file).with_context(|| shown.clone())?);
        Self::from_bytes(engine, &bytes, &shown).await
    }

    /// The same for a key in memory; `shown` names it in questions and errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) async fn from_bytes(engine: &Engine, file: &[u8], shown: &str) -> Result<Self> {
        let named = |error| ask::plain(error).context(shown.to_owned());
        let key = match ask::key(engine, file, None, Write::Pkcs8).await {
            Err(error) if needs_passphrase(&error) => {
                let passphrase = passphrase::to_open(shown)?;
                ask::key(engine, file, Some(&passphrase), Write::Pkcs8).await.map_err(named)?
            }
            other => other.map_err(named)?,
        };
        let pem = key.written.ok_or_else(|| anyhow!("{shown}: the module gave no private key"))?;
        let secret = if key.algorithm.starts_with("rsa") {
            let rsa = ask::key(engine, &pem, None, Write::Pkcs8Der).await.map_err(named)?;
            let der = rsa.written.ok_or_else(|| anyhow!("{shown}: the module gave no private key"))?;
            let pair = RsaKeyPair::from_pkcs8(&der).map_err(|reason| anyhow!("{shown}: RSA key refused: {reason}"))?;
            Secret::Rsa(Box::new(pair))
        } else {
            Secret::Module(pem)
        };
        Ok(Self { algorithm: key.algorithm, fingerprint: key.fingerprint, public: key.public, secret })
    }

    /// A signature over these bytes: ECDSA and RSA (PKCS #1 v1.5) with SHA-256, Ed25519 over the bytes themselves.
    ///
    /// # Errors
    /// When the module or the library refuses.
    pub(crate) async fn sign(&self, engine: &Engine, message: &[u8]) -> Result<Vec<u8>> {
        match &self.secret {
            Secret::Module(pem) => ask::sign(engine, pem, message).await,
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| anyhow!("the RSA key {} does not sign", self.fingerprint))?;
                Ok(signature)
            }
        }
    }
}

/// Whether the module says that this key file is encrypted.
pub(crate) fn needs_passphrase(error: &SandboxError) -> bool {
    matches!(error, SandboxError::Module { code, .. } if code == "key-passphrase-needed")
}
