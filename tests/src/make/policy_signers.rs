//! What a policy says about forms, places, attestations and platforms, and what is refused because it says less than it seems to.

use serde_json::json;

use super::dsse::{PROVENANCE, SIGNATURE};
use super::policies::{load, refused};
use super::scene::{MATCH, policy};
use super::toolbox::Key;
use super::{Book, add};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    good(book);
    signers(book);
    attestations(book);
    platforms(book);
}

fn document(head: &str, signer: &str, require: &str) -> Vec<Recipe> {
    vec![Recipe::lines(&policy(
        "app",
        &format!("{MATCH}{head}"),
        &[("release", &Key::p256(1).public, signer)],
        require,
    ))]
}

fn good(book: &mut Book) {
    let head = format!(
        "  multiArch: indexOrEveryLeaf\n  attestations:\n    built:\n      predicateType: {PROVENANCE}\n      signer: release\n      \
         predicate: {{/builder/id: ci, /a~1b: [1, {{c: null}}]}}\n"
    );
    let signer = "        forms: [legacy]\n        signatureRepository: registry.example/signatures\n";
    let comment = "Every field about forms, places, attestations and platforms.";
    let expect = Expect::outcome("ok").answer(json!({"policies": [{"policy": "app"}]}));
    let require = "{allOf: [release, {attestation: built}]}";
    add(book, "policy/forms-and-attestations", load(document(&head, signer, require), comment, expect));
}

fn signers(book: &mut Book) {
    let mut case = |name: &str, signer: &str, comment: &str, text: &str| {
        add(book, &format!("policy/{name}"), load(document("", signer, "release"), comment, refused(text)));
    };
    case("forms-empty", "        forms: []\n", "No form: nothing could count.", "no form would count");
    case(
        "forms-twice",
        "        forms: [legacy, legacy]\n",
        "A form twice: one of them is another one, mistyped.",
        "listed twice",
    );
    case("forms-unknown", "        forms: [notation]\n", "A form that nobody reads.", "unknown variant `notation`");
    case("forms-in-capitals", "        forms: [Bundle]\n", "Forms are written in one way.", "unknown variant `Bundle`");
    case("forms-a-text", "        forms: legacy\n", "A text for a list.", "expected a sequence");
    for (name, place) in [
        ("with-tag", "registry.example/signatures:v1"),
        ("with-digest", "registry.example/signatures@sha256:aa"),
        ("pattern", "registry.example/**"),
        ("with-scheme", "https://registry.example/signatures"),
        ("upper-case", "registry.example/Signatures"),
        ("empty", "''"),
    ] {
        let signer = format!("        signatureRepository: {place}\n");
        let comment = "The place of signatures is one repository, by name.";
        case(&format!("signature-repository-{name}"), &signer, comment, "signatureRepository");
    }
    let key = Key::p256(1);
    let same = [
        ("release", key.public.as_str(), "        forms: [bundle, legacy]\n"),
        ("again", key.public.as_str(), "        forms: [legacy, bundle]\n"),
    ];
    let document = vec![Recipe::lines(&policy("app", MATCH, &same, "release"))];
    let comment = "One key under two names, the forms in another order: they would be one.";
    add(book, "policy/signer-twice-other-order", load(document, comment, refused("are the same")));
}

fn attestations(book: &mut Book) {
    let mut case = |name: &str, attestations: &str, require: &str, comment: &str, text: &str| {
        let head = format!("  attestations: {attestations}\n");
        add(book, &format!("policy/attestation-{name}"), load(document(&head, "", require), comment, refused(text)));
    };
    let built = |members: &str| format!("{{built: {{predicateType: {PROVENANCE}, signer: release{members}}}}}");
    let asked = "{attestation: built}";
    case(
        "unknown-signer",
        &built("").replace("signer: release", "signer: nobody"),
        asked,
        "A signer that is not defined.",
        "\"nobody\" is not defined",
    );
    case(
        "no-signer",
        &built("").replace(", signer: release", ""),
        asked,
        "Anybody's would do.",
        "missing field `signer`",
    );
    case(
        "no-type",
        "{built: {signer: release}}",
        asked,
        "CVE-2022-35929: without a type any attestation would do.",
        "missing field `predicateType`",
    );
    case(
        "of-signature",
        &built("").replace(PROVENANCE, SIGNATURE),
        asked,
        "The type of a signature: the signer itself is meant.",
        "require the signer itself",
    );
    for (name, predicate_type) in
        [("mistyped", "slsaprovenence"), ("path", "/provenance/v1"), ("empty", "''"), ("pattern", "'*'")]
    {
        let comment = "A predicate type that nobody signs.";
        case(
            &format!("type-{name}"),
            &built("").replace(PROVENANCE, predicate_type),
            asked,
            comment,
            "is no predicate type",
        );
    }
    for (name, pointer) in [("no-slash", "builder/id"), ("dots", "builder.id"), ("empty", "''"), ("tilde", "/a~2")] {
        let comment = "A place in the predicate that cannot be one: the condition would never hold, or always.";
        let members = format!(", predicate: {{{pointer}: x}}");
        case(&format!("pointer-{name}"), &built(&members), asked, comment, "is not a JSON pointer");
    }
    case(
        "unknown-field",
        &built(", predicates: {}"),
        asked,
        "A field that nobody reads.",
        "unknown field `predicates`",
    );
    case("conditions-a-list", &built(", predicate: [a]"), asked, "A list for a map.", "expected a map");
    let many: Vec<String> = (0..33).map(|n| format!("/c{n}: x")).collect();
    let members = format!(", predicate: {{{}}}", many.join(", "));
    case("33-conditions", &built(&members), asked, "Conditions have a limit.", "more than 32 conditions");
    case("a-list", &format!("[{PROVENANCE}]"), asked, "A list would be read by position.", "expected a map");
    case("one-a-list", &format!("{{built: [{PROVENANCE}, release]}}"), asked, "The same below.", "expected a mapping");
    case(
        "undefined",
        &built(""),
        "{attestation: other}",
        "An attestation that is not defined.",
        "\"other\" is not defined",
    );
    case("required-by-name", &built(""), "built", "A name alone is a signer's.", "signer \"built\" is not defined");
    case(
        "of-signer",
        &built(""),
        "{attestation: release}",
        "A signer's name for an attestation's.",
        "\"release\" is not defined",
    );
    case(
        "in-threshold",
        &built(""),
        "{atLeast: 1, of: [{attestation: built}]}",
        "Keys are counted, not attestations.",
        "names of signers",
    );
    case(
        "required-a-list",
        &built(""),
        "{attestation: [built]}",
        "A list for a name.",
        "takes the name of an attestation",
    );
    case(
        "with-operator",
        &built(""),
        "{attestation: built, anyOf: [release]}",
        "Two requirements in one.",
        "expected one of",
    );
}

fn platforms(book: &mut Book) {
    for (name, value) in [("unknown", "everyLeaf"), ("in-capitals", "Index"), ("boolean", "true"), ("list", "[index]")]
    {
        let vector = load(
            document(&format!("  multiArch: {value}\n"), "", "release"),
            "multiArch is index or indexOrEveryLeaf.",
            Expect::error("policy-invalid"),
        );
        add(book, &format!("policy/multi-arch-{name}"), vector);
    }
}
