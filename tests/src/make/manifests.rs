//! Signature images that are not what they should be, and the operation that reads any manifest.

use serde_json::{Value, json};

use super::scene::{self, APP, INDEX_TYPE, MANIFEST_TYPE, SIGNATURE, Scene, layer, payload, policy_of};
use super::toolbox::{self, Key};
use super::{Book, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::{Recipe, Repeat, sorted};
use crate::vectors::Vector;

pub(super) fn write(book: &mut Book) {
    whole(book);
    layers(book);
    contents(book);
}

fn whole(book: &mut Book) {
    let key = Key::p256(1);
    let good = layer(&payload(), &key.sign(&payload()));
    let mut add = |name: &str, bytes: Recipe, media_type: Option<&str>, comment: &str, expect| {
        let scene = Scene::new(policy_of(&key)).signature_image(bytes, media_type).no_referrers();
        add(book, &format!("manifest/{name}"), scene.vector("manifest", comment, expect));
    };
    let refused = || rejected("signature-image");
    let text = sorted(&scene::manifest(std::slice::from_ref(&good))).to_string();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut manifest = scene::manifest(std::slice::from_ref(&good));
        change(&mut manifest);
        Recipe::Json(manifest)
    };
    let typed = Some(MANIFEST_TYPE);
    add(
        "no-layers",
        Recipe::Json(scene::manifest(&[])),
        typed,
        "A signature image without layers is unsigned.",
        rejected("no-signatures"),
    );
    let many = Recipe::Repeat(Repeat { text: sorted(&good).to_string(), count: 5000, separator: ",".to_owned() });
    add(
        "5000-layers",
        scene::manifest_around(many),
        typed,
        "CVE-2023-46737: endless layers. The budget is reached, which is not the same as unsigned.",
        unknown("budget").text("5000 signatures"),
    );
    add("not-json", Recipe::Text("<html>404</html>".to_owned()), None, "A page of a proxy.", refused());
    add("cut", Recipe::Text(text[..text.len() / 2].to_owned()), typed, "A manifest that was cut short.", refused());
    add(
        "trailing",
        Recipe::Text(format!("{text}{text}")),
        typed,
        "Two documents: readers differ in which one they see.",
        refused(),
    );
    add(
        "duplicate-key",
        Recipe::Text(format!("{{\"layers\":[],{}", &text[1..])),
        typed,
        "Duplicate keys: two readers would see two lists of layers.",
        refused().text("duplicate key"),
    );
    add(
        "duplicate-key-escaped",
        Recipe::Text(format!("{{\"l\\u0061yers\":[],{}", &text[1..])),
        typed,
        "The same key, written with an escape.",
        refused().text("duplicate key"),
    );
    add(
        "deep",
        Recipe::Concat(vec![
            Recipe::Text("{\"schemaVersion\":2,\"layers\":".to_owned()),
            Recipe::repeat("[", 100_000),
            Recipe::repeat("]", 100_000),
            Recipe::Text("}".to_owned()),
        ]),
        typed,
        "Nesting has a limit, and a reader that recursed would have none.",
        refused(),
    );
    add(
        "5-mib",
        Recipe::Concat(vec![Recipe::Text(text.clone()), Recipe::repeat(" ", 5 << 20)]),
        typed,
        "Hosts stop at 4 MiB; a host that does not changes nothing.",
        refused().text("at most"),
    );
    add(
        "not-utf-8",
        Recipe::Concat(vec![Recipe::Base64("//4=".to_owned()), Recipe::Text(text.clone())]),
        typed,
        "Not UTF-8.",
        refused(),
    );
    add(
        "byte-order-mark",
        Recipe::Text(format!("\u{feff}{text}")),
        typed,
        "RFC 8259, section 8.1: no byte order mark.",
        refused(),
    );
    let index = json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [{"mediaType": MANIFEST_TYPE, "digest": toolbox::digest("x"), "size": 9}]});
    add(
        "index",
        Recipe::Json(index),
        Some(INDEX_TYPE),
        "An index where an image is expected.",
        refused().text("an index"),
    );
    add(
        "both",
        with(&|m| m["manifests"] = json!([])),
        typed,
        "CVE-2021-41190: layers and manifests in one document.",
        refused().text("both layers and manifests"),
    );
    add(
        "neither",
        with(&|m| drop(m.as_object_mut().expect("object").remove("layers"))),
        typed,
        "Neither layers nor manifests.",
        refused(),
    );
    add("layers-null", with(&|m| m["layers"] = json!(null)), typed, "`layers` is there and no list.", refused());
    add("layers-text", with(&|m| m["layers"] = json!("many")), typed, "`layers` is there and no list.", refused());
    add(
        "schema-1",
        with(&|m| m["schemaVersion"] = json!(1)),
        typed,
        "Schema 1 carries signatures of its own, which nobody checks.",
        refused().text("schema version 1"),
    );
    add("schema-text", with(&|m| m["schemaVersion"] = json!("2")), typed, "A version that is text.", refused());
    add(
        "no-config",
        with(&|m| drop(m.as_object_mut().expect("object").remove("config"))),
        typed,
        "An image has a config (OCI image-spec, manifest.md).",
        refused(),
    );
    add(
        "media-type-of-index",
        with(&|m| m["mediaType"] = json!(INDEX_TYPE)),
        None,
        "CVE-2021-41190: mediaType says index, the content is an image.",
        refused().text("does not fit"),
    );
    add(
        "media-type-unknown",
        with(&|m| m["mediaType"] = json!("text/html")),
        None,
        "A media type that is none of a manifest.",
        refused(),
    );
    add(
        "content-type-contradicts",
        with(&|_| ()),
        Some(INDEX_TYPE),
        "CVE-2021-41190: the Content-Type contradicts mediaType.",
        refused().text("came as"),
    );
    add(
        "content-type-of-index",
        with(&|m| drop(m.as_object_mut().expect("object").remove("mediaType"))),
        Some(INDEX_TYPE),
        "Without mediaType inside, the Content-Type must fit the content.",
        refused(),
    );
    let digest = toolbox::digest(payload());
    let positional =
        json!([scene::PAYLOAD_TYPE, digest, payload().len(), [], {SIGNATURE: good["annotations"][SIGNATURE]}]);
    let comment = "A list in the place of a descriptor would be read by position.";
    add("positional-layer", Recipe::Json(scene::manifest(&[positional])), typed, comment, Expect::outcome("reject"));
    let zeros = Recipe::Concat(vec![
        Recipe::Text("{\"schemaVersion\":2,\"layers\":[0".to_owned()),
        Recipe::repeat(",0", (4 << 20) / 2 - 20),
        Recipe::Text("]}".to_owned()),
    ]);
    let scene = Scene::new(policy_of(&key)).signature_image(zeros, typed).no_referrers();
    let comment = "Two octets a value: what a reader allocates for each is an attacker's lever.";
    super::add(book, "manifest/4-mib-of-zeros", scene.vector("manifest", comment, refused()));
}

fn layers(book: &mut Book) {
    let key = Key::p256(1);
    let good = layer(&payload(), &key.sign(&payload()));
    let mut add = |name: &str, change: &dyn Fn(&mut Value), comment: &str, expect| {
        let mut layer = good.clone();
        change(&mut layer);
        let scene = Scene::new(policy_of(&key)).layers(&[layer]).no_referrers();
        add(book, &format!("layer/{name}"), scene.vector("manifest", comment, expect));
    };
    let defect = || rejected("signature-defect");
    let set = |name: &'static str, value: Value| move |layer: &mut Value| layer[name] = value.clone();
    add(
        "other-media-type",
        &set("mediaType", json!("application/vnd.dsse.envelope.v1+json")),
        "An attestation's layer is no signature (CVE-2022-35929).",
        defect(),
    );
    add("no-annotation", &|layer| layer["annotations"] = json!({}), "The signature annotation must exist.", defect());
    add(
        "no-annotations",
        &|layer| drop(layer.as_object_mut().expect("object").remove("annotations")),
        "No annotations at all.",
        defect(),
    );
    add(
        "signature-empty",
        &|layer| layer["annotations"][SIGNATURE] = json!(""),
        "An empty signature, as attestations have it.",
        rejected("other-key"),
    );
    add("signature-not-base64", &|layer| layer["annotations"][SIGNATURE] = json!("MEUC!"), "Not base64.", defect());
    add(
        "signature-base64-url",
        &|layer| layer["annotations"][SIGNATURE] = json!("_-__"),
        "Another alphabet than the standard one.",
        defect(),
    );
    add(
        "signature-base64-unpadded",
        &|layer| layer["annotations"][SIGNATURE] = json!("MEU"),
        "Padding is missing.",
        defect(),
    );
    add(
        "signature-base64-malleable",
        &|layer| layer["annotations"][SIGNATURE] = json!("MEV="),
        "Bits behind the end that are not zero: another text for the same bytes.",
        defect(),
    );
    add(
        "signature-base64-lines",
        &|layer| {
            let text = layer["annotations"][SIGNATURE].as_str().expect("text").to_owned();
            layer["annotations"][SIGNATURE] = json!(format!("{}\n{}", &text[..40], &text[40..]));
        },
        "Line feeds inside.",
        defect(),
    );
    add(
        "payload-digest-upper-case",
        &|layer| layer["digest"] = json!(toolbox::digest(payload()).to_uppercase().replace("SHA", "sha")),
        "Upper-case hex is another string.",
        Expect::outcome("reject"),
    );
    add(
        "payload-digest-md5",
        &set("digest", json!("md5:d41d8cd98f00b204e9800998ecf8427e")),
        "A digest that cannot be checked.",
        Expect::outcome("reject"),
    );
    add(
        "payload-digest-path",
        &set("digest", json!("sha256:../../../../v2/other/blobs/x")),
        "A digest goes into a URL: only hex is one.",
        Expect::outcome("reject"),
    );
    add(
        "payload-too-large",
        &set("size", json!(65_537)),
        "More than 64 KiB (CVE-2024-29903): it is not even fetched.",
        defect(),
    );
    let comment = "Digest and size of a layer are held against its content (OCI image-spec, descriptor.md).";
    add("payload-size-negative", &set("size", json!(-1)), "A size that is none.", rejected("signature-image"));
    add("payload-size-float", &set("size", json!(1e30)), "A size that is none.", rejected("signature-image"));
    for (name, size) in [("smaller", 7), ("larger", 4096)] {
        let mut layer = good.clone();
        layer["size"] = json!(size);
        let need = format!("blob {APP}@{} of {size} octets", toolbox::digest(payload()));
        let scene = Scene::new(policy_of(&key)).layers(&[layer]).found(&need, Recipe::Text(payload()), None);
        let expect = rejected("signature-defect").text(&format!("not {size}"));
        super::add(book, &format!("layer/payload-size-{name}"), scene.vector("manifest", comment, expect));
    }
}

fn contents(book: &mut Book) {
    let image = r#"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX_TYPE}","manifests":[{{"mediaType":"{MANIFEST_TYPE}","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}}]}}"#
    );
    let mut add = |name: &str, text: &str, digest: String, comment: &str, expect| {
        let header = json!({"digest": digest, "manifest": 0});
        let vector = Vector {
            comment: comment.to_owned(),
            layer: "manifest".to_owned(),
            operation: "contents".to_owned(),
            header: Some(header),
            header_bytes: None,
            message: None,
            blobs: vec![Recipe::Text(text.to_owned())],
            expect,
        };
        add(book, &format!("contents/{name}"), vector);
    };
    let of = toolbox::digest;
    let sha512 = format!("sha512:{}", hex::encode(<sha2::Sha512 as sha2::Digest>::digest(image)));
    add(
        "image",
        image,
        of(image),
        "Config and layers of an image.",
        Expect::outcome("ok").answer(json!({"kind": "image", "blobs": [{"size": 2}], "manifests": []})),
    );
    add(
        "image-sha512",
        image,
        sha512,
        "The same by its other digest.",
        Expect::outcome("ok").answer(json!({"kind": "image"})),
    );
    add(
        "index",
        &index,
        of(&index),
        "Children of an index.",
        Expect::outcome("ok")
            .answer(json!({"kind": "index", "manifests": [{"mediaType": MANIFEST_TYPE}], "blobs": []})),
    );
    add(
        "other-digest",
        image,
        of("other"),
        "Nothing is read before its digest fits.",
        Expect::error("digest-mismatch"),
    );
    add(
        "digest-upper-case",
        image,
        of(image).to_uppercase().replace("SHA", "sha"),
        "Upper-case hex is another string.",
        Expect::error("message-invalid"),
    );
    let bad = index.replace("44136f", "44136F");
    add(
        "child-digest-upper-case",
        &bad,
        of(&bad),
        "A child that could not be checked.",
        Expect::error("manifest-invalid"),
    );
    let both = format!("{{\"manifests\":[],{}", &image[1..]);
    add("both", &both, of(&both), "CVE-2021-41190.", Expect::error("manifest-invalid"));
}
