//! Start and stop: everything that a configuration names, or nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use axum::Router;
use axum_server::tls_rustls::RustlsConfig;
use bulla_engine::Engine;
use bulla_registry::Sources;
use bulla_trust::Trust;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::config::{Config, Tls};
use crate::decider::Decider;
use crate::listener::Listener;
use crate::policies::Loaded;
use crate::recorder::Recorder;
use crate::reload::{Look, Reloader};
use crate::tls::Certificate;
use crate::{admission, http, proxy};

/// Services that run. Dropping it leaves them running until the runtime ends; [`stop`](Self::stop) ends them in order.
#[derive(Debug)]
pub struct Running {
    /// Where the webhook listens, if it does.
    pub webhook: Option<SocketAddr>,
    /// Where the proxy listens, if it does.
    pub proxy: Option<SocketAddr>,
    /// Where page, health and metrics are, if they are.
    pub http: Option<SocketAddr>,
    /// The PEM file with the authority of self-signed certificates, for `caBundle` and clients.
    pub ca_file: Option<PathBuf>,
    /// What decides.
    pub decider: Arc<Decider>,
    listeners: Vec<Listener>,
    look: mpsc::Sender<Look>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts everything that the configuration names. When it returns, all of it listens. It needs a Tokio runtime.
///
/// # Errors
/// The first thing that stands in the way, with the key that it is about: nothing is left running.
/// [`Config::check`] finds all of them.
pub async fn start(config: Config, engine: Engine) -> anyhow::Result<Running> {
    if let Some((path, message)) = config.problems().into_iter().next() {
        bail!("{path}: {message}");
    }
    if config.webhook.is_none() && config.proxy.is_none() && config.http.is_none() {
        bail!("nothing to do: give at least one of webhook, proxy and http");
    }
    let sources = Sources::new(&config.registry).map_err(|problem| anyhow!("registry.{problem}"))?;
    let loaded = Loaded::load(&engine, &config.policies).await.context("policies")?;
    if loaded.count() == 0 {
        warn!("no policies: every image is rejected");
    }
    info!(policies = %loaded.generation(), count = loaded.count(), "policies are in force");
    let recorder = config.records.as_ref().map(|records| Recorder::configured(records, &engine)).transpose();
    let recorder = recorder.map_err(|problem| anyhow!("records.folder: {problem}"))?;
    let trust = Trust::new(&config.registry, &config.trust, sources.stats().clone());
    let trust = trust.map_err(|problem| anyhow!("{problem}"))?;
    let mut decider = Decider::new(engine, sources, loaded).trusting(trust);
    if let Some(recorder) = recorder {
        decider = decider.recording(recorder);
    }
    let decider = Arc::new(decider);

    let mut certificates = Vec::new();
    let mut certificate = |listener, tls: Option<&Tls>| -> anyhow::Result<Option<RustlsConfig>> {
        let Some(tls) = tls else { return Ok(None) };
        let certificate = Certificate::open(listener, tls, &config.state_dir)
            .map_err(|problem| anyhow!("{listener}.tls: {problem}"))?;
        let config = certificate.config();
        certificates.push(certificate);
        Ok(Some(config))
    };
    let webhook_tls = certificate("webhook", config.webhook.as_ref().map(|webhook| &webhook.tls))?;
    let proxy_tls = certificate("proxy", config.proxy.as_ref().and_then(|proxy| proxy.tls.as_ref()))?;
    let http_tls = certificate("http", config.http.as_ref().and_then(|http| http.tls.as_ref()))?;
    let ca_file = certificates.iter().find_map(|certificate| certificate.authority()).map(PathBuf::from);

    let mut wanted: Vec<(&str, SocketAddr, Router, Option<RustlsConfig>)> = Vec::new();
    if let Some(webhook) = &config.webhook {
        wanted.push(("webhook", webhook.listen, admission::router(decider.clone(), webhook), webhook_tls));
    }
    if let Some(proxy) = &config.proxy {
        wanted.push(("proxy", proxy.listen, proxy::router(decider.clone(), proxy), proxy_tls));
    }
    if let Some(http) = &config.http {
        wanted.push(("http", http.listen, http::router(decider.clone(), &config.page), http_tls));
    }
    let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
    for (name, at, app, tls) in wanted {
        match Listener::start(name, at, app, tls) {
            Ok(listener) => {
                info!(listener = name, address = %listener.address, "listening");
                addresses.push((name, listener.address));
                listeners.push(listener);
            }
            Err(problem) => {
                stop_all(listeners, Duration::ZERO).await;
                return Err(problem);
            }
        }
    }

    let (look, asked) = mpsc::channel(1);
    let reloader = Reloader { decider: decider.clone(), paths: config.policies.clone(), certificates, refused: None };
    let tasks = vec![tokio::spawn(reloader.run(config.reload(), asked)), on_hangup(look.clone())];
    let address = |name: &str| addresses.iter().find(|(known, _)| *known == name).map(|(_, address)| *address);
    let (webhook, proxy, http) = (address("webhook"), address("proxy"), address("http"));
    Ok(Running { webhook, proxy, http, ca_file, decider, listeners, look, tasks })
}

impl Running {
    /// Time that running requests have to end when the services stop, if nobody says otherwise.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// Looks at policies and certificates now, as on SIGHUP, and waits until that is done.
    pub async fn reload(&self) {
        let (answer, done) = oneshot::channel();
        if self.look.send(answer).await.is_ok() {
            // When the answer does not come, the services are ending.
            let _ = done.await;
        }
    }

    /// Takes no more requests, lets running ones end within `grace`, and ends.
    pub async fn stop(self, grace: Duration) {
        stop_all(self.listeners, grace).await;
        for task in self.tasks {
            task.abort();
        }
    }
}

async fn stop_all(listeners: Vec<Listener>, grace: Duration) {
    futures_util::future::join_all(listeners.into_iter().map(|listener| listener.stop(grace))).await;
}

/// SIGHUP looks at once. Listening to it begins before this returns: until then, the signal would end the process.
/// Elsewhere than on Unix there is none, and changes are seen at the next look.
fn on_hangup(look: mpsc::Sender<Look>) -> JoinHandle<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = signal(SignalKind::hangup());
        tokio::spawn(async move {
            let mut hangup = match hangup {
                Ok(hangup) => hangup,
                Err(problem) => {
                    warn!(%problem, "SIGHUP is not listened to");
                    return;
                }
            };
            while hangup.recv().await.is_some() {
                let (answer, _) = oneshot::channel();
                if look.send(answer).await.is_err() {
                    return;
                }
            }
        })
    }
    #[cfg(not(unix))]
    tokio::spawn(async move { drop(look) })
}
