//! Amounts of what refers to an image: how much one decision looks at, fetches and takes in.

use serde_json::json;

use super::dsse::{BUNDLE, PROVENANCE, Stored, bundle, list_around, statement, text};
use super::scene::{self, APP, MATCH, Scene, policy, policy_of, subject};
use super::toolbox::Key;
use super::{Book, accepted, add, unknown};
use crate::recipe::{Recipe, Repeat};

/// Descriptors of bundles that are all different; `{n}` becomes their number.
fn many(count: usize, size: usize) -> Recipe {
    let descriptor = text(&json!({"mediaType": scene::MANIFEST_TYPE, "artifactType": BUNDLE, "size": size,
        "digest": format!("sha256:{{n}}{}", "0".repeat(60))}));
    Recipe::Repeat(Repeat { text: descriptor, count, separator: ",".to_owned() })
}

pub(super) fn write(book: &mut Book) {
    let key = Key::p256(1);
    let good = Stored::new(&bundle(&key, &statement()));
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("budget/{name}"), scene.vector("budget", comment, expect));
    };
    let descriptor = || Recipe::Text(format!(",{}", text(&good.descriptor())));
    let last = |before: Recipe| {
        let list = list_around(Recipe::Concat(vec![before, descriptor()]));
        let manifest = Recipe::Text(good.manifest_text());
        let scene = Scene::new(policy_of(&key)).referrers(list);
        let scene = scene.found(&good.manifest_need(APP), manifest, Some(scene::MANIFEST_TYPE));
        scene.found(&good.blob_need(APP), good.content.clone(), None)
    };
    add(
        "bundle-last-of-1000",
        last(many(999, 4097)),
        "1,000 bundles are looked at, and manifests that are too large for one cost no request.",
        accepted(),
    );
    let over = || last(many(1000, 4097)).no_tag();
    add(
        "1001-bundles",
        over(),
        "CVE-2023-46737 for bundles: more than are looked at.",
        unknown("budget").text("1001 signatures"),
    );
    add(
        "1001-bundles-legacy-holds",
        Scene::signed(&key).referrers(list_around(many(1001, 500))),
        "Whoever can fill the list cannot take a legacy signature away with it.",
        accepted(),
    );
    let other = text(&json!({"mediaType": scene::MANIFEST_TYPE, "artifactType": "application/spdx+json", "size": 9,
        "digest": format!("sha256:{{n}}{}", "0".repeat(60))}));
    let many_others = Recipe::Repeat(Repeat { text: other, count: 2000, separator: ",".to_owned() });
    add("2000-other-artifacts", last(many_others), "Artifacts of other types do not count toward it.", accepted());

    let head = format!("{MATCH}  attestations:\n    built: {{predicateType: {PROVENANCE}, signer: release}}\n");
    let attested = policy("app", &head, &[("release", &key.public, "")], "{attestation: built}");
    let large = |octet: &str| Stored::bytes(Recipe::repeat(octet, 4 << 20)).typed(PROVENANCE);
    let [a, b] = ["a", "b"].map(large);
    let statement = super::dsse::statement_about(PROVENANCE, &subject(), &json!({}));
    let provenance = Stored::new(&bundle(&key, &statement)).typed(PROVENANCE);
    let no_att = |scene: Scene| scene.answered(&super::dsse::attestations_need(), json!({"outcome": "absent"}));
    // Whichever of them is fetched, the other one is not.
    let whole = |all: &[Stored]| no_att(Scene::new(attested.clone()).stored(all));
    let reason = || unknown("budget").text("octets of bundles and attestations");
    add(
        "bundles-over-6-mib",
        whole(&[a.clone(), b.clone()]),
        "Two bundles of 4 MiB: one is not fetched, and might be the one.",
        reason(),
    );
    add(
        "bundles-over-6-mib-small-behind",
        Scene::new(attested.clone()).stored(&[a.clone(), b.clone(), provenance.clone()]),
        "The smallest come first: what is large cannot crowd out what is small.",
        accepted(),
    );
    let padding = (4 << 20) - provenance.content.bytes().len();
    let padded = Recipe::Concat(vec![provenance.content, Recipe::repeat(" ", padding)]);
    let padded = Stored::bytes(padded).typed(PROVENANCE);
    let [c, d] = ["c", "d"].map(|octet| Stored::bytes(Recipe::repeat(octet, 3 << 20)).typed(PROVENANCE));
    let all = [padded, c, d];
    let beyond = all.iter().fold(Scene::new(attested).listed(&all), |scene, stored| {
        scene.found(&stored.manifest_need(APP), Recipe::Text(stored.manifest_text()), Some(scene::MANIFEST_TYPE))
    });
    let beyond =
        all[1..].iter().fold(beyond, |scene, stored| scene.found(&stored.blob_need(APP), stored.content.clone(), None));
    add(
        "bundles-over-6-mib-good-large",
        no_att(beyond),
        "What is too large beside two others was not looked at, though it would hold: unknown, and not a reject.",
        reason(),
    );

    let names = ["one", "two", "three", "four", "five"];
    let more: Vec<String> =
        names.iter().map(|name| format!("        signatureRepository: registry.example/{name}\n")).collect();
    let signers: Vec<_> =
        names.iter().zip(&more).map(|(name, more)| (*name, key.public.as_str(), more.as_str())).collect();
    let text = policy("app", MATCH, &signers, &format!("{{anyOf: [{}]}}", names.join(", ")));
    let scene = names.iter().fold(Scene::new(text), |mut scene, name| {
        scene.repository = format!("registry.example/{name}");
        scene.referrers(list_around(many(900, 9)))
    });
    add(
        "4096-things",
        scene,
        "Five lists of 900 bundles: each is within its limits, and together they are more than one decision fetches.",
        unknown("budget").text("things to fetch"),
    );
}
