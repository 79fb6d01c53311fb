//! What somebody who may push to the repository tries, to be taken for a signer or to hide one: each was found by reading,
//! and each is about two readers, two kinds, two sizes or two names of one thing.

use serde_json::{Value, json};

use super::dsse::{BUNDLE, Stored, attestation_layer, bundle, changed, list, pae, statement, text};
use super::scene::{
    APP, INDEX_TYPE, MANIFEST_TYPE, MATCH, Scene, layer, manifest, payload, policy, policy_of, subject,
};
use super::toolbox::{self, Key};
use super::{Book, accepted, add, rejected};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    readers(book);
    kinds(book);
    sizes(book);
    names(book);
    voices(book);
}

/// An index that one reader reads otherwise than another one.
fn readers(book: &mut Book) {
    let key = Key::p256(1);
    let head = format!("{MATCH}  multiArch: indexOrEveryLeaf\n");
    let asks = || policy("app", &head, &[("release", &key.public, "")], "release");
    let leaf = json!({"mediaType": MANIFEST_TYPE, "digest": subject(), "size": 27});
    let evil = json!([{"mediaType": MANIFEST_TYPE, "digest": toolbox::digest("evil"), "size": 4}]);
    for (name, member) in [("upper-case", "Manifests"), ("long-s", "manife\u{17f}t\u{17f}")] {
        let index = changed(list(std::slice::from_ref(&leaf)), |index| index[member] = evil.clone());
        let digest = toolbox::digest(text(&index));
        let scene = Scene::new(asks())
            .image(&format!("{APP}@{digest}"))
            .answered(&format!("referrers {APP}@{digest}"), json!({"outcome": "absent"}))
            .answered(&format!("manifest {APP}:{}.sig", digest.replace(':', "-")), json!({"outcome": "absent"}))
            .found(&format!("manifest {APP}@{digest}"), Recipe::Text(text(&index)), Some(INDEX_TYPE))
            .layers(&[layer(&payload(), &key.sign(&payload()))])
            .no_referrers();
        let comment = "Go reads members whatever their case, so that a runtime would see other leaves than those that are signed \
                       (compare CVE-2021-41190).";
        let expect = rejected("index").text("which some readers take for another one");
        add(book, &format!("steering/index-{name}"), scene.vector("manifest", comment, expect));
    }
}

/// One signature over bytes that can be read as two kinds.
fn kinds(book: &mut Book) {
    let key = Key::p256(1);
    let good = Stored::new(&bundle(&key, &statement()));
    let encoded = pae("application/vnd.in-toto+json", &text(&statement()));
    let copied = layer(&encoded, &key.sign(&encoded));
    let both = [("release", key.public.as_str(), "        forms: [bundle]\n")];
    let legacy = [("release", key.public.as_str(), "        forms: [legacy]\n")];
    let two = [policy("one", MATCH, &both, "release"), policy("two", MATCH, &legacy, "release")];
    let scene = Scene::new(policy_of(&key)).policies(&two).stored(std::slice::from_ref(&good));
    let scene = scene.layers(std::slice::from_ref(&copied)).fetched(&encoded);
    let comment = "The encoding of a genuine bundle as a legacy payload, with the bundle's signature: what was verified as an envelope \
                   does not count as simple signing.";
    add(
        book,
        "steering/envelope-as-payload",
        scene.vector("signature", comment, rejected("payload").text("policy two")),
    );

    let image = json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": {"mediaType": OCI_SIGNATURE, "digest": toolbox::digest("{}"), "size": 2},
        "layers": [copied], "subject": {"mediaType": MANIFEST_TYPE, "digest": subject(), "size": 27}});
    let scene = beside(&key, &good, &image).fetched(&encoded);
    let comment = "The same as an OCI 1.1 signature image, listed first: the genuine bundle still counts.";
    add(book, "steering/payload-before-bundle", scene.vector("signature", comment, accepted()));
}

const OCI_SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

/// A genuine bundle, and before it a signature image.
fn beside(key: &Key, good: &Stored, image: &Value) -> Scene {
    let bytes = text(image);
    let descriptor = json!({"mediaType": MANIFEST_TYPE, "artifactType": OCI_SIGNATURE, "digest": toolbox::digest(&bytes), "size": bytes.len()});
    let listed = Recipe::Json(list(&[descriptor, good.descriptor()]));
    let need = format!("manifest {APP}@{} of {} octets", toolbox::digest(&bytes), bytes.len());
    Scene::new(policy_of(key))
        .referrers(listed)
        .found(&need, Recipe::Text(bytes), Some(MANIFEST_TYPE))
        .found(&good.manifest_need(APP), Recipe::Text(good.manifest_text()), Some(MANIFEST_TYPE))
        .found(&good.blob_need(APP), good.content.clone(), None)
}

/// Somebody else's blob, announced with another size.
fn sizes(book: &mut Book) {
    let key = Key::p256(1);
    let good = Stored::new(&bundle(&key, &statement()));
    let digest = toolbox::digest(good.content.bytes());
    for (name, size, layer) in [("huge", 99_999_999_999_u64, "signature-defect"), ("one", 1, "signature-defect")] {
        let junk = good.clone().manifest(|manifest| {
            manifest["layers"][0]["size"] = json!(size);
            manifest["annotations"]["junk"] = json!(layer);
        });
        let scene = Scene::new(policy_of(&key)).listed(&[junk.clone(), good.clone()]);
        let scene = [&junk, &good].into_iter().fold(scene, |scene, stored| {
            scene.found(&stored.manifest_need(APP), Recipe::Text(stored.manifest_text()), Some(MANIFEST_TYPE))
        });
        let scene = scene
            .answered(&format!("blob {APP}@{digest} of {size} octets"), json!({"outcome": "tooLarge", "got": 2}))
            .found(&good.blob_need(APP), good.content.clone(), None);
        let comment = "A referrer names the genuine bundle with another size: two sizes are two wishes, and the genuine one is fetched.";
        add(book, &format!("steering/bundle-size-{name}"), scene.vector("referrer", comment, accepted()));
    }
    let short = json!({"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digest, "size": 1,
        "annotations": {"dev.cosignproject.cosign/signature": toolbox::base64(&key.sign("x"))}});
    let image = changed(manifest(&[short]), |image| {
        image["subject"] = json!({"mediaType": MANIFEST_TYPE, "digest": subject(), "size": 27});
    });
    let scene = beside(&key, &good, &image)
        .answered(&format!("blob {APP}@{digest} of 1 octets"), json!({"outcome": "tooLarge", "got": 2}));
    let comment = "A signature image names the genuine bundle as a payload of one octet: what comes of that is no answer about the bundle.";
    add(book, "steering/bundle-as-payload-of-one", scene.vector("referrer", comment, accepted()));
}

/// What the subjects of a statement are called.
fn names(book: &mut Book) {
    let key = Key::p256(1);
    let named = |names: &[&str]| {
        let digest = subject().replace("sha256:", "");
        let subjects: Vec<Value> =
            names.iter().map(|name| json!({"name": name, "digest": {"sha256": digest}})).collect();
        let said = changed(statement(), |statement| statement["subject"] = json!(subjects));
        Scene::bundled(policy_of(&key), &[Stored::new(&bundle(&key, &said))]).no_tag()
    };
    let mut add = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("steering/subject-{name}"), scene.vector("identity", comment, expect));
    };
    add(
        "second-name",
        named(&["other.example/app", APP]),
        "One digest under two names: one of them is this image.",
        accepted(),
    );
    add("package-url", named(&["pkg:docker/other/app@1"]), "A package URL states no repository.", accepted());
    add("file", named(&["app.tar"]), "The name of a file states no repository.", accepted());
    for (name, text) in [
        ("upper-case", "other.example/App"),
        ("url", "https://other.example/app"),
        ("bad-digest", "other.example/app@sha256:00"),
    ] {
        let comment = "A name that means an image and cannot be read is not this image's name.";
        add(name, named(&[text]), comment, rejected("wrong-identity").text(text));
    }
}

/// Policies that only speak.
fn voices(book: &mut Book) {
    let (key, other) = (Key::p256(1), Key::p256(2));
    let good = Stored::new(&bundle(&key, &statement()));
    let asks = |name: &str, mode: &str, key: &Key| {
        policy(name, &format!("  mode: {mode}\n{MATCH}"), &[("release", &key.public, "")], "release")
    };
    let policies = [asks("one", "enforce", &key), asks("two", "audit", &other)];
    let scene = Scene::new(policy_of(&key)).policies(&policies).stored(std::slice::from_ref(&good));
    let junk = Recipe::repeat("x", 17 << 20);
    let need = scene.signature_need();
    let scene = scene.found(&need, junk, Some(MANIFEST_TYPE));
    let comment =
        "What fills the evidence on behalf of an audit policy takes nothing from what the enforcing one accepts.";
    add(book, "steering/audit-fills-evidence", scene.vector("budget", comment, accepted().text("policy one")));

    let attestations = [attestation_layer("{}", BUNDLE)];
    let scene = Scene::signed(&key).found(
        &format!("manifest {APP}:{}.att", subject().replace(':', "-")),
        Recipe::Json(manifest(&attestations)),
        Some(MANIFEST_TYPE),
    );
    let comment = "Nobody asks about attestations: none is fetched, and none is in the way.";
    add(book, "steering/attestations-unasked", scene.vector("signature", comment, accepted()));
}
