//! Certificates of the listeners: read at start, read again while the services run.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::config::Tls;
use crate::self_signed;

/// Octets of a certificate or key file. 256 KiB: chains have a few certificates of 2 KiB.
const MAX_PEM_BYTES: u64 = 256 * 1024;

/// The certificate of one listener, and where it comes from.
#[derive(Debug)]
pub(crate) struct Certificate {
    listener: &'static str,
    source: Source,
    config: RustlsConfig,
    seen: [u8; 32],
    authority: Option<PathBuf>,
}

#[derive(Debug)]
enum Source {
    Files { certificate: PathBuf, key: PathBuf },
    SelfSigned { folder: PathBuf, names: Vec<String> },
}

struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Option<PathBuf>,
}

impl Certificate {
    /// Reads the certificate of a listener, or makes it.
    ///
    /// # Errors
    /// One sentence, with the file that it is about.
    pub(crate) fn open(listener: &'static str, tls: &Tls, state_dir: &Path) -> Result<Self, String> {
        let source = match (&tls.cert_file, &tls.key_file) {
            (Some(certificate), Some(key)) => Source::Files { certificate: certificate.clone(), key: key.clone() },
            _ if tls.self_signed => Source::SelfSigned { folder: state_dir.to_owned(), names: tls.names.clone() },
            _ => return Err(format!("{listener}.tls: give certFile and keyFile, or selfSigned: true")),
        };
        let pem = source.read(listener)?;
        let config = RustlsConfig::from_config(source.build(&pem)?);
        Ok(Self { listener, seen: pem.hash(), authority: pem.authority, source, config })
    }

    /// Looks again. True when there is a new certificate, which new connections get from now on.
    ///
    /// # Errors
    /// As [`open`](Self::open); the old certificate stays.
    pub(crate) fn refresh(&mut self) -> Result<bool, String> {
        let pem = self.source.read(self.listener)?;
        let hash = pem.hash();
        if hash == self.seen {
            return Ok(false);
        }
        self.config.reload_from_config(self.source.build(&pem)?);
        self.seen = hash;
        Ok(true)
    }

    pub(crate) fn listener(&self) -> &'static str {
        self.listener
    }

    pub(crate) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// The file with the authority of a self-signed certificate.
    pub(crate) fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }
}

impl Source {
    fn read(&self, listener: &str) -> Result<Pem, String> {
        match self {
            Self::Files { certificate, key } => {
                Ok(Pem { certificate: read(certificate)?, key: read(key)?, authority: None })
            }
            Self::SelfSigned { folder, names } => {
                let issued = self_signed::ensure(folder, listener, names, clock::now())?;
                Ok(Pem { certificate: issued.certificate, key: issued.key, authority: Some(issued.authority) })
            }
        }
    }

    fn build(&self, pem: &Pem) -> Result<Arc<ServerConfig>, String> {
        let (certificate, key) = match self {
            Self::Files { certificate, key } => (certificate.display().to_string(), key.display().to_string()),
            Self::SelfSigned { folder, .. } => (folder.display().to_string(), folder.display().to_string()),
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem.certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{certificate}: {error}"))?;
        if chain.is_empty() {
            return Err(format!("{certificate}: no PEM certificate in it"));
        }
        // The error of the key's parser is not repeated: it may quote what it read.
        let secret = PrivateKeyDer::from_pem_slice(&pem.key)
            .map_err(|_| format!("{key}: no PEM private key in it (PKCS #8, PKCS #1 or SEC 1, not encrypted)"))?;
        // The provider is passed explicitly: a process has one default, and it is not this crate's to choose.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|error| format!("{certificate} with {key}: {error}"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl Pem {
    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(Sha256::digest(&self.certificate));
        hash.update(Sha256::digest(&self.key));
        hash.finalize().into()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    let read = file.take(MAX_PEM_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)? as u64;
    if read > MAX_PEM_BYTES {
        return Err(format!("{}: more than {MAX_PEM_BYTES} octets", path.display()));
    }
    Ok(bytes)
}
