//! The reference file says what the code does; what is wrong is said where it stands.

use std::path::{Path, PathBuf};

use bulla_registry::HostConfig;
use serde_json::Value;

use crate::config::{Config, HttpConfig, ProxyConfig, REFERENCE, RecordsConfig, Tls, WebhookConfig};

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
    config.registry.credential_files = Some(Vec::new());
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
