//! Start, change and end: TLS, page, health, reload, graceful shutdown, `--check`.

use std::time::Duration;

use bulla_server::{Config, Tls};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::world::{IMAGE, Services, World, client, create, engine, pod, policy};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_own_certificate_is_trusted_through_its_authority_only() {
    let (world, _) = World::new().await;
    let services = world.start().await;
    assert_eq!(services.get(&services.webhook("/healthz")).await.status(), 200);
    client(None).get(services.webhook("/healthz")).send().await.expect_err("nobody else trusts it");
    let authority = services.running.ca_file.clone().expect("a file");
    let before = std::fs::read(&authority).expect("PEM");
    services.running.stop(Duration::ZERO).await;
    let again = world.start().await;
    assert_eq!(std::fs::read(&authority).expect("PEM"), before, "the same authority after a restart");
    assert_eq!(again.get(&again.webhook("/healthz")).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_files_are_read_again_when_they_change() {
    // Two authorities, each from a start of its own.
    let (first, second) = (World::new().await.0, World::new().await.0);
    let mut authorities = Vec::new();
    for world in [&first, &second] {
        let services = world.start().await;
        authorities.push(client(services.running.ca_file.as_deref()));
        services.running.stop(Duration::ZERO).await;
    }
    let file = |name: &str| first.folder.path().join(name);
    let install = |world: &World| {
        for name in ["webhook.pem", "webhook-key.pem"] {
            std::fs::copy(world.folder.path().join("state").join(name), file(name)).expect("copied");
        }
    };
    install(&first);
    let mut config = first.config();
    if let Some(webhook) = &mut config.webhook {
        let (cert_file, key_file) = (Some(file("webhook.pem")), Some(file("webhook-key.pem")));
        webhook.tls = Tls { cert_file, key_file, ..Tls::default() };
    }
    let services = Services::start(config).await;
    assert_eq!(services.running.ca_file, None);
    let url = services.webhook("/healthz");
    authorities[0].get(&url).send().await.expect("the first certificate");
    authorities[1].get(&url).send().await.expect_err("not yet the second");

    std::fs::write(file("webhook.pem"), "half of a cert").expect("written");
    services.running.reload().await;
    client(Some(&file("state/ca.pem"))).get(&url).send().await.expect("the old certificate stays");
    install(&second);
    services.running.reload().await;
    authorities[1].get(&url).send().await.expect("the second certificate");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_page_and_metrics() {
    let (world, _) = World::new().await;
    let services = world.start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(services.get(&services.http(path)).await.status(), 200, "{path}");
    }
    let page = services.get(&services.http("/")).await;
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-type"]),
        (200, &"text/html; charset=utf-8".parse().expect("text"))
    );
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let module = services.get(&services.http("/module")).await;
    assert_eq!(module.headers()["content-type"], "application/wasm");
    assert_eq!(module.headers()["etag"], format!("\"{}\"", engine().module_digest()).as_str());
    assert!(module.headers()["content-security-policy"].to_str().expect("text").starts_with("default-src 'none';"));
    let etag = module.headers()["etag"].clone();
    assert_eq!(module.bytes().await.expect("a body"), bulla_engine::EMBEDDED);
    let asked = services.client.get(services.http("/bulla.wasm")).header("if-none-match", etag);
    assert_eq!(asked.send().await.expect("an answer").status(), 304);
    assert_eq!(services.get(&services.http("/../Cargo.toml")).await.status(), 404);

    let metrics = services.get(&services.http("/metrics")).await;
    assert!(metrics.headers()["content-type"].to_str().expect("text").starts_with("application/openmetrics-text"));
    let text = metrics.text().await.expect("text");
    for line in [
        "bulla_policies_invalid 0",
        "bulla_policies 1",
        "bulla_sandboxes 16",
        "bulla_registry_requests_total{kind=\"manifest\"} 0",
        &format!("sha256=\"{}\"", engine().module_digest()),
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_looked_at_by_themselves() {
    let (world, _) = World::new().await;
    let services = Services::start(Config { reload_seconds: 1, ..world.config() }).await;
    let before = services.running.decider.loaded().generation().clone();
    world.policy(&policy(&[&world.ours, &world.theirs], "enforce"));
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if *services.running.decider.loaded().generation() != before {
            return;
        }
    }
    panic!("the new policies were not seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_runs_is_finished_before_the_end() {
    let (world, _) = World::new().await;
    let slow = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let registry = slow.local_addr().expect("bound");
    let (arrived, asked) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = slow.accept().await.expect("a connection");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = arrived.send(());
        tokio::time::sleep(Duration::from_millis(400)).await;
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    });
    let services = world.start().await;
    let (url, client) = (services.webhook("/v1/admit"), services.client.clone());
    let review = create("", "Pod", pod(&[format!("{registry}/app:1")]));
    let request = {
        let (url, client) = (url.clone(), client.clone());
        tokio::spawn(async move { client.post(url).json(&review).send().await })
    };
    asked.await.expect("the registry is asked");
    services.running.stop(Duration::from_secs(10)).await;
    let answer = request.await.expect("no panic").expect("an answer");
    let answer: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(answer["response"]["allowed"], json!(false), "{answer}");
    assert!(answer["response"]["status"]["message"].as_str().expect("text").contains("does not exist"));
    client.get(url).send().await.expect_err("nobody listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_names_every_problem_at_once() {
    let (world, _) = World::new().await;
    assert_eq!(world.config().check(&engine()).await.expect("good").count(), 1);
    world.policy("kind: Pod\n");
    let mut config = world.config();
    let missing = |name: &str| Some(world.folder.path().join(name));
    if let Some(webhook) = &mut config.webhook {
        webhook.tls = Tls { cert_file: missing("tls.crt"), key_file: missing("tls.key"), ..Tls::default() };
    }
    config.registry.layouts.insert(format!("{IMAGE}/x"), world.folder.path().join("nowhere"));
    let problems = config.check(&engine()).await.expect_err("three problems").join("\n");
    for want in ["webhook.tls: ", "tls.crt", "registry.layouts.", "policies: ", "policy.yaml"] {
        assert!(problems.contains(want), "{want} is not in\n{problems}");
    }
    let error = bulla_server::start(config, engine()).await.expect_err("no start").to_string();
    assert!(!error.is_empty());
}
