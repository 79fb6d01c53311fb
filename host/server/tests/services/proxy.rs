//! The proxy: what is served, octet by octet, and what is not.

use bulla_registry::Digest;
use bulla_server::{Config, ProxyConfig};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::world::{IMAGE, INDEX, MANIFEST, Services, World, policy};

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The code and the message of an error, after its form was held against the specification.
async fn error(response: Response, status: u16) -> (String, String) {
    assert_eq!(response.status(), status);
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "docker-distribution-api-version"), "registry/2.0");
    let body: Value = response.json().await.expect("JSON");
    let [error] = body["errors"].as_array().expect("a list").as_slice() else { panic!("{body}") };
    let text = |field: &str| error[field].as_str().expect("text").to_owned();
    (text("code"), text("message"))
}

async fn octets(response: Response, digest: &Digest) -> Vec<u8> {
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "docker-content-digest"), digest.as_str());
    let announced = header(&response, "content-length").to_owned();
    let bytes = response.bytes().await.expect("a body").to_vec();
    assert_eq!(announced, bytes.len().to_string());
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_image_is_served_octet_by_octet() {
    let (world, images) = World::new().await;
    let services = world.start().await;
    let image = &images.signed;
    let version = services.get(&services.proxy("/v2/")).await;
    assert_eq!((version.status().as_u16(), header(&version, "docker-distribution-api-version")), (200, "registry/2.0"));

    let url = services.proxy("/v2/team/app/manifests/signed?ns=registry.example");
    let head = services.client.head(&url).send().await.expect("an answer");
    assert_eq!(head.status(), 200);
    assert_eq!(header(&head, "docker-content-digest"), image.digest.as_str());
    assert_eq!(header(&head, "content-length"), image.manifest.len().to_string());
    assert_eq!((header(&head, "content-type"), header(&head, "oci-namespace")), (MANIFEST, "registry.example"));

    let by_tag = services.pull("manifests", "signed").await;
    assert_eq!(header(&by_tag, "content-type"), MANIFEST);
    assert_eq!(octets(by_tag, &image.digest).await, image.manifest);
    assert_eq!(octets(services.pull("manifests", &image.digest).await, &image.digest).await, image.manifest);
    for bytes in [&image.config, &image.layer] {
        let digest = Digest::sha256(bytes);
        assert_eq!(&octets(services.pull("blobs", &digest).await, &digest).await, bytes);
        let url = services.proxy(&format!("/v2/team/app/blobs/{digest}"));
        let head = services.client.head(url).send().await.expect("an answer");
        assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, bytes.len().to_string().as_str()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_a_blob_are_served() {
    let (world, images) = World::new().await;
    let services = world.start().await;
    services.pull("manifests", "signed").await;
    parts(&services, &images.signed.layer).await;
}

async fn parts(services: &Services, layer: &[u8]) {
    let digest = Digest::sha256(layer);
    let url = services.proxy(&format!("/v2/team/app/blobs/{digest}"));
    let ask = async |range: &str| services.client.get(&url).header("range", range).send().await.expect("an answer");
    for (range, want) in
        [("bytes=100-299", 100..300), ("bytes=199990-", 199_990..200_000), ("bytes=-5", 199_995..200_000)]
    {
        let part = ask(range).await;
        assert_eq!(part.status(), 206, "{range}");
        let said = format!("bytes {}-{}/200000", want.start, want.end - 1);
        assert_eq!(header(&part, "content-range"), said);
        assert_eq!(part.bytes().await.expect("a body"), &layer[want], "{range}");
    }
    let outside = ask("bytes=200000-").await;
    assert_eq!(header(&outside, "content-range"), "bytes */200000");
    assert_eq!(error(outside, 416).await.0, "SIZE_INVALID");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_accepted_is_denied_in_the_form_that_clients_show() {
    let (world, images) = World::new().await;
    let services = world.start().await;
    for (tag, digest) in [("unsigned", &images.unsigned.digest), ("foreign", &images.foreign.digest)] {
        let (code, message) = error(services.pull("manifests", tag).await, 403).await;
        assert_eq!(code, "DENIED");
        assert!(message.contains(&format!("{IMAGE}:{tag}: rejected")), "{message}");
        assert_eq!(error(services.pull("manifests", digest).await, 403).await.0, "DENIED");
        let url = services.proxy(&format!("/v2/team/app/manifests/{tag}"));
        assert_eq!(services.client.head(url).send().await.expect("an answer").status(), 403);
    }
    let layer = Digest::sha256(&images.signed.layer);
    let (code, message) = error(services.pull("blobs", &layer).await, 403).await;
    assert_eq!(code, "DENIED");
    assert!(message.contains("ask for the manifest first"), "{message}");
    // A permit for one repository is none for another, and a manifest is not to be had as a blob.
    services.pull("manifests", "signed").await;
    let elsewhere = services.get(&services.proxy(&format!("/v2/team/other/blobs/{layer}"))).await;
    assert_eq!(error(elsewhere, 403).await.0, "DENIED");
    assert_eq!(error(services.pull("blobs", &images.signed.digest).await, 403).await.0, "DENIED");
    assert_eq!(error(services.pull("manifests", "missing").await, 404).await.0, "MANIFEST_UNKNOWN");
    let other = services.get(&services.proxy("/v2/team/app/manifests/signed?ns=docker.io")).await;
    assert_eq!(error(other, 403).await.0, "DENIED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_is_served_only_after_its_index() {
    let (world, images) = World::new().await;
    let services = world.start().await;
    let (child, layer) = (&images.child, Digest::sha256(&images.child.layer));
    assert_eq!(error(services.pull("manifests", &child.digest).await, 403).await.0, "DENIED");
    let index = services.pull("manifests", "index").await;
    assert_eq!(header(&index, "content-type"), INDEX);
    octets(index, &images.index).await;
    assert_eq!(error(services.pull("blobs", &layer).await, 403).await.0, "DENIED", "its manifest was not asked for");
    assert_eq!(octets(services.pull("manifests", &child.digest).await, &child.digest).await, child.manifest);
    assert_eq!(octets(services.pull("blobs", &layer).await, &layer).await, child.layer);
    // By tag it is an image of its own, and that is not signed.
    assert_eq!(error(services.pull("manifests", "child").await, 403).await.0, "DENIED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_and_lists_are_not_what_it_is_for() {
    let (world, _) = World::new().await;
    let services = world.start().await;
    for (method, path) in [
        (Method::PUT, "/v2/team/app/manifests/signed"),
        (Method::POST, "/v2/team/app/blobs/uploads/"),
        (Method::DELETE, "/v2/team/app/manifests/signed"),
        (Method::GET, "/v2/team/app/tags/list"),
        (Method::GET, "/v2/_catalog"),
    ] {
        let answer = services.client.request(method, services.proxy(path)).send().await.expect("an answer");
        assert_eq!(header(&answer, "allow"), "GET, HEAD");
        assert_eq!(error(answer, 405).await.0, "UNSUPPORTED", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_policies_revoke_what_the_old_ones_permitted() {
    let (world, images) = World::new().await;
    let services = world.start().await;
    let layer = Digest::sha256(&images.signed.layer);
    octets(services.pull("manifests", "signed").await, &images.signed.digest).await;
    octets(services.pull("blobs", &layer).await, &layer).await;

    world.policy("spec: [");
    services.running.reload().await;
    assert!(services.running.decider.metrics().policies_invalid());
    octets(services.pull("manifests", "signed").await, &images.signed.digest).await;
    octets(services.pull("blobs", &layer).await, &layer).await;

    world.policy(&policy(&[&world.theirs], "enforce"));
    services.running.reload().await;
    assert!(!services.running.decider.metrics().policies_invalid());
    assert_eq!(error(services.pull("blobs", &layer).await, 403).await.0, "DENIED");
    assert_eq!(error(services.pull("manifests", "signed").await, 403).await.0, "DENIED");
    assert_eq!(error(services.pull("manifests", &images.signed.digest).await, 403).await.0, "DENIED");
    octets(services.pull("manifests", "foreign").await, &images.foreign.digest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_changed_behind_its_digest_never_arrives() {
    let (world, images) = World::new().await;
    let services = world.start().await;
    let layer = Digest::sha256(&images.signed.layer);
    services.pull("manifests", "signed").await;
    let file = |digest: &Digest| world.layout.path().join("blobs/sha256").join(digest.encoded());
    let mut other = images.signed.layer.clone();
    other[150_000] ^= 1;
    std::fs::write(file(&layer), &other).expect("written");
    let blob = services.pull("blobs", &layer).await;
    assert_eq!(blob.status(), 200);
    blob.bytes().await.expect_err("it breaks off before its last part");
    std::fs::write(file(&layer), b"short").expect("written");
    assert_eq!(error(services.pull("blobs", &layer).await, 503).await.0, "UNAVAILABLE");
    std::fs::remove_file(file(&layer)).expect("there");
    assert_eq!(error(services.pull("blobs", &layer).await, 404).await.0, "BLOB_UNKNOWN");

    let manifest = String::from_utf8(images.signed.manifest.clone()).expect("JSON").replace("tar", "rat");
    std::fs::write(file(&images.signed.digest), manifest).expect("written");
    let (code, message) = error(services.pull("manifests", "signed").await, 502).await;
    assert_eq!(code, "MANIFEST_INVALID", "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_pulls_than_allowed_are_asked_to_come_back() {
    let (world, _) = World::new().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream = silent.local_addr().expect("bound").to_string();
    let config = world.config();
    let proxy = config.proxy.clone().expect("a proxy");
    let proxy = ProxyConfig { upstream: upstream.clone(), pulls: 1, deadline_milliseconds: 1000, ..proxy };
    let services = Services::start(Config { proxy: Some(proxy), ..config }).await;
    let (client, url) = (services.client.clone(), services.proxy("/v2/app/manifests/1"));
    let waiting = tokio::spawn(async move { client.get(url).send().await.expect("an answer") });
    let _connection = silent.accept().await.expect("the upstream is asked");
    let turned_away = services.get(&services.proxy("/v2/app/manifests/2")).await;
    assert!(!header(&turned_away, "retry-after").is_empty());
    assert_eq!(error(turned_away, 429).await.0, "TOOMANYREQUESTS");
    let (code, message) = error(waiting.await.expect("no panic"), 503).await;
    assert_eq!(code, "UNAVAILABLE");
    assert!(message.contains(&upstream), "{message}");
}

/// The same over HTTP: a proxy that only watches (mode `audit`) is the registry of one that enforces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_behind_it_is_asked_over_http() {
    let (world, images) = World::new().await;
    let watching = world.folder.path().join("watching.yaml");
    std::fs::write(&watching, policy(&[&world.ours], "audit")).expect("written");
    let upstream = Services::start(Config { policies: vec![watching], ..world.config() }).await;
    let registry = upstream.running.proxy.expect("a proxy").to_string();

    let mut config = world.config();
    config.registry.layouts.clear();
    let proxy = ProxyConfig { upstream: registry.clone(), ..config.proxy.clone().expect("a proxy") };
    let services = Services::start(Config { proxy: Some(proxy), ..config }).await;
    octets(services.pull("manifests", "signed").await, &images.signed.digest).await;
    let layer = Digest::sha256(&images.signed.layer);
    assert_eq!(octets(services.pull("blobs", &layer).await, &layer).await, images.signed.layer);
    parts(&services, &images.signed.layer).await;
    let (code, message) = error(services.pull("manifests", "foreign").await, 403).await;
    assert_eq!(code, "DENIED", "{message}");

    upstream.running.stop(std::time::Duration::ZERO).await;
    let (code, message) = error(services.pull("manifests", "unsigned").await, 503).await;
    assert_eq!(code, "UNAVAILABLE");
    assert!(message.contains(&registry), "{message}");
}
