//! Credentials: docker's `config.json` and containers' `auth.json` (docker/cli config/configfile,
//! containers-auth.json.5).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::config::{ConfigError, Limits, RegistryConfig};
use crate::helper::{Helpers, is_helper_name};
use crate::known::canonical;
use crate::secret::Secret;

/// Octets of one credentials file.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// The key that docker uses for Docker Hub, also when it asks a helper.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// What a registry may be shown. It is shown to the host that its key names, or to that host's token realm, and to
/// nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A user name and password, for Basic authentication or for a token realm.
    Password {
        /// The user's name. May be empty.
        username: String,
        /// The password.
        password: Secret,
    },
    /// An OAuth2 refresh token (`identitytoken`), for a token realm only.
    Identity(Secret),
    /// A bearer token for the registry itself (`registrytoken`).
    Bearer(Secret),
}

/// Credentials as loaded at start. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    files: Arc<Vec<File>>,
    helpers: Helpers,
}

/// A credential together with the name that token caches know it by.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// File and key, e.g. `~/.docker/config.json: registry.example`. Not secret.
    pub(crate) origin: String,
    pub(crate) credential: Credential,
}

#[derive(Debug)]
struct File {
    name: String,
    /// By host, or by host and a path of the repository.
    auths: BTreeMap<String, Credential>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

#[derive(Deserialize)]
struct RawFile {
    #[serde(default)]
    auths: BTreeMap<String, RawAuth>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawAuth {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

impl Credential {
    /// What stands after `Basic` in an `Authorization` header, or under `auth` in a file (RFC 7617, section 2).
    ///
    /// # Errors
    /// What it is not, never what it is.
    pub fn from_basic(text: &str) -> Result<Self, &'static str> {
        let bytes = Zeroizing::new(BASE64.decode(text.trim_end()).map_err(|_| "not base64")?);
        let text = core::str::from_utf8(&bytes).map_err(|_| "not UTF-8")?;
        let (username, password) = text.trim_end_matches('\0').split_once(':').ok_or("without a colon")?;
        Ok(password_credential(username, password))
    }
}

impl Credentials {
    /// No credentials: every registry is asked anonymously.
    pub fn none() -> Self {
        Self::default()
    }

    /// The credentials that the configuration names, or those of the environment when it names none.
    ///
    /// # Errors
    /// [`ConfigError`] for a named file that is not there, and for any file that is there and cannot be understood:
    /// going on without would turn a typing error into "not found".
    pub fn load(config: &RegistryConfig) -> Result<Self, ConfigError> {
        let mut files = Vec::new();
        if let Some(paths) = &config.credential_files {
            for path in paths {
                files.push(read(path)?);
            }
        } else {
            if let Some(document) = std::env::var_os("DOCKER_AUTH_CONFIG").filter(|document| !document.is_empty()) {
                files.push(
                    parse("$DOCKER_AUTH_CONFIG", document.as_encoded_bytes())
                        .map_err(|reason| ConfigError::Value { key: "$DOCKER_AUTH_CONFIG".into(), reason })?,
                );
            }
            for path in usual_paths() {
                if path.try_exists().unwrap_or(true) {
                    files.push(read(&path)?);
                }
            }
        }
        Ok(Self::of(files, &config.limits))
    }

    /// The credentials in one document in the form of `config.json`.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is not such a document. The message never repeats what the document says.
    pub fn from_json(name: &str, document: &[u8], limits: &Limits) -> Result<Self, ConfigError> {
        let file = parse(name, document).map_err(|reason| ConfigError::Value { key: name.to_owned(), reason })?;
        Ok(Self::of(vec![file], limits))
    }

    /// One credential, for one registry and no other.
    pub fn one(name: &str, registry: &str, credential: Credential) -> Self {
        let auths = BTreeMap::from([(canonical(registry).to_owned(), credential)]);
        let file = File { name: name.to_owned(), auths, helpers: BTreeMap::new(), store: None };
        Self::of(vec![file], &Limits::default())
    }

    fn of(files: Vec<File>, limits: &Limits) -> Self {
        Self { files: Arc::new(files), helpers: Helpers::new(limits.helper()) }
    }

    /// The credential for a repository. The most specific key wins (`host/org/app`, `host/org`, `host`); for one key, a
    /// helper of its own wins over the store, and the store over what stands in the file; earlier files win over later
    /// ones.
    pub(crate) async fn find(&self, registry: &str, repository: &str) -> Result<Option<Found>, String> {
        let registry = canonical(registry);
        for file in self.files.iter() {
            let mut path = Some(repository);
            loop {
                let key = path.map_or_else(|| registry.to_owned(), |path| format!("{registry}/{path}"));
                if let Some(found) = self.find_key(file, &key, path.is_none()).await? {
                    return Ok(Some(found));
                }
                match path {
                    Some(longer) => path = longer.rsplit_once('/').map(|(parent, _)| parent),
                    None => break,
                }
            }
        }
        Ok(None)
    }

    async fn find_key(&self, file: &File, key: &str, is_host: bool) -> Result<Option<Found>, String> {
        let origin = || format!("{}: {key}", file.name);
        let server = if key == "docker.io" { HUB_SERVER } else { key };
        for helper in file.helpers.get(key).into_iter().chain(file.store.as_ref().filter(|_| is_host)) {
            if let Some(credential) = self.helpers.get(helper, server).await? {
                return Ok(Some(Found { origin: format!("{} by docker-credential-{helper}", origin()), credential }));
            }
        }
        Ok(file.auths.get(key).map(|credential| Found { origin: origin(), credential: credential.clone() }))
    }
}

fn usual_paths() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let docker = variable("DOCKER_CONFIG").or_else(|| variable("HOME").map(|home| home.join(".docker")));
    [
        docker.map(|folder| folder.join("config.json")),
        variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        variable("HOME").map(|home| home.join(".config/containers/auth.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let failed = |reason: String| ConfigError::File { key: "credentialFiles".into(), path: path.to_owned(), reason };
    let document = Zeroizing::new(std::fs::read(path).map_err(|error| failed(error.to_string()))?);
    parse(&path.display().to_string(), &document).map_err(failed)
}

/// Reads a document. Reasons say where it is wrong and never what stands there.
fn parse(name: &str, document: &[u8]) -> Result<File, String> {
    if document.len() > MAX_FILE_BYTES {
        return Err(format!("{} octets, at most {MAX_FILE_BYTES} are read", document.len()));
    }
    let raw: RawFile = serde_json::from_slice(document).map_err(|error| {
        format!(
            "not a docker config.json: {:?} error in line {}, column {}",
            error.classify(),
            error.line(),
            error.column()
        )
    })?;
    let mut auths = BTreeMap::new();
    for (key, auth) in raw.auths {
        if let Some(credential) = credential(auth).map_err(|reason| format!("auths.{key:?}: {reason}"))? {
            auths.insert(normalise(&key), credential);
        }
    }
    let store = raw.store.filter(|store| !store.is_empty());
    if let Some(bad) = raw.helpers.values().chain(&store).find(|name| !is_helper_name(name)) {
        return Err(format!("{bad:?} is not the name of a credential helper"));
    }
    let helpers = raw.helpers.into_iter().map(|(key, helper)| (normalise(&key), helper)).collect();
    Ok(File { name: name.to_owned(), auths, helpers, store })
}

fn credential(raw: RawAuth) -> Result<Option<Credential>, String> {
    let given = |text: Option<Secret>| text.filter(|text| !text.expose().is_empty());
    if let Some(token) = given(raw.registrytoken) {
        return Ok(Some(Credential::Bearer(token)));
    }
    if let Some(token) = given(raw.identitytoken) {
        return Ok(Some(Credential::Identity(token)));
    }
    if let Some(auth) = given(raw.auth) {
        return Credential::from_basic(auth.expose()).map(Some).map_err(|reason| format!("auth is {reason}"));
    }
    Ok(given(raw.password).map(|password| password_credential(&raw.username.unwrap_or_default(), password.expose())))
}

/// `<token>` is the user name by which docker marks a refresh token.
pub(crate) fn password_credential(username: &str, password: &str) -> Credential {
    let password = Secret::new(password.to_owned());
    if username == "<token>" {
        Credential::Identity(password)
    } else {
        Credential::Password { username: username.to_owned(), password }
    }
}

/// Base64 as it stands in config files, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key as we compare it: no scheme, no `/v1/` or `/v2/`, the canonical host, the path of a repository if it has one.
fn normalise(key: &str) -> String {
    let stripped = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let (host, path) = stripped.unwrap_or(key).split_once('/').unwrap_or((stripped.unwrap_or(key), ""));
    let host = host.to_ascii_lowercase();
    let path = path.trim_matches('/');
    // A key with a scheme is a docker server address: its path is the API's, not a repository's.
    if path.is_empty() || stripped.is_some() || matches!(path, "v1" | "v2") {
        canonical(&host).to_owned()
    } else {
        format!("{}/{path}", canonical(&host))
    }
}

#[cfg(test)]
mod tests {
    use super::{Credential, Credentials, normalise};
    use crate::config::Limits;

    async fn find(document: &str, registry: &str, repository: &str) -> Option<String> {
        let credentials = Credentials::from_json("test", document.as_bytes(), &Limits::default()).expect("valid");
        let found = credentials.find(registry, repository).await.expect("no helper fails")?;
        Some(match found.credential {
            Credential::Password { username, password } => format!("{username}:{}", password.expose()),
            Credential::Identity(token) => format!("identity {}", token.expose()),
            Credential::Bearer(token) => format!("bearer {}", token.expose()),
        })
    }

    #[tokio::test]
    async fn the_most_specific_key_wins() {
        let document = r#"{"auths":{
            "r.example":{"auth":"aG9zdDpw"},
            "r.example/org":{"auth":"b3JnOnA6cQ=="},
            "r.example/org/app":{"username":"app","password":"x"},
            "https://index.docker.io/v1/":{"auth":"aHViOnBhc3MAAA=="},
            "id.example":{"identitytoken":"t"},
            "bearer.example":{"registrytoken":"b"},
            "empty.example":{}
        }}"#;
        for (registry, repository, expected) in [
            ("r.example", "other", Some("host:p")),
            ("r.example", "org/else", Some("org:p:q")),
            ("r.example", "org/app", Some("app:x")),
            ("r.example", "org/app/deeper", Some("app:x")),
            ("r.example", "organisation", Some("host:p")),
            ("docker.io", "library/nginx", Some("hub:pass")),
            ("registry-1.docker.io", "library/nginx", Some("hub:pass")),
            ("id.example", "a", Some("identity t")),
            ("bearer.example", "a", Some("bearer b")),
            ("empty.example", "a", None),
            ("r.example:5000", "org/app", None),
            ("evil.example", "r.example", None),
        ] {
            assert_eq!(find(document, registry, repository).await.as_deref(), expected, "{registry}/{repository}");
        }
    }

    #[test]
    fn keys_are_compared_without_scheme_and_api_path() {
        for (key, expected) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("Registry.Example:5000", "registry.example:5000"),
            ("http://registry.example/v2/", "registry.example"),
            ("registry.example/v1/", "registry.example"),
            ("registry.example/org/app", "registry.example/org/app"),
            ("https://registry.example/org", "registry.example"),
        ] {
            assert_eq!(normalise(key), expected, "{key}");
        }
    }

    #[test]
    fn broken_files_are_named_and_never_quoted() {
        for (document, reason) in [
            (
                "{\"auths\":{\"r\":{\"password\":hunter2}}}",
                "c: not a docker config.json: Syntax error in line 1, column 27",
            ),
            ("{\"auths\":{\"r\":{\"auth\":\"aHVudGVyMg==\"}}}", "c: auths.\"r\": auth is without a colon"),
            ("{\"auths\":{\"r\":{\"auth\":\"hunter2!\"}}}", "c: auths.\"r\": auth is not base64"),
            ("{\"credsStore\":\"../evil\"}", "c: \"../evil\" is not the name of a credential helper"),
        ] {
            let error =
                Credentials::from_json("c", document.as_bytes(), &Limits::default()).expect_err("broken").to_string();
            assert_eq!(error, reason);
            assert!(!error.contains("hunter"));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let document = r#"{"auths":{"r":{"auth":"dXNlcjpodW50ZXIy"},"i":{"identitytoken":"hunter2"}}}"#;
        let credentials = Credentials::from_json("c", document.as_bytes(), &Limits::default()).expect("valid");
        let shown = format!("{credentials:?}");
        assert!(shown.contains("user") && !shown.contains("hunter2"), "{shown}");
    }
}
