//! ClusterImagePolicy of Sigstore's policy-controller (`policy.sigstore.dev/v1alpha1` and `v1beta1`).

use serde_json::Value;

use super::fields::{Log, Object};
use super::glob::{Meaning, meaning};
use super::write::{Attestation, Draft, Images, Require, Signer, Signers, free};
use crate::cosign::predicate;
use crate::key::PublicKey;
use crate::reference::Repository;
use crate::text::excerpt;

/// `kind` of the documents.
pub(super) const KIND: &str = "ClusterImagePolicy";
const API_VERSIONS: [&str; 2] = ["policy.sigstore.dev/v1beta1", "policy.sigstore.dev/v1alpha1"];
/// What the API server adds, which says nothing about images.
const BOOKKEEPING: [&str; 8] = [
    "labels",
    "annotations",
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "finalizers",
];
const ANY_IDENTITY: &str =
    "identity: anyUnsafe, because policy-controller compares no identity: a signature for another repository counts.";

/// Reads one document. `None` when something in it was refused.
pub(super) fn read(document: &Value, log: &mut Log) -> Option<Draft> {
    let mut object = Object::read(document, "", log)?;
    let version = object.text("apiVersion", log);
    if version.is_none_or(|version| !API_VERSIONS.contains(&version)) {
        log.refuse("apiVersion", format!("expected one of {}", API_VERSIONS.join(", ")));
    }
    object.ignore(&["kind", "status"]);
    let name = object.object("metadata", log).and_then(|metadata| read_name(metadata, log));
    let spec = object.object("spec", log);
    for (field, is_there) in [("metadata", name.is_some()), ("spec", spec.is_some())] {
        if !is_there {
            log.refuse(field, "it is needed");
        }
    }
    object.finish(log);
    read_spec(name?.to_owned(), spec?, log)
}

fn read_name<'v>(mut metadata: Object<'v>, log: &mut Log) -> Option<&'v str> {
    let name = metadata.text("name", log);
    metadata.ignore(&BOOKKEEPING);
    let fits = |name: &&str| {
        (1..=253).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
    };
    if name.is_none_or(|name| !fits(&name)) {
        log.refuse(metadata.path("name"), "expected lower-case letters, digits, dots and hyphens");
    }
    metadata.finish(log);
    name.filter(fits)
}

fn read_spec(name: String, mut spec: Object<'_>, log: &mut Log) -> Option<Draft> {
    let mut notes = vec![format!("Converted from the {KIND} {name}.")];
    let mode = match spec.text("mode", log) {
        None | Some("enforce" | "") => None,
        Some("warn") => Some("warn"),
        Some(other) => {
            log.refuse(spec.path("mode"), format!("{:?} is neither enforce nor warn", excerpt(other)));
            None
        }
    };
    if spec.get("match").is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty())) {
        log.refuse(
            spec.path("match"),
            "unsupported: ours match images and namespaces, not kinds and labels of objects",
        );
    }
    let images = read_images(&mut spec, log);
    if let Some(mut policy) = spec.object("policy", log) {
        refuse_language(&mut policy, log);
    }
    let mut authorities = Authorities::default();
    let list = spec.list("authorities", log);
    if list.is_empty() {
        log.refuse(spec.path("authorities"), "there is no authority: no image satisfies such a policy");
    }
    let mut failing = 0usize;
    for (index, (path, authority)) in list.iter().enumerate() {
        let Some(authority) = Object::read(authority, path.clone(), log) else { continue };
        match authorities.read(index, authority, log) {
            Some(Authority::Requires(require)) => authorities.alternatives.push(require),
            Some(Authority::Fails) => failing = failing.saturating_add(1),
            None => {}
        }
    }
    if failing > 0 {
        notes.push(format!("Left out: {failing} authorities that always fail, which change nothing beside others."));
    }
    if failing > 0 && failing == list.len() {
        let message = "no image satisfies it, which ours cannot say: leave its images to no policy at all, and take them out of \
             every other with `except`";
        log.refuse(spec.path("authorities"), message);
    }
    spec.finish(log);
    notes.push(ANY_IDENTITY.to_owned());
    notes.extend(authorities.notes);
    Some(Draft {
        name,
        mode,
        images: images?,
        signers: authorities.signers,
        attestations: authorities.attestations,
        leaves: false,
        require: Require::any_of(authorities.alternatives),
        notes,
    })
}

fn read_images(spec: &mut Object<'_>, log: &mut Log) -> Option<Images> {
    let list = spec.list("images", log);
    if list.is_empty() {
        log.refuse(spec.path("images"), "it matches no image");
    }
    let mut globs = Vec::new();
    for (path, image) in &list {
        let Some(mut image) = Object::read(image, path.clone(), log) else { continue };
        match image.text("glob", log) {
            Some(glob) => globs.push((image.path("glob"), glob)),
            None => log.refuse(image.path("glob"), "it is needed"),
        }
        image.finish(log);
    }
    let all: Vec<&str> = globs.iter().map(|(_, glob)| *glob).collect();
    let (mut images, mut every) = (Vec::new(), false);
    for (path, glob) in &globs {
        match meaning(glob, &all) {
            Ok(Meaning::Every) => every = true,
            Ok(Meaning::Pattern(pattern)) if images.contains(&pattern) => {}
            Ok(Meaning::Pattern(pattern)) => images.push(pattern),
            Ok(Meaning::Covered) => {}
            Err(problem) => log.refuse(path, format!("{:?} cannot be said: {problem}", excerpt(glob))),
        }
    }
    if every { Some(Images::Every) } else { Some(Images::Patterns { images, except: Vec::new() }) }
}

/// A policy in CUE or Rego, at its `type`.
fn refuse_language(policy: &mut Object<'_>, log: &mut Log) {
    let language = policy.text("type", log).map(excerpt).unwrap_or_default();
    let message = format!("{language:?} is unsupported: CUE/Rego; rewrite as conditions (CEL)");
    log.refuse(policy.path("type"), message);
}

/// One authority: what satisfies it.
enum Authority {
    Requires(Require),
    /// `static: {action: fail}`.
    Fails,
}

/// The authorities of one policy, of which one is enough.
#[derive(Default)]
struct Authorities {
    signers: Signers,
    attestations: Vec<Attestation>,
    alternatives: Vec<Require>,
    notes: Vec<String>,
}

impl Authorities {
    fn read(&mut self, index: usize, mut authority: Object<'_>, log: &mut Log) -> Option<Authority> {
        let name = match authority.text("name", log) {
            None | Some("") => format!("authority-{index}"),
            Some(name) => excerpt(name),
        };
        let kinds = ["key", "keyless", "static"].into_iter().filter(|kind| authority.get(kind).is_some()).count();
        if kinds != 1 {
            log.refuse(authority.path("key"), "expected exactly one of key, keyless, static");
        }
        authority.refuse("keyless", "certificates of Fulcio are not read yet: only keys are", log);
        authority.refuse(
            "ctlog",
            "transparency logs are not read yet: without it, the signature alone would count",
            log,
        );
        authority.refuse("rfc3161timestamp", "timestamps are not read yet", log);
        let fails = read_static(&mut authority, log);
        let key = authority.object("key", log).and_then(|key| read_key(key, log));
        match authority.text("signatureFormat", log) {
            None | Some("legacy" | "") => {}
            Some("bundle") => {
                let message = "policy-controller reads bundles of keyless authorities only: no image satisfies it";
                log.refuse(authority.path("signatureFormat"), message);
            }
            Some(_) => log.refuse(authority.path("signatureFormat"), "expected legacy or bundle"),
        }
        let repository = self.read_source(&mut authority, log);
        let signer = key.map(|key| self.signers.name(&name, Signer::new(&key, "anyUnsafe", repository)));
        let attestations = authority.list("attestations", log);
        let mut parts = Vec::new();
        for (path, attestation) in attestations {
            let Some(attestation) = Object::read(attestation, path, log) else { continue };
            parts.extend(self.read_attestation(&name, signer.as_deref(), attestation, log));
        }
        authority.finish(log);
        if fails {
            return Some(Authority::Fails);
        }
        // With attestations the plain signature is not asked for.
        Some(Authority::Requires(if parts.is_empty() { Require::Signer(signer?) } else { Require::all_of(parts) }))
    }

    fn read_source(&mut self, authority: &mut Object<'_>, log: &mut Log) -> Option<String> {
        let sources = authority.list("source", log);
        if sources.len() > 1 {
            log.refuse(authority.path("source"), "more than one source");
        }
        let mut found = None;
        for (path, source) in sources {
            let Some(mut source) = Object::read(source, path, log) else { continue };
            source.refuse("tagPrefix", "unsupported: signatures lie under cosign's own tags", log);
            if source.get("signaturePullSecrets").is_some() {
                let note = "Left out: signaturePullSecrets. Credentials belong to the host's configuration.".to_owned();
                self.notes.push(note);
            }
            if let Some(oci) = source.text("oci", log) {
                let host = oci.split_once('/').map(|(host, _)| host);
                let is_full = host.is_some_and(|host| host.contains(['.', ':']) || host == "localhost");
                match Repository::parse(oci) {
                    Ok(repository) if is_full => found = Some(repository.to_string()),
                    Ok(_) => log.refuse(source.path("oci"), "expected a registry and a repository"),
                    Err(problem) => log.refuse(source.path("oci"), problem.to_string()),
                }
            }
            source.finish(log);
        }
        found
    }

    fn read_attestation(
        &mut self,
        authority: &str,
        signer: Option<&str>,
        mut attestation: Object<'_>,
        log: &mut Log,
    ) -> Option<Require> {
        let name = attestation.text("name", log);
        if name.is_none_or(str::is_empty) {
            log.refuse(attestation.path("name"), "it is needed");
        }
        let predicate_type = match attestation.text("predicateType", log).map(predicate::resolve) {
            Some(Ok(predicate_type)) => Some(predicate_type),
            Some(Err(problem)) => {
                log.refuse(attestation.path("predicateType"), problem.to_string());
                None
            }
            None => {
                log.refuse(attestation.path("predicateType"), "it is needed");
                None
            }
        };
        if let Some(mut policy) = attestation.object("policy", log) {
            refuse_language(&mut policy, log);
        }
        attestation.finish(log);
        let is_taken = |name: &str| self.attestations.iter().any(|other| other.name == name);
        let wanted = excerpt(name?);
        let wanted = if is_taken(&wanted) { format!("{authority}-{wanted}") } else { wanted };
        let name = free(&wanted, is_taken);
        let (predicate_type, signer) = (predicate_type?, signer?.to_owned());
        self.attestations.push(Attestation { name: name.clone(), predicate_type, signer });
        Some(Require::Attestation(name))
    }
}

/// Whether it is `static: {action: fail}`. The other one admits whatever it matches.
fn read_static(authority: &mut Object<'_>, log: &mut Log) -> bool {
    let Some(mut rule) = authority.object("static", log) else { return false };
    let action = rule.text("action", log);
    match action {
        Some("fail") => {}
        Some("pass") => log.refuse(rule.path("action"), "pass admits unsigned images, which ours never do"),
        _ => log.refuse(rule.path("action"), "expected fail or pass"),
    }
    rule.ignore(&["message"]);
    rule.finish(log);
    action == Some("fail")
}

fn read_key(mut key: Object<'_>, log: &mut Log) -> Option<PublicKey> {
    key.refuse("secretRef", "a secret of the cluster is not here: write the key into data", log);
    key.refuse("kms", "keys are pinned, not fetched: write the public key into data", log);
    if let Some(hash) = key.text("hashAlgorithm", log)
        && !hash.is_empty()
        && !hash.eq_ignore_ascii_case("sha256")
    {
        log.refuse(key.path("hashAlgorithm"), format!("{:?} is unsupported: only sha256 is", excerpt(hash)));
    }
    let elsewhere = key.get("secretRef").is_some() || key.get("kms").is_some();
    let data = key.text("data", log);
    let parsed = data.map(|data| PublicKey::parse(data.as_bytes()));
    if let Some(Err(problem)) = &parsed {
        log.refuse(key.path("data"), problem.to_string());
    }
    if data.is_none() && !elsewhere {
        log.refuse(key.path("data"), "it is needed");
    }
    key.finish(log);
    parsed?.ok()
}
