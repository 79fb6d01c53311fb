//! Pushes through the gateway: with the user's own credentials, which nobody else sees, and without losing anything.

use std::io::Write;
use std::sync::{Arc, Mutex};

use bulla_engine::abi::{Message, Need};
use bulla_registry::Digest;
use reqwest::Response;
use serde_json::{Value, json};

use crate::gateway::{MESSAGE, TOKEN, config, evidence, fetch, need, page, refusal, refused};
use crate::registry::{LOGIN, Registry, SECRETS};
use crate::world::{MANIFEST, Services, World, plan};

/// A push plan as the page sends it.
async fn push(services: &Services, plan: &Value, blobs: Vec<Vec<u8>>) -> Response {
    let message = Message { header: json!({"plan": plan}).to_string().into_bytes(), blobs };
    let body = message.encode().expect("small");
    let request = page(services, "/gateway/v1/push", MESSAGE).header("bulla-registry-authorization", LOGIN).body(body);
    request.send().await.expect("an answer")
}

/// Everything that is logged in this process from the first test on that wants it.
#[derive(Clone)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> Self {
        let log = Self(Arc::default());
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("the only one in these tests");
        log
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_shows_the_users_credentials_to_the_registry_and_to_nobody_else() {
    let log = Log::start();
    let (world, images) = World::new().await;
    let registry = Registry::start().await;
    let digest = registry.put("v1", MANIFEST, images.signed.manifest.clone());
    let services = Services::start(config(&world, std::slice::from_ref(&registry.address))).await;
    let image = format!("{}/team/app@{digest}", registry.address);
    let tag = format!("{}.sig", digest.as_str().replace(':', "-"));
    let (ours, blobs) = plan(&image, &world.ours, "legacy", None).await;

    let pushed = push(&services, &ours, blobs.clone()).await;
    assert_eq!(pushed.status(), 200);
    let answer: Value = pushed.json().await.expect("JSON");
    assert_eq!((&answer["ok"]["writes"], &answer["ok"]["reference"]), (&json!(1), &json!(tag)));
    let there = registry.manifest(&tag).expect("pushed");
    assert_eq!(there, blobs[0]);
    let seen = registry.seen();
    assert!(seen.iter().any(|(_, path, shown)| path == "/token" && shown.as_deref() == Some(LOGIN)), "{seen:?}");
    let writes: Vec<_> = seen.iter().filter(|(method, path, _)| *method == "PUT" && path.contains(&tag)).collect();
    assert!(matches!(writes[..], [(_, _, Some(shown))] if shown.starts_with("Bearer ")), "{writes:?}");

    // Nothing of it is left for who comes next: neither the credentials nor the token that they gave.
    let message = Message { header: json!({"plan": ours}).to_string().into_bytes(), blobs: blobs.clone() };
    let another = plan(&image, &world.theirs, "legacy", None).await;
    let theirs = Message { header: json!({"plan": another.0}).to_string().into_bytes(), blobs: another.1 };
    let needs = [need("manifest", &registry.address, "team/app", "v1", 1 << 20)];
    assert_eq!(fetch(&services, &needs).send().await.expect("an answer").status(), 200);
    let again = page(&services, "/gateway/v1/push", MESSAGE).body(message.encode().expect("small"));
    let again: Value = again.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(again["ok"]["writes"], json!(0), "it is there");
    let anonymous = page(&services, "/gateway/v1/push", MESSAGE);
    let (_, code, _) = refused(anonymous.body(theirs.encode().expect("small"))).await;
    assert_eq!(code, "changed", "nothing is sent before the tag is read");
    let (bundle, bundle_blobs) = plan(&image, &world.ours, "bundle", Some(&images.signed.manifest)).await;
    let anonymous = Message { header: json!({"plan": bundle}).to_string().into_bytes(), blobs: bundle_blobs.clone() };
    let anonymous = page(&services, "/gateway/v1/push", MESSAGE).body(anonymous.encode().expect("small"));
    let (status, code, message) = refused(anonymous).await;
    assert_eq!((status, code.as_str()), (403, "registry-denied"), "{message}");
    let seen = registry.seen();
    assert!(seen.len() > 5 && seen.iter().all(|(_, _, shown)| shown.is_none()), "{seen:?}");

    // A bundle refers to the image; this registry keeps no list, so it is listed under the fallback tag.
    assert_eq!(push(&services, &bundle, bundle_blobs).await.status(), 200);
    let reference = bundle["reference"].as_str().expect("a digest");
    assert!(registry.manifest(reference).is_some());
    let list = registry.manifest(&digest.as_str().replace(':', "-")).expect("a list");
    assert!(String::from_utf8_lossy(&list).contains(reference));

    let text = log.text();
    // Other tests push as well while this one runs.
    let pushed = |line: &&str| ["bulla::push: pushed", &registry.address, &tag].iter().all(|part| line.contains(part));
    let line = text.lines().find(pushed).expect("a line");
    assert!(line.contains("user=\"alice\""), "{line}");
    for secret in SECRETS.into_iter().chain([TOKEN]) {
        let leak = text.lines().find(|line| line.contains(secret));
        assert!(leak.is_none(), "{leak:?}");
    }
    assert!(text.contains("TRACE") || text.contains("DEBUG"), "everything is captured");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_loses_nobodys_signature_and_touches_nothing_else() {
    let (world, images) = World::new().await;
    let registry = Registry::start().await;
    let digest = registry.put("v1", MANIFEST, images.signed.manifest.clone());
    let services = Services::start(config(&world, std::slice::from_ref(&registry.address))).await;
    let image = format!("{}/team/app@{digest}", registry.address);
    let tag = format!("{}.sig", digest.as_str().replace(':', "-"));
    let (first, blobs) = plan(&image, &world.theirs, "legacy", None).await;
    assert_eq!(push(&services, &first, blobs).await.status(), 200);
    let there = registry.manifest(&tag).expect("pushed");

    // Made as if nothing was there: refused, and made anew it keeps what is there.
    let (stale, blobs) = plan(&image, &world.ours, "legacy", None).await;
    let (status, code, message) = refusal(push(&services, &stale, blobs).await).await;
    assert_eq!((status, code.as_str()), (409, "changed"));
    assert!(message.contains(Digest::sha256(&there).as_str()), "{message}");
    assert_eq!(registry.manifest(&tag), Some(there.clone()));
    let (merged, blobs) = plan(&image, &world.ours, "legacy", Some(&there)).await;
    assert_eq!(push(&services, &merged, blobs.clone()).await.status(), 200);
    let layers = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON")["layers"].as_array().cloned();
    let now = layers(&registry.manifest(&tag).expect("there")).expect("a list");
    assert_eq!(now.len(), 2);
    assert_eq!(now[..1], layers(&there).expect("a list")[..]);

    let changed = |change: fn(&mut Value)| {
        let mut plan = merged.clone();
        change(&mut plan);
        plan
    };
    for (plan, want) in [
        (changed(|plan| (plan["tag"], plan["reference"]) = (json!("v1"), json!("v1"))), "image-tag"),
        (changed(|plan| plan["reference"] = json!("v1")), "plan"),
        (changed(|plan| plan["tag"] = Value::Null), "plan"),
        (changed(|plan| plan["blobs"][0]["digest"] = json!(format!("sha256:{}", "0".repeat(64)))), "plan"),
        (changed(|plan| plan["manifest"] = json!(99)), "unreadable"),
        (changed(|plan| plan["manifest"] = json!(1)), "plan"),
        (changed(|plan| plan["registry"] = json!("registry.example")), "layout"),
        (changed(|plan| plan["registry"] = json!("elsewhere.example")), "other-place"),
    ] {
        let plan = match want {
            "layout" => json!({"repository": "team/app", "registry": "registry.example", "tag": plan["tag"],
                "reference": plan["reference"], "subject": null, "mediaType": MANIFEST, "manifest": 0, "blobs": []}),
            _ => plan,
        };
        registry.seen();
        let (_, code, message) = refusal(push(&services, &plan, blobs.clone()).await).await;
        assert_eq!(code, want, "{message}");
        assert_eq!(registry.seen(), [], "{want}: nothing is asked");
    }
    registry.put(&tag, "application/vnd.oci.image.index.v1+json", r#"{"manifests":[]}"#);
    assert_eq!(refusal(push(&services, &merged, blobs).await).await.1, "occupied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_for_one_registry() {
    let (world, _) = World::new().await;
    let (one, two) = (Registry::start().await, Registry::start().await);
    one.put("v1", MANIFEST, "{}");
    let services = Services::start(config(&world, &[one.address.clone(), two.address.clone()])).await;
    let needs = [need("manifest", &one.address, "app", "v1", 99), need("blob", &two.address, "app", "x", 99)];
    let request = |needs: &[Need]| fetch(&services, needs).header("bulla-registry-authorization", LOGIN);
    let (status, code, message) = refused(request(&needs)).await;
    assert_eq!((status, code.as_str()), (400, "two-registries"));
    assert!(message.contains(&one.address) && message.contains(&two.address), "{message}");
    assert_eq!(one.seen(), []);
    assert_eq!(evidence(request(&needs[..1])).await.1, [b"{}"]);
    assert_eq!(one.seen()[0].2, None, "nothing is shown to who does not ask");
    assert_eq!(two.seen(), []);
}
