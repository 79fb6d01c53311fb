//! Records of what webhook and proxy decided: one for each, whole, and replayed to the same octets.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bulla_records::{Action, Engines, Entry, Options, Reader, Replayed, Store, Surface, Whole, replay};
use bulla_server::{Config, RecordsConfig};
use futures_util::StreamExt as _;
use serde_json::json;

use crate::world::{IMAGE, Services, World, create, engine, pod, policy};

fn folder(world: &World) -> PathBuf {
    world.folder.path().join("records")
}

fn config(world: &World, required: bool) -> Config {
    let records = RecordsConfig { folder: folder(world), required, ..RecordsConfig::default() };
    Config { records: Some(records), ..world.config() }
}

fn all(folder: &Path) -> Vec<Whole> {
    let reader = Reader::open(folder).expect("records");
    let mut found = Vec::new();
    let end: Option<()> = reader
        .entries(|entry| {
            let Entry::Record { id, bytes } = entry else { panic!("{entry:?}") };
            found.push(Whole::gather(id, bytes, &reader).expect("whole"));
            ControlFlow::Continue(())
        })
        .expect("readable");
    assert_eq!(end, None);
    found
}

async fn metric(services: &Services, name: &str) -> String {
    let page = services.get(&services.http("/metrics")).await.text().await.expect("text");
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_records_made_under_load_replay_to_the_same_octets() {
    let (world, _) = World::new().await;
    let services = Services::start(config(&world, true)).await;
    let images = ["signed", "foreign", "unsigned", "missing"].map(|tag| format!("{IMAGE}:{tag}"));
    let reviews = (0..125).map(|number| {
        let (services, images) = (&services, &images);
        async move {
            let mut review = create("", "Pod", pod(images));
            review["request"]["namespace"] = json!(format!("team-{number}"));
            services.review("/v1/admit", &review).await
        }
    });
    let answers: Vec<_> = futures_util::stream::iter(reviews).buffer_unordered(8).collect().await;
    assert!(answers.iter().all(|answer| answer["response"]["allowed"] == json!(false)));
    assert_eq!(services.pull("manifests", "signed").await.status(), 200);
    assert_eq!(services.pull("manifests", "foreign").await.status(), 403);
    assert_eq!(metric(&services, "bulla_records_total").await, "502");
    assert_eq!(metric(&services, "bulla_records_failures_total").await, "0");
    services.running.stop(Duration::ZERO).await;

    let engines = Engines::new(Default::default()).knowing(engine());
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for whole in all(&folder(&world)) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let replayed = replay(&whole, &engines, deadline).await.expect("it runs");
        let outcome = whole.record.verdict.outcome;
        assert_eq!(replayed, Replayed::Agrees { outcome }, "{:?}", whole.record);
        let made = &whole.record.made;
        assert_eq!(made.object.is_some(), made.surface == Surface::Webhook);
        *counts.entry((made.surface.name(), outcome.name(), made.action.name())).or_default() += 1;
    }
    let want = [
        (("proxy", "accept", Action::Allowed.name()), 1),
        (("proxy", "reject", "denied"), 1),
        (("webhook", "accept", "allowed"), 125),
        (("webhook", "reject", "denied"), 375),
    ];
    assert_eq!(counts, want.into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_leaves_nothing_and_an_object_none_of_its_secrets() {
    let (world, _) = World::new().await;
    let services = Services::start(config(&world, false)).await;
    let mut object = pod(&[format!("{IMAGE}:signed")]);
    object["spec"]["containers"][0]["env"] = json!([{"name": "TOKEN", "value": "very-secret"}]);
    let mut review = create("", "Pod", object);
    review["request"]["dryRun"] = json!(true);
    let audited = |answer: serde_json::Value| -> serde_json::Value {
        let images = answer["response"]["auditAnnotations"]["images"].as_str().expect("a text").to_owned();
        serde_json::from_str(&images).expect("JSON")
    };
    let dry = audited(services.review("/v1/admit", &review).await);
    assert_eq!(dry[0].get("record"), None);
    assert_eq!(all(&folder(&world)), []);
    review["request"]["dryRun"] = json!(false);
    let told = audited(services.review("/v1/admit", &review).await);
    let [whole] = all(&folder(&world)).try_into().expect("one record");
    assert_eq!(whole.record.made.action, Action::Allowed);
    assert_eq!(told[0]["record"], json!(whole.id), "the cluster's audit log names the record");
    let exported = whole.export(false).expect("small");
    assert!(!String::from_utf8_lossy(&exported).contains("very-secret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_denies_only_where_records_are_required() {
    for required in [false, true] {
        let (world, _) = World::new().await;
        drop(Store::open(&folder(&world), Options::default()).expect("a folder of ours"));
        let journal = folder(&world).join("journal/0000000001.log");
        std::fs::remove_file(&journal).expect("there");
        symlink("/dev/full", &journal).expect("ours");
        let services = Services::start(config(&world, required)).await;
        let review = create("", "Pod", pod(&[format!("{IMAGE}:signed")]));
        let first = services.review("/v1/admit", &review).await;
        assert_eq!(first["response"]["allowed"], json!(!required), "{first}");
        assert_eq!(metric(&services, "bulla_records_failures_total").await, "1");
        if required {
            let message = first["response"]["status"]["message"].as_str().expect("a message");
            assert!(message.contains("this decision could not be recorded"), "{message}");
        }
        assert_eq!(services.review("/v1/admit", &review).await["response"]["allowed"], json!(true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_glass_is_recorded_counted_and_said() {
    let (world, _) = World::new().await;
    let lets = r#""spec":{"breakGlass":{"groups":["oncall"]},"#;
    world.policy(&policy(&[&world.ours], "enforce").replace(r#""spec":{"#, lets));
    let services = Services::start(config(&world, true)).await;
    let mut review = create("", "Pod", pod(&[format!("{IMAGE}:unsigned")]));
    review["request"]["userInfo"] = json!({"username": "alice", "groups": ["oncall"]});
    let refused = services.review("/v1/admit", &review).await;
    assert_eq!(refused["response"]["allowed"], json!(false), "nobody has broken it yet");
    review["request"]["object"]["metadata"]["annotations"] = json!({"bulla.dev/break-glass": "outage 17"});
    let admitted = services.review("/v1/admit", &review).await;
    assert_eq!(admitted["response"]["allowed"], json!(true), "{admitted}");
    let warnings = admitted["response"]["warnings"].to_string();
    assert!(warnings.contains("glass broken by alice: outage 17"), "{warnings}");
    assert_eq!(metric(&services, "bulla_glass_broken_total").await, "1");
    review["request"]["userInfo"]["groups"] = json!(["staff"]);
    assert_eq!(services.review("/v1/admit", &review).await["response"]["allowed"], json!(false));

    let [_, broken, _] = all(&folder(&world)).try_into().expect("three records");
    let exported = broken.export(false).expect("small");
    let question = String::from_utf8_lossy(&exported);
    for told in [r#""breakGlass":"outage 17""#, r#""user":{"groups":["oncall"],"name":"alice"}"#] {
        assert!(question.contains(told), "{question}");
    }
    let glass = broken.record.break_glass.as_ref().expect("it was broken");
    assert_eq!((glass.by.as_str(), glass.reason.as_str()), ("alice", "outage 17"));
    let engines = Engines::new(Default::default()).knowing(engine());
    let replayed = replay(&broken, &engines, Instant::now() + Duration::from_secs(60)).await.expect("it runs");
    assert_eq!(replayed, Replayed::Agrees { outcome: bulla_records::Outcome::Accept });

    let unrecorded = Services::start(world.config()).await;
    review["request"]["userInfo"]["groups"] = json!(["oncall"]);
    let denied = unrecorded.review("/v1/admit", &review).await;
    assert_eq!(denied["response"]["allowed"], json!(false), "it takes a record");
    assert!(denied.to_string().contains("configure `records`"), "{denied}");
}
