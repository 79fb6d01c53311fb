//! Revocation lists and OCSP responses by their address.

use std::time::Duration;

use bulla_registry::{Credentials, Fetched, Need, NeedKind, RegistryConfig, RequestKind, Source, Sources};
use tokio::time::Instant;

use crate::fake::{Fake, bytes, config, fetch, respond, soon};

fn need(kind: NeedKind, url: &str) -> Need {
    let registry = url.split('/').nth(2).unwrap_or_default().to_owned();
    Need { id: url.into(), kind, registry, repository: String::new(), reference: url.into(), limit: 100 }
}

fn crl(fake: &Fake, path: &str) -> Need {
    need(NeedKind::Crl, &format!("http://{}{path}", fake.address))
}

/// Sources that may ask this server, with credentials for it, which must never be sent.
fn sources(fake: &Fake, change: impl FnOnce(&mut RegistryConfig)) -> Sources {
    let mut config = config("{}");
    config.revocation.private_hosts = vec![fake.address.clone()];
    change(&mut config);
    let credentials = format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, fake.address);
    let credentials = Credentials::from_json("test.json", credentials.as_bytes(), &config.limits).unwrap();
    Sources::with_credentials(&config, credentials).unwrap()
}

fn reason(fetched: &Fetched) -> String {
    match fetched {
        Fetched::Failed { reason } => reason.clone(),
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[tokio::test]
async fn exactly_the_address_is_asked_without_credentials() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        "/401" => respond(401, &[("www-authenticate", "Basic")], ""),
        _ => respond(200, &[("content-type", "application/pkix-crl"), ("set-cookie", "a=b")], "list"),
    })
    .await;
    let sources = sources(&fake, |config| config.revocation.cache_bytes = 0);
    let paths = ["/a%2Fb%2B//c?q=1", "/MEUwQzBBMD8wPTAJ%3D"];
    for path in paths {
        let found = fetch(&sources, &crl(&fake, path)).await;
        assert_eq!(
            found,
            Fetched::Bytes { bytes: "list".into(), media_type: Some("application/pkix-crl".into()) },
            "{path}"
        );
    }
    let refused = fetch(&sources, &crl(&fake, "/401")).await;
    assert_eq!(fake.reason(&refused), "R: HTTP 401 from GET /401");
    assert_eq!(fake.lines(), [&format!("GET {}", paths[0]), &format!("GET {}", paths[1]), "GET /401"]);
    for seen in fake.seen() {
        assert_eq!((seen.header("authorization"), seen.header("cookie"), seen.header("referer")), (None, None, None));
    }
    assert_eq!(sources.stats().snapshot().of(RequestKind::Revocation), 3);
}

#[tokio::test]
async fn this_machine_and_private_networks_are_not_asked() {
    let fake = Fake::start(|_| respond(200, &[], "list")).await;
    let sources = sources(&fake, |config| {
        config.revocation.private_hosts.clear();
        config.revocation.failure_seconds = 0;
    });
    let port = fake.address.rsplit(':').next().unwrap();
    for (host, address) in [
        ("127.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("localhost", ""),
        ("[::1]", "::1"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ("169.254.169.254", "169.254.169.254"),
        ("10.0.0.1", "10.0.0.1"),
    ] {
        let refused = fetch(&sources, &need(NeedKind::Ocsp, &format!("http://{host}:{port}/"))).await;
        let expected = format!("{address} is not a public address, allow its host with revocation.privateHosts");
        assert!(reason(&refused).contains(&expected), "{host}: {refused:?}");
    }
    assert_eq!(fake.lines(), [""; 0]);
    // By name it is another host than by address: exactly what is listed is allowed.
    let by_name = config_for(&format!("localhost:{port}"));
    assert_eq!(bytes(&fetch(&by_name, &need(NeedKind::Crl, &format!("http://localhost:{port}/"))).await), b"list");
    reason(&fetch(&by_name, &crl(&fake, "/")).await);
    let other_port = config_for("127.0.0.1");
    reason(&fetch(&other_port, &crl(&fake, "/")).await);
    assert_eq!(fake.lines().len(), 1);
}

fn config_for(private_host: &str) -> Sources {
    let mut config = config("{}");
    config.revocation.private_hosts = vec![private_host.into()];
    Sources::with_credentials(&config, Credentials::none()).unwrap()
}

#[tokio::test]
async fn tls_is_spoken_under_the_authority_that_is_configured() {
    let (host, pem) = crate::tls::registry().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let ask = |ca_file| {
        let mut config = config("{}");
        config.revocation.private_hosts = vec![host.clone()];
        config.revocation.ca_file = ca_file;
        Sources::with_credentials(&config, Credentials::none()).unwrap()
    };
    let need = need(NeedKind::Crl, &format!("https://{host}/"));
    assert_eq!(bytes(&fetch(&ask(Some(file.path().to_owned())), &need).await), b"HTTP/2.0");
    assert!(reason(&fetch(&ask(None), &need).await).contains("invalid peer certificate"));
}

#[tokio::test]
async fn what_is_no_such_address_is_refused() {
    let fake = Fake::start(|_| respond(200, &[], "list")).await;
    let sources = sources(&fake, |_| {});
    for (url, expected) in [
        ("ldap://127.0.0.1/cn=a", "is neither http nor https"),
        ("file:///etc/passwd", "is neither http nor https"),
        ("crl.example/a", "is not a URL"),
        ("http://u:p@127.0.0.1/", "has credentials in it"),
        ("", "is not a URL"),
    ] {
        assert!(reason(&fetch(&sources, &need(NeedKind::Crl, url)).await).contains(expected), "{url}");
    }
}

#[tokio::test]
async fn redirects_stay_on_the_host_and_end() {
    let elsewhere = Fake::start(|_| respond(200, &[], "other")).await;
    let target = format!("http://{}/", elsewhere.address);
    let fake = Fake::start(move |seen| match seen.path.as_str() {
        "/moved" => respond(302, &[("location", "/list")], ""),
        "/away" => respond(302, &[("location", &target)], ""),
        "/loop" => respond(302, &[("location", "/loop")], ""),
        "/nowhere" => respond(302, &[], ""),
        _ => respond(200, &[], "list"),
    })
    .await;
    // Even where both hosts are listed: the certificate named one.
    let sources = sources(&fake, |config| config.revocation.private_hosts.push(elsewhere.address.clone()));
    assert_eq!(bytes(&fetch(&sources, &crl(&fake, "/moved")).await), b"list");
    let away = fetch(&sources, &crl(&fake, "/away")).await;
    assert!(fake.reason(&away).ends_with("refused: another host"), "{away:?}");
    let round = fetch(&sources, &crl(&fake, "/loop")).await;
    assert!(fake.reason(&round).ends_with("refused: more than 5 redirects"), "{round:?}");
    assert_eq!(fake.lines().iter().filter(|line| *line == "GET /loop").count(), 6);
    assert_eq!(elsewhere.lines(), [""; 0]);
}

#[tokio::test]
async fn sizes_and_times_are_limited() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        "/large" => respond(200, &[], "x".repeat(101)),
        "/slow" => respond(200, &[("x-delay", "2000")], "late"),
        "/absent" => respond(404, &[], ""),
        _ => respond(200, &[], "x".repeat(100)),
    })
    .await;
    let sources = sources(&fake, |config| {
        config.revocation.ocsp_milliseconds = 100;
        config.revocation.crl_milliseconds = 300;
    });
    assert_eq!(fetch(&sources, &crl(&fake, "/large")).await, Fetched::TooLarge { got: 101 });
    assert_eq!(bytes(&fetch(&sources, &crl(&fake, "/")).await).len(), 100);
    assert_eq!(fetch(&sources, &crl(&fake, "/absent")).await, Fetched::Absent);
    let slow = crl(&fake, "/slow");
    let list = fetch(&sources, &slow).await;
    assert!(fake.reason(&list).ends_with("within 300 ms"), "{list:?}");
    let response = fetch(&sources, &Need { kind: NeedKind::Ocsp, ..slow.clone() }).await;
    assert!(fake.reason(&response).ends_with("within 100 ms"), "{response:?}");
    let hasty = sources.fetch(&Need { limit: 1, ..slow }, Instant::now() + Duration::from_millis(50)).await;
    assert!(fake.reason(&hasty).contains("when the deadline came"), "{hasty:?}");
}

#[tokio::test]
async fn answers_are_kept_as_long_as_their_headers_and_the_configuration_say() {
    let fake = Fake::start(|seen| match seen.path.as_str() {
        "/plain" => respond(200, &[], "list"),
        "/no-store" => respond(200, &[("cache-control", "no-store")], "list"),
        "/second" => respond(200, &[("cache-control", "max-age=1")], "list"),
        "/expired" => respond(200, &[("expires", "0")], "list"),
        _ => respond(500, &[], ""),
    })
    .await;
    let sources = sources(&fake, |config| config.revocation.failure_seconds = 1);
    let asked = |path: &str| fake.lines().iter().filter(|line| **line == format!("GET {path}")).count();
    let paths = [("/plain", 1, 1), ("/no-store", 2, 3), ("/second", 1, 2), ("/expired", 2, 3), ("/failure", 1, 2)];
    for (path, first, _) in paths {
        let answers = [fetch(&sources, &crl(&fake, path)).await, fetch(&sources, &crl(&fake, path)).await];
        assert_eq!(answers[0], answers[1]);
        assert_eq!(asked(path), first, "{path}");
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    for (path, _, second) in paths {
        fetch(&sources, &crl(&fake, path)).await;
        assert_eq!(asked(path), second, "{path}");
    }
    // The same address for the other kind is another question.
    fetch(&sources, &Need { kind: NeedKind::Ocsp, ..crl(&fake, "/plain") }).await;
    assert_eq!(asked("/plain"), 2);
}

#[tokio::test]
async fn few_answers_are_kept_and_few_octets() {
    let fake = Fake::start(|_| respond(200, &[], "x".repeat(100))).await;
    for change in [
        |config: &mut RegistryConfig| config.revocation.cache_entries = 4,
        |config: &mut RegistryConfig| config.revocation.cache_bytes = 3000,
    ] {
        let sources = sources(&fake, change);
        for round in 0..2 {
            for path in 0..20 {
                fetch(&sources, &crl(&fake, &format!("/{path}"))).await;
            }
            assert!(sources.stats().snapshot().cache_hits <= 4 * round, "{:?}", sources.stats());
        }
    }
}

#[tokio::test]
async fn equal_needs_make_one_request_and_others_wait_for_a_slot() {
    let fake = Fake::start(|_| respond(200, &[("x-delay", "50")], "list")).await;
    let sources = sources(&fake, |config| config.revocation.requests = 2);
    let same: Vec<_> = (0..8).map(|_| crl(&fake, "/same")).collect();
    futures_util::future::join_all(same.iter().map(|need| sources.fetch(need, soon()))).await;
    assert_eq!(fake.lines().len(), 1);
    let started = Instant::now();
    let different: Vec<_> = (0..6).map(|path| crl(&fake, &format!("/{path}"))).collect();
    futures_util::future::join_all(different.iter().map(|need| sources.fetch(need, soon()))).await;
    assert!(started.elapsed() >= Duration::from_millis(150), "two at a time take three rounds");
}

#[tokio::test]
async fn who_gives_up_early_takes_nobody_along() {
    let fake = Fake::start(|_| respond(200, &[("x-delay", "200")], "list")).await;
    let sources = sources(&fake, |_| {});
    let need = crl(&fake, "/");
    let hasty = sources.fetch(&need, Instant::now() + Duration::from_millis(50));
    let patient = sources.fetch(&need, soon());
    let (hasty, patient) = futures_util::future::join(hasty, patient).await;
    reason(&hasty);
    assert_eq!(bytes(&patient), b"list");
}

#[test]
fn configurations_that_cannot_be_used_are_refused() {
    let error = |change: fn(&mut RegistryConfig)| {
        let mut config = config("{}");
        change(&mut config);
        Sources::with_credentials(&config, Credentials::none()).unwrap_err().to_string()
    };
    assert_eq!(
        error(|config| config.revocation.private_hosts = vec!["*.example".into()]),
        "revocation.privateHosts: \"*.example\" is not a host name, e.g. crl.example or 10.0.0.1:8080"
    );
    assert_eq!(
        error(|config| config.revocation.ca_file = Some("/nonexistent".into())),
        "revocation.caFile: /nonexistent: No such file or directory (os error 2)"
    );
}
