//! The router and the evidence cache.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bulla_registry::{
    Credentials, EvidenceCache, Fetched, Layout, Need, NeedKind, RegistryConfig, Source, Sources, Stats,
};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::fake::{Fake, MANIFEST, bytes, config, digest_of, fetch, respond, soon};

fn sources(change: impl FnOnce(&mut RegistryConfig)) -> Sources {
    let mut config = config("{}");
    change(&mut config);
    Sources::with_credentials(&config, Credentials::none()).unwrap()
}

#[tokio::test]
async fn content_is_kept_by_its_digest() {
    let fake = Fake::start(|_| respond(200, &[("content-type", MANIFEST)], "content")).await;
    let sources = sources(|config| config.cache.tag_seconds = 0);
    let digest = digest_of(b"content");
    for kind in [NeedKind::Manifest, NeedKind::Blob] {
        let first = fetch(&sources, &fake.need(kind, &digest)).await;
        assert_eq!(first, Fetched::Bytes { bytes: "content".into(), media_type: Some(MANIFEST.into()) });
        assert_eq!(fetch(&sources, &fake.need(kind, &digest)).await, first);
    }
    assert_eq!(fake.lines().len(), 2);
    assert_eq!(sources.stats().snapshot().cache_hits, 2);
    assert_eq!(sources.stats().snapshot().total(), 2);
    // Another repository is another question: who may read this one need not be allowed to read that one.
    let mut other = fake.need(NeedKind::Blob, &digest);
    other.repository = "org/other".into();
    fetch(&sources, &other).await;
    assert_eq!(fake.lines().len(), 3);
}

#[tokio::test]
async fn wrong_content_is_passed_on_and_never_kept() {
    let fake = Fake::start(|_| respond(200, &[], "wrong")).await;
    let sources = sources(|_| {});
    let need = fake.need(NeedKind::Blob, &digest_of(b"content"));
    for _ in 0..2 {
        assert_eq!(bytes(&fetch(&sources, &need).await), b"wrong");
    }
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test]
async fn the_limit_holds_for_kept_content() {
    let fake = Fake::start(|_| respond(200, &[], "content")).await;
    let sources = sources(|_| {});
    let mut need = fake.need(NeedKind::Manifest, &digest_of(b"content"));
    need.limit = 3;
    assert_eq!(fetch(&sources, &need).await, Fetched::TooLarge { got: 7 });
    need.limit = 7;
    assert_eq!(bytes(&fetch(&sources, &need).await), b"content", "what was too large for one is not for another");
    need.limit = 6;
    assert_eq!(fetch(&sources, &need).await, Fetched::TooLarge { got: 7 });
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test]
async fn claims_are_kept_for_a_while_or_not_at_all() {
    let digest = digest_of(b"x");
    let fake = Fake::start(move |seen| match seen.method.as_str() {
        "HEAD" => respond(200, &[("docker-content-digest", &digest_of(b"x"))], ""),
        _ => respond(404, &[], ""),
    })
    .await;
    for (seconds, requests) in [(10, 1), (0, 2)] {
        let sources = sources(|config| config.cache.tag_seconds = seconds);
        for need in [
            fake.need(NeedKind::Resolve, "v1"),
            fake.need(NeedKind::Manifest, "v2"),
            fake.need(NeedKind::Blob, &digest),
        ] {
            let before = fake.lines().len();
            let first = fetch(&sources, &need).await;
            assert_eq!(fetch(&sources, &need).await, first);
            assert_eq!(fake.lines().len() - before, requests, "{need:?} for {seconds} s");
        }
    }
    let sources = sources(|config| config.cache.tag_seconds = 1);
    let need = fake.need(NeedKind::Resolve, "v1");
    let before = fake.lines().len();
    fetch(&sources, &need).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    fetch(&sources, &need).await;
    assert_eq!(fake.lines().len() - before, 2, "a claim expires");
}

#[tokio::test]
async fn failures_are_never_kept() {
    let count = AtomicUsize::new(0);
    let fake = Fake::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => respond(500, &[], ""),
        _ => respond(200, &[], "m"),
    })
    .await;
    let sources = sources(|_| {});
    let need = fake.need(NeedKind::Manifest, "v1");
    assert_eq!(fake.reason(&fetch(&sources, &need).await), "R: HTTP 500 from GET manifests/v1");
    assert_eq!(bytes(&fetch(&sources, &need).await), b"m");
}

#[tokio::test]
async fn large_content_is_not_kept() {
    let fake = Fake::start(|_| respond(200, &[], "content")).await;
    for change in [
        |config: &mut RegistryConfig| config.cache.entry_bytes = 6,
        |config: &mut RegistryConfig| config.cache.bytes = 0,
    ] {
        let before = fake.lines().len();
        let sources = sources(change);
        for _ in 0..2 {
            fetch(&sources, &fake.need(NeedKind::Blob, &digest_of(b"content"))).await;
        }
        assert_eq!(fake.lines().len() - before, 2);
    }
}

#[tokio::test]
async fn equal_needs_at_the_same_time_make_one_request() {
    let fake = Fake::start(|_| respond(200, &[("x-delay", "50")], "content")).await;
    for tag_seconds in [10, 0] {
        let before = fake.lines().len();
        let sources = sources(|config| config.cache.tag_seconds = tag_seconds);
        let need = fake.need(NeedKind::Manifest, "v1");
        let fetched = futures_util::future::join_all((0..10).map(|_| sources.fetch(&need, soon()))).await;
        assert!(fetched.iter().all(|fetched| bytes(fetched) == b"content"));
        assert_eq!(fake.lines().len() - before, 1);
        assert_eq!(sources.stats().snapshot().cache_hits, 9);
    }
}

#[tokio::test]
async fn who_has_more_time_does_not_fail_with_who_has_less() {
    let fake = Fake::start(|_| respond(200, &[("x-delay", "200")], "content")).await;
    let sources = sources(|_| {});
    let need = fake.need(NeedKind::Manifest, "v1");
    let hasty = sources.fetch(&need, Instant::now() + Duration::from_millis(50));
    let patient = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        sources.fetch(&need, soon()).await
    };
    let (hasty, patient) = futures_util::future::join(hasty, patient).await;
    assert!(fake.reason(&hasty).contains("when the deadline came"));
    assert_eq!(bytes(&patient), b"content");
}

#[tokio::test]
async fn who_waits_for_a_fetch_that_is_given_up_fetches_itself() {
    let fake = Fake::start(|_| respond(200, &[("x-delay", "100")], "content")).await;
    let sources = sources(|_| {});
    let need = fake.need(NeedKind::Manifest, "v1");
    let (leader, asked) = (sources.clone(), need.clone());
    let leader = tokio::spawn(async move { leader.fetch(&asked, soon()).await });
    let follower = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        sources.fetch(&need, soon()).await
    };
    let give_up = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        leader.abort();
    };
    let (fetched, ()) = futures_util::future::join(follower, give_up).await;
    assert_eq!(bytes(&fetched), b"content");
    assert_eq!(fake.lines().len(), 2);
}

#[tokio::test]
async fn a_repository_may_be_a_layout() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let digest = layout.put_manifest(b"{}", MANIFEST, Some("v1")).unwrap();
    let fake = Fake::start(|_| respond(404, &[], "")).await;
    let sources = sources(|config| {
        config.layouts.insert(format!("{}/org/app", fake.address), folder.path().to_owned());
    });
    let need = fake.need(NeedKind::Resolve, "v1");
    assert_eq!(fetch(&sources, &need).await, Fetched::Digest(digest.to_string()));
    assert!(sources.layout(&fake.address, "org/app").is_some());
    assert_eq!(fake.lines(), [""; 0]);
    let mut other = need;
    other.repository = "org/other".into();
    assert_eq!(fetch(&sources, &other).await, Fetched::Absent);
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn configurations_with_wrong_layouts_are_refused() {
    for (name, path, reason) in [
        ("app", "/", "layouts.\"app\": not a registry and a repository, e.g. registry.example/app"),
        (
            "r.example/app",
            "/nonexistent",
            "layouts.\"r.example/app\": /nonexistent: No such file or directory (os error 2)",
        ),
        ("r.example/app", "/proc", "layouts.\"r.example/app\": /proc: no oci-layout in it: not an OCI image layout"),
    ] {
        let mut config = config("{}");
        config.layouts.insert(name.into(), path.into());
        let error = Sources::with_credentials(&config, Credentials::none()).unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
}

/// Answers everything with the same, and counts.
struct Echo(AtomicUsize, Fetched);

impl Source for Echo {
    fn fetch<'a>(&'a self, _: &'a Need, _: Instant) -> BoxFuture<'a, Fetched> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let answer = self.1.clone();
        Box::pin(async { answer })
    }
}

#[tokio::test]
async fn role_files_are_kept_where_their_name_says_what_they_hold_and_the_newest_are_asked_for_each_time() {
    let digest = digest_of(b"content").replace("sha256:", "");
    let (stats, cache) = (Stats::default(), EvidenceCache::new(&config("{}").cache));
    for (file, asked) in [
        (format!("targets/releases.{digest}.json"), 1),
        ("3.root.json".to_owned(), 2),
        ("root.json".to_owned(), 2),
        ("timestamp.json".to_owned(), 2),
        (format!("snapshot.{}.json", "0".repeat(64)), 2),
    ] {
        let echo = Echo(AtomicUsize::new(0), Fetched::Bytes { bytes: "content".into(), media_type: None });
        let need = role(&file);
        for _ in 0..2 {
            assert_eq!(bytes(&cache.fetch(&echo, &need, soon(), &stats).await), b"content");
        }
        assert_eq!(echo.0.load(Ordering::Relaxed), asked, "{file}");
    }
    // What one server does not have yet, another one may.
    let echo = Echo(AtomicUsize::new(0), Fetched::Absent);
    let need = role(&format!("targets.{}.json", "1".repeat(64)));
    for _ in 0..2 {
        assert_eq!(cache.fetch(&echo, &need, soon(), &stats).await, Fetched::Absent);
    }
    assert_eq!(echo.0.load(Ordering::Relaxed), 2);
}

fn role(file: &str) -> Need {
    Need {
        id: file.to_owned(),
        kind: NeedKind::Role,
        registry: "notary.example".to_owned(),
        repository: "org/app".to_owned(),
        reference: file.to_owned(),
        limit: 100,
    }
}
