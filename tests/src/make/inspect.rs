//! Lists of what lies there: whoever is listed is not trusted for it.

use bulla_abi::Operation;
use serde_json::{Value, json};

use super::dsse::{PROVENANCE, Stored, attestations_need, bundle, list, statement_about, text};
use super::scene::{APP, INDEX_TYPE, MANIFEST_TYPE, Scene, layer, manifest, payload, payload_for, subject};
use super::toolbox::{self, Key};
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;
use crate::vectors::Vector;

pub(super) fn write(book: &mut Book) {
    asked(book);
    listed(book);
    unknown(book);
    refused(book);
}

fn absent() -> Value {
    json!({"outcome": "absent"})
}

/// Nothing lies under the tags, and nothing refers to the image of the vectors, whose own bytes cannot be had.
fn bare(scene: Scene) -> Scene {
    scene.answered(&attestations_need(), absent()).answered(&format!("manifest {APP}@{}", subject()), absent())
}

fn scene() -> Scene {
    Scene::new(String::new())
}

fn listing(answer: Value) -> Expect {
    Expect::outcome("ok").answer(json!({"listing": answer}))
}

fn asked(book: &mut Book) {
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("inspect/{name}"), scene.inspection(&[], comment, expect));
    };
    let needs = |needs: Value| Expect::outcome("needs").answer(json!({"needs": needs}));
    add(
        "first-needs-tag",
        scene().image(&format!("{APP}:1.4")),
        "By tag, its digest is the first and only need.",
        needs(json!([{"kind": "resolve", "reference": "1.4"}])),
    );
    let tag = |suffix: &str| format!("{}.{suffix}", subject().replace(':', "-"));
    add(
        "needs-every-place",
        scene(),
        "By digest, every place is looked at in one round, and the image itself to say what it is.",
        needs(json!([{"kind": "referrers", "reference": subject()}, {"kind": "manifest", "reference": tag("sig")},
            {"kind": "manifest", "reference": tag("att")}, {"kind": "manifest", "reference": subject()}])),
    );
    add(
        "needs-payloads",
        bare(scene()).no_referrers().layers(&[layer("another payload", b"signature")]),
        "Payloads that do not follow from repository and digest are asked for.",
        needs(json!([{"kind": "blob", "limit": "another payload".len()}])),
    );
}

fn listed(book: &mut Book) {
    let (a, b) = (Key::p256(1), Key::p256(2));
    let keys = [("release", &a)];
    let leaf = |architecture: &str| {
        json!({"mediaType": MANIFEST_TYPE, "digest": toolbox::digest(architecture), "size": 9,
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let index = text(&list(&[leaf("amd64"), leaf("arm64")]));
    let digest = toolbox::digest(&index);
    let tag = |suffix: &str| format!("manifest {APP}:{}.{suffix}", digest.replace(':', "-"));
    let signed = payload_for(APP, &digest, "null");
    let layers = [layer(&signed, &a.sign(&signed)), layer(&signed, &b.sign(&signed))];
    let two = Scene::new(String::new())
        .image(&format!("{APP}@{digest}"))
        .found(&format!("manifest {APP}@{digest}"), Recipe::Text(index), Some(INDEX_TYPE))
        .found(&tag("sig"), Recipe::Json(manifest(&layers)), Some(MANIFEST_TYPE))
        .answered(&tag("att"), absent())
        .answered(&format!("referrers {APP}@{digest}"), absent());
    let claim =
        json!({"digests": [digest], "digestCount": 1, "aboutImage": true, "identity": APP, "annotationCount": 0});
    let entry = |number: u32, made_by: Value| {
        json!({"place": {"holder": "signature", "number": number}, "form": "legacy", "kind": "signature",
            "claim": claim, "madeBy": made_by, "certificate": false, "defect": null})
    };
    let leaves = json!([{"platform": "linux/amd64", "digest": toolbox::digest("amd64")},
        {"platform": "linux/arm64", "digest": toolbox::digest("arm64")}]);
    let entries = json!([entry(1, json!([{"name": "release", "key": a.fingerprint}])), entry(2, json!([]))]);
    let expect = listing(json!({"digest": digest, "contents": {"kind": "index", "leaves": leaves}, "unread": [],
        "entries": entries, "gaps": [{"code": "not-attested"}], "complete": true}));
    let comment = "Two legacy signatures, one by a key that was given, on an index of two.";
    add(book, "inspect/known-and-unknown", two.clone().inspection(&keys, comment, expect));
    let entries = json!([entry(1, json!(null)), entry(2, json!(null))]);
    let expect = listing(json!({"entries": entries, "complete": true}));
    add(book, "inspect/without-keys", two.inspection(&[], "Without keys nothing is said about who made what.", expect));

    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        super::add(book, &format!("inspect/{name}"), bare(scene).inspection(&keys, comment, expect));
    };
    let stored = |statement: &Value| Stored::new(&bundle(&a, statement));
    let provenance = stored(&statement_about(PROVENANCE, &subject(), &json!({})));
    let made = json!([{"name": "release", "key": a.fingerprint}]);
    add(
        "bundle-annotated-as-another-type",
        scene().stored(&[provenance]).no_tag(),
        "What is signed says what it is; the annotation beside it is nobody's word.",
        listing(
            json!({"entries": [{"place": {"holder": "bundle", "number": 1}, "form": "bundle", "kind": "attestation",
            "annotatedAs": super::dsse::SIGNATURE, "claim": {"predicateType": PROVENANCE}, "madeBy": made.clone()}]}),
        ),
    );
    let other = toolbox::digest("another");
    add(
        "bundle-about-another-image",
        scene().stored(&[stored(&statement_about(super::dsse::SIGNATURE, &other, &json!({})))]).no_tag(),
        "Signed by a given key for another image: listed as just that.",
        listing(json!({"entries": [{"kind": "signature", "claim": {"aboutImage": false, "digests": [other]},
            "madeBy": made}]})),
    );
    add(
        "bundle-unreadable",
        scene().stored(&[Stored::bytes(Recipe::Text("{".to_owned()))]).no_tag(),
        "What cannot be read is listed with its defect.",
        listing(json!({"entries": [{"claim": null, "madeBy": null, "defect": {"code": "signature-defect"}}]})),
    );
    let unread = |artifact_type: &str| {
        json!({"mediaType": MANIFEST_TYPE, "digest": toolbox::digest(artifact_type), "size": 9,
            "artifactType": artifact_type})
    };
    let descriptors = [unread("application/vnd.example.report"), unread("application/spdx+json")];
    add(
        "other-artifacts",
        scene().referrers(Recipe::Json(list(&descriptors))).no_tag(),
        "What is not read is named and counted.",
        listing(json!({"entries": [], "unread": [{"form": "artifact of type application/spdx+json", "count": 1},
            {"form": "artifact of type application/vnd.example.report", "count": 1}]})),
    );
    let mut keyless = layer(&payload(), &b.sign(&payload()));
    keyless["annotations"]["dev.sigstore.cosign/certificate"] = json!(super::constants::CERTIFICATE);
    add(
        "with-certificate",
        scene().no_referrers().layers(&[keyless]),
        "That a certificate came with it is said.",
        listing(json!({"entries": [{"certificate": true, "madeBy": []}]})),
    );
}

fn unknown(book: &mut Book) {
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("inspect/{name}"), scene.inspection(&[], comment, expect));
    };
    let incomplete = |gaps: Value| listing(json!({"entries": [], "gaps": gaps, "complete": false}));
    let own = "the image's own bytes could not be had";
    add(
        "referrers-unreadable",
        bare(scene()).no_tag().referrers(Recipe::Text("<html>".to_owned())),
        "A list that cannot be read is a gap, and what it would have listed is not known.",
        incomplete(
            json!([{"code": "unfetched"}, {"code": "unfetched"}, {"code": "not-signed"}, {"code": "not-attested"}]),
        )
        .text("cannot be read"),
    );
    add(
        "referrers-failed",
        bare(scene())
            .no_tag()
            .answered(&scene().referrers_need(), json!({"outcome": "failed", "reason": "registry.example: 500"})),
        &format!("A list that could not be fetched is a gap; so is it that {own}."),
        incomplete(
            json!([{"code": "unfetched"}, {"code": "unfetched"}, {"code": "not-signed"}, {"code": "not-attested"}]),
        )
        .text("registry.example: 500"),
    );
    let flipped = scene().no_tag().no_referrers().answered(&attestations_need(), absent()).found(
        &format!("manifest {APP}@{}", subject()),
        Recipe::Text("{}".to_owned()),
        None,
    );
    add(
        "image-of-another-digest",
        flipped,
        "What is said about the image comes from bytes that have its digest.",
        listing(json!({"contents": null, "complete": false})),
    );
    let need = format!("resolve {APP}:1.4");
    let tagged = || scene().image(&format!("{APP}:1.4"));
    let nothing = |code: &str| {
        listing(json!({"digest": null, "pinned": null, "entries": [], "gaps": [{"code": code}], "complete": false}))
    };
    add("tag-absent", tagged().answered(&need, absent()), "No such image.", nothing("image-absent"));
    add(
        "tag-failed",
        tagged().answered(&need, json!({"outcome": "failed", "reason": "registry.example: 500"})),
        "Without a digest nothing is looked for.",
        nothing("unfetched"),
    );
    add("no-reference", scene().image("UPPER/app"), "Not a reference: said, and no error.", nothing("reference"));
}

fn refused(book: &mut Book) {
    let mut add = |name: &str, header: Value, blobs: Vec<Recipe>, comment: &str, expect| {
        add(book, &format!("inspect/{name}"), vector(header, blobs, comment, expect));
    };
    let header = |keys: Value| json!({"image": APP, "keys": keys, "evidence": []});
    let key = |blob: u32| json!([{"name": "release", "key": blob}]);
    let junk = || vec![Recipe::Text("no key".to_owned())];
    add("key-invalid", header(key(0)), junk(), "A key that is none.", Expect::error("key-invalid").text("release"));
    let invalid = || Expect::error("message-invalid");
    add("key-out-of-range", header(key(1)), junk(), "A blob that there is not.", invalid().text("blob 1"));
    let mut elsewhere = header(json!([]));
    elsewhere["signatureRepository"] = json!("UPPER");
    add(
        "signature-repository",
        elsewhere,
        Vec::new(),
        "A repository that is none.",
        invalid().text("signatureRepository"),
    );
    let mut more = header(json!([]));
    more["documents"] = json!([]);
    add("unknown-field", more, Vec::new(), "No policy has a say in a list.", invalid().text("documents"));
}

fn vector(header: Value, blobs: Vec<Recipe>, comment: &str, expect: Expect) -> Vector {
    Vector {
        comment: comment.to_owned(),
        layer: "listing".to_owned(),
        operation: Operation::Inspect.name().to_owned(),
        header: Some(header),
        header_bytes: None,
        message: None,
        blobs,
        expect,
    }
}

impl Scene {
    /// The vector that lists what is in this scene, and says which of these keys have made it.
    fn inspection(self, keys: &[(&str, &Key)], comment: &str, expect: Expect) -> Vector {
        let image = self.image.clone();
        let (evidence, mut blobs) = self.evidence();
        let keys: Vec<Value> = keys
            .iter()
            .map(|(name, key)| {
                blobs.push(Recipe::lines(&key.public));
                json!({"name": name, "key": blobs.len() - 1})
            })
            .collect();
        vector(json!({"image": image, "keys": keys, "evidence": evidence}), blobs, comment, expect)
    }
}
