//! One registry host: where it is, where it may send us, and what is remembered about it (DESIGN, invariants 12 and
//! 13).

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::{Host as UrlHost, Url};

use crate::config::{ConfigError, HostConfig, RegistryConfig};
use crate::error::RegistryError;
use crate::known::known;

/// How long a registry is taken to have no referrers API after it said so. Registries are upgraded while we run.
const REFERRERS_MEMORY: Duration = Duration::from_secs(300);

/// A registry that is talked to.
#[derive(Debug)]
pub(crate) struct Host {
    /// The name in needs and messages.
    pub(crate) name: String,
    /// `https://host[:port]/`.
    base: Url,
    redirect_hosts: Vec<String>,
    token_hosts: Vec<String>,
    /// Hosts that plain HTTP is configured for.
    plain_hosts: Vec<String>,
    pub(crate) http: reqwest::Client,
    pub(crate) permits: Arc<Semaphore>,
    /// The referrers API answered once.
    has_referrers: AtomicBool,
    /// Until when the referrers API is taken to be absent.
    lacks_referrers_until: Mutex<Option<Instant>>,
}

impl Host {
    /// A host by its name, with what the configuration and the built-in table say about it.
    pub(crate) fn new(name: &str, config: &RegistryConfig, http: reqwest::Client) -> Result<Self, RegistryError> {
        let known = known(name);
        let own = config.hosts.get(name);
        let api = known.map_or(name, |known| known.api);
        let plain = own.is_some_and(|own| own.plain_http) || (is_loopback_name(api) && !own.is_some_and(|own| own.tls));
        let listed = |configured: fn(&HostConfig) -> &Vec<String>, built_in: &[&str]| {
            let mut hosts: Vec<String> = built_in.iter().map(ToString::to_string).collect();
            hosts.extend(own.map(configured).into_iter().flatten().cloned());
            hosts
        };
        Ok(Self {
            name: name.to_owned(),
            base: base_url(api, if plain { "http" } else { "https" }).ok_or_else(|| RegistryError::Name {
                registry: crate::error::clean(name),
                reason: "not the name of a registry host".into(),
            })?,
            redirect_hosts: listed(|own| &own.redirect_hosts, known.map_or(&[], |known| known.redirect_hosts)),
            token_hosts: listed(|own| &own.token_hosts, known.map_or(&[], |known| known.token_hosts)),
            plain_hosts: config
                .hosts
                .iter()
                .filter(|(_, host)| host.plain_http)
                .map(|(name, _)| name.clone())
                .collect(),
            http,
            permits: Arc::new(Semaphore::new(config.limits.requests_per_registry.clamp(1, Semaphore::MAX_PERMITS))),
            has_referrers: AtomicBool::new(false),
            lacks_referrers_until: Mutex::new(None),
        })
    }

    /// The URL of something in a repository. Both parts were checked before: they are names, not paths.
    pub(crate) fn url(&self, repository: &str, rest: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{repository}/{rest}"));
        url
    }

    /// Whether it is spoken to in plain HTTP although nobody configured that: it is on loopback.
    pub(crate) fn is_plain_by_default(&self) -> bool {
        self.base.scheme() == "http" && !self.plain_hosts.contains(&self.name)
    }

    /// Whether the URL is on this very host and port.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        self.base.host() == url.host() && self.base.port_or_known_default() == url.port_or_known_default()
    }

    /// Whether a request may go on from one URL of this registry's making to another: for redirects, `Location` and
    /// `Link`.
    pub(crate) fn allow_redirect(&self, from: &Url, to: &Url) -> Result<(), String> {
        self.allow_scheme(from, to)?;
        if self.owns(to) || self.redirect_hosts.iter().any(|listed| names(listed, to)) {
            return Ok(());
        }
        Err(format!("another host, allow it with hosts.\"{}\".redirectHosts", self.name))
    }

    /// Whether this registry may name this URL as its token realm, and so see its credentials.
    pub(crate) fn allow_realm(&self, realm: &Url) -> Result<(), String> {
        self.allow_scheme(&self.base, realm)?;
        if self.owns(realm) || self.token_hosts.iter().any(|listed| names(listed, realm)) {
            return Ok(());
        }
        Err(format!("token realm on another host, allow it with hosts.\"{}\".tokenHosts", self.name))
    }

    fn allow_scheme(&self, from: &Url, to: &Url) -> Result<(), String> {
        if !matches!(to.scheme(), "http" | "https") {
            return Err("neither http nor https".into());
        }
        if !to.username().is_empty() || to.password().is_some() {
            return Err("credentials in the URL".into());
        }
        if to.scheme() == "https" {
            return Ok(());
        }
        if from.scheme() == "https" {
            return Err("from HTTPS to plain HTTP".into());
        }
        if self.owns(to) || is_loopback(to) || self.plain_hosts.iter().any(|listed| names(listed, to)) {
            return Ok(());
        }
        Err(format!("plain HTTP, allow it with hosts.\"{}\".plainHttp", authority(to)))
    }

    /// Whether the referrers API need not be asked for now.
    pub(crate) fn lacks_referrers(&self) -> bool {
        let until = self.lacks_referrers_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Remembers that the referrers API answered.
    pub(crate) fn remember_referrers(&self) {
        self.has_referrers.store(true, Ordering::Relaxed);
        *self.lacks_referrers_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// Remembers that the referrers API is not there; for a while, and not where it answered before: that 404 is then
    /// about the repository, and must not cost other repositories their referrers.
    pub(crate) fn remember_no_referrers(&self) {
        if !self.has_referrers.load(Ordering::Relaxed) {
            *self.lacks_referrers_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                Instant::now().checked_add(REFERRERS_MEMORY);
        }
    }
}

/// The base URL of a registry name. None when the URL parser would read it as anything but exactly this host and port:
/// user information, a path, `0x7f.1` or upper case make a host that is not the one which policies matched.
pub(crate) fn base_url(name: &str, scheme: &str) -> Option<Url> {
    // The URL parser takes more than host names have, a `*` for one, which would look like a pattern and never match.
    if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' | b'[' | b']')) {
        return None;
    }
    let url = Url::parse(&format!("{scheme}://{name}/")).ok()?;
    let host = url.host_str()?;
    let port = url.port_or_known_default()?;
    (name == host || name == format!("{host}:{port}")).then_some(url)
}

/// Checks the names in a configuration.
pub(crate) fn check_hosts(config: &RegistryConfig) -> Result<(), ConfigError> {
    for (name, host) in &config.hosts {
        let wrong = |key: &str, reason: &str| ConfigError::Value {
            key: format!("hosts.\"{name}\"{key}"),
            reason: reason.into(),
        };
        if base_url(name, "https").is_none() {
            return Err(wrong("", "not the name of a registry host, e.g. registry.example:5000"));
        }
        if crate::known::canonical(name) != name {
            return Err(wrong("", &format!("this registry is called {} here", crate::known::canonical(name))));
        }
        if host.plain_http && host.tls {
            return Err(wrong("", "plainHttp and tls exclude each other"));
        }
        for (key, hosts) in [(".redirectHosts", &host.redirect_hosts), (".tokenHosts", &host.token_hosts)] {
            if let Some(bad) = hosts.iter().find(|host| base_url(host, "https").is_none()) {
                return Err(wrong(key, &format!("{bad:?} is not a host name, e.g. cdn.example")));
            }
        }
    }
    Ok(())
}

/// `host` or `host:port` of a URL, for messages.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a listed `host[:port]` names the host of the URL. Without a port it means the scheme's own.
pub(crate) fn names(listed: &str, url: &Url) -> bool {
    base_url(listed, url.scheme()).is_some_and(|listed| {
        listed.host() == url.host() && listed.port_or_known_default() == url.port_or_known_default()
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(UrlHost::Domain(name)) => name == "localhost",
        Some(UrlHost::Ipv4(address)) => address.is_loopback(),
        Some(UrlHost::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_loopback_name(name: &str) -> bool {
    base_url(name, "http").is_some_and(|url| is_loopback(&url))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Host, base_url, check_hosts};
    use crate::config::RegistryConfig;

    fn host(name: &str, config: &str) -> Host {
        let config: RegistryConfig = serde_json::from_str(config).expect("valid");
        check_hosts(&config).expect("valid");
        Host::new(name, &config, crate::tls::http_client(&config.limits, &[]).expect("client")).expect("host")
    }

    fn url(text: &str) -> Url {
        Url::parse(text).expect("URL")
    }

    #[test]
    fn plain_http_is_for_loopback_or_where_configured() {
        for (name, config, scheme) in [
            ("registry.example", "{}", "https"),
            ("localhost:5000", "{}", "http"),
            ("127.9.9.9", "{}", "http"),
            ("[::1]:5000", "{}", "http"),
            ("localhost.example", "{}", "https"),
            ("localhost:5000", r#"{"hosts":{"localhost:5000":{"tls":true}}}"#, "https"),
            ("registry.example", r#"{"hosts":{"registry.example":{"plainHttp":true}}}"#, "http"),
        ] {
            assert_eq!(host(name, config).url("a", "b").scheme(), scheme, "{name} {config}");
        }
    }

    #[test]
    fn docker_io_is_asked_at_its_api_host() {
        let hub = host("docker.io", "{}");
        assert_eq!(
            hub.url("library/nginx", "manifests/1").as_str(),
            "https://registry-1.docker.io/v2/library/nginx/manifests/1"
        );
        assert_eq!(hub.allow_realm(&url("https://auth.docker.io/token")), Ok(()));
        assert_eq!(hub.allow_redirect(&hub.url("a", "b"), &url("https://production.cloudflare.docker.com/x")), Ok(()));
        let other = host("registry.example", "{}");
        assert_eq!(
            other.allow_realm(&url("https://auth.docker.io/token")),
            Err("token realm on another host, allow it with hosts.\"registry.example\".tokenHosts".into())
        );
    }

    #[test]
    fn names_that_the_url_parser_would_rewrite_are_refused() {
        for bad in [
            "",
            "a/b",
            "user@host",
            "0x7f.1",
            "2130706433",
            "Registry.example",
            "host:",
            "host:99999",
            "a b",
            "a?b",
            "a#b",
            "a\\b",
        ] {
            assert!(base_url(bad, "https").is_none(), "{bad}");
        }
        assert!(base_url("registry.example:443", "https").is_some());
        assert!(base_url("[::1]:5000", "http").is_some());
    }

    #[test]
    fn redirects_stay_on_listed_hosts_and_never_lose_tls() {
        let host = host("registry.example", r#"{"hosts":{"registry.example":{"redirectHosts":["cdn.example"]}}}"#);
        let from = host.url("a", "blobs/x");
        assert_eq!(host.allow_redirect(&from, &url("https://cdn.example/x")), Ok(()));
        assert_eq!(host.allow_redirect(&from, &url("https://registry.example/x")), Ok(()));
        for (target, reason) in [
            ("https://cdn.example:8443/x", "another host, allow it with hosts.\"registry.example\".redirectHosts"),
            ("https://evil.example/x", "another host, allow it with hosts.\"registry.example\".redirectHosts"),
            ("http://cdn.example/x", "from HTTPS to plain HTTP"),
            ("http://registry.example/x", "from HTTPS to plain HTTP"),
            ("ftp://cdn.example/x", "neither http nor https"),
            ("https://user:pass@cdn.example/x", "credentials in the URL"),
        ] {
            assert_eq!(host.allow_redirect(&from, &url(target)), Err(reason.into()), "{target}");
        }
    }

    #[test]
    fn configurations_that_cannot_mean_anything_are_refused() {
        for (config, reason) in [
            (
                r#"{"hosts":{"https://r.example":{}}}"#,
                "hosts.\"https://r.example\": not the name of a registry host, e.g. registry.example:5000",
            ),
            (
                r#"{"hosts":{"index.docker.io":{}}}"#,
                "hosts.\"index.docker.io\": this registry is called docker.io here",
            ),
            (
                r#"{"hosts":{"r.example":{"plainHttp":true,"tls":true}}}"#,
                "hosts.\"r.example\": plainHttp and tls exclude each other",
            ),
            (
                r#"{"hosts":{"r.example":{"tokenHosts":["*"]}}}"#,
                "hosts.\"r.example\".tokenHosts: \"*\" is not a host name, e.g. cdn.example",
            ),
        ] {
            let config: RegistryConfig = serde_json::from_str(config).expect("parses");
            assert_eq!(check_hosts(&config).expect_err("refused").to_string(), reason);
        }
    }
}
