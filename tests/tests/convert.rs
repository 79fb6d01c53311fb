//! Published policies of policy-controller, containers/image and Notation, restated by hand: each is converted or refused by the
//! names of its fields; and what was converted gives the verdicts that the original gives (docs/policy-convert.md).
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on ends, and says where")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use bulla_abi::{Message, Operation};
use bulla_wasm::Module;
use serde_json::{Value, json};
use sha2::Digest as _;

/// Answers of a module, with their blobs.
type Reply = (Value, Vec<Vec<u8>>);

/// The image that is signed: one manifest, no index.
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

fn digest() -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(MANIFEST)))
}

fn image(repository: &str) -> String {
    format!("{repository}@{}", digest())
}

fn ask(module: &mut Module, operation: Operation, header: &Value, blobs: Vec<Vec<u8>>) -> Reply {
    let message = Message { blobs, ..Message::new(header).expect("a header") };
    let reply = Message::decode(&module.call(operation.number(), &message.encode().expect("small"))).expect("a reply");
    (serde_json::from_slice(&reply.header).expect("JSON"), reply.blobs)
}

fn ok(operation: Operation, header: &Value, blobs: Vec<Vec<u8>>) -> Reply {
    let (mut reply, blobs) = ask(&mut Module::default(), operation, header, blobs);
    assert!(reply.get("ok").is_some(), "{}: {reply}", operation.name());
    (reply["ok"].take(), blobs)
}

/// The key pair that this seed gives: private, public.
fn key(seed: u8) -> (Vec<u8>, Vec<u8>) {
    let (_, mut blobs) =
        ok(Operation::Generate, &json!({"algorithm": "ecdsa-p256", "entropy": 0}), vec![vec![seed; 264]]);
    (blobs.remove(0), blobs.remove(0))
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/policies"));
    std::fs::read(folder.join(name)).expect("a fixture")
}

fn convert(name: &str) -> Reply {
    let header = json!({"name": name, "blob": 0, "files": [{"path": "release.pub", "blob": 1}]});
    ask(&mut Module::default(), Operation::Convert, &header, vec![fixture(name), key(1).1])
}

#[test]
fn what_cannot_be_said_is_refused_by_every_field_that_says_it() {
    let cases: &[(&str, &[&str])] = &[
        ("cip-allow-only-pods.yaml", &["spec.policy.type", "spec.authorities[0].static.action"]),
        (
            "cip-custom-key-attestation.yaml",
            &["spec.authorities[0].ctlog", "spec.authorities[0].attestations[0].policy.type"],
        ),
        (
            "cip-keyless-attestation.yaml",
            &[
                "spec.authorities[0].keyless",
                "spec.authorities[0].ctlog",
                "spec.authorities[0].attestations[0].policy.type",
            ],
        ),
        (
            "cip-release-signed-by-actions.yaml",
            &["spec.images[0].glob", "spec.authorities[0].keyless", "spec.authorities[0].ctlog"],
        ),
        ("cip-signed-by-actions.yaml", &["spec.authorities[0].keyless", "spec.authorities[0].ctlog"]),
        ("cip-signed-by-aws-kms-key.yaml", &["spec.authorities[0].ctlog", "spec.authorities[0].key.kms"]),
        ("cip-signed-by-gcp-kms-key.yaml", &["spec.authorities[0].ctlog", "spec.authorities[0].key.kms"]),
        ("cip-key-demo.yaml", &["spec.images[0].glob"]),
        (
            "cip-secret-and-static-fail.yaml",
            &["spec.authorities[0].ctlog", "spec.authorities[0].key.secretRef", "spec.authorities"],
        ),
        (
            "cip-everything-else.yaml",
            &[
                "spec.match",
                "spec.images[0].glob",
                "spec.images[1].glob",
                "spec.policy.type",
                "spec.authorities[0].rfc3161timestamp",
                "spec.authorities[0].key.hashAlgorithm",
                "spec.authorities[0].source[0].tagPrefix",
                "spec.authorities[1].signatureFormat",
                "spec.authorities[1].attestations[0].policy.type",
                "spec.authorities[1].surprise",
            ],
        ),
        ("containers-default.json", &["default[0].type"]),
        (
            "containers-locked-down.json",
            &[
                r#"transports.docker["hostname:5000/myns/sigstore-signed-byopki"][0].pki"#,
                r#"transports.docker["hostname:5000/myns/sigstore-signed-fulcio-rekor"][0].fulcio"#,
                r#"transports.docker["hostname:5000/myns/sigstore-signed-fulcio-rekor"][0].rekorPublicKeyPath"#,
                r#"transports.docker["hostname:5000/myns/sigstore-signed-with-full-references"][0].keyPath"#,
                r#"transports.docker["hostname:5000/myns/sigstore-signed-with-full-references"][0].signedIdentity"#,
                r#"transports.docker["hostname:5000/vendor"][0].type"#,
                r#"transports.docker["*.temporary-project.example"][0].type"#,
                r#"transports.docker["docker.io/library/busybox"][0].type"#,
                r#"transports.docker["docker.io/openshift"][0].type"#,
            ],
        ),
        (
            "containers-identities.json",
            &[
                r#"transports.docker["a.example"][0].signedIdentity.type"#,
                r#"transports.docker["b.example"][0].signedIdentity.type"#,
                r#"transports.docker["bogus/example"]"#,
                r#"transports.docker["bogus/example"][0].type"#,
                r#"transports.docker["c.example"][0].signedIdentity.type"#,
                r#"transports.docker["d.example"][0].signedIdentity.type"#,
                r#"transports.docker["e.example"][0].keyData"#,
                r#"transports.docker["f.example/app:1"]"#,
                r#"transports.docker["g.example"]"#,
            ],
        ),
        ("notation.json", &["trustPolicies[0].trustStores[0]", "trustPolicies[1].signatureVerification.level"]),
        ("other.yaml", &["kind"]),
    ];
    for (name, paths) in cases {
        let (reply, _) = convert(name);
        assert_eq!(reply["error"]["code"], json!("convert-refused"), "{name}: {reply}");
        let details = reply["error"]["details"].as_array().expect("details");
        let mut got: Vec<&str> = details.iter().filter_map(|field| field["path"].as_str()).collect();
        let mut want = paths.to_vec();
        got.sort_unstable();
        want.sort_unstable();
        assert_eq!(got, want, "{name}: {reply:#}");
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let header = json!({"name": "policy.json", "blob": 0});
    let source = fixture("containers-default-signed.json");
    let (reply, _) = ask(&mut Module::default(), Operation::Convert, &header, vec![source]);
    let detail = &reply["error"]["details"][0];
    assert_eq!((&detail["path"], &detail["file"]), (&json!("default[0].keyPath"), &json!("release.pub")), "{reply}");
}

/// What lies in a registry.
#[derive(Default)]
struct Registry {
    manifests: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
}

/// Who signed what: a signature, or an attestation of a type, made for a repository by the key of a seed.
#[derive(Clone, Copy)]
enum Made<'s> {
    Signed(u8),
    SignedFor(u8, &'s str),
    SignedIn(u8, &'s str),
    Attested(u8, &'s str),
}

impl Registry {
    /// Puts what was made beside the image in this repository, by the module's own prepare and assemble.
    fn put(&mut self, repository: &str, made: Made<'_>) {
        let (seed, named, place, attested) = match made {
            Made::Signed(seed) => (seed, repository, repository, None),
            Made::SignedFor(seed, other) => (seed, other, repository, None),
            Made::SignedIn(seed, place) => (seed, repository, place, None),
            Made::Attested(seed, kind) => (seed, repository, repository, Some(kind)),
        };
        let (private, public) = key(seed);
        let mut prepare = json!({"image": image(named), "form": "legacy"});
        let mut blobs = Vec::new();
        if let Some(kind) = attested {
            prepare["attestation"] = json!({"predicateType": kind, "predicate": 0});
            blobs.push(b"{}".to_vec());
        }
        let (prepared, made) = ok(Operation::Prepare, &prepare, blobs);
        let blob = |index: &Value| made[usize::try_from(index.as_u64().expect("an index")).expect("small")].clone();
        let (payload, message) = (blob(&prepared["payload"]), blob(&prepared["message"]));
        let header = json!({"key": 0, "message": 1, "hash": prepared["hash"]});
        let signature = ok(Operation::Sign, &header, vec![private, message]).1.remove(0);
        let mut assemble =
            json!({"image": image(named), "form": "legacy", "payload": 0, "signature": 1, "publicKey": 2});
        let mut blobs = vec![payload, signature, public];
        if let Some(kind) = attested {
            assemble["attestation"] = json!({"predicateType": kind});
        }
        let suffix = if attested.is_some() { "att" } else { "sig" };
        let under = format!("{place}:{}.{suffix}", digest().replace(':', "-"));
        if let Some(existing) = self.manifests.get(&under) {
            assemble["existing"] = json!(blobs.len());
            blobs.push(existing.clone());
        }
        let (plan, made) = ok(Operation::Assemble, &assemble, blobs);
        self.manifests.insert(under, made[0].clone());
        for entry in plan["blobs"].as_array().expect("blobs") {
            let bytes = made[usize::try_from(entry["blob"].as_u64().expect("an index")).expect("small")].clone();
            self.blobs.insert(entry["digest"].as_str().expect("a digest").to_owned(), bytes);
        }
    }

    /// The verdict of these policies, whatever they ask for answered from here.
    fn verdict(&self, documents: &[Vec<u8>], repository: &str) -> Value {
        let mut module = Module::default();
        let names: Vec<Value> =
            (0..documents.len()).map(|index| json!({"name": format!("{index}.yaml"), "blob": index})).collect();
        let loaded = ask(&mut module, Operation::Load, &json!({"documents": names}), documents.to_vec());
        assert!(loaded.0.get("ok").is_some(), "{}", loaded.0);
        let question = json!({"question": {"image": image(repository), "now": 1_767_225_600}});
        let (mut reply, _) = ask(&mut module, Operation::Open, &question, Vec::new());
        for _ in 0..12 {
            let Some(needs) = reply["ok"]["needs"].as_array() else { break };
            let (mut evidence, mut blobs) = (Vec::new(), Vec::new());
            for need in needs {
                let text = |name: &str| need[name].as_str().expect("text");
                let reference = text("reference");
                let image = MANIFEST.as_bytes().to_vec();
                let found = match text("kind") {
                    "manifest" if reference == digest() => Some(&image),
                    "manifest" => {
                        self.manifests.get(&format!("{}/{}:{reference}", text("registry"), text("repository")))
                    }
                    "blob" => self.blobs.get(reference),
                    _ => None,
                };
                match found {
                    Some(bytes) => {
                        evidence.push(json!({"need": need["id"], "outcome": "found", "blob": blobs.len()}));
                        blobs.push(bytes.clone());
                    }
                    None => evidence.push(json!({"need": need["id"], "outcome": "absent"})),
                }
            }
            reply = ask(&mut module, Operation::Supply, &json!({"evidence": evidence}), blobs).0;
        }
        reply["ok"]["verdict"].take()
    }
}

/// What the original does with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Original {
    Admits,
    Warns,
    Refuses,
}

#[test]
fn what_was_converted_gives_the_verdicts_of_the_original() {
    use Made::{Attested, Signed, SignedFor, SignedIn};
    use Original::{Admits, Refuses, Warns};
    let cases: &[(&str, &str, &[Made<'_>], Original)] = &[
        // One of two keys, below a namespace and not at it; no identity is compared.
        ("cip-two-keys.yaml", "registry.example/team/app", &[Signed(1)], Admits),
        ("cip-two-keys.yaml", "registry.example/team/app", &[Signed(2)], Admits),
        ("cip-two-keys.yaml", "registry.example/team/a/b", &[Signed(3), Signed(2)], Admits),
        ("cip-two-keys.yaml", "registry.example/team/app", &[SignedFor(1, "other.example/app")], Admits),
        ("cip-two-keys.yaml", "registry.example/team/app", &[Signed(3)], Refuses),
        ("cip-two-keys.yaml", "registry.example/team/app", &[Attested(1, "spdxjson")], Refuses),
        ("cip-two-keys.yaml", "registry.example/team/app", &[], Refuses),
        ("cip-two-keys.yaml", "registry.example/team", &[Signed(1)], Refuses),
        ("cip-two-keys.yaml", "registry.example/team2/app", &[Signed(1)], Refuses),
        // The attestation counts, and the signature does not.
        ("cip-attested.yaml", "registry.example/team/app", &[Attested(1, "spdxjson")], Admits),
        ("cip-attested.yaml", "registry.example/team/app", &[Signed(1)], Refuses),
        ("cip-attested.yaml", "registry.example/team/app", &[Attested(2, "spdxjson")], Refuses),
        ("cip-attested.yaml", "registry.example/team/app", &[Attested(1, "https://example.test/p/v1")], Refuses),
        ("cip-attested.yaml", "registry.example/team/app-2", &[Attested(1, "spdxjson")], Refuses),
        // Every policy that matches; one looks elsewhere; one warns.
        ("cip-several.yaml", "registry.example/app", &[SignedIn(1, "registry.example/signatures")], Admits),
        ("cip-several.yaml", "registry.example/app", &[Signed(1)], Refuses),
        ("cip-several.yaml", "registry.example/team/app", &[SignedIn(1, "registry.example/signatures")], Refuses),
        ("cip-several.yaml", "registry.example/team/app", &[Signed(2)], Refuses),
        (
            "cip-several.yaml",
            "registry.example/team/app",
            &[SignedIn(1, "registry.example/signatures"), Signed(2)],
            Admits,
        ),
        ("cip-several.yaml", "registry.example/team2/app", &[SignedIn(1, "registry.example/signatures")], Refuses),
        ("cip-several.yaml", "new.example/app", &[Signed(1)], Admits),
        ("cip-several.yaml", "new.example/app", &[], Warns),
        ("cip-several.yaml", "new.example/a/b", &[], Refuses),
        // The most specific scope, and nothing of those around it.
        ("containers-scopes.json", "registry.example/app", &[Signed(1)], Admits),
        ("containers-scopes.json", "registry.example/app", &[Signed(2)], Refuses),
        ("containers-scopes.json", "registry.example/app", &[SignedFor(1, "registry.example/other")], Refuses),
        ("containers-scopes.json", "registry.example/app", &[], Refuses),
        ("containers-scopes.json", "registry.example/team/app", &[Signed(1)], Refuses),
        ("containers-scopes.json", "registry.example/team/app", &[Signed(2)], Admits),
        ("containers-scopes.json", "registry.example/team", &[Signed(3)], Admits),
        ("containers-scopes.json", "registry.example/teams", &[Signed(1)], Admits),
        ("containers-scopes.json", "registry.example/team/closed", &[Signed(1), Signed(2)], Refuses),
        ("containers-scopes.json", "registry.example/team/closed/app", &[Signed(1), Signed(2)], Refuses),
        ("containers-scopes.json", "registry.example/both/app", &[Signed(1)], Refuses),
        ("containers-scopes.json", "registry.example/both/app", &[Signed(2)], Refuses),
        ("containers-scopes.json", "registry.example/both/app", &[Signed(2), Signed(1)], Admits),
        ("containers-scopes.json", "other.example/app", &[Signed(1)], Refuses),
        ("containers-default-signed.json", "any.example/app", &[Signed(1)], Admits),
        ("containers-default-signed.json", "any.example/app", &[Signed(2)], Refuses),
    ];
    let mut converted: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, repository, made, original) in cases {
        let documents = converted.entry(name).or_insert_with(|| {
            let (reply, blobs) = convert(name);
            assert!(reply.get("ok").is_some(), "{name}: {reply:#}");
            assert_eq!(convert(name), (reply, blobs.clone()), "the same gives the same");
            blobs
        });
        let mut registry = Registry::default();
        made.iter().for_each(|made| registry.put(repository, *made));
        let verdict = registry.verdict(documents, repository);
        let warned = verdict["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
        let ours = match (verdict["outcome"].as_str(), verdict["enforced"].as_bool(), warned) {
            (Some("accept"), _, false) => Admits,
            (Some("accept"), Some(false), true) => Warns,
            (Some("reject"), ..) => Refuses,
            _ => panic!("{name} {repository}: {verdict:#}"),
        };
        assert_eq!(ours, *original, "{name} {repository}: {verdict:#}\n{}", String::from_utf8_lossy(&documents[0]));
    }
}

/// What the trust policy of the fixture, changed at this pointer, becomes for this image.
fn notation(change: Option<(&str, Value)>, image: Option<&str>) -> Reply {
    let mut policy: Value = serde_json::from_slice(&fixture("notation-scenarios.json")).expect("JSON");
    if let Some((pointer, value)) = change {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        match (policy.pointer_mut(parent).expect("a place"), value) {
            (Value::Object(members), Value::Null) => drop(members.remove(name)),
            (Value::Object(members), value) => drop(members.insert(name.to_owned(), value)),
            (Value::Array(items), value) => items[name.parse::<usize>().expect("a number")] = value,
            (other, _) => panic!("{other}"),
        }
    }
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/notation"));
    let read = |name: &str| std::fs::read(folder.join(name)).expect("a certificate");
    let stores = ["ca/acme-rockets/root.pem", "signingAuthority/acme-rockets/root.crt", "tsa/clock.example/root.cer"];
    let files: Vec<Value> = stores
        .iter()
        .zip(1..)
        .map(|(path, blob)| json!({"path": format!("truststore/x509/{path}"), "blob": blob}))
        .collect();
    let mut header = json!({"name": "trustpolicy.json", "blob": 0, "files": files});
    if let Some(image) = image {
        header["images"] = json!([image]);
    }
    let blobs = vec![policy.to_string().into_bytes(), read("root.pem"), read("root.pem"), read("tsa-root.pem")];
    ask(&mut Module::default(), Operation::Convert, &header, blobs)
}

#[test]
fn the_trust_policies_of_notations_specification_load_as_they_stand() {
    for (image, name, words) in [
        ("registry.example/software/net-monitor:v1", "wabbit-networks-images", "SecureBuilder"),
        ("registry.example/software/net-logger:v1", "wabbit-networks-images", "Security Tools"),
        ("registry.example/software/legacy/metrics:v1", "use-expired-image", "permissive"),
        ("localhost:5000/timestamped:v1", "timestamped", "afterCertExpiry"),
        ("registry.example/software:v1", "global-policy-for-all-other-images", "audit"),
        ("registry.example/software/net-monitor/below:v1", "global-policy-for-all-other-images", "audit"),
    ] {
        let (reply, blobs) = notation(None, Some(image));
        assert_eq!(reply["ok"]["policies"][0]["name"], json!(name), "{image}: {reply:#}");
        let text = String::from_utf8(blobs.concat()).expect("text");
        assert!(blobs.len() == 1 && text.contains(words), "{image}: {text}");
        let documents = json!({"documents": [{"name": "a.yaml", "blob": 0}]});
        let loaded = ok(Operation::Load, &documents, blobs).0;
        assert_eq!(loaded["policies"][0]["signers"][0]["system"], json!("notation"), "{loaded}");
    }
    let (reply, _) = notation(None, Some("registry.example/software/unsigned/net-utils:v1"));
    let detail = &reply["error"]["details"][0];
    assert_eq!(detail["path"], json!("trustPolicies[1].signatureVerification.level"), "{reply}");
    // As a whole it cannot be said: one statement skips, and one is for the rest.
    let details = notation(None, None).0["error"]["details"].as_array().expect("details").clone();
    let paths: Vec<&str> = details.iter().filter_map(|detail| detail["path"].as_str()).collect();
    assert_eq!(paths, ["trustPolicies[1].signatureVerification.level", "trustPolicies[4].registryScopes"]);
}

#[test]
fn each_rule_of_notations_trust_policy_refuses_by_its_name() {
    let first = "trustPolicies[0]";
    let level = "/trustPolicies/0/signatureVerification/level";
    let overrides = "/trustPolicies/0/signatureVerification/override";
    let identity = "/trustPolicies/0/trustedIdentities/0";
    let subject = |text: &str| json!(format!("x509.subject: {text}"));
    let identities = format!("{first}.trustedIdentities[0]");
    let scope = format!("{first}.registryScopes[0]");
    let verification = format!("{first}.signatureVerification");
    let cases: Vec<(&str, Value, String, &str)> = vec![
        ("/version", json!("1.1"), "version".into(), "version \"1.1\" is not supported"),
        ("/version", Value::Null, "version".into(), "it is needed"),
        ("/trustPolicies", json!([]), "trustPolicies".into(), "it is needed"),
        ("/comment", json!("x"), "comment".into(), "unknown field"),
        ("/trustPolicies/0/name", Value::Null, format!("{first}.name"), "it is needed"),
        ("/trustPolicies/0/name", json!(""), format!("{first}.name"), "it is needed"),
        ("/trustPolicies/1/name", json!("timestamped"), "trustPolicies[3].name".into(), "is there twice"),
        ("/trustPolicies/0/registryScopes", json!([]), format!("{first}.registryScopes"), "it is needed"),
        ("/trustPolicies/0/registryScopes/0", json!("*"), scope.clone(), "has to stand alone"),
        ("/trustPolicies/0/registryScopes/0", json!("https://a.example/b"), scope.clone(), "no repository in full"),
        ("/trustPolicies/0/registryScopes/0", json!("a.example/b:1"), scope.clone(), "no repository in full"),
        ("/trustPolicies/0/registryScopes/0", json!(image("a.example/b")), scope.clone(), "no repository in full"),
        ("/trustPolicies/0/registryScopes/0", json!("a.example/*"), scope.clone(), "no repository in full"),
        ("/trustPolicies/0/registryScopes/0", json!("net-monitor"), scope, "no repository in full"),
        ("/trustPolicies/0/registryScopes", json!(["*"]), "trustPolicies[4]".into(), "belongs to another statement"),
        (
            "/trustPolicies/0/registryScopes/0",
            json!("localhost:5000/timestamped"),
            "trustPolicies[3].registryScopes".into(),
            "belongs to another statement",
        ),
        ("/trustPolicies/0/signatureVerification", Value::Null, verification.clone(), "it is needed"),
        (level, Value::Null, format!("{verification}.level"), "it is needed"),
        (level, json!("lenient"), format!("{verification}.level"), "is no level"),
        (
            "/trustPolicies/4",
            json!({"name": "rest", "registryScopes": ["*"], "signatureVerification": {"level": "skip"}}),
            "trustPolicies[4].signatureVerification.level".into(),
            "skip is not allowed for everything",
        ),
        (
            "/trustPolicies/1/trustStores",
            json!(["ca:acme-rockets"]),
            "trustPolicies[1].trustStores".into(),
            "has no trust stores",
        ),
        (
            "/trustPolicies/1/trustedIdentities",
            json!(["*"]),
            "trustPolicies[1].trustedIdentities".into(),
            "has no trusted identities",
        ),
        (
            "/trustPolicies/1/signatureVerification/override",
            json!({"expiry": "log"}),
            "trustPolicies[1].signatureVerification.override".into(),
            "has no override",
        ),
        (overrides, json!({"integrity": "log"}), format!("{verification}.override"), "always enforced"),
        (overrides, json!({"expiry": "skip"}), format!("{verification}.override"), "cannot be skipped"),
        (overrides, json!({"authenticity": "skip"}), format!("{verification}.override"), "cannot be skipped"),
        (overrides, json!({"signature": "log"}), format!("{verification}.override.signature"), "is no check"),
        (overrides, json!({"expiry": "warn"}), format!("{verification}.override.expiry"), "is no action"),
        (
            "/trustPolicies/0/signatureVerification/verifyTimestamp",
            json!("never"),
            format!("{verification}.verifyTimestamp"),
            "neither always nor afterCertExpiry",
        ),
        ("/trustPolicies/0/trustStores", Value::Null, format!("{first}.trustStores"), "it is needed"),
        ("/trustPolicies/0/trustStores", json!(["ca:a", "ca:a"]), format!("{first}.trustStores[1]"), "is there twice"),
        ("/trustPolicies/0/trustStores", json!(["acme"]), format!("{first}.trustStores[0]"), "is no trust store"),
        ("/trustPolicies/0/trustStores", json!(["x:acme"]), format!("{first}.trustStores[0]"), "is no trust store"),
        ("/trustPolicies/0/trustStores", json!(["ca:a/b"]), format!("{first}.trustStores[0]"), "is no trust store"),
        (
            "/trustPolicies/0/trustedIdentities",
            Value::Null,
            format!("{first}.trustedIdentities"),
            "there is no trusted identity",
        ),
        (identity, json!("*"), identities.clone(), "has to stand alone"),
        (identity, json!("x509.thumbprint: aa"), identities.clone(), "is no identity"),
        (identity, subject("ST=WA, O=a"), identities.clone(), "has no C"),
        (identity, subject("C=US, O=a"), identities.clone(), "has no ST"),
        (identity, subject("C=US, ST=WA, CN=a"), identities.clone(), "has no O"),
        (identity, subject("C=US, ST=WA, O=a, CN="), identities.clone(), "has no value for CN"),
        (identity, subject("c=US, ST=WA, O=a"), identities.clone(), "in capitals"),
        (identity, subject("C=US, ST=WA, O=a, O=b"), identities.clone(), "twice"),
        (identity, subject("C=US, ST=WA, O=a+OU=b"), identities.clone(), "more than one attribute"),
        (identity, subject("C=US, ST=WA, O=#0401"), identities.clone(), "cannot be compared"),
        (identity, subject("C=US, ST=WA, O=a\\q"), identities, "has an escape that is none"),
        (
            identity,
            subject("C=US, ST=WA, O=acme-rockets.example"),
            format!("{first}.trustedIdentities[1]"),
            "it overlaps",
        ),
        ("/trustPolicies/0/globalPolicy", json!(true), format!("{first}.globalPolicy"), "it is about blobs"),
    ];
    for (pointer, value, path, rule) in cases {
        let shown = format!("{pointer} {value}");
        // Nothing of a document that breaks a rule is taken, not even what it says about others.
        let (reply, _) = notation(Some((pointer, value)), Some("registry.example/elsewhere:v1"));
        let details = reply["error"]["details"].as_array().unwrap_or_else(|| panic!("{shown}: {reply:#}"));
        let [detail] = details.as_slice() else { panic!("{shown}: {reply:#}") };
        assert_eq!(detail["path"], json!(path), "{shown}: {detail}");
        assert!(detail["message"].as_str().is_some_and(|said| said.contains(rule)), "{shown}: {detail}");
    }
}
