//! One request to a registry: slots, time limits, redirects, retries and, through `auth`, authentication.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use moka::future::Cache;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::auth::{Access, Tokens};
use crate::body::{Answer, Progress};
use crate::config::{ConfigError, Limits, RegistryConfig};
use crate::credentials::Credentials;
use crate::error::{RegistryError, clean, innermost};
use crate::host::{Host, authority, check_hosts};
use crate::known::canonical;
use crate::retry::{backoff, is_temporary, retry_after, wall_clock};
use crate::stats::{RequestKind, Stats};
use crate::tls::{http_client, read_certificates};

/// Registries that are remembered at the same time. Further ones are forgotten and met again.
const MAX_HOSTS: u64 = 1024;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Transport {
    config: RegistryConfig,
    /// No host is spoken to without TLS.
    only_tls: bool,
    http: reqwest::Client,
    /// Clients for registries with a `caFile`.
    own_http: BTreeMap<String, reqwest::Client>,
    hosts: Cache<String, Arc<Host>>,
    pub(crate) credentials: Credentials,
    pub(crate) tokens: Tokens,
    pub(crate) stats: Arc<Stats>,
}

/// One request, to be carried out with everything that it takes.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) host: &'a Host,
    pub(crate) repository: &'a str,
    pub(crate) access: Access,
    pub(crate) kind: RequestKind,
    pub(crate) method: Method,
    /// What messages call it, without the method: `manifests/latest`.
    pub(crate) what: String,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) deadline: Instant,
    pub(crate) tries: Tries,
}

/// Whether a request is sent again where that may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tries {
    /// As often as the limits say.
    Several,
    /// Once: it must not arrive later than it was meant to.
    One,
}

impl Call<'_> {
    /// What messages call it: `GET manifests/latest`.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.method, self.what)
    }

    fn redirected(&self, target: &Url, reason: String) -> RegistryError {
        let target = format!("{}://{}", target.scheme(), authority(target));
        RegistryError::Redirect {
            registry: self.host.name.clone(),
            request: self.label(),
            target: clean(&target),
            reason,
        }
    }

    fn protocol(&self, reason: &str) -> RegistryError {
        RegistryError::Protocol { registry: self.host.name.clone(), request: self.label(), reason: reason.into() }
    }
}

/// What came from one try: headers, the slot that the body still occupies, and where it came from.
struct Exchanged {
    response: reqwest::Response,
    permit: OwnedSemaphorePermit,
    from_own_host: bool,
}

impl Transport {
    pub(crate) fn new(
        config: RegistryConfig,
        credentials: Credentials,
        stats: Arc<Stats>,
    ) -> Result<Self, ConfigError> {
        check_hosts(&config)?;
        let mut own_http = BTreeMap::new();
        for (name, host) in &config.hosts {
            if let Some(path) = &host.ca_file {
                let roots = read_certificates(&format!("hosts.\"{name}\".caFile"), path)?;
                own_http.insert(name.clone(), http_client(&config.limits, &roots)?);
            }
        }
        Ok(Self {
            http: http_client(&config.limits, &[])?,
            own_http,
            hosts: Cache::new(MAX_HOSTS),
            credentials,
            tokens: Tokens::default(),
            stats,
            config,
            only_tls: false,
        })
    }

    /// The same, with TLS to every host, loopback too. Hosts that have no `caFile` of their own may use these authorities beside
    /// the system's.
    pub(crate) fn over_tls(mut self, ca_file: Option<(&str, &Path)>) -> Result<Self, ConfigError> {
        self.only_tls = true;
        if let Some((key, path)) = ca_file {
            self.http = http_client(&self.config.limits, &read_certificates(key, path)?)?;
        }
        Ok(self)
    }

    /// The same for somebody else: nothing that was said to one is said to the other.
    pub(crate) fn with_credentials(&self, credentials: Credentials) -> Self {
        Self {
            config: self.config.clone(),
            only_tls: self.only_tls,
            http: self.http.clone(),
            own_http: self.own_http.clone(),
            hosts: self.hosts.clone(),
            credentials,
            tokens: Tokens::default(),
            stats: Arc::clone(&self.stats),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// The HTTP client for a host, by its name in the configuration.
    pub(crate) fn http_for(&self, name: &str) -> &reqwest::Client {
        self.own_http.get(name).unwrap_or(&self.http)
    }

    /// The host of a registry name, met or made.
    pub(crate) async fn host(&self, registry: &str) -> Result<Arc<Host>, RegistryError> {
        let name = canonical(registry);
        let make = async {
            let http = self.http_for(name).clone();
            if !self.only_tls {
                return Host::new(name, &self.config, http).map(Arc::new);
            }
            let mut config = self.config.clone();
            config.hosts.entry(name.to_owned()).or_default().tls = true;
            config.hosts.values_mut().for_each(|host| host.plain_http = false);
            Host::new(name, &config, http).map(Arc::new)
        };
        self.hosts.try_get_with_by_ref(name, make).await.map_err(Arc::unwrap_or_clone)
    }

    /// Carries out a request. Any final status is an answer; what to make of it is the caller's to say. A 401 is
    /// answered with credentials once: a registry that asks again after a new token gets no third request.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, RegistryError> {
        let started = Instant::now();
        let mut authorization = self.remembered_authorization(call).await?;
        let mut exchanged = self.with_retries(call, authorization.as_ref().map(|sent| &sent.value)).await?;
        if exchanged.response.status() == 401 && exchanged.from_own_host {
            let headers = exchanged.response.headers().clone();
            drop(exchanged);
            let renewed = self.answer_challenge(call, &headers, authorization.take()).await?;
            exchanged = self.with_retries(call, Some(&renewed.value)).await?;
            if exchanged.response.status() == 401 && exchanged.from_own_host {
                self.forget(call, &renewed).await;
                return Err(RegistryError::Authentication {
                    registry: call.host.name.clone(),
                    request: call.label(),
                    reason: format!("HTTP 401 again after {}", renewed.described),
                });
            }
        }
        let progress = Progress::new(self.limits(), started, Some(call.deadline));
        Ok(Answer {
            registry: call.host.name.clone(),
            request: call.label(),
            response: exchanged.response,
            progress,
            permit: Some(exchanged.permit),
        })
    }

    /// The same request again where that helps: connect errors, 429, 502, 503, 504; never past the deadline.
    async fn with_retries(
        &self,
        call: &Call<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Exchanged, RegistryError> {
        let mut retry = 0;
        loop {
            let result = self.follow(call, authorization).await;
            let pause = match &result {
                Err(RegistryError::Connect { .. }) => backoff(self.limits(), retry),
                Ok(exchanged) if is_temporary(exchanged.response.status().as_u16()) => {
                    match retry_after(exchanged.response.headers(), wall_clock()) {
                        Some(wait) if !before(call.deadline, wait) => {
                            return Err(RegistryError::RetryAfter {
                                registry: call.host.name.clone(),
                                request: call.label(),
                                status: exchanged.response.status().as_u16(),
                                wait,
                            });
                        }
                        Some(wait) => wait,
                        None => backoff(self.limits(), retry),
                    }
                }
                _ => return result,
            };
            if call.tries == Tries::One || retry >= self.limits().retries || !before(call.deadline, pause) {
                return result;
            }
            // The slot is free for others while this request waits.
            drop(result);
            tokio::time::sleep(pause).await;
            retry = retry.saturating_add(1);
            self.stats.retry();
        }
    }

    /// One try, with its redirects. `Authorization` goes to the registry's own host only.
    async fn follow(&self, call: &Call<'_>, authorization: Option<&HeaderValue>) -> Result<Exchanged, RegistryError> {
        let permit = self.permit(call.host, &call.label(), call.deadline).await?;
        let mut url = call.url.clone();
        let mut hops = 0;
        loop {
            let from_own_host = call.host.owns(&url);
            let mut request = reqwest::Request::new(call.method.clone(), url.clone());
            *request.headers_mut() = call.headers.clone();
            if let Some(value) = authorization.filter(|_| from_own_host) {
                request.headers_mut().insert(AUTHORIZATION, value.clone());
            }
            *request.body_mut() = call.body.clone().map(reqwest::Body::from);
            let octets = call.body.as_ref().map_or(0, Bytes::len);
            let response = self
                .exchange(call.host, call.kind, request, &call.label(), self.answer_within(octets), call.deadline)
                .await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Exchanged { response, permit, from_own_host });
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let target = url.join(location).map_err(|_| call.protocol("a redirect without a usable Location"))?;
            if !matches!(call.method, Method::GET | Method::HEAD) {
                return Err(call.redirected(&target, format!("a {} is not sent twice", call.method)));
            }
            call.host.allow_redirect(&url, &target).map_err(|reason| call.redirected(&target, reason))?;
            if hops >= self.limits().redirects {
                return Err(call.redirected(&target, format!("more than {} redirects", self.limits().redirects)));
            }
            hops = hops.saturating_add(1);
            url = target;
        }
    }

    /// One of the registry's slots.
    pub(crate) async fn permit(
        &self,
        host: &Host,
        label: &str,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, RegistryError> {
        let started = Instant::now();
        let late = |_| RegistryError::Deadline {
            registry: host.name.clone(),
            request: label.into(),
            after: started.elapsed(),
        };
        let permit = timeout_at(deadline, Arc::clone(&host.permits).acquire_owned()).await.map_err(late)?;
        permit.map_err(|error| RegistryError::Broken {
            registry: host.name.clone(),
            request: label.into(),
            reason: innermost(&error),
        })
    }

    /// One request and the headers of its answer.
    pub(crate) async fn exchange(
        &self,
        host: &Host,
        kind: RequestKind,
        request: reqwest::Request,
        label: &str,
        within: Duration,
        deadline: Instant,
    ) -> Result<reqwest::Response, RegistryError> {
        let started = Instant::now();
        let until = started.checked_add(within).map_or(deadline, |until| until.min(deadline));
        self.stats.request(kind);
        let result = timeout_at(until, host.http.execute(request)).await;
        let (registry, request) = (host.name.clone(), label.to_owned());
        let after = started.elapsed();
        let result = match result {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => {
                let reason = if error.is_timeout() {
                    format!("no connection within {}", crate::error::span(&self.limits().connect()))
                } else {
                    innermost(&error.without_url())
                };
                Err(RegistryError::Connect { registry, request, reason })
            }
            Ok(Err(error)) => Err(RegistryError::Broken { registry, request, reason: innermost(&error.without_url()) }),
            Err(_) if until == deadline => Err(RegistryError::Deadline { registry, request, after }),
            Err(_) => Err(RegistryError::NoHeaders { registry, request, after }),
        };
        match &result {
            Ok(response) => {
                tracing::debug!(registry = %host.name, request = %label, status = response.status().as_u16(), ?after)
            }
            Err(error) => tracing::debug!(registry = %host.name, request = %label, %error, ?after),
        }
        result
    }

    /// How long a request with so many octets of body may take until headers come: connecting, sending at the speed
    /// that we expect of bodies that we receive, and the registry's time to think.
    pub(crate) fn answer_within(&self, octets: usize) -> Duration {
        let sending = (octets as u64).div_euclid(self.limits().progress_bytes_per_second.max(1));
        self.limits().connect().saturating_add(self.limits().headers()).saturating_add(Duration::from_secs(sending))
    }

    /// The deadline of an operation that no decision waits for.
    pub(crate) fn operation_deadline(&self, octets: usize) -> Instant {
        let now = Instant::now();
        let sending = (octets as u64).div_euclid(self.limits().progress_bytes_per_second.max(1));
        now.checked_add(self.limits().operation().saturating_add(Duration::from_secs(sending))).unwrap_or(now)
    }
}

/// Whether a pause from now ends before the deadline.
pub(crate) fn before(deadline: Instant, pause: Duration) -> bool {
    Instant::now().checked_add(pause).is_some_and(|end| end < deadline)
}
