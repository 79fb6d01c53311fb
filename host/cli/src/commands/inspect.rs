//! `bulla inspect`: lists the signatures and attestations of images, and what keys or policies say to them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bulla_engine::{DecideError, Engine, SandboxError, inspect};
use bulla_registry::Sources;
use bulla_server::{Decider, Loaded};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::listing::{self, Inspected, Trust};
use crate::options::Global;
use crate::output::{self, Exit};
use crate::policies::{self, Conditions};
use crate::progress::Progress;
use crate::sources::SourceOptions;
use crate::{ask, start};

const EXAMPLES: &str = "\
Examples:
  bulla inspect registry.example/app:1.4
  bulla inspect registry.example/app:1.4 --key release.pub --key ci.pub
  bulla inspect registry.example/app:1.4 --policy policies/ --output json
  bulla inspect registry.example/app:1.4 --signature-repository registry.example/signatures
  bulla inspect registry.example/app:1.4 --layout registry.example/app=./layout

Listing is not trust: whoever can write to a repository can put anything there, and what it claims is shown unverified.
`made by` says which of your keys have signed it; only `bulla verify` says whether an image may run.

Exit codes: 0 listed, whatever was found; 2 something could not be fetched or read, and is named.";

/// List the signatures and attestations of images: who made them and what they claim
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The images, by tag or digest
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// A public key (PEM): what it has signed is named after its file
    #[arg(long, value_name = "FILE", conflicts_with = "policy")]
    key: Vec<PathBuf>,
    /// A policy file, or a folder of them: its signers are named, and its verdict is shown
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Where signatures lie when they do not lie beside the image
    #[arg(long, value_name = "REPOSITORY")]
    signature_repository: Option<String>,
    /// Seconds for each image; what is not there by then is named
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,
    #[command(flatten)]
    sources: SourceOptions,
}

/// Lists what lies there for all images, in the order in which they were given.
///
/// # Errors
/// When keys, policies or the configuration cannot be used.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let trust = match (arguments.key.as_slice(), arguments.policy.as_slice()) {
            ([], []) => Trust::Nothing,
            (_, []) => Trust::Keys,
            _ => Trust::Policies,
        };
        let loaded = loaded(&engine, arguments, trust).await?;
        let keys = match &loaded {
            None => Keys::default(),
            Some(loaded) => Keys::of(loaded.policies(), trust).context("this module does not list keys")?,
        };
        let sources = arguments.sources.open()?;
        let places = match loaded {
            None => Places::Sources(sources),
            Some(loaded) => Places::Decider(Box::new(Decider::new(engine.clone(), sources, loaded))),
        };
        let listings = list_all(&engine, &places, &keys, arguments).await?;
        let for_people = || listing::text(&listings, trust, keys.names.len());
        output::either(global.output, for_people, || listings.iter().map(listing::json).collect());
        let is_complete = listings.iter().all(Inspected::is_complete);
        Ok(if is_complete { Exit::Done } else { Exit::Failed })
    })
}

async fn loaded(engine: &Engine, arguments: &Arguments, trust: Trust) -> Result<Option<Loaded>> {
    let files = match trust {
        Trust::Nothing => return Ok(None),
        Trust::Policies => policies::read(&arguments.policy)?,
        Trust::Keys => {
            let signature_repository = arguments.signature_repository.clone();
            let conditions = Conditions { signature_repository, ..Conditions::default() };
            policies::from_keys(engine, &arguments.key, &conditions).await?
        }
    };
    Ok(Some(files.validate(engine).await?))
}

/// Where evidence comes from, with policies to decide by or without.
enum Places {
    Sources(Sources),
    Decider(Box<Decider>),
}

/// Keys by the names that they are shown with. A key that many policies pin is given once.
#[derive(Debug, Default)]
struct Keys {
    names: Vec<Value>,
    blobs: Vec<Vec<u8>>,
}

impl Keys {
    /// The signers of what was loaded that pin a key; others pin certificates or roots. `None` when the module is of a version that does not give their keys.
    fn of(loaded: &Value, trust: Trust) -> Option<Self> {
        let mut keys = Self::default();
        let mut known = BTreeMap::new();
        for policy in loaded.get("policies")?.as_array()? {
            for signer in policy.get("signers")?.as_array()? {
                let name = signer.get("signer")?.as_str()?;
                let name = match trust {
                    Trust::Policies => format!("{}/{name}", policy.get("policy")?.as_str()?),
                    _ => name.to_owned(),
                };
                if signer.get("system").is_some_and(|system| system != "cosign") {
                    continue;
                }
                let public = signer.get("publicKey")?.as_str()?;
                let blob = *known.entry(public).or_insert_with(|| {
                    keys.blobs.push(public.as_bytes().to_vec());
                    keys.blobs.len().saturating_sub(1)
                });
                keys.names.push(json!({"name": name, "key": blob}));
            }
        }
        Some(keys)
    }
}

/// As many at once as there are sandboxes; each has its own deadline from when its turn comes.
async fn list_all(engine: &Engine, places: &Places, keys: &Keys, arguments: &Arguments) -> Result<Vec<Inspected>> {
    let progress = Progress::after_a_second(arguments.images.len(), "images listed");
    let listings = futures_util::stream::iter(&arguments.images)
        .map(|image| async {
            let listed = list(engine, places, keys, image, arguments).await;
            progress.one();
            listed
        })
        .buffered(start::COMMAND_INSTANCES)
        .try_collect()
        .await;
    progress.end();
    listings
}

async fn list(engine: &Engine, places: &Places, keys: &Keys, image: &str, arguments: &Arguments) -> Result<Inspected> {
    let time = Duration::from_secs(arguments.deadline);
    let mut request = json!({"image": image, "keys": keys.names});
    if let Some(repository) = &arguments.signature_repository {
        request["signatureRepository"] = json!(repository);
    }
    let sources = match places {
        Places::Sources(sources) => sources,
        Places::Decider(decider) => decider.sources(),
    };
    let listing = match inspect(engine, &request, keys.blobs.clone(), sources, Instant::now() + time).await {
        Ok(listing) => listing,
        // The module refuses what it was given, for every image alike.
        Err(DecideError::Sandbox(error @ SandboxError::Module { .. })) => return Err(ask::plain(error)),
        Err(error) => listing::failed(image, &error.to_string()),
    };
    let decided = match places {
        Places::Sources(_) => None,
        Places::Decider(decider) => Some(decider.decide(image, None, Instant::now() + time).await),
    };
    Ok(Inspected { listing, decided })
}
