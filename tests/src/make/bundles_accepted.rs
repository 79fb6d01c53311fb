//! Bundles that are accepted: every algorithm, version and spelling, every way of listing them, and bundles among junk.

use serde_json::{Value, json};

use super::constants::{RSA_2048_DSSE, RSA_2048_DSSE_SIGNATURE};
use super::dsse::{BUNDLE, IN_TOTO, Stored, bundle, bundle_around, changed, envelope_around, pae, statement, text};
use super::scene::{APP, MATCH, Scene, layer, payload, policy, policy_of, subject};
use super::toolbox::{self, Key};
use super::{Book, accepted, add};
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    algorithms(book);
    versions(book);
    spellings(book);
    statements(book);
    sha512(book);
    listings(book);
    company(book);
}

/// A log entry as version 0.2 and later have it. Nothing here reads more than its shape.
pub(super) fn log_entry(index: usize) -> Value {
    json!({"logIndex": index.to_string(), "logId": {"keyId": "wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0="},
        "kindVersion": {"kind": "dsse", "version": "0.0.1"}, "integratedTime": "1767225600",
        "inclusionPromise": {"signedEntryTimestamp": "MEUC"},
        "inclusionProof": {"logIndex": "25", "rootHash": "wNI9", "treeSize": "26", "hashes": ["wNI9"],
            "checkpoint": {"envelope": "log.example - 1\n26\nwNI9\n\n— log.example wNI9\n"}},
        "canonicalizedBody": "e30="})
}

/// A bundle that says it is of another version, in a manifest that says so as well.
pub(super) fn of_version(bundle: &Value, media_type: &str) -> Stored {
    let bundle = changed(bundle.clone(), |bundle| bundle["mediaType"] = json!(media_type));
    Stored::new(&bundle).manifest(|manifest| {
        manifest["artifactType"] = json!(media_type);
        manifest["layers"][0]["mediaType"] = json!(media_type);
    })
}

fn algorithms(book: &mut Book) {
    for (name, algorithm, hash, comment) in [
        ("p256", "ecdsa-p256", "sha256", "What cosign 3 writes with the key of cosign generate-key-pair."),
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
        ("ed25519", "ed25519", "sha256", "Ed25519 over the encoding itself (RFC 8032, pure)."),
    ] {
        let key = Key::new(algorithm, 1);
        let payload = text(&statement());
        let envelope = envelope_around(&payload, &key.sign_with(&pae(IN_TOTO, &payload), hash));
        let stored = Stored::new(&bundle_around(&key.public, &envelope));
        let scene = Scene::bundled(policy_of(&key), &[stored]);
        add(book, &format!("accept/bundle-{name}"), scene.vector("signature", comment, accepted()));
    }
    let policy = policy("app", MATCH, &[("release", RSA_2048_DSSE, "")], "release");
    let envelope = changed(envelope_around(&text(&statement()), b""), |envelope| {
        envelope["signatures"][0]["sig"] = json!(RSA_2048_DSSE_SIGNATURE);
    });
    let scene = Scene::bundled(policy, &[Stored::new(&bundle_around(RSA_2048_DSSE, &envelope))]);
    let comment = "RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017), signature made by openssl.";
    add(book, "accept/bundle-rsa-2048", scene.vector("signature", comment, accepted()));
}

/// Adds a scene with one bundle by the pinned key, changed.
fn one(book: &mut Book, name: &str, stored: Stored, layer: &str, comment: &str) {
    let scene = Scene::bundled(policy_of(&Key::p256(1)), &[stored]);
    add(book, &format!("accept/bundle-{name}"), scene.vector(layer, comment, accepted()));
}

fn versions(book: &mut Book) {
    let key = Key::p256(1);
    let plain = bundle(&key, &statement());
    let logged = |change: &dyn Fn(&mut Value)| {
        changed(plain.clone(), |bundle| {
            let mut entry = log_entry(0);
            change(&mut entry);
            bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
        })
    };
    let without = |member: &'static str| {
        move |entry: &mut Value| {
            entry.as_object_mut().expect("an object").remove(member);
        }
    };
    let old = "application/vnd.dev.sigstore.bundle+json;version=";
    let mut version = |name: &str, bundle: &Value, media_type: &str, comment: &str| {
        one(book, name, of_version(bundle, media_type), "bundle", comment);
    };
    version(
        "v01",
        &logged(&without("inclusionProof")),
        &format!("{old}0.1"),
        "Version 0.1: a log entry with a promise, and no proof.",
    );
    version(
        "v02",
        &logged(&without("inclusionPromise")),
        &format!("{old}0.2"),
        "Version 0.2: a log entry with a proof, and no promise.",
    );
    version("v03-other-spelling", &plain, &format!("{old}0.3"), "Version 0.3 in the older spelling.");
    version(
        "v01-newer-spelling",
        &plain,
        "application/vnd.dev.sigstore.bundle.v0.1+json",
        "Version 0.1 in the newer spelling, without log entries.",
    );
    version("v03-logged", &logged(&|_| ()), BUNDLE, "What cosign writes with its log: Bulla does not ask the log.");
    let stamped = changed(logged(&without("inclusionPromise")), |bundle| {
        bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({"rfc3161Timestamps": [{"signedTimestamp": "MIIC"}]});
    });
    version("v03-timestamped", &stamped, BUNDLE, "With a timestamp, as with a log of version 2.");
    let spelled = Stored::new(&plain).manifest(|manifest| {
        manifest["layers"][0]["mediaType"] = json!(format!("{old}0.3"));
    });
    let comment = "One version in two spellings, in the manifest and in the bundle.";
    one(book, "spelled-twice", spelled, "bundle", comment);
}

fn spellings(book: &mut Book) {
    let key = Key::p256(1);
    let plain = text(&bundle(&key, &statement()));
    let mut texts = |name: &str, text: String, comment: &str| {
        assert_ne!(text, plain, "{name} changes nothing");
        one(book, name, Stored::bytes(Recipe::Text(text)), "bundle", comment);
    };
    let snake = plain
        .replace("mediaType", "media_type")
        .replace("verificationMaterial", "verification_material")
        .replace("publicKey", "public_key")
        .replace("dsseEnvelope", "dsse_envelope")
        .replace("payloadType", "payload_type");
    texts("snake-case", snake, "The schema's own names, which ProtoJSON reads as well.");
    let nulls = plain.replacen('{', r#"{"messageSignature":null,"#, 1);
    texts("null-members", nulls, "Null is the same as absent (ProtoJSON).");
    let empty = plain.replacen(r#""publicKey""#, r#""tlogEntries":[],"publicKey""#, 1);
    texts("empty-lists", empty, "Lists without entries are the same as absent.");
    let spaced = serde_json::to_string_pretty(&bundle(&key, &statement())).expect("JSON");
    texts("white-space", format!("{spaced}\n"), "White space is free: protojson varies it on purpose.");

    let base = bundle(&key, &statement());
    let mut members = |name: &str, change: &dyn Fn(&mut Value), comment: &str| {
        one(book, name, Stored::new(&changed(base.clone(), change)), "bundle", comment);
    };
    let url_safe =
        |value: &mut Value| *value = json!(value.as_str().expect("a text").replace('+', "-").replace('/', "_"));
    let unpadded = |value: &mut Value| *value = json!(value.as_str().expect("a text").trim_end_matches('='));
    members(
        "url-safe-base64",
        &|bundle| {
            url_safe(&mut bundle["dsseEnvelope"]["payload"]);
            url_safe(&mut bundle["dsseEnvelope"]["signatures"][0]["sig"]);
        },
        "Base64 of the URL-safe alphabet (DSSE envelope.md: consumers MUST take both).",
    );
    members(
        "unpadded-base64",
        &|bundle| {
            unpadded(&mut bundle["dsseEnvelope"]["payload"]);
            unpadded(&mut bundle["dsseEnvelope"]["signatures"][0]["sig"]);
        },
        "Base64 without padding (ProtoJSON, bytes).",
    );
    let hint = base["verificationMaterial"]["publicKey"]["hint"].clone();
    members("no-hint", &|bundle| bundle["verificationMaterial"]["publicKey"] = json!({}), "No hint at the key.");
    members(
        "keyid",
        &|bundle| bundle["dsseEnvelope"]["signatures"][0]["keyid"] = hint.clone(),
        "The envelope names the key as well, and the same.",
    );
    members(
        "hint-of-another-key",
        &|bundle| bundle["verificationMaterial"]["publicKey"]["hint"] = json!("AAAA"),
        "A hint is not signed and decides nothing: the pinned key made the signature.",
    );
}

fn statements(book: &mut Book) {
    let key = Key::p256(1);
    let other = || toolbox::digest("another").split_off("sha256:".len());
    let mut add_one = |name: &str, signer: &str, statement: Value, comment: &str| {
        let policy = policy("app", MATCH, &[("release", &key.public, signer)], "release");
        let scene = Scene::bundled(policy, &[Stored::new(&bundle(&key, &statement))]);
        add(book, &format!("accept/statement-{name}"), scene.vector("statement", comment, accepted()));
    };
    let mut says = |name: &str, change: &dyn Fn(&mut Value), comment: &str| {
        add_one(name, "", changed(statement(), change), comment);
    };
    let v01 = "https://in-toto.io/Statement/v0.1";
    says("v01", &|it| it["_type"] = json!(v01), "Statement 0.1, which cosign's attestations have in version 3 too.");
    says(
        "no-predicate",
        &|it| {
            it.as_object_mut().expect("an object").remove("predicate");
        },
        "A predicate may be absent: there is nothing to say but the statement itself.",
    );
    says(
        "several-subjects",
        &|it| it["subject"] = json!([{"name": "other", "digest": {"sha256": other()}}, it["subject"][0]]),
        "Any subject with the digest counts.",
    );
    says(
        "several-digests",
        &|it| {
            it["subject"][0]["digest"]["gitCommit"] = json!("a".repeat(40));
            it["subject"][0]["digest"]["sha512"] = json!("a".repeat(128));
        },
        "Digests of other algorithms beside the one that is compared.",
    );
    says("repository-as-name", &|it| it["subject"][0]["name"] = json!(APP), "The subject's name is the repository.");
    says(
        "file-as-name",
        &|it| it["subject"][0]["name"] = json!("app.tar"),
        "A name without a registry states no identity.",
    );
    says(
        "package-url-as-name",
        &|it| it["subject"][0]["name"] = json!("pkg:oci/app?repository_url=registry.example"),
        "A package URL.",
    );
    says(
        "two-names",
        &|it| {
            let digest = it["subject"][0]["digest"].clone();
            it["subject"] =
                json!([{"name": "registry.example/other", "digest": digest}, {"name": APP, "digest": digest}]);
        },
        "The digest under two names: one of them is this image's.",
    );
    says(
        "descriptor-with-more",
        &|it| {
            it["subject"][0]["uri"] = json!("pkg:oci/app");
            it["subject"][0]["mediaType"] = json!("text/plain");
            it["subject"][0]["content"] = json!("AAAA");
        },
        "Further members of a resource descriptor.",
    );
    says(
        "1024-subjects",
        &|it| {
            let mut all = vec![json!({"digest": {"x": ""}}); 1023];
            all.push(it["subject"][0].clone());
            it["subject"] = json!(all);
        },
        "As many as there may be, the one that counts last.",
    );
    add_one(
        "annotations",
        "        annotations: {stage: production}\n",
        changed(statement(), |it| it["subject"][0]["annotations"] = json!({"stage": "production", "build": 77})),
        "cosign sign -a puts annotations on the subject; further ones do not matter.",
    );
    let tagged = changed(statement(), |it| it["subject"][0]["name"] = json!(format!("{APP}:1.4")));
    add_one(
        "exact-by-digest",
        "        identity: exact\n",
        tagged.clone(),
        "`exact`, asked by digest: the repository is compared.",
    );
    let named = changed(statement(), |it| it["subject"][0]["name"] = json!("registry.example/other"));
    add_one("any-identity", "        identity: anyUnsafe\n", named, "`anyUnsafe`: the name is not compared.");
    let exact = policy("app", MATCH, &[("release", &key.public, "        identity: exact\n")], "release");
    let scene =
        Scene::bundled(exact, &[Stored::new(&bundle(&key, &tagged))]).image(&format!("{APP}:1.4@{}", subject()));
    let comment = "`exact`, asked by tag: the tag that was signed.";
    add(book, "accept/statement-exact-by-tag", scene.vector("statement", comment, accepted()));
}

/// The image is named by its SHA-512 digest throughout: in the statement, in the subject of the manifest, in the question.
fn sha512(book: &mut Book) {
    let key = Key::p256(1);
    let hex = hex::encode(<sha2::Sha512 as sha2::Digest>::digest("the manifest that is signed\n"));
    let image = format!("{APP}@sha512:{hex}");
    let said = super::dsse::statement_about(super::dsse::SIGNATURE, &format!("sha512:{hex}"), &json!({}));
    let stored =
        Stored::new(&bundle(&key, &said)).manifest(|it| it["subject"]["digest"] = json!(format!("sha512:{hex}")));
    let list = Recipe::Json(super::dsse::list(&[stored.descriptor()]));
    let scene = Scene::new(policy_of(&key)).image(&image).found(&format!("referrers {image}"), list, None);
    let scene = scene.found(&stored.manifest_need(APP), Recipe::Text(stored.manifest_text()), None).found(
        &stored.blob_need(APP),
        stored.content.clone(),
        None,
    );
    let comment = "An image that is named by its SHA-512 digest.";
    add(book, "subject/sha512-bundle", scene.vector("statement", comment, accepted()));
}

fn listings(book: &mut Book) {
    let key = Key::p256(1);
    let good = || Stored::new(&bundle(&key, &statement()));
    let mut add_one = |name: &str, stored: Stored, comment: &str| {
        one(book, &format!("listed-{name}"), stored, "evidence", comment);
    };
    let typed = |value: Value| good().listed_with("artifactType", value);
    add_one(
        "without-type",
        typed(Value::Null),
        "A fallback tag by a client that wrote no artifactType: the manifest is looked at.",
    );
    add_one(
        "with-config-type",
        typed(json!("application/vnd.oci.empty.v1+json")),
        "A client that wrote the config's media type for the artifact's.",
    );
    add_one("with-empty-type", typed(json!("")), "A client that wrote an empty type.");
    add_one(
        "with-older-spelling",
        typed(json!("application/vnd.dev.sigstore.bundle+json;version=0.3")),
        "The version in its older spelling.",
    );
    add_one(
        "without-annotations",
        good().listed_with("annotations", Value::Null),
        "A registry that does not copy annotations into the list.",
    );
    add_one("unannotated", good().untyped(), "Neither list nor manifest says what was signed: the statement does.");
    add_one(
        "as-cosign-2",
        good().without("artifactType").listed_with("artifactType", json!(BUNDLE)),
        "A manifest without artifactType: the layer says what it is.",
    );
    add_one(
        "docker-subject",
        good()
            .manifest(|it| it["subject"]["mediaType"] = json!("application/vnd.docker.distribution.manifest.v2+json")),
        "The image that is signed is Docker's.",
    );
}

fn company(book: &mut Book) {
    let (key, other) = (Key::p256(1), Key::p256(2));
    let mut add = |name: &str, scene: Scene, comment: &str| {
        add(book, &format!("accept/{name}"), scene.vector("signature", comment, accepted()));
    };
    let good = bundle(&key, &statement());
    let about_other = super::dsse::statement_about(super::dsse::SIGNATURE, &toolbox::digest("another"), &json!({}));
    let junk = [
        Stored::new(&bundle(&other, &statement())),
        Stored::new(&json!({})),
        Stored::bytes(Recipe::Text("{".to_owned())),
        Stored::new(&bundle(&key, &about_other)),
        Stored::new(&good).without("subject"),
        Stored::new(&bundle(
            &key,
            &changed(statement(), |it| it["predicateType"] = json!("https://spdx.dev/Document")),
        )),
    ];
    let all = [junk.as_slice(), &[Stored::new(&good)]].concat();
    add("bundle-among-junk", Scene::bundled(policy_of(&key), &all), "Errors of other bundles do not matter.");

    // Both manifests bring one bundle, and the first understates its size.
    let small = Stored::new(&good).manifest(|it| it["layers"][0]["size"] = json!(10));
    add(
        "bundle-named-twice",
        Scene::bundled(policy_of(&key), &[small, Stored::new(&good)]),
        "Two manifests name one bundle, one of them with a wrong size: that one cannot make it too large to fetch.",
    );
    let both = Scene::bundled(policy_of(&key), &[Stored::new(&bundle(&other, &statement()))]);
    add(
        "legacy-beside-other-bundle",
        both.layers(&[layer(&payload(), &key.sign(&payload()))]),
        "A bundle by another key, and a legacy signature by the pinned one.",
    );
    let two = policy("two", MATCH, &[("a", &key.public, ""), ("b", &other.public, "")], "{atLeast: 2, of: [a, b]}");
    let scene = Scene::bundled(two, &[Stored::new(&good)]).layers(&[layer(&payload(), &other.sign(&payload()))]);
    add("two-signers-two-forms", scene, "One signer in each form: both count toward a threshold.");
    let certified = changed(bundle(&other, &statement()), |it| {
        it["verificationMaterial"] = json!({"certificate": {"rawBytes": "MIIC"}});
    });
    let certified = Stored::new(&certified);
    let scene = Scene::bundled(policy_of(&key), &[certified, Stored::new(&good)]);
    add("bundle-beside-keyless", scene, "A bundle with a certificate lies beside: it neither helps nor harms.");
}
