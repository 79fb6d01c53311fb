//! What registries answer for tags and the images under them: absences, failures, lies, amounts.

use serde_json::json;

use super::scene::{APP, Scene, layer, payload, payload_for, policy_of, subject};
use super::toolbox::{self, Key};
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    images(book);
    signatures(book);
    amounts(book);
}

fn images(book: &mut Book) {
    let key = Key::p256(1);
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("evidence/{name}"), scene.vector("evidence", comment, expect));
    };
    add(
        "no-policy-matches",
        Scene::signed(&key).image(&format!("elsewhere.example/app:1@{}", subject())),
        "An image that no policy matches is rejected without a fetch: its registry is named by nobody.",
        rejected("no-policy"),
    );
    add(
        "no-policy-matches-tag",
        Scene::new(policy_of(&key)).image("elsewhere.example/app:1"),
        "The same by tag: the tag is not even resolved, so no byte goes to that host.",
        rejected("no-policy"),
    );
    add(
        "no-policies",
        Scene::signed(&key).policies(&[]),
        "An empty set of policies rejects everything.",
        rejected("no-policy"),
    );
    for (name, image) in [
        ("reference-empty", String::new()),
        ("reference-upper-case", "registry.example/App".to_owned()),
        ("reference-with-scheme", "https://registry.example/app".to_owned()),
        ("reference-digest-upper-case", image_with(&subject().to_uppercase().replace("SHA", "sha"))),
        ("reference-digest-md5", image_with("md5:d41d8cd98f00b204e9800998ecf8427e")),
        ("reference-image-id", "a".repeat(64)),
        ("reference-control-characters", "registry.example/a\u{1b}[31m".to_owned()),
        ("reference-two-digests", image_with(&format!("{}@{}", subject(), subject()))),
    ] {
        let scene = Scene::new(policy_of(&key)).image(&image);
        add(
            name,
            scene,
            "A text that containerd would not read as a reference is rejected, not an error.",
            rejected("reference"),
        );
    }
    let tagged = || Scene::signed(&key).image(&format!("{APP}:1.4"));
    let need = format!("resolve {APP}:1.4");
    let mut resolve = |name: &str, outcome, comment: &str, expect| {
        add(&format!("resolve-{name}"), tagged().answered(&need, outcome), comment, expect);
    };
    resolve("absent", json!({"outcome": "absent"}), "The registry says 404.", rejected("image-absent"));
    resolve(
        "not-a-digest",
        json!({"outcome": "digest", "digest": "latest"}),
        "A header that is not a digest is no answer.",
        unknown("unfetched"),
    );
    resolve(
        "digest-upper-case",
        json!({"outcome": "digest", "digest": subject().to_uppercase()}),
        "Upper-case hex is another string.",
        unknown("unfetched"),
    );
    resolve(
        "failed",
        json!({"outcome": "failed", "reason": "registry.example: 500 Internal Server Error"}),
        "A 500 says nothing about the image.",
        unknown("unfetched").text("500 Internal"),
    );
    resolve(
        "too-large",
        json!({"outcome": "tooLarge", "got": 5_000_000}),
        "A tag whose manifest does not end.",
        unknown("budget"),
    );
    resolve(
        "other-digest",
        json!({"outcome": "digest", "digest": toolbox::digest("another")}),
        "The registry points the tag elsewhere: what refers to that digest is asked for.",
        Expect::outcome("needs").text(&format!("referrers {APP}@{}", toolbox::digest("another"))),
    );
    let scene = Scene::new(policy_of(&key)).image(&format!("{APP}:1.4"));
    add("first-needs-tag", scene, "By tag, its digest is the first and only need.", Expect::outcome("needs").answer(json!({"needs": [{"id": need, "kind": "resolve", "registry": "registry.example", "repository": "app", "reference": "1.4"}]})));
    let scene = Scene::new(policy_of(&key));
    add(
        "first-needs-digest",
        scene,
        "By digest, the list of what refers to it is the first and only need.",
        Expect::outcome("needs").answer(json!({"needs": [{"kind": "referrers", "limit": 2_097_152}]})),
    );
}

fn image_with(digest: &str) -> String {
    format!("{APP}@{digest}")
}

fn signatures(book: &mut Book) {
    let (key, other) = (Key::p256(1), Key::p256(2));
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("evidence/{name}"), scene.vector("evidence", comment, expect));
    };
    let unsigned = || Scene::new(policy_of(&key));
    let need = unsigned().signature_need();
    let answered = |outcome| unsigned().answered(&need, outcome).no_referrers();
    add(
        "not-signed",
        answered(json!({"outcome": "absent"})),
        "404 for the .sig tag, and only that, means unsigned.",
        rejected("not-signed"),
    );
    add(
        "signature-image-failed",
        answered(json!({"outcome": "failed", "reason": "registry.example: 403 Forbidden"})),
        "A 403 is not a 404: fail closed, as unknown.",
        unknown("unfetched"),
    );
    add(
        "signature-image-too-large",
        answered(json!({"outcome": "tooLarge", "got": 4_194_305})),
        "More than 4 MiB is not the same as unsigned.",
        unknown("budget"),
    );
    add(
        "signature-image-as-digest",
        answered(json!({"outcome": "digest", "digest": subject()})),
        "An answer of another kind than was asked for is no answer.",
        unknown("unfetched"),
    );
    add(
        "signature-image-empty",
        unsigned().signature_image(Recipe::Text(String::new()), None).no_referrers(),
        "No bytes at all.",
        rejected("signature-image"),
    );

    let text = payload_for(APP, &subject(), r#"{"build":"77"}"#);
    let fetched = layer(&text, &key.sign(&text));
    let blob = Scene::blob_need(&text);
    let scene = || unsigned().layers(std::slice::from_ref(&fetched));
    add(
        "payload-asked-for",
        scene().no_referrers(),
        "A payload that does not follow from repository and digest is asked for, at most as much as was announced.",
        Expect::outcome("needs").answer(json!({"needs": [{"kind": "blob", "limit": text.len()}]})),
    );
    add(
        "payload-flipped",
        scene().found(&blob, Recipe::Text(text.replace("77", "76")), None).no_referrers(),
        "A payload with another digest than the one asked for.",
        rejected("payload-digest"),
    );
    add(
        "payload-cut",
        scene().found(&blob, Recipe::Text(text[..text.len() - 1].to_owned()), None).no_referrers(),
        "A payload that was cut short.",
        rejected("signature-defect").text("not 246"),
    );
    add(
        "payload-absent",
        scene().answered(&blob, json!({"outcome": "absent"})),
        "A payload that the registry lost: it can come back, so unknown.",
        unknown("unfetched"),
    );
    add(
        "payload-failed",
        scene().answered(&blob, json!({"outcome": "failed", "reason": "registry.example: timed out after 2 s"})),
        "A fetch that failed says nothing.",
        unknown("unfetched").text("timed out after 2 s"),
    );
    add(
        "payload-too-large",
        scene().answered(&blob, json!({"outcome": "tooLarge", "got": 65_537})),
        "A payload that does not end (CVE-2024-29902): it cannot be the one that the layer announces.",
        rejected("signature-defect").text("more than the 246 octets"),
    );

    let twice = Scene::signed(&key).layers(&[layer(&payload(), &other.sign(&payload()))]);
    add(
        "answered-twice",
        twice,
        "The first answer to a need stands: a later one cannot change a decision.",
        accepted(),
    );
    let twice = unsigned().answered(&need, json!({"outcome": "absent"})).no_referrers();
    add(
        "answered-twice-absent-first",
        twice.layers(&[layer(&payload(), &key.sign(&payload()))]),
        "The same with an absence first.",
        rejected("not-signed"),
    );
    let never = Scene::signed(&key)
        .found("manifest other.example/app:latest", Recipe::Text("{".to_owned()), None)
        .answered("nonsense", json!({"outcome": "failed", "reason": "x"}));
    add("never-asked", never, "Evidence for what nobody asked is not looked at.", accepted());

    let mut keyless = layer(&payload(), &other.sign(&payload()));
    keyless["annotations"]["dev.sigstore.cosign/certificate"] = json!(super::constants::CERTIFICATE);
    add(
        "other-form-keyless",
        unsigned().layers(&[keyless]).no_referrers(),
        "A legacy signature with a certificate is named as such.",
        rejected("other-key").text("cosign signature with a certificate"),
    );
}

fn amounts(book: &mut Book) {
    let key = Key::p256(1);
    // Nine payloads of 2 MiB: hosts stop at what was announced, and a host that does not meets the budget.
    let texts: Vec<String> = (0..9).map(|n| payload_for(APP, &subject(), &format!("{{\"n\":\"{n}\"}}"))).collect();
    let layers: Vec<_> = texts.iter().map(|text| layer(text, &key.sign(text))).collect();
    let scene = texts.iter().fold(Scene::new(policy_of(&key)).layers(&layers), |scene, text| {
        scene.found(&Scene::blob_need(text), Recipe::repeat("x", 2 << 20), None)
    });
    let comment = "Evidence of more than 16 MiB ends as unknown, inside the sandbox's memory.";
    let vector = scene.vector("budget", comment, unknown("budget").text("octets of evidence"));
    add(book, "evidence/over-16-mib", vector);

    let twice = Scene::signed(&key).answered("blob never.example/a@sha256:00", json!({"outcome": "found", "blob": 0}));
    let comment = "One blob for two needs would leave the second without bytes: a host must not do it, and hears so.";
    add(book, "evidence/one-blob-for-two-needs", twice.vector("message", comment, Expect::error("message-invalid")));
}
