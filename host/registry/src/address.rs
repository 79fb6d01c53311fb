//! Evidence by its whole address: revocation lists and OCSP responses (RFC 5280, section 4.2.1.13; RFC 6960, appendix A.1).
//!
//! Such an address stands in a certificate under a pinned one. It is asked without credentials, within limits of its own,
//! and not at all where it leads into this machine or its network (`guard`).

mod guard;
mod lifetime;

use core::fmt;
use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant as StdInstant;

use bulla_abi::{Need, NeedKind};
use moka::Expiry;
use moka::future::Cache;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue, LOCATION};
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use url::{Host as UrlHost, Url};

use self::guard::PublicOnly;
use crate::body::{Answer, Progress};
use crate::config::{ConfigError, Limits, RegistryConfig, RevocationConfig};
use crate::error::{RegistryError, clean, innermost};
use crate::host::{authority, base_url, names};
use crate::retry::wall_clock;
use crate::stats::{RequestKind, Stats};
use crate::tls::{client_builder, read_certificates};
use bulla_source::Fetched;

/// Octets that a kept answer weighs beside its content: key, headers, bookkeeping.
const ENTRY_OVERHEAD: u64 = 512;

/// Fetches and keeps what certificates name.
pub(crate) struct Addresses {
    config: RevocationConfig,
    limits: Limits,
    roots: Vec<CertificateDer<'static>>,
    /// Made when the first address is asked: most decisions ask none, and reading the system's roots takes a while.
    clients: OnceLock<Result<Clients, ConfigError>>,
    kept: Cache<Key, Kept>,
    slots: Semaphore,
    stats: Arc<Stats>,
}

#[derive(Debug)]
struct Clients {
    /// For hosts that are not listed: it connects to public addresses only.
    guarded: reqwest::Client,
    /// For `privateHosts`.
    unguarded: reqwest::Client,
}

/// What identifies an answer. The limit too: what is too large for one need is not for another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    kind: NeedKind,
    address: String,
    limit: u64,
}

#[derive(Clone)]
struct Kept {
    fetched: Fetched,
    lives: Duration,
}

struct Lives;

impl Expiry<Key, Kept> for Lives {
    fn expire_after_create(&self, _: &Key, kept: &Kept, _: StdInstant) -> Option<Duration> {
        Some(kept.lives)
    }
}

impl Addresses {
    pub(crate) fn new(config: &RegistryConfig, stats: Arc<Stats>) -> Result<Self, ConfigError> {
        let (limits, config) = (config.limits.clone(), config.revocation.clone());
        if let Some(bad) = config.private_hosts.iter().find(|host| base_url(host, "http").is_none()) {
            let reason = format!("{bad:?} is not a host name, e.g. crl.example or 10.0.0.1:8080");
            return Err(ConfigError::Value { key: "revocation.privateHosts".into(), reason });
        }
        let roots = match &config.ca_file {
            Some(path) => read_certificates("revocation.caFile", path)?,
            None => Vec::new(),
        };
        // An entry weighs at least its share, so that there are never more than that many.
        let share = config.cache_bytes.checked_div(config.cache_entries).unwrap_or(config.cache_bytes);
        let kept = Cache::builder()
            .max_capacity(if config.cache_entries == 0 { 0 } else { config.cache_bytes })
            .weigher(move |key, kept| u32::try_from(weight(key, kept).max(share)).unwrap_or(u32::MAX))
            .expire_after(Lives)
            .build();
        let slots = Semaphore::new(config.requests.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self { config, limits, roots, clients: OnceLock::new(), kept, slots, stats })
    }

    /// The answer to a need of kind `crl` or `ocsp`: a kept one, that of an equal need which is being fetched, or a new one.
    pub(crate) async fn fetch(&self, need: &Need, deadline: Instant) -> Fetched {
        let started = Instant::now();
        let key = Key { kind: need.kind, address: need.reference.clone(), limit: need.limit };
        let asked = AtomicBool::new(false);
        // What comes of it depends on no deadline but its own, so that it can be kept for others.
        let fetch = async {
            asked.store(true, Ordering::Relaxed);
            let kept = self.get(need).await;
            if kept.lives.is_zero() { Err(kept.fetched) } else { Ok(kept) }
        };
        match timeout_at(deadline, self.kept.try_get_with_by_ref(&key, fetch)).await {
            Ok(result) => {
                match asked.load(Ordering::Relaxed) {
                    // At once: what waits to be dropped may be many lists of some MiB.
                    true => self.kept.run_pending_tasks().await,
                    false => self.stats.cache_hit(),
                }
                result.map_or_else(|unkept| Fetched::clone(&unkept), |kept| kept.fetched)
            }
            Err(_) => Fetched::from(RegistryError::Deadline {
                registry: clean(&need.registry),
                request: format!("GET {}", clean(&need.reference)),
                after: started.elapsed(),
            }),
        }
    }

    /// One answer, and for how long it may be kept.
    async fn get(&self, need: &Need) -> Kept {
        let within = match need.kind {
            NeedKind::Ocsp => Duration::from_millis(self.config.ocsp_milliseconds),
            _ => Duration::from_millis(self.config.crl_milliseconds),
        };
        let result = match timeout(within, self.request(need)).await {
            Ok(result) => result,
            Err(_) => Err(RegistryError::NoHeaders {
                registry: clean(&need.registry),
                request: format!("GET {}", clean(&need.reference)),
                after: within,
            }),
        };
        result.unwrap_or_else(|error| Kept {
            fetched: Fetched::from(error),
            lives: Duration::from_secs(self.config.failure_seconds),
        })
    }

    /// The request, with redirects on its own host.
    async fn request(&self, need: &Need) -> Result<Kept, RegistryError> {
        let started = Instant::now();
        let wrong = |reason: &str| RegistryError::Name {
            registry: clean(&need.registry),
            reason: format!("{:?} {reason}", clean(&need.reference)),
        };
        let mut url = Url::parse(&need.reference).map_err(|_| wrong("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has credentials in it"));
        }
        let registry = clean(&authority(&url));
        let request = format!("GET {}", clean(url.path()));
        let broken = |reason| RegistryError::Broken { registry: registry.clone(), request: request.clone(), reason };
        let _slot = self.slots.acquire().await.map_err(|error| broken(innermost(&error)))?;
        for _ in 0..=self.limits.redirects {
            let client =
                self.client(&url).map_err(|reason| RegistryError::Name { registry: registry.clone(), reason })?;
            let mut get = reqwest::Request::new(Method::GET, url.clone());
            get.headers_mut().insert(ACCEPT, accepted(need.kind));
            self.stats.request(RequestKind::Revocation);
            let response = client.execute(get).await.map_err(|error| match error.is_connect() {
                true => RegistryError::Connect {
                    registry: registry.clone(),
                    request: request.clone(),
                    reason: innermost(&error.without_url()),
                },
                false => broken(innermost(&error.without_url())),
            })?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                let answer = Answer {
                    registry,
                    request,
                    response,
                    progress: Progress::new(&self.limits, started, None),
                    permit: None,
                };
                return self.read(need, answer).await;
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let target = url.join(location).map_err(|_| RegistryError::Protocol {
                registry: registry.clone(),
                request: request.clone(),
                reason: "a redirect without a usable Location".into(),
            })?;
            stays(&url, &target).map_err(|reason| RegistryError::Redirect {
                registry: registry.clone(),
                request: request.clone(),
                target: clean(&format!("{}://{}", target.scheme(), authority(&target))),
                reason: reason.into(),
            })?;
            url = target;
        }
        Err(RegistryError::Redirect {
            registry,
            request,
            target: clean(&authority(&url)),
            reason: format!("more than {} redirects", self.limits.redirects),
        })
    }

    async fn read(&self, need: &Need, answer: Answer) -> Result<Kept, RegistryError> {
        if answer.status() != 200 {
            return Err(answer.into_error(&self.stats).await);
        }
        let most = Duration::from_secs(self.config.cache_seconds);
        let lives = lifetime::of(answer.response.headers(), wall_clock()).map_or(most, |lives| lives.min(most));
        let media_type = answer.content_type();
        let bytes = answer.read(need.limit, &self.stats).await?;
        Ok(Kept { fetched: Fetched::Bytes { bytes, media_type }, lives })
    }

    /// The client that may ask this URL.
    fn client(&self, url: &Url) -> Result<&reqwest::Client, String> {
        let clients = self.clients.get_or_init(|| Clients::new(&self.limits, &self.roots));
        let clients = clients.as_ref().map_err(ToString::to_string)?;
        if self.config.private_hosts.iter().any(|listed| names(listed, url)) {
            return Ok(&clients.unguarded);
        }
        // An address in the URL is never looked up.
        match url.host() {
            Some(UrlHost::Ipv4(address)) => guard::allow(address.into()),
            Some(UrlHost::Ipv6(address)) => guard::allow(address.into()),
            Some(UrlHost::Domain(_)) | None => Ok(()),
        }
        .map(|()| &clients.guarded)
        .map_err(|error| error.to_string())
    }
}

impl Clients {
    fn new(limits: &Limits, roots: &[CertificateDer<'static>]) -> Result<Self, ConfigError> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| ConfigError::Tls { reason: innermost(&error) })
        };
        let guarded = build(client_builder(limits, roots)?.dns_resolver(Arc::new(PublicOnly)))?;
        Ok(Self { guarded, unguarded: build(client_builder(limits, roots)?)? })
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("config", &self.config).finish_non_exhaustive()
    }
}

const fn accepted(kind: NeedKind) -> HeaderValue {
    match kind {
        NeedKind::Ocsp => HeaderValue::from_static("application/ocsp-response"),
        _ => HeaderValue::from_static("application/pkix-crl, */*;q=0.5"),
    }
}

/// Whether a redirect stays on its host; from plain HTTP to TLS, both on their usual ports, it does too.
fn stays(from: &Url, to: &Url) -> Result<(), &'static str> {
    if !matches!((from.scheme(), to.scheme()), ("http", "http" | "https") | ("https", "https")) {
        return Err("not to plain HTTP or TLS, or from TLS to plain HTTP");
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err("credentials in the URL");
    }
    let same_port = from.port_or_known_default() == to.port_or_known_default();
    if from.host() != to.host() || !(same_port || from.port().is_none() && to.port().is_none()) {
        return Err("another host");
    }
    Ok(())
}

fn weight(key: &Key, kept: &Kept) -> u64 {
    let content = if let Fetched::Bytes { bytes, .. } = &kept.fetched { bytes.len() as u64 } else { 0 };
    content.saturating_add(key.address.len() as u64).saturating_add(ENTRY_OVERHEAD)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::stays;

    #[test]
    fn redirects_stay_on_their_host() {
        let url = |text: &str| Url::parse(text).expect("URL");
        for (from, to, allowed) in [
            ("http://a.example/x", "http://a.example/y", true),
            ("http://a.example/x", "https://a.example/x", true),
            ("http://a.example:80/x", "https://a.example:443/x", true),
            ("https://a.example/x", "https://a.example/y", true),
            ("https://a.example/x", "http://a.example/x", false),
            ("http://a.example/x", "http://b.example/x", false),
            ("http://a.example/x", "http://a.example:8080/x", false),
            ("http://a.example:8080/x", "https://a.example/x", false),
            ("http://a.example/x", "http://user@a.example/x", false),
            ("http://a.example/x", "ftp://a.example/x", false),
        ] {
            assert_eq!(stays(&url(from), &url(to)).is_ok(), allowed, "{from} {to}");
        }
    }
}
