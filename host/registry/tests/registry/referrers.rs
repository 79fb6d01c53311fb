//! Referrers: pages, caps, registries without the API, and the difference between "none" and "cannot say".

use bulla_registry::{Fetched, NeedKind, RequestKind};
use serde_json::{Value, json};

use crate::fake::{Fake, INDEX, MANIFEST, bytes, client, client_with, config, digest_of, fetch, respond};

fn page(entries: std::ops::Range<usize>) -> String {
    let entries: Vec<Value> =
        entries.map(|number| json!({"digest": format!("sha256:{number:064}"), "size": 1})).collect();
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string()
}

fn entries(fetched: &Fetched) -> usize {
    let index: Value = serde_json::from_slice(bytes(fetched)).unwrap();
    index["manifests"].as_array().unwrap().len()
}

fn number(path: &str) -> usize {
    path.split_once("page=").map_or(0, |(_, number)| number.parse().unwrap())
}

#[tokio::test]
async fn one_page_comes_as_it_came() {
    let body = format!("{}  ", page(0..2));
    let sent = body.clone();
    let fake =
        Fake::start(move |_| respond(200, &[("content-type", &format!("{INDEX}; charset=utf-8"))], sent.clone())).await;
    let digest = digest_of(b"");
    let fetched = fetch(&client(), &fake.need(NeedKind::Referrers, &digest)).await;
    assert_eq!(fetched, Fetched::Bytes { bytes: body.into(), media_type: Some(INDEX.into()) });
    assert_eq!(fake.lines(), [format!("GET /v2/org/app/referrers/{digest}")]);
    assert_eq!(fake.seen()[0].header("accept"), Some(INDEX));
}

#[tokio::test]
async fn pages_are_merged() {
    let fake = Fake::start(|seen| {
        let number = number(&seen.path);
        let link = format!("<{}?page={}>; rel=\"next\"", seen.path.split('?').next().unwrap(), number + 1);
        let link = if number < 2 { link } else { "<x>; rel=\"prev\"".into() };
        respond(200, &[("content-type", INDEX), ("link", &link)], page(number * 3..number * 3 + 3))
    })
    .await;
    let client = client();
    assert_eq!(entries(&fetch(&client, &fake.need(NeedKind::Referrers, &digest_of(b""))).await), 9);
    assert_eq!(client.stats().snapshot().of(RequestKind::Referrers), 3);
}

#[tokio::test]
async fn pages_entries_and_octets_have_caps() {
    let endless = |size: usize| {
        move |seen: &crate::fake::Seen| {
            let next = format!("</v2/org/app/referrers/x?page={}>; rel=\"next\"", number(&seen.path) + 1);
            respond(200, &[("content-type", INDEX), ("link", &next)], page(0..size))
        }
    };
    let request = format!("R: GET referrers/{} gave an unusable answer: ", digest_of(b""));
    let fake = Fake::start(endless(1)).await;
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Referrers, &digest_of(b""))).await);
    assert_eq!(reason, format!("{request}more than 20 pages"));
    assert_eq!(fake.lines().len(), 20);

    let fake = Fake::start(endless(700)).await;
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Referrers, &digest_of(b""))).await);
    assert_eq!(reason, format!("{request}2100 entries or more, at most 2000 are read"));

    let fake = Fake::start(endless(10)).await;
    let mut need = fake.need(NeedKind::Referrers, &digest_of(b""));
    need.limit = 3000;
    let octets = page(0..10).len() as u64;
    let pages = 3000 / octets + 1;
    assert_eq!(fetch(&client(), &need).await, Fetched::TooLarge { got: pages * octets });
}

#[tokio::test]
async fn without_the_api_the_fallback_tag_is_read_and_the_lack_remembered() {
    for (status, content_type) in
        [(404, "application/json"), (405, "text/plain"), (501, "text/plain"), (200, "text/html")]
    {
        let fake = Fake::start(move |seen| match seen.path.contains("/referrers/") {
            true => respond(status, &[("content-type", content_type)], "<html>"),
            false => respond(200, &[("content-type", INDEX)], page(0..1)),
        })
        .await;
        let client = client();
        let (first, second) = (digest_of(b"1"), digest_of(b"2"));
        for digest in [&first, &second] {
            assert_eq!(entries(&fetch(&client, &fake.need(NeedKind::Referrers, digest)).await), 1);
        }
        let tag = |digest: &str| format!("GET /v2/org/app/manifests/{}", digest.replace(':', "-"));
        assert_eq!(fake.lines(), [format!("GET /v2/org/app/referrers/{first}"), tag(&first), tag(&second)], "{status}");
    }
}

#[tokio::test]
async fn no_api_and_no_fallback_tag_are_no_referrers() {
    let fake = Fake::start(|_| respond(404, &[], "")).await;
    let fetched = fetch(&client(), &fake.need(NeedKind::Referrers, &digest_of(b""))).await;
    assert_eq!(entries(&fetched), 0);
}

#[tokio::test]
async fn errors_are_not_no_referrers() {
    for (status, body) in [(400, ""), (403, ""), (500, "")] {
        let fake = Fake::start(move |_| respond(status, &[], body)).await;
        let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Referrers, &digest_of(b""))).await);
        assert_eq!(reason, format!("R: HTTP {status} from GET referrers/{}", digest_of(b"")));
        assert_eq!(fake.lines().len(), 1);
    }
    // The fallback tag can fail too.
    let fake = Fake::start(|seen| respond(if seen.path.contains("/referrers/") { 404 } else { 500 }, &[], "")).await;
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Referrers, &digest_of(b""))).await);
    assert_eq!(reason, format!("R: HTTP 500 from GET manifests/{}", digest_of(b"").replace(':', "-")));
}

#[tokio::test]
async fn a_missing_page_is_not_the_end_of_the_list() {
    let fake = Fake::start(|seen| match number(&seen.path) {
        0 => respond(200, &[("content-type", INDEX), ("link", "<?page=1>; rel=next")], page(0..1)),
        _ => respond(404, &[], ""),
    })
    .await;
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Referrers, &digest_of(b""))).await);
    assert!(reason.ends_with("gave an unusable answer: HTTP 404 for page 2"), "{reason}");
}

#[tokio::test]
async fn a_404_about_one_repository_says_nothing_about_the_api() {
    let unknown = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}"#;
    let fake = Fake::start(move |_| respond(404, &[], unknown)).await;
    let client = client();
    for content in [b"1", b"2"] {
        assert_eq!(entries(&fetch(&client, &fake.need(NeedKind::Referrers, &digest_of(content))).await), 0);
    }
    assert_eq!(fake.lines().iter().filter(|line| line.contains("/referrers/")).count(), 2);
}

#[tokio::test]
async fn pages_elsewhere_are_refused() {
    let other = Fake::start(|_| respond(200, &[("content-type", INDEX)], page(0..1))).await;
    let link = format!("<http://{}/v2/org/app/referrers/x>; rel=\"next\"", other.address);
    let fake = Fake::start(move |_| respond(200, &[("content-type", INDEX), ("link", &link)], page(0..1))).await;
    // Even a host that blobs may come from: a list has no reason to go on there.
    let config = config(&format!(r#"{{"{}":{{"redirectHosts":["{}"]}}}}"#, fake.address, other.address));
    let reason =
        fake.reason(&fetch(&client_with(&config, "{}"), &fake.need(NeedKind::Referrers, &digest_of(b""))).await);
    assert!(reason.ends_with(&format!("the next page is on another host, {}", other.address)), "{reason}");
    assert_eq!(other.lines(), [""; 0]);
}

#[tokio::test]
async fn an_index_that_is_none_is_an_error() {
    for (body, reason) in [
        ("nonsense", "not JSON: expected ident at line 1 column 2"),
        (r#"{"layers":[]}"#, "an image index without manifests"),
    ] {
        let fake = Fake::start(move |_| respond(200, &[("content-type", INDEX)], body)).await;
        let got = fake.reason(&fetch(&client(), &fake.need(NeedKind::Referrers, &digest_of(b""))).await);
        assert!(got.ends_with(reason), "{got}");
    }
    let fake = Fake::start(|_| respond(200, &[("content-type", MANIFEST)], "{}")).await;
    let fetched = fetch(&client(), &fake.need(NeedKind::Referrers, &digest_of(b""))).await;
    assert_eq!(bytes(&fetched), b"{}", "what lies under the fallback tag is the module's to judge");
}
