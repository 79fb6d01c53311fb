//! What `bulla demo` shows: images, keys, a policy and services in one folder, and what they answer.

mod folder;
mod images;
mod report;

pub(crate) use folder::{Folder, Ports};
pub(crate) use report::{Report, ask_services};

/// The registry of the demo's images. `.test` belongs to nobody (RFC 6761): no byte can go there.
pub(crate) const REGISTRY: &str = "demo.bulla.test";
/// The repository of the demo's images.
pub(crate) const REPOSITORY: &str = "app";

/// The demo's images: the tag, the key that signs it, and whether it is to be accepted.
pub(crate) const IMAGES: [Image; 3] = [
    Image { tag: "signed", signed_by: Some("release"), is_accepted: true },
    Image { tag: "other-key", signed_by: Some("other"), is_accepted: false },
    Image { tag: "unsigned", signed_by: None, is_accepted: false },
];

/// One of the demo's images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image {
    pub(crate) tag: &'static str,
    pub(crate) signed_by: Option<&'static str>,
    pub(crate) is_accepted: bool,
}

impl Image {
    /// Its reference.
    pub(crate) fn name(&self) -> String {
        format!("{REGISTRY}/{REPOSITORY}:{}", self.tag)
    }
}
