//! A private key that is ready to sign. The module signs with ECDSA and Ed25519; RSA signatures are made here, and those of
//! tokens and key services there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair};
use bulla_engine::{Engine, SandboxError};
use bulla_signer::{KeyReference, RemoteKey, Scheme, SignerOptions, ecdsa_side_by_side};
use zeroize::Zeroizing;

use crate::ask::{self, Write};
use crate::passphrase;

/// How long a program may take for one signature. 60 s: somebody may have to touch a key or type a code.
const PROGRAM: Duration = Duration::from_secs(60);

/// A key that was opened. A private key in it lies in memory that is wiped in the end.
pub(crate) struct Signer {
    pub(crate) algorithm: String,
    pub(crate) fingerprint: String,
    /// The public half as PEM.
    pub(crate) public: String,
    secret: Secret,
    scheme: Scheme,
}

enum Secret {
    /// PKCS #8 PEM, not encrypted: the passphrase is spent once, however many images are signed.
    Module(Zeroizing<Vec<u8>>),
    /// For RSA: core has no private RSA operations, which leak through their timing (RUSTSEC-2023-0071).
    Rsa(Box<RsaKeyPair>),
    /// A key that never was in this process.
    Remote(Arc<RemoteKey>),
}

impl Signer {
    /// Opens a key: a file, asking for its passphrase where it has one; or a key that signs elsewhere, asking for its PIN.
    ///
    /// # Errors
    /// When it cannot be read, is no private key, or the passphrase or PIN does not open it.
    pub(crate) async fn open(engine: &Engine, key: &str) -> Result<Self> {
        Self::open_for(engine, key, Scheme::Cosign).await
    }

    /// The same for signatures of another scheme.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) async fn open_for(engine: &Engine, key: &str, scheme: Scheme) -> Result<Self> {
        // The reference may hold a PIN: errors of the parser show none, and nothing here shows it.
        match KeyReference::parse(key).context("--key")? {
            KeyReference::File(path) => {
                let shown = path.display().to_string();
                let bytes = Zeroizing::new(std::fs::read(&path).with_context(|| shown.clone())?);
                Ok(Self { scheme, ..Self::from_bytes(engine, &bytes, &shown).await? })
            }
            KeyReference::Remote(reference) => {
                let shown = reference.to_string();
                let ask_pin = |token: &str| passphrase::pin(token);
                let options = SignerOptions {
                    program_timeout: PROGRAM,
                    scheme,
                    ask_pin: Some(Box::new(ask_pin)),
                    ..Default::default()
                };
                let key = tokio::task::spawn_blocking(move || RemoteKey::open(&reference, &options)).await?;
                let key = key.with_context(|| shown.clone())?;
                Ok(Self { scheme, ..Self::from_remote(engine, key).await.context(shown)? })
            }
        }
    }

    /// What it claims to be is for the module to say, and so is whether its signatures hold.
    async fn from_remote(engine: &Engine, key: RemoteKey) -> Result<Self> {
        let described = ask::key(engine, key.public_key_pem().as_bytes(), None, Write::No).await.map_err(ask::plain)?;
        tracing::info!(key = key.describe(), "opened");
        let secret = Secret::Remote(Arc::new(key));
        Ok(Self {
            algorithm: described.algorithm,
            fingerprint: described.fingerprint,
            public: described.public,
            secret,
            scheme: Scheme::Cosign,
        })
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
        Ok(Self {
            algorithm: key.algorithm,
            fingerprint: key.fingerprint,
            public: key.public,
            secret,
            scheme: Scheme::Cosign,
        })
    }

    /// A signature over these bytes by the scheme that it was opened for. Cosign's: ECDSA as DER and RSA (PKCS #1 v1.5) with
    /// SHA-256, Ed25519 over the bytes themselves. Notation's: the hash by the key, ECDSA as two numbers side by side, RSA by
    /// PSS.
    ///
    /// # Errors
    /// When the module, the library, the token or the program refuses.
    pub(crate) async fn sign(&self, engine: &Engine, message: &[u8]) -> Result<Vec<u8>> {
        let signature = match &self.secret {
            Secret::Module(pem) => ask::sign(engine, pem, message, self.hash()?).await?,
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding = match (self.scheme, self.hash()?) {
                    (Scheme::Cosign, _) => &RSA_PKCS1_SHA256,
                    (Scheme::Notation, "sha256") => &RSA_PSS_SHA256,
                    (Scheme::Notation, "sha384") => &RSA_PSS_SHA384,
                    (Scheme::Notation, _) => &RSA_PSS_SHA512,
                };
                pair.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| anyhow!("the RSA key {} does not sign", self.fingerprint))?;
                signature
            }
            Secret::Remote(key) => {
                let (key, message) = (key.clone(), message.to_vec());
                let signed = tokio::task::spawn_blocking(move || {
                    key.sign(&message).with_context(|| format!("signing with {}", key.describe()))
                });
                signed.await??
            }
        };
        let number = match (self.scheme, self.algorithm.as_str()) {
            (Scheme::Notation, "ecdsa-p256") => 32,
            (Scheme::Notation, "ecdsa-p384") => 48,
            (Scheme::Notation, "ecdsa-p521") => 66,
            _ => return Ok(signature),
        };
        Ok(ecdsa_side_by_side(&signature, number)?)
    }

    /// A signature over this hash of these bytes (`sha256`, …), ECDSA as DER, RSA by PKCS #1 v1.5: what certificates are signed with.
    ///
    /// # Errors
    /// As [`sign`](Self::sign); and for a key that lives elsewhere, when the hash is not SHA-256.
    pub(crate) async fn sign_hashed(&self, engine: &Engine, message: &[u8], hash: &str) -> Result<Vec<u8>> {
        match (&self.secret, hash) {
            (Secret::Module(pem), _) => ask::sign(engine, pem, message, hash).await,
            (_, "sha256") => self.sign(engine, message).await,
            (_, other) => {
                bail!("this {} key would have to sign over {other}; take an ecdsa-p256 or RSA key", self.algorithm)
            }
        }
    }

    /// What a key of this process signs, in the module's words; Ed25519 signs no hash in cosign's scheme, and not at all in
    /// Notation's.
    fn hash(&self) -> Result<&'static str> {
        let modulus = match &self.secret {
            Secret::Rsa(pair) => Some(pair.public_modulus_len()),
            _ => None,
        };
        match (self.scheme, self.algorithm.as_str(), modulus) {
            (Scheme::Cosign, ..) | (Scheme::Notation, "ecdsa-p256", _) | (Scheme::Notation, _, Some(256)) => {
                Ok("sha256")
            }
            (Scheme::Notation, "ecdsa-p384", _) | (Scheme::Notation, _, Some(384)) => Ok("sha384"),
            (Scheme::Notation, "ecdsa-p521", _) | (Scheme::Notation, _, Some(512)) => Ok("sha512"),
            (Scheme::Notation, other, _) => bail!("this {other} key does not sign for Notation"),
        }
    }
}

/// Whether the module says that this key file is encrypted.
pub(crate) fn needs_passphrase(error: &SandboxError) -> bool {
    matches!(error, SandboxError::Module { code, .. } if code == "key-passphrase-needed")
}
