//! Pushing: uploads at every kind of location, digests reported back, and lists of referrers that the client keeps.

use std::sync::{Arc, Mutex};

use bulla_registry::{Addition, Digest, PushedBlob, RegistryError, SubjectReport};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::fake::{Fake, INDEX, MANIFEST, client, digest_of, respond};

/// A registry that takes blobs; uploads go to the given location.
async fn taking(location: &'static str) -> Fake {
    Fake::start(move |seen| match seen.method.as_str() {
        "HEAD" => respond(404, &[], ""),
        "POST" => respond(202, &[("location", &location.replace("HOST", seen.header("host").unwrap()))], ""),
        _ => respond(201, &[], ""),
    })
    .await
}

#[tokio::test]
async fn a_blob_is_uploaded_to_where_the_registry_says() {
    let digest = Digest::sha256(b"blob");
    let encoded = digest.as_str().replace(':', "%3A");
    for (location, path) in [
        ("/v2/org/app/blobs/uploads/1", format!("/v2/org/app/blobs/uploads/1?digest={encoded}")),
        ("http://HOST/upload?state=a%2Fb&x", format!("/upload?state=a%2Fb&x&digest={encoded}")),
        ("2?", format!("/v2/org/app/blobs/uploads/2?digest={encoded}")),
    ] {
        let fake = taking(location).await;
        let pushed = client().push_blob(&fake.address, "org/app", &digest, "blob".into()).await;
        assert_eq!(pushed, Ok(PushedBlob::Uploaded));
        assert_eq!(
            fake.lines(),
            [
                format!("HEAD /v2/org/app/blobs/{digest}"),
                "POST /v2/org/app/blobs/uploads/".into(),
                format!("PUT {path}")
            ]
        );
        let put = &fake.seen()[2];
        assert_eq!((&put.body[..], put.header("content-type")), (&b"blob"[..], Some("application/octet-stream")));
        assert_eq!(put.header("content-length"), Some("4"));
    }
}

#[tokio::test]
async fn a_blob_that_is_there_is_not_sent() {
    let fake = Fake::start(|_| respond(200, &[], "")).await;
    let pushed = client().push_blob(&fake.address, "org/app", &Digest::sha256(b"blob"), "blob".into()).await;
    assert_eq!((pushed, fake.lines().len()), (Ok(PushedBlob::AlreadyThere), 1));
}

#[tokio::test]
async fn other_bytes_than_the_digest_names_are_not_sent() {
    let fake = taking("/up").await;
    let error = client().push_blob(&fake.address, "org/app", &Digest::sha256(b"blob"), "other".into()).await;
    assert!(matches!(error, Err(RegistryError::DigestMismatch { .. })), "{error:?}");
    assert_eq!(fake.lines(), [""; 0]);
}

#[tokio::test]
async fn an_upload_elsewhere_is_refused() {
    for (location, reason) in [
        ("http://storage.example/up", "plain HTTP, allow it with hosts.\"storage.example\".plainHttp"),
        ("https://storage.example/up", "another host, allow it with hosts.\"R\".redirectHosts"),
    ] {
        let fake = taking(location).await;
        let error = client().push_blob(&fake.address, "org/app", &Digest::sha256(b"blob"), "blob".into()).await;
        let error = error.unwrap_err().to_string().replace(&fake.address, "R");
        let target = location.strip_suffix("/up").unwrap();
        assert_eq!(error, format!("R: POST blobs/uploads/ points to {target}, refused: {reason}"));
    }
    let fake = taking("").await;
    let error =
        client().push_blob(&fake.address, "org/app", &Digest::sha256(b"blob"), "blob".into()).await.unwrap_err();
    assert!(error.to_string().ends_with("no usable Location for the upload"), "{error}");
}

#[tokio::test]
async fn a_redirected_upload_is_not_sent_twice() {
    let fake = Fake::start(|seen| match seen.method.as_str() {
        "HEAD" => respond(404, &[], ""),
        _ => respond(307, &[("location", "/elsewhere")], ""),
    })
    .await;
    let error =
        client().push_blob(&fake.address, "org/app", &Digest::sha256(b"blob"), "blob".into()).await.unwrap_err();
    assert!(error.to_string().ends_with("refused: a POST is not sent twice"), "{error}");
}

#[tokio::test]
async fn a_sha512_blob_announces_its_algorithm() {
    let fake = taking("/up").await;
    let digest = Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap().recompute(b"blob");
    client().push_blob(&fake.address, "org/app", &digest, "blob".into()).await.unwrap();
    assert_eq!(fake.lines()[1], "POST /v2/org/app/blobs/uploads/?digest-algorithm=sha512");
}

#[tokio::test]
async fn a_manifest_is_put_and_its_digest_compared() {
    let fake = Fake::start(|seen| respond(201, &[("docker-content-digest", &digest_of(&seen.body))], "")).await;
    let digest = Digest::sha256(b"{}");
    for reference in ["v1", digest.as_str()] {
        let pushed = client().push_manifest(&fake.address, "org/app", reference, MANIFEST, "{}".into()).await.unwrap();
        assert_eq!((&pushed.digest, pushed.subject), (&digest, SubjectReport::None));
        assert_eq!(fake.lines().pop().unwrap(), format!("PUT /v2/org/app/manifests/{reference}"));
        assert_eq!(fake.seen().pop().unwrap().header("content-type"), Some(MANIFEST));
    }
    let other = digest_of(b"other");
    let error = client().push_manifest(&fake.address, "org/app", &other, MANIFEST, "{}".into()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: PUT manifests/{other} gave content with digest {digest}, expected {other}", fake.address)
    );
    assert_eq!(fake.lines().len(), 2, "nothing was sent for another digest");

    let lying = Fake::start(move |_| respond(201, &[("docker-content-digest", "sha256:abc")], "")).await;
    let error = client().push_manifest(&lying.address, "org/app", "v1", MANIFEST, "{}".into()).await.unwrap_err();
    assert!(error.to_string().ends_with(&format!("gave content with digest sha256:abc, expected {digest}")), "{error}");
}

#[tokio::test]
async fn the_subject_is_listed_when_the_registry_says_so() {
    let subject = digest_of(b"image");
    let manifest = json!({"subject": {"digest": subject}}).to_string();
    let parsed = Digest::parse(&subject).unwrap();
    let (same, other) = (subject.clone(), digest_of(b"other"));
    for (reported, expected) in [
        (Some(same), Some(SubjectReport::Listed(parsed.clone()))),
        (None, Some(SubjectReport::NotListed(parsed))),
        (Some(other), None),
    ] {
        let fake = Fake::start(move |_| match &reported {
            Some(reported) => respond(201, &[("oci-subject", reported)], ""),
            None => respond(201, &[], ""),
        })
        .await;
        let pushed = client().push_manifest(&fake.address, "org/app", "v1", MANIFEST, manifest.clone().into()).await;
        match expected {
            Some(expected) => assert_eq!(pushed.unwrap().subject, expected),
            None => assert!(matches!(pushed, Err(RegistryError::DigestMismatch { .. }))),
        }
    }
}

#[tokio::test]
async fn a_list_of_referrers_is_kept_under_the_fallback_tag() {
    let stored: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let state = Arc::clone(&stored);
    let fake = Fake::start(move |seen| {
        let mut state = state.lock().unwrap();
        match (seen.method.as_str(), &mut *state) {
            ("GET", None) => respond(404, &[], ""),
            ("GET", Some(there)) => respond(200, &[("etag", "\"e1\""), ("content-type", INDEX)], there.clone()),
            (_, slot) => {
                *slot = Some(seen.body.to_vec());
                respond(201, &[], "")
            }
        }
    })
    .await;
    let subject = Digest::sha256(b"image");
    let client = client();
    let manifest = |number: u8| {
        json!({"config": {"mediaType": "application/x"}, "annotations": {"n": number.to_string()}, "subject": {"digest": subject.as_str()}}).to_string()
    };
    for number in [1, 2, 1] {
        client.list_referrer(&fake.address, "org/app", &subject, MANIFEST, manifest(number).as_bytes()).await.unwrap();
    }
    let index: Value = serde_json::from_slice(stored.lock().unwrap().as_ref().unwrap()).unwrap();
    let entry = |number| {
        let bytes = manifest(number);
        json!({
            "mediaType": MANIFEST, "digest": digest_of(bytes.as_bytes()), "size": bytes.len(),
            "artifactType": "application/x", "annotations": {"n": number.to_string()}
        })
    };
    assert_eq!(index["manifests"], json!([entry(1), entry(2)]));
    let tag = format!("/v2/org/app/manifests/{}", subject.as_str().replace(':', "-"));
    let (get, put) = (format!("GET {tag}"), format!("PUT {tag}"));
    assert_eq!(fake.lines()[..4], [get.clone(), get.clone(), put, get]);
    assert_eq!(fake.seen()[6].header("if-match"), Some("\"e1\""));
    assert_eq!(
        fake.lines().iter().filter(|line| line.starts_with("PUT")).count(),
        2,
        "what is listed is not written again"
    );
}

#[tokio::test]
async fn a_referrer_that_nobody_will_find_is_an_error() {
    let subject = Digest::sha256(b"image");
    let tag = subject.as_str().replace(':', "-");
    for (keeps_lists, writes) in [(true, Some(1)), (false, None)] {
        let (subject, tag) = (subject.clone(), tag.clone());
        let reported = subject.to_string();
        let fake = Fake::start(move |seen| match seen.method.as_str() {
            "PUT" if seen.path.ends_with(&tag) => respond(403, &[], ""),
            "PUT" if keeps_lists => respond(201, &[("oci-subject", &reported)], ""),
            "PUT" => respond(201, &[], ""),
            _ => respond(404, &[], ""),
        })
        .await;
        let manifest = Bytes::from(json!({"subject": {"digest": subject.as_str()}}).to_string());
        let reference = Digest::sha256(&manifest);
        let addition = Addition { manifest, media_type: MANIFEST.to_owned(), blobs: Vec::new() };
        let added = client().refer(&fake.address, "org/app", reference.as_str(), &addition).await;
        match added {
            Ok(added) => assert_eq!(Some(added.writes), writes),
            Err(error) => {
                assert!(matches!(error, RegistryError::NotListed { .. }) && writes.is_none(), "{error}");
                assert!(error.to_string().starts_with("the signature is pushed, but not yet listed"), "{error}");
            }
        }
    }
}
