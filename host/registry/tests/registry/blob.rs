//! Blobs as streams: ranges, digests, and readers that are slower than the registry.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bulla_registry::{BlobInfo, BlobRange, BlobStream, Digest, RegistryError};
use futures_util::{StreamExt as _, stream};

use crate::fake::{Fake, client, client_with, config, respond};

async fn collect(mut blob: BlobStream) -> (Vec<u8>, Option<RegistryError>) {
    let mut read = Vec::new();
    while let Some(part) = blob.next().await {
        match part {
            Ok(part) => read.extend_from_slice(&part),
            Err(error) => return (read, Some(error)),
        }
    }
    (read, None)
}

fn parts(parts: &'static [&'static str]) -> Body {
    Body::from_stream(stream::iter(parts.iter().map(|part| Ok::<_, Infallible>(*part))).then(|part| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        part
    }))
}

#[tokio::test]
async fn a_blob_streams_and_is_checked() {
    let fake = Fake::start(|_| respond(200, &[("content-type", "application/gzip")], parts(&["some ", "blob"]))).await;
    for digest in [
        Digest::sha256(b"some blob"),
        Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap().recompute(b"some blob"),
    ] {
        let blob = client().open_blob(&fake.address, "org/app", &digest, None, None).await.unwrap();
        assert_eq!(blob.content_type.as_deref(), Some("application/gzip"));
        assert_eq!(collect(blob).await, (b"some blob".to_vec(), None));
    }
}

#[tokio::test]
async fn the_last_part_of_a_wrong_blob_never_comes() {
    let fake = Fake::start(|_| respond(200, &[], parts(&["some ", "other"]))).await;
    let digest = Digest::sha256(b"some blob");
    let blob = client().open_blob(&fake.address, "org/app", &digest, None, None).await.unwrap();
    let (read, error) = collect(blob).await;
    assert!(read.len() < b"some other".len(), "{read:?}");
    let expected = format!(
        "{}: GET blobs/{digest} gave content with digest {}, expected {digest}",
        fake.address,
        Digest::sha256(b"some other")
    );
    assert_eq!(error.unwrap().to_string(), expected);
}

#[tokio::test]
async fn a_known_size_counts_as_well() {
    for (size, got) in [(8, 9), (10, 9)] {
        let content = stream::iter([Ok("some ".into()), Ok("blob".into())]);
        let mut checked = Box::pin(bulla_registry::verified(content, "R", Digest::sha256(b"some blob"), Some(size)));
        let mut last = None;
        while let Some(part) = checked.next().await {
            last = Some(part);
        }
        let error = last.unwrap().expect_err("size differs").to_string();
        assert!(error.ends_with(&format!("gave {got} octets, expected {size}")), "{error}");
    }
}

/// With chunks and something behind the expected octets, a registry could make a server that announces the expected
/// length deliver all of them before the digest is known.
#[tokio::test]
async fn a_wrong_blob_of_the_expected_size_and_more_never_comes_whole() {
    let fake = Fake::start(|_| respond(200, &[], parts(&["evil blob", "more"]))).await;
    let digest = Digest::sha256(b"some blob");
    let blob = client().open_blob(&fake.address, "org/app", &digest, Some(9), None).await.unwrap();
    let (read, error) = collect(blob).await;
    assert!(read.len() < 9, "{read:?}");
    assert!(error.unwrap().to_string().contains("expected 9"));
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let fake = Fake::start(|_| respond(200, &[], "")).await;
    let blob = client().open_blob(&fake.address, "org/app", &Digest::sha256(b""), None, None).await.unwrap();
    assert_eq!((blob.size, collect(blob).await), (Some(0), (Vec::new(), None)));
    let blob = client().open_blob(&fake.address, "org/app", &Digest::sha256(b"x"), None, None).await.unwrap();
    assert!(matches!(collect(blob).await.1, Some(RegistryError::DigestMismatch { .. })));
}

#[tokio::test]
async fn ranges_are_passed_on() {
    let fake = Fake::start(|seen| match seen.header("range") {
        Some("bytes=5-") => respond(206, &[("content-range", "bytes 5-8/9")], "blob"),
        Some("bytes=0-3") => respond(206, &[("content-range", "bytes 4-8/9")], " blob"),
        Some("bytes=100-") => respond(416, &[], ""),
        _ => respond(200, &[], "some blob"),
    })
    .await;
    let digest = Digest::sha256(b"some blob");
    let client = client();
    let open = |first, last| client.open_blob(&fake.address, "org/app", &digest, None, Some(BlobRange { first, last }));
    let blob = open(5, None).await.unwrap();
    assert_eq!((blob.part, blob.size), (Some((5, 8, Some(9))), Some(4)));
    assert_eq!(collect(blob).await, (b"blob".to_vec(), None));
    let error = open(0, Some(3)).await.unwrap_err().to_string();
    assert!(error.ends_with("HTTP 206 with another range than the one asked for"), "{error}");
    assert!(matches!(open(100, None).await.unwrap_err(), RegistryError::Status { status: 416, .. }));
    // A registry that ignores ranges gives the whole, which can be checked.
    let blob = open(1, None).await.unwrap();
    assert_eq!((blob.part, collect(blob).await.0), (None, b"some blob".to_vec()));
}

#[tokio::test]
async fn a_slow_reader_is_not_the_registrys_fault_but_a_trickle_is() {
    let digest = Digest::sha256(b"a0b0");
    let fake = Fake::start(|_| respond(200, &[], parts(&["a0", "b0"]))).await;
    let mut blob = client().open_blob(&fake.address, "org/app", &digest, None, None).await.unwrap();
    assert_eq!(blob.next().await.unwrap().unwrap(), "a0");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(blob.next().await.unwrap().unwrap(), "b0");
    assert!(blob.next().await.is_none());

    let trickle = Fake::start(|_| {
        let body = stream::repeat_with(|| Ok::<_, Infallible>("x")).then(|part| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            part
        });
        respond(200, &[], Body::from_stream(body))
    })
    .await;
    let blob = client().open_blob(&trickle.address, "org/app", &digest, None, None).await.unwrap();
    assert!(matches!(collect(blob).await.1, Some(RegistryError::Slow { expected: 1024, .. })));
}

#[tokio::test]
async fn open_streams_do_not_take_the_slots_of_decisions() {
    let fake = Fake::start(|seen| match seen.method.as_str() {
        "HEAD" => respond(200, &[("content-length", "7"), ("content-type", "x/y")], ""),
        _ => respond(200, &[], Body::from_stream(stream::pending::<Result<&[u8], Infallible>>())),
    })
    .await;
    let mut config = config("{}");
    config.limits.requests_per_registry = 1;
    let client = client_with(&config, "{}");
    let digest = Digest::sha256(b"");
    let _open = client.open_blob(&fake.address, "org/app", &digest, None, None).await.unwrap();
    let head = client.head_blob(&fake.address, "org/app", &digest).await.unwrap();
    assert_eq!(head, Some(BlobInfo { size: Some(7), content_type: Some("x/y".into()) }));
}

#[tokio::test]
async fn a_blob_that_is_not_there_is_absent() {
    let fake = Fake::start(|_| respond(404, &[], "")).await;
    let digest = Digest::sha256(b"");
    let error = client().open_blob(&fake.address, "org/app", &digest, None, None).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{}: HTTP 404 from GET blobs/{digest}", fake.address));
    assert_eq!(client().head_blob(&fake.address, "org/app", &digest).await, Ok(None));
}
