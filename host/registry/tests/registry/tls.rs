//! TLS: a registry's own authority from `caFile`, and nothing else by default.

use axum::Router;
use axum_server::tls_rustls::RustlsConfig;
use bulla_registry::{Client, Credentials, Fetched, Need, NeedKind, Stats};
use std::sync::Arc;

use crate::fake::{bytes, client_with, config, fetch};

/// A TLS registry on loopback that says "m" to everything, with the PEM of its certificate.
pub(crate) async fn registry() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let router =
        Router::new().fallback(|request: axum::extract::Request| async move { format!("{:?}", request.version()) });
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(server))).unwrap();
    tokio::spawn(server.serve(router.into_make_service()));
    (format!("localhost:{port}"), made.cert.pem())
}

fn need(registry: &str) -> Need {
    Need {
        id: String::new(),
        kind: NeedKind::Manifest,
        registry: registry.into(),
        repository: "org/app".into(),
        reference: "v1".into(),
        limit: 100,
    }
}

#[tokio::test]
async fn an_authority_is_trusted_where_it_is_configured() {
    let (registry, pem) = registry().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let trusted = config(&format!(r#"{{"{registry}":{{"tls":true,"caFile":{:?}}}}}"#, file.path()));
    assert_eq!(bytes(&fetch(&client_with(&trusted, "{}"), &need(&registry)).await), b"HTTP/2.0");

    let mut unknown = config(&format!(r#"{{"{registry}":{{"tls":true}}}}"#));
    unknown.limits.retries = 0;
    let Fetched::Failed { reason } = fetch(&client_with(&unknown, "{}"), &need(&registry)).await else {
        panic!("refused")
    };
    let expected = format!("{registry}: cannot connect for GET manifests/v1: invalid peer certificate: ");
    assert!(reason.starts_with(&expected), "{reason}");
}

#[test]
fn a_ca_file_must_be_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hello").unwrap();
    for (path, reason) in [
        ("/nonexistent", "No such file or directory (os error 2)"),
        (file.path().to_str().unwrap(), "no PEM certificate in it"),
    ] {
        let config = config(&format!(r#"{{"r.example":{{"caFile":"{path}"}}}}"#));
        let error = Client::new(&config, Credentials::none(), Arc::new(Stats::default())).unwrap_err();
        assert_eq!(error.to_string(), format!("hosts.\"r.example\".caFile: {path}: {reason}"));
    }
}
