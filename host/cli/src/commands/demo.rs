//! `bulla demo`: everything at once on this machine, with nothing to set up and nothing to clean up.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bulla_engine::Engine;
use bulla_server::{Config, Running};
use clap::Args;
use serde_json::json;

use super::serve::Signals;
use crate::demo::{Folder, Ports, REGISTRY, REPOSITORY, Report, ask_services};
use crate::options::Global;
use crate::output::{self, Exit};
use crate::start;

const EXAMPLES: &str = "\
Examples:
  bulla demo
  bulla demo --once --output json
  bulla demo --dir ./demo --port-base 9000

Three images, two keys, one policy; a webhook, a proxy and a page on loopback. Nothing leaves this machine.
With --once, exit code 0 says that exactly the signed image was accepted, by webhook and proxy.";

/// See it work: images, keys, a policy and the services, on this machine
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Use three ports in a row from here, for webhook, proxy and page [default: 8443, 5080, 8080, or free ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=65533))]
    port_base: Option<u16>,
    /// Report and end
    #[arg(long)]
    once: bool,
    /// An empty folder for everything, which stays [default: a temporary one, which goes]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Sets everything up, reports, and serves until a signal comes.
///
/// # Errors
/// When something cannot be made, started or asked.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let temporary = match arguments.dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("bulla-demo-").tempdir().context("a temporary folder")?),
    };
    let root = arguments.dir.as_deref().or(temporary.as_ref().map(|folder| folder.path())).unwrap_or(Path::new("."));
    let engine = start::engine(global)?;
    start::runtime()?.block_on(async {
        // Ctrl-C ends it at any time, and the temporary folder with it.
        let mut signals = Signals::listen()?;
        tokio::select! {
            ended = demonstrate(global, arguments, root, engine) => ended,
            // Somebody who waits for the report alone does not get it.
            () = signals.end() => Ok(if arguments.once { Exit::Failed } else { Exit::Done }),
        }
    })
}

/// Sets up, asks and shows; with `--once` it ends then, else it serves for as long as it is polled.
async fn demonstrate(global: &Global, arguments: &Arguments, root: &Path, engine: Engine) -> Result<Exit> {
    let ports = Ports::choose(arguments.port_base)?;
    let folder = Folder::fill(root, &engine, ports).await?;
    let running = bulla_server::start(Config::load(&folder.configuration())?, engine).await?;
    let report = ask_services(&folder, ports).await?;
    show(global, &folder, ports, &report, !arguments.once);
    if !arguments.once {
        std::future::pending::<()>().await;
    }
    running.stop(Running::GRACE).await;
    Ok(if report.is_as_expected() { Exit::Done } else { Exit::Failed })
}

fn show(global: &Global, folder: &Folder, ports: Ports, report: &Report, is_staying: bool) {
    let for_people = || {
        let mut text = format!("What may run, decided by the module:\n\n{}", report.text());
        if !report.is_as_expected() {
            text.push_str("\nThis is not what the policy says: only the signed image should be accepted.\n");
        }
        if is_staying {
            text.push_str(&places(folder, ports));
        }
        text
    };
    let Ports { webhook, proxy, http } = ports;
    output::either(global.output, for_people, || {
        json!({"report": report.json(), "folder": folder.path(""),
            "ports": {"webhook": webhook, "proxy": proxy, "http": http}})
    });
}

fn places(folder: &Folder, ports: Ports) -> String {
    let path = |name: &str| folder.path(name).display().to_string();
    let Ports { webhook, proxy, http } = ports;
    let program = std::env::current_exe().map_or_else(|_| "bulla".to_owned(), |path| path.display().to_string());
    let layout = format!("--layout {REGISTRY}/{REPOSITORY}={}", path("layout"));
    format!(
        "
It is all there to be looked at:
  page      http://127.0.0.1:{http}/
  webhook   https://127.0.0.1:{webhook}/v1/admit    (its authority: {authority})
  proxy     http://127.0.0.1:{proxy}/v2/
  policy    {policy}
  keys      {release}, {other} (no passphrase: they open nothing but this demo)

Try, in another terminal:
  1. Ask the webhook as a cluster does, about the image that nobody signed:
     curl --silent --cacert {authority} --header 'Content-Type: application/json' \
       --data-binary @{review} https://127.0.0.1:{webhook}/v1/admit
  2. Trust the other key as well, live, and pull what was refused:
     cp {both} {policy}; sleep 3
     curl --include http://127.0.0.1:{proxy}/v2/{REPOSITORY}/manifests/other-key
  3. Sign the third image, and verify it by the pinned key:
     {program} sign {REGISTRY}/{REPOSITORY}:unsigned --yes --key {release} {layout}
     {program} verify {REGISTRY}/{REPOSITORY}:unsigned --key {public} {layout}

Ctrl-C ends it.
",
        authority = path("state/ca.pem"),
        policy = path("policies/demo.yaml"),
        release = path("release.key"),
        public = path("release.pub"),
        other = path("other.key"),
        review = path("reviews/unsigned.json"),
        both = path("both-keys.yaml"),
    )
}
