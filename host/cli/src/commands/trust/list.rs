//! `bulla trust list`: what a collection says, verified by pins.

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value};

use crate::options::Global;
use crate::output::{self, Exit};
use crate::records::clean;
use crate::start;
use crate::trust::{CollectionOptions, moment};

const EXAMPLES: &str = "\
Examples:
  bulla trust list registry.example/team/app --pin 67a8f8b6…
  bulla trust list registry.example/team/app --server https://notary.example:4443 --pin-certificate root.pem --output json

Everything is verified as a decision does it: signatures, versions against what was seen before, expiry. What was seen is remembered.";

/// Verify a collection, and show its tags, roles and keys
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The collection's globally unique name: registry and repository
    #[arg(value_name = "GUN")]
    gun: String,
    #[command(flatten)]
    collection: CollectionOptions,
}

/// # Errors
/// When the collection is not believed, or cannot be fetched.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let world = arguments.collection.world(engine)?;
        let found = arguments.collection.collection(&world, &arguments.gun)?.overview().await?;
        output::either(global.output, || text(&found), || Value::Object(found.clone()));
        Ok(Exit::Done)
    })
}

fn text(found: &Map<String, Value>) -> String {
    let word = |value: Option<&Value>| clean(value.and_then(Value::as_str).unwrap_or("-"));
    let members = |name: &str| found.get(name).and_then(Value::as_object).into_iter().flatten();
    let mut lines = vec![format!("{} at {}, verified", word(found.get("gun")), word(found.get("server")))];
    for (role, of) in members("roles") {
        let version = of.get("version").map(Value::to_string).unwrap_or_default();
        lines.push(format!("  {role:<20} version {version}, until {}", moment(of.get("expires"))));
        let signed_by = of.get("signedBy").and_then(Value::as_array).cloned().unwrap_or_default();
        for key in of.get("keys").and_then(Value::as_array).into_iter().flatten() {
            let signs = if key.get("id").is_some_and(|id| signed_by.contains(id)) { "signed it" } else { "" };
            lines.push(
                format!("    key {}  {}  {signs}", word(key.get("id")), word(key.get("algorithm")))
                    .trim_end()
                    .to_owned(),
            );
        }
    }
    lines.extend(
        members("skipped").map(|(role, why)| format!("  {role:<20} counts for nothing: {}", word(why.get("reason")))),
    );
    let unseen = found.get("unseen").and_then(Value::as_array).into_iter().flatten();
    lines.extend(unseen.map(|role| format!("  {:<20} was not looked at: too many delegations", word(Some(role)))));
    for tag in found.get("tags").and_then(Value::as_array).into_iter().flatten() {
        let roles = tag.get("roles").and_then(Value::as_array).into_iter().flatten();
        let roles: Vec<String> = roles.map(|role| word(Some(role))).collect();
        let (name, digest) = (word(tag.get("tag")), word(tag.get("digest")));
        lines.push(format!("  tag {name:<16} {digest}  by {}", roles.join(", ")));
    }
    lines.extend(
        members("unresolved").map(|(tag, why)| format!("  tag {:<16} is nothing: {}", clean(tag), word(Some(why)))),
    );
    lines.join("\n")
}
