//! The webhook: what is admitted, pinned, denied and refused.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_server::Config;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::world::{IMAGE, Services, World, create, pod, policy};

fn image(tag: &str) -> String {
    format!("{IMAGE}:{tag}")
}

fn patch(response: &Value) -> Value {
    let patch = response["response"]["patch"].as_str().expect("a patch");
    serde_json::from_slice(&STANDARD.decode(patch).expect("base64")).expect("JSON")
}

fn message(response: &Value) -> &str {
    assert_eq!(response["response"]["allowed"], json!(false));
    response["response"]["status"]["message"].as_str().expect("a message")
}

async fn metric(services: &Services, line: &str) -> bool {
    let page = services.get(&services.http("/metrics")).await.text().await.expect("text");
    page.lines().any(|known| known == line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_of_eight_containers_takes_one_decision_and_is_pinned_in_all_of_them() {
    let (world, images) = World::new().await;
    let services = world.start().await;
    let review = create("", "Pod", pod(&vec![image("signed"); 8]));
    let response = services.review("/v1/admit?timeout=10s", &review).await;
    assert_eq!(response["response"]["allowed"], json!(true), "{response}");
    assert_eq!(response["response"]["uid"], json!("u-1"));
    let patch = patch(&response);
    let replaced: Vec<_> = patch.as_array().expect("a list").iter().filter(|step| step["op"] == "replace").collect();
    assert_eq!(replaced.len(), 8);
    for (index, step) in replaced.iter().enumerate() {
        assert_eq!(step["path"], json!(format!("/spec/containers/{index}/image")));
        assert_eq!(step["value"], json!(format!("{IMAGE}:signed@{}", images.signed.digest)));
    }
    assert!(metric(&services, "bulla_decisions_total{surface=\"webhook\",outcome=\"accept\"} 1").await);

    let response = services.review("/v1/validate", &review).await;
    assert_eq!(response["response"]["allowed"], json!(true));
    assert!(response["response"].get("patch").is_none(), "validating never patches");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_keys_and_no_key_deny_and_every_image_is_named() {
    let (world, _) = World::new().await;
    let services = world.start().await;
    let review = create("", "Pod", pod(&[image("signed"), image("foreign"), image("unsigned"), image("missing")]));
    let response = services.review("/v1/admit", &review).await;
    let message = message(&response);
    for tag in ["foreign", "unsigned", "missing"] {
        assert!(message.contains(&format!("{}: rejected", image(tag))), "{message}");
    }
    assert!(!message.contains(&image("signed")), "{message}");
    assert!(response["response"].get("patch").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_annotated_and_an_unknown_kind_denied() {
    let (world, images) = World::new().await;
    let services = world.start().await;
    let object = json!({"spec": {"template": {"spec": pod(&[image("signed")])["spec"]}}});
    let response = services.review("/v1/admit", &create("apps", "Deployment", object.clone())).await;
    assert_eq!(response["response"]["allowed"], json!(true), "{response}");
    let patch = patch(&response).to_string();
    assert!(patch.contains("bulla.dev/digests") && patch.contains(images.signed.digest.as_str()), "{patch}");

    let response = services.review("/v1/admit", &create("example.org", "Workflow", object)).await;
    assert!(message(&response).contains("Workflow"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_review_is_an_error_and_not_a_decision() {
    let (world, _) = World::new().await;
    let services = world.start().await;
    let post = async |body: Vec<u8>, media_type: &str| {
        let request = services.client.post(services.webhook("/v1/admit")).header("content-type", media_type);
        let answer = request.body(body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.expect("JSON")["error"].as_str().expect("a sentence").to_owned())
    };
    for body in ["", "garbage", "{}", "[]", "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}"] {
        let (status, reason) = post(body.into(), "application/json").await;
        assert_eq!(status, 400, "{body}: {reason}");
        assert!(!reason.is_empty());
    }
    assert_eq!(post(b"{}".to_vec(), "text/plain").await.0, 415);
    let (status, reason) = post(vec![b' '; (8 << 20) + 1], "application/json").await;
    assert_eq!(status, 413);
    assert!(reason.contains("8388608"), "{reason}");
    let get = services.get(&services.webhook("/v1/admit")).await;
    assert_eq!(get.status(), 405);
}

/// An error status would let a webhook with `failurePolicy: Ignore` admit: whoever has a uid gets a denial.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_that_the_module_refuses_to_read_is_denied() {
    let (world, _) = World::new().await;
    let services = world.start().await;
    let mut object = pod(&[image("unsigned")]);
    object["spec"]["tolerations"] = Value::Array(vec![Value::Object(Default::default()); 200_001]);
    let response = services.review("/v1/admit", &create("", "Pod", object)).await;
    assert!(message(&response).contains("more than 200000 values"), "{response}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_never_answers_ends_in_a_denial_in_time() {
    let (world, _) = World::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let registry = silent.local_addr().expect("bound").to_string();
    let mut config: Config = world.config();
    if let Some(webhook) = &mut config.webhook {
        webhook.deadline_milliseconds = 800;
    }
    let services = Services::start(config).await;
    let begun = Instant::now();
    let wanted = format!("{registry}/slow:1");
    let review = create("", "Pod", pod(&[wanted.clone(), image("signed")]));
    let response = services.review("/v1/admit", &review).await;
    let message = message(&response);
    assert!(message.contains(&format!("{wanted}: unknown")), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// The module finds operation and labels in the object, and the host passes them on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_for_certain_operations_and_labels_has_its_say_about_such_objects_only() {
    let (world, _) = World::new().await;
    let mut document: Value = serde_json::from_str(&policy(&[&world.ours], "enforce")).expect("JSON");
    document["spec"]["match"]["operations"] = json!(["CREATE"]);
    document["spec"]["match"]["labels"] = json!({"tier": "production"});
    world.policy(&document.to_string());
    let services = world.start().await;
    for (labels, allowed) in [(json!({"tier": "production", "a": "b"}), true), (json!({"tier": "test"}), false)] {
        let mut object = pod(&[image("signed")]);
        object["metadata"]["labels"] = labels;
        let mut review = create("", "Pod", object);
        let response = services.review("/v1/admit", &review).await;
        assert_eq!(response["response"]["allowed"], json!(allowed), "{response}");
        review["request"]["operation"] = json!("UPDATE");
        let response = services.review("/v1/admit", &review).await;
        assert!(message(&response).contains("no policy matches"), "{response}");
    }
}
