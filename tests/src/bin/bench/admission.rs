//! The webhook as a process of its own: requests over TLS on loopback, cached and cold, and its memory.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bulla_tests::support::{Registry, Serving, bulla, bulla_key, free_address, http_client, https_client, run};
use serde_json::{Value, json};

use crate::table::{Table, percentile, ratio, show};

type Failure = Box<dyn std::error::Error>;

const RATE: u32 = 200;
const GOAL: Duration = Duration::from_millis(10);

pub(crate) async fn measure(table: &mut Table) -> Result<(), Failure> {
    let Some(registry) = Registry::start() else {
        table.row("admission over TLS", "not measured: docker-registry is missing".to_owned(), "", String::new());
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let (private, public) = bulla_key(folder.path(), "release", "ecdsa-p256");
    let image = registry.name("bench/app:1");
    registry.push_image(&image, "admission");
    run(bulla().args(["sign", "--yes", "--key"]).arg(private).arg(&image));
    let body = review(&image).to_string();

    let cached = Webhook::start(folder.path(), "cached", &public, 3600)?;
    let before = cached.serving.resident_kib();
    table.row(
        "resident memory after start",
        format!("{} MiB", before / 1024),
        "goal 64 MiB",
        format!("{:.2} ×", mib(before) / 64.0),
    );
    cached.admit(&body).await?;
    let steady = cached.steady(&body, Duration::from_secs(10)).await?;
    let what = format!("admission of a Pod, evidence cached, {RATE} requests/s over TLS, p50");
    table.row(&what, show(percentile(&steady, 0.5)), "goal p99 10 ms", String::new());
    let p99 = percentile(&steady, 0.99);
    table.row("the same, p99", show(p99), "goal 10 ms", ratio(p99, GOAL));
    let (rate, times) = cached.flat_out(&body, Duration::from_secs(5)).await?;
    let what = "the same, as many as it can, 16 connections";
    let measured =
        format!("{rate:.0} requests/s, p50 {}, p99 {}", show(percentile(&times, 0.5)), show(percentile(&times, 0.99)));
    table.row(what, measured, &format!("{RATE} requests/s"), format!("{:.1} ×", rate / f64::from(RATE)));
    let after = cached.serving.resident_kib();
    table.row(
        "resident memory after that",
        format!("{} MiB", after / 1024),
        "after start",
        format!("{:.2} ×", mib(after) / mib(before)),
    );
    drop(cached);

    let cold = Webhook::start(folder.path(), "cold", &public, 0)?;
    cold.admit(&body).await?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        cold.admit(&body).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let direct = registry_round_trip(&registry, "bench/app").await?;
    let what = "admission of a Pod, nothing cached, local docker-registry, p50";
    let peer = format!("one HEAD of the manifest, {}", show(direct));
    table.row(what, show(percentile(&times, 0.5)), &peer, ratio(percentile(&times, 0.5), direct));
    table.row("the same, p99", show(percentile(&times, 0.99)), "", String::new());
    Ok(())
}

#[allow(clippy::cast_precision_loss)]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

struct Webhook {
    serving: Serving,
    client: reqwest::Client,
    url: String,
}

impl Webhook {
    fn start(folder: &Path, name: &str, public: &Path, tag_seconds: u64) -> Result<Self, Failure> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let key: String = std::fs::read_to_string(public)?.lines().map(|line| format!("          {line}\n")).collect();
        let policy = format!(
            "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: bench}}\nspec:\n  match: {{everyImage: true}}\n  signers:\n    \
             release:\n      cosign:\n        publicKey: |\n{key}  require: release\n"
        );
        std::fs::write(folder.join("policy.yaml"), policy)?;
        let address: SocketAddr = free_address();
        let config = format!(
            "policies: [policy.yaml]\nstateDir: state\nregistry: {{cache: {{tagSeconds: {tag_seconds}}}}}\nwebhook:\n  listen: '{address}'\n  tls: {{selfSigned: true, names: [localhost, 127.0.0.1]}}\n"
        );
        let serving = Serving::start(&folder, &config, address);
        Ok(Self {
            serving,
            client: https_client(&folder.join("state")),
            url: format!("https://127.0.0.1:{}/v1/admit", address.port()),
        })
    }

    async fn admit(&self, body: &str) -> Result<(), Failure> {
        let request = self.client.post(&self.url).header("content-type", "application/json").body(body.to_owned());
        let answer: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
        if answer["response"]["allowed"] == json!(true) { Ok(()) } else { Err(answer.to_string().into()) }
    }

    /// One request each 5 ms, whether or not the ones before are answered; times count from when each was due.
    async fn steady(&self, body: &str, length: Duration) -> Result<Vec<Duration>, Failure> {
        let start = Instant::now();
        let count = RATE * u32::try_from(length.as_secs())?;
        let body: Arc<str> = body.into();
        let mut running = tokio::task::JoinSet::new();
        for n in 0..count {
            let due = start + Duration::from_secs(1) * n / RATE;
            tokio::time::sleep_until(due.into()).await;
            let (client, url, body) = (self.client.clone(), self.url.clone(), Arc::clone(&body));
            running.spawn(async move {
                let request = client.post(url).header("content-type", "application/json").body(body.to_string());
                let bytes = request.send().await?.bytes().await?;
                Ok::<_, reqwest::Error>((due.elapsed(), bytes))
            });
        }
        let mut times = Vec::new();
        while let Some(done) = running.join_next().await {
            let (time, bytes) = done??;
            if !String::from_utf8_lossy(&bytes).contains("\"allowed\":true") {
                return Err(String::from_utf8_lossy(&bytes).into_owned().into());
            }
            times.push(time);
        }
        times.sort_unstable();
        Ok(times)
    }

    async fn flat_out(&self, body: &str, length: Duration) -> Result<(f64, Vec<Duration>), Failure> {
        let end = Instant::now() + length;
        let body: Arc<str> = body.into();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (client, url, body) = (self.client.clone(), self.url.clone(), Arc::clone(&body));
            running.spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < end {
                    let start = Instant::now();
                    let request = client.post(&url).header("content-type", "application/json").body(body.to_string());
                    request.send().await?.bytes().await?;
                    times.push(start.elapsed());
                }
                Ok::<_, reqwest::Error>(times)
            });
        }
        let mut times = Vec::new();
        while let Some(done) = running.join_next().await {
            times.extend(done??);
        }
        times.sort_unstable();
        #[allow(clippy::cast_precision_loss)]
        let rate = times.len() as f64 / length.as_secs_f64();
        Ok((rate, times))
    }
}

async fn registry_round_trip(registry: &Registry, repository: &str) -> Result<Duration, Failure> {
    let client = http_client(rustls::RootCertStore::empty());
    let url = format!("http://{}/v2/{repository}/manifests/1", registry.address);
    let mut times = Vec::new();
    for _ in 0..300 {
        let start = Instant::now();
        let accept = "application/vnd.oci.image.manifest.v1+json";
        client.head(&url).header("accept", accept).send().await?.error_for_status()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(percentile(&times, 0.5))
}

fn review(image: &str) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": "default", "operation": "CREATE",
        "object": {"spec": {"containers": [{"name": "c", "image": image}]}}}})
}
