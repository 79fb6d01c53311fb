//! Configuration of the page and of its gateway (docs/gateway.md). Every key has a default and a unit; `reference.yaml` shows
//! them all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use axum::http::HeaderName;
use bulla_registry::is_repository;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// The page, on the listener of `http`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PageConfig {
    /// Host names by which the gateway is asked, without a port; under any other it does not answer, so that no other site
    /// can lead a browser here by a name of its own (DNS rebinding). Default: none, every name.
    pub names: Vec<String>,
    /// Registries that the page asks by itself because they allow other origins (CORS): the registry's name in image
    /// references, and its origin, e.g. `registry.example: https://registry.example`. Default: none.
    pub connect: BTreeMap<String, String>,
    /// What asks registries and pushes for the page. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayConfig>,
}

/// The gateway: `POST /gateway/v1/fetch` and `POST /gateway/v1/push`, for signed-in users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Where it reads and writes: `registry.example` for all of a registry, `registry.example/team` for this repository and
    /// those below. It reads with this host's credentials, so whoever is signed in reads there what this host can read. No
    /// default.
    pub registries: Vec<String>,
    /// Users that may use it. Default: none named, and then everybody who is signed in.
    pub users: Vec<String>,
    /// Tokens that the page sends, as their SHA-256. This or `trustedHeader` must be given.
    pub tokens: Vec<UserToken>,
    /// The user as a proxy in front says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_header: Option<TrustedHeader>,
    /// Whether a proxy in front speaks TLS. Without that and without `http.tls` the gateway listens on loopback only, because
    /// passwords go through it. Default: `false`.
    pub tls_in_front: bool,
    /// Needs in one request, 1 to 4096. Default: 256.
    pub needs: usize,
    /// Octets of content in one answer, 1 MiB to 256 MiB. Default: 32 MiB, which is what the page reads.
    pub answer_bytes: u64,
    /// Octets of one push plan, 64 KiB to 256 MiB. Default: 32 MiB.
    pub push_bytes: usize,
    /// Milliseconds for all needs of one request, 500 to 120000. Default: 30000.
    pub fetch_milliseconds: u64,
    /// Milliseconds for one push, 500 to 600000. Default: 120000.
    pub push_milliseconds: u64,
    /// Requests of one user in a minute, 1 to 100000. Further ones get HTTP 429. Default: 300.
    pub requests_per_minute: u32,
    /// Requests of one user at the same time, 1 to 1024. Further ones get HTTP 429. Default: 4.
    pub requests_per_user: usize,
    /// Requests of all users at the same time, 1 to 1024. Further ones get HTTP 429. Default: 32.
    pub requests: usize,
}

/// A user, and what he is known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserToken {
    /// The name in the log.
    pub user: String,
    /// SHA-256 of the token, in lower-case hex. A token is 32 random octets as text; a shorter one can be guessed from this.
    pub sha256: String,
}

/// A header in which an authenticating proxy says who asks. Whoever reaches this host without going through the proxy, and
/// passes for it, is anybody he likes: so the proxy has to prove itself by address or by secret, and has to remove the
/// header from what it receives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrustedHeader {
    /// The header, e.g. `X-Forwarded-User`. No default.
    pub name: String,
    /// Addresses that the proxy connects from. On a loopback address that is every process of this machine. This or
    /// `secretHeader` must be given; where both are, both must hold.
    pub proxies: Vec<IpAddr>,
    /// A header with a secret that the proxy adds. With `secretSha256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_header: Option<String>,
    /// SHA-256 of that secret, in lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<String>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            registries: Vec::new(),
            users: Vec::new(),
            tokens: Vec::new(),
            trusted_header: None,
            tls_in_front: false,
            needs: 256,
            answer_bytes: 32 * 1024 * 1024,
            push_bytes: 32 * 1024 * 1024,
            fetch_milliseconds: 30_000,
            push_milliseconds: 120_000,
            requests_per_minute: 300,
            requests_per_user: 4,
            requests: 32,
        }
    }
}

impl GatewayConfig {
    pub(crate) fn fetch_within(&self) -> Duration {
        Duration::from_millis(self.fetch_milliseconds)
    }

    pub(crate) fn push_within(&self) -> Duration {
        Duration::from_millis(self.push_milliseconds)
    }
}

impl Config {
    /// What is wrong with `page`, each with its path.
    pub(crate) fn page_problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut add = |path: &str, message: String| problems.push((format!("page.{path}"), message));
        for name in self.page.names.iter().filter(|name| !is_host(name) || name.contains(':')) {
            add("names", format!("{name:?} is not a host name without a port, e.g. bulla.example"));
        }
        for (registry, origin) in &self.page.connect {
            if !is_host(registry) || !is_origin(origin) {
                let message = format!(
                    "{registry:?}: {origin:?} is not a registry and its origin, e.g. \
                     registry.example: https://registry.example"
                );
                add("connect", message);
            }
        }
        let Some(gateway) = &self.page.gateway else { return problems };
        for (path, got, from, to) in [
            ("gateway.needs", gateway.needs as u64, 1, 4096),
            ("gateway.answerBytes", gateway.answer_bytes, 1 << 20, 256 << 20),
            ("gateway.pushBytes", gateway.push_bytes as u64, 64 << 10, 256 << 20),
            ("gateway.fetchMilliseconds", gateway.fetch_milliseconds, 500, 120_000),
            ("gateway.pushMilliseconds", gateway.push_milliseconds, 500, 600_000),
            ("gateway.requestsPerMinute", gateway.requests_per_minute.into(), 1, 100_000),
            ("gateway.requestsPerUser", gateway.requests_per_user as u64, 1, 1024),
            ("gateway.requests", gateway.requests as u64, 1, 1024),
        ] {
            if !(from..=to).contains(&got) {
                add(path, format!("{got} is not within {from} to {to}"));
            }
        }
        if gateway.registries.is_empty() {
            add("gateway.registries", "nothing may be read: name registries, e.g. registry.example/team".to_owned());
        }
        for place in &gateway.registries {
            let (registry, repository) =
                place.split_once('/').map_or((place.as_str(), None), |(registry, path)| (registry, Some(path)));
            // Needs name registries as the module normalises them.
            if !is_host(registry) || matches!(registry, "index.docker.io" | "registry-1.docker.io") {
                let message =
                    format!("{place:?} does not begin with a registry as in image references, e.g. docker.io");
                add("gateway.registries", message);
            } else if repository.is_some_and(|repository| !is_repository(repository)) {
                add(
                    "gateway.registries",
                    format!("{place:?} does not end with a repository, e.g. registry.example/team"),
                );
            }
        }
        for user in gateway.users.iter().chain(gateway.tokens.iter().map(|token| &token.user)) {
            if !is_user(user) {
                add("gateway.users", format!("{user:?} is not a user's name: 1 to 256 visible ASCII characters"));
            }
        }
        let mut known = BTreeSet::new();
        for token in &gateway.tokens {
            if !is_sha256(&token.sha256) {
                add("gateway.tokens", not_sha256(&token.user, &token.sha256));
            } else if !known.insert(&token.sha256) {
                add("gateway.tokens", format!("the token of {:?} stands here twice: each needs its own", token.user));
            }
        }
        if gateway.tokens.is_empty() && gateway.trusted_header.is_none() {
            add("gateway", "nobody can sign in: give tokens or trustedHeader".to_owned());
        }
        if let Some(trusted) = &gateway.trusted_header {
            for (path, message) in trusted.problems() {
                add(&format!("gateway.trustedHeader{path}"), message);
            }
        }
        match &self.http {
            None => add("gateway", "nothing listens for it: give http".to_owned()),
            Some(http) if http.tls.is_none() && !http.listen.ip().is_loopback() && !gateway.tls_in_front => {
                let message = format!(
                    "passwords would go over {} in clear text: give http.tls, or tlsInFront: true where a proxy with TLS is \
                     in front",
                    http.listen
                );
                add("gateway", message);
            }
            Some(_) => {}
        }
        problems
    }
}

impl TrustedHeader {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let is_ours = |name: &str| {
            let name = name.to_ascii_lowercase();
            HeaderName::try_from(&name).is_err()
                || name.starts_with("bulla-")
                || matches!(name.as_str(), "authorization" | "host" | "content-type")
        };
        for (path, name) in [(".name", Some(&self.name)), (".secretHeader", self.secret_header.as_ref())] {
            if let Some(name) = name.filter(|name| is_ours(name)) {
                problems.push((path, format!("{name:?} is not a header that a proxy can set, e.g. X-Forwarded-User")));
            }
        }
        match (&self.secret_header, &self.secret_sha256) {
            (None, None) if self.proxies.is_empty() => {
                problems
                    .push(("", "everybody could set it: give proxies, or secretHeader and secretSha256".to_owned()));
            }
            (None, None) => {}
            (Some(name), Some(sha256)) if !is_sha256(sha256) => {
                problems.push((".secretSha256", not_sha256(name, sha256)));
            }
            (Some(_), Some(_)) => {}
            (Some(_), None) => problems.push(("", "secretHeader without secretSha256".to_owned())),
            (None, Some(_)) => problems.push(("", "secretSha256 without secretHeader".to_owned())),
        }
        problems
    }
}

/// Never repeats what stands there: it may be the token itself.
fn not_sha256(whose: &str, text: &str) -> String {
    format!(
        "for {whose:?} stand {} characters in place of a SHA-256 in lower-case hex: printf %s TOKEN | sha256sum",
        text.chars().count()
    )
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text can stand for a user in a log line.
pub(crate) fn is_user(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A host in lower case, with or without a port.
fn is_host(text: &str) -> bool {
    let part = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b':' | b'[' | b']');
    !text.is_empty() && text.bytes().all(part)
}

fn is_origin(text: &str) -> bool {
    match text.split_once("://") {
        Some(("https", host)) => is_host(host),
        Some(("http", host)) => is_host(host) && matches!(host.split(':').next(), Some("localhost" | "127.0.0.1")),
        _ => false,
    }
}
