//! A registry in memory, behind tokens: who writes needs one from its realm, and everything that it was shown is remembered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bulla_registry::Digest;

/// What the one user of this registry has to show to its realm: `carol:open sesame`.
pub(crate) const LOGIN: &str = "Basic Y2Fyb2w6b3BlbiBzZXNhbWU=";
/// The user's password, in the two forms in which it could leak.
pub(crate) const SECRETS: [&str; 3] = ["open sesame", "Y2Fyb2w6b3BlbiBzZXNhbWU=", TOKEN];
/// What the realm gives for it.
const TOKEN: &str = "token-for-carol";

#[derive(Default)]
struct State {
    blobs: BTreeMap<String, Bytes>,
    manifests: BTreeMap<String, (String, Bytes)>,
    /// Method, path and `Authorization` of each request.
    seen: Vec<(Method, String, Option<String>)>,
}

pub(crate) struct Registry {
    /// `127.0.0.1:<port>`.
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
    server: tokio::task::JoinHandle<()>,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let state: Arc<Mutex<State>> = Arc::default();
        let (shared, realm) = (Arc::clone(&state), format!("http://{address}/token"));
        let router = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, 1 << 24).await.expect("a body");
            let path = parts.uri.path().to_owned();
            if path.contains("/slow/") {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
            let query = parts.uri.query().unwrap_or_default().to_owned();
            shared.lock().expect("no panic").answer(parts.method, &path, &query, &parts.headers, body, &realm)
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { address, state, server }
    }

    /// Method, path and `Authorization` of each request since this was asked last.
    pub(crate) fn seen(&self) -> Vec<(Method, String, Option<String>)> {
        std::mem::take(&mut self.state.lock().expect("no panic").seen)
    }

    pub(crate) fn manifest(&self, reference: &str) -> Option<Bytes> {
        self.state.lock().expect("no panic").manifests.get(reference).map(|(_, bytes)| bytes.clone())
    }

    /// Puts a manifest under a tag and its digest, as another writer.
    pub(crate) fn put(&self, tag: &str, media_type: &str, manifest: impl Into<Bytes>) -> Digest {
        let manifest = manifest.into();
        let digest = Digest::sha256(&manifest);
        let mut state = self.state.lock().expect("no panic");
        for reference in [tag, digest.as_str()] {
            state.manifests.insert(reference.to_owned(), (media_type.to_owned(), manifest.clone()));
        }
        digest
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl State {
    fn answer(
        &mut self,
        method: Method,
        path: &str,
        query: &str,
        headers: &HeaderMap,
        body: Bytes,
        realm: &str,
    ) -> Response {
        let shown = headers.get("authorization").map(|value| value.to_str().expect("text").to_owned());
        self.seen.push((method.clone(), path.to_owned(), shown.clone()));
        if path == "/token" {
            return match shown.as_deref() {
                Some(LOGIN) => respond(200, &[], format!("{{\"token\":\"{TOKEN}\"}}")),
                _ => respond(401, &[], ""),
            };
        }
        let is_read = matches!(method, Method::GET | Method::HEAD);
        if !is_read && shown != Some(format!("Bearer {TOKEN}")) {
            return respond(401, &[("www-authenticate", &format!("Bearer realm=\"{realm}\",service=\"r\""))], "");
        }
        let (place, reference) = path.rsplit_once('/').expect("a path");
        let media_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if place.ends_with("/manifests") && is_read {
            return match self.manifests.get(reference) {
                None => respond(404, &[], ""),
                Some((media_type, bytes)) => {
                    let digest = Digest::sha256(bytes).to_string();
                    respond(200, &[("content-type", media_type), ("docker-content-digest", &digest)], bytes.clone())
                }
            };
        }
        if place.ends_with("/manifests") {
            let digest = Digest::sha256(&body).to_string();
            for reference in [reference, &digest] {
                self.manifests.insert(reference.to_owned(), (media_type.to_owned(), body.clone()));
            }
            return respond(201, &[("docker-content-digest", &digest)], "");
        }
        if place.ends_with("/blobs") {
            return match self.blobs.get(reference) {
                Some(bytes) => respond(200, &[], bytes.clone()),
                None => respond(404, &[], ""),
            };
        }
        match method {
            Method::POST => respond(202, &[("location", "/v2/upload/1")], ""),
            Method::PUT => {
                let digest = query.split('&').find_map(|pair| pair.strip_prefix("digest=")).expect("a digest");
                self.blobs.insert(digest.replace("%3A", ":"), body);
                respond(201, &[], "")
            }
            // No list of referrers: clients keep it under a tag.
            _ => respond(404, &[], ""),
        }
    }
}

fn respond(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut builder = Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).expect("a response")
}
