//! Images that were signed with Notation: what is accepted, and what fails by which check.

use serde_json::{Value, json};

use super::dsse::{Stored, changed, list, list_around, text};
use super::notation::{
    ARTIFACT_TYPE, COSE, INTERMEDIATE, JWS, NOW, ROOT, SAME_KEY, Signing, TSA_ROOT, asks, digest, image_manifest,
    image_need, key, material, policy_of, scene, signed, signer, signer_with, stored, unchecked,
};
use super::scene::{APP, MANIFEST_TYPE, MATCH, Scene, layer, payload_for};
use super::toolbox::{self, Key};
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::{Recipe, Repeat};

pub(super) fn write(book: &mut Book) {
    accepted_ones(book);
    rounds(book);
    integrity(book);
    targets(book);
    signers(book);
    times(book);
    places(book);
    thresholds(book);
}

fn good() -> Stored {
    Signing::new().stored()
}

fn accepted_ones(book: &mut Book) {
    let mut case = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("notation/{name}"), scene.vector("notation", comment, expect));
    };
    let by = || accepted().text("CN=p256");
    case("jws", signed(asks(signer()), &[good()]), "An envelope in JSON, by a signer under a pinned root.", by());
    let cose = stored(Recipe::of(&Signing::new().cose()), COSE);
    case("cose", signed(asks(signer()), &[cose]), "The same in CBOR.", by());
    let scene = scene(asks(signer())).image(&format!("{APP}:1.4")).stored(&[good()]);
    let scene = scene.found(&format!("manifest {APP}:1.4"), Recipe::Text(image_manifest()), Some(MANIFEST_TYPE));
    let scene = scene.answers(material!("revocation/empty.crl")).of_the_root();
    case("by-tag", scene, "By tag: the manifest that came for it is the artifact, and is not asked for again.", by());
    let written = good().without("artifactType").manifest(|it| it["config"]["mediaType"] = json!(ARTIFACT_TYPE));
    let written = written.listed_with("artifactType", json!(ARTIFACT_TYPE));
    case("config-type", signed(asks(signer()), &[written]), "As notation stores it: the config has the type.", by());
    let pinned = signer_with("trustStores", json!({"ca": [INTERMEDIATE]}));
    case("intermediate", signed(asks(pinned), &[good()]), "An intermediate may be pinned.", by());
    let named = signer_with("trustedIdentities", json!(["x509.subject: C=US, ST=WA, O=Bulla Test, CN=p256"]));
    case("identity", signed(asks(named), &[good()]), "The subject has all that the identity has.", by());
    let wanting = signer_with("metadata", json!({"team": "builders"}));
    case("metadata", signed(asks(wanting), &[good()]), "Metadata that is asked for was signed.", by());
    let authority = signer_with("trustStores", json!({"signingAuthority": [ROOT]}));
    let scene = signed(asks(authority), &[Signing::authority().stored()]);
    case("authority", scene, "A signing authority, pinned as one.", by());
    let own = signer_with("trustStores", json!({"ca": [SAME_KEY]}));
    let alone = Signing::new().chain(&[SAME_KEY]).stored();
    let comment = "A certificate that nobody else issued, pinned itself. Nobody could revoke it.";
    case("self-signed", unchecked(asks(own), &[alone]), comment, accepted().text("CN=same key"));
    let broken = Signing::new().target(|it| it["size"] = json!(1)).stored();
    let scene = signed(asks(signer()), &[broken, good()]);
    case("second", scene, "A signature that does not count beside one that does.", by());
}

fn rounds(book: &mut Book) {
    let mut case = |name: &str, scene: Scene, comment: &str, needs: Value| {
        let expect = Expect::outcome("needs").answer(json!({ "needs": needs }));
        add(book, &format!("needs/notation-{name}"), scene.vector("evidence", comment, expect));
    };
    let tag = scene(asks(signer())).image(&format!("{APP}:1.4"));
    let need = json!([{"kind": "manifest", "reference": "1.4"}]);
    case("1-tag", tag, "Who needs the manifest has its digest with it.", need);
    let unasked = || scene(asks(signer()));
    let need = json!([{"kind": "referrers", "reference": digest()}]);
    case("2-list", unasked(), "What refers to the digest.", need);
    let good = good();
    let listed = || unasked().listed(std::slice::from_ref(&good));
    let limit = good.manifest_text().len();
    let need = json!([{"kind": "manifest", "reference": good.digest(), "limit": limit}]);
    case("3-manifest", listed(), "The manifest of the signature, at most as much as the list says.", need);
    let scene = listed().found(&good.manifest_need(APP), Recipe::Text(good.manifest_text()), Some(MANIFEST_TYPE));
    let content = good.content.bytes();
    let need = json!([{"kind": "blob", "reference": toolbox::digest(&content), "limit": content.len()},
        {"kind": "manifest", "reference": digest()}]);
    case("4-blob", scene, "The envelope, and the image's own manifest: media type and size are signed.", need);
    let need = json!([{"kind": "crl", "id": "crl http://pki.example/ca.crl"},
        {"kind": "crl", "id": "crl http://pki.example/root.crl"}]);
    let scene = unchecked(asks(signer()), &[good]);
    case("5-crls", scene, "What the certificates name, once the chain has reached a pinned one.", need);
}

/// A signature that fails: everything was fetched.
fn fails(book: &mut Book, name: &str, stored: Stored, comment: &str, expect: Expect) {
    let scene = signed(asks(signer()), &[stored]);
    add(book, &format!("notation/{name}"), scene.vector("notation", comment, expect));
}

fn integrity(book: &mut Book) {
    let mut case =
        |name: &str, stored: Stored, comment: &str, expect: Expect| fails(book, name, stored, comment, expect);
    let no = || rejected("notation-integrity");
    let changed_jws =
        |change: &dyn Fn(&mut Value)| stored(Recipe::Text(text(&changed(Signing::new().jws(), change))), JWS);
    let other = Signing::new().target(|it| it["annotations"]["team"] = json!("others")).jws();
    let moved = changed_jws(&|it| it["payload"] = other["payload"].clone());
    case("payload-changed", moved, "The signature of one payload over another.", no().text("does not hold"));
    let moved = changed_jws(&|it| it["signature"] = other["signature"].clone());
    case("signature-moved", moved, "Another signature by the same key.", no().text("does not hold"));
    let others = Signing::new().chain(&[SAME_KEY, ROOT]).stored();
    case("chain-broken", others, "Certificates that did not issue each other.", no());
    let short = Signing::new().chain(&[super::notation::LEAF]).stored();
    case("chain-short", short, "A chain that ends before its root.", no());
    let mut broken = |name: &str, stored: Stored, comment: &str, text: &str| {
        case(name, stored, comment, rejected("signature-defect").text(text));
    };
    let other = Signing::new().header(|it| it["alg"] = json!("ES384")).stored();
    broken("other-algorithm", other, "The certificate's key fixes the algorithm.", "key of the signing");
    let none = Signing::new().header(|it| it["alg"] = json!("none")).stored();
    broken("algorithm-none", none, "RFC 7518 knows `none`; the specification does not.", "is not supported");
    let symmetric = Signing::new().header(|it| it["alg"] = json!("HS256")).stored();
    broken("algorithm-hs256", symmetric, "The certificate as the secret of a MAC.", "is not supported");
    let plugin = Signing::new().header(|it| {
        it["crit"].as_array_mut().expect("a list").push(json!("io.cncf.notary.verificationPlugin"));
        it["io.cncf.notary.verificationPlugin"] = json!("example");
    });
    broken("plugin", plugin.stored(), "It asks for a plugin, which nobody runs here.", "plugin");
    let critical = Signing::new().header(|it| {
        it["crit"].as_array_mut().expect("a list").push(json!("x"));
        it["x"] = json!(1);
    });
    broken("critical-unknown", critical.stored(), "A critical header that nobody knows.", "x");
    let silent = Signing::new().header(|it| it["crit"] = json!(["io.cncf.notary.signingScheme"]));
    broken("expiry-not-critical", silent.stored(), "An expiry that old readers would overlook.", "expiry");
    let twice = Recipe::Text(text(&Signing::new().jws()).replacen('{', r#"{"payload":"e30","#, 1));
    broken("member-twice", stored(twice, JWS), "Two payloads: readers pick different ones.", "payload");
    let long = [Signing::new().cose(), vec![0]].concat();
    broken("cose-followed", stored(Recipe::of(&long), COSE), "One octet after the message.", "COSE");
}

fn targets(book: &mut Book) {
    let mut case = |name: &str, change: &dyn Fn(&mut Value), comment: &str, text: &str| {
        let stored = Signing::new().target(change).stored();
        fails(book, name, stored, comment, rejected("notation-target").text(text));
    };
    let other = toolbox::digest("another image");
    case("other-digest", &|it| it["digest"] = json!(other), "Signed for another image.", &other);
    case("other-size", &|it| it["size"] = json!(1), "Another size under the same digest.", "1 octets were signed");
    let index = "application/vnd.oci.image.index.v1+json";
    case("other-type", &|it| it["mediaType"] = json!(index), "Signed as an index.", "it was signed as");
    let recorded = stored(Recipe::of(material!("envelopes/p256.jws")), JWS);
    let comment = "A real envelope of notation's, for another image, laid beside this one.";
    fails(book, "laid-beside", recorded, comment, rejected("notation-target").text("was signed, not"));
    let mut wants = |name: &str, metadata: Value, comment: &str, text: &str| {
        let scene = signed(asks(signer_with("metadata", metadata)), &[good()]);
        let expect = rejected("notation-metadata").text(text);
        add(book, &format!("notation/{name}"), scene.vector("notation", comment, expect));
    };
    wants("metadata-missing", json!({"stage": "production"}), "Metadata that was not signed.", "was not signed");
    wants("metadata-different", json!({"team": "others"}), "Metadata with another value.", "builders");
}

fn signers(book: &mut Book) {
    let mut case = |name: &str, signer: Value, signing: Signing, comment: &str, text: &str| {
        let scene = signed(asks(signer), &[signing.stored()]);
        let expect = rejected("notation-authenticity").text(text);
        add(book, &format!("notation/{name}"), scene.vector("notation", comment, expect));
    };
    let others = signer_with("trustStores", json!({"ca": [SAME_KEY]}));
    let comment = "Another certificate is pinned; that it has the same key is not the same.";
    case("other-root", others, Signing::new(), comment, "reaches no pinned certificate");
    let kinds = signer_with("trustStores", json!({"signingAuthority": [ROOT]}));
    let comment = "The root is pinned for signing authorities only.";
    case("other-store", kinds, Signing::new(), comment, "no certificate is pinned for the signing scheme");
    let comment = "A signing authority under a root that is pinned for signers.";
    case("authority-as-signer", signer(), Signing::authority(), comment, "notary.x509.signingAuthority");
    let stamps = signer_with("trustStores", json!({"ca": [SAME_KEY], "tsa": [TSA_ROOT]}));
    let comment = "An authority for timestamps makes nobody a signer.";
    case("timestamp-store", stamps, Signing::new(), comment, "reaches no pinned certificate");
    for (name, identity, comment) in [
        ("other-name", "C=US, ST=WA, O=Bulla Test, CN=p384", "Another common name."),
        ("more-than-there-is", "C=US, ST=WA, O=Bulla Test, OU=builders", "An attribute that the subject lacks."),
    ] {
        let named = signer_with("trustedIdentities", json!([format!("x509.subject: {identity}")]));
        case(name, named, Signing::new(), comment, "is not one of the trusted identities");
    }
}

fn times(book: &mut Book) {
    let mut case = |name: &str, signer: Value, signing: Signing, now: i64, comment: &str, expect: Expect| {
        let scene = signed(asks(signer), &[signing.stored()]).asked(json!({ "now": now }));
        add(book, &format!("notation/{name}"), scene.vector("notation", comment, expect));
    };
    let until = |moment: &str| Signing::new().header(|it| it["io.cncf.notary.expiry"] = json!(moment));
    let comment = "It expires at the moment of the question.";
    let expect = rejected("notation-expiry").text("2026-12-01T00:00:00Z");
    case("expired", signer(), until("2026-12-01T00:00:00Z"), NOW, comment, expect);
    case("expires-next", signer(), until("2026-12-01T00:00:01Z"), NOW, "It expires a second later.", accepted());
    let stamped = signer_with("trustStores", json!({"ca": [ROOT], "tsa": [TSA_ROOT]}));
    let comment = "Whoever pins an authority for timestamps wants one.";
    let expect = rejected("notation-timestamp").text("there is no timestamp");
    case("no-timestamp", stamped.clone(), Signing::new(), NOW, comment, expect);
    let after = changed(stamped, |it| it["verifyTimestamp"] = json!("afterCertExpiry"));
    let comment = "One that is wanted only after a certificate has expired.";
    case("timestamp-not-due", after, Signing::new(), NOW, comment, accepted());
    let lasting = Signing::new().header(|it| {
        it["crit"] = json!(["io.cncf.notary.signingScheme"]);
        it.as_object_mut().expect("an object").remove("io.cncf.notary.expiry");
    });
    let comment = "Certificates that have expired, and nothing shows that the signature is older.";
    case(
        "certificate-expired",
        signer(),
        lasting,
        2_400_000_000,
        comment,
        rejected("notation-timestamp").text("valid"),
    );
}

fn places(book: &mut Book) {
    let mut case = |name: &str, stored: Stored, comment: &str, text: &str| {
        fails(book, name, stored, comment, rejected("signature-defect").text(text));
    };
    let two = good().manifest(|it| {
        let first = it["layers"][0].clone();
        it["layers"].as_array_mut().expect("a list").push(first);
    });
    case("two-layers", two, "Two layers: which one is the signature?", "2 layers, expected one");
    let elsewhere = good().manifest(|it| it["subject"]["digest"] = json!(toolbox::digest("x")));
    case("other-subject", elsewhere, "The list says that it refers to the image; it does not.", "sha256:");
    case("no-subject", good().without("subject"), "It refers to nothing.", "subject");
    let lying = good().manifest(|it| it["artifactType"] = json!("application/spdx+json"));
    let lying = lying.listed_with("artifactType", json!(ARTIFACT_TYPE));
    case("other-artifact", lying, "The list calls it a signature; it does not.", "application/spdx+json");
    let plain = good().manifest(|it| it["layers"][0]["mediaType"] = json!("application/json"));
    case("other-envelope-type", plain, "A layer that is no envelope.", "is no signature envelope's");
    let mut rest = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("notation/{name}"), scene.vector("notation", comment, expect));
    };
    let none = "Nothing refers to the image.";
    rest("no-referrers", scene(asks(signer())).no_referrers(), none, rejected("nothing-found"));
    let other = scene(asks(signer())).referrers(Recipe::Json(list(&[json!({"mediaType": MANIFEST_TYPE,
        "artifactType": "application/spdx+json", "digest": toolbox::digest("x"), "size": 1})])));
    rest(
        "other-referrer",
        other,
        "Something else refers to it, which is named.",
        rejected("nothing-found").text("spdx"),
    );
    let failed = scene(asks(signer())).answered(
        &format!("referrers {APP}@{}", digest()),
        json!({"outcome": "failed", "reason": "registry.example: 500"}),
    );
    rest("list-failed", failed, "The list cannot be had.", unknown("unfetched").text("500"));
    let entry = format!(
        r#"{{"mediaType":"{MANIFEST_TYPE}","artifactType":"{ARTIFACT_TYPE}","size":9,"digest":"sha256:{}{{n}}"}}"#,
        "0".repeat(60)
    );
    let many = |count| list_around(Recipe::Repeat(Repeat { text: entry.clone(), count, separator: ",".to_owned() }));
    let comment = "One more than are looked at: that is not unsigned.";
    let expect = unknown("budget").text("101 Notation signatures");
    rest("101-signatures", scene(asks(signer())).referrers(many(101)), comment, expect);
    let twice = |signing: &Signing| {
        let second = signing.stored().manifest(|it| it["annotations"] = json!({"x": "y"}));
        let scene = scene(asks(signer())).listed(&[signing.stored(), second.clone()]);
        let first = signing.stored();
        let manifest = |stored: &Stored| Recipe::Text(stored.manifest_text());
        let scene = scene.found(&first.manifest_need(APP), manifest(&first), Some(MANIFEST_TYPE));
        let scene = scene.found(&second.manifest_need(APP), manifest(&second), Some(MANIFEST_TYPE));
        let scene = scene.found(&first.blob_need(APP), first.content.clone(), None);
        scene.found(&image_need(), Recipe::Text(image_manifest()), Some(MANIFEST_TYPE))
    };
    let wrong = Signing::new().target(|it| it["size"] = json!(1));
    let once = json!({"verdict": {"policies": [{"tree": {"reasons": [{"code": "notation-target"}]}}]}});
    let comment = "The same envelope under two manifests is one signature.";
    rest("envelope-twice", twice(&wrong), comment, rejected("notation-target").answer(once));
    let good = good();
    let brought = |content: &str| {
        let listed = scene(asks(signer())).listed(std::slice::from_ref(&good));
        let manifest = Recipe::Text(good.manifest_text());
        let scene = listed.found(&good.manifest_need(APP), manifest, Some(MANIFEST_TYPE));
        let scene = scene.found(&good.blob_need(APP), Recipe::Text(content.to_owned()), None);
        scene.found(&image_need(), Recipe::Text(image_manifest()), Some(MANIFEST_TYPE))
    };
    let content = String::from_utf8(good.content.bytes()).expect("JSON");
    let comment = "Other octets than the manifest names.";
    rest("blob-changed", brought(&content.replacen('"', "'", 1)), comment, rejected("payload-digest"));
    let mut image = |name: &str, content: &str, comment: &str, expect: Expect| {
        let scene = scene(asks(signer())).stored(std::slice::from_ref(&good));
        let scene = scene.found(&image_need(), Recipe::Text(content.to_owned()), Some(MANIFEST_TYPE));
        rest(name, scene, comment, expect);
    };
    let comment = "For the image's digest the registry gave something else: what was signed cannot be compared.";
    image("image-changed", &image_manifest().replace("a", "b"), comment, unknown("unfetched"));
}

/// Both of two signers, who have to be different.
const BOTH: &str = "{atLeast: 2, of: [a, b]}";

fn thresholds(book: &mut Book) {
    let mut case = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("notation/{name}"), scene.vector("policy", comment, expect));
    };
    let notation = |signer: Value| json!({ "notation": signer });
    let cosign = |key: &Key| json!({"cosign": {"publicKey": key.public}});
    let two = |first: Value, second: Value, require: &str| policy_of(MATCH, &[("a", first), ("b", second)], require);
    let narrow = signer_with("trustedIdentities", json!(["x509.subject: C=US, ST=WA, O=Bulla Test"]));
    let policy = two(notation(signer()), notation(narrow), BOTH);
    let comment = "One certificate under two signers is one.";
    case("certificate-counts-once", signed(policy, &[good()]), comment, rejected("threshold").text("1 of 2"));
    let own = signer_with("trustStores", json!({"ca": [SAME_KEY]}));
    let alone = Signing::new().chain(&[SAME_KEY]).stored();
    let policy = two(notation(signer()), notation(own), BOTH);
    let comment = "Two certificates of one key are one.";
    case("key-counts-once", signed(policy, &[good(), alone]), comment, rejected("threshold").text("1 of 2"));
    let said = payload_for(APP, &digest(), "null");
    let by = |key: &Key| layer(&said, &key.sign(&said));
    let policy = two(notation(signer()), cosign(&key()), BOTH);
    let comment = "A signature of each system by one key: that is one.";
    let scene = signed(policy, &[good()]).layers(&[by(&key())]);
    case("key-of-cosign-counts-once", scene, comment, rejected("threshold").text("1 of 2"));
    let other = Key::p256(1);
    let scene = signed(two(notation(signer()), cosign(&other), BOTH), &[good()]).layers(&[by(&other)]);
    case("two-systems", scene, "A signature of each system, by two keys.", accepted());
    let any = || two(notation(signer()), cosign(&other), "{anyOf: [a, b]}");
    let scene = super::notation::scene(any()).no_referrers().layers(&[by(&other)]);
    case("any-of-cosign", scene, "Not by Notation, but by cosign.", accepted());
    let scene = signed(any(), &[good()]).no_signatures();
    case("any-of-notation", scene, "Not by cosign, but by Notation.", accepted());
    let unfetched = unchecked(any(), &[good()]).no_signatures().of_the_root();
    let need = "crl http://pki.example/ca.crl";
    let scene = unfetched.answered(need, json!({"outcome": "failed", "reason": "pki.example: timed out"}));
    case("any-of-unknown", scene, "Not by cosign, and of Notation it is not known.", unknown("notation-unknown"));
    let unfetched = unchecked(any(), &[good()]).layers(&[by(&other)]).of_the_root();
    let scene = unfetched.answered(need, json!({"outcome": "failed", "reason": "pki.example: timed out"}));
    case("any-of-despite-unknown", scene, "By cosign; then nothing else has to be known.", accepted());
    let all = two(notation(signer()), cosign(&other), "{allOf: [a, b]}");
    let scene = signed(all, &[good()]).no_signatures();
    case("all-of-one", scene, "By Notation alone, where both are asked for.", rejected("not-signed"));
}
