//! The HTTP client and its TLS: our provider, the system's roots, nothing from the environment.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::{ConfigError, Limits};

/// An HTTP client that trusts the system's roots and these. Redirects, retries and compression are off, and proxies
/// from the environment are ignored: no byte goes to a host that no configuration names.
pub(crate) fn http_client(
    limits: &Limits,
    extra_roots: &[CertificateDer<'static>],
) -> Result<reqwest::Client, ConfigError> {
    client_builder(limits, extra_roots)?.build().map_err(|error| failed(&error))
}

/// The same, to be built.
pub(crate) fn client_builder(
    limits: &Limits,
    extra_roots: &[CertificateDer<'static>],
) -> Result<reqwest::ClientBuilder, ConfigError> {
    // The provider is passed explicitly: a process has one default, and it is not this crate's to choose.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    if system.certs.is_empty() {
        tracing::warn!(
            errors = system.errors.len(),
            "no system root certificates found: only registries with a caFile can be reached by TLS"
        );
    }
    roots.add_parsable_certificates(system.certs);
    roots.add_parsable_certificates(extra_roots.iter().cloned());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(limits.connect())
        .user_agent(concat!("bulla/", env!("CARGO_PKG_VERSION"))))
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ConfigError {
    ConfigError::Tls { reason: crate::error::innermost(error) }
}

/// The certificates in a PEM file; at least one.
pub(crate) fn read_certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let failed = |reason: String| ConfigError::File { key: key.to_owned(), path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    let mut check = rustls::RootCertStore::empty();
    for certificate in &certificates {
        check.add(certificate.clone()).map_err(|error| failed(error.to_string()))?;
    }
    if certificates.is_empty() { Err(failed("no PEM certificate in it".into())) } else { Ok(certificates) }
}
