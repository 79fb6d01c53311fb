//! Records that a webhook made under load, decided anew from their exported files alone, by three runtimes.
//!
//! What is in a file is read here as docs/records.md says, and not by the code that wrote it.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on ends, and says where")]

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use bulla_abi::{Message, Operation};
use bulla_engine::{EMBEDDED, Engine, ModuleBytes, Options};
use bulla_records::{Action, Bundle, Digest, Draft, Entry, Made, Policies, Reader, Store, Surface, Whole};
use bulla_tests::support::{Registry, Serving, bulla, bulla_key, free_address, https_client, output, run};
use bulla_tests::{hosts, peers};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const REVIEWS: usize = 100;
const AT_ONCE: usize = 8;
const BUDGET: Duration = Duration::from_secs(120);

/// A record's file, read as docs/records.md says.
struct Exported {
    record: Value,
    parts: HashMap<String, Vec<u8>>,
}

impl Exported {
    /// Every part under the digest that its octets have.
    fn read(file: &[u8]) -> Self {
        let message = Message::decode(file).expect("a message of the module's contract");
        let record = serde_json::from_slice(&message.blobs[0]).expect("the record");
        let digest = |bytes: &[u8]| format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
        Self { record, parts: message.blobs.into_iter().map(|blob| (digest(&blob), blob)).collect() }
    }

    fn part(&self, digest: &Value) -> &[u8] {
        &self.parts[digest.as_str().expect("a digest")]
    }

    fn list(&self, name: &str) -> Vec<Value> {
        serde_json::from_slice(self.part(&self.record[name]["digest"])).expect("a list")
    }

    /// The request of the operation `decide` that asks again (docs/abi.md).
    fn request(&self) -> Message {
        let mut blobs = Vec::new();
        let mut add = |digest: &Value| {
            blobs.push(self.part(digest).to_vec());
            blobs.len() - 1
        };
        let documents: Vec<Value> = self
            .list("policies")
            .iter()
            .map(|document| json!({"name": document["name"], "blob": add(&document["digest"])}))
            .collect();
        let evidence: Vec<Value> = self
            .list("evidence")
            .into_iter()
            .map(|mut entry| {
                if entry["outcome"] == "found" {
                    entry["blob"] = json!(add(&entry["content"]));
                }
                if entry["outcome"] == "tooLarge" {
                    let got: u64 = entry["got"].as_str().and_then(|got| got.parse().ok()).expect("digits");
                    entry["got"] = json!(got);
                }
                entry
            })
            .collect();
        let question = match self.record.get("question") {
            Some(question) => question.clone(),
            None => serde_json::from_slice(self.part(&self.record["largeQuestion"]["digest"])).expect("a question"),
        };
        let header = json!({"documents": documents, "question": question, "evidence": evidence});
        Message { header: header.to_string().into_bytes(), blobs }
    }

    fn verdict(&self) -> &[u8] {
        self.part(&self.record["verdict"]["digest"])
    }

    fn outcome(&self) -> String {
        self.record["verdict"]["outcome"].as_str().expect("an outcome").to_owned()
    }
}

/// Every record of a folder as a file, with the module.
fn export_all(records: &Path) -> Vec<Vec<u8>> {
    let reader = Reader::open(records).expect("records");
    let mut files = Vec::new();
    let end: Option<()> = reader
        .entries(|entry| {
            let Entry::Record { id, bytes } = entry else { panic!("{entry:?}") };
            files.push(Whole::gather(id, bytes, &reader).expect("whole").export(true).expect("small"));
            ControlFlow::Continue(())
        })
        .expect("readable");
    assert_eq!(end, None);
    files
}

/// A webhook that records, and reviews sent to it, several at once. Gives the ids that it named to the audit log.
fn under_load(folder: &Path, policy: &str, images: &[String]) -> Vec<String> {
    std::fs::write(folder.join("policy.yaml"), policy).expect("policy");
    let address = free_address();
    let config = format!(
        "policies: [policy.yaml]\nstateDir: state\nrecords: {{folder: records, required: true}}\nwebhook:\n  listen: '{address}'\n  deadlineMilliseconds: 9000\n  tls: {{selfSigned: true, names: [localhost, 127.0.0.1]}}\n"
    );
    let _serving = Serving::start(folder, &config, address);
    let client = https_client(&folder.join("state"));
    let url = format!("https://127.0.0.1:{}/v1/admit", address.port());
    let containers: Vec<Value> = images.iter().map(|image| json!({"name": "c", "image": image})).collect();
    let reviews = (0..REVIEWS).map(|number| {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": number.to_string(), "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE",
            "namespace": format!("team-{number}"), "object": {"metadata": {"name": "web"}, "spec": {"containers": containers}}}});
        let request = client.post(&url).header("content-type", "application/json").body(review.to_string());
        async move {
            let bytes = request.send().await.expect("an answer").bytes().await.expect("a body");
            let answer: Value = serde_json::from_slice(&bytes).expect("an AdmissionReview");
            let audited = answer["response"]["auditAnnotations"]["images"].as_str().expect("a text").to_owned();
            serde_json::from_str::<Vec<Value>>(&audited).expect("a list")
        }
    });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let answers: Vec<Vec<Value>> =
        runtime.block_on(futures_util::stream::iter(reviews).buffer_unordered(AT_ONCE).collect());
    let ids = answers.iter().flatten().map(|image| image["record"].as_str().expect("a record's id").to_owned());
    ids.collect()
}

fn policy(public: &Path) -> String {
    let key = std::fs::read_to_string(public).expect("a key");
    json!({"apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "all"}, "spec": {
        "match": {"everyImage": true}, "signers": {"release": {"cosign": {"publicKey": key}}}, "require": "release"}})
    .to_string()
}

#[test]
fn five_hundred_records_of_a_webhook_under_load_say_the_same_natively_in_wasmtime_and_in_node() {
    let Some(registry) = Registry::start() else { return };
    let Some(node) = peers::require("node") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, public) = bulla_key(folder.path(), "ours", "ecdsa-p256");
    let (theirs, _) = bulla_key(folder.path(), "theirs", "ecdsa-p256");
    let mut images: Vec<String> =
        ["legacy:1", "bundle:1", "foreign:1", "unsigned:1"].map(|name| registry.name(name)).into();
    for image in &images {
        registry.push_image(image, image);
    }
    for (image, key, form) in [(0, &ours, "legacy"), (1, &ours, "bundle"), (2, &theirs, "legacy")] {
        run(bulla().args(["sign", "--yes", &images[image], "--form", form, "--key"]).arg(key));
    }
    // Nothing listens on the discard port of loopback: nobody knows what is there.
    images.push("127.0.0.1:9/never:1".to_owned());

    let mut named = under_load(folder.path(), &policy(&public), &images);
    let files = export_all(&folder.path().join("records"));
    assert_eq!(files.len(), REVIEWS * images.len());
    let exported: Vec<Exported> = files.iter().map(|file| Exported::read(file)).collect();

    // The audit log names every record, and no other.
    let mut ids: Vec<String> =
        files.iter().map(|file| Bundle::read(file.clone()).expect("a file").id().to_string()).collect();
    ids.sort();
    named.sort();
    assert_eq!(ids, named);
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    exported.iter().for_each(|one| *outcomes.entry(one.outcome()).or_default() += 1);
    let want = [("accept", 2 * REVIEWS), ("reject", 2 * REVIEWS), ("unknown", REVIEWS)];
    assert_eq!(outcomes, want.map(|(outcome, count)| (outcome.to_owned(), count)).into());

    // One module decided them all, and its bytes are in each file.
    let module = exported[0].part(&exported[0].record["module"]);
    assert!(exported.iter().all(|one| one.part(&one.record["module"]) == module));
    let module_file = folder.path().join("bulla.wasm");
    std::fs::write(&module_file, module).expect("written");
    let cache_dir = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tests-cache").into());
    let options = Options { module: ModuleBytes::Given(module.to_vec()), cache_dir, ..Options::default() };
    let engine = Engine::start(options).expect("the module of the records");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");

    let requests: Vec<Message> = exported.iter().map(Exported::request).collect();
    let framed: Vec<Vec<u8>> = requests.iter().map(|request| request.encode().expect("small")).collect();
    let decide = Operation::Decide.number();
    let messages = framed.iter().map(|message| (decide, message.clone())).collect();
    let in_node = hosts::run_module(&node, "node.mjs", &module_file, messages);
    for (number, one) in exported.iter().enumerate() {
        let natively = bulla_wasm::Module::default().call(decide, &framed[number]);
        let mut sandbox = runtime.block_on(engine.sandbox()).expect("a sandbox");
        let in_wasmtime = sandbox.call(Operation::Decide, &requests[number], BUDGET).expect("an answer");
        let natively = Message::decode(&natively).expect("an answer").header;
        let in_node = Message::decode(&in_node[number]).expect("an answer").header;
        for (runtime, said) in [("natively", natively), ("wasmtime", in_wasmtime.header), ("Node", in_node)] {
            let texts = (String::from_utf8_lossy(&said), String::from_utf8_lossy(one.verdict()));
            assert!(said == one.verdict(), "{runtime}, {}:\n{}\n{}", one.record, texts.0, texts.1);
        }
    }

    // One changed octet in any part is found, in a record of each outcome.
    for outcome in outcomes.keys() {
        let number = exported.iter().position(|one| one.outcome() == *outcome).expect("counted");
        changed_anywhere_it_is_found(&files[number]);
    }
}

/// The first, the middle and the last octet of every part, one after the other.
fn changed_anywhere_it_is_found(file: &[u8]) {
    assert!(Bundle::read(file.to_vec()).expect("a file").whole().is_ok());
    let message = Message::decode(file).expect("a message");
    for (index, blob) in message.blobs.iter().enumerate() {
        for at in [0, blob.len() / 2, blob.len() - 1] {
            let mut message = message.clone();
            message.blobs[index][at] ^= 1;
            let found = Bundle::read(message.encode().expect("small")).expect("a file").whole();
            let problem = found.expect_err("an octet was changed").to_string();
            assert!(problem.contains("was tampered with"), "part {index}, octet {at}: {problem}");
        }
    }
}

/// Whoever can write a record can write one that is whole and says what the module never said. A key does not sign for it.
#[test]
fn a_record_that_the_module_does_not_repeat_is_not_attested() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("records");
    let (key, _) = bulla_key(folder.path(), "host", "ecdsa-p256");
    let digest = format!("sha256:{}", "1".repeat(64));
    let verdict = json!({"outcome": "accept", "repository": "registry.test/app", "digest": digest, "enforced": true,
        "image": "registry.test/app:1", "pinned": format!("registry.test/app:1@{digest}"), "summary": "accepted"});
    let answer = json!({"ok": {"verdict": verdict}}).to_string();
    let store = Store::open(&records, bulla_records::Options::default()).expect("a store");
    let draft = Draft {
        question: &json!({"image": "registry.test/app:1", "now": 1_767_225_600}),
        policies: &Policies::new([]).expect("a list"),
        evidence: &[],
        module: Digest::of(EMBEDDED),
        verdict: &verdict,
        verdict_bytes: answer.as_bytes(),
        made: Made { surface: Surface::CommandLine, action: Action::Allowed, object: None },
        break_glass: None,
    };
    let id = store.write(&draft).expect("written").id.to_string();
    drop(store);
    let mut summary = bulla();
    summary.args(["record", "summary", &id, "--verifier", "https://bulla.example/ci", "--records"]).arg(&records);
    assert!(String::from_utf8_lossy(&run(&mut summary).stdout).contains("PASSED"), "the record itself is whole");
    let mut attest = bulla();
    attest.args(["record", "attest", &id, "--verifier", "https://bulla.example/ci", "--yes", "--records"]);
    let refused = output(attest.arg(&records).arg("--key").arg(&key));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("does not say that again"), "{said}");
}
