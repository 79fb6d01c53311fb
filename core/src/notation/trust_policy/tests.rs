//! Trust policy documents: each rule of the specification, broken once.
#![cfg(test)]

use serde_json::{Value, json};

use super::{Document, DocumentKind, Rule, Scopes};
use crate::notation::level::{Action, Kind, LevelError};
use crate::notation::{IdentitiesError, VerifyTimestamp};
use crate::reference::Repository;

fn policy() -> Value {
    json!({
        "version": "1.0",
        "trustPolicies": [
            {
                "name": "wabbit",
                "registryScopes": ["registry.acme-rockets.io/software/net-monitor", "localhost:5000/a"],
                "signatureVerification": {
                    "level": "strict", "override": {"revocation": "skip"}, "verifyTimestamp": "afterCertExpiry"
                },
                "trustStores": ["ca:acme-rockets", "tsa:digicert"],
                "trustedIdentities": ["x509.subject: C=US, ST=WA, L=Seattle, O=acme-rockets.io, OU=Finance, CN=SecureBuilder"]
            },
            {
                "name": "unsigned",
                "registryScopes": ["registry.acme-rockets.io/software/unsigned"],
                "signatureVerification": {"level": "skip"}
            },
            {
                "name": "all",
                "registryScopes": ["*"],
                "signatureVerification": {"level": "audit"},
                "trustStores": ["ca:acme-rockets"],
                "trustedIdentities": ["*"]
            }
        ]
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut policy = policy();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = policy.pointer_mut(parent).expect("a place");
    match (parent, value) {
        (Value::Array(items), value) => items[name.parse::<usize>().expect("a number")] = value,
        (Value::Object(members), Value::Null) => drop(members.remove(name)),
        (Value::Object(members), value) => drop(members.insert(name.to_owned(), value)),
        (other, _) => panic!("{other}"),
    }
    policy
}

fn refused(policy: &Value) -> Vec<(String, Rule)> {
    let errors = Document::read(policy, DocumentKind::Oci).expect_err("it breaks a rule");
    errors.into_iter().map(|error| (error.path, error.rule)).collect()
}

#[test]
fn a_document_is_read_and_a_statement_found() {
    let document = Document::parse(policy().to_string().as_bytes(), DocumentKind::Oci).expect("valid");
    let find = |name: &str| {
        let repository = Repository::parse(name).expect("a repository");
        document.for_repository(&repository).map(|statement| statement.name.as_str())
    };
    assert_eq!(find("registry.acme-rockets.io/software/net-monitor"), Some("wabbit"));
    assert_eq!(find("localhost:5000/a"), Some("wabbit"));
    assert_eq!(find("registry.acme-rockets.io/software/net-monitor/below"), Some("all"));
    assert_eq!(find("registry.acme-rockets.io/software/unsigned"), Some("unsigned"));
    let requirement = document.statements[0].requirement.as_ref().expect("it wants something");
    assert_eq!(requirement.level.action(Kind::Revocation), Action::Skip);
    assert_eq!(requirement.verify_timestamp, VerifyTimestamp::AfterCertExpiry);
    assert_eq!(requirement.stores.len(), 2);
    assert_eq!(document.statements[1].requirement, None);
    assert_eq!(document.statements[2].scopes, Scopes::Rest);
}

#[test]
fn each_rule_is_named_at_its_place() {
    const FIRST: &str = "trustPolicies[0]";
    let cases: Vec<(&str, Value, String, Rule)> = vec![
        ("/version", json!("2.0"), "version".into(), Rule::Version("2.0".into())),
        ("/version", Value::Null, "version".into(), Rule::Missing),
        ("/other", json!(1), "other".into(), Rule::Unknown),
        ("/trustPolicies", json!([]), "trustPolicies".into(), Rule::Missing),
        ("/trustPolicies/0/name", json!(""), format!("{FIRST}.name"), Rule::Missing),
        ("/trustPolicies/0/name", json!("all"), "trustPolicies[2].name".into(), Rule::Twice("all".into())),
        ("/trustPolicies/0/extra", json!(1), format!("{FIRST}.extra"), Rule::Unknown),
        ("/trustPolicies/0/registryScopes", json!([]), format!("{FIRST}.registryScopes"), Rule::Missing),
        ("/trustPolicies/0/registryScopes/0", json!("*"), format!("{FIRST}.registryScopes[0]"), Rule::Wildcard),
        ("/trustPolicies/0/registryScopes", json!(["*"]), "trustPolicies[2]".into(), Rule::ScopeTwice("*".into())),
        (
            "/trustPolicies/1/registryScopes/0",
            json!("localhost:5000/a"),
            "trustPolicies[1].registryScopes".into(),
            Rule::ScopeTwice("localhost:5000/a".into()),
        ),
        (
            "/trustPolicies/0/registryScopes/1",
            json!("registry.acme-rockets.io/software/net-monitor"),
            format!("{FIRST}.registryScopes[1]"),
            Rule::Twice("registry.acme-rockets.io/software/net-monitor".into()),
        ),
        (
            "/trustPolicies/0/signatureVerification",
            Value::Null,
            format!("{FIRST}.signatureVerification"),
            Rule::Missing,
        ),
        (
            "/trustPolicies/0/signatureVerification/level",
            json!("Strict"),
            format!("{FIRST}.signatureVerification.level"),
            Rule::Level("Strict".into()),
        ),
        (
            "/trustPolicies/0/signatureVerification/verifyTimestamp",
            json!("never"),
            format!("{FIRST}.signatureVerification.verifyTimestamp"),
            Rule::VerifyTimestamp("never".into()),
        ),
        (
            "/trustPolicies/0/signatureVerification/override/other",
            json!("log"),
            format!("{FIRST}.signatureVerification.override.other"),
            Rule::Check("other".into()),
        ),
        (
            "/trustPolicies/0/signatureVerification/override/expiry",
            json!("ignore"),
            format!("{FIRST}.signatureVerification.override.expiry"),
            Rule::Action("ignore".into()),
        ),
        (
            "/trustPolicies/0/signatureVerification/override/expiry",
            json!("skip"),
            format!("{FIRST}.signatureVerification.override"),
            Rule::Override(LevelError::Skip(Kind::Expiry)),
        ),
        (
            "/trustPolicies/0/signatureVerification/override/integrity",
            json!("log"),
            format!("{FIRST}.signatureVerification.override"),
            Rule::Override(LevelError::Integrity),
        ),
        (
            "/trustPolicies/1/signatureVerification/override",
            json!({"expiry": "log"}),
            "trustPolicies[1].signatureVerification.override".into(),
            Rule::BesideSkip("override"),
        ),
        (
            "/trustPolicies/1/trustStores",
            json!(["ca:a"]),
            "trustPolicies[1].trustStores".into(),
            Rule::BesideSkip("trust stores"),
        ),
        ("/trustPolicies/0/trustStores", json!([]), format!("{FIRST}.trustStores"), Rule::Missing),
        (
            "/trustPolicies/0/trustStores/1",
            json!("ca:acme-rockets"),
            format!("{FIRST}.trustStores[1]"),
            Rule::Twice("ca:acme-rockets".into()),
        ),
        (
            "/trustPolicies/0/trustedIdentities",
            json!([]),
            format!("{FIRST}.trustedIdentities"),
            Rule::Identities(IdentitiesError::None),
        ),
        ("/trustPolicies/0/trustedIdentities/0", json!(1), format!("{FIRST}.trustedIdentities[0]"), Rule::Type("text")),
    ];
    for (pointer, value, path, rule) in cases {
        assert_eq!(refused(&with(pointer, value.clone())), [(path, rule)], "{pointer} {value}");
    }
    for store in ["acme", "other:acme", "ca:", "ca:a/b", "ca:..", "CA:a"] {
        let expected = [(format!("{FIRST}.trustStores[0]"), Rule::Store(store.to_owned()))];
        assert_eq!(refused(&with("/trustPolicies/0/trustStores/0", json!(store))), expected);
    }
    for scope in ["alpine", "library/alpine", "https://a.example/b", "a.example/b:1", "a.example/*", "a.example", ""] {
        let expected = [(format!("{FIRST}.registryScopes[0]"), Rule::Scope(scope.to_owned()))];
        assert_eq!(refused(&with("/trustPolicies/0/registryScopes/0", json!(scope))), expected);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut policy = with("/trustPolicies/0/signatureVerification/level", json!("x"));
    policy["trustPolicies"][2]["signatureVerification"] = json!({"level": "skip"});
    policy["version"] = json!("0.9");
    let places: Vec<String> = refused(&policy).into_iter().map(|(path, _)| path).collect();
    assert!(places.len() >= 4, "{places:?}");
    let skip = json!({"version": "1.0", "trustPolicies": [
        {"name": "a", "registryScopes": ["*"], "signatureVerification": {"level": "skip"}}]});
    let expected = ("trustPolicies[0].signatureVerification.level".to_owned(), Rule::SkipsEverything);
    assert_eq!(refused(&skip), [expected]);
    let twice = policy.to_string().replacen("\"version\"", "\"version\":\"1.0\",\"version\"", 1);
    assert!(
        matches!(Document::parse(twice.as_bytes(), DocumentKind::Oci), Err(errors) if matches!(errors[0].rule, Rule::Json(_)))
    );
}

#[test]
fn blobs_have_a_document_of_their_own() {
    let statement = |name: &str, global: Value| {
        json!({"name": name, "globalPolicy": global, "signatureVerification": {"level": "strict"},
            "trustStores": ["ca:a"], "trustedIdentities": ["*"]})
    };
    let document = |statements: &[Value]| {
        Document::read(&json!({"version": "1.0", "trustPolicies": statements}), DocumentKind::Blob)
    };
    let both = document(&[statement("a", json!(false)), statement("b", json!(true))]).expect("valid");
    assert_eq!(both.for_blobs(Some("a")).map(|it| it.name.as_str()), Some("a"));
    assert_eq!(both.for_blobs(None).map(|it| it.name.as_str()), Some("b"));
    assert_eq!(both.for_blobs(Some("c")), None);
    assert!(document(&[statement("a", json!(true)), statement("b", json!(true))]).is_err());
    assert!(document(&[statement("a", json!("yes"))]).is_err());
    let scoped = json!({"name": "a", "registryScopes": ["*"], "signatureVerification": {"level": "skip"}});
    assert!(document(&[scoped]).is_err());
}
