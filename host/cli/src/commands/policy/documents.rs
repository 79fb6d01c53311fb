//! Policies as they are written, to name what stands in them. What they mean is said by the module alone.

use anyhow::{Context as _, Result, anyhow};
use bulla_core::yaml::Document;
use bulla_server::PolicyFiles;
use bytes::Bytes;
use serde_json::Value;

/// The members of a signer that say what it signs with.
const SYSTEMS: [&str; 3] = ["cosign", "notation", "contentTrust"];

/// One policy as it is written.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) document: String,
    value: Value,
}

impl Known {
    /// A part of its `spec`.
    pub(super) fn spec(&self, name: &str) -> &Value {
        self.value.get("spec").and_then(|spec| spec.get(name)).unwrap_or(&Value::Null)
    }

    /// What a signer signs with: `cosign`, `notation` or `contentTrust`.
    pub(super) fn system(&self, signer: &str) -> Option<&str> {
        self.spec("signers").get(signer)?.as_object()?.keys().map(String::as_str).find(|name| SYSTEMS.contains(name))
    }

    /// A field of a signer of cosign.
    pub(super) fn signer(&self, signer: &str, field: &str) -> Option<&Value> {
        self.spec("signers").get(signer)?.get("cosign")?.get(field)
    }

    /// The forms that are pinned for a signer.
    pub(super) fn forms(&self, signer: &str) -> Option<Vec<String>> {
        let forms = self.signer(signer, "forms")?.as_array()?;
        Some(forms.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// What it is about, in its own words.
    pub(super) fn matches(&self) -> String {
        let matches = self.spec("match");
        let written = |name: &str| {
            let value = matches.get(name)?;
            let items = value.as_array().map(|items| {
                items
                    .iter()
                    .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                    .collect::<Vec<_>>()
            });
            Some(format!("{name}: {}", items.map_or_else(|| value.to_string(), |items| items.join(", "))))
        };
        let fields = matches.as_object().into_iter().flatten().filter_map(|(name, _)| written(name));
        fields.collect::<Vec<_>>().join("; ")
    }
}

/// The policies in these files.
///
/// # Errors
/// When they cannot be read, which the module has said before.
pub(super) fn known(files: &PolicyFiles) -> Result<Vec<Known>> {
    let mut all = Vec::new();
    for (document, bytes) in files.files() {
        for read in documents(document, bytes)? {
            let value = read.value().clone();
            let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            all.push(Known { name, document: document.clone(), value });
        }
    }
    Ok(all)
}

/// The same documents, each changed by `change`, as JSON.
///
/// # Errors
/// As [`known`], and those of `change`.
pub(super) fn changed(files: &PolicyFiles, mut change: impl FnMut(&mut Value) -> Result<()>) -> Result<PolicyFiles> {
    let mut all = Vec::new();
    for (name, bytes) in files.files() {
        let mut out = String::new();
        for document in documents(name, bytes)? {
            let mut value = document.value().clone();
            change(&mut value)?;
            // JSON is YAML.
            out.push_str(&format!("---\n{value}\n"));
        }
        all.push((name.clone(), Bytes::from(out)));
    }
    Ok(PolicyFiles::given(all))
}

/// The same policies, where this signer of one of them may have signed in every form.
///
/// # Errors
/// As [`known`].
pub(super) fn without_forms(files: &PolicyFiles, policy: &str, signer: &str) -> Result<PolicyFiles> {
    changed(files, |value| {
        if value.pointer("/metadata/name").and_then(Value::as_str) == Some(policy) {
            let signers = value.pointer_mut("/spec/signers").and_then(Value::as_object_mut);
            let fields = signers.and_then(|all| all.get_mut(signer)?.get_mut("cosign")?.as_object_mut());
            fields.map(|fields| fields.remove("forms"));
        }
        Ok(())
    })
}

fn documents(name: &str, bytes: &[u8]) -> Result<Vec<Document>> {
    let text = std::str::from_utf8(bytes).with_context(|| name.to_owned())?;
    Document::read_all(text).map_err(|error| anyhow!("{name}:{error}"))
}
