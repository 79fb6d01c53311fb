//! Where images stand in Kubernetes objects (Kubernetes API reference: PodSpec, PodTemplateSpec, and what holds them).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ordered::Ordered as _;
use crate::reference::Reference;
use crate::text::excerpt;

/// Where a kind keeps its pod specification, and what may be changed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PodSpecs {
    /// JSON pointer to the PodSpec.
    spec: &'static str,
    /// JSON pointer to the template's `metadata`; none for a Pod itself.
    template: Option<&'static str>,
    /// JSON pointer to what may be null, so that there is no template at all.
    nullable: Option<&'static str>,
}

impl PodSpecs {
    pub(super) fn of(group: &str, kind: &str) -> Option<Self> {
        let (spec, template) = match (group, kind) {
            ("", "Pod") => ("/spec", None),
            ("", "ReplicationController")
            | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job") => ("/spec/template/spec", Some("/spec/template/metadata")),
            ("batch", "CronJob") => {
                ("/spec/jobTemplate/spec/template/spec", Some("/spec/jobTemplate/spec/template/metadata"))
            }
            ("", "PodTemplate") => ("/template/spec", Some("/template/metadata")),
            _ => return None,
        };
        // Only a ReplicationController's template is a pointer (k8s.io/api/core/v1).
        let nullable = (kind == "ReplicationController").then_some("/spec/template");
        Some(Self { spec, template, nullable })
    }
}

/// The images of one object: each distinct one once, with every place that uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    by_image: BTreeMap<String, Vec<Use>>,
    pub(super) template: Option<&'static str>,
}

/// One place that uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// JSON pointer to the text (RFC 6901).
    pub pointer: String,
    /// The text there.
    pub text: String,
}

impl Images {
    /// Each distinct image, normalised where it is a reference at all, with its uses.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Use])> {
        self.by_image.iter().map(|(image, uses)| (image.as_str(), uses.as_slice()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_image.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.by_image.values().map(Vec::len).fold(0, usize::saturating_add)
    }

    /// Whether this place held the same text.
    pub(super) fn holds(&self, place: &Use) -> bool {
        self.by_image.values().flatten().any(|held| held == place)
    }

    /// Whether every image stood in the same place before, as the same text.
    pub(super) fn all_stood_in(&self, previous: &Self) -> bool {
        let before: std::collections::BTreeSet<(&str, &str)> =
            previous.by_image.values().flatten().map(|place| (place.pointer.as_str(), place.text.as_str())).into_set();
        let mut now = self.by_image.values().flatten();
        now.all(|place| before.contains(&(place.pointer.as_str(), place.text.as_str())))
    }
}

/// Finds every image that the object can start.
pub(super) fn find(object: &Value, specs: PodSpecs) -> Result<Images, String> {
    let mut images = Images { by_image: BTreeMap::new(), template: specs.template };
    let no_template = |pointer| object.pointer(pointer).is_none_or(Value::is_null);
    if specs.nullable.is_some_and(no_template) {
        return Ok(images);
    }
    let Some(spec) = object.pointer(specs.spec).filter(|spec| spec.is_object()) else {
        return Err(format!("{} is not an object", specs.spec));
    };
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        each(spec, specs.spec, list, |container, place| {
            let may_be_empty = specs.template.is_some();
            take(&mut images, container.get("image"), format!("{place}/image"), may_be_empty)
        })?;
    }
    each(spec, specs.spec, "volumes", |volume, place| match volume.get("image") {
        None | Some(Value::Null) => Ok(()),
        Some(image) => take(&mut images, image.get("reference"), format!("{place}/image/reference"), true),
    })?;
    Ok(images)
}

fn each(
    spec: &Value,
    pointer: &str,
    list: &str,
    mut visit: impl FnMut(&Value, &str) -> Result<(), String>,
) -> Result<(), String> {
    match spec.get(list) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(items)) => items.iter().enumerate().try_for_each(|(index, item)| {
            let place = format!("{pointer}/{list}/{index}");
            if item.is_object() { visit(item, &place) } else { Err(format!("{place} is not an object")) }
        }),
        Some(_) => Err(format!("{pointer}/{list} is not a list")),
    }
}

fn take(images: &mut Images, image: Option<&Value>, pointer: String, may_be_empty: bool) -> Result<(), String> {
    let text = match image {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err(format!("{pointer} is not text")),
    };
    if text.is_empty() {
        // A template may leave it open for a later mutation; the Pod made from it may not.
        return if may_be_empty { Ok(()) } else { Err(format!("{pointer} is empty")) };
    }
    let image = Reference::parse(text).map_or_else(|_| excerpt(text), |reference| reference.to_string());
    images.by_image.entry(image).or_default().push(Use { pointer, text: text.to_owned() });
    Ok(())
}
