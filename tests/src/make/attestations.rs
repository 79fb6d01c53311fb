//! Attestations that a policy asks for: under their tag and as bundles, by type, signer and what their predicates say.

use serde_json::{Value, json};

use super::dsse::{
    PROVENANCE, SIGNATURE, Stored, attestation_layer, attestations_need, bundle, changed, envelope, envelope_around,
    pae, statement_about, text,
};
use super::scene::{self, APP, MANIFEST_TYPE, MATCH, Scene, blob_need, layer, payload, policy, subject};
use super::toolbox::{self, Key};
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    aliases(book);
    forms(book);
    refused(book);
    tagged(book);
    fetches(book);
}

/// A policy that asks for one attestation by `release`; `other` is a signer whose key is another one.
pub(super) fn asks(kind: &str, conditions: &str, require: &str) -> String {
    let head = format!(
        "{MATCH}  attestations:\n    built: {{predicateType: {kind}, signer: release, predicate: {conditions}}}\n"
    );
    let (key, other) = (Key::p256(1), Key::p256(2));
    policy("app", &head, &[("release", &key.public, ""), ("other", &other.public, "")], require)
}

pub(super) const ASKED: &str = "{attestation: built}";

/// What cosign attests: version 0.1, with the repository as the subject's name.
pub(super) fn attested(predicate_type: &str, predicate: &Value) -> Value {
    changed(statement_about(predicate_type, &subject(), predicate), |it| {
        it["_type"] = json!("https://in-toto.io/Statement/v0.1");
        it["subject"][0]["name"] = json!(APP);
    })
}

pub(super) fn provenance() -> Value {
    attested(
        PROVENANCE,
        &json!({"buildType": "https://ci.example/v1", "builder": {"id": "ci"}, "steps": [{"n": 1}, {"n": 2}],
        "a/b": {"~": true}, "none": null, "count": 7}),
    )
}

impl Scene {
    /// The image under the tag of attestations has these layers.
    fn attestations(self, layers: &[Value]) -> Self {
        self.found(&attestations_need(), Recipe::Json(scene::manifest(layers)), Some(MANIFEST_TYPE))
    }

    /// These envelopes lie under the tag of attestations, annotated with this type.
    fn envelopes(self, predicate_type: &str, envelopes: &[&Value]) -> Self {
        let texts: Vec<String> = envelopes.iter().map(|it| text(it)).collect();
        let layers: Vec<Value> = texts.iter().map(|it| attestation_layer(it, predicate_type)).collect();
        texts.iter().fold(self.attestations(&layers), |scene, text| scene.fetched(text))
    }

    /// There is no image under the tag of attestations.
    pub(super) fn no_attestations(self) -> Self {
        self.answered(&attestations_need(), json!({"outcome": "absent"}))
    }
}

fn aliases(book: &mut Book) {
    let key = Key::p256(1);
    for (alias, predicate_type) in [
        ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
        ("link", "https://in-toto.io/Link/v1"),
        ("spdx", "https://spdx.dev/Document"),
        ("spdxjson", "https://spdx.dev/Document"),
        ("cyclonedx", "https://cyclonedx.org/bom"),
        ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
        ("openvex", "https://openvex.dev/ns"),
        ("custom", "https://cosign.sigstore.dev/attestation/v1"),
        ("https://example.com/p/v1", "https://example.com/p/v1"),
    ] {
        let said = envelope(&key, &text(&attested(predicate_type, &json!({}))));
        let scene = Scene::new(asks(alias, "{}", ASKED)).envelopes(predicate_type, &[&said]);
        let comment = "cosign's name for a predicate type, in a policy; an attestation as cosign 2 stores it.";
        let name = alias.rsplit("//").next().unwrap_or(alias).replace(['/', '.'], "-");
        add(book, &format!("accept/attestation-{name}"), scene.vector("policy", comment, accepted()));
    }
}

fn forms(book: &mut Book) {
    let (key, other) = (Key::p256(1), Key::p256(2));
    let mut add = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("accept/attestation-{name}"), scene.vector("evidence", comment, expect));
    };
    let of = |require: &str| Scene::new(asks(PROVENANCE, "{}", require));
    let stored = || Stored::new(&bundle(&key, &provenance())).typed(PROVENANCE);
    let place =
        |holder: &str| json!({"verdict": {"policies": [{"tree": {"signature": {"holder": holder, "number": 1}}}]}});
    add("bundle", of(ASKED).stored(&[stored()]), "As cosign 3 stores it.", accepted().answer(place("bundle")));
    let tagged = || of(ASKED).envelopes(PROVENANCE, &[&envelope(&key, &text(&provenance()))]);
    add("tag", tagged(), "As cosign 2 stores it.", accepted().answer(place("attestation")));
    add(
        "unannotated",
        of(ASKED).stored(&[stored().untyped()]),
        "Nobody says what it is: the statement does.",
        accepted(),
    );
    let signatures = envelope(&key, &text(&provenance()));
    let several = changed(envelope(&other, &text(&provenance())), |it| {
        let more = signatures["signatures"][0].clone();
        it["signatures"].as_array_mut().expect("a list").push(more);
    });
    add(
        "several-signatures",
        of(ASKED).envelopes(PROVENANCE, &[&several]),
        "A legacy envelope may have several signatures: one by the pinned key is enough.",
        accepted(),
    );
    let twice = changed(several, |it| it["signatures"][0]["keyid"] = json!("any"));
    let extra = changed(twice, |it| it["extra"] = json!("not signed, not read"));
    add(
        "unknown-member",
        of(ASKED).envelopes(PROVENANCE, &[&extra]),
        "Members of an envelope that nobody knows are ignored (DSSE envelope.md: consumers MUST).",
        accepted(),
    );
    add(
        "among-junk",
        of(ASKED).envelopes(PROVENANCE, &[&json!({}), &envelope(&other, &text(&provenance())), &signatures]),
        "Errors of other attestations do not matter.",
        accepted(),
    );
    let both = || of("{allOf: [release, {attestation: built}]}");
    add(
        "and-signature",
        both().envelopes(PROVENANCE, &[&signatures]).layers(&[layer(&payload(), &key.sign(&payload()))]),
        "A signature and an attestation, each under its tag.",
        accepted(),
    );
    let signature = Stored::new(&bundle(&key, &super::dsse::statement()));
    add("and-signature-bundles", both().stored(&[stored(), signature]), "Both as bundles.", accepted());
    add(
        "of-two-types",
        of(ASKED).stored(&[
            Stored::new(&bundle(&key, &attested("https://spdx.dev/Document", &json!({})))).untyped(),
            stored(),
        ]),
        "An attestation of another type beside it.",
        accepted(),
    );
}

fn refused(book: &mut Book) {
    let (key, other) = (Key::p256(1), Key::p256(2));
    let mut case = |name: &str, statement: &Value, key: &Key, comment: &str, expect: Expect| {
        for (form, scene) in [
            (
                "bundle",
                Scene::new(asks(PROVENANCE, "{}", ASKED))
                    .stored(&[Stored::new(&bundle(key, statement)).typed(PROVENANCE)])
                    .no_attestations(),
            ),
            (
                "tag",
                Scene::new(asks(PROVENANCE, "{}", ASKED)).envelopes(PROVENANCE, &[&envelope(key, &text(statement))]),
            ),
        ] {
            add(book, &format!("attestation/{name}-{form}"), scene.vector("statement", comment, expect.clone()));
        }
    };
    case(
        "other-key",
        &provenance(),
        &other,
        "By a key that nobody pinned.",
        rejected("other-key").text("1 of 1 attestations"),
    );
    let sbom = attested("https://spdx.dev/Document", &json!({}));
    let comment = "GHSA-739f-hw6h-7wq8: an SBOM, annotated as provenance.";
    case("other-type", &sbom, &key, comment, rejected("wrong-predicate-type").text("https://spdx.dev/Document"));
    let signature = attested(SIGNATURE, &json!({}));
    let comment = "A signature, annotated as provenance.";
    case("a-signature", &signature, &key, comment, rejected("wrong-predicate-type").text(SIGNATURE));
    let elsewhere = changed(provenance(), |it| it["subject"][0]["digest"]["sha256"] = json!("a".repeat(64)));
    case("other-image", &elsewhere, &key, "About another image.", rejected("wrong-digest"));
    let named = changed(provenance(), |it| it["subject"][0]["name"] = json!("registry.example/other"));
    case("other-repository", &named, &key, "About another repository's image.", rejected("wrong-identity"));
    let old = changed(provenance(), |it| it["_type"] = json!("https://in-toto.io/Statement/v0.2"));
    case("other-statement", &old, &key, "A statement of no known version.", rejected("payload").text("statement type"));
}

fn tagged(book: &mut Book) {
    let key = Key::p256(1);
    let said = text(&provenance());
    let good = envelope(&key, &said);
    let mut case = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("attestation/{name}"), scene.vector("envelope", comment, expect));
    };
    let of = || Scene::new(asks(PROVENANCE, "{}", ASKED));
    let plain = envelope_around(&said, &key.sign(&said));
    let by_other = || rejected("other-key");
    case(
        "signed-payload-only",
        of().envelopes(PROVENANCE, &[&plain]),
        "Over the payload, not over its encoding.",
        by_other(),
    );
    let typed = changed(envelope_around(&said, &key.sign(&pae("text/plain", &said))), |it| {
        it["payloadType"] = json!("text/plain")
    });
    case(
        "payload-type",
        of().envelopes(PROVENANCE, &[&typed]),
        "Signed by the key, as text: what a signer did not mean as a statement is none.",
        rejected("payload").text("payload type \"text/plain\""),
    );
    let renamed = changed(typed, |it| it["payloadType"] = json!("application/vnd.in-toto+json"));
    case(
        "payload-type-changed",
        of().envelopes(PROVENANCE, &[&renamed]),
        "The same, renamed: the type is signed.",
        by_other(),
    );
    let many = changed(good.clone(), |it| it["signatures"] = json!(vec![it["signatures"][0].clone(); 17]));
    case(
        "17-signatures",
        of().envelopes(PROVENANCE, &[&many]),
        "Signatures have a limit.",
        rejected("signature-defect").text("17 signatures"),
    );
    let none = changed(good.clone(), |it| it["signatures"] = json!([]));
    case(
        "no-signature",
        of().envelopes(PROVENANCE, &[&none]),
        "None.",
        rejected("signature-defect").text("no signature"),
    );
    case(
        "a-bundle",
        of().envelopes(PROVENANCE, &[&bundle(&key, &provenance())]),
        "A bundle where an envelope is expected.",
        rejected("signature-defect").text("no payload"),
    );
    let document = text(&good);
    let signature =
        changed(attestation_layer(&document, PROVENANCE), |it| it["mediaType"] = json!(scene::PAYLOAD_TYPE));
    case(
        "signature-layer",
        of().attestations(&[signature]),
        "A layer of the type that signatures have.",
        rejected("signature-defect").text("media type"),
    );
    let large = changed(attestation_layer(&document, PROVENANCE), |it| it["size"] = json!(4_194_305));
    case(
        "over-4-mib",
        of().attestations(&[large]),
        "CVE-2024-29903: not fetched.",
        rejected("signature-defect").text("4194305"),
    );
    let sized = changed(attestation_layer(&document, PROVENANCE), |it| it["size"] = json!(5000));
    case(
        "size",
        of().attestations(&[sized]).found(
            &blob_need(APP, &document).replace(&document.len().to_string(), "5000"),
            Recipe::Text(document.clone()),
            None,
        ),
        "Another size than announced.",
        rejected("signature-defect").text("not 5000"),
    );
    case(
        "no-layers",
        of().attestations(&[]),
        "An image without layers.",
        rejected("nothing-found").text("no attestation of type"),
    );
    let hidden = of().attestations(&[attestation_layer(&document, "https://spdx.dev/Document")]);
    case(
        "annotated-as-other",
        hidden,
        "Annotated as of another type: named, not fetched. An annotation can only withhold.",
        rejected("nothing-found").text("attestation of type https://spdx.dev/Document"),
    );
    case(
        "none",
        of().no_attestations(),
        "404 for the tag, and no bundle: not attested.",
        rejected("not-attested").text(".att"),
    );
    let index = Recipe::Json(super::dsse::list(&[]));
    case(
        "an-index",
        of().found(&attestations_need(), index, None),
        "An index under the tag.",
        rejected("signature-image").text("an index"),
    );
    case(
        "only-signed",
        of().layers(&[layer(&payload(), &key.sign(&payload()))]).no_attestations(),
        "A signature is no attestation; its tag is not even asked for.",
        rejected("not-attested"),
    );
    let both = asks(PROVENANCE, "{}", "{allOf: [release, {attestation: built}]}");
    case(
        "only-attested",
        Scene::new(both).envelopes(PROVENANCE, &[&good]).no_tag(),
        "CVE-2022-35929: an attestation is no signature.",
        rejected("not-signed"),
    );
}

fn fetches(book: &mut Book) {
    let key = Key::p256(1);
    let mut case = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("evidence/attestations-{name}"), scene.vector("evidence", comment, expect));
    };
    let of = || Scene::new(asks(PROVENANCE, "{}", ASKED));
    let document = text(&envelope(&key, &text(&provenance())));
    let listed = || of().attestations(&[attestation_layer(&document, PROVENANCE)]);
    let blob = Scene::blob_need(&document);
    let failed = || json!({"outcome": "failed", "reason": "registry.example: 500"});
    let large = |got: usize| json!({"outcome": "tooLarge", "got": got});
    case("failed", of().answered(&attestations_need(), failed()), "A 500 for the tag.", unknown("unfetched"));
    case(
        "too-large",
        of().answered(&attestations_need(), large(2_000_000)),
        "An image that does not end.",
        unknown("budget"),
    );
    case("envelope-failed", listed().answered(&blob, failed()), "A 500 for the envelope.", unknown("unfetched"));
    case(
        "envelope-absent",
        listed().answered(&blob, json!({"outcome": "absent"})),
        "An envelope that the registry lost.",
        unknown("unfetched"),
    );
    case(
        "envelope-too-large",
        listed().answered(&blob, large(9000)),
        "CVE-2024-29903: an envelope that does not end.",
        rejected("signature-defect").text("octets that are announced"),
    );
    case(
        "envelope-other-bytes",
        listed().found(&blob, Recipe::Text(document.replace("sig", "gis")), None),
        "An envelope with another digest.",
        rejected("payload-digest"),
    );
    case(
        "asked-for",
        listed().no_referrers(),
        "The envelope is asked for, at most as much as was announced.",
        Expect::outcome("needs").answer(
            json!({"needs": [{"kind": "blob", "reference": toolbox::digest(&document), "limit": document.len()}]}),
        ),
    );
    let bundle = Stored::new(&bundle(&key, &provenance())).typed(PROVENANCE);
    case("failed-bundle-holds", of().stored(&[bundle]), "A bundle holds: the tag is not asked for.", accepted());
}
