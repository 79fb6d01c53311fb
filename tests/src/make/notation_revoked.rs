//! Certificates of Notation's signers that were revoked, or may have been; and what a policy takes note of without refusing.

use serde_json::{Value, json};

use super::notation::{ROOT, SAME_KEY, Signing, asks, material, signer, signer_with, unchecked};
use super::scene::Scene;
use super::toolbox::base64;
use super::{Book, accepted, add, rejected, unknown};
use crate::expect::Expect;
use crate::recipe::Recipe;

/// Issued [`RESPONDED`].
const AUTHORITY: &str = material!(text "responder/authority.pem");
/// Names an OCSP responder.
const RESPONDED: &str = material!(text "responder/leaf.pem");
/// The need for its answer: the question is in the address (RFC 6960, appendix A.1).
const QUESTION: &str = "ocsp http://ocsp.example/MEMwQTA%2FMD0wOzAJBgUrDgMCGgUABBSLzGrYaCQirCoHE%2FSiVgo70YFWewQUwX0zOCbZC4y5g9L6eYPwiVO7g5sCAhAC";

pub(super) fn write(book: &mut Book) {
    crls(book);
    responses(book);
    levels(book);
}

fn crls(book: &mut Book) {
    let mut case = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("notation/crl-{name}"), scene.vector("notation", comment, expect));
    };
    let scene = || unchecked(asks(signer()), &[Signing::new().stored()]);
    let with = |crl: &[u8]| scene().answers(crl).of_the_root();
    let revoked = || rejected("notation-revocation").text("is revoked since");
    case("revoked", with(material!("revocation/revoked.crl")), "The list has the certificate.", revoked());
    case("hold", with(material!("revocation/hold.crl")), "It is on hold: that is not good.", revoked());
    case("other", with(material!("revocation/other.crl")), "The list has another certificate.", accepted());
    let authority = signer_with("trustStores", json!({"signingAuthority": [ROOT]}));
    let invalid =
        |crl: &[u8]| unchecked(asks(authority.clone()), &[Signing::authority().stored()]).answers(crl).of_the_root();
    let comment = "It became invalid before the signing time, which an authority vouches for.";
    case("invalid-earlier", invalid(material!("revocation/invalid-earlier.crl")), comment, revoked());
    let comment = "It became invalid after it.";
    case("invalid-later", invalid(material!("revocation/invalid-later.crl")), comment, accepted());
    let comment = "The same of a signer who vouches for his own time.";
    case("invalid-later-own-time", with(material!("revocation/invalid-later.crl")), comment, revoked());
    let not_known = || unknown("notation-unknown");
    for (name, crl, comment) in [
        ("expired", material!("revocation/expired.crl"), "A list that is too old."),
        ("forged", material!("revocation/forged.crl"), "A list that the issuer did not sign."),
        ("of-another", material!("revocation/tsa.crl"), "A list of another issuer."),
    ] {
        case(name, with(crl), comment, not_known());
    }
    let need = "crl http://pki.example/ca.crl";
    let failed = json!({"outcome": "failed", "reason": "pki.example: timed out"});
    let scene_without = |outcome: Value| scene().of_the_root().answered(need, outcome);
    case("failed", scene_without(failed), "No list can be had.", not_known().text("timed out"));
    case("absent", scene_without(json!({"outcome": "absent"})), "There is none.", not_known().text("404"));
    let large = json!({"outcome": "tooLarge", "got": 99_000_000});
    case("too-large", scene_without(large), "It has no end.", not_known().text("too large"));
    let pinned = |crls: &[&[u8]]| {
        let crls: Vec<String> = crls.iter().map(|crl| base64(crl)).collect();
        unchecked(asks(signer_with("crls", json!(crls))), &[Signing::new().stored()])
    };
    let (root, empty) = (material!("revocation/root.crl"), material!("revocation/empty.crl"));
    case("in-the-policy", pinned(&[root, empty]), "Lists that the policy has are not fetched.", accepted());
    let scene = pinned(&[root, material!("revocation/revoked.crl")]).answers(empty);
    case("in-the-policy-revoked", scene, "What the policy's list has is revoked, whatever is fetched.", revoked());
}

fn responses(book: &mut Book) {
    let policy = || asks(signer_with("trustStores", json!({"ca": [AUTHORITY]})));
    let scene = || unchecked(policy(), &[Signing::new().chain(&[RESPONDED, AUTHORITY]).stored()]);
    let mut case = |name: &str, scene: Scene, comment: &str, expect: Expect| {
        add(book, &format!("notation/ocsp-{name}"), scene.vector("notation", comment, expect));
    };
    let with = |answer: &[u8]| scene().found(QUESTION, Recipe::of(answer), None);
    case("good", with(material!("responder/good.ocsp")), "The responder knows nothing against it.", accepted());
    let revoked = rejected("notation-revocation").text("is revoked since");
    case("revoked", with(material!("responder/revoked.ocsp")), "The responder says that it is revoked.", revoked);
    let not_known = || unknown("notation-unknown");
    case("unknown", with(material!("responder/unknown.ocsp")), "The responder does not know it.", not_known());
    let later = with(material!("revocation/try-later.ocsp"));
    case("try-later", later, "The responder has no time. Nobody signs that, and it can only withhold.", not_known());
    let other = with(material!("revocation/good.ocsp"));
    case("of-another", other, "A good answer about another certificate, by another authority.", not_known());
    let failed = json!({"outcome": "failed", "reason": "ocsp.example: timed out"});
    let unanswered = scene().answered(QUESTION, failed);
    case("failed", unanswered, "The responder is silent.", not_known().text("timed out"));
    let need = json!({"needs": [{"kind": "ocsp", "id": QUESTION}]});
    let expect = Expect::outcome("needs").answer(need);
    add(book, "needs/notation-5-ocsp", scene().vector("evidence", "The question is in the address.", expect));
}

fn levels(book: &mut Book) {
    let mut case = |name: &str, signer: Value, signing: Signing, comment: &str, expect: Expect| {
        let scene = unchecked(asks(signer), &[signing.stored()]);
        add(book, &format!("notation/level-{name}"), scene.vector("notation", comment, expect));
    };
    let at = |level: &str| signer_with("level", json!(level));
    let warned = |what: &str| accepted().text(what);
    let expired = || Signing::new().header(|it| it["io.cncf.notary.expiry"] = json!("2026-07-01T00:00:00Z"));
    let comment = "What could revoke the signer was not fetched, and is only taken note of.";
    let expect = warned("signer builders: revocation is only logged");
    case("permissive", at("permissive"), Signing::new(), comment, expect);
    let comment = "It has expired, which is only taken note of.";
    case("permissive-expired", at("permissive"), expired(), comment, warned("expiry is only logged"));
    let stranger = |level: &str| super::dsse::changed(at(level), |it| it["trustStores"] = json!({"ca": [SAME_KEY]}));
    let comment = "Who has signed is enforced.";
    let expect = rejected("notation-authenticity");
    case("permissive-stranger", stranger("permissive"), Signing::new(), comment, expect);
    let comment = "Anybody's signature counts, and is taken note of.";
    case("audit-stranger", stranger("audit"), Signing::new(), comment, warned("authenticity is only logged"));
    let other = Signing::new().target(|it| it["size"] = json!(1));
    let comment = "What was signed is enforced at every level.";
    case("audit-other-target", at("audit"), other, comment, rejected("notation-target"));
    let overridden = |level: &str, overrides: Value| super::dsse::changed(at(level), |it| it["override"] = overrides);
    let skip = overridden("strict", json!({"revocation": "skip"}));
    case("skip-revocation", skip, Signing::new(), "Nobody is asked about revocation.", accepted());
    let logs = overridden("strict", json!({"revocation": "skip", "expiry": "log"}));
    case("log-expiry", logs, expired(), "Expiry alone is taken note of.", warned("expiry is only logged"));
    let enforces = overridden("permissive", json!({"expiry": "enforce"}));
    let comment = "Expiry alone is enforced.";
    case("enforce-expiry", enforces, expired(), comment, rejected("notation-expiry"));
}
