//! A registry in this process: a function from requests to responses, and a record of what was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bulla_registry::{Client, Credentials, Fetched, Limits, Need, NeedKind, RegistryConfig, Source, Stats};
use tokio::time::Instant;

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

pub(crate) struct Fake {
    /// `127.0.0.1:<port>`.
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Fake {
    /// Starts a registry. A response header `x-delay` (milliseconds) delays the headers.
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, record) = (Arc::new(answer), Arc::clone(&seen));
        let router = Router::new().fallback(move |request: Request| {
            let (answer, record) = (Arc::clone(&answer), Arc::clone(&record));
            async move {
                let (parts, body) = request.into_parts();
                let seen = Seen {
                    method: parts.method,
                    path: parts.uri.path_and_query().unwrap().to_string(),
                    headers: parts.headers,
                    body: to_bytes(body, 1 << 24).await.unwrap(),
                };
                record.lock().unwrap().push(seen.clone());
                let mut response = answer(&seen);
                if let Some(delay) = response.headers_mut().remove("x-delay") {
                    tokio::time::sleep(Duration::from_millis(delay.to_str().unwrap().parse().unwrap())).await;
                }
                response
            }
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, server }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    pub(crate) fn need(&self, kind: NeedKind, reference: &str) -> Need {
        Need {
            id: format!("{kind:?} {reference}"),
            kind,
            registry: self.address.clone(),
            repository: "org/app".into(),
            reference: reference.into(),
            limit: 4 * 1024 * 1024,
        }
    }

    /// The reason without the address at its start, which differs from run to run.
    pub(crate) fn reason(&self, fetched: &Fetched) -> String {
        match fetched {
            Fetched::Failed { reason } => reason.replace(&self.address, "R"),
            other => panic!("expected a failure, got {other:?}"),
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn respond(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

/// Quick limits; `hosts` is the configuration's object of that name.
pub(crate) fn config(hosts: &str) -> RegistryConfig {
    let mut config: RegistryConfig =
        serde_json::from_str(&format!(r#"{{"hosts":{hosts},"credentialFiles":[]}}"#)).unwrap();
    config.limits = Limits {
        connect_milliseconds: 1000,
        headers_milliseconds: 2000,
        progress_milliseconds: 200,
        operation_milliseconds: 5000,
        backoff_milliseconds: 2,
        settle_milliseconds: 4,
        ..Limits::default()
    };
    config
}

pub(crate) fn client() -> Client {
    client_with(&config("{}"), "{}")
}

pub(crate) fn client_with(config: &RegistryConfig, credentials: &str) -> Client {
    let credentials = Credentials::from_json("test.json", credentials.as_bytes(), &config.limits).unwrap();
    Client::new(config, credentials, Arc::new(Stats::default())).unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

pub(crate) async fn fetch(source: &dyn Source, need: &Need) -> Fetched {
    source.fetch(need, soon()).await
}

pub(crate) fn bytes(fetched: &Fetched) -> &[u8] {
    match fetched {
        Fetched::Bytes { bytes, .. } => bytes,
        other => panic!("expected bytes, got {other:?}"),
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    bulla_registry::Digest::sha256(bytes).to_string()
}
