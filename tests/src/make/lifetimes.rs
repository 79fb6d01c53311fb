//! What holds for a time only: when a signer counts.

use serde_json::json;

use super::dsse::{Stored, bundle, statement};
use super::policies::{load, refused};
use super::scene::{MATCH, Scene, layer, payload, policy};
use super::toolbox::Key;
use super::{Book, accepted, add, rejected};
use crate::expect::Expect;
use crate::recipe::Recipe;

pub(super) fn write(book: &mut Book) {
    windows(book);
    signers(book);
    misused(book);
}

/// A second before [`super::scene::NOW`], now, and a second after it.
const BEFORE: &str = "2025-12-31T23:59:59Z";
const NOW: &str = "2026-01-01T00:00:00Z";
const AFTER: &str = "2026-01-01T00:00:01Z";

/// An image signed by a key whose signer has these bounds.
fn signed(bounds: &str) -> Scene {
    let key = Key::p256(1);
    let text = policy("app", MATCH, &[("release", &key.public, bounds)], "release");
    Scene::new(text).layers(&[layer(&payload(), &key.sign(&payload()))])
}

fn bounds(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(field, moment)| format!("        {field}: {moment}\n")).collect()
}

fn windows(book: &mut Book) {
    let mut case = |name: &str, fields: &[(&str, &str)], comment: &str, expect: Expect| {
        let vector = signed(&bounds(fields)).vector("policy", comment, expect);
        add(book, &format!("lifetime/{name}"), vector);
    };
    case("not-before-now", &[("notBefore", NOW)], "The first second of the window is inside.", accepted());
    case("not-after-now", &[("notAfter", NOW)], "The last second of the window is inside.", accepted());
    case("window", &[("notBefore", BEFORE), ("notAfter", AFTER)], "Inside of both bounds.", accepted());
    case("revoked-later", &[("revokedSince", AFTER)], "Revoked from the next second on.", accepted());
    let outside = || rejected("signer-not-valid");
    case(
        "too-early",
        &[("notBefore", AFTER)],
        "A second too early.",
        outside().text("this signer counts from 2026-01-01T00:00:01Z, and it is 2026-01-01T00:00:00Z"),
    );
    case(
        "too-late",
        &[("notBefore", "2025-01-01T00:00:00Z"), ("notAfter", BEFORE)],
        "A second too late: the reason names both bounds and the time.",
        outside().text(
            "this signer counts from 2025-01-01T00:00:00Z until 2025-12-31T23:59:59Z, and it is 2026-01-01T00:00:00Z",
        ),
    );
    let since = "this signer is revoked since 2026-01-01T00:00:00Z, and it is 2026-01-01T00:00:00Z";
    let comment = "Revoked from this second on.";
    case("revoked-now", &[("revokedSince", NOW)], comment, rejected("signer-revoked").text(since));
    case(
        "revoked-in-window",
        &[("notAfter", "2027-01-01T00:00:00Z"), ("revokedSince", "2025-06-01T00:00:00Z")],
        "Revoked inside of its window: no signature can be known to be older.",
        rejected("signer-revoked"),
    );
}

fn signers(book: &mut Book) {
    let (old, new) = (Key::p256(1), Key::p256(2));
    let by = |key: &Key| vec![layer(&payload(), &key.sign(&payload()))];
    let two = |old_bounds: &str, new_bounds: &str, require: &str| {
        let signers = [("old", old.public.as_str(), old_bounds), ("new", new.public.as_str(), new_bounds)];
        Scene::new(policy("app", MATCH, &signers, require))
    };
    let mut add = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("lifetime/{name}"), scene.vector("policy", comment, expect));
    };
    let (until, from) = (bounds(&[("notAfter", AFTER)]), bounds(&[("notBefore", BEFORE)]));
    let either = "{anyOf: [old, new]}";
    let comment = "Rotation: while both windows are open either key counts.";
    add("rotation-by-old", two(&until, &from, either).layers(&by(&old)), comment, accepted());
    add("rotation-by-new", two(&until, &from, either).layers(&by(&new)), comment, accepted());
    add(
        "rotation-over",
        two(&bounds(&[("notAfter", BEFORE)]), &from, either).layers(&by(&old)),
        "Rotation is over: the old key's signature counts no more.",
        rejected("signer-not-valid"),
    );
    add(
        "revoked-in-threshold",
        two(&bounds(&[("revokedSince", BEFORE)]), "", "{atLeast: 2, of: [old, new]}")
            .layers(&[by(&old), by(&new)].concat()),
        "A key that is revoked counts toward no threshold.",
        rejected("threshold").text("1 of 2 required signers"),
    );
    let failed = json!({"outcome": "failed", "reason": "connection refused"});
    let unread = signed(&bounds(&[("notAfter", BEFORE)]));
    let scene = Scene::new(unread.policies.concat());
    let need = scene.signature_need();
    add(
        "too-late-and-unfetched",
        scene.answered(&need, failed),
        "What could not be fetched would not have counted: that is known.",
        rejected("signer-not-valid"),
    );
    let text = policy("app", MATCH, &[("release", &old.public, &bounds(&[("revokedSince", BEFORE)]))], "release");
    let scene = Scene::new(text).stored(&[Stored::new(&bundle(&old, &statement()))]);
    let need = scene.signature_need();
    add(
        "revoked-bundle",
        scene.answered(&need, json!({"outcome": "absent"})),
        "Whichever form the signature has.",
        rejected("signer-revoked"),
    );
}

fn misused(book: &mut Book) {
    let mut case = |name: &str, fields: &[(&str, &str)], comment: &str, text: &str| {
        let text_of = policy("app", MATCH, &[("release", &Key::p256(1).public, &bounds(fields))], "release");
        add(book, &format!("policy/validity-{name}"), load(vec![Recipe::lines(&text_of)], comment, refused(text)));
    };
    let never = "Bounds that no moment is between: the signer would never count.";
    case("inverted", &[("notBefore", AFTER), ("notAfter", BEFORE)], never, "would never count");
    case("equal", &[("notBefore", NOW), ("notAfter", NOW)], never, "would never count");
    for (name, moment) in [
        ("date", "2026-01-01"),
        ("offset", "2026-01-01T00:00:00+01:00"),
        ("fraction", "2026-01-01T00:00:00.5Z"),
        ("lower-case", "2026-01-01t00:00:00z"),
        ("no-day", "2026-02-29T00:00:00Z"),
        ("empty", "''"),
    ] {
        case(name, &[("notAfter", moment)], "Moments are written in one way.", "is no moment in UTC");
    }
    case("number", &[("notAfter", "1767225600")], "A number is no moment.", "expected a string");
    let key = Key::p256(1);
    let same = [
        ("release", key.public.as_str(), bounds(&[("notAfter", AFTER)])),
        ("again", key.public.as_str(), bounds(&[("notBefore", BEFORE)])),
    ];
    let same = same.each_ref().map(|(name, key, bounds)| (*name, *key, bounds.as_str()));
    let document = vec![Recipe::lines(&policy("app", MATCH, &same, "{allOf: [release, again]}"))];
    let comment = "One key under two names that count at different times: while both do, they are one.";
    add(book, "policy/validity-one-key-twice", load(document, comment, refused("are the same")));
}
