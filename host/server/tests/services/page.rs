//! The page's files: compressed for who takes that, asked about each time, allowed what they need and nothing else.

use bulla_engine::EMBEDDED;
use bulla_server::Tls;
use reqwest::Response;

use crate::world::{Services, World, engine};

async fn get(services: &Services, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = services.client.get(services.http(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_come_compressed_and_are_asked_about_each_time() {
    let (world, _) = World::new().await;
    let services = world.start().await;
    for (taken, coding, tag) in [
        ("gzip, deflate, br", "br", "-br"),
        ("gzip", "gzip", "-gzip"),
        ("br;q=0, gzip;q=0", "", ""),
        ("identity", "", ""),
    ] {
        let answer = get(&services, "/bulla.wasm", &[("accept-encoding", taken)]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "content-encoding")), (200, coding), "{taken}");
        assert_eq!(header(&answer, "content-type"), "application/wasm");
        assert_eq!(header(&answer, "vary"), "Accept-Encoding");
        assert_eq!(header(&answer, "cache-control"), "no-cache");
        let etag = header(&answer, "etag").to_owned();
        assert_eq!(etag, format!("\"{}{tag}\"", engine().module_digest()));
        let length: usize = header(&answer, "content-length").parse().expect("a number");
        let bytes = answer.bytes().await.expect("a body");
        assert_eq!(bytes.len(), length);
        match coding {
            "" => assert_eq!(bytes, EMBEDDED),
            _ => assert!(length < EMBEDDED.len() / 2, "{coding}: {length}"),
        }
        for (known, status) in [(etag.clone(), 304), (format!("\"x\", W/{etag}"), 304), ("\"x\"".to_owned(), 200)] {
            let again = get(&services, "/bulla.wasm", &[("accept-encoding", taken), ("if-none-match", &known)]).await;
            assert_eq!((again.status().as_u16(), header(&again, "etag")), (status, etag.as_str()), "{known}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_may_do_what_it_needs() {
    let (world, _) = World::new().await;
    let services = world.start().await;
    for (path, status) in
        [("/", 200), ("/main.js", 200), ("/bulla.d.ts", 200), ("/nothing", 404), ("/../Cargo.toml", 404)]
    {
        let answer = get(&services, path, &[]).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(
            header(&answer, "content-security-policy"),
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
             connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
        assert_eq!(header(&answer, "cross-origin-opener-policy"), "same-origin");
    }
    let posted = services.client.post(services.http("/")).send().await.expect("an answer");
    assert_eq!(posted.status(), 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configured_registries_are_known_to_the_page_and_allowed_to_it() {
    let (world, _) = World::new().await;
    let mut config = world.config();
    config.page.connect.insert("registry.example".into(), "https://r.example".into());
    let services = Services::start(config).await;
    let script = get(&services, "/config.js", &[]).await;
    assert!(header(&script, "content-security-policy").contains("connect-src 'self' https://r.example;"));
    let text = script.text().await.expect("text");
    assert_eq!(text, "export const registries = {\"registry.example\":\"https://r.example\"};\n");
    let index = get(&services, "/", &[("accept-encoding", "br")]).await;
    let text = index.text().await.expect("text");
    assert!(!text.contains("connect-src") || text.contains("connect-src 'self' https://r.example"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_comes_over_tls_where_it_is_configured() {
    let (world, _) = World::new().await;
    let mut config = world.config();
    if let Some(http) = &mut config.http {
        http.tls = Some(Tls { self_signed: true, ..Tls::default() });
    }
    let services = Services::start(config).await;
    let address = services.running.http.expect("a page");
    let answer = services.get(&format!("https://127.0.0.1:{}/", address.port())).await;
    assert_eq!(answer.status(), 200);
    services.client.get(services.http("/")).send().await.expect_err("and no longer without");
}
