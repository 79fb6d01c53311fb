//! Payloads that were signed, and do not say what they would have to say.

use serde_json::json;

use super::scene::{APP, MATCH, Scene, layer, payload, payload_for, policy, policy_of, subject};
use super::toolbox::{self, Key};
use super::{Book, accepted, add, rejected};
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    shapes(book);
    identities(book);
    annotations(book);
    subjects(book);
}

fn shapes(book: &mut Book) {
    let key = Key::p256(1);
    let mut add = |name: &str, text: &str, comment: &str, expect| {
        let scene = Scene::new(policy_of(&key)).layers(&[layer(text, &key.sign(text))]).fetched(text).no_referrers();
        add(book, &format!("payload/{name}"), scene.vector("payload", comment, expect));
    };
    let refused = || rejected("payload");
    let with = |from: &str, to: &str| {
        let changed = payload().replacen(from, to, 1);
        assert_ne!(changed, payload(), "{from}");
        changed
    };
    add(
        "other-digest",
        &payload_for(APP, &toolbox::digest("another"), "null"),
        "Signed by the key, for another image (CVE-2022-23649: what is signed must be tied to what runs).",
        rejected("wrong-digest"),
    );
    add(
        "gpg-type",
        &with("cosign container image signature", "atomic container signature"),
        "The type of GPG simple signing never stands for cosign's.",
        refused().text("atomic container signature"),
    );
    add("no-type", &with(r#","type":"cosign container image signature""#, ""), "A payload says what it is.", refused());
    add("no-optional", &with(r#","optional":null"#, ""), "`optional` is always there.", refused().text("optional"));
    add(
        "optional-list",
        &with(r#""optional":null"#, r#""optional":[]"#),
        "`optional` is null or an object.",
        refused(),
    );
    add(
        "extra-key",
        &with(r#","optional":null"#, r#","optional":null,"note":1"#),
        "Exact key sets, as containers/image reads them.",
        refused().text("note"),
    );
    add(
        "extra-key-in-critical",
        &with(r#","type":"#, r#","expires":"2020-01-01","type":"#),
        "`critical` says that unknown members must not be passed over.",
        refused().text("expires"),
    );
    add(
        "duplicate-key",
        &with(r#""optional":null"#, r#""optional":null,"optional":{}"#),
        "Duplicate keys: two readers would see two payloads.",
        refused().text("duplicate key"),
    );
    add(
        "duplicate-digest",
        &with(
            r#"{"docker-manifest-digest":"#,
            &format!(r#"{{"docker-manifest-digest":"{}","docker-manifest-digest":"#, toolbox::digest("x")),
        ),
        "Two digests, one of them right.",
        refused().text("duplicate key"),
    );
    add(
        "capitalised-keys",
        &payload().replace("\"critical\"", "\"Critical\"").replace("docker-manifest-digest", "Docker-manifest-digest"),
        "SIGNATURE_SPEC.md shows capitals in places; the wire has none, and Go would read both.",
        refused(),
    );
    add(
        "capitalised-digest-key",
        &with("docker-manifest-digest", "Docker-Manifest-Digest"),
        "Go's encoding/json would read it.",
        refused(),
    );
    add(
        "digest-upper-case",
        &with(&subject(), &subject().to_uppercase().replace("SHA", "sha")),
        "Upper-case hex is another string.",
        refused(),
    );
    add(
        "digest-missing",
        &with(&format!(r#"{{"docker-manifest-digest":"{}"}}"#, subject()), "{}"),
        "No digest at all.",
        refused(),
    );
    add(
        "digest-in-optional",
        &payload_for(APP, &toolbox::digest("another"), &format!(r#"{{"docker-manifest-digest":"{}"}}"#, subject())),
        "Only `critical` names what was signed.",
        rejected("wrong-digest"),
    );
    add(
        "identity-not-a-reference",
        &with(APP, "registry.example/App"),
        "The identity is an image reference.",
        refused(),
    );
    add("identity-empty", &with(APP, ""), "An empty identity names no repository.", refused());
    add("not-json", "hello", "Signed by the key, and no payload.", refused());
    add("trailing", &format!("{} {{}}", payload()), "Nothing may follow.", refused());
    add("not-an-object", "[]", "A payload is an object.", refused());
    let comment = "A list in the place of an object: serde would read it by position, and other readers would not.";
    let kind = "cosign container image signature";
    let all = format!(r#"[[["{APP}"],["{}"],"{kind}"],null]"#, subject());
    add("list-for-everything", &all, comment, refused());
    let critical = format!(r#"{{"critical":[["{APP}"],["{}"],"{kind}"],"optional":null}}"#, subject());
    add("list-for-critical", &critical, comment, refused());
    add(
        "list-for-image",
        &payload()
            .replace(&format!(r#"{{"docker-manifest-digest":"{}"}}"#, subject()), &format!(r#"["{}"]"#, subject())),
        comment,
        refused(),
    );
    let many: Vec<String> = (0..129).map(|n| format!(r#""a{n}":"x""#)).collect();
    add(
        "129-annotations",
        &payload_for(APP, &subject(), &format!("{{{}}}", many.join(","))),
        "At most 128 annotations.",
        refused().text("129 annotations"),
    );
    let dsse = r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}"#;
    add("dsse-envelope", dsse, "An attestation's envelope is no payload (CVE-2022-35929).", refused());

    let blank = payload() + &" ".repeat(65_536);
    let shown = layer(&blank, &key.sign(&blank));
    let mut small = shown.clone();
    small["size"] = json!(251);
    let need = format!("blob {APP}@{} of 251 octets", toolbox::digest(&blank));
    let recipe = Recipe::Concat(vec![Recipe::Text(payload()), Recipe::repeat(" ", 65_536)]);
    let scene = Scene::new(policy_of(&key)).layers(&[small]).found(&need, recipe, None).no_referrers();
    super::add(
        book,
        "payload/larger-than-announced",
        scene.vector(
            "payload",
            "A size that was announced smaller than it is: the limit is held again when the bytes are there.",
            rejected("signature-defect").text("not 251"),
        ),
    );
    let scene = Scene::new(policy_of(&key)).layers(&[shown]).no_referrers();
    super::add(
        book,
        "payload/too-large",
        scene.vector("manifest", "The same, announced as it is: not even fetched.", rejected("signature-defect")),
    );
}

fn identities(book: &mut Book) {
    let key = Key::p256(1);
    let mut case = |name: &str, rule: &str, image: &str, identity: &str, comment: &str, holds: bool| {
        let more = format!("        identity: {rule}\n");
        let text = payload_for(identity, &subject(), "null");
        let scene = Scene::new(policy("app", MATCH, &[("release", &key.public, &more)], "release"));
        let mut scene = scene.image(image).layers(&[layer(&text, &key.sign(&text))]);
        if text != payload() {
            scene = scene.fetched(&text);
        }
        let expect = if holds { accepted() } else { rejected("wrong-identity").text(identity) };
        add(book, &format!("identity/{name}"), scene.no_referrers().vector("identity", comment, expect));
    };
    let by_digest = format!("{APP}@{}", subject());
    let tagged = format!("{APP}:1.4@{}", subject());
    let (other, one_four, latest) =
        ("registry.example/other", "registry.example/app:1.4", "registry.example/app:latest");
    case(
        "repository-other",
        "repository",
        &by_digest,
        other,
        "Signed for another repository: replaying signatures across repositories is not possible.",
        false,
    );
    case(
        "repository-other-registry",
        "repository",
        &by_digest,
        "mirror.example/app",
        "Signed for another registry.",
        false,
    );
    case(
        "repository-prefix",
        "repository",
        &by_digest,
        "registry.example/app-evil",
        "A name that begins alike.",
        false,
    );
    case("repository-parent", "repository", &by_digest, "registry.example/app/app", "A name below.", false);
    case(
        "repository-port",
        "repository",
        &by_digest,
        "registry.example:443/app",
        "A port makes another registry: what it serves is its own.",
        false,
    );
    case("repository-tag-ignored", "repository", &tagged, latest, "By default a tag in the identity is ignored.", true);
    case(
        "repository-digest-in-identity",
        "repository",
        &by_digest,
        &format!("{APP}@{}", toolbox::digest("x")),
        "What a signer calls the image may hold a digest; `critical.image` decides.",
        true,
    );
    case("exact-same-tag", "exact", &tagged, one_four, "The same tag.", true);
    case(
        "exact-other-tag",
        "exact",
        &tagged,
        latest,
        "Another tag: an old release cannot be passed off as a new one.",
        false,
    );
    case("exact-no-tag-signed", "exact", &tagged, APP, "A repository alone is not `:latest`.", false);
    case(
        "exact-by-digest",
        "exact",
        &by_digest,
        one_four,
        "Asked for by digest alone, there is no tag to compare.",
        true,
    );
    case(
        "exact-other-repository",
        "exact",
        &by_digest,
        "registry.example/other:1.4",
        "The repository is compared all the same.",
        false,
    );
    case("any-unsafe", "anyUnsafe", &by_digest, other, "What cosign itself does: nothing is compared.", true);
}

fn annotations(book: &mut Book) {
    let key = Key::p256(1);
    let mut case = |name: &str, optional: &str, comment: &str, holds: bool| {
        let more = "        annotations: {build: \"77\", branch: main}\n";
        let text = payload_for(APP, &subject(), optional);
        let scene = Scene::new(policy("app", MATCH, &[("release", &key.public, more)], "release"));
        let mut scene = scene.layers(&[layer(&text, &key.sign(&text))]);
        if text != payload() {
            scene = scene.fetched(&text);
        }
        let expect = if holds { accepted() } else { rejected("annotation") };
        add(book, &format!("annotation/{name}"), scene.no_referrers().vector("payload", comment, expect));
    };
    case("both", r#"{"branch":"main","build":"77"}"#, "Each wanted annotation is there and equal.", true);
    case("with-more", r#"{"branch":"main","build":"77","by":"ci"}"#, "Further ones do not matter.", true);
    case("one-missing", r#"{"branch":"main"}"#, "One is missing.", false);
    case("none", "null", "None at all.", false);
    case("different", r#"{"branch":"main","build":"78"}"#, "Another value.", false);
    case("another-case", r#"{"branch":"Main","build":"77"}"#, "Compared octet by octet.", false);
    case("number", r#"{"branch":"main","build":77}"#, "A number is not its text.", false);
    case("null", r#"{"branch":"main","build":null}"#, "Null is no value.", false);
    case("nested", r#"{"branch":"main","build":{"is":"77"}}"#, "An object is no text.", false);
}

fn subjects(book: &mut Book) {
    let key = Key::p256(1);
    let sha512 =
        format!("sha512:{}", hex::encode(<sha2::Sha512 as sha2::Digest>::digest("the manifest that is signed\n")));
    let text = payload_for(APP, &sha512, "null");
    let need = format!("manifest {APP}:{}.sig", sha512.replace(':', "-"));
    let image = Recipe::Json(super::scene::manifest(&[layer(&text, &key.sign(&text))]));
    let scene = Scene::new(policy_of(&key)).image(&format!("{APP}@{sha512}"));
    let referrers = format!("referrers {APP}@{sha512}");
    let scene = scene.answered(&referrers, serde_json::json!({"outcome": "absent"})).found(&need, image, None);
    super::add(
        book,
        "subject/sha512",
        scene.vector("payload", "An image that is named by its SHA-512 digest.", accepted()),
    );
    let scene = Scene::new(policy_of(&key)).layers(&[layer(&text, &key.sign(&text))]).fetched(&text).no_referrers();
    super::add(book, "subject/sha512-signed-sha256-asked", scene.vector("payload", "Signed by the SHA-512 digest, asked for by the SHA-256 one: two names, and the same content cannot be known.", rejected("wrong-digest")));
}
