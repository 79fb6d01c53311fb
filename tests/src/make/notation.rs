//! Notation's signatures as registries hold them, by the key of core/testdata/notation, and policies that pin its certificates.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bulla_abi::Operation;
use ciborium::Value as Cbor;
use serde_json::{Value, json};

use super::dsse::{Stored, text};
use super::scene::{APP, MANIFEST_TYPE, MATCH, Scene};
use super::toolbox::{self, Key};
use crate::recipe::Recipe;

/// When these vectors are asked: 2026-12-01T00:00:00Z.
pub(super) const NOW: i64 = 1_796_083_200;
/// `artifactType` of a signature.
pub(super) const ARTIFACT_TYPE: &str = "application/vnd.cncf.notary.signature";
/// Media type of an envelope in JSON.
pub(super) const JWS: &str = "application/jose+json";
/// Media type of an envelope in CBOR.
pub(super) const COSE: &str = "application/cose";

macro_rules! material {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/notation/", $name)).as_slice()
    };
    (text $name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/notation/", $name))
    };
}
pub(super) use material;

pub(super) const ROOT: &str = material!(text "root.pem");
pub(super) const INTERMEDIATE: &str = material!(text "intermediate.pem");
pub(super) const LEAF: &str = material!(text "p256.pem");
/// A certificate that the key of [`LEAF`] has issued to itself.
pub(super) const SAME_KEY: &str = material!(text "same-key.pem");
pub(super) const TSA_ROOT: &str = material!(text "tsa-root.pem");

/// The key of [`LEAF`].
pub(super) fn key() -> Key {
    let public = "-----BEGIN PUBLIC KEY-----\n\
                  MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq9MkY7wVMy9QsRtYXITGT15A3oK1\n\
                  VZJs9LYjNDmtwEu3BbjYEmnQoLw8HEGL+gQQk/rVRNLqrNqyfx35k7Z2UA==\n\
                  -----END PUBLIC KEY-----\n";
    Key { private: material!(text "p256.key").to_owned(), public: public.to_owned(), fingerprint: String::new() }
}

/// The image's manifest: its media type and its size are signed as well.
pub(super) fn image_manifest() -> String {
    let descriptor = |media_type: &str, content: &str| json!({"mediaType": media_type, "digest": toolbox::digest(content), "size": content.len()});
    text(&json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "config": descriptor("application/vnd.oci.image.config.v1+json", "{}"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", "a layer")]}))
}

/// The image's digest.
pub(super) fn digest() -> String {
    toolbox::digest(image_manifest())
}

/// What is to be signed, and with which certificates beside it.
#[derive(Debug, Clone)]
pub(super) struct Signing {
    /// The descriptor that is signed.
    pub(super) target: Value,
    /// The protected header of a JWS.
    pub(super) header: Value,
    /// The certificates, the leaf first.
    pub(super) chain: Vec<&'static str>,
}

impl Signing {
    /// As notation signs the image.
    pub(super) fn new() -> Self {
        let target = json!({"mediaType": MANIFEST_TYPE, "digest": digest(), "size": image_manifest().len(),
            "annotations": {"team": "builders"}});
        let header = json!({
            "alg": "ES256",
            "cty": "application/vnd.cncf.notary.payload.v1+json",
            "crit": ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"],
            "io.cncf.notary.signingScheme": "notary.x509",
            "io.cncf.notary.signingTime": "2026-06-01T12:00:00Z",
            "io.cncf.notary.expiry": "2036-06-01T12:00:00Z"
        });
        Self { target, header, chain: vec![LEAF, INTERMEDIATE, ROOT] }
    }

    /// As a signing authority signs it.
    pub(super) fn authority() -> Self {
        Self::new().header(|header| {
            let members = header.as_object_mut().expect("an object");
            members.retain(|name, _| !name.ends_with("signingTime") && !name.ends_with("expiry"));
            header["crit"] = json!(["io.cncf.notary.signingScheme", "io.cncf.notary.authenticSigningTime"]);
            header["io.cncf.notary.signingScheme"] = json!("notary.x509.signingAuthority");
            header["io.cncf.notary.authenticSigningTime"] = json!("2026-06-01T12:00:00Z");
        })
    }

    /// With another descriptor.
    pub(super) fn target(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.target);
        self
    }

    /// With another header.
    pub(super) fn header(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.header);
        self
    }

    /// With other certificates.
    pub(super) fn chain(self, chain: &[&'static str]) -> Self {
        Self { chain: chain.to_vec(), ..self }
    }

    fn payload(&self) -> String {
        text(&json!({"targetArtifact": self.target}))
    }

    fn certificates(&self) -> impl Iterator<Item = Vec<u8>> {
        self.chain.iter().map(|pem| toolbox::pem_content(pem))
    }

    /// The envelope in JSON (signature-envelope-jws.md).
    pub(super) fn jws(&self) -> Value {
        let (protected, payload) = (URL_SAFE_NO_PAD.encode(text(&self.header)), URL_SAFE_NO_PAD.encode(self.payload()));
        let signature = URL_SAFE_NO_PAD.encode(sign(format!("{protected}.{payload}").as_bytes()));
        let chain: Vec<String> = self.certificates().map(|der| toolbox::base64(&der)).collect();
        json!({"protected": protected, "payload": payload, "signature": signature, "header": {"x5c": chain}})
    }

    /// The envelope in CBOR (signature-envelope-cose.md), with the header that [`Signing::new`] has.
    pub(super) fn cose(&self) -> Vec<u8> {
        let text = |text: &str| Cbor::Text(text.to_owned());
        let number = |number: i64| Cbor::Integer(number.into());
        let time = |seconds: i64| Cbor::Tag(1, Box::new(number(seconds)));
        let critical = vec![text("io.cncf.notary.signingScheme"), text("io.cncf.notary.expiry")];
        let protected = Cbor::Map(vec![
            (number(1), number(-7)),
            (number(2), Cbor::Array(critical)),
            (number(3), text("application/vnd.cncf.notary.payload.v1+json")),
            (text("io.cncf.notary.signingScheme"), text("notary.x509")),
            (text("io.cncf.notary.signingTime"), time(1_780_315_200)),
            (text("io.cncf.notary.expiry"), time(2_095_934_400)),
        ]);
        let (protected, payload) = (Cbor::Bytes(cbor(&protected)), Cbor::Bytes(self.payload().into_bytes()));
        let signed = vec![text("Signature1"), protected.clone(), Cbor::Bytes(Vec::new()), payload.clone()];
        let signature = Cbor::Bytes(sign(&cbor(&Cbor::Array(signed))));
        let chain = Cbor::Array(self.certificates().map(Cbor::Bytes).collect());
        let message = vec![protected, Cbor::Map(vec![(number(33), chain)]), payload, signature];
        cbor(&Cbor::Tag(18, Box::new(Cbor::Array(message))))
    }

    /// The envelope in JSON, as it is stored.
    pub(super) fn stored(&self) -> Stored {
        stored(Recipe::Text(text(&self.jws())), JWS)
    }
}

pub(super) fn cbor(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("written");
    bytes
}

/// A signature as both formats carry it: r and s.
pub(super) fn sign(message: &[u8]) -> Vec<u8> {
    let blobs = vec![key().private.into_bytes(), message.to_vec()];
    let der = toolbox::call(Operation::Sign, &json!({"key": 0, "message": 1, "hash": "sha256"}), blobs).1.remove(0);
    let (r, s) = toolbox::der_numbers(&der);
    [r, s].into_iter().flat_map(|number| [vec![0; 32 - number.len()], number].concat()).collect()
}

/// An envelope under a manifest of its own.
pub(super) fn stored(envelope: Recipe, media_type: &str) -> Stored {
    let bytes = envelope.bytes();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": toolbox::digest("{}"), "size": 2},
        "layers": [{"mediaType": media_type, "digest": toolbox::digest(&bytes), "size": bytes.len()}],
        "subject": {"mediaType": MANIFEST_TYPE, "digest": digest(), "size": image_manifest().len()},
        "annotations": {"org.opencontainers.image.created": "2026-06-01T12:00:00Z"}});
    Stored::bytes(envelope).manifest(|it| *it = manifest)
}

/// A signer that pins the root.
pub(super) fn signer() -> Value {
    json!({"trustStores": {"ca": [ROOT]}, "trustedIdentities": ["*"], "level": "strict"})
}

/// The signer, changed.
pub(super) fn signer_with(member: &str, value: Value) -> Value {
    super::dsse::changed(signer(), |it| it[member] = value)
}

/// A policy document with these signers. `{…}` is YAML as well.
pub(super) fn policy_of(head: &str, signers: &[(&str, Value)], require: &str) -> String {
    let signers: String = signers.iter().map(|(name, signer)| format!("    {name}: {}\n", text(signer))).collect();
    format!(
        "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: app\nspec:\n{head}  signers:\n{signers}  require: {require}\n"
    )
}

/// The policy that asks for one signer of Notation's.
pub(super) fn asks(signer: Value) -> String {
    policy_of(MATCH, &[("builders", json!({ "notation": signer }))], "builders")
}

/// The image under this policy, with these signatures, and nothing fetched that certificates name.
pub(super) fn unchecked(policy: String, all: &[Stored]) -> Scene {
    let scene = scene(policy).stored(all);
    scene.found(&image_need(), Recipe::Text(image_manifest()), Some(MANIFEST_TYPE))
}

/// The image under this policy.
pub(super) fn scene(policy: String) -> Scene {
    Scene::new(policy).about(&digest()).asked(json!({"now": NOW}))
}

/// The need for the image's own manifest.
pub(super) fn image_need() -> String {
    format!("manifest {APP}@{}", digest())
}

/// The same, and nobody is revoked.
pub(super) fn signed(policy: String, all: &[Stored]) -> Scene {
    unchecked(policy, all).answers(material!("revocation/empty.crl")).of_the_root()
}

impl Scene {
    /// What the address gives that the leaf names.
    pub(super) fn answers(self, crl: &[u8]) -> Self {
        self.found("crl http://pki.example/ca.crl", Recipe::of(crl), None)
    }

    /// What the address gives that the intermediate names.
    pub(super) fn of_the_root(self) -> Self {
        self.found("crl http://pki.example/root.crl", Recipe::of(material!("revocation/root.crl")), None)
    }
}
