//! The demo's folder: layout, keys, signatures, policies, configuration, reviews. All of it can be looked at and changed.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::Engine;
use bulla_registry::{RegistryConfig, Sources};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{IMAGES, REGISTRY, REPOSITORY, images};
use crate::plan::Claim;
use crate::policies::Form;
use crate::signer::Signer;
use crate::signing::Signing;
use crate::{ask, files, sources};

/// Where the three services listen, on loopback.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) webhook: u16,
    pub(crate) proxy: u16,
    pub(crate) http: u16,
}

impl Ports {
    /// Three ports in a row from `base`; without it the usual ones, each replaced by a free one where it is taken.
    ///
    /// # Errors
    /// When the system has no free port.
    pub(crate) fn choose(base: Option<u16>) -> Result<Self> {
        match base {
            Some(base) => {
                let next = |by: u16| base.checked_add(by).ok_or_else(|| anyhow!("--port-base {base}: at most 65533"));
                Ok(Self { webhook: base, proxy: next(1)?, http: next(2)? })
            }
            None => {
                // All three are held until all are chosen: two of them must not be one.
                let held = (free(8443)?, free(5080)?, free(8080)?);
                let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
                Ok(Self { webhook: port(&held.0)?, proxy: port(&held.1)?, http: port(&held.2)? })
            }
        }
    }
}

fn free(wanted: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
}

/// The folder, once everything is in it.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Fills an empty folder.
    ///
    /// # Errors
    /// When the folder holds other things, or something in it cannot be made.
    pub(crate) async fn fill(root: &Path, engine: &Engine, ports: Ports) -> Result<Self> {
        fs::create_dir_all(root).with_context(|| root.display().to_string())?;
        let folder = Self { root: fs::canonicalize(root).with_context(|| root.display().to_string())? };
        if fs::read_dir(&folder.root)?.next().is_some() {
            bail!("--dir {}: not empty; the demo wants a folder for itself", root.display());
        }
        let tags: Vec<&str> = IMAGES.iter().map(|image| image.tag).collect();
        images::make(&folder.layout(), &tags)?;
        let release = folder.make_key(engine, "release").await?;
        let other = folder.make_key(engine, "other").await?;
        let signers = BTreeMap::from([("release", &release), ("other", &other)]);
        folder.sign(engine, &signers).await?;
        for name in ["policies", "reviews"] {
            fs::create_dir(folder.path(name)).with_context(|| name.to_owned())?;
        }
        folder.write("policies/demo.yaml", &policy(&[("release", &release.public)]))?;
        folder.write("both-keys.yaml", &policy(&[("release", &release.public), ("other", &other.public)]))?;
        folder.write("bulla.yaml", &configuration(ports))?;
        for image in &IMAGES {
            folder.write(&format!("reviews/{}.json", image.tag), &format!("{:#}", review(&image.name(), image.tag)))?;
        }
        Ok(folder)
    }

    /// Something in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The layout with the images.
    pub(crate) fn layout(&self) -> PathBuf {
        self.path("layout")
    }

    /// The file for `bulla serve`.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("bulla.yaml")
    }

    /// The body of the review that asks about an image.
    pub(crate) fn review(&self, tag: &str) -> PathBuf {
        self.path(&format!("reviews/{tag}.json"))
    }

    /// A key pair without a passphrase: it opens nothing but this demo.
    async fn make_key(&self, engine: &Engine, name: &str) -> Result<Signer> {
        let mut entropy = Zeroizing::new(vec![0; ENTROPY]);
        aws_lc_rs::rand::fill(&mut entropy).map_err(|_| anyhow!("the system gives no random numbers"))?;
        let key = ask::generate(engine, "ecdsa-p256", &entropy, None).await?;
        let private = key.written.ok_or_else(|| anyhow!("the module gave no private key"))?;
        files::write_new(&self.path(&format!("{name}.pub")), key.public.as_bytes(), 0o644)?;
        files::write_new(&self.path(&format!("{name}.key")), &private, 0o600)?;
        Signer::from_bytes(engine, &private, name).await
    }

    /// Signs as `bulla sign` does.
    async fn sign(&self, engine: &Engine, signers: &BTreeMap<&str, &Signer>) -> Result<()> {
        let mut config = RegistryConfig { credential_files: Some(Vec::new()), ..RegistryConfig::default() };
        config.layouts.insert(format!("{REGISTRY}/{REPOSITORY}"), self.layout());
        let sources = Sources::new(&sources::uncached(config))?;
        let claim = Claim::signature(Form::Legacy);
        for image in &IMAGES {
            let Some(signer) = image.signed_by.and_then(|name| signers.get(name)) else { continue };
            let signing = Signing::new(engine, sources.clone(), signer, &claim).await?;
            for prepared in signing.prepare_all(&[image.name()], false).await? {
                signing.publish(&prepared).await?;
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.path(name), text).with_context(|| self.path(name).display().to_string())
    }
}

/// Octets of entropy for a key. 264: what the module takes for its largest one.
const ENTROPY: usize = 264;

fn policy(signers: &[(&str, &str)]) -> String {
    let mut text = format!(
        "# Which images may run. Change it while the demo runs: it is read again within two seconds.\n\
         apiVersion: bulla.dev/v1alpha1\n\
         kind: ImagePolicy\n\
         metadata:\n  name: demo\n\
         spec:\n  match:\n    images:\n      - {REGISTRY}/{REPOSITORY}\n  signers:\n"
    );
    for (name, public) in signers {
        text.push_str(&format!("    {name}:\n      cosign:\n        publicKey: |\n"));
        text.extend(public.lines().map(|line| format!("          {line}\n")));
    }
    let names: Vec<&str> = signers.iter().map(|(name, _)| *name).collect();
    text.push_str(&format!("  require:\n    anyOf: [{}]\n", names.join(", ")));
    text
}

fn configuration(ports: Ports) -> String {
    let Ports { webhook, proxy, http } = ports;
    format!(
        "# What the demo serves. `bulla serve --config bulla.yaml` serves the same again.\n\
         policies: [policies]\n\
         stateDir: state\n\
         registry:\n  credentialFiles: []\n  layouts:\n    {REGISTRY}/{REPOSITORY}: layout\n\
         webhook:\n  listen: 127.0.0.1:{webhook}\n  tls:\n    selfSigned: true\n\
         proxy:\n  listen: 127.0.0.1:{proxy}\n  upstream: {REGISTRY}\n\
         http:\n  listen: 127.0.0.1:{http}\n"
    )
}

/// An AdmissionReview as the API server sends it, for a Pod with one container.
fn review(image: &str, name: &str) -> Value {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": format!("00000000-0000-4000-8000-{:0>12}", name.len()),
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": name,
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "demo"},
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
            "dryRun": false,
        },
    })
}
