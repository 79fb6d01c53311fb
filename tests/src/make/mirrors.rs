//! Images that were copied: under which other name their signatures may have been made.

use super::dsse::{SIGNATURE, Stored, bundle, changed, statement_about};
use super::policies::{load, refused};
use super::scene::{APP, MATCH, Scene, layer, payload_for, policy, subject};
use super::toolbox::Key;
use super::{Book, accepted, add, rejected};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    legacy(book);
    bundles(book);
    misused(book);
}

fn asks(signer: &str) -> String {
    policy("app", MATCH, &[("release", &Key::p256(1).public, signer)], "release")
}

fn mirrors(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(from, signed_as)| format!("{{from: {from}, signedAs: {signed_as}}}")).collect();
    format!("        mirrors: [{}]\n", pairs.join(", "))
}

/// The image of the vectors, with a signature that was made for another name.
fn signed_as(signer: &str, name: &str) -> Scene {
    let said = payload_for(name, &subject(), "null");
    let scene = Scene::new(asks(signer)).layers(&[layer(&said, &Key::p256(1).sign(&said))]);
    if name == APP { scene } else { scene.fetched(&said) }
}

fn legacy(book: &mut Book) {
    let mut case = |name: &str, pair: (&str, &str), signed: &str, comment: &str, expect: Expect| {
        let vector = signed_as(&mirrors(&[pair]), signed).vector("identity", comment, expect);
        add(book, &format!("mirror/{name}"), vector);
    };
    let exact = (APP, "source.example/team/app");
    let comment = "A copy, signed under the name of what it was copied from.";
    case("repository", exact, "source.example/team/app", comment, accepted());
    case("own-name", exact, APP, "A copy may be signed under its own name as well.", accepted());
    let comment = "A whole registry on one side, a folder on the other.";
    case("registry", ("registry.example", "source.example/team"), "source.example/team/app", comment, accepted());
    case("docker-hub", ("registry.example", "docker.io/library"), "index.docker.io/library/app", comment, accepted());
    let no = || rejected("wrong-identity");
    for (name, pair, signed, comment) in [
        ("another-name", exact, "source.example/team/other", "Signed for another repository of that registry."),
        ("below", exact, "source.example/team/app/x", "Signed for what lies below."),
        ("prefix-of-segment", exact, "source.example/team/app2", "Names end at slashes."),
        ("the-prefix", ("registry.example", "source.example/team"), "source.example/team", "Signed for the folder."),
        (
            "image-elsewhere",
            ("registry.example/ap", "source.example/ap"),
            "source.example/app",
            "`from` ends at a slash.",
        ),
        ("reversed", ("source.example/team/app", APP), "source.example/team/app", "A pair has a direction."),
        ("another-registry", exact, "evil.example/team/app", "Another registry."),
    ] {
        case(name, pair, signed, comment, no());
    }
    case(
        "registry-for-repository",
        (APP, "source.example"),
        "index.docker.io/library/source.example",
        "What is left of the name is a registry, which is no short name on Docker Hub.",
        no(),
    );
    let two = mirrors(&[("registry.example/other", "other.example/app"), exact]);
    let scene = signed_as(&two, "other.example/app");
    let comment = "The pair of another repository is not this one's.";
    add(book, "mirror/of-another", scene.vector("identity", comment, no()));
    for (name, signed, expect) in [
        ("exact-tag", "source.example/team/app:1.4", accepted()),
        ("exact-other-tag", "source.example/team/app:1.3", no()),
        ("exact-no-tag", "source.example/team/app", no()),
    ] {
        let signer = format!("        identity: exact\n{}", mirrors(&[exact]));
        let scene = signed_as(&signer, signed).image(&format!("{APP}:1.4@{}", subject()));
        let comment = "Under `exact` the tag is compared with the copy's.";
        add(book, &format!("mirror/{name}"), scene.vector("identity", comment, expect));
    }
}

fn bundles(book: &mut Book) {
    let signer = mirrors(&[(APP, "source.example/team/app")]);
    for (name, subject_name, expect) in [
        ("bundle", "source.example/team/app", accepted()),
        ("bundle-another-name", "source.example/team/other", rejected("wrong-identity")),
    ] {
        let said = statement_about(SIGNATURE, &subject(), &serde_json::json!({}));
        let said = changed(said, |it| it["subject"][0]["name"] = serde_json::json!(subject_name));
        let scene = Scene::new(asks(&signer)).stored(&[Stored::new(&bundle(&Key::p256(1), &said))]).no_tag();
        add(book, &format!("mirror/{name}"), scene.vector("identity", "The same in a bundle.", expect));
    }
}

fn misused(book: &mut Book) {
    let mut case = |name: &str, signer: &str, comment: &str, text: &str| {
        let document = Recipe::lines(&asks(signer));
        add(book, &format!("policy/mirror-{name}"), load(vec![document], comment, refused(text)));
    };
    let same = "source.example/app";
    case("of-itself", &mirrors(&[(same, same)]), "It says nothing.", "mirrors itself");
    let twice = mirrors(&[(APP, same), (APP, "other.example/app")]);
    case("twice", &twice, "One image would have two other names.", "the same repositories");
    let nested = mirrors(&[("registry.example", "source.example"), (APP, "other.example/app")]);
    case("nested", &nested, "The same, by a prefix.", "the same repositories");
    for (name, text, problem) in [
        ("short", "nginx", "names no registry"),
        ("no-host", "team/app", "names no registry"),
        ("pattern", "'registry.example/**'", "mirrors[0].from"),
        ("with-tag", "'registry.example/app:1.4'", "mirrors[0].from"),
        ("with-scheme", "'https://registry.example/app'", "mirrors[0].from"),
        ("trailing-slash", "registry.example/", "mirrors[0].from"),
        ("empty", "''", "names no registry"),
    ] {
        let comment = "Both sides are repositories, or registries, by name.";
        case(name, &mirrors(&[(text, same)]), comment, problem);
    }
    let unsafe_too = format!("        identity: anyUnsafe\n{}", mirrors(&[(APP, same)]));
    case("any-unsafe", &unsafe_too, "Nothing is compared, so there is nothing to allow.", "compares no identity");
    case("positional", "        mirrors: [[a, b]]\n", "A list would be read by position.", "expected a mapping");
    let field = mirrors(&[(APP, same)]).replace("signedAs", "to");
    case("unknown-field", &field, "A field that nobody reads.", "unknown field `to`");
    let many: Vec<String> = (0..65).map(|n| format!("registry.example/r{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|from| (from.as_str(), same)).collect();
    case("too-many", &mirrors(&many), "Mirrors have a limit.", "more than 64 mirrors");
}
