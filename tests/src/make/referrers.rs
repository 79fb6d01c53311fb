//! The list of what refers to an image, and what is fetched because of it: in which order, how much, and what a failure means.

use serde_json::{Value, json};

use super::dsse::{BUNDLE, PROVENANCE, Stored, bundle, statement, text};
use super::scene::{self, APP, MATCH, Scene, layer, payload, policy, policy_of, subject};
use super::toolbox::{self, Key};
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    needs(book);
    lists(book);
    other_forms(book);
    fetches(book);
}

fn needed(needs: &Value) -> Expect {
    Expect::outcome("needs").answer(json!({ "needs": needs }))
}

fn needs(book: &mut Book) {
    let key = Key::p256(1);
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("needs/{name}"), scene.vector("evidence", comment, expect));
    };
    let good = Stored::new(&bundle(&key, &statement()));
    let forms = |forms: &str| {
        policy("app", MATCH, &[("release", &key.public, &format!("        forms: {forms}\n"))], "release")
    };
    let of = |policy: &str| Scene::new(policy.to_owned());
    let unsigned = || Scene::new(policy_of(&key));
    let resolve = format!("resolve {APP}:1.4");
    let tagged = || {
        unsigned().image(&format!("{APP}:1.4")).answered(&resolve, json!({"outcome": "digest", "digest": subject()}))
    };
    let referrers = json!({"kind": "referrers", "repository": "app", "reference": subject()});
    add(
        "bundle-2-list",
        tagged(),
        "By tag, the second request lists what refers to the digest.",
        needed(&json!([referrers])),
    );
    let manifest = json!({"kind": "manifest", "reference": good.digest(), "limit": good.manifest_text().len()});
    add(
        "bundle-3-manifest",
        tagged().listed(std::slice::from_ref(&good)),
        "The third fetches the manifest, at most as much as the list says.",
        needed(&json!([manifest])),
    );
    let content = good.content.bytes();
    let blob = json!({"kind": "blob", "reference": toolbox::digest(&content), "limit": content.len()});
    let found = Recipe::Text(good.manifest_text());
    let scene = tagged().listed(std::slice::from_ref(&good));
    add(
        "bundle-4-blob",
        scene.found(&good.manifest_need(APP), found, Some(scene::MANIFEST_TYPE)),
        "The fourth fetches the bundle, at most as much as the manifest says.",
        needed(&json!([blob])),
    );
    let node = json!({"outcome": "accept", "signature": {"holder": "bundle", "number": 1, "manifest": good.digest()}});
    add(
        "bundle-5-nothing",
        tagged().stored(std::slice::from_ref(&good)),
        "And that is all: four requests by tag, and the tag of legacy signatures is not among them.",
        accepted().answer(json!({"verdict": {"policies": [{"tree": node}]}})),
    );
    let tag = json!({"kind": "manifest", "reference": format!("{}.sig", subject().replace(':', "-"))});
    add(
        "tag-after-list",
        unsigned().no_referrers(),
        "Nothing refers to the image: then the tag is looked at.",
        needed(&json!([tag])),
    );
    add("legacy-only", of(&forms("[legacy]")), "A signer of the legacy form: the tag first.", needed(&json!([tag])));
    add(
        "legacy-first",
        of(&forms("[legacy, bundle]")),
        "Forms are looked for in the policy's order.",
        needed(&json!([tag])),
    );
    add(
        "legacy-first-then-list",
        of(&forms("[legacy, bundle]")).no_tag(),
        "Nothing under the tag: then the list.",
        needed(&json!([referrers])),
    );
    let sbom = Stored::new(&bundle(&key, &statement())).typed("https://spdx.dev/Document");
    add(
        "other-type-not-fetched",
        unsigned().listed(&[sbom.clone(), good.clone()]),
        "Of two bundles only the one that the list calls a signature is fetched.",
        needed(&json!([manifest])),
    );
    let quiet = sbom.clone().listed_with("annotations", Value::Null);
    let scene = unsigned().listed(std::slice::from_ref(&quiet));
    add(
        "other-type-in-manifest",
        scene.found(&quiet.manifest_need(APP), Recipe::Text(quiet.manifest_text()), None),
        "The list says nothing of the type and the manifest does: the bundle is not fetched, the tag is next.",
        needed(&json!([tag])),
    );
    let attested = |require: &str| {
        let head = format!("{MATCH}  attestations:\n    built: {{predicateType: {PROVENANCE}, signer: release}}\n");
        policy("app", &head, &[("release", &key.public, "")], require)
    };
    let provenance = Stored::new(&bundle(&key, &statement())).typed(PROVENANCE);
    let wanted = |stored: &Stored| json!({"kind": "manifest", "reference": stored.digest()});
    add(
        "attestation-only-that-type",
        of(&attested("{attestation: built}")).listed(&[good.clone(), sbom.clone(), provenance.clone()]),
        "A policy that asks for an attestation only fetches neither signatures nor attestations of other types.",
        needed(&json!([wanted(&provenance)])),
    );
    add(
        "signature-and-attestation",
        of(&attested("{allOf: [release, {attestation: built}]}")).listed(&[good.clone(), sbom, provenance.clone()]),
        "Both are asked for at once.",
        needed(&json!([wanted(&good), wanted(&provenance)])),
    );
    let att = json!({"kind": "manifest", "reference": format!("{}.att", subject().replace(':', "-"))});
    add(
        "both-tags",
        of(&attested("{allOf: [release, {attestation: built}]}")).no_referrers(),
        "Both tags are asked for at once.",
        needed(&json!([tag, att])),
    );
    let elsewhere = policy(
        "app",
        MATCH,
        &[
            ("release", &key.public, ""),
            ("again", &Key::p256(2).public, "        signatureRepository: other.example/s\n"),
        ],
        "{anyOf: [release, again]}",
    );
    add(
        "two-repositories",
        of(&elsewhere),
        "Signatures in two repositories: both lists at once.",
        needed(
            &json!([{"kind": "referrers", "registry": "other.example"}, {"kind": "referrers", "registry": "registry.example"}]),
        ),
    );
}

fn lists(book: &mut Book) {
    let (key, other) = (Key::p256(1), Key::p256(2));
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("evidence/{name}"), scene.vector("evidence", comment, expect));
    };
    let wrong = || Scene::new(policy_of(&key)).layers(&[layer(&payload(), &other.sign(&payload()))]);
    let referrers = wrong().referrers_need();
    let failed = || json!({"outcome": "failed", "reason": "registry.example: 500"});
    for (name, outcome, expect) in [
        ("failed", failed(), unknown("unfetched").text("registry.example: 500")),
        ("too-large", json!({"outcome": "tooLarge", "got": 9_000_000}), unknown("budget").text("9000000 octets")),
        ("as-digest", json!({"outcome": "digest", "digest": subject()}), unknown("unfetched").text("another kind")),
    ] {
        let comment = "Without the list nobody knows whether a bundle by the key lies there: not a reject.";
        add(&format!("referrers-{name}"), wrong().answered(&referrers, outcome), comment, expect);
    }
    let unread =
        |scene: Scene, bytes: &str, media_type| scene.found(&referrers, Recipe::Text(bytes.to_owned()), media_type);
    add(
        "referrers-not-json",
        unread(wrong(), "<html>", None),
        "A list that cannot be read says nothing about what is there.",
        unknown("unfetched").text("cannot be read"),
    );
    let image = text(&scene::manifest(&[]));
    add(
        "referrers-an-image",
        unread(wrong(), &image, Some(scene::MANIFEST_TYPE)),
        "An image where a list is expected, as a tag that somebody else uses.",
        unknown("unfetched").text("not an index"),
    );
    add(
        "referrers-not-asked",
        Scene::new(policy_of(&key)).layers(&[layer(&payload(), &other.sign(&payload()))]),
        "No decision without the list, whatever lies under the tag.",
        Expect::outcome("needs").text("referrers registry.example/app@"),
    );
    add(
        "referrers-failed-legacy-holds",
        Scene::signed(&key).answered(&referrers, failed()),
        "A list that cannot be had takes nothing from a legacy signature that holds.",
        accepted(),
    );
    let forms = |forms: &str| {
        Scene::new(policy("app", MATCH, &[("release", &key.public, &format!("        forms: {forms}\n"))], "release"))
    };
    add(
        "referrers-failed-legacy-only",
        forms("[legacy]").no_tag().answered(&referrers, failed()),
        "The legacy form can be a referrer as well (OCI 1.1, an experiment of cosign 2): unknown here too.",
        unknown("unfetched"),
    );
    add(
        "referrers-failed-bundle-only",
        forms("[bundle]").answered(&referrers, failed()).no_tag(),
        "Bundles only: the tag is asked for its name only.",
        unknown("unfetched"),
    );
    add(
        "referrers-empty",
        Scene::new(policy_of(&key)).referrers(Recipe::Json(super::dsse::list(&[]))).no_tag(),
        "A list of nothing, and no tag: unsigned.",
        rejected("not-signed"),
    );
    add(
        "referrers-absent-bundle-only",
        forms("[bundle]").no_referrers().no_tag(),
        "404 for the list: nothing refers to the image.",
        rejected("nothing-found").text("no signature was found"),
    );
}

fn other_forms(book: &mut Book) {
    let key = Key::p256(1);
    let scene = |forms: &str| {
        let forms = format!("        forms: {forms}\n");
        Scene::new(policy("app", MATCH, &[("release", &key.public, &forms)], "release")).no_tag()
    };
    let all = "[bundle, legacy]";
    let legacy = "[legacy]";
    for (name, forms, artifact_type, text) in [
        ("bundle", legacy, json!(BUNDLE), "Sigstore bundle"),
        ("bundle-v04", all, json!("application/vnd.dev.sigstore.bundle.v0.4+json"), "v0.4+json\\\" is not supported"),
        ("notation", all, json!("application/vnd.cncf.notary.signature"), "Notation signature"),
        ("oci-11", "[bundle]", json!("application/vnd.dev.cosign.artifact.sig.v1+json"), "OCI 1.1 referrer"),
        ("in-toto", all, json!("application/vnd.in-toto+json"), "in-toto attestation"),
        ("other", all, json!("application/spdx+json"), "artifact of type application/spdx+json"),
        ("untyped", legacy, json!(null), "artifact without a type"),
    ] {
        let mut descriptor = json!({"mediaType": scene::MANIFEST_TYPE, "digest": toolbox::digest("x"), "size": 9});
        if !artifact_type.is_null() {
            descriptor["artifactType"] = artifact_type;
        }
        let reason = if forms == "[bundle]" { "nothing-found" } else { "not-signed" };
        let list = Recipe::Json(super::dsse::list(&[descriptor]));
        let comment =
            "What the policy does not ask for is named and not fetched, so that nobody takes rejected for unsigned.";
        let expect = rejected(reason).text(&text.replace("\\\"", "\""));
        add(
            book,
            &format!("evidence/other-form-{name}"),
            scene(forms).referrers(list).vector("evidence", comment, expect),
        );
    }
    let stored = Stored::new(&json!({})).without("artifactType").manifest(|manifest| {
        manifest["layers"][0]["mediaType"] = json!("text/spdx");
    });
    let comment = "Its type is not said in the list, so the manifest is looked at: it is no bundle, and named.";
    let expect = rejected("not-signed").text("artifact without a type");
    let scene = scene(all).stored(&[stored]);
    add(book, "evidence/other-form-no-bundle", scene.vector("evidence", comment, expect));
}

fn fetches(book: &mut Book) {
    let key = Key::p256(1);
    let good = Stored::new(&bundle(&key, &statement()));
    let listed = || Scene::new(policy_of(&key)).listed(std::slice::from_ref(&good)).no_tag();
    let manifest = || {
        let bytes = Recipe::Text(good.manifest_text());
        listed().found(&good.manifest_need(APP), bytes, Some(scene::MANIFEST_TYPE))
    };
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("evidence/{name}"), scene.vector("evidence", comment, expect));
    };
    let outcomes = || {
        [
            (
                "failed",
                json!({"outcome": "failed", "reason": "registry.example: 503"}),
                unknown("unfetched").text("503"),
            ),
            ("absent", json!({"outcome": "absent"}), unknown("unfetched").text("does not exist")),
            (
                "too-large",
                json!({"outcome": "tooLarge", "got": 70_000}),
                rejected("signature-defect").text("octets that are announced"),
            ),
        ]
    };
    for (name, outcome, expect) in outcomes() {
        let comment = "What is listed and cannot be had may be the signature: unknown. What is larger than announced is something else.";
        add(&format!("bundle-manifest-{name}"), listed().answered(&good.manifest_need(APP), outcome), comment, expect);
    }
    for (name, outcome, expect) in outcomes() {
        let comment =
            "The bundle itself cannot be had: unknown. Larger than announced, it is not what the manifest brings.";
        add(&format!("bundle-{name}"), manifest().answered(&good.blob_need(APP), outcome), comment, expect);
    }
    let spaced = Recipe::Text(good.manifest_text().replace("dsse-envelope", "dsse-Envelope"));
    add(
        "bundle-manifest-other-bytes",
        listed().found(&good.manifest_need(APP), spaced, Some(scene::MANIFEST_TYPE)),
        "A manifest with another digest than the one it was listed by.",
        rejected("payload-digest"),
    );
    let other = Recipe::Text(text(&bundle(&key, &statement())).replace("v0.3", "v0.2"));
    add(
        "bundle-other-bytes",
        manifest().found(&good.blob_need(APP), other, None),
        "A bundle with another digest than the one in its manifest.",
        rejected("payload-digest"),
    );
    let failed = json!({"outcome": "failed", "reason": "registry.example: 503"});
    let scene = Scene::signed(&key).listed(std::slice::from_ref(&good));
    add(
        "bundle-failed-legacy-holds",
        scene.answered(&good.manifest_need(APP), failed),
        "A bundle that cannot be had takes nothing from a legacy signature that holds.",
        accepted(),
    );
    let twice = Stored::new(&bundle(&Key::p256(2), &statement()));
    add(
        "bundle-listed-twice",
        Scene::new(policy_of(&key)).stored(&[twice.clone(), twice]).no_tag(),
        "One manifest listed twice is one.",
        rejected("other-key").text("1 of 1 signatures"),
    );
}
