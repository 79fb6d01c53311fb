//! One change that would make an image pass, derived from the reasons of the verdict.

use serde_json::Value;

use super::documents::Known;
use crate::verdict::{list, string};

/// A change, and the command that makes it where one does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) what: String,
    pub(super) command: Option<String>,
    /// Policy and signer whose pinned forms may be all that stands in the way.
    pub(super) forms: Option<(String, String)>,
}

impl Change {
    fn say(what: impl Into<String>) -> Self {
        Self { what: what.into(), command: None, forms: None }
    }

    /// For a signature that is there, in a form that does not count.
    pub(super) fn form(policy: &str, signer: &str, pinned: &[String]) -> Self {
        Self::say(format!(
            "it is there in a form that does not count: add that form to `forms` of signer {signer} in policy {policy} \
             (now [{}]), or sign again in one of these",
            pinned.join(", ")
        ))
    }
}

/// What would make the image pass; `None` where it does.
pub(super) fn change(image: &str, verdict: &Value, known: &[Known]) -> Option<Change> {
    if string(verdict, "outcome") == Some("accept") {
        return None;
    }
    if let Some(reason) = list(verdict, "reasons").first() {
        return Some(of_the_image(image, verdict, reason));
    }
    let deciding = list(verdict, "policies").iter().filter(|policy| string(policy, "mode") == Some("enforce"));
    let failing: Vec<&Value> = deciding.filter(|policy| outcome(tree(policy)) != "accept").collect();
    // A rejection is firmer than what is unknown: it would stand when the unknown is known.
    let first = failing.iter().find(|policy| outcome(tree(policy)) == "reject").or(failing.first())?;
    let name = string(first, "policy")?;
    let written = known.iter().find(|one| one.name == name);
    let image = string(verdict, "pinned").unwrap_or(image).to_owned();
    Some(below(tree(first), &Place { image, policy: name, written }))
}

struct Place<'p> {
    image: String,
    policy: &'p str,
    written: Option<&'p Known>,
}

fn of_the_image(image: &str, verdict: &Value, reason: &Value) -> Change {
    let message = string(reason, "message").unwrap_or_default();
    match string(reason, "code").unwrap_or_default() {
        "no-policy" if message.contains(" without ") => Change::say(format!(
            "ask as the cluster does: --namespace NAME, or a policy without such conditions ({message})"
        )),
        "no-policy" => Change::say(format!(
            "a policy about it: add the pattern `{}` to `spec.match.images` of the policy that is to decide",
            string(verdict, "repository").unwrap_or(image)
        )),
        "image-absent" => Change::say(format!("push the image, or name one that is there: {message}")),
        "reference" => Change::say(format!("name the image as registry/repository:tag: {message}")),
        code => general(code, message),
    }
}

/// Where the tree fails, and what would mend it there.
fn below(node: &Value, place: &Place<'_>) -> Change {
    let rule = string(node, "rule").unwrap_or_default();
    let open = || list(node, "of").iter().filter(|part| outcome(part) != "accept");
    let image = string(node, "digest").map(|digest| of_leaf(&place.image, digest));
    let place = &Place { image: image.unwrap_or_else(|| place.image.clone()), ..*place };
    if let Some(signer) = rule.strip_prefix("signer ") {
        return leaf(node, signer, None, place);
    }
    if let Some(rest) = rule.strip_prefix("attestation ") {
        let (attestation, signer) = rest.rsplit_once(" by ").unwrap_or((rest, ""));
        return leaf(node, signer, Some(attestation), place);
    }
    let part = match rule {
        // All of them are needed: the one that is refused before the one that is unknown.
        "allOf" | "every leaf" => open().find(|part| outcome(part) == "reject").or_else(|| open().next()),
        // One is enough: what is unknown may hold already, and who does not count now is asked last.
        _ => open().min_by_key(|part| match outcome(part) {
            "unknown" => 0u8,
            _ if list(part, "reasons").iter().any(|reason| string(reason, "code").is_some_and(is_over)) => 2,
            _ => 1,
        }),
    };
    let Some(part) = part else {
        let reason = list(node, "reasons").first();
        let field = |name| reason.and_then(|reason| string(reason, name)).unwrap_or_default();
        return general(field("code"), field("message"));
    };
    let mut change = below(part, place);
    if rule.starts_with("atLeast ") {
        let names: Vec<&str> = open().filter_map(|part| string(part, "rule")?.strip_prefix("signer ")).collect();
        let got = list(node, "reasons").iter().find(|reason| string(reason, "code") == Some("threshold"));
        let got = got.and_then(|reason| string(reason, "message")).map(|said| format!(" ({said})")).unwrap_or_default();
        change.what = format!("one more of {} has to sign{got}; for {}", names.join(", "), change.what);
    }
    change
}

/// Codes from the one that says most to the one that says least: a signature that is nearly right before none.
const TELLING: [&str; 17] = [
    "unfetched",
    "budget",
    "notation-unknown",
    "notation-metadata",
    "notation-timestamp",
    "wrong-identity",
    "annotation",
    "predicate",
    "no-time",
    "age",
    "condition",
    "wrong-digest",
    "wrong-predicate-type",
    "payload",
    "not-signed",
    "not-attested",
    "nothing-found",
];

fn leaf(node: &Value, signer: &str, attestation: Option<&str>, place: &Place<'_>) -> Change {
    let reasons = list(node, "reasons");
    let coded = |code: &str| reasons.iter().find(|reason| string(reason, "code") == Some(code));
    let reason = TELLING.iter().find_map(|code| coded(code)).or(reasons.first());
    let field = |name| reason.and_then(|reason| string(reason, name)).unwrap_or_default();
    let (code, message) = (field("code"), field("message"));
    let (command, image) = (Some(command(node, signer, attestation, place)), &place.image);
    let what = match code {
        "unfetched" | "budget" | "index" | "revoked-digest" => return general(code, message),
        code if is_over(code) => {
            let what = format!("a signer that counts now: sign by another key, and name it in the policy ({message})");
            return Change::say(what);
        }
        code if place.written.and_then(|written| written.system(signer)) == Some("notation") => {
            return of_notation(signer, code, message, image);
        }
        _ if place.written.and_then(|written| written.system(signer)) == Some("contentTrust") => {
            return Change::say(format!("signer {signer}: sign the tag with Docker Content Trust ({message})"));
        }
        "wrong-identity" => format!("signer {signer}: sign again for this repository ({message})"),
        "annotation" => {
            format!("signer {signer}: sign again with the annotations that the policy asks for ({message})")
        }
        "predicate" | "no-time" | "age" | "condition" => {
            format!("signer {signer}: attest what the policy asks for, once it is so ({message})")
        }
        _ if attestation.is_some() => format!("signer {signer}: attest {image} ({message})"),
        _ => format!("signer {signer}: sign {image} ({message})"),
    };
    let pinned = place.written.and_then(|written| written.forms(signer)).is_some();
    let missing = matches!(code, "not-signed" | "not-attested" | "nothing-found" | "no-signatures" | "other-key");
    let forms = (pinned && missing).then(|| (place.policy.to_owned(), signer.to_owned()));
    Change { what, command, forms }
}

/// For a signer of Notation: signing again, or what no signature of this certificate mends.
fn of_notation(signer: &str, code: &str, message: &str, image: &str) -> Change {
    let what = match code {
        "notation-unknown" => return general("unfetched", message),
        "notation-authenticity" | "notation-revocation" => {
            format!("signer {signer}: sign with a certificate that the policy trusts and nobody revoked ({message})")
        }
        "notation-timestamp" => {
            format!("signer {signer}: sign again, with a timestamp that the policy trusts ({message})")
        }
        "notation-metadata" => {
            format!("signer {signer}: sign again with the metadata that the policy asks for ({message})")
        }
        _ => format!("signer {signer}: sign {image} with Notation ({message})"),
    };
    Change { command: Some(format!("notation sign {image}")), ..Change::say(what) }
}

/// Whether a signer does not count at this time, whatever it signs.
fn is_over(code: &str) -> bool {
    matches!(code, "signer-not-valid" | "signer-revoked")
}

/// What a signer has to run.
fn command(node: &Value, signer: &str, attestation: Option<&str>, place: &Place<'_>) -> String {
    let key = string(node, "key").unwrap_or("the policy's");
    let field = |name: &str| place.written.and_then(|written| written.signer(signer, name));
    let mut line = match attestation {
        None => format!("bulla sign {}", place.image),
        Some(name) => {
            let asked = place.written.and_then(|written| written.spec("attestations").get(name));
            let predicate_type = asked.and_then(|asked| string(asked, "predicateType")).unwrap_or("TYPE");
            format!("bulla attest {} --type {predicate_type} --predicate FILE", place.image)
        }
    };
    line.push_str(&format!(" --key '<the private key with fingerprint {key}>'"));
    if let Some(form) = place.written.and_then(|written| written.forms(signer)).and_then(|forms| forms.first().cloned())
    {
        line.push_str(&format!(" --form {form}"));
    }
    for (name, value) in field("annotations").and_then(Value::as_object).into_iter().flatten() {
        line.push_str(&format!(" --annotation {name}={}", value.as_str().unwrap_or_default()));
    }
    if let Some(repository) = field("signatureRepository").and_then(Value::as_str) {
        line.push_str(&format!(" --signature-repository {repository}"));
    }
    line
}

fn general(code: &str, message: &str) -> Change {
    Change::say(match code {
        "unfetched" => format!("see to it that this can be fetched: {message}"),
        "budget" => format!("remove what is too much: {message}"),
        "revoked-digest" => format!("another image: build and sign a new one ({message})"),
        _ => format!("what is said here has to be so: {message}"),
    })
}

/// The leaf of an index, in the repository of the index.
fn of_leaf(image: &str, digest: &str) -> String {
    let name = image.split('@').next().unwrap_or(image);
    let (start, last) = name.rsplit_once('/').unwrap_or(("", name));
    let last = last.split(':').next().unwrap_or(last);
    if start.is_empty() { format!("{last}@{digest}") } else { format!("{start}/{last}@{digest}") }
}

fn tree(policy: &Value) -> &Value {
    policy.get("tree").unwrap_or(&Value::Null)
}

fn outcome(node: &Value) -> &str {
    string(node, "outcome").unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::{change, of_leaf};
    use crate::commands::policy::documents::known;
    use bulla_server::PolicyFiles;
    use serde_json::{Value, json};

    fn signer(name: &str, outcome: &str, code: &str) -> Value {
        let reasons = json!([{"code": code, "message": "why"}]);
        json!({"rule": format!("signer {name}"), "outcome": outcome, "key": format!("sha256:{name}"), "reasons": reasons})
    }

    fn said(tree: &Value) -> (String, Option<String>) {
        let policy = json!({"policy": "p", "mode": "enforce", "tree": tree});
        let verdict = json!({"outcome": tree["outcome"], "pinned": "r.example/app:1@sha256:00", "policies": [policy]});
        let change = change("r.example/app:1", &verdict, &[]).expect("a change");
        (change.what, change.command)
    }

    #[test]
    fn the_part_that_fails_is_mended() {
        let (what, command) = said(&signer("a", "reject", "not-signed"));
        assert!(what.starts_with("signer a: sign r.example/app:1@sha256:00"), "{what}");
        assert!(command.is_some_and(|command| command.contains("fingerprint sha256:a>")));
        let of =
            json!([signer("a", "accept", ""), signer("b", "unknown", "unfetched"), signer("c", "reject", "other-key")]);
        let all = json!({"rule": "allOf", "outcome": "reject", "of": of});
        assert!(said(&all).0.starts_with("signer c: sign"), "{:?}", said(&all));
        let any = json!({"rule": "anyOf", "outcome": "unknown", "of": [of[2], of[1]]});
        assert!(said(&any).0.starts_with("see to it that this can be fetched"), "{:?}", said(&any));
        let reasons = json!([{"code": "threshold", "message": "1 of 2 required signers have signed"}]);
        let two = json!({"rule": "atLeast 2", "outcome": "reject", "of": [of[0], of[2]], "reasons": reasons});
        assert!(said(&two).0.starts_with("one more of c has to sign (1 of 2 required"), "{:?}", said(&two));
        let any =
            json!({"rule": "anyOf", "outcome": "reject", "of": [signer("old", "reject", "signer-not-valid"), of[2]]});
        assert!(said(&any).0.starts_with("signer c: sign"), "{:?}", said(&any));
        assert!(said(&any["of"][0]).0.starts_with("a signer that counts now"), "{:?}", said(&any["of"][0]));
        let leaf = json!({"rule": "leaf linux/arm64", "outcome": "reject", "digest": "sha256:11", "of": [of[2]]});
        let every = json!({"rule": "every leaf", "outcome": "reject", "of": [leaf]});
        assert!(said(&every).0.contains("sign r.example/app@sha256:11"), "{:?}", said(&every));
    }

    #[test]
    fn signers_of_other_systems_sign_with_their_own_programs() {
        let policy = "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: p}\nspec:\n  signers:\n    \
                      a: {notation: {}}\n    b: {contentTrust: {}}\n";
        let files = PolicyFiles::given(vec![("p.yaml".to_owned(), policy.into())]);
        let known = known(&files).expect("YAML");
        let said = |name: &str, code: &str| {
            let policy = json!({"policy": "p", "mode": "enforce", "tree": signer(name, "reject", code)});
            let verdict = json!({"outcome": "reject", "pinned": "r.example/app@sha256:00", "policies": [policy]});
            let change = change("r.example/app:1", &verdict, &known).expect("a change");
            (change.what, change.command)
        };
        let command = Some("notation sign r.example/app@sha256:00".to_owned());
        for (code, hint) in [
            ("nothing-found", "signer a: sign r.example/app@sha256:00 with Notation"),
            ("notation-authenticity", "signer a: sign with a certificate that the policy trusts"),
            ("notation-timestamp", "with a timestamp that the policy trusts"),
            ("notation-metadata", "with the metadata"),
        ] {
            let (what, with) = said("a", code);
            assert!(what.contains(hint) && with == command, "{what}: {with:?}");
        }
        assert_eq!(said("a", "notation-unknown").1, None);
        let (what, command) = said("b", "trust-expired");
        assert!(what.starts_with("signer b: sign the tag with Docker Content Trust") && command.is_none(), "{what}");
    }

    #[test]
    fn an_accepted_image_needs_no_change_and_an_image_without_policy_needs_one() {
        assert_eq!(change("a", &json!({"outcome": "accept"}), &[]), None);
        let reasons = json!([{"code": "no-policy", "message": "no policy matches r.example/app"}]);
        let verdict = json!({"outcome": "reject", "repository": "r.example/app", "reasons": reasons});
        assert!(change("a", &verdict, &[]).is_some_and(|change| change.what.contains("`r.example/app`")));
        assert_eq!(of_leaf("host:5000/app:1@sha256:00", "sha256:11"), "host:5000/app@sha256:11");
    }
}
