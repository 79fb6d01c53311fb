//! What the services answer about the demo's images: as a cluster would ask the webhook, and as a container runtime would
//! pull through the proxy.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_registry::Digest;
use reqwest::Client;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::{Folder, IMAGES, Image, Ports, REPOSITORY};

/// Wall time of one request. 30 s: the first decision may wait for a busy machine.
const REQUEST: Duration = Duration::from_secs(30);

/// What was answered about every image.
#[derive(Debug)]
pub(crate) struct Report {
    answers: Vec<Answers>,
}

/// What was answered about one image.
#[derive(Debug)]
struct Answers {
    image: Image,
    webhook: Answer,
    proxy: Answer,
}

/// Yes or no, and in which words.
#[derive(Debug)]
struct Answer {
    is_yes: bool,
    words: String,
}

impl Report {
    /// Whether webhook and proxy both accepted exactly what they should.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.answers.iter().all(|answers| {
            answers.webhook.is_yes == answers.image.is_accepted && answers.proxy.is_yes == answers.image.is_accepted
        })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for Answers { image, webhook, proxy } in &self.answers {
            let mark = if webhook.is_yes && proxy.is_yes { "✓" } else { "✗" };
            text.push_str(&format!("{mark} {}\n", image.name()));
            text.push_str(&format!("    webhook  {}\n    proxy    {}\n", webhook.words, proxy.words));
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let answer = |answer: &Answer| json!({"accepted": answer.is_yes, "message": answer.words});
        let images: Vec<Value> = self
            .answers
            .iter()
            .map(|answers| {
                json!({
                    "image": answers.image.name(),
                    "expected": answers.image.is_accepted,
                    "webhook": answer(&answers.webhook),
                    "proxy": answer(&answers.proxy),
                })
            })
            .collect();
        json!({"asExpected": self.is_as_expected(), "images": images})
    }
}

/// Asks webhook and proxy about each image.
///
/// # Errors
/// When a service does not answer, or answers in words that are not its protocol's.
pub(crate) async fn ask_services(folder: &Folder, ports: Ports) -> Result<Report> {
    let client = client(&std::fs::read(folder.path("state/ca.pem")).context("the webhook's authority")?)?;
    let mut answers = Vec::new();
    for image in IMAGES {
        let review = std::fs::read(folder.review(image.tag))?;
        let webhook = admit(&client, ports.webhook, review).await.context("asking the webhook")?;
        let proxy = pull(&client, ports.proxy, image.tag).await.context("pulling through the proxy")?;
        answers.push(Answers { image, webhook, proxy });
    }
    Ok(Report { answers })
}

/// An HTTP client that trusts the demo's authority and nobody else.
fn client(authority: &[u8]) -> Result<Client> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate.context("the webhook's authority")?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(REQUEST).build()?)
}

async fn admit(client: &Client, port: u16, review: Vec<u8>) -> Result<Answer> {
    let url = format!("https://127.0.0.1:{port}/v1/admit");
    let asked = client.post(&url).header("content-type", "application/json").body(review).send().await?;
    let status = asked.status();
    let answer: Value = asked.json().await.with_context(|| format!("HTTP {status} without JSON"))?;
    let response = answer.get("response").ok_or_else(|| anyhow!("HTTP {status} without a response: {answer}"))?;
    let is_yes = response.get("allowed").and_then(Value::as_bool).unwrap_or(false);
    let message = response.pointer("/status/message").and_then(Value::as_str);
    let pinned = pinned(response)?;
    let words = match (is_yes, message) {
        (true, _) => match pinned {
            Some(digest) => format!("admitted, and the Pod is pinned to {digest}"),
            None => "admitted".to_owned(),
        },
        (false, message) => format!("denied: {}", message.unwrap_or("without a message")),
    };
    Ok(Answer { is_yes, words })
}

/// The digest that the answer's JSON patch pins the Pod's image to.
fn pinned(response: &Value) -> Result<Option<String>> {
    let Some(patch) = response.get("patch").and_then(Value::as_str) else { return Ok(None) };
    let patch: Value = serde_json::from_slice(&STANDARD.decode(patch)?)?;
    let values = patch.as_array().into_iter().flatten().filter_map(|step| step.get("value")?.as_str());
    Ok(values.filter_map(|value| Some(value.split_once('@')?.1.to_owned())).next())
}

/// Pulls as a container runtime does: the manifest, then what it names, each held against its digest.
async fn pull(client: &Client, port: u16, tag: &str) -> Result<Answer> {
    let base = format!("http://127.0.0.1:{port}/v2/{REPOSITORY}");
    let accept = "application/vnd.oci.image.manifest.v1+json";
    let asked = client.get(format!("{base}/manifests/{tag}")).header("accept", accept).send().await?;
    let status = asked.status();
    if !status.is_success() {
        let text = asked.text().await?;
        let error: Value = serde_json::from_str(&text).unwrap_or_default();
        let message = error.pointer("/errors/0/message").and_then(Value::as_str);
        let message = message.unwrap_or(text.lines().next().unwrap_or_default());
        return Ok(Answer { is_yes: false, words: format!("refused: HTTP {}: {message}", status.as_u16()) });
    }
    let claimed = asked.headers().get("docker-content-digest").and_then(|digest| digest.to_str().ok());
    let claimed = claimed.map(str::to_owned);
    let manifest = asked.bytes().await?;
    let digest = Digest::sha256(&manifest);
    if claimed.as_deref().is_some_and(|claimed| claimed != digest.as_str()) {
        bail!("{tag}: the manifest has digest {digest}, announced as {}", claimed.unwrap_or_default());
    }
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let layers = manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
    let mut blobs = 0u32;
    for blob in manifest.get("config").into_iter().chain(layers) {
        let named =
            blob.get("digest").and_then(Value::as_str).ok_or_else(|| anyhow!("{tag}: a blob without digest"))?;
        let asked = client.get(format!("{base}/blobs/{named}")).send().await?;
        if !asked.status().is_success() {
            let status = asked.status().as_u16();
            return Ok(Answer { is_yes: false, words: format!("refused: HTTP {status} for blob {named}") });
        }
        let got = Digest::sha256(&asked.bytes().await?);
        if got.as_str() != named {
            bail!("{tag}: blob {named} came with digest {got}");
        }
        blobs = blobs.saturating_add(1);
    }
    Ok(Answer { is_yes: true, words: format!("served: {digest} and {blobs} blobs, every digest checked") })
}
