//! Redirects: to listed hosts only, without credentials, and not for ever.

use bulla_registry::NeedKind;

use crate::fake::{Fake, bytes, client, client_with, config, digest_of, fetch, respond};

fn auths(fake: &Fake) -> String {
    format!(r#"{{"auths":{{"{}":{{"username":"u","password":"p"}}}}}}"#, fake.address)
}

#[tokio::test]
async fn another_host_is_refused_by_name_and_key() {
    let cdn = Fake::start(|_| respond(200, &[], "blob")).await;
    let target = format!("http://{}/blob", cdn.address);
    for status in [301, 302, 303, 307, 308] {
        let target = target.clone();
        let fake = Fake::start(move |_| respond(status, &[("location", &target)], "")).await;
        let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Blob, &digest_of(b"blob"))).await);
        let expected = format!(
            "R: GET blobs/{} points to http://{}, refused: another host, allow it with hosts.\"R\".redirectHosts",
            digest_of(b"blob"),
            cdn.address
        );
        assert_eq!(reason, expected);
    }
    assert_eq!(cdn.lines(), [""; 0], "not a byte went there");
}

#[tokio::test]
async fn a_listed_host_gets_the_request_but_not_the_credentials() {
    let cdn = Fake::start(|_| respond(200, &[], "blob")).await;
    let target = format!("http://{}/blob?signed=1", cdn.address);
    let fake = Fake::start(move |seen| match seen.header("authorization") {
        None => respond(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
        Some(_) => respond(307, &[("location", &target)], ""),
    })
    .await;
    let config = config(&format!(r#"{{"{}":{{"redirectHosts":["{}"]}}}}"#, fake.address, cdn.address));
    let client = client_with(&config, &auths(&fake));
    assert_eq!(bytes(&fetch(&client, &fake.need(NeedKind::Blob, &digest_of(b"blob"))).await), b"blob");
    assert_eq!(fake.seen()[1].header("authorization"), Some("Basic dTpw"));
    assert_eq!(cdn.lines(), ["GET /blob?signed=1"]);
    assert_eq!(cdn.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_challenge_from_elsewhere_gets_no_credentials() {
    let cdn = Fake::start(|_| respond(401, &[("www-authenticate", "Basic realm=\"r\"")], "")).await;
    let target = format!("http://{}/blob", cdn.address);
    let fake = Fake::start(move |_| respond(307, &[("location", &target)], "")).await;
    let config = config(&format!(r#"{{"{}":{{"redirectHosts":["{}"]}}}}"#, fake.address, cdn.address));
    let fetched = fetch(&client_with(&config, &auths(&fake)), &fake.need(NeedKind::Manifest, "v1")).await;
    assert_eq!(fake.reason(&fetched), "R: HTTP 401 from GET manifests/v1");
    assert_eq!((cdn.lines().len(), fake.lines().len()), (1, 1));
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let fake = Fake::start(|_| respond(302, &[("location", "/again")], "")).await;
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(reason, "R: GET manifests/v1 points to http://R, refused: more than 5 redirects");
    assert_eq!(fake.lines().len(), 6);
}

#[tokio::test]
async fn a_redirect_without_a_target_is_an_error() {
    let fake = Fake::start(|_| respond(302, &[("location", "http://")], "")).await;
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(reason, "R: GET manifests/v1 gave an unusable answer: a redirect without a usable Location");
}

#[tokio::test]
async fn redirects_to_names_and_ports_of_other_services_are_refused() {
    for (target, reason) in [
        ("http://169.254.169.254/latest/meta-data", "plain HTTP, allow it with hosts.\"169.254.169.254\".plainHttp"),
        ("https://internal.example/", "another host, allow it with hosts.\"R\".redirectHosts"),
        ("file:///etc/passwd", "neither http nor https"),
        ("http://u:p@localhost/", "credentials in the URL"),
    ] {
        let fake = Fake::start(move |_| respond(307, &[("location", target)], "")).await;
        let got = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
        assert!(got.ends_with(&format!("refused: {reason}")), "{got}");
    }
}
