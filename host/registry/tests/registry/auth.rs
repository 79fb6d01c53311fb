//! Authentication: challenges, realms, tokens, and to whom credentials are shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bulla_registry::{Credential, Credentials, NeedKind, RequestKind, Source};

use crate::fake::{Fake, MANIFEST, Seen, bytes, client, client_with, config, fetch, respond, soon};

/// A registry whose realm is on itself: tokens are `t0`, `t1`, … and `accepts` says which authorization is good.
async fn guarded(
    accepts: impl Fn(&str) -> bool + Send + Sync + 'static,
    token: impl Fn(&Seen, usize) -> (u16, String) + Send + Sync + 'static,
) -> Fake {
    let count = AtomicUsize::new(0);
    Fake::start(move |seen| {
        if seen.path.starts_with("/token") {
            let (status, body) = token(seen, count.fetch_add(1, Ordering::SeqCst));
            return respond(status, &[], body);
        }
        if seen.header("authorization").is_some_and(&accepts) {
            return respond(200, &[], "m");
        }
        let challenge = format!(
            r#"Negotiate, Bearer realm="http://{}/token",service="a, \"b\"",scope="repository:org/app:pull""#,
            seen.header("host").unwrap()
        );
        respond(401, &[("www-authenticate", &challenge)], "")
    })
    .await
}

fn auths(fake: &Fake, auth: &str) -> String {
    format!(r#"{{"auths":{{"{}":{auth}}}}}"#, fake.address)
}

#[tokio::test]
async fn an_anonymous_token_is_fetched_once_and_used_again() {
    let fake = guarded(
        |value| value == "Bearer t0",
        |_, number| (200, format!(r#"{{"token":"t{number}","expires_in":300}}"#)),
    )
    .await;
    let client = client();
    for tag in ["v1", "v2", "v3"] {
        assert_eq!(bytes(&fetch(&client, &fake.need(NeedKind::Manifest, tag)).await), b"m");
    }
    let token = "GET /token?service=a%2C+%22b%22&scope=repository%3Aorg%2Fapp%3Apull";
    assert_eq!(
        fake.lines(),
        [
            "GET /v2/org/app/manifests/v1",
            token,
            "GET /v2/org/app/manifests/v1",
            "GET /v2/org/app/manifests/v2",
            "GET /v2/org/app/manifests/v3"
        ]
    );
    assert_eq!(fake.seen()[1].header("authorization"), None);
    assert_eq!(client.stats().snapshot().of(RequestKind::Token), 1);
}

#[tokio::test]
async fn concurrent_requests_share_one_token_request() {
    let fake = guarded(|value| value == "Bearer t0", |_, number| (200, format!(r#"{{"token":"t{number}"}}"#))).await;
    let client = client();
    let needs: Vec<_> = (0..8).map(|number| fake.need(NeedKind::Manifest, &format!("v{number}"))).collect();
    let fetched = futures_util::future::join_all(needs.iter().map(|need| client.fetch(need, soon()))).await;
    assert!(fetched.iter().all(|fetched| bytes(fetched) == b"m"));
    assert_eq!(client.stats().snapshot().of(RequestKind::Token), 1);
}

#[tokio::test]
async fn a_token_that_has_expired_is_renewed_before_it_is_used() {
    let fake = guarded(
        |value| value.starts_with("Bearer t"),
        |_, number| (200, format!(r#"{{"access_token":"t{number}","expires_in":0}}"#)),
    )
    .await;
    let client = client();
    for tag in ["v1", "v2"] {
        assert_eq!(bytes(&fetch(&client, &fake.need(NeedKind::Manifest, tag)).await), b"m");
    }
    assert_eq!(fake.seen().last().unwrap().header("authorization"), Some("Bearer t1"));
    assert_eq!(fake.lines().iter().filter(|line| line.contains("/v2/")).count(), 3, "the second request met no 401");
}

#[tokio::test]
async fn a_token_that_is_refused_later_is_renewed_once() {
    let revoked = Arc::new(AtomicUsize::new(0));
    let good = Arc::clone(&revoked);
    let fake = guarded(
        move |value| value == format!("Bearer t{}", good.load(Ordering::SeqCst)),
        |_, number| (200, format!(r#"{{"token":"t{number}"}}"#)),
    )
    .await;
    let client = client();
    assert_eq!(bytes(&fetch(&client, &fake.need(NeedKind::Manifest, "v1")).await), b"m");
    revoked.store(1, Ordering::SeqCst);
    assert_eq!(bytes(&fetch(&client, &fake.need(NeedKind::Manifest, "v2")).await), b"m");
    assert_eq!(client.stats().snapshot().of(RequestKind::Token), 2);
}

#[tokio::test]
async fn a_loop_of_401_ends_after_one_new_token() {
    let fake = guarded(|_| false, |_, number| (200, format!(r#"{{"token":"t{number}"}}"#))).await;
    let client = client();
    for tag in ["v1", "v2"] {
        let reason = fake.reason(&fetch(&client, &fake.need(NeedKind::Manifest, tag)).await);
        assert_eq!(
            reason,
            format!(
                "R: GET manifests/{tag} needs authentication: HTTP 401 again after a new token from R for repository:org/app:pull"
            )
        );
    }
    assert_eq!(client.stats().snapshot().of(RequestKind::Token), 2, "one for each request");
    assert_eq!(fake.lines().len(), 6);
}

#[tokio::test]
async fn a_password_goes_to_the_realm_and_the_token_to_the_registry() {
    let fake = guarded(
        |value| value == "Bearer good",
        |seen, _| match seen.header("authorization") {
            Some("Basic dXNlcjpwYTpzcw==") => (200, r#"{"token":"good"}"#.into()),
            _ => (401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#.into()),
        },
    )
    .await;
    let good = client_with(&config("{}"), &auths(&fake, r#"{"username":"user","password":"pa:ss"}"#));
    assert_eq!(bytes(&fetch(&good, &fake.need(NeedKind::Manifest, "v1")).await), b"m");
    assert!(
        fake.seen()
            .iter()
            .filter(|seen| seen.path.starts_with("/v2/"))
            .all(|seen| seen.header("authorization").is_none_or(|value| value == "Bearer good"))
    );

    let wrong = client_with(&config("{}"), &auths(&fake, r#"{"username":"user","password":"hunter2"}"#));
    let reason = fake.reason(&fetch(&wrong, &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(
        reason,
        "R: GET manifests/v1 needs authentication: HTTP 401 from GET R/token: UNAUTHORIZED: wrong password (with test.json: R)"
    );
}

#[tokio::test]
async fn an_identity_token_is_posted() {
    let fake = guarded(
        |value| value == "Bearer good",
        |seen, _| {
            assert_eq!(seen.line(), "POST /token");
            assert_eq!(
                seen.body,
                "grant_type=refresh_token&refresh_token=re%26fresh&service=a%2C+%22b%22&scope=repository%3Aorg%2Fapp%3Apull&client_id=bulla"
            );
            (200, r#"{"access_token":"good"}"#.into())
        },
    )
    .await;
    let client = client_with(&config("{}"), &auths(&fake, r#"{"identitytoken":"re&fresh"}"#));
    assert_eq!(bytes(&fetch(&client, &fake.need(NeedKind::Manifest, "v1")).await), b"m");
}

#[tokio::test]
async fn a_realm_without_post_is_asked_by_get() {
    let fake = guarded(
        |value| value == "Bearer good",
        |seen, _| {
            if seen.method == "POST" { (405, String::new()) } else { (200, r#"{"token":"good"}"#.into()) }
        },
    )
    .await;
    let client = client_with(&config("{}"), &auths(&fake, r#"{"identitytoken":"refresh"}"#));
    assert_eq!(bytes(&fetch(&client, &fake.need(NeedKind::Manifest, "v1")).await), b"m");
}

#[tokio::test]
async fn basic_is_answered_with_the_credentials_and_remembered() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        Some("Basic dTpw") => respond(200, &[], "m"),
        _ => respond(401, &[("www-authenticate", r#"Basic realm="x""#)], ""),
    })
    .await;
    let good = client_with(&config("{}"), &auths(&fake, r#"{"auth":"dTpw"}"#));
    for tag in ["v1", "v2"] {
        assert_eq!(bytes(&fetch(&good, &fake.need(NeedKind::Manifest, tag)).await), b"m");
    }
    assert_eq!(fake.lines().len(), 3);

    let wrong = client_with(&config("{}"), &auths(&fake, r#"{"auth":"dTpx"}"#));
    let reason = fake.reason(&fetch(&wrong, &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(
        reason,
        "R: GET manifests/v1 needs authentication: HTTP 401 again after the credentials of test.json: R"
    );

    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(
        reason,
        "R: GET manifests/v1 needs authentication: Basic is asked for, and no credentials are configured for R"
    );
}

#[tokio::test]
async fn credentials_of_another_host_are_not_shown() {
    let other = Fake::start(|_| respond(200, &[], "")).await;
    let fake = Fake::start(|_| respond(401, &[("www-authenticate", r#"Basic realm="x""#)], "")).await;
    let client = client_with(&config("{}"), &auths(&other, r#"{"auth":"dTpw"}"#));
    let reason = fake.reason(&fetch(&client, &fake.need(NeedKind::Manifest, "v1")).await);
    assert!(reason.ends_with("no credentials are configured for R"), "{reason}");
    assert!(fake.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn a_realm_elsewhere_needs_the_configuration_to_name_it() {
    let realm = Fake::start(|_| respond(200, &[], r#"{"token":"good"}"#)).await;
    let challenge = format!(r#"Bearer realm="http://{}/token",service="s""#, realm.address);
    let fake = Fake::start(move |seen| match seen.header("authorization") {
        Some("Bearer good") => respond(200, &[], "m"),
        _ => respond(401, &[("www-authenticate", &challenge)], ""),
    })
    .await;
    let credentials = auths(&fake, r#"{"auth":"dTpw"}"#);
    let refused = client_with(&config("{}"), &credentials);
    let reason = fake.reason(&fetch(&refused, &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(
        reason,
        format!(
            "R: GET manifests/v1 points to http://{}, refused: token realm on another host, allow it with hosts.\"R\".tokenHosts",
            realm.address
        )
    );
    assert_eq!(realm.lines(), [""; 0], "not a byte went there");

    let config = config(&format!(r#"{{"{}":{{"tokenHosts":["{}"]}}}}"#, fake.address, realm.address));
    let allowed = client_with(&config, &credentials);
    assert_eq!(bytes(&fetch(&allowed, &fake.need(NeedKind::Manifest, "v1")).await), b"m");
    assert_eq!(realm.seen()[0].header("authorization"), Some("Basic dTpw"));
    assert_eq!(
        realm.lines(),
        ["GET /token?service=s&scope=repository%3Aorg%2Fapp%3Apull"],
        "a scope is made where none is asked"
    );
}

#[tokio::test]
async fn unusable_challenges_and_tokens_are_named() {
    for (challenge, reason) in [
        ("", "HTTP 401, and it offers neither Basic nor Bearer with a realm (offered: none)"),
        ("Negotiate", "HTTP 401, and it offers neither Basic nor Bearer with a realm (offered: negotiate)"),
        ("Bearer service=x", "HTTP 401, and it offers neither Basic nor Bearer with a realm (offered: bearer)"),
        ("Bearer realm=\"not a URL\"", "realm \"not a URL\" is not a URL"),
    ] {
        let fake = Fake::start(move |_| respond(401, &[("www-authenticate", challenge)], "")).await;
        let got = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
        assert_eq!(got, format!("R: GET manifests/v1 needs authentication: {reason}"));
    }
    for (body, reason) in [
        ("nonsense", "token from R: the answer is not JSON with a token"),
        ("{}", "token from R: none in the answer"),
        (r#"{"token":"a\nb"}"#, "token from R: characters that a header cannot have"),
    ] {
        let fake = guarded(|_| true, move |_, _| (200, body.into())).await;
        let got = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
        assert_eq!(got, format!("R: GET manifests/v1 needs authentication: {reason}"));
    }
}

#[tokio::test]
async fn a_realm_may_not_redirect() {
    let other = Fake::start(|_| respond(200, &[], r#"{"token":"x"}"#)).await;
    let target = format!("http://{}/", other.address);
    let fake = Fake::start(move |seen| {
        if seen.path.starts_with("/token") {
            return respond(302, &[("location", &target)], "");
        }
        let challenge = format!(r#"Bearer realm="http://{}/token""#, seen.header("host").unwrap());
        respond(401, &[("www-authenticate", &challenge)], "")
    })
    .await;
    let reason = fake.reason(&fetch(&client(), &fake.need(NeedKind::Manifest, "v1")).await);
    assert_eq!(reason, "R: GET manifests/v1 needs authentication: HTTP 302 from GET R/token (without credentials)");
    assert_eq!(other.lines(), [""; 0]);
}

#[tokio::test]
async fn a_client_with_other_credentials_shares_no_token_with_the_first() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        None => respond(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
        Some(_) => respond(200, &[("content-type", MANIFEST)], "{}"),
    })
    .await;
    let ours = client();
    let credential = Credential::from_basic("dXNlcjpodW50ZXIy").expect("user:hunter2");
    let theirs = ours.with_credentials(Credentials::one("this request", &fake.address, credential));
    let need = fake.need(NeedKind::Manifest, "v1");
    assert_eq!(bytes(&fetch(&theirs, &need).await), b"{}");
    assert!(fake.reason(&fetch(&ours, &need).await).contains("no credentials are configured"));
    let elsewhere = ours.with_credentials(Credentials::one(
        "this request",
        "registry.example",
        Credential::from_basic("dXNlcjpodW50ZXIy").expect("user:hunter2"),
    ));
    assert!(fake.reason(&fetch(&elsewhere, &need).await).contains("no credentials are configured"));
    let sent: Vec<_> = fake.seen().iter().map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    assert_eq!(sent, [None, Some("Basic dXNlcjpodW50ZXIy".to_owned()), None, None]);
    for (text, reason) in [("?", "not base64"), ("dXNlcg==", "without a colon"), ("/w==", "not UTF-8")] {
        assert_eq!(Credential::from_basic(text), Err(reason));
    }
}
