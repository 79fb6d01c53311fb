//! `bulla trust inspect`: what a collection of Docker Content Trust says about itself, to be compared with what its owner says
//! before anything is pinned.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla_notary::{Notary, RoleFile};
use bulla_registry::{Client, Credentials, Stats};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;
use x509_cert::Certificate;
use x509_cert::der::Encode as _;

use crate::options::Global;
use crate::output::{self, Exit};
use crate::records::clean;
use crate::sources::SourceOptions;
use crate::start;
use crate::trust::server_of;

/// Octets of one role file. 4 MiB: some ten thousand tags.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Delegations that are looked at, in the order in which they are listed.
const MAX_DELEGATIONS: usize = 64;
/// Wall time for everything.
const BUDGET: Duration = Duration::from_secs(60);

const EXAMPLES: &str = "\
Examples:
  bulla trust inspect registry.example/team/app
  bulla trust inspect docker.io/library/alpine --server https://notary.docker.io --output json

Nothing is checked and nothing is pinned: it is what the server says. Ask the owner of the collection whether key ids and
fingerprints are his, and write them into a policy: `contentTrust: {pins: {rootKeys: [ID]}}`.";

/// Show root keys, roles, tags and expiry of a collection, unchecked
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The collection's globally unique name: registry and repository
    #[arg(value_name = "GUN")]
    gun: String,
    /// The Notary server [default: that of the registry]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Certificates (PEM) of authorities that the server may use beside the system's
    #[arg(long, value_name = "FILE", alias = "trust-ca")]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    sources: SourceOptions,
}

/// # Errors
/// When the server does not say enough.
pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<Exit> {
    start::runtime()?.block_on(inspect(global, arguments))
}

struct Place<'a> {
    notary: Notary,
    server: String,
    gun: &'a str,
    deadline: Instant,
}

impl Place<'_> {
    /// What stands under `signed` in a role's file.
    async fn signed(&self, role: &str) -> Result<Option<Value>> {
        let file = format!("{role}.json");
        let found = self.notary.role_file(&self.server, self.gun, &file, MAX_FILE_BYTES, self.deadline).await?;
        let bytes = match found {
            RoleFile::Found(bytes) => bytes,
            RoleFile::Absent => return Ok(None),
            RoleFile::TooLong(got) => bail!("{file} has {got} octets, at most {MAX_FILE_BYTES} are read"),
        };
        let mut value: Value = serde_json::from_slice(&bytes).with_context(|| format!("{file} is no JSON"))?;
        Ok(value.get_mut("signed").map(Value::take))
    }
}

async fn inspect(global: &Global, arguments: &Arguments) -> Result<Exit> {
    let config = arguments.sources.config()?;
    let ca_file = arguments.ca_file.as_deref().map(|path| ("--ca-file", path));
    let client = Client::over_tls(&config, Credentials::load(&config)?, Stats::default().into(), ca_file)?;
    let server = server_of(arguments.server.as_deref(), &arguments.gun);
    let place = Place { notary: Notary::new(client), server, gun: &arguments.gun, deadline: Instant::now() + BUDGET };
    let Some(root) = place.signed("root").await? else {
        bail!("{} has no collection {}", place.server, place.gun);
    };
    let mut roles = Vec::new();
    for name in ["targets", "snapshot", "timestamp"] {
        roles.push((name.to_owned(), place.signed(name).await?));
    }
    let delegations: Vec<String> = roles
        .first()
        .and_then(|(_, targets)| targets.as_ref()?.pointer("/delegations/roles")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(|role| role.get("name")?.as_str().map(str::to_owned))
        .take(MAX_DELEGATIONS)
        .collect();
    for name in delegations {
        let file = place.signed(&name).await?;
        roles.push((name, file));
    }
    let found = json!({
        "server": place.server, "gun": place.gun, "checked": false,
        "root": {"version": root.get("version"), "expires": root.get("expires"), "keys": root_keys(&root),
            "threshold": root.pointer("/roles/root/threshold")},
        "roles": roles.iter().map(|(name, file)| role(name, file.as_ref())).collect::<Vec<_>>(),
        "tags": roles.iter().flat_map(|(name, file)| tags(name, file.as_ref())).collect::<Vec<_>>(),
    });
    output::either(global.output, || text(&found), || found.clone());
    Ok(Exit::Done)
}

/// The keys that the root lists for itself, with the certificates in them.
fn root_keys(root: &Value) -> Vec<Value> {
    let ids = root.pointer("/roles/root/keyids").and_then(Value::as_array);
    let shown = ids.into_iter().flatten().filter_map(Value::as_str).map(|id| {
        let key = root.get("keys").and_then(|keys| keys.get(id));
        let public = key.and_then(|key| key.pointer("/keyval/public")?.as_str());
        let pem = public.and_then(|public| STANDARD.decode(public).ok()).unwrap_or_default();
        let certificates = Certificate::load_pem_chain(&pem).unwrap_or_default();
        json!({"id": id, "type": key.and_then(|key| key.get("keytype")), "certificates":
            certificates.iter().map(certificate).collect::<Vec<_>>()})
    });
    shown.collect()
}

fn certificate(certificate: &Certificate) -> Value {
    let tbs = certificate.tbs_certificate();
    let fingerprint = certificate.to_der().ok().map(|der| hex(digest(&SHA256, &der).as_ref()));
    json!({"subject": tbs.subject().to_string(), "notAfter": tbs.validity().not_after.to_string(),
        "sha256": fingerprint})
}

fn role(name: &str, file: Option<&Value>) -> Value {
    let of = |field: &str| file.and_then(|file| file.get(field));
    json!({"role": name, "present": file.is_some(), "version": of("version"), "expires": of("expires")})
}

fn tags(role: &str, file: Option<&Value>) -> Vec<Value> {
    let targets = file.and_then(|file| file.get("targets")?.as_object());
    let shown = targets.into_iter().flatten().map(|(tag, target)| {
        let sha256 = target.pointer("/hashes/sha256").and_then(Value::as_str);
        let digest = sha256.and_then(|text| STANDARD.decode(text).ok()).map(|hash| format!("sha256:{}", hex(&hash)));
        json!({"tag": tag, "role": role, "digest": digest})
    });
    shown.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(found: &Value) -> String {
    let word = |value: Option<&Value>| match value {
        Some(Value::String(text)) => clean(text),
        Some(Value::Number(number)) => number.to_string(),
        _ => "-".to_owned(),
    };
    let list = |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut lines = vec![format!("{} at {}, unchecked", word(found.get("gun")), word(found.get("server")))];
    let root = found.get("root").cloned().unwrap_or_default();
    let (version, expires) = (word(root.get("version")), word(root.get("expires")));
    lines.push(format!("  root               version {version}, expires {expires}"));
    for key in list(&root, "keys") {
        lines.push(format!("    root key         {}  {}", word(key.get("id")), word(key.get("type"))));
        for one in list(&key, "certificates") {
            let (subject, until) = (word(one.get("subject")), word(one.get("notAfter")));
            lines.push(format!("      certificate    sha256:{}  {subject}, until {until}", word(one.get("sha256"))));
        }
    }
    for role in list(found, "roles") {
        let (name, version, expires) = (word(role.get("role")), word(role.get("version")), word(role.get("expires")));
        lines.push(format!("  {name:<18} version {version}, expires {expires}"));
    }
    for tag in list(found, "tags") {
        let (name, role) = (word(tag.get("tag")), word(tag.get("role")));
        lines.push(format!("  tag {name:<14} {}  by {role}", word(tag.get("digest"))));
    }
    lines.push("Nothing is pinned: ask the owner whether the root keys are his.".to_owned());
    lines.join("\n")
}
