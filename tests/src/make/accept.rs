//! What is accepted: every algorithm, every spelling of a reference, signatures among junk.

use serde_json::json;

use super::constants;
use super::scene::{self, APP, MATCH, SIGNATURE, Scene, layer, payload, payload_for, policy, policy_of, subject};
use super::toolbox::{self, Key};
use super::{Book, accepted, add};
use crate::recipe::{Recipe, Repeat};

pub(super) fn write(book: &mut Book) {
    algorithms(book);
    references(book);
    company(book);
    forms(book);
}

fn algorithms(book: &mut Book) {
    for (name, algorithm, hash, comment) in [
        ("p256", "ecdsa-p256", "sha256", "ECDSA P-256 with SHA-256: what cosign generate-key-pair makes."),
        (
            "p384-sha256",
            "ecdsa-p384",
            "sha256",
            "ECDSA P-384 with SHA-256: cosign hashed so for every --key until 2026.",
        ),
        ("p384-sha384", "ecdsa-p384", "sha384", "ECDSA P-384 with the curve's own hash: cosign since #5019."),
        (
            "p521-sha256",
            "ecdsa-p521",
            "sha256",
            "ECDSA P-521 with SHA-256: cosign hashed so for every --key until 2026.",
        ),
        ("p521-sha512", "ecdsa-p521", "sha512", "ECDSA P-521 with the curve's own hash: cosign since #5019."),
        ("ed25519", "ed25519", "sha256", "Ed25519 over the payload itself (RFC 8032, pure)."),
    ] {
        let key = Key::new(algorithm, 1);
        let scene = Scene::new(policy_of(&key)).layers(&[layer(&payload(), &key.sign_with(&payload(), hash))]);
        add(book, &format!("accept/{name}"), scene.vector("signature", comment, accepted()));
    }
    let policy = policy("app", MATCH, &[("release", constants::RSA_2048, "")], "release");
    let layer = json!({"mediaType": scene::PAYLOAD_TYPE, "digest": toolbox::digest(payload()), "size": payload().len(),
        "annotations": {SIGNATURE: constants::RSA_2048_SIGNATURE}});
    let comment = "RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017), signature made by openssl.";
    add(book, "accept/rsa-2048", Scene::new(policy).layers(&[layer]).vector("signature", comment, accepted()));

    let key = Key::p256(1);
    let (r, s) = toolbox::der_numbers(&key.sign(&payload()));
    let negated = toolbox::der_pair(&r, &toolbox::p256_negated(&s), false);
    let scene = Scene::new(policy_of(&key)).layers(&[layer_of(&negated)]);
    let comment = "The other s of the same signature (n - s). P-256 has no low-s rule: Go, openssl and cosign take both, and no \
                   identity is made from signature bytes here.";
    add(book, "accept/p256-other-s", scene.vector("signature", comment, accepted()));
}

fn layer_of(signature: &[u8]) -> serde_json::Value {
    layer(&payload(), signature)
}

fn references(book: &mut Book) {
    let key = Key::p256(1);
    let mut add = |name: &str, scene: Scene, comment: &str, expect| {
        add(book, &format!("accept/{name}"), scene.vector("reference", comment, expect));
    };
    let pinned = json!({"verdict": {"digest": subject(), "pinned": format!("{APP}:1.4@{}", subject())}});
    let tagged = || Scene::signed(&key).image(&format!("{APP}:1.4"));
    add(
        "tag-by-header",
        tagged().answered(&format!("resolve {APP}:1.4"), json!({"outcome": "digest", "digest": subject()})),
        "A tag is resolved once, by the registry's claim; the verdict is about the digest and pins it.",
        accepted().answer(pinned.clone()),
    );
    add(
        "tag-by-bytes",
        tagged().found(&format!("resolve {APP}:1.4"), Recipe::Text("the manifest that is signed\n".to_owned()), None),
        "A registry without Docker-Content-Digest: the digest is that of the bytes.",
        accepted().answer(pinned),
    );
    add(
        "tag-and-digest",
        Scene::signed(&key).image(&format!("{APP}:1.4@{}", subject())),
        "With a tag and a digest the digest decides, as in containerd; nothing is resolved.",
        accepted(),
    );
    add(
        "host-in-upper-case",
        Scene::signed(&key).image(&format!("REGISTRY.example/app@{}", subject())),
        "Hosts are compared in lower case.",
        accepted(),
    );
    let hub = "  match:\n    images: [docker.io/library/nginx]\n";
    for (name, image, identity) in [
        ("docker-hub-shorthand", "nginx", "index.docker.io/library/nginx"),
        ("docker-hub-in-full", "docker.io/library/nginx", "docker.io/library/nginx"),
        ("docker-hub-index", "index.docker.io/nginx", "registry-1.docker.io/library/nginx"),
    ] {
        let text = payload_for(identity, &subject(), "null");
        let policy = policy("hub", hub, &[("release", &key.public, "")], "release");
        let mut scene = Scene::new(policy).image(&format!("{image}@{}", subject()));
        scene.repository = "docker.io/library/nginx".to_owned();
        let mut scene = scene.layers(&[layer(&text, &key.sign(&text))]);
        if identity != "index.docker.io/library/nginx" {
            let need = scene::blob_need("docker.io/library/nginx", &text);
            scene = scene.found(&need, Recipe::Text(text), None);
        }
        add(
            name,
            scene,
            "Docker Hub is one registry under all its names, in images, patterns and identities.",
            accepted(),
        );
    }
}

fn company(book: &mut Book) {
    let (key, other) = (Key::p256(1), Key::p256(2));
    let mut add = |name: &str, scene: Scene, comment: &str| {
        add(book, &format!("accept/{name}"), scene.vector("signature", comment, accepted()));
    };
    let good = layer_of(&key.sign(&payload()));
    let mut no_base64 = good.clone();
    no_base64["annotations"][SIGNATURE] = json!("%%%");
    let mut another_type = good.clone();
    another_type["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
    let junk = [no_base64, another_type, layer_of(b"not a signature"), layer_of(&other.sign(&payload()))];
    let layers = [junk.as_slice(), core::slice::from_ref(&good), &junk].concat();
    add(
        "among-junk",
        Scene::new(policy_of(&key)).layers(&layers),
        "Errors of other signatures do not matter (cosign verifyInternal).",
    );

    // A signature of the right shape: r = s = 256^31; four of its base64 digits count.
    let mut number = vec![1];
    number.resize(32, 0);
    let shaped = toolbox::base64(&toolbox::der_pair(&number, &number, false));
    let shaped = format!("{}{{n}}{}", &shaped[..60], &shaped[64..]);
    let mut junk = good.clone();
    junk["annotations"][SIGNATURE] = json!(shaped);
    let text = crate::recipe::sorted(&junk).to_string();
    let many = Recipe::Repeat(Repeat { text, count: 999, separator: ",".to_owned() });
    let last = Recipe::Text(format!(",{}", crate::recipe::sorted(&good)));
    let scene = Scene::new(policy_of(&key))
        .signature_image(scene::manifest_around(Recipe::Concat(vec![many, last])), Some(scene::MANIFEST_TYPE));
    add(
        "last-of-1000",
        scene,
        "1,000 signatures are looked at (CVE-2023-46737 set the number); 1,000 P-256 checks are within the budget.",
    );

    let mut keyless = layer_of(&other.sign(&payload()));
    keyless["annotations"]["dev.sigstore.cosign/certificate"] = json!(constants::CERTIFICATE);
    let scene = Scene::new(policy_of(&key)).layers(&[keyless, good.clone()]);
    add("beside-keyless", scene, "A signature with a certificate lies beside: it neither helps nor harms.");

    let mut extra = good.clone();
    extra["urls"] = json!(["https://mirror.example/blob"]);
    extra["platform"] = json!({"architecture": "amd64", "os": "linux"});
    extra["annotations"]["org.example/note"] = json!("hello");
    add(
        "descriptor-with-more",
        Scene::new(policy_of(&key)).layers(&[extra]),
        "Members of a descriptor that nobody needs are no defect.",
    );

    let text = payload_for(APP, &subject(), r#"{"build":"77","timestamp":1700000000,"creator":"cosign"}"#);
    let scene = Scene::new(policy_of(&key)).layers(&[layer(&text, &key.sign(&text))]).fetched(&text);
    add(
        "optional-with-more",
        scene,
        "GPG-style writers put numbers into `optional`; what nobody asks for is not judged.",
    );

    let text = format!(" {}\n", payload().replace(":{", ": {"));
    let scene = Scene::new(policy_of(&key)).layers(&[layer(&text, &key.sign(&text))]).fetched(&text);
    add("payload-with-white-space", scene, "A payload's formatting is free: the signature is over its bytes.");
}

fn forms(book: &mut Book) {
    let key = Key::p256(1);
    let good = [layer_of(&key.sign(&payload()))];
    let mut add = |name: &str, scene: Scene, comment: &str| {
        add(book, &format!("accept/{name}"), scene.vector("manifest", comment, accepted()));
    };
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let mut manifest = scene::manifest(&good);
    manifest["mediaType"] = json!(docker);
    let scene = || Scene::new(policy_of(&key));
    add(
        "docker-manifest",
        scene().signature_image(Recipe::Json(manifest.clone()), Some(docker)),
        "Old registries convert to Docker's media type.",
    );
    manifest.as_object_mut().expect("an object").remove("mediaType");
    add(
        "no-media-type",
        scene().signature_image(Recipe::Json(manifest.clone()), None),
        "`mediaType` inside is optional (OCI image-spec 1.0), and Content-Type may be missing.",
    );
    let parameters = "application/vnd.oci.image.manifest.v1+json; charset=utf-8";
    add(
        "content-type-with-parameters",
        scene().signature_image(Recipe::Json(manifest), Some(parameters)),
        "A Content-Type may carry parameters (RFC 9110, section 8.3).",
    );
    let index = json!({"schemaVersion": 2, "mediaType": scene::INDEX_TYPE, "manifests": [
        {"mediaType": scene::MANIFEST_TYPE, "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json", "digest": toolbox::digest("b"), "size": 9},
        {"mediaType": scene::MANIFEST_TYPE, "artifactType": "application/vnd.cncf.notary.signature", "digest": toolbox::digest("n"), "size": 9}]});
    let signed = Scene::signed(&key);
    let need = signed.referrers_need();
    let lost = format!("manifest {APP}@{} of 9 octets", toolbox::digest("b"));
    let scene = signed.found(&need, Recipe::Json(index), Some(scene::INDEX_TYPE));
    add(
        "beside-other-forms",
        scene.answered(&lost, json!({"outcome": "absent"})),
        "A bundle that the registry lost and a Notation signature beside take nothing from a signature that holds.",
    );
}
