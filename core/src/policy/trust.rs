//! A signer whose signatures are role files of Docker Content Trust: which server has them, which root keys are pinned, and
//! which roles have to have signed a tag.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::limits::{MAX_TRUST_PINS, MAX_TRUST_ROLES};
use crate::ordered::Ordered as _;
use crate::reference::Repository;
use crate::text::excerpt;
use crate::tuf::certificate::Certificate;
use crate::tuf::key::KeyId;
use crate::tuf::pinning::{Anchor, Pin, Pins, Scope};
use crate::tuf::resolve::Lookup;
use crate::tuf::role::{Gun, Role};
use crate::yaml::{Document, Place, YamlError};

/// Where Docker Hub's role files are: the one registry whose server has another name.
const DOCKER_HUB_SERVER: &str = "https://notary.docker.io";

/// Somebody whose signatures are role files of a Notary server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentTrust {
    /// The server, as `https://host:port`. Nothing for the one that belongs to the image's registry.
    pub server: Option<String>,
    /// Which root keys are trusted, for every collection that the policy's images have.
    pub pins: Pins,
    /// The collection. Nothing for the one that is named as the image's repository.
    pub gun: Option<Gun>,
    /// Which roles say what a tag is.
    pub lookup: Lookup,
    /// The lowest versions that are accepted, by role.
    pub minimum_versions: BTreeMap<Role, u64>,
}

/// The signer as it stands in a document, at `signers.NAME.contentTrust`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContentTrustDocument {
    #[serde(default)]
    server: Option<String>,
    pins: PinsDocument,
    #[serde(default)]
    gun: Option<String>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    #[serde(default)]
    required: Option<Vec<String>>,
    #[serde(default)]
    minimum_versions: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PinsDocument {
    #[serde(default)]
    root_keys: Vec<String>,
    #[serde(default)]
    root_certificates: Vec<String>,
    #[serde(default)]
    ca: Option<String>,
}

impl ContentTrust {
    /// Reads the signer at this path of a document: that of the member `contentTrust`.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub fn read(source: ContentTrustDocument, path: &str, document: &Document) -> Result<Self, YamlError> {
        let error = |field: &str, message: String| document.error(&format!("{path}.{field}"), message);
        let server = source.server.map(|text| read_server(&text).map_err(|problem| error("server", problem)));
        let gun = source.gun.map(|text| Gun::parse(&text).map_err(|problem| error("gun", problem.to_string())));
        let roles = |list: Vec<String>, field: &str| read_roles(&list, &format!("{path}.{field}"), document);
        let lookup = match (source.roles, source.required) {
            (None, None) => Lookup::docker(),
            (Some(first_of), None) => Lookup::FirstOf(roles(first_of, "roles")?),
            (None, Some(all_of)) => Lookup::AllOf(roles(all_of, "required")?.into_iter().into_set()),
            (Some(_), Some(_)) => {
                let message = "roles are asked one after the other, required ones all: leave one of the two out";
                return Err(error("required", message.to_owned()));
            }
        };
        let mut minimum_versions = BTreeMap::new();
        for (name, version) in source.minimum_versions {
            let field = format!("minimumVersions.{name}");
            let role = Role::parse(&name).map_err(|problem| error(&field, problem.to_string()))?;
            if version == 0 {
                return Err(error(&field, "versions begin at 1".to_owned()));
            }
            minimum_versions.insert(role, version);
        }
        Ok(Self {
            server: server.transpose()?,
            pins: read_pins(&source.pins, &format!("{path}.pins"), document)?,
            gun: gun.transpose()?,
            lookup,
            minimum_versions,
        })
    }

    /// Reads a signer that stands alone, in a document with the one member `contentTrust`.
    ///
    /// # Errors
    /// [`YamlError`] at the first value that is wrong.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Alone {
            content_trust: ContentTrustDocument,
        }
        let documents = Document::read_all(text)?;
        let [document] = documents.as_slice() else {
            let message = format!("{} documents, one is expected", documents.len());
            return Err(YamlError { place: Place { line: 1, column: 1 }, path: String::new(), message });
        };
        Self::read(document.shape::<Alone>()?.content_trust, "contentTrust", document)
    }

    /// The collection that is asked about an image of this repository.
    pub fn gun_of(&self, repository: &Repository) -> Gun {
        self.gun.clone().unwrap_or_else(|| Gun::of(repository))
    }

    /// The server that is asked about an image of this repository: `https://host:port`.
    pub fn server_of(&self, repository: &Repository) -> String {
        match (&self.server, repository.registry()) {
            (Some(server), _) => server.clone(),
            (None, "docker.io") => DOCKER_HUB_SERVER.to_owned(),
            (None, host) => format!("https://{host}"),
        }
    }
}

/// A server's address is a host: Notary's clients begin every path at its root.
fn read_server(text: &str) -> Result<String, String> {
    let shown = excerpt(text);
    let host = text.strip_prefix("https://").ok_or_else(|| format!("{shown:?} does not begin with https://"))?;
    let host = host.strip_suffix('/').unwrap_or(host);
    // A single name is a host here, which a reference would take for a repository.
    let full = if host.contains([':', '.']) { host.to_owned() } else { format!("{host}:443") };
    match Repository::parse(&format!("{full}/x")) {
        Ok(repository) if repository.registry() == full.to_ascii_lowercase() && repository.path() == "x" => {
            Ok(format!("https://{}", host.to_ascii_lowercase()))
        }
        _ => Err(format!("{shown:?} is not https://host or https://host:port")),
    }
}

fn read_roles(list: &[String], path: &str, document: &Document) -> Result<Vec<Role>, YamlError> {
    if list.is_empty() {
        return Err(document.error(path, "no role would be asked: leave it out for targets/releases and targets"));
    }
    if list.len() > MAX_TRUST_ROLES {
        return Err(document.error(path, format!("more than {MAX_TRUST_ROLES} roles")));
    }
    let mut roles = Vec::new();
    for (index, name) in list.iter().enumerate() {
        let here = format!("{path}[{index}]");
        let role = Role::parse(name).map_err(|problem| document.error(&here, problem.to_string()))?;
        if !role.has_targets() {
            return Err(document.error(&here, format!("{role} does not say what tags are: targets and those below do")));
        }
        if roles.contains(&role) {
            return Err(document.error(&here, format!("{role} is listed twice")));
        }
        roles.push(role);
    }
    Ok(roles)
}

fn read_pins(source: &PinsDocument, path: &str, document: &Document) -> Result<Pins, YamlError> {
    let mut anchors = Vec::new();
    let count = source.root_keys.len().saturating_add(source.root_certificates.len());
    if count > MAX_TRUST_PINS {
        return Err(document.error(path, format!("more than {MAX_TRUST_PINS} pins")));
    }
    let mut keys = BTreeSet::new();
    for (index, text) in source.root_keys.iter().enumerate() {
        let here = format!("{path}.rootKeys[{index}]");
        let id = KeyId::parse(text).map_err(|problem| document.error(&here, problem.to_string()))?;
        if !keys.insert(id) {
            return Err(document.error(&here, "this key is pinned twice"));
        }
    }
    if !keys.is_empty() {
        anchors.push(Anchor::Keys(keys));
    }
    let read = |text: &str, here: &str| {
        Certificate::parse_chain(text.as_bytes()).map_err(|problem| document.error(here, problem.to_string()))
    };
    let mut certificates = Vec::new();
    for (index, text) in source.root_certificates.iter().enumerate() {
        let here = format!("{path}.rootCertificates[{index}]");
        let chain = read(text, &here)?;
        let leaf = Certificate::leaf(&chain).map_err(|problem| document.error(&here, problem.to_string()))?;
        certificates.push(leaf.clone());
    }
    if !certificates.is_empty() {
        anchors.push(Anchor::Certificates(certificates));
    }
    if let Some(text) = &source.ca {
        let here = format!("{path}.ca");
        let authorities = read(text, &here)?;
        if let Some(other) = authorities.iter().find(|certificate| !certificate.is_ca()) {
            let name = excerpt(other.common_name());
            return Err(document.error(&here, format!("{name:?} is no authority: pin it under rootCertificates")));
        }
        anchors.push(Anchor::Authorities(authorities));
    }
    if anchors.is_empty() {
        let message = "nothing is pinned: list rootKeys, rootCertificates or ca (nothing is trusted on first use)";
        return Err(document.error(path, message));
    }
    Ok(Pins(anchors.into_iter().map(|anchor| Pin { scope: Scope::Everywhere, anchor }).collect()))
}

#[cfg(test)]
mod tests {
    use super::{ContentTrust, ContentTrustDocument};
    use crate::reference::Repository;
    use crate::tuf::pinning::Anchor;
    use crate::tuf::resolve::Lookup;
    use crate::tuf::role::Role;
    use crate::yaml::{Document, YamlError};

    const KEY: &str = "67a8f8b66d76adadd9480c6f168eb3edb12915e706445b03a76d3453d668da26";

    fn read(text: &str) -> Result<ContentTrust, YamlError> {
        let document = &Document::read_all(text)?[0];
        #[derive(serde::Deserialize)]
        struct Whole {
            signer: ContentTrustDocument,
        }
        ContentTrust::read(document.shape::<Whole>()?.signer, "signer", document)
    }

    fn with(more: &str) -> Result<ContentTrust, YamlError> {
        read(&format!("signer:\n  pins: {{rootKeys: [{KEY}]}}\n{more}"))
    }

    fn pem(text: &str) -> String {
        text.lines().map(|line| format!("      {line}\n")).collect()
    }

    #[test]
    fn what_is_left_out_is_what_dockers_clients_do() {
        let signer = with("").expect("valid");
        assert_eq!(signer.lookup, Lookup::docker());
        let alpine = Repository::parse("alpine").expect("valid");
        assert_eq!(signer.gun_of(&alpine).name(), "docker.io/library/alpine");
        assert_eq!(signer.server_of(&alpine), "https://notary.docker.io");
        let app = Repository::parse("host.example:5000/app").expect("valid");
        assert_eq!(
            (signer.gun_of(&app).name(), signer.server_of(&app).as_str()),
            ("host.example:5000/app", "https://host.example:5000")
        );
    }

    #[test]
    fn everything_can_be_said() {
        let text = "  server: https://Notary:4443/\n  gun: host.example/base\n  required: [targets/alice, targets/bob]\n  minimumVersions: {root: 3, targets/alice: 7}\n";
        let signer = with(text).expect("valid");
        let app = Repository::parse("host.example/app").expect("valid");
        assert_eq!(
            (signer.gun_of(&app).name(), signer.server_of(&app).as_str()),
            ("host.example/base", "https://notary:4443")
        );
        let roles = ["targets/alice", "targets/bob"].map(|name| Role::parse(name).expect("a role"));
        assert_eq!(signer.minimum_versions.get(&roles[0]), Some(&7));
        assert_eq!(signer.lookup, Lookup::AllOf(roles.into()));
        let signer = with("  server: https://notary\n  roles: [targets]\n").expect("valid");
        assert_eq!(
            (signer.server.as_deref(), signer.lookup),
            (Some("https://notary"), Lookup::FirstOf(vec![Role::targets()]))
        );
    }

    #[test]
    fn certificates_are_pinned_as_what_they_are() {
        let leaf = pem(include_str!("../../testdata/tuf/chain/leaf-chain.pem"));
        let ca = pem(include_str!("../../testdata/tuf/chain/ca.pem"));
        let signer =
            read(&format!("signer:\n  pins:\n    rootCertificates:\n    - |\n{leaf}    ca: |\n{ca}")).expect("valid");
        let [certificates, authorities] = signer.pins.0.as_slice() else { panic!("two pins") };
        assert!(matches!(&certificates.anchor, Anchor::Certificates(leaves) if leaves.len() == 1));
        assert!(matches!(&authorities.anchor, Anchor::Authorities(_)));
        let error = read(&format!("signer:\n  pins:\n    ca: |\n{leaf}")).expect_err("no authority");
        assert_eq!((error.path.as_str(), error.place.line), ("signer.pins.ca", 3));
        let error = read(&format!("signer:\n  pins:\n    rootCertificates:\n    - |\n{ca}")).expect_err("an authority");
        assert_eq!(error.path, "signer.pins.rootCertificates[0]");
    }

    #[test]
    fn what_is_wrong_is_shown_at_its_place() {
        for (text, path, message) in [
            ("  server: http://notary\n", "signer.server", "does not begin with https://"),
            ("  server: https://user@notary:1\n", "signer.server", "is not https://host"),
            ("  server: https://notary/path\n", "signer.server", "is not https://host"),
            ("  server: 'https://'\n", "signer.server", "is not https://host"),
            ("  gun: a//b\n", "signer.gun", "is not the name of a collection"),
            ("  roles: []\n", "signer.roles", "no role would be asked"),
            ("  roles: [targets, snapshot]\n", "signer.roles[1]", "does not say what tags are"),
            ("  roles: [targets, targets]\n", "signer.roles[1]", "listed twice"),
            ("  required: [targets/../x]\n", "signer.required[0]", "has characters other than"),
            ("  roles: [targets]\n  required: [targets]\n", "signer.required", "leave one of the two out"),
            ("  minimumVersions: {mirrors: 1}\n", "signer.minimumVersions.mirrors", "is no role"),
            ("  minimumVersions: {root: 0}\n", "signer.minimumVersions.root", "begin at 1"),
            ("  tofu: true\n", "signer", "unknown field"),
        ] {
            let error = with(text).expect_err(text);
            assert!(
                error.path.starts_with(path) && error.message.contains(message),
                "{text}: {error} at {}",
                error.path
            );
            assert!(error.place.line >= 2, "{text}");
        }
        let error = read("signer:\n  pins: {}\n").expect_err("nothing is pinned");
        assert_eq!((error.path.as_str(), error.message.contains("nothing is pinned")), ("signer.pins", true));
        assert!(read("signer: {}\n").is_err());
        let error = read(&format!("signer:\n  pins: {{rootKeys: [{KEY}, {KEY}]}}\n")).expect_err("twice");
        assert_eq!(error.path, "signer.pins.rootKeys[1]");
        let error = read("signer:\n  pins: {rootKeys: [x]}\n").expect_err("no id");
        assert!(error.message.contains("is not the id of a key"), "{error}");
        let many = vec!["x"; 65].join(", ");
        assert!(
            read(&format!("signer:\n  pins: {{rootKeys: [{many}]}}\n"))
                .expect_err("many")
                .message
                .contains("more than 64")
        );
    }
}
