//! A decision as a scene: policies, an image, and what its registry would answer.

use serde_json::{Value, json};

use super::toolbox::{self, Key};
use crate::expect::Expect;
use crate::recipe::Recipe;
use crate::vectors::Vector;

/// The repository that vectors are about.
pub(super) const APP: &str = "registry.example/app";
/// When they are asked: 2026-01-01T00:00:00Z.
pub(super) const NOW: i64 = 1_767_225_600;
/// Media type of a payload.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of an image manifest.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an image index.
pub(super) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// Annotation with the signature.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The digest of the image that vectors are about. Nobody ever asks for the image itself.
pub(super) fn subject() -> String {
    toolbox::digest("the manifest that is signed\n")
}

/// The image by its digest.
pub(super) fn image() -> String {
    format!("{APP}@{}", subject())
}

/// What cosign signs for a repository and a digest.
pub(super) fn payload_for(repository: &str, digest: &str, optional: &str) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{repository}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":{optional}}}"#
    )
}

/// What cosign signs for the image of the vectors.
pub(super) fn payload() -> String {
    payload_for(APP, &subject(), "null")
}

/// The need for a blob, which names its size as well.
pub(super) fn blob_need(repository: &str, content: impl AsRef<[u8]>) -> String {
    let content = content.as_ref();
    format!("blob {repository}@{} of {} octets", toolbox::digest(content), content.len())
}

/// A layer of a signature image.
pub(super) fn layer(payload: &str, signature: &[u8]) -> Value {
    json!({"mediaType": PAYLOAD_TYPE, "digest": toolbox::digest(payload), "size": payload.len(),
        "annotations": {SIGNATURE: toolbox::base64(signature)}})
}

/// A signature image with these layers.
pub(super) fn manifest(layers: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "layers": layers,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": toolbox::digest("{}"), "size": 2}})
}

/// A signature image with layers that are not stored, but made.
pub(super) fn manifest_around(layers: Recipe) -> Recipe {
    let config = toolbox::digest("{}");
    let before = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST_TYPE}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":["#
    );
    Recipe::Concat(vec![Recipe::Text(before), layers, Recipe::Text("]}".to_owned())])
}

/// A policy document: signers with what stands below their keys, and what is required of them.
pub(super) fn policy(name: &str, head: &str, signers: &[(&str, &str, &str)], require: &str) -> String {
    let mut text = format!(
        "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: {name}\nspec:\n{head}  signers:\n"
    );
    for (signer, key, more) in signers {
        text += &format!("    {signer}:\n      cosign:\n        publicKey: |\n");
        text.extend(key.lines().map(|line| format!("          {line}\n")));
        text += more;
    }
    text + &format!("  require: {require}\n")
}

/// The head of a policy that matches the repository of the vectors.
pub(super) const MATCH: &str = "  match:\n    images: [registry.example/**]\n";

/// The policy that asks for one key.
pub(super) fn policy_of(key: &Key) -> String {
    policy("app", MATCH, &[("release", &key.public, "")], "release")
}

/// A scene, changed step by step.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) policies: Vec<String>,
    pub(super) image: String,
    pub(super) repository: String,
    pub(super) digest: String,
    pub(super) namespace: Option<&'static str>,
    pub(super) operation: Option<&'static str>,
    pub(super) labels: Option<Value>,
    asked: Value,
    evidence: Vec<Value>,
    blobs: Vec<Recipe>,
}

impl Scene {
    /// An image and a policy, and nothing fetched yet.
    pub(super) fn new(policy: String) -> Self {
        Self {
            policies: vec![policy],
            image: image(),
            repository: APP.to_owned(),
            digest: subject(),
            namespace: None,
            operation: None,
            labels: None,
            asked: json!({}),
            evidence: Vec::new(),
            blobs: Vec::new(),
        }
    }

    /// An image signed as cosign signs it, by a key that the policy asks for.
    pub(super) fn signed(key: &Key) -> Self {
        Self::new(policy_of(key)).layers(&[layer(&payload(), &key.sign(&payload()))])
    }

    /// Another image.
    pub(super) fn image(self, image: &str) -> Self {
        Self { image: image.to_owned(), ..self }
    }

    /// Another image, by the digest that signatures are for.
    pub(super) fn about(self, digest: &str) -> Self {
        Self { image: format!("{APP}@{digest}"), digest: digest.to_owned(), ..self }
    }

    /// Other policies.
    pub(super) fn policies(self, policies: &[String]) -> Self {
        Self { policies: policies.to_vec(), ..self }
    }

    /// The question has these members as well.
    pub(super) fn asked(self, asked: Value) -> Self {
        Self { asked, ..self }
    }

    /// There is no signature image.
    pub(super) fn no_signatures(self) -> Self {
        let need = self.signature_need();
        self.answered(&need, json!({"outcome": "absent"}))
    }

    /// The signature image has these layers.
    pub(super) fn layers(self, layers: &[Value]) -> Self {
        self.signature_image(Recipe::Json(manifest(layers)), Some(MANIFEST_TYPE))
    }

    /// The signature image is this.
    pub(super) fn signature_image(self, bytes: Recipe, media_type: Option<&str>) -> Self {
        let need = self.signature_need();
        self.found(&need, bytes, media_type)
    }

    /// The need for the signature image.
    pub(super) fn signature_need(&self) -> String {
        format!("manifest {}:{}.sig", self.repository, self.digest.replace(':', "-"))
    }

    /// The need for a payload.
    pub(super) fn blob_need(payload: &str) -> String {
        blob_need(APP, payload)
    }

    /// Bytes came for a need.
    pub(super) fn found(mut self, need: &str, bytes: Recipe, media_type: Option<&str>) -> Self {
        let mut answer = json!({"need": need, "outcome": "found", "blob": self.blobs.len()});
        if let Some(media_type) = media_type {
            answer["mediaType"] = json!(media_type);
        }
        self.blobs.push(bytes);
        self.evidence.push(answer);
        self
    }

    /// A payload came that does not follow from repository and digest.
    pub(super) fn fetched(self, payload: &str) -> Self {
        self.found(&Self::blob_need(payload), Recipe::Text(payload.to_owned()), None)
    }

    /// Something else than bytes came for a need: `{"outcome": …}` with its members.
    pub(super) fn answered(mut self, need: &str, outcome: Value) -> Self {
        let mut answer = outcome;
        answer["need"] = json!(need);
        self.evidence.push(answer);
        self
    }

    /// Nothing refers to the image.
    pub(super) fn no_referrers(self) -> Self {
        let need = self.referrers_need();
        self.answered(&need, json!({"outcome": "absent"}))
    }

    /// The need for the referrers.
    pub(super) fn referrers_need(&self) -> String {
        format!("referrers {}@{}", self.repository, self.digest)
    }

    /// What came of needs, and the blobs that it names.
    pub(super) fn evidence(self) -> (Vec<Value>, Vec<Recipe>) {
        (self.evidence, self.blobs)
    }

    /// The vector of this scene.
    pub(super) fn vector(mut self, layer: &str, comment: &str, expect: Expect) -> Vector {
        // Most scenes are about something else: there, nothing refers to the image.
        let referrers = self.referrers_need();
        if expect.outcome != "needs" && !self.evidence.iter().any(|answer| answer["need"] == referrers) {
            self = self.no_referrers();
        }
        let first = self.blobs.len();
        let documents: Vec<Value> = (0..self.policies.len())
            .map(|index| json!({"name": format!("policy-{index}.yaml"), "blob": first + index}))
            .collect();
        let mut question = json!({"image": self.image, "now": NOW});
        if let Some(namespace) = self.namespace {
            question["namespace"] = json!(namespace);
        }
        if let Some(operation) = self.operation {
            question["operation"] = json!(operation);
        }
        if let Some(labels) = &self.labels {
            question["labels"] = labels.clone();
        }
        for (name, value) in self.asked.as_object().into_iter().flatten() {
            question[name] = value.clone();
        }
        let mut blobs = self.blobs;
        blobs.extend(self.policies.iter().map(|policy| Recipe::lines(policy)));
        Vector {
            comment: comment.to_owned(),
            layer: layer.to_owned(),
            operation: "decide".to_owned(),
            header: Some(json!({"documents": documents, "question": question, "evidence": self.evidence})),
            header_bytes: None,
            message: None,
            blobs,
            expect,
        }
    }
}
