//! A registry made for one case: an image in a layout, with the signatures that the case says, by throw-away keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use bulla_engine::{Documents, Engine};
use bulla_registry::{Digest, INDEX_MEDIA_TYPE, Layout, RegistryConfig, Sources};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cases::Said;
use super::given::Given;
use super::keys::Throwaway;
use super::test::decided;
use crate::plan::{Attestation, Claim};
use crate::signing::Signing;
use crate::sources;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What a case says about its image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'c> {
    pub(super) image: &'c str,
    pub(super) now: i64,
    pub(super) signed: &'c [Said],
    pub(super) platforms: &'c [String],
}

/// A registry in a folder that is gone with it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) source: Given,
    _folder: TempDir,
}

/// Makes the image and signs it.
///
/// # Errors
/// When the case names its image by digest, or something cannot be signed.
pub(super) async fn registry(engine: &Engine, keys: &Throwaway, scene: Scene<'_>) -> Result<Made> {
    let (repository, tag) = named(engine, scene.image).await?;
    let folder = tempfile::tempdir().context("a folder for the test")?;
    let main = folder.path().join("0");
    let leaves = image(&main, &tag, scene.platforms)?;
    let mut places: BTreeMap<String, PathBuf> = BTreeMap::from([(repository.clone(), main.clone())]);
    for said in scene.signed {
        let kept_in = repository_of(engine, said.kept_in.as_deref(), "in").await?;
        if let Some(other) = kept_in.as_ref().filter(|other| !places.contains_key(*other)) {
            let path = folder.path().join(places.len().to_string());
            Layout::create(&path)?;
            places.insert(other.clone(), path);
        }
        let made_for = repository_of(engine, said.made_for.as_deref(), "for").await?;
        let name = made_for.as_deref().unwrap_or(&repository);
        let image = match &said.platform {
            None => format!("{name}:{tag}"),
            Some(platform) => format!("{name}@{}", leaves.get(platform).map_or("", String::as_str)),
        };
        // A signature made for another repository was copied with the image: both names are one folder while it is signed.
        let mut config = RegistryConfig { credential_files: Some(Vec::new()), ..RegistryConfig::default() };
        config.layouts.extend(places.clone());
        config.layouts.insert(name.to_owned(), main.clone());
        let sources = Sources::new(&sources::uncached(config))?;
        for place in kept_in.iter().map(String::as_str).chain([name]) {
            // Whatever is not a folder here would be asked of its registry.
            let (registry, path) = place.split_once('/').unwrap_or((place, ""));
            if sources.layout(registry, path).is_none() {
                bail!("{place}: not a repository that a test can make");
            }
        }
        let claim = Claim { signature_repository: kept_in, ..claim(said, scene.now) };
        let signing = Signing::new(engine, sources, keys.signer(&said.by)?, &claim).await?;
        for prepared in signing.prepare_all(std::slice::from_ref(&image), false).await? {
            signing.publish(&prepared).await?;
        }
    }
    let open = |(name, path): (String, PathBuf)| Ok((name, Layout::open(&path)?));
    let layouts = places.into_iter().map(open).collect::<Result<_>>()?;
    Ok(Made { source: Given::world(layouts), _folder: folder })
}

fn claim(said: &Said, now: i64) -> Claim {
    let attestation = said.attestation.as_ref().map(|predicate_type| Attestation {
        predicate_type: predicate_type.clone(),
        predicate: said.predicate.clone().unwrap_or_default().to_string().into_bytes(),
        now,
    });
    Claim { annotations: said.annotations.clone(), attestation, ..Claim::signature(said.form.into()) }
}

/// A repository that a case names, in the words of the module.
async fn repository_of(engine: &Engine, written: Option<&str>, field: &str) -> Result<Option<String>> {
    let Some(written) = written else { return Ok(None) };
    let (repository, _) = named(engine, written).await.with_context(|| format!("`{field}: {written}`"))?;
    Ok(Some(repository))
}

/// Repository and tag, in the words of the module: without a policy it asks for nothing and says what it read.
pub(super) async fn named(engine: &Engine, image: &str) -> Result<(String, String)> {
    let nothing = Documents::new([])?;
    let verdict = decided(engine, &nothing, &json!({"image": image, "now": 0}), &Given::default()).await?;
    let text = |field: &str| verdict.get(field).and_then(Value::as_str);
    let Some(repository) = text("repository") else {
        bail!("{}", text("summary").unwrap_or("not an image"));
    };
    let tag = text("image").and_then(|image| image.strip_prefix(repository)).and_then(|rest| rest.strip_prefix(':'));
    let tag = tag.filter(|tag| !tag.contains('@')).unwrap_or_default();
    Ok((repository.to_owned(), tag.to_owned()))
}

/// An image under a tag; of several platforms an index. Gives the digests of its leaves.
fn image(path: &Path, tag: &str, platforms: &[String]) -> Result<BTreeMap<String, String>> {
    if tag.is_empty() {
        bail!("a case with `signed` names its image by a tag: what has the digest is made by the test");
    }
    let layout = Layout::create(path)?;
    if platforms.is_empty() {
        manifest(&layout, "linux/amd64", Some(tag))?;
        return Ok(BTreeMap::new());
    }
    let (mut leaves, mut listed) = (BTreeMap::new(), Vec::new());
    for platform in platforms {
        let (digest, size) = manifest(&layout, platform, None)?;
        let (os, architecture) = parts(platform)?;
        listed.push(json!({
            "mediaType": MANIFEST,
            "digest": digest.as_str(),
            "size": size,
            "platform": {"os": os, "architecture": architecture},
        }));
        if leaves.insert(platform.clone(), digest.as_str().to_owned()).is_some() {
            bail!("`platforms`: {platform} is named twice");
        }
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPE, "manifests": listed});
    layout.put_manifest(index.to_string().as_bytes(), INDEX_MEDIA_TYPE, Some(tag))?;
    Ok(leaves)
}

fn parts(platform: &str) -> Result<(&str, &str)> {
    platform.split_once('/').ok_or_else(|| anyhow!("`platforms`: {platform:?} is not like linux/amd64"))
}

fn manifest(layout: &Layout, platform: &str, tag: Option<&str>) -> Result<(Digest, usize)> {
    let (os, architecture) = parts(platform)?;
    let config = json!({"architecture": architecture, "os": os, "rootfs": {"type": "layers", "diff_ids": []}});
    let (config, layer) = (config.to_string().into_bytes(), platform.as_bytes());
    let (config_digest, layer_digest) = (layout.put_blob(&config)?, layout.put_blob(layer)?);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config_digest.as_str(), "size": config.len()},
        "layers": [{"mediaType": LAYER, "digest": layer_digest.as_str(), "size": layer.len()}],
    });
    let manifest = manifest.to_string().into_bytes();
    Ok((layout.put_manifest(&manifest, MANIFEST, tag)?, manifest.len()))
}
