//! Registries that are slow, endless, overloaded or absent: each request ends in time, with a reason.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bulla_registry::{Fetched, NeedKind, Source};
use futures_util::stream;
use tokio::time::Instant;

use crate::fake::{Fake, bytes, client, client_with, config, fetch, respond, soon};

/// A body without an end: these bytes every so many milliseconds.
fn endless(part: &'static [u8], milliseconds: u64) -> Body {
    Body::from_stream(stream::unfold((), move |()| async move {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        Some((Ok::<_, Infallible>(part), ()))
    }))
}

#[tokio::test]
async fn what_is_announced_as_too_large_is_not_read() {
    let fake = Fake::start(|_| respond(200, &[("content-length", "1000000000000")], endless(b"x", 10))).await;
    let started = Instant::now();
    let fetched = fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await;
    assert_eq!(fetched, Fetched::TooLarge { got: 1_000_000_000_000 });
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn reading_stops_at_the_limit_of_the_need() {
    let fake = Fake::start(|_| respond(200, &[], endless(&[7; 4096], 0))).await;
    let mut need = fake.need(NeedKind::Manifest, "v1");
    need.limit = 10_000;
    let client = client();
    let Fetched::TooLarge { got } = fetch(&client, &need).await else { panic!("too large") };
    assert!((10_001..100_000).contains(&got), "{got}");
    assert!(client.stats().snapshot().bytes_received <= got);
}

#[tokio::test]
async fn exactly_the_limit_is_read() {
    let fake = Fake::start(|_| respond(200, &[], vec![7; 10_000])).await;
    let mut need = fake.need(NeedKind::Manifest, "v1");
    need.limit = 10_000;
    assert_eq!(bytes(&fetch(&client(), &need).await).len(), 10_000);
    need.limit = 9_999;
    assert_eq!(fetch(&client(), &need).await, Fetched::TooLarge { got: 10_000 });
}

#[tokio::test]
async fn an_endless_trickle_ends_with_its_window() {
    let fake = Fake::start(|_| respond(200, &[], endless(b"x", 50))).await;
    let started = Instant::now();
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
    assert!(reason.starts_with("R: ") && reason.ends_with(" bytes/s for 200 ms, at least 1024 expected"), "{reason}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_body_that_stops_ends_with_its_window() {
    let fake =
        Fake::start(|_| respond(200, &[], Body::from_stream(stream::pending::<Result<&[u8], Infallible>>()))).await;
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(reason, "R: 0 bytes/s for 200 ms, at least 1024 expected");
}

#[tokio::test]
async fn headers_that_do_not_come_are_not_waited_for() {
    let fake = Fake::start(|_| respond(200, &[("x-delay", "60000")], "")).await;
    let mut config = config("{}");
    config.limits.connect_milliseconds = 100;
    config.limits.headers_milliseconds = 100;
    let fetched = fetch(&client_with(&config, "{}"), &fake.need(NeedKind::Manifest, "v1")).await;
    let reason = fake.reason(&fetched);
    assert!(reason.starts_with("R: no answer to GET manifests/v1 within 2"), "{reason}");
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test]
async fn the_deadline_ends_everything() {
    let slow_headers = Fake::start(|_| respond(200, &[("x-delay", "60000")], "")).await;
    let slow_body = Fake::start(|_| respond(200, &[], endless(&[7; 1024], 10))).await;
    for fake in [slow_headers, slow_body] {
        let started = Instant::now();
        let deadline = started + Duration::from_millis(150);
        let fetched = client().fetch(&fake.need(NeedKind::Manifest, "v1"), deadline).await;
        let reason = fake.reason(&fetched);
        assert!(reason.starts_with("R: GET manifests/v1 was not done when the deadline came, after 1"), "{reason}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn temporary_errors_are_tried_three_times() {
    for status in [429, 502, 503, 504] {
        let fake = Fake::start(move |_| respond(status, &[], "")).await;
        let client = client();
        let reason = fake.reason(&fetch(&client, &fake.need(NeedKind::Manifest, "v1")).await);
        assert_eq!(reason, format!("R: HTTP {status} from GET manifests/v1"));
        assert_eq!(fake.lines().len(), 3);
        assert_eq!(client.stats().snapshot().retries, 2);
    }
}

#[tokio::test]
async fn a_retry_that_succeeds_is_an_answer() {
    let count = AtomicUsize::new(0);
    let fake = Fake::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => respond(503, &[("retry-after", "0")], ""),
        _ => respond(200, &[], "m"),
    })
    .await;
    assert_eq!(bytes(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await), b"m");
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test]
async fn a_wait_past_the_deadline_fails_at_once() {
    let fake = Fake::start(|_| respond(429, &[("retry-after", "60")], "")).await;
    let started = Instant::now();
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(reason, "R: HTTP 429 from GET manifests/v1, asks to wait 60 s, which is past the deadline");
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test]
async fn nobody_there_is_tried_three_times() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let fake = Fake::start(|_| respond(200, &[], "")).await;
    let mut need = fake.need(NeedKind::Manifest, "v1");
    need.registry = address.clone();
    let client = client();
    let Fetched::Failed { reason } = fetch(&client, &need).await else { panic!("failed") };
    assert!(
        reason.starts_with(&format!("{address}: cannot connect for GET manifests/v1: Connection refused")),
        "{reason}"
    );
    assert_eq!(client.stats().snapshot().retries, 2);
}

#[tokio::test]
async fn a_body_cut_short_is_not_an_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this").await;
        }
    });
    let fake = Fake::start(|_| respond(200, &[], "")).await;
    let mut need = fake.need(NeedKind::Manifest, "v1");
    need.registry = address.clone();
    let Fetched::Failed { reason } = fetch(&client(), &need).await else { panic!("failed") };
    assert!(reason.starts_with(&format!("{address}: GET manifests/v1 broke off: ")), "{reason}");
}

#[tokio::test]
async fn one_registry_gets_so_many_requests_at_a_time() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let fake = Fake::start(|_| {
        let now = NOW.fetch_add(1, Ordering::SeqCst) + 1;
        MOST.fetch_max(now, Ordering::SeqCst);
        let body = stream::once(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            NOW.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Infallible>("m")
        });
        respond(200, &[], Body::from_stream(body))
    })
    .await;
    let mut config = config("{}");
    config.limits.requests_per_registry = 3;
    let client = client_with(&config, "{}");
    let needs: Vec<_> = (0..12).map(|number| fake.need(NeedKind::Manifest, &format!("v{number}"))).collect();
    let fetched = futures_util::future::join_all(needs.iter().map(|need| client.fetch(need, soon()))).await;
    assert!(fetched.iter().all(|fetched| bytes(fetched) == b"m"));
    assert_eq!(MOST.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_hostile_error_page_is_cut() {
    let fake = Fake::start(|_| respond(500, &[], endless(&[b'x'; 4096], 0))).await;
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(reason, format!("R: HTTP 500 from GET manifests/v1: {}", "x".repeat(200)));
}
