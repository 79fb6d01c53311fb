//! The reference file says what the code does; what is wrong is said where it stands.

use std::path::{Path, PathBuf};

use bulla_registry::HostConfig;
use serde_json::Value;

use crate::config::{
    Config, GatewayConfig, HttpConfig, ProxyConfig, REFERENCE, RecordsConfig, Tls, TrustedHeader, UserToken,
    WebhookConfig,
};

fn read(text: &str) -> Result<Config, String> {
    Config::read(text, Path::new("")).map_err(|error| error.to_string())
}

#[test]
fn the_reference_is_the_defaults() {
    let tls = Tls { self_signed: true, ..Tls::default() };
    let want = Config {
        records: Some(RecordsConfig::default()),
        webhook: Some(WebhookConfig { tls, ..WebhookConfig::default() }),
        proxy: Some(ProxyConfig { upstream: "registry.example".to_owned(), ..ProxyConfig::default() }),
        http: Some(HttpConfig::default()),
        ..Config::default()
    };
    assert_eq!(read(REFERENCE), Ok(want));
    assert_eq!(read(""), Ok(Config::default()));
}

#[test]
fn the_reference_names_every_key() {
    fn keys(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| {
                found.push(key.clone());
                keys(value, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
            _ => {}
        }
    }
    // Everything that is left out when it is not set is set here, so that serde writes its key.
    let file = || Some(PathBuf::from("file"));
    let tls = Tls { cert_file: file(), key_file: file(), ..Tls::default() };
    let mut config = Config {
        records: Some(RecordsConfig::default()),
        webhook: Some(WebhookConfig { tls: tls.clone(), ..WebhookConfig::default() }),
        proxy: Some(ProxyConfig { tls: Some(tls), ..ProxyConfig::default() }),
        http: Some(HttpConfig::default()),
        ..Config::default()
    };
    config.engine.cache_dir = file();
    config.http = Some(HttpConfig { tls: Some(Tls::default()), ..HttpConfig::default() });
    let (secret_header, secret_sha256) = (Some("X".into()), Some("0".into()));
    let trusted_header = Some(TrustedHeader { secret_header, secret_sha256, ..TrustedHeader::default() });
    let tokens = vec![UserToken { user: "alice".into(), sha256: "0".into() }];
    config.page.gateway = Some(GatewayConfig { tokens, trusted_header, ..GatewayConfig::default() });
    config.registry.credential_files = Some(Vec::new());
    config.registry.revocation.ca_file = file();
    config.registry.hosts.insert("registry.example".into(), HostConfig { ca_file: file(), ..HostConfig::default() });
    let mut found = Vec::new();
    keys(&serde_json::to_value(&config).expect("serialisable"), &mut found);
    assert!(found.len() > 50, "{found:?}");
    for key in found {
        assert!(REFERENCE.contains(&format!("{key}:")), "{key} is not in reference.yaml");
    }
}

#[test]
fn problems_stand_at_their_place() {
    for (text, want) in [
        ("webhook:\n  tls: {selfSigned: true}\n  pins: true\n", "3:3: webhook.pins"),
        ("webhook:\n  tls: {}\n", "2:3: webhook.tls: no certificate"),
        ("webhook:\n  listen: 127.0.0.1:1\n", "webhook.tls: no certificate"),
        ("webhook:\n  tls: {certFile: a}\n", "certFile without keyFile"),
        ("webhook:\n  tls: {selfSigned: true, certFile: a, keyFile: b}\n", "either selfSigned"),
        ("webhook:\n  tls: {certFile: a, keyFile: b, names: [x]}\n", "names belong to selfSigned"),
        ("webhook:\n  tls: {selfSigned: true}\n  deadlineMilliseconds: 1\n", "3:3: webhook.deadlineMilliseconds: 1 is"),
        ("proxy:\n  listen: 127.0.0.1:0\n", "proxy.upstream: \"\" is not a registry"),
        ("proxy:\n  upstream: docker.io/library\n", "2:3: proxy.upstream: \"docker.io/library\""),
        ("webhook: {unknown: allow, tls: {selfSigned: true}}\n", "unknown variant `allow`"),
        ("records: {bytes: 1}\n", "records.bytes: 1 is not within 16777216 to"),
        ("records: {days: 0}\n", "records.days: 0 is not within"),
        ("records: {durability: never}\n", "unknown variant `never`"),
        ("page: {names: [bulla.example:80]}\n", "page.names: \"bulla.example:80\" is not a host name without a port"),
        ("page: {connect: {r.example: r.example}}\n", "page.connect: \"r.example\": \"r.example\" is not a registry"),
        ("page: {connect: {r.example: 'https://r; script-src *'}}\n", "is not a registry and its origin"),
        ("http: {}\npage: {gateway: {}}\n", "page.gateway.registries: nothing may be read"),
        ("reloadSeconds: 0\n", "1:1: reloadSeconds: 0 is not within"),
        ("reloadSeconds: 1\n---\nreloadSeconds: 2\n", "one document is expected"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(want), "{error} should say {want}");
    }
    let error = Config::load(Path::new("does-not-exist.yaml")).expect_err("not there").to_string();
    assert!(error.starts_with("does-not-exist.yaml: "), "{error}");
}

#[test]
fn paths_are_relative_to_the_file() {
    let text = "policies: [p, /q]\nrecords: {folder: r}\nregistry: {layouts: {r.example/a: l}, credentialFiles: [c]}\n\
                webhook: {tls: {certFile: t.crt, keyFile: t.key}}\n";
    let config = Config::read(text, Path::new("/etc/bulla")).expect("valid");
    assert_eq!(config.policies, [Path::new("/etc/bulla/p"), Path::new("/q")]);
    assert_eq!(config.state_dir, Path::new("/etc/bulla/bulla-state"));
    assert_eq!(config.records.map(|records| records.folder), Some("/etc/bulla/r".into()));
    assert_eq!(config.registry.layouts["r.example/a"], Path::new("/etc/bulla/l"));
    assert_eq!(config.registry.credential_files, Some(vec!["/etc/bulla/c".into()]));
    assert_eq!(config.webhook.and_then(|webhook| webhook.tls.key_file), Some("/etc/bulla/t.key".into()));
}

#[test]
fn a_gateway_that_is_open_to_anybody_is_refused() {
    let gateway = |fields: &str, http: &str| {
        read(&format!("http: {{{http}}}\npage: {{gateway: {{registries: [r.example/team], {fields}}}}}\n"))
    };
    let sha256 = "ab".repeat(32);
    let token = format!("tokens: [{{user: alice, sha256: {sha256}}}]");
    let header = "trustedHeader: {name: X-Forwarded-User";
    assert!(gateway(&token, "").is_ok());
    assert!(gateway(&token, "listen: '0.0.0.0:1', tls: {selfSigned: true}").is_ok());
    assert!(gateway(&format!("{token}, tlsInFront: true"), "listen: '0.0.0.0:1'").is_ok());
    assert!(gateway(&format!("{header}, proxies: [10.0.0.7]}}"), "").is_ok());
    assert!(gateway(&format!("{header}, secretHeader: X-Secret, secretSha256: {sha256}}}"), "").is_ok());
    for (fields, http, want) in [
        ("users: [alice]", "", "page.gateway: nobody can sign in"),
        (&token, "listen: '0.0.0.0:1'", "page.gateway: passwords would go over 0.0.0.0:1 in clear text"),
        ("tokens: [{user: alice, sha256: hunter2}]", "", "for \"alice\" stand 7 characters in place of a SHA-256"),
        (&format!("tokens: [{{user: 'a b', sha256: {sha256}}}]"), "", "\"a b\" is not a user's name"),
        (&format!("{token}, registries: []"), "", "registries"),
        (&format!("{token}, needs: 0"), "", "page.gateway.needs: 0 is not within 1 to 4096"),
        (&format!("{header}}}"), "", "page.gateway.trustedHeader: everybody could set it"),
        (&format!("{header}, secretHeader: X-Secret}}"), "", "secretHeader without secretSha256"),
        (
            "trustedHeader: {name: Authorization, proxies: [10.0.0.7]}",
            "",
            "\"Authorization\" is not a header that a proxy",
        ),
        ("trustedHeader: {proxies: [10.0.0.7]}", "", "\"\" is not a header that a proxy can set"),
    ] {
        let error = gateway(fields, http).expect_err(fields);
        assert!(error.contains(want), "{error} should say {want}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for place in ["'https://r.example'", "index.docker.io/library", "r.example/Team", "r.example/"] {
        let error =
            read(&format!("http: {{}}\npage: {{gateway: {{registries: [{place}], {token}}}}}\n")).expect_err(place);
        assert!(error.contains("page.gateway.registries: "), "{error}");
    }
    let error = read(&format!("page: {{gateway: {{registries: [r.example], {token}}}}}\n")).expect_err("no listener");
    assert!(error.contains("nothing listens for it"), "{error}");
}

#[test]
fn the_gateway_in_the_reference_is_the_defaults() {
    let (before, gateway) = REFERENCE.split_once("  # gateway:").expect("it is there, commented out");
    let gateway: String = gateway.lines().map(|line| format!("{}\n", line.replacen("  # ", "  ", 1))).collect();
    let config = read(&format!("{before}  gateway:{gateway}")).expect("valid once it is not commented out");
    let example = config.page.gateway.expect("a gateway");
    let want = GatewayConfig {
        registries: example.registries.clone(),
        tokens: example.tokens.clone(),
        trusted_header: example.trusted_header.clone(),
        ..GatewayConfig::default()
    };
    assert_eq!(example, want);
}
