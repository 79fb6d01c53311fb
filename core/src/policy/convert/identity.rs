//! `signedIdentity` of containers-policy.json (signature/policy_reference_match.go): what ours can say of it.

use super::fields::{Log, Object};
use crate::text::excerpt;

/// Whether the identity of this requirement is `repository` in ours: the one kind that is the same there and here. Every other
/// one accepts less than ours would, and is refused.
pub(super) fn is_repository(requirement: &mut Object<'_>, log: &mut Log) -> bool {
    let path = requirement.path("signedIdentity");
    if requirement.get("signedIdentity").is_none() {
        let message = format!("it is missing, so matchRepoDigestOrExact holds: {}", why("matchRepoDigestOrExact"));
        log.refuse(path, message);
        return false;
    }
    let Some(mut identity) = requirement.object("signedIdentity", log) else { return false };
    let kind = identity.text("type", log).unwrap_or_default();
    let fields: &[&'static str] = match kind {
        "exactReference" => &["dockerReference"],
        "exactRepository" => &["dockerRepository"],
        "remapIdentity" => &["prefix", "signedPrefix"],
        _ => &[],
    };
    identity.ignore(fields);
    if kind != "matchRepository" {
        log.refuse(identity.path("type"), format!("{}: {}", excerpt(kind), why(kind)));
    }
    identity.finish(log);
    kind == "matchRepository"
}

fn why(kind: &str) -> &'static str {
    match kind {
        "matchExact" => {
            "asked by digest, it wants that digest in the identity, and our `exact` takes any tag; say matchRepository"
        }
        "matchRepoDigestOrExact" => {
            "it refuses an identity without a tag, and our `exact` takes one when asked by digest; say matchRepository, which is \
             what fits cosign's signatures"
        }
        "exactReference" | "exactRepository" => {
            "it takes one name only, and ours never stops taking the image's own; say matchRepository where they are the same"
        }
        "remapIdentity" => {
            "the image's own name no longer counts there, and ours never stops taking it; nor is a tag required by digest"
        }
        _ => "it is no kind of identity",
    }
}
