//! Tags, manifests and blobs from a registry that behaves.

use bulla_registry::{Fetched, NeedKind, RequestKind};

use crate::fake::{Fake, MANIFEST, bytes, client, digest_of, fetch, respond};

#[tokio::test]
async fn a_tag_is_resolved_by_head_with_every_manifest_type_accepted() {
    let digest = digest_of(b"manifest");
    let claimed = digest.clone();
    let fake = Fake::start(move |_| respond(200, &[("docker-content-digest", &claimed)], "")).await;
    let client = client();
    assert_eq!(fetch(&client, &fake.need(NeedKind::Resolve, "v1")).await, Fetched::Digest(digest));
    let seen = fake.seen();
    assert_eq!(fake.lines(), ["HEAD /v2/org/app/manifests/v1"]);
    assert_eq!(
        seen[0].header("accept").unwrap(),
        "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
         application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
    );
    assert_eq!(seen[0].header("user-agent").unwrap(), concat!("bulla/", env!("CARGO_PKG_VERSION")));
    assert_eq!(seen[0].header("accept-encoding"), None);
    assert_eq!(client.stats().snapshot().of(RequestKind::Resolve), 1);
}

#[tokio::test]
async fn without_a_usable_digest_header_the_manifest_itself_comes() {
    for claimed in ["", "sha256:ABC", "md5:d41d8cd98f00b204e9800998ecf8427e", "latest"] {
        let fake = Fake::start(move |_| {
            respond(200, &[("docker-content-digest", claimed), ("content-type", MANIFEST)], "manifest")
        })
        .await;
        let fetched = fetch(&client(), &fake.need(NeedKind::Resolve, "v1")).await;
        assert_eq!(fetched, Fetched::Bytes { bytes: "manifest".into(), media_type: Some(MANIFEST.into()) });
        assert_eq!(fake.lines(), ["HEAD /v2/org/app/manifests/v1", "GET /v2/org/app/manifests/v1"]);
    }
}

#[tokio::test]
async fn a_registry_without_head_is_asked_by_get() {
    let fake =
        Fake::start(|seen| if seen.method == "HEAD" { respond(405, &[], "") } else { respond(200, &[], "m") }).await;
    assert_eq!(bytes(&fetch(&client(), &fake.need(NeedKind::Resolve, "v1")).await), b"m");
}

#[tokio::test]
async fn manifests_and_blobs_come_as_they_are() {
    let fake = Fake::start(|seen| respond(200, &[("content-type", "text/x")], seen.path.clone())).await;
    let digest = digest_of(b"anything");
    for (kind, reference, path) in [
        (NeedKind::Manifest, "v1", "/v2/org/app/manifests/v1".to_owned()),
        (NeedKind::Manifest, digest.as_str(), format!("/v2/org/app/manifests/{digest}")),
        (NeedKind::Blob, digest.as_str(), format!("/v2/org/app/blobs/{digest}")),
    ] {
        let fetched = fetch(&client(), &fake.need(kind, reference)).await;
        assert_eq!(fetched, Fetched::Bytes { bytes: path.into(), media_type: Some("text/x".into()) });
    }
}

#[tokio::test]
async fn not_found_is_absent_and_other_statuses_say_what_the_registry_said() {
    for (status, body, reason) in [
        (500, "", "R: HTTP 500 from GET manifests/v1"),
        (
            403,
            r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#,
            "R: HTTP 403 from GET manifests/v1: DENIED: not yours",
        ),
        (400, "a\u{1b}[2Jb\r\nc", "R: HTTP 400 from GET manifests/v1: a[2Jb c"),
        (204, "", "R: HTTP 204 from GET manifests/v1"),
    ] {
        let fake = Fake::start(move |_| respond(status, &[], body)).await;
        let fetched = fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await;
        assert_eq!(fake.reason(&fetched), reason);
        assert_eq!(fake.lines().len(), 1, "{status} is not tried again");
    }
    let fake = Fake::start(|_| respond(404, &[], "")).await;
    for kind in [NeedKind::Resolve, NeedKind::Manifest] {
        assert_eq!(fetch(&client(), &fake.need(kind, "v1")).await, Fetched::Absent);
    }
    assert_eq!(fetch(&client(), &fake.need(NeedKind::Blob, &digest_of(b""))).await, Fetched::Absent);
}

#[tokio::test]
async fn names_that_are_none_are_never_sent() {
    let fake = Fake::start(|_| respond(200, &[], "")).await;
    let digest = digest_of(b"");
    for (repository, kind, reference, reason) in [
        ("../etc", NeedKind::Manifest, "v1", "R: \"../etc\" is not a repository"),
        ("a?b", NeedKind::Manifest, "v1", "R: \"a?b\" is not a repository"),
        ("app", NeedKind::Manifest, "../../x", "R: \"../../x\" is not a tag or digest"),
        ("app", NeedKind::Resolve, "a b", "R: \"a b\" is not a tag or digest"),
        ("app", NeedKind::Blob, "v1", "R: \"v1\" is not a digest"),
        ("app", NeedKind::Referrers, "sha256:../x", "R: \"sha256:../x\" is not a digest"),
    ] {
        let mut need = fake.need(kind, reference);
        need.repository = repository.into();
        assert_eq!(fake.reason(&fetch(&client(), &need).await), reason);
    }
    for registry in ["user@127.0.0.1", "127.0.0.1/x", "0x7f.1", ""] {
        let mut need = fake.need(NeedKind::Blob, &digest);
        need.registry = registry.into();
        let fetched = fetch(&client(), &need).await;
        assert_eq!(fetched, Fetched::Failed { reason: format!("{registry}: not the name of a registry host") });
    }
    assert_eq!(fake.lines(), [""; 0]);
}
