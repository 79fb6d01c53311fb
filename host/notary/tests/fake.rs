//! What a Notary server may answer, and what is asked of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bulla_notary::{Notary, NotaryError, RoleFile, ServerRole};
use bulla_registry::{Client, Credentials, RegistryConfig, RegistryError, Stats};
use tokio::time::Instant;

struct Fake {
    address: String,
    seen: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
}

impl Fake {
    async fn start(answer: impl Fn(&str, &HeaderMap) -> Response + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound").to_string();
        let seen: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>> = Arc::default();
        let record = Arc::clone(&seen);
        let router = Router::new().fallback(move |request: Request| {
            let (answer, record) = (answer.clone(), Arc::clone(&record));
            async move {
                let (parts, body) = request.into_parts();
                let line = format!("{} {}", parts.method, parts.uri);
                let body = to_bytes(body, 1 << 20).await.expect("a body");
                let response = answer(&line, &parts.headers);
                record.lock().expect("unpoisoned").push((line, parts.headers, body));
                response
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    fn server(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Plain HTTP, because it is configured so.
    fn notary(&self, credentials: Option<&str>) -> Notary {
        let config = format!(r#"{{"hosts":{{"{}":{{"plainHttp":true}}}},"limits":{{"retries":0}}}}"#, self.address);
        let config: RegistryConfig = serde_json::from_str(&config).expect("valid");
        let credentials = match credentials {
            None => Credentials::none(),
            Some(document) => Credentials::from_json("test", document.as_bytes(), &config.limits).expect("credentials"),
        };
        Notary::new(Client::new(&config, credentials, Arc::new(Stats::default())).expect("a client"))
    }

    fn lines(&self) -> Vec<String> {
        self.seen.lock().expect("unpoisoned").iter().map(|(line, ..)| line.clone()).collect()
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn status(status: u16, body: &'static str) -> Response {
    (StatusCode::from_u16(status).expect("a status"), body).into_response()
}

#[tokio::test]
async fn role_files_are_asked_for_by_name_and_end() {
    let fake = Fake::start(|line, _| match line {
        line if line.ends_with("timestamp.json") => status(200, "{\"signed\":1}"),
        line if line.ends_with("snapshot.json") => status(503, "busy"),
        _ => status(404, ""),
    })
    .await;
    let notary = fake.notary(None);
    let ask = |file: &'static str, limit| notary.role_file("", "localhost:5000/app", file, limit, soon());
    assert!(matches!(ask("root.json", 9).await, Err(NotaryError::Name { .. })), "no server");
    let server = fake.server();
    let ask = |file: &'static str, limit| notary.role_file(&server, "localhost:5000/app", file, limit, soon());
    assert_eq!(ask("timestamp.json", 12).await, Ok(RoleFile::Found(Bytes::from_static(b"{\"signed\":1}"))));
    assert_eq!(ask("timestamp.json", 11).await, Ok(RoleFile::TooLong(12)));
    assert_eq!(ask("targets/releases.json", 9).await, Ok(RoleFile::Absent));
    let error = ask("snapshot.json", 9).await.expect_err("busy");
    assert!(matches!(error, NotaryError::Refused { status: 503, .. }), "{error}");
    assert!(matches!(ask("../root.json", 9).await, Err(NotaryError::Name { .. })));
    let path = "GET /v2/localhost:5000/app/_trust/tuf";
    assert_eq!(
        fake.lines(),
        ["timestamp.json", "timestamp.json", "targets/releases.json", "snapshot.json"]
            .map(|file| format!("{path}/{file}"))
    );
}

#[tokio::test]
async fn tokens_are_asked_for_the_collection() {
    let fake = Fake::start(|line, headers| {
        if line.starts_with("GET /token") {
            return status(200, r#"{"token":"t"}"#);
        }
        if headers.get("authorization").is_some_and(|value| value == "Bearer t") {
            return status(200, "{}");
        }
        let host = headers.get("host").and_then(|host| host.to_str().ok()).expect("a host");
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="notary""#);
        (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response()
    })
    .await;
    let credentials = format!(r#"{{"auths":{{"{}":{{"username":"u","password":"p"}}}}}}"#, fake.address);
    let notary = fake.notary(Some(&credentials));
    let server = fake.server();
    let files = BTreeMap::from([("targets/releases".to_owned(), Bytes::from_static(b"{}"))]);
    notary.publish(&server, "host/app", &files).await.expect("published");
    notary.delete(&server, "host/app").await.expect("deleted");
    let key = notary.rotate_server_key(&server, "host/app", ServerRole::Timestamp).await.expect("a key");
    assert_eq!(key, "{}");
    let lines = fake.lines();
    assert!(
        lines.contains(&"GET /token?service=notary&scope=repository%3Ahost%2Fapp%3Apull%2Cpush".to_owned()),
        "{lines:?}"
    );
    assert!(lines.contains(&"GET /token?service=notary&scope=repository%3Ahost%2Fapp%3A*".to_owned()), "{lines:?}");
    assert!(lines.contains(&"POST /v2/host/app/_trust/tuf/timestamp.key".to_owned()), "{lines:?}");
    let seen = fake.seen.lock().expect("unpoisoned");
    let (_, headers, body) = seen.iter().rfind(|(line, ..)| line == "POST /v2/host/app/_trust/tuf/").expect("posted");
    assert!(headers["content-type"].to_str().expect("text").starts_with("multipart/form-data; boundary="));
    assert!(String::from_utf8_lossy(body).contains("filename=\"targets/releases\"\r\n"));
}

#[tokio::test]
async fn an_update_that_comes_too_late_is_told_apart_and_never_sent_twice() {
    let fake = Fake::start(|_, _| status(400, r#"{"errors":[{"code":"VERSION","message":"newer"}]}"#)).await;
    let files = BTreeMap::from([("targets".to_owned(), Bytes::from_static(b"{}"))]);
    let error = fake.notary(None).publish(&fake.server(), "host/app", &files).await.expect_err("too late");
    assert!(matches!(error, NotaryError::Outdated { .. }), "{error}");
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test]
async fn loopback_is_asked_over_tls_too_unless_it_is_configured_otherwise() {
    let fake = Fake::start(|_, _| status(200, "{}")).await;
    let client = Client::new(&RegistryConfig::default(), Credentials::none(), Arc::new(Stats::default()));
    let notary = Notary::new(client.expect("a client"));
    let error = notary.role_file(&fake.server(), "host/app", "root.json", 9, soon()).await.expect_err("no TLS");
    assert!(matches!(error, NotaryError::Request(RegistryError::Name { .. })), "{error}");
    assert!(error.to_string().contains("is asked over TLS"), "{error}");
    assert!(fake.lines().is_empty());
}
