//! Timestamping authorities: what is sent, and what counts as a response.

use axum::body::Bytes;
use bulla_registry::RequestKind;

use crate::fake::{Fake, client, client_with, config, respond};

const REPLY: &str = "application/timestamp-reply";

#[tokio::test]
async fn bytes_go_there_and_bytes_come_back() {
    let fake = Fake::start(|_| respond(200, &[("content-type", REPLY)], "response")).await;
    let credentials = format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, fake.address);
    let client = client_with(&config("{}"), &credentials);
    let url = format!("http://{}/tsa?policy=1", fake.address);
    let response = client.timestamp(&url, Bytes::from_static(b"request")).await.unwrap();
    assert_eq!(response, "response");
    let seen = &fake.seen()[0];
    assert_eq!((seen.line().as_str(), &seen.body[..]), ("POST /tsa?policy=1", b"request".as_slice()));
    assert_eq!(seen.header("content-type"), Some("application/timestamp-query"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(client.stats().snapshot().of(RequestKind::Timestamp), 1);
}

#[tokio::test]
async fn what_is_no_response_is_an_error() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        "/html" => respond(200, &[("content-type", "text/html")], "<html>"),
        "/moved" => respond(307, &[("location", "/")], ""),
        "/busy" => respond(503, &[], "later"),
        "/absent" => respond(404, &[], ""),
        "/large" => respond(200, &[("content-type", REPLY)], "x".repeat(65_537)),
        "/slow" => respond(200, &[("content-type", REPLY), ("x-delay", "2000")], ""),
        _ => respond(200, &[("content-type", REPLY)], "response"),
    })
    .await;
    let mut quick = config("{}");
    quick.limits.operation_milliseconds = 500;
    let client = client_with(&quick, "{}");
    for (path, expected) in [
        (
            "/html",
            "R: a timestamp request gave an unusable answer: \"text/html\", expected application/timestamp-reply",
        ),
        ("/moved", "R: HTTP 307 from a timestamp request"),
        ("/busy", "R: HTTP 503 from a timestamp request: later"),
        ("/absent", "R: HTTP 404 from a timestamp request"),
        ("/large", "R: a timestamp request gives 65537 octets, at most 65536 are read"),
        ("/slow", "R: no answer to a timestamp request within 500 ms"),
    ] {
        let error = client.timestamp(&format!("http://{}{path}", fake.address), Bytes::new()).await.unwrap_err();
        assert_eq!(error.to_string().replace(&fake.address, "R"), expected);
    }
    assert_eq!(fake.lines().len(), 6, "each is asked once");
}

#[tokio::test]
async fn what_is_no_address_is_not_asked() {
    for (url, expected) in [
        ("tsa.example", "timestamping authority: \"tsa.example\" is not a URL"),
        ("ftp://tsa.example/", "timestamping authority: \"ftp://tsa.example/\" is neither http nor https"),
        ("http://user:secret@tsa.example/", "timestamping authority: credentials in the URL are not supported"),
    ] {
        assert_eq!(client().timestamp(url, Bytes::new()).await.unwrap_err().to_string(), expected);
    }
}
