//! `bulla migrate`: the tags of a collection of Docker Content Trust, signed anew with keys of Cosign or Notation.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Map, Value, json};

use super::form::FormOptions;
use super::publishing::{confirmed, place, plan_text, publish};
use crate::options::Global;
use crate::output::{self, Exit};
use crate::plan::{Claim, Kept};
use crate::records::clean;
use crate::signer::Signer;
use crate::signing::{AT_ONCE, Prepared, Signing};
use crate::trust::CollectionOptions;
use crate::{sources, start};
use bulla_registry::{Digest, Sources};
use bulla_signer::Scheme;

const EXAMPLES: &str = "\
Examples:
  bulla migrate registry.example/team/app --pin 67a8f8b6… --key cosign.key --dry-run
  bulla migrate registry.example/team/app --pin 67a8f8b6… --key cosign.key --yes --output json > report.json
  bulla migrate registry.example/team/app --pin 67a8f8b6… --key release.key --form notation --tag 1.4 --tag 1.5

The collection is verified as a decision does it. Of each tag the digest is signed that its collection says, never what lies under
the tag in the registry: where these differ, the report says so. Everything is prepared before the first signature is published, and
each signature is read back. What is there already is not signed twice, so that a run that was broken off can be repeated. The collection
stays as it is: policies can ask for either (`anyOf`) until nobody reads it any more.

Exit codes: 0 every tag is signed and is what the collection says; 2 some are not, which the report names.";

/// Sign the tags of a collection of Docker Content Trust anew, with keys of Cosign or Notation
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The collection's globally unique name: registry and repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// The private key that signs from now on: a file, a key in a token (`pkcs11:…`), or one that a program signs with
    #[arg(long, value_name = "KEY")]
    key: String,
    /// Only this tag [default: all tags of the collection]
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Leave out tags whose image the registry does not have any more, in place of ending
    #[arg(long)]
    skip_missing: bool,
    /// Of an index, sign every manifest in it as well
    #[arg(long, short)]
    recursive: bool,
    /// Publish without asking on the terminal
    #[arg(long, short)]
    yes: bool,
    /// Show what would be published, and publish nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    #[command(flatten)]
    form: FormOptions,
    #[command(flatten)]
    collection: CollectionOptions,
}

/// A tag that was signed, and what the registry has now.
#[derive(Debug)]
struct Tag {
    name: String,
    digest: String,
    roles: Value,
    registry: Registry,
}

/// What a registry has of a tag that was signed.
#[derive(Debug, PartialEq, Eq)]
enum Registry {
    /// The same image.
    Same,
    /// Another image under the tag; the one that was signed is there by its digest.
    Moved(String),
    /// The image that was signed, and nothing under the tag.
    Untagged,
    /// Not the image that was signed.
    Missing,
}

impl Registry {
    const fn word(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Moved(_) => "moved",
            Self::Untagged => "untagged",
            Self::Missing => "missing",
        }
    }
}

/// # Errors
/// When the collection is not believed, an image is missing, or a signature cannot be made or published.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let world = arguments.collection.world(engine.clone())?;
        let kept = arguments.form.kept(&arguments.key, false)?;
        let scheme = match &kept {
            Kept::Cosign(_) => Scheme::Cosign,
            Kept::Notation(_) => Scheme::Notation,
        };
        let found = arguments.collection.collection(&world, &arguments.gun)?.overview().await?;
        let tags = arguments.wanted(&found)?;
        let tags: Vec<Tag> = futures_util::stream::iter(tags)
            .map(|tag| async { look(&world.sources, &arguments.gun, tag).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let missing: Vec<&str> =
            tags.iter().filter(|tag| tag.registry == Registry::Missing).map(|tag| tag.name.as_str()).collect();
        if !missing.is_empty() && !arguments.skip_missing {
            bail!(
                "the registry does not have what these tags are: {}; nothing was signed (--skip-missing leaves them out)",
                missing.join(", ")
            );
        }
        let signer = Signer::open_for(&engine, &arguments.key, scheme).await?;
        let claim =
            Claim { kept, annotations: BTreeMap::new(), attestation: None, signature_repository: None };
        let signing = Signing::new(&engine, arguments.collection.sources.open_uncached()?, &signer, &claim).await?;
        let there = tags.iter().filter(|tag| tag.registry != Registry::Missing);
        let images: Vec<String> = there.map(|tag| format!("{}@{}", arguments.gun, tag.digest)).collect();
        let prepared = signing.prepare_all(&images, arguments.recursive).await?;
        let is_done = if arguments.dry_run {
            false
        } else {
            if !arguments.yes && !confirmed(&prepared)? {
                bail!("not confirmed; nothing was published");
            }
            publish(&signing, &prepared).await?;
            true
        };
        let report = Report { arguments, found: &found, tags: &tags, prepared: &prepared, signer: &signer, claim: &claim, is_done };
        output::either(global.output, || report.text(), || report.json());
        // What the collection names and does not say counts for nothing, and is not signed.
        let is_whole = tags.iter().all(|tag| tag.registry == Registry::Same)
            && (!arguments.tag.is_empty() || report.unresolved().next().is_none());
        Ok(if is_whole { Exit::Done } else { Exit::Failed })
    })
}

impl Arguments {
    /// The tags that are to be signed, as the collection says them.
    fn wanted(&self, found: &Map<String, Value>) -> Result<Vec<(String, String, Value)>> {
        let listed = found.get("tags").and_then(Value::as_array).into_iter().flatten();
        let tags: BTreeMap<String, (String, Value)> = listed
            .filter_map(|tag| {
                let text = |name: &str| tag.get(name)?.as_str().map(str::to_owned);
                Some((text("tag")?, (text("digest")?, tag.get("roles").cloned().unwrap_or_default())))
            })
            .collect();
        let names: Vec<String> = match self.tag.as_slice() {
            [] => tags.keys().cloned().collect(),
            given => given.to_vec(),
        };
        if names.is_empty() {
            bail!("{} has no tags: there is nothing to migrate", self.gun);
        }
        let wanted = names.into_iter().map(|name| {
            let (digest, roles) = tags
                .get(&name)
                .cloned()
                .with_context(|| format!("{} does not say what the tag {name} is", self.gun))?;
            Ok((name, digest, roles))
        });
        wanted.collect()
    }
}

async fn look(sources: &Sources, gun: &str, (name, digest, roles): (String, String, Value)) -> Result<Tag> {
    let (registry, repository) = gun.split_once('/').with_context(|| format!("{gun} is not registry/repository"))?;
    let signed = sources::manifest(sources, registry, repository, &digest).await?;
    let tagged = sources::manifest(sources, registry, repository, &name).await?;
    let tagged = tagged.map(|(bytes, _)| Digest::sha256(&bytes).as_str().to_owned());
    let registry = match (signed, tagged) {
        (None, _) => Registry::Missing,
        (Some(_), Some(now)) if now == digest => Registry::Same,
        (Some(_), Some(now)) => Registry::Moved(now),
        (Some(_), None) => Registry::Untagged,
    };
    Ok(Tag { name, digest, roles, registry })
}

/// What is said in the end.
struct Report<'r> {
    arguments: &'r Arguments,
    found: &'r Map<String, Value>,
    tags: &'r [Tag],
    prepared: &'r [Prepared],
    signer: &'r Signer,
    claim: &'r Claim,
    is_done: bool,
}

impl Report<'_> {
    fn prepared(&self, tag: &Tag) -> Option<&Prepared> {
        self.prepared.iter().find(|one| one.digest == tag.digest)
    }

    /// Tags that roles name and that are nothing all the same, with the reason.
    fn unresolved(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.found.get("unresolved").and_then(Value::as_object).into_iter().flatten()
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        if !self.is_done {
            lines.extend(self.prepared.iter().map(|one| plan_text(one).trim_end().to_owned()));
        }
        for tag in self.tags {
            let what = match (self.prepared(tag), self.is_done) {
                (None, _) => "not signed",
                (Some(one), _) if one.plan.already_there => "was signed already",
                (Some(_), true) => "signed",
                (Some(_), false) => "would be signed",
            };
            lines.push(format!("{:<18} {}:{}  {}", what, self.arguments.gun, clean(&tag.name), tag.digest));
            match &tag.registry {
                Registry::Same => {}
                Registry::Moved(now) => lines.push(format!("  the registry has another image under this tag: {now}")),
                Registry::Untagged => lines.push("  the registry has nothing under this tag".to_owned()),
                Registry::Missing => lines.push("  the registry does not have this image any more".to_owned()),
            }
        }
        for (tag, why) in self.unresolved() {
            let why = clean(why.as_str().unwrap_or_default());
            lines.push(format!("{:<18} {}:{}  {why}", "not signed", self.arguments.gun, clean(tag)));
        }
        lines.push(format!("key  {}  {}", self.signer.fingerprint, self.signer.algorithm));
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let tags = self.tags.iter().map(|tag| {
            let prepared = self.prepared(tag);
            let now = match &tag.registry {
                Registry::Moved(now) => Some(now),
                _ => None,
            };
            json!({
                "tag": tag.name, "digest": tag.digest, "roles": tag.roles, "registry": tag.registry.word(), "now": now,
                "signature": prepared.map(|one| place(&one.plan)),
                "alreadyThere": prepared.is_some_and(|one| one.plan.already_there),
                "signed": prepared.is_some_and(|one| self.is_done || one.plan.already_there),
            })
        });
        json!({
            "gun": self.arguments.gun, "server": self.found.get("server"), "form": self.claim.kept.word(),
            "key": {"fingerprint": self.signer.fingerprint, "algorithm": self.signer.algorithm},
            "published": self.is_done, "unresolved": self.found.get("unresolved"), "tags": tags.collect::<Vec<_>>(),
        })
    }
}
