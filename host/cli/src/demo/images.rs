//! The demo's images: real OCI images with one small layer, in an OCI image layout (image-spec 1.1).

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use bulla_registry::{Digest, Layout};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Makes the layout with an image for each tag.
///
/// # Errors
/// When something cannot be written.
pub(crate) fn make(folder: &Path, tags: &[&str]) -> Result<()> {
    let layout = Layout::create(folder)?;
    for tag in tags {
        image(&layout, tag).with_context(|| format!("image {tag}"))?;
    }
    Ok(())
}

fn image(layout: &Layout, tag: &str) -> Result<()> {
    let text = format!("This image is tagged {tag}. Bulla decides whether it may run.\n");
    let tar = tar(text.as_bytes())?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&tar)?;
    let layer = gzip.finish()?;
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"dev.bulla.demo": tag}},
        "rootfs": {"type": "layers", "diff_ids": [Digest::sha256(&tar).as_str()]},
    });
    let config = config.to_string().into_bytes();
    let (config_digest, layer_digest) = (layout.put_blob(&config)?, layout.put_blob(&layer)?);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config_digest.as_str(), "size": config.len()},
        "layers": [{"mediaType": LAYER, "digest": layer_digest.as_str(), "size": layer.len()}],
    });
    layout.put_manifest(manifest.to_string().as_bytes(), MANIFEST, Some(tag))?;
    Ok(())
}

/// One file, with nothing of this machine in its header: the same text gives the same digest everywhere.
fn tar(text: &[u8]) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(text.len())?);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "README", text)?;
    Ok(builder.into_inner()?)
}
