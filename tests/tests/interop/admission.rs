//! The webhook as the API server would call it: `curl`, real AdmissionReviews, a real registry behind it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use bulla_tests::peers;
use serde_json::{Value, json};

use bulla_tests::support::{Registry, Serving, authority, bulla_key, free_address, run};

struct Webhook {
    _serving: Serving,
    curl: PathBuf,
    folder: tempfile::TempDir,
    url: String,
}

impl Webhook {
    fn start(policy: &str) -> Option<Self> {
        let curl = peers::require("curl")?;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("policy.yaml"), policy).expect("policy");
        let address = free_address();
        let config = format!(
            "policies: [policy.yaml]\nstateDir: state\nwebhook:\n  listen: '{address}'\n  deadlineMilliseconds: 3000\n  tls: {{selfSigned: true, names: [localhost, 127.0.0.1]}}\n"
        );
        let serving = Serving::start(folder.path(), &config, address);
        Some(Self { _serving: serving, curl, folder, url: format!("https://127.0.0.1:{}/v1/admit", address.port()) })
    }

    fn ask(&self, review: &Value) -> Value {
        let body = self.folder.path().join("review.json");
        std::fs::write(&body, review.to_string()).expect("body");
        let authority = authority(&self.folder.path().join("state"));
        let output = run(Command::new(&self.curl)
            .args(["--silent", "--show-error", "--fail-with-body", "--max-time", "20", "--cacert"])
            .arg(authority)
            .args(["-H", "Content-Type: application/json", "--data-binary"])
            .arg(format!("@{}", body.display()))
            .arg(&self.url));
        serde_json::from_slice(&output.stdout).expect("an AdmissionReview")
    }
}

fn policy(public: &Path) -> String {
    let key: String =
        std::fs::read_to_string(public).expect("a key").lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: all}}\nspec:\n  match: {{everyImage: true}}\n  signers:\n    \
         release:\n      cosign:\n        publicKey: |\n{key}  require: release\n"
    )
}

fn review(kind: (&str, &str), object: Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "7f0b2891-916f-4ed6-b7cd-27bff1815a8c",
        "kind": {"group": kind.0, "version": "v1", "kind": kind.1},
        "resource": {"group": kind.0, "version": "v1", "resource": format!("{}s", kind.1.to_lowercase())},
        "requestKind": {"group": kind.0, "version": "v1", "kind": kind.1},
        "name": "web", "namespace": "default", "operation": "CREATE",
        "userInfo": {"username": "admin", "groups": ["system:authenticated"]},
        "object": object, "oldObject": null, "dryRun": false,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"}}})
}

fn patch(response: &Value) -> Vec<Value> {
    let patch = response["response"]["patch"].as_str().expect("a patch");
    let bytes = base64::engine::general_purpose::STANDARD.decode(patch).expect("base64");
    serde_json::from_slice(&bytes).expect("a JSON patch")
}

#[test]
fn pods_are_pinned_templates_annotated_and_silence_is_unknown() {
    let Some(mut registry) = Registry::start() else { return };
    let keys = tempfile::tempdir().expect("a folder");
    let (private, public) = bulla_key(keys.path(), "release", "ecdsa-p256");
    let image = registry.name("web/app:1");
    let digest = registry.push_image(&image, "app");
    let unsigned = registry.name("web/unsigned:1");
    registry.push_image(&unsigned, "unsigned");
    run(bulla_tests::support::bulla().args(["sign", "--yes", "--key"]).arg(&private).arg(&image));
    let Some(webhook) = Webhook::start(&policy(&public)) else { return };

    // Eight containers of one image: one decision, one patch for each container.
    let containers: Vec<Value> = (0..8).map(|n| json!({"name": format!("c{n}"), "image": image})).collect();
    let pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": containers}});
    let response = webhook.ask(&review(("", "Pod"), pod.clone()));
    assert_eq!(response["response"]["allowed"], json!(true), "{response}");
    let operations = patch(&response);
    let replaced: Vec<&Value> = operations.iter().filter(|operation| operation["op"] == json!("replace")).collect();
    assert_eq!(replaced.len(), 8);
    for (n, operation) in replaced.iter().enumerate() {
        assert_eq!(operation["path"], json!(format!("/spec/containers/{n}/image")));
        assert_eq!(operation["value"], json!(format!("{image}@{digest}")));
    }
    let log = std::fs::read_to_string(webhook.folder.path().join("serve.log")).expect("the log");
    let decisions = log.lines().filter(|line| line.contains("\"decision\"") || line.contains("decided")).count();
    assert_eq!(decisions, 1, "one verification for eight containers:\n{log}");

    // A Deployment: the template is annotated and its image stays what its author wrote.
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}});
    let response = webhook.ask(&review(("apps", "Deployment"), deployment));
    assert_eq!(response["response"]["allowed"], json!(true), "{response}");
    let operations = patch(&response);
    assert_eq!(operations.len(), 1);
    assert_eq!(operations[0]["path"], json!("/spec/template/metadata/annotations"));
    assert!(operations[0]["value"]["bulla.dev/digests"].as_str().is_some_and(|text| text.contains(&digest)));

    // Unsigned beside signed: denied, for that image and that reason.
    let mixed = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"initContainers": [{"name": "i", "image": unsigned}], "containers": [{"name": "c", "image": image}]}});
    let response = webhook.ask(&review(("", "Pod"), mixed));
    assert_eq!(response["response"]["allowed"], json!(false));
    let message = response["response"]["status"]["message"].as_str().expect("a message");
    assert!(message.contains(&unsigned) && message.contains("not signed"), "{message}");

    // The registry is gone, and what was cached has aged: unknown, with the registry's name, inside the deadline.
    registry.stop();
    let fresh = format!("{}/web/never-seen:1", registry.address);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": fresh}]}});
    let start = Instant::now();
    let response = webhook.ask(&review(("", "Pod"), pod));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(response["response"]["allowed"], json!(false));
    let message = response["response"]["status"]["message"].as_str().expect("a message");
    assert!(message.contains("unknown") && message.contains(&registry.address.to_string()), "{message}");
}
