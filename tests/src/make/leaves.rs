//! References that stand for several platforms: the index is signed, or every one of its leaves, as the policy says.

use serde_json::{Value, json};

use super::dsse::{SIGNATURE, Stored, bundle, list, statement_about, text};
use super::scene::{APP, INDEX_TYPE, MANIFEST_TYPE, MATCH, Scene, layer, manifest, payload_for, policy};
use super::toolbox::{self, Key};
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::{Recipe, Repeat};

pub(super) fn write(book: &mut Book) {
    signed(book);
    refused(book);
    odd(book);
    unknowns(book);
}

/// An image for one platform: only its digest matters.
fn leaf(architecture: &str) -> Value {
    let digest = toolbox::digest(architecture);
    json!({"mediaType": MANIFEST_TYPE, "digest": digest, "size": 500, "platform": {"os": "linux", "architecture": architecture}})
}

/// How a leaf or an index is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signed {
    Bundle,
    Legacy,
    ByOther,
    Not,
}
use Signed::{Bundle, ByOther, Legacy, Not};

/// A decision about an index.
struct Index {
    document: Value,
    scene: Scene,
}

impl Index {
    fn new(mode: &str, leaves: &[Value]) -> Self {
        Self::of(mode, list(leaves))
    }

    /// About any document.
    fn of(mode: &str, document: Value) -> Self {
        let head = format!("{MATCH}{mode}");
        let text = policy("app", &head, &[("release", &Key::p256(1).public, "")], "release");
        let mut scene = Scene::new(text).image(&format!("{APP}@{}", toolbox::digest(super::dsse::text(&document))));
        // Every list of referrers is answered by hand: there is one for each digest.
        scene.repository = "nobody.example/asks".to_owned();
        Self { document, scene }
    }

    fn digest(&self) -> String {
        toolbox::digest(text(&self.document))
    }

    /// The index can be fetched.
    fn fetched(self) -> Self {
        let need = format!("manifest {APP}@{}", self.digest());
        let bytes = Recipe::Text(text(&self.document));
        Self { scene: self.scene.found(&need, bytes, Some(INDEX_TYPE)), ..self }
    }

    /// Something else came for the index.
    fn answered(self, outcome: Value) -> Self {
        let need = format!("manifest {APP}@{}", self.digest());
        Self { scene: self.scene.answered(&need, outcome), ..self }
    }

    /// The index itself is signed so.
    fn itself(self, how: Signed) -> Self {
        let digest = self.digest();
        self.signed(&digest, how)
    }

    /// A digest is signed so.
    fn signed(self, digest: &str, how: Signed) -> Self {
        let key = Key::p256(if how == ByOther { 2 } else { 1 });
        let referrers = format!("referrers {APP}@{digest}");
        let tag = format!("manifest {APP}:{}.sig", digest.replace(':', "-"));
        let absent = || json!({"outcome": "absent"});
        let scene = self.scene;
        let scene = match how {
            Bundle | ByOther => {
                let said = bundle(&key, &statement_about(SIGNATURE, digest, &json!({})));
                let stored = Stored::new(&said).manifest(|it| it["subject"]["digest"] = json!(digest));
                let scene = scene.found(&referrers, Recipe::Json(list(&[stored.descriptor()])), Some(INDEX_TYPE));
                let manifest = Recipe::Text(stored.manifest_text());
                let scene = scene.found(&stored.manifest_need(APP), manifest, Some(MANIFEST_TYPE));
                scene.found(&stored.blob_need(APP), stored.content.clone(), None).answered(&tag, absent())
            }
            Legacy => {
                let said = payload_for(APP, digest, "null");
                let image = Recipe::Json(manifest(&[layer(&said, &key.sign(&said))]));
                scene.answered(&referrers, absent()).found(&tag, image, Some(MANIFEST_TYPE))
            }
            Not => scene.answered(&referrers, absent()).answered(&tag, absent()),
        };
        Self { scene, ..self }
    }

    /// The leaf for an architecture is signed so.
    fn leaf(self, architecture: &str, how: Signed) -> Self {
        self.signed(&toolbox::digest(architecture), how)
    }
}

const EVERY: &str = "  multiArch: indexOrEveryLeaf\n";

fn signed(book: &mut Book) {
    let mut add = |name: &str, index: Index, comment: &str, expect: Expect| {
        add(book, &format!("leaves/{name}"), index.scene.vector("index", comment, expect));
    };
    let two = [leaf("amd64"), leaf("arm64")];
    let every = || Index::new(EVERY, &two);
    add(
        "index-signed",
        Index::new("", &two).itself(Bundle),
        "cosign sign signs what the reference resolves to: the index.",
        accepted(),
    );
    let said = "  multiArch: index\n";
    add("index-signed-said", Index::new(said, &two).itself(Legacy), "The same, said in so many words.", accepted());
    let scene = every().itself(Bundle);
    add(
        "index-signed-either",
        scene,
        "The index is signed: leaves are not asked for, nor is the index itself.",
        accepted(),
    );
    let rule = json!({"rule": "anyOf", "outcome": "accept", "of": [{"rule": "index", "outcome": "reject"},
        {"rule": "every leaf", "outcome": "accept", "of": [{"rule": "leaf linux/amd64", "digest": toolbox::digest("amd64")},
            {"rule": "leaf linux/arm64", "digest": toolbox::digest("arm64")}]}]});
    let index = every().itself(Not).fetched().leaf("amd64", Bundle).leaf("arm64", Legacy);
    let tree = json!({"verdict": {"digest": index.digest(), "policies": [{ "tree": rule }]}});
    add(
        "every-leaf-signed",
        index,
        "The index is not signed, and every leaf is, each in its own form (cosign sign --recursive by hand).",
        accepted().answer(tree),
    );
    let one = Index::new(EVERY, &two[..1]).itself(ByOther).fetched().leaf("amd64", Bundle);
    add("one-leaf-signed", one, "An index of one leaf, signed itself by somebody else.", accepted());
    let repeated = Index::new(EVERY, &[leaf("amd64"), leaf("amd64")]).itself(Not).fetched().leaf("amd64", Bundle);
    add("leaf-listed-twice", repeated, "One leaf listed twice is signed twice.", accepted());
    let needed = json!({"needs": [{"kind": "manifest", "reference": every().digest()}]});
    add(
        "index-asked-for",
        every().itself(Not),
        "Only when the index itself is not signed, it is fetched.",
        Expect::outcome("needs").answer(needed),
    );
    let need = |architecture: &str| {
        let digest = toolbox::digest(architecture);
        let tag = format!("{}.sig", digest.replace(':', "-"));
        [json!({"kind": "referrers", "reference": digest}), json!({"kind": "manifest", "reference": tag})]
    };
    let both = [need("amd64"), need("arm64")].concat();
    let needed = json!({ "needs": both });
    add(
        "leaves-asked-for",
        every().itself(Not).fetched(),
        "What lies there for the leaves is asked for at once.",
        Expect::outcome("needs").answer(needed),
    );
}

fn refused(book: &mut Book) {
    let mut add = |name: &str, index: Index, comment: &str, expect: Expect| {
        add(book, &format!("leaves/{name}"), index.scene.vector("index", comment, expect));
    };
    let two = [leaf("amd64"), leaf("arm64")];
    let every = || Index::new(EVERY, &two).itself(Not).fetched();
    for (name, mode) in [("index", "  multiArch: index\n"), ("default", "")] {
        let index = Index::new(mode, &two).itself(Not).fetched().leaf("amd64", Bundle).leaf("arm64", Bundle);
        add(
            &format!("only-leaves-signed-{name}"),
            index,
            "The policy asks for the index, and only its leaves are signed: they are not looked at.",
            rejected("not-signed"),
        );
    }
    add(
        "one-leaf-not-signed",
        every().leaf("amd64", Bundle).leaf("arm64", Not),
        "One of two leaves is not signed: which one runs is not known here.",
        rejected("not-signed").text("leaf linux/arm64"),
    );
    add(
        "one-leaf-by-other",
        every().leaf("amd64", Bundle).leaf("arm64", ByOther),
        "One leaf by another key.",
        rejected("other-key"),
    );
    let without = |digest: &str| Index::new(&format!("{EVERY}  revoked: ['{digest}']\n"), &two);
    add(
        "leaf-revoked",
        without(&toolbox::digest("arm64")).itself(Not).fetched().leaf("amd64", Bundle),
        "One leaf is revoked: what lies there for it is not asked for.",
        rejected("revoked-digest").text("leaf linux/arm64"),
    );
    add(
        "index-revoked",
        without(&every().digest()),
        "The index is revoked: its leaves are not looked at.",
        rejected("revoked-digest"),
    );
    add("no-leaf-signed", every().leaf("amd64", Not).leaf("arm64", Not), "Neither.", rejected("not-signed"));
    let swapped = every().leaf("amd64", Bundle);
    let arm = toolbox::digest("arm64");
    let said = bundle(&Key::p256(1), &statement_about(SIGNATURE, &toolbox::digest("amd64"), &json!({})));
    let stored = Stored::new(&said).manifest(|it| it["subject"]["digest"] = json!(arm));
    let scene = swapped
        .scene
        .found(&format!("referrers {APP}@{arm}"), Recipe::Json(list(&[stored.descriptor()])), Some(INDEX_TYPE))
        .found(&stored.manifest_need(APP), Recipe::Text(stored.manifest_text()), Some(MANIFEST_TYPE))
        .found(&stored.blob_need(APP), stored.content.clone(), None)
        .answered(&format!("manifest {APP}:{}.sig", arm.replace(':', "-")), json!({"outcome": "absent"}));
    let index = Index { scene, document: swapped.document };
    add("leaf-with-others-signature", index, "One leaf's signature stored as another's.", rejected("wrong-digest"));
    let lists = |members: Value| {
        let mut attested = leaf("unknown");
        attested["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        attested["annotations"] = members;
        Index::new(EVERY, &[leaf("amd64"), attested]).itself(Not).fetched().leaf("amd64", Bundle).leaf("unknown", Not)
    };
    add(
        "attestation-manifest",
        lists(json!({"vnd.docker.reference.type": "attestation-manifest"})),
        "A leaf that says it is an attestation is a leaf like any other: an unsigned index decides nothing about its parts.",
        rejected("not-signed").text("leaf unknown/unknown"),
    );
    let mut sha1 = leaf("arm64");
    sha1["digest"] = json!(format!("md5:{}", "a".repeat(32)));
    let index = Index::new(EVERY, &[leaf("amd64"), sha1]).itself(Not).fetched().leaf("amd64", Bundle);
    add("leaf-digest-md5", index, "A leaf whose digest nobody can check.", rejected("index").text("md5"));
}

fn odd(book: &mut Book) {
    let mut add = |name: &str, index: Index, comment: &str, expect: Expect| {
        add(book, &format!("leaves/{name}"), index.scene.vector("index", comment, expect));
    };
    add(
        "empty",
        Index::new(EVERY, &[]).itself(Not).fetched(),
        "An index of nothing: \"every leaf\" would hold for all of none.",
        rejected("index").text("lists no manifest"),
    );
    let mut inner = leaf("inner");
    inner["mediaType"] = json!(INDEX_TYPE);
    let nested = || Index::new(EVERY, &[leaf("amd64"), inner.clone()]).itself(Not).fetched().leaf("amd64", Bundle);
    add(
        "nested",
        nested().leaf("inner", Not),
        "An index in an index has to be signed itself: its leaves are not walked to.",
        rejected("not-signed"),
    );
    add("nested-signed", nested().leaf("inner", Bundle), "Signed, it is a leaf like any other.", accepted());
    let image = Index::of(EVERY, manifest(&[]));
    let need = format!("manifest {APP}@{}", image.digest());
    let bytes = Recipe::Text(text(&image.document));
    let scene = image.scene.found(&need, bytes, Some(MANIFEST_TYPE));
    let index = Index { scene, document: image.document }.itself(Not);
    add("an-image", index, "The reference is an image: it has no leaves.", rejected("not-signed"));
    let both = Index::of(EVERY, json!({"schemaVersion": 2, "layers": [], "config": {}, "manifests": [leaf("amd64")]}));
    add(
        "ambiguous",
        both.itself(Not).fetched().leaf("amd64", Bundle),
        "CVE-2021-41190: layers and manifests in one document.",
        rejected("index").text("both layers and manifests"),
    );
    let text = Index::of(EVERY, json!({"manifests": 7}));
    add("not-an-index", text.itself(Not).fetched(), "Not an index, though it has the digest.", rejected("index"));
}

fn unknowns(book: &mut Book) {
    let mut add = |name: &str, index: Index, comment: &str, expect: Expect| {
        add(book, &format!("leaves/{name}"), index.scene.vector("index", comment, expect));
    };
    let two = [leaf("amd64"), leaf("arm64")];
    let every = || Index::new(EVERY, &two).itself(Not);
    let failed = || json!({"outcome": "failed", "reason": "registry.example: 500"});
    add("index-failed", every().answered(failed()), "The index cannot be had.", unknown("unfetched"));
    add(
        "index-absent",
        every().answered(json!({"outcome": "absent"})),
        "The index is not there any more.",
        unknown("unfetched"),
    );
    let large = json!({"outcome": "tooLarge", "got": 5_000_000});
    add("index-too-large", every().answered(large), "An index that does not end.", unknown("budget"));
    let index = every();
    let need = format!("manifest {APP}@{}", index.digest());
    let scene = index.scene.found(&need, Recipe::Text(text(&list(&two[..1]))), Some(INDEX_TYPE));
    let other = Index { scene, document: index.document }.leaf("amd64", Bundle);
    add(
        "index-other-bytes",
        other,
        "Another index with one leaf, signed: it does not have the digest.",
        unknown("unfetched"),
    );
    let index = every().fetched().leaf("amd64", Bundle);
    let arm = toolbox::digest("arm64");
    let scene = index.scene.answered(&format!("referrers {APP}@{arm}"), failed());
    let scene = scene.answered(&format!("manifest {APP}:{}.sig", arm.replace(':', "-")), json!({"outcome": "absent"}));
    let failing = Index { scene, document: index.document };
    add("leaf-list-failed", failing, "What lies there for one leaf cannot be had.", unknown("unfetched"));

    let one =
        text(&json!({"mediaType": MANIFEST_TYPE, "size": 9, "digest": format!("sha256:{{n}}{}", "0".repeat(60))}));
    let many = Recipe::Repeat(Repeat { text: one, count: 65, separator: ",".to_owned() });
    let many = super::dsse::list_around(many);
    let document: Value = serde_json::from_slice(&many.bytes()).expect("JSON");
    let index = Index::of(EVERY, document);
    add(
        "65-leaves",
        index.itself(Not).fetched(),
        "More leaves than are looked at.",
        unknown("budget").text("65 leaves"),
    );
}
