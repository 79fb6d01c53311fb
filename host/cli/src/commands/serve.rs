//! `bulla serve`: the services, until a signal ends them.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use bulla_server::{Config, Running};
use clap::Args;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::options::{Format, Global};
use crate::output::{self, Exit};
use crate::start;

const EXAMPLES: &str = "\
Examples:
  bulla serve --print-config > bulla.yaml      (every key with its default and its unit)
  bulla serve --config bulla.yaml --check
  bulla serve --config bulla.yaml

SIGTERM and SIGINT end it: running requests have ten seconds. SIGHUP reads policies and certificates again, which
happens by itself when they change.";

/// Run the services: admission webhook, enforcing proxy, page
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", required_unless_present = "print_config")]
    config: Option<PathBuf>,
    /// Load everything that a start would load, say what is wrong, and start nothing
    #[arg(long, requires = "config")]
    check: bool,
    /// Print a configuration file with every key
    #[arg(long, conflicts_with = "config")]
    print_config: bool,
}

/// Serves until a signal comes.
///
/// # Errors
/// When something that the configuration names cannot be used, or a port is taken.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let Some(file) = &arguments.config else {
        output::text(bulla_server::REFERENCE);
        return Ok(Exit::Done);
    };
    let mut config = Config::load(file)?;
    if let Some(folder) = &global.cache_dir {
        config.engine.cache_dir = Some(folder.clone());
    }
    let engine = start::engine_with(global, config.engine.options())?;
    start::runtime()?.block_on(async {
        if arguments.check {
            return check(global, &config, &engine).await;
        }
        let mut signals = Signals::listen()?;
        let scheme = if config.http.as_ref().is_some_and(|http| http.tls.is_some()) { "https" } else { "http" };
        let running = bulla_server::start(config, engine).await?;
        output::either(global.output, || listening(&running, scheme), || addresses(&running));
        signals.end().await;
        tracing::info!("ending: running requests have {} s", Running::GRACE.as_secs());
        running.stop(Running::GRACE).await;
        Ok(Exit::Done)
    })
}

async fn check(global: &Global, config: &Config, engine: &bulla_engine::Engine) -> Result<Exit> {
    match config.check(engine).await {
        Ok(loaded) => {
            let count = loaded.count();
            output::either(
                global.output,
                || format!("valid: {count} policies"),
                || json!({"valid": true, "policies": count}),
            );
            Ok(Exit::Done)
        }
        Err(problems) => match global.output {
            Format::Text => bail!("{}", problems.join("\nerror: ")),
            Format::Json => {
                output::json(&json!({"valid": false, "problems": problems}));
                Ok(Exit::Failed)
            }
        },
    }
}

fn listening(running: &Running, scheme: &str) -> String {
    let mut lines = Vec::new();
    if let Some(address) = running.webhook {
        lines.push(format!("webhook  https://{address}/v1/admit (pins), /v1/validate (never changes anything)"));
    }
    if let Some(file) = &running.ca_file {
        lines.push(format!("         its authority, for caBundle: {}", file.display()));
    }
    if let Some(address) = running.proxy {
        lines.push(format!("proxy    {address}"));
        lines.push(format!("         try: docker pull {address}/REPOSITORY:TAG, without the upstream's name"));
    }
    if let Some(address) = running.http {
        lines.push(format!("page     {scheme}://{address}/"));
        lines.push(format!("         try: curl {scheme}://{address}/readyz; there are /healthz and /metrics as well"));
    }
    lines.join("\n")
}

fn addresses(running: &Running) -> serde_json::Value {
    let text = |address: Option<std::net::SocketAddr>| address.map(|address| address.to_string());
    json!({"webhook": text(running.webhook), "proxy": text(running.proxy), "http": text(running.http),
        "caFile": running.ca_file})
}

/// The signals that end services. From when it listens, none of them ends the program by itself.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// The services listen to it on their own, a little later: until then it must not end the program.
    _hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind, name| signal(kind).with_context(|| format!("cannot listen to {name}"));
        Ok(Self {
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
            _hangup: listen(SignalKind::hangup(), "SIGHUP")?,
        })
    }

    /// Waits for SIGTERM or SIGINT.
    pub(crate) async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
