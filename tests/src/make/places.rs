//! Where signatures lie and in which form: forms that a policy pins, the legacy form as a referrer, other repositories.

use serde_json::{Value, json};

use super::dsse::{BUNDLE, PROVENANCE, Stored, bundle, changed, envelope, list, statement, statement_about, text};
use super::scene::{
    APP, INDEX_TYPE, MANIFEST_TYPE, MATCH, PAYLOAD_TYPE, Scene, blob_need, layer, payload, payload_for, policy,
    policy_of, subject,
};
use super::toolbox::{self, Key};
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::{Recipe, Repeat};

pub(super) fn write(book: &mut Book) {
    forms(book);
    threshold(book);
    oci_11(book);
    oci_11_amounts(book);
    repositories(book);
}

/// A policy that asks for one key, with more about it.
fn asks(more: &str) -> String {
    policy("app", MATCH, &[("release", &Key::p256(1).public, more)], "release")
}

fn forms(book: &mut Book) {
    let key = Key::p256(1);
    let mut add = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("forms/{name}"), scene.vector("policy", comment, expect));
    };
    let good = Stored::new(&bundle(&key, &statement()));
    let of = |forms: &str| Scene::new(asks(&format!("        forms: {forms}\n")));
    let legacy = |scene: Scene| scene.layers(&[layer(&payload(), &key.sign(&payload()))]);
    let bundle = |scene: Scene| scene.stored(std::slice::from_ref(&good));
    let none = |scene: Scene| scene.no_tag().no_referrers();
    let held = |holder: &str| {
        accepted().answer(json!({"verdict": {"policies": [{"tree": {"signature": {"holder": holder}}}]}}))
    };
    add(
        "legacy-pinned",
        legacy(of("[legacy]")),
        "Legacy is pinned and there: nothing else is asked for.",
        held("signature"),
    );
    add("bundle-pinned", bundle(of("[bundle]")), "Bundles are pinned, and one is there.", held("bundle"));
    add(
        "both-there",
        legacy(bundle(of("[bundle, legacy]"))),
        "Both are there: the first in the policy counts.",
        held("bundle"),
    );
    add("both-there-legacy-first", legacy(bundle(of("[legacy, bundle]"))), "The other way round.", held("signature"));
    add(
        "only-legacy-there",
        legacy(Scene::new(asks("")).no_referrers()),
        "Any form, and only the legacy one is there.",
        held("signature"),
    );
    add("only-bundle-there", bundle(Scene::new(asks(""))), "Any form, and only a bundle is there.", held("bundle"));
    add(
        "legacy-first-falls-back",
        bundle(of("[legacy, bundle]")).no_tag(),
        "The first form is not there, the second is.",
        held("bundle"),
    );
    add(
        "legacy-pinned-bundle-there",
        bundle(of("[legacy]")).no_tag(),
        "A good bundle does not count where the policy pins the other form; it is named.",
        rejected("not-signed").text("1 × Sigstore bundle"),
    );
    add(
        "bundle-pinned-legacy-there",
        legacy(of("[bundle]").no_referrers()),
        "A good legacy signature does not count where bundles are pinned; it is named.",
        rejected("nothing-found").text("cosign legacy signatures"),
    );
    add(
        "bundle-pinned-attestation-there",
        of("[bundle]").listed(&[good.clone().typed(PROVENANCE)]).no_tag(),
        "An attestation does not stand for a signature; it is named.",
        rejected("nothing-found").text("attestation of type https://slsa.dev/provenance/v1"),
    );
    add("none-there", none(of("[legacy, bundle]")), "Neither form is there.", rejected("not-signed"));
    let two = policy(
        "two",
        MATCH,
        &[("a", &key.public, "        forms: [legacy]\n"), ("b", &Key::p256(2).public, "        forms: [bundle]\n")],
        "{anyOf: [a, b]}",
    );
    let comment =
        "Two signers, each pinned to a form: a's bundle counts neither for a, whose form it is not, nor for b.";
    add("of-each-signer", bundle(Scene::new(two)).no_tag(), comment, rejected("other-key"));
}

fn threshold(book: &mut Book) {
    let (a, b) = (Key::p256(1), Key::p256(2));
    let two = policy(
        "two",
        MATCH,
        &[
            ("a", &a.public, "        forms: [bundle]\n"),
            ("a2", &a.public, "        forms: [legacy]\n"),
            ("b", &b.public, ""),
        ],
        "{atLeast: 2, of: [a, a2, b]}",
    );
    let scene = Scene::bundled(two, &[Stored::new(&bundle(&a, &statement()))]);
    let scene = scene.layers(&[layer(&payload(), &a.sign(&payload()))]);
    let comment = "One key in two forms under two names counts once.";
    add(
        book,
        "trees/at-least-same-key-two-forms",
        scene.vector("requirement", comment, rejected("threshold").text("1 of 2")),
    );
}

/// A signature image that is stored as a referrer, as cosign 2 did it with --registry-referrers-mode=oci-1-1.
fn signature_image(layers: &[Value]) -> Stored {
    let kind = "application/vnd.dev.cosign.artifact.sig.v1+json";
    Stored::bytes(Recipe::Text("{}".to_owned())).manifest(|it| {
        it["artifactType"] = json!(kind);
        it["config"] = json!({"mediaType": kind, "digest": toolbox::digest("{}"), "size": 2});
        it["layers"] = json!(layers);
        it.as_object_mut().expect("an object").remove("annotations");
    })
}

fn oci_11(book: &mut Book) {
    let (key, other) = (Key::p256(1), Key::p256(2));
    let mut add = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("oci-11/{name}"), scene.vector("manifest", comment, expect));
    };
    let good = || layer(&payload(), &key.sign(&payload()));
    let of = |images: &[Stored]| Scene::new(policy_of(&key)).stored(images);
    let place = json!({"holder": "ociSignature", "number": 2});
    let two = [layer(&payload(), &other.sign(&payload())), good()];
    add(
        "signed",
        of(&[signature_image(&two)]),
        "The legacy form as a referrer: the second layer counts.",
        accepted().answer(json!({"verdict": {"policies": [{"tree": {"signature": place}}]}})),
    );
    let mut older = signature_image(&[layer(&payload(), &other.sign(&payload()))]);
    older.manifest["annotations"] = json!({"n": "1"});
    let both = [older.clone(), signature_image(&[good()])];
    add("of-two", of(&both), "Two of them: cosign looks at the last one only, Bulla at each.", accepted());
    let text = payload_for(APP, &subject(), r#"{"build":"77"}"#);
    let fetched = signature_image(&[layer(&text, &key.sign(&text))]);
    add(
        "payload-fetched",
        of(&[fetched]).fetched(&text),
        "A payload that does not follow from the digest.",
        accepted(),
    );
    let legacy = Scene::new(asks("        forms: [legacy]\n")).no_tag();
    add(
        "legacy-pinned",
        legacy.stored(&[signature_image(&[good()])]),
        "It is the legacy form, and counts as such.",
        accepted(),
    );
    let bundles = Scene::new(asks("        forms: [bundle]\n"));
    add(
        "bundle-pinned",
        bundles.listed(&[signature_image(&[good()])]).no_tag(),
        "Where bundles are pinned it is named, and not fetched.",
        rejected("nothing-found").text("cosign signature as OCI 1.1 referrer"),
    );
    let mut refused =
        |name: &str, image: Stored, comment: &str, expect: Expect| add(name, of(&[image]).no_tag(), comment, expect);
    refused("other-key", older, "By a key that nobody pinned.", rejected("other-key").text("1 of 1"));
    refused(
        "subject-missing",
        signature_image(&[good()]).without("subject"),
        "It refers to nothing: the list that names it is wrong.",
        rejected("signature-image").text("no subject"),
    );
    refused(
        "subject-other",
        signature_image(&[good()]).manifest(|it| it["subject"]["digest"] = json!(toolbox::digest("another"))),
        "It refers to another image.",
        rejected("signature-image").text("refers to sha256:"),
    );
    let elsewhere = payload_for(APP, &toolbox::digest("another"), "null");
    let scene = of(&[signature_image(&[layer(&elsewhere, &key.sign(&elsewhere))])]).fetched(&elsewhere).no_tag();
    add(
        "other-image",
        scene,
        "A good signature of another image, stored as one of this image.",
        rejected("wrong-digest"),
    );
    let failed = |image: Stored| {
        let need = image.manifest_need(APP);
        let listed = Scene::new(policy_of(&key)).listed(&[image]).no_tag();
        listed.answered(&need, json!({"outcome": "failed", "reason": "registry.example: 500"}))
    };
    add("failed", failed(signature_image(&[good()])), "It cannot be had: unknown.", unknown("unfetched"));
    let many = vec![good(); 1001];
    let large = signature_image(&many);
    let need = large.manifest_need(APP);
    add(
        "1001-layers",
        Scene::new(policy_of(&key))
            .listed(&[large])
            .no_tag()
            .answered(&need, json!({"outcome": "tooLarge", "got": 600_000})),
        "More than 64 KiB of layers are not fetched.",
        rejected("signature-defect").text("larger than 65536"),
    );
}

/// Signature images with payloads of 16 KiB, all different: 64 KiB of manifest announce 4 MiB.
fn oci_11_amounts(book: &mut Book) {
    let key = Key::p256(1);
    let images: Vec<(Recipe, String)> = (0..4)
        .map(|image| {
            let frame = text(&signature_image(&[json!("LAYERS")]).manifest);
            let (before, after) = frame.split_once("\"LAYERS\"").expect("a frame");
            let one = text(&json!({"mediaType": PAYLOAD_TYPE, "size": 16_384,
                "digest": format!("sha256:{{n}}{image}{}", "0".repeat(59)),
                "annotations": {"dev.cosignproject.cosign/signature": "MEUC"}}));
            let many = Recipe::Repeat(Repeat { text: one, count: 250, separator: ",".to_owned() });
            let recipe = Recipe::Concat(vec![Recipe::Text(before.to_owned()), many, Recipe::Text(after.to_owned())]);
            let digest = toolbox::digest(recipe.bytes());
            (recipe, digest)
        })
        .collect();
    let descriptor = |(recipe, digest): &(Recipe, String)| {
        json!({"mediaType": MANIFEST_TYPE, "artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json",
            "digest": digest, "size": recipe.bytes().len()})
    };
    let good = Stored::new(&bundle(&key, &statement()));
    let all: Vec<Value> = images.iter().map(descriptor).chain([good.descriptor()]).collect();
    let scene = Scene::new(policy_of(&key)).referrers(Recipe::Json(list(&all)));
    let scene = images.iter().fold(scene, |scene, (recipe, digest)| {
        let need = format!("manifest {APP}@{digest} of {} octets", recipe.bytes().len());
        scene.found(&need, recipe.clone(), Some(MANIFEST_TYPE))
    });
    let scene = scene.found(&good.manifest_need(APP), Recipe::Text(good.manifest_text()), Some(MANIFEST_TYPE));
    // The bundle, and as many payloads as one decision may have.
    let mut needs = vec![json!({"kind": "blob", "reference": toolbox::digest(good.content.bytes())})];
    needs.extend(vec![json!({"kind": "blob", "limit": 16_384}); 64]);
    let comment = "CVE-2023-46737 for referrers: four signature images announce 16 MiB of payloads. What one decision fetches of \
                   them is 1 MiB, and a bundle beside them is fetched whatever they announce.";
    let expect = Expect::outcome("needs").answer(json!({ "needs": needs }));
    add(book, "needs/oci-11-payloads", scene.vector("budget", comment, expect));

    let many = |first: usize, last: usize| -> Vec<Stored> {
        let image = |n: usize| signature_image(&[]).manifest(|it| it["annotations"] = json!({"n": n.to_string()}));
        (first..last).map(image).collect()
    };
    let image = signature_image(&[layer(&payload(), &key.sign(&payload()))]);
    let comment = "cosign reads the last of them only; the first 16 are looked at, and the 16th counts.";
    let all = [many(0, 15), vec![image.clone()], many(15, 20)].concat();
    let scene = Scene::new(policy_of(&key)).listed(&all);
    let looked_at = all.iter().take(16).fold(scene, |scene, image| {
        scene.found(&image.manifest_need(APP), Recipe::Text(image.manifest_text()), Some(MANIFEST_TYPE))
    });
    add(book, "budget/oci-11-last-of-16", looked_at.vector("budget", comment, accepted()));
    let comment =
        "More signature images than are looked at, and the one behind them would hold: unknown, and not a reject.";
    let all = [many(0, 16), vec![image]].concat();
    let scene = Scene::new(policy_of(&key)).listed(&all).no_tag();
    let looked_at = all.iter().take(16).fold(scene, |scene, image| {
        scene.found(&image.manifest_need(APP), Recipe::Text(image.manifest_text()), Some(MANIFEST_TYPE))
    });
    let expect = unknown("budget").text("17 OCI 1.1 signature images");
    add(book, "budget/oci-11-17", looked_at.vector("budget", comment, expect));
}

fn repositories(book: &mut Book) {
    let key = Key::p256(1);
    let place = "registry.example/signatures";
    let mut add = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("repository/{name}"), scene.vector("evidence", comment, expect));
    };
    let elsewhere = |more: &str| {
        let mut scene = Scene::new(asks(&format!("        signatureRepository: {place}\n{more}")));
        scene.repository = place.to_owned();
        scene
    };
    let good = Stored::new(&bundle(&key, &statement()));
    let signed = [layer(&payload(), &key.sign(&payload()))];
    add(
        "bundle",
        elsewhere("").stored(std::slice::from_ref(&good)),
        "COSIGN_REPOSITORY: bundles lie elsewhere.",
        accepted(),
    );
    // The identity in the payload is the image's; the payload that follows from the place is another one.
    let fetched = |scene: Scene| scene.found(&blob_need(place, payload()), Recipe::Text(payload()), None);
    add(
        "legacy",
        fetched(elsewhere("        forms: [legacy]\n").layers(&signed)),
        "COSIGN_REPOSITORY: signatures lie elsewhere, and are about the image where it is.",
        accepted(),
    );
    let about_place = payload_for(place, &subject(), "null");
    let own = [layer(&about_place, &key.sign(&about_place))];
    add(
        "legacy-about-the-place",
        elsewhere("        forms: [legacy]\n")
            .layers(&own)
            .found(&blob_need(place, &about_place), Recipe::Text(about_place.clone()), None)
            .no_referrers(),
        "A signature that names the place of signatures as the image's repository.",
        rejected("wrong-identity").text("made for \"registry.example/signatures\""),
    );
    let beside = |more: &str| {
        let mut scene = Scene::new(asks(&format!("        signatureRepository: {place}\n{more}")))
            .stored(std::slice::from_ref(&good));
        scene = scene.layers(&signed);
        scene.repository = place.to_owned();
        scene
    };
    add(
        "only-beside-the-image",
        beside("").no_referrers().no_tag(),
        "Signed beside the image, where the policy does not look: nothing is fetched from there.",
        rejected("not-signed"),
    );
    let mut both = beside("");
    both.policies = vec![policy(
        "two",
        MATCH,
        &[("a", &key.public, ""), ("a2", &key.public, &format!("        signatureRepository: {place}\n"))],
        "{allOf: [a, a2]}",
    )];
    add(
        "one-of-two-places",
        both.no_referrers().no_tag(),
        "Two places are asked for, and one has it.",
        rejected("not-signed"),
    );
    let head = format!("{MATCH}  attestations:\n    built: {{predicateType: {PROVENANCE}, signer: release}}\n");
    let more = format!("        signatureRepository: {place}\n");
    let attested = policy("app", &head, &[("release", &key.public, &more)], "{attestation: built}");
    let said = statement_about(PROVENANCE, &subject(), &json!({}));
    let mut scene = Scene::new(attested);
    scene.repository = place.to_owned();
    let document = text(&envelope(&key, &text(&said)));
    let layers = [super::dsse::attestation_layer(&document, PROVENANCE)];
    let scene = scene
        .found(
            &super::dsse::attestations_need().replace(APP, place),
            Recipe::Json(super::scene::manifest(&layers)),
            None,
        )
        .found(&blob_need(place, &document), Recipe::Text(document), None);
    add("attestation", scene, "Attestations lie elsewhere as well.", accepted());
    let failing = elsewhere("")
        .no_tag()
        .answered(&format!("referrers {place}@{}", subject()), json!({"outcome": "failed", "reason": "500"}));
    add("failed", failing, "The place of signatures does not answer: unknown.", unknown("unfetched"));
    let index = changed(list(&[good.descriptor()]), |it| it["manifests"][0]["artifactType"] = json!(BUNDLE));
    let nowhere = elsewhere("").found(&format!("referrers {APP}@{}", subject()), Recipe::Json(index), Some(INDEX_TYPE));
    add(
        "asked-there",
        nowhere,
        "The list beside the image, which nobody asked for, is no answer.",
        Expect::outcome("needs").answer(json!({"needs": [{"kind": "referrers", "repository": "signatures"}]})),
    );
}
