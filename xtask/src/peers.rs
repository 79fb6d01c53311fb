//! `cargo xtask peers`: the real programs that tests run against, at pinned versions.

mod install;

use crate::workspace;
use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Every peer and its version: the only place that names them.
#[rustfmt::skip] // A table is read by its columns.
pub(crate) const PEERS: [Peer; 19] = [
    peer("docker-registry",  "2.8.2",  Tier::A, Source::Apt("docker-registry")),
    // Has the referrers API of distribution 1.1, which docker-registry does not know.
    peer("ferro-oci-server", "1.0.0",  Tier::A, Source::Cargo("ferro-oci-server")),
    peer("skopeo",           "1.9.3",  Tier::A, Source::Apt("skopeo")),
    peer("umoci",            "0.4.7",  Tier::A, Source::Apt("umoci")),
    // Both generations are in use: 2.6 writes signatures as tags, 3.1 writes bundles as referrers.
    peer("cosign-2.6",       "2.6.5",  Tier::A, Source::Go("github.com/sigstore/cosign/v2/cmd/cosign")),
    peer("cosign-3.1",       "3.1.3",  Tier::A, Source::Go("github.com/sigstore/cosign/v3/cmd/cosign")),
    peer("notation",         "1.3.2",  Tier::A, Source::GoModule("github.com/notaryproject/notation", "cmd/notation")),
    // Docker Content Trust: its client and its two services, all three from one package.
    peer("notary",           "0.7.0",  Tier::A, Source::Apt("notary")),
    peer("notary-server",    "0.7.0",  Tier::A, Source::Apt("notary")),
    peer("notary-signer",    "0.7.0",  Tier::A, Source::Apt("notary")),
    // A PKCS #11 token in a folder; libsofthsm2.so comes with it.
    peer("softhsm2-util",    "2.6.1",  Tier::A, Source::Apt("softhsm2")),
    // Keeps what several machines remember of collections.
    peer("postgres",         "15",     Tier::A, Source::Apt("postgresql")),
    // Says what a verification connects to.
    peer("strace",           "6.1",    Tier::A, Source::Apt("strace")),
    peer("python-wasmtime",  "50.0.1", Tier::A, Source::Pip("wasmtime")),
    peer("node",             "20",     Tier::A, Source::Apt("nodejs")),
    // The page's tests: a browser, and what fetches the two packages that drive it.
    peer("npm",              "9",      Tier::A, Source::Apt("npm")),
    peer("chromium",         "156",    Tier::A, Source::Apt("chromium")),
    // `docker trust`, up to version 28; most of it needs no daemon.
    peer("docker",           "28.2.2", Tier::B, Source::Apt("docker.io")),
    // Tests of registries run at it as well, where it is there. The Go module proxy does not have it.
    peer("zot",              "2.1.20", Tier::B, Source::Own("build it from the source of project-zot/zot, \
        `GOEXPERIMENT=jsonv2 CGO_ENABLED=0 go build -trimpath ./cmd/zot`, and put `zot` on PATH")),
];

const fn peer(name: &'static str, version: &'static str, tier: Tier, source: Source) -> Peer {
    Peer { name, version, tier, source }
}

/// A program that tests run against.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its file name in the folder that tests get as `BULLA_PEERS`.
    pub(crate) name: &'static str,
    /// The version that tests were written for. Exact for what is built here; what Debian ships moves with its
    /// security updates, so there a newer one is used, and shown.
    pub(crate) version: &'static str,
    pub(crate) tier: Tier,
    pub(crate) source: Source,
}

/// How much a run with peers wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// What `cargo xtask test --require-peers` needs
    A,
    /// Larger programs that few tests need
    B,
}

/// Where a peer comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A Debian package; a program of that name on `PATH` will do.
    Apt(&'static str),
    /// A Go program, built here at exactly the pinned version.
    Go(&'static str),
    /// A Go program (module, folder in it), built here at exactly the pinned version by a `go.mod` that requires it. For
    /// modules that `go install` does not take: it looks for newer versions, which not every proxy lists.
    GoModule(&'static str, &'static str),
    /// A Rust program from the package of that name, built here at exactly the pinned version and by its own lock file.
    Cargo(&'static str),
    /// A Python package in an environment of its own; the program is that environment's Python.
    Pip(&'static str),
    /// A program that nothing here can fetch: it is taken from `PATH`, in whatever version it is there. How to get it.
    Own(&'static str),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only this tier; the default is tier A
    #[arg(long, default_value = "a")]
    tier: Tier,
    /// Show what is there, and install nothing
    #[arg(long)]
    list: bool,
    /// Only peers of these names
    names: Vec<String>,
}

/// What is known of a peer after looking, or after installing.
enum State {
    Present(String),
    Installed(String),
    Failed(anyhow::Error),
}

/// Installs peers, prints one line each, and links them into [`bin`]. Exit code 1 when one is missing at the end.
///
/// # Errors
/// When a name is unknown, or the peers' folder cannot be written.
pub(crate) fn peers(options: &Options) -> Result<ExitCode> {
    if let Some(unknown) = options.names.iter().find(|name| PEERS.iter().all(|peer| peer.name != **name)) {
        let known: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
        bail!("no peer is called `{unknown}`; there are {}", known.join(", "));
    }
    let wanted: Vec<&Peer> = PEERS
        .iter()
        .filter(|peer| match options.names.as_slice() {
            [] => peer.tier == options.tier,
            names => names.iter().any(|name| name == peer.name),
        })
        .collect();
    fs::create_dir_all(bin()).with_context(|| format!("cannot make {}", bin().display()))?;

    // Packages in one go: apt-get takes seconds to start and locks out a second one.
    let packages = if options.list { Ok(Vec::new()) } else { install::packages(&wanted) };
    let packages = packages.unwrap_or_else(|error| {
        eprintln!("  {error:#}");
        Vec::new()
    });
    let mut missing = 0;
    for peer in wanted {
        let state = match (install::present(peer), options.list) {
            (Ok(version), _) if packages.contains(&peer.name) => State::Installed(version),
            (Ok(version), _) => State::Present(version),
            (Err(error), true) => State::Failed(error),
            (Err(_), false) => match install::install(peer) {
                Ok(version) => State::Installed(version),
                Err(error) => State::Failed(error),
            },
        };
        println!("{:<16} {:<8} {state}", peer.name, peer.version);
        if let State::Failed(error) = &state {
            missing += 1;
            format!("{error:#}").lines().skip(1).for_each(|line| eprintln!("  {line}"));
        }
    }
    if missing == 0 {
        println!("peers are in {}", bin().display());
        return Ok(ExitCode::SUCCESS);
    }
    let what_now = if options.list { "`cargo xtask peers` installs them" } else { "tests that need them are skipped" };
    println!("{missing} missing; {what_now}");
    Ok(ExitCode::FAILURE)
}

/// The folder where tests find peers by name; the value of `BULLA_PEERS`.
pub(crate) fn bin() -> PathBuf {
    workspace::root().join("target/peers/bin")
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present(version) => write!(f, "present    {version}"),
            Self::Installed(version) => write!(f, "installed  {version}"),
            // One line for one peer; further lines of the reason are printed apart.
            Self::Failed(error) => write!(f, "failed     {}", format!("{error:#}").lines().next().unwrap_or_default()),
        }
    }
}
