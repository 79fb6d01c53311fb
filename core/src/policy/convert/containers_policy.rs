//! containers-policy.json(5) of Podman, CRI-O and skopeo. There the most specific scope wins; here every matching policy has to
//! be satisfied, so that each scope takes those inside it out with `except`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::File;
use super::fields::{Log, Object, list};
use super::identity;
use super::scope::Scope;
use super::write::{Draft, Images, Require, Signer, Signers, free};
use crate::key::PublicKey;
use crate::text::excerpt;

const UNSIGNED: &str =
    "it admits unsigned images, which ours never do; leave it out and say default: [{\"type\": \"reject\"}]";
const ROOTS: &str = "certificates are not read yet: only keys are";
const LOG: &str = "transparency logs are not read yet: without it, the signature alone would count";
const LEAVES: &str = "multiArch: Podman and CRI-O look at the manifest of their platform alone. Here an index counts when it is signed \
     itself, or when every one of its manifests is.";

/// What a list of requirements comes to.
enum Rule {
    Reject,
    Anything,
    /// All of these, each satisfied by one of its keys.
    Signed(Vec<Vec<PublicKey>>),
}

/// Reads the whole document: one policy for each scope that asks for signatures.
pub(super) fn read(name: &str, document: &Value, files: &[File<'_>], log: &mut Log) -> Vec<Draft> {
    let Some(mut object) = Object::read(document, "", log) else { return Vec::new() };
    let default = object.get("default");
    let transports = object.object("transports", log);
    object.finish(log);
    let mut docker = None;
    if let Some(mut transports) = transports {
        docker = transports.object("docker", log);
        let known = [
            "atomic",
            "containers-storage",
            "dir",
            "docker-archive",
            "docker-daemon",
            "oci",
            "oci-archive",
            "sif",
            "tarball",
        ];
        for transport in known {
            if transports.get(transport).is_some() {
                log.note(format!("Left out: transports.{transport}. Bulla decides about images in registries."));
            }
        }
        transports.finish(log);
    }
    let mut rules = Vec::new();
    let mut rest = default.map(|default| ("default".to_owned(), default));
    for (text, value) in docker.iter().flat_map(|docker| docker.members()) {
        let path = format!("transports.docker[{}]", Value::String(excerpt(text)));
        match Scope::read(text) {
            Ok(Scope::Rest) => rest = Some((path, value)),
            Ok(scope) => rules.push((scope, read_rule(value, &path, files, log), path)),
            Err(problem) => {
                log.refuse(path.clone(), problem);
                // What else is wrong there is said at once.
                read_rule(value, &path, files, log);
            }
        }
    }
    let mut drafts = Drafts { stem: stem(name), drafts: Vec::new() };
    if let Some((path, value)) = rest {
        match read_rule(value, &path, files, log) {
            Some(Rule::Signed(_)) if !rules.is_empty() => {
                let message = "a default that asks for signatures cannot stand beside scopes: everyImage has no `except`; name the \
                     registries as scopes and say reject here";
                log.refuse(path, message);
            }
            Some(Rule::Signed(keys)) => drafts.add("default", Images::Every, keys),
            Some(Rule::Anything) => log.refuse(format!("{path}[0].type"), UNSIGNED),
            Some(Rule::Reject) => {
                log.note("Whatever no policy matches is rejected: that is the default of the source.")
            }
            None => {}
        }
    }
    let scopes: Vec<Scope> = rules.iter().map(|(scope, ..)| scope.clone()).collect();
    for (scope, rule, path) in rules {
        let inside = scopes.iter().filter(|other| other.is_inside(&scope));
        let except: Vec<String> = inside.map(Scope::pattern).collect();
        match (scope, rule) {
            (_, Some(Rule::Anything)) => log.refuse(format!("{path}[0].type"), UNSIGNED),
            (_, Some(Rule::Reject)) => log.note(format!(
                "{path} rejects: nothing here matches it, and scopes around it take it out. Let no other policy match it."
            )),
            (Scope::Below(text), Some(Rule::Signed(keys))) => {
                let images = vec![Scope::Below(text.clone()).pattern()];
                drafts.add(&text, Images::Patterns { images, except }, keys);
            }
            (_, Some(Rule::Signed(_))) => log.refuse(path, "our patterns name registries in full: write each host as a scope"),
            (_, None) => {}
        }
    }
    drafts.drafts
}

struct Drafts {
    stem: String,
    drafts: Vec<Draft>,
}

impl Drafts {
    fn add(&mut self, scope: &str, images: Images, requirements: Vec<Vec<PublicKey>>) {
        let wanted = format!("{}-{}", self.stem, plain(scope));
        let name = free(&wanted, |name| self.drafts.iter().any(|draft| draft.name == name));
        let mut signers = Signers::default();
        let all = requirements.iter().enumerate().map(|(index, keys)| {
            let any = keys.iter().enumerate().map(|(alternative, key)| {
                let wanted = match keys.len() {
                    1 => format!("requirement-{index}"),
                    _ => format!("requirement-{index}-key-{alternative}"),
                };
                Require::Signer(signers.name(&wanted, Signer::new(key, "repository", None)))
            });
            Require::any_of(any.collect())
        });
        let require = Require::all_of(all.collect());
        let notes = vec![
            format!("Converted from the scope {scope:?} of a containers-policy.json."),
            "forms: [legacy], because only signature images under cosign's tags are read there.".to_owned(),
            LEAVES.to_owned(),
        ];
        let attestations = Vec::new();
        self.drafts.push(Draft { name, mode: None, images, signers, attestations, leaves: true, require, notes });
    }
}

/// All requirements of a list have to be satisfied.
fn read_rule(value: &Value, path: &str, files: &[File<'_>], log: &mut Log) -> Option<Rule> {
    let items = list(value, path, log);
    if items.is_empty() {
        log.refuse(path, "an empty list of requirements is not valid");
        return None;
    }
    let (mut keys, mut rejects, mut is_whole) = (Vec::new(), false, true);
    for (path, item) in items {
        let Some(mut requirement) = Object::read(item, path.clone(), log) else {
            is_whole = false;
            continue;
        };
        match requirement.text("type", log) {
            Some("reject") => rejects = true,
            // It asks for nothing, so that the others alone decide.
            Some("insecureAcceptAnything") => {}
            Some("sigstoreSigned") => {
                let read = read_keys(&mut requirement, files, log);
                let is_same = identity::is_repository(&mut requirement, log);
                for field in ["rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas"]
                {
                    requirement.refuse(field, LOG, log);
                }
                match read {
                    Some(read) if is_same => keys.push(read),
                    _ => is_whole = false,
                }
            }
            Some("signedBy") => {
                log.refuse(requirement.path("type"), "signedBy: signatures of GPG are not read");
                is_whole = false;
                continue;
            }
            other => {
                let other = excerpt(other.unwrap_or_default());
                log.refuse(requirement.path("type"), format!("{other:?} is no requirement that is known"));
                is_whole = false;
                continue;
            }
        }
        requirement.finish(log);
    }
    match (is_whole, rejects, keys.is_empty()) {
        (false, ..) => None,
        (true, true, _) => Some(Rule::Reject),
        (true, false, true) => Some(Rule::Anything),
        (true, false, false) => Some(Rule::Signed(keys)),
    }
}

/// The keys of a requirement, of which one has to have signed. `None` when something was refused.
fn read_keys(requirement: &mut Object<'_>, files: &[File<'_>], log: &mut Log) -> Option<Vec<PublicKey>> {
    let sources = ["keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki"];
    let given = sources.into_iter().filter(|source| requirement.get(source).is_some()).count();
    if given != 1 {
        log.refuse(requirement.path("keyPath"), format!("expected exactly one of {}", sources.join(", ")));
    }
    requirement.refuse("fulcio", ROOTS, log);
    requirement.refuse("pki", ROOTS, log);
    let mut keys = Vec::new();
    let mut named: Vec<(bool, String, &Value)> = Vec::new();
    for (is_inline, one, several) in [(false, "keyPath", "keyPaths"), (true, "keyData", "keyDatas")] {
        named.extend(requirement.get(one).map(|value| (is_inline, requirement.path(one), value)));
        named.extend(requirement.list(several, log).into_iter().map(|(path, value)| (is_inline, path, value)));
    }
    let wanted = named.len();
    for (is_inline, path, value) in named {
        let Some(text) = value.as_str() else {
            log.refuse(path, "expected text");
            continue;
        };
        let bytes = if is_inline {
            STANDARD.decode(text).map_err(|problem| log.refuse(path.clone(), format!("not base64: {problem}"))).ok()
        } else {
            let file = files.iter().find(|(name, _)| name == text).map(|(_, bytes)| bytes.to_vec());
            if file.is_none() {
                log.missing(path.clone(), text);
            }
            file
        };
        match bytes.map(|bytes| PublicKey::parse(&bytes)) {
            Some(Ok(key)) => keys.push(key),
            Some(Err(problem)) => log.refuse(path, problem.to_string()),
            None => {}
        }
    }
    (given == 1 && wanted > 0 && keys.len() == wanted).then_some(keys)
}

/// The name of a file without folders and ending, fit for a name.
fn stem(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = plain(file.split('.').next().unwrap_or_default());
    if stem.is_empty() { "policy".to_owned() } else { stem }
}

/// Lower-case letters, digits, dots and inner hyphens; at most 100 of them.
pub(super) fn plain(text: &str) -> String {
    let plain: String = text
        .chars()
        .take(100)
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    plain.trim_matches(['-', '.']).to_owned()
}
