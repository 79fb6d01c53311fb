//! Statements, envelopes, bundles and the manifests that bring them, written here and not by the module: what is signed is
//! encoded a second time, by the specifications alone.

use serde_json::{Value, json};

use super::scene::{APP, INDEX_TYPE, MANIFEST_TYPE, Scene, subject};
use super::toolbox::{self, Key, base64};
use crate::recipe::{Recipe, sorted};

/// Media type of a bundle of version 0.3.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Payload type of a statement.
pub(super) const IN_TOTO: &str = "application/vnd.in-toto+json";
/// Predicate type of a signature.
pub(super) const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// Predicate type of the attestation that vectors ask for.
pub(super) const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// Annotation with the predicate type, on manifests and on what lists them.
pub(super) const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// A document's text, with its members in order.
pub(super) fn text(document: &Value) -> String {
    sorted(document).to_string()
}

/// A document, changed.
pub(super) fn changed(mut document: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut document);
    document
}

/// What cosign 3 signs for the image of the vectors.
pub(super) fn statement() -> Value {
    statement_about(SIGNATURE, &subject(), &json!({}))
}

/// A statement about one digest, `sha256:<hex>`.
pub(super) fn statement_about(predicate_type: &str, digest: &str, predicate: &Value) -> Value {
    let (algorithm, hex) = digest.split_once(':').expect("a digest");
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {algorithm: hex}}],
        "predicateType": predicate_type, "predicate": predicate})
}

/// DSSE protocol.md, "Signature Definition".
pub(super) fn pae(payload_type: &str, payload: &str) -> String {
    format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len())
}

/// An envelope with this signature.
pub(super) fn envelope_around(payload: &str, signature: &[u8]) -> Value {
    json!({"payload": base64(payload.as_bytes()), "payloadType": IN_TOTO, "signatures": [{"sig": base64(signature)}]})
}

/// An envelope around a payload, signed.
pub(super) fn envelope(key: &Key, payload: &str) -> Value {
    envelope_around(payload, &key.sign(&pae(IN_TOTO, payload)))
}

/// A bundle of version 0.3 around an envelope, as cosign writes it for a key.
pub(super) fn bundle_around(public: &str, envelope: &Value) -> Value {
    let hint = base64(&<sha2::Sha256 as sha2::Digest>::digest(toolbox::pem_content(public)));
    json!({"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": hint}}, "dsseEnvelope": envelope})
}

/// A bundle around a statement, signed.
pub(super) fn bundle(key: &Key, statement: &Value) -> Value {
    bundle_around(&key.public, &envelope(key, &text(statement)))
}

/// A bundle as it lies in a registry: its bytes, its manifest, and what a list says about that.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// The bundle's bytes.
    pub(super) content: Recipe,
    /// The manifest that brings it.
    pub(super) manifest: Value,
    /// Members that its descriptor in a list has, or lacks by null, other than those that follow from the manifest.
    listed: Value,
}

impl Stored {
    /// A signature bundle, stored as cosign 3 stores it.
    pub(super) fn new(bundle: &Value) -> Self {
        Self::bytes(Recipe::Text(text(bundle)))
    }

    /// Any bytes, stored as if they were a signature bundle.
    pub(super) fn bytes(content: Recipe) -> Self {
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": BUNDLE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": toolbox::digest("{}"), "size": 2, "artifactType": BUNDLE},
            "layers": [{"mediaType": BUNDLE, "digest": toolbox::digest(content.bytes()), "size": content.bytes().len()}],
            "subject": {"mediaType": MANIFEST_TYPE, "digest": subject(), "size": 27},
            "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z", "dev.sigstore.bundle.content": "dsse-envelope"}});
        Self { content, manifest, listed: json!({}) }.typed(SIGNATURE)
    }

    /// Said to be of this predicate type.
    pub(super) fn typed(self, predicate_type: &str) -> Self {
        self.manifest(|manifest| manifest["annotations"][PREDICATE_TYPE] = json!(predicate_type))
    }

    /// Nothing is said about the predicate type.
    pub(super) fn untyped(self) -> Self {
        self.without("annotations")
    }

    /// With a manifest that differs.
    pub(super) fn manifest(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.manifest);
        self
    }

    /// Without a member of the manifest.
    pub(super) fn without(self, member: &str) -> Self {
        self.manifest(|manifest| {
            manifest.as_object_mut().expect("an object").remove(member);
        })
    }

    /// Listed with a member that does not follow from the manifest; without it by null.
    pub(super) fn listed_with(mut self, member: &str, value: Value) -> Self {
        self.listed[member] = value;
        self
    }

    /// The manifest's bytes.
    pub(super) fn manifest_text(&self) -> String {
        text(&self.manifest)
    }

    /// The digest of the manifest.
    pub(super) fn digest(&self) -> String {
        toolbox::digest(self.manifest_text())
    }

    /// Its descriptor in a list (distribution-spec, "Listing Referrers").
    pub(super) fn descriptor(&self) -> Value {
        let manifest = self.manifest_text();
        let mut descriptor = json!({"mediaType": self.manifest["mediaType"], "artifactType": self.manifest["artifactType"],
            "annotations": self.manifest["annotations"], "digest": toolbox::digest(&manifest), "size": manifest.len()});
        let members = descriptor.as_object_mut().expect("an object");
        for (name, value) in self.listed.as_object().expect("an object") {
            members.insert(name.clone(), value.clone());
        }
        members.retain(|_, value| !value.is_null());
        descriptor
    }

    /// The need for the manifest in a repository.
    pub(super) fn manifest_need(&self, repository: &str) -> String {
        format!("manifest {repository}@{} of {} octets", self.digest(), self.descriptor()["size"])
    }

    /// The need for the bundle in a repository.
    pub(super) fn blob_need(&self, repository: &str) -> String {
        let content = self.content.bytes();
        let announced = self.manifest.pointer("/layers/0/size").and_then(Value::as_u64);
        let size = announced.map_or(content.len(), |size| usize::try_from(size).expect("small"));
        format!("blob {repository}@{} of {size} octets", toolbox::digest(content))
    }
}

/// An index of these descriptors.
pub(super) fn list(descriptors: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": descriptors})
}

/// The text of a list whose descriptors are not stored, but made.
pub(super) fn list_around(descriptors: Recipe) -> Recipe {
    let before = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX_TYPE}","manifests":["#);
    Recipe::Concat(vec![Recipe::Text(before), descriptors, Recipe::Text("]}".to_owned())])
}

impl Scene {
    /// An image with bundles, and a policy that asks for this key.
    pub(super) fn bundled(policy: String, all: &[Stored]) -> Self {
        Self::new(policy).stored(all)
    }

    /// These lie there as referrers, and everything of them can be fetched.
    pub(super) fn stored(self, all: &[Stored]) -> Self {
        let repository = self.repository.clone();
        all.iter().fold(self.listed(all), |scene, stored| {
            let manifest = Recipe::Text(stored.manifest_text());
            let scene = scene.found(&stored.manifest_need(&repository), manifest, Some(MANIFEST_TYPE));
            scene.found(&stored.blob_need(&repository), stored.content.clone(), None)
        })
    }

    /// These are listed as referrers.
    pub(super) fn listed(self, all: &[Stored]) -> Self {
        let descriptors: Vec<Value> = all.iter().map(Stored::descriptor).collect();
        self.referrers(Recipe::Json(list(&descriptors)))
    }

    /// The list of referrers is this.
    pub(super) fn referrers(self, bytes: Recipe) -> Self {
        let need = self.referrers_need();
        self.found(&need, bytes, Some(INDEX_TYPE))
    }

    /// There is no image under the tag of signatures.
    pub(super) fn no_tag(self) -> Self {
        let need = self.signature_need();
        self.answered(&need, json!({"outcome": "absent"}))
    }
}

/// A layer of an image of attestations.
pub(super) fn attestation_layer(envelope: &str, predicate_type: &str) -> Value {
    json!({"mediaType": "application/vnd.dsse.envelope.v1+json", "digest": toolbox::digest(envelope), "size": envelope.len(),
        "annotations": {"dev.cosignproject.cosign/signature": "", "predicateType": predicate_type}})
}

/// The need for the attestations under their tag.
pub(super) fn attestations_need() -> String {
    format!("manifest {APP}:{}.att", subject().replace(':', "-"))
}
