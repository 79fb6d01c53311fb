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
