//! What all changes to collections have in common: keys, the question before anything is signed, and what is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};

use anyhow::{Result, bail};
use bulla_engine::Engine;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::options::Global;
use crate::output::{self, Exit};
use crate::records::clean;
use crate::signer::Signer;
use crate::trust::{self, Collection, CollectionOptions, Wanted};

/// With which keys, and whether at all.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A private key: a PEM file (Notary's form, cosign's, PKCS #8, SEC 1, PKCS #1), a key in a token (`pkcs11:…`), or one that a
    /// program signs with. As often as keys are needed
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Vec<String>,
    /// Publish without asking on the terminal
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Show what would change: no role file is signed
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) collection: CollectionOptions,
}

impl Options {
    /// Opens the keys. A dry run needs none.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(crate) async fn signers(&self, engine: &Engine) -> Result<Vec<Signer>> {
        let mut signers = Vec::new();
        for key in &self.key {
            signers.push(Signer::open(engine, key).await?);
        }
        Ok(signers)
    }
}

/// Changes of several collections, in their order: all are prepared and shown before the first is signed.
///
/// # Errors
/// When one cannot be prepared or published. It says how far it got.
pub(crate) async fn carry_out(
    global: &Global,
    options: &Options,
    changes: &[(Collection<'_>, Wanted)],
    keys: &[Signer],
) -> Result<Exit> {
    let mut prepared = Vec::new();
    for (collection, wanted) in changes {
        let one = collection.prepare(wanted).await?;
        if !options.dry_run {
            one.check_keys(keys)?;
        }
        prepared.push(one);
    }
    let plans = || {
        let shown = changes.iter().zip(&prepared).map(|((collection, _), prepared)| {
            format!(
                "{} at {}\n{}",
                collection.gun,
                collection.server,
                trust::text(&prepared.plan.differences, bulla_server::now())
            )
        });
        shown.collect::<Vec<_>>().join("\n")
    };
    if options.dry_run {
        let report = || {
            let shown = changes.iter().zip(&prepared);
            report(shown.map(|((collection, _), one)| (collection, one.plan.differences.as_slice())), false)
        };
        output::either(global.output, plans, report);
        return Ok(Exit::Done);
    }
    if !options.yes && !confirmed(&plans())? {
        bail!("not confirmed; nothing was signed");
    }
    let mut done = Vec::new();
    for ((collection, wanted), prepared) in changes.iter().zip(prepared) {
        let published = collection.publish(prepared, wanted, keys).await;
        match published {
            Ok(plan) => done.push((collection, plan.differences)),
            Err(error) if done.is_empty() => return Err(error),
            Err(error) => {
                let before: Vec<&str> = done.iter().map(|(collection, _)| collection.gun.as_str()).collect();
                return Err(error.context(format!("published: {}; then", before.join(", "))));
            }
        }
    }
    // What the server has now is looked at as a verifier does, and remembered.
    let mut still = Vec::new();
    for (collection, differences) in &done {
        let found = collection.overview().await.map_err(|error| error.context("published, but reading back says"))?;
        for difference in differences {
            let role = difference.get("role").and_then(Value::as_str).unwrap_or_default();
            let want = difference.pointer("/version/1").and_then(Value::as_u64);
            let got = found.get("roles").and_then(|roles| roles.get(role)?.get("version")?.as_u64());
            // One that was not looked at, because there are too many, or that is below such a one.
            let mut unseen =
                found.get("unseen").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let is_unseen =
                unseen.any(|it| role.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
            if got < want && !(got.is_none() && is_unseen) {
                bail!(
                    "{}: the server took {role} in version {}, and reading back it has version {}",
                    collection.gun,
                    want.unwrap_or_default(),
                    got.unwrap_or_default()
                );
            }
        }
        still.push(still_signed(&found, differences));
    }
    let text = || {
        let shown = done.iter().zip(&still).map(|((collection, differences), still)| {
            let changed = trust::text(differences, bulla_server::now());
            let still = still
                .iter()
                .map(|(tag, roles)| format!("  ! {} is still signed, by {}\n", clean(tag), clean(&roles.join(", "))));
            format!("published  {} at {}\n{changed}{}", collection.gun, collection.server, still.collect::<String>())
        });
        shown.collect::<Vec<_>>().join("\n")
    };
    let report = || {
        let mut report =
            report(done.iter().map(|(collection, differences)| (*collection, differences.as_slice())), true);
        let collections = report.get_mut("collections").and_then(Value::as_array_mut).into_iter().flatten();
        for (collection, still) in collections.zip(&still).filter(|(_, still)| !still.is_empty()) {
            collection["stillSigned"] = json!(still);
        }
        report
    };
    output::either(global.output, text, report);
    Ok(Exit::Done)
}

/// Tags that were removed and that verifiers find all the same, with the roles that say what they are.
fn still_signed(found: &Map<String, Value>, differences: &[Value]) -> BTreeMap<String, Vec<String>> {
    let removed = differences.iter().filter_map(|difference| difference.get("removed")?.as_object());
    let removed: BTreeSet<&String> = removed.flat_map(Map::keys).collect();
    let tags = found.get("tags").and_then(Value::as_array).into_iter().flatten();
    let named = tags.filter_map(|tag| Some((tag.get("tag")?.as_str()?.to_owned(), tag.get("roles")?.as_array()?)));
    let roles = |roles: &Vec<Value>| roles.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    named.filter(|(tag, _)| removed.contains(tag)).map(|(tag, said)| (tag, roles(said))).collect()
}

fn report<'c>(done: impl Iterator<Item = (&'c Collection<'c>, &'c [Value])>, is_published: bool) -> Value {
    let collections = done.map(|(collection, differences)| {
        json!({"gun": collection.gun, "server": collection.server, "published": is_published, "differences": differences})
    });
    json!({ "collections": collections.collect::<Vec<_>>() })
}

/// Asks before signing, where there is somebody to ask. A script has said what it wants by calling.
fn confirmed(plans: &str) -> Result<bool> {
    ask(&format!("{plans}Sign and publish?"))
}

/// Asks a question that is answered by yes or no, where there is somebody to ask.
pub(super) fn ask(question: &str) -> Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(true);
    }
    let mut terminal = std::io::stderr();
    write!(terminal, "{question} [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
