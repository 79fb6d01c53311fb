//! `bulla trust sign`, `bulla trust revoke`: what tags are, for everybody who verifies.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_registry::Digest;
use clap::Args;
use serde_json::{Map, Value, json};

use super::change::{Options, carry_out};
use crate::options::Global;
use crate::output::Exit;
use crate::signer::Signer;
use crate::trust::{Wanted, World};
use crate::{sources, start};

const SIGN: &str = "\
Examples:
  bulla trust sign registry.example/team/app:1.4 --key alice.key --pin 67a8f8b6…
  bulla trust sign app.example/a:1.4 app.example/b:1.4 --key targets.key --pin-ca root-ca.pem --yes

The digest and the length are the registry's, of what lies under the tag now (or of the digest that is named: IMAGE:TAG@sha256:…). Where the
collection delegates, the tag is signed in each direct delegation that has one of the keys, as `docker trust sign` does; else in
`targets`. The targets key is not needed then. What would change is shown first; every other tag stays as it is.";
const REVOKE: &str = "\
Example: bulla trust revoke registry.example/team/app:1.3 --key alice.key --pin 67a8f8b6…

The tag is removed from every role that says what it is, so that no older word counts instead: keys of all of them are needed, or --role
names some. Whoever has fetched the image before keeps it.";

/// Sign tags as Docker Content Trust does: each for what lies under it in the registry
#[derive(Debug, Args)]
#[command(after_help = SIGN)]
pub(crate) struct SignArguments {
    /// The images, by tag
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// The role that says so: `targets` or a delegation [default: as Docker chooses]
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// Remove tags from a collection
#[derive(Debug, Args)]
#[command(after_help = REVOKE)]
pub(crate) struct RevokeArguments {
    /// The images, by tag
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// The role that says so no more [default: all that do]
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// An image that is named by its tag, perhaps with the digest that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    gun: String,
    tag: String,
    digest: Option<String>,
}

/// # Errors
/// When an image is not there, a collection is not believed, or keys are missing.
pub(crate) fn sign(global: &Global, arguments: &SignArguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let options = &arguments.options;
        let world = options.collection.world(engine.clone())?;
        let keys = options.signers(&engine).await?;
        let mut changes = Vec::new();
        for (gun, images) in by_collection(&arguments.images)? {
            let collection = options.collection.collection(&world, &gun)?;
            let roles = match arguments.role.as_slice() {
                [] => signing_roles(&gun, &collection.overview().await?, &keys)?,
                given => given.to_vec(),
            };
            let mut targets = Vec::new();
            for image in &images {
                let (digest, length) = manifest(&world, image).await?;
                targets.extend(roles.iter().map(|role| {
                    json!({"change": "addTarget", "role": role, "name": image.tag, "digest": digest, "length": length})
                }));
            }
            changes.push((collection, Wanted::changes(targets)));
        }
        carry_out(global, options, &changes, &keys).await
    })
}

/// # Errors
/// When a collection is not believed, does not have the tag, or keys are missing.
pub(crate) fn revoke(global: &Global, arguments: &RevokeArguments) -> Result<Exit> {
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        let options = &arguments.options;
        let world = options.collection.world(engine.clone())?;
        let keys = options.signers(&engine).await?;
        let mut changes = Vec::new();
        for (gun, images) in by_collection(&arguments.images)? {
            let collection = options.collection.collection(&world, &gun)?;
            // Whoever names the roles gets on without the others, whatever is wrong with them.
            let found = if arguments.role.is_empty() { Some(collection.overview().await?) } else { None };
            let mut targets = Vec::new();
            for image in &images {
                let roles = match &found {
                    Some(found) => roles_with(found, &image.tag),
                    None => arguments.role.clone(),
                };
                if roles.is_empty() {
                    bail!(
                        "no role of {gun} that verifiers ask says what {} is; name a role that they do not ask by --role",
                        image.tag
                    );
                }
                targets.extend(
                    roles.iter().map(|role| json!({"change": "removeTarget", "role": role, "name": image.tag})),
                );
            }
            changes.push((collection, Wanted::changes(targets)));
        }
        carry_out(global, options, &changes, &keys).await
    })
}

/// The images of each collection.
fn by_collection(images: &[String]) -> Result<BTreeMap<String, Vec<Named>>> {
    let mut collections: BTreeMap<String, Vec<Named>> = BTreeMap::new();
    for image in images {
        let named = Named::read(image)?;
        let others = collections.entry(named.gun.clone()).or_default();
        if others.iter().any(|other| other.tag == named.tag) {
            bail!("{image} is named twice");
        }
        others.push(named);
    }
    Ok(collections)
}

impl Named {
    /// A collection's name is spelled out: what short names stand for, clients of Docker and others see differently.
    fn read(image: &str) -> Result<Self> {
        let (name, digest) = match image.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (image, None),
        };
        let tagged =
            name.rsplit_once(':').filter(|(gun, tag)| !tag.contains('/') && !tag.is_empty() && !gun.is_empty());
        let (gun, tag) =
            tagged.with_context(|| format!("{image}: a tag is signed, and none is named; write NAME:TAG"))?;
        let host = gun.split_once('/').map(|(host, _)| host);
        if !host.is_some_and(|host| host.contains(['.', ':']) || host == "localhost") {
            bail!("{image}: name the registry as well, e.g. docker.io/library/alpine:3.20");
        }
        Ok(Self { gun: gun.to_owned(), tag: tag.to_owned(), digest })
    }
}

/// The digest and the octets of what lies under the tag now.
async fn manifest(world: &World, image: &Named) -> Result<(String, usize)> {
    let (registry, repository) = image.gun.split_once('/').unwrap_or_default();
    let reference = image.digest.as_deref().unwrap_or(&image.tag);
    let found = sources::manifest(&world.sources, registry, repository, reference).await?;
    let (bytes, _) = found.ok_or_else(|| {
        anyhow!(
            "{}:{} is not in the registry ({reference}); push the image before signing its tag",
            image.gun,
            image.tag
        )
    })?;
    let digest = Digest::sha256(&bytes).as_str().to_owned();
    if let Some(wanted) = image.digest.as_ref().filter(|wanted| **wanted != digest) {
        bail!("{}:{}: the registry gave {digest} for {wanted}", image.gun, image.tag);
    }
    Ok((digest, bytes.len()))
}

/// Where Docker's client signs (docker/cli, cli/command/trust/sign.go): in each direct delegation that has one of the keys, and in
/// `targets` where nothing is delegated.
fn signing_roles(gun: &str, found: &Map<String, Value>, keys: &[Signer]) -> Result<Vec<String>> {
    let direct = |name: &str| name.strip_prefix("targets/").is_some_and(|rest| !rest.contains('/'));
    // Those too in which nobody has published yet.
    let members = |name: &str| found.get(name).and_then(Value::as_object).into_iter().flatten();
    let delegations: Vec<(&String, &Value)> =
        members("roles").chain(members("skipped")).filter(|(name, _)| direct(name)).collect();
    if delegations.is_empty() {
        return Ok(vec!["targets".to_owned()]);
    }
    let is_ours = |of: &Value| {
        let listed = of.get("keys").and_then(Value::as_array).into_iter().flatten();
        let mut listed = listed.filter_map(|key| key.get("fingerprint").and_then(Value::as_str));
        listed.any(|listed| keys.iter().any(|key| key.fingerprint == listed))
    };
    let ours: Vec<String> = delegations.iter().filter(|(_, of)| is_ours(of)).map(|(name, _)| (*name).clone()).collect();
    if ours.is_empty() {
        let names: Vec<&str> = delegations.iter().map(|(name, _)| name.as_str()).collect();
        bail!(
            "{gun} delegates to {}, and none of the given keys is theirs; give one by --key, or name the role by --role",
            names.join(", ")
        );
    }
    Ok(ours)
}

/// The roles that say what a tag is.
fn roles_with(found: &Map<String, Value>, tag: &str) -> Vec<String> {
    let tags = found.get("tags").and_then(Value::as_array).into_iter().flatten();
    let named = tags.filter(|it| it.get("tag").and_then(Value::as_str) == Some(tag));
    let roles = named.filter_map(|it| it.get("namedBy")?.as_array()).flatten();
    roles.filter_map(|role| role.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::Named;

    #[test]
    fn a_tag_is_named_in_full() {
        let read = |text: &str| Named::read(text).map(|named| (named.gun, named.tag, named.digest));
        let ok =
            |gun: &str, tag: &str, digest: Option<&str>| (gun.to_owned(), tag.to_owned(), digest.map(str::to_owned));
        assert_eq!(read("host:5000/team/app:1.4").expect("valid"), ok("host:5000/team/app", "1.4", None));
        let with_digest = read("localhost/app:1@sha256:ab").expect("valid");
        assert_eq!(with_digest, ok("localhost/app", "1", Some("sha256:ab")));
        for wrong in
            ["host:5000/app", "alpine:3", "library/alpine:3", "host.example/app@sha256:ab", "host.example/app:", ":1"]
        {
            assert!(Named::read(wrong).is_err(), "{wrong}");
        }
    }
}
