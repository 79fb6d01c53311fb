//! `bulla trust rotate`, `renew`, `witness`: keys of the roles at the base, expiry, and what keys signed that are gone.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use bulla_notary::ServerRole;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::change::{Options, ask, carry_out};
use super::delegation::given;
use super::init::certify;
use crate::options::Global;
use crate::output::Exit;
use crate::signer::Signer;
use crate::start;
use crate::trust::Wanted;

const ROTATE: &str = "\
Examples:
  bulla trust rotate GUN targets --new-key targets2.key --key root.key --pin 67a8f8b6…
  bulla trust rotate GUN root --new-key root2.key --key root.key --pin 67a8f8b6…
  bulla trust rotate GUN snapshot --server-managed --key root.key --pin 67a8f8b6…

The new root is signed by the old root keys and the new ones, so that whoever pins an old one follows. Keys of delegations are added and
removed by `bulla trust delegation`.";
const RENEW: &str = "\
Example: bulla trust renew GUN targets targets/releases --key targets.key --key alice.key --pin 67a8f8b6…

Files are signed again as they are, for as long as Notary's client has it: ten years for a root, three for the others.";
const WITNESS: &str = "\
Example: bulla trust witness GUN targets/releases --key bob.key --pin 67a8f8b6…

For a delegation of which a key was removed: what it says, which now too few keys have signed, is signed by a key that it has. Everything in
it counts then as if its holder had said it, so all of it is shown as new.";

/// A role at the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Base {
    Root,
    Targets,
    Snapshot,
    Timestamp,
}

impl Base {
    const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    const fn of_server(self) -> Option<ServerRole> {
        match self {
            Self::Snapshot => Some(ServerRole::Snapshot),
            Self::Timestamp => Some(ServerRole::Timestamp),
            Self::Root | Self::Targets => None,
        }
    }
}

/// Give a role at the base other keys
#[derive(Debug, Args)]
#[command(after_help = ROTATE)]
pub(crate) struct RotateArguments {
    /// The collection's globally unique name: registry and repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// The role
    #[arg(value_enum)]
    role: Base,
    /// A private key that the role has from now on, in place of all that it had
    #[arg(long, value_name = "KEY", required_unless_present_any = ["server_managed", "public_key"])]
    new_key: Vec<String>,
    /// The same for a key that somebody else holds: a public key, or a certificate (for a root key, which signs beside), PEM
    #[arg(long, value_name = "FILE", conflicts_with = "server_managed")]
    public_key: Vec<PathBuf>,
    /// The server makes a key and signs with it (snapshot and timestamp)
    #[arg(long, conflicts_with = "new_key")]
    server_managed: bool,
    /// How many of the keys have to sign [default: as it was]
    #[arg(long, value_name = "COUNT")]
    threshold: Option<u64>,
    #[command(flatten)]
    options: Options,
}

/// Sign files again, for longer
#[derive(Debug, Args)]
#[command(after_help = RENEW)]
pub(crate) struct RenewArguments {
    /// The collection's globally unique name: registry and repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// The roles: root, targets, or delegations
    #[arg(required = true, value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// Sign what keys have signed that a delegation does not have any more
#[derive(Debug, Args)]
#[command(after_help = WITNESS)]
pub(crate) struct WitnessArguments {
    /// The collection's globally unique name: registry and repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// The delegations
    #[arg(required = true, value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// # Errors
/// When the collection is not believed, the change cannot be made, or keys are missing.
pub(crate) fn rotate(global: &Global, arguments: &RotateArguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let (gun, role, options) = (&arguments.gun, arguments.role, &arguments.options);
        if role == Base::Timestamp && !arguments.server_managed {
            bail!("the timestamp is always signed by the server: give --server-managed");
        }
        let world = options.collection.world(engine.clone())?;
        let collection = options.collection.collection(&world, gun)?;
        let mut keys = options.signers(&engine).await?;
        let mut wanted = Wanted::default();
        let mut listed = Vec::new();
        for key in &arguments.new_key {
            let signer = Signer::open(&engine, key).await.context("--new-key")?;
            listed.push(match role {
                Base::Root => wanted.key("certificate", certify(&engine, gun, &signer).await?.as_bytes()),
                _ => wanted.key("publicKey", signer.public.as_bytes()),
            });
            keys.push(signer);
        }
        for file in &arguments.public_key {
            listed.push(given(&mut wanted, file)?);
        }
        if arguments.server_managed {
            if options.dry_run {
                bail!("--dry-run: a server makes a key only when it is asked to, which is a change already");
            }
            let of_server = role.of_server().with_context(|| format!("the server does not sign {}", role.name()))?;
            let question = format!("{gun}: let {} make a new {} key?", collection.server, role.name());
            if !options.yes && !ask(&question)? {
                bail!("not confirmed; nothing was made");
            }
            // Only what the server makes anew replaces a key that somebody may have stolen from it.
            let key = world.notary().rotate_server_key(&collection.server, gun, of_server).await?;
            listed.push(wanted.key("listed", &key));
        }
        let change =
            json!({"change": "rotateKeys", "role": role.name(), "keys": listed, "threshold": arguments.threshold});
        wanted.set("changes", Value::Array(vec![change]));
        carry_out(global, options, &[(collection, wanted)], &keys).await
    })
}

/// # Errors
/// When the collection is not believed, a role is not to be renewed so, or keys are missing.
pub(crate) fn renew(global: &Global, arguments: &RenewArguments) -> Result<Exit> {
    same_again(global, "renew", &arguments.gun, &arguments.roles, &arguments.options)
}

/// # Errors
/// When the collection is not believed, there is nothing to witness, or keys are missing.
pub(crate) fn witness(global: &Global, arguments: &WitnessArguments) -> Result<Exit> {
    let options = &arguments.options;
    if !options.yes && !options.dry_run && !std::io::stdin().is_terminal() {
        bail!("whoever witnesses answers for all of it: look at it with --dry-run, then say --yes");
    }
    same_again(global, "witness", &arguments.gun, &arguments.roles, &arguments.options)
}

fn same_again(global: &Global, change: &str, gun: &str, roles: &[String], options: &Options) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let world = options.collection.world(engine.clone())?;
        let collection = options.collection.collection(&world, gun)?;
        let keys = options.signers(&engine).await?;
        let changes = roles.iter().map(|role| json!({"change": change, "role": role})).collect();
        carry_out(global, options, &[(collection, Wanted::changes(changes))], &keys).await
    })
}
