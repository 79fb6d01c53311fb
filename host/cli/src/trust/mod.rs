//! A collection of Docker Content Trust, as commands work on it: what the module says of it, and what its server gets.

mod difference;
mod publication;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bulla_engine::abi::Operation;
use bulla_engine::{DecideError, Engine, SandboxError, inquire};
use bulla_notary::Notary;
use bulla_registry::{Source, Sources};
use bulla_trust::{State, Trust};
use clap::Args;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::ask::plain;
use crate::plan::Request;
use crate::sources::{SourceOptions, TrustOptions};

pub(crate) use difference::{moment, text};
pub(crate) use publication::Wanted;

/// Wall time for everything that is fetched of one collection.
const BUDGET: Duration = Duration::from_secs(60);

/// Where collections are, and what is pinned of them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The collection")]
pub(crate) struct CollectionOptions {
    /// The Notary server [default: https:// and the registry's host; https://notary.docker.io for docker.io]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// A root key that is trusted, by its id (`bulla trust inspect` shows what there is; the owner says whether it is his)
    #[arg(long, value_name = "ID")]
    pub(crate) pin: Vec<String>,
    /// The certificate of a root key that is trusted, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) pin_certificate: Vec<PathBuf>,
    /// The certificate of an authority whose root keys are trusted, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) pin_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sources: SourceOptions,
    #[command(flatten)]
    pub(crate) trust: TrustOptions,
}

/// Notary servers, registries, and the module that judges what they say.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) sources: Sources,
    trust: Trust,
}

/// One collection.
pub(crate) struct Collection<'w> {
    pub(crate) world: &'w World,
    /// Its globally unique name: registry and repository.
    pub(crate) gun: String,
    /// `https://host[:port]`
    pub(crate) server: String,
    pins: Value,
}

impl CollectionOptions {
    /// # Errors
    /// When the configuration, or a file that it names, cannot be used; when there is no folder to remember in.
    pub(crate) fn world(&self, engine: Engine) -> Result<World> {
        let sources = self.sources.open_uncached()?;
        let trust = self.trust.open(&self.sources, sources.stats())?;
        let trust =
            trust.context("there is no folder for what is remembered of collections: name one by --trust-state")?;
        Ok(World { engine, sources, trust })
    }

    /// A collection with what is pinned of it.
    ///
    /// # Errors
    /// When nothing is pinned, or a file cannot be read.
    pub(crate) fn collection<'w>(&self, world: &'w World, gun: &str) -> Result<Collection<'w>> {
        let read = |file: &PathBuf| {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            if !text.contains("-----BEGIN CERTIFICATE-----") {
                bail!("{}: no certificate in it, as PEM", file.display());
            }
            Ok(text)
        };
        let certificates = self.pin_certificate.iter().map(read).collect::<Result<Vec<_>>>();
        let ca = self.pin_ca.as_ref().map(read).transpose().context("--pin-ca")?;
        if self.pin.is_empty() && self.pin_certificate.is_empty() && ca.is_none() {
            bail!(
                "{gun}: no root key is pinned; name one by --pin ID, --pin-certificate FILE or --pin-ca FILE (`bulla trust inspect {gun}` \
                 shows what there is; ask the owner whether it is his)"
            );
        }
        let is_id = |id: &String| id.len() == 64 && !id.contains(|it: char| !matches!(it, '0'..='9' | 'a'..='f'));
        if let Some(wrong) = self.pin.iter().find(|id| !is_id(id)) {
            bail!(
                "--pin {wrong:?} is not the id of a key: 64 hexadecimal digits in small letters (`bulla trust inspect {gun}` shows those \
                 there are)"
            );
        }
        let mut pins = json!({"rootKeys": self.pin, "rootCertificates": certificates.context("--pin-certificate")?});
        if let (Some(ca), Some(members)) = (ca, pins.as_object_mut()) {
            members.insert("ca".to_owned(), ca.into());
        }
        Ok(self.pinned(world, gun, pins))
    }

    /// A collection whose pins are given.
    pub(crate) fn pinned<'w>(&self, world: &'w World, gun: &str, pins: Value) -> Collection<'w> {
        Collection { world, gun: gun.to_owned(), server: self.server_of(gun), pins }
    }

    /// The server that is asked about a collection.
    pub(crate) fn server_of(&self, gun: &str) -> String {
        server_of(self.server.as_deref(), gun)
    }
}

/// The server of a collection: the one that was named, else that of its registry.
pub(crate) fn server_of(named: Option<&str>, gun: &str) -> String {
    match (named, gun.split('/').next().unwrap_or_default()) {
        (Some(named), _) => named.trim_end_matches('/').to_owned(),
        (None, "docker.io") => "https://notary.docker.io".to_owned(),
        (None, host) => format!("https://{host}"),
    }
}

impl World {
    /// The client of Notary servers.
    pub(crate) fn notary(&self) -> &Notary {
        self.trust.notary()
    }
}

impl Collection<'_> {
    /// The request that every operation on the collection begins with.
    fn request(&self) -> Request {
        let signer = json!({"contentTrust": {"server": self.server, "gun": self.gun, "pins": self.pins}});
        let mut request = Request::new(json!({"repository": self.gun, "now": bulla_server::now(), "evidence": []}));
        request.add("signer", Some(signer.to_string().as_bytes()));
        request
    }

    /// Everything that the collection says, verified, and remembered from now on.
    ///
    /// # Errors
    /// When it is not believed, cannot be fetched, or what was seen cannot be remembered.
    pub(crate) async fn overview(&self) -> Result<Map<String, Value>> {
        let source = self.world.trust.beside(&self.world.sources);
        let (found, _) = self.inquire(Operation::Update, &self.request(), &source).await?;
        let Value::Object(mut found) = found else { bail!("the module gave no collection") };
        let (name, state) = (found.remove("name"), found.remove("remember"));
        if let (Some(Value::String(name)), Some(state)) = (name, state) {
            self.remember(json!({ name: state })).await?;
        }
        Ok(found)
    }

    /// Keeps what was seen, as after a decision.
    async fn remember(&self, states: Value) -> Result<()> {
        let states = std::collections::BTreeMap::<String, State>::deserialize(states)?;
        // Whoever has seen something newer meanwhile publishes too: the server says so.
        let kept = self.world.trust.remember(states).await.map(drop);
        kept.map_err(|problem| anyhow::anyhow!("what was seen of {} cannot be remembered: {problem}", self.gun))
    }

    async fn inquire(
        &self,
        operation: Operation,
        request: &Request,
        source: &dyn Source,
    ) -> Result<(Value, Vec<Vec<u8>>)> {
        let header = Value::Object(request.header.clone());
        let asked =
            inquire(&self.world.engine, operation, &header, request.blobs.clone(), source, Instant::now() + BUDGET);
        asked.await.map_err(|error| match error {
            DecideError::Sandbox(SandboxError::Module { code, message, details }) if code == "policy-invalid" => {
                // It is said where that stands in a document that nobody wrote: what was given by options is put into one.
                let (at, rest) = message.split_once(": ").unwrap_or_default();
                let is_place = !at.is_empty() && at.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
                let message = format!("--server, or what is pinned: {}", if is_place { rest } else { &message });
                plain(SandboxError::Module { code, message, details })
            }
            DecideError::Sandbox(error @ SandboxError::Module { .. }) => plain(error),
            other => other.into(),
        })
    }
}
