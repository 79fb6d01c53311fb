//! A world for one test: a layout with images, keys, policies, and services that run on free ports.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use bulla_engine::abi::Operation;
use bulla_engine::{Compiler, Engine, Options};
use bulla_registry::{Digest, Layout};
use bulla_server::{Config, HttpConfig, ProxyConfig, Running, Tls, WebhookConfig, start};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const REGISTRY: &str = "registry.example";
pub(crate) const IMAGE: &str = "registry.example/team/app";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BUDGET: Duration = Duration::from_secs(10);

/// One engine for all tests; its compiled code stays in the target folder for the next run.
pub(crate) fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let start = || {
        let cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("bulla-server-cache"));
        let options = Options { cache_dir, compiler: Compiler::InProcess, instances: 16, ..Options::default() };
        Engine::start(options).expect("the module of this build")
    };
    ENGINE.get_or_init(start).clone()
}

/// A key pair in PEM.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) private: Vec<u8>,
    pub(crate) public: String,
}

/// The key made from this seed.
pub(crate) async fn key(seed: u8) -> Key {
    let header = json!({"algorithm": "ecdsa-p256", "entropy": 0});
    let made = engine().ask::<Value>(Operation::Generate, &header, vec![vec![seed; 264]], BUDGET).await;
    let (_, blobs) = made.expect("a key");
    let public = String::from_utf8(blobs[1].clone()).expect("PEM");
    Key { private: blobs[0].clone(), public }
}

/// An image's octets, as they were put.
pub(crate) struct Image {
    pub(crate) digest: Digest,
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) layer: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) layout: Layout,
    pub(crate) ours: Key,
    pub(crate) theirs: Key,
}

impl World {
    /// A layout for [`IMAGE`] with `signed` by our key, `foreign` by another, `unsigned`, and a signed `index` whose one
    /// child is not signed itself. A policy asks for our key.
    pub(crate) async fn new() -> (Self, Images) {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::create(&folder.path().join("layout")).expect("a layout");
        std::fs::create_dir(folder.path().join("policies")).expect("a folder");
        let world = Self { folder, layout, ours: key(1).await, theirs: key(2).await };
        world.policy(&policy(&[&world.ours], "enforce"));

        let signed = world.image("signed");
        world.sign(&signed.digest, &world.ours).await;
        let foreign = world.image("foreign");
        world.sign(&foreign.digest, &world.theirs).await;
        let unsigned = world.image("unsigned");
        let child = world.image("child");
        let descriptor = json!({"mediaType": MANIFEST, "digest": child.digest.as_str(), "size": child.manifest.len()});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]}).to_string();
        let index = world.layout.put_manifest(index.as_bytes(), INDEX, Some("index")).expect("written");
        world.sign(&index, &world.ours).await;
        (world, Images { signed, foreign, unsigned, child, index })
    }

    pub(crate) fn policies(&self) -> PathBuf {
        self.folder.path().join("policies")
    }

    /// Writes the one policy file.
    pub(crate) fn policy(&self, document: &str) {
        std::fs::write(self.policies().join("policy.yaml"), document).expect("written");
    }

    fn image(&self, tag: &str) -> Image {
        let config = json!({"architecture": "amd64", "os": "linux", "config": {"Labels": {"tag": tag}}}).to_string();
        let layer: Vec<u8> = tag.bytes().cycle().take(200_000).collect();
        let blob = |bytes: &[u8], media_type: &str| {
            let digest = self.layout.put_blob(bytes).expect("written");
            json!({"mediaType": media_type, "digest": digest.as_str(), "size": bytes.len()})
        };
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": blob(config.as_bytes(), "application/vnd.oci.image.config.v1+json"),
            "layers": [blob(&layer, "application/vnd.oci.image.layer.v1.tar")]});
        let manifest = manifest.to_string().into_bytes();
        let digest = self.layout.put_manifest(&manifest, MANIFEST, Some(tag)).expect("written");
        Image { digest, manifest, config: config.into_bytes(), layer }
    }

    /// Signs as `bulla sign` does: prepare, sign, assemble, and the plan carried out on the layout.
    pub(crate) async fn sign(&self, digest: &Digest, key: &Key) {
        let (plan, blobs) = plan(&format!("{IMAGE}@{digest}"), key, "legacy", None).await;
        for blob in plan["blobs"].as_array().expect("a list") {
            let index = usize::try_from(blob["blob"].as_u64().expect("an index")).expect("small");
            self.layout.put_blob(&blobs[index]).expect("written");
        }
        let (tag, media_type) = (plan["tag"].as_str().expect("a tag"), plan["mediaType"].as_str().expect("a type"));
        self.layout.put_manifest(&blobs[0], media_type, Some(tag)).expect("written");
    }

    /// Everything on free ports, without TLS but for the webhook, looking for changes only when asked to.
    pub(crate) fn config(&self) -> Config {
        let free = "127.0.0.1:0".parse().expect("an address");
        let tls = Tls { self_signed: true, ..Tls::default() };
        let mut config = Config {
            policies: vec![self.policies()],
            reload_seconds: 3600,
            state_dir: self.folder.path().join("state"),
            webhook: Some(WebhookConfig { listen: free, tls, ..WebhookConfig::default() }),
            proxy: Some(ProxyConfig { listen: free, upstream: REGISTRY.to_owned(), ..ProxyConfig::default() }),
            http: Some(HttpConfig { listen: free, tls: None }),
            ..Config::default()
        };
        config.registry.credential_files = Some(Vec::new());
        config.registry.layouts.insert(IMAGE.to_owned(), self.layout.path().to_owned());
        config
    }

    pub(crate) async fn start(&self) -> Services {
        Services::start(self.config()).await
    }
}

pub(crate) struct Images {
    pub(crate) signed: Image,
    pub(crate) foreign: Image,
    pub(crate) unsigned: Image,
    pub(crate) child: Image,
    pub(crate) index: Digest,
}

/// A push plan for a signature, and its blobs. `beside` is the manifest under the signature tag now, or, for a bundle, the
/// image's own.
pub(crate) async fn plan(image: &str, key: &Key, form: &str, beside: Option<&[u8]>) -> (Value, Vec<Vec<u8>>) {
    let engine = engine();
    let ask = async |operation, header: Value, blobs| {
        engine.ask::<Value>(operation, &header, blobs, BUDGET).await.expect("the module's answer")
    };
    let (prepared, blobs) = ask(Operation::Prepare, json!({"image": image, "form": form}), Vec::new()).await;
    let blob = |name: &str| blobs[usize::try_from(prepared[name].as_u64().expect("an index")).expect("small")].clone();
    let sign = json!({"key": 0, "message": 1, "hash": "sha256"});
    let (_, signed) = ask(Operation::Sign, sign, vec![key.private.clone(), blob("message")]).await;
    let mut assemble = json!({"image": image, "form": form, "payload": 0, "signature": 1, "publicKey": 2});
    let mut given = vec![blob("payload"), signed[0].clone(), signed[1].clone()];
    if let Some(manifest) = beside {
        assemble[if form == "legacy" { "existing" } else { "manifest" }] = json!(3);
        given.push(manifest.to_vec());
    }
    ask(Operation::Assemble, assemble, given).await
}

/// A policy about every image, by these keys.
pub(crate) fn policy(keys: &[&Key], mode: &str) -> String {
    let signers: serde_json::Map<String, Value> = keys
        .iter()
        .enumerate()
        .map(|(index, key)| {
            let cosign = json!({"publicKey": key.public, "identity": "anyUnsafe"});
            (format!("key-{index}"), json!({"cosign": cosign}))
        })
        .collect();
    let names: Vec<_> = signers.keys().cloned().collect();
    json!({"apiVersion": "bulla.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": "release"},
        "spec": {"mode": mode, "match": {"everyImage": true}, "signers": signers, "require": {"anyOf": names}}})
    .to_string()
}

/// Services that run, and a client that trusts their authority.
pub(crate) struct Services {
    pub(crate) running: Running,
    pub(crate) client: Client,
}

impl Services {
    pub(crate) async fn start(config: Config) -> Self {
        let running = start(config, engine()).await.expect("a start");
        let client = client(running.ca_file.as_deref());
        Self { running, client }
    }

    pub(crate) fn webhook(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.running.webhook.expect("a webhook").port())
    }

    pub(crate) fn proxy(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.proxy.expect("a proxy"))
    }

    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.http.expect("a page"))
    }

    pub(crate) async fn get(&self, url: &str) -> Response {
        self.client.get(url).send().await.expect("an answer")
    }

    /// `GET /v2/team/app/<what>/<reference>`.
    pub(crate) async fn pull(&self, what: &str, reference: impl std::fmt::Display) -> Response {
        self.get(&self.proxy(&format!("/v2/team/app/{what}/{reference}"))).await
    }

    pub(crate) async fn review(&self, path: &str, review: &Value) -> Value {
        let sent = self.client.post(self.webhook(path)).json(review).send().await.expect("an answer");
        assert_eq!(sent.status(), 200);
        sent.json().await.expect("JSON")
    }
}

/// A client that trusts the authority in this file and no other.
pub(crate) fn client(ca_file: Option<&Path>) -> Client {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    if let Some(file) = ca_file {
        let authority = CertificateDer::from_pem_file(file).expect("PEM");
        roots.add(authority).expect("a certificate");
    }
    let mut tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // As the API server: HTTP/2 where TLS agrees on it.
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client")
}

/// An AdmissionReview that creates an object.
pub(crate) fn create(group: &str, kind: &str, object: Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u-1", "kind": {"group": group, "version": "v1", "kind": kind}, "operation": "CREATE",
        "namespace": "default", "object": object}})
}

/// A Pod with a container for each of these images.
pub(crate) fn pod(images: &[String]) -> Value {
    let containers: Vec<_> =
        images.iter().enumerate().map(|(index, image)| json!({"name": format!("c{index}"), "image": image})).collect();
    json!({"metadata": {"name": "web"}, "spec": {"containers": containers}})
}
