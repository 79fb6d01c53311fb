//! The gateway: who may ask, for what, and how much.

use std::time::{Duration, Instant};

use bulla_engine::abi::{Evidence, Message, Need, Outcome};
use bulla_engine::{BoxFuture, Fetched, Source, decide};
use bulla_registry::Digest;
use bulla_server::{Config, GatewayConfig, TrustedHeader, UserToken, now};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::registry::Registry;
use crate::world::{IMAGE, MANIFEST, Services, World, engine};

pub(crate) const MESSAGE: &str = "application/vnd.bulla.message";
/// Alice's token, and its place in the configuration.
pub(crate) const TOKEN: &str = "Q2mZ9cY0a1wq-of-alice";

/// A world with a gateway to its layout, and to these places.
pub(crate) fn config(world: &World, places: &[String]) -> Config {
    let tokens = vec![UserToken { user: "alice".into(), sha256: hex::encode(Sha256::digest(TOKEN)) }];
    let registries = places.iter().cloned().chain([IMAGE.to_owned()]).collect();
    let mut config = world.config();
    config.page.gateway = Some(GatewayConfig { registries, tokens, ..GatewayConfig::default() });
    config.registry.limits.settle_milliseconds = 4;
    config.registry.limits.backoff_milliseconds = 2;
    config
}

fn with_limits(config: Config, change: impl FnOnce(&mut GatewayConfig)) -> Config {
    let mut config = config;
    change(config.page.gateway.as_mut().expect("a gateway"));
    config
}

/// What the page sends, signed in as alice.
pub(crate) fn page(services: &Services, path: &str, media_type: &str) -> RequestBuilder {
    services
        .client
        .post(services.http(path))
        .header("bulla-page", "1")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", media_type)
        .header("authorization", format!("Bearer {TOKEN}"))
}

pub(crate) fn fetch(services: &Services, needs: &[Need]) -> RequestBuilder {
    page(services, "/gateway/v1/fetch", "application/json").body(json!({"needs": needs}).to_string())
}

pub(crate) fn need(kind: &str, registry: &str, repository: &str, reference: &str, limit: u64) -> Need {
    serde_json::from_value(json!({"id": format!("{kind} {reference}"), "kind": kind, "registry": registry,
        "repository": repository, "reference": reference, "limit": limit}))
    .expect("a need")
}

pub(crate) async fn evidence(request: RequestBuilder) -> (Vec<Evidence>, Vec<Vec<u8>>) {
    let response = request.send().await.expect("an answer");
    let status = response.status();
    assert_eq!((status.as_u16(), &response.headers()["content-type"]), (200, &MESSAGE.parse().expect("text")));
    assert_eq!(response.headers()["cache-control"], "no-store");
    let message = Message::decode(&response.bytes().await.expect("a body")).expect("framed");
    let header: Value = serde_json::from_slice(&message.header).expect("JSON");
    (serde_json::from_value(header["evidence"].clone()).expect("evidence"), message.blobs)
}

pub(crate) async fn refused(request: RequestBuilder) -> (u16, String, String) {
    let response = request.send().await.expect("an answer");
    refusal(response).await
}

/// Status, code and message.
pub(crate) async fn refusal(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let names: Vec<_> = response.headers().keys().filter(|name| name.as_str().starts_with("access-control")).collect();
    assert!(names.is_empty(), "{names:?}");
    let error: Value = response.json().await.expect("JSON");
    let text = |name: &str| error["error"][name].as_str().expect("text").to_owned();
    (status, text("code"), text("message"))
}

/// A source that asks the gateway for everything.
struct ByGateway<'s>(&'s Services);

impl Source for ByGateway<'_> {
    fn fetch<'a>(&'a self, need: &'a Need, _: tokio::time::Instant) -> BoxFuture<'a, Fetched> {
        Box::pin(async move {
            let (mut pieces, mut blobs) = evidence(fetch(self.0, std::slice::from_ref(need))).await;
            let piece = pieces.pop().expect("one for each need");
            assert_eq!(piece.need, need.id);
            match piece.outcome {
                Outcome::Found { blob, media_type } => Fetched::Bytes { bytes: blobs.remove(blob).into(), media_type },
                Outcome::Digest { digest } => Fetched::Digest(digest),
                Outcome::Absent => Fetched::Absent,
                Outcome::TooLarge { got } => Fetched::TooLarge { got },
                Outcome::Failed { reason } => Fetched::Failed { reason },
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_comes_to_the_verdict_of_the_host() {
    let (world, _) = World::new().await;
    let services = Services::start(config(&world, &[])).await;
    let decider = &services.running.decider;
    for (tag, outcome) in [("signed", "accept"), ("foreign", "reject"), ("unsigned", "reject"), ("missing", "reject")] {
        let image = format!("{IMAGE}:{tag}");
        let deadline = Instant::now() + Duration::from_secs(60);
        let host = decider.decide(&image, None, deadline).await;
        assert_eq!(host.outcome().name(), outcome, "{}", host.summary());
        let question = json!({"image": image, "now": now()});
        let loaded = decider.loaded();
        let page = decide(&engine(), loaded.documents(), &question, &ByGateway(&services), deadline).await;
        assert_eq!(page.expect("a verdict").verdict, host.verdict, "{tag}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_need_is_answered_in_its_order_and_with_its_own_blob() {
    let (world, images) = World::new().await;
    let services = Services::start(config(&world, &[])).await;
    let (registry, repository) = IMAGE.split_once('/').expect("two parts");
    let config = Digest::sha256(&images.signed.config).to_string();
    let needs = [
        need("blob", registry, repository, &config, 4096),
        need("resolve", registry, repository, "signed", 0),
        need("manifest", registry, repository, "nothing", 4096),
        need("manifest", registry, repository, "signed", 4096),
        need("manifest", registry, repository, "unsigned", 10),
        need("crl", "crl.example", "", "http://crl.example/ca.crl", 4096),
    ];
    let (pieces, blobs) = evidence(fetch(&services, &needs)).await;
    let ids = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        ids(pieces.iter().map(|piece| piece.need.as_str()).collect()),
        ids(needs.iter().map(|need| need.id.as_str()).collect())
    );
    assert_eq!(blobs, [images.signed.config, images.signed.manifest.clone()]);
    assert!(matches!(&pieces[0].outcome, Outcome::Found { blob: 0, .. }));
    assert!(matches!(&pieces[1].outcome, Outcome::Digest { digest } if *digest == images.signed.digest.as_str()));
    assert_eq!(pieces[2].outcome, Outcome::Absent);
    assert!(matches!(&pieces[3].outcome, Outcome::Found { blob: 1, media_type: Some(kind) } if kind == MANIFEST));
    assert!(matches!(&pieces[4].outcome, Outcome::TooLarge { .. }));
    assert!(matches!(&pieces[5].outcome, Outcome::Failed { reason } if reason.contains("does not fetch Crl")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_served() {
    let (world, _) = World::new().await;
    let mut config = config(&world, &[]);
    config.page.names = vec!["127.0.0.1".into(), "bulla.example".into()];
    let services = Services::start(config).await;
    let (registry, repository) = IMAGE.split_once('/').expect("two parts");
    let needs = [need("resolve", registry, repository, "signed", 0)];
    assert_eq!(fetch(&services, &needs).send().await.expect("an answer").status(), 200);
    for (header, value, want) in [
        ("authorization", None, (401, "not-signed-in")),
        ("authorization", Some("Bearer guess"), (401, "wrong-token")),
        ("authorization", Some("Basic YWxpY2U6eA=="), (401, "not-signed-in")),
        ("bulla-page", None, (403, "not-the-page")),
        ("sec-fetch-site", Some("cross-site"), (403, "cross-site")),
        ("sec-fetch-site", Some("same-site"), (403, "cross-site")),
        ("content-type", Some("text/plain"), (415, "other-type")),
        ("host", Some("evil.example"), (421, "other-host")),
        ("bulla-registry-authorization", Some("Bearer x"), (400, "registry-login")),
        ("bulla-registry-authorization", Some("Basic hunter2"), (400, "registry-login")),
    ] {
        let mut request = fetch(&services, &needs).build().expect("a request");
        request.headers_mut().remove(header);
        if let Some(value) = value {
            request.headers_mut().insert(header, value.parse().expect("a value"));
        }
        let response = services.client.execute(request).await.expect("an answer");
        assert_eq!(response.headers().contains_key("www-authenticate"), want.0 == 401);
        let (status, code, message) = refusal(response).await;
        assert_eq!((status, code.as_str()), want, "{header}: {value:?}: {message}");
        assert!(!message.contains("hunter2") && !message.contains("guess"), "{message}");
    }
    let preflight = services.client.request(reqwest::Method::OPTIONS, services.http("/gateway/v1/fetch"));
    let preflight = preflight.header("origin", "https://evil.example").send().await.expect("an answer");
    assert_eq!(preflight.status(), 405);
    assert!(preflight.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
    let metrics = services.get(&services.http("/metrics")).await.text().await.expect("text");
    assert!(metrics.contains("bulla_gateway_requests_total{what=\"fetch\",result=\"unauthenticated\"} 3"), "{metrics}");

    let without = Services::start(world.config()).await;
    assert_eq!(fetch(&without, &needs).send().await.expect("an answer").status(), 404, "off unless configured");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_signs_users_in_and_only_that_proxy() {
    let (world, _) = World::new().await;
    let (registry, repository) = IMAGE.split_once('/').expect("two parts");
    let needs = [need("resolve", registry, repository, "signed", 0)];
    for (proxy, want) in [("127.0.0.1", 200), ("10.0.0.7", 401)] {
        let config = with_limits(config(&world, &[]), |gateway| {
            gateway.tokens.clear();
            gateway.users = vec!["bob".into()];
            let proxies = vec![proxy.parse().expect("an address")];
            gateway.trusted_header =
                Some(TrustedHeader { name: "X-Forwarded-User".into(), proxies, ..TrustedHeader::default() });
        });
        let services = Services::start(config).await;
        let asked = fetch(&services, &needs).header("x-forwarded-user", "bob").send().await.expect("an answer");
        assert_eq!(asked.status(), want, "{proxy}");
        if want == 200 {
            let (_, code, _) = refused(fetch(&services, &needs).header("x-forwarded-user", "mallory")).await;
            assert_eq!(code, "not-a-user");
            assert_eq!(refused(fetch(&services, &needs)).await.1, "not-signed-in");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_listed_repositories_are_asked() {
    let (world, _) = World::new().await;
    let registry = Registry::start().await;
    registry.put("v1", MANIFEST, "{}");
    let services = Services::start(config(&world, &[format!("{}/team", registry.address)])).await;
    for (repository, listed) in [("team/app", true), ("team", true), ("teams/app", false), ("other", false)] {
        let asked = fetch(&services, &[need("manifest", &registry.address, repository, "v1", 4096)]);
        if listed {
            assert_eq!(evidence(asked).await.1, [b"{}"], "{repository}");
            assert_eq!(registry.seen().len(), 1);
        } else {
            let (status, code, message) = refused(asked).await;
            assert_eq!((status, code.as_str()), (403, "other-place"));
            let place = format!("{}/{repository}", registry.address);
            assert_eq!(message, format!("{place} does not stand in page.gateway.registries"));
            assert_eq!(registry.seen(), [], "nothing was asked");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_more_than_the_limits() {
    let (world, images) = World::new().await;
    let registry = Registry::start().await;
    registry.put("v1", MANIFEST, "{}");
    let config = with_limits(config(&world, std::slice::from_ref(&registry.address)), |gateway| {
        gateway.needs = 8;
        gateway.answer_bytes = 1 << 20;
        gateway.push_bytes = 1 << 16;
        gateway.fetch_milliseconds = 500;
        gateway.requests_per_user = 1;
        gateway.requests_per_minute = 9;
    });
    let services = Services::start(config).await;
    let (here, repository) = IMAGE.split_once('/').expect("two parts");
    let layer = Digest::sha256(&images.signed.layer).to_string();

    let nine: Vec<Need> = (0..9).map(|index| need("resolve", here, repository, &format!("t{index}"), 0)).collect();
    let (status, code, message) = refused(fetch(&services, &nine)).await;
    assert_eq!((status, code.as_str()), (413, "too-many-needs"));
    assert_eq!(message, "9 needs in one request, at most 8 are answered");
    assert_eq!(refused(fetch(&services, &[nine[0].clone(), nine[0].clone()])).await.1, "need-twice");

    // Six layers of 200,000 octets: five fit into a MiB.
    let layers: Vec<Need> = (0..6)
        .map(|index| Need { id: format!("{index}"), ..need("blob", here, repository, &layer, 1 << 24) })
        .collect();
    let (pieces, blobs) = evidence(fetch(&services, &layers)).await;
    assert_eq!((blobs.len(), pieces.len()), (5, 6));
    let Outcome::Failed { reason } = &pieces[5].outcome else { panic!("{:?}", pieces[5]) };
    assert!(reason.contains("the gateway gives 1048576 in one answer: ask for less at a time"), "{reason}");

    let slow = [need("manifest", &registry.address, "slow/app", "v1", 4096)];
    let begun = Instant::now();
    let (waiting, (pieces, _)) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            refused(fetch(&services, &nine[..1])).await
        },
        evidence(fetch(&services, &slow)),
    );
    assert!(matches!(&pieces[0].outcome, Outcome::Failed { reason } if reason.contains("deadline")), "{pieces:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!((waiting.0, waiting.1.as_str()), (429, "busy"), "one at a time");

    let large = page(&services, "/gateway/v1/push", MESSAGE).body(vec![0; (1 << 16) + 1]);
    assert_eq!(refused(large).await.1, "too-large");
    let broken = page(&services, "/gateway/v1/push", MESSAGE).body("nonsense");
    assert_eq!(refused(broken).await.1, "unreadable");
    let unknown = page(&services, "/gateway/v1/fetch", "application/json").body(r#"{"needs":[],"cors":true}"#);
    assert!(refused(unknown).await.2.contains("unknown field `cors`"));
    let mut codes = Vec::new();
    for _ in 0..4 {
        let answer = fetch(&services, &nine[..1]).send().await.expect("an answer");
        codes.push(answer.status().as_u16());
    }
    assert_eq!(codes, [200, 200, 429, 429], "seven before, nine in a minute");
}
