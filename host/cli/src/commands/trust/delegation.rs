//! `bulla trust delegation`: who may say what tags are beside the holder of the targets key.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::change::{Options, carry_out};
use crate::options::Global;
use crate::output::Exit;
use crate::start;
use crate::trust::Wanted;

const ADD: &str = "\
Examples:
  bulla trust delegation add GUN targets/releases --public-key alice.pub --key targets.key --pin 67a8f8b6…
  bulla trust delegation add GUN targets/alice targets/releases --public-key alice.crt --key targets.key --pin 67a8f8b6…
  bulla trust delegation add GUN targets/tools --public-key bob.pub --path tools- --threshold 1 --key targets.key --pin 67a8f8b6…

Docker's clients look for tags in `targets/releases` first, then in `targets`; `docker trust signer add` delegates to `targets/NAME` and
`targets/releases`. A role two levels down is signed by the keys of the one above it.";
const REMOVE: &str = "\
Examples:
  bulla trust delegation remove GUN targets/alice --key targets.key --pin 67a8f8b6…              (the role, with what it says)
  bulla trust delegation remove GUN targets/alice --key-id 99aa… --key targets.key --pin 67a8f8b6…   (one of its keys)

What a key has signed that is removed counts for nothing until another key of the role signs it (`bulla trust witness`).";

/// Delegate to other keys, or end that
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Delegate to a role, or add keys and paths to one
    #[command(after_help = ADD)]
    Add(AddArguments),
    /// Remove a role, or keys from one
    #[command(after_help = REMOVE)]
    Remove(RemoveArguments),
}

/// What is delegated to whom.
#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The collection's globally unique name: registry and repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// The roles, e.g. targets/releases
    #[arg(required = true, value_name = "ROLE")]
    roles: Vec<String>,
    /// A public key of the role, or a certificate, PEM
    #[arg(long, value_name = "FILE", required = true)]
    public_key: Vec<PathBuf>,
    /// What the names of its tags begin with [default: as it was; all names for a new role]
    #[arg(long, value_name = "PREFIX")]
    path: Vec<String>,
    /// How many of its keys have to sign [default: as it was; 1 for a new role]
    #[arg(long, value_name = "COUNT")]
    threshold: Option<u64>,
    #[command(flatten)]
    options: Options,
}

/// What is not delegated any more.
#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    /// The collection's globally unique name: registry and repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// The roles
    #[arg(required = true, value_name = "ROLE")]
    roles: Vec<String>,
    /// A key to remove, by its id [default: the role itself]
    #[arg(long, value_name = "ID")]
    key_id: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// # Errors
/// When the collection is not believed, the change cannot be made, or keys are missing.
pub(crate) fn run(global: &Global, command: &Command) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let (gun, options, wanted) = match command {
            Command::Add(arguments) => (&arguments.gun, &arguments.options, arguments.wanted()?),
            Command::Remove(arguments) => (&arguments.gun, &arguments.options, arguments.wanted()),
        };
        let world = options.collection.world(engine.clone())?;
        let keys = options.signers(&engine).await?;
        let collection = options.collection.collection(&world, gun)?;
        carry_out(global, options, &[(collection, wanted)], &keys).await
    })
}

impl AddArguments {
    fn wanted(&self) -> Result<Wanted> {
        let mut wanted = Wanted::default();
        let mut keys = Vec::new();
        for file in &self.public_key {
            keys.push(given(&mut wanted, file)?);
        }
        let add = |role: &String| json!({"change": "addDelegation", "role": role, "keys": keys, "paths": self.path, "threshold": self.threshold});
        let changes: Vec<Value> = self.roles.iter().map(add).collect();
        wanted.set("changes", changes.into());
        Ok(wanted)
    }
}

impl RemoveArguments {
    fn wanted(&self) -> Wanted {
        let remove = |role: &String| match self.key_id.as_slice() {
            [] => json!({"change": "removeDelegation", "role": role}),
            ids => json!({"change": "removeDelegationKeys", "role": role, "keys": ids}),
        };
        Wanted::changes(self.roles.iter().map(remove).collect())
    }
}

/// A key that somebody else holds, by its certificate or bare.
pub(super) fn given(wanted: &mut Wanted, file: &PathBuf) -> Result<Value> {
    let shown = file.display().to_string();
    let bytes = std::fs::read(file).with_context(|| shown.clone())?;
    let text = String::from_utf8_lossy(&bytes);
    if text.contains("PRIVATE KEY-----") {
        bail!("{shown} is a private key: give its public half, which nobody has to keep secret");
    }
    let form = if text.contains("-----BEGIN CERTIFICATE-----") { "certificate" } else { "publicKey" };
    Ok(wanted.key(form, &bytes))
}
